#include "lznt1_pack.h"

#include "base/bytes.h"

#include <string.h>

enum {
    CHUNK = 4096,
    CHUNK_SIGNATURE = 0x3000,
    CHUNK_PACKED = 0x8000,
    SHORTEST = 3,
    HASH_BITS = 10,
    NOWHERE = 0xFFFF,
};

/* How many bits of a match at `position` in its chunk (>= 1) are the distance. */
static unsigned distance_bits(size_t position)
{
    unsigned bits = 4;
    while ((position - 1) >> bits)
        bits++;
    return bits;
}

static unsigned hash_at(const uint8_t *b)
{
    uint32_t three = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
    return three * 0x9E3779B1u >> (32 - HASH_BITS);
}

/* Length of the match of `at` with the last place of the same hash, 0 for none. */
static size_t find_match(uint16_t *last, const uint8_t *chunk, size_t at, size_t length,
                         size_t *ret_from)
{
    if (length - at < SHORTEST)
        return 0;
    unsigned h = hash_at(chunk + at);
    size_t from = last[h], n = 0;
    last[h] = (uint16_t)at;
    if (from == NOWHERE)
        return 0;
    size_t longest = (0xFFFFu >> distance_bits(at)) + SHORTEST;
    while (at + n < length && n < longest && chunk[from + n] == chunk[at + n])
        n++;
    *ret_from = from;
    return n < SHORTEST ? 0 : n;
}

/* One chunk as flag bytes with eight items each. 0 when it does not fit. */
static size_t pack_chunk(const uint8_t *chunk, size_t length, uint8_t *into, size_t room)
{
    uint16_t last[1u << HASH_BITS];
    size_t used = 0, flags_at = 0, from = 0;
    unsigned item = 0;

    memset(last, 0xFF, sizeof last);
    for (size_t at = 0; at < length; item++) {
        if (room - used < 3)
            return 0;
        if (item % 8 == 0) {
            flags_at = used;
            into[used++] = 0;
        }
        size_t n = find_match(last, chunk, at, length, &from);
        if (n == 0) {
            into[used++] = chunk[at++];
            continue;
        }
        unsigned length_bits = 16 - distance_bits(at);
        into[flags_at] |= (uint8_t)(1u << item % 8);
        store_u16(into + used, (uint16_t)((at - from - 1) << length_bits | (n - SHORTEST)));
        used += 2;
        at += n;
    }
    return used;
}

size_t lznt1_pack(const uint8_t *bytes, size_t length, uint8_t *into, size_t room)
{
    size_t used = 0;
    for (size_t at = 0; at < length; at += CHUNK) {
        size_t n = length - at < CHUNK ? length - at : CHUNK;
        if (room - used < 2 + n)
            return 0;
        size_t packed = pack_chunk(bytes + at, n, into + used + 2, n);
        unsigned header = CHUNK_SIGNATURE | (packed ? CHUNK_PACKED : 0);
        if (!packed) {
            memcpy(into + used + 2, bytes + at, n);
            packed = n;
        }
        store_u16(into + used, (uint16_t)(header | (packed - 1)));
        used += 2 + packed;
    }
    return used;
}
