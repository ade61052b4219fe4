/* The CSV writer against an oracle that formats every cell with printf. */
#include "csv_writer.h"

#include "model/build.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS       20000
#define PROCESSES  6 /* with process 0 */
#define STACKS     4 /* with stack 0 */
#define LONG_NAME  "a name that is longer than what the writer's caches hold, so it is not copied"
#define START_NS   INT64_C(1785488575000000000)

static struct eh_model *model;
static struct eh_info info = {.start_unix_ns = START_NS};
static struct eh_event rows[ROWS];
static char *written;
static size_t written_length;
static char warning[512];

static const char *const names[PROCESSES] = {
    NULL, "app.exe", "we,ird \"quoted\"\r\n.exe", NULL, "=cmd|' /C calc'!A0", LONG_NAME,
};

static void add_processes(void)
{
    for (uint32_t i = 1; i < PROCESSES; i++) {
        struct eh_process p = {.pid = i * 1000};
        if (names[i])
            p.name = model_string(model, names[i], strlen(names[i]));
        uint32_t id;
        ck_assert_int_eq(model_add_process(model, &p, &id), 0);
        ck_assert_uint_eq(id, i);
    }
}

static void add_stacks(void)
{
    const char *file = model_string(model, "od;d,\"name\".dll", 15);
    struct eh_image image = {.path = file, .file_name = file};
    uint32_t image_id, plain, in_image, id;
    ck_assert_int_eq(model_add_image(model, &image, &image_id), 0);
    struct eh_frame f = {.address = 0x7ff912345678};
    ck_assert_int_eq(model_intern_frame(model, &f, &plain), 0);
    f = (struct eh_frame){.address = 0x1000, .offset = 0x123, .image = image_id};
    ck_assert_int_eq(model_intern_frame(model, &f, &in_image), 0);
    ck_assert_int_eq(model_intern_stack(model, 1, &plain, 1, &id), 0);
    ck_assert_int_eq(model_intern_stack(model, 1, (uint32_t[]){plain, plain}, 2, &id), 0);
    ck_assert_int_eq(model_intern_stack(model, 1, (uint32_t[]){in_image, plain, in_image}, 3, &id),
                     0);
    ck_assert_uint_eq(id, STACKS - 1);
}

