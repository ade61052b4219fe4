/* Where an output is cut into pieces: --split-rows, --split-size, --split-time.
 *
 * The writer asks before each item (a row of a table, a heap event on a timeline) whether it is due
 * in the next piece. If so it ends the piece, calls split_next(), and begins the next one in the
 * same sink, which then leads to another file. Files and their names are the driver's. */
#ifndef ETLHEAP_CONVERTERS_SPLIT_H
#define ETLHEAP_CONVERTERS_SPLIT_H

#include "model/event.h"
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
    uint64_t filled; /* items and others in the piece */
    bool placed;     /* in a period: there was a row */
    int64_t period;  /* k */
    int64_t latest_ns; /* of the rows so far; with any_row */
    bool any_row;

    /* Of timelines. A block that an alloc or realloc replaces is kept here until that comes. */
    struct eh_event held;
    bool has_held;
    bool inside; /* after a drop, for this reason, of this process: what caused it is to come */
    uint8_t reason;
    uint32_t process;

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

/* What a row is to the limits. */
enum split_row {
    SPLIT_ITEM,
    SPLIT_OTHER, /* hidden by a filter, but moves a counter: no item, and yet fills a piece */
    SPLIT_END,   /* of a process, and what it still had: with the rows before, if it can be */
    SPLIT_INSIDE /* a part of what began before */
};

/* Whether a row at `time_ns` belongs to the next piece, if the piece would have `bytes` with it,
 * all that stands at its end included. True sets end_ns and begin_ns. */
bool split_is_due(struct split *s, enum split_row what, int64_t time_ns, uint64_t bytes);

/* The row goes into the piece. */
void split_take(struct split *s, enum split_row what, int64_t time_ns);

/* Goes on to the next piece. */
void split_next(struct split *s);

/* A timeline that is cut. */
struct split_timeline {
    /* Bytes of the piece with the row in it and all that it will need at its end, or more. */
    uint64_t (*bytes)(void *state, enum split_row what, const struct eh_event *row);
    /* Ends the piece at split.end_ns, calls split_next(), begins another at split.begin_ns. */
    int (*cut)(void *state);
    /* Writes a row. Both return 0, or -1 when memory ran out. */
    int (*add)(void *state, const struct eh_event *row);
};

/* Writes rows, cut where it is due: never between an event and what it does to other blocks. */
int split_timeline_rows(struct split *s, const struct split_timeline *t, void *state,
                        const struct eh_event *rows, size_t count);

/* After the last of them. */
int split_timeline_end(struct split *s, const struct split_timeline *t, void *state);

/* `time_ns`, or the end of the piece's period if that is earlier. */
int64_t split_within(const struct split *s, int64_t time_ns);

#endif
