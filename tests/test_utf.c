#include "base/utf.h"

#include "base/bytes.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LONE "\xEF\xBF\xBD"

/* Bytes on a heap block of exactly their size. */
static uint8_t *tight(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    return copy;
}

static const struct wide_case {
    uint16_t units[6];
    size_t count;
    const char *utf8;
} wide_cases[] = {
    {{0}, 0, ""},
    {{'a', 'b', 'c'}, 3, "abc"},
    {{0x7F, 0x80, 0x7FF, 0x800, 0xFFFF}, 5, "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"},
    {{0xD7FF, 0xE000}, 2, "\xED\x9F\xBF\xEE\x80\x80"},
    {{0xD800, 0xDC00}, 2, "\xF0\x90\x80\x80"},          /* first and last */
    {{0xDBFF, 0xDFFF}, 2, "\xF4\x8F\xBF\xBF"},
    {{0xD83D, 0xDE00, 'x'}, 3, "\xF0\x9F\x98\x80x"},
    {{0xD800}, 1, LONE},                                /* high at the end */
    {{0xDC00}, 1, LONE},                                /* low alone */
    {{0xD800, 'x'}, 2, LONE "x"},                       /* high before another */
    {{0xDC00, 0xD800}, 2, LONE LONE},                   /* the wrong way round */
    {{0xD800, 0xD83D, 0xDE00}, 3, LONE "\xF0\x9F\x98\x80"},
    {{0xD83D, 0xDE00, 0xDE00}, 3, "\xF0\x9F\x98\x80" LONE},
    {{'a', 0xDFFF, 'b', 0xDBFF}, 4, "a" LONE "b" LONE},
};
#define WIDE_CASES (int)(sizeof wide_cases / sizeof *wide_cases)

