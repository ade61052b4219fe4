/* The text kit against printf, and its parsers against tables of good and bad input. */
#include "text.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GUARD 0x5A

/* A put_ function's result must end where it says, and stay within `room` bytes. */
struct slot {
    char bytes[64];
};

static void slot_init(struct slot *s)
{
    memset(s->bytes, GUARD, sizeof s->bytes);
}

/* Check notes every passing assertion, which is too slow for millions: only failures reach it. */
static void expect(const struct slot *s, const char *end, size_t room, const char *want)
{
    size_t length = (size_t)(end - s->bytes);
    if (length != strlen(want) || memcmp(s->bytes, want, length))
        ck_abort_msg("%.*s is not %s", (int)length, s->bytes, want);
    for (size_t i = room; i < sizeof s->bytes; i++)
        if (s->bytes[i] != GUARD)
            ck_abort_msg("byte %zu beyond the slot was written for %s", i, want);
}

static void check_number(uint64_t value)
{
    struct slot s;
    char want[64];
    slot_init(&s);
    snprintf(want, sizeof want, "%" PRIu64, value);
    expect(&s, put_u64(s.bytes, value), TEXT_U64_BYTES, want);
    slot_init(&s);
    snprintf(want, sizeof want, "%" PRId64, (int64_t)value);
    expect(&s, put_i64(s.bytes, (int64_t)value), TEXT_I64_BYTES, want);
    slot_init(&s);
    snprintf(want, sizeof want, "0x%" PRIx64, value);
    expect(&s, put_hex(s.bytes, value), TEXT_HEX_BYTES, want);
    int digits = snprintf(want, sizeof want, "%" PRIu64, value);
    for (int width = digits; width <= 20; width++) {
        slot_init(&s);
        snprintf(want, sizeof want, "%0*" PRIu64, width, value);
        expect(&s, put_digits(s.bytes, value, (unsigned)width), (size_t)width, want);
    }
}

START_TEST(amounts)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {
        {0, "0 bytes"},
        {1, "1 byte"},
        {2, "2 bytes"},
        {1023, "1023 bytes"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {100 * 1024 - 52, "99.9 KiB"},
        {100 * 1024, "100 KiB"},
        {1024 * 1024 - 1, "1024 KiB"},
        {1024 * 1024, "1.0 MiB"},
        {UINT64_C(1) << 30, "1.0 GiB"},
        {UINT64_C(1) << 40, "1.0 TiB"},
        {UINT64_C(1) << 50, "1.0 PiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slot s;
        slot_init(&s);
        expect(&s, put_amount(s.bytes, cases[i].bytes), TEXT_AMOUNT_BYTES, cases[i].want);
    }
}
END_TEST

START_TEST(numbers_at_every_length)
{
    check_number(0);
    check_number(UINT64_MAX);
    check_number(INT64_MAX);
    check_number((uint64_t)INT64_MIN);
    uint64_t power = 1;
    for (int i = 0; i < 20; i++, power *= 10) {
        check_number(power - 1);
        check_number(power);
        check_number(power + 1);
        check_number(0 - power);
    }
    for (int bit = 0; bit < 64; bit++) {
        check_number((UINT64_C(1) << bit) - 1);
        check_number(UINT64_C(1) << bit);
    }
}
END_TEST

START_TEST(numbers_at_random)
{
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        check_number(x >> (x & 63));
    }
}
END_TEST

START_TEST(fixed_widths)
{
    struct text_range range;
    ck_assert_uint_eq(text_range_set(&range, 1000000, 7, 6), 1);
    for (uint32_t v = 0; v < 1000000; v++) {
        struct slot s;
        char want[16];
        slot_init(&s);
        snprintf(want, sizeof want, "%06" PRIu32, v);
        expect(&s, put_last_six(s.bytes, &range, 1000000 + v), 7, want);
        uint32_t mixed = v * 2654435761u;
        slot_init(&s);
        snprintf(want, sizeof want, "%08" PRIx32, mixed);
        expect(&s, put_eight_hex_digits(s.bytes, mixed), 8, want);
    }
}
END_TEST

/* A value after another, whatever they share. */
static void check_near(struct text_near *sum, struct text_near *count, uint64_t value)
{
    struct slot s;
    char want[64];
    snprintf(want, sizeof want, "%" PRIu64, value);
    slot_init(&s);
    expect(&s, put_six(s.bytes, sum, value), TEXT_NEAR_BYTES, want);
    slot_init(&s);
    expect(&s, put_three(s.bytes, count, value), TEXT_NEAR_BYTES, want);
}

