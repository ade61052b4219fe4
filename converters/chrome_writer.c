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

#include "chrome_counter.h"
#include "chrome_instants.h"
#include "chrome_lines.h"
#include "chrome_names.h"
#include "chrome_other_data.h"
#include "chrome_stacks.h"
#include "curve.h"
#include "filter.h"
#include "split.h"
#include "text.h"
#include "timeline.h"

#include "base/array.h"
#include "base/inline.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define CHROME_TRACING_BYTES (UINT64_C(100) << 20)
#define ANY_VIEWER_BYTES     (UINT64_C(1) << 30)

/* Counters hold their last point back, because a nanosecond may change it again. The value of an
 * exact one that is held is that of the track; thinned ones are held by their curve.
 *
 * A track's live figures are summed over all instances that have the same pid (and handle). Nearly
 * always the same one as before has the next row: the others' sum is kept beside. */
struct process_track {
    struct chrome_counter counter;
    int64_t held_ns; /* or CHROME_NO_POINT */
    uint64_t bytes, other_bytes; /* of all instances, of all but `latest` */
    uint32_t latest;
    uint32_t pid;
    bool shown;           /* in this piece */
    bool counted;         /* there are points in finished pieces */
    struct curve curve[]; /* one where counters are thinned */
};

struct heap_track {
    struct process_track *process;
    struct chrome_counter counter;
    int64_t held_ns;
    uint64_t bytes, other_bytes;
    uint64_t blocks, other_blocks;
    uint32_t latest;     /* heap index */
    bool shown, counted; /* as above */
    char name[24];       /* 0x1f0000 */
    struct curve curve[];
};

struct instance {
    uint64_t bytes; /* live, unless it is its track's latest */
    struct process_track *track; /* NULL: no row yet */
    uint32_t first_slice; /* heap index, head of the list of its slices; 0: none */
    bool ended;
    uint64_t thread_names; /* bytes they take at the end of a piece, at most; only for pieces */
};

struct instance_heap {
    uint64_t bytes, blocks;   /* live, unless it is its track's latest */
    struct heap_track *track; /* NULL: no row yet */
    int64_t begin_ns;         /* of the open slice */
    uint32_t slice_tid;
    uint32_t next_slice;
    bool slice_open;
    bool slice_carried; /* from a piece into the next */
    bool in_slice_list;
};

struct chrome {
    struct timeline timeline;
    struct writer_context context;
    struct chrome_lines lines;
    int64_t bucket_ns; /* of counters */
    int64_t begin_ns;  /* of the time that is shown, or of the piece */
    int64_t latest_ns; /* of the rows so far */
    bool instants;     /* are shown */
    uint64_t tail_bytes;    /* what chrome_tail() writes, at most */
    uint64_t closing_bytes; /* of the piece: what its end takes for the tracks in it, at most */
    uint64_t most_bytes;    /* in a finished piece */

    struct instance *instances; /* by process instance */
    size_t instance_count, instance_room;
    struct process_track **process_tracks; /* in the order of their first rows */
    size_t process_track_count, process_track_room;
    struct map process_track_ids; /* (pid, 0) */

    struct instance_heap *heaps; /* by heap index */
    size_t heap_count, heap_room;
    struct heap_track **heap_tracks;
    size_t heap_track_count, heap_track_room;
    struct map heap_track_ids; /* (handle, pid) */

    struct chrome_stacks stacks;
    struct chrome_instants single; /* events */
    struct chrome_names names;
};

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

/* ---- Counters ---- */

/* Both values stand in every point, also where only one of them has an extreme: chrome://tracing
 * takes a value that is left out for 0. Both lie on their true curves. */
static char *put_heap_points(struct chrome *c, char *at, struct heap_track *h,
                             const struct curve_point *points, size_t count)
{
    for (const struct curve_point *p = points; p < points + count; p++)
        at = chrome_put_heap_point(&h->counter, at, &c->lines, p->time_ns, p->value, p->beside);
    return at;
}

static char *put_total_points(struct chrome *c, char *at, struct process_track *t,
                              const struct curve_point *points, size_t count)
{
    for (const struct curve_point *p = points; p < points + count; p++)
        at = chrome_put_total_point(&t->counter, at, &c->lines, p->time_ns, p->value);
    return at;
}

