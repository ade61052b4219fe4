/* Bytes that grow, for files and records that are put together piece by piece. */
#ifndef ETLHEAP_TOOLS_CASE_BYTES_H
#define ETLHEAP_TOOLS_CASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is empty. `failed` sticks when memory ran out: check it once, at the end. */
struct bytes {
    uint8_t *at;
    size_t length;
    size_t room;
    bool failed;
};

/* Appends `n` zeroed bytes and returns their place (valid until the next call), NULL on failure. */
uint8_t *bytes_grow(struct bytes *b, size_t n);
void bytes_append(struct bytes *b, const void *from, size_t n);
void bytes_fill(struct bytes *b, uint8_t value, size_t n);

/* The low `width` (1, 2, 4 or 8) bytes of `value`, little-endian. */
void bytes_number(struct bytes *b, unsigned width, uint64_t value);
void bytes_ansi(struct bytes *b, const char *text);  /* as it is, with its NUL */
void bytes_utf16(struct bytes *b, const char *utf8); /* with its NUL */

/* Empties, keeps the memory. */
void bytes_clear(struct bytes *b);
void bytes_finish(struct bytes *b);

/* Stores the low `width` bytes of `value` at `at`. */
void store_number(uint8_t *at, unsigned width, uint64_t value);

#endif
