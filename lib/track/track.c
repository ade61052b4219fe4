#include "track/track.h"

#include "base/array.h"
#include "base/inline.h"
#include "base/limits.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define LATE_FREE_NS INT64_C(1000000) /* semantics 2: the 1 ms rule */
#define FAR_APART_NS INT64_C(1000000000)

void track_init(struct track *t, struct eh_model *model, struct eh_stats *stats, uint32_t max_live)
{
    *t = (struct track){
        .model = model, .stats = stats, .slab = {.limit = max_live, .salt = hash_salt(t)}};
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

/* Whether the model takes no more heaps. */
static bool heaps_are_full(const struct track *t)
{
    return eh_model_heaps(t->model) >= LIMIT_HEAPS;
}

/* 0, or -1 without memory or place. */
static int new_heap(struct track *t, uint32_t process, uint64_t handle, uint32_t *ret_heap)
{
    uint32_t heap;
    if (heaps_are_full(t) || reserve_process(t, process) < 0 ||
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

EH_NEVER_INLINE int look_up_heap(struct track *t, struct heap_cache *c, uint32_t process,
                                 uint64_t handle)
{
    uint32_t heap = map_get(&t->heap_ids, process, handle);
    if (!heap && new_heap(t, process, handle, &heap) < 0)
        return -1;
    *c = (struct heap_cache){handle, process, heap};
    return 0;
}

/* Finds a row's heap, and enters it if it is new: 0 where there is no place for more. An empty
 * entry of the cache has the heap 0. */
EH_ALWAYS_INLINE int find_heap(struct track *t, struct eh_event *row)
{
    uint64_t mixed = (row->heap ^ row->process) * UINT64_C(0x9E3779B97F4A7C15);
    struct heap_cache *c = &t->cache[mixed >> (64 - HEAP_CACHE_BITS)];
    bool found = c->handle == row->heap && c->process == row->process && c->heap;
    if (!found && look_up_heap(t, c, row->process, row->heap) < 0) {
        row->heap_index = 0;
        return heaps_are_full(t) ? 0 : -1;
    }
    row->heap_index = c->heap;
    return 0;
}

static inline bool is_tracked(const struct eh_event *row)
{
    return (row->flags & (EH_HAS_HEAP | EH_UNTRACKED)) == EH_HAS_HEAP;
}

/* The tag of a row's address, from find_heaps() to apply(); set_live() overwrites it. */
#define ROW_TAG(row) ((row)->heap_live_blocks)

static inline void set_live(const struct heap_state *h, const struct process_state *p,
                            struct eh_event *row)
{
    row->heap_live_bytes = h->bytes;
    row->heap_live_blocks = h->live.count;
    row->process_live_bytes = p->bytes;
    row->process_live_blocks = p->blocks;
}

static inline int64_t age(const struct block *b, int64_t now)
{
    return now > b->birth_ns ? now - b->birth_ns : 0;
}

static void note_peak(struct track *t, int64_t time_ns)
{
    t->stats->peak_live_bytes = t->bytes;
    t->stats->peak_time_ns = time_ns;
    t->stats->has_peak = true;
}

static inline void change_bytes(struct track *t, struct heap_state *h, struct process_state *p,
                                uint64_t plus, uint64_t minus, int64_t time_ns)
{
    uint64_t change = plus - minus;
    h->bytes += change;
    p->bytes += change;
    t->bytes += change;
    if (t->bytes > t->stats->peak_live_bytes)
        note_peak(t, time_ns);
}

/* The state's side of a block's going: figures and slab. The table is the caller's to change. */
static inline void forget(struct track *t, struct heap_state *h, struct process_state *p,
                          uint32_t id, struct block *b)
{
    p->blocks--;
    h->bytes -= b->size;
    p->bytes -= b->size;
    t->bytes -= b->size;
    if (b->replaced)
        slab_give(&t->slab, b->replaced);
    slab_put_back(&t->slab, id, b);
}

static inline void set_origin(const struct block *b, struct eh_event *row)
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
}

#define REMOVAL_FLAGS (EH_REMOVED | EH_HAS_SIZE | EH_HAS_LIFETIME | EH_HAS_LIVE)

/* Writes the row of a block that goes without a free record. */
static struct eh_event drop_row(const struct eh_event *cause, const struct block *b, uint8_t reason)
{
    struct eh_event row = {
        .time_ns = cause->time_ns,
        .raw_time = cause->raw_time,
        .process = cause->process,
        .heap_index = cause->heap_index,
        .thread_id = cause->thread_id,
        .thread = cause->thread,
        .cpu = cause->cpu,
        .flags = EH_HAS_HEAP | EH_HAS_ADDRESS | REMOVAL_FLAGS | (cause->flags & EH_HAS_CPU),
        .kind = EH_DROP,
        .reason = reason,
        .heap = cause->heap,
        .address = b->address,
    };
    report_removal(b, &row);
    return row;
}

/* The block goes, by a row before the one of its cause. */
static void drop_block(struct track *t, struct heap_state *h, struct process_state *p,
                       struct live_place place, struct eh_event *cause, uint8_t reason)
{
    struct block *b = slab_block(&t->slab, place.id);
    cause[-1] = drop_row(cause, b, reason);
    live_cut(&h->live, place);
    forget(t, h, p, place.id, b);
    set_live(h, p, &cause[-1]);
}

/* There is no id for another block: 0 where its row goes without it, -1 without memory. */
EH_NEVER_INLINE int no_block(struct track *t, struct eh_event *row, struct eh_error *e)
{
    if (!slab_is_full(&t->slab))
        return out_of_memory(e);
    row->flags &= (uint16_t)~EH_HAS_LIVE;
    model_leave_out(t->model, EH_LEFT_BLOCKS);
    return 0;
}

EH_ALWAYS_INLINE int add_block(struct track *t, struct heap_state *h, struct process_state *p,
                               struct live_place place, struct eh_event *row, struct eh_error *e)
{
    uint32_t id = slab_take(&t->slab);
    if (!id)
        return no_block(t, row, e);
    struct block *b = slab_block(&t->slab, id);
    b->address = row->address;
    b->size = row->size;
    b->birth_ns = row->time_ns;
    b->number = p->added = ++t->added;
    b->thread_id = row->thread_id;
    b->replaced = 0;
    if (row->stack) {
        b->origin = row->block_stack = row->stack;
    } else {
        b->origin = BLOCK_SOURCE | row->source;
        row->block_source = row->source & ~BLOCK_SOURCE;
    }
    if (live_put(&h->live, place, id) < 0)
        return out_of_memory(e);
    p->blocks++;
    change_bytes(t, h, p, row->size, 0, row->time_ns);
    row->flags |= EH_ADDED;
    return 0;
}

/* What an event came to. */
enum applied {
    APPLIED,
    APPLIED_DROP, /* the row before it is a drop */
    SWEEPS,       /* a sweep has begun, which writes it, too */
    WAITS,        /* nothing was done: it needs the row before it and is not the first */
    FAILED,
};

static enum applied no_memory(struct eh_error *e)
{
    out_of_memory(e);
    return FAILED;
}

/* An event whose heap finds no place. */
EH_NEVER_INLINE enum applied no_heap(struct track *t, const struct eh_event *row)
{
    t->stats->heap_events[row->kind]++;
    model_leave_out(t->model, EH_LEFT_HEAPS);
    return APPLIED;
}

/* Keeps a block aside that the one at `address` replaced, if there is place for it. */
static int keep_replaced(struct track *t, const struct heap_state *h, uint64_t address,
                         const struct block *replaced, struct eh_error *e)
{
    uint32_t id = slab_take(&t->slab);
    if (!id && !slab_is_full(&t->slab))
        return out_of_memory(e);
    if (!id) {
        model_leave_out(t->model, EH_LEFT_BLOCKS);
        return 0;
    }
    struct block *kept = slab_block(&t->slab, id);
    *kept = *replaced;
    kept->replaced = 0;
    slab_block(&t->slab, live_seek(&h->live, &t->slab, address).id)->replaced = id;
    return 0;
}

/* An earlier free was lost: the old block goes, and is kept aside for a free that comes late. */
static enum applied replace_block(struct track *t, struct heap_state *h, struct process_state *p,
                                  struct live_place old, struct eh_event *row, struct eh_error *e)
{
    struct block replaced = *slab_block(&t->slab, old.id);
    drop_block(t, h, p, old, row, EH_DROP_REPLACED);
    t->stats->replaced_allocs++;
    struct live_place place = live_seek(&h->live, &t->slab, row->address);
    if (add_block(t, h, p, place, row, e) < 0 ||
        keep_replaced(t, h, row->address, &replaced, e) < 0)
        return FAILED;
    return APPLIED_DROP;
}

EH_ALWAYS_INLINE enum applied apply_alloc(struct track *t, struct heap_state *h,
                                          struct process_state *p, struct eh_event *row,
                                          const struct eh_event *first, struct eh_error *e)
{
    if (!row->address) {
        t->stats->failed_allocs++;
        return APPLIED;
    }
    struct live_place place = live_seek_tag(&h->live, &t->slab, row->address, ROW_TAG(row));
    if (!place.id)
        return add_block(t, h, p, place, row, e) < 0 ? FAILED : APPLIED;
    return row == first ? replace_block(t, h, p, place, row, e) : WAITS;
}

/* A free within a millisecond of a replacement is the late one of the block replaced. */
static bool take_late_free(struct track *t, struct block *b, struct eh_event *row)
{
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

EH_ALWAYS_INLINE void apply_free(struct track *t, struct heap_state *h, struct process_state *p,
                                 struct eh_event *row)
{
    if (!row->address)
        return;
    struct live_place place = live_seek_tag(&h->live, &t->slab, row->address, ROW_TAG(row));
    if (!place.id) {
        t->stats->unmatched_frees++;
        return;
    }
    struct block *b = slab_block(&t->slab, place.id);
    if (b->replaced && take_late_free(t, b, row))
        return;
    report_removal(b, row);
    row->flags |= (uint16_t)(b->number == p->added ? REMOVAL_FLAGS | EH_TEMPORARY : REMOVAL_FLAGS);
    live_cut(&h->live, place);
    forget(t, h, p, place.id, b);
}

static void resize_block(struct track *t, struct heap_state *h, struct process_state *p,
                         struct block *b, struct eh_event *row)
{
    set_origin(b, row);
    if (b->size == row->size)
        return;
    row->flags |= EH_RESIZED;
    row->previous_size = b->size;
    change_bytes(t, h, p, row->size, b->size, row->time_ns);
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
static enum applied apply_realloc(struct track *t, struct heap_state *h, struct process_state *p,
                                  struct eh_event *row, const struct eh_event *first,
                                  struct eh_error *e)
{
    if (!row->address)
        return APPLIED;
    enum applied applied = APPLIED;
    bool moving = row->old_address != row->address;
    struct live_place at = live_seek(&h->live, &t->slab, row->address), old = {0};
    if (moving)
        old = live_seek(&h->live, &t->slab, row->old_address);
    if (old.id &&
        (!at.id || is_older(slab_block(&t->slab, old.id), slab_block(&t->slab, at.id)))) {
        if (row != first)
            return WAITS;
        drop_block(t, h, p, old, row, EH_DROP_REALLOC);
        at = live_seek(&h->live, &t->slab, row->address);
        applied = APPLIED_DROP;
    }
    if (!at.id)
        return add_block(t, h, p, at, row, e) < 0 ? FAILED : applied;
    resize_block(t, h, p, slab_block(&t->slab, at.id), row);
    if (moving && applied == APPLIED)
        t->stats->realloc_summaries++;
    return applied;
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

/* Rows that change no block, or whole heaps at once. */
static enum applied apply_other(struct track *t, struct eh_event *row, const struct eh_event *first,
                                struct eh_error *e)
{
    if (row->kind < EH_HEAP_KINDS)
        t->stats->heap_events[row->kind]++;
    if (row->kind == EH_PROCESS_END) {
        if (row != first)
            return WAITS;
        if (reserve_process(t, row->process) < 0)
            return no_memory(e);
        begin_sweep(t, row, EH_DROP_PROCESS_END);
        return SWEEPS;
    }
    bool ends = row->kind == EH_CREATE || row->kind == EH_DESTROY;
    if (!ends || !row->heap_index || !t->heaps[row->heap_index].live.count)
        return APPLIED;
    if (row != first)
        return WAITS;
    begin_sweep(t, row, row->kind == EH_CREATE ? EH_DROP_CREATE : EH_DROP_DESTROY);
    return SWEEPS;
}

/* One event with a heap, in the first row of the call or a later one. */
EH_ALWAYS_INLINE enum applied apply(struct track *t, struct eh_event *row,
                                    const struct eh_event *first, struct eh_error *e)
{
    if (!row->heap_index)
        return no_heap(t, row);
    struct heap_state *h = &t->heaps[row->heap_index];
    struct process_state *p = &t->processes[row->process];
    enum applied applied = APPLIED;
    row->flags |= EH_HAS_LIVE;
    if (row->kind == EH_ALLOC) {
        t->stats->heap_events[EH_ALLOC]++;
        applied = apply_alloc(t, h, p, row, first, e);
    } else if (row->kind == EH_FREE) {
        t->stats->heap_events[EH_FREE]++;
        apply_free(t, h, p, row);
    } else if (row->kind == EH_REALLOC) {
        t->stats->heap_events[EH_REALLOC]++;
        applied = apply_realloc(t, h, p, row, first, e);
    } else {
        applied = apply_other(t, row, first, e);
    }
    set_live(h, p, row);
    return applied;
}

/* Rows are applied so many at a time, after what they will touch has been sent for. With 200 000
 * live blocks, which no cache holds, that costs 37 instructions an event and saves two fifths of
 * the whole time of decoding. */
#define AHEAD 32

EH_NEVER_INLINE int find_heaps(struct track *t, struct eh_event *rows, const struct eh_event *end)
{
    for (struct eh_event *row = rows; row < end; row++) {
        if (!is_tracked(row))
            continue;
        if (find_heap(t, row) < 0)
            return -1;
        ROW_TAG(row) = live_tag(&t->slab, row->address);
        live_fetch(&t->heaps[row->heap_index].live, ROW_TAG(row));
    }
    for (struct eh_event *row = rows; row < end; row++)
        if (row->kind != EH_ALLOC && is_tracked(row))
            live_fetch_block(&t->heaps[row->heap_index].live, &t->slab, ROW_TAG(row));
    return 0;
}

/* Applies rows up to the first that is more than just applied, whose result is in *ret_last;
 * returns how many, that one included. `first` is the first row of the call. */
EH_NEVER_INLINE size_t apply_rows(struct track *t, struct eh_event *rows,
                                  const struct eh_event *end, const struct eh_event *first,
                                  enum applied *ret_last, struct eh_error *e)
{
    enum applied applied = APPLIED;
    struct eh_event *row = rows;
    while (row < end && applied == APPLIED) {
        const struct eh_event *some = end - row > AHEAD ? row + AHEAD : end;
        if (find_heaps(t, row, some) < 0)
            applied = no_memory(e);
        for (; row < some && applied == APPLIED; row++)
            applied = is_tracked(row) ? apply(t, row, first, e) : apply_other(t, row, first, e);
    }
    *ret_last = applied;
    return (size_t)(row - rows);
}

int track_rows(struct track *t, struct eh_event *rows, size_t count, struct eh_event **ret_first,
               struct eh_error *e)
{
    enum applied last;
    size_t n = apply_rows(t, rows, rows + count, rows, &last, e);
    *ret_first = rows;
    if (last == APPLIED_DROP) {
        *ret_first = rows - 1;
        n = 1 + apply_rows(t, rows + 1, rows + count, rows, &last, e);
    }
    if (last == FAILED)
        return -1;
    if (last == SWEEPS)
        *ret_first = rows + 1;
    if (last != WAITS)
        return (int)n;
    if (rows[n - 1].kind < EH_HEAP_KINDS)
        t->stats->heap_events[rows[n - 1].kind]--; /* it comes again */
    return (int)n - 1;
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
    struct process_state *p = &t->processes[h->process];
    struct block *b = slab_block(&t->slab, id);
    struct eh_event cause = w->last;
    cause.heap_index = w->heap;
    cause.heap = eh_model_heap(t->model, w->heap)->handle;
    struct eh_event row = drop_row(&cause, b, w->reason);
    h->live.count--;
    forget(t, h, p, id, b);
    t->stats->implicit_frees++;
    set_live(h, p, &row);
    return row;
}

static struct eh_event end_sweep(struct track *t)
{
    struct eh_event row = t->sweep.last;
    t->sweep.active = false;
    if (row.heap_index) {
        row.flags |= EH_HAS_LIVE;
        set_live(&t->heaps[row.heap_index], &t->processes[row.process], &row);
    }
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
