#include "chrome_writer.h"

#include "chrome_counter.h"
#include "model/build.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- A trace made by hand, and what the writer makes of it ---- */

struct fixture {
    struct eh_model *model;
    struct eh_info info;
    struct eh_event rows[64];
    size_t row_count;
    const char *options[4][2]; /* name, argument */
    void (*after_begin)(void);
    char warning[512];
    char *json; /* of the last write_json() */
};

static struct fixture fixture;

static void set_up(void)
{
    static const char *const inputs[] = {"heap.etl", "ker\"nel\xff.etl"};
    fixture = (struct fixture){.model = model_create()};
    fixture.info = (struct eh_info){.start_unix_ns = INT64_C(1785488575123456700),
                                    .heap_records = 5, .block_records = 5,
                                    .last_event_ns = 9000, .inputs = 2, .input_names = inputs};
    ck_assert_ptr_nonnull(fixture.model);
}

static void tear_down(void)
{
    model_destroy(fixture.model);
    free(fixture.json);
}

static const char *string(const char *s)
{
    return s ? model_string(fixture.model, s, strlen(s)) : NULL;
}

static uint32_t add_process(uint32_t pid, const char *name)
{
    uint32_t id;
    struct eh_process p = {.pid = pid, .name = string(name)};
    ck_assert_int_eq(model_add_process(fixture.model, &p, &id), 0);
    return id;
}

static void add_thread(uint32_t process, uint32_t tid, const char *name)
{
    uint32_t id;
    struct eh_thread t = {process, tid, string(name)};
    ck_assert_int_eq(model_add_thread(fixture.model, &t, &id), 0);
}

static uint32_t add_heap(uint32_t process, uint64_t handle)
{
    uint32_t id;
    struct eh_heap h = {process, handle};
    ck_assert_int_eq(model_add_heap(fixture.model, &h, &id), 0);
    return id;
}

/* A row with the live figures after it; heap 0: a row with header fields only. */
static struct eh_event *add_row(enum eh_kind kind, int64_t time_ns, uint32_t process,
                                uint32_t heap, uint64_t live_bytes, uint32_t live_blocks)
{
    struct eh_event *row = &fixture.rows[fixture.row_count++];
    ck_assert_uint_le(fixture.row_count, sizeof fixture.rows / sizeof *fixture.rows);
    *row = (struct eh_event){.time_ns = time_ns, .process = process, .heap_index = heap,
                             .thread_id = 8, .kind = (uint8_t)kind,
                             .heap_live_bytes = live_bytes, .heap_live_blocks = live_blocks,
                             .process_live_bytes = live_bytes, .process_live_blocks = live_blocks};
    if (heap) {
        row->heap = eh_model_heap(fixture.model, heap)->handle;
        row->flags = EH_HAS_HEAP | EH_HAS_LIVE;
    }
    return row;
}

static struct eh_event *add_alloc(int64_t time_ns, uint32_t process, uint32_t heap,
                                  uint64_t live_bytes, uint32_t live_blocks)
{
    struct eh_event *row = add_row(EH_ALLOC, time_ns, process, heap, live_bytes, live_blocks);
    row->flags |= EH_ADDED | EH_HAS_ADDRESS | EH_HAS_SIZE | EH_HAS_SOURCE;
    row->address = 0x1000;
    row->size = 32;
    row->source = 2;
    return row;
}

static void keep_warning(void *context, enum eh_severity severity, const char *text)
{
    (void)context;
    (void)severity;
    snprintf(fixture.warning, sizeof fixture.warning, "%s", text);
}

static void give_options(void *state)
{
    for (size_t i = 0; i < 4 && fixture.options[i][0]; i++) {
        const struct option_spec *o = chrome_writer.options;
        while (strcmp(o->name, fixture.options[i][0]) != 0)
            o++;
        struct eh_error e = {0};
        ck_assert_int_eq(chrome_writer.set(state, o->id, fixture.options[i][1], &e), 0);
    }
}

static void read_back(FILE *file)
{
    free(fixture.json);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    fixture.json = calloc(1, size + 1);
    ck_assert_uint_eq(fread(fixture.json, 1, size, file), size);
}

