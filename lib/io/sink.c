#include "io/sink.h"

#include "io/os.h"
#include "io/workers.h"
#include "io/zstd.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES  ((size_t)1 << 20)
#define RESERVE_BYTES ((size_t)64 << 20) /* the largest out_reserve() the header allows */
#define BUFFERS       3 /* one being filled, one being written, one between the two */

/* A full buffer on its way out. */
struct parcel {
    struct task task;
    struct out_file *file;
    const char *bytes;
    size_t length;
    bool last;
};

struct out_file {
    struct out out;
    int fd;
    unsigned threads;
    struct zstd_packer *packer;
    struct workers *writer; /* NULL: parcels are written by who makes them */
    bool started;           /* whether there is a writer is decided */
    atomic_bool failed;
    struct eh_error error; /* the first one; the writer's until `failed` */
    struct parcel parcels[BUFFERS];
    size_t current; /* whose buffer is being filled */
    /* Of all parcels. The last one has all a reserve may ever ask for, so that none can fail. Pages
     * beyond BUFFER_BYTES are touched only by reserves larger than that; until then they cost
     * address space, not memory. */
    char buffers[];
};

static char *buffer_of(struct out_file *f, size_t parcel)
{
    return f->buffers + parcel * BUFFER_BYTES;
}

static void write_parcel(struct task *task)
{
    struct parcel *p = (struct parcel *)task;
    struct out_file *f = p->file;
    int result;
    if (atomic_load_explicit(&f->failed, memory_order_relaxed))
        return;
    if (f->packer)
        result = zstd_pack(f->packer, f->fd, p->bytes, p->length, p->last, &f->error);
    else if ((result = os_write(f->fd, p->bytes, p->length)))
        eh_fail(&f->error, EH_ERR_IO, errno, EH_NO_OFFSET, "cannot write");
    if (result)
        atomic_store_explicit(&f->failed, true, memory_order_release);
}

/* What fits into one buffer starts no thread, and plain bytes none either: beside decoding they
 * were written no sooner, but processor time rose by 2 to 15 % (CSV, into files and pipes). */
static void start(struct out_file *f)
{
    if (!f->started && f->packer && f->threads > 1)
        f->writer = workers_create(1);
    f->started = true;
}

static struct parcel *hand_on(struct out *o, const void *bytes, size_t n, bool last)
{
    struct out_file *f = o->file;
    struct parcel *p = &f->parcels[f->current];
    *p = (struct parcel){
        .task.run = write_parcel,
        .file = f,
        .bytes = bytes,
        .length = n,
        .last = last,
    };
    if (!last)
        start(f);
    workers_give(f->writer, &p->task);
    o->flushed += n;
    return p;
}

/* Goes on in the buffer of `parcel`, once that is written. */
static void fill(struct out *o, size_t parcel)
{
    struct out_file *f = o->file;
    workers_wait(f->writer, &f->parcels[parcel].task);
    f->current = parcel;
    o->start = o->at = buffer_of(f, parcel);
    o->limit = o->start + BUFFER_BYTES;
}

static void flush(struct out *o)
{
    struct out_file *f = o->file;
    if (o->at == o->start)
        return;
    hand_on(o, o->start, (size_t)(o->at - o->start), false);
    fill(o, f->writer ? (f->current + 1) % BUFFERS : f->current);
}

char *out_make_room(struct out *o, size_t n)
{
    assert(n <= RESERVE_BYTES);
    flush(o);
    if (n > BUFFER_BYTES) {
        fill(o, BUFFERS - 1);
        o->limit = o->start + n;
    }
    return o->at;
}

void out_write(struct out *o, const void *bytes, size_t n)
{
    if (!n)
        return;
    if (n >= BUFFER_BYTES) {
        flush(o);
        workers_wait(o->file->writer, &hand_on(o, bytes, n, false)->task);
        return;
    }
    char *into = out_reserve(o, n);
    memcpy(into, bytes, n);
    out_commit(o, into + n);
}

int out_open(struct out **ret_out, int fd, int zstd_level, unsigned threads, struct eh_error *e)
{
    if (zstd_level < 0 || zstd_level > ZSTD_LEVEL_MAX)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "zstd levels are 1 to %d",
                       ZSTD_LEVEL_MAX);
    struct out_file *f = malloc(sizeof *f + (BUFFERS - 1) * BUFFER_BYTES + RESERVE_BYTES);
    if (!f)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    memset(f, 0, sizeof *f);
    f->fd = fd;
    f->threads = threads;
    f->out.file = f;
    fill(&f->out, 0);
    if (zstd_level && !(f->packer = zstd_packer_create(zstd_level, threads))) {
        free(f);
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    }
    *ret_out = &f->out;
    return 0;
}

int out_error(const struct out *o, struct eh_error *e)
{
    if (!atomic_load_explicit(&o->file->failed, memory_order_acquire))
        return 0;
    if (e)
        *e = o->file->error;
    return -1;
}

/* Returns when all is written. */
static void finish_stream(struct out *o)
{
    struct out_file *f = o->file;
    if (o->at > o->start || f->packer)
        hand_on(o, o->start, (size_t)(o->at - o->start), true);
    for (size_t i = 0; i < BUFFERS; i++)
        workers_wait(f->writer, &f->parcels[i].task);
    fill(o, f->current);
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
    struct out_file *f = o->file;
    finish_stream(o);
    int result = out_error(o, e);
    workers_destroy(f->writer);
    zstd_packer_destroy(f->packer);
    free(f);
    return result;
}
