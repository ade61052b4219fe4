/* Checked arithmetic for sizes an input controls: true means overflow, as in C23's <stdckdint.h>. */
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

#endif
