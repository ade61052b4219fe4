#include "perfetto_counters.h"

#include "perfetto_tracks.h"

void heap_counters_open(struct heap_counters *c, struct trace *t, int64_t from_ns,
                        uint64_t parent)
{
    uint64_t bytes_track = track_counter(t, parent, "live bytes", TRACK_BYTES, 1);
    c->blocks_track = track_counter(t, parent, "live blocks", TRACK_COUNT, 2);
    sequence_open(&c->sequence, t, from_ns, bytes_track, c->blocks_track);
    counter_init(&c->pairs, c->sequence.id);
    counter_init(&c->singles, c->sequence.id);
    c->exact = (struct exact_point){.time_ns = POINT_NONE, .last_ns = INT64_MIN};
}

void process_counter_open(struct process_counter *c, struct trace *t, int64_t from_ns,
                          uint64_t parent, int32_t rank)
{
    uint64_t track = track_counter(t, parent, "Heap live bytes", TRACK_BYTES, rank);
    sequence_open(&c->sequence, t, from_ns, track, 0);
    counter_init(&c->singles, c->sequence.id);
    c->exact = (struct exact_point){.time_ns = POINT_NONE, .last_ns = INT64_MIN};
}

/* A point of both curves is one packet. */
static void write_pair(struct heap_counters *c, struct trace *t, const struct curve_point *points,
                       size_t count)
{
    char *at = out_reserve(t->out, CURVE_POINTS * PACKET_COUNTER_BYTES);
    for (const struct curve_point *p = points; p < points + count; p++) {
        uint64_t step = sequence_step(&c->sequence, p->time_ns);
        if (p->curves == CURVE_OF_VALUE)
            at = put_counter(at, &c->singles, step, p->value);
        else if (p->curves == CURVE_OF_BESIDE)
            at = put_counter_on(at, c->sequence.id, step, c->blocks_track, p->beside);
        else
            at = put_counter_pair(at, &c->pairs, step, p->value, p->beside);
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

void heap_bucket_close(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                       int64_t time_ns, uint64_t bytes, uint64_t blocks)
{
    struct curve_point points[CURVE_POINTS];
    size_t n = curve_add(&c->curve, bucket_ns, time_ns, bytes, blocks, points);
    if (n)
        write_pair(c, t, points, n);
}

void process_bucket_close(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                          int64_t time_ns, uint64_t bytes)
{
    struct curve_point points[CURVE_POINTS];
    size_t n = curve_add(&c->curve, bucket_ns, time_ns, bytes, 0, points);
    if (n)
        write_total(c, t, points, n);
}

char *put_any_pair(char *at, struct heap_counters *c)
{
    uint64_t step = sequence_step(&c->sequence, c->exact.time_ns);
    return put_counter_pair(at, &c->pairs, step, c->exact.bytes, c->exact.blocks);
}

char *put_any_total(char *at, struct process_counter *c)
{
    uint64_t step = sequence_step(&c->sequence, c->exact.time_ns);
    return put_counter(at, &c->singles, step, c->exact.bytes);
}

/* Takes back what is held: it is written. */
static void let_go(struct exact_point *p)
{
    p->last_ns = p->time_ns;
    p->time_ns = POINT_NONE;
}

static void write_held_pair(struct heap_counters *c, struct trace *t)
{
    if (!point_held(&c->exact))
        return;
    out_commit(t->out, put_any_pair(out_reserve(t->out, PACKET_COUNTER_BYTES), c));
    let_go(&c->exact);
}

static void write_held_total(struct process_counter *c, struct trace *t)
{
    if (!point_held(&c->exact))
        return;
    out_commit(t->out, put_any_total(out_reserve(t->out, PACKET_COUNTER_BYTES), c));
    let_go(&c->exact);
}

/* What steps back in time belongs to the point before. */
static void hold(struct exact_point *p, int64_t time_ns, uint64_t bytes, uint64_t blocks)
{
    if (!point_held(p))
        p->time_ns = time_ns > p->last_ns ? time_ns : p->last_ns;
    p->bytes = bytes;
    p->blocks = blocks;
}

static void add_pair(struct heap_counters *c, struct trace *t, int64_t time_ns, uint64_t bytes,
                     uint64_t blocks)
{
    if (time_ns > c->exact.time_ns)
        write_held_pair(c, t);
    hold(&c->exact, time_ns, bytes, blocks);
}

static void add_total(struct process_counter *c, struct trace *t, int64_t time_ns, uint64_t bytes)
{
    if (time_ns > c->exact.time_ns)
        write_held_total(c, t);
    hold(&c->exact, time_ns, bytes, 0);
}

void counters_add(struct heap_counters *heap, struct process_counter *process, struct trace *t,
                  const struct eh_event *row)
{
    add_pair(heap, t, row->time_ns, row->heap_live_bytes, row->heap_live_blocks);
    add_total(process, t, row->time_ns, row->process_live_bytes);
}

void heap_counters_point(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                         const struct curve_point *point)
{
    if (bucket_ns == CURVE_EXACT)
        add_pair(c, t, point->time_ns, point->value, point->beside);
    else
        heap_bucket_close(c, t, bucket_ns, point->time_ns, point->value, point->beside);
}

void process_counter_point(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                           const struct curve_point *point)
{
    if (bucket_ns == CURVE_EXACT)
        add_total(c, t, point->time_ns, point->value);
    else
        process_bucket_close(c, t, bucket_ns, point->time_ns, point->value);
}

void heap_counters_flush(struct heap_counters *c, struct trace *t)
{
    struct curve_point points[CURVE_POINTS];
    c->counted |= c->curve.open || point_held(&c->exact);
    write_pair(c, t, points, curve_flush(&c->curve, points));
    write_held_pair(c, t);
}

void process_counter_flush(struct process_counter *c, struct trace *t)
{
    struct curve_point points[CURVE_POINTS];
    c->counted |= c->curve.open || point_held(&c->exact);
    write_total(c, t, points, curve_flush(&c->curve, points));
    write_held_total(c, t);
}

void heap_counters_reopen(struct heap_counters *c, struct trace *t, uint64_t parent,
                          int64_t bucket_ns, int64_t ns)
{
    bool exact = bucket_ns == CURVE_EXACT, counted = c->counted;
    struct curve_point point = {
        .time_ns = ns,
        .value = exact ? c->exact.bytes : c->curve.last.value,
        .beside = exact ? c->exact.blocks : c->curve.last.beside,
    };
    *c = (struct heap_counters){0};
    heap_counters_open(c, t, ns, parent);
    if (counted)
        heap_counters_point(c, t, bucket_ns, &point);
}

void process_counter_reopen(struct process_counter *c, struct trace *t, uint64_t parent,
                            int32_t rank, int64_t bucket_ns, int64_t ns)
{
    bool counted = c->counted;
    struct curve_point point = {
        .time_ns = ns,
        .value = bucket_ns == CURVE_EXACT ? c->exact.bytes : c->curve.last.value,
    };
    *c = (struct process_counter){0};
    process_counter_open(c, t, ns, parent, rank);
    if (counted)
        process_counter_point(c, t, bucket_ns, &point);
}
