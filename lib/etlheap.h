/* etlheap: Windows heap activity out of .etl traces, on any system.
 *
 *     struct eh_reader *r;
 *     struct eh_error e = {0};
 *     if (eh_open(&r, paths, count, NULL, &e) < 0) ... e.text
 *     const struct eh_event *rows;
 *     size_t n;
 *     int more;
 *     while ((more = eh_next(r, &rows, &n, &e)) > 0)
 *         for (size_t i = 0; i < n; i++) ... rows[i]
 *     eh_close(r);
 *
 * Nothing here prints, exits or asserts on input. Damage is data, not an error: it is told to
 * eh_options.notice, counted in eh_stats, and reading goes on with the next good byte.
 * A reader is used by one thread at a time; different readers are independent. */
#ifndef ETLHEAP_H
#define ETLHEAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/error.h"
#include "base/notice.h"
#include "model/census.h"
#include "model/event.h"
#include "model/info.h"
#include "model/model.h"
#include "model/stats.h"

struct eh_reader;

#define EH_MAX_LIVE 0xFFFFFFF0u /* blocks that ids allow */

struct eh_options {
    bool outstanding; /* list what is live at the end: EH_OUTSTANDING rows, 24 bytes each */
    void (*notice)(void *context, const struct eh_notice *n); /* may be NULL */
    /* Called now and then with the bytes of the inputs and how many of them are done, of which each
     * of several passes is a share; `total` is 0 while it is not known. Non-zero stops the call it
     * happens in, which then fails with EH_ERR_IO and sys EINTR. May be NULL. */
    int (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
    /* A census costs one more pass. With EH_CENSUS_SAMPLE nothing else is done: eh_info() has what
     * headers say, eh_model() is empty, eh_next() ends at once, and of eh_stats() only the counts
     * of buffers, damage and losses are filled. */
    enum eh_census_extent census;
    /* Blocks kept in memory at one time, of 48 to 64 bytes each, at most EH_MAX_LIVE, which 0 means.
     * Others are counted (EH_LEFT_BLOCKS), not tracked. */
    uint32_t max_live;
};

/* Opens `count` inputs as one trace and surveys them: contexts, names and totals are known when it
 * returns. A path is a file; "-" is standard input, spooled to an unlinked temporary file like the
 * unpacked bytes of a zstd input. Returns 0, or -1 with `e` filled; `options` may be NULL. */
int eh_open(struct eh_reader **ret_reader, const char *const *paths, size_t count,
            const struct eh_options *options, struct eh_error *e);

/* Owned by the reader, valid until eh_close. */
const struct eh_info *eh_info(const struct eh_reader *r);
const struct eh_model *eh_model(const struct eh_reader *r);

/* NULL unless eh_options asked for one; also owned by the reader. */
const struct eh_census *eh_census(const struct eh_reader *r);

/* The next batch, at most EH_BATCH_ROWS rows, in the order of semantics 2: borrowed until the next
 * call. Returns 1, 0 at the end of the trace, or -1 with `e` filled. */
int eh_next(struct eh_reader *r, const struct eh_event **ret_rows, size_t *ret_count,
            struct eh_error *e);

/* Complete after eh_next has returned 0; owned by the reader. */
const struct eh_stats *eh_stats(const struct eh_reader *r);

/* Accepts NULL. */
void eh_close(struct eh_reader *r);

#ifdef __cplusplus
}
#endif

#endif
