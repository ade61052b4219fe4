/* The Chrome trace writer. One event per line, written as the rows come:
 *
 *   C    counters "Heap 0x1f0000" and "Heap total", one point per change (or thinned, curve.h)
 *   i    instants alloc, free, realloc
 *   b e  the life of a heap, from create to destroy
 *   M    names, at the end, when it is known which processes have heap events
 *
 * Chrome knows a process by its pid only. Rows name process instances, so whatever belongs to one
 * pid is summed up here: struct process_track and struct heap_track stand for what viewers show,
 * struct instance and struct instance_heap for what the rows speak of. */
#include "chrome_writer.h"

#include "chrome_names.h"
#include "chrome_stacks.h"
#include "curve.h"
#include "pair_map.h"
#include "text.h"
#include "timeline.h"

#include "base/array.h"
#include "base/utf.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES    512 /* more than any line without names and stacks */
#define LINE_START    80
#define THREAD_STARTS 64

#define CHROME_TRACING_BYTES (UINT64_C(100) << 20)
#define ANY_VIEWER_BYTES     (UINT64_C(1) << 30)

/* The part of a line before its time, which many lines share. */
struct line_start {
    uint8_t length;
    char text[LINE_START];
};

struct process_track {
    struct line_start start; /* of its "Heap total" points */
    struct curve curve;
    uint64_t bytes; /* live, summed over the pid's instances */
    uint32_t pid;
};

struct heap_track {
    struct line_start start;
    char name[24]; /* "0x1f0000" */
    struct curve by_bytes; /* points carry the blocks beside them */
    uint64_t bytes, blocks; /* live, summed over the pid's instances */
};

struct instance {
    uint64_t bytes;      /* live, as its last row said */
    uint32_t track;      /* index + 1 into process_tracks; 0: no row yet */
    uint32_t first_slice; /* heap index, head of the list of its slices; 0: none */
};

struct instance_heap {
    uint64_t bytes;  /* live, as its last row said */
    uint32_t blocks;
    uint32_t track;  /* index + 1 into heap_tracks; 0: no row yet */
    int64_t begin_ns; /* of the open slice */
    uint32_t slice_tid;
    uint32_t next_slice;
    bool slice_open;
    bool in_slice_list;
};

struct thread_start {
    uint32_t pid, tid;
    struct line_start start; /* length 0: unused */
};

struct chrome {
    struct timeline timeline;
    struct writer_context context;
    struct out *out;
    int64_t base_ns;   /* what ts 0 means */
    int64_t bucket_ns; /* of counters */
    int64_t latest_ns; /* of the rows so far */
    bool instants;
    size_t commas; /* before the next line: 0 or 1 */

    int64_t ts_time_ns; /* the time last formatted, and how: neighbouring lines often share it */
    uint8_t ts_length;
    char ts_text[24];

    struct instance *instances; /* by process instance */
    struct process_track *process_tracks;
    size_t process_track_count, process_track_room;
    struct pair_map process_track_ids; /* (pid, 0) */

    struct instance_heap *heaps; /* by heap index */
    size_t heap_count, heap_room;
    struct heap_track *heap_tracks;
    size_t heap_track_count, heap_track_room;
    struct pair_map heap_track_ids; /* (handle, process track) */
    struct curve *by_blocks; /* beside heap_tracks, only with buckets: points carry the bytes */
    size_t by_blocks_room;

    struct thread_start thread_starts[THREAD_STARTS];
    struct chrome_stacks stacks;
    struct chrome_names names;
};

/* Copies a literal without its terminating NUL. */
#define PUT(at, literal) put_bytes(at, literal, sizeof literal - 1)

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

/* ---- Pieces of lines ---- */

/* Above 2^63-1 as text, because readers keep numbers as signed 64 bits. */
static char *put_size(char *at, uint64_t size)
{
    if (size <= INT64_MAX)
        return put_u64(at, size);
    *at++ = '"';
    at = put_hex(at, size);
    *at++ = '"';
    return at;
}

static void format_ts(struct chrome *c, int64_t time_ns)
{
    uint64_t ns = time_ns > c->base_ns ? (uint64_t)time_ns - (uint64_t)c->base_ns : 0;
    unsigned fraction = (unsigned)(ns % 1000);
    char *at = put_u64(c->ts_text, ns / 1000);
    *at++ = '.';
    *at++ = (char)('0' + fraction / 100);
    *at++ = (char)('0' + fraction / 10 % 10);
    *at++ = (char)('0' + fraction % 10);
    c->ts_length = (uint8_t)(at - c->ts_text);
    c->ts_time_ns = time_ns;
}

