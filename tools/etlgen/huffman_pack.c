#include "huffman_pack.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 65536, /* bytes that share a table of code lengths */
    SYMBOLS = 512,
    TABLE_BYTES = SYMBOLS / 2,
    FIRST_MATCH = 256, /* also the end mark */
    SHORTEST = 3,
    HASH_BITS = 13,
    LONG_IN_SYMBOL = 15,
    LONG_IN_BYTE = 255,
    TOKEN_BYTES = 16, /* most that one token takes */
    /* The classes of code lengths. 64/2^7 + 64/2^9 + 384/2^10 = 1: the code is complete. */
    FREQUENT = 64,
    COMMON = 128,
};

struct token {
    uint16_t symbol;
    uint16_t distance; /* below its highest bit */
    uint32_t length;   /* of the match less SHORTEST; 0 for literals */
};

struct code {
    uint8_t bits[SYMBOLS];
    uint16_t word[SYMBOLS];
};

/* The bit stream: 16-bit words whose places are taken two ahead, with length bytes between. */
struct bit_writer {
    uint8_t *at;
    uint8_t *word_at, *next_word_at;
    uint32_t word;
    unsigned free_bits;
};

static unsigned hash_at(const uint8_t *b)
{
    uint32_t three = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
    return three * 0x9E3779B1u >> (32 - HASH_BITS);
}

static unsigned highest_bit(uint32_t value)
{
    unsigned bit = 0;
    while (value >>= 1)
        bit++;
    return bit;
}

static struct token match_token(size_t distance, size_t length)
{
    uint32_t value = (uint32_t)(length - SHORTEST);
    unsigned bit = highest_bit((uint32_t)distance);
    unsigned low = value < LONG_IN_SYMBOL ? value : LONG_IN_SYMBOL;
    return (struct token){(uint16_t)(FIRST_MATCH + (bit << 4) + low),
                          (uint16_t)(distance - (1u << bit)), value};
}

/* Greedy tokens for bytes [from, to); matches may reach back into earlier blocks. */
static size_t make_tokens(const uint8_t *bytes, size_t from, size_t to, uint32_t *last,
                          struct token *tokens)
{
    size_t count = 0;
    for (size_t at = from; at < to;) {
        size_t n = 0, origin = 0;
        if (to - at >= SHORTEST) {
            unsigned h = hash_at(bytes + at);
            origin = last[h];
            last[h] = (uint32_t)at;
            if (origin != UINT32_MAX && at - origin < BLOCK) {
                while (at + n < to && bytes[origin + n] == bytes[at + n])
                    n++;
            }
        }
        if (n < SHORTEST) {
            tokens[count++] = (struct token){bytes[at++], 0, 0};
            continue;
        }
        tokens[count++] = match_token(at - origin, n);
        at += n;
    }
    return count;
}

/* How many symbols are more frequent than `symbol` (ties: the smaller symbol first). */
static unsigned rank_of(const uint32_t *counts, unsigned symbol)
{
    unsigned rank = 0;
    for (unsigned other = 0; other < SYMBOLS; other++)
        rank += counts[other] > counts[symbol] ||
                (counts[other] == counts[symbol] && other < symbol);
    return rank;
}

static void make_code(const struct token *tokens, size_t count, struct code *code)
{
    uint32_t counts[SYMBOLS] = {0};
    for (size_t i = 0; i < count; i++)
        counts[tokens[i].symbol]++;
    for (unsigned s = 0; s < SYMBOLS; s++) {
        unsigned rank = rank_of(counts, s);
        code->bits[s] = rank < FREQUENT ? 7 : rank < COMMON ? 9 : 10;
    }
    /* Canonical: by length, then by symbol. */
    unsigned word = 0;
    for (unsigned bits = 1; bits <= 15; bits++, word <<= 1) {
        for (unsigned s = 0; s < SYMBOLS; s++) {
            if (code->bits[s] == bits)
                code->word[s] = (uint16_t)word++;
        }
    }
}

static void put_bits(struct bit_writer *b, unsigned bits, uint32_t value)
{
    if (bits <= b->free_bits) {
        b->free_bits -= bits;
        b->word = b->word << bits | value;
        return;
    }
    unsigned rest = bits - b->free_bits;
    store_u16(b->word_at, (uint16_t)(b->word << b->free_bits | value >> rest));
    b->word_at = b->next_word_at;
    b->next_word_at = b->at;
    b->at += 2;
    b->free_bits = 16 - rest;
    b->word = value & ((1u << rest) - 1);
}

static void put_length(struct bit_writer *b, uint32_t value)
{
    if (value < LONG_IN_SYMBOL + LONG_IN_BYTE) {
        *b->at++ = (uint8_t)(value - LONG_IN_SYMBOL);
        return;
    }
    *b->at++ = LONG_IN_BYTE;
    store_u16(b->at, (uint16_t)value); /* matches end with their block: below 65536 */
    b->at += 2;
}

static void put_token(struct bit_writer *b, const struct code *code, const struct token *t)
{
    put_bits(b, code->bits[t->symbol], code->word[t->symbol]);
    if (t->symbol < FIRST_MATCH)
        return;
    if (t->length >= LONG_IN_SYMBOL)
        put_length(b, t->length);
    put_bits(b, (t->symbol >> 4) & 15u, t->distance);
}

/* The table, then the tokens. Returns the place behind, NULL when they do not fit before `end`. */
static uint8_t *put_block(uint8_t *into, const uint8_t *end, const struct token *tokens,
                          size_t count, bool last)
{
    struct code code;
    struct bit_writer b = {.free_bits = 16};

    if ((size_t)(end - into) < TABLE_BYTES + 4)
        return NULL;
    make_code(tokens, count, &code);
    for (unsigned s = 0; s < SYMBOLS; s += 2)
        into[s / 2] = (uint8_t)(code.bits[s] | code.bits[s + 1] << 4);
    b.word_at = into + TABLE_BYTES;
    b.next_word_at = b.word_at + 2;
    b.at = b.word_at + 4;
    for (size_t i = 0; i < count; i++) {
        if ((size_t)(end - b.at) < 2 * TOKEN_BYTES)
            return NULL;
        put_token(&b, &code, &tokens[i]);
    }
    if (last)
        put_bits(&b, code.bits[FIRST_MATCH], code.word[FIRST_MATCH]);
    store_u16(b.word_at, (uint16_t)(b.word << b.free_bits));
    store_u16(b.next_word_at, 0);
    return b.at;
}

size_t huffman_pack(const uint8_t *bytes, size_t length, uint8_t *into, size_t room)
{
    struct token *tokens = malloc(BLOCK * sizeof *tokens);
    uint32_t *last = malloc(sizeof *last << HASH_BITS);
    uint8_t *at = tokens && last ? into : NULL;

    if (last)
        memset(last, 0xFF, sizeof *last << HASH_BITS);
    for (size_t from = 0; from < length && at; from += BLOCK) {
        size_t to = length - from < BLOCK ? length : from + BLOCK;
        size_t count = make_tokens(bytes, from, to, last, tokens);
        at = put_block(at, into + room, tokens, count, to == length);
    }
    free(tokens);
    free(last);
    return at ? (size_t)(at - into) : 0;
}