START_TEST(numbers_near_each_other)
{
    struct text_near sum = {0}, count = {0};
    uint64_t power = 1;
    for (int i = 0; i < 20; i++, power *= 10)
        for (uint64_t step = 1; step <= UINT64_C(1000000000); step *= 10) {
            check_near(&sum, &count, power);
            check_near(&sum, &count, power + step);
            check_near(&sum, &count, power - step);
            check_near(&sum, &count, power - 1);
        }
    check_near(&sum, &count, 0);
    check_near(&sum, &count, UINT64_MAX);
    check_near(&sum, &count, 5); /* what follows UINT64_MAX */
}
END_TEST

/* Every place within a range, at every length, one range after the other. */
START_TEST(numbers_near_all_the_last_digits)
{
    struct text_near sum = {0}, count = {0};
    const uint64_t end = UINT64_C(1000000000000000000);
    for (uint64_t base = 0; base < end; base = base * 10 + 1000000) {
        for (uint64_t v = 0; v < 1000000; v += 997)
            check_near(&sum, &count, base + v);
        for (uint64_t v = 0; v < 2000; v++)
            check_near(&sum, &count, base + v);
    }
}
END_TEST

START_TEST(all_triples)
{
    /* Every value of each three digits, alone and beside full other ones. */
    for (uint64_t v = 0; v < 1000; v++) {
        check_number(v);
        check_number(v * 1000 + 999);
        check_number(999000 + v);
        check_number(v * 1000000 + 999999);
        check_number(UINT64_C(999999000000) + v * 1000000 + v);
    }
}
END_TEST

START_TEST(utc_times)
{
    static const struct {
        int64_t unix_ns;
        const char *text;
    } times[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {INT64_C(1785488575123456789), "2026-07-31T09:02:55.123456789Z"},
        {INT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z"},
        {INT64_C(951868799999999999), "2000-02-29T23:59:59.999999999Z"},
        {INT64_C(951868800000000000), "2000-03-01T00:00:00.000000000Z"},
        {INT64_C(4107542400000000000), "2100-03-01T00:00:00.000000000Z"},
        {INT64_C(4107542399000000000), "2100-02-28T23:59:59.000000000Z"},
        {INT64_C(1735689599000000100), "2024-12-31T23:59:59.000000100Z"},
        {INT64_C(-2208988800000000000), "1900-01-01T00:00:00.000000000Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct slot s;
        slot_init(&s);
        expect(&s, put_utc(s.bytes, times[i].unix_ns), TEXT_UTC_BYTES, times[i].text);
    }
}
END_TEST

static void check_json(const char *in, size_t length, const char *want)
{
    struct slot s;
    slot_init(&s);
    expect(&s, put_json_escaped(s.bytes, in, length), 6 * length, want);
}

START_TEST(json_escapes)
{
    check_json("", 0, "");
    check_json("plain.exe", 9, "plain.exe");
    check_json("a\"b\\c/", 6, "a\\\"b\\\\c/");
    check_json("\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t");
    check_json("\0\x01\x1f\x7f", 4, "\\u0000\\u0001\\u001f\\u007f");
    check_json("\xC3\xA9\xF0\x9F\x98\x80", 6, "\xC3\xA9\xF0\x9F\x98\x80");
}
END_TEST

static void check_safe(const char *in, size_t length, const char *want)
{
    struct slot s;
    slot_init(&s);
    expect(&s, put_terminal_safe(s.bytes, in, length), 4 * length, want);
}

START_TEST(terminal_safe)
{
    check_safe("", 0, "");
    check_safe("plain \\ \"quoted\".exe", 20, "plain \\ \"quoted\".exe");
    check_safe("\x1b[31m\n\0\x7f", 8, "\\x1b[31m\\x0a\\x00\\x7f");
    check_safe("\xC2\x80\xC2\x9B\xC2\x9F\xC2\xA0", 8, "\\u0080\\u009b\\u009f\xC2\xA0");
    check_safe("\xC3\xA9\xF0\x9F\x98\x80", 6, "\xC3\xA9\xF0\x9F\x98\x80");
    check_safe("a\xE2\x80\xAE" "b", 5, "a\\u202eb");          /* right to left from here on */
    check_safe("\xE2\x81\xA6\xE2\x81\xA9\xE2\x81\xAA", 9, "\\u2066\\u2069\xE2\x81\xAA");
    check_safe("\xE2\x80\xA7\xE2\x80\xA8\xEF\xBB\xBF", 9, "\xE2\x80\xA7\\u2028\\ufeff");
    check_safe("\xFF" "a\x80\xC3", 4, "\\xffa\\x80\\xc3");    /* no UTF-8 */
    check_safe("\xED\xA0\x80", 3, "\\xed\\xa0\\x80");         /* a surrogate */
    check_safe("\xC3\xA9\xFF\xC3\xA9", 5, "\xC3\xA9\\xff\xC3\xA9");
    check_safe("\xC0\x9B", 2, "\\xc0\\x9b");                    /* escape, too long */
}
END_TEST

START_TEST(parse_numbers)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"007", 7},
        {"18446744073709551615", UINT64_MAX},
        {"0xffffffffffffffff", UINT64_MAX},
        {"0X1dE", 0x1de},
        {"0x0000000000000000001", 1},
    };
    static const char *const bad[] = {"", "0x", "-1", "+1", " 1", "1 ", "1.0", "ff", "0xg", "x1",
                                      "18446744073709551616", "0x10000000000000000", "1e3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t value = 42;
        ck_assert_msg(parse_u64(&value, good[i].text, strlen(good[i].text)) == 0, "%s",
                      good[i].text);
        ck_assert_uint_eq(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value = 42;
        ck_assert_msg(parse_u64(&value, bad[i], strlen(bad[i])) == -1, "%s", bad[i]);
        ck_assert_uint_eq(value, 42);
    }
}
END_TEST

