/* The CSV tables that add up the journal of events. */
#include "csv_writer.h"

#include "model/build.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct eh_model *model;
static struct eh_info info;
static uint32_t editor, nameless; /* processes */
static uint32_t main_heap, other_heap, unknown_heap;
static char *written;

static uint32_t add_process(struct eh_process p, const char *name)
{
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
    editor = add_process((struct eh_process){.pid = 100}, "=edit,or.exe");
    nameless = add_process((struct eh_process){.pid = 200}, NULL);
    main_heap = add_heap(editor, 0x10000);
    other_heap = add_heap(nameless, 0x10000);
    unknown_heap = add_heap(0, 0x20000);
}

static void teardown(void)
{
    model_destroy(model);
    free(written);
    written = NULL;
}

/* A run of the writer as the driver does it. */
struct run {
    FILE *file;
    struct out *out;
    void *state;
    struct writer_context context;
    struct writer_needs needs;
};

static void set(struct run *r, const char *name, const char *argument)
{
    const struct option_spec *spec = csv_writer.options;
    while (spec->name && strcmp(spec->name, name))
        spec++;
    ck_assert_ptr_nonnull(spec->name);
    ck_assert_int_eq(csv_writer.set(r->state, spec->id, argument, NULL), 0);
}

static void start(struct run *r, const char *table, const char *columns)
{
    r->file = tmpfile();
    ck_assert_int_eq(out_open(&r->out, fileno(r->file), 0, 1, NULL), 0);
    r->state = calloc(1, csv_writer.state_size);
    r->context = (struct writer_context){.info = &info, .model = model, .out = r->out};
    if (columns)
        set(r, "columns", columns);
    set(r, "table", table);
}

static void begin(struct run *r)
{
    ck_assert_int_eq(csv_writer.check(r->state, &r->needs, NULL), 0);
    ck_assert_int_eq(csv_writer.begin(r->state, &r->context, NULL), 0);
}

static void finish(struct run *r)
{
    const struct eh_stats stats = {0};
    ck_assert_int_eq(csv_writer.end(r->state, &stats, NULL), 0);
    csv_writer.done(r->state);
    free(r->state);
    ck_assert_int_eq(out_close(r->out, NULL), 0);
    ck_assert_int_eq(fseek(r->file, 0, SEEK_END), 0);
    size_t length = (size_t)ftell(r->file);
    rewind(r->file);
    free(written);
    written = malloc(length + 1);
    ck_assert_uint_eq(fread(written, 1, length, r->file), length);
    written[length] = 0;
    fclose(r->file);
}

/* The rows as one batch each; a kind of EH_KINDS ends them. */
static void check_table(const char *table, const char *columns, const struct eh_event *rows,
                        const char *expected)
{
    struct run r;
    start(&r, table, columns);
    begin(&r);
    for (; rows->kind != EH_KINDS; rows++)
        ck_assert_int_eq(csv_writer.rows(r.state, rows, 1, NULL), 0);
    finish(&r);
    ck_assert_str_eq(written, expected);
}

static const struct eh_event no_rows[] = {{.kind = EH_KINDS}};

/* Rows of a heap's life. `what` are flags. */
#define ROW(row_kind, time, index, bytes, what)                                                    \
    .kind = (row_kind), .time_ns = (time), .heap_index = (index), .size = (bytes),                 \
    .flags = EH_HAS_HEAP | (what)

