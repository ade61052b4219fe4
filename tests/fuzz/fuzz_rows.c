#include "fuzz_rows.h"

#include "filter.h"
#include "split.h"

#include "base/array.h"
#include "base/limits.h"
#include "base/utf.h"
#include "model/build.h"

#include <string.h>

static uint64_t take(struct fuzz_trace *t, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && t->at < t->end; i++)
        value |= (uint64_t)*t->at++ << (8 * i);
    return value;
}

/* Mostly small, sometimes any, sometimes an extreme. */
static uint64_t take_number(struct fuzz_trace *t)
{
    static const uint64_t extremes[] = {0,          UINT64_MAX,       (uint64_t)INT64_MAX,
                                        UINT32_MAX, UINT64_C(1) << 63, (uint64_t)1 << 53};
    unsigned how = (unsigned)take(t, 1);
    if (how < 200)
        return take(t, 2);
    return how < 240 ? take(t, 8) : extremes[how % 6];
}

static int64_t take_time(struct fuzz_trace *t)
{
    int64_t ns = (int64_t)take_number(t);
    return ns < -LIMIT_TIME_NS ? -LIMIT_TIME_NS : ns > LIMIT_TIME_NS ? LIMIT_TIME_NS : ns;
}

/* Any text that can be in a model, or NULL. */
static const char *take_text(struct fuzz_trace *t)
{
    char text[2 * 256];
    size_t length = (size_t)take(t, 1);
    if (length == 255)
        return NULL;
    if (length > (size_t)(t->end - t->at))
        length = (size_t)(t->end - t->at);
    size_t n = utf8_from_ansi(t->at, ansi_length(t->at, length), text, sizeof text);
    t->at += length;
    const char *string = model_string(t->model, text, n);
    REQUIRE(string);
    return string;
}

/* One of the ids there are; 0 is one of them. */
static uint32_t take_id(struct fuzz_trace *t, size_t count)
{
    return (uint32_t)(take(t, 1) % count);
}

static void add_process(struct fuzz_trace *t)
{
    uint32_t id;
    unsigned bits = (unsigned)take(t, 1);
    struct eh_process p = {
        .pid = (uint32_t)take_number(t),
        .name = take_text(t),
        .command_line = take_text(t),
        .start_ns = take_time(t),
        .end_ns = take_time(t),
        .has_start = bits & 1,
        .has_end = bits & 2,
        .has_parent = bits & 4,
        .has_stacks = bits & 8,
        .boot = bits >> 6,
        .heap_records = bits & 16 ? take_number(t) : 10,
    };
    REQUIRE(model_add_process(t->model, &p, &id) == 0);
}

static void add_thread(struct fuzz_trace *t)
{
    uint32_t id, process = take_id(t, eh_model_processes(t->model));
    struct eh_thread thread = {process, (uint32_t)take_number(t), take_text(t)};
    REQUIRE(model_add_thread(t->model, &thread, &id) == 0);
}

static void add_image(struct fuzz_trace *t)
{
    uint32_t id;
    struct eh_image i = {.path = take_text(t), .size = take_number(t)};
    if (!i.path)
        return;
    const char *slash = strrchr(i.path, '\\');
    i.file_name = slash && slash[1] ? slash + 1 : i.path;
    i.pdb_name = take_text(t);
    i.has_build_id = take(t, 1) & 1;
    REQUIRE(model_add_image(t->model, &i, &id) == 0);
}

/* Images come before rows, as in the reader; stacks come with them. */
static uint32_t take_stack(struct fuzz_trace *t, uint32_t process)
{
    uint32_t frames[16], stack;
    size_t depth = (size_t)take(t, 1) % 17;
    for (size_t i = 0; i < depth; i++) {
        struct eh_frame f = {.address = take_number(t),
                             .image = take_id(t, eh_model_images(t->model))};
        f.offset = f.image ? f.address & 0xFFFF : 0;
        REQUIRE(model_intern_frame(t->model, &f, &frames[i]) == 0);
    }
    if (!depth)
        return 0;
    REQUIRE(model_intern_stack(t->model, process, frames, depth, &stack) == 0);
    return stack;
}

static void step_time(struct fuzz_trace *t)
{
    unsigned how = (unsigned)take(t, 1);
    if (how >= 250)
        t->now_ns = take_time(t);
    else if (t->now_ns <= LIMIT_TIME_NS - how)
        t->now_ns += how;
}

