#include "io/sink.h"

#include "io/os.h"
#include "io/zstd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES  ((size_t)1 << 20)
#define RESERVE_BYTES ((size_t)64 << 20) /* the largest out_reserve() the header allows */

struct out_file {
    struct out out;
    int fd;
    bool failed;
    struct eh_error error; /* the first one */
    struct zstd_packer *packer;
    /* All a reserve may ever ask for, so that none can fail. Pages beyond BUFFER_BYTES are touched
     * only by reserves larger than that; until then they cost address space, not memory. */
    char buffer[];
};

static void hand_on(struct out_file *f, const void *bytes, size_t n, bool last)
{
    if (f->failed)
        return;
    int result;
    if (f->packer)
        result = zstd_pack(f->packer, f->fd, bytes, n, last, &f->error);
    else if ((result = os_write(f->fd, bytes, n)))
        eh_fail(&f->error, EH_ERR_IO, errno, EH_NO_OFFSET, "cannot write");
    f->failed = result != 0;
}

static void flush(struct out *o)
{
    size_t n = (size_t)(o->at - o->start);
    hand_on(o->file, o->start, n, false);
    o->flushed += n;
    o->at = o->start;
    o->limit = o->start + BUFFER_BYTES;
}

char *out_make_room(struct out *o, size_t n)
{
    assert(n <= RESERVE_BYTES);
    flush(o);
    if (n > BUFFER_BYTES)
        o->limit = o->start + n;
    return o->at;
}

void out_write(struct out *o, const void *bytes, size_t n)
{
    if (!n)
        return;
    if (n >= BUFFER_BYTES) {
        flush(o);
        hand_on(o->file, bytes, n, false);
        o->flushed += n;
        return;
    }
    char *into = out_reserve(o, n);
    memcpy(into, bytes, n);
    out_commit(o, into + n);
}

int out_open(struct out **ret_out, int fd, int zstd_level, struct eh_error *e)
{
    if (zstd_level < 0 || zstd_level > ZSTD_LEVEL_MAX)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "zstd levels are 1 to %d",
                       ZSTD_LEVEL_MAX);
    struct out_file *f = malloc(sizeof *f + RESERVE_BYTES);
    if (!f)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    memset(f, 0, sizeof *f);
    f->fd = fd;
    f->out.file = f;
    f->out.start = f->out.at = f->buffer;
    f->out.limit = f->buffer + BUFFER_BYTES;
    if (zstd_level && !(f->packer = zstd_packer_create(zstd_level))) {
        free(f);
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    }
    *ret_out = &f->out;
    return 0;
}

int out_error(const struct out *o, struct eh_error *e)
{
    if (!o->file->failed)
        return 0;
    if (e)
        *e = o->file->error;
    return -1;
}

static void finish_stream(struct out *o)
{
    flush(o);
    if (o->file->packer)
        hand_on(o->file, NULL, 0, true);
}

void out_switch(struct out *o, int fd)
{
    finish_stream(o);
    o->file->fd = fd;
    o->flushed = 0;
}

int out_close(struct out *o, struct eh_error *e)
{
    if (!o)
        return 0;
    finish_stream(o);
    int result = out_error(o, e);
    zstd_packer_destroy(o->file->packer);
    free(o->file);
    return result;
}
