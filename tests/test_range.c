#include "range.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *text;
    uint64_t least, most;
} sizes[] = {
    {"0", 0, 0},
    {"24", 24, 24}, /* exactly */
    {"4K..1M", 4096, 1 << 20},
    {"1k..1g", 1024, 1 << 30},
    {"64..", 64, UINT64_MAX},
    {"..512", 0, 512},
    {"..", 0, UINT64_MAX},
    {"7..7", 7, 7},
    {"18446744073709551615", UINT64_MAX, UINT64_MAX},
};

START_TEST(size_ranges)
{
    struct size_range r;
    ck_assert_int_eq(range_parse_sizes(&r, sizes[_i].text, "size", NULL), 0);
    ck_assert_uint_eq(r.least, sizes[_i].least);
    ck_assert_uint_eq(r.most, sizes[_i].most);
}
END_TEST

#define SECOND INT64_C(1000000000)

static const struct {
    const char *text;
    int64_t first, last;
} times[] = {
    {"3", 3 * SECOND, 3 * SECOND},
    {"1.5..2", SECOND + SECOND / 2, 2 * SECOND},
    {"1.5ms..2.25s", 1500000, 2250000000},
    {"15us..", 15000, INT64_MAX},
    {"..7ns", INT64_MIN, 7},
    {"-5ms..-1us", -5000000, -1000},
    {"-0.25..", -SECOND / 4, INT64_MAX},
    {"-2", -2 * SECOND, -2 * SECOND},
    {"..", INT64_MIN, INT64_MAX},
    {"9223372036854775807ns", INT64_MAX, INT64_MAX},
};

START_TEST(time_ranges)
{
    struct time_range r;
    ck_assert_int_eq(range_parse_times(&r, times[_i].text, "time", NULL), 0);
    ck_assert_int_eq(r.first, times[_i].first);
    ck_assert_int_eq(r.last, times[_i].last);
}
END_TEST

static const char *const wrong_sizes[] = {"", "x", "1..2..3", "1...2", "5..4", "1K..1023",
                                          "-1", "1.5K", "1..x", "18446744073709551616", "1 ..2",
                                          "4KB"};
static const char *const wrong_times[] = {"", "x", "2..1", "1....2", "-1..-2", "--1", "1m", "..s",
                                          "9223372036854775808ns", "5-3"};

/* An error names the option and leaves the range alone. */
START_TEST(wrong)
{
    struct eh_error e = {0};
    struct size_range s = {5, 6};
    struct time_range t = {7, 8};
    const size_t size_count = sizeof wrong_sizes / sizeof *wrong_sizes;
    if ((size_t)_i < size_count)
        ck_assert_int_eq(range_parse_sizes(&s, wrong_sizes[_i], "size", &e), -1);
    else
        ck_assert_int_eq(
            range_parse_times(&t, wrong_times[(size_t)_i - size_count], "time", &e), -1);
    ck_assert_int_eq(e.code, EH_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(e.text, (size_t)_i < size_count ? "--size" : "--time"));
    ck_assert(s.least == 5 && s.most == 6 && t.first == 7 && t.last == 8);
}
END_TEST

START_TEST(durations_have_no_sign)
{
    struct time_range r;
    ck_assert_int_eq(range_parse_durations(&r, "-1..2", "lifetime", NULL), -1);
    ck_assert_int_eq(range_parse_durations(&r, "..2us", "lifetime", NULL), 0);
    ck_assert_int_eq(r.first, 0);
    ck_assert_int_eq(r.last, 2000);
}
END_TEST

START_TEST(ends_are_in_it)
{
    const struct size_range s = {4, 6};
    const struct time_range t = {-1, 1};
    ck_assert(range_has_size(&s, 4) && range_has_size(&s, 6));
    ck_assert(!range_has_size(&s, 3) && !range_has_size(&s, 7));
    ck_assert(range_has_time(&t, -1) && range_has_time(&t, 1));
    ck_assert(!range_has_time(&t, -2) && !range_has_time(&t, 2));
}
END_TEST

#define COUNT(array) (int)(sizeof array / sizeof *array)

int main(void)
{
    Suite *suite = suite_create("range");
    TCase *tests = tcase_create("range");
    tcase_add_loop_test(tests, size_ranges, 0, COUNT(sizes));
    tcase_add_loop_test(tests, time_ranges, 0, COUNT(times));
    tcase_add_loop_test(tests, wrong, 0, COUNT(wrong_sizes) + COUNT(wrong_times));
    tcase_add_test(tests, durations_have_no_sign);
    tcase_add_test(tests, ends_are_in_it);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
