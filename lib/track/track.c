#include "track/track.h"

#include "base/array.h"
#include "base/inline.h"
#include "base/limits.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define LATE_FREE_NS INT64_C(1000000) /* semantics 2: the 1 ms rule */
#define FAR_APART_NS INT64_C(1000000000)

void track_init(struct track *t, struct eh_model *model, struct eh_stats *stats)
{
    *t = (struct track){.model = model, .stats = stats, .slab.salt = hash_salt(t)};
}

void track_finish(struct track *t)
{
    for (size_t i = 0; i < t->heap_room; i++)
        live_clear(&t->heaps[i].live);
    slab_finish(&t->slab);
    map_finish(&t->heap_ids);
    free(t->heaps);
    free(t->processes);
}

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for the live blocks");
}

/* Grows a table of zeroed states so that index `need` exists. */
static int reserve_states(void **states, size_t *room, size_t need, size_t size)
{
    size_t before = *room;
    if (need < before)
        return 0;
    if (array_reserve(states, room, need + 1, size) < 0)
        return -1;
    memset((char *)*states + before * size, 0, (*room - before) * size);
    return 0;
}

static int reserve_process(struct track *t, uint32_t process)
{
    return reserve_states((void **)&t->processes, &t->process_room, process, sizeof *t->processes);
}

static int new_heap(struct track *t, uint32_t process, uint64_t handle, uint32_t *ret_heap)
{
    uint32_t heap;
    if (reserve_process(t, process) < 0 ||
        model_add_heap(t->model, &(struct eh_heap){process, handle}, &heap) < 0 ||
        reserve_states((void **)&t->heaps, &t->heap_room, heap, sizeof *t->heaps) < 0 ||
        map_set(&t->heap_ids, process, handle, heap) < 0)
        return -1;
    t->heaps[heap].process = process;
    t->heaps[heap].next_heap = t->processes[process].heaps;
    t->processes[process].heaps = heap;
    *ret_heap = heap;
    return 0;
}

EH_ALWAYS_INLINE int find_heap(struct track *t, uint32_t process, uint64_t handle, uint32_t *ret_heap)
{
    struct heap_cache *c =
        &t->cache[((handle ^ process) * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - HEAP_CACHE_BITS)];
    if (c->heap && c->process == process && c->handle == handle) {
        *ret_heap = c->heap;
        return 0;
    }
    uint32_t heap = map_get(&t->heap_ids, process, handle);
    if (!heap && new_heap(t, process, handle, &heap) < 0)
        return -1;
    *c = (struct heap_cache){handle, process, heap};
    *ret_heap = heap;
    return 0;
}

static inline void set_live(const struct track *t, struct eh_event *row)
{
    const struct heap_state *h = &t->heaps[row->heap_index];
    const struct process_state *p = &t->processes[row->process];
    row->flags |= EH_HAS_LIVE;
    row->heap_live_bytes = h->bytes;
    row->heap_live_blocks = h->live.count;
    row->process_live_bytes = p->bytes;
    row->process_live_blocks = p->blocks;
}

static int64_t age(const struct block *b, int64_t now)
{
    return now > b->birth_ns ? now - b->birth_ns : 0;
}

static inline void change_bytes(struct track *t, struct heap_state *h, uint64_t plus, uint64_t minus,
                         int64_t time_ns)
{
    h->bytes += plus - minus;
    t->processes[h->process].bytes += plus - minus;
    t->bytes += plus - minus;
    if (t->bytes > t->stats->peak_live_bytes) {
        t->stats->peak_live_bytes = t->bytes;
        t->stats->peak_time_ns = time_ns;
        t->stats->has_peak = true;
    }
}

/* The state's side of a block's going: figures and slab. The table is the caller's to change. */
static inline void forget(struct track *t, struct heap_state *h, uint32_t id, int64_t time_ns)
{
    struct block *b = slab_block(&t->slab, id);
    t->processes[h->process].blocks--;
    change_bytes(t, h, 0, b->size, time_ns);
    if (b->replaced)
        slab_give(&t->slab, b->replaced);
    slab_give(&t->slab, id);
}

