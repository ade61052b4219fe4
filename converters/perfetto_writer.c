#include "perfetto_writer.h"

#include "base/array.h"
#include "base/inline.h"
#include "base/map.h"
#include "filter.h"
#include "perfetto_counters.h"
#include "perfetto_instants.h"
#include "perfetto_intern.h"
#include "perfetto_profile.h"
#include "perfetto_trace.h"
#include "perfetto_tracks.h"
#include "split.h"
#include "text.h"
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#define PROFILE_DUMPS     20
#define MAX_PROFILE_DUMPS 10000

/* Places among a process's tracks: its threads, then these. */
#define RANK_TOTAL 1000000
#define RANK_HEAPS 1000001

#define NO_PROFILE UINT32_MAX

/* A heap, by heap index. */
struct heap {
    uint64_t track; /* uuid, 0 until the heap's first row */
    struct heap_counters counters;
    uint32_t next; /* heap index of another heap of the process, 0 for none */
    uint32_t process; /* its place among the processes, once there is a track */
    int32_t rank;     /* among the process's heaps */
    bool slice_open, has_flags;
    uint32_t flags;   /* as its first row says, if that is a create */
    int64_t first_ns; /* of its first row */
};

/* A process instance with heap events. */
struct process {
    uint64_t track, heaps_track; /* uuids */
    uint32_t instance;
    bool ended;
    struct process_counter total;
    struct sequence instants; /* id 0 until there is one */
    uint32_t heaps;           /* heap index of the latest, 0 for none */
    int32_t heap_count, thread_count;
    uint32_t profile; /* or NO_PROFILE; also after the instance's end */
    int64_t from_ns; /* readers give its pid to it only then; nothing of it is earlier */
    int64_t first_ns, last_dump_ns;
};

struct perfetto {
    struct timeline timeline;
    const struct writer_context *context;
    bool dumps_given;
    struct trace trace;
    struct intern intern;
    struct instants instants;
    struct profiles profiles;
    int64_t bucket_ns;
    bool show_instants;
    const struct filter *filter; /* NULL: everything is shown */
    struct split *split;         /* NULL: one piece */
    uint64_t tail_bytes;         /* what perfetto_tail() writes, at most */
    uint64_t closing_bytes; /* of the piece: what its end takes for the tracks in it, at most */
    uint64_t *thread_names;      /* the same for named threads, by process instance */
    size_t thread_names_room;
    int64_t last_event_ns; /* of the trace, or of a later row */
    uint64_t dumps_passed; /* of those that lie evenly in time, see profiles.by_time */
    int64_t dump_ns;       /* of the next of them, INT64_MAX without */
    int64_t watch_ns;      /* a row later than this makes one of the two above due */

    struct process *processes;
    size_t process_count, process_room;
    uint32_t *process_of; /* by process instance: number plus 1, 0 for those not shown */
    size_t process_of_room;
    struct heap *heaps;   /* by heap index */
    size_t heap_room;
    struct map pids;    /* (pid, 0) to the number plus 1 of the process that has it */
    struct map threads; /* see thread_track(): to uuid */
};

/* --- Processes --------------------------------------------------------------------------- */

/* What the instance's tracks still wait for. No dump of it may follow; counters may, when another
 * boot's process has the same pid. */
static void close_process(struct perfetto *w, struct process *p, int64_t ns, int64_t limit_ns)
{
    for (uint32_t heap = p->heaps; heap; heap = w->heaps[heap].next) {
        struct heap *h = &w->heaps[heap];
        heap_counters_flush(&h->counters, &w->trace);
        if (h->slice_open)
            slice_end(&w->trace, h->track, ns);
        h->slice_open = false;
    }
    process_counter_flush(&p->total, &w->trace);
    if (p->profile != NO_PROFILE)
        p->last_dump_ns = profile_close(&w->profiles, p->profile, limit_ns);
    p->profile = NO_PROFILE;
}

/* When an instance takes its pid over: at its start or first event, and after everything that
 * was written under the pid before, because readers give a dump to whoever has the pid then. Its
 * own packets must not be earlier: readers would take the first of them for the moment. */
