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

struct process_state {
    uint64_t bytes; /* live */
    uint32_t blocks;
    uint32_t added; /* number of the block added last */
    uint32_t heaps; /* first of its heaps */
};

/* What an event needs of its heap: a cache line. */
struct heap_state {
    struct live live;
    uint64_t bytes; /* live */
    struct process_state *owner;
    uint64_t handle;
    uint32_t process, index;
    uint32_t next_heap; /* of the same process, 0 at the end */
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

#define RECENT_HEAPS_BITS 6

struct track {
    struct eh_model *model; /* borrowed */
    struct eh_stats *stats; /* borrowed */
    struct slab slab;
    /* Each state has memory of its own, so that pointers to it hold. */
    struct heap_state **heaps; /* by heap index; [0] and what is not in use is NULL */
    size_t heap_room;
    struct process_state **processes; /* by process instance; NULL without heaps */
    size_t process_room;
    struct map heap_ids; /* (process, handle) to heap index */
    struct sweep sweep;
    uint64_t bytes; /* live in all */
    uint32_t added; /* blocks added so far, low bits */
    struct heap_state *recent[1 << RECENT_HEAPS_BITS]; /* heaps found lately, to spare the map */
    struct heap_state no_heap; /* stands for none: of no process, and nothing can be added */
};

/* `max_live` is eh_options.max_live. */
void track_init(struct track *t, struct eh_model *model, struct eh_stats *stats, uint32_t max_live);
void track_finish(struct track *t);

/* Applies decoded events (process, stack and EH_HAS_ flags set) and process ends, in order, and
 * completes their rows in place. Where a block goes without a free, its drop stands before the
 * event: such an event is left to the next call, whose first it is, and its drop is written to
 * rows[-1], which must exist. *ret_first is the first row to be read, rows or rows - 1. Returns how
 * many of `count`
 * (> 0) rows are done, at least 1; -1 with `e` filled.
 * With t->sweep.active afterwards, one row is done and none is to be read: the sweep writes it,
 * too. Not to be called while a sweep is active. */
int track_rows(struct track *t, struct eh_event *rows, size_t count, struct eh_event **ret_first,
               struct eh_error *e);

/* Goes on with the sweep: writes up to `room` (> 0) rows and returns how many. */
size_t track_sweep(struct track *t, struct eh_event *out, size_t room);

/* Sets the figures of the end of the trace in the stats. */
void track_end(struct track *t);

#endif