static void remove_block(struct track *t, struct heap_state *h, struct live_place place,
                         int64_t time_ns)
{
    live_cut(&h->live, place);
    forget(t, h, place.id, time_ns);
}

static void set_origin(const struct block *b, struct eh_event *row)
{
    if (b->origin & BLOCK_SOURCE)
        row->block_source = b->origin & ~BLOCK_SOURCE;
    else
        row->block_stack = b->origin;
}

/* Fills `row` with what is reported of a block that goes. */
static inline void report_removal(const struct block *b, struct eh_event *row)
{
    row->size = b->size;
    row->lifetime_ns = age(b, row->time_ns);
    set_origin(b, row);
    row->flags |= EH_REMOVED | EH_HAS_SIZE | EH_HAS_LIFETIME;
}

/* Writes the row of a block that goes without a free record. */
static struct eh_event drop_row(const struct eh_event *cause, uint64_t address, uint8_t reason)
{
    return (struct eh_event){
        .time_ns = cause->time_ns,
        .raw_time = cause->raw_time,
        .process = cause->process,
        .heap_index = cause->heap_index,
        .thread_id = cause->thread_id,
        .thread = cause->thread,
        .cpu = cause->cpu,
        .flags = EH_HAS_HEAP | EH_HAS_ADDRESS | (cause->flags & EH_HAS_CPU),
        .kind = EH_DROP,
        .reason = reason,
        .heap = cause->heap,
        .address = address,
    };
}

static struct eh_event drop_block(struct track *t, struct heap_state *h, struct live_place place,
                                  const struct eh_event *cause, uint8_t reason)
{
    const struct block *b = slab_block(&t->slab, place.id);
    struct eh_event row = drop_row(cause, b->address, reason);
    report_removal(b, &row);
    remove_block(t, h, place, cause->time_ns);
    set_live(t, &row);
    return row;
}

EH_ALWAYS_INLINE int add_block(struct track *t, struct heap_state *h, struct live_place place,
                     struct eh_event *row, uint32_t replaced, struct eh_error *e)
{
    uint32_t id = slab_take(&t->slab);
    if (!id)
        return out_of_memory(e);
    struct process_state *p = &t->processes[h->process];
    *slab_block(&t->slab, id) = (struct block){
        .address = row->address,
        .size = row->size,
        .birth_ns = row->time_ns,
        .number = p->added = ++t->added,
        .origin = row->stack ? row->stack : BLOCK_SOURCE | row->source,
        .thread_id = row->thread_id,
        .replaced = replaced,
    };
    if (live_put(&h->live, place, id) < 0)
        return out_of_memory(e);
    p->blocks++;
    change_bytes(t, h, row->size, 0, row->time_ns);
    row->flags |= EH_ADDED;
    set_origin(slab_block(&t->slab, id), row);
    return 0;
}

/* An earlier free was lost: the old block goes, and is kept aside for a free that comes late. */
static int replace_block(struct track *t, struct heap_state *h, struct live_place old,
                         const struct eh_event *row, struct eh_event *out, uint32_t *ret_kept,
                         struct eh_error *e)
{
    struct block kept = *slab_block(&t->slab, old.id);
    *out = drop_block(t, h, old, row, EH_DROP_REPLACED);
    t->stats->replaced_allocs++;
    uint32_t id = slab_take(&t->slab);
    if (!id)
        return out_of_memory(e);
    kept.replaced = 0;
    *slab_block(&t->slab, id) = kept;
    *ret_kept = id;
    return 0;
}

