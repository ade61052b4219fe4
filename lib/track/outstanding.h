/* What is live at the end of a trace, block by block. */
#ifndef ETLHEAP_TRACK_OUTSTANDING_H
#define ETLHEAP_TRACK_OUTSTANDING_H

#include "track/track.h"

struct outstanding_block {
    int64_t birth_ns;
    uint32_t number; /* block.number, which tells blocks of one birth apart */
    uint32_t id;     /* in the tracker's slab */
    uint32_t heap;   /* heap index */
};

/* Zeroed is an empty list. */
struct outstanding {
    struct outstanding_block *blocks; /* by birth, and of one time in the order of the events */
    size_t count;
    size_t at; /* the next to be given out */
};

/* Lists the live blocks. The tracker may only be finished afterwards. 0, or -1 with `e` filled. */
int outstanding_list(struct outstanding *o, struct track *t, struct eh_error *e);

/* Writes the next of them, up to `room`, as EH_OUTSTANDING rows; returns how many, 0 at the end. */
size_t outstanding_rows(struct outstanding *o, const struct track *t, struct eh_event *out,
                        size_t room);

void outstanding_finish(struct outstanding *o);

#endif
