/* The counters of a Perfetto trace: live bytes and blocks of a heap, live bytes of a process.
 *
 * Each heap and each process has a sequence of its own, whose clock and default tracks make a
 * point a packet of some 20 bytes. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_COUNTERS_H
#define ETLHEAP_CONVERTERS_PERFETTO_COUNTERS_H

#include "curve.h"
#include "model/event.h"
#include "perfetto_trace.h"

/* An exact counter holds one point: a change in the same nanosecond may still replace it. */
struct exact_point {
    int64_t time_ns;
    uint64_t bytes, blocks;
    bool held;
};

struct heap_counters {
    struct sequence sequence;
    struct exact_point exact;   /* with bucket length CURVE_EXACT */
    struct curve bytes, blocks; /* with any other */
    uint64_t blocks_track;
};

struct process_counter {
    struct sequence sequence;
    struct exact_point exact;
    struct curve bytes;
};

/* Describes the tracks below `parent` (a process's counter at `rank`) and opens the sequence. */
void heap_counters_open(struct heap_counters *c, struct trace *t, uint64_t parent);
void process_counter_open(struct process_counter *c, struct trace *t, uint64_t parent,
                          int32_t rank);

/* Takes the row's live figures as a point, with curve_add()'s bucket length, always the same. */
void heap_counters_add(struct heap_counters *c, struct trace *t, int64_t bucket_ns,
                       const struct eh_event *row);
void process_counter_add(struct process_counter *c, struct trace *t, int64_t bucket_ns,
                         const struct eh_event *row);

/* Writes what the curves still hold. */
void heap_counters_flush(struct heap_counters *c, struct trace *t);
void process_counter_flush(struct process_counter *c, struct trace *t);

#endif
