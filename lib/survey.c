#include "survey.h"

#include "base/recent.h"
#include "container/etl_merge.h"
#include "decode/heap.h"
#include "decode/route.h"

#include <errno.h>
#include <stdlib.h>

/* Heap records are counted by pid in a few slots, which are handed to the owners when another pid
 * needs the slot or a process record comes. */
#define TALLY_SLOTS 64

struct tally {
    uint32_t boot, pid;
    uint64_t count;
    bool used, stacks;
};

/* Extremes of a stream's heap records, kept raw: converting each would cost more than the rest. */
struct extremes {
    int64_t first_raw, last_raw; /* INT64_MAX and INT64_MIN without any */
};

struct pass {
    const struct survey *survey;
    struct merge merge;
    struct extremes *extremes; /* by stream */
    uint32_t to_remember; /* so many more heap records while no stack has been seen */
    struct recent *heap_times; /* (raw time, thread) of heap records, to know whose have stacks */
    struct eh_error *e;
    uint64_t by_type[256];
    struct tally tallies[TALLY_SLOTS];
};

static int flush_tally(struct pass *p, struct tally *t)
{
    bool used = t->used;
    t->used = false;
    return used ? owners_count_heap(p->survey->owners, t->boot, t->pid, t->count, t->stacks, p->e)
                : 0;
}

static int flush_tallies(struct pass *p)
{
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (flush_tally(p, &p->tallies[i]) < 0)
            return -1;
    return 0;
}

static inline void widen(struct extremes *x, int64_t raw)
{
    x->first_raw = raw < x->first_raw ? raw : x->first_raw;
    x->last_raw = raw > x->last_raw ? raw : x->last_raw;
}

/* Whether a heap record has a stack is worth knowing only where there are stacks: without any, this
 * ends after a while, until the first is seen. */
static inline void remember(struct pass *p, int64_t raw, uint32_t pid, uint32_t tid)
{
    if (p->to_remember) {
        p->to_remember -= !p->survey->info->has_stacks;
        recent_add(p->heap_times, raw, recent_owner(pid, tid));
    }
}

/* Windows' ids are multiples of four. */
static struct tally *tally_slot(struct pass *p, uint32_t pid)
{
    return &p->tallies[(pid >> 2) % TALLY_SLOTS];
}

static int take_slot(struct pass *p, struct tally *t, uint32_t boot, uint32_t pid)
{
    if (flush_tally(p, t) < 0)
        return -1;
    *t = (struct tally){.boot = boot, .pid = pid, .used = true};
    return 0;
}

/* The tally of a pid, emptied of another's. */
static inline int find_tally(struct pass *p, uint32_t boot, uint32_t pid, struct tally **ret_tally)
{
    struct tally *t = tally_slot(p, pid);
    *ret_tally = t;
    return t->used && t->pid == pid && t->boot == boot ? 0 : take_slot(p, t, boot, pid);
}

static int count_heap(struct pass *p, const struct etl_stream *s, struct extremes *x,
                      unsigned type, uint32_t pid, uint32_t tid)
{
    struct tally *t;
    p->by_type[type & 0xFF]++;
    widen(x, s->raw);
    if (pid == REC_NO_ID)
        return 0;
    remember(p, s->raw, pid, tid);
    if (find_tally(p, s->clock->boot, pid, &t) < 0)
        return -1;
    t->count++;
    return 0;
}

/* A stack record of a thread: whose process has heap records with stacks. */
static int note_stack(struct pass *p, uint32_t boot, int64_t event_raw, uint32_t pid, uint32_t tid)
{
    struct tally *t;
    p->survey->info->has_stacks = true;
    p->to_remember = LIMIT_RECENT_SETS;
    if (find_tally(p, boot, pid, &t) < 0)
        return -1;
    t->stacks = t->stacks || recent_has(p->heap_times, event_raw, recent_owner(pid, tid));
    return 0;
}

/* A SYSTEM record of the heap group whose header names its process. */
static inline bool is_heap_record(const uint8_t *at, uint64_t first)
{
    return first >> 56 == HEAP_GROUP && rec_is_system(first) &&
           rec_hooked_size(first) >= SYSTEM_BYTES && load_u32(at + SYSTEM_PROCESS) != REC_NO_ID;
}

/* What count_run() sums up of a run: in variables of its own, which stay in registers while it reads
 * bytes (18 instructions an event less). */
