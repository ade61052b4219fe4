/* zstd in both directions; zstd.c is the only file that includes the library. Private to lib/io. */
#ifndef ETLHEAP_IO_ZSTD_H
#define ETLHEAP_IO_ZSTD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stream may ask for a window of 1 << 27 bytes (128 MiB, as `zstd -d` without --long). */
#define ZSTD_WINDOW_LOG_MAX 27

enum {
    ZSTD_MAGIC_BYTES = 4,
    ZSTD_LEVEL_MAX = 19,
#ifndef ETLHEAP_SMALL_WINDOWS
    ZSTD_CHUNK_BYTES = 1 << 18, /* for the caller's buffers; holds every block */
#else /* for fuzzers, see limits.h */
    ZSTD_CHUNK_BYTES = 1 << 13,
#endif
};

/* Whether these ZSTD_MAGIC_BYTES begin a frame, be it one to skip. */
bool zstd_is_frame(const uint8_t *bytes);

/* --- unpacking, one step at a time --- */

struct zstd_unpacker;

enum zstd_outcome {
    ZSTD_MORE,      /* feed on */
    ZSTD_FRAME_END, /* all of a frame came out; another one may follow */
    ZSTD_BROKEN,    /* not valid zstd from here on; nothing came out in this step */
    ZSTD_TOO_LARGE, /* asks for a window above the maximum */
    ZSTD_NO_MEMORY,
};

struct zstd_step {
    enum zstd_outcome outcome;
    size_t taken;       /* bytes of `packed` used up */
    size_t made;        /* bytes put into `into` */
    const char *broken; /* with ZSTD_BROKEN: what is wrong, static text */
};

/* NULL when memory ran out. */
struct zstd_unpacker *zstd_unpacker_create(void);

/* Unpacks at most one block. More may come out with no input at all while `made` == `room`. */
struct zstd_step zstd_unpack(struct zstd_unpacker *u, const uint8_t *packed, size_t length,
                             uint8_t *into, size_t room);
void zstd_unpacker_destroy(struct zstd_unpacker *u); /* accepts NULL */

/* --- packing into a file descriptor --- */

struct zstd_packer;

/* `level` is 1 to ZSTD_LEVEL_MAX. Packs in threads of its own, as far as libzstd was built with
 * them, for so many processors as `threads`, at least 1; 1 works in turn with the caller, more
 * beside it. What comes out does not depend on their number. NULL when memory ran out. The frame
 * carries a checksum. */
struct zstd_packer *zstd_packer_create(int level, unsigned threads);

/* Packs `bytes` and writes what comes out, perhaps later; `last` ends the frame. 0 or -1 with `e`
 * filled. */
int zstd_pack(struct zstd_packer *p, int fd, const void *bytes, size_t length, bool last,
              struct eh_error *e);
void zstd_packer_destroy(struct zstd_packer *p); /* accepts NULL */

#endif
