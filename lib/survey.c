#include "survey.h"

#include "base/inline.h"
#include "base/recent.h"
#include "container/etl_merge.h"
#include "decode/heap.h"
#include "decode/route.h"

#include <stdlib.h>

/* Heap records are counted by pid in a few slots, which are handed to the owners when another pid
 * needs the slot or a process record comes. Windows' ids are multiples of four: a quarter of the
 * slots serves, but the others cost less than a division. */
#define TALLY_SLOTS 256

/* By slot. Two arrays, since a slot of both would take two instructions more for each record. */
struct tallies {
    uint64_t whose[TALLY_SLOTS]; /* tally_whose(), with TALLY_WATCHED while that holds; 0: empty */
    uint64_t heaps[TALLY_SLOTS]; /* twice the count, and 1 if there are stacks */
};

#define TALLY_STACKS  1u
#define TALLY_HEAP    2u
/* Its heap records are remembered: whether they have stacks is not known yet, and asked for. As
 * part of the name it costs no test of its own where records are only counted. */
#define TALLY_WATCHED (UINT64_C(1) << 63)
/* Stacks may name no process; heap records without one must not find their tally. */
#define TALLY_NOBODY  (UINT64_C(1) << 62)

/* Extremes of a stream's heap records, kept raw: converting each would cost more than the rest. */
struct extremes {
    int64_t first_raw, last_raw; /* INT64_MAX and INT64_MIN without any */
};

struct pass {
    const struct survey *survey;
    struct merge merge;
    struct extremes *extremes; /* by stream */
    bool remembers; /* heap records of all tallies without stacks so far, which are watched */
    struct recent *heap_times; /* (raw time, thread) of those, to know whose have stacks */
    struct recent_pair *early; /* the same before stacks are seen, first at the end */
    uint32_t early_left;       /* room for so many more, before those that are there */
    struct eh_error *e;
    uint64_t by_type[256];
    struct tallies tallies;
};

/* A process: what tally_whose() is of pid 0, and the pid. */
static inline uint64_t tally_base(uint32_t boot)
{
    return ((uint64_t)boot << 32) + 1;
}

static inline uint64_t tally_whose(uint32_t boot, uint32_t pid)
{
    return (tally_base(boot) + pid) | (pid == REC_NO_ID ? TALLY_NOBODY : 0);
}

static int flush_tally(struct pass *p, size_t slot)
{
    uint64_t whose = (p->tallies.whose[slot] & ~(TALLY_WATCHED | TALLY_NOBODY)) - 1;
    uint64_t heaps = p->tallies.heaps[slot];
    if (!p->tallies.whose[slot])
        return 0;
    p->tallies.whose[slot] = p->tallies.heaps[slot] = 0;
    return owners_count_heap(p->survey->owners, (uint32_t)(whose >> 32), (uint32_t)whose,
                             heaps / TALLY_HEAP, heaps & TALLY_STACKS, p->e);
}

static int flush_tallies(struct pass *p)
{
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (flush_tally(p, i) < 0)
            return -1;
    return 0;
}

static inline void widen(struct extremes *x, int64_t raw)
{
    x->first_raw = raw < x->first_raw ? raw : x->first_raw;
    x->last_raw = raw > x->last_raw ? raw : x->last_raw;
}

/* Gives the pid its slot, taken from another's if need be. 0, or -1 on error. */
static int take_slot(struct pass *p, uint64_t whose)
{
    size_t slot = (whose - 1) % TALLY_SLOTS;
    if ((p->tallies.whose[slot] & ~TALLY_WATCHED) == whose)
        return 0;
    if (flush_tally(p, slot) < 0)
        return -1;
    p->tallies.whose[slot] = whose | (p->remembers ? TALLY_WATCHED : 0);
    return 0;
}

/* Whether a heap record has a stack is worth knowing only where there are stacks: without any, this
 * ends after a while, until the first is seen. What was remembered before goes into the table only
 * then: in traces without stacks that spares 30 instructions and a cache miss each. */
static inline void remember_early(struct pass *p, int64_t raw, uint32_t pid, uint32_t tid)
{
    p->early[--p->early_left] = (struct recent_pair){raw, recent_owner(pid, tid)};
}