struct run {
    int64_t raw, key, first_raw, last_raw;
    uint64_t steps_back, events;
};

static struct run run_begin(const struct etl_stream *s, const struct extremes *x)
{
    return (struct run){s->raw, s->key, x->first_raw, x->last_raw, 0, 0};
}

static void run_end(const struct run *r, struct etl_stream *s, struct extremes *x)
{
    s->raw = r->raw;
    s->key = r->key;
    s->steps_back += r->steps_back;
    s->events += r->events;
    *x = (struct extremes){r->first_raw, r->last_raw};
}

static inline void run_time(struct run *r, int64_t raw)
{
    r->steps_back += raw < r->raw;
    r->raw = raw;
    r->key = raw > r->key ? raw : r->key;
    r->events++;
}

/* Counts heap and whole stack records as long as they follow one another: nearly all of a heap
 * trace, so they are counted straight from their bytes and not taken apart. The stream
 * then stands before the first other record. */
static int count_run(struct pass *p, struct etl_stream *s, struct extremes *x)
{
    const uint8_t *at = s->at, *end = s->end;
    uint32_t boot = s->clock->boot, last_pid = REC_NO_ID;
    struct run run = run_begin(s, x);
    struct tally *t = NULL;
    int result = 0;
    for (size_t left; (left = (size_t)(end - at)) >= SYSTEM_BYTES;) {
        uint64_t first = load_u64(at);
        size_t size = rec_hooked_size(first);
        if (size > left)
            break;
        if (is_heap_record(at, first)) {
            uint32_t pid = load_u32(at + SYSTEM_PROCESS);
            if (pid != last_pid && (result = find_tally(p, boot, pid, &t)) < 0)
                break;
            last_pid = pid;
            t->count++;
            p->by_type[first >> 48 & 0xFF]++;
            int64_t raw = load_i64(at + SYSTEM_TIME);
            run_time(&run, raw);
            run.first_raw = raw < run.first_raw ? raw : run.first_raw;
            run.last_raw = raw > run.last_raw ? raw : run.last_raw;
            if (p->to_remember && !t->stacks)
                remember(p, raw, pid, load_u32(at + SYSTEM_THREAD));
        } else if (rec_hooked_time(first) && stack_is_common(first >> 16)) {
            struct stack_record stack;
            stack_in_place(first >> 16, at, &stack);
            bool noted = stack.pid == last_pid && t && t->stacks;
            if (!noted && (result = note_stack(p, boot, stack.event_raw, stack.pid, stack.tid)) < 0)
                break;
            if (!noted)
                last_pid = REC_NO_ID; /* its tally may have gone to another */
            run_time(&run, load_i64(at + PERFINFO_TIME));
        } else {
            break;
        }
        at += REC_STEP(size) < left ? REC_STEP(size) : left;
    }
    run_end(&run, s, x);
    s->at = at;
    return result;
}

static int count_stack(struct pass *p, struct etl_stream *s, unsigned type)
{
    struct stack_record stack;
    if (!stack_decode(etl_stream_record(s), type, &stack))
        return 0;
    return note_stack(p, s->clock->boot, stack.event_raw, stack.pid, stack.tid);
}

/* EVENT_HEADER records may carry their stack along. */
static int count_own_stack(struct pass *p, const struct etl_stream *s)
{
    struct raw_frames frames;
    struct tally *t;
    if (!stack_item_decode(&s->record, &frames))
        return 0;
    p->survey->info->has_stacks = true;
    if (find_tally(p, s->clock->boot, s->record.process_id, &t) < 0)
        return -1;
    t->stacks = true;
    return 0;
}

