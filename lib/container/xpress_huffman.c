/* XPRESS with Huffman codes (MS-XCA 2.2). Each 64 KiB of output has its own table of 512 code
 * lengths. Bits come from 16-bit words, top first; long lengths come as whole bytes out of the
 * same input, from behind the words already taken. */
#include "container/expand.h"

#include "base/cursor.h"

#include <stdbool.h>
#include <string.h>

enum {
    BLOCK_BYTES = 1 << 16,
    SYMBOLS = 512, /* 256 literals, then matches */
    TABLE_BYTES = SYMBOLS / 2,
    CODE_BITS_MAX = 15,
    CODES = 1 << CODE_BITS_MAX,
    WORD_BITS = 16,
    END_MARK = 256,
    LENGTH_MIN = 3,
    LENGTH_IN_SYMBOL = 15, /* the largest value of the symbol's four bits: more follows */
};

/* What each CODE_BITS_MAX bits begin with: symbol << 4 | code length; 0: no code. */
struct decoder {
    uint16_t entries[CODES];
};

struct bits {
    struct cursor in;
    uint32_t next;  /* bits to come, topmost first */
    int spare;      /* how many bits `next` holds beyond WORD_BITS */
    int behind_end; /* how many of them are zeros made up behind the end of the input */
};

static uint8_t code_length(const uint8_t *table, unsigned symbol)
{
    return symbol & 1 ? table[symbol / 2] >> 4 : table[symbol / 2] & 15;
}

/* Canonical codes: by length, then by symbol. False: more codes than fit. */
static bool build_decoder(struct decoder *d, const uint8_t *table)
{
    size_t used = 0;
    for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
        size_t span = (size_t)1 << (CODE_BITS_MAX - bits);
        for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) {
            if (code_length(table, symbol) != bits)
                continue;
            if (span > CODES - used)
                return false;
            for (size_t i = 0; i < span; i++)
                d->entries[used++] = (uint16_t)(symbol << 4 | bits);
        }
    }
    memset(d->entries + used, 0, (CODES - used) * sizeof *d->entries);
    return true;
}

static uint32_t next_word(struct bits *b)
{
    if (cur_left(&b->in) >= 2)
        return cur_u16(&b->in);
    b->in.at = b->in.end; /* half a word is no length byte either */
    b->behind_end += WORD_BITS;
    return 0;
}

static void start_bits(struct bits *b)
{
    b->behind_end = 0;
    b->next = next_word(b) << WORD_BITS;
    b->next |= next_word(b);
    b->spare = WORD_BITS;
}

/* `n` is at most WORD_BITS. */
static void skip_bits(struct bits *b, unsigned n)
{
    b->next <<= n;
    b->spare -= (int)n;
    if (b->spare < 0) {
        b->next |= next_word(b) << -b->spare;
        b->spare += WORD_BITS;
    }
}

static bool ran_out(const struct bits *b)
{
    return b->spare + WORD_BITS < b->behind_end;
}

/* The length of a match whose symbol says LENGTH_IN_SYMBOL. 0: cut or corrupt. */
static uint64_t long_length(struct cursor *in)
{
    uint64_t value = cur_u8(in);
    if (value < UINT8_MAX) {
        value += LENGTH_IN_SYMBOL;
    } else {
        value = cur_u16(in);
        if (value == 0)
            value = cur_u32(in);
        if (value < LENGTH_IN_SYMBOL)
            return 0;
    }
    return in->short_read ? 0 : value + LENGTH_MIN;
}

struct expansion {
    struct bits bits;
    uint8_t *start;
    uint8_t *out;
    uint8_t *end;
    uint8_t *end_mark; /* where the first END_MARK stood that could be one, else NULL */
};

static bool expand_match(struct expansion *x, unsigned symbol)
{
    uint64_t length = (symbol & LENGTH_IN_SYMBOL) + LENGTH_MIN;
    if ((symbol & LENGTH_IN_SYMBOL) == LENGTH_IN_SYMBOL)
        length = long_length(&x->bits.in);
    unsigned distance_bits = (symbol - END_MARK) >> 4;
    size_t distance = (size_t)1 << distance_bits;
    if (distance_bits)
        distance += x->bits.next >> (32 - distance_bits);
    skip_bits(&x->bits, distance_bits);
    if (!length || ran_out(&x->bits) || distance > (size_t)(x->out - x->start))
        return false;
    for (; length && x->out < x->end; length--, x->out++)
        *x->out = *(x->out - distance);
    return true;
}

/* False: cut or corrupt. */
static bool expand_block(struct expansion *x, const struct decoder *d)
{
    const uint8_t *block = x->out;
    while (x->out < x->end && x->out - block < BLOCK_BYTES) {
        unsigned entry = d->entries[x->bits.next >> (32 - CODE_BITS_MAX)];
        unsigned symbol = entry >> 4;
        skip_bits(&x->bits, entry & 15);
        if (!entry || ran_out(&x->bits))
            return false;
        /* The end mark is also a match's symbol. Only when the stream turns out to give too few
         * bytes was it meant as the mark. */
        if (symbol == END_MARK && !x->end_mark && !cur_left(&x->bits.in))
            x->end_mark = x->out;
        if (symbol < END_MARK)
            *x->out++ = (uint8_t)symbol;
        else if (!expand_match(x, symbol))
            return false;
    }
    return true;
}

size_t expand_xpress_huffman(const uint8_t *packed, size_t packed_length, uint8_t *into,
                             size_t length)
{
    struct expansion x = {
        .bits.in = cur_over(packed, packed_length),
        .start = into,
        .out = into,
        .end = into + length,
    };
    struct decoder decoder;
    while (x.out < x.end) {
        const uint8_t *table = cur_take(&x.bits.in, TABLE_BYTES);
        if (!table || !build_decoder(&decoder, table))
            break;
        start_bits(&x.bits);
        if (!expand_block(&x, &decoder))
            break;
    }
    return (size_t)((x.out < x.end && x.end_mark ? x.end_mark : x.out) - x.start);
}