EH_RARE static char *close_heap_bucket(struct chrome *c, char *at, struct heap_track *h,
                                       int64_t time_ns)
{
    struct curve_point points[CURVE_POINTS];
    size_t n = curve_add(h->curve, c->bucket_ns, time_ns, h->bytes, h->blocks, points);
    return put_heap_points(c, at, h, points, n);
}

EH_RARE static char *close_total_bucket(struct chrome *c, char *at, struct process_track *p,
                                        int64_t time_ns)
{
    struct curve_point points[CURVE_POINTS];
    size_t n = curve_add(p->curve, c->bucket_ns, time_ns, p->bytes, 0, points);
    return put_total_points(c, at, p, points, n);
}

/* Another instance is the latest from now on. */
EH_RARE static void change_heap(struct chrome *c, struct heap_track *h, uint32_t heap_index)
{
    struct instance_heap *before = &c->heaps[h->latest], *now = &c->heaps[heap_index];
    before->bytes = h->bytes - h->other_bytes;
    before->blocks = h->blocks - h->other_blocks;
    h->other_bytes = h->bytes - now->bytes;
    h->other_blocks = h->blocks - now->blocks;
    h->latest = heap_index;
}

EH_RARE static void change_process(struct chrome *c, struct process_track *p, uint32_t process)
{
    c->instances[p->latest].bytes = p->bytes - p->other_bytes;
    p->other_bytes = p->bytes - c->instances[process].bytes;
    p->latest = process;
}

/* Takes a heap's figures as a point of its track, and writes at `at` what can no longer change: of
 * an exact counter the point held, if this one is later. What steps back in time belongs to that.
 * `thinned` is a constant. */
EH_ALWAYS_INLINE char *count_heap(struct chrome *c, char *at, struct heap_track *h,
                                  uint32_t heap_index, int64_t time_ns, uint64_t bytes,
                                  uint64_t blocks, bool thinned)
{
    if (!thinned && time_ns > h->held_ns) {
        at = chrome_put_heap_point(&h->counter, at, &c->lines, h->held_ns, h->bytes, h->blocks);
        h->held_ns = time_ns;
    }
    if (h->latest != heap_index)
        change_heap(c, h, heap_index);
    h->bytes = h->other_bytes + bytes;
    h->blocks = h->other_blocks + blocks;
    if (thinned && !curve_extend(h->curve, time_ns, h->bytes, h->blocks, true))
        at = close_heap_bucket(c, at, h, time_ns);
    return at;
}

/* The same for a process. */
EH_ALWAYS_INLINE char *count_total(struct chrome *c, char *at, struct process_track *p,
                                   uint32_t process, int64_t time_ns, uint64_t bytes,
                                   bool thinned)
{
    if (!thinned && time_ns > p->held_ns) {
        at = chrome_put_total_point(&p->counter, at, &c->lines, p->held_ns, p->bytes);
        p->held_ns = time_ns;
    }
    if (p->latest != process)
        change_process(c, p, process);
    p->bytes = p->other_bytes + bytes;
    if (thinned && !curve_extend(p->curve, time_ns, p->bytes, 0, false))
        at = close_total_bucket(c, at, p, time_ns);
    return at;
}

/* What one point each of a heap and its process may write. */
#define COUNT_BYTES(thinned) (((thinned) ? CURVE_POINTS + CURVE_SINGLE_POINTS : 2) * \
                              CHROME_POINT_BYTES)

/* A row of the heap of that track. */
EH_ALWAYS_INLINE char *count_row(struct chrome *c, char *at, struct heap_track *h,
                                 const struct eh_event *row, bool thinned)
{
    at = count_heap(c, at, h, row->heap_index, row->time_ns, row->heap_live_bytes,
                    row->heap_live_blocks, thinned);
    return count_total(c, at, h->process, row->process, row->time_ns, row->process_live_bytes,
                       thinned);
}

static void write_counters(struct chrome *c, const struct eh_event *row)
{
    struct heap_track *h = c->heaps[row->heap_index].track;
    char *at = out_reserve(c->lines.out, COUNT_BYTES(true));
    chrome_commit_lines(&c->lines, at,
                        c->bucket_ns ? count_row(c, at, h, row, true)
                                     : count_row(c, at, h, row, false));
}

/* Points of one of them alone: the beginning of the time that is shown, and a process's when
 * another heap changed. */
