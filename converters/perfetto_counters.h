/* The counters of a Perfetto trace: live bytes and blocks of a heap, live bytes of a process.
 *
 * Each heap and each process has a sequence of its own, whose clock and default tracks make a
 * point a packet of some 20 bytes. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_COUNTERS_H
#define ETLHEAP_CONVERTERS_PERFETTO_COUNTERS_H

#include "base/inline.h"
#include "curve.h"
#include "model/event.h"
#include "perfetto_packet.h"
#include "perfetto_trace.h"

/* An exact counter holds one point: a change in the same nanosecond may still replace it. */
struct exact_point {
    int64_t time_ns; /* POINT_NONE without one, so that one comparison tells both */
    int64_t last_ns; /* what time_ns was before it was POINT_NONE; no point will be earlier */
    uint64_t bytes, blocks;
};

#define POINT_NONE INT64_MAX

static inline bool point_held(const struct exact_point *p)
{
    return p->time_ns != POINT_NONE;
}

struct heap_counters {
    struct sequence sequence;
    struct counter pairs;       /* packets of the sequence, with both values */
    struct counter singles;     /* and with bytes alone */
    struct exact_point exact;   /* with bucket length CURVE_EXACT */
    struct curve curve;         /* with any other: bytes, and blocks beside */
    uint64_t blocks_track;
    bool counted; /* there are points before those that are held; known once flushed */
};

struct process_counter {
    struct sequence sequence;
    struct counter singles;
    struct exact_point exact;
    struct curve curve;
    bool counted; /* as above */
};

/* In points of a heap, curve_point.value is its live bytes, .beside its live blocks. */

/* Describes the tracks below `parent` (a process's counter at `rank`) and opens the sequence, whose
 * points will not be earlier than `from_ns`. */
void heap_counters_open(struct heap_counters *c, struct trace *t, int64_t from_ns,
                        uint64_t parent);
void process_counter_open(struct process_counter *c, struct trace *t, int64_t from_ns,
                          uint64_t parent, int32_t rank);

/* What is held, written at `at`, where PACKET_COUNTER_BYTES are reserved. */
EH_APART char *put_any_pair(char *at, struct heap_counters *c);
EH_APART char *put_any_total(char *at, struct process_counter *c);

/* The same, mostly without a call; times lie within LIMIT_TIME_NS, which all can be written. */
static inline char *put_held_pair(char *at, struct heap_counters *c)
{
    const uint64_t bytes = c->exact.bytes, blocks = c->exact.blocks;
    const uint64_t step = (uint64_t)c->exact.time_ns - (uint64_t)c->sequence.last_ns;
    if (!packet_has_two_bytes(step) || !packet_value_fits(&c->pairs.value, bytes) ||
        !packet_value_fits(&c->pairs.extra, blocks))
        return put_any_pair(at, c);
    c->sequence.last_ns = c->exact.time_ns;
    return put_pair_like_last(at, &c->pairs, step, bytes, blocks);
}

static inline char *put_held_total(char *at, struct process_counter *c)
{
    const uint64_t bytes = c->exact.bytes;
    const uint64_t step = (uint64_t)c->exact.time_ns - (uint64_t)c->sequence.last_ns;
    if (!packet_has_two_bytes(step) || !packet_value_fits(&c->singles.value, bytes))
        return put_any_total(at, c);
    c->sequence.last_ns = c->exact.time_ns;
    return put_like_last(at, &c->singles, step, bytes);
}

/* Whether a row of that time is later than points that both counters hold, as nearly all are. */
static inline bool counters_hold_earlier(const struct heap_counters *heap,
                                         const struct process_counter *process, int64_t time_ns)
{
    return time_ns > heap->exact.time_ns && time_ns > process->exact.time_ns;
}

/* Takes such a row's live figures as points of its heap and its process, and writes those held so
 * far, the heap's before the process's, at `at`, where COUNTERS_BYTES are reserved. */
#define COUNTERS_BYTES (2 * PACKET_COUNTER_BYTES)
static inline char *counters_put(char *at, struct heap_counters *heap,
                                 struct process_counter *process, const struct eh_event *row)
{
    const int64_t time_ns = row->time_ns;
    at = put_held_pair(at, heap);
    heap->exact.time_ns = time_ns;
    heap->exact.bytes = row->heap_live_bytes;
    heap->exact.blocks = row->heap_live_blocks;
    at = put_held_total(at, process);
    process->exact.time_ns = time_ns;
    process->exact.bytes = row->process_live_bytes;
    return at;
}

/* The same of any row: all of them, where counters_add_thinned() is never used. */
void counters_add(struct heap_counters *heap, struct process_counter *process, struct trace *t,
                  const struct eh_event *row);

/* Any change of a thinned counter: writes what the bucket before leaves if it begins another. */
EH_RARE void heap_bucket_close(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                               int64_t time_ns, uint64_t bytes, uint64_t blocks);
EH_RARE void process_bucket_close(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                                  int64_t time_ns, uint64_t bytes);

/* The same for counters of which only the points remain that their curves leave. */
static inline void counters_add_thinned(struct heap_counters *heap,
                                        struct process_counter *process, struct trace *t,
                                        int64_t bucket_ns, const struct eh_event *row)
{
    if (!curve_extend(&heap->curve, row->time_ns, row->heap_live_bytes, row->heap_live_blocks,
                      true))
        heap_bucket_close(heap, t, bucket_ns, row->time_ns, row->heap_live_bytes,
                          row->heap_live_blocks);
    if (!curve_extend(&process->curve, row->time_ns, row->process_live_bytes, 0, false))
        process_bucket_close(process, t, bucket_ns, row->time_ns, row->process_live_bytes);
}

/* A point of one of them alone, which no row of that heap makes. */
void heap_counters_point(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                         const struct curve_point *point);
void process_counter_point(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                           const struct curve_point *point);

/* The same in the next piece of the trace, where the counters begin with the values they had. */
void heap_counters_reopen(struct heap_counters *c, struct trace *t, uint64_t parent,
                          int64_t bucket_ns, int64_t ns);
void process_counter_reopen(struct process_counter *c, struct trace *t, uint64_t parent,
                            int32_t rank, int64_t bucket_ns, int64_t ns);

/* Writes what the curves still hold. */
void heap_counters_flush(struct heap_counters *c, struct trace *t);
void process_counter_flush(struct process_counter *c, struct trace *t);

#endif
