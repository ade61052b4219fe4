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
    struct text_leading milliseconds;
};

/* Copies a literal without its terminating NUL. */
#define PUT(at, literal) put_bytes(at, literal, sizeof literal - 1)

static inline void chrome_format_ts(struct chrome_lines *l, int64_t time_ns)
{
    uint64_t ns = time_ns > l->base_ns ? (uint64_t)time_ns - (uint64_t)l->base_ns : 0;
    uint64_t high = ns / 1000000;
    uint32_t low = (uint32_t)(ns - high * 1000000), microseconds = low / 1000;
    char *at = l->ts.text;
    if (high + 1 == l->milliseconds.above)
        at = put_triple(put_kept_leading(at, &l->milliseconds), microseconds);
    else if (high)
        at = put_triple(put_new_leading(at, &l->milliseconds, high), microseconds);
    else
        at = put_leading_triple(at, microseconds);
    *at++ = '.';
    at = put_triple(at, low - microseconds * 1000);
    l->ts.length = (uint8_t)(at - l->ts.text);
    l->ts.time_ns = time_ns;
}

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

/* Every line begins here, so that the comma between two lines cannot be forgotten. */
static inline char *chrome_put_line_start(struct chrome_lines *l, char *at)
{
    *at = ',';
    at += l->commas;
    l->commas = 1;
    *at++ = '\n';
    return at;
}

/* The same in space of its own: returns CHROME_LINE_BYTES of it. */
static inline char *chrome_begin_line(struct chrome_lines *l)
{
    return chrome_put_line_start(l, out_reserve(l->out, CHROME_LINE_BYTES));
}

char *chrome_put_large(char *at, uint64_t size);

/* At most TEXT_HEX_BYTES + 2. Above 2^63-1 as text, because readers keep numbers as signed 64
 * bits. */
static inline char *chrome_put_size(char *at, uint64_t size)
{
    return size <= INT64_MAX ? put_u64(at, size) : chrome_put_large(at, size);
}

char *chrome_put_new_sum(char *at, struct text_leading *l, uint64_t sum);

/* The same for a sum that is near the one before. */
static inline char *chrome_put_sum(char *at, struct text_leading *l, uint64_t sum)
{
    uint64_t high = sum / 1000000;
    if (high + 1 != l->above)
        return chrome_put_new_sum(at, l, sum);
    return put_six_digits(put_kept_leading(at, l), (uint32_t)(sum - high * 1000000));
}

/* A number of blocks, near the one before. */
static inline char *chrome_put_count(char *at, struct text_leading *l, uint64_t count)
{
    return count <= UINT32_MAX ? put_near_u32(at, l, (uint32_t)count) : put_u64(at, count);
}

/* The inside of a JSON string, of any length. */
void chrome_put_escaped(struct out *o, const char *text);

#endif