static void point_heap(struct chrome *c, uint32_t heap_index, int64_t time_ns, uint64_t bytes,
                       uint64_t blocks)
{
    struct heap_track *h = c->heaps[heap_index].track;
    char *begin = out_reserve(c->lines.out, COUNT_BYTES(true));
    char *end = c->bucket_ns
                    ? count_heap(c, begin, h, heap_index, time_ns, bytes, blocks, true)
                    : count_heap(c, begin, h, heap_index, time_ns, bytes, blocks, false);
    chrome_commit_lines(&c->lines, begin, end);
}

static void point_total(struct chrome *c, uint32_t process, int64_t time_ns, uint64_t bytes)
{
    struct process_track *p = c->instances[process].track;
    char *begin = out_reserve(c->lines.out, COUNT_BYTES(true));
    char *end = c->bucket_ns ? count_total(c, begin, p, process, time_ns, bytes, true)
                             : count_total(c, begin, p, process, time_ns, bytes, false);
    chrome_commit_lines(&c->lines, begin, end);
}

static void flush_heap(struct chrome *c, struct heap_track *h)
{
    struct curve_point points[CURVE_POINTS];
    char *begin = out_reserve(c->lines.out, COUNT_BYTES(true)), *at = begin;
    if (c->bucket_ns) {
        h->counted |= h->curve->open;
        at = put_heap_points(c, at, h, points, curve_flush(h->curve, points));
    } else {
        h->counted |= h->held_ns != CHROME_NO_POINT;
        at = chrome_put_heap_point(&h->counter, at, &c->lines, h->held_ns, h->bytes, h->blocks);
        h->held_ns = CHROME_NO_POINT;
    }
    chrome_commit_lines(&c->lines, begin, at);
}

static void flush_total(struct chrome *c, struct process_track *p)
{
    struct curve_point points[CURVE_POINTS];
    char *begin = out_reserve(c->lines.out, COUNT_BYTES(true)), *at = begin;
    if (c->bucket_ns) {
        p->counted |= p->curve->open;
        at = put_total_points(c, at, p, points, curve_flush(p->curve, points));
    } else {
        p->counted |= p->held_ns != CHROME_NO_POINT;
        at = chrome_put_total_point(&p->counter, at, &c->lines, p->held_ns, p->bytes);
        p->held_ns = CHROME_NO_POINT;
    }
    chrome_commit_lines(&c->lines, begin, at);
}

/* ---- The life of heaps ---- */

static void put_slice(struct chrome *c, char phase, uint32_t process, uint32_t heap_index,
                      int64_t time_ns)
{
    const struct instance_heap *heap = &c->heaps[heap_index];
    const char *name = heap->track->name;
    char *at = PUT(chrome_begin_line(&c->lines), "{\"ph\":\"");
    *at++ = phase;
    at = PUT(at, "\",\"cat\":\"heap\",\"id2\":{\"local\":\"");
    at = put_string(at, name);
    at = PUT(at, "\"},\"pid\":");
    at = put_u64(at, c->instances[process].track->pid);
    at = PUT(at, ",\"tid\":");
    at = put_u64(at, heap->slice_tid);
    at = PUT(at, ",\"name\":\"Heap ");
    at = put_string(at, name);
    at = PUT(at, "\",\"ts\":");
    at = chrome_put_time(at, &c->lines, time_ns);
    out_commit(c->lines.out, PUT(at, "}"));
}

static void end_slice(struct chrome *c, uint32_t process, uint32_t heap_index, int64_t time_ns)
{
    struct instance_heap *heap = &c->heaps[heap_index];
    if (!heap->slice_open)
        return;
    heap->slice_open = false;
    put_slice(c, 'e', process, heap_index, time_ns > heap->begin_ns ? time_ns : heap->begin_ns);
}

static void open_slice(struct chrome *c, uint32_t process, uint32_t heap_index, int64_t time_ns)
{
    struct instance_heap *heap = &c->heaps[heap_index];
    struct instance *instance = &c->instances[process];
    heap->slice_open = true;
    heap->begin_ns = time_ns;
    if (!heap->in_slice_list) {
        heap->in_slice_list = true;
        heap->next_slice = instance->first_slice;
        instance->first_slice = heap_index;
    }
    put_slice(c, 'b', process, heap_index, time_ns);
}

