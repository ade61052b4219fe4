/* Filters: the lists of the command line, and what becomes of rows. What they leave of whole traces
 * is compared with the oracle (cli/test_filters.py). */
#include "filter.h"

#include "model/build.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct eh_model *model;
static uint32_t editor, nameless; /* processes */
static uint32_t main_heap, other_heap, strange_heap;
static struct filter filter;

static uint32_t add_process(uint32_t pid, const char *name)
{
    struct eh_process p = {.pid = pid};
    uint32_t id;
    if (name)
        p.name = model_string(model, name, strlen(name));
    ck_assert_int_eq(model_add_process(model, &p, &id), 0);
    return id;
}

static uint32_t add_heap(uint32_t process, uint64_t handle)
{
    uint32_t id;
    ck_assert_int_eq(model_add_heap(model, &(struct eh_heap){process, handle}, &id), 0);
    return id;
}

static void setup(void)
{
    model = model_create();
    ck_assert_ptr_nonnull(model);
    editor = add_process(100, "Editor.exe");
    nameless = add_process(200, NULL);
    main_heap = add_heap(editor, 0x10000);
    other_heap = add_heap(editor, 0x20000);
    strange_heap = add_heap(nameless, 0x10000);
    filter = (struct filter){0};
}

static void teardown(void)
{
    filter_finish(&filter);
    model_destroy(model);
}

static int set(const char *name, const char *argument, struct eh_error *e)
{
    const struct option_spec *spec = filter_options;
    while (spec->name && strcmp(spec->name, name))
        spec++;
    ck_assert_ptr_nonnull(spec->name);
    return filter_set(&filter, spec->id, argument, e);
}

static void expect_processes(bool the_editor, bool the_nameless, bool the_unknown)
{
    ck_assert_int_eq(filter_has_process(&filter, editor), the_editor);
    ck_assert_int_eq(filter_has_process(&filter, nameless), the_nameless);
    ck_assert_int_eq(filter_has_process(&filter, 0), the_unknown);
}

static void begin(void)
{
    filter_begin(&filter, model);
}

START_TEST(lists_are_or)
{
    ck_assert_int_eq(set("pid", "7, 200 ,9", NULL), 0);
    ck_assert_int_eq(set("pid", "0x64,0", NULL), 0); /* given again: more of them */
    begin();
    expect_processes(true, true, false); /* nobody's pid is no 0 */
}
END_TEST

START_TEST(names)
{
    static const struct {
        const char *pattern, *second;
        bool the_editor, the_nameless;
    } cases[] = {
        {"editor.exe", NULL, true, false}, {"edit*", NULL, true, false}, {"*", NULL, true, true},
        {"?*", NULL, true, false},         {"edit", NULL, false, false}, {"edit", "**", true, true},
    };
    ck_assert_int_eq(set("process", cases[_i].pattern, NULL), 0);
    if (cases[_i].second)
        ck_assert_int_eq(set("process", cases[_i].second, NULL), 0);
    begin();
    expect_processes(cases[_i].the_editor, cases[_i].the_nameless, cases[_i].the_nameless);
}
END_TEST

START_TEST(options_are_and)
{
    ck_assert_int_eq(set("process", "*", NULL), 0);
    ck_assert_int_eq(set("pid", "100", NULL), 0);
    begin();
    expect_processes(true, false, false);
}
END_TEST

static const struct {
    const char *option, *argument, *message;
} wrong[] = {
    {"pid", "", "--pid"},
    {"pid", "1,,2", "--pid"},
    {"pid", "4294967296", "--pid"},
    {"pid", "-1", "--pid"},
    {"tid", "x", "--tid"},
    {"heap", "1f0000h", "--heap"},
    {"heap", "0x", "--heap"},
    {"process", "", "--process"},
    {"event", "", "there is no event ''"},
    {"event", "alloc,", "there is no event ''"},
    {"event", "aloc", "did you mean alloc?"},
    {"event", "alloc,Free", "did you mean free?"},
    {"event", "subsegment_allocate", "did you mean subsegment_alloc?"},
    {"event", "unknown", "did you mean unknown_0x10hh?"},
    {"event", "unknown_0x1", "did you mean unknown_0x10hh?"},
    {"event", "unknown_0x10zz", "did you mean unknown_0x10hh?"},
    {"event", "drop", "there is no event 'drop'"},
    {"event", "something else entirely, and very long, longer than anyone would write by hand",
     "there is no event 'something else entirely'; the manual page lists them"},
    {"size", "5..4", "--size"},
    {"lifetime", "-1..", "--lifetime"},
    {"time", "soon", "--time"},
};

