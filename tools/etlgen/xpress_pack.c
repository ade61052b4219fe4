#include "xpress_pack.h"

#include "base/bytes.h"

#include <string.h>

enum {
    HASH_BITS = 13,
    SHORTEST = 3,       /* bytes of the shortest match */
    WINDOW = 8192,      /* farthest distance */
    TOKEN_BYTES = 10,   /* most that one token takes: match, two extensions, long length */
    WORD_BYTES = 4,     /* a word of 32 token flags */
    LONG_IN_MATCH = 7,  /* lengths from here on need a nibble */
    LONG_IN_NIBBLE = 15,
    LONG_IN_BYTE = 255,
};

struct packer {
    uint8_t *at;
    uint8_t *end;
    uint8_t *flags_at; /* where the current word of flags goes */
    uint32_t flags;
    unsigned tokens;    /* in the current word */
    uint8_t *half_used; /* byte whose high nibble is free, or NULL */
};

static void begin_word(struct packer *p)
{
    p->flags_at = p->at;
    p->at += WORD_BYTES;
    p->flags = 0;
    p->tokens = 0;
}

static void count_token(struct packer *p, unsigned is_match)
{
    p->flags = p->flags << 1 | is_match;
    if (++p->tokens == 32) {
        store_u32(p->flags_at, p->flags);
        begin_word(p);
    }
}

/* Lengths of 255 + 22 and more: the whole value in 16 or 32 bits. */
static void put_long_length(struct packer *p, uint32_t value)
{
    *p->at++ = LONG_IN_BYTE;
    if (value <= UINT16_MAX) {
        store_u16(p->at, (uint16_t)value);
        p->at += 2;
        return;
    }
    store_u16(p->at, 0);
    store_u32(p->at + 2, value);
    p->at += 6;
}

static void put_length_tail(struct packer *p, uint32_t value)
{
    uint32_t rest = value - LONG_IN_MATCH;
    unsigned nibble = rest < LONG_IN_NIBBLE ? rest : LONG_IN_NIBBLE;
    if (p->half_used) {
        *p->half_used |= (uint8_t)(nibble << 4);
        p->half_used = NULL;
    } else {
        p->half_used = p->at;
        *p->at++ = (uint8_t)nibble;
    }
    if (nibble < LONG_IN_NIBBLE)
        return;
    rest -= LONG_IN_NIBBLE;
    if (rest < LONG_IN_BYTE)
        *p->at++ = (uint8_t)rest;
    else
        put_long_length(p, value);
}

static void put_match(struct packer *p, size_t distance, size_t length)
{
    uint32_t value = (uint32_t)(length - SHORTEST);
    uint32_t low = value < LONG_IN_MATCH ? value : LONG_IN_MATCH;
    store_u16(p->at, (uint16_t)((distance - 1) << 3 | low));
    p->at += 2;
    if (low == LONG_IN_MATCH)
        put_length_tail(p, value);
    count_token(p, 1);
}

static uint32_t hash_at(const uint8_t *b)
{
    uint32_t three = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
    return three * 0x9E3779B1u >> (32 - HASH_BITS);
}

static size_t match_length(const uint8_t *bytes, size_t from, size_t at, size_t length)
{
    size_t n = 0;
    while (at + n < length && bytes[from + n] == bytes[at + n])
        n++;
    return n;
}

/* One literal or match at `at`; returns how many bytes it stands for. Greedy: the last place with
 * the same hash is the only candidate. */
static size_t pack_token(struct packer *p, uint32_t *last, const uint8_t *bytes, size_t at,
                         size_t length)
{
    if (length - at >= SHORTEST) {
        uint32_t h = hash_at(bytes + at);
        size_t from = last[h];
        last[h] = (uint32_t)at;
        if (from != UINT32_MAX && at - from <= WINDOW) {
            size_t n = match_length(bytes, from, at, length);
            if (n >= SHORTEST) {
                put_match(p, at - from, n);
                return n;
            }
        }
    }
    *p->at++ = bytes[at];
    count_token(p, 0);
    return 1;
}

/* The unused flags of the last word are ones, as in Windows' own streams. */
static void end_word(struct packer *p)
{
    if (p->tokens == 0)
        p->flags = UINT32_MAX;
    else
        p->flags = p->flags << (32 - p->tokens) | ((1u << (32 - p->tokens)) - 1);
    store_u32(p->flags_at, p->flags);
}

size_t xpress_pack(const uint8_t *bytes, size_t length, uint8_t *into, size_t room)
{
    uint32_t last[1u << HASH_BITS];
    struct packer p = {.at = into, .end = into + room};
    if (room < WORD_BYTES)
        return 0;
    memset(last, 0xFF, sizeof last);
    begin_word(&p);
    for (size_t at = 0; at < length;) {
        if ((size_t)(p.end - p.at) < TOKEN_BYTES + WORD_BYTES)
            return 0;
        at += pack_token(&p, last, bytes, at, length);
    }
    end_word(&p);
    return (size_t)(p.at - into);
}
