/* The writer with rows made by hand: what it writes is unpacked by protobuf-c and compared with the
 * rows. Decoding of whole converted traces is tests/cli/test_perfetto.py's. */
#include "perfetto_writer.h"

#include "model/build.h"
#include "perfetto_subset.pb-c.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS   4096
#define MAX_BLOCKS 256

struct block {
    uint64_t size;
    uint32_t heap, stack;
};

static struct {
    struct eh_model *model;
    struct eh_info info;
    struct eh_event rows[MAX_ROWS];
    size_t row_count;
    uint64_t heap_bytes[16], process_bytes[16]; /* live, by heap index and process instance */
    uint32_t heap_blocks[16];
    struct block blocks[MAX_BLOCKS];
    size_t block_count;
    const char *options[4][2]; /* name, argument */
    Perfetto__Trace *trace;    /* of the last write_rows() */
} fixture;

static void set_up(void)
{
    static const char *const inputs[] = {"heap.etl"};
    memset(&fixture, 0, sizeof fixture);
    fixture.model = model_create();
    ck_assert_ptr_nonnull(fixture.model);
    fixture.info = (struct eh_info){.start_unix_ns = INT64_C(1785488575123456700),
                                    .boot_unix_ns = INT64_C(1785488500000000000),
                                    .heap_records = 10, .inputs = 1, .input_names = inputs};
}

static void tear_down(void)
{
    model_destroy(fixture.model);
    if (fixture.trace)
        perfetto__trace__free_unpacked(fixture.trace, NULL);
}

static uint32_t add_process(uint32_t pid, const char *name, uint64_t heap_records, bool has_stacks)
{
    uint32_t id;
    struct eh_process p = {.pid = pid, .heap_records = heap_records, .has_stacks = has_stacks};
    p.name = name ? model_string(fixture.model, name, strlen(name)) : NULL;
    ck_assert_int_eq(model_add_process(fixture.model, &p, &id), 0);
    return id;
}

static uint32_t add_heap(uint32_t process, uint64_t handle)
{
    uint32_t id;
    ck_assert_int_eq(model_add_heap(fixture.model, &(struct eh_heap){process, handle}, &id), 0);
    return id;
}

static uint32_t add_image(const char *path, const char *file_name, bool has_build_id)
{
    uint32_t id;
    struct eh_image i = {.has_build_id = has_build_id};
    i.path = model_string(fixture.model, path, strlen(path));
    i.file_name = model_string(fixture.model, file_name, strlen(file_name));
    memset(i.build_id, 0xAB, sizeof i.build_id);
    ck_assert_int_eq(model_add_image(fixture.model, &i, &id), 0);
    return id;
}

static uint32_t add_frame(uint64_t address, uint32_t image, uint64_t offset)
{
    uint32_t id;
    struct eh_frame f = {address, offset, image};
    ck_assert_int_eq(model_intern_frame(fixture.model, &f, &id), 0);
    return id;
}

static uint32_t add_stack(uint32_t process, const uint32_t *frames, size_t depth)
{
    uint32_t id;
    ck_assert_int_eq(model_intern_stack(fixture.model, process, frames, depth, &id), 0);
    return id;
}

static struct eh_event *add_row(enum eh_kind kind, int64_t time_ns, uint32_t heap)
{
    ck_assert_uint_lt(fixture.row_count, MAX_ROWS);
    struct eh_event *row = &fixture.rows[fixture.row_count++];
    const struct eh_heap *h = eh_model_heap(fixture.model, heap);
    *row = (struct eh_event){.time_ns = time_ns, .process = h->process, .heap_index = heap,
                             .thread_id = 8, .kind = (uint8_t)kind, .heap = h->handle,
                             .flags = EH_HAS_HEAP | EH_HAS_LIVE};
    fixture.info.last_event_ns = time_ns;
    return row;
}

/* Fills in the live figures after a change by `bytes` and `blocks`. */
static void change(struct eh_event *row, uint64_t bytes, uint32_t blocks)
{
    row->heap_live_bytes = fixture.heap_bytes[row->heap_index] += bytes;
    row->heap_live_blocks = fixture.heap_blocks[row->heap_index] += blocks;
    row->process_live_bytes = fixture.process_bytes[row->process] += bytes;
}