/* Everything through the writer, the rows `repeat` times. */
static void write_rows(size_t repeat)
{
    FILE *file = tmpfile();
    struct out *out;
    struct eh_error e = {0};
    ck_assert_int_eq(out_open(&out, fileno(file), 0, 1, &e), 0);
    struct writer_context context = {.info = &fixture.info, .model = fixture.model, .out = out,
                                     .tell = keep_warning, .tool = "etl2chrome 1"};
    struct eh_stats stats = {.events = 7, .heap_events = {[EH_ALLOC] = 3},
                             .peak_live_bytes = UINT64_MAX};
    void *state = calloc(1, chrome_writer.state_size);
    give_options(state);
    ck_assert_int_eq(chrome_writer.begin(state, &context, &e), 0);
    if (fixture.after_begin)
        fixture.after_begin();
    for (size_t i = 0; i < repeat; i++)
        ck_assert_int_eq(chrome_writer.rows(state, fixture.rows, fixture.row_count, &e), 0);
    ck_assert_int_eq(chrome_writer.end(state, &stats, &e), 0);
    chrome_writer.done(state);
    free(state);
    ck_assert_int_eq(out_close(out, &e), 0);
    read_back(file);
    fclose(file);
}

/* ---- Strict JSON, nothing but yes or no ---- */

static const char *skip_value(const char *s);

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

static const char *skip_string(const char *s)
{
    ck_assert_int_eq(*s++, '"');
    for (; *s != '"'; s++) {
        ck_assert_msg((unsigned char)*s >= 0x20 && *s != 0x7F, "raw control character");
        if (*s != '\\')
            continue;
        s++;
        ck_assert_msg(*s && strchr("\"\\/bfnrtu", *s), "escape \\%c", *s);
        if (*s == 'u') {
            ck_assert_uint_ge(strspn(s + 1, "0123456789abcdef"), 4);
            ck_assert_msg(s[1] != 'd' || s[2] < '8', "surrogate escape");
            s += 4;
        }
    }
    return s + 1;
}

static const char *skip_members(const char *s, char close, bool keys)
{
    s = skip_space(s);
    if (*s == close)
        return s + 1;
    for (;; s = skip_space(s + 1)) {
        if (keys) {
            s = skip_space(skip_string(s));
            ck_assert_int_eq(*s, ':');
            s = skip_space(s + 1);
        }
        s = skip_space(skip_value(s));
        if (*s == close)
            return s + 1;
        ck_assert_msg(*s == ',', "',' expected at: %.40s", s);
    }
}

static const char *skip_value(const char *s)
{
    if (*s == '"')
        return skip_string(s);
    if (*s == '{')
        return skip_members(s + 1, '}', true);
    if (*s == '[')
        return skip_members(s + 1, ']', false);
    if (strncmp(s, "null", 4) == 0)
        return s + 4;
    size_t digits = strspn(s, "-0123456789.");
    ck_assert_msg(digits > 0, "value expected at: %.40s", s);
    return s + digits;
}

/* Writes the rows and checks the form of the whole. */
static void write_json(void)
{
    write_rows(1);
    ck_assert_str_eq(skip_space(skip_value(fixture.json)), "");
}

/* ---- What stands in it ---- */

static size_t count_of(const char *part)
{
    size_t n = 0;
    for (const char *s = fixture.json; (s = strstr(s, part)); s++)
        n++;
    return n;
}

/* `line` is one whole line, apart from a comma at its end. */
static void assert_line(const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\n%s", line);
    const char *at = strstr(fixture.json, whole);
    ck_assert_msg(at, "missing: %s\nin: %s", line, fixture.json);
    at += strlen(whole);
    ck_assert_msg(*at == '\n' || (*at == ',' && at[1] == '\n'), "longer: %.200s", at);
}

static void assert_count(const char *part, size_t n)
{
    ck_assert_msg(count_of(part) == n, "%zu times, not %zu: %s\nin: %s", count_of(part), n, part,
                  fixture.json);
}