static void begin_slice(struct chrome *c, const struct eh_event *row)
{
    end_slice(c, row->process, row->heap_index, row->time_ns);
    c->heaps[row->heap_index].slice_tid =
        row->process && row->thread_id != EH_NO_ID ? row->thread_id : 0;
    open_slice(c, row->process, row->heap_index, row->time_ns);
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

/* ---- What rows refer to ---- */

/* How much a piece's end takes for what is in it, at most: points held back, the end of a slice,
 * names. Twice the first two is what a row may write. */
#define HEAP_LINES(c)  ((c)->bucket_ns ? CURVE_POINTS : 1)
#define TOTAL_LINES(c) ((c)->bucket_ns ? CURVE_SINGLE_POINTS : 1)
#define POINT_BYTES    192
#define SLICE_BYTES    160
#define NAME_BYTES     128 /* around a name */

static uint64_t heap_bytes(const struct chrome *c)
{
    return HEAP_LINES(c) * POINT_BYTES + SLICE_BYTES;
}

static uint64_t total_bytes(const struct chrome *c)
{
    return TOTAL_LINES(c) * POINT_BYTES + NAME_BYTES;
}

static uint64_t text_bytes(const char *text)
{
    return text ? NAME_BYTES + json_escaped_bytes(text, strlen(text)) : 0;
}

static uint64_t name_bytes(const struct chrome *c, uint32_t process)
{
    const struct eh_process *p = eh_model_process(c->context.model, process);
    uint64_t threads = process < c->instance_count ? c->instances[process].thread_names : 0;
    return NAME_BYTES + text_bytes(p->name) + text_bytes(p->command_line) + threads;
}

static void show_instance(struct chrome *c, uint32_t process)
{
    struct process_track *p = c->instances[process].track;
    if (!p->shown)
        c->closing_bytes += total_bytes(c);
    p->shown = true;
    if (c->context.split)
        c->closing_bytes += name_bytes(c, process);
}

static void show_heap(struct chrome *c, uint32_t heap_index)
{
    struct heap_track *h = c->heaps[heap_index].track;
    if (!h->shown)
        c->closing_bytes += heap_bytes(c);
    h->shown = true;
}

/* Whether filters leave out the trace's beginning: counters begin with what was live then. */
static bool is_cut(const struct chrome *c)
{
    return c->context.filter && c->context.filter->by_time;
}

static int add_process_track(struct chrome *c, uint32_t process, uint32_t *ret_track)
{
    size_t n = c->process_track_count;
    if (ARRAY_RESERVE(c->process_tracks, c->process_track_room, n + 1) < 0)
        return -1;
    struct process_track *p = calloc(1, sizeof *p + (c->bucket_ns ? sizeof *p->curve : 0));
    if (!p)
        return -1;
    p->latest = process;
    p->pid = eh_model_process(c->context.model, process)->pid;
    p->held_ns = CHROME_NO_POINT;
    chrome_counter_of_process(&p->counter, p->pid);
    c->process_tracks[n] = p;
    *ret_track = (uint32_t)++c->process_track_count;
    return 0;
}

static int reserve_instances(struct chrome *c, size_t count)
{
    if (ARRAY_RESERVE(c->instances, c->instance_room, count) < 0)
        return -1;
    memset(c->instances + c->instance_count, 0,
           (count - c->instance_count) * sizeof *c->instances);
    c->instance_count = count;
    return 0;
}

/* The first row of an instance: finds or adds the track of its pid. A row may name an instance
 * that was not there before it. */
static int add_instance(struct chrome *c, uint32_t process)
{
    if (process >= c->instance_count &&
        reserve_instances(c, eh_model_processes(c->context.model)) < 0)
        return -1;
    uint32_t pid = eh_model_process(c->context.model, process)->pid;
    uint32_t *id = map_id(&c->process_track_ids, pid, 0);
    if (!id || (!*id && add_process_track(c, process, id) < 0))
        return -1;
    c->instances[process].track = c->process_tracks[*id - 1];
    show_instance(c, process);
    return 0;
}

/* A heap that was there already has a slice from the beginning. */
static void begin_heap(struct chrome *c, const struct eh_event *row)
{
    struct filter_figures before = filter_heap_before(c->context.filter, row->heap_index);
    struct eh_event beginning = *row;
    beginning.time_ns = c->begin_ns;
    point_heap(c, row->heap_index, beginning.time_ns, before.bytes, before.blocks);
    if (before.created)
        begin_slice(c, &beginning);
}

static int add_heap_track(struct chrome *c, const struct eh_event *row, uint32_t *ret_track)
{
    size_t n = c->heap_track_count;
    if (ARRAY_RESERVE(c->heap_tracks, c->heap_track_room, n + 1) < 0)
        return -1;
    struct heap_track *h = calloc(1, sizeof *h + (c->bucket_ns ? sizeof *h->curve : 0));
    if (!h)
        return -1;
    h->process = c->instances[row->process].track;
    h->latest = row->heap_index;
    h->held_ns = CHROME_NO_POINT;
    *put_hex(h->name, row->heap) = 0;
    chrome_counter_of_heap(&h->counter, h->process->pid, h->name);
    c->heap_tracks[n] = h;
    *ret_track = (uint32_t)++c->heap_track_count;
    return 0;
}

static int reserve_heaps(struct chrome *c, size_t count)
{
    if (ARRAY_RESERVE(c->heaps, c->heap_room, count) < 0)
        return -1;
    memset(c->heaps + c->heap_count, 0, (count - c->heap_count) * sizeof *c->heaps);
    c->heap_count = count;
    return 0;
}

/* The first row of a heap: finds or adds the track of its pid and handle. */
static int add_heap(struct chrome *c, const struct eh_event *row)
{
    if (row->heap_index >= c->heap_count &&
        reserve_heaps(c, eh_model_heaps(c->context.model)) < 0)
        return -1;
    uint32_t *id =
        map_id(&c->heap_track_ids, row->heap, c->instances[row->process].track->pid);
    if (!id || (!*id && add_heap_track(c, row, id) < 0))
        return -1;
    c->heaps[row->heap_index].track = c->heap_tracks[*id - 1];
    show_heap(c, row->heap_index);
    if (is_cut(c))
        begin_heap(c, row);
    return 0;
}

/* Where filters leave out what came before: begins the process's counter. */
static void begin_total(struct chrome *c, const struct eh_event *row)
{
    if (is_cut(c))
        point_total(c, row->process, c->begin_ns,
                    filter_process_before(c->context.filter, row->process));
    if (row->flags & EH_HAS_LIVE)
        point_total(c, row->process, row->time_ns, row->process_live_bytes);
}

static int meet_process(struct chrome *c, const struct eh_event *row)
{
    if (row->process < c->instance_count && c->instances[row->process].track)
        return 0;
    if (add_instance(c, row->process) < 0)
        return -1;
    if (c->context.filter)
        begin_total(c, row);
    return 0;
}

static int meet_first(struct chrome *c, const struct eh_event *row)
{
    if (meet_process(c, row) < 0)
        return -1;
    return row->heap_index ? add_heap(c, row) : 0;
}

/* Whose heap is known is known, too. */
static inline bool is_known(const struct chrome *c, const struct eh_event *row)
{
    return row->heap_index < c->heap_count && c->heaps[row->heap_index].track;
}

/* ---- The end ---- */

static bool has_rows(const struct chrome *c, uint32_t process)
{
    return process < c->instance_count && c->instances[process].track;
}

static int collect_names(struct chrome *c)
{
    const struct eh_model *m = c->context.model;
    struct chrome_names *l = &c->names;
    for (uint32_t i = 0; i < c->instance_count; i++) {
        const struct eh_process *p = eh_model_process(m, i);
        const char *name = i ? p->name : "Unknown process";
        if (!has_rows(c, i))
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
        if (t->process && has_rows(c, t->process) && t->name && *t->name &&
            chrome_names_add(l, CHROME_THREAD_NAME, pid, t->tid, t->name) < 0)
            return -1;
    }
    return 0;
}

/* Processes stand in the order of their first heap event. */
static int put_metadata(struct chrome *c)
{
    if (collect_names(c) < 0)
        return -1;
    chrome_names_put(&c->names, &c->lines);
    for (size_t i = 0; i < c->process_track_count; i++)
        if (c->process_tracks[i]->shown)
            chrome_put_sort_index(&c->lines, c->process_tracks[i]->pid, i);
    return 0;
}

/* `otherData` is the format's own name for it, `metadata` the one that Perfetto reads. */
static int put_other_data(const struct chrome *c, const struct eh_stats *stats, struct eh_error *e)
{
    static const char *const keys[] = {"otherData", "metadata"};
    for (size_t i = 0; i < 2; i++) {
        out_write(c->lines.out, ",\n", 2);
        if (chrome_put_other_data(&c->context, keys[i], c->lines.base_ns, c->bucket_ns, stats,
                                  e) < 0)
            return -1;
    }
    return 0;
}

static void note_size(struct chrome *c)
{
    uint64_t bytes = out_position(c->lines.out) + c->tail_bytes;
    if (bytes > c->most_bytes)
        c->most_bytes = bytes;
}

static void warn_of_size(const struct chrome *c)
{
    uint64_t bytes = c->most_bytes;
    if (bytes > ANY_VIEWER_BYTES)
        c->context.tell(c->context.tell_context, EH_WARNING,
                        "the output is larger than 1 GB, more than any viewer opens: draw coarser "
                        "counters with --resolution, leave out single events with --no-events, "
                        "choose less with --time, cut it with --split-size, or convert with "
                        "etl2perfetto");
    else if (bytes > CHROME_TRACING_BYTES)
        c->context.tell(c->context.tell_context, EH_WARNING,
                        "the output is larger than 100 MB, more than chrome://tracing opens: draw "
                        "coarser counters with --resolution, leave out single events with "
                        "--no-events, choose less with --time, cut it with --split-size, or "
                        "convert with etl2perfetto");
}

static const char begin_text[] = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
static const char stacks_key[] = ",\n\"stackFrames\":";

/* All but the counts. */
static int end_document(struct chrome *c, int64_t end_ns)
{
    struct out *o = c->lines.out;
    for (size_t i = 0; i < c->heap_track_count; i++)
        flush_heap(c, c->heap_tracks[i]);
    for (size_t i = 0; i < c->process_track_count; i++)
        flush_total(c, c->process_tracks[i]);
    for (uint32_t i = 0; i < c->instance_count; i++)
        end_slices(c, i, end_ns);
    if (put_metadata(c) < 0)
        return -1;
    out_write(o, "\n]", 2);
    if (c->stacks.node_count) {
        out_write(o, stacks_key, sizeof stacks_key - 1);
        chrome_stacks_put_tree(&c->stacks, o, c->context.model);
    }
    note_size(c);
    return 0;
}

static int chrome_tail(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct chrome *c = state;
    if (put_other_data(c, stats, e) < 0)
        return -1;
    out_write(c->lines.out, "}\n", 2);
    return 0;
}

/* ---- Pieces ---- */

static void carry_total(struct chrome *c, struct process_track *p)
{
    struct curve_point points[CURVE_POINTS];
    if (c->bucket_ns)
        curve_add(p->curve, c->bucket_ns, c->begin_ns, p->bytes, 0, points);
    else
        p->held_ns = c->begin_ns;
}

static void carry_heap_track(struct chrome *c, struct heap_track *h)
{
    struct curve_point points[CURVE_POINTS];
    if (c->bucket_ns)
        curve_add(h->curve, c->bucket_ns, c->begin_ns, h->bytes, h->blocks, points);
    else
        h->held_ns = c->begin_ns;
}

/* A piece begins with the counters and open slices of the processes that have not ended; what has
 * is forgotten. */
static void carry_instance(struct chrome *c, uint32_t process)
{
    struct instance *own = &c->instances[process];
    if (own->ended)
        own->track = NULL;
    if (!own->track)
        return;
    show_instance(c, process);
    if (own->track->counted)
        carry_total(c, own->track);
}

static void carry_heap(struct chrome *c, uint32_t heap_index)
{
    struct instance_heap *own = &c->heaps[heap_index];
    uint32_t process = own->track ? eh_model_heap(c->context.model, heap_index)->process : 0;
    if (own->track && !has_rows(c, process))
        own->track = NULL;
    if (!own->track)
        return;
    show_heap(c, heap_index);
    if (own->track->counted)
        carry_heap_track(c, own->track);
    if (own->slice_carried)
        open_slice(c, process, heap_index, c->begin_ns);
    own->slice_carried = false;
}

static void forget_piece(struct chrome *c)
{
    chrome_stacks_finish(&c->stacks);
    chrome_names_finish(&c->names);
    for (size_t i = 0; i < c->process_track_count; i++)
        c->process_tracks[i]->shown = false;
    for (size_t i = 0; i < c->heap_track_count; i++)
        c->heap_tracks[i]->shown = false;
    c->closing_bytes = 0;
    c->lines.commas = 0;
}

static void begin_piece(struct chrome *c)
{
    out_write(c->lines.out, begin_text, sizeof begin_text - 1);
    for (uint32_t i = 0; i < c->instance_count; i++)
        carry_instance(c, i);
    for (uint32_t i = 0; i < c->heap_count; i++)
        carry_heap(c, i);
}

/* end_document() ends them. */
static void note_open_slices(struct chrome *c)
{
    for (size_t i = 0; i < c->heap_count; i++)
        c->heaps[i].slice_carried = c->heaps[i].slice_open;
}

static int cut_piece(void *state)
{
    struct chrome *c = state;
    note_open_slices(c);
    if (end_document(c, c->context.split->end_ns) < 0)
        return -1;
    split_next(c->context.split);
    forget_piece(c);
    c->begin_ns = c->context.split->begin_ns;
    begin_piece(c);
    return 0;
}

/* What a row's instant takes at most, but for its stack. */
#define INSTANT_BYTES 448
/* What ends a document, but for what the tracks in it take. */
#define END_BYTES 64

/* At most two rows move a heap's counter: an event, and what it does to another block. */
static uint64_t row_bytes(const struct chrome *c, const struct eh_event *row)
{
    uint64_t bytes = 2 * (heap_bytes(c) + total_bytes(c));
    if (!has_rows(c, row->process))
        bytes += 2 * total_bytes(c) + name_bytes(c, row->process);
    if (row->heap_index >= c->heap_count || !c->heaps[row->heap_index].track)
        bytes += 2 * heap_bytes(c);
    if (row->stack && c->instants)
        bytes += chrome_stacks_bytes(&c->stacks, c->context.model, row->stack);
    return bytes + INSTANT_BYTES;
}

/* When a process ends, each heap in the piece may have a point more. */
static uint64_t bytes_with(void *state, enum split_row what, const struct eh_event *row)
{
    const struct chrome *c = state;
    uint64_t closing = c->closing_bytes + c->stacks.tree_bytes + c->tail_bytes + END_BYTES;
    return out_position(c->lines.out) + closing +
           (what == SPLIT_END ? c->closing_bytes : row_bytes(c, row));
}

/* So that the names of a process's threads need not be looked for each time it is shown. */
static void count_thread_names(struct chrome *c)
{
    const struct eh_model *m = c->context.model;
    for (uint32_t i = 1; i < eh_model_threads(m); i++) {
        const struct eh_thread *t = eh_model_thread(m, i);
        if (t->process < c->instance_count)
            c->instances[t->process].thread_names += text_bytes(t->name);
    }
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
    c->lines.out = context->out;
    c->lines.base_ns = base_of(context->info);
    c->bucket_ns = timeline_bucket_ns(&c->timeline, context->info);
    c->instants = timeline_instants(&c->timeline, context->info);
    c->begin_ns = context->info->first_event_ns;
    c->latest_ns = context->info->last_event_ns;
    if (reserve_instances(c, eh_model_processes(context->model)) < 0)
        return out_of_memory(e);
    chrome_instants_init(&c->single, &c->lines, context->model, &c->stacks);
    timeline_tell(&c->timeline, context);
    if (context->split) {
        c->tail_bytes = 2 * chrome_other_data_bytes(context) + 4;
        count_thread_names(c);
    }
    begin_piece(c);
    return 0;
}

static void end_instance(struct chrome *c, const struct eh_event *row)
{
    const struct split *split = c->context.split;
    end_slices(c, row->process, split ? split_within(split, row->time_ns) : row->time_ns);
    c->instances[row->process].ended = true;
}

/* What is no event, of an instance that is shown. */
static void take_special(struct chrome *c, const struct eh_event *row)
{
    if (!has_rows(c, row->process))
        return;
    if (row->kind == EH_PROCESS_END)
        end_instance(c, row);
    else if (row->kind == EH_ELSEWHERE)
        point_total(c, row->process, row->time_ns, row->process_live_bytes);
}

static inline bool is_change(const struct eh_event *row)
{
    return row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED);
}

