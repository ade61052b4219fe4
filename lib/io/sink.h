/* Where a writer's bytes go: a large buffer before a file, a pipe or a zstd stream.
 *
 * out_reserve() always gives writable space and never fails: the first error sticks, later bytes
 * are thrown away, and out_error()/out_close() report it. So writers format without checks. */
#ifndef ETLHEAP_IO_SINK_H
#define ETLHEAP_IO_SINK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
    char *at;    /* next byte to write */
    char *limit; /* end of the space */
    uint64_t flushed; /* bytes handed on before `start`, uncompressed */
    char *start;
    struct out_file *file; /* the private rest */
};

/* The slow path of out_reserve(): hands full bytes on, grows the buffer if `n` exceeds it. */
char *out_make_room(struct out *o, size_t n);

/* `n` writable bytes at the returned place; valid until the next call. n is at most 64 MiB. */
static inline char *out_reserve(struct out *o, size_t n)
{
    return (size_t)(o->limit - o->at) >= n ? o->at : out_make_room(o, n);
}

/* Everything before `end` (inside the space last reserved) is written. */
static inline void out_commit(struct out *o, char *end)
{
    o->at = end;
}

/* Takes back the last `n` bytes, all committed since the last out_reserve(). */
static inline void out_take_back(struct out *o, size_t n)
{
    o->at -= n;
}

/* Copies `n` bytes of any length. */
void out_write(struct out *o, const void *bytes, size_t n);

/* Uncompressed bytes written so far. */
static inline uint64_t out_position(const struct out *o)
{
    return o->flushed + (uint64_t)(o->at - o->start);
}

/* Opens a sink on an open file descriptor, which it does not close. `zstd_level` 0 writes plain
 * bytes, 1 to 19 compresses. With `threads` above 1, compressing and writing what comes out go on
 * beside the caller once a buffer is full, on about so many processors; the bytes are the same for
 * any number. Returns 0, or -1 with `e` filled (memory). */
int out_open(struct out **ret_out, int fd, int zstd_level, unsigned threads, struct eh_error *e);

/* Hands on what is left, ends the zstd frame, and goes on into another descriptor at position 0.
 * An error before or after sticks as ever. */
void out_switch(struct out *o, int fd);

/* 0, or -1 with the first error: EH_ERR_IO with sys (ENOSPC, EPIPE, ...). Cheap. What goes on
 * beside the caller may fail a few buffers later. */
int out_error(const struct out *o, struct eh_error *e);

/* Hands on what is left, ends the zstd frame, frees everything. Returns 0 or -1 with the first
 * error there was. Accepts NULL (returns 0). The descriptor stays open. */
int out_close(struct out *o, struct eh_error *e);

#endif
