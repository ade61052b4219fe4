/* The three compressions a buffer may carry (FORMAT.md 2, MS-XCA). All decode untrusted bytes into
 * exactly as many bytes as asked for and never touch memory outside the two ranges. */
#ifndef ETLHEAP_CONTAINER_EXPAND_H
#define ETLHEAP_CONTAINER_EXPAND_H

#include <stddef.h>
#include <stdint.h>

/* Each expands `packed_length` bytes into `into` and returns how many bytes came out before the
 * stream ended, broke, or `length` was reached: less than `length` means cut or corrupt, and the
 * bytes returned so far are right. Left-over input is not an error. */
size_t expand_xpress(const uint8_t *packed, size_t packed_length, uint8_t *into, size_t length);
size_t expand_xpress_huffman(const uint8_t *packed, size_t packed_length, uint8_t *into,
                             size_t length);
size_t expand_lznt1(const uint8_t *packed, size_t packed_length, uint8_t *into, size_t length);

#endif
