#include "glob.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *pattern, *name;
    bool fits;
} cases[] = {
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "anything at all", true},
    {"**", "", true},
    {"a.exe", "a.exe", true},
    {"a.exe", "A.EXE", true}, /* either case */
    {"A.EXE", "a.exe", true},
    {"a.exe", "a.exe ", false}, /* the whole name */
    {"a.exe", "ba.exe", false},
    {"*.exe", ".exe", true},
    {"*.exe", "a.exe.exe", true},
    {"*.exe", "a.exe.dll", false},
    {"a*b*c", "aXbXbXc", true},
    {"a*b*c", "aXcXb", false},
    {"*a*", "bab", true},
    {"?", "", false},
    {"?", "x", true},
    {"?", "xy", false},
    {"?", "\xC3\xA9", true},         /* one character, not one byte */
    {"?", "\xF0\x9F\x98\x80", true}, /* four bytes */
    {"??", "\xF0\x9F\x98\x80", false},
    {"M\xC3\xBCller?", "m\xC3\xBCLLER1", true},
    {"m\xC3\x9Cller", "m\xC3\xBCller", false}, /* only ASCII has cases here */
    {"?", "\xFF", true},                       /* a stray byte is a character */
    {"\xFF", "\xFF", true},
    {"\xFF", "\xFE", false},
    {"\xC3", "\xC3\xA9", false},
    {"[abc]", "B", true},
    {"[abc]", "d", false},
    {"[a-c]x", "bx", true},
    {"[A-C]x", "bX", true},
    {"[a-c]x", "dx", false},
    {"[c-a]", "b", false}, /* an empty range */
    {"[!a-c]", "d", true},
    {"[!a-c]", "b", false},
    {"[^a-c]", "B", false},
    {"[!a]", "", false},
    {"[]]", "]", true},
    {"[]a]", "a", true},
    {"[!]]", "]", false},
    {"[!]]", "x", true},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"[?]", "?", true},
    {"[\xC3\xA0-\xC3\xAF]", "\xC3\xA9", true},
    {"[\xC3\xA0-\xC3\xAF]", "\xC3\xBF", false},
    {"[", "[", true}, /* never closed: itself */
    {"[abc", "[ABC", true},
    {"[!", "[!", true},
    {"a[", "a", false},
    {"\\*", "\\anything", true}, /* a backslash is nothing special */
    {"*[0-9].exe", "name7.exe", true},
    {"*[0-9].exe", "name.exe", false},
    {"*?*?*", "x", false},
    {"*?*?*", "xy", true},
};

START_TEST(fits)
{
    ck_assert_msg(glob_match(cases[_i].pattern, cases[_i].name) == cases[_i].fits, "'%s' and '%s'",
                  cases[_i].pattern, cases[_i].name);
}
END_TEST

#define LONG 4096

/* Patterns that take some matchers exponential time: these would not end in a lifetime. */
START_TEST(hostile_patterns)
{
    static char name[LONG + 1], pattern[2 * LONG + 1];
    memset(name, 'a', LONG);
    for (size_t i = 0; i < LONG; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    ck_assert(glob_match(pattern, name));
    pattern[2 * LONG - 1] = 'b';
    ck_assert(!glob_match(pattern, name));
    for (size_t i = 0; i < LONG / 2; i++)
        memcpy(pattern + 4 * i, "*[b", 3), pattern[4 * i + 3] = ']';
    ck_assert(!glob_match(pattern, name));
    memset(pattern, '[', 2 * LONG); /* none of which is ever closed */
    ck_assert(!glob_match(pattern, name));
    memset(pattern, '*', 2 * LONG);
    ck_assert(glob_match(pattern, name));
}
END_TEST

START_TEST(any)
{
    ck_assert(glob_is_any("*"));
    ck_assert(glob_is_any("***"));
    ck_assert(!glob_is_any(""));
    ck_assert(!glob_is_any("*?"));
    ck_assert(!glob_is_any("[*]"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("glob");
    TCase *tests = tcase_create("glob");
    tcase_add_loop_test(tests, fits, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, hostile_patterns);
    tcase_add_test(tests, any);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
