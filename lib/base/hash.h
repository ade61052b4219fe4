/* Hashes for in-memory tables. Not stable across versions, never written to a file. */
#ifndef ETLHEAP_BASE_HASH_H
#define ETLHEAP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Mixes every input bit into every output bit (two multiply-xorshift rounds). */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    return x;
}

uint64_t hash_bytes(const void *bytes, size_t length);

#endif