static int64_t take_pid(struct perfetto *w, const struct eh_process *instance, uint32_t number,
                        int64_t ns)
{
    if (instance->has_start && instance->start_ns < ns)
        ns = instance->start_ns;
    ns = trace_clamp(&w->trace, ns);
    uint32_t *holder = map_id(&w->pids, instance->pid, 0);
    if (!holder) {
        w->trace.out_of_memory = true;
        return ns;
    }
    if (*holder) {
        struct process *before = &w->processes[*holder - 1];
        close_process(w, before, ns, ns);
        if (before->last_dump_ns >= ns)
            ns = before->last_dump_ns + 1;
        w->processes[number].from_ns = ns;
    }
    *holder = number + 1;
    return ns;
}

/* Where the time is cut, counters begin with what was live then. */
static void begin_process(struct perfetto *w, struct process *p, uint32_t process)
{
    if (!w->filter || !w->filter->by_time)
        return;
    struct curve_point point = {.time_ns = w->trace.info->first_event_ns,
                                .value = filter_process_before(w->filter, process)};
    process_counter_point(&p->total, &w->trace, w->bucket_ns, &point);
}

static uint64_t process_bytes(const struct perfetto *w, uint32_t process)
{
    size_t points = w->bucket_ns == CURVE_EXACT ? 1 : CURVE_SINGLE_POINTS;
    return points * PACKET_COUNTER_BYTES +
           (process < w->thread_names_room ? w->thread_names[process] : 0);
}

static void describe_process(struct perfetto *w, uint32_t number, int64_t ns)
{
    struct trace *t = &w->trace;
    struct process *p = &w->processes[number];
    const struct eh_process *instance = eh_model_process(t->model, p->instance);
    p->track = p->instance ? track_process(t, instance, ns, (int32_t)number)
                           : track_plain(t, 0, "Unknown process", NULL, (int32_t)number);
    w->closing_bytes += process_bytes(w, p->instance);
}

static void describe_heaps(struct perfetto *w, struct process *p)
{
    p->heaps_track = track_plain(&w->trace, p->track, "Heaps", NULL, RANK_HEAPS);
}

static void meet_process(struct perfetto *w, uint32_t number, const struct eh_event *row)
{
    struct process *p = &w->processes[number];
    int64_t ns = row->time_ns;
    if (p->instance)
        ns = take_pid(w, eh_model_process(w->trace.model, p->instance), number, ns);
    describe_process(w, number, ns);
    if (p->instance)
        p->profile = profile_open(&w->profiles, p->instance, p->from_ns);
    process_counter_open(&p->total, &w->trace, p->from_ns, p->track, RANK_TOTAL);
    begin_process(w, p, p->instance);
    describe_heaps(w, p);
}

static int64_t not_before(const struct process *p, int64_t ns)
{
    return ns < p->from_ns ? p->from_ns : ns;
}

/* The number plus 1 of a process instance's entry, 0 if it has none. */
static uint32_t number_of(const struct perfetto *w, uint32_t process)
{
    return process < w->process_of_room ? w->process_of[process] : 0;
}

/* Rows may name instances that were not there before them. */
static int reserve_process_of(struct perfetto *w, uint32_t process)
{
    size_t room = w->process_of_room;
    if (process < room)
        return 0;
    if (ARRAY_RESERVE(w->process_of, w->process_of_room, (size_t)process + 1) < 0)
        return -1;
    memset(w->process_of + room, 0, (w->process_of_room - room) * sizeof *w->process_of);
    return 0;
}

/* Adds and describes the row's process. 0, or -1 when memory ran out. */
static int add_process(struct perfetto *w, const struct eh_event *row)
{
    if (reserve_process_of(w, row->process) < 0 ||
        ARRAY_RESERVE(w->processes, w->process_room, w->process_count + 1) < 0)
        return -1;
    w->processes[w->process_count++] = (struct process){
        .instance = row->process,
        .profile = NO_PROFILE,
        .first_ns = row->time_ns,
        .from_ns = INT64_MIN,
        .last_dump_ns = INT64_MIN,
    };
    uint32_t number = (uint32_t)w->process_count;
    w->process_of[row->process] = number;
    meet_process(w, number - 1, row);
    return 0;
}

/* --- Heaps ------------------------------------------------------------------------------- */