START_TEST(heaps_of_every_fate)
{
    const struct eh_event rows[] = {
        {ROW(EH_CREATE, 5, main_heap, 0, 0)},
        {ROW(EH_ALLOC, 10, main_heap, 100, EH_ADDED)},
        {ROW(EH_ALLOC, 20, other_heap, 0, EH_ADDED)},
        {ROW(EH_REALLOC, 30, main_heap, 160, EH_RESIZED), .previous_size = 100},
        {ROW(EH_ALLOC, 31, main_heap, 7, EH_ADDED)},
        {ROW(EH_REALLOC, 32, main_heap, 60, EH_RESIZED), .previous_size = 160},
        {ROW(EH_ALLOC, 33, main_heap, 100, EH_ADDED)}, /* 167 again: the peak stays at 31 */
        {ROW(EH_FREE, 34, main_heap, 60, EH_REMOVED)},
        {ROW(EH_FREE, 35, main_heap, 100, EH_REPLACED)},
        {ROW(EH_DROP, 36, main_heap, 100, EH_REMOVED), .reason = EH_DROP_REPLACED},
        {ROW(EH_ALLOC, 36, main_heap, 3, EH_ADDED)},
        {ROW(EH_DROP, 37, main_heap, 7, EH_REMOVED), .reason = EH_DROP_REALLOC},
        {ROW(EH_DROP, 40, main_heap, 3, EH_REMOVED), .reason = EH_DROP_DESTROY},
        {ROW(EH_DESTROY, 40, main_heap, 0, 0)},
        {ROW(EH_LOCK, 50, unknown_heap, 0, 0)},
        {ROW(EH_DESTROY, 51, unknown_heap, 0, 0)},
        {ROW(EH_CREATE, 52, unknown_heap, 0, 0)},
        {.kind = EH_PROCESS_END, .process = editor},
        {.kind = EH_UNKNOWN, .process = editor},
        {.kind = EH_KINDS},
    };
    check_table("heaps", NULL, rows,
                "process_id,process_name,heap,created_ns,destroyed_ns,allocs,frees,"
                "bytes_allocated,bytes_freed,peak_live_bytes,peak_time_ns,outstanding_bytes,"
                "outstanding_blocks\n"
                "100,\"=edit,or.exe\",0x10000,5,40,4,2,270,167,167,31,0,0\n"
                "200,,0x10000,,,1,0,0,0,0,,0,1\n"
                ",,0x20000,52,,0,0,0,0,0,,0,0\n");
}
END_TEST

START_TEST(heaps_in_order_of_index_and_without_hidden_rows)
{
    const struct eh_event rows[] = {
        {ROW(EH_LOCK, 1, unknown_heap, 0, 0)},
        {ROW(EH_ALLOC, 2, other_heap, 9, EH_ADDED | EH_HIDDEN)},
        {ROW(EH_LOCK, 3, main_heap, 0, 0)},
        {.kind = EH_KINDS},
    };
    check_table("heaps", "heap,allocs", rows, "heap,allocs\n0x10000,0\n0x20000,0\n");
    check_table("heaps", "heap", no_rows, "heap\n");
}
END_TEST

START_TEST(sizes_at_the_edges_of_buckets)
{
    static const uint64_t sizes[] = {UINT64_MAX, 0, 1, 2, 3, 4, 7, 8, UINT64_C(1) << 63, 0};
    struct eh_event rows[sizeof sizes / sizeof *sizes + 3] = {
        {ROW(EH_REALLOC, 1, other_heap, 4096, EH_ADDED)},
        {ROW(EH_REALLOC, 1, other_heap, 5000, EH_RESIZED), .previous_size = 4096},
    };
    size_t n = 2;
    for (; n < sizeof sizes / sizeof *sizes + 2; n++)
        rows[n] = (struct eh_event){ROW(EH_ALLOC, 2, main_heap, sizes[n - 2], EH_ADDED)};
    rows[n].kind = EH_KINDS;
    check_table("sizes", NULL, rows,
                "process_id,process_name,heap,size_min,size_max,allocs,bytes\n"
                "100,\"=edit,or.exe\",0x10000,0,0,2,0\n"
                "100,\"=edit,or.exe\",0x10000,1,1,1,1\n"
                "100,\"=edit,or.exe\",0x10000,2,3,2,5\n"
                "100,\"=edit,or.exe\",0x10000,4,7,2,11\n"
                "100,\"=edit,or.exe\",0x10000,8,15,1,8\n"
                "100,\"=edit,or.exe\",0x10000,9223372036854775808,18446744073709551615,2,"
                "9223372036854775807\n"
                "200,,0x10000,4096,8191,1,4096\n");
}
END_TEST