START_TEST(empty_trace)
{
    write_json();
    ck_assert_ptr_nonnull(strstr(fixture.json, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n]"));
    assert_count("\"ph\"", 0);
    assert_count("stackFrames", 0);
}
END_TEST

START_TEST(counters)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x1f0000);
    add_alloc(1000, p, h, 32, 1);
    add_alloc(2001, p, h, 64, 2);
    add_alloc(2001, p, h, 96, 3); /* the same nanosecond */
    struct eh_event *drop = add_row(EH_DROP, 1999, p, h, 0, 0);
    drop->flags |= EH_REMOVED; /* a step back: at its predecessor's time */
    fixture.options[0][0] = "no-events";
    write_json();
    assert_line("{\"ph\":\"C\",\"pid\":42,\"name\":\"Heap 0x1f0000\",\"ts\":1.000,"
                "\"args\":{\"live bytes\":32,\"live blocks\":1}}");
    assert_line("{\"ph\":\"C\",\"pid\":42,\"name\":\"Heap 0x1f0000\",\"ts\":2.001,"
                "\"args\":{\"live bytes\":0,\"live blocks\":0}}");
    assert_line("{\"ph\":\"C\",\"pid\":42,\"name\":\"Heap total\",\"ts\":1.000,"
                "\"args\":{\"live bytes\":32}}");
    assert_count("\"ph\":\"C\"", 4);
    assert_count("\"ph\":\"i\"", 0);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 11;
}

/* A value near `v`, or of any length. */
static uint64_t wander(uint64_t *state, uint64_t v)
{
    if (next_random(state) % 32 == 0)
        return next_random(state) >> next_random(state) % 53;
    uint64_t step = next_random(state) % 400;
    return next_random(state) % 2 ? v + step : v - step % (v + 1);
}

/* Points after one another, whatever of the last one's line they share, against printf. */
static void check_points(uint32_t pid, const char *name, uint64_t seed)
{
    struct chrome_lines lines = {.base_ns = 0};
    struct chrome_counter heap, total;
    char line[2 * CHROME_POINT_BYTES], want[CHROME_POINT_BYTES];
    uint64_t ns = 0, bytes = 5, blocks = 1;
    chrome_counter_of_heap(&heap, pid, name);
    chrome_counter_of_process(&total, pid);
    for (int i = 0; i < 20000; i++) {
        ns = wander(&seed, ns);
        bytes = wander(&seed, bytes);
        blocks = wander(&seed, blocks);
        memset(line, '#', sizeof line);
        char *end = chrome_put_heap_point(&heap, line, &lines, (int64_t)ns, bytes, blocks);
        snprintf(want, sizeof want,
                 ",\n{\"ph\":\"C\",\"pid\":%" PRIu32 ",\"name\":\"Heap %s\",\"ts\":%" PRIu64
                 ".%03u,\"args\":{\"live bytes\":%" PRIu64 ",\"live blocks\":%" PRIu64 "}}",
                 pid, name, ns / 1000, (unsigned)(ns % 1000), bytes, blocks);
        if ((size_t)(end - line) != strlen(want) || memcmp(line, want, strlen(want)))
            ck_abort_msg("%.*s is not %s", (int)(end - line), line, want);
        if (line[CHROME_POINT_BYTES] != '#')
            ck_abort_msg("%s goes beyond its room", want);
        end = chrome_put_total_point(&total, line, &lines, (int64_t)ns, bytes);
        snprintf(want, sizeof want,
                 ",\n{\"ph\":\"C\",\"pid\":%" PRIu32 ",\"name\":\"Heap total\",\"ts\":%" PRIu64
                 ".%03u,\"args\":{\"live bytes\":%" PRIu64 "}}",
                 pid, ns / 1000, (unsigned)(ns % 1000), bytes);
        if ((size_t)(end - line) != strlen(want) || memcmp(line, want, strlen(want)))
            ck_abort_msg("%.*s is not %s", (int)(end - line), line, want);
    }
}

START_TEST(points_of_every_length)
{
    for (uint64_t seed = 1; seed < 8; seed++) {
        check_points(4, "0x1", seed);
        check_points(2100, "0x1a400000000", seed);
        check_points(UINT32_MAX, "0xffffffffffffffff", seed);
    }
}
END_TEST

