/* What is known of a trace as a whole before its first row. */
#ifndef ETLHEAP_MODEL_INFO_H
#define ETLHEAP_MODEL_INFO_H

#include "model/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eh_info {
    int64_t start_unix_ns;  /* wall time of time_ns 0 (UTC); 100 ns resolution; like all times
                             * within LIMIT_TIME_NS of zero */
    int64_t boot_unix_ns;   /* of the first input's header; 0 when the header has none */
    int64_t first_event_ns; /* earliest heap event, 0 when there is none */
    int64_t last_event_ns;  /* latest heap event, 0 when there is none */
    int64_t last_record_ns; /* latest record of any kind */
    uint64_t heap_records;  /* records of all heap kinds in the inputs */
    uint64_t block_records; /* alloc, free and realloc records among them */
    uint64_t heap_events[EH_HEAP_KINDS];      /* the same by kind, and those of unknown kinds by */
    uint64_t unknown_types[EH_UNKNOWN_TYPES]; /* type, as in struct eh_stats */
    bool has_stacks;        /* stack records are present */
    bool has_ownerless;     /* heap records whose header names no process are present */
    uint8_t os_major, os_minor;
    uint32_t os_build;
    uint32_t processors;   /* of the first header, never 0 */
    uint32_t pointer_size; /* bytes, of the recording system */
    int32_t timezone_minutes; /* UTC = local + this many minutes */
    int64_t clock_frequency;  /* ticks per second */
    const char *session;      /* UTF-8, may be empty */
    size_t inputs;
    const char *const *input_names; /* without folders, UTF-8 as given */
    uint64_t content_hash[2];       /* from the inputs' bytes: the same input, the same hash */
};

#endif