static const char *const stack_texts[STACKS] = {
    "",
    "0x7ff912345678",
    "0x7ff912345678;0x7ff912345678",
    "od;d,\"name\".dll+0x123;0x7ff912345678;od;d,\"name\".dll+0x123",
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Numbers of every length are equally likely. */
static uint64_t random_number(void)
{
    uint64_t x = random_bits();
    return x >> (random_bits() & 63);
}

static void fill_random_row(struct eh_event *r)
{
    static const uint64_t heaps[] = {0x1d2a4b50000, 0xb60000, 0, UINT64_MAX, 0x7000};
    uint32_t heap = (uint32_t)(random_bits() % 5);
    *r = (struct eh_event){
        .time_ns = (int64_t)random_number(),
        .raw_time = (int64_t)random_number(),
        .process = (uint32_t)(random_bits() % PROCESSES),
        .heap_index = heap,
        .thread_id = random_bits() % 8 ? (uint32_t)(random_bits() % 2000) : EH_NO_ID,
        .stack = (uint32_t)(random_bits() % STACKS),
        .cpu = (uint16_t)(random_bits() % 4),
        .flags = (uint16_t)random_bits(),
        .kind = (uint8_t)(random_bits() % EH_KINDS),
        .hook = (uint16_t)(0x1000 | (random_bits() & 0xFF)),
        .heap = heaps[heap],
        .address = random_number(),
        .size = random_number(),
        .old_address = random_number(),
        .old_size = random_number(),
        .lifetime_ns = (int64_t)(random_number() >> 1),
        .heap_live_bytes = random_number(),
        .process_live_bytes = random_number(),
        .heap_live_blocks = (uint32_t)random_number(),
        .process_live_blocks = (uint32_t)random_number(),
        .source = (uint32_t)(random_bits() % 10),
    };
    if (random_bits() % 4)
        r->flags &= (uint16_t)~EH_HIDDEN;
}

/* As rows of blocks mostly are: complete, and with figures near those of the row before. */
static void make_usual(struct eh_event *r, const struct eh_event *before)
{
    r->flags |= EH_HAS_HEAP | EH_HAS_CPU | EH_HAS_ADDRESS | EH_HAS_LIVE;
    r->flags &= (uint16_t)~EH_HIDDEN;
    r->kind %= EH_REALLOC + 1;
    r->time_ns = before->time_ns / 2 + (int64_t)(random_bits() % 3000);
    if (random_bits() % 16 == 0)
        return;
    r->time_ns = before->time_ns + (int64_t)(random_bits() % 3000);
    r->heap_index = before->heap_index;
    r->heap = before->heap;
    r->address = before->address + random_bits() % 5000;
    r->heap_live_bytes = before->heap_live_bytes + random_bits() % 999 - 499;
    r->heap_live_blocks = before->heap_live_blocks + (uint32_t)(random_bits() % 3) - 1;
}

static void setup(void)
{
    model = model_create();
    ck_assert_ptr_nonnull(model);
    add_processes();
    add_stacks();
    for (size_t i = 0; i < ROWS; i++) {
        fill_random_row(&rows[i]);
        if (i && random_bits() % 16)
            make_usual(&rows[i], &rows[i - 1]);
    }
}

static void teardown(void)
{
    model_destroy(model);
    free(written);
    written = NULL;
}

static void keep_warning(void *context, enum eh_severity severity, const char *text)
{
    (void)context;
    (void)severity;
    snprintf(warning, sizeof warning, "%s", text);
}

/* An option as on the command line; a NULL name ends the list. */
struct choice {
    const char *name, *argument;
};

static int set_choice(void *state, const struct choice *c, struct eh_error *e)
{
    for (const struct option_spec *spec = csv_writer.options; spec->name; spec++)
        if (!strcmp(spec->name, c->name))
            return csv_writer.set(state, spec->id, c->argument, e);
    ck_abort_msg("no option %s", c->name);
    return -1;
}

/* What the driver does with the command line. */
static int choose(void *state, const struct choice *choices, struct eh_error *e)
{
    for (const struct choice *c = choices; c->name; c++)
        if (set_choice(state, c, e) < 0)
            return -1;
    struct writer_needs needs = {0};
    return csv_writer.check(state, &needs, e);
}

static void read_back(FILE *f)
{
    free(written);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    written_length = (size_t)ftell(f);
    rewind(f);
    written = malloc(written_length + 1);
    ck_assert_uint_eq(fread(written, 1, written_length, f), written_length);
    written[written_length] = 0;
}

/* Runs the writer as the driver does; the bytes are in `written`. `repeat` is how often the rows
 * come. */
static void write_csv(const struct choice *choices, const struct eh_event *r, size_t count,
                      unsigned repeat)
{
    struct eh_error e = {0};
    struct eh_stats stats = {0};
    FILE *f = tmpfile();
    struct out *out;
    ck_assert_int_eq(out_open(&out, fileno(f), 0, 1, &e), 0);
    void *state = calloc(1, csv_writer.state_size);
    ck_assert_int_eq(choose(state, choices, &e), 0);
    struct writer_context context = {.info = &info, .model = model, .out = out,
                                     .tell = keep_warning, .tool = "etl2csv 1"};
    ck_assert_int_eq(csv_writer.begin(state, &context, &e), 0);
    for (unsigned i = 0; i < repeat; i++)
        if (csv_writer.rows(state, r, count, &e) < 0)
            ck_abort_msg("%s", e.text);
    ck_assert_int_eq(csv_writer.end(state, &stats, &e), 0);
    csv_writer.done(state);
    free(state);
    ck_assert_int_eq(out_close(out, &e), 0);
    read_back(f);
    fclose(f);
}

/* What the oracle needs to know of the options. */
struct style {
    const char *columns; /* NULL: the default */
    char delimiter;
    bool crlf, bom, no_header, excel_safe, decimal;
};

static const char default_columns[] =
    "time_ns,process_id,process_name,thread_id,cpu,event,heap,address,size_bytes,old_address,"
    "old_size_bytes,source,lifetime_ns,heap_live_bytes,heap_live_blocks,stack_id";

static void print_text(FILE *f, const struct style *s, const char *text)
{
    char needs[] = {'"', '\r', '\n', s->delimiter, 0};
    bool quotes = strpbrk(text, needs);
    fputs(quotes ? "\"" : "", f);
    if (s->excel_safe && *text && strchr("=+-@\t\r", *text))
        fputc('\'', f);
    for (; *text; text++)
        fprintf(f, *text == '"' ? "\"\"" : "%c", *text);
    fputs(quotes ? "\"" : "", f);
}

static void print_address(FILE *f, const struct style *s, uint64_t address)
{
    fprintf(f, s->decimal ? "%" PRIu64 : "0x%" PRIx64, address);
}

static void print_event(FILE *f, const struct eh_event *r)
{
    if (r->kind == EH_UNKNOWN)
        fprintf(f, "unknown_0x%04x", r->hook);
    else
        fputs(eh_kind_name((enum eh_kind)r->kind), f);
}

static void print_utc(FILE *f, int64_t time_ns)
{
    /* The test's times reach the ends of 64 bits. */
    int64_t ns = time_ns > INT64_MAX - START_NS ? INT64_MAX : START_NS + time_ns;
    time_t second = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    struct tm tm;
    char text[64];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
    fprintf(f, "%s.%09dZ", text, (int)(ns - second * 1000000000));
}

#define COLUMN(text) (strlen(text) == length && !strncmp(column, text, length))

static void print_identity(FILE *f, const struct style *s, const struct eh_event *r,
                           const char *column, size_t length)
{
    if (COLUMN("process_id") && r->process)
        fprintf(f, "%" PRIu32, r->process * 1000);
    else if (COLUMN("process_name") && names[r->process])
        print_text(f, s, names[r->process]);
    else if (COLUMN("thread_id") && r->thread_id != EH_NO_ID)
        fprintf(f, "%" PRIu32, r->thread_id);
    else if (COLUMN("cpu") && r->flags & EH_HAS_CPU)
        fprintf(f, "%u", r->cpu);
    else if (COLUMN("event"))
        print_event(f, r);
    else if (COLUMN("heap") && r->flags & EH_HAS_HEAP)
        print_address(f, s, r->heap);
    else if (COLUMN("stack_id") && r->stack)
        fprintf(f, "%" PRIu32, r->stack);
    else if (COLUMN("stack"))
        print_text(f, s, stack_texts[r->stack]);
}

static void print_block(FILE *f, const struct style *s, const struct eh_event *r,
                        const char *column, size_t length)
{
    bool old = r->kind == EH_REALLOC && r->flags & EH_HAS_HEAP;
    if (COLUMN("address") && r->flags & EH_HAS_ADDRESS)
        print_address(f, s, r->address);
    else if (COLUMN("size_bytes") && r->flags & EH_HAS_SIZE)
        fprintf(f, "%" PRIu64, r->size);
    else if (COLUMN("old_address") && old)
        print_address(f, s, r->old_address);
    else if (COLUMN("old_size_bytes") && old)
        fprintf(f, "%" PRIu64, r->old_size);
    else if (COLUMN("source") && r->flags & EH_HAS_SOURCE && eh_source_name(r->source))
        fputs(eh_source_name(r->source), f);
    else if (COLUMN("source") && r->flags & EH_HAS_SOURCE)
        fprintf(f, "%" PRIu32, r->source);
    else if (COLUMN("lifetime_ns") && r->flags & EH_HAS_LIFETIME)
        fprintf(f, "%" PRId64, r->lifetime_ns);
}

static void print_times_and_sums(FILE *f, const struct eh_event *r, const char *column,
                                 size_t length)
{
    bool live = r->flags & EH_HAS_LIVE;
    if (COLUMN("time_ns"))
        fprintf(f, "%" PRId64, r->time_ns);
    else if (COLUMN("raw_time"))
        fprintf(f, "%" PRId64, r->raw_time);
    else if (COLUMN("time_utc"))
        print_utc(f, r->time_ns);
    else if (COLUMN("heap_live_bytes") && live)
        fprintf(f, "%" PRIu64, r->heap_live_bytes);
    else if (COLUMN("heap_live_blocks") && live)
        fprintf(f, "%" PRIu32, r->heap_live_blocks);
    else if (COLUMN("process_live_bytes") && live)
        fprintf(f, "%" PRIu64, r->process_live_bytes);
    else if (COLUMN("process_live_blocks") && live)
        fprintf(f, "%" PRIu32, r->process_live_blocks);
}

static void print_header(FILE *f, const struct style *s, const char *columns)
{
    fputs(s->bom ? "\xEF\xBB\xBF" : "", f);
    if (s->no_header)
        return;
    for (; *columns; columns++)
        fputc(*columns == ',' ? s->delimiter : *columns, f);
    fputs(s->crlf ? "\r\n" : "\n", f);
}

static void print_row(FILE *f, const struct style *s, const char *columns,
                      const struct eh_event *r)
{
    long begin = ftell(f);
    for (const char *column = columns;;) {
        size_t length = strcspn(column, ",");
        print_identity(f, s, r, column, length);
        print_block(f, s, r, column, length);
        print_times_and_sums(f, r, column, length);
        if (!column[length])
            break;
        fputc(s->delimiter, f);
        column += length + 1;
    }
    if (ftell(f) == begin)
        fputs("\"\"", f);
    fputs(s->crlf ? "\r\n" : "\n", f);
}

static void check_against_oracle(const struct choice *choices, const struct style *s)
{
    write_csv(choices, rows, ROWS, 1);
    char *want;
    size_t want_length;
    FILE *f = open_memstream(&want, &want_length);
    const char *columns = s->columns ? s->columns : default_columns;
    print_header(f, s, columns);
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].kind < EH_HEAP_KINDS && !(rows[i].flags & EH_HIDDEN))
            print_row(f, s, columns, &rows[i]);
    fclose(f);
    size_t same = 0;
    while (same < want_length && same < written_length && want[same] == written[same])
        same++;
    size_t from = same > 100 ? same - 100 : 0;
    ck_assert_msg(same == want_length && same == written_length, "differs after: %.*s<HERE>%.80s",
                  (int)(same - from), written + from, written + same);
    free(want);
}

