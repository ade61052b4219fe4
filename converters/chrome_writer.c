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
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define THREAD_STARTS 64
#define SOURCES       8 /* those below have a piece of their own */

#define CHROME_TRACING_BYTES (UINT64_C(100) << 20)
#define ANY_VIEWER_BYTES     (UINT64_C(1) << 30)

/* Counters hold their last point back, because a nanosecond may change it again. An exact one
 * keeps its time as text, so that no time is formatted twice; its value is that of the track. */
struct process_track {
    struct chrome_piece start;      /* of its "Heap total" points, up to the time */
    struct chrome_ts held;          /* time of the point held back */
    struct text_leading bytes_text; /* of the point before */
    uint64_t bytes;                 /* live, summed over the pid's instances */
    uint32_t pid;
    bool shown;   /* in this piece */
    bool counted; /* there are points in finished pieces */
};

struct heap_track {
    struct chrome_piece start;    /* of its points, up to the time */
    struct chrome_piece argument; /* of instants: "heap":"0x1f0000" */
    char name[24];                /* 0x1f0000 */
    struct chrome_ts held;
    struct text_leading bytes_text, blocks_text; /* of the point before */
    uint64_t bytes, blocks;                      /* live, summed over the pid's instances */
    bool shown, counted;                         /* as above */
};

/* The curves of a heap track that is thinned. Each point carries the other value beside its own. */
struct heap_curves {
    struct curve bytes, blocks;
};

struct instance {
    uint64_t bytes;       /* live, as its last row said */
    uint32_t track;       /* index + 1 into process_tracks; 0: no row yet */
    uint32_t first_slice; /* heap index, head of the list of its slices; 0: none */
    bool ended;
    uint64_t thread_names; /* bytes they take at the end of a piece, at most; only for pieces */
};

struct instance_heap {
    uint64_t bytes; /* live, as its last row said */
    uint32_t blocks;
    uint32_t track;   /* index + 1 into heap_tracks; 0: no row yet */
    int64_t begin_ns; /* of the open slice */
    uint32_t slice_tid;
    uint32_t next_slice;
    bool slice_open;
    bool slice_carried; /* from a piece into the next */
    bool in_slice_list;
};

struct thread_start {
    uint32_t pid, tid;
    struct chrome_piece start; /* of its instants, up to the time; length 0: unused */
};

struct chrome {
    struct timeline timeline;
    struct writer_context context;
    struct chrome_lines lines;
    int64_t bucket_ns; /* of counters */
    int64_t begin_ns;  /* of the time that is shown, or of the piece */
    int64_t latest_ns; /* of the rows so far */
    bool instants;
    uint64_t tail_bytes;    /* what chrome_tail() writes, at most */
    uint64_t closing_bytes; /* of the piece: what its end takes for the tracks in it, at most */
    uint64_t most_bytes;    /* in a finished piece */

    struct instance *instances; /* by process instance */
    size_t instance_count, instance_room;
    struct process_track *process_tracks;
    size_t process_track_count, process_track_room;
    struct map process_track_ids; /* (pid, 0) */

    struct instance_heap *heaps; /* by heap index */
    size_t heap_count, heap_room;
    struct heap_track *heap_tracks;
    size_t heap_track_count, heap_track_room;
    struct map heap_track_ids; /* (handle, process track) */

    struct curve *process_curves; /* beside the tracks, only where counters are thinned */
    size_t process_curve_room;
    struct heap_curves *heap_curves;
    size_t heap_curve_room;

    struct thread_start thread_starts[THREAD_STARTS];
    struct chrome_piece kinds[EH_REALLOC + 1]; /* "name":"alloc" */
    struct chrome_piece sources[SOURCES];      /* "source":"lookaside" */
    struct chrome_stacks stacks;
    struct chrome_names names;
};

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

/* ---- Counters ---- */

/* The lines are written at `at`, where CHROME_LINE_BYTES are reserved for each. Inlined by force:
 * a call costs a fifth of the line. */
__attribute__((always_inline)) static inline char *
put_heap_line(struct chrome_lines *l, char *at, struct heap_track *h, const struct chrome_ts *ts,
              uint64_t bytes, uint64_t blocks)
{
    at = chrome_put_piece(chrome_put_line_start(l, at), &h->start);
    at = PUT(chrome_put_ts(at, ts), ",\"args\":{\"live bytes\":");
    at = PUT(chrome_put_sum(at, &h->bytes_text, bytes), ",\"live blocks\":");
    return PUT(chrome_put_count(at, &h->blocks_text, blocks), "}}");
}

