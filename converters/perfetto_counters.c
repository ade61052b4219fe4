#include "perfetto_counters.h"

#include "perfetto_packet.h"
#include "perfetto_tracks.h"

void heap_counters_open(struct heap_counters *c, struct trace *t, uint64_t parent)
{
    uint64_t bytes_track = track_counter(t, parent, "live bytes", TRACK_BYTES, 1);
    c->blocks_track = track_counter(t, parent, "live blocks", TRACK_COUNT, 2);
    sequence_open(&c->sequence, t, bytes_track, c->blocks_track);
}

void process_counter_open(struct process_counter *c, struct trace *t, uint64_t parent,
                          int32_t rank)
{
    uint64_t track = track_counter(t, parent, "Heap live bytes", TRACK_BYTES, rank);
    sequence_open(&c->sequence, t, track, 0);
}

/* Points of the same time share a packet. */
static void write_pair(struct heap_counters *c, struct trace *t, const struct curve_point *bytes,
                       size_t bytes_count, const struct curve_point *blocks, size_t blocks_count)
{
    char *at = out_reserve(t->out, 2 * CURVE_POINTS * PACKET_COUNTER_BYTES);
    uint32_t id = c->sequence.id;
    size_t i = 0, k = 0;
    while (i < bytes_count || k < blocks_count) {
        bool has_bytes = k == blocks_count ||
                         (i < bytes_count && bytes[i].time_ns <= blocks[k].time_ns);
        bool has_blocks = i == bytes_count ||
                          (k < blocks_count && blocks[k].time_ns <= bytes[i].time_ns);
        int64_t ns = has_bytes ? bytes[i].time_ns : blocks[k].time_ns;
        uint64_t step = sequence_step(&c->sequence, t, ns);
        if (has_bytes && has_blocks)
            at = put_counter_pair(at, id, step, bytes[i++].value, blocks[k++].value);
        else if (has_bytes)
            at = put_counter(at, id, step, bytes[i++].value);
        else
            at = put_counter_on(at, id, step, c->blocks_track, blocks[k++].value);
    }
    out_commit(t->out, at);
}

static void write_exact_pair(struct heap_counters *c, struct trace *t)
{
    uint64_t step = sequence_step(&c->sequence, t, c->exact.time_ns);
    char *at = out_reserve(t->out, PACKET_COUNTER_BYTES);
    at = put_counter_pair(at, c->sequence.id, step, c->exact.bytes, c->exact.blocks);
    out_commit(t->out, at);
}

static void add_to_curves(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                          const struct eh_event *row)
{
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    size_t i = curve_add(&c->bytes, bucket_ns, row->time_ns, row->heap_live_bytes, bytes);
    size_t k = curve_add(&c->blocks, bucket_ns, row->time_ns, row->heap_live_blocks, blocks);
    if (i || k)
        write_pair(c, t, bytes, i, blocks, k);
}

void heap_counters_add(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                       const struct eh_event *row)
{
    if (bucket_ns != CURVE_EXACT) {
        add_to_curves(c, t, bucket_ns, row);
        return;
    }
    struct exact_point *e = &c->exact;
    if (!e->held || row->time_ns > e->time_ns) {
        if (e->held)
            write_exact_pair(c, t);
        e->time_ns = row->time_ns;
        e->held = true;
    }
    e->bytes = row->heap_live_bytes;
    e->blocks = row->heap_live_blocks;
}

void heap_counters_flush(struct heap_counters *c, struct trace *t)
{
    struct curve_point bytes[CURVE_POINTS], blocks[CURVE_POINTS];
    size_t i = curve_flush(&c->bytes, bytes), k = curve_flush(&c->blocks, blocks);
    write_pair(c, t, bytes, i, blocks, k);
    if (c->exact.held)
        write_exact_pair(c, t);
    c->exact.held = false;
}

static void write_total(struct process_counter *c, struct trace *t,
                        const struct curve_point *points, size_t count)
{
    char *at = out_reserve(t->out, CURVE_POINTS * PACKET_COUNTER_BYTES);
    for (size_t i = 0; i < count; i++) {
        uint64_t step = sequence_step(&c->sequence, t, points[i].time_ns);
        at = put_counter(at, c->sequence.id, step, points[i].value);
    }
    out_commit(t->out, at);
}

static void write_exact_total(struct process_counter *c, struct trace *t)
{
    uint64_t step = sequence_step(&c->sequence, t, c->exact.time_ns);
    char *at = out_reserve(t->out, PACKET_COUNTER_BYTES);
    out_commit(t->out, put_counter(at, c->sequence.id, step, c->exact.bytes));
}

static void add_to_curve(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                         const struct eh_event *row)
{
    struct curve_point points[CURVE_POINTS];
    size_t count = curve_add(&c->bytes, bucket_ns, row->time_ns, row->process_live_bytes, points);
    if (count)
        write_total(c, t, points, count);
}

void process_counter_add(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                         const struct eh_event *row)
{
    if (bucket_ns != CURVE_EXACT) {
        add_to_curve(c, t, bucket_ns, row);
        return;
    }
    struct exact_point *e = &c->exact;
    if (!e->held || row->time_ns > e->time_ns) {
        if (e->held)
            write_exact_total(c, t);
        e->time_ns = row->time_ns;
        e->held = true;
    }
    e->bytes = row->process_live_bytes;
}

void process_counter_flush(struct process_counter *c, struct trace *t)
{
    struct curve_point points[CURVE_POINTS];
    write_total(c, t, points, curve_flush(&c->bytes, points));
    if (c->exact.held)
        write_exact_total(c, t);
    c->exact.held = false;
}