#define HEAP_NAME_BYTES (sizeof "Heap " + TEXT_HEX_BYTES)

static void put_heap_name(char *name, uint64_t handle)
{
    *put_hex(put_string(name, "Heap "), handle) = 0;
}

/* "flags 0x2, first event 0.001250000 s after the trace's start". The last one is not known when
 * descriptors are due. */
static void put_description(char *text, const struct heap *h)
{
    int64_t ns = h->first_ns;
    uint64_t distance = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    char *at = text;
    if (h->has_flags)
        at = put_string(put_hex(put_string(at, "flags "), h->flags), ", ");
    at = put_u64(put_string(at, "first event "), distance / 1000000000);
    at = put_digits(put_string(at, "."), distance % 1000000000, 9);
    at = put_string(at, ns < 0 ? " s before the trace's start" : " s after the trace's start");
    *at = 0;
}

static void begin_slice(struct perfetto *w, struct heap *h, uint64_t handle, int64_t ns)
{
    char name[HEAP_NAME_BYTES];
    put_heap_name(name, handle);
    slice_begin(&w->trace, h->track, name, not_before(&w->processes[h->process], ns));
    h->slice_open = true;
}

/* As begin_process(); a heap that was there already has a slice from the beginning. */
static void begin_heap(struct perfetto *w, struct heap *h, const struct eh_event *row)
{
    if (!w->filter || !w->filter->by_time)
        return;
    struct filter_figures before = filter_heap_before(w->filter, row->heap_index);
    struct curve_point point = {.time_ns = w->trace.info->first_event_ns, .value = before.bytes,
                                .beside = before.blocks};
    heap_counters_point(&h->counters, &w->trace, w->bucket_ns, &point);
    if (before.created)
        begin_slice(w, h, row->heap, point.time_ns);
}

static uint64_t heap_bytes(const struct perfetto *w)
{
    size_t points = w->bucket_ns == CURVE_EXACT ? 1 : CURVE_POINTS;
    return (points + 1) * PACKET_COUNTER_BYTES;
}

static void describe_heap(struct perfetto *w, struct heap *h, uint64_t handle)
{
    char name[HEAP_NAME_BYTES], description[128];
    put_heap_name(name, handle);
    put_description(description, h);
    uint64_t parent = w->processes[h->process].heaps_track;
    h->track = track_plain(&w->trace, parent, name, description, h->rank);
    w->closing_bytes += heap_bytes(w);
}

static void meet_heap(struct perfetto *w, uint32_t process, const struct eh_event *row)
{
    struct process *p = &w->processes[process];
    struct heap *h = &w->heaps[row->heap_index];
    h->process = process;
    h->first_ns = row->time_ns;
    h->has_flags = row->kind == EH_CREATE;
    h->flags = row->heap_flags;
    h->rank = ++p->heap_count;
    describe_heap(w, h, row->heap);
    heap_counters_open(&h->counters, &w->trace, p->from_ns, h->track);
    h->next = p->heaps;
    p->heaps = row->heap_index;
    begin_heap(w, h, row);
}

/* Makes room for the heap index; new places are zeroed. */
static int reserve_heap(struct perfetto *w, uint32_t heap)
{
    size_t room = w->heap_room;
    if (heap < room)
        return 0;
    if (ARRAY_RESERVE(w->heaps, w->heap_room, (size_t)heap + 1) < 0)
        return -1;
    memset(w->heaps + room, 0, (w->heap_room - room) * sizeof *w->heaps);
    for (; room < w->heap_room; room++)
        w->heaps[room].counters.exact.time_ns = POINT_NONE;
    return 0;
}

static void draw_slice(struct perfetto *w, struct heap *h, const struct eh_event *row)
{
    if (h->slice_open) {
        slice_end(&w->trace, h->track, row->time_ns);
        h->slice_open = false;
    }
    if (row->kind == EH_CREATE)
        begin_slice(w, h, row->heap, row->time_ns);
}

static inline void count_heap(struct perfetto *w, struct heap *h, const struct eh_event *row)
{
    struct process_counter *total = &w->processes[h->process].total;
    if (w->bucket_ns == CURVE_EXACT)
        counters_add(&h->counters, total, &w->trace, row);
    else
        counters_add_thinned(&h->counters, total, &w->trace, w->bucket_ns, row);
}