START_TEST(thinned_counters_carry_both_values)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x1f0000);
    static const struct {
        uint64_t bytes;
        uint32_t blocks;
    } live[] = {{10, 10}, {11, 9}, {90, 11}, {12, 12}, {50, 77}, {13, 13}, {14, 14}};
    for (size_t i = 0; i < 7; i++)
        add_alloc(100 + (int64_t)i, p, h, live[i].bytes, live[i].blocks);
    fixture.options[0][0] = "resolution";
    fixture.options[0][1] = "1us";
    fixture.options[1][0] = "no-events";
    write_json();
    /* First and fewest bytes, fewest blocks, most bytes, most blocks, last. */
    assert_count("\"name\":\"Heap 0x1f0000\"", 5);
    assert_count("\"ts\":0.100,\"args\":{\"live bytes\":10,\"live blocks\":10}", 1);
    assert_count("\"ts\":0.101,\"args\":{\"live bytes\":11,\"live blocks\":9}", 1);
    assert_count("\"ts\":0.102,\"args\":{\"live bytes\":90,\"live blocks\":11}", 1);
    assert_count("\"ts\":0.104,\"args\":{\"live bytes\":50,\"live blocks\":77}", 1);
    assert_count("\"ts\":0.106,\"args\":{\"live bytes\":14,\"live blocks\":14}", 1);
    assert_count("\"name\":\"Heap total\"", 3);
}
END_TEST

START_TEST(instants)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x1f0000);
    add_alloc(1000, p, h, 32, 1);
    add_alloc(1001, p, h, 32, 1)->size = UINT64_C(1) << 63;
    struct eh_event *matched = add_row(EH_FREE, 1002, p, h, 0, 0);
    matched->flags |= EH_HAS_ADDRESS | EH_HAS_SIZE | EH_HAS_LIFETIME | EH_REMOVED;
    matched->address = 0x1000;
    matched->size = 32;
    matched->lifetime_ns = 2;
    struct eh_event *unmatched = add_row(EH_FREE, 1003, p, h, 0, 0);
    unmatched->flags |= EH_HAS_ADDRESS | EH_HAS_SOURCE;
    unmatched->source = 99;
    unmatched->thread_id = EH_NO_ID;
    struct eh_event *realloc = add_row(EH_REALLOC, 1004, p, h, 0, 0);
    realloc->flags |= EH_HAS_ADDRESS | EH_HAS_SIZE;
    realloc->old_address = 0x2000;
    realloc->old_size = 7;
    add_row(EH_ALLOC, 1005, p, 0, 0, 0);
    add_alloc(1006, p, h, 0, 0)->flags |= EH_HIDDEN;
    write_json();
    assert_line("{\"ph\":\"i\",\"s\":\"t\",\"pid\":42,\"tid\":8,\"ts\":1.000,\"name\":\"alloc\","
                "\"args\":{\"heap\":\"0x1f0000\",\"address\":\"0x1000\",\"size_bytes\":32,"
                "\"source\":\"low_fragmentation\"}}");
    assert_count("\"size_bytes\":\"0x8000000000000000\"", 1);
    assert_line("{\"ph\":\"i\",\"s\":\"t\",\"pid\":42,\"tid\":8,\"ts\":1.002,\"name\":\"free\","
                "\"args\":{\"heap\":\"0x1f0000\",\"address\":\"0x1000\",\"size_bytes\":32,"
                "\"lifetime_ns\":2}}");
    assert_line("{\"ph\":\"i\",\"s\":\"p\",\"pid\":42,\"tid\":0,\"ts\":1.003,\"name\":\"free\","
                "\"args\":{\"heap\":\"0x1f0000\",\"address\":\"0x0\",\"source\":\"99\"}}");
    assert_line("{\"ph\":\"i\",\"s\":\"t\",\"pid\":42,\"tid\":8,\"ts\":1.004,\"name\":\"realloc\","
                "\"args\":{\"heap\":\"0x1f0000\",\"address\":\"0x0\",\"size_bytes\":0,"
                "\"old_address\":\"0x2000\",\"old_size_bytes\":7}}");
    assert_line("{\"ph\":\"i\",\"s\":\"t\",\"pid\":42,\"tid\":8,\"ts\":1.005,\"name\":\"alloc\","
                "\"args\":{}}");
    assert_count("\"ph\":\"i\"", 6);
}
END_TEST

START_TEST(instants_by_size_of_the_trace)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x1f0000);
    add_alloc(1000, p, h, 32, 1);
    fixture.info.heap_records = 100000;
    write_json();
    assert_count("\"ph\":\"i\"", 1);
    fixture.info.heap_records = 100001;
    write_json();
    assert_count("\"ph\":\"i\"", 0);
    ck_assert_ptr_nonnull(strstr(fixture.warning, "--events"));
    fixture.options[0][0] = "events";
    write_json();
    assert_count("\"ph\":\"i\"", 1);
}
END_TEST

