/* Counters' curves on their way into a trace: the changes of two values over time, of which only
 * the points that a viewer needs come out again.
 *
 * Several changes in one nanosecond come out as the last. With a bucket length T, of the points in
 * [kT, (k+1)T) only the first, the minimum and the maximum of each value, and the last come out, in
 * time order, so peaks stay true and every point lies on the real curves. A time below its
 * predecessor's is taken as its predecessor's. */
#ifndef ETLHEAP_CONVERTERS_CURVE_H
#define ETLHEAP_CONVERTERS_CURVE_H

#include "base/inline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct curve_point {
    int64_t time_ns;
    uint64_t value, beside;
    unsigned curves; /* which of the two curves need it; only in points that come out */
};

#define CURVE_OF_VALUE  1u
#define CURVE_OF_BESIDE 2u

/* Zeroed is a curve without points. Of a single value `beside` is 0 throughout. */
struct curve {
    struct curve_point first, lowest, highest, least_beside, most_beside, last;
    int64_t end_ns; /* of the open bucket */
    bool open;
};

/* Room for the points of one bucket, and how many there are of a single value at most. */
#define CURVE_POINTS        6
#define CURVE_SINGLE_POINTS 4

/* Takes in a change within the open bucket, as nearly all are, and says whether it was one; any
 * other is for curve_add(). `pair`, a constant, is whether there is a second value. */
EH_ALWAYS_INLINE bool curve_extend(struct curve *c, int64_t time_ns, uint64_t value,
                                   uint64_t beside, bool pair)
{
    if (time_ns <= c->last.time_ns || time_ns >= c->end_ns || !c->open)
        return false;
    /* Only now is it clear that the last change was its nanosecond's last. */
    if (c->last.value < c->lowest.value)
        c->lowest = c->last;
    if (c->last.value > c->highest.value)
        c->highest = c->last;
    if (pair && c->last.beside < c->least_beside.beside)
        c->least_beside = c->last;
    if (pair && c->last.beside > c->most_beside.beside)
        c->most_beside = c->last;
    c->last.time_ns = time_ns;
    c->last.value = value;
    c->last.beside = beside;
    return true;
}

/* Takes in any change. `bucket_ns` is T, at least 1. Points that can no longer change come out in
 * `out` (room for CURVE_POINTS); returns how many. */
EH_RARE size_t curve_add(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
                         uint64_t beside, struct curve_point *out);

/* Takes out what is still held. The curve is then empty and may be used on. */
size_t curve_flush(struct curve *c, struct curve_point *out);

/* --resolution. Takes "exact", "auto", or a duration like "10us" (ns us ms s, plain is seconds);
 * returns -1 if it is none of them. */
#define CURVE_EXACT INT64_C(0)
#define CURVE_AUTO  INT64_C(-1)
int curve_parse_resolution(int64_t *ret_bucket_ns, const char *text);

/* What CURVE_AUTO means for a trace: exact up to a million points (a point is an alloc, free or
 * realloc record), beyond that the shortest of 1, 2, 5 times a power of ten nanoseconds that
 * brings the trace's span under 100 000 buckets. */
int64_t curve_auto_resolution(uint64_t block_records, int64_t span_ns);

#endif