START_TEST(parse_durations)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"3", INT64_C(3000000000)},
        {"3s", INT64_C(3000000000)},
        {"15us", 15000},
        {"2.5ms", 2500000},
        {"0.000000001", 1},
        {"1.9999999999", INT64_C(1999999999)},
        {"7ns", 7},
        {"9223372036854775807ns", INT64_MAX},
        {"9223372036.854775807s", INT64_MAX},
    };
    static const char *const bad[] = {"", "s", "ms", ".5", "5.", "1.s", "-1", "1 s", "1m", "1S",
                                      "1sec", "9223372036854775808ns", "9223372036.854775808",
                                      "99999999999999999999ns", "1..2", "1.2.3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ns = -7;
        ck_assert_msg(parse_duration_ns(&ns, good[i].text, strlen(good[i].text)) == 0, "%s",
                      good[i].text);
        ck_assert_int_eq(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ns = -7;
        ck_assert_msg(parse_duration_ns(&ns, bad[i], strlen(bad[i])) == -1, "%s", bad[i]);
        ck_assert_int_eq(ns, -7);
    }
}
END_TEST

START_TEST(parse_sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"512", 512},
        {"64K", 65536},
        {"64k", 65536},
        {"10M", 10485760},
        {"1G", 1073741824},
        {"18446744073709551615", UINT64_MAX},
        {"17179869183G", UINT64_C(17179869183) << 30},
    };
    static const char *const bad[] = {"", "K", "1T", "1KB", "1KiB", "-1", "1.5K", "17179869184G",
                                      "18446744073709551616", "0x10", "1 K"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bytes = 42;
        ck_assert_msg(parse_size(&bytes, good[i].text, strlen(good[i].text)) == 0, "%s",
                      good[i].text);
        ck_assert_uint_eq(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t bytes = 42;
        ck_assert_msg(parse_size(&bytes, bad[i], strlen(bad[i])) == -1, "%s", bad[i]);
        ck_assert_uint_eq(bytes, 42);
    }
}
END_TEST

START_TEST(parsers_stop_at_the_length)
{
    uint64_t value;
    int64_t ns;
    ck_assert_int_eq(parse_u64(&value, "123,456", 3), 0);
    ck_assert_uint_eq(value, 123);
    ck_assert_int_eq(parse_duration_ns(&ns, "5ms", 1), 0);
    ck_assert_int_eq(ns, INT64_C(5000000000));
    ck_assert_int_eq(parse_size(&value, "5MM", 2), 0);
    ck_assert_uint_eq(value, 5 << 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, amounts);
    tcase_add_test(tc, numbers_at_every_length);
    tcase_add_test(tc, numbers_at_random);
    tcase_add_test(tc, fixed_widths);
    tcase_add_test(tc, all_triples);
    tcase_add_test(tc, numbers_near_each_other);
    tcase_add_test(tc, numbers_near_all_the_last_digits);
    tcase_add_test(tc, utc_times);
    tcase_add_test(tc, json_escapes);
    tcase_add_test(tc, terminal_safe);
    tcase_add_test(tc, parse_numbers);
    tcase_add_test(tc, parse_durations);
    tcase_add_test(tc, parse_sizes);
    tcase_add_test(tc, parsers_stop_at_the_length);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