static inline bool is_instant(const struct eh_event *row)
{
    return row->kind <= EH_REALLOC && !(row->flags & EH_HIDDEN);
}

/* Any row. 0, or -1 when memory ran out. */
static int add_row(struct chrome *c, const struct eh_event *row)
{
    if (row->kind > EH_DROP) {
        take_special(c, row);
        return 0;
    }
    if (!is_known(c, row) && meet_first(c, row) < 0)
        return -1;
    if (row->time_ns > c->latest_ns)
        c->latest_ns = row->time_ns;
    if ((is_change(row) || row->kind == EH_CREATE) && row->heap_index)
        write_counters(c, row);
    if (c->instants && is_instant(row))
        return chrome_write_instant(&c->single, row);
    if (row->kind == EH_CREATE && row->heap_index)
        begin_slice(c, row);
    else if (row->kind == EH_DESTROY && row->heap_index)
        end_slice(c, row->process, row->heap_index, row->time_ns);
    return 0;
}

static int add_row_of_piece(void *state, const struct eh_event *row)
{
    return add_row(state, row);
}

static const struct split_timeline timeline = {bytes_with, cut_piece, add_row_of_piece};

#define ROW_BYTES(thinned) (COUNT_BYTES(thinned) + CHROME_INSTANT_BYTES)