static inline char *put_total_line(struct chrome_lines *l, char *at, struct process_track *p,
                                   const struct chrome_ts *ts, uint64_t bytes)
{
    at = chrome_put_piece(chrome_put_line_start(l, at), &p->start);
    at = PUT(chrome_put_ts(at, ts), ",\"args\":{\"live bytes\":");
    return PUT(chrome_put_sum(at, &p->bytes_text, bytes), "}}");
}

static void put_heap_point(struct chrome *c, struct heap_track *h,
                           const struct chrome_ts *ts, uint64_t bytes, uint64_t blocks)
{
    char *at = out_reserve(c->lines.out, CHROME_LINE_BYTES);
    out_commit(c->lines.out, put_heap_line(&c->lines, at, h, ts, bytes, blocks));
}

static void put_total_point(struct chrome *c, struct process_track *p,
                            const struct chrome_ts *ts, uint64_t bytes)
{
    char *at = out_reserve(c->lines.out, CHROME_LINE_BYTES);
    out_commit(c->lines.out, put_total_line(&c->lines, at, p, ts, bytes));
}

/* Both values stand in every point, also where only one of them has an extreme: chrome://tracing
 * takes a value that is left out for 0. Both lie on their true curves. */
static void put_heap_points(struct chrome *c, struct heap_track *h,
                            const struct curve_point *bytes, size_t byte_points,
                            const struct curve_point *blocks, size_t block_points)
{
    size_t i = 0, j = 0;
    while (i < byte_points || j < block_points) {
        bool both = i < byte_points && j < block_points && bytes[i].time_ns == blocks[j].time_ns;
        if (j == block_points || (i < byte_points && bytes[i].time_ns <= blocks[j].time_ns)) {
            put_heap_point(c, h, chrome_ts(&c->lines, bytes[i].time_ns), bytes[i].value,
                           bytes[i].beside);
            i++;
            j += both;
        } else {
            put_heap_point(c, h, chrome_ts(&c->lines, blocks[j].time_ns), blocks[j].beside,
                           blocks[j].value);
            j++;
        }
    }
}

static void put_total_points(struct chrome *c, struct process_track *p,
                             const struct curve_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_total_point(c, p, chrome_ts(&c->lines, points[i].time_ns), points[i].value);
}

static void thin_heap(struct chrome *c, size_t track, int64_t time_ns)
{
    struct heap_track *h = &c->heap_tracks[track];
    struct heap_curves *curves = &c->heap_curves[track];
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    size_t byte_points =
        curve_add_pair(&curves->bytes, c->bucket_ns, time_ns, h->bytes, h->blocks, bytes);
    size_t block_points =
        curve_add_pair(&curves->blocks, c->bucket_ns, time_ns, h->blocks, h->bytes, blocks);
    put_heap_points(c, h, bytes, byte_points, blocks, block_points);
}

static void thin_total(struct chrome *c, size_t track, int64_t time_ns)
{
    struct process_track *p = &c->process_tracks[track];
    struct curve_point points[CURVE_POINTS];
    size_t n = curve_add(&c->process_curves[track], c->bucket_ns, time_ns, p->bytes, points);
    put_total_points(c, p, points, n);
}

/* Whether a change at `time_ns` makes a new point: what steps back belongs to the one held. */
static inline bool is_later(const struct chrome_ts *held, int64_t time_ns)
{
    return !held->length || time_ns > held->time_ns;
}

/* What the row changes in the sums of its heap's and its process's track. */
static inline void take_heap(struct heap_track *h, struct instance_heap *own,
                             const struct eh_event *row)
{
    h->bytes += row->heap_live_bytes - own->bytes;
    h->blocks += (uint64_t)row->heap_live_blocks - own->blocks;
    own->bytes = row->heap_live_bytes;
    own->blocks = row->heap_live_blocks;
}

static inline void take_total(struct process_track *p, struct instance *own,
                              const struct eh_event *row)
{
    p->bytes += row->process_live_bytes - own->bytes;
    own->bytes = row->process_live_bytes;
}