START_TEST(wrong_arguments)
{
    struct eh_error e = {0};
    ck_assert_int_eq(set(wrong[_i].option, wrong[_i].argument, &e), -1);
    ck_assert_int_eq(e.code, EH_ERR_USAGE);
    ck_assert_msg(strstr(e.text, wrong[_i].message) != NULL, "%s", e.text);
}
END_TEST

START_TEST(which_options_are_of_events)
{
    ck_assert(!filter_is_active(&filter));
    ck_assert_int_eq(set("heap", "0x10000", NULL), 0);
    ck_assert(filter_is_active(&filter));
    ck_assert_ptr_null(filter_event_option(&filter));
    ck_assert_int_eq(set("lifetime", "..", NULL), 0);
    ck_assert_str_eq(filter_event_option(&filter), "lifetime");
}
END_TEST

/* Passes one row; returns how many came out, the last of them in *ret_row. */
static size_t pass(struct eh_event row, struct eh_event *ret_row)
{
    const struct eh_event *rows = &row;
    size_t count = 1;
    ck_assert_int_eq(filter_rows(&filter, &rows, &count), 0);
    if (count)
        *ret_row = rows[count - 1];
    return count;
}

#define ROW(row_kind, ns, index, what)                                                             \
    (struct eh_event)                                                                              \
    {                                                                                              \
        .kind = (row_kind), .time_ns = (ns), .process = editor, .heap_index = (index),             \
        .thread_id = 4, .flags = EH_HAS_HEAP | EH_HAS_LIVE | EH_HAS_SIZE | (what), .size = 10,     \
        .heap_live_bytes = 100 + (uint64_t)(ns), .heap_live_blocks = (uint32_t)(ns),               \
        .process_live_bytes = 1000 + (uint64_t)(ns),                                               \
    }

START_TEST(events_are_hidden)
{
    static const struct {
        const char *option, *argument;
        bool shown;
    } cases[] = {
        {"event", "alloc,create", true}, {"event", "free", false},      {"size", "10", true},
        {"size", "11..", false},         {"tid", "5,4", true},          {"tid", "5", false},
        {"lifetime", "..", false}, /* no free: an empty cell is in no range */
        {"event", "unknown_0x1021", false},
    };
    struct eh_event row;
    ck_assert_int_eq(set(cases[_i].option, cases[_i].argument, NULL), 0);
    begin();
    ck_assert_uint_eq(pass(ROW(EH_ALLOC, 5, main_heap, EH_ADDED), &row), 1);
    ck_assert_int_eq(!(row.flags & EH_HIDDEN), cases[_i].shown);
    ck_assert_uint_eq(row.heap_live_bytes, 105);
    /* What is no event is not hidden: sums need it. */
    ck_assert_uint_eq(pass(ROW(EH_DROP, 6, main_heap, EH_REMOVED), &row), 1);
    ck_assert(!(row.flags & EH_HIDDEN));
    ck_assert_uint_eq(filter.shown, cases[_i].shown);
}
END_TEST

START_TEST(unknown_types)
{
    struct eh_event row, unknown = {.kind = EH_UNKNOWN, .hook = 0x10F7};
    ck_assert_int_eq(set("event", "unknown_0x10f7,unknown_0x1040", NULL), 0);
    begin();
    ck_assert_uint_eq(pass(unknown, &row), 1);
    ck_assert(!(row.flags & EH_HIDDEN));
    unknown.hook = 0x10F8;
    ck_assert_uint_eq(pass(unknown, &row), 1);
    ck_assert(row.flags & EH_HIDDEN);
}
END_TEST

/* Of another heap only what it means for its process, and only once that is shown. */
START_TEST(other_heaps)
{
    struct eh_event row, changed = ROW(EH_ALLOC, 5, other_heap, EH_ADDED);
    ck_assert_int_eq(set("heap", "0x10000", NULL), 0);
    begin();
    ck_assert_uint_eq(pass(changed, &row), 0);
    ck_assert_uint_eq(pass(ROW(EH_LOCK, 6, main_heap, 0), &row), 1);
    ck_assert_uint_eq(pass(ROW(EH_LOCK, 7, other_heap, 0), &row), 0);
    ck_assert_uint_eq(pass(changed, &row), 1);
    ck_assert_uint_eq(row.kind, EH_ELSEWHERE);
    ck_assert_uint_eq(row.flags, EH_HAS_LIVE | EH_HIDDEN);
    ck_assert_uint_eq(row.heap_index, 0);
    ck_assert_uint_eq(row.process_live_bytes, 1005);
    /* The same handle in another process is another heap, chosen as well. */
    struct eh_event strange = ROW(EH_ALLOC, 8, strange_heap, EH_ADDED);
    strange.process = nameless;
    ck_assert_uint_eq(pass(strange, &row), 1);
    ck_assert_uint_eq(row.kind, EH_ALLOC);
    /* A row without a heap is in none. */
    ck_assert_uint_eq(pass((struct eh_event){.kind = EH_UNKNOWN, .process = editor}, &row), 0);
    ck_assert_uint_eq(filter.shown, 2);
}
END_TEST

