#include "survey.h"

#include "base/inline.h"
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
    uint64_t whose; /* tally_whose(); 0: empty */
    uint64_t heaps; /* twice the count, and 1 if there are stacks: a slot of 16 bytes */
};

#define TALLY_STACKS 1u
#define TALLY_HEAP   2u

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

static inline uint64_t tally_whose(uint32_t boot, uint32_t pid)
{
    return ((uint64_t)boot << 32) + 1 + pid;
}

static int flush_tally(struct pass *p, struct tally *t)
{
    uint64_t whose = t->whose - 1;
    if (!t->whose)
        return 0;
    t->whose = 0;
    return owners_count_heap(p->survey->owners, (uint32_t)(whose >> 32), (uint32_t)whose,
                             t->heaps / TALLY_HEAP, t->heaps & TALLY_STACKS, p->e);
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
static inline struct tally *tally_slot(struct pass *p, uint32_t pid)
{
    return &p->tallies[(pid >> 2) % TALLY_SLOTS];
}

EH_NEVER_INLINE struct tally *take_slot(struct pass *p, struct tally *t, uint64_t whose)
{
    if (flush_tally(p, t) < 0)
        return NULL;
    *t = (struct tally){.whose = whose};
    return t;
}

/* The tally of a pid, in a slot taken from another's if need be; NULL on error. */
static inline struct tally *find_tally(struct pass *p, uint64_t whose)
{
    struct tally *t = tally_slot(p, (uint32_t)whose - 1);
    return t->whose == whose ? t : take_slot(p, t, whose);
}

static int count_heap(struct pass *p, const struct etl_stream *s, struct extremes *x,
                      unsigned type, uint32_t pid, uint32_t tid)
{
    p->by_type[type & 0xFF]++;
    widen(x, s->raw);
    if (pid == REC_NO_ID) {
        p->survey->info->has_ownerless = true;
        return 0;
    }
    remember(p, s->raw, pid, tid);
    struct tally *t = find_tally(p, tally_whose(s->clock->boot, pid));
    if (!t)
        return -1;
    t->heaps += TALLY_HEAP;
    return 0;
}

/* A stack record of a thread: whose process has heap records with stacks. */
static int note_stack(struct pass *p, uint32_t boot, int64_t event_raw, uint32_t pid, uint32_t tid)
{
    p->survey->info->has_stacks = true;
    p->to_remember = LIMIT_RECENT_SETS;
    struct tally *t = find_tally(p, tally_whose(boot, pid));
    if (!t)
        return -1;
    if (!(t->heaps & TALLY_STACKS) &&
        recent_has(p->heap_times, event_raw, recent_owner(pid, tid)))
        t->heaps |= TALLY_STACKS;
    return 0;
}

/* What count_run() keeps in registers while it reads bytes. */
struct run {
    struct pass *pass;
    const uint8_t *at, *end;
    uint32_t boot;
    uint64_t whose;   /* tally_whose(boot, 0) */
    int64_t raw;      /* of the last record; none before it in this stream is later */
    int64_t heap_raw; /* of the last heap record */
    uint64_t events;
};

/* A common heap record of `size` bytes. 1, 0 where it needs a closer look and nothing was done, -1
 * on error. */
EH_ALWAYS_INLINE int count_common(struct run *r, size_t size, unsigned type)
{
    struct pass *p = r->pass;
    const uint8_t *at = r->at;
    int64_t raw = load_i64(at + SYSTEM_TIME);
    uint32_t pid = load_u32(at + SYSTEM_PROCESS);
    if (raw < r->raw || pid == REC_NO_ID)
        return 0;
    struct tally *t = find_tally(p, r->whose + pid);
    if (!t)
        return -1;
    t->heaps += TALLY_HEAP;
    p->by_type[type]++;
    if (p->to_remember && !(t->heaps & TALLY_STACKS))
        remember(p, raw, pid, load_u32(at + SYSTEM_THREAD));
    r->raw = r->heap_raw = raw;
    r->events++;
    r->at = at + REC_STEP(size);
    return 1;
}

/* The same for a whole stack, of which most need no more than their process. */
EH_ALWAYS_INLINE int count_common_stack(struct run *r, uint64_t word)
{
    struct pass *p = r->pass;
    size_t step = REC_STEP(word >> 16 & 0xFFFF), left = (size_t)(r->end - r->at);
    int64_t raw = load_i64(r->at + PERFINFO_TIME);
    uint32_t pid = stack_pid_in_place(r->at);
    if (step > left || raw < r->raw)
        return 0;
    const struct tally *t = tally_slot(p, pid);
    if (t->whose != r->whose + pid || !(t->heaps & TALLY_STACKS)) {
        struct stack_record stack;
        stack_in_place(word, r->at, &stack);
        if (note_stack(p, r->boot, stack.event_raw, pid, stack.tid) < 0)
            return -1;
    }
    r->raw = raw;
    r->events++;
    r->at += step;
    return 1;
}

EH_ALWAYS_INLINE int count_one(struct run *r)
{
    uint64_t first = load_u64(r->at), word = first >> 16;
    if (word == HEAP_ALLOC_WORD(8))
        return count_common(r, HEAP_BYTES(3, 8), 0x21);
    if (word == HEAP_FREE_WORD(8))
        return count_common(r, HEAP_BYTES(2, 8), 0x24);
    if (stack_is_common(word) && rec_hooked_time(first)) /* without more header bytes */
        return count_common_stack(r, word);
    if (word == HEAP_REALLOC_WORD(8))
        return count_common(r, HEAP_BYTES(5, 8), 0x22);
    if (word == HEAP_ALLOC_WORD(4))
        return count_common(r, HEAP_BYTES(3, 4), 0x21);
    return word == HEAP_FREE_WORD(4) ? count_common(r, HEAP_BYTES(2, 4), 0x24) : 0;
}

/* Common heap and stack records, nearly all of a heap trace, are counted straight from their bytes
 * as long as they follow one another in time. The stream then stands before the first other record,
 * or close to the buffer's end. Its first heap record is never counted here: later ones are no
 * earlier, which spares a comparison each. */
EH_NEVER_INLINE int count_run(struct pass *p, struct etl_stream *s, struct extremes *x)
{
    struct run run = {.pass = p,
                      .at = s->at,
                      .end = s->end,
                      .boot = s->clock->boot,
                      .whose = tally_whose(s->clock->boot, 0),
                      .raw = s->raw,
                      .heap_raw = x->last_raw};
    if (s->raw != s->key || x->first_raw > x->last_raw ||
        (size_t)(s->end - s->at) < HEAP_LONGEST_BYTES)
        return 0;
    const uint8_t *last = s->end - HEAP_LONGEST_BYTES;
    int more = 1;
    while (more > 0 && run.at <= last)
        more = count_one(&run);
    if (run.events) {
        s->at = run.at;
        s->events += run.events;
        s->raw = s->key = run.raw;
        x->last_raw = run.heap_raw > x->last_raw ? run.heap_raw : x->last_raw;
    }
    return more < 0 ? -1 : 0;
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
    if (!stack_item_decode(&s->record, &frames))
        return 0;
    p->survey->info->has_stacks = true;
    struct tally *t = find_tally(p, tally_whose(s->clock->boot, s->record.process_id));
    if (!t)
        return -1;
    t->heaps |= TALLY_STACKS;
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
        info->heap_events[kind] += p->by_type[type];
        if (kind == EH_UNKNOWN)
            info->unknown_types[type] = p->by_type[type];
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

/* Moves a stream on to its next record that tells of processes, threads, images or stack keys, or
 * to the end of a buffer, so that the streams keep roughly level and the input is read from front
 * to back. */
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
    if (!space.kernel && !space.id)
        return 0; /* of a process that found no place */
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
    if (!space.kernel && !space.id)
        return 0;
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