/* A row whose heap, if it has one, is new or was without a row so far. */
static int meet(struct perfetto *w, const struct eh_event *row)
{
    if (!number_of(w, row->process) && add_process(w, row) < 0)
        return -1;
    if (!row->heap_index)
        return 0;
    if (reserve_heap(w, row->heap_index) < 0)
        return -1;
    meet_heap(w, number_of(w, row->process) - 1, row);
    return 0;
}

static inline bool is_change(const struct eh_event *row)
{
    return row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED);
}

static inline bool is_instant(const struct eh_event *row)
{
    return row->kind <= EH_REALLOC && !(row->flags & EH_HIDDEN);
}

/* The first row of a heap is a point whatever it changes. */
static inline void heap_row(struct perfetto *w, struct heap *h, bool first,
                            const struct eh_event *row)
{
    if (first || is_change(row))
        count_heap(w, h, row);
    if (row->kind == EH_CREATE || row->kind == EH_DESTROY)
        draw_slice(w, h, row);
}

/* --- Threads and instants ---------------------------------------------------------------- */

/* A thread that no record describes is known by its tid and process. */
static uint32_t *thread_track(struct perfetto *w, const struct eh_event *row)
{
    const uint64_t undescribed = UINT64_C(1) << 32;
    return row->thread ? map_id(&w->threads, row->thread, 0)
                       : map_id(&w->threads, undescribed | row->thread_id, row->process);
}

/* Where the row's instant goes: to its thread, or to the process. */
static uint64_t instant_track(struct perfetto *w, struct process *p, const struct eh_event *row)
{
    if (!row->process || row->thread_id == EH_NO_ID)
        return p->track;
    uint32_t *track = thread_track(w, row);
    if (!track) {
        w->trace.out_of_memory = true;
        return p->track;
    }
    if (!*track) {
        uint32_t pid = eh_model_process(w->trace.model, row->process)->pid;
        const char *name = eh_model_thread(w->trace.model, row->thread)->name;
        *track = (uint32_t)track_thread(&w->trace, pid, row->thread_id, name,
                                        not_before(p, row->time_ns), ++p->thread_count);
    }
    return *track;
}

static void write_instant(struct perfetto *w, struct process *p, const struct eh_event *row)
{
    uint64_t track = instant_track(w, p, row);
    if (!p->instants.id)
        instants_open(&w->instants, &p->instants, p->from_ns);
    instants_write(&w->instants, &p->instants, track, row);
}

/* Threads that have a name but no instant, for the processes shown. */
static void describe_named_threads(struct perfetto *w)
{
    const struct eh_model *m = w->trace.model;
    for (uint32_t thread = 1; thread < eh_model_threads(m); thread++) {
        const struct eh_thread *t = eh_model_thread(m, thread);
        uint32_t number = number_of(w, t->process);
        if (!t->name || !number || !t->process)
            continue;
        uint32_t *track = map_id(&w->threads, thread, 0);
        w->trace.out_of_memory |= !track;
        if (!track || *track)
            continue;
        struct process *p = &w->processes[number - 1];
        *track = (uint32_t)track_thread(&w->trace, eh_model_process(m, t->process)->pid, t->tid,
                                        t->name, not_before(p, p->first_ns), ++p->thread_count);
    }
}

/* --- Moments of the whole trace ---------------------------------------------------------- */

/* When the next of the dumps lies that are spaced evenly in time; the last is that at the end. */
static int64_t next_dump(struct perfetto *w, const struct eh_info *info)
{
    uint64_t span = (uint64_t)info->last_event_ns - (uint64_t)info->first_event_ns;
    uint64_t dumps = w->profiles.dumps, k = w->dumps_passed + 1;
    if (!w->profiles.by_time || k >= dumps)
        return INT64_MAX;
    return (int64_t)((uint64_t)info->first_event_ns + span / dumps * k + span % dumps * k / dumps);
}

static void set_watch(struct perfetto *w)
{
    w->watch_ns = w->last_event_ns < w->dump_ns ? w->last_event_ns : w->dump_ns;
}