/* Microseconds with three decimals. */
static inline char *put_ts(struct chrome *c, char *at, int64_t time_ns)
{
    if (time_ns != c->ts_time_ns || !c->ts_length)
        format_ts(c, time_ns);
    memcpy(at, c->ts_text, sizeof c->ts_text);
    return at + c->ts_length;
}

/* Every line begins here, so that the comma between two lines cannot be forgotten. */
static inline char *begin_line(struct chrome *c)
{
    char *at = out_reserve(c->out, LINE_BYTES);
    *at = ',';
    at += c->commas;
    c->commas = 1;
    *at++ = '\n';
    return at;
}

static inline char *begin_line_with(struct chrome *c, const struct line_start *start)
{
    char *at = begin_line(c);
    memcpy(at, start->text, sizeof start->text);
    return at + start->length;
}

static void end_start(struct line_start *start, const char *at)
{
    start->length = (uint8_t)(at - start->text);
}

/* ---- Counters ---- */

static void put_heap_point(struct chrome *c, const struct heap_track *h, int64_t time_ns,
                           uint64_t bytes, uint64_t blocks)
{
    char *at = begin_line_with(c, &h->start);
    at = put_ts(c, at, time_ns);
    at = PUT(at, ",\"args\":{\"live bytes\":");
    at = put_size(at, bytes);
    at = PUT(at, ",\"live blocks\":");
    at = put_u64(at, blocks);
    out_commit(c->out, PUT(at, "}}"));
}

/* Both values stand in every point, also where only one of them has an extreme: chrome://tracing
 * takes a value that is left out for 0. Both lie on their true curves. */
static void put_heap_points(struct chrome *c, const struct heap_track *h,
                            const struct curve_point *bytes, size_t byte_points,
                            const struct curve_point *blocks, size_t block_points)
{
    size_t i = 0, j = 0;
    while (i < byte_points || j < block_points) {
        bool both = i < byte_points && j < block_points && bytes[i].time_ns == blocks[j].time_ns;
        if (j == block_points || (i < byte_points && bytes[i].time_ns <= blocks[j].time_ns)) {
            put_heap_point(c, h, bytes[i].time_ns, bytes[i].value, bytes[i].beside);
            i++;
            j += both;
        } else {
            put_heap_point(c, h, blocks[j].time_ns, blocks[j].beside, blocks[j].value);
            j++;
        }
    }
}

static void put_total_points(struct chrome *c, const struct process_track *p,
                             const struct curve_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *at = begin_line_with(c, &p->start);
        at = put_ts(c, at, points[i].time_ns);
        at = PUT(at, ",\"args\":{\"live bytes\":");
        at = put_size(at, points[i].value);
        out_commit(c->out, PUT(at, "}}"));
    }
}

static void count_heap(struct chrome *c, const struct eh_event *row)
{
    struct instance_heap *own = &c->heaps[row->heap_index];
    struct heap_track *h = &c->heap_tracks[own->track - 1];
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    size_t block_points = 0;
    h->bytes += row->heap_live_bytes - own->bytes;
    h->blocks += (uint64_t)row->heap_live_blocks - own->blocks;
    own->bytes = row->heap_live_bytes;
    own->blocks = row->heap_live_blocks;
    size_t byte_points =
        curve_add_pair(&h->by_bytes, c->bucket_ns, row->time_ns, h->bytes, h->blocks, bytes);
    if (c->bucket_ns)
        block_points = curve_add_pair(&c->by_blocks[own->track - 1], c->bucket_ns, row->time_ns,
                                      h->blocks, h->bytes, blocks);
    put_heap_points(c, h, bytes, byte_points, blocks, block_points);
}

static void count_total(struct chrome *c, const struct eh_event *row)
{
    struct instance *own = &c->instances[row->process];
    struct process_track *p = &c->process_tracks[own->track - 1];
    struct curve_point points[CURVE_POINTS];
    p->bytes += row->process_live_bytes - own->bytes;
    own->bytes = row->process_live_bytes;
    size_t n = curve_add(&p->curve, c->bucket_ns, row->time_ns, p->bytes, points);
    put_total_points(c, p, points, n);
}

