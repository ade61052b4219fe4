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

/* The salt of a table that an input fills: mixed into the hashes, it keeps the input's author from
 * choosing keys that collide. It comes from where the table lies, which address space randomisation
 * makes different in every run, so nothing that is written may depend on a salted order. */
static inline uint64_t hash_salt(const void *table)
{
    return hash_u64((uintptr_t)table);
}

uint64_t hash_salted_bytes(uint64_t salt, const void *bytes, size_t length);

#endif