static const struct ansi_case {
    const char *bytes;
    const char *utf8;
} ansi_cases[] = {
    {"", ""},
    {"notepad.exe", "notepad.exe"},
    {"\x7F", "\x7F"},
    /* UTF-8: the first and last of each length */
    {"\xC2\x80\xDF\xBF", "\xC2\x80\xDF\xBF"},
    {"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF",
     "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"},
    {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
    /* Latin-1 */
    {"gr\xFC\xDF", "gr\xC3\xBC\xC3\x9F"},
    {"\x80\xFF", "\xC2\x80\xC3\xBF"},
    {"\xC3\xA4\xFC", "\xC3\x83\xC2\xA4\xC3\xBC"}, /* one byte that is not makes all of it Latin-1 */
    /* Almost UTF-8: overlong, surrogates, too large, cut off, no lead, too few that follow */
    {"\xC0\x80", "\xC3\x80\xC2\x80"},
    {"\xC1\xBF", "\xC3\x81\xC2\xBF"},
    {"\xE0\x9F\xBF", "\xC3\xA0\xC2\x9F\xC2\xBF"},
    {"\xED\xA0\x80", "\xC3\xAD\xC2\xA0\xC2\x80"},
    {"\xED\xBF\xBF", "\xC3\xAD\xC2\xBF\xC2\xBF"},
    {"\xF0\x8F\xBF\xBF", "\xC3\xB0\xC2\x8F\xC2\xBF\xC2\xBF"},
    {"\xF4\x90\x80\x80", "\xC3\xB4\xC2\x90\xC2\x80\xC2\x80"},
    {"\xF5\x80\x80\x80", "\xC3\xB5\xC2\x80\xC2\x80\xC2\x80"},
    {"\xE2\x82", "\xC3\xA2\xC2\x82"},
    {"x\xC3", "x\xC3\x83"},
    {"\xBF", "\xC2\xBF"},
    {"\xE2\x82x", "\xC3\xA2\xC2\x82x"},
    {"\xC3(", "\xC3\x83("},
};
#define ANSI_CASES (int)(sizeof ansi_cases / sizeof *ansi_cases)

/* The longest beginning of `utf8` that fits without cutting a character in two. */
static size_t whole_characters(const char *utf8, size_t room)
{
    size_t n = strlen(utf8) < room ? strlen(utf8) : room;
    while (n && ((uint8_t)utf8[n] & 0xC0) == 0x80)
        n--;
    return n;
}

static void expect_wide(const struct wide_case *c, size_t room)
{
    uint8_t bytes[12];
    for (size_t i = 0; i < c->count; i++)
        store_u16(bytes + 2 * i, c->units[i]);
    uint8_t *in = tight(bytes, 2 * c->count);
    char *out = malloc(room ? room : 1);
    ck_assert_ptr_nonnull(out);
    size_t expected = whole_characters(c->utf8, room);
    ck_assert_uint_eq(utf8_from_utf16(in, c->count, out, room), expected);
    ck_assert_mem_eq(out, c->utf8, expected);
    free(in);
    free(out);
}

static void expect_ansi(const struct ansi_case *c, size_t room)
{
    size_t length = strlen(c->bytes);
    uint8_t *in = tight(c->bytes, length);
    char *out = malloc(room ? room : 1);
    ck_assert_ptr_nonnull(out);
    size_t expected = whole_characters(c->utf8, room);
    ck_assert_uint_eq(utf8_from_ansi(in, length, out, room), expected);
    ck_assert_mem_eq(out, c->utf8, expected);
    free(in);
    free(out);
}

START_TEST(wide_in_every_room)
{
    for (size_t room = 0; room <= strlen(wide_cases[_i].utf8) + 4; room++)
        expect_wide(&wide_cases[_i], room);
}
END_TEST

START_TEST(ansi_in_every_room)
{
    for (size_t room = 0; room <= strlen(ansi_cases[_i].utf8) + 4; room++)
        expect_ansi(&ansi_cases[_i], room);
}
END_TEST

START_TEST(wide_nul)
{
    /* A zero byte within a unit, or across two, is no NUL; units lie at odd addresses too. */
    static const uint8_t text[] = {0xEE, 'a', 0, 0, 1, 'b', 0, 0, 0, 'c', 0};
    uint8_t *in = tight(text, sizeof text);
    ck_assert_uint_eq(utf16_length(in + 1, 5), 3);
    for (size_t units = 0; units <= 3; units++) {
        uint8_t *cut = tight(text + 1, 2 * units);
        ck_assert_uint_eq(utf16_length(cut, units), units);
        free(cut);
    }
    ck_assert_uint_eq(utf16_length(in + 7, 2), 0);
    free(in);
    char out[8]; /* conversion goes by length alone: a NUL is a character */
    ck_assert_uint_eq(utf8_from_utf16(text + 5, 3, out, sizeof out), 3);
    ck_assert_mem_eq(out, "b\0c", 3);
}
END_TEST

START_TEST(ansi_nul)
{
    static const uint8_t text[] = {'a', 0xFC, 0, 'b'};
    static const size_t expected[] = {0, 1, 2, 2, 2};
    for (size_t length = 0; length <= 4; length++) {
        uint8_t *in = tight(text, length);
        ck_assert_uint_eq(ansi_length(in, length), expected[length]);
        free(in);
    }
    ck_assert_uint_eq(ansi_length(NULL, 0), 0);
    char out[8];
    ck_assert_uint_eq(utf8_from_ansi(text + 2, 2, out, sizeof out), 2);
    ck_assert_mem_eq(out, "\0b", 2);
}
END_TEST

/* Whatever goes in, what comes out is valid UTF-8: read as ANSI it must stay as it is. */
START_TEST(always_valid)
{
    srand(5);
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[16];
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)(rand() % 3 ? 0xD8 + rand() % 8 : rand());
        size_t units = (size_t)(rand() % 9), room = (size_t)(rand() % 30);
        uint8_t *in = tight(bytes, 2 * units);
        char *out = malloc(room ? room : 1), again[64];
        ck_assert_ptr_nonnull(out);
        for (int ansi = 0; ansi < 2; ansi++) {
            size_t n = ansi ? utf8_from_ansi(in, 2 * units, out, room)
                            : utf8_from_utf16(in, units, out, room);
            ck_assert_uint_le(n, room);
            ck_assert_uint_eq(utf8_from_ansi((uint8_t *)out, n, again, sizeof again), n);
            ck_assert_mem_eq(again, out, n);
        }
        free(in);
        free(out);
    }
}
END_TEST

START_TEST(valid_lengths)
{
    static const struct {
        const char *text;
        size_t length, valid;
    } cases[] = {
        {"", 0, 0},
        {"abc", 3, 3},
        {"a\0b", 3, 3},
        {"\xC3\xA9", 2, 2},
        {"\xC3\xA9", 1, 0},
        {"ab\xF0\x9F\x98\x80", 5, 2},
        {"ab\xF0\x9F\x98\x80", 6, 6},
        {"a\xFF" "b", 3, 1},
        {"\xC0\x80", 2, 0},
        {"\xED\xA0\x80", 3, 0},
        {"\xF4\x90\x80\x80", 4, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = (char *)tight(cases[i].text, cases[i].length);
        ck_assert_uint_eq(utf8_valid_length(text, cases[i].length), cases[i].valid);
        free(text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf");
    TCase *tests = tcase_create("conversion");
    tcase_add_loop_test(tests, wide_in_every_room, 0, WIDE_CASES);
    tcase_add_loop_test(tests, ansi_in_every_room, 0, ANSI_CASES);
    tcase_add_test(tests, wide_nul);
    tcase_add_test(tests, ansi_nul);
    tcase_add_test(tests, always_valid);
    tcase_add_test(tests, valid_lengths);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
