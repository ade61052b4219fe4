/* The line that says how far a run is, on standard error if that is a terminal. */
#ifndef ETLHEAP_CONVERTERS_PROGRESS_H
#define ETLHEAP_CONVERTERS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool wanted;
    bool shown; /* the line stands on the screen */
    int64_t shown_ns;
    uint64_t rows; /* converted so far, kept up to date by the driver */
    /* Where the pace is measured from: the start, then the first rows, which are slower. */
    int64_t pace_ns;
    uint64_t pace_done, pace_rows;
};

/* `wanted` false, or no terminal: all of the rest does nothing. */
void progress_init(struct progress *p, bool wanted);

/* Bytes done and to do (0 when unknown); draws a few times a second. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);

/* Takes the line away, before other text and at the end. */
void progress_erase(struct progress *p);

#endif
