#include "base/hash.h"

#include "base/bytes.h"

uint64_t hash_bytes(const void *bytes, size_t length)
{
    return hash_salted_bytes(0, bytes, length);
}

uint64_t hash_salted_bytes(uint64_t salt, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    uint64_t h = salt ^ length;
    for (; length >= 8; p += 8, length -= 8)
        h = hash_u64(h ^ load_u64(p));
    uint64_t tail = 0;
    for (size_t i = 0; i < length; i++)
        tail |= (uint64_t)p[i] << (8 * i);
    return hash_u64(h ^ tail);
}
