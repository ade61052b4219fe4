/* The way of nearly all records, and of most of the time: the streams of a trace, merged, to
 * batches of rows.
 *
 * A stream goes on in one of two ways. Its **lane** takes it through runs of the most common
 * records, which are decoded from their bytes in one short loop over all streams. At what is not
 * common, and at a buffer's end, the stream itself catches up with its lane, batch_take() looks at
 * the record, and etl_stream_next() moves the stream on. Both ways make the same rows. */
#ifndef ETLHEAP_RUNS_H
#define ETLHEAP_RUNS_H

#include "batch.h"
#include "container/etl_merge.h"

struct runs {
    struct batch batch;
    struct merge merge;
    struct lane *lanes; /* by stream; as many as merge.leaves */
    bool common;        /* lanes may take records */
};

/* Begins the second pass; `r` is zeroed. 0, or -1 with `e` filled; either way end with
 * runs_finish(). */
int runs_init(struct runs *r, const struct batch_sources *from, struct eh_error *e);
void runs_finish(struct runs *r);

/* Decodes the next rows, from r->batch.rows + 1 up to r->batch.count: none when the trace has
 * ended. 0, or -1 with `e` filled. */
int runs_decode(struct runs *r, struct eh_error *e);

#endif