/* Adds a heap record of a process to its tally. */
static int add_heap(struct pass *p, uint64_t whose, int64_t raw, uint32_t tid)
{
    uint32_t pid = (uint32_t)whose - 1;
    uint64_t *slot = &p->tallies.whose[pid % TALLY_SLOTS];
    if (take_slot(p, whose) < 0)
        return -1;
    p->remembers = p->survey->info->has_stacks ? p->remembers : p->early_left;
    if (!p->remembers)
        *slot = whose;
    else if (*slot != whose && p->early_left)
        remember_early(p, raw, pid, tid);
    else if (*slot != whose)
        recent_add(p->heap_times, raw, recent_owner(pid, tid));
    p->tallies.heaps[pid % TALLY_SLOTS] += TALLY_HEAP;
    return 0;
}

static void confirm_stacks(struct pass *p, uint64_t whose)
{
    size_t slot = (whose - 1) % TALLY_SLOTS;
    p->tallies.heaps[slot] |= TALLY_STACKS;
    p->tallies.whose[slot] = whose;
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
    return add_heap(p, tally_whose(s->clock->boot, pid), s->raw, tid);
}

/* There are stacks: what was remembered so far is looked up from now on. */
static void meet_stacks(struct pass *p)
{
    if (p->survey->info->has_stacks)
        return;
    p->survey->info->has_stacks = true;
    p->remembers = p->early_left > 0;
    for (uint32_t i = LIMIT_RECENT_SETS; i > p->early_left; i--)
        recent_add(p->heap_times, p->early[i - 1].time, p->early[i - 1].id);
    p->early_left = 0;
}

/* It matters from now on whose they are. */
static void watch_all(struct pass *p)
{
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (p->tallies.whose[i] && !(p->tallies.heaps[i] & TALLY_STACKS))
            p->tallies.whose[i] |= TALLY_WATCHED;
    p->remembers = true;
}

/* A stack record of a thread: whose process has heap records with stacks. */
static int note_stack(struct pass *p, uint32_t boot, int64_t event_raw, uint32_t pid, uint32_t tid)
{
    uint64_t whose = tally_whose(boot, pid);
    meet_stacks(p);
    if (!p->remembers)
        watch_all(p);
    if (take_slot(p, whose) < 0)
        return -1;
    if (!(p->tallies.heaps[pid % TALLY_SLOTS] & TALLY_STACKS) &&
        recent_has(p->heap_times, event_raw, recent_owner(pid, tid)))
        confirm_stacks(p, whose);
    return 0;
}

/* Common records on their way through a buffer. */
struct run {
    struct pass *pass;
    const uint8_t *at, *last, *end; /* a record at `last` or before has HEAP_LONGEST_BYTES */
    uint64_t base;    /* tally_base() */
    int64_t raw;      /* of the last record; none before it in this stream is later */
    int64_t heap_raw; /* of the last heap record */
    uint64_t events;
};

static inline size_t step_in_place(const uint8_t *record)
{
    return REC_STEP((size_t)load_u16(record + HOOK_SIZE));
}

/* Counts what only adds to its tally, up to the first record that asks for more. Without calls all
 * stays in registers, and no branch tells an alloc from a free, which no processor can guess: 30
 * instructions for a heap record, 36 for a stack, instead of 44 and 54. */
EH_NEVER_INLINE void count_settled(struct run *r)
{
    struct run run = *r;
    struct pass *p = run.pass;
    struct tallies *t = &p->tallies;
    while (run.at <= run.last) {
        const uint8_t *at = run.at;
        uint64_t first = load_u64(at);
        int64_t raw;
        if (heap_is_common(first >> 16)) {
            uint32_t pid = load_u32(at + SYSTEM_PROCESS);
            raw = load_i64(at + SYSTEM_TIME);
            if (raw < run.raw)
                break;
            if (t->whose[pid % TALLY_SLOTS] != run.base + pid) {
                if (t->whose[pid % TALLY_SLOTS] != ((run.base + pid) | TALLY_WATCHED) ||
                    !p->early_left)
                    break;
                remember_early(p, raw, pid, load_u32(at + SYSTEM_THREAD));
            }
            t->heaps[pid % TALLY_SLOTS] += TALLY_HEAP;
            p->by_type[at[HOOK_ID]]++;
            run.heap_raw = raw;
        } else if (stack_is_plain(first)) {
            uint32_t pid = stack_pid_in_place(at);
            raw = load_i64(at + PERFINFO_TIME);
            if (raw < run.raw || t->whose[pid % TALLY_SLOTS] != run.base + pid ||
                !(t->heaps[pid % TALLY_SLOTS] & TALLY_STACKS) ||
                step_in_place(at) > (size_t)(run.end - at))
                break;
        } else {
            break;
        }
        run.raw = raw;
        run.at += step_in_place(at);
        run.events++;
    }
    *r = run;
}

