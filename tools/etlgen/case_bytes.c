#include "case_bytes.h"

#include "base/array.h"
#include "base/bytes.h"
#include "base/ckd.h"
#include "etl_write.h"

#include <stdlib.h>
#include <string.h>

uint8_t *bytes_grow(struct bytes *b, size_t n)
{
    size_t need;
    if (ckd_add_size(&need, b->length, n) || ARRAY_RESERVE(b->at, b->room, need) < 0)
        b->failed = true;
    if (b->failed || need == 0)
        return NULL;
    uint8_t *place = b->at + b->length;
    memset(place, 0, n);
    b->length = need;
    return place;
}

void bytes_append(struct bytes *b, const void *from, size_t n)
{
    uint8_t *place = bytes_grow(b, n);
    if (place && n)
        memcpy(place, from, n);
}

void bytes_fill(struct bytes *b, uint8_t value, size_t n)
{
    uint8_t *place = bytes_grow(b, n);
    if (place)
        memset(place, value, n);
}

void store_number(uint8_t *at, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

void bytes_number(struct bytes *b, unsigned width, uint64_t value)
{
    uint8_t *place = bytes_grow(b, width);
    if (place)
        store_number(place, width, value);
}

void bytes_ansi(struct bytes *b, const char *text)
{
    bytes_append(b, text, strlen(text) + 1);
}

void bytes_utf16(struct bytes *b, const char *utf8)
{
    uint8_t *place = bytes_grow(b, utf16_bytes(utf8));
    if (place)
        put_utf16(place, utf8);
}

void bytes_clear(struct bytes *b)
{
    b->length = 0;
}

void bytes_finish(struct bytes *b)
{
    free(b->at);
    *b = (struct bytes){0};
}
