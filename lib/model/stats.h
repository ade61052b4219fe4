/* The counts every run keeps (semantics 3), in the order of their output. */
#ifndef ETLHEAP_MODEL_STATS_H
#define ETLHEAP_MODEL_STATS_H

#include "model/event.h"

#include <stdbool.h>
#include <stdint.h>

#define EH_UNKNOWN_TYPES 256

/* What found no place, because a limit of lib/base/limits.h or eh_options.max_live was reached.
 * What is counted of each is in semantics 3. */
enum eh_left_out {
    EH_LEFT_PROCESSES,
    EH_LEFT_THREADS,
    EH_LEFT_HEAPS,
    EH_LEFT_BLOCKS,
    EH_LEFT_STACKS,
    EH_LEFT_FRAMES,
    EH_LEFT_STACK_KEYS,
    EH_LEFT_IMAGES,
    EH_LEFT_VOLUMES,
    EH_LEFT_NAMES,
    EH_LEFT_KINDS
};

struct eh_stats {
    uint64_t events;                      /* every record of every kind */
    uint64_t heap_events[EH_HEAP_KINDS];  /* by kind; EH_UNKNOWN holds the sum of the next */
    uint64_t unknown_types[EH_UNKNOWN_TYPES]; /* by type of hook 0x10hh */
    uint64_t heap_events_total;
    uint64_t unknown_heap_events;
    uint64_t unmatched_frees;
    uint64_t replaced_allocs;
    uint64_t failed_allocs;
    uint64_t implicit_frees;
    uint64_t realloc_summaries;
    uint64_t stacks_attached;
    uint64_t stacks_unmatched;
    uint64_t peak_live_bytes;
    int64_t peak_time_ns;      /* with has_peak */
    bool has_peak;
    uint64_t outstanding_bytes;
    uint64_t outstanding_blocks;
    int64_t first_time_ns; /* with has_times */
    int64_t last_time_ns;
    bool has_times;
    uint64_t buffers_read;
    uint64_t buffers_damaged;
    uint64_t bytes_skipped;
    uint64_t time_steps_back;
    uint64_t events_lost;
    uint64_t buffers_lost;
    uint64_t inputs_truncated;
    uint64_t left_out[EH_LEFT_KINDS];
};

/* One figure of the flat list that --stats, Chrome and Perfetto outputs share. */
struct eh_figure {
    const char *name;   /* "heap_events.alloc": nested keys are dotted; valid during the call */
    bool known;         /* false: null */
    bool is_signed;     /* then value is an int64_t */
    uint64_t value;
};

/* Calls `each` for every figure in output order. A heap event name appears only if it was seen,
 * what was left out only if something was. */
void eh_stats_each(const struct eh_stats *s, void (*each)(void *context, const struct eh_figure *f),
                   void *context);

#endif
