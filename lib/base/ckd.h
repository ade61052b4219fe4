/* Checked arithmetic for sizes an input controls: true means overflow, as in C23's <stdckdint.h>.
 * And saturating arithmetic for times. */
#ifndef ETLHEAP_BASE_CKD_H
#define ETLHEAP_BASE_CKD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ckd_add_size(size_t *ret, size_t a, size_t b)
{
    *ret = a + b;
    return *ret < a;
}

static inline bool ckd_mul_size(size_t *ret, size_t a, size_t b)
{
    *ret = a * b;
    return a && *ret / a != b;
}

/* Differences and sums of times an input controls: the ends of 64 bits instead of a wrap. */
static inline int64_t sub_saturating(int64_t a, int64_t b)
{
    if (b > 0 && a < INT64_MIN + b)
        return INT64_MIN;
    if (b < 0 && a > INT64_MAX + b)
        return INT64_MAX;
    return a - b;
}

static inline int64_t add_saturating(int64_t a, int64_t b)
{
    if (b > 0 && a > INT64_MAX - b)
        return INT64_MAX;
    if (b < 0 && a < INT64_MIN - b)
        return INT64_MIN;
    return a + b;
}

#endif