START_TEST(hostile_names)
{
    uint32_t p = add_process(42, "a\"\\\x01\x1f\x7f\n</script>\xc3\xa9\xf0\x9f\x98\x80.exe");
    add_thread(p, 8, "worker\t\"1\"");
    add_thread(p, 9, NULL);
    add_alloc(1000, p, add_heap(p, UINT64_MAX), 32, 1);
    write_json();
    assert_line("{\"ph\":\"M\",\"pid\":42,\"tid\":0,\"name\":\"process_name\",\"args\":{\"name\":"
                "\"a\\\"\\\\\\u0001\\u001f\\u007f\\n</script>\xc3\xa9\xf0\x9f\x98\x80.exe\"}}");
    assert_line("{\"ph\":\"M\",\"pid\":42,\"tid\":8,\"name\":\"thread_name\",\"args\":{\"name\":"
                "\"worker\\t\\\"1\\\"\"}}");
    assert_count("\"thread_name\"", 1);
    assert_count("\"name\":\"Heap 0xffffffffffffffff\",\"ts\":1.000,\"args\"", 1);
}
END_TEST

START_TEST(only_processes_with_heap_events)
{
    uint32_t silent = add_process(41, "silent.exe"), p = add_process(42, NULL);
    add_thread(silent, 7, "silent worker");
    add_alloc(1000, p, add_heap(p, 0x10000), 32, 1);
    add_row(EH_PROCESS_END, 1100, silent, 0, 0, 0);
    write_json();
    assert_count("\"pid\":41", 0);
    assert_count("process_name", 0);
    assert_line("{\"ph\":\"M\",\"pid\":42,\"tid\":0,\"name\":\"process_sort_index\","
                "\"args\":{\"sort_index\":0}}");
}
END_TEST

START_TEST(reused_pid_is_one_process)
{
    uint32_t a = add_process(42, "a.exe"), b = add_process(42, "b.exe");
    uint32_t again = add_process(42, "a.exe"), other = add_process(43, "a.exe");
    uint32_t ha = add_heap(a, 0x10000), hb = add_heap(b, 0x10000), hc = add_heap(again, 0x20000);
    add_alloc(1000, a, ha, 32, 1);
    add_row(EH_DROP, 2000, a, ha, 0, 0)->flags |= EH_REMOVED;
    add_row(EH_PROCESS_END, 2000, a, 0, 0, 0);
    add_alloc(3000, b, hb, 7, 1);
    add_alloc(4000, again, hc, 5, 1);
    add_alloc(5000, other, add_heap(other, 0x10000), 1, 1);
    write_json();
    assert_line("{\"ph\":\"M\",\"pid\":42,\"tid\":0,\"name\":\"process_name\","
                "\"args\":{\"name\":\"a.exe, b.exe\"}}");
    assert_line("{\"ph\":\"M\",\"pid\":43,\"tid\":0,\"name\":\"process_name\","
                "\"args\":{\"name\":\"a.exe\"}}");
    assert_count("\"process_sort_index\"", 2);
    assert_line("{\"ph\":\"C\",\"pid\":42,\"name\":\"Heap 0x10000\",\"ts\":3.000,"
                "\"args\":{\"live bytes\":7,\"live blocks\":1}}");
    assert_line("{\"ph\":\"C\",\"pid\":42,\"name\":\"Heap total\",\"ts\":3.000,"
                "\"args\":{\"live bytes\":7}}");
    assert_line("{\"ph\":\"C\",\"pid\":42,\"name\":\"Heap total\",\"ts\":4.000,"
                "\"args\":{\"live bytes\":12}}"); /* b.exe never ended: the sum */
}
END_TEST

static void add_late_process(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t p = add_process(1000 + i, NULL);
        if (i == 98)
            add_alloc(1000, p, add_heap(p, 0x10000), 32, 1);
        if (i == 99)
            add_row(EH_PROCESS_END, 2000, p, 0, 0, 0);
    }
}

START_TEST(process_that_rows_bring)
{
    fixture.after_begin = add_late_process;
    write_json();
    assert_count("\"pid\":1098,", 4); /* two counters, an instant, a sort index */
}
END_TEST