/* A row later than what the tracks hold sets it free and is held with its time, which is formatted
 * once for both. */
static inline void count_exact(struct chrome *c, const struct eh_event *row)
{
    struct instance_heap *own_heap = &c->heaps[row->heap_index];
    struct instance *own = &c->instances[row->process];
    struct heap_track *h = &c->heap_tracks[own_heap->track - 1];
    struct process_track *p = &c->process_tracks[own->track - 1];
    const struct chrome_ts *ts = chrome_ts(&c->lines, row->time_ns);
    char *at = out_reserve(c->lines.out, 2 * CHROME_LINE_BYTES);
    if (is_later(&h->held, row->time_ns)) {
        if (h->held.length)
            at = put_heap_line(&c->lines, at, h, &h->held, h->bytes, h->blocks);
        h->held = *ts;
    }
    if (is_later(&p->held, row->time_ns)) {
        if (p->held.length)
            at = put_total_line(&c->lines, at, p, &p->held, p->bytes);
        p->held = *ts;
    }
    out_commit(c->lines.out, at);
    take_heap(h, own_heap, row);
    take_total(p, own, row);
}

static void count_thinned(struct chrome *c, const struct eh_event *row)
{
    struct instance_heap *own_heap = &c->heaps[row->heap_index];
    struct instance *own = &c->instances[row->process];
    take_heap(&c->heap_tracks[own_heap->track - 1], own_heap, row);
    take_total(&c->process_tracks[own->track - 1], own, row);
    thin_heap(c, own_heap->track - 1, row->time_ns);
    thin_total(c, own->track - 1, row->time_ns);
}

/* Points of one of them alone: the beginning of the time that is shown, and a process's when another
 * heap changed. */
static void point_heap(struct chrome *c, struct instance_heap *own, int64_t time_ns,
                       const struct filter_figures *figures)
{
    struct heap_track *h = &c->heap_tracks[own->track - 1];
    if (!c->bucket_ns && is_later(&h->held, time_ns)) {
        if (h->held.length)
            put_heap_point(c, h, &h->held, h->bytes, h->blocks);
        h->held = *chrome_ts(&c->lines, time_ns);
    }
    h->bytes += figures->bytes - own->bytes;
    h->blocks += (uint64_t)figures->blocks - own->blocks;
    own->bytes = figures->bytes;
    own->blocks = figures->blocks;
    if (c->bucket_ns)
        thin_heap(c, own->track - 1, time_ns);
}

static void point_total(struct chrome *c, struct instance *own, int64_t time_ns, uint64_t bytes)
{
    struct process_track *p = &c->process_tracks[own->track - 1];
    if (!c->bucket_ns && is_later(&p->held, time_ns)) {
        if (p->held.length)
            put_total_point(c, p, &p->held, p->bytes);
        p->held = *chrome_ts(&c->lines, time_ns);
    }
    p->bytes += bytes - own->bytes;
    own->bytes = bytes;
    if (c->bucket_ns)
        thin_total(c, own->track - 1, time_ns);
}

static void flush_heap(struct chrome *c, size_t track)
{
    struct heap_track *h = &c->heap_tracks[track];
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    if (h->held.length)
        put_heap_point(c, h, &h->held, h->bytes, h->blocks);
    h->counted |= h->held.length;
    h->held.length = 0;
    if (!c->bucket_ns)
        return;
    h->counted |= c->heap_curves[track].bytes.open;
    size_t byte_points = curve_flush(&c->heap_curves[track].bytes, bytes);
    size_t block_points = curve_flush(&c->heap_curves[track].blocks, blocks);
    put_heap_points(c, h, bytes, byte_points, blocks, block_points);
}

static void flush_total(struct chrome *c, size_t track)
{
    struct process_track *p = &c->process_tracks[track];
    struct curve_point points[CURVE_POINTS];
    if (p->held.length)
        put_total_point(c, p, &p->held, p->bytes);
    p->counted |= p->held.length;
    p->held.length = 0;
    if (!c->bucket_ns)
        return;
    p->counted |= c->process_curves[track].open;
    put_total_points(c, p, points, curve_flush(&c->process_curves[track], points));
}

/* ---- The life of heaps ---- */

