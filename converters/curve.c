#include "curve.h"

#include "text.h"

#include <string.h>

#define EXACT_POINTS_MAX 1000000
#define AUTO_BUCKETS     100000

static void open_bucket(struct curve *c, int64_t bucket, struct curve_point p)
{
    c->first = c->minimum = c->maximum = c->last = p;
    c->bucket = bucket;
    c->open = true;
}

/* `last` may still change while its nanosecond lasts: it counts as an extreme only now. */
static void settle_last(struct curve *c)
{
    if (c->last.value < c->minimum.value)
        c->minimum = c->last;
    if (c->last.value > c->maximum.value)
        c->maximum = c->last;
}

size_t curve_flush(struct curve *c, struct curve_point *out)
{
    if (!c->open)
        return 0;
    c->open = false;
    settle_last(c);
    bool rises = c->minimum.time_ns < c->maximum.time_ns;
    const struct curve_point in_time_order[CURVE_POINTS] = {
        c->first,
        rises ? c->minimum : c->maximum,
        rises ? c->maximum : c->minimum,
        c->last,
    };
    size_t n = 0;
    for (size_t i = 0; i < CURVE_POINTS; i++)
        if (!n || in_time_order[i].time_ns != out[n - 1].time_ns)
            out[n++] = in_time_order[i];
    return n;
}

/* Rounds down, also below zero. */
static int64_t bucket_of(int64_t time_ns, int64_t bucket_ns)
{
    return time_ns / bucket_ns - (time_ns % bucket_ns < 0);
}

/* Without buckets only `last` is used: it goes out as soon as a later time is seen. */
static size_t add_exact(struct curve *c, struct curve_point p, struct curve_point *out)
{
    size_t n = 0;
    if (c->open && p.time_ns <= c->last.time_ns)
        p.time_ns = c->last.time_ns;
    else if (c->open)
        out[n++] = c->last;
    c->first = c->minimum = c->maximum = c->last = p;
    c->open = true;
    return n;
}

size_t curve_add_pair(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
                      uint64_t beside, struct curve_point *out)
{
    struct curve_point p = {time_ns, value, beside};
    if (bucket_ns <= 0)
        return add_exact(c, p, out);
    if (c->open && time_ns <= c->last.time_ns) {
        p.time_ns = c->last.time_ns;
        if (c->first.time_ns == p.time_ns)
            open_bucket(c, c->bucket, p);
        c->last = p;
        return 0;
    }
    int64_t bucket = bucket_of(time_ns, bucket_ns);
    if (c->open && bucket == c->bucket) {
        settle_last(c);
        c->last = p;
        return 0;
    }
    size_t n = curve_flush(c, out);
    open_bucket(c, bucket, p);
    return n;
}

size_t curve_add(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
                 struct curve_point *out)
{
    return curve_add_pair(c, bucket_ns, time_ns, value, 0, out);
}

int curve_parse_resolution(int64_t *ret_bucket_ns, const char *text)
{
    if (strcmp(text, "exact") == 0)
        *ret_bucket_ns = CURVE_EXACT;
    else if (strcmp(text, "auto") == 0)
        *ret_bucket_ns = CURVE_AUTO;
    else
        return parse_duration_ns(ret_bucket_ns, text, strlen(text));
    return 0;
}

int64_t curve_auto_resolution(uint64_t block_records, int64_t span_ns)
{
    if (block_records <= EXACT_POINTS_MAX)
        return CURVE_EXACT;
    /* 9.3 * 10^18 ns, the longest span, needs 10^14. */
    for (int64_t power = 1;; power *= 10) {
        static const int64_t steps[] = {1, 2, 5};
        for (size_t i = 0; i < 3; i++)
            if (span_ns / (steps[i] * power) < AUTO_BUCKETS)
                return steps[i] * power;
    }
}
