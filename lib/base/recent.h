/* A bounded memory of pairs (raw time, owner) seen lately: exact in what it confirms, forgetful
 * under pressure. A new pair takes the older of two places that its hash allows. */
#ifndef ETLHEAP_BASE_RECENT_H
#define ETLHEAP_BASE_RECENT_H

#include "base/hash.h"
#include "base/limits.h"

#include <stdbool.h>

struct recent_pair {
    int64_t time;
    uint64_t id; /* 0: empty; RECENT_ANYBODY or what recent_owner() makes */
};

#define RECENT_ANYBODY UINT64_MAX

/* A thread of a process as an id, never 0. */
static inline uint64_t recent_owner(uint32_t pid, uint32_t tid)
{
    return ((uint64_t)pid << 32 | tid) + 1;
}

struct recent {
    struct recent_pair pairs[LIMIT_RECENT_SETS][2];
};

static inline struct recent_pair *recent_set(struct recent *r, int64_t time, uint64_t id)
{
    uint64_t hash = hash_u64((uint64_t)time ^ id * UINT64_C(0x9E3779B97F4A7C15));
    return r->pairs[hash % LIMIT_RECENT_SETS];
}

static inline bool recent_has(struct recent *r, int64_t time, uint64_t id)
{
    const struct recent_pair *p = recent_set(r, time, id);
    return (p[0].time == time && p[0].id == id) || (p[1].time == time && p[1].id == id);
}

static inline void recent_add(struct recent *r, int64_t time, uint64_t id)
{
    struct recent_pair *p = recent_set(r, time, id);
    if (p[0].time == time && p[0].id == id)
        return;
    p[1] = p[0];
    p[0] = (struct recent_pair){time, id};
}

#endif