START_TEST(sizes_of_many_heaps)
{
    struct run r;
    start(&r, "sizes", "heap,size_min,allocs");
    begin(&r);
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t heap = add_heap(editor, 0x100000 + i);
        struct eh_event row = {ROW(EH_ALLOC, i, heap, i, EH_ADDED)};
        ck_assert_int_eq(csv_writer.rows(r.state, &row, 1, NULL), 0);
        ck_assert_int_eq(csv_writer.rows(r.state, &row, 1, NULL), 0);
    }
    finish(&r);
    ck_assert_ptr_nonnull(strstr(written, "allocs\n0x100000,0,2\n0x100001,1,2\n0x100002,2,2\n"));
    ck_assert_ptr_nonnull(strstr(written, "\n0x100bb7,2048,2\n"));
}
END_TEST

START_TEST(callsites_by_the_event_that_added)
{
    const struct eh_event rows[] = {
        {ROW(EH_ALLOC, 1, main_heap, 10, EH_ADDED), .stack = 9, .block_stack = 9},
        {ROW(EH_ALLOC, 2, main_heap, 20, EH_ADDED), .stack = 2, .block_stack = 2},
        {ROW(EH_FREE, 3, main_heap, 20, EH_REMOVED | EH_TEMPORARY), .stack = 5, .block_stack = 2},
        {ROW(EH_REALLOC, 4, main_heap, 15, EH_RESIZED), .previous_size = 10, .block_stack = 9},
        {ROW(EH_REALLOC, 5, main_heap, 11, EH_RESIZED), .previous_size = 15, .block_stack = 9},
        {ROW(EH_ALLOC, 6, other_heap, 1, EH_ADDED), .block_source = 7},
        {ROW(EH_DROP, 7, other_heap, 1, EH_REMOVED), .reason = EH_DROP_REALLOC},
        {ROW(EH_ALLOC, 8, other_heap, 4, EH_ADDED), .stack = 2, .block_stack = 2},
        {ROW(EH_DROP, 9, other_heap, 4, EH_REMOVED), .reason = EH_DROP_PROCESS_END,
         .block_stack = 2},
        {ROW(EH_FREE, 10, main_heap, 30, EH_REPLACED), .stack = 4, .block_stack = 4},
        {ROW(EH_LOCK, 11, main_heap, 0, 0), .stack = 3},
        {.kind = EH_KINDS},
    };
    check_table("callsites", NULL, rows,
                "stack_id,allocs,bytes_allocated,frees,outstanding_bytes,outstanding_blocks,"
                "temporary\n"
                "2,2,24,1,0,0,1\n"
                "9,1,15,0,11,1,0\n"
                ",1,1,1,0,0,0\n");
    check_table("callsites", "temporary,stack_id", rows, "temporary,stack_id\n1,2\n0,9\n0,\n");
    check_table("callsites", "stack_id", no_rows, "stack_id\n");
}
END_TEST

START_TEST(processes_that_the_trace_tells_of)
{
    add_process((struct eh_process){.pid = 300}, NULL);
    add_process((struct eh_process){.pid = 300, .has_end = true, .end_ns = 4}, NULL);
    add_process((struct eh_process){.pid = 300, .has_start = true, .start_ns = 4}, NULL);
    add_process((struct eh_process){.pid = 300, .has_parent = true, .parent_pid = 4,
                                    .has_end = true, .end_ns = -7}, NULL);
    add_process((struct eh_process){.pid = 0, .command_line = model_string(model, "a \"b\"", 5)},
                "Idle");
    const struct eh_event rows[] = {
        {.kind = EH_PROCESS_END, .process = 3},
        {.kind = EH_LOCK, .process = 3, .flags = EH_HIDDEN},
        {.kind = EH_LOCK, .process = 0},
        {.kind = EH_UNKNOWN, .process = nameless},
        {.kind = EH_KINDS},
    };
    check_table("processes", NULL, rows,
                "process_id,process_name,parent_id,start_ns,end_ns,command_line\n"
                "100,\"=edit,or.exe\",,,,\n"
                "200,,,,,\n"
                "300,,,4,,\n"
                "300,,4,,-7,\n"
                "0,Idle,,,,\"a \"\"b\"\"\"\n");
    check_table("processes", "parent_id", no_rows, "parent_id\n\"\"\n\"\"\n4\n\"\"\n");
}
END_TEST