static void pass_watch(struct perfetto *w, int64_t ns)
{
    if (ns > w->last_event_ns)
        w->last_event_ns = ns;
    if (ns > w->dump_ns)
        profiles_dump(&w->profiles);
    while (ns > w->dump_ns) {
        w->dumps_passed++;
        w->dump_ns = next_dump(w, w->trace.info);
    }
    set_watch(w);
}

/* --- Pieces ------------------------------------------------------------------------------ */

/* Descriptors with the first packets of what they describe, but for names; an instant. */
#define PROCESS_HEAD_BYTES  768
#define HEAP_HEAD_BYTES     640
#define INSTANTS_HEAD_BYTES 768
#define THREAD_BYTES        96
#define INSTANT_BYTES       256

static size_t length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

/* So that the threads of a process need not be looked for each time it is shown. */
static int prepare_pieces(struct perfetto *w)
{
    const struct eh_model *m = w->trace.model;
    for (uint32_t thread = 1; thread < eh_model_threads(m); thread++) {
        const struct eh_thread *t = eh_model_thread(m, thread);
        if (ARRAY_RESERVE_ZEROED(w->thread_names, w->thread_names_room,
                                 t->process + (size_t)1) < 0)
            return -1;
        w->thread_names[t->process] += t->name ? THREAD_BYTES + strlen(t->name) : 0;
    }
    w->tail_bytes = trace_finish_bytes(&w->trace);
    return 0;
}

/* What is still held of the piece; slices go on in the next. */
static void end_tracks(struct perfetto *w, int64_t ns)
{
    for (size_t i = 1; i < w->heap_room; i++) {
        struct heap *h = &w->heaps[i];
        if (!h->track)
            continue;
        heap_counters_flush(&h->counters, &w->trace);
        if (h->slice_open)
            slice_end(&w->trace, h->track, ns);
    }
    for (size_t i = 0; i < w->process_count; i++)
        process_counter_flush(&w->processes[i].total, &w->trace);
    profiles_pause(&w->profiles);
    describe_named_threads(w);
}

/* The processes that have not ended are described anew, with counters at what they were. */
static void carry_process(struct perfetto *w, uint32_t number, int64_t ns)
{
    struct process *p = &w->processes[number];
    p->instants.id = 0;
    p->thread_count = 0;
    if (p->ended) {
        w->process_of[p->instance] = 0;
        return;
    }
    describe_process(w, number, ns);
    process_counter_reopen(&p->total, &w->trace, p->track, RANK_TOTAL, w->bucket_ns, ns);
    describe_heaps(w, p);
}

static void carry_heap(struct perfetto *w, uint32_t heap, int64_t ns)
{
    struct heap *h = &w->heaps[heap];
    if (!h->track)
        return;
    h->track = 0;
    if (w->processes[h->process].ended)
        return;
    uint64_t handle = eh_model_heap(w->trace.model, heap)->handle;
    describe_heap(w, h, handle);
    heap_counters_reopen(&h->counters, &w->trace, h->track, w->bucket_ns, ns);
    if (h->slice_open)
        begin_slice(w, h, handle, ns);
}

static void begin_tracks(struct perfetto *w, int64_t ns)
{
    trace_restart(&w->trace, ns, w->split->pieces);
    ns = w->trace.first_ns;
    map_finish(&w->threads);
    w->threads = (struct map){0};
    instants_restart(&w->instants);
    intern_restart(&w->intern);
    w->closing_bytes = 0;
    for (uint32_t i = 0; i < w->process_count; i++)
        carry_process(w, i, ns);
    for (uint32_t i = 1; i < w->heap_room; i++)
        carry_heap(w, i, ns);
    profiles_resume(&w->profiles, ns);
}

static int cut_piece(void *state)
{
    struct perfetto *w = state;
    end_tracks(w, w->split->end_ns);
    split_next(w->split);
    begin_tracks(w, w->split->begin_ns);
    return w->trace.out_of_memory ? -1 : 0;
}

