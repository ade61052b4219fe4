/* Inputs: a plain file is read in place; everything else is first spooled into a nameless
 * temporary file, unpacked on the way when it is a zstd stream. */
#include "io/source.h"

#include "base/limits.h"
#include "io/os.h"
#include "io/zstd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source {
    int fd;
    int64_t base; /* where in the descriptor offset 0 lies */
    int64_t size;
    struct os_status opened; /* what the path led to */
    int64_t damage_offset;
    char damage[160]; /* empty: none */
};

/* An input on its way into the temporary file. */
struct spool {
    const struct source *source;
    int from;
    int64_t next; /* offset in the input of the byte after the buffered ones */
    size_t start; /* the buffered bytes are packed[start] to packed[end - 1] */
    size_t end;
    bool at_end; /* the input has no more */
    int into;
    uint64_t written;
    int (*spooled)(void *context, uint64_t bytes);
    void *context;
    struct zstd_unpacker *unpacker;
    uint8_t packed[ZSTD_CHUNK_BYTES];
    uint8_t plain[ZSTD_CHUNK_BYTES];
};

static int stop_if_asked(const struct spool *sp, struct eh_error *e)
{
    if (sp->spooled && sp->spooled(sp->context, sp->written))
        return eh_fail(e, EH_ERR_IO, EINTR, EH_NO_OFFSET, "stopped");
    return 0;
}

/* What the input gives next; 0 at its end. Files are read by offset, so that a descriptor shared
 * with another process keeps its position. */
static int64_t read_next(struct spool *sp, uint8_t *into, size_t room)
{
    const struct source *s = sp->source;
    if (s->opened.kind == OS_FILE)
        return os_read_at(sp->from, s->base + sp->next, into, room);
    return os_read(sp->from, into, room);
}

/* Buffers bytes until there are `need` or the input ends. */
static int fill(struct spool *sp, size_t need, struct eh_error *e)
{
    if (sp->end - sp->start >= need || sp->at_end)
        return 0;
    memmove(sp->packed, sp->packed + sp->start, sp->end - sp->start);
    sp->end -= sp->start;
    sp->start = 0;
    while (sp->end < need && !sp->at_end) {
        int64_t n = read_next(sp, sp->packed + sp->end, sizeof sp->packed - sp->end);
        if (n < 0 && errno != EINTR)
            return eh_fail(e, EH_ERR_IO, errno, sp->next, "cannot read");
        if (n < 0 && stop_if_asked(sp, e))
            return -1;
        if (n < 0)
            continue;
        sp->at_end = n == 0;
        sp->end += (size_t)n;
        sp->next += n;
    }
    return 0;
}

static int write_spooled(struct spool *sp, const uint8_t *bytes, size_t length, struct eh_error *e)
{
    if (sp->written + length > LIMIT_UNPACKED_BYTES)
        return eh_fail(e, EH_ERR_LIMIT, 0, sp->next,
                       "holds more than %llu GiB, which is refused",
                       (unsigned long long)(LIMIT_UNPACKED_BYTES >> 30));
    if (os_write(sp->into, bytes, length))
        return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET,
                       "cannot keep it in a temporary file in %s (set TMPDIR to a folder with more "
                       "room)", os_temp_folder());
    sp->written += length;
    return stop_if_asked(sp, e);
}

static int spool_plain(struct spool *sp, struct eh_error *e)
{
    while (sp->end > sp->start) {
        if (write_spooled(sp, sp->packed + sp->start, sp->end - sp->start, e))
            return -1;
        sp->start = sp->end;
        if (fill(sp, 1, e))
            return -1;
    }
    return 0;
}

/* Offset in the input of the first byte not yet used. */
static int64_t used_up_to(const struct spool *sp)
{
    return sp->next - (int64_t)(sp->end - sp->start);
}

