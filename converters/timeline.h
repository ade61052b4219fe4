/* What the writers of timelines (Chrome, Perfetto) have in common: how finely counters are drawn
 * and whether single events are shown. */
#ifndef ETLHEAP_CONVERTERS_TIMELINE_H
#define ETLHEAP_CONVERTERS_TIMELINE_H

#include "base/error.h"
#include "model/info.h"
#include "writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: everything chosen by the size of the trace. */
struct timeline {
    bool resolution_given;
    int64_t resolution_ns; /* with resolution_given: a bucket length, CURVE_EXACT or CURVE_AUTO */
    enum timeline_instants { INSTANTS_BY_SIZE, INSTANTS_ON, INSTANTS_OFF } instants;
};

/* Ids of the shared options; a writer's own begin at TIMELINE_OPTIONS_END. */
enum { TIMELINE_RESOLUTION = 1, TIMELINE_EVENTS, TIMELINE_NO_EVENTS, TIMELINE_OPTIONS_END };

/* Entries for a writer's table of options. */
/* clang-format off */
#define TIMELINE_OPTIONS                                                                           \
    {"resolution", 0, "T", "counters: auto (default), exact, or steps such as 10us",               \
     TIMELINE_RESOLUTION},                                                                         \
    {"events", 0, NULL, "each alloc, free and realloc; default: up to 100000",                     \
     TIMELINE_EVENTS},                                                                             \
    {"no-events", 0, NULL, "counters only, no single events", TIMELINE_NO_EVENTS}
/* clang-format on */

/* Takes one of the shared options, as writer.set does. */
int timeline_set(struct timeline *t, int id, const char *argument, struct eh_error *e);

/* The bucket length for curve_add(), CURVE_EXACT included. */
int64_t timeline_bucket_ns(const struct timeline *t, const struct eh_info *info);

/* A bucket length in the largest unit that it is a whole number of: "20us". TEXT_I64_BYTES + 2. */
char *timeline_put_duration(char *at, int64_t ns);

/* How exact counters are, for writer.remark: "counters exact", "counters every 10us". */
void timeline_remark(const struct timeline *t, const struct eh_info *info, char *ret_text);

/* Tells the user (context->tell) what was left out because the trace is large. */
void timeline_tell(const struct timeline *t, const struct writer_context *context);

/* Whether allocs, frees and reallocs are written one by one. */
bool timeline_instants(const struct timeline *t, const struct eh_info *info);

#endif