/* The descriptors that the row's tracks need, if they are not in the piece yet. */
static uint64_t head_bytes(const struct perfetto *w, const struct eh_event *row)
{
    const struct eh_process *p = eh_model_process(w->trace.model, row->process);
    uint64_t bytes = 0;
    if (!number_of(w, row->process))
        bytes += PROCESS_HEAD_BYTES + length_of(p->name) + length_of(p->command_line) +
                 process_bytes(w, row->process);
    if (row->heap_index >= w->heap_room || !w->heaps[row->heap_index].track)
        bytes += HEAP_HEAD_BYTES + heap_bytes(w);
    return bytes;
}

static uint64_t instant_bytes(const struct perfetto *w, const struct eh_event *row)
{
    const struct eh_model *m = w->trace.model;
    uint64_t bytes = INSTANTS_HEAD_BYTES + INSTANT_BYTES + THREAD_BYTES +
                     length_of(eh_model_thread(m, row->thread)->name);
    struct eh_stack stack = eh_model_stack(m, row->stack);
    bool known = row->stack < w->instants.stack_known_room && w->instants.stack_known[row->stack];
    for (uint32_t i = 0; i < stack.depth && !known; i++)
        bytes += 8 + intern_frame_bytes(&w->intern, stack.frames[i]);
    return bytes;
}

/* At most two rows move a heap's counters: an event, and what it does to another block. */
static uint64_t row_bytes(const struct perfetto *w, const struct eh_event *row)
{
    bool whole_heap = row->kind == EH_CREATE || row->kind == EH_DESTROY || row->kind == EH_DROP;
    uint64_t bytes = 2 * (heap_bytes(w) + process_bytes(w, row->process)) + head_bytes(w, row) +
                     profiles_row_bytes(&w->profiles, row, whole_heap);
    return w->show_instants ? bytes + instant_bytes(w, row) : bytes;
}

/* When a process ends, each heap in the piece may have a point more. */
static uint64_t bytes_with(void *state, enum split_row what, const struct eh_event *row)
{
    const struct perfetto *w = state;
    return out_position(w->trace.out) + w->tail_bytes + w->closing_bytes +
           profiles_waiting(&w->profiles) +
           (what == SPLIT_END ? w->closing_bytes : row_bytes(w, row));
}

/* --- The writer -------------------------------------------------------------------------- */

enum {
    OPTION_PROFILE_DUMPS = TIMELINE_OPTIONS_END,
    OPTION_PROFILE_PER_HEAP,
};

static int perfetto_set(void *state, int id, const char *argument, struct eh_error *e)
{
    struct perfetto *w = state;
    uint64_t dumps;
    switch (id) {
    case OPTION_PROFILE_DUMPS:
        if (parse_u64(&dumps, argument, strlen(argument)) < 0 || dumps > MAX_PROFILE_DUMPS)
            return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                           "--profile-dumps takes a number from 0 (no profile) to %d, not '%s'",
                           MAX_PROFILE_DUMPS, argument);
        w->profiles.dumps = dumps;
        w->dumps_given = true;
        return 0;
    case OPTION_PROFILE_PER_HEAP:
        w->profiles.per_heap = true;
        return 0;
    default:
        return timeline_set(&w->timeline, id, argument, e);
    }
}

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

/* Where rows are left out, dumps cannot be spaced by their number. */
static void plan_dumps(struct perfetto *w, const struct eh_info *info)
{
    struct profiles *p = &w->profiles;
    p->by_time = w->filter && (w->filter->by_time || w->filter->heap_handles.count);
    p->from_ns = info->first_event_ns;
    w->dump_ns = next_dump(w, info);
    set_watch(w);
}

static int perfetto_begin(void *state, const struct writer_context *context, struct eh_error *e)
{
    struct perfetto *w = state;
    w->context = context;
    w->intern.trace = w->instants.trace = w->profiles.trace = &w->trace;
    w->instants.intern = w->profiles.intern = &w->intern;
    if (!w->dumps_given)
        w->profiles.dumps = PROFILE_DUMPS;
    w->bucket_ns = timeline_bucket_ns(&w->timeline, context->info);
    w->show_instants = timeline_instants(&w->timeline, context->info);
    w->filter = context->filter;
    w->split = context->split;
    w->last_event_ns = context->info->last_event_ns;
    plan_dumps(w, context->info);
    timeline_tell(&w->timeline, context);
    trace_start(&w->trace, context);
    return w->split && prepare_pieces(w) < 0 ? out_of_memory(e) : 0;
}