static void put_slice(struct chrome *c, char phase, uint32_t process, uint32_t heap_index,
                      int64_t time_ns)
{
    const struct instance_heap *heap = &c->heaps[heap_index];
    const char *name = c->heap_tracks[heap->track - 1].name;
    char *at = PUT(chrome_begin_line(&c->lines), "{\"ph\":\"");
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
    at = chrome_put_ts(at, chrome_ts(&c->lines, time_ns));
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

static void start_total(struct chrome_piece *start, uint32_t pid)
{
    char *at = PUT(start->text, "{\"ph\":\"C\",\"pid\":");
    at = put_u64(at, pid);
    chrome_end_piece(start, PUT(at, ",\"name\":\"Heap total\",\"ts\":"));
}

static void start_heap(struct chrome_piece *start, uint32_t pid, const char *name)
{
    char *at = PUT(start->text, "{\"ph\":\"C\",\"pid\":");
    at = put_u64(at, pid);
    at = PUT(at, ",\"name\":\"Heap ");
    at = put_string(at, name);
    chrome_end_piece(start, PUT(at, "\",\"ts\":"));
}

/* How much a piece's end takes for what is in it, at most: points held back, the end of a slice,
 * names. Twice the first two is what a row may write. */
#define HEAP_LINES(c)  ((c)->bucket_ns ? 2 * CURVE_POINTS : 1)
#define TOTAL_LINES(c) ((c)->bucket_ns ? CURVE_POINTS : 1)
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
    struct process_track *p = &c->process_tracks[c->instances[process].track - 1];
    if (!p->shown)
        c->closing_bytes += total_bytes(c);
    p->shown = true;
    if (c->context.split)
        c->closing_bytes += name_bytes(c, process);
}

static void show_heap(struct chrome *c, uint32_t heap_index)
{
    struct heap_track *h = &c->heap_tracks[c->heaps[heap_index].track - 1];
    if (!h->shown)
        c->closing_bytes += heap_bytes(c);
    h->shown = true;
}

/* Whether filters leave out the trace's beginning: counters begin with what was live then. */
static bool is_cut(const struct chrome *c)
{
    return c->context.filter && c->context.filter->by_time;
}

static int add_process_track(struct chrome *c, uint32_t pid, uint32_t *ret_track)
{
    size_t n = c->process_track_count;
    if (ARRAY_RESERVE(c->process_tracks, c->process_track_room, n + 1) < 0)
        return -1;
    if (c->bucket_ns) {
        if (ARRAY_RESERVE(c->process_curves, c->process_curve_room, n + 1) < 0)
            return -1;
        c->process_curves[n] = (struct curve){0};
    }
    c->process_tracks[n] = (struct process_track){.pid = pid};
    start_total(&c->process_tracks[n].start, pid);
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
    if (!id || (!*id && add_process_track(c, pid, id) < 0))
        return -1;
    c->instances[process].track = *id;
    show_instance(c, process);
    return 0;
}

/* A heap that was there already has a slice from the beginning. */
static void begin_heap(struct chrome *c, const struct eh_event *row)
{
    struct filter_figures before = filter_heap_before(c->context.filter, row->heap_index);
    struct eh_event beginning = *row;
    beginning.time_ns = c->begin_ns;
    point_heap(c, &c->heaps[row->heap_index], beginning.time_ns, &before);
    if (before.created)
        begin_slice(c, &beginning);
}

static int add_heap_track(struct chrome *c, uint32_t pid, uint64_t handle, uint32_t *ret_track)
{
    size_t n = c->heap_track_count;
    if (ARRAY_RESERVE(c->heap_tracks, c->heap_track_room, n + 1) < 0)
        return -1;
    if (c->bucket_ns) {
        if (ARRAY_RESERVE(c->heap_curves, c->heap_curve_room, n + 1) < 0)
            return -1;
        c->heap_curves[n] = (struct heap_curves){0};
    }
    struct heap_track *h = &c->heap_tracks[n];
    *h = (struct heap_track){0};
    *put_hex(h->name, handle) = 0;
    start_heap(&h->start, pid, h->name);
    char *at = put_string(PUT(h->argument.text, ",\"heap\":\""), h->name);
    chrome_end_piece(&h->argument, PUT(at, "\""));
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
    uint32_t process_track = c->instances[row->process].track;
    uint32_t pid = c->process_tracks[process_track - 1].pid;
    if (row->heap_index >= c->heap_count &&
        reserve_heaps(c, eh_model_heaps(c->context.model)) < 0)
        return -1;
    uint32_t *id = map_id(&c->heap_track_ids, row->heap, process_track);
    if (!id || (!*id && add_heap_track(c, pid, row->heap, id) < 0))
        return -1;
    c->heaps[row->heap_index].track = *id;
    show_heap(c, row->heap_index);
    if (is_cut(c))
        begin_heap(c, row);
    return 0;
}