START_TEST(time_is_cut)
{
    const struct eh_info info = {.first_event_ns = -5, .last_event_ns = 90};
    struct eh_event row;
    ck_assert_int_eq(set("time", "20ns..30ns", NULL), 0);
    begin();
    struct eh_info cut = filter_info(&filter, &info);
    ck_assert_int_eq(cut.first_event_ns, 20);
    ck_assert_int_eq(cut.last_event_ns, 30);
    /* Before: changes for the profile, and what counters begin with. */
    ck_assert_uint_eq(pass(ROW(EH_CREATE, 3, main_heap, 0), &row), 0);
    ck_assert_uint_eq(pass(ROW(EH_ALLOC, 19, main_heap, EH_ADDED), &row), 1);
    ck_assert_uint_eq(row.kind, EH_EARLIER);
    ck_assert_uint_eq(row.flags & (EH_ADDED | EH_HIDDEN), EH_ADDED | EH_HIDDEN);
    struct filter_figures before = filter_heap_before(&filter, main_heap);
    ck_assert_uint_eq(before.bytes, 119);
    ck_assert_uint_eq(before.blocks, 19);
    ck_assert(before.created);
    ck_assert_uint_eq(filter_process_before(&filter, editor), 1019);
    /* Both ends are within. */
    ck_assert_uint_eq(pass(ROW(EH_FREE, 20, main_heap, EH_REMOVED), &row), 1);
    ck_assert_uint_eq(row.kind, EH_FREE);
    ck_assert_uint_eq(pass(ROW(EH_FREE, 30, main_heap, EH_REMOVED), &row), 1);
    ck_assert_uint_eq(pass(ROW(EH_FREE, 31, main_heap, EH_REMOVED), &row), 0);
    /* A time that steps back behind the beginning is the beginning. */
    ck_assert_uint_eq(pass(ROW(EH_FREE, 18, main_heap, EH_REMOVED), &row), 1);
    ck_assert_uint_eq(row.kind, EH_FREE);
    ck_assert_int_eq(row.time_ns, 20);
    ck_assert(row.flags & EH_HIDDEN);
    ck_assert_uint_eq(filter_heap_before(&filter, main_heap).bytes, 119);
    ck_assert_uint_eq(filter.shown, 2);
}
END_TEST

/* A process that shows no event in the time does not appear because it ends in it. */
START_TEST(process_ends_in_time)
{
    struct eh_event row, drop = ROW(EH_DROP, 25, main_heap, EH_REMOVED);
    drop.reason = EH_DROP_PROCESS_END;
    ck_assert_int_eq(set("time", "20ns..30ns", NULL), 0);
    begin();
    ck_assert_uint_eq(pass(ROW(EH_ALLOC, 1, main_heap, EH_ADDED), &row), 1);
    ck_assert_uint_eq(pass(drop, &row), 0);
    ck_assert_uint_eq(pass(ROW(EH_LOCK, 26, other_heap, 0), &row), 1);
    ck_assert_uint_eq(pass(drop, &row), 1);
    ck_assert_uint_eq(row.kind, EH_DROP);
}
END_TEST

/* Beginning and end of what is shown stay in order where no event lies within. */
START_TEST(time_without_events)
{
    const struct eh_info info = {.first_event_ns = 50, .last_event_ns = 90};
    ck_assert_int_eq(set("time", "..30ns", NULL), 0);
    ck_assert_int_eq(filter_info(&filter, &info).first_event_ns, 30);
    ck_assert_int_eq(filter_info(&filter, &info).last_event_ns, 30);
    ck_assert_int_eq(set("time", "100ns..", NULL), 0); /* given again: the last one counts */
    ck_assert_int_eq(filter_info(&filter, &info).first_event_ns, 100);
    ck_assert_int_eq(filter_info(&filter, &info).last_event_ns, 100);
}
END_TEST

#define COUNT(array) (int)(sizeof array / sizeof *array)

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tests = tcase_create("filter");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, lists_are_or);
    tcase_add_loop_test(tests, names, 0, 6);
    tcase_add_test(tests, options_are_and);
    tcase_add_loop_test(tests, wrong_arguments, 0, COUNT(wrong));
    tcase_add_test(tests, which_options_are_of_events);
    tcase_add_loop_test(tests, events_are_hidden, 0, 8);
    tcase_add_test(tests, unknown_types);
    tcase_add_test(tests, other_heaps);
    tcase_add_test(tests, time_is_cut);
    tcase_add_test(tests, process_ends_in_time);
    tcase_add_test(tests, time_without_events);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