/* What decoding fills in. */
static struct eh_event take_row(struct fuzz_trace *t, enum eh_kind kind)
{
    unsigned bits = (unsigned)take(t, 1);
    struct eh_event row = {
        .time_ns = t->now_ns,
        .raw_time = (int64_t)take(t, 2),
        .process = take_id(t, eh_model_processes(t->model)),
        .thread = take_id(t, eh_model_threads(t->model)),
        .thread_id = bits & 1 ? EH_NO_ID : (uint32_t)take_number(t),
        .cpu = (uint16_t)take(t, 1),
        .flags = bits & 2 ? EH_HAS_CPU : 0,
        .kind = (uint8_t)kind,
        .hook = (uint16_t)(0x1000 | take(t, 1)),
    };
    if (bits & 4)
        return row;
    row.flags |= EH_HAS_HEAP;
    row.heap = take(t, 1);
    if (kind > EH_REALLOC && !(bits & 8))
        return row;
    row.flags |= EH_HAS_ADDRESS | (kind == EH_FREE ? 0 : EH_HAS_SIZE) | EH_HAS_SOURCE;
    row.address = take(t, 1);
    row.size = kind == EH_FREE ? 0 : take_number(t);
    row.old_address = take(t, 1);
    row.old_size = take_number(t);
    row.source = bits & 16 ? (uint32_t)take_number(t) & 0x7FFFFFFF : bits >> 5;
    row.stack = take_stack(t, row.process);
    return row;
}

static void reserve_rows(struct fuzz_trace *t, size_t more)
{
    REQUIRE(ARRAY_RESERVE(t->rows, t->row_room, t->row_count + more) == 0);
}

static void sweep(struct fuzz_trace *t)
{
    while (t->track.sweep.active && t->row_count < FUZZ_ROWS) {
        size_t some = FUZZ_ROWS - t->row_count < 8 ? FUZZ_ROWS - t->row_count : 8;
        reserve_rows(t, some);
        t->row_count += track_sweep(&t->track, t->rows + t->row_count, some);
    }
}

/* The decoded row at the end goes through the tracker, with room for a drop before it. */
static void track(struct fuzz_trace *t)
{
    struct eh_event decoded = t->rows[t->row_count], *first;
    struct eh_error e = {0};
    t->rows[t->row_count + 1] = decoded;
    REQUIRE(track_rows(&t->track, t->rows + t->row_count + 1, 1, &first, &e) == 1);
    size_t n = (size_t)(t->rows + t->row_count + 2 - first);
    memmove(t->rows + t->row_count, first, n * sizeof *first);
    t->row_count += n;
    sweep(t);
}

static void add_event(struct fuzz_trace *t, enum eh_kind kind)
{
    step_time(t);
    t->rows[t->row_count] = take_row(t, kind);
    t->stats.heap_events[kind]++;
    t->stats.heap_events_total++;
    track(t);
}

static void end_process(struct fuzz_trace *t)
{
    step_time(t);
    t->rows[t->row_count] = (struct eh_event){
        .time_ns = t->now_ns,
        .process = take_id(t, eh_model_processes(t->model)),
        .thread_id = EH_NO_ID,
        .kind = EH_PROCESS_END,
    };
    track(t);
}

static void add_rows(struct fuzz_trace *t)
{
    while (t->at < t->end && t->row_count + 2 <= FUZZ_ROWS) {
        unsigned what = (unsigned)take(t, 1);
        reserve_rows(t, 2);
        if (what < 100)
            add_event(t, EH_ALLOC);
        else if (what < 160)
            add_event(t, EH_FREE);
        else if (what < 180)
            add_event(t, EH_REALLOC);
        else if (what < 240)
            add_event(t, (enum eh_kind)(what % EH_HEAP_KINDS));
        else
            end_process(t);
    }
}

static void set_info(struct fuzz_trace *t)
{
    static const char *const inputs[] = {"heap \"1\".etl", "kernel.etl"};
    t->info = (struct eh_info){
        .start_unix_ns = take_time(t),
        .boot_unix_ns = take_time(t),
        .heap_records = take_number(t),
        .block_records = take_number(t),
        .has_stacks = true,
        .processors = 1 + (uint32_t)take(t, 1),
        .pointer_size = 8,
        .timezone_minutes = (int32_t)take_number(t),
        .clock_frequency = 10000000,
        .inputs = 2,
        .input_names = inputs,
    };
    t->info.session = take_text(t);
    if (!t->info.session)
        t->info.session = "";
}

