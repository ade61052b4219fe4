/* Little-endian loads and stores on unaligned bytes. Compilers turn each into one instruction on
 * little-endian machines; on big-endian ones they stay right. */
#ifndef ETLHEAP_BASE_BYTES_H
#define ETLHEAP_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

static inline int64_t load_i64(const uint8_t *p)
{
    return (int64_t)load_u64(p);
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)v);
    store_u16(p + 2, (uint16_t)(v >> 16));
}

static inline void store_u64(uint8_t *p, uint64_t v)
{
    store_u32(p, (uint32_t)v);
    store_u32(p + 4, (uint32_t)(v >> 32));
}

/* A GUID's 16 bytes in the order in which they are printed: on disk its first three fields are
 * little-endian. */
static inline void guid_print_order(const uint8_t *guid, uint8_t *into)
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int i = 0; i < 16; i++)
        into[i] = guid[order[i]];
}

#endif
