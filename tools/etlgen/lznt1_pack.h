/* Packing into LZNT1, for tests of buffers in that form. */
#ifndef ETLHEAP_TOOLS_LZNT1_PACK_H
#define ETLHEAP_TOOLS_LZNT1_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Packs `length` bytes into at most `room` bytes; chunks that do not shrink are stored plain.
 * Returns the packed length, or 0 when it does not fit. */
size_t lznt1_pack(const uint8_t *bytes, size_t length, uint8_t *into, size_t room);

#endif