static struct eh_event *add_alloc(int64_t time_ns, uint32_t heap, uint64_t size, uint32_t stack)
{
    struct eh_event *row = add_row(EH_ALLOC, time_ns, heap);
    row->flags |= EH_ADDED | EH_HAS_SIZE | EH_HAS_ADDRESS | EH_HAS_SOURCE;
    row->size = size;
    row->address = 0x1000;
    row->source = row->block_source = 2;
    row->stack = row->block_stack = stack;
    change(row, size, 1);
    ck_assert_uint_lt(fixture.block_count, MAX_BLOCKS);
    fixture.blocks[fixture.block_count++] = (struct block){size, heap, stack};
    return row;
}

static struct eh_event *add_removal(enum eh_kind kind, int64_t time_ns, size_t block)
{
    struct block b = fixture.blocks[block];
    fixture.blocks[block] = fixture.blocks[--fixture.block_count];
    struct eh_event *row = add_row(kind, time_ns, b.heap);
    row->flags |= EH_REMOVED | EH_HAS_SIZE;
    row->size = b.size;
    row->block_stack = b.stack;
    row->block_source = 2;
    change(row, -b.size, (uint32_t)-1);
    return row;
}

static struct eh_event *add_resize(int64_t time_ns, size_t block, uint64_t size)
{
    struct block *b = &fixture.blocks[block];
    struct eh_event *row = add_row(EH_REALLOC, time_ns, b->heap);
    row->flags |= EH_RESIZED | EH_HAS_SIZE;
    row->previous_size = b->size;
    row->size = size;
    row->block_stack = b->stack;
    row->block_source = 2;
    change(row, size - b->size, 0);
    b->size = size;
    return row;
}

static void add_end(int64_t time_ns, uint32_t process)
{
    for (size_t i = fixture.block_count; i-- > 0;)
        if (eh_model_heap(fixture.model, fixture.blocks[i].heap)->process == process)
            add_removal(EH_DROP, time_ns, i)->reason = EH_DROP_PROCESS_END;
    ck_assert_uint_lt(fixture.row_count, MAX_ROWS);
    fixture.rows[fixture.row_count++] =
        (struct eh_event){.time_ns = time_ns, .process = process, .kind = EH_PROCESS_END};
}

static void give_options(void *state)
{
    for (size_t i = 0; i < 4 && fixture.options[i][0]; i++) {
        const struct option_spec *o = perfetto_writer.options;
        while (strcmp(o->name, fixture.options[i][0]) != 0)
            o++;
        struct eh_error e = {0};
        ck_assert_int_eq(perfetto_writer.set(state, o->id, fixture.options[i][1], &e), 0);
    }
}

static void unpack(FILE *file)
{
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size);
    ck_assert_uint_eq(fread(bytes, 1, size, file), size);
    fixture.trace = perfetto__trace__unpack(NULL, size, bytes);
    ck_assert_ptr_nonnull(fixture.trace);
    for (size_t i = 0; i < fixture.trace->n_packet; i++)
        ck_assert_uint_eq(fixture.trace->packet[i]->base.n_unknown_fields, 0);
    free(bytes);
}

static void no_warning(void *context, enum eh_severity severity, const char *text)
{
    (void)context;
    (void)severity;
    (void)text;
}

static void write_rows(void)
{
    FILE *file = tmpfile();
    struct out *out;
    struct eh_error e = {0};
    ck_assert_int_eq(out_open(&out, fileno(file), 0, 1, &e), 0);
    struct writer_context context = {.info = &fixture.info, .model = fixture.model, .out = out,
                                     .tell = no_warning, .tool = "etl2perfetto 1"};
    struct eh_stats stats = {.events = 7, .peak_live_bytes = UINT64_MAX};
    void *state = calloc(1, perfetto_writer.state_size);
    give_options(state);
    ck_assert_int_eq(perfetto_writer.begin(state, &context, &e), 0);
    ck_assert_int_eq(perfetto_writer.rows(state, fixture.rows, fixture.row_count, &e), 0);
    ck_assert_int_eq(perfetto_writer.end(state, &stats, &e), 0);
    perfetto_writer.done(state);
    free(state);
    ck_assert_int_eq(out_close(out, &e), 0);
    unpack(file);
    fclose(file);
}

/* --- Reading back ------------------------------------------------------------------------ */

/* BOOTTIME of time 0 in the fixture's info. */
#define START UINT64_C(75123456700)

