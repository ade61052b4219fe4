/* LZNT1 (MS-XCA 2.5): chunks that expand to at most 4096 bytes and know nothing of each other. */
#include "container/expand.h"

#include "base/cursor.h"

#include <stdbool.h>
#include <string.h>

enum {
    CHUNK_BYTES = 4096,
    CHUNK_SIZE_MASK = 0x0FFF, /* of the header: bytes that follow, less one */
    CHUNK_IS_PACKED = 0x8000,
    ITEMS_PER_FLAGS = 8,
    TOKEN_BITS = 16,
    DISTANCE_BITS_MIN = 4,
    LENGTH_MIN = 3,
};

struct chunk {
    struct cursor in;
    uint8_t *start;
    uint8_t *out;
    uint8_t *end; /* of the chunk or of all output, what comes first */
};

/* The further into its chunk a match is, the more bits of its token are distance. */
static unsigned distance_bits(size_t position)
{
    unsigned bits = DISTANCE_BITS_MIN;
    while ((position - 1) >> bits)
        bits++;
    return bits;
}

static bool expand_match(struct chunk *c)
{
    size_t position = (size_t)(c->out - c->start);
    unsigned token = cur_u16(&c->in);
    if (c->in.short_read || position == 0)
        return false;
    unsigned length_bits = TOKEN_BITS - distance_bits(position);
    size_t distance = (token >> length_bits) + 1;
    size_t length = (token & ((1u << length_bits) - 1)) + LENGTH_MIN;
    if (distance > position)
        return false;
    for (; length && c->out < c->end; length--, c->out++)
        *c->out = *(c->out - distance);
    return length == 0;
}

/* False: the chunk is corrupt, cut, or wants more room than there is. */
static bool expand_chunk(struct chunk *c)
{
    while (cur_left(&c->in)) {
        unsigned flags = cur_u8(&c->in);
        for (int i = 0; i < ITEMS_PER_FLAGS && cur_left(&c->in); i++, flags >>= 1) {
            if (c->out == c->end)
                return false;
            if (!(flags & 1))
                *c->out++ = cur_u8(&c->in);
            else if (!expand_match(c))
                return false;
        }
    }
    return true;
}

static bool copy_chunk(struct chunk *c)
{
    size_t room = (size_t)(c->end - c->out);
    size_t n = cur_left(&c->in) < room ? cur_left(&c->in) : room;
    memcpy(c->out, c->in.at, n);
    c->out += n;
    return n == cur_left(&c->in);
}

size_t expand_lznt1(const uint8_t *packed, size_t packed_length, uint8_t *into, size_t length)
{
    struct cursor in = cur_over(packed, packed_length);
    size_t done = 0;
    while (done < length) {
        unsigned header = cur_u16(&in);
        if (header == 0)
            break;
        size_t size = (header & CHUNK_SIZE_MASK) + 1u;
        bool is_cut = size > cur_left(&in);
        if (is_cut)
            size = cur_left(&in);
        size_t room = length - done < CHUNK_BYTES ? length - done : CHUNK_BYTES;
        struct chunk c = {cur_over(in.at, size), into + done, into + done, into + done + room};
        bool whole = header & CHUNK_IS_PACKED ? expand_chunk(&c) : copy_chunk(&c);
        done = (size_t)(c.out - into);
        if (!whole || is_cut)
            break;
        cur_take(&in, size);
    }
    return done;
}