START_TEST(unknown_owner)
{
    add_alloc(1000, 0, add_heap(0, 0x10000), 32, 1);
    write_json();
    assert_line("{\"ph\":\"M\",\"pid\":0,\"tid\":0,\"name\":\"process_name\","
                "\"args\":{\"name\":\"Unknown process\"}}");
    assert_count("{\"ph\":\"i\",\"s\":\"p\",\"pid\":0,\"tid\":0,\"ts\":1.000", 1);
    assert_count("{\"ph\":\"C\",\"pid\":0,", 2);
}
END_TEST

START_TEST(heap_slices)
{
    uint32_t p = add_process(42, "a.exe"), q = add_process(43, "b.exe");
    uint32_t closed = add_heap(p, 0x10000), left = add_heap(p, 0x20000);
    uint32_t twice = add_heap(q, 0x10000);
    add_row(EH_CREATE, 1000, p, closed, 0, 0);
    add_row(EH_CREATE, 1100, p, left, 0, 0)->thread_id = EH_NO_ID;
    add_row(EH_CREATE, 1200, q, twice, 0, 0);
    add_row(EH_DESTROY, 900, p, closed, 0, 0); /* a step back */
    add_row(EH_DESTROY, 2000, p, closed, 0, 0);
    add_row(EH_CREATE, 2100, q, twice, 0, 0);
    add_row(EH_PROCESS_END, 3000, p, 0, 0, 0);
    add_row(EH_DESTROY, 3500, q, add_heap(q, 0x30000), 0, 0); /* never created */
    write_json();
#define SLICE(ph, heap, pid, tid, ts)                                                              \
    "{\"ph\":\"" ph "\",\"cat\":\"heap\",\"id2\":{\"local\":\"" heap "\"},\"pid\":" pid            \
    ",\"tid\":" tid ",\"name\":\"Heap " heap "\",\"ts\":" ts "}"
    assert_line(SLICE("b", "0x10000", "42", "8", "1.000"));
    assert_line(SLICE("e", "0x10000", "42", "8", "1.000"));
    assert_line(SLICE("b", "0x20000", "42", "0", "1.100"));
    assert_line(SLICE("e", "0x20000", "42", "0", "3.000"));
    assert_line(SLICE("b", "0x10000", "43", "8", "1.200"));
    assert_line(SLICE("e", "0x10000", "43", "8", "2.100"));
    assert_line(SLICE("b", "0x10000", "43", "8", "2.100"));
    assert_line(SLICE("e", "0x10000", "43", "8", "9.000")); /* the last event of the trace */
    assert_count("\"ph\":\"b\"", 4);
    assert_count("\"ph\":\"e\"", 4);
}
END_TEST

static uint32_t add_stack(uint32_t process, uint32_t image, const uint64_t *offsets, size_t depth)
{
    uint32_t frames[8], stack;
    for (size_t i = 0; i < depth; i++) {
        struct eh_frame f = {0x7f0000 + offsets[i], offsets[i], image};
        ck_assert_int_eq(model_intern_frame(fixture.model, &f, &frames[i]), 0);
    }
    ck_assert_int_eq(model_intern_stack(fixture.model, process, frames, depth, &stack), 0);
    return stack;
}

START_TEST(stacks)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x1f0000), image;
    struct eh_image module = {.path = string("C:\\m\"od.dll"), .file_name = string("m\"od.dll")};
    ck_assert_int_eq(model_add_image(fixture.model, &module, &image), 0);
    add_alloc(1000, p, h, 32, 1)->stack = add_stack(p, image, (uint64_t[]){0x10, 0x20, 0x30}, 3);
    add_alloc(1001, p, h, 64, 2)->stack = add_stack(p, image, (uint64_t[]){0x11, 0x20, 0x30}, 3);
    add_alloc(1002, p, h, 64, 2)->stack = add_stack(p, 0, (uint64_t[]){0x11}, 1);
    add_row(EH_FREE, 1003, p, 0, 0, 0)->stack = fixture.rows[0].stack;
    write_json();
    assert_count("\"sf\":3,\"args\":{\"heap\":\"0x1f0000\",\"address\":\"0x1000\","
                 "\"size_bytes\":32,\"source\":\"low_fragmentation\","
                 "\"stack\":\"m\\\"od.dll+0x10;m\\\"od.dll+0x20;m\\\"od.dll+0x30\"}}", 1);
    assert_count("\"sf\":4,", 1);
    assert_count("\"stack\":\"0x7f0011\"}}", 1);
    assert_count("\"sf\":3,\"args\":{\"stack\":\"m", 1);
    assert_line("\"1\":{\"name\":\"m\\\"od.dll+0x30\"}");
    assert_line("\"2\":{\"parent\":\"1\",\"name\":\"m\\\"od.dll+0x20\"}");
    assert_line("\"3\":{\"parent\":\"2\",\"name\":\"m\\\"od.dll+0x10\"}");
    assert_line("\"4\":{\"parent\":\"2\",\"name\":\"m\\\"od.dll+0x11\"}");
    assert_line("\"5\":{\"name\":\"0x7f0011\"}");
}
END_TEST