/* Turns what was counted per stream and type into the info. */
static void settle_counts(const struct pass *p)
{
    struct eh_info *info = p->survey->info;
    const struct etl_trace *t = p->survey->trace;
    bool any_heap = false, any = false;
    for (unsigned type = 0; type < 256; type++) {
        enum eh_kind kind = heap_kind(type);
        info->heap_records += p->by_type[type];
        if (kind == EH_ALLOC || kind == EH_FREE || kind == EH_REALLOC)
            info->block_records += p->by_type[type];
    }
    for (size_t i = 0; i < t->stream_count; i++) {
        const struct etl_stream *s = &t->streams[i];
        const struct extremes *x = &p->extremes[i];
        int64_t end = t->one_axis ? etl_time_ns(s->clock, s->key) : s->key;
        if (s->raw != INT64_MIN && (!any || end > info->last_record_ns))
            info->last_record_ns = end;
        any |= s->raw != INT64_MIN;
        if (x->first_raw > x->last_raw)
            continue;
        int64_t first = etl_time_ns(s->clock, x->first_raw);
        int64_t last = etl_time_ns(s->clock, x->last_raw);
        if (!any_heap || first < info->first_event_ns)
            info->first_event_ns = first;
        if (!any_heap || last > info->last_event_ns)
            info->last_event_ns = last;
        any_heap = true;
    }
}

/* Records with the heap GUID give a row only where their size is exactly that of a known layout. */
static bool gives_row(const struct record *r, unsigned type)
{
    struct eh_event row = {0};
    struct heap_extra extra;
    return heap_decode(r, type, true, &row, &extra) == HEAP_FITS;
}

/* Moves a stream on to its next record that tells of processes, threads, images or stack keys, or to
 * the end of a buffer, so that the streams keep roughly level and the input is read from front to
 * back. */
static enum etl_step next_context(struct pass *p, struct etl_stream *s, struct extremes *x)
{
    struct etl_trace *t = p->survey->trace;
    for (;;) {
        if (s->raw_is_key && count_run(p, s, x) < 0)
            return ETL_ERROR;
        enum etl_step step = etl_stream_next(t, s, true, p->e);
        if (step != ETL_RECORD)
            return step;
        s->events++;
        int hook = etl_stream_hook(s);
        if (hook >= 0 && route_hook((unsigned)hook) == ROUTE_NONE)
            continue;
        const struct record *r = etl_stream_record(s);
        unsigned type;
        switch (route_record(r, &type)) {
        case ROUTE_HEAP_CLASS:
            if (!gives_row(r, type))
                break;
            /* fall through */
        case ROUTE_HEAP:
            if (count_heap(p, s, x, type, r->process_id, r->thread_id) < 0 ||
                count_own_stack(p, s) < 0)
                return ETL_ERROR;
            break;
        case ROUTE_STACK:
        case ROUTE_STACK_KEY:
            if (count_stack(p, s, type) < 0)
                return ETL_ERROR;
            break;
        case ROUTE_NONE:
        case ROUTE_SWITCH:
            break;
        default:
            return ETL_RECORD;
        }
    }
}

/* Where an image record's image lives: pids 0 and 4 are the kernel's. */
static int find_space(struct pass *p, uint32_t boot, uint32_t pid, struct image_space *ret_space)
{
    *ret_space = (struct image_space){.kernel = is_kernel_pid(pid), .id = boot};
    return ret_space->kernel ? 0
                             : owners_process(p->survey->owners, boot, pid, &ret_space->id, p->e);
}

static int take_image(struct pass *p, const struct etl_stream *s, unsigned type)
{
    struct image_record image;
    struct image_space space;
    if (!image_decode(&s->record, &image))
        return 0;
    if (find_space(p, s->clock->boot, image.pid, &space) < 0)
        return -1;
    return images_record(p->survey->images, space, type, &image, p->e);
}

static int take_pdb(struct pass *p, const struct etl_stream *s)
{
    struct pdb_record pdb;
    struct image_space space;
    if (!pdb_decode(&s->record, &pdb))
        return 0;
    if (find_space(p, s->clock->boot, pdb.pid, &space) < 0)
        return -1;
    return images_pdb(p->survey->images, space, &pdb, p->e);
}

static int take_definition(struct pass *p, const struct etl_stream *s)
{
    uint64_t key;
    struct raw_frames frames;
    uint32_t session = (uint32_t)(s->clock - p->survey->trace->clocks);
    if (!stack_definition_decode(&s->record, &key, &frames))
        return 0;
    return stack_keys_define(p->survey->keys, session, s->key, key, &frames, p->e);
}

static int take_process(struct pass *p, const struct moment *m, const struct record *r,
                        unsigned type)
{
    struct process_record process;
    uint32_t ended;
    if (flush_tallies(p) < 0)
        return -1;
    if (!process_decode(r, &process))
        return 0;
    return owners_process_record(p->survey->owners, m, type, &process, &ended, p->e);
}

