/* A Perfetto trace as a whole: its clock, its sequences, what stands at its start and its end. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_TRACE_H
#define ETLHEAP_CONVERTERS_PERFETTO_TRACE_H

#include "io/sink.h"
#include "model/info.h"
#include "model/model.h"
#include "model/stats.h"
#include "perfetto_subset.pb-c.h"
#include "writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Packets of one sequence share defaults, interned data and an incremental clock, and their times
 * never step back. */
struct sequence {
    uint32_t id;
    int64_t last_ns; /* of the packet before */
};

struct trace {
    struct out *out;
    const struct eh_info *info;
    const struct eh_model *model;
    const char *tool;
    int64_t boot_ns;  /* BOOTTIME of time 0 */
    int64_t first_ns; /* time of the clock snapshots: no packet is earlier */
    int64_t earliest_ns; /* the same of the whole, where this is a piece */
    uint64_t last_uuid;
    struct sequence main; /* descriptors, slices, metadata; in BOOTTIME */
    uint32_t last_sequence;
    uint64_t piece;     /* 0: the whole, else from 1 on */
    bool out_of_memory; /* sticks; what could not be remembered is missing from the trace */
};

/* Writes clock, uuid, system and the root track. */
void trace_start(struct trace *t, const struct writer_context *context);

/* Begins another piece of the trace in the same sink, with the clock snapshots at `ns` (clamped).
 * Sequences and tracks of the piece before are gone. */
void trace_restart(struct trace *t, int64_t ns, uint64_t piece);

/* Writes the counts and the other attributes, on the main sequence; also to a piece before. */
void trace_finish(struct trace *t, const struct eh_stats *stats);

/* At least as many bytes as trace_finish() writes at the end of any run. */
uint64_t trace_finish_bytes(const struct trace *t);

/* Encodes a rare packet. */
void trace_write(struct trace *t, const Perfetto__TracePacket *packet);

static inline uint64_t trace_new_uuid(struct trace *t)
{
    return ++t->last_uuid;
}

/* `ns` moved into the range that can be written. */
#define TRACE_LATEST_NS (INT64_MAX / 2)
static inline int64_t trace_clamp(const struct trace *t, int64_t ns)
{
    return ns < t->first_ns ? t->first_ns : ns > TRACE_LATEST_NS ? TRACE_LATEST_NS : ns;
}

/* BOOTTIME of a clamped time. */
static inline uint64_t trace_boottime(const struct trace *t, int64_t ns)
{
    return (uint64_t)(t->boot_ns + ns);
}

/* Opens a sequence with an incremental clock of its own, none of whose packets will be earlier than
 * `from_ns`. With `track`, that is what its events mean by default; `extra` is the track of a
 * second value, or 0. */
void sequence_open(struct sequence *s, struct trace *t, int64_t from_ns, uint64_t track,
                   uint64_t extra);

/* Opens a sequence in BOOTTIME without defaults. */
void sequence_open_plain(struct sequence *s, struct trace *t);

/* The slow path of the next: a step back, or one to beyond what can be written. */
uint64_t sequence_odd_step(struct sequence *s, int64_t ns);

/* The time of the sequence's next packet as its clock wants it; a step back is none, and so is one
 * to before the trace. */
static inline uint64_t sequence_step(struct sequence *s, int64_t ns)
{
    /* One comparison for all: times lie within LIMIT_TIME_NS, which is TRACE_LATEST_NS and 1. */
    uint64_t step = (uint64_t)ns - (uint64_t)s->last_ns;
    if ((step - 1) >> 40)
        return sequence_odd_step(s, ns);
    s->last_ns = ns;
    return step;
}

#endif