EH_ALWAYS_INLINE int apply_alloc(struct track *t, struct heap_state *h, struct eh_event *row,
                       struct eh_event *out, struct eh_error *e)
{
    if (!row->address) {
        t->stats->failed_allocs++;
        return 0;
    }
    struct live_place place = live_seek(&h->live, &t->slab, row->address);
    uint32_t kept = 0;
    int drops = 0;
    if (place.id) {
        if (replace_block(t, h, place, row, out, &kept, e) < 0)
            return -1;
        place = live_seek(&h->live, &t->slab, row->address);
        drops = 1;
    }
    return add_block(t, h, place, row, kept, e) < 0 ? -1 : drops;
}

/* A free within a millisecond of a replacement is the late one of the block replaced. */
static bool take_late_free(struct track *t, struct block *b, struct eh_event *row)
{
    if (!b->replaced)
        return false;
    struct block *old = slab_block(&t->slab, b->replaced);
    bool late = row->time_ns - b->birth_ns <= LATE_FREE_NS;
    if (late) {
        row->size = old->size;
        row->lifetime_ns = age(old, row->time_ns);
        row->flags |= EH_HAS_SIZE | EH_HAS_LIFETIME | EH_REPLACED;
    }
    slab_give(&t->slab, b->replaced);
    b->replaced = 0;
    return late;
}

EH_ALWAYS_INLINE void apply_free(struct track *t, struct heap_state *h, struct eh_event *row)
{
    if (!row->address)
        return;
    struct live_place place = live_seek(&h->live, &t->slab, row->address);
    if (!place.id) {
        t->stats->unmatched_frees++;
        return;
    }
    struct block *b = slab_block(&t->slab, place.id);
    if (take_late_free(t, b, row))
        return;
    report_removal(b, row);
    if (b->number == t->processes[row->process].added)
        row->flags |= EH_TEMPORARY;
    remove_block(t, h, place, row->time_ns);
}

static void resize_block(struct track *t, struct heap_state *h, struct block *b,
                         struct eh_event *row)
{
    set_origin(b, row);
    if (b->size == row->size)
        return;
    row->flags |= EH_RESIZED;
    row->previous_size = b->size;
    change_bytes(t, h, row->size, b->size, row->time_ns);
    b->size = row->size;
}

/* Numbers tell the order of birth, but only their low bits are kept: births that lie far apart are
 * compared by time. */
static bool is_older(const struct block *a, const struct block *b)
{
    int64_t apart = b->birth_ns - a->birth_ns;
    if (apart > FAR_APART_NS || apart < -FAR_APART_NS)
        return apart > 0;
    return (int32_t)(b->number - a->number) > 0;
}

/* Windows logs a moving realloc as alloc, free and then this summary: what the first two did is
 * not done again. */
static int apply_realloc(struct track *t, struct heap_state *h, struct eh_event *row,
                         struct eh_event *out, struct eh_error *e)
{
    if (!row->address)
        return 0;
    int drops = 0;
    bool moving = row->old_address != row->address;
    struct live_place at = live_seek(&h->live, &t->slab, row->address), old = {0};
    if (moving)
        old = live_seek(&h->live, &t->slab, row->old_address);
    if (old.id &&
        (!at.id || is_older(slab_block(&t->slab, old.id), slab_block(&t->slab, at.id)))) {
        *out = drop_block(t, h, old, row, EH_DROP_REALLOC);
        at = live_seek(&h->live, &t->slab, row->address);
        drops = 1;
    }
    if (!at.id)
        return add_block(t, h, at, row, 0, e) < 0 ? -1 : drops;
    resize_block(t, h, slab_block(&t->slab, at.id), row);
    if (moving && !drops)
        t->stats->realloc_summaries++;
    return drops;
}

/* Puts the sweep to the beginning of a heap; 0: there is none. */
static void sweep_heap(struct track *t, uint32_t heap)
{
    t->sweep.heap = heap;
    t->sweep.slot = 0;
    if (heap)
        live_list(&t->heaps[heap].live, &t->slab);
}

static void begin_sweep(struct track *t, const struct eh_event *last, uint8_t reason)
{
    t->sweep = (struct sweep){
        .active = true,
        .whole_process = reason == EH_DROP_PROCESS_END,
        .reason = reason,
        .last = *last,
    };
    sweep_heap(t, t->sweep.whole_process ? t->processes[last->process].heaps : last->heap_index);
}