START_TEST(default_table)
{
    const struct choice none[] = {{0}};
    check_against_oracle(none, &(struct style){.delimiter = ','});
}
END_TEST

START_TEST(every_column_in_another_order)
{
    static const char columns[] =
        "stack,time_utc,raw_time,process_live_bytes,process_live_blocks,stack_id,heap_live_blocks,"
        "heap_live_bytes,lifetime_ns,source,old_size_bytes,old_address,size_bytes,address,heap,"
        "event,cpu,thread_id,process_name,process_id,time_ns";
    const struct choice choices[] = {{"columns", columns}, {0}};
    check_against_oracle(choices, &(struct style){.columns = columns, .delimiter = ','});
}
END_TEST

START_TEST(one_column_that_may_be_empty)
{
    const struct choice choices[] = {{"columns", "process_name"}, {0}};
    check_against_oracle(choices, &(struct style){.columns = "process_name", .delimiter = ','});
}
END_TEST

START_TEST(every_dialect_option)
{
    const struct choice choices[] = {{"delimiter", ";"},     {"crlf", NULL},
                                     {"bom", NULL},          {"no-header", NULL},
                                     {"excel-safe", NULL},   {"decimal-addresses", NULL},
                                     {"table", "events"},    {0}};
    check_against_oracle(choices, &(struct style){.delimiter = ';', .crlf = true, .bom = true,
                                                  .no_header = true, .excel_safe = true,
                                                  .decimal = true});
}
END_TEST