static const Perfetto__TrackDescriptor *find_track(const char *name, uint64_t parent)
{
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__TrackDescriptor *d = fixture.trace->packet[i]->track_descriptor;
        if (d && d->name && strcmp(d->name, name) == 0 && (!parent || d->parent_uuid == parent))
            return d;
    }
    ck_abort_msg("no track %s", name);
    return NULL;
}

/* The values of a heap's two counters at a time. */
static void counters_at(const char *heap, uint64_t ns, int64_t *ret_bytes, int64_t *ret_blocks)
{
    uint64_t track = find_track("live bytes", find_track(heap, 0)->uuid)->uuid;
    uint32_t sequence = 0;
    uint64_t clock = START;
    *ret_bytes = *ret_blocks = -1;
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__TracePacket *p = fixture.trace->packet[i];
        const Perfetto__TracePacketDefaults *d = p->trace_packet_defaults;
        if (d && d->track_event_defaults && d->track_event_defaults->track_uuid == track)
            sequence = p->trusted_packet_sequence_id;
        if (!p->track_event || p->trusted_packet_sequence_id != sequence)
            continue;
        clock += p->timestamp;
        if (clock > START + ns)
            return;
        ck_assert_uint_eq(p->track_event->n_extra_counter_values, 1);
        *ret_bytes = p->track_event->counter_value;
        *ret_blocks = p->track_event->extra_counter_values[0];
    }
}

/* Bytes that the profile of `pid` has outstanding after dump `number`; -1 without such a dump.
 * With ret_ns, the dump's time. */
static int64_t profile_after(uint64_t pid, uint64_t number, uint64_t *ret_ns)
{
    static struct {
        int64_t outstanding[256];
    } state;
    memset(&state, 0, sizeof state);
    uint64_t seen = 0;
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__ProfilePacket *p = fixture.trace->packet[i]->profile_packet;
        if (!p || p->process_dumps[0]->pid != pid)
            continue;
        const Perfetto__ProfilePacket__ProcessHeapSamples *d = p->process_dumps[0];
        for (size_t k = 0; k < d->n_samples; k++) {
            ck_assert_uint_lt(d->samples[k]->callstack_id, 256);
            state.outstanding[d->samples[k]->callstack_id] =
                (int64_t)(d->samples[k]->self_allocated - d->samples[k]->self_freed);
        }
        if (seen++ != number)
            continue;
        int64_t sum = 0;
        for (size_t k = 0; k < 256; k++)
            sum += state.outstanding[k];
        if (ret_ns)
            *ret_ns = d->timestamp - START;
        return sum;
    }
    return -1;
}

static const Perfetto__InternedString *find_name(uint64_t iid)
{
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__InternedData *d = fixture.trace->packet[i]->interned_data;
        for (size_t k = 0; d && k < d->n_function_names; k++)
            if (d->function_names[k]->iid == iid)
                return d->function_names[k];
    }
    return NULL;
}

static const Perfetto__Frame *find_frame(uint64_t iid)
{
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__InternedData *d = fixture.trace->packet[i]->interned_data;
        for (size_t k = 0; d && k < d->n_frames; k++)
            if (d->frames[k]->iid == iid)
                return d->frames[k];
    }
    return NULL;
}

/* All call stacks, one a line, frames joined by ';', outermost first. */
static void list_stacks(char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__InternedData *d = fixture.trace->packet[i]->interned_data;
        for (size_t k = 0; d && k < d->n_callstacks; k++) {
            const Perfetto__Callstack *c = d->callstacks[k];
            for (size_t n = 0; n < c->n_frame_ids; n++) {
                const Perfetto__InternedString *s =
                    find_name(find_frame(c->frame_ids[n])->function_name_id);
                at += (size_t)snprintf(text + at, size - at, "%.*s%c", (int)s->str.len,
                                       (const char *)s->str.data,
                                       n + 1 < c->n_frame_ids ? ';' : '\n');
                ck_assert_uint_lt(at, size);
            }
        }
    }
}

/* --- Tests ------------------------------------------------------------------------------- */