static void flush_counters(struct chrome *c)
{
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    for (size_t i = 0; i < c->heap_track_count; i++) {
        size_t byte_points = curve_flush(&c->heap_tracks[i].by_bytes, bytes);
        size_t block_points = c->bucket_ns ? curve_flush(&c->by_blocks[i], blocks) : 0;
        put_heap_points(c, &c->heap_tracks[i], bytes, byte_points, blocks, block_points);
    }
    for (size_t i = 0; i < c->process_track_count; i++) {
        size_t n = curve_flush(&c->process_tracks[i].curve, bytes);
        put_total_points(c, &c->process_tracks[i], bytes, n);
    }
}

/* ---- What rows refer to ---- */

static void start_total(struct line_start *start, uint32_t pid)
{
    char *at = PUT(start->text, "{\"ph\":\"C\",\"pid\":");
    at = put_u64(at, pid);
    end_start(start, PUT(at, ",\"name\":\"Heap total\",\"ts\":"));
}

static void start_heap(struct line_start *start, uint32_t pid, const char *name)
{
    char *at = PUT(start->text, "{\"ph\":\"C\",\"pid\":");
    at = put_u64(at, pid);
    at = PUT(at, ",\"name\":\"Heap ");
    at = put_string(at, name);
    end_start(start, PUT(at, "\",\"ts\":"));
}

/* The first row of an instance: finds or adds the track of its pid. */
static int add_instance(struct chrome *c, uint32_t process)
{
    uint32_t pid = eh_model_process(c->context.model, process)->pid;
    uint32_t *id = pair_map_id(&c->process_track_ids, pid, 0);
    if (!id)
        return -1;
    if (!*id) {
        if (ARRAY_RESERVE(c->process_tracks, c->process_track_room,
                          c->process_track_count + 1) < 0)
            return -1;
        struct process_track *p = &c->process_tracks[c->process_track_count++];
        *p = (struct process_track){.pid = pid};
        start_total(&p->start, pid);
        *id = (uint32_t)c->process_track_count;
    }
    c->instances[process].track = *id;
    return 0;
}

static int add_heap_track(struct chrome *c, uint32_t pid, uint64_t handle, uint32_t *ret_track)
{
    if (ARRAY_RESERVE(c->heap_tracks, c->heap_track_room, c->heap_track_count + 1) < 0)
        return -1;
    if (c->bucket_ns) {
        if (ARRAY_RESERVE(c->by_blocks, c->by_blocks_room, c->heap_track_count + 1) < 0)
            return -1;
        c->by_blocks[c->heap_track_count] = (struct curve){0};
    }
    struct heap_track *h = &c->heap_tracks[c->heap_track_count++];
    *h = (struct heap_track){0};
    *put_hex(h->name, handle) = 0;
    start_heap(&h->start, pid, h->name);
    *ret_track = (uint32_t)c->heap_track_count;
    return 0;
}

/* The first row of a heap: finds or adds the track of its pid and handle. */
static int add_heap(struct chrome *c, const struct eh_event *row)
{
    size_t count = eh_model_heaps(c->context.model);
    if (row->heap_index >= c->heap_count) {
        if (ARRAY_RESERVE(c->heaps, c->heap_room, count) < 0)
            return -1;
        memset(c->heaps + c->heap_count, 0, (count - c->heap_count) * sizeof *c->heaps);
        c->heap_count = count;
    }
    uint32_t process_track = c->instances[row->process].track;
    uint32_t *id = pair_map_id(&c->heap_track_ids, row->heap, process_track);
    if (!id)
        return -1;
    if (!*id && add_heap_track(c, c->process_tracks[process_track - 1].pid, row->heap, id) < 0)
        return -1;
    c->heaps[row->heap_index].track = *id;
    return 0;
}

static inline int meet(struct chrome *c, const struct eh_event *row)
{
    if (!c->instances[row->process].track && add_instance(c, row->process) < 0)
        return -1;
    if (!row->heap_index)
        return 0;
    if (row->heap_index < c->heap_count && c->heaps[row->heap_index].track)
        return 0;
    return add_heap(c, row);
}

/* ---- The life of heaps ---- */