/* Writes the lines of usual rows, allocs, frees, reallocs and drops in known heaps, and returns how
 * many they are: all rows before the first that is not usual. What is shown is constant in each of
 * its inlined copies. */
EH_ALWAYS_INLINE size_t write_rows(struct chrome *c, const struct eh_event *rows, size_t count,
                                   bool thinned, bool instants)
{
    char *begin = out_reserve(c->lines.out, count * ROW_BYTES(thinned)), *at = begin;
    /* Text that is written might be anything's, so what is read for each row is read once: 3
     * instructions less for each. */
    const struct instance_heap *heaps = c->heaps;
    size_t heap_count = c->heap_count;
    int64_t latest_ns = c->latest_ns;
    size_t i = 0;
    for (; i < count; i++) {
        const struct eh_event *row = &rows[i];
        struct heap_track *h = row->heap_index < heap_count ? heaps[row->heap_index].track : NULL;
        if ((row->kind > EH_REALLOC && row->kind != EH_DROP) || !h ||
            (instants && !chrome_is_usual(row)))
            break;
        latest_ns = row->time_ns > latest_ns ? row->time_ns : latest_ns;
        if (is_change(row))
            at = count_row(c, at, h, row, thinned);
        if (instants && is_instant(row))
            at = chrome_put_instant(&c->single, at, row);
    }
    c->latest_ns = latest_ns;
    chrome_commit_lines(&c->lines, begin, at);
    return i;
}