/* A number that looks random, the same in every run. */
static uint32_t shuffle(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Grows to a peak and shrinks from there, so that most dumps have to wait behind the peak. */
static void add_churn(uint32_t seed, const uint32_t *heaps, const uint32_t *stacks, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        int64_t now = (int64_t)(i / 2 * 100); /* pairs of rows share a time */
        size_t block = fixture.block_count ? shuffle(&seed) % fixture.block_count : 0;
        uint32_t roll = shuffle(&seed) % 100;
        bool grow = i < rows / 4 ? roll < 70 : roll < 40;
        if (!fixture.block_count || (grow && fixture.block_count < MAX_BLOCKS))
            add_alloc(now, heaps[shuffle(&seed) % 2], shuffle(&seed) % 5000,
                      stacks[shuffle(&seed) % 4]);
        else if (roll % 8 == 0)
            add_resize(now, block, shuffle(&seed) % 5000);
        else
            add_removal(EH_FREE, now, block);
    }
}

static void churn(bool has_stacks)
{
    uint32_t process = add_process(42, "a.exe", 2000, has_stacks);
    uint32_t heaps[] = {add_heap(process, 0x10000), add_heap(process, 0x20000)};
    uint32_t image = add_image("C:\\a.exe", "a.exe", true), stacks[4] = {0};
    for (uint32_t i = 0; has_stacks && i < 3; i++) {
        uint32_t frames[] = {add_frame(0x1000 + i, image, i), add_frame(0x2000, image, 0x1000)};
        stacks[i] = add_stack(process, frames, 2);
    }
    add_churn(7, heaps, stacks, 2000);
    write_rows();
}

START_TEST(counters_follow_the_rows)
{
    churn(false);
    for (size_t i = 0; i < fixture.row_count; i += 37) {
        const struct eh_event *row = &fixture.rows[i], *last = row;
        for (const struct eh_event *r = row; r < fixture.rows + fixture.row_count; r++)
            if (r->time_ns == row->time_ns && r->heap_index == row->heap_index)
                last = r;
        int64_t bytes, blocks;
        counters_at(row->heap == 0x10000 ? "Heap 0x10000" : "Heap 0x20000",
                    (uint64_t)row->time_ns, &bytes, &blocks);
        ck_assert_int_eq(bytes, (int64_t)last->heap_live_bytes);
        ck_assert_int_eq(blocks, last->heap_live_blocks);
    }
}
END_TEST

/* The process's live bytes after everything up to and including a time. */
static int64_t live_at(uint64_t ns)
{
    int64_t live = 0;
    for (size_t i = 0; i < fixture.row_count; i++)
        if (fixture.rows[i].time_ns <= (int64_t)ns)
            live = (int64_t)fixture.rows[i].process_live_bytes;
    return live;
}

static void check_dumps(void)
{
    int64_t peak = 0, highest = 0;
    for (size_t i = 0; i < fixture.row_count; i++)
        if (live_at((uint64_t)fixture.rows[i].time_ns) > peak)
            peak = live_at((uint64_t)fixture.rows[i].time_ns);
    uint64_t ns = 0, before = 0, number = 0;
    for (;; number++) {
        int64_t outstanding = profile_after(42, number, &ns);
        if (outstanding < 0)
            break;
        ck_assert(number == 0 || ns > before);
        ck_assert_int_eq(outstanding, live_at(ns));
        before = ns;
        highest = outstanding > highest ? outstanding : highest;
    }
    ck_assert_uint_eq(number, 21);
    ck_assert_int_eq(highest, peak);
    ck_assert_uint_eq(before, (uint64_t)fixture.rows[fixture.row_count - 1].time_ns);
}

START_TEST(dumps_with_stacks_equal_live_bytes)
{
    churn(true);
    check_dumps();
}
END_TEST

START_TEST(dumps_without_stacks_equal_live_bytes)
{
    churn(false);
    check_dumps();
}
END_TEST

START_TEST(stacks_outermost_first)
{
    char text[2048];
    uint32_t process = add_process(42, "a.exe", 3, true), heap = add_heap(process, 0x1F0000);
    uint32_t image = add_image("C:\\x\\a.dll", "a.dll", true);
    uint32_t frames[] = {add_frame(0x7000AB, image, 0xAB), add_frame(0x700010, image, 0x10),
                         add_frame(0xDEAD, 0, 0)};
    fixture.options[0][0] = "no-events";
    add_alloc(10, heap, 100, add_stack(process, frames, 3));
    add_alloc(20, heap, 100, 0);
    write_rows();
    list_stacks(text, sizeof text);
    ck_assert_str_eq(text, "Heap 0x1f0000;0xdead;a.dll+0x10;a.dll+0xab\n"
                           "Heap 0x1f0000;[no stack]\n");
}
END_TEST

