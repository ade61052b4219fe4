/* A counter's curve on its way into a trace: the changes of one value over time, of which only the
 * points that a viewer needs come out again.
 *
 * Several changes in one nanosecond come out as the last. With a bucket length T, of the points in
 * [kT, (k+1)T) only the first, the minimum, the maximum and the last come out, in time order, so
 * peaks stay true and every point lies on the real curve. A time below its predecessor's is taken
 * as its predecessor's. */
#ifndef ETLHEAP_CONVERTERS_CURVE_H
#define ETLHEAP_CONVERTERS_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct curve_point {
    int64_t time_ns;
    uint64_t value;
    uint64_t beside; /* curve_add_pair(): another value at the same time, carried along */
};

/* Zeroed is a curve without points. */
struct curve {
    struct curve_point first, minimum, maximum, last;
    int64_t bucket; /* index k of the open bucket; unused when exact */
    bool open;
};

#define CURVE_POINTS 4

/* Adds a change. `bucket_ns` is T, 0 for exact. Points that can no longer change come out in
 * `out` (room for CURVE_POINTS); returns how many, usually 0 or 1. */
size_t curve_add(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
                 struct curve_point *out);

/* As curve_add, for writers whose points show two values at once: `beside` comes out with the
 * `value` it came with, so a point of one curve lies on the other as well. */
size_t curve_add_pair(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
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
