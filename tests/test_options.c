/* Command lines against what the option tables hear of them. */
#include "options.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct option_spec first_table[] = {
    {"output", 'o', "FILE", "write FILE", 'o'},
    {"zstd", 'z', "[=LEVEL]", "compress", 'z'},
    {"quiet", 'q', NULL, "say less", 'q'},
    {0},
};

static const struct option_spec second_table[] = {
    {"columns", 0, "LIST",
     "which columns, of which there are so many that one line has no place for all", 'C'},
    {"refuse", 0, "X", "always wrong", 'R'},
    {0},
};

/* What the tables heard, as "o=FILE q C=a,b ". */
static char heard[256];

static int hear(void *state, int id, const char *argument, struct eh_error *e)
{
    ck_assert_ptr_eq(state, heard);
    if (id == 'R')
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "refused %s", argument);
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, argument ? "%c=%s " : "%c ", id, argument);
    return 0;
}

static const struct option_group groups[] = {
    {"First", first_table, hear, heard},
    {"None", NULL, hear, heard},
    {"Second", second_table, hear, heard},
};
#define GROUPS (sizeof groups / sizeof *groups)

#define ARGUMENTS 12

/* Splits `line` at blanks ("''" is an empty argument) and parses it. */
static int parse(const char *line, char **argv, struct eh_error *e)
{
    static char words[256];
    int argc = 0;
    argv[argc++] = (char *)"tool";
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") ? word : word + 2;
    heard[0] = 0;
    return options_parse(groups, GROUPS, argc, argv, e);
}

START_TEST(accepted)
{
    static const struct {
        const char *line, *heard, *operands;
    } lines[] = {
        {"", "", ""},
        {"a b", "", "a b "},
        {"-o x a", "o=x ", "a "},
        {"-ox a", "o=x ", "a "},
        {"a -o x b", "o=x ", "a b "},
        {"--output x a", "o=x ", "a "},
        {"--output=x=y a", "o=x=y ", "a "},
        {"--output= a", "o= ", "a "},
        {"-o - -", "o=- ", "- "},
        {"-o -q a", "o=-q ", "a "},
        {"-qzo x", "q z o=x ", ""},
        {"-qqox", "q q o=x ", ""},
        {"--zstd 5", "z ", "5 "},
        {"--zstd=5 a", "z=5 ", "a "},
        {"-z 5", "z ", "5 "},
        {"--columns a,b -q", "C=a,b q ", ""},
        {"-q -- -q --columns", "q ", "-q --columns "},
        {"'' a", "", " a "},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *argv[ARGUMENTS], operands[256] = "";
        struct eh_error e = {0};
        int count = parse(lines[i].line, argv, &e);
        ck_assert_msg(count >= 0, "%s: %s", lines[i].line, e.text);
        for (int j = 1; j <= count; j++)
            strcat(strcat(operands, argv[j]), " ");
        ck_assert_str_eq(heard, lines[i].heard);
        ck_assert_str_eq(operands, lines[i].operands);
    }
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *line, *says;
    } lines[] = {
        {"--colums x", "no option --colums; did you mean --columns?"},
        {"--col x", "did you mean --columns?"},
        {"--qiet", "did you mean --quiet?"},
        {"--ouptut=x", "no option --ouptut; did you mean --output?"},
        {"--unlike-all-of-them", "--help lists them"},
        {"--=x", "--help lists them"},
        {"--an-option-name-that-is-much-longer-than-any-there-will-ever-be", "--help lists them"},
        {"-x", "no option -x"},
        {"-qx", "no option -x"},
        {"-columns x", "-columns: long options take two dashes: --columns"},
        {"-output=x", "--output=x"},
        {"-o", "--output needs an argument: --output FILE"},
        {"a --columns", "--columns needs an argument: --columns LIST"},
        {"--quiet=1", "--quiet takes no argument"},
        {"--refuse it", "refused it"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *argv[ARGUMENTS];
        struct eh_error e = {0};
        ck_assert_msg(parse(lines[i].line, argv, &e) == -1, "%s", lines[i].line);
        ck_assert_int_eq(e.code, EH_ERR_USAGE);
        ck_assert_msg(strstr(e.text, lines[i].says), "%s: %s", lines[i].line, e.text);
    }
}
END_TEST

START_TEST(help_lists_every_option)
{
    char *text;
    size_t length;
    FILE *f = open_memstream(&text, &length);
    options_print(f, groups, GROUPS);
    fclose(f);
    ck_assert_str_eq(text, "First:\n"
                           "  -o, --output FILE        write FILE\n"
                           "  -z, --zstd[=LEVEL]       compress\n"
                           "  -q, --quiet              say less\n"
                           "Second:\n"
                           "      --columns LIST       which columns, of which there are so many that "
                           "one\n"
                           "                           line has no place for all\n"
                           "      --refuse X           always wrong\n");
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("options");
    tcase_add_test(tc, accepted);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, help_lists_every_option);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
