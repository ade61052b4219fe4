#include "curve.h"

#include "base/ckd.h"
#include "text.h"

#include <string.h>

#define EXACT_POINTS_MAX 1000000
#define AUTO_BUCKETS     100000

/* Puts an extreme in its place behind the first point, unless it is the first or the last one. */
static size_t insert(const struct curve *c, struct curve_point *out, size_t count,
                     const struct curve_point *p, unsigned curves)
{
    if (p->time_ns == c->first.time_ns || p->time_ns == c->last.time_ns)
        return count;
    size_t i = count;
    while (out[i - 1].time_ns > p->time_ns)
        i--;
    if (out[i - 1].time_ns == p->time_ns) {
        out[i - 1].curves |= curves;
        return count;
    }
    memmove(&out[i + 1], &out[i], (count - i) * sizeof *out);
    out[i] = *p;
    out[i].curves = curves;
    return count + 1;
}

/* The last change may still be replaced while its nanosecond lasts: it is compared only now. */
static void settle_last(struct curve *c)
{
    if (c->last.value < c->lowest.value)
        c->lowest = c->last;
    if (c->last.value > c->highest.value)
        c->highest = c->last;
    if (c->last.beside < c->least_beside.beside)
        c->least_beside = c->last;
    if (c->last.beside > c->most_beside.beside)
        c->most_beside = c->last;
}

size_t curve_flush(struct curve *c, struct curve_point *out)
{
    if (!c->open)
        return 0;
    c->open = false;
    settle_last(c);
    size_t n = 0;
    if (c->first.time_ns != c->last.time_ns) {
        out[n++] = c->first;
        n = insert(c, out, n, &c->lowest, CURVE_OF_VALUE);
        n = insert(c, out, n, &c->highest, CURVE_OF_VALUE);
        n = insert(c, out, n, &c->least_beside, CURVE_OF_BESIDE);
        n = insert(c, out, n, &c->most_beside, CURVE_OF_BESIDE);
    }
    out[n++] = c->last;
    return n;
}

static void start(struct curve *c, const struct curve_point *p)
{
    c->first = c->lowest = c->highest = c->least_beside = c->most_beside = c->last = *p;
}

/* Buckets begin at multiples of their length, also below zero. */
static int64_t bucket_end(int64_t time_ns, int64_t bucket_ns)
{
    int64_t into = time_ns % bucket_ns;
    if (into < 0)
        into += bucket_ns;
    return add_saturating(time_ns, bucket_ns - into);
}

size_t curve_add(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
                 uint64_t beside, struct curve_point *out)
{
    struct curve_point p = {.time_ns = time_ns, .value = value, .beside = beside,
                            .curves = CURVE_OF_VALUE | CURVE_OF_BESIDE};
    if (c->open && time_ns <= c->last.time_ns) {
        p.time_ns = c->last.time_ns;
        if (c->first.time_ns == p.time_ns)
            start(c, &p);
        c->last = p;
        return 0;
    }
    if (curve_extend(c, time_ns, value, beside, true))
        return 0;
    size_t n = curve_flush(c, out);
    start(c, &p);
    c->end_ns = bucket_end(time_ns, bucket_ns);
    c->open = true;
    return n;
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