static inline void write_details(struct perfetto *w, struct process *p, const struct eh_event *row)
{
    if (w->show_instants && is_instant(row))
        write_instant(w, p, row);
    if (p->profile != NO_PROFILE)
        profile_row(&w->profiles, p->profile, row);
}

static inline int write_row(struct perfetto *w, const struct eh_event *row)
{
    bool known = row->heap_index < w->heap_room && w->heaps[row->heap_index].track;
    if (!known && meet(w, row) < 0)
        return -1;
    struct process *p;
    if (row->heap_index) {
        struct heap *h = &w->heaps[row->heap_index];
        p = &w->processes[h->process];
        heap_row(w, h, !known, row);
    } else {
        p = &w->processes[number_of(w, row->process) - 1];
    }
    write_details(w, p, row);
    return 0;
}

static void end_process(struct perfetto *w, const struct eh_event *row)
{
    uint32_t number = number_of(w, row->process);
    int64_t ns = w->split ? split_within(w->split, row->time_ns) : row->time_ns;
    if (!number)
        return;
    close_process(w, &w->processes[number - 1], ns, row->time_ns);
    w->processes[number - 1].ended = true;
}

static void count_elsewhere(struct perfetto *w, const struct eh_event *row)
{
    uint32_t number = number_of(w, row->process);
    struct curve_point point = {.time_ns = row->time_ns, .value = row->process_live_bytes};
    if (number)
        process_counter_point(&w->processes[number - 1].total, &w->trace, w->bucket_ns, &point);
}

static void take_special(struct perfetto *w, const struct eh_event *row)
{
    if (row->kind == EH_PROCESS_END)
        end_process(w, row);
    else if (row->kind == EH_ELSEWHERE)
        count_elsewhere(w, row);
    else if (row->kind == EH_EARLIER)
        profile_earlier(&w->profiles, row);
}

static int add_row(struct perfetto *w, const struct eh_event *row)
{
    if (row->kind > EH_DROP) {
        take_special(w, row);
        return 0;
    }
    if (row->time_ns > w->watch_ns)
        pass_watch(w, row->time_ns);
    return write_row(w, row);
}

static int add_row_of_piece(void *state, const struct eh_event *row)
{
    return add_row(state, row);
}

static const struct split_timeline timeline = {bytes_with, cut_piece, add_row_of_piece};

/* An alloc, free, realloc or drop in a heap that there is a place for. */
static inline bool is_usual(const struct perfetto *w, const struct eh_event *row)
{
    return (row->kind <= EH_REALLOC || row->kind == EH_DROP) && row->time_ns <= w->watch_ns &&
           row->heap_index < w->heap_room;
}

/* Writes usual rows of heaps that have had rows and returns how many they are: all before the first
 * other one. A function per row, as the others need, costs 20 instructions of each. */
static size_t write_thinned(struct perfetto *w, const struct eh_event *rows, size_t count)
{
    size_t i = 0;
    for (; i < count && is_usual(w, &rows[i]); i++) {
        const struct eh_event *row = &rows[i];
        struct heap *h = &w->heaps[row->heap_index];
        if (!h->track)
            break;
        struct process *p = &w->processes[h->process];
        if (is_change(row))
            counters_add_thinned(&h->counters, &p->total, &w->trace, w->bucket_ns, row);
        write_details(w, p, row);
    }
    return i;
}

/* The same for rows that are points of exact counters, of which both have had one. Heaps without
 * rows hold no point and so need no test of their own. Where there is no more to a row
 * (`only_points`, a constant), the sink is asked for room only when all that it had is used. */
EH_ALWAYS_INLINE size_t write_points(struct perfetto *w, const struct eh_event *rows, size_t count,
                                     bool only_points)
{
    struct out *out = w->trace.out;
    char *at = out_reserve(out, COUNTERS_BYTES);
    size_t room = only_points ? (size_t)(out->limit - at) / COUNTERS_BYTES : count;
    const struct eh_event *row = rows, *end = rows + (count < room ? count : room);
    for (; row < end && is_usual(w, row) && is_change(row); row++) {
        struct heap *h = &w->heaps[row->heap_index];
        struct process *p = &w->processes[h->process];
        if (!counters_hold_earlier(&h->counters, &p->total, row->time_ns))
            break;
        at = counters_put(at, &h->counters, &p->total, row);
        if (only_points)
            continue;
        out_commit(out, at);
        write_details(w, p, row);
        at = out_reserve(out, COUNTERS_BYTES);
    }
    out_commit(out, at);
    return (size_t)(row - rows);
}

