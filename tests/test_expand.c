#include "container/expand.h"

#include "base/bytes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef size_t expand_function(const uint8_t *, size_t, uint8_t *, size_t);

/* Bytes on a heap block of exactly their size, so that sanitizers see every step beyond. */
static uint8_t *tight_copy(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    return copy;
}

/* Expands into a tight buffer of `room` bytes and expects the first `made` bytes of `plain`. */
static void expect(expand_function *expand, const uint8_t *packed, size_t packed_length,
                   size_t room, const uint8_t *plain, size_t made)
{
    uint8_t *in = tight_copy(packed, packed_length);
    uint8_t *out = malloc(room ? room : 1);
    ck_assert_ptr_nonnull(out);
    memset(out, 0xEE, room ? room : 1);
    size_t n = expand(in, packed_length, out, room);
    ck_assert_uint_eq(n, made);
    ck_assert_mem_eq(out, plain, made);
    free(in);
    free(out);
}

/* Cut at every byte and limited to every length, the output must be a beginning of `plain`. */
static void expect_prefixes(expand_function *expand, const uint8_t *packed, size_t packed_length,
                            const uint8_t *plain, size_t plain_length)
{
    size_t last = 0;
    for (size_t cut = 0; cut <= packed_length; cut++) {
        uint8_t *in = tight_copy(packed, cut);
        uint8_t *out = malloc(plain_length);
        ck_assert_ptr_nonnull(out);
        size_t n = expand(in, cut, out, plain_length);
        ck_assert_uint_le(n, plain_length);
        ck_assert_mem_eq(out, plain, n);
        ck_assert_uint_ge(n, last); /* more input never gives less */
        last = n;
        free(in);
        free(out);
    }
    ck_assert_uint_eq(last, plain_length);
    for (size_t room = 0; room <= plain_length; room++)
        expect(expand, packed, packed_length, room, plain, room);
}

#define ALPHABET "abcdefghijklmnopqrstuvwxyz"

static void fill_abc(uint8_t plain[300])
{
    for (size_t i = 0; i < 300; i++)
        plain[i] = (uint8_t)('a' + i % 3);
}

/* The examples that MS-XCA publishes in its section 3. */

START_TEST(xpress_published_literals)
{
    uint8_t packed[4 + 26] = {0x3F};
    memcpy(packed + 4, ALPHABET, 26);
    expect_prefixes(expand_xpress, packed, sizeof packed, (const uint8_t *)ALPHABET, 26);
}
END_TEST

START_TEST(xpress_published_match)
{
    const uint8_t packed[] = {0xFF, 0xFF, 0xFF, 0x1F, 'a',  'b', 'c',
                              0x17, 0x00, 0x0F, 0xFF, 0x26, 0x01};
    uint8_t plain[300];
    fill_abc(plain);
    expect_prefixes(expand_xpress, packed, sizeof packed, plain, sizeof plain);
}
END_TEST

START_TEST(huffman_published_literals)
{
    uint8_t packed[256 + 20] = {0};
    memset(packed + 49, 0x55, 10);
    packed[48] = 0x50;
    packed[59] = 0x45;
    packed[60] = 0x44;
    packed[61] = 0x04;
    packed[128] = 0x04;
    static const uint8_t bits[20] = {0xD8, 0x52, 0x3E, 0xD7, 0x94, 0x11, 0x5B,
                                     0xE9, 0x19, 0x5F, 0xF9, 0xD6, 0x7C, 0xDF,
                                     0x8D, 0x04, 0x00, 0x00, 0x00, 0x00};
    memcpy(packed + 256, bits, sizeof bits);
    expect_prefixes(expand_xpress_huffman, packed, sizeof packed, (const uint8_t *)ALPHABET, 26);
    /* Asked for more than there is, it stops at the end mark. */
    expect(expand_xpress_huffman, packed, sizeof packed, 100, (const uint8_t *)ALPHABET, 26);
}
END_TEST

