#include "curve.h"

#include "timeline.h"

#include <check.h>
#include <stdlib.h>

/* What a curve must do, done the slow way: all changes are kept. */
#define CHANGES 400

struct change {
    int64_t time_ns;
    uint64_t value, beside;
};

struct history {
    struct change changes[CHANGES];
    size_t count;
    struct curve_point points[CHANGES * CURVE_POINTS];
    size_t point_count;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* As the writers do: the short way first. */
static size_t next(struct curve *c, int64_t bucket_ns, int64_t time_ns, uint64_t value,
                   uint64_t beside, struct curve_point *out)
{
    return curve_extend(c, time_ns, value, beside, true)
               ? 0
               : curve_add(c, bucket_ns, time_ns, value, beside, out);
}

/* Random changes with equal times and steps back; as the naive history, times are clamped and of
 * equal ones the last stays. */
static void play(struct history *h, int64_t bucket_ns, uint64_t seed)
{
    struct curve c = {0};
    int64_t time_ns = -500, latest = INT64_MIN;
    h->count = h->point_count = 0;
    for (size_t i = 0; i < CHANGES; i++) {
        time_ns += (int64_t)(next_random(&seed) % 12) - 2;
        latest = time_ns > latest ? time_ns : latest;
        uint64_t value = next_random(&seed) % 50, beside = next_random(&seed) % 60;
        if (h->count && h->changes[h->count - 1].time_ns == latest)
            h->count--;
        h->changes[h->count++] = (struct change){latest, value, beside};
        h->point_count += next(&c, bucket_ns, time_ns, value, beside,
                                h->points + h->point_count);
    }
    h->point_count += curve_flush(&c, h->points + h->point_count);
    ck_assert_uint_eq(curve_flush(&c, h->points + h->point_count), 0);
}

static const struct change *change_at(const struct history *h, int64_t time_ns)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->changes[i].time_ns == time_ns)
            return &h->changes[i];
    return NULL;
}

static bool has_point(const struct history *h, const struct change *c, unsigned curves)
{
    for (size_t i = 0; i < h->point_count; i++)
        if (h->points[i].time_ns == c->time_ns)
            return (h->points[i].curves & curves) == curves;
    return false;
}

/* How many points of the history's belong to the curve. */
static size_t points_of(const struct history *h, unsigned curve)
{
    size_t n = 0;
    for (size_t i = 0; i < h->point_count; i++)
        n += (h->points[i].curves & curve) != 0;
    return n;
}

static void check_points_are_true(const struct history *h)
{
    for (size_t i = 0; i < h->point_count; i++) {
        const struct curve_point *p = &h->points[i];
        const struct change *c = change_at(h, p->time_ns);
        ck_assert_ptr_nonnull(c);
        ck_assert_uint_eq(p->value, c->value);
        ck_assert_uint_eq(p->beside, c->beside);
        ck_assert(i == 0 || p->time_ns > h->points[i - 1].time_ns);
    }
}

static int64_t floor_division(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b > a ? q - 1 : q;
}

/* The changes from *at on that share a bucket; moves *at behind them, returns how many points of
 * theirs must survive at least, all of which must be there. */
static size_t check_bucket(const struct history *h, int64_t bucket_ns, size_t *at)
{
    const struct change *first = &h->changes[*at], *last = first, *low = first, *high = first;
    const struct change *least = first, *most = first;
    int64_t bucket = floor_division(first->time_ns, bucket_ns);
    for (; *at < h->count; ++*at) {
        const struct change *c = &h->changes[*at];
        if (floor_division(c->time_ns, bucket_ns) != bucket)
            break;
        last = c;
        low = c->value < low->value ? c : low;
        high = c->value > high->value ? c : high;
        least = c->beside < least->beside ? c : least;
        most = c->beside > most->beside ? c : most;
    }
    ck_assert(has_point(h, first, CURVE_OF_VALUE | CURVE_OF_BESIDE));
    ck_assert(has_point(h, low, CURVE_OF_VALUE));
    ck_assert(has_point(h, high, CURVE_OF_VALUE));
    ck_assert(has_point(h, least, CURVE_OF_BESIDE));
    ck_assert(has_point(h, most, CURVE_OF_BESIDE));
    ck_assert(has_point(h, last, CURVE_OF_VALUE | CURVE_OF_BESIDE));
    return 1;
}

START_TEST(nanoseconds_keep_every_change)
{
    struct history h;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        play(&h, 1, seed);
        check_points_are_true(&h);
        ck_assert_uint_eq(h.point_count, h.count);
    }
}
END_TEST

START_TEST(buckets_keep_first_extremes_and_last)
{
    static const int64_t lengths[] = {1, 2, 7, 50, 333, 100000};
    struct history h;
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (uint64_t seed = 1; seed <= 50; seed++) {
            play(&h, lengths[l], seed);
            check_points_are_true(&h);
            size_t buckets = 0;
            for (size_t at = 0; at < h.count;)
                buckets += check_bucket(&h, lengths[l], &at);
            ck_assert_uint_le(points_of(&h, CURVE_OF_VALUE), buckets * 4);
            ck_assert_uint_le(points_of(&h, CURVE_OF_BESIDE), buckets * 4);
        }
    }
}
END_TEST

START_TEST(points_come_out_one_change_later)
{
    struct curve c = {0};
    struct curve_point out[CURVE_POINTS];
    ck_assert_uint_eq(curve_add(&c, 1, 10, 1, 0, out), 0);
    ck_assert_uint_eq(curve_add(&c, 1, 10, 2, 0, out), 0);
    ck_assert_uint_eq(curve_add(&c, 1, 11, 3, 0, out), 1);
    ck_assert_int_eq(out[0].time_ns, 10);
    ck_assert_uint_eq(out[0].value, 2);
    ck_assert_uint_eq(curve_flush(&c, out), 1);
    ck_assert_int_eq(out[0].time_ns, 11);
    ck_assert_uint_eq(out[0].value, 3);
}
END_TEST