/* The stream ends early. What came out is kept; when nothing did, the input is refused. */
static int end_damaged(struct spool *sp, struct source *s, const char *what, struct eh_error *e)
{
    if (!sp->written)
        return eh_fail(e, EH_ERR_FORMAT, 0, used_up_to(sp), "not a valid zstd stream: %s", what);
    s->damage_offset = used_up_to(sp);
    snprintf(s->damage, sizeof s->damage, "the zstd stream is damaged: %s", what);
    return 0;
}

static int refuse_step(const struct spool *sp, enum zstd_outcome outcome, struct eh_error *e)
{
    if (outcome == ZSTD_TOO_LARGE)
        return eh_fail(e, EH_ERR_LIMIT, 0, used_up_to(sp),
                       "packed with a zstd window of more than %u MiB (unpack it first, with "
                       "zstd -d --long=31)", (1u << ZSTD_WINDOW_LOG_MAX) >> 20);
    return eh_fail(e, EH_ERR_MEMORY, 0, used_up_to(sp), "out of memory while unpacking zstd");
}

/* One step of one frame. *ret_over: the frame ended, or damage ended the stream. */
static int unpack_step(struct spool *sp, struct source *s, bool *ret_over, struct eh_error *e)
{
    if (fill(sp, 1, e))
        return -1;
    size_t have = sp->end - sp->start;
    struct zstd_step step = zstd_unpack(sp->unpacker, sp->packed + sp->start, have, sp->plain,
                                        sizeof sp->plain);
    if (step.outcome == ZSTD_TOO_LARGE || step.outcome == ZSTD_NO_MEMORY)
        return refuse_step(sp, step.outcome, e);
    *ret_over = step.outcome != ZSTD_MORE;
    if (step.outcome == ZSTD_BROKEN)
        return end_damaged(sp, s, step.broken, e);
    sp->start += step.taken;
    if (step.made && write_spooled(sp, sp->plain, step.made, e))
        return -1;
    if (step.outcome == ZSTD_MORE && !have && !step.made) {
        *ret_over = true;
        return end_damaged(sp, s, "it is cut short", e);
    }
    return 0;
}

/* Whether a zstd frame begins with the buffered bytes. */
static bool is_packed(const struct spool *sp)
{
    return sp->end - sp->start >= ZSTD_MAGIC_BYTES && zstd_is_frame(sp->packed + sp->start);
}

/* Frame after frame, until the input ends or is no zstd any more. */
static int spool_frames(struct spool *sp, struct source *s, struct eh_error *e)
{
    bool over;
    do {
        do {
            over = false;
            if (unpack_step(sp, s, &over, e))
                return -1;
        } while (!over);
        if (*s->damage)
            return 0;
        if (fill(sp, ZSTD_MAGIC_BYTES, e))
            return -1;
    } while (is_packed(sp));
    if (sp->end > sp->start)
        return end_damaged(sp, s, "what follows its last frame is not zstd", e);
    return 0;
}

static int spool_all(struct spool *sp, struct source *s, struct eh_error *e)
{
    sp->into = os_temp_file();
    if (sp->into < 0)
        return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET,
                       "cannot make a temporary file in %s (set TMPDIR to another folder)",
                       os_temp_folder());
    if (!is_packed(sp))
        return spool_plain(sp, e);
    sp->unpacker = zstd_unpacker_create();
    if (!sp->unpacker)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    return spool_frames(sp, s, e);
}

static void close_input(int fd)
{
    if (fd != OS_STDIN)
        os_close(fd);
}

/* Whether the input can be read in place: 1, 0, or -1 on error. */
static int is_plain_file(const struct source *s, struct eh_error *e)
{
    uint8_t magic[ZSTD_MAGIC_BYTES];
    if (s->opened.kind != OS_FILE)
        return 0;
    int64_t n = os_read_at(s->fd, s->base, magic, sizeof magic);
    if (n < 0)
        return eh_fail(e, EH_ERR_IO, errno, 0, "cannot read");
    return n < ZSTD_MAGIC_BYTES || !zstd_is_frame(magic);
}

