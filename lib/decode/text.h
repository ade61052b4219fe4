/* A string as it lies in a payload: found and bounded, not yet converted. */
#ifndef ETLHEAP_DECODE_TEXT_H
#define ETLHEAP_DECODE_TEXT_H

#include "base/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw_text {
    const uint8_t *bytes; /* NULL where the record holds none */
    size_t length;        /* bytes, without the NUL */
    bool utf16;
};

/* Takes a string up to its NUL, or to the record's end: strings may be cut by it. */
struct raw_text take_ansi(struct cursor *c);
struct raw_text take_utf16(struct cursor *c);

/* Converts to at most `room` bytes of UTF-8 without a NUL; returns the bytes. */
size_t raw_text_utf8(const struct raw_text *text, char *into, size_t room);

#endif