static size_t huffman_abc(uint8_t packed[263])
{
    static const uint8_t bits[7] = {0xA8, 0xDC, 0x00, 0x00, 0xFF, 0x26, 0x01};
    memset(packed, 0, 256);
    packed[48] = 0x30;
    packed[49] = 0x23;
    packed[128] = 0x02;
    packed[143] = 0x20;
    memcpy(packed + 256, bits, sizeof bits);
    return 263;
}

START_TEST(huffman_published_match)
{
    uint8_t packed[263], plain[300];
    fill_abc(plain);
    size_t n = huffman_abc(packed);
    expect_prefixes(expand_xpress_huffman, packed, n, plain, sizeof plain);
    expect(expand_xpress_huffman, packed, n, 1000, plain, sizeof plain);
}
END_TEST

static const uint8_t lznt1_published[] = {
    0x38, 0xB0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xA2, 0x47,
    0x01, 0xA0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xC0, 0x45, 0x20,
    0x05, 0x24, 0x13, 0x88, 0x05, 0xB4, 0x02, 0x4A, 0x44, 0xEF, 0x03, 0x58, 0x02, 0x8C, 0x09,
    0x16, 0x01, 0x48, 0x45, 0x00, 0xBE, 0x00, 0x9E, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00};
static const char lznt1_plain[] =
    "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E "
    "F# G F# E D E A F# F# G A A G F# E D D E F# E D D";

START_TEST(lznt1_published_example)
{
    ck_assert_uint_eq(sizeof lznt1_plain, 142);
    expect_prefixes(expand_lznt1, lznt1_published, sizeof lznt1_published,
                    (const uint8_t *)lznt1_plain, sizeof lznt1_plain);
    expect(expand_lznt1, lznt1_published, sizeof lznt1_published, 5000,
           (const uint8_t *)lznt1_plain, sizeof lznt1_plain);
}
END_TEST

/* XPRESS plain, form by form. Each stream starts with literals "ab" and ends with literal "z". */

struct length_form {
    const char *name;
    uint8_t extra[16]; /* behind the token 0x000F: distance 2, length follows */
    size_t extra_length;
    size_t copied; /* 0: corrupt */
};

static const struct length_form length_forms[] = {
    {"nibble 0", {0xF0}, 1, 10},
    {"nibble 14", {0xFE}, 1, 24},
    {"nibble 15 and 0", {0x0F, 0x00}, 2, 25},
    {"nibble 15 and 254", {0x0F, 0xFE}, 2, 279},
    {"u16 at its least", {0x0F, 0xFF, 0x16, 0x00}, 4, 25},
    {"u16 as the byte form ends", {0x0F, 0xFF, 0x15, 0x01}, 4, 280},
    {"u16 too small", {0x0F, 0xFF, 0x15, 0x00}, 4, 0},
    {"u16 at its most", {0x0F, 0xFF, 0xFF, 0xFF}, 4, 65538},
    {"u32", {0x0F, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00}, 8, 65539},
    {"u32 at its least", {0x0F, 0xFF, 0x00, 0x00, 0x16, 0x00, 0x00, 0x00}, 8, 25},
    {"u32 too small", {0x0F, 0xFF, 0x00, 0x00, 0x15, 0x00, 0x00, 0x00}, 8, 0},
};

START_TEST(xpress_length_forms)
{
    const struct length_form *form = &length_forms[_i];
    uint8_t packed[64] = {0x00, 0x00, 0x00, 0x20, 'a', 'b', 0x0F, 0x00};
    memcpy(packed + 8, form->extra, form->extra_length);
    packed[8 + form->extra_length] = 'z';
    size_t n = 8 + form->extra_length + 1;
    size_t whole = 2 + form->copied + (form->copied ? 1 : 0);
    uint8_t *plain = malloc(whole);
    ck_assert_ptr_nonnull(plain);
    for (size_t i = 0; i < whole; i++)
        plain[i] = i % 2 ? 'b' : 'a';
    if (form->copied)
        plain[whole - 1] = 'z';
    expect(expand_xpress, packed, n, whole, plain, whole);
    expect(expand_xpress, packed, n, whole + 1, plain, whole);
    expect(expand_xpress, packed, n, whole + 4096, plain, whole);
    /* The same with so much behind it that the fast loop runs. */
    expect(expand_xpress, packed, sizeof packed, whole, plain, whole);
    free(plain);
}
END_TEST