static void put_slice(struct chrome *c, char phase, uint32_t process, uint32_t heap_index,
                      int64_t time_ns)
{
    const struct instance_heap *heap = &c->heaps[heap_index];
    const char *name = c->heap_tracks[heap->track - 1].name;
    char *at = PUT(begin_line(c), "{\"ph\":\"");
    *at++ = phase;
    at = PUT(at, "\",\"cat\":\"heap\",\"id2\":{\"local\":\"");
    at = put_string(at, name);
    at = PUT(at, "\"},\"pid\":");
    at = put_u64(at, c->process_tracks[c->instances[process].track - 1].pid);
    at = PUT(at, ",\"tid\":");
    at = put_u64(at, heap->slice_tid);
    at = PUT(at, ",\"name\":\"Heap ");
    at = put_string(at, name);
    at = PUT(at, "\",\"ts\":");
    at = put_ts(c, at, time_ns);
    out_commit(c->out, PUT(at, "}"));
}

static void end_slice(struct chrome *c, uint32_t process, uint32_t heap_index, int64_t time_ns)
{
    struct instance_heap *heap = &c->heaps[heap_index];
    if (!heap->slice_open)
        return;
    heap->slice_open = false;
    put_slice(c, 'e', process, heap_index, time_ns > heap->begin_ns ? time_ns : heap->begin_ns);
}

static void begin_slice(struct chrome *c, const struct eh_event *row)
{
    struct instance_heap *heap = &c->heaps[row->heap_index];
    struct instance *instance = &c->instances[row->process];
    end_slice(c, row->process, row->heap_index, row->time_ns);
    heap->slice_open = true;
    heap->begin_ns = row->time_ns;
    heap->slice_tid = row->process && row->thread_id != EH_NO_ID ? row->thread_id : 0;
    if (!heap->in_slice_list) {
        heap->in_slice_list = true;
        heap->next_slice = instance->first_slice;
        instance->first_slice = row->heap_index;
    }
    put_slice(c, 'b', row->process, row->heap_index, row->time_ns);
}

/* At the end of a process instance, or of the trace. */
static void end_slices(struct chrome *c, uint32_t process, int64_t time_ns)
{
    struct instance *instance = &c->instances[process];
    for (uint32_t h = instance->first_slice; h; h = c->heaps[h].next_slice) {
        end_slice(c, process, h, time_ns);
        c->heaps[h].in_slice_list = false;
    }
    instance->first_slice = 0;
}

/* ---- Instants ---- */

static void start_instant(struct line_start *start, uint32_t pid, uint32_t tid)
{
    bool known = tid != EH_NO_ID;
    char *at = PUT(start->text, "{\"ph\":\"i\",\"s\":\"");
    *at++ = known ? 't' : 'p';
    at = PUT(at, "\",\"pid\":");
    at = put_u64(at, pid);
    at = PUT(at, ",\"tid\":");
    at = put_u64(at, known ? tid : 0);
    end_start(start, PUT(at, ",\"ts\":"));
}

/* A row without owner is shown on pid 0, tid 0, whatever its thread. */
static const struct line_start *thread_start(struct chrome *c, const struct eh_event *row)
{
    uint32_t pid = c->process_tracks[c->instances[row->process].track - 1].pid;
    uint32_t tid = row->process ? row->thread_id : EH_NO_ID;
    struct thread_start *t = &c->thread_starts[(tid >> 2 ^ pid) % THREAD_STARTS];
    if (!t->start.length || t->pid != pid || t->tid != tid) {
        t->pid = pid;
        t->tid = tid;
        start_instant(&t->start, pid, tid);
    }
    return &t->start;
}

static char *put_source(char *at, uint32_t source)
{
    const char *word = eh_source_name(source);
    at = PUT(at, ",\"source\":\"");
    at = word ? put_string(at, word) : put_u64(at, source);
    *at++ = '"';
    return at;
}

static char *put_address(char *at, uint64_t address)
{
    at = put_hex(at, address);
    *at++ = '"';
    return at;
}