static size_t write_rows(struct perfetto *w, const struct eh_event *rows, size_t count)
{
    if (w->bucket_ns != CURVE_EXACT)
        return write_thinned(w, rows, count);
    return w->show_instants || w->profiles.dumps ? write_points(w, rows, count, false)
                                                 : write_points(w, rows, count, true);
}

static int add_rows(struct perfetto *w, const struct eh_event *rows, size_t count)
{
    const struct eh_event *end = rows + count;
    while (rows < end) {
        rows += write_rows(w, rows, (size_t)(end - rows));
        if (rows < end && add_row(w, rows++) < 0)
            return -1;
    }
    return 0;
}

static int perfetto_rows(void *state, const struct eh_event *rows, size_t count,
                         struct eh_error *e)
{
    struct perfetto *w = state;
    int result = w->split ? split_timeline_rows(w->split, &timeline, w, rows, count)
                          : add_rows(w, rows, count);
    return result < 0 || w->trace.out_of_memory ? out_of_memory(e) : 0;
}

static int perfetto_tail(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct perfetto *w = state;
    trace_finish(&w->trace, stats);
    return w->trace.out_of_memory ? out_of_memory(e) : 0;
}

static void tell_left_out(const struct perfetto *w)
{
    if (w->intern.left_out)
        w->context->tell(w->context->tell_context, EH_WARNING,
                         "call stacks that came late are shown as [left out], because each process "
                         "defines its frames and all definitions have grown too long; choose less "
                         "with --process, --heap or --time, or cut the output with --split-time");
}

static int perfetto_end(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct perfetto *w = state;
    if (w->split && split_timeline_end(w->split, &timeline, w) < 0)
        return out_of_memory(e);
    for (size_t i = 0; i < w->process_count; i++)
        close_process(w, &w->processes[i], w->last_event_ns, INT64_MAX);
    describe_named_threads(w);
    tell_left_out(w);
    return perfetto_tail(w, stats, e);
}

static void perfetto_remark(const void *state, char *ret_text)
{
    const struct perfetto *w = state;
    timeline_remark(&w->timeline, w->trace.info, ret_text);
}

static void perfetto_done(void *state)
{
    struct perfetto *w = state;
    free(w->processes);
    free(w->process_of);
    free(w->thread_names);
    free(w->heaps);
    map_finish(&w->pids);
    map_finish(&w->threads);
    instants_finish(&w->instants);
    intern_finish(&w->intern);
    profiles_finish(&w->profiles);
}

static const struct option_spec perfetto_options[] = {
    TIMELINE_OPTIONS,
    {"profile-dumps", 0, "N", "times of heap profiles (default 20, 0: none)", OPTION_PROFILE_DUMPS},
    {"profile-per-heap", 0, NULL, "one heap profile per heap, not per process",
     OPTION_PROFILE_PER_HEAP},
    {0},
};

const struct writer perfetto_writer = {
    .command = "etl2perfetto",
    .summary = "Converts Windows heap traces (.etl) to Perfetto traces",
    .examples = "  etl2perfetto heap.etl             writes heap.pftrace, for ui.perfetto.dev\n"
                "  etl2perfetto heap.etl kernel.etl  two files of one recording, with names\n"
                "  etl2perfetto --resolution 100us --profile-dumps 50 big.etl\n",
    .suffix = ".pftrace",
    .filtered = true,
    .binary = true,
    .in_pieces = true,
    .state_size = sizeof(struct perfetto),
    .options = perfetto_options,
    .set = perfetto_set,
    .begin = perfetto_begin,
    .rows = perfetto_rows,
    .end = perfetto_end,
    .tail = perfetto_tail,
    .done = perfetto_done,
    .remark = perfetto_remark,
};