/* Lengths that ask for 4 GiB stop at the room there is. */
START_TEST(xpress_length_of_4_gib)
{
    const uint8_t packed[] = {0x00, 0x00, 0x00, 0x40, 'a',  0x07, 0x00, 0x0F,
                              0xFF, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF};
    uint8_t plain[2000];
    memset(plain, 'a', sizeof plain);
    expect(expand_xpress, packed, sizeof packed, sizeof plain, plain, sizeof plain);
}
END_TEST

/* Two long matches share one byte: first its low, then its high half; a third takes a new one. */
START_TEST(xpress_shared_nibble)
{
    const uint8_t packed[] = {0x00, 0x00, 0x00, 0x5C, 'a',  0x07, 0x00, 0x21, 'b',
                              0x07, 0x00, 0x07, 0x00, 0x03, 0x07, 0x00};
    /* flags 0 1 0 1 1 1 0 0 ...: a, match 10+1, b, match 10+2, match 10+3, match by high half 0 */
    uint8_t plain[1 + 11 + 1 + 12 + 13];
    memset(plain, 'a', 12);
    memset(plain + 12, 'b', sizeof plain - 12);
    expect(expand_xpress, packed, 14, sizeof plain, plain, sizeof plain);
    uint8_t more[sizeof plain + 10];
    memset(more, 'b', sizeof more);
    memset(more, 'a', 12);
    uint8_t with_fourth[sizeof packed];
    memcpy(with_fourth, packed, sizeof packed);
    with_fourth[3] = 0x5E;
    expect(expand_xpress, with_fourth, sizeof packed, sizeof more, more, sizeof more);
    expect_prefixes(expand_xpress, with_fourth, sizeof packed, more, sizeof more);
}
END_TEST

/* A match must not reach before the first byte; one byte less is fine. */
START_TEST(xpress_distance)
{
    uint8_t packed[80] = {0x00, 0x00, 0x00, 0x20, 'a', 'b', 0x08, 0x00};
    expect(expand_xpress, packed, 8, 5, (const uint8_t *)"ababa", 5);
    expect(expand_xpress, packed, sizeof packed, 5, (const uint8_t *)"ababa", 5);
    packed[6] = 0x10;
    expect(expand_xpress, packed, 8, 5, (const uint8_t *)"ab", 2);
    expect(expand_xpress, packed, sizeof packed, 500, (const uint8_t *)"ab", 2);
}
END_TEST

/* Every distance up to 40 with every length up to 80, by a word-wise and a byte-wise end. */
START_TEST(xpress_overlapping_copies)
{
    size_t distance = (size_t)_i;
    for (size_t length = 3; length <= 80; length++) {
        uint8_t packed[128] = {0}, plain[256];
        size_t n = 4, made = 0;
        /* `distance` (at most 31) literals, one match */
        store_u32(packed, UINT32_C(1) << (31 - distance));
        for (; made < distance; made++)
            packed[n++] = plain[made] = (uint8_t)(made + 1);
        size_t value = length - 3;
        store_u16(packed + n, (uint16_t)((distance - 1) << 3 | (value < 7 ? value : 7)));
        n += 2;
        if (value >= 22) {
            packed[n++] = 0x0F;
            packed[n++] = (uint8_t)(value - 22);
        } else if (value >= 7) {
            packed[n++] = (uint8_t)(value - 7);
        }
        for (size_t i = 0; i < length; i++, made++)
            plain[made] = plain[made - distance];
        expect(expand_xpress, packed, n, made, plain, made);
        expect(expand_xpress, packed, sizeof packed, made, plain, made);
        uint8_t roomy[512];
        size_t got = expand_xpress(packed, sizeof packed, roomy, sizeof roomy);
        ck_assert_uint_ge(got, made);
        ck_assert_mem_eq(roomy, plain, made);
    }
}
END_TEST

