/* The lines of a Chrome trace: one event each, a comma before each but the first, times in
 * microseconds. Everything the events share is formatted once and copied. */
#ifndef ETLHEAP_CONVERTERS_CHROME_LINES_H
#define ETLHEAP_CONVERTERS_CHROME_LINES_H

#include "text.h"

#include "io/sink.h"

#include <stddef.h>
#include <stdint.h>

#define CHROME_LINE_BYTES 1024 /* more than any line needs without names and stacks */

/* Text that is copied as a whole, whatever its length: a fixed size copies fastest. */
struct chrome_piece {
    uint8_t length;
    char text[79];
};

/* A time as it stands behind "ts": microseconds with exactly three decimals. */
struct chrome_ts {
    int64_t time_ns;
    uint8_t length; /* 0: none */
    char text[23];
};

struct chrome_lines {
    struct out *out;
    int64_t base_ns; /* the time that is written as 0.000; earlier ones are, too */
    size_t commas;   /* before the next line: 0 or 1 */
    struct chrome_ts ts; /* the last one formatted: neighbouring lines often share it */
    uint64_t ts_high;    /* its nanoseconds / 10^8, and their digits */
    uint8_t ts_high_length;
    char ts_high_text[TEXT_U64_BYTES];
};

/* Copies a literal without its terminating NUL. */
#define PUT(at, literal) put_bytes(at, literal, sizeof literal - 1)

void chrome_format_ts(struct chrome_lines *l, int64_t time_ns);

/* `time_ns` formatted; valid until the next call. */
static inline const struct chrome_ts *chrome_ts(struct chrome_lines *l, int64_t time_ns)
{
    if (time_ns != l->ts.time_ns || !l->ts.length)
        chrome_format_ts(l, time_ns);
    return &l->ts;
}

static inline char *chrome_put_ts(char *at, const struct chrome_ts *ts)
{
    memcpy(at, ts->text, sizeof ts->text);
    return at + ts->length;
}

static inline char *chrome_put_piece(char *at, const struct chrome_piece *piece)
{
    memcpy(at, piece->text, sizeof piece->text);
    return at + piece->length;
}

/* `at` is the place behind the piece's last byte. */
static inline void chrome_end_piece(struct chrome_piece *piece, const char *at)
{
    piece->length = (uint8_t)(at - piece->text);
}

/* Every line begins here, so that the comma between two lines cannot be forgotten. Returns
 * CHROME_LINE_BYTES of reserved space. */
static inline char *chrome_begin_line(struct chrome_lines *l)
{
    char *at = out_reserve(l->out, CHROME_LINE_BYTES);
    *at = ',';
    at += l->commas;
    l->commas = 1;
    *at++ = '\n';
    return at;
}

/* At most TEXT_HEX_BYTES + 2. Above 2^63-1 as text, because readers keep numbers as signed 64
 * bits. */
static inline char *chrome_put_size(char *at, uint64_t size)
{
    if (size <= INT64_MAX)
        return put_u64(at, size);
    *at++ = '"';
    at = put_hex(at, size);
    *at++ = '"';
    return at;
}

/* The inside of a JSON string, of any length. */
void chrome_put_escaped(struct out *o, const char *text);

#endif
