/* Where buffers may stand: what speaks for a buffer header at a place, and where the next one
 * stands when the chain from one buffer to the next is broken. FORMAT.md 1.2. */
#ifndef ETLHEAP_CONTAINER_ETL_RESYNC_H
#define ETLHEAP_CONTAINER_ETL_RESYNC_H

#include "base/error.h"
#include "container/etl_layout.h"
#include "io/source.h"

#include <stdbool.h>
#include <stdint.h>

/* A buffer header as read, before anything in it is believed. */
struct buffer_head {
    uint8_t bytes[BUF_HEADER_BYTES + 8]; /* and the first record's beginning; zeros past the end */
    uint32_t size;                       /* BufferSize */
    uint32_t flags;
};

/* An input while it is indexed. The caller sets the first group and clears the rest. */
struct resync {
    struct source *source;
    int64_t size;      /* of the input */
    struct eh_error *e; /* filled where a function returns -1 */

    uint32_t step; /* buffer size of the session at hand, 0 where its header names none */
    uint32_t last_plain; /* size of the latest buffer that is not compressed, 0 before it */
    bool packs;    /* the file holds compressed buffers */

    bool fill_known;
    int64_t fill_from; /* with fill_known: only fill from here to the end */
    int64_t searched, found; /* the first sure header at or behind `searched` is `found` */
};

enum standing {
    STANDS_NOTHING,   /* no buffer header */
    STANDS_PLAUSIBLE, /* bytes that may be one */
    STANDS_SURE,      /* one in every respect, or the end of the input, or of all that is used */
};

static inline bool head_is_compressed(const struct buffer_head *h)
{
    return h->flags & BUF_FLAG_COMPRESSED;
}

/* Whether the bytes look like a buffer header, wherever its buffer ends. */
bool head_is_plausible(const struct buffer_head *h);

/* Reads the header at `at`: 1, 0 when the input ends before its end, -1 on error. */
int resync_head(const struct resync *x, int64_t at, struct buffer_head *ret_head);

/* Whether there is only unused space, zeros or 0xFF, from `at` to the end: 1, 0 or -1. */
int resync_only_fill(struct resync *x, int64_t at);

/* enum standing of the place `at`, or -1. */
int resync_standing(struct resync *x, int64_t at);

/* The first place at or behind `from` where surely a buffer stands, or the input's size; -1 on
 * error. Calls with growing `from` read the input once in all. */
int64_t resync_search(struct resync *x, int64_t from);

#endif
