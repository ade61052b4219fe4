/* Reproducible random numbers: the same seed gives the same trace on every machine. */
#ifndef ETLHEAP_TOOLS_RNG_H
#define ETLHEAP_TOOLS_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

/* splitmix64: one addition and a finalizer, good enough for shapes and sizes. */
static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* 0 <= result < n; n > 0. The bias of the multiplication is below n / 2^32. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

/* low <= result <= high */
static inline uint32_t rng_between(struct rng *r, uint32_t low, uint32_t high)
{
    return low + rng_below(r, high - low + 1);
}

static inline bool rng_chance(struct rng *r, uint32_t per_thousand)
{
    return rng_below(r, 1000) < per_thousand;
}

/* Each power of two between the bounds gets about the same share. 0 < low <= high < 2^31. */
static inline uint32_t rng_skewed(struct rng *r, uint32_t low, uint32_t high)
{
    unsigned octaves = 0;
    while ((uint64_t)low << (octaves + 1) <= high)
        octaves++;
    uint32_t base = low << rng_below(r, octaves + 1);
    uint32_t top = 2 * base - 1 < high ? 2 * base - 1 : high;
    return rng_between(r, base, top);
}

#endif
