/* Where an output is cut into pieces: --split-rows, --split-size, --split-time.
 *
 * The writer asks before each item (a row of a table, a heap event on a timeline) whether it is due
 * in the next piece. If so it ends the piece, calls split_next(), and begins the next one in the
 * same sink, which then leads to another file. Files and their names are the driver's. */
#ifndef ETLHEAP_CONVERTERS_SPLIT_H
#define ETLHEAP_CONVERTERS_SPLIT_H

#include "writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: no cuts. What the options say stands first. */
struct split {
    uint64_t max_items; /* of a piece; 0: any number */
    uint64_t max_bytes; /* of a piece, uncompressed; only a piece of one item has more; 0: any */
    int64_t period_ns;  /* T: a piece lies in one [kT, (k+1)T); 0: anywhere */

    /* Finishes the file and leads the sink into the next one; the driver keeps the errors. */
    void (*next)(void *context);
    void *context;

    uint64_t pieces; /* begun so far, from 1 */
    uint64_t items;  /* in the piece */
    bool placed;     /* the piece has a period: that of its first row */
    int64_t period;  /* k */
    int64_t latest_ns; /* of the rows so far; with any_row */
    bool any_row;

    /* Set when a cut is due: the times at which the piece ends and the next one begins. */
    int64_t end_ns, begin_ns;
};

/* The options, and what takes them: as writer.options and writer.set, on a struct split. */
extern const struct option_spec split_options[];
int split_set(void *split, int id, const char *argument, struct eh_error *e);

/* Whether anything is to be cut. */
static inline bool split_is_wanted(const struct split *s)
{
    return s->max_items || s->max_bytes || s->period_ns;
}

/* Whether an item at `time_ns` belongs to the next piece, which would have `bytes` with it, all that
 * stands at its end included. True sets end_ns and begin_ns. */
bool split_is_due(struct split *s, int64_t time_ns, uint64_t bytes);

/* The same for rows that are no item but leave their trace on a timeline (what a process had when
 * it ended): they never exceed the number of items. */
bool split_is_due_aside(struct split *s, int64_t time_ns, uint64_t bytes);

/* An item, or a row that is none, goes into the piece. */
void split_take(struct split *s, int64_t time_ns);
void split_take_aside(struct split *s, int64_t time_ns);

/* Goes on to the next piece. */
void split_next(struct split *s);

#endif
