#include "runs.h"

#include "decode/heap.h"

#include <stdlib.h>
#include <string.h>

/* What taking a common record needs of its stream. While `layout` is set, the stream itself lags
 * behind: catch_up(). */
struct lane {
    union heap_head place;            /* what its rows have of the processor */
    const struct heap_layout *layout; /* of the record the stream stands at; NULL: it is another */
    const uint8_t *record;            /* nobodys_record: it is another */
    const uint8_t *last; /* a common record that starts here still lies within the buffer */
    uint32_t first_node; /* in the merge */
    uint8_t unused[64 - sizeof(union heap_head) - 3 * sizeof(void *) - sizeof(uint32_t)];
};

_Static_assert(sizeof(struct lane) == MERGE_STRIDE, "lane_of() adds");

/* The layout of lanes that stand at a common stack record. */
static const struct heap_layout stack_layout = {0};

/* No cache of owners holds the ids of this one. They are looked up anyway: that spares asking every
 * lane whether it has a record that can be taken. */
static const uint8_t nobodys_record[SYSTEM_THREAD + 8] = {
    [SYSTEM_THREAD] = 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

/* ---- beginning and end ---- */

static int create_lanes(struct runs *r)
{
    const struct etl_trace *t = r->batch.from.trace;
    r->lanes = calloc(r->merge.leaves, sizeof *r->lanes);
    if (!r->lanes)
        return -1;
    for (size_t i = 0; i < r->merge.leaves; i++)
        r->lanes[i].record = nobodys_record;
    for (size_t i = 0; i < t->stream_count; i++) {
        const struct etl_stream *s = &t->streams[i];
        r->lanes[i].first_node = merge_first_node(&r->merge, (uint32_t)i);
        r->lanes[i].place.part.cpu = s->cpu;
        r->lanes[i].place.part.flags = s->mixed ? 0 : EH_HAS_CPU;
    }
    return 0;
}

int runs_init(struct runs *r, const struct batch_sources *from, struct eh_error *e)
{
    struct etl_trace *t = from->trace;
    if (batch_init(&r->batch, from, e) < 0)
        return -1;
    /* For events that name nobody it matters when a stack record comes. */
    r->common = !r->batch.join || !from->info->has_ownerless;
    etl_trace_rewind(t, false);
    if (merge_init(&r->merge, t->stream_count) < 0 || create_lanes(r) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    for (uint32_t i = 0; i < t->stream_count; i++) {
        if (etl_stream_peek(t, &t->streams[i], e) < 0)
            return -1;
        merge_enter(&r->merge, i, t->streams[i].key);
    }
    merge_build(&r->merge);
    return 0;
}

void runs_finish(struct runs *r)
{
    batch_finish(&r->batch);
    merge_finish(&r->merge);
    free(r->lanes);
}

/* ---- lanes and streams ---- */

/* The lane of an entry of the merge. */
static inline struct lane *lane_of(struct lane *lanes, uint64_t entry)
{
    return (struct lane *)((char *)lanes + (uint32_t)entry);
}

/* Bytes from the record that a lane stands at to the next. */
static inline size_t lane_step(const struct lane *lane)
{
    return lane->layout == &stack_layout ? REC_STEP(load_u16(lane->record + HOOK_SIZE))
                                         : lane->layout->step;
}

/* The stream catches up with its lane, as if it had come to that record by itself. */
static void catch_up(const struct merge *m, const struct lane *lane, struct etl_stream *s)
{
    if (!lane->layout)
        return;
    size_t step = lane_step(lane), left = (size_t)(s->end - lane->record);
    s->current = lane->record;
    s->at = lane->record + (step < left ? step : left);
    s->word = load_u64(lane->record) >> 16;
    s->raw = load_i64(lane->record + (lane->layout == &stack_layout ? PERFINFO_TIME : SYSTEM_TIME));
    s->key = merge_near_key(m);
}

/* The lane stands where its stream stands. It takes common records itself where the trace has one
 * axis, so that raw times are keys and all clocks and boots are one, and from the base on, which
 * time that steps back may leave. Where there are stacks it takes common stack records, too. */
static void set_lane(const struct runs *r, struct lane *lane, const struct etl_stream *s)
{
    bool takes = r->common && s->current && s->raw_is_key && s->raw == s->key &&
                 merge_is_near(&r->merge, s->key) &&
                 (size_t)(s->end - s->current) >= HEAP_LONGEST_BYTES;
    lane->layout = takes ? heap_layout_of(s->word) : NULL;
    if (takes && r->batch.join && stack_is_common(s->word))
        lane->layout = &stack_layout;
    lane->record = nobodys_record;
    if (!lane->layout)
        return;
    lane->record = s->current;
    lane->last = s->end - HEAP_LONGEST_BYTES;
}

/* ---- runs ---- */

/* Why a run of common records has ended. */
enum run_end {
    RUN_FULL,  /* no room for more rows */
    RUN_OTHER, /* what is next has to be taken as a record of its stream */
    RUN_STEP,  /* what is next has been taken, its stream has to be moved on */
    RUN_FAILED,
};

struct run_result {
    enum run_end why;
    struct eh_event *end; /* of the rows in the batch */
};

/* How times of a run, all of one clock, are converted: by one multiplication, where that does. */
struct run_clock {
    const struct etl_clock *clock;
    uint64_t tick_ns, offset_ns;
    uint32_t boot; /* of the clock; here it is two loads nearer */
    bool linear;
};

static inline struct run_clock run_clock_of(const struct runs *r)
{
    const struct etl_clock *clock = r->batch.from.trace->clocks;
    struct run_clock c = {.clock = clock, .boot = clock->boot};
    c.linear = etl_time_is_linear(c.clock, r->merge.base, &c.tick_ns, &c.offset_ns);
    return c;
}

/* The times of rows up to `end` where no multiplication gives them. */
EH_NEVER_INLINE void set_times(struct batch *b, const struct eh_event *end)
{
    for (struct eh_event *row = &b->rows[b->count]; row < end; row++)
        row->time_ns = etl_time_ns(b->from.trace->clocks, row->raw_time);
}

/* Decodes the event at `at`, where a lane stands. Its time is right where the clock is linear. */
EH_ALWAYS_INLINE void decode_in_lane(const struct run_clock *clock, const struct lane *lane,
                                     const struct heap_layout *layout, const uint8_t *at,
                                     const struct owner_cache *owner, struct eh_event *row)
{
    uint64_t raw = load_u64(at + SYSTEM_TIME);
    row->raw_time = (int64_t)raw;
    heap_decode_common(layout, at, &lane->place, row);
    row->time_ns = (int64_t)(raw * clock->tick_ns + clock->offset_ns);
    memcpy((char *)row + offsetof(struct eh_event, process), &owner->part, sizeof owner->part);
    row->thread = owner->thread;
}

/* Whether a lane can take the stack record at `at`, by its first 8 bytes. */
static inline bool lane_takes_stack(const struct lane *lane, const uint8_t *at, uint64_t first)
{
    return stack_is_plain(first) &&
           (ptrdiff_t)rec_hooked_size(first) <= lane->last - at + (ptrdiff_t)HEAP_LONGEST_BYTES;
}

/* The stack record behind the event at which the lane of `*entry` stands: if it is this event's, it
 * is taken and the lane goes on to it. 0, or -1 with `e` filled. */
EH_ALWAYS_INLINE int follow_in_lane(struct runs *r, uint32_t boot, struct lane *lane,
                                    uint64_t *entry, struct eh_error *e)
{
    const uint8_t *at = lane->record + lane->layout->step;
    if (at > lane->last)
        return 0;
    uint64_t first = load_u64(at);
    uint64_t ahead = load_u64(at + PERFINFO_TIME) - (uint64_t)r->merge.base;
    if (!lane_takes_stack(lane, at, first) || ahead >= MERGE_FAR)
        return 0;
    struct stack_record stack;
    stack_in_place(first >> 16, at, &stack);
    int followed = join_following(r->batch.join, &stack, boot, e);
    if (followed <= 0)
        return followed;
    lane->layout = &stack_layout;
    lane->record = at;
    uint64_t stack_entry = ahead << 32 | (uint32_t)*entry;
    *entry = stack_entry > *entry ? stack_entry : *entry;
    return 0;
}

/* The event at which the lane of `*entry` stands, which is decoded, goes into the window, and the
 * stack record behind it to the event. */
EH_ALWAYS_INLINE enum run_end give_event(struct runs *r, const struct run_clock *clock,
                                         struct lane *lane, uint64_t *entry, struct eh_error *e)
{
    struct batch *b = &r->batch;
    struct eh_event *row = join_row(b->join);
    if (!clock->linear)
        row->time_ns = etl_time_ns(clock->clock, row->raw_time);
    struct join_origin origin = {clock->boot, merge_stream(*entry),
                                 load_u32(lane->record + SYSTEM_PROCESS), b->image_records};
    if (join_put_common(b->join, &origin, e) < 0 ||
        follow_in_lane(r, clock->boot, lane, entry, e) < 0)
        return RUN_FAILED;
    return RUN_STEP;
}

/* The stack at which a lane stands looks for its event. */
static enum run_end take_stack(struct batch *b, const struct lane *lane, uint32_t stream,
                               struct eh_error *e)
{
    struct stack_record stack;
    stack_in_place(load_u64(lane->record) >> 16, lane->record, &stack);
    struct join_origin origin = {b->from.trace->clocks->boot, stream, REC_NO_ID, b->image_records};
    return batch_give_stack(b, &stack, &stack.frames, &origin, e) < 0 ? RUN_FAILED : RUN_STEP;
}

/* The record at `at`, to which a lane is to go on: its layout and its time above the merge's base;
 * NULL where no lane takes it. */
EH_ALWAYS_INLINE const struct heap_layout *next_in_lane(const struct lane *lane, const uint8_t *at,
                                                        uint64_t base, bool joins,
                                                        uint64_t *ret_ahead)
{
    if (at > lane->last)
        return NULL;
    uint64_t first = load_u64(at), ahead = load_u64(at + SYSTEM_TIME) - base;
    const struct heap_layout *layout = heap_layout_of(first >> 16);
    if (joins && !layout && lane_takes_stack(lane, at, first)) {
        layout = &stack_layout;
        ahead = load_u64(at + PERFINFO_TIME) - base;
    }
    *ret_ahead = ahead;
    return ahead < MERGE_FAR ? layout : NULL;
}

/* The winner's lane goes on to a record that is `ahead` of the merge's base; a stream's place never
 * steps back. Returns the next winner. */
EH_ALWAYS_INLINE uint64_t move_lane(uint64_t *nodes, struct lane *lane, uint64_t winner,
                                    const struct heap_layout *layout, const uint8_t *at,
                                    uint64_t ahead)
{
    lane->layout = layout;
    lane->record = at;
    uint64_t entry = ahead << 32 | (uint32_t)winner;
    return merge_play(nodes, lane->first_node, entry > winner ? entry : winner);
}

/* The loop that nearly all records of most traces pass: takes common records in merged order, as
 * long as each is followed by another one in its buffer and their owners are in the cache. With
 * `joins`, a constant at the call, events go into the window, as long as it has room, and stack
 * records to them. Without, rows go straight into the batch, and beside them nothing is written but
 * the lanes' places. */
EH_ALWAYS_INLINE struct run_result take_run(struct runs *r, const struct run_clock *clock,
                                            bool joins, struct eh_error *e)
{
    struct batch *const b = &r->batch;
    struct eh_event *row = &b->rows[b->count], *const full = b->rows + BATCH_ROWS;
    uint64_t *const nodes = r->merge.nodes;
    const uint64_t base = (uint64_t)r->merge.base;
    struct lane *const lanes = r->lanes;
    const struct owner_cache *const slots = b->owners_found;
    uint64_t winner = nodes[0];
    enum run_end why = RUN_FULL;
    while (joins ? join_waiting(b->join) < LIMIT_PENDING_EVENTS : row < full) {
        struct lane *lane = lane_of(lanes, winner);
        const struct heap_layout *layout = lane->layout;
        const uint8_t *at = lane->record;
        if (joins && layout == &stack_layout) {
            why = take_stack(b, lane, merge_stream(winner), e);
        } else {
            uint64_t ids = load_u64(at + SYSTEM_THREAD);
            const struct owner_cache *owner = &slots[owner_slot(ids)];
            why = RUN_OTHER;
            if (owner->ids != ids)
                break;
            struct eh_event *to = joins ? join_row(b->join) : row++;
            decode_in_lane(clock, lane, layout, at, owner, to);
            why = joins ? give_event(r, clock, lane, &winner, e) : RUN_STEP;
        }
        if (why != RUN_STEP)
            break;
        uint64_t ahead;
        at = joins ? lane->record + lane_step(lane) : at + layout->step;
        layout = next_in_lane(lane, at, base, joins, &ahead);
        if (!layout)
            break;
        winner = move_lane(nodes, lane, winner, layout, at, ahead);
        why = RUN_FULL;
    }
    nodes[0] = winner;
    return (struct run_result){why, row};
}

/* The loop alone, with its clock and results by value, has registers for all it needs: with the
 * rest of take_plain_run() in one function it takes 2 to 8 instructions an event more. */
EH_NEVER_INLINE struct run_result take_plain_rows(struct runs *r, struct run_clock clock)
{
    return take_run(r, &clock, false, NULL);
}

/* take_run() straight into the batch. */
static enum run_end take_plain_run(struct runs *r)
{
    const struct run_clock clock = run_clock_of(r);
    struct run_result result = take_plain_rows(r, clock);
    if (!clock.linear)
        set_times(&r->batch, result.end);
    r->batch.count = (size_t)(result.end - r->batch.rows);
    return result.why;
}

/* take_run() into the window. */
EH_NEVER_INLINE enum run_end take_joined_run(struct runs *r, struct eh_error *e)
{
    const struct run_clock clock = run_clock_of(r);
    return take_run(r, &clock, true, e).why;
}

/* ---- record by record ---- */

/* The common heap records straight from their bytes: 1, or 0 for all others, -1 on error. */
static int take_common(struct runs *r, const struct etl_stream *s, struct eh_error *e)
{
    struct batch *b = &r->batch;
    const struct heap_layout *layout = heap_layout_of(s->word);
    if (!layout)
        return 0;
    uint64_t ids = load_u64(s->current + SYSTEM_THREAD);
    if (ids >> 32 == REC_NO_ID)
        return 0;
    struct eh_event *row = batch_row(b);
    heap_decode_common(layout, s->current, &r->lanes[s->index].place, row);
    row->raw_time = s->raw;
    row->time_ns = etl_time_ns(s->clock, s->raw);
    row->heap_index = row->stack = 0;
    if (batch_find_owner(b, s->clock->boot, ids, row, e) < 0 ||
        batch_give(b, s, (uint32_t)(ids >> 32), e) < 0)
        return -1;
    return 1;
}

/* The stack record behind the one that the stream stands at goes to the event that was this one, if
 * that is whose it is, and the stream passes it. 0, or -1. To look at it here, before the stream
 * comes to it, spares 25 instructions an event. */
EH_ALWAYS_INLINE int take_following(struct batch *b, struct etl_stream *s, struct eh_error *e)
{
    const uint8_t *at = s->at;
    size_t left = (size_t)(s->end - at);
    if (left < SYSTEM_BYTES || !s->raw_is_key || b->from.info->has_ownerless)
        return 0;
    uint64_t first = load_u64(at);
    uint32_t size = rec_hooked_size(first);
    if (!stack_is_plain(first) || size > left)
        return 0;
    struct stack_record stack;
    stack_in_place(first >> 16, at, &stack);
    int followed = join_following(b->join, &stack, s->clock->boot, e);
    if (followed > 0) {
        etl_stream_time(s, load_i64(at + PERFINFO_TIME), false);
        etl_stream_step(s, size, left);
    }
    return followed < 0 ? -1 : 0;
}

/* The record at which a stream stands is taken, unless a run has done so, and the stack of an event
 * where it follows. 0, or -1 with `e` filled. */
static int take_here(struct runs *r, struct etl_stream *s, enum run_end why, struct eh_error *e)
{
    struct lane *lane = &r->lanes[s->index];
    int event = why == RUN_STEP && lane->layout != &stack_layout;
    catch_up(&r->merge, lane, s);
    if (why == RUN_OTHER) {
        event = take_common(r, s, e);
        if (event < 0 || (!event && s->current && batch_take(&r->batch, s, e) < 0))
            return -1;
    }
    return event && r->batch.join ? take_following(&r->batch, s, e) : 0;
}

/* The same, and the stream, which is next, moves on. */
static int step(struct runs *r, struct etl_stream *s, enum run_end why, struct eh_error *e)
{
    struct etl_trace *t = r->batch.from.trace;
    if (take_here(r, s, why, e) < 0)
        return -1;
    enum etl_step to = etl_stream_next(t, s, false, e);
    if (to == ETL_ERROR || (to == ETL_BUFFER && etl_trace_progress(t, e) < 0))
        return -1;
    if (to == ETL_END)
        merge_end(&r->merge);
    else
        merge_move(&r->merge, s->key);
    set_lane(r, &r->lanes[s->index], s);
    return 0;
}

/* ---- batches ---- */

/* Takes the oldest events out of the window until `left` wait. 1 when it has come so far, 0 when
 * the batch is full, -1 on error. */
static int drain(struct batch *b, size_t left, struct eh_error *e)
{
    struct join *const join = b->join;
    struct eh_stats *const stats = b->from.stats;
    for (; b->count < BATCH_ROWS; b->count++) {
        struct eh_event *row = &b->rows[b->count];
        if (join_waiting(join) <= left)
            return 1;
        if (join_take(join, row, e) < 0)
            return -1;
        stats->stacks_attached += row->stack != 0;
    }
    return 0;
}

/* A full window gives a batch's worth of events away before it takes another. */
static int make_room(struct batch *b, struct eh_error *e)
{
    if (!b->join || join_waiting(b->join) < LIMIT_PENDING_EVENTS)
        return 1;
    return drain(b, LIMIT_PENDING_EVENTS - BATCH_ROWS, e);
}

/* Takes records in merged order as long as there is room in the batch: 1, 0 when the streams have
 * ended, -1 on error. */
static int take_records(struct runs *r, struct eh_error *e)
{
    struct batch *b = &r->batch;
    while (b->count < BATCH_ROWS) {
        int room = make_room(b, e);
        if (room <= 0)
            return room < 0 ? -1 : 1;
        enum run_end why = RUN_OTHER;
        if (lane_of(r->lanes, r->merge.nodes[0])->layout)
            why = b->join ? take_joined_run(r, e) : take_plain_run(r);
        uint32_t i = merge_next(&r->merge);
        if (why == RUN_FAILED || (why == RUN_OTHER && i & MERGE_ENDED))
            return why == RUN_FAILED ? -1 : 0;
        if (why != RUN_FULL && step(r, &b->from.trace->streams[i], why, e) < 0)
            return -1;
    }
    return 1;
}

int runs_decode(struct runs *r, struct eh_error *e)
{
    struct batch *b = &r->batch;
    b->count = 1;
    int more = take_records(r, e);
    if (more == 0 && b->join)
        more = drain(b, 0, e);
    return more < 0 ? -1 : 0;
}
