/* Heap profiles: per process instance (or heap) and call stack, what was allocated and freed since
 * the trace's start, dumped now and then.
 *
 * Dumps lie evenly over the instance's heap records; one more lies at the peak of its live bytes
 * and one at its end. A dump holds everything up to and including its time, so it is taken when the
 * first later row comes. Which moment is the peak is known only at the end: the state at the
 * highest moment so far is kept by saving each site's figures at their first later change, and
 * dumps after it wait, encoded, until a higher moment or the end decides. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_PROFILE_H
#define ETLHEAP_CONVERTERS_PERFETTO_PROFILE_H

#include "base/map.h"
#include "model/event.h"
#include "perfetto_intern.h"
#include "perfetto_packet.h"
#include "perfetto_trace.h"

struct profile_site;
struct profile_stream;
struct profile;

#define PROFILE_RECENT 16384u

/* Zeroed, but for the pointers and options. */
struct profiles {
    struct trace *trace;
    struct intern *intern;
    uint64_t dumps; /* evenly spaced ones per process; 0: no profile */
    bool per_heap;  /* a heap_name and sequence per heap, not per process */
    int64_t from_ns; /* where EH_EARLIER rows come: the beginning of the time that is shown */
    bool by_time;   /* not all rows come: profiles_dump() says when, not the count of the rows */

    struct profile *all;
    size_t count, room;
    struct profile_stream *streams;
    size_t stream_count, stream_room;
    struct profile_site *sites;
    size_t site_count, site_room;
    size_t changed_count;   /* of all streams */
    size_t open_streams;    /* of profiles that are not closed */
    uint64_t waiting_bytes; /* of dumps that wait, all around their samples included */
    uint32_t *of_process; /* by process instance: profile + 1, where profile_earlier() opened it */
    size_t of_process_room;
    struct map stream_of;  /* (heap index, 0) to stream + 1, with per_heap */
    uint32_t recent[PROFILE_RECENT]; /* sites + 1, by what site_of knows them by */
    struct map site_of;    /* (stack or pseudo-stack, heap index) to site + 1 */
    struct map same_stack; /* (hash of frames, stream) to site + 1 */
};

/* Begins the profile of a process instance, which must not be the unknown owner; no dump will be
 * earlier than `from_ns`. Returns its number, or UINT32_MAX when memory ran out or no profile is
 * wanted. */
uint32_t profile_open(struct profiles *p, uint32_t process, int64_t from_ns);

/* Takes in a row of the instance. */
void profile_row(struct profiles *p, uint32_t profile, const struct eh_event *row);

/* Takes in an EH_EARLIER row: the profile of its process, when it is opened, begins with all of
 * them and a dump at the beginning of the time that is shown. */
void profile_earlier(struct profiles *p, const struct eh_event *row);

/* Takes a dump of every open profile as it is now, once its next row comes. */
void profiles_dump(struct profiles *p);

/* Writes what is left, at times before `limit_ns`, where the pid belongs to someone else. Returns
 * the time of the last dump, INT64_MIN if there is none. */
int64_t profile_close(struct profiles *p, uint32_t profile, int64_t limit_ns);

/* Another piece of the trace begins. What is left of the piece before is written first, as at an
 * end; then the profiles that are not closed begin once more: sequences, call stacks, and a dump at
 * `ns` of all that happened so far, written when a later row comes or at the end. */
void profiles_pause(struct profiles *p);
void profiles_resume(struct profiles *p, int64_t ns);

/* At least the bytes that profiles_pause() would write, and those that a row may add to them:
 * `whole_heap` where it may free all blocks of a heap. */
uint64_t profiles_waiting(const struct profiles *p);
uint64_t profiles_row_bytes(const struct profiles *p, const struct eh_event *row, bool whole_heap);

void profiles_finish(struct profiles *p);

#endif
