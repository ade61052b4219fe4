/* Packing into XPRESS Huffman, for tests of buffers in that form. */
#ifndef ETLHEAP_TOOLS_HUFFMAN_PACK_H
#define ETLHEAP_TOOLS_HUFFMAN_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Packs `length` bytes into at most `room` bytes. Returns the packed length, or 0 when it does not
 * fit or memory ran out. Valid, not tight: code lengths come from three classes of frequency. */
size_t huffman_pack(const uint8_t *bytes, size_t length, uint8_t *into, size_t room);

#endif