START_TEST(times_before_the_start)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x10000);
    fixture.info.first_event_ns = -1500;
    add_alloc(-1500, p, h, 32, 1);
    add_alloc(0, p, h, 64, 2);
    write_json();
    assert_count("\"ts\":0.500", 3); /* heap, total, instant */
    assert_count("\"ts\":2.000", 3);
    assert_count("\"base_ns\":-2000,", 2);
    assert_count("\"start\":\"2026-07-31T09:02:55.123454700Z\",", 2);
    fixture.info.first_event_ns = -2000;
    write_json();
    assert_count("\"base_ns\":-2000,", 2);
}
END_TEST

START_TEST(times_have_three_decimals)
{
    static const struct {
        int64_t ns;
        const char *text;
    } times[] = {
        {0, "\"ts\":0.000,"},
        {7, "\"ts\":0.007,"},
        {99999999, "\"ts\":99999.999,"},
        {100000000, "\"ts\":100000.000,"},
        {100000001, "\"ts\":100000.001,"},
        {INT64_C(123456789012), "\"ts\":123456789.012,"},
        {INT64_MAX, "\"ts\":9223372036854775.807,"},
    };
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x10000);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        add_row(EH_FREE, times[i].ns, p, h, 0, 0);
    write_json();
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_count(times[i].text, 1);
}
END_TEST

START_TEST(other_data)
{
    write_json();
    assert_count("\"otherData\":{", 1);
    assert_count("\"metadata\":{", 1);
    assert_count("\"tool\":\"etl2chrome 1\",", 2);
    assert_count("\"start\":\"2026-07-31T09:02:55.123456700Z\",", 2);
    assert_count("\"inputs\":[\"heap.etl\",\"ker\\\"nel\xc3\xbf.etl\"]", 2);
    assert_count("\"heap_events.alloc\":3,", 2);
    assert_count("\"peak_live_bytes\":\"0xffffffffffffffff\",", 2);
    assert_count("\"peak_time_ns\":null,", 2);
    assert_count("\"events\":7,", 2);
    assert_count("\"resolution_ns\":0,", 2);
}
END_TEST

START_TEST(warnings_of_size)
{
    uint32_t p = add_process(42, "a.exe"), h = add_heap(p, 0x10000);
    for (int64_t i = 0; i < 64; i++)
        add_alloc(i, p, h, 32, 1);
    write_rows(1000);
    ck_assert_str_eq(fixture.warning, "");
    write_rows(11000); /* 64 instants of about 150 bytes each */
    ck_assert_ptr_nonnull(strstr(fixture.warning, "100 MB"));
    ck_assert_ptr_nonnull(strstr(fixture.warning, "--no-events"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chrome_writer");
    TCase *tests = tcase_create("chrome_writer");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, empty_trace);
    tcase_add_test(tests, counters);
    tcase_add_test(tests, points_of_every_length);
    tcase_add_test(tests, thinned_counters_carry_both_values);
    tcase_add_test(tests, instants);
    tcase_add_test(tests, instants_by_size_of_the_trace);
    tcase_add_test(tests, hostile_names);
    tcase_add_test(tests, only_processes_with_heap_events);
    tcase_add_test(tests, reused_pid_is_one_process);
    tcase_add_test(tests, process_that_rows_bring);
    tcase_add_test(tests, unknown_owner);
    tcase_add_test(tests, heap_slices);
    tcase_add_test(tests, stacks);
    tcase_add_test(tests, times_before_the_start);
    tcase_add_test(tests, times_have_three_decimals);
    tcase_add_test(tests, other_data);
    tcase_add_test(tests, warnings_of_size);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