static uint32_t add_stack(uint32_t image, uint64_t first, uint64_t second)
{
    uint32_t frames[2], id;
    struct eh_frame f = {.address = first};
    ck_assert_int_eq(model_intern_frame(model, &f, &frames[0]), 0);
    f = (struct eh_frame){.address = second, .offset = second - 0x4000, .image = image};
    ck_assert_int_eq(model_intern_frame(model, &f, &frames[1]), 0);
    ck_assert_int_eq(model_intern_stack(model, editor, frames, 2, &id), 0);
    return id;
}

START_TEST(stacks_as_they_come)
{
    const char *path = model_string(model, "C:\\x\\a;b.dll", 12);
    uint32_t image;
    ck_assert_int_eq(model_add_image(model, &(struct eh_image){.path = path, .file_name = path + 5},
                                     &image), 0);
    struct run r;
    start(&r, "stacks", NULL);
    set(&r, "delimiter", ";");
    begin(&r);
    struct eh_event row = {.kind = EH_LOCK};
    add_stack(image, 0xfff, 0x4010);
    ck_assert_int_eq(csv_writer.rows(r.state, &row, 1, NULL), 0);
    ck_assert_int_eq(csv_writer.rows(r.state, &row, 1, NULL), 0);
    add_stack(image, 0x10, 0x4000);
    finish(&r);
    ck_assert_str_eq(written, "stack_id;depth;address;module;offset;symbol\n"
                              "1;0;0xfff;;;\n"
                              "1;1;0x4010;\"a;b.dll\";0x10;\n"
                              "2;0;0x10;;;\n"
                              "2;1;0x4000;\"a;b.dll\";0x0;\n");
}
END_TEST

START_TEST(every_dialect_option)
{
    const struct eh_event row = {ROW(EH_LOCK, -5, main_heap, 0, 0)};
    struct run r;
    start(&r, "heaps", "heap,process_name,outstanding_blocks");
    set(&r, "crlf", NULL);
    set(&r, "bom", NULL);
    set(&r, "excel-safe", NULL);
    set(&r, "decimal-addresses", NULL);
    set(&r, "delimiter", "tab");
    begin(&r);
    ck_assert_int_eq(csv_writer.rows(r.state, &row, 1, NULL), 0);
    finish(&r);
    ck_assert_str_eq(written, "\xEF\xBB\xBFheap\tprocess_name\toutstanding_blocks\r\n"
                              "65536\t'=edit,or.exe\t0\r\n");
    start(&r, "processes", "process_name");
    set(&r, "no-header", NULL);
    begin(&r);
    finish(&r);
    ck_assert_str_eq(written, "\"=edit,or.exe\"\n");
}
END_TEST

/* Each table has its own names; the list may come before or after the table. */
START_TEST(columns_of_another_table)
{
    static const char *const pairs[][2] = {
        {"heaps", "time_ns"},     {"sizes", "created_ns"},   {"callsites", "heap"},
        {"processes", "heap"},    {"stacks", "process_id"},  {"events", "allocs"},
        {"stacks", "depth,depth"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct eh_error e = {0};
        struct run r;
        start(&r, pairs[i][0], pairs[i][1]);
        ck_assert_int_eq(csv_writer.check(r.state, &r.needs, &e), -1);
        ck_assert_int_eq(e.code, EH_ERR_USAGE);
        csv_writer.done(r.state);
        free(r.state);
        out_close(r.out, NULL);
        fclose(r.file);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csv_tables");
    TCase *tc = tcase_create("csv_tables");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, heaps_of_every_fate);
    tcase_add_test(tc, heaps_in_order_of_index_and_without_hidden_rows);
    tcase_add_test(tc, sizes_at_the_edges_of_buckets);
    tcase_add_test(tc, sizes_of_many_heaps);
    tcase_add_test(tc, callsites_by_the_event_that_added);
    tcase_add_test(tc, processes_that_the_trace_tells_of);
    tcase_add_test(tc, stacks_as_they_come);
    tcase_add_test(tc, every_dialect_option);
    tcase_add_test(tc, columns_of_another_table);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
