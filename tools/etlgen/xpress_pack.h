/* Packing into the plain XPRESS form (LZ77) that Windows uses for trace buffers. */
#ifndef ETLHEAP_TOOLS_XPRESS_PACK_H
#define ETLHEAP_TOOLS_XPRESS_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Packs `length` bytes (at most 64 MiB) into at most `room` bytes. Returns the packed length, or 0
 * when it does not fit, so that room = length asks for "only if it shrinks". */
size_t xpress_pack(const uint8_t *bytes, size_t length, uint8_t *into, size_t room);

#endif