START_TEST(stacks_that_readers_cannot_tell_apart_are_one)
{
    char text[2048];
    uint32_t process = add_process(42, "a.exe", 3, true), heap = add_heap(process, 0x10000);
    uint32_t image = add_image("C:\\a.dll", "a.dll", true);
    uint32_t again = add_image("C:\\a.dll", "a.dll", true);
    uint32_t other = add_image("C:\\a.dll", "a.dll", false);
    uint32_t frames[] = {add_frame(0x1010, image, 0x10), add_frame(0x5010, again, 0x10),
                         add_frame(0x9010, other, 0x10)};
    fixture.options[0][0] = "no-events";
    for (int i = 0; i < 3; i++)
        add_alloc(10 + i, heap, 100, add_stack(process, &frames[i], 1));
    write_rows();
    list_stacks(text, sizeof text);
    ck_assert_str_eq(text, "Heap 0x10000;a.dll+0x10\nHeap 0x10000;a.dll+0x10\n");
    ck_assert_int_eq(profile_after(42, 2, NULL), 300);
}
END_TEST

START_TEST(pseudo_stacks)
{
    char text[2048];
    uint32_t process = add_process(42, "a.exe", 3, false), heap = add_heap(process, 0x10000);
    add_alloc(10, heap, 300, 0);
    add_alloc(20, heap, 1, 0);
    add_resize(30, 0, 0);
    write_rows();
    list_stacks(text, sizeof text);
    ck_assert_str_eq(text, "Heap 0x10000 (no stacks);low_fragmentation;256-511 bytes\n"
                           "Heap 0x10000 (no stacks);low_fragmentation;1 byte\n"
                           "Heap 0x10000 (no stacks);low_fragmentation;0 bytes\n");
    ck_assert_int_eq(profile_after(42, 2, NULL), 1);
}
END_TEST

START_TEST(process_end_keeps_its_profile)
{
    uint32_t process = add_process(42, "a.exe", 2, false), heap = add_heap(process, 0x10000);
    int64_t bytes, blocks;
    add_alloc(10, heap, 300, 0);
    add_alloc(20, heap, 200, 0);
    add_end(30, process);
    write_rows();
    uint64_t ns;
    ck_assert_int_eq(profile_after(42, 1, &ns), 500);
    ck_assert_uint_eq(ns, 20);
    ck_assert_int_eq(profile_after(42, 2, NULL), -1);
    counters_at("Heap 0x10000", 29, &bytes, &blocks);
    ck_assert_int_eq(bytes, 500);
    counters_at("Heap 0x10000", 30, &bytes, &blocks);
    ck_assert_int_eq(bytes, 0);
    ck_assert_int_eq(blocks, 0);
}
END_TEST

START_TEST(heap_destroy_frees_in_the_profile)
{
    uint32_t process = add_process(42, "a.exe", 2, false), heap = add_heap(process, 0x10000);
    add_alloc(10, heap, 300, 0);
    add_removal(EH_DROP, 20, 0)->reason = EH_DROP_DESTROY;
    change(add_row(EH_DESTROY, 20, heap), 0, 0);
    write_rows();
    ck_assert_int_eq(profile_after(42, 0, NULL), 300);
    ck_assert_int_eq(profile_after(42, 1, NULL), 0);
}
END_TEST

/* The second instance takes the pid over in the same nanosecond in which the first one's last
 * event lies. */