static int take_context(struct pass *p, struct etl_stream *s)
{
    const struct record *r = etl_stream_record(s);
    struct owners *o = p->survey->owners;
    struct moment m = {s->clock->boot, r->raw, etl_time_ns(s->clock, r->raw)};
    struct thread_record thread;
    struct volume_record volume;
    unsigned type;
    switch (route_record(r, &type)) {
    case ROUTE_PROCESS:
        return take_process(p, &m, r, type);
    case ROUTE_THREAD:
        return thread_decode(r, &thread) ? owners_thread_record(o, &m, type, &thread, p->e) : 0;
    case ROUTE_THREAD_NAME:
        return thread_name_decode(r, &thread) ? owners_thread_name(o, &m, &thread, p->e) : 0;
    case ROUTE_IMAGE:
        return take_image(p, s, type);
    case ROUTE_PDB:
        return take_pdb(p, s);
    case ROUTE_VOLUME:
        return volume_decode(r, &volume) ? images_volume(p->survey->images, &volume, p->e) : 0;
    case ROUTE_STACK_DEFINITION:
        return take_definition(p, s);
    default:
        return 0;
    }
}

static int report_progress(const struct pass *p)
{
    const struct survey *s = p->survey;
    if (s->progress && s->progress(s->context, s->trace->bytes_done,
                                   s->trace->passes * s->trace->bytes_total))
        return eh_fail(p->e, EH_ERR_IO, EINTR, EH_NO_OFFSET, "stopped");
    return 0;
}

/* Moves stream `i` on. 1, 0 when it has ended, -1 on error. */
static int advance(struct pass *p, uint32_t i)
{
    enum etl_step step = next_context(p, &p->survey->trace->streams[i], &p->extremes[i]);
    if (step == ETL_ERROR || (step == ETL_BUFFER && report_progress(p) < 0))
        return -1;
    return step != ETL_END;
}

static int start(struct pass *p)
{
    struct etl_trace *t = p->survey->trace;
    etl_trace_rewind(t, true);
    for (uint32_t i = 0; i < t->stream_count; i++) {
        if (etl_stream_peek(t, &t->streams[i], p->e) < 0)
            return -1;
        merge_enter(&p->merge, i, t->streams[i].key);
    }
    merge_build(&p->merge);
    return 0;
}

static void tell_full_keys(const struct pass *p)
{
    const struct etl_trace *t = p->survey->trace;
    if (p->survey->keys->full)
        notice(&t->notices, EH_DAMAGE, t->files[0].path, EH_NO_OFFSET, 0,
               "defines more than %u stacks by key, or more than %u MiB of them; events after that "
               "have no stack",
               (unsigned)LIMIT_STACKS, (unsigned)(LIMIT_KEY_BYTES >> 20));
}

static int run(struct pass *p)
{
    struct etl_trace *t = p->survey->trace;
    if (start(p) < 0)
        return -1;
    for (uint32_t i; !((i = merge_next(&p->merge)) & MERGE_ENDED);) {
        if (t->streams[i].current && take_context(p, &t->streams[i]) < 0)
            return -1;
        int more = advance(p, i);
        if (more < 0)
            return -1;
        if (more)
            merge_move(&p->merge, t->streams[i].key);
        else
            merge_end(&p->merge);
    }
    if (flush_tallies(p) < 0)
        return -1;
    etl_trace_count(t);
    settle_counts(p);
    tell_full_keys(p);
    stack_keys_restart(p->survey->keys);
    if (images_settle(p->survey->images, p->e) < 0)
        return -1;
    return owners_settle(p->survey->owners, p->e);
}

int survey_run(const struct survey *s, struct eh_error *e)
{
    struct pass p = {.survey = s, .e = e, .to_remember = LIMIT_RECENT_SETS};
    p.extremes = calloc(s->trace->stream_count, sizeof *p.extremes);
    p.heap_times = calloc(1, sizeof *p.heap_times);
    int result = -1;
    for (size_t i = 0; p.extremes && i < s->trace->stream_count; i++)
        p.extremes[i] = (struct extremes){INT64_MAX, INT64_MIN};
    if (!p.extremes || !p.heap_times || merge_init(&p.merge, s->trace->stream_count) < 0)
        eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    else
        result = run(&p);
    merge_finish(&p.merge);
    free(p.extremes);
    free(p.heap_times);
    return result;
}