/* Where filters leave out what came before: begins the process's counter. */
static void begin_total(struct chrome *c, const struct eh_event *row)
{
    struct instance *own = &c->instances[row->process];
    if (is_cut(c))
        point_total(c, own, c->begin_ns,
                    filter_process_before(c->context.filter, row->process));
    if (row->flags & EH_HAS_LIVE)
        point_total(c, own, row->time_ns, row->process_live_bytes);
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
static inline int meet(struct chrome *c, const struct eh_event *row)
{
    if (row->heap_index < c->heap_count && c->heaps[row->heap_index].track)
        return 0;
    return meet_first(c, row);
}

/* ---- Instants ---- */

static void start_instant(struct chrome_piece *start, uint32_t pid, uint32_t tid)
{
    bool known = tid != EH_NO_ID;
    char *at = PUT(start->text, "{\"ph\":\"i\",\"s\":\"");
    *at++ = known ? 't' : 'p';
    at = PUT(at, "\",\"pid\":");
    at = put_u64(at, pid);
    at = PUT(at, ",\"tid\":");
    at = put_u64(at, known ? tid : 0);
    chrome_end_piece(start, PUT(at, ",\"ts\":"));
}

/* A row without owner is shown on pid 0, tid 0, whatever its thread. */
static inline const struct chrome_piece *thread_start(struct chrome *c, const struct eh_event *row)
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

static void prepare_pieces(struct chrome *c)
{
    for (uint32_t kind = 0; kind <= EH_REALLOC; kind++) {
        char *at = PUT(c->kinds[kind].text, ",\"name\":\"");
        at = put_string(at, eh_kind_name((enum eh_kind)kind));
        chrome_end_piece(&c->kinds[kind], PUT(at, "\""));
    }
    for (uint32_t source = 0; source < SOURCES; source++)
        chrome_end_piece(&c->sources[source], put_source(c->sources[source].text, source));
}

static inline char *put_address(char *at, uint64_t address)
{
    at = put_hex(at, address);
    *at++ = '"';
    return at;
}

/* The arguments, each with a comma before it: the cells of the events table that are not empty. */
static inline char *put_arguments(const struct chrome *c, char *at, const struct eh_event *row)
{
    if (row->heap_index)
        at = chrome_put_piece(at, &c->heap_tracks[c->heaps[row->heap_index].track - 1].argument);
    else if (row->flags & EH_HAS_HEAP)
        at = put_address(PUT(at, ",\"heap\":\""), row->heap);
    if (row->flags & EH_HAS_ADDRESS)
        at = put_address(PUT(at, ",\"address\":\""), row->address);
    if (row->flags & EH_HAS_SIZE)
        at = chrome_put_size(PUT(at, ",\"size_bytes\":"), row->size);
    if (row->flags & EH_HAS_SOURCE)
        at = row->source < SOURCES ? chrome_put_piece(at, &c->sources[row->source])
                                   : put_source(at, row->source);
    if (row->kind == EH_FREE && row->flags & EH_HAS_LIFETIME)
        at = put_i64(PUT(at, ",\"lifetime_ns\":"), row->lifetime_ns);
    if (row->kind == EH_REALLOC && row->flags & EH_HAS_HEAP) {
        at = put_address(PUT(at, ",\"old_address\":\""), row->old_address);
        at = chrome_put_size(PUT(at, ",\"old_size_bytes\":"), row->old_size);
    }
    return at;
}

static int put_instant(struct chrome *c, const struct eh_event *row)
{
    struct out *o = c->lines.out;
    uint32_t leaf = 0;
    if (row->stack && chrome_stacks_leaf(&c->stacks, c->context.model, row->stack, &leaf) < 0)
        return -1;
    char *at = chrome_put_piece(chrome_begin_line(&c->lines), thread_start(c, row));
    at = chrome_put_ts(at, chrome_ts(&c->lines, row->time_ns));
    at = chrome_put_piece(at, &c->kinds[row->kind]);
    if (leaf)
        at = put_u64(PUT(at, ",\"sf\":"), leaf);
    at = PUT(at, ",\"args\":");
    /* The first argument's comma makes way for the brace. */
    char *end = put_arguments(c, at, row);
    end += end == at;
    *at++ = '{';
    if (leaf) {
        end = end == at ? end : PUT(end, ",");
        out_commit(o, PUT(end, "\"stack\":\""));
        chrome_stacks_put_text(o, c->context.model, row->stack);
        end = PUT(out_reserve(o, CHROME_LINE_BYTES), "\"");
    }
    out_commit(o, PUT(end, "}}"));
    return 0;
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
        if (c->process_tracks[i].shown)
            chrome_put_sort_index(&c->lines, c->process_tracks[i].pid, i);
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
        c->context.warn(c->context.warn_context,
                        "the output is larger than 1 GB, more than any viewer opens: draw coarser "
                        "counters with --resolution, leave out single events with --no-events, "
                        "choose less with --time, cut it with --split-size, or convert with "
                        "etl2perfetto");
    else if (bytes > CHROME_TRACING_BYTES)
        c->context.warn(c->context.warn_context,
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
        flush_heap(c, i);
    for (size_t i = 0; i < c->process_track_count; i++)
        flush_total(c, i);
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

/* A piece begins with the counters and open slices of the processes that have not ended; what has
 * is forgotten. */
static void carry_instance(struct chrome *c, uint32_t process)
{
    struct instance *own = &c->instances[process];
    if (own->ended)
        own->track = 0;
    if (!own->track)
        return;
    show_instance(c, process);
    struct process_track *p = &c->process_tracks[own->track - 1];
    if (p->counted && c->bucket_ns)
        thin_total(c, own->track - 1, c->begin_ns);
    else if (p->counted)
        p->held = *chrome_ts(&c->lines, c->begin_ns);
}

static void carry_heap(struct chrome *c, uint32_t heap_index)
{
    struct instance_heap *own = &c->heaps[heap_index];
    uint32_t process = own->track ? eh_model_heap(c->context.model, heap_index)->process : 0;
    if (own->track && !has_rows(c, process))
        own->track = 0;
    if (!own->track)
        return;
    show_heap(c, heap_index);
    struct heap_track *h = &c->heap_tracks[own->track - 1];
    if (h->counted && c->bucket_ns)
        thin_heap(c, own->track - 1, c->begin_ns);
    else if (h->counted)
        h->held = *chrome_ts(&c->lines, c->begin_ns);
    if (own->slice_carried)
        open_slice(c, process, heap_index, c->begin_ns);
    own->slice_carried = false;
}

static void forget_piece(struct chrome *c)
{
    chrome_stacks_finish(&c->stacks);
    chrome_names_finish(&c->names);
    for (size_t i = 0; i < c->process_track_count; i++)
        c->process_tracks[i].shown = false;
    for (size_t i = 0; i < c->heap_track_count; i++)
        c->heap_tracks[i].shown = false;
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
    prepare_pieces(c);
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
        point_total(c, &c->instances[row->process], row->time_ns, row->process_live_bytes);
}

static int add_row(struct chrome *c, const struct eh_event *row)
{
    if (row->kind > EH_DROP) {
        take_special(c, row);
        return 0;
    }
    if (meet(c, row) < 0)
        return -1;
    if (row->time_ns > c->latest_ns)
        c->latest_ns = row->time_ns;
    bool changes = row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED) || row->kind == EH_CREATE;
    if (changes && row->heap_index) {
        if (c->bucket_ns)
            count_thinned(c, row);
        else
            count_exact(c, row);
    }
    if (c->instants && row->kind <= EH_REALLOC && !(row->flags & EH_HIDDEN))
        return put_instant(c, row);
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

static int add_rows(struct chrome *c, const struct eh_event *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (add_row(c, &rows[i]) < 0)
            return -1;
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

static void chrome_done(void *state)
{
    struct chrome *c = state;
    free(c->instances);
    free(c->process_tracks);
    map_finish(&c->process_track_ids);
    free(c->heaps);
    free(c->heap_tracks);
    map_finish(&c->heap_track_ids);
    free(c->process_curves);
    free(c->heap_curves);
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
};