static size_t write_usual_rows(struct chrome *c, const struct eh_event *rows, size_t count)
{
    if (c->bucket_ns)
        return c->instants ? write_rows(c, rows, count, true, true)
                           : write_rows(c, rows, count, true, false);
    return c->instants ? write_rows(c, rows, count, false, true)
                       : write_rows(c, rows, count, false, false);
}

/* Rows for which room is reserved at once: enough to divide the cost, and the room is no large part
 * of the sink's buffer. */
#define ROWS_AT_ONCE 64

static int add_rows(struct chrome *c, const struct eh_event *rows, size_t count)
{
    const struct eh_event *end = rows + count;
    while (rows < end) {
        size_t left = (size_t)(end - rows);
        rows += write_usual_rows(c, rows, left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE);
        if (rows < end && add_row(c, rows++) < 0)
            return -1;
    }
    return 0;
}

static int chrome_rows(void *state, const struct eh_event *rows, size_t count, struct eh_error *e)
{
    struct chrome *c = state;
    struct split *split = c->context.split;
    int result = split ? split_timeline_rows(split, &timeline, c, rows, count)
                       : add_rows(c, rows, count);
    return result < 0 ? out_of_memory(e) : 0;
}

static int chrome_end(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct chrome *c = state;
    struct split *split = c->context.split;
    if ((split && split_timeline_end(split, &timeline, c) < 0) ||
        end_document(c, c->latest_ns) < 0)
        return out_of_memory(e);
    if (chrome_tail(c, stats, e) < 0)
        return -1;
    warn_of_size(c);
    return 0;
}

static void chrome_remark(const void *state, char *ret_text)
{
    const struct chrome *c = state;
    timeline_remark(&c->timeline, c->context.info, ret_text);
}

static void chrome_done(void *state)
{
    struct chrome *c = state;
    for (size_t i = 0; i < c->process_track_count; i++)
        free(c->process_tracks[i]);
    for (size_t i = 0; i < c->heap_track_count; i++)
        free(c->heap_tracks[i]);
    free(c->instances);
    free(c->process_tracks);
    map_finish(&c->process_track_ids);
    free(c->heaps);
    free(c->heap_tracks);
    map_finish(&c->heap_track_ids);
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
    .filtered = true,
    .in_pieces = true,
    .state_size = sizeof(struct chrome),
    .options = chrome_options,
    .set = chrome_set,
    .begin = chrome_begin,
    .rows = chrome_rows,
    .end = chrome_end,
    .tail = chrome_tail,
    .done = chrome_done,
    .remark = chrome_remark,
};