/* An extra flag word behind the last token is left over, as in real traces. */
START_TEST(xpress_left_over_input)
{
    uint8_t packed[4 + 32 + 4] = {0};
    memset(packed + 4, 'x', 32);
    memset(packed + 36, 0xFF, 4);
    uint8_t plain[32];
    memset(plain, 'x', sizeof plain);
    expect(expand_xpress, packed, sizeof packed, 32, plain, 32);
    expect(expand_xpress, packed, sizeof packed, 33, plain, 32);
}
END_TEST

/* XPRESS Huffman */

/* Canonical codes of nine bits for all 512 symbols: a code is its symbol's number. Two words follow
 * the last code (four bytes, fetched ahead by a decoder). */
static size_t put_wide_block(uint8_t *packed, const uint16_t *symbols, size_t count)
{
    memset(packed, 0x99, 256);
    size_t n = 256;
    uint32_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < count; i++) {
        held = held << 9 | symbols[i];
        bits += 9;
        if (bits >= 16) {
            store_u16(packed + n, (uint16_t)(held >> (bits - 16)));
            n += 2;
            bits -= 16;
        }
    }
    store_u16(packed + n, (uint16_t)(held << (16 - bits)));
    store_u16(packed + n + 2, 0);
    return n + 4;
}

/* Symbol 256 is a match of three at distance 1 wherever more output is wanted. */
START_TEST(huffman_end_mark_is_a_match_too)
{
    const uint16_t symbols[] = {'A', 256, 'B', 256};
    uint8_t packed[512];
    size_t n = put_wide_block(packed, symbols, 3);
    expect(expand_xpress_huffman, packed, n, 5, (const uint8_t *)"AAAAB", 5);
    n = put_wide_block(packed, symbols, 4);
    expect(expand_xpress_huffman, packed, n, 8, (const uint8_t *)"AAAABBBB", 8);
}
END_TEST

/* A table serves 65 536 bytes; matches of the next block reach back into this one. */
START_TEST(huffman_blocks)
{
    enum { BLOCK = 65536 };
    uint16_t *symbols = malloc(BLOCK * sizeof *symbols);
    uint8_t *packed = malloc(2 * BLOCK + 1024), *plain = malloc(BLOCK + 4);
    ck_assert(symbols && packed && plain);
    for (size_t i = 0; i < BLOCK; i++)
        plain[i] = (uint8_t)(symbols[i] = (uint16_t)(i * 7 % 256));
    size_t n = put_wide_block(packed, symbols, BLOCK);
    n -= 2; /* the codes fill whole words, so that only one word is fetched ahead and dropped */
    const uint16_t second[] = {256, '!'};
    n += put_wide_block(packed + n, second, 2);
    memset(plain + BLOCK, plain[BLOCK - 1], 3);
    plain[BLOCK + 3] = '!';
    size_t whole = BLOCK + 4;
    expect(expand_xpress_huffman, packed, n, whole, plain, whole);
    free(symbols);
    free(packed);
    free(plain);
}
END_TEST

START_TEST(huffman_bad_tables)
{
    uint8_t packed[263], plain[300];
    fill_abc(plain);
    size_t n = huffman_abc(packed);
    packed[48] = 0x11; /* codes of one bit each for three symbols: too many */
    packed[49] = 0x11;
    expect(expand_xpress_huffman, packed, n, 300, plain, 0);
    memset(packed, 0, 256); /* no codes at all */
    expect(expand_xpress_huffman, packed, n, 300, plain, 0);
    expect(expand_xpress_huffman, packed, 255, 300, plain, 0);
    expect(expand_xpress_huffman, packed, 256, 300, plain, 0);
}
END_TEST

START_TEST(huffman_distance)
{
    const uint16_t symbols[] = {'A', 256 + 16, 'B'}; /* distance 2 or 3 with one byte there */
    uint8_t packed[512];
    size_t n = put_wide_block(packed, symbols, 3);
    expect(expand_xpress_huffman, packed, n, 5, (const uint8_t *)"A", 1);
}
END_TEST

/* LZNT1 */