START_TEST(delimiter_tab)
{
    const struct choice choices[] = {{"delimiter", "tab"}, {"excel-safe", NULL}, {0}};
    check_against_oracle(choices, &(struct style){.delimiter = '\t', .excel_safe = true});
    const struct choice letters[] = {{"delimiter", "\\t"}, {0}};
    check_against_oracle(letters, &(struct style){.delimiter = '\t'});
}
END_TEST

START_TEST(wrong_arguments)
{
    static const struct {
        struct choice choice;
        const char *says;
    } wrong[] = {
        {{"columns", "time_ns,nonsense"}, "process_live_blocks"},
        {{"columns", ""}, "there is no column ''"},
        {{"columns", "time_ns,"}, "there is no column ''"},
        {{"columns", "time_ns,cpu,time_ns"}, "time_ns is named twice"},
        {{"table", "heap"}, "there are events, heaps, outstanding, sizes, callsites, processes, stacks"},
        {{"delimiter", ""}, "one character"},
        {{"delimiter", ";;"}, "one character"},
        {{"delimiter", "\""}, "one character"},
        {{"delimiter", "\n"}, "one character"},
        {{"delimiter", "x"}, "one character"},
        {{"delimiter", "7"}, "one character"},
        {{"delimiter", "\xE9"}, "one character"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *state = calloc(1, csv_writer.state_size);
        struct eh_error e = {0};
        ck_assert_int_eq(choose(state, (struct choice[]){wrong[i].choice, {0}}, &e), -1);
        ck_assert_int_eq(e.code, EH_ERR_USAGE);
        ck_assert_msg(strstr(e.text, wrong[i].says), "%s", e.text);
        csv_writer.done(state);
        free(state);
    }
}
END_TEST

/* Longer than any buffer of the writer's own. */
START_TEST(names_of_the_greatest_length)
{
    static char name[4096];
    memset(name, '"', sizeof name - 1);
    struct eh_process p = {.pid = 7, .name = model_string(model, name, sizeof name - 1)};
    struct eh_event row = {.kind = EH_LOCK, .thread_id = EH_NO_ID};
    ck_assert_int_eq(model_add_process(model, &p, &row.process), 0);
    const struct choice choices[] = {{"columns", "process_name"}, {"no-header", NULL}, {0}};
    write_csv(choices, &row, 1, 1);
    ck_assert_uint_eq(written_length, 2 * (sizeof name - 1) + 3);
    ck_assert_uint_eq(strspn(written, "\""), written_length - 1);
}
END_TEST

START_TEST(processes_that_come_with_the_rows)
{
    FILE *f = tmpfile();
    struct out *out;
    ck_assert_int_eq(out_open(&out, fileno(f), 0, 1, NULL), 0);
    void *state = calloc(1, csv_writer.state_size);
    const struct choice choices[] = {{"columns", "process_id,process_name"}, {0}};
    ck_assert_int_eq(choose(state, choices, NULL), 0);
    struct writer_context context = {.info = &info, .model = model, .out = out,
                                     .tell = keep_warning, .tool = "etl2csv 1"};
    ck_assert_int_eq(csv_writer.begin(state, &context, NULL), 0);
    for (uint32_t i = PROCESSES; i < 5000; i++) {
        struct eh_event row = {.kind = EH_LOCK};
        struct eh_process p = {.pid = i, .name = model_string(model, "late.exe", 8)};
        if (model_add_process(model, &p, &row.process) < 0 ||
            csv_writer.rows(state, &row, 1, NULL) < 0)
            ck_abort_msg("row %u", i);
    }
    csv_writer.done(state);
    free(state);
    ck_assert_int_eq(out_close(out, NULL), 0);
    read_back(f);
    fclose(f);
    ck_assert_ptr_nonnull(strstr(written, "process_id,process_name\n6,late.exe\n7,late.exe\n"));
    ck_assert_ptr_nonnull(strstr(written, "\n4998,late.exe\n4999,late.exe\n"));
}
END_TEST

START_TEST(warns_past_what_spreadsheets_take)
{
    struct eh_event row = {.kind = EH_LOCK};
    const struct choice choices[] = {{"columns", "event"}, {"no-header", NULL}, {0}};
    warning[0] = 0;
    write_csv(choices, &row, 1, 1048575);
    ck_assert_str_eq(warning, "");
    write_csv(choices, &row, 1, 1048576);
    ck_assert_ptr_nonnull(strstr(warning, "1048575 rows"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csv_writer");
    TCase *tc = tcase_create("csv_writer");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, default_table);
    tcase_add_test(tc, every_column_in_another_order);
    tcase_add_test(tc, one_column_that_may_be_empty);
    tcase_add_test(tc, every_dialect_option);
    tcase_add_test(tc, delimiter_tab);
    tcase_add_test(tc, wrong_arguments);
    tcase_add_test(tc, names_of_the_greatest_length);
    tcase_add_test(tc, processes_that_come_with_the_rows);
    tcase_add_test(tc, warns_past_what_spreadsheets_take);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
