/* XPRESS plain LZ77 (MS-XCA 2.4). Tokens are told apart by flag words of 32 bits, taken from the
 * top: 0 is a literal byte, 1 a match.
 *
 * Two loops share the work. Far from both ends, expand_fast() copies literal runs and matches in
 * words and may write past what it means to; near an end, expand_careful() goes byte by byte. */
#include "container/expand.h"

#include "base/cursor.h"

#include <stdbool.h>
#include <string.h>

/* A flag word sits in the upper half with one set bit below it: counting leading zeros then gives
 * the run of literals, and only that last bit being left means that the word is used up. */
#define FLAGS_USED_UP (UINT64_C(1) << 63)

enum {
    WORD = 8,             /* bytes copied at once */
    LITERALS_MAX = 32,    /* in one flag word */
    TOKEN_BYTES_MAX = 10, /* of a match: u16, shared byte, u8, u16, u32 */
    FAST_MARGIN = LITERALS_MAX + 2 * WORD,
    LENGTH_MIN = 3,
    LENGTH_IN_TOKEN = 7, /* the largest value of the token's three bits: more follows */
    NIBBLE_MAX = 15,
};

_Static_assert(FAST_MARGIN >= LITERALS_MAX + TOKEN_BYTES_MAX, "a fast step must stay in bounds");

struct expansion {
    struct cursor in;
    uint8_t *start;
    uint8_t *out;
    uint8_t *end;
    uint64_t flags;
    uint8_t shared;      /* the byte whose low nibble was a length */
    bool shared_is_left; /* and whose high nibble will be the next one */
};

static uint64_t next_flags(struct cursor *in)
{
    return (uint64_t)cur_u32(in) << 32 | UINT64_C(1) << 31;
}

/* The length of a match whose token says LENGTH_IN_TOKEN. 0: cut or corrupt. */
static uint64_t long_length(struct expansion *x)
{
    unsigned nibble = x->shared >> 4;
    x->shared_is_left = !x->shared_is_left;
    if (x->shared_is_left) {
        x->shared = cur_u8(&x->in);
        nibble = x->shared & NIBBLE_MAX;
    }
    uint64_t value = LENGTH_IN_TOKEN + nibble;
    if (nibble == NIBBLE_MAX) {
        uint8_t more = cur_u8(&x->in);
        value += more;
        if (more == UINT8_MAX) {
            value = cur_u16(&x->in);
            if (value == 0)
                value = cur_u32(&x->in);
            if (value < LENGTH_IN_TOKEN + NIBBLE_MAX)
                return 0;
        }
    }
    return x->in.short_read ? 0 : value + LENGTH_MIN;
}

static inline void copy_word(uint8_t *into, const uint8_t *from)
{
    memcpy(into, from, WORD);
}

/* Writes up to WORD - 1 bytes more than `length`. Where the match repeats itself within a word, a
 * multiple of its period reaches back far enough for whole words. */
static inline void copy_match(uint8_t *out, size_t distance, size_t length)
{
    static const uint8_t multiple[WORD] = {0, 8, 8, 9, 8, 10, 12, 14};
    const uint8_t *end = out + length;
    const uint8_t *from = out - distance;
    if (distance < WORD) {
        for (int i = 0; i < WORD; i++)
            out[i] = from[i];
        out += WORD;
        from = out - multiple[distance];
    }
    for (; out < end; out += WORD, from += WORD)
        copy_word(out, from);
}

static inline void copy_literals(uint8_t *into, const uint8_t *from, unsigned count)
{
    copy_word(into, from);
    if (count > WORD)
        for (int i = WORD; i < LITERALS_MAX; i += WORD)
            copy_word(into + i, from + i);
}

/* Reads a match token: distance and length. False: cut or corrupt. */
static inline bool read_match(struct expansion *x, size_t *ret_distance, uint64_t *ret_length)
{
    unsigned token = cur_u16(&x->in);
    *ret_distance = (token >> 3) + 1;
    *ret_length = (token & LENGTH_IN_TOKEN) + LENGTH_MIN;
    if ((token & LENGTH_IN_TOKEN) == LENGTH_IN_TOKEN)
        *ret_length = long_length(x);
    return !x->in.short_read && *ret_length && *ret_distance <= (size_t)(x->out - x->start);
}

/* Runs while both ends are far. A match that ends too near to the end is left in *ret_rest for
 * the careful loop, with its distance. False: corrupt. */
static bool expand_fast(struct expansion *x, size_t *ret_distance, uint64_t *ret_rest)
{
    *ret_rest = 0;
    while (cur_left(&x->in) >= FAST_MARGIN && x->end - x->out >= FAST_MARGIN) {
        unsigned run = (unsigned)__builtin_clzll(x->flags);
        copy_literals(x->out, x->in.at, run);
        x->out += run;
        x->in.at += run;
        x->flags <<= run;
        if (x->flags == FLAGS_USED_UP) {
            x->flags = next_flags(&x->in);
            continue;
        }
        x->flags <<= 1;
        size_t distance;
        uint64_t length;
        if (!read_match(x, &distance, &length))
            return false;
        if (length + WORD > (uint64_t)(x->end - x->out)) {
            *ret_distance = distance;
            *ret_rest = length;
            return true;
        }
        copy_match(x->out, distance, (size_t)length);
        x->out += length;
    }
    return true;
}

static void copy_bytes(struct expansion *x, size_t distance, uint64_t length)
{
    for (; length && x->out < x->end; length--, x->out++)
        *x->out = *(x->out - distance);
}

static void expand_careful(struct expansion *x)
{
    while (x->out < x->end) {
        if (x->flags == FLAGS_USED_UP) {
            x->flags = next_flags(&x->in);
            if (x->in.short_read)
                return;
        }
        bool is_match = x->flags >> 63;
        x->flags <<= 1;
        if (!is_match) {
            const uint8_t *literal = cur_take(&x->in, 1);
            if (!literal)
                return;
            *x->out++ = *literal;
            continue;
        }
        size_t distance;
        uint64_t length;
        if (!read_match(x, &distance, &length))
            return;
        copy_bytes(x, distance, length);
    }
}

size_t expand_xpress(const uint8_t *packed, size_t packed_length, uint8_t *into, size_t length)
{
    struct expansion x = {
        .in = cur_over(packed, packed_length),
        .start = into,
        .out = into,
        .end = into + length,
        .flags = FLAGS_USED_UP,
    };
    size_t distance = 0;
    uint64_t rest;
    if (expand_fast(&x, &distance, &rest)) {
        copy_bytes(&x, distance, rest);
        expand_careful(&x);
    }
    return (size_t)(x.out - x.start);
}
