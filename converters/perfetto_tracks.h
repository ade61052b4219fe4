/* The tracks of a Perfetto trace: each function writes a descriptor and returns its uuid. Names
 * may be NULL; `rank` is the place among the parent's children. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_TRACKS_H
#define ETLHEAP_CONVERTERS_PERFETTO_TRACKS_H

#include "perfetto_trace.h"

/* `ns`: when the process takes its pid over from another. */
uint64_t track_process(struct trace *t, const struct eh_process *p, int64_t ns, int32_t rank);

/* `ns`: when the thread takes its tid over from another. */
uint64_t track_thread(struct trace *t, uint32_t pid, uint32_t tid, const char *name, int64_t ns,
                      int32_t rank);

/* `parent` 0 is the root. Its children are in the order of their ranks. */
uint64_t track_plain(struct trace *t, uint64_t parent, const char *name, const char *description,
                     int32_t rank);

enum track_unit {
    TRACK_BYTES,
    TRACK_COUNT,
};
uint64_t track_counter(struct trace *t, uint64_t parent, const char *name, enum track_unit unit,
                       int32_t rank);

/* A slice on a plain track, from this time to slice_end(). */
void slice_begin(struct trace *t, uint64_t track, const char *name, int64_t ns);
void slice_end(struct trace *t, uint64_t track, int64_t ns);

#endif
