/* Live state: turns decoded heap events into rows that carry lifetimes and live figures, and writes
 * every change of the state that has no event of its own as a row too. Semantics 2 "Blocks". */
#ifndef ETLHEAP_TRACK_TRACK_H
#define ETLHEAP_TRACK_TRACK_H

#include "base/error.h"
#include "base/map.h"
#include "model/build.h"
#include "model/event.h"
#include "model/stats.h"
#include "track/live.h"

struct heap_state {
    struct live live;
    uint64_t bytes;     /* live */
    uint32_t process;
    uint32_t next_heap; /* of the same process, 0 at the end */
};

struct process_state {
    uint64_t bytes; /* live */
    uint32_t blocks;
    uint32_t added; /* number of the block added last */
    uint32_t heaps; /* first of its heaps */
};

/* Dropping all blocks of a heap or a process may take many batches: where it stands. */
struct sweep {
    bool active;
    bool whole_process;
    uint8_t reason;
    uint32_t heap; /* being emptied; 0: none left */
    size_t slot;
    struct eh_event last; /* the row that stands behind the drops */
};

#define HEAP_CACHE_BITS 6

struct track {
    struct eh_model *model; /* borrowed */
    struct eh_stats *stats; /* borrowed */
    struct slab slab;
    struct heap_state *heaps; /* by heap index */
    size_t heap_room;
    struct process_state *processes; /* by process instance */
    size_t process_room;
    struct map heap_ids; /* (process, handle) to heap index */
    struct sweep sweep;
    uint64_t bytes; /* live in all */
    uint32_t added; /* blocks added so far, low bits */
    struct heap_cache {
        uint64_t handle;
        uint32_t process, heap;
    } cache[1 << HEAP_CACHE_BITS]; /* heaps found lately, to spare the map */
};

void track_init(struct track *t, struct eh_model *model, struct eh_stats *stats);
void track_finish(struct track *t);

/* Rows that one call of track_event may write. */
#define TRACK_ROWS 2

/* Applies the decoded event in rows[0] (its process, stack and EH_HAS_ flags set) and completes it
 * in place; a drop goes before it, for which there must be room for TRACK_ROWS. Returns the number
 * of rows; 0 when a sweep began, which writes the row in its time; -1 with `e` filled. Not to be
 * called while t->sweep.active. */
int track_event(struct track *t, struct eh_event *rows, struct eh_error *e);

/* A process instance ended at `time_ns`: begins a sweep that ends with an EH_PROCESS_END row. */
int track_process_end(struct track *t, uint32_t process, int64_t time_ns, int64_t raw_time,
                      struct eh_error *e);

/* Goes on with the sweep: writes up to `room` (> 0) rows and returns how many. */
size_t track_sweep(struct track *t, struct eh_event *out, size_t room);

/* Sets the figures of the end of the trace in the stats. */
void track_end(struct track *t);

#endif
