/* A counter of a Chrome trace: its points as lines.
 *
 *   {"ph":"C","pid":2100,"name":"Heap 0x1f0000","ts":3.250,
 *    "args":{"live bytes":96,"live blocks":2}}
 *
 * A point mostly differs from the one before by the last digits of its numbers. So the last line is
 * kept and copied as a whole, and these digits are written into the copy. */
#ifndef ETLHEAP_CONVERTERS_CHROME_COUNTER_H
#define ETLHEAP_CONVERTERS_CHROME_COUNTER_H

#include "chrome_lines.h"

/* Room for one line, with its comma and newline before it, and for what is copied too much. */
#define CHROME_POINT_BYTES 256

#define CHROME_KEPT_BYTES 160

struct chrome_counter {
    struct chrome_piece start; /* of the line, up to the time */
    bool has_blocks;
    uint8_t time_place, bytes_place, blocks_place; /* of the changing digits in `line` */
    uint32_t length;
    uint64_t start_ns, span_ns; /* the line's millisecond; span 0: no line is kept */
    struct text_range bytes, blocks;
    char line[CHROME_KEPT_BYTES];
};

/* "Heap 0x1f0000" with bytes and blocks. `name` has at most TEXT_HEX_BYTES. */
void chrome_counter_of_heap(struct chrome_counter *c, uint32_t pid, const char *name);
/* "Heap total" with bytes. */
void chrome_counter_of_process(struct chrome_counter *c, uint32_t pid);

/* The time of a point that there is not: nothing is written. */
#define CHROME_NO_POINT INT64_MIN

EH_RARE char *chrome_put_new_point(struct chrome_counter *c, char *at, struct chrome_lines *l,
                                   int64_t time_ns, uint64_t bytes, uint64_t blocks);

static inline bool chrome_is_like_last(const struct chrome_counter *c, int64_t time_ns,
                                       uint64_t bytes)
{
    return (uint64_t)time_ns - c->start_ns < c->span_ns && is_near(&c->bytes, bytes);
}

/* The last line up to its bytes' end, as a new point's; `usual` of its bytes at once. */
EH_ALWAYS_INLINE char *chrome_put_like_last(const struct chrome_counter *c, char *at, size_t usual,
                                            int64_t time_ns, uint64_t bytes)
{
    memcpy(at, c->line, usual);
    if (c->length > usual)
        memcpy(at + usual, c->line + usual, CHROME_KEPT_BYTES - usual);
    *chrome_put_time_in(at + c->time_place, c->start_ns, time_ns) = ',';
    return put_last_six(at + c->bytes_place, &c->bytes, bytes);
}

/* Both write a point at `at` and return its end. Inlined by force: a call costs a tenth of them. */
EH_ALWAYS_INLINE char *chrome_put_heap_point(struct chrome_counter *c, char *at,
                                             struct chrome_lines *l, int64_t time_ns,
                                             uint64_t bytes, uint64_t blocks)
{
    if (!chrome_is_like_last(c, time_ns, bytes) || !is_near(&c->blocks, blocks))
        return chrome_put_new_point(c, at, l, time_ns, bytes, blocks);
    *chrome_put_like_last(c, at, 128, time_ns, bytes) = ',';
    return PUT(put_last_three(at + c->blocks_place, &c->blocks, blocks), "}}");
}

EH_ALWAYS_INLINE char *chrome_put_total_point(struct chrome_counter *c, char *at,
                                              struct chrome_lines *l, int64_t time_ns,
                                              uint64_t bytes)
{
    if (!chrome_is_like_last(c, time_ns, bytes))
        return chrome_put_new_point(c, at, l, time_ns, bytes, 0);
    return PUT(chrome_put_like_last(c, at, 96, time_ns, bytes), "}}");
}

#endif