/* The arguments, each with a comma before it: the cells of the events table that are not empty. */
static char *put_arguments(const struct chrome *c, char *at, const struct eh_event *row)
{
    if (row->heap_index) {
        at = PUT(at, ",\"heap\":\"");
        at = put_string(at, c->heap_tracks[c->heaps[row->heap_index].track - 1].name);
        *at++ = '"';
    }
    if (row->flags & EH_HAS_ADDRESS)
        at = put_address(PUT(at, ",\"address\":\""), row->address);
    if (row->flags & EH_HAS_SIZE)
        at = put_size(PUT(at, ",\"size_bytes\":"), row->size);
    if (row->flags & EH_HAS_SOURCE)
        at = put_source(at, row->source);
    if (row->kind == EH_FREE && row->flags & EH_HAS_LIFETIME)
        at = put_i64(PUT(at, ",\"lifetime_ns\":"), row->lifetime_ns);
    if (row->kind == EH_REALLOC && row->flags & EH_HAS_HEAP) {
        at = put_address(PUT(at, ",\"old_address\":\""), row->old_address);
        at = put_size(PUT(at, ",\"old_size_bytes\":"), row->old_size);
    }
    return at;
}

static int put_instant(struct chrome *c, const struct eh_event *row)
{
    uint32_t leaf = 0;
    if (row->stack && chrome_stacks_leaf(&c->stacks, c->context.model, row->stack, &leaf) < 0)
        return -1;
    char *at = begin_line_with(c, thread_start(c, row));
    at = put_ts(c, at, row->time_ns);
    at = PUT(at, ",\"name\":\"");
    at = put_string(at, eh_kind_name((enum eh_kind)row->kind));
    *at++ = '"';
    if (leaf)
        at = put_u64(PUT(at, ",\"sf\":"), leaf);
    at = PUT(at, ",\"args\":{");
    /* The first argument's comma makes way for the brace. */
    char *brace = at - 1;
    char *end = put_arguments(c, brace, row);
    if (end == brace)
        end++;
    else
        *brace = '{';
    if (leaf) {
        end = end == at ? end : PUT(end, ",");
        out_commit(c->out, PUT(end, "\"stack\":\""));
        chrome_stacks_put_text(c->out, c->context.model, row->stack);
        end = PUT(out_reserve(c->out, LINE_BYTES), "\"");
    }
    out_commit(c->out, PUT(end, "}}"));
    return 0;
}

/* ---- Names ---- */

static int collect_names(struct chrome *c)
{
    const struct eh_model *m = c->context.model;
    struct chrome_names *l = &c->names;
    for (uint32_t i = 0; i < eh_model_processes(m); i++) {
        const struct eh_process *p = eh_model_process(m, i);
        const char *name = i ? p->name : "Unknown process";
        if (!c->instances[i].track)
            continue;
        if (name && chrome_names_add(l, CHROME_PROCESS_NAME, p->pid, 0, name) < 0)
            return -1;
        if (p->command_line && *p->command_line &&
            chrome_names_add(l, CHROME_PROCESS_LABELS, p->pid, 0, p->command_line) < 0)
            return -1;
    }
    for (uint32_t i = 1; i < eh_model_threads(m); i++) {
        const struct eh_thread *t = eh_model_thread(m, i);
        uint32_t pid = eh_model_process(m, t->process)->pid;
        if (t->process && c->instances[t->process].track && t->name && *t->name &&
            chrome_names_add(l, CHROME_THREAD_NAME, pid, t->tid, t->name) < 0)
            return -1;
    }
    chrome_names_sort(l);
    return 0;
}

static void begin_metadata(struct chrome *c, uint32_t pid, uint32_t tid, const char *name,
                           const char *key)
{
    char *at = PUT(begin_line(c), "{\"ph\":\"M\",\"pid\":");
    at = put_u64(at, pid);
    at = PUT(at, ",\"tid\":");
    at = put_u64(at, tid);
    at = PUT(at, ",\"name\":\"");
    at = put_string(at, name);
    at = PUT(at, "\",\"args\":{\"");
    at = put_string(at, key);
    out_commit(c->out, PUT(at, "\":"));
}

static void put_escaped(struct out *o, const char *text)
{
    size_t length = strlen(text);
    char *at = out_reserve(o, 6 * length);
    out_commit(o, put_json_escaped(at, text, length));
}

/* `count` names of one process or thread. */
static void put_names(struct chrome *c, const struct chrome_name *names, size_t count)
{
    static const struct {
        const char *name, *key;
    } metadata[] = {
        [CHROME_PROCESS_NAME] = {"process_name", "name"},
        [CHROME_PROCESS_LABELS] = {"process_labels", "labels"},
        [CHROME_THREAD_NAME] = {"thread_name", "name"},
    };
    begin_metadata(c, names->pid, names->tid, metadata[names->kind].name,
                   metadata[names->kind].key);
    for (size_t i = 0; i < count; i++) {
        out_write(c->out, i ? ", " : "\"", i ? 2 : 1);
        put_escaped(c->out, names[i].text);
    }
    out_write(c->out, "\"}}", 3);
}