static void set_times(struct fuzz_trace *t)
{
    for (size_t i = 0; i < t->row_count; i++) {
        int64_t time = t->rows[i].time_ns;
        if (!i || time < t->info.first_event_ns)
            t->info.first_event_ns = time;
        if (!i || time > t->info.last_event_ns)
            t->info.last_event_ns = time;
    }
    t->info.last_record_ns = t->info.last_event_ns;
    memcpy(t->info.heap_events, t->stats.heap_events, sizeof t->info.heap_events);
    memcpy(t->info.unknown_types, t->stats.unknown_types, sizeof t->info.unknown_types);
    t->stats.has_times = t->row_count != 0;
    t->stats.first_time_ns = t->info.first_event_ns;
    t->stats.last_time_ns = t->info.last_event_ns;
}

struct fuzz_trace *fuzz_trace_create(const uint8_t *bytes, size_t length)
{
    struct fuzz_trace *t = calloc(1, sizeof *t);
    REQUIRE(t);
    t->at = bytes;
    t->end = bytes + length;
    t->model = model_create();
    REQUIRE(t->model);
    track_init(&t->track, t->model, &t->stats, 0);
    set_info(t);
    for (uint64_t n = take(t, 1) % 8; n; n--)
        add_process(t);
    for (uint64_t n = take(t, 1) % 8; n; n--)
        add_thread(t);
    for (uint64_t n = take(t, 1) % 8; n; n--)
        add_image(t);
    add_rows(t);
    track_end(&t->track);
    set_times(t);
    return t;
}

void fuzz_trace_destroy(struct fuzz_trace *t)
{
    track_finish(&t->track);
    model_destroy(t->model);
    free(t->rows);
    free(t);
}

static void tell(void *context, enum eh_severity severity, const char *text)
{
    (void)context;
    REQUIRE(*text && (severity == EH_NOTE || severity == EH_WARNING));
}

static void give_option(const struct writer *w, void *state, const char *const option[2])
{
    struct eh_error e = {0};
    const struct option_spec *o = w->options;
    while (o->name && strcmp(o->name, option[0]))
        o++;
    REQUIRE(o->name);
    /* One that contradicts another is refused, and what came first holds. */
    REQUIRE(w->set(state, o->id, option[1], &e) == 0 || e.code == EH_ERR_USAGE);
}

static void choose_filters(struct filter *f, const struct eh_model *model, uint32_t choices)
{
    static const char *const filters[][2] = {
        {"time", "500ns.."}, {"time", "-1s..5us"}, {"heap", "0,1,2,3,0x20,0x61,0x80,0xff"},
        {"process", "*[aeiou]*"}, {"process", "*"}, {"event", "free,create,unknown_0x1007"},
        {"size", "1..1K"}, {"tid", "0,1,2,3,4"},
    };
    struct eh_error e = {0};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const struct option_spec *o = filter_options;
        while (strcmp(o->name, filters[i][0]))
            o++;
        if (choices >> i & 1)
            REQUIRE(filter_set(f, o->id, filters[i][1], &e) == 0);
    }
    filter_begin(f, model);
}

static void write_batch(const struct writer *w, void *state, struct filter *f,
                        const struct eh_event *rows, size_t count)
{
    struct eh_error e = {0};
    if (filter_is_active(f))
        REQUIRE(filter_rows(f, &rows, &count) == 0);
    REQUIRE(w->rows(state, rows, count, &e) == 0);
}

static void write_rows(const struct writer *w, void *state, const struct fuzz_trace *t,
                       struct filter *f, uint32_t choices)
{
    size_t batch = choices % 3 == 0 ? 1 : choices % 3 == 1 ? 7 : EH_BATCH_ROWS;
    for (size_t i = 0; i < t->row_count; i += batch) {
        size_t n = t->row_count - i < batch ? t->row_count - i : batch;
        /* A copy of its own, so that reading behind the batch is seen. */
        struct eh_event *rows = malloc(n * sizeof *rows);
        REQUIRE(rows);
        memcpy(rows, t->rows + i, n * sizeof *rows);
        write_batch(w, state, f, rows, n);
        free(rows);
    }
}

/* A run of the writer. */
struct run {
    const struct writer *writer;
    const struct fuzz_trace *trace;
    struct out_file file;
    struct out out;
    struct filter filter;
    struct eh_info info;
    struct writer_context context;
    void *state;
};

static void begin_run(struct run *r, const char *const options[][2], uint32_t filters,
                      struct split *split, uint32_t choices)
{
    const struct writer *w = r->writer;
    struct eh_error e = {0};
    struct writer_needs needs = {0};
    r->out = sink_in_memory(&r->file);
    choose_filters(&r->filter, r->trace->model, filters);
    r->info = filter_info(&r->filter, &r->trace->info);
    r->context = (struct writer_context){
        .filter = filter_is_active(&r->filter) ? &r->filter : NULL,
        .info = &r->info,
        .model = r->trace->model,
        .out = &r->out,
        .split = split,
        .tell = tell,
        .tool = "fuzz 1",
    };
    r->state = calloc(1, w->state_size + 1);
    REQUIRE(r->state);
    for (uint32_t bit = 0; options[bit][0]; bit++)
        if (choices >> bit & 1)
            give_option(w, r->state, options[bit]);
    REQUIRE(!w->check || w->check(r->state, &needs, &e) == 0);
    REQUIRE(w->begin(r->state, &r->context, &e) == 0);
}

