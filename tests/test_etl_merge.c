#include "container/etl_merge.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STREAMS 9
#define MOST_KEYS    200

struct streams {
    int64_t keys[MOST_STREAMS][MOST_KEYS];
    size_t counts[MOST_STREAMS]; /* 0: does not take part */
    size_t streams;
};

static int compare_entries(const void *left, const void *right)
{
    const struct merge_entry *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->stream < b->stream ? -1 : a->stream > b->stream;
}

/* Keys in order in each stream, many of them equal, `spread` apart at most; ends included. */
static void make_streams(struct streams *s, size_t streams, int spread)
{
    s->streams = streams;
    for (size_t i = 0; i < streams; i++) {
        s->counts[i] = rand() % 4 ? (size_t)(rand() % MOST_KEYS) : (size_t)(rand() % 2);
        int64_t key = rand() % 5 ? rand() % 3 - 1 : INT64_MIN;
        for (size_t j = 0; j < s->counts[i]; j++, key += rand() % (spread + 1))
            s->keys[i][j] = key;
        if (s->counts[i] && rand() % 4 == 0)
            s->keys[i][s->counts[i] - 1] = INT64_MAX;
    }
}

static size_t sort_all(const struct streams *s, struct merge_entry *sorted)
{
    size_t n = 0;
    for (size_t i = 0; i < s->streams; i++)
        for (size_t j = 0; j < s->counts[i]; j++)
            sorted[n++] = (struct merge_entry){s->keys[i][j], (uint32_t)i};
    qsort(sorted, n, sizeof *sorted, compare_entries);
    return n;
}

static void expect_sorted(const struct streams *s)
{
    static struct merge_entry sorted[MOST_STREAMS * MOST_KEYS];
    size_t n = sort_all(s, sorted), at[MOST_STREAMS] = {0};
    struct merge m;
    ck_assert_int_eq(merge_init(&m, s->streams), 0);
    for (size_t i = 0; i < s->streams; i++)
        if (s->counts[i])
            merge_enter(&m, (uint32_t)i, s->keys[i][0]);
    merge_build(&m);
    for (size_t i = 0; i < n; i++) {
        uint32_t stream = merge_next(&m);
        ck_assert_uint_eq(stream, sorted[i].stream);
        ck_assert_int_eq(s->keys[stream][at[stream]], sorted[i].key);
        if (++at[stream] < s->counts[stream])
            merge_move(&m, s->keys[stream][at[stream]]);
        else
            merge_end(&m);
    }
    ck_assert_uint_ne(merge_next(&m) & MERGE_ENDED, 0);
    merge_finish(&m);
    ck_assert_ptr_null(m.nodes);
}

START_TEST(against_qsort)
{
    srand((unsigned)_i);
    static struct streams s;
    for (int round = 0; round < 60; round++) {
        make_streams(&s, (size_t)_i, round % 4);
        expect_sorted(&s);
    }
}
END_TEST

/* All keys equal: everything of the first stream, then of the second, and so on. */
START_TEST(ties_go_by_stream)
{
    static struct streams s;
    s.streams = (size_t)_i;
    for (size_t i = 0; i < s.streams; i++) {
        s.counts[i] = 3;
        for (size_t j = 0; j < 3; j++)
            s.keys[i][j] = 42;
    }
    expect_sorted(&s);
}
END_TEST

/* A last key that is the largest there is still comes before the end of another stream. */
START_TEST(largest_key_before_ends)
{
    struct merge m;
    ck_assert_int_eq(merge_init(&m, 2), 0);
    merge_enter(&m, 0, 1);
    merge_enter(&m, 1, INT64_MAX);
    merge_build(&m);
    ck_assert_uint_eq(merge_next(&m), 0);
    merge_end(&m);
    ck_assert_uint_eq(merge_next(&m), 1);
    merge_end(&m);
    ck_assert_uint_ne(merge_next(&m) & MERGE_ENDED, 0);
    merge_finish(&m);
}
END_TEST

/* A stream whose clock steps back is next at once, and again in order after it. */
START_TEST(keys_that_step_back)
{
    struct merge m;
    ck_assert_int_eq(merge_init(&m, 3), 0);
    for (uint32_t i = 0; i < 3; i++)
        merge_enter(&m, i, 10 * (i + 1));
    merge_build(&m);
    ck_assert_uint_eq(merge_next(&m), 0);
    merge_move(&m, 25);
    ck_assert_uint_eq(merge_next(&m), 1);
    merge_move(&m, 5);
    ck_assert_uint_eq(merge_next(&m), 1);
    merge_move(&m, 26);
    ck_assert_uint_eq(merge_next(&m), 0);
    merge_end(&m);
    ck_assert_uint_eq(merge_next(&m), 1);
    merge_end(&m);
    ck_assert_uint_eq(merge_next(&m), 2);
    merge_finish(&m);
}
END_TEST

START_TEST(nothing_entered)
{
    struct merge m;
    ck_assert_int_eq(merge_init(&m, (size_t)_i), 0);
    merge_build(&m);
    ck_assert_uint_ne(merge_next(&m) & MERGE_ENDED, 0);
    merge_finish(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("etl_merge");
    TCase *tests = tcase_create("order");
    tcase_add_loop_test(tests, against_qsort, 1, MOST_STREAMS + 1);
    tcase_add_loop_test(tests, ties_go_by_stream, 1, MOST_STREAMS + 1);
    tcase_add_test(tests, largest_key_before_ends);
    tcase_add_test(tests, keys_that_step_back);
    tcase_add_loop_test(tests, nothing_entered, 0, MOST_STREAMS + 1);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