/* A common heap record, whatever it asks for. 1, 0 where it needs a closer look and nothing was
 * done, -1 on error. */
static int count_common(struct run *r)
{
    struct pass *p = r->pass;
    int64_t raw = load_i64(r->at + SYSTEM_TIME);
    uint32_t pid = load_u32(r->at + SYSTEM_PROCESS);
    if (raw < r->raw || pid == REC_NO_ID)
        return 0;
    if (add_heap(p, r->base + pid, raw, load_u32(r->at + SYSTEM_THREAD)) < 0)
        return -1;
    p->by_type[r->at[HOOK_ID]]++;
    r->raw = r->heap_raw = raw;
    return 1;
}

/* The same for a whole stack. */
static int count_common_stack(struct run *r, uint64_t word)
{
    int64_t raw = load_i64(r->at + PERFINFO_TIME);
    struct stack_record stack;
    if (step_in_place(r->at) > (size_t)(r->end - r->at) || raw < r->raw)
        return 0;
    stack_in_place(word, r->at, &stack);
    r->raw = raw;
    uint32_t boot = (uint32_t)(r->base >> 32);
    return note_stack(r->pass, boot, stack.event_raw, stack.pid, stack.tid) < 0 ? -1 : 1;
}

static int count_one(struct run *r)
{
    uint64_t first = load_u64(r->at), word = first >> 16;
    int more = heap_is_common(word)    ? count_common(r)
               : stack_is_plain(first) ? count_common_stack(r, word)
                                       : 0;
    if (more > 0) {
        r->at += step_in_place(r->at);
        r->events++;
    }
    return more;
}

/* Common heap and stack records, nearly all of a heap trace, are counted straight from their bytes
 * as long as they follow one another in time. The stream then stands before the first other record,
 * or close to the buffer's end. Its first heap record is never counted here: later ones are no
 * earlier, which spares a comparison each. */
static int count_run(struct pass *p, struct etl_stream *s, struct extremes *x)
{
    if (s->raw != s->key || x->first_raw > x->last_raw ||
        (size_t)(s->end - s->at) < HEAP_LONGEST_BYTES)
        return 0;
    struct run run = {.pass = p,
                      .at = s->at,
                      .last = s->end - HEAP_LONGEST_BYTES,
                      .end = s->end,
                      .base = tally_base(s->clock->boot),
                      .raw = s->raw,
                      .heap_raw = x->last_raw};
    int more = 1;
    while (more > 0 && run.at <= run.last) {
        count_settled(&run);
        more = run.at <= run.last ? count_one(&run) : 0;
    }
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
    uint64_t whose = tally_whose(s->clock->boot, s->record.process_id);
    meet_stacks(p);
    if (take_slot(p, whose) < 0)
        return -1;
    confirm_stacks(p, whose);
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

/* Moves stream `i` on. 1, 0 when it has ended, -1 on error. */
static int advance(struct pass *p, uint32_t i)
{
    struct etl_trace *t = p->survey->trace;
    enum etl_step step = next_context(p, &t->streams[i], &p->extremes[i]);
    if (step == ETL_ERROR || (step == ETL_BUFFER && etl_trace_progress(t, p->e) < 0))
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
    struct pass p = {.survey = s, .e = e, .remembers = true,
                     .early_left = LIMIT_RECENT_SETS};
    p.extremes = calloc(s->trace->stream_count, sizeof *p.extremes);
    p.heap_times = calloc(1, sizeof *p.heap_times);
    p.early = malloc(LIMIT_RECENT_SETS * sizeof *p.early);
    int result = -1;
    for (size_t i = 0; p.extremes && i < s->trace->stream_count; i++)
        p.extremes[i] = (struct extremes){INT64_MAX, INT64_MIN};
    if (!p.extremes || !p.heap_times || !p.early ||
        merge_init(&p.merge, s->trace->stream_count) < 0)
        eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    else
        result = run(&p);
    merge_finish(&p.merge);
    free(p.extremes);
    free(p.heap_times);
    free(p.early);
    return result;
}