static void finish_run(struct run *r)
{
    r->writer->done(r->state);
    free(r->state);
    filter_finish(&r->filter);
}

struct fuzz_output fuzz_write(const struct writer *w, const struct fuzz_trace *t,
                              const char *const options[][2], bool filtered, uint32_t choices)
{
    struct run r = {.writer = w, .trace = t};
    struct eh_error e = {0};
    begin_run(&r, options, filtered ? choices >> 8 & 0xFF : 0, NULL, choices);
    write_rows(w, r.state, t, &r.filter, choices >> 16);
    REQUIRE(w->end(r.state, &t->stats, &e) == 0);
    finish_run(&r);
    return sink_output(&r.out);
}

/* From this one on, each piece may be more than twice as large as the one before. */
#define PIECES_OF_A_SIZE 6

/* What a piece was when the next one began. */
struct piece {
    char *bytes;
    size_t length;
    uint64_t max_bytes; /* 0: any */
};

struct cutter {
    struct run run;
    struct split split;
    struct piece *pieces;
    size_t count, room;
};

/* A single item may be as large as it is. */
static uint64_t max_bytes_of_piece(const struct split *s)
{
    return s->filled > 1 ? s->max_bytes : 0;
}

static void keep_piece(void *context)
{
    struct cutter *c = context;
    struct out *out = &c->run.out;
    struct piece p = {
        .length = (size_t)(out->at - out->start),
        .max_bytes = max_bytes_of_piece(&c->split),
    };
    p.bytes = malloc(p.length + 1);
    REQUIRE(p.bytes && ARRAY_RESERVE(c->pieces, c->room, c->count + 1) == 0);
    memcpy(p.bytes, out->start, p.length);
    c->pieces[c->count++] = p;
    out->at = out->start;
    if (c->count >= PIECES_OF_A_SIZE) {
        c->split.max_items *= 2;
        c->split.max_bytes += c->split.max_bytes ? c->split.max_bytes + 2000 : 0;
    }
}

static void check_piece(struct cutter *c, uint64_t max_bytes,
                        void (*check)(const struct fuzz_output *o))
{
    struct out *out = &c->run.out;
    *out_reserve(out, 1) = 0;
    const struct fuzz_output o = {out->start, (size_t)(out->at - out->start)};
    REQUIRE(!max_bytes || o.length <= max_bytes);
    check(&o);
}

/* The tail, as the driver adds it. */
static void complete_piece(struct cutter *c, const struct piece *p,
                           void (*check)(const struct fuzz_output *o))
{
    struct eh_error e = {0};
    struct out *out = &c->run.out;
    out->at = out->start;
    out_write(out, p->bytes, p->length);
    REQUIRE(c->run.writer->tail(c->run.state, &c->run.trace->stats, &e) == 0);
    check_piece(c, p->max_bytes, check);
    free(p->bytes);
}

void fuzz_write_pieces(const struct writer *w, const struct fuzz_trace *t,
                       const char *const options[][2], uint32_t choices,
                       void (*check)(const struct fuzz_output *o))
{
    static const uint64_t sizes[] = {0, 1, 3000, 20000};
    struct cutter c = {.run = {.writer = w, .trace = t}};
    struct eh_error e = {0};
    c.split = (struct split){
        .max_items = choices >> 20 & 1 ? 3 : 0,
        .period_ns = choices >> 21 & 1 ? 1000 + 50 * (int64_t)t->row_count : 0,
        .max_bytes = sizes[choices >> 22 & 3],
        .next = keep_piece,
        .context = &c,
        .pieces = 1,
    };
    if (!split_is_wanted(&c.split))
        return;
    begin_run(&c.run, options, choices >> 8 & 0xFF, &c.split, choices);
    write_rows(w, c.run.state, t, &c.run.filter, choices >> 16);
    REQUIRE(w->end(c.run.state, &t->stats, &e) == 0);
    check_piece(&c, max_bytes_of_piece(&c.split), check);
    for (size_t i = 0; i < c.count; i++)
        complete_piece(&c, &c.pieces[i], check);
    free(c.pieces);
    finish_run(&c.run);
    free(c.run.out.start);
}
