#include "perfetto_counters.h"

#include "perfetto_tracks.h"

void heap_counters_open(struct heap_counters *c, struct trace *t, uint64_t parent)
{
    uint64_t bytes_track = track_counter(t, parent, "live bytes", TRACK_BYTES, 1);
    c->blocks_track = track_counter(t, parent, "live blocks", TRACK_COUNT, 2);
    sequence_open(&c->sequence, t, bytes_track, c->blocks_track);
    counter_init(&c->pairs, c->sequence.id);
    counter_init(&c->singles, c->sequence.id);
    c->exact.time_ns = INT64_MIN;
}

void process_counter_open(struct process_counter *c, struct trace *t, uint64_t parent,
                          int32_t rank)
{
    uint64_t track = track_counter(t, parent, "Heap live bytes", TRACK_BYTES, rank);
    sequence_open(&c->sequence, t, track, 0);
    counter_init(&c->singles, c->sequence.id);
    c->exact.time_ns = INT64_MIN;
}

/* Points of the same time share a packet. */
static void write_pair(struct heap_counters *c, struct trace *t, const struct curve_point *bytes,
                       size_t bytes_count, const struct curve_point *blocks, size_t blocks_count)
{
    char *at = out_reserve(t->out, 2 * CURVE_POINTS * PACKET_COUNTER_BYTES);
    size_t i = 0, k = 0;
    while (i < bytes_count || k < blocks_count) {
        bool has_bytes = k == blocks_count ||
                         (i < bytes_count && bytes[i].time_ns <= blocks[k].time_ns);
        bool has_blocks = i == bytes_count ||
                          (k < blocks_count && blocks[k].time_ns <= bytes[i].time_ns);
        int64_t ns = has_bytes ? bytes[i].time_ns : blocks[k].time_ns;
        uint64_t step = sequence_step(&c->sequence, ns);
        if (has_bytes && has_blocks)
            at = put_counter_pair(at, &c->pairs, step, bytes[i++].value, blocks[k++].value);
        else if (has_bytes)
            at = put_counter(at, &c->singles, step, bytes[i++].value);
        else
            at = put_counter_on(at, c->sequence.id, step, c->blocks_track, blocks[k++].value);
    }
    out_commit(t->out, at);
}

static void write_total(struct process_counter *c, struct trace *t,
                        const struct curve_point *points, size_t count)
{
    char *at = out_reserve(t->out, CURVE_POINTS * PACKET_COUNTER_BYTES);
    for (size_t i = 0; i < count; i++) {
        uint64_t step = sequence_step(&c->sequence, points[i].time_ns);
        at = put_counter(at, &c->singles, step, points[i].value);
    }
    out_commit(t->out, at);
}

void counters_add_thinned(struct heap_counters *heap, struct process_counter *process,
                          struct trace *t, int64_t bucket_ns, const struct eh_event *row)
{
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    size_t i = curve_add(&heap->bytes, bucket_ns, row->time_ns, row->heap_live_bytes, bytes);
    size_t k = curve_add(&heap->blocks, bucket_ns, row->time_ns, row->heap_live_blocks, blocks);
    if (i || k)
        write_pair(heap, t, bytes, i, blocks, k);
    i = curve_add(&process->bytes, bucket_ns, row->time_ns, row->process_live_bytes, bytes);
    if (i)
        write_total(process, t, bytes, i);
}

static void write_held_pair(struct heap_counters *c, struct trace *t)
{
    char *at = out_reserve(t->out, PACKET_COUNTER_BYTES);
    if (c->exact.held)
        out_commit(t->out, put_held_pair(at, c));
    c->exact.held = false;
}

static void write_held_total(struct process_counter *c, struct trace *t)
{
    char *at = out_reserve(t->out, PACKET_COUNTER_BYTES);
    if (c->exact.held)
        out_commit(t->out, put_held_total(at, c));
    c->exact.held = false;
}

void heap_counters_point(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                         const struct curve_point *point)
{
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    if (bucket_ns != CURVE_EXACT) {
        size_t i = curve_add(&c->bytes, bucket_ns, point->time_ns, point->value, bytes);
        size_t k = curve_add(&c->blocks, bucket_ns, point->time_ns, point->beside, blocks);
        write_pair(c, t, bytes, i, blocks, k);
        return;
    }
    if (point->time_ns > c->exact.time_ns) {
        write_held_pair(c, t);
        c->exact.time_ns = point->time_ns;
    }
    c->exact.bytes = point->value;
    c->exact.blocks = point->beside;
    c->exact.held = true;
}

void process_counter_point(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                           const struct curve_point *point)
{
    struct curve_point bytes[CURVE_POINTS];
    if (bucket_ns != CURVE_EXACT) {
        size_t i = curve_add(&c->bytes, bucket_ns, point->time_ns, point->value, bytes);
        write_total(c, t, bytes, i);
        return;
    }
    if (point->time_ns > c->exact.time_ns) {
        write_held_total(c, t);
        c->exact.time_ns = point->time_ns;
    }
    c->exact.bytes = point->value;
    c->exact.held = true;
}

void heap_counters_flush(struct heap_counters *c, struct trace *t)
{
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    c->counted |= c->bytes.open || c->exact.held;
    size_t i = curve_flush(&c->bytes, bytes), k = curve_flush(&c->blocks, blocks);
    write_pair(c, t, bytes, i, blocks, k);
    write_held_pair(c, t);
}

void process_counter_flush(struct process_counter *c, struct trace *t)
{
    struct curve_point points[CURVE_POINTS];
    c->counted |= c->bytes.open || c->exact.held;
    write_total(c, t, points, curve_flush(&c->bytes, points));
    write_held_total(c, t);
}

void heap_counters_reopen(struct heap_counters *c, struct trace *t, uint64_t parent,
                          int64_t bucket_ns, int64_t ns)
{
    bool exact = bucket_ns == CURVE_EXACT, counted = c->counted;
    struct curve_point point = {
        .time_ns = ns,
        .value = exact ? c->exact.bytes : c->bytes.last.value,
        .beside = exact ? c->exact.blocks : c->blocks.last.value,
    };
    *c = (struct heap_counters){0};
    heap_counters_open(c, t, parent);
    if (counted)
        heap_counters_point(c, t, bucket_ns, &point);
}

void process_counter_reopen(struct process_counter *c, struct trace *t, uint64_t parent,
                            int32_t rank, int64_t bucket_ns, int64_t ns)
{
    bool counted = c->counted;
    struct curve_point point = {
        .time_ns = ns,
        .value = bucket_ns == CURVE_EXACT ? c->exact.bytes : c->bytes.last.value,
    };
    *c = (struct process_counter){0};
    process_counter_open(c, t, parent, rank);
    if (counted)
        process_counter_point(c, t, bucket_ns, &point);
}
