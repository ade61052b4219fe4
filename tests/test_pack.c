/* The packers of etlgen against the library's expanders: what goes in comes out. */
#include "container/expand.h"
#include "huffman_pack.h"
#include "lznt1_pack.h"
#include "xpress_pack.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef size_t pack_fn(const uint8_t *, size_t, uint8_t *, size_t);
typedef size_t expand_fn(const uint8_t *, size_t, uint8_t *, size_t);

static const struct {
    pack_fn *pack;
    expand_fn *expand;
} forms[] = {
    {xpress_pack, expand_xpress},
    {lznt1_pack, expand_lznt1},
    {huffman_pack, expand_xpress_huffman},
};

enum { FORMS = 3, LONGEST = 300000 };

static uint8_t plain[LONGEST], packed[2 * LONGEST + 4096], out[LONGEST];

static void fill_random(size_t length, unsigned alphabet, unsigned repeats)
{
    for (size_t i = 0; i < length; i++)
        plain[i] = (uint8_t)((unsigned)rand() % alphabet);
    for (unsigned i = 0; i < repeats; i++) {
        size_t to = (size_t)rand() % length, from = (size_t)rand() % length;
        size_t room = length - (to > from ? to : from);
        memmove(plain + to, plain + from, (size_t)rand() % room);
    }
}

static void check_round_trip(int form, size_t length)
{
    size_t n = forms[form].pack(plain, length, packed, 2 * length + 4096);
    ck_assert_uint_gt(n, 0);
    memset(out, 0xA5, length);
    ck_assert_uint_eq(forms[form].expand(packed, n, out, length), length);
    ck_assert_int_eq(memcmp(out, plain, length), 0);
}

START_TEST(random_bytes)
{
    srand(1);
    for (int i = 0; i < 60; i++) {
        size_t length = 1 + (size_t)rand() % 150000;
        fill_random(length, 1 + (unsigned)rand() % 256, (unsigned)rand() % 30);
        check_round_trip(_i, length);
    }
}
END_TEST

START_TEST(long_matches)
{
    static const size_t lengths[] = {1, 2, 3, 4, 9, 10, 24, 25, 26, 279, 280, 281, 4096, 4097,
                                     65535, 65536, 65537, 65540, 131073, LONGEST};
    memset(plain, 7, sizeof plain);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        check_round_trip(_i, lengths[i]);
}
END_TEST

START_TEST(shrinks_or_says_so)
{
    srand(2);
    memset(plain, 0, 60000);
    size_t n = forms[_i].pack(plain, 60000, packed, 60000);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_lt(n, 2000);
    fill_random(60000, 256, 0);
    ck_assert_uint_eq(forms[_i].pack(plain, 60000, packed, 60000), 0);
    memset(packed, 0xEE, sizeof packed);
    ck_assert_uint_eq(forms[_i].pack(plain, 60000, packed, 100), 0);
    ck_assert_uint_eq(packed[100], 0xEE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pack");
    TCase *tests = tcase_create("round trips");
    tcase_add_loop_test(tests, random_bytes, 0, FORMS);
    tcase_add_loop_test(tests, long_matches, 0, FORMS);
    tcase_add_loop_test(tests, shrinks_or_says_so, 0, FORMS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
