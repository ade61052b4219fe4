#include "container/etl_merge.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STREAMS 9
#define MOST_KEYS    200

struct entry {
    int64_t key;
    uint32_t stream;
};

struct streams {
    int64_t keys[MOST_STREAMS][MOST_KEYS];
    size_t counts[MOST_STREAMS]; /* 0: does not take part */
    size_t streams;
};

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->stream < b->stream ? -1 : a->stream > b->stream;
}

/* Up to `spread`; now and then about as much as an entry can say, or far more. */
static int64_t pick_step(int spread, bool far)
{
    int64_t step = rand() % (spread + 1);
    if (far && rand() % 8 == 0)
        step += (int64_t)1 << (30 + rand() % 4);
    if (far && rand() % 32 == 0)
        step += (int64_t)1 << (40 + rand() % 16);
    return step;
}

/* Keys in order in each stream, many of them equal, `spread` apart, or some of them very far; ends
 * included. */
static void make_streams(struct streams *s, size_t streams, int spread, bool far)
{
    s->streams = streams;
    for (size_t i = 0; i < streams; i++) {
        s->counts[i] = rand() % 4 ? (size_t)(rand() % MOST_KEYS) : (size_t)(rand() % 2);
        int64_t key = rand() % 5 ? rand() % 3 - 1 : INT64_MIN;
        for (size_t j = 0; j < s->counts[i]; j++, key += pick_step(spread, far))
            s->keys[i][j] = key;
        if (s->counts[i] && rand() % 4 == 0)
            s->keys[i][s->counts[i] - 1] = INT64_MAX;
    }
}

static size_t sort_all(const struct streams *s, struct entry *sorted)
{
    size_t n = 0;
    for (size_t i = 0; i < s->streams; i++)
        for (size_t j = 0; j < s->counts[i]; j++)
            sorted[n++] = (struct entry){s->keys[i][j], (uint32_t)i};
    qsort(sorted, n, sizeof *sorted, compare_entries);
    return n;
}

static void expect_sorted(const struct streams *s)
{
    static struct entry sorted[MOST_STREAMS * MOST_KEYS];
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
        make_streams(&s, (size_t)_i, round % 4, round / 4 % 2);
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

/* Keys on both sides of what an entry can say of its distance from the first. */
START_TEST(around_the_farthest)
{
    static struct streams s = {.counts = {7, 7, 7}, .streams = 3};
    for (size_t i = 0; i < s.streams; i++) {
        for (int64_t j = 0; j < 7; j++)
            s.keys[i][j] = -5 + (j ? (int64_t)MERGE_FAR + j - 4 : 0);
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
    tcase_add_test(tests, around_the_farthest);
    tcase_add_test(tests, largest_key_before_ends);
    tcase_add_loop_test(tests, nothing_entered, 0, MOST_STREAMS + 1);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