/* Processes in the order of their first heap event. */
static void put_sort_indexes(struct chrome *c)
{
    for (size_t i = 0; i < c->process_track_count; i++) {
        begin_metadata(c, c->process_tracks[i].pid, 0, "process_sort_index", "sort_index");
        char *at = put_u64(out_reserve(c->out, LINE_BYTES), i);
        out_commit(c->out, PUT(at, "}}"));
    }
}

static int put_metadata(struct chrome *c)
{
    if (collect_names(c) < 0)
        return -1;
    for (size_t i = 0, n; i < c->names.count; i += n) {
        n = chrome_names_run(&c->names, i);
        put_names(c, &c->names.names[i], n);
    }
    put_sort_indexes(c);
    return 0;
}

/* ---- What stands after the events ---- */

static void put_figure(void *context, const struct eh_figure *f)
{
    struct out *o = context;
    char *at = PUT(out_reserve(o, LINE_BYTES), ",\n\"");
    at = put_string(at, f->name);
    at = PUT(at, "\":");
    if (!f->known)
        at = PUT(at, "null");
    else if (f->is_signed)
        at = put_i64(at, (int64_t)f->value);
    else
        at = put_size(at, f->value);
    out_commit(o, at);
}

/* File names can hold any bytes; JSON cannot. */
static int put_input(struct out *o, const char *name, struct eh_error *e)
{
    size_t length = strlen(name);
    char *utf8 = malloc(2 * length + 1);
    if (!utf8)
        return out_of_memory(e);
    size_t utf8_length = utf8_from_ansi((const uint8_t *)name, length, utf8, 2 * length);
    char *at = out_reserve(o, 6 * utf8_length + 2);
    *at++ = '"';
    at = put_json_escaped(at, utf8, utf8_length);
    *at++ = '"';
    out_commit(o, at);
    free(utf8);
    return 0;
}

static int put_other_data(struct chrome *c, const char *key, const struct eh_stats *stats,
                          struct eh_error *e)
{
    const struct eh_info *info = c->context.info;
    char *at = PUT(out_reserve(c->out, LINE_BYTES), ",\n\"");
    at = put_string(at, key);
    out_commit(c->out, PUT(at, "\":{\n\"tool\":\""));
    put_escaped(c->out, c->context.tool);
    at = PUT(out_reserve(c->out, LINE_BYTES), "\",\n\"start\":\"");
    at = put_utc(at, (int64_t)((uint64_t)info->start_unix_ns + (uint64_t)c->base_ns));
    at = put_i64(PUT(at, "\",\n\"base_ns\":"), c->base_ns);
    at = put_i64(PUT(at, ",\n\"resolution_ns\":"), c->bucket_ns);
    out_commit(c->out, PUT(at, ",\n\"inputs\":["));
    for (size_t i = 0; i < info->inputs; i++) {
        out_write(c->out, ",", i ? 1 : 0);
        if (put_input(c->out, info->input_names[i], e) < 0)
            return -1;
    }
    out_write(c->out, "]", 1);
    eh_stats_each(stats, put_figure, c->out);
    out_write(c->out, "\n}", 2);
    return 0;
}

static void warn_of_size(const struct chrome *c)
{
    uint64_t bytes = out_position(c->out);
    if (bytes > ANY_VIEWER_BYTES)
        c->context.warn(c->context.warn_context,
                        "the output is larger than 1 GB, more than any viewer opens: draw coarser "
                        "counters with --resolution, leave out single events with --no-events, or "
                        "convert with etl2perfetto");
    else if (bytes > CHROME_TRACING_BYTES)
        c->context.warn(c->context.warn_context,
                        "the output is larger than 100 MB, more than chrome://tracing opens: draw "
                        "coarser counters with --resolution, leave out single events with "
                        "--no-events, or convert with etl2perfetto");
}

/* ---- The writer ---- */

static int chrome_set(void *state, int id, const char *argument, struct eh_error *e)
{
    struct chrome *c = state;
    return timeline_set(&c->timeline, id, argument, e);
}

/* Readers drop or clamp negative times: where heap events lie before the trace's start, ts 0 is
 * the first of them, in whole microseconds. */
