#include "split.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static unsigned cuts;

static void count_cut(void *context)
{
    ck_assert_ptr_null(context);
    cuts++;
}

static struct split parse(const char *name, const char *argument)
{
    struct split s = {.next = count_cut};
    struct eh_error e = {0};
    for (const struct option_spec *o = split_options; o->name; o++)
        if (!strcmp(o->name, name))
            ck_assert_msg(split_set(&s, o->id, argument, &e) == 0, "%s", e.text);
    ck_assert(split_is_wanted(&s));
    return s;
}

/* As a writer does it; returns whether the item began a piece. */
static bool add(struct split *s, int64_t time_ns, uint64_t bytes)
{
    bool due = split_is_due(s, SPLIT_ITEM, time_ns, bytes);
    if (due)
        split_next(s);
    split_take(s, SPLIT_ITEM, time_ns);
    return due;
}

START_TEST(by_rows)
{
    struct split s = parse("split-rows", "3");
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(add(&s, i, 1000000), i && i % 3 == 0);
}
END_TEST

START_TEST(by_size)
{
    struct split s = parse("split-size", "1K");
    ck_assert(!add(&s, 0, 5000)); /* a single item may be longer */
    ck_assert(add(&s, 0, 1025));
    ck_assert(!add(&s, 0, 1024));
    ck_assert(add(&s, 0, 1025));
}
END_TEST

/* Periods round down below zero, too, and do not go back. */
START_TEST(by_time)
{
    struct split s = parse("split-time", "10ns");
    ck_assert(!add(&s, -11, 0));
    ck_assert_int_eq(s.period, -2);
    ck_assert(add(&s, -10, 0));
    ck_assert_int_eq(s.end_ns, -10);
    ck_assert_int_eq(s.begin_ns, -10);
    ck_assert(!add(&s, -1, 0));
    ck_assert(add(&s, 35, 0));
    ck_assert_int_eq(s.end_ns, 0);
    ck_assert_int_eq(s.begin_ns, 30);
    ck_assert(!add(&s, 5, 0));
    ck_assert(!add(&s, 39, 0));
    ck_assert(add(&s, 40, 0));
    s.max_items = 1;
    ck_assert(add(&s, 12, 0)); /* full, not later */
    ck_assert_int_eq(s.period, 4);
    ck_assert_int_eq(s.begin_ns, 40);
}
END_TEST

/* Pieces that are full meet at the latest time so far. */
START_TEST(times_of_full_pieces)
{
    struct split s = parse("split-rows", "2");
    add(&s, 7, 0);
    add(&s, 3, 0);
    ck_assert(add(&s, 9, 0));
    ck_assert_int_eq(s.end_ns, 7);
    ck_assert_int_eq(s.begin_ns, 7);
}
END_TEST

/* Rows that are no item make no piece longer in rows, but may be a reason to cut. */
START_TEST(aside)
{
    struct split s = parse("split-rows", "1");
    add(&s, 0, 0);
    ck_assert(!split_is_due(&s, SPLIT_END, 1000, 0));
    split_take(&s, SPLIT_END, 1000);
    ck_assert(add(&s, 1000, 0));
    s = parse("split-size", "10");
    add(&s, 0, 1);
    ck_assert(!split_is_due(&s, SPLIT_END, 0, 11)); /* of one item: may be longer */
    add(&s, 0, 2);
    ck_assert(split_is_due(&s, SPLIT_END, 0, 11));
    s = parse("split-time", "1s");
    split_take(&s, SPLIT_END, 5000000000);
    ck_assert(!add(&s, 5999999999, 0));
    ck_assert(split_is_due(&s, SPLIT_END, 6000000000, 0));
}
END_TEST

START_TEST(counts)
{
    struct split s = parse("split-rows", "1");
    cuts = 0;
    for (int i = 0; i < 5; i++)
        add(&s, i, 0);
    ck_assert_uint_eq(cuts, 4);
    ck_assert_uint_eq(s.pieces, 4); /* the driver counts the first */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("split");
    TCase *tests = tcase_create("split");
    tcase_add_test(tests, by_rows);
    tcase_add_test(tests, by_size);
    tcase_add_test(tests, by_time);
    tcase_add_test(tests, times_of_full_pieces);
    tcase_add_test(tests, aside);
    tcase_add_test(tests, counts);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
