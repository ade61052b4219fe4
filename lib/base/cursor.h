/* A reading position in untrusted bytes. Reading past the end gives zeros and sets `short_read`,
 * which the caller checks once per record, not once per field. */
#ifndef ETLHEAP_BASE_CURSOR_H
#define ETLHEAP_BASE_CURSOR_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool short_read;
};

static inline struct cursor cur_over(const uint8_t *bytes, size_t length)
{
    return (struct cursor){bytes, bytes + length, false};
}

static inline size_t cur_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Steps over `n` bytes and returns them, or NULL (and moves to the end) when fewer are left. */
static inline const uint8_t *cur_take(struct cursor *c, size_t n)
{
    if (cur_left(c) < n) {
        c->at = c->end;
        c->short_read = true;
        return NULL;
    }
    const uint8_t *bytes = c->at;
    c->at += n;
    return bytes;
}

static inline uint8_t cur_u8(struct cursor *c)
{
    const uint8_t *p = cur_take(c, 1);
    return p ? *p : 0;
}

static inline uint16_t cur_u16(struct cursor *c)
{
    const uint8_t *p = cur_take(c, 2);
    return p ? load_u16(p) : 0;
}

static inline uint32_t cur_u32(struct cursor *c)
{
    const uint8_t *p = cur_take(c, 4);
    return p ? load_u32(p) : 0;
}

static inline uint64_t cur_u64(struct cursor *c)
{
    const uint8_t *p = cur_take(c, 8);
    return p ? load_u64(p) : 0;
}

/* A pointer-sized field; `pointer_size` is 4 or 8. */
static inline uint64_t cur_pointer(struct cursor *c, unsigned pointer_size)
{
    return pointer_size == 8 ? cur_u64(c) : cur_u32(c);
}

#endif