START_TEST(bucket_borders)
{
    struct curve c = {0};
    struct curve_point out[CURVE_POINTS];
    ck_assert_uint_eq(curve_add(&c, 10, -1, 5, 0, out), 0);
    ck_assert_uint_eq(curve_add(&c, 10, 0, 6, 0, out), 1); /* [-10, 0) and [0, 10) */
    ck_assert_int_eq(out[0].time_ns, -1);
    ck_assert_uint_eq(curve_add(&c, 10, 9, 7, 0, out), 0);
    ck_assert_uint_eq(curve_add(&c, 10, 10, 8, 0, out), 2);
    ck_assert_int_eq(out[1].time_ns, 9);
}
END_TEST

START_TEST(longest_bucket)
{
    struct curve c = {0};
    struct curve_point out[CURVE_POINTS];
    ck_assert_uint_eq(curve_add(&c, INT64_MAX, -1, 5, 0, out), 0);
    ck_assert_uint_eq(curve_add(&c, INT64_MAX, 0, 6, 0, out), 1);
    ck_assert_uint_eq(curve_add(&c, INT64_MAX, INT64_MAX / 2, 7, 0, out), 0);
    ck_assert_uint_eq(curve_add(&c, INT64_MAX / 2, INT64_MAX - 1, 8, 0, out), 0);
    ck_assert_uint_eq(curve_flush(&c, out), 2);
}
END_TEST

START_TEST(resolution_words)
{
    int64_t ns = 77;
    ck_assert_int_eq(curve_parse_resolution(&ns, "exact"), 0);
    ck_assert_int_eq(ns, CURVE_EXACT);
    ck_assert_int_eq(curve_parse_resolution(&ns, "auto"), 0);
    ck_assert_int_eq(ns, CURVE_AUTO);
    ck_assert_int_eq(curve_parse_resolution(&ns, "10us"), 0);
    ck_assert_int_eq(ns, 10000);
    ck_assert_int_eq(curve_parse_resolution(&ns, "exactly"), -1);
    ck_assert_int_eq(curve_parse_resolution(&ns, ""), -1);
    ck_assert_int_eq(curve_parse_resolution(&ns, "-1us"), -1);
    ck_assert_int_eq(ns, 10000);
}
END_TEST

START_TEST(auto_resolution)
{
    ck_assert_int_eq(curve_auto_resolution(1000000, INT64_MAX), CURVE_EXACT);
    ck_assert_int_eq(curve_auto_resolution(1000001, 99999), 1);
    ck_assert_int_eq(curve_auto_resolution(1000001, 100000), 2);
    ck_assert_int_eq(curve_auto_resolution(1000001, 200000), 5);
    ck_assert_int_eq(curve_auto_resolution(1000001, 500000), 10);
    ck_assert_int_eq(curve_auto_resolution(UINT64_MAX, INT64_C(60000000000)), 1000000);
    ck_assert_int_eq(curve_auto_resolution(UINT64_MAX, INT64_MAX), INT64_C(100000000000000));
}
END_TEST

START_TEST(timeline_choices)
{
    struct timeline t = {0};
    struct eh_error e = {0};
    struct eh_info info = {.heap_records = 100000, .block_records = 1000001,
                           .first_event_ns = -100, .last_event_ns = 99900};
    ck_assert(timeline_instants(&t, &info));
    ck_assert_int_eq(timeline_bucket_ns(&t, &info), 2);
    info.heap_records = 100001;
    ck_assert(!timeline_instants(&t, &info));
    ck_assert_int_eq(timeline_set(&t, TIMELINE_EVENTS, NULL, &e), 0);
    ck_assert(timeline_instants(&t, &info));
    ck_assert_int_eq(timeline_set(&t, TIMELINE_EVENTS, NULL, &e), 0);
    ck_assert_int_eq(timeline_set(&t, TIMELINE_NO_EVENTS, NULL, &e), -1); /* not both */
    ck_assert_int_eq(e.code, EH_ERR_USAGE);
    ck_assert(timeline_instants(&t, &info));
    t = (struct timeline){0};
    ck_assert_int_eq(timeline_set(&t, TIMELINE_NO_EVENTS, NULL, &e), 0);
    info.heap_records = 1;
    ck_assert(!timeline_instants(&t, &info));
    ck_assert_int_eq(timeline_set(&t, TIMELINE_RESOLUTION, "exact", &e), 0);
    ck_assert_int_eq(timeline_bucket_ns(&t, &info), CURVE_EXACT);
    ck_assert_int_eq(timeline_set(&t, TIMELINE_RESOLUTION, "3ms", &e), 0);
    ck_assert_int_eq(timeline_bucket_ns(&t, &info), 3000000);
    ck_assert_int_eq(timeline_set(&t, TIMELINE_RESOLUTION, "auto", &e), 0);
    ck_assert_int_eq(timeline_bucket_ns(&t, &info), 2);
    ck_assert_int_eq(timeline_set(&t, TIMELINE_RESOLUTION, "often", &e), -1);
    ck_assert_int_eq(e.code, EH_ERR_USAGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("curve");
    TCase *tests = tcase_create("curve");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, nanoseconds_keep_every_change);
    tcase_add_test(tests, buckets_keep_first_extremes_and_last);
    tcase_add_test(tests, points_come_out_one_change_later);
    tcase_add_test(tests, bucket_borders);
    tcase_add_test(tests, longest_bucket);
    tcase_add_test(tests, resolution_words);
    tcase_add_test(tests, auto_resolution);
    tcase_add_test(tests, timeline_choices);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