START_TEST(lznt1_plain_chunks)
{
    const uint8_t packed[] = {0x02, 0x30, 'a', 'b', 'c', 0x00, 0x30, 'd', 0x00, 0x00, 'e'};
    expect(expand_lznt1, packed, sizeof packed, 10, (const uint8_t *)"abcd", 4);
    expect_prefixes(expand_lznt1, packed, sizeof packed, (const uint8_t *)"abcd", 4);
}
END_TEST

START_TEST(lznt1_longest_match)
{
    /* At position 1 four bits are distance, twelve length: 4095 bytes fill the chunk. */
    const uint8_t packed[] = {0x03, 0xB0, 0x02, 'A', 0xFC, 0x0F, 0x00, 0x30, 'B'};
    uint8_t plain[4097];
    memset(plain, 'A', 4096);
    plain[4096] = 'B';
    expect(expand_lznt1, packed, sizeof packed, sizeof plain, plain, sizeof plain);
    uint8_t longer[sizeof packed];
    memcpy(longer, packed, sizeof packed);
    longer[4] = 0xFD; /* one byte more than a chunk may hold */
    expect(expand_lznt1, longer, sizeof packed, sizeof plain, plain, 4096);
}
END_TEST

/* A match never reaches before its chunk. */
START_TEST(lznt1_distance)
{
    const uint8_t first[] = {0x02, 0xB0, 0x01, 0x00, 0x00};
    expect(expand_lznt1, first, sizeof first, 10, (const uint8_t *)"", 0);
    const uint8_t second[] = {0x00, 0x30, 'x', 0x03, 0xB0, 0x02, 'A', 0x00, 0x10};
    expect(expand_lznt1, second, sizeof second, 10, (const uint8_t *)"xA", 2);
}
END_TEST

/* Whatever the bytes are: no step out of bounds, no endless loop (seen by sanitizers and time). */
START_TEST(random_bytes)
{
    expand_function *const functions[] = {expand_xpress, expand_xpress_huffman, expand_lznt1};
    uint64_t state = (uint64_t)_i + 1;
    for (int round = 0; round < 400; round++) {
        uint8_t bytes[700];
        size_t n = 0;
        do {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[n++] = (uint8_t)(state >> 56) & (round & 1 ? 0xFF : 0x77);
        } while (n < sizeof bytes && (n < 300 || (state >> 40) % 400));
        uint8_t *in = tight_copy(bytes, n);
        size_t room = (size_t)(state >> 20) % 5000;
        uint8_t *out = malloc(room ? room : 1);
        ck_assert_ptr_nonnull(out);
        for (size_t f = 0; f < 3; f++)
            ck_assert_uint_le(functions[f](in, n, out, room), room);
        free(in);
        free(out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("expand");
    TCase *published = tcase_create("published");
    tcase_add_test(published, xpress_published_literals);
    tcase_add_test(published, xpress_published_match);
    tcase_add_test(published, huffman_published_literals);
    tcase_add_test(published, huffman_published_match);
    tcase_add_test(published, lznt1_published_example);
    suite_add_tcase(suite, published);
    TCase *edges = tcase_create("edges");
    tcase_add_loop_test(edges, xpress_length_forms, 0,
                        (int)(sizeof length_forms / sizeof *length_forms));
    tcase_add_test(edges, xpress_length_of_4_gib);
    tcase_add_test(edges, xpress_shared_nibble);
    tcase_add_test(edges, xpress_distance);
    tcase_add_loop_test(edges, xpress_overlapping_copies, 1, 32);
    tcase_add_test(edges, xpress_left_over_input);
    tcase_add_test(edges, huffman_end_mark_is_a_match_too);
    tcase_add_test(edges, huffman_blocks);
    tcase_add_test(edges, huffman_bad_tables);
    tcase_add_test(edges, huffman_distance);
    tcase_add_test(edges, lznt1_plain_chunks);
    tcase_add_test(edges, lznt1_longest_match);
    tcase_add_test(edges, lznt1_distance);
    tcase_add_loop_test(edges, random_bytes, 0, 8);
    suite_add_tcase(suite, edges);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
