/* The lines of a Chrome trace: one event each, a comma before each but the first, times in
 * microseconds. Everything the events share is formatted once and copied. */
#ifndef ETLHEAP_CONVERTERS_CHROME_LINES_H
#define ETLHEAP_CONVERTERS_CHROME_LINES_H

#include "text.h"

#include "base/inline.h"
#include "io/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHROME_LINE_BYTES 1024 /* more than any line needs without names and stacks */

/* Text that is copied as a whole, whatever its length: a fixed size copies fastest. */
struct chrome_piece {
    uint8_t length;
    char text[79];
};

/* The times of one millisecond, which are written alike up to their last six digits. */
struct chrome_millisecond {
    uint64_t start_ns, span_ns; /* as struct text_range's; time 0 has no digits and no span */
    uint64_t length;
    char text[16]; /* of the digits that stay */
};

struct chrome_lines {
    struct out *out;
    int64_t base_ns; /* the time that is written as 0.000; earlier ones are, too */
    size_t commas;   /* before a line: 0 for the first, then 1 */
    struct chrome_millisecond millisecond; /* of the time written last */
};

/* Copies a literal without its terminating NUL. */
#define PUT(at, literal) put_bytes(at, literal, sizeof literal - 1)

/* Times stand behind "ts" in microseconds with exactly three decimals. */
#define CHROME_TIME_BYTES 24

static inline bool chrome_is_in(const struct chrome_millisecond *m, int64_t time_ns)
{
    return (uint64_t)time_ns - m->start_ns < m->span_ns;
}

/* "123.456", what changes within a millisecond. Stores a byte more. */
#define CHROME_TIME_DIGITS 7
static inline char *chrome_put_time_in(char *at, uint64_t start_ns, int64_t time_ns)
{
    uint64_t ns = (uint64_t)time_ns - start_ns, microseconds = ns * 4294968 >> 32;
    put_triple(at, (uint32_t)microseconds);
    at[3] = '.';
    return put_triple(at + 4, (uint32_t)(ns - 1000 * microseconds));
}

EH_RARE char *chrome_put_new_time(char *at, struct chrome_lines *l, int64_t time_ns);

static inline char *chrome_put_time(char *at, struct chrome_lines *l, int64_t time_ns)
{
    const struct chrome_millisecond *m = &l->millisecond;
    if (!chrome_is_in(m, time_ns))
        return chrome_put_new_time(at, l, time_ns);
    memcpy(at, m->text, sizeof m->text);
    return chrome_put_time_in(at + m->length, m->start_ns, time_ns);
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

/* Begins a line: returns CHROME_LINE_BYTES of space behind the comma and newline before it. */
static inline char *chrome_begin_line(struct chrome_lines *l)
{
    char *at = out_reserve(l->out, CHROME_LINE_BYTES);
    *at = ',';
    at += l->commas;
    l->commas = 1;
    *at++ = '\n';
    return at;
}

/* Commits any number of lines, from `begin` to `end`, each with its comma and newline: only the
 * trace's first has no comma. */
static inline void chrome_commit_lines(struct chrome_lines *l, char *begin, char *end)
{
    if (!l->commas && end > begin) {
        memmove(begin, begin + 1, (size_t)(end - begin - 1));
        l->commas = 1;
        end--;
    }
    out_commit(l->out, end);
}

char *chrome_put_large(char *at, uint64_t size);

/* At most TEXT_HEX_BYTES + 2. Above 2^63-1 as text, because readers keep numbers as signed 64
 * bits. */
static inline char *chrome_put_size(char *at, uint64_t size)
{
    return size <= INT64_MAX ? put_u64(at, size) : chrome_put_large(at, size);
}

/* The inside of a JSON string, of any length. */
void chrome_put_escaped(struct out *o, const char *text);

#endif