/* The changes of one event; returns how many drops stand before its row. */
EH_ALWAYS_INLINE int apply(struct track *t, struct eh_event *row, struct eh_event *out, struct eh_error *e)
{
    struct heap_state *h = &t->heaps[row->heap_index];
    switch (row->kind) {
    case EH_ALLOC:
        return apply_alloc(t, h, row, out, e);
    case EH_FREE:
        apply_free(t, h, row);
        return 0;
    case EH_REALLOC:
        return apply_realloc(t, h, row, out, e);
    case EH_CREATE:
    case EH_DESTROY:
        if (h->live.count)
            begin_sweep(t, row, row->kind == EH_CREATE ? EH_DROP_CREATE : EH_DROP_DESTROY);
        return 0;
    default:
        return 0;
    }
}

int track_event(struct track *t, struct eh_event *rows, struct eh_error *e)
{
    struct eh_event *row = &rows[0], drop;
    if (!(row->flags & EH_HAS_HEAP))
        return 1;
    if (find_heap(t, row->process, row->heap, &row->heap_index) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET,
                       "out of memory for heaps, or more than %u of them", (unsigned)LIMIT_HEAPS);
    int drops = apply(t, row, &drop, e);
    if (drops < 0 || t->sweep.active)
        return drops < 0 ? -1 : 0;
    set_live(t, row);
    if (drops) {
        rows[1] = rows[0];
        rows[0] = drop;
    }
    return drops + 1;
}

int track_process_end(struct track *t, uint32_t process, int64_t time_ns, int64_t raw_time,
                      struct eh_error *e)
{
    if (reserve_process(t, process) < 0)
        return out_of_memory(e);
    struct eh_event last = {
        .time_ns = time_ns,
        .raw_time = raw_time,
        .process = process,
        .thread_id = EH_NO_ID,
        .kind = EH_PROCESS_END,
    };
    begin_sweep(t, &last, EH_DROP_PROCESS_END);
    return 0;
}

/* One heap is empty: on to the process's next, or to the end. */
static void next_heap(struct track *t)
{
    struct sweep *w = &t->sweep;
    live_clear(&t->heaps[w->heap].live);
    sweep_heap(t, w->whole_process ? t->heaps[w->heap].next_heap : 0);
}

static struct eh_event sweep_block(struct track *t, uint32_t id)
{
    struct sweep *w = &t->sweep;
    struct heap_state *h = &t->heaps[w->heap];
    const struct block *b = slab_block(&t->slab, id);
    struct eh_event cause = w->last;
    cause.heap_index = w->heap;
    cause.heap = eh_model_heap(t->model, w->heap)->handle;
    struct eh_event row = drop_row(&cause, b->address, w->reason);
    report_removal(b, &row);
    h->live.count--;
    forget(t, h, id, row.time_ns);
    t->stats->implicit_frees++;
    set_live(t, &row);
    return row;
}

static struct eh_event end_sweep(struct track *t)
{
    struct eh_event row = t->sweep.last;
    t->sweep.active = false;
    if (row.heap_index)
        set_live(t, &row);
    return row;
}

size_t track_sweep(struct track *t, struct eh_event *out, size_t room)
{
    struct sweep *w = &t->sweep;
    size_t n = 0;
    while (n < room && w->heap) {
        uint32_t id = live_walk(&t->heaps[w->heap].live, &w->slot);
        if (id)
            out[n++] = sweep_block(t, id);
        else
            next_heap(t);
    }
    if (n < room && !w->heap)
        out[n++] = end_sweep(t);
    return n;
}

void track_end(struct track *t)
{
    t->stats->outstanding_bytes = t->bytes;
    for (size_t i = 0; i < t->process_room; i++)
        t->stats->outstanding_blocks += t->processes[i].blocks;
}
