#include "json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct document {
    FILE *file;
    struct out *out;
    struct json json;
};

static struct document begin(void)
{
    struct document d = {.file = tmpfile()};
    ck_assert_ptr_nonnull(d.file);
    ck_assert_int_eq(out_open(&d.out, fileno(d.file), 0, 1, NULL), 0);
    d.json.out = d.out;
    return d;
}

static void expect(struct document *d, const char *want)
{
    char text[4096];
    ck_assert_int_eq(out_close(d->out, NULL), 0);
    rewind(d->file);
    size_t n = fread(text, 1, sizeof text - 1, d->file);
    text[n] = 0;
    ck_assert_str_eq(text, want);
    fclose(d->file);
}

START_TEST(empty)
{
    struct document d = begin();
    json_open(&d.json, NULL, '{');
    json_close(&d.json, '}');
    expect(&d, "{}\n");
}
END_TEST

START_TEST(members)
{
    struct document d = begin();
    json_open(&d.json, NULL, '{');
    json_u64(&d.json, "most", UINT64_MAX);
    json_i64(&d.json, "least", INT64_MIN);
    json_bool(&d.json, "yes", true);
    json_bool(&d.json, "no", false);
    json_null(&d.json, "none");
    json_text(&d.json, "text", "a");
    json_text(&d.json, "missing", NULL);
    json_hex(&d.json, "hex", 0x1a0000);
    json_close(&d.json, '}');
    expect(&d, "{\n  \"most\": 18446744073709551615,\n  \"least\": -9223372036854775808,\n"
               "  \"yes\": true,\n  \"no\": false,\n  \"none\": null,\n  \"text\": \"a\",\n"
               "  \"missing\": null,\n  \"hex\": \"0x1a0000\"\n}\n");
}
END_TEST

START_TEST(nested)
{
    struct document d = begin();
    json_open(&d.json, NULL, '{');
    json_open(&d.json, "list", '[');
    json_open_flat(&d.json, NULL, '{');
    json_u64(&d.json, "a", 1);
    json_open(&d.json, "b", '[');
    json_u64(&d.json, NULL, 2);
    json_u64(&d.json, NULL, 3);
    json_close(&d.json, ']');
    json_close(&d.json, '}');
    json_open_flat(&d.json, NULL, '{');
    json_close(&d.json, '}');
    json_close(&d.json, ']');
    json_open(&d.json, "empty", '[');
    json_close(&d.json, ']');
    json_close(&d.json, '}');
    expect(&d,
           "{\n  \"list\": [\n    {\"a\": 1, \"b\": [2, 3]},\n    {}\n  ],\n  \"empty\": []\n}\n");
}
END_TEST

static const struct {
    const char *text, *want;
} hostile[] = {
    {"", "[\n  \"\"\n]\n"},
    {"\"\\\n\x01\x7F", "[\n  \"\\\"\\\\\\n\\u0001\\u007f\"\n]\n"},
    {"\xC3\xA9", "[\n  \"\xC3\xA9\"\n]\n"},
    {"a\xFF"
     "b",
     "[\n  \"a\xEF\xBF\xBD"
     "b\"\n]\n"},
    {"\xFF\xFE", "[\n  \"\xEF\xBF\xBD\xEF\xBF\xBD\"\n]\n"},
    {"a\xC3", "[\n  \"a\xEF\xBF\xBD\"\n]\n"},
};

START_TEST(any_bytes)
{
    struct document d = begin();
    json_open(&d.json, NULL, '[');
    json_text(&d.json, NULL, hostile[_i].text);
    json_close(&d.json, ']');
    expect(&d, hostile[_i].want);
}
END_TEST

START_TEST(counts)
{
    struct document d = begin();
    struct eh_stats stats = {.events = 5,
                             .heap_events = {[EH_ALLOC] = 2, [EH_UNKNOWN] = 1},
                             .unknown_types = {[0x27] = 1}};
    json_open(&d.json, NULL, '{');
    json_stats(&d.json, &stats);
    json_close(&d.json, '}');
    char text[4096];
    ck_assert_int_eq(out_close(d.out, NULL), 0);
    rewind(d.file);
    text[fread(text, 1, sizeof text - 1, d.file)] = 0;
    fclose(d.file);
    static const char begins[] = "{\n  \"events\": 5,\n  \"heap_events\": {\n    \"alloc\": 2,\n"
                                 "    \"unknown_0x1027\": 1\n  },\n  \"heap_events_total\": 0,\n";
    ck_assert_int_eq(strncmp(text, begins, sizeof begins - 1), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"peak_time_ns\": null,\n"));
}
END_TEST

START_TEST(counts_without_events)
{
    struct document d = begin();
    json_open_flat(&d.json, NULL, '{');
    json_stats(&d.json, &(struct eh_stats){0});
    json_close(&d.json, '}');
    char text[4096];
    ck_assert_int_eq(out_close(d.out, NULL), 0);
    rewind(d.file);
    text[fread(text, 1, sizeof text - 1, d.file)] = 0;
    fclose(d.file);
    static const char begins[] = "{\"events\": 0, \"heap_events\": {}, \"heap_events_total\": 0, ";
    ck_assert_int_eq(strncmp(text, begins, sizeof begins - 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tests = tcase_create("json");
    tcase_add_test(tests, empty);
    tcase_add_test(tests, members);
    tcase_add_test(tests, nested);
    tcase_add_loop_test(tests, any_bytes, 0, sizeof hostile / sizeof *hostile);
    tcase_add_test(tests, counts);
    tcase_add_test(tests, counts_without_events);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