START_TEST(reused_pid)
{
    uint32_t first = add_process(42, "a.exe", 1, false), heap = add_heap(first, 0x10000);
    uint32_t second = add_process(42, "b.exe", 1, false), other = add_heap(second, 0x10000);
    add_alloc(100, heap, 300, 0);
    add_end(100, first);
    add_alloc(100, other, 200, 0);
    write_rows();
    const Perfetto__TracePacket *described[2] = {NULL, NULL}, *dumped[2] = {NULL, NULL};
    size_t descriptors = 0, dumps = 0;
    for (size_t i = 0; i < fixture.trace->n_packet; i++) {
        const Perfetto__TracePacket *p = fixture.trace->packet[i];
        if (p->track_descriptor && p->track_descriptor->process && descriptors < 2)
            described[descriptors++] = p;
        if (p->profile_packet && dumps < 2)
            dumped[dumps++] = p;
    }
    ck_assert_uint_eq(descriptors, 2);
    ck_assert_uint_eq(dumps, 2);
    ck_assert_str_eq(described[1]->track_descriptor->process->process_name, "b.exe");
    ck_assert_uint_ne(described[0]->track_descriptor->uuid, described[1]->track_descriptor->uuid);
    ck_assert_uint_lt(dumped[0]->timestamp, described[1]->timestamp);
    ck_assert_uint_ge(dumped[1]->timestamp, described[1]->timestamp);
    ck_assert_uint_ne(dumped[0]->trusted_packet_sequence_id,
                      dumped[1]->trusted_packet_sequence_id);
}
END_TEST

START_TEST(unknown_owner)
{
    uint32_t heap = add_heap(0, 0x10000);
    int64_t bytes, blocks;
    add_alloc(10, heap, 300, 0);
    write_rows();
    ck_assert(!find_track("Unknown process", 0)->has_parent_uuid);
    counters_at("Heap 0x10000", 10, &bytes, &blocks);
    ck_assert_int_eq(bytes, 300);
    for (size_t i = 0; i < fixture.trace->n_packet; i++)
        ck_assert_ptr_null(fixture.trace->packet[i]->profile_packet);
}
END_TEST

START_TEST(time_before_the_start)
{
    uint32_t process = add_process(42, "a.exe", 2, false), heap = add_heap(process, 0x10000);
    fixture.info.first_event_ns = -INT64_C(80000000000);
    fixture.info.last_event_ns = 5;
    add_alloc(fixture.info.first_event_ns, heap, 300, 0);
    add_alloc(5, heap, 300, 0);
    write_rows();
    const Perfetto__ClockSnapshot *s = fixture.trace->packet[0]->clock_snapshot;
    ck_assert_ptr_nonnull(s);
    int64_t unix_ns = (int64_t)s->clocks[0]->timestamp;
    uint64_t boot_ns = s->clocks[3]->timestamp;
    ck_assert_int_gt((int64_t)boot_ns, 0);
    ck_assert_int_eq(unix_ns, fixture.info.start_unix_ns + fixture.info.first_event_ns);
    for (size_t i = 1; i < fixture.trace->n_packet; i++) {
        const Perfetto__TracePacket *p = fixture.trace->packet[i];
        if (p->profile_packet)
            ck_assert_uint_ge(p->timestamp, boot_ns);
        if (p->clock_snapshot)
            ck_assert_uint_eq(p->clock_snapshot->clocks[0]->timestamp, boot_ns);
    }
}
END_TEST

START_TEST(nothing)
{
    write_rows();
    ck_assert_uint_eq(fixture.trace->n_packet, 5);
}
END_TEST

START_TEST(options)
{
    struct eh_error e = {0};
    void *state = calloc(1, perfetto_writer.state_size);
    const struct option_spec *o = perfetto_writer.options;
    while (strcmp(o->name, "profile-dumps") != 0)
        o++;
    static const char *const wrong[] = {"", "x", "-1", "10001", "1 "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(perfetto_writer.set(state, o->id, wrong[i], &e), -1);
        ck_assert_int_eq(e.code, EH_ERR_USAGE);
    }
    ck_assert_int_eq(perfetto_writer.set(state, o->id, "10000", &e), 0);
    perfetto_writer.done(state);
    free(state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perfetto_writer");
    TCase *tests = tcase_create("writer");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, counters_follow_the_rows);
    tcase_add_test(tests, dumps_with_stacks_equal_live_bytes);
    tcase_add_test(tests, dumps_without_stacks_equal_live_bytes);
    tcase_add_test(tests, stacks_outermost_first);
    tcase_add_test(tests, stacks_that_readers_cannot_tell_apart_are_one);
    tcase_add_test(tests, pseudo_stacks);
    tcase_add_test(tests, process_end_keeps_its_profile);
    tcase_add_test(tests, heap_destroy_frees_in_the_profile);
    tcase_add_test(tests, reused_pid);
    tcase_add_test(tests, unknown_owner);
    tcase_add_test(tests, time_before_the_start);
    tcase_add_test(tests, nothing);
    tcase_add_test(tests, options);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