/* Spools the input and puts the temporary file in its place. */
static int settle(struct source *s, struct spool *sp, struct eh_error *e)
{
    if (fill(sp, ZSTD_MAGIC_BYTES, e) || spool_all(sp, s, e))
        return -1;
    close_input(s->fd);
    s->fd = sp->into;
    sp->into = -1;
    s->base = 0;
    s->size = (int64_t)sp->written;
    return 0;
}

static int settle_with_buffers(struct source *s, int (*spooled)(void *, uint64_t), void *context,
                               struct eh_error *e)
{
    struct spool *sp = malloc(sizeof *sp);
    if (!sp)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    sp->source = s;
    sp->from = s->fd;
    sp->next = 0;
    sp->start = sp->end = 0;
    sp->at_end = false;
    sp->into = -1;
    sp->written = 0;
    sp->spooled = spooled;
    sp->context = context;
    sp->unpacker = NULL;
    int result = settle(s, sp, e);
    zstd_unpacker_destroy(sp->unpacker);
    if (sp->into >= 0)
        os_close(sp->into);
    free(sp);
    return result;
}

/* Standard input may be a file of which someone has read a part: that part is not ours. */
static int find_extent(struct source *s, struct eh_error *e)
{
    if (os_status(s->fd, &s->opened))
        return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET, "cannot open");
    if (s->opened.kind == OS_DIRECTORY)
        return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET, "is a directory");
    if (s->opened.kind != OS_FILE)
        return 0;
    if (s->fd == OS_STDIN)
        s->base = os_position(s->fd);
    if (s->base < 0)
        return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET, "cannot read");
    s->size = s->opened.size > s->base ? s->opened.size - s->base : 0;
    return 0;
}

/* A named pipe keeps open() waiting for its writer; signals ask whether to go on. */
static int open_path(const char *path, int (*spooled)(void *, uint64_t), void *context,
                     struct eh_error *e)
{
    if (strcmp(path, "-") == 0)
        return OS_STDIN;
    int fd;
    do {
        fd = os_open_read(path);
    } while (fd < 0 && errno == EINTR && !(spooled && spooled(context, 0)));
    if (fd < 0)
        return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET, "cannot open");
    return fd;
}

int source_open(struct source **ret_source, const char *path,
                int (*spooled)(void *context, uint64_t bytes), void *context, struct eh_error *e)
{
    struct source *s = calloc(1, sizeof *s);
    if (!s)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    s->fd = open_path(path, spooled, context, e);
    int plain = s->fd < 0 || find_extent(s, e) ? -1 : is_plain_file(s, e);
    if (plain < 0 || (!plain && settle_with_buffers(s, spooled, context, e))) {
        source_close(s);
        return -1;
    }
    *ret_source = s;
    return 0;
}

int64_t source_size(const struct source *s)
{
    return s->size;
}

int64_t source_read(struct source *s, int64_t offset, uint8_t *into, size_t length,
                    struct eh_error *e)
{
    if (offset >= s->size)
        return 0;
    if (length > (uint64_t)(s->size - offset))
        length = (size_t)(s->size - offset);
    int64_t n = os_read_at(s->fd, s->base + offset, into, length);
    if (n < 0)
        return eh_fail(e, EH_ERR_IO, errno, offset, "cannot read");
    return n;
}

const char *source_damage(const struct source *s, int64_t *ret_offset)
{
    if (!*s->damage)
        return NULL;
    *ret_offset = s->damage_offset;
    return s->damage;
}

bool source_same_file(const struct source *s, const char *path)
{
    struct os_status other;
    return s->opened.kind == OS_FILE && !os_status_of_path(path, &other) &&
           other.device == s->opened.device && other.inode == s->opened.inode;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close_input(s->fd);
    free(s);
}