static int64_t base_of(const struct eh_info *info)
{
    if (info->first_event_ns >= 0)
        return 0;
    int64_t base = info->first_event_ns / 1000 * 1000;
    return base > info->first_event_ns && base >= INT64_MIN + 1000 ? base - 1000 : base;
}

static int chrome_begin(void *state, const struct writer_context *context, struct eh_error *e)
{
    struct chrome *c = state;
    c->context = *context;
    c->out = context->out;
    c->base_ns = base_of(context->info);
    c->bucket_ns = timeline_bucket_ns(&c->timeline, context->info);
    c->instants = timeline_instants(&c->timeline, context->info);
    c->latest_ns = context->info->last_event_ns;
    c->instances = calloc(eh_model_processes(context->model), sizeof *c->instances);
    if (!c->instances)
        return out_of_memory(e);
    timeline_tell(&c->timeline, context);
    out_commit(c->out, PUT(out_reserve(c->out, LINE_BYTES),
                           "{\"displayTimeUnit\":\"ns\",\"traceEvents\":["));
    return 0;
}

static int add_row(struct chrome *c, const struct eh_event *row)
{
    if (row->kind == EH_PROCESS_END) {
        end_slices(c, row->process, row->time_ns);
        return 0;
    }
    if (meet(c, row) < 0)
        return -1;
    if (row->time_ns > c->latest_ns)
        c->latest_ns = row->time_ns;
    bool changes = row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED) || row->kind == EH_CREATE;
    if (changes && row->heap_index) {
        count_heap(c, row);
        count_total(c, row);
    }
    if (c->instants && row->kind <= EH_REALLOC && !(row->flags & EH_HIDDEN))
        return put_instant(c, row);
    if (row->kind == EH_CREATE && row->heap_index)
        begin_slice(c, row);
    else if (row->kind == EH_DESTROY && row->heap_index)
        end_slice(c, row->process, row->heap_index, row->time_ns);
    return 0;
}

static int chrome_rows(void *state, const struct eh_event *rows, size_t count, struct eh_error *e)
{
    struct chrome *c = state;
    for (size_t i = 0; i < count; i++)
        if (add_row(c, &rows[i]) < 0)
            return out_of_memory(e);
    return 0;
}

static int chrome_end(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct chrome *c = state;
    flush_counters(c);
    for (uint32_t i = 0; i < eh_model_processes(c->context.model); i++)
        end_slices(c, i, c->latest_ns);
    if (put_metadata(c) < 0)
        return out_of_memory(e);
    out_write(c->out, "\n]", 2);
    if (c->stacks.node_count) {
        out_commit(c->out, PUT(out_reserve(c->out, LINE_BYTES), ",\n\"stackFrames\":"));
        chrome_stacks_put_tree(&c->stacks, c->out, c->context.model);
    }
    /* Chrome's name for it, and the one that Perfetto reads. */
    if (put_other_data(c, "otherData", stats, e) < 0 || put_other_data(c, "metadata", stats, e) < 0)
        return -1;
    out_write(c->out, "}\n", 2);
    warn_of_size(c);
    return 0;
}

static void chrome_done(void *state)
{
    struct chrome *c = state;
    free(c->instances);
    free(c->process_tracks);
    pair_map_finish(&c->process_track_ids);
    free(c->heaps);
    free(c->heap_tracks);
    pair_map_finish(&c->heap_track_ids);
    free(c->by_blocks);
    chrome_stacks_finish(&c->stacks);
    chrome_names_finish(&c->names);
}

static const struct option_spec chrome_options[] = {TIMELINE_OPTIONS, {0}};

const struct writer chrome_writer = {
    .command = "etl2chrome",
    .summary = "Converts Windows heap traces (.etl) to Chrome trace JSON",
    .examples = "  etl2chrome heap.etl               writes heap.json, for ui.perfetto.dev and\n"
                "                                    chrome://tracing\n"
                "  etl2chrome heap.etl kernel.etl    two files of one recording, with names\n"
                "  etl2chrome --resolution 100us --no-events big.etl\n",
    .suffix = ".json",
    .state_size = sizeof(struct chrome),
    .options = chrome_options,
    .set = chrome_set,
    .begin = chrome_begin,
    .rows = chrome_rows,
    .end = chrome_end,
    .done = chrome_done,
};
