#include "container/etl_file.h"

#include "base/array.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "container/etl_layout.h"
#include "container/etl_record.h"
#include "container/etl_resync.h"
#include "container/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The indexing pass over one file. */
struct index {
    struct etl_file *file;
    struct etl_counts *counts;
    const struct notices *notices;
    struct eh_error *e;
    struct resync resync;
    uint64_t marked; /* buffers that are flagged as having lost something */
    int64_t first_marked;
    char full[112]; /* why nothing more is entered, or empty */
};

/* The valid length [1.1]: Offset, else SavedOffset, else the whole buffer. */
static uint32_t valid_bytes(const struct buffer_head *h, uint32_t size)
{
    uint32_t offset = load_u32(h->bytes + BUF_OFFSET);
    uint32_t saved = load_u32(h->bytes + BUF_SAVED_OFFSET);
    if (head_is_compressed(h))
        return offset;
    if (offset >= BUF_HEADER_BYTES && offset <= size)
        return offset;
    return saved >= BUF_HEADER_BYTES && saved <= size ? saved : size;
}

static uint16_t processor(const struct buffer_head *h)
{
    uint16_t n = load_u16(h->bytes + BUF_PROCESSOR);
    return h->flags & BUF_FLAG_PROCESSOR_INDEX ? n & BUF_PROCESSOR_MASK : n & 0xFF;
}

/* What is told of a loss; every call is a reason for exit status 3. */
static void tell_damage(struct index *x, int64_t at, int64_t length, const char *what)
{
    x->file->damaged = true;
    notices_tell(x->notices, EH_DAMAGE, x->file->path, at, length, "%s (%lld bytes)", what,
                 (long long)length);
}

static void tell_session(struct index *x, int64_t at, const struct etl_header *h)
{
    x->counts->events_lost += h->events_lost;
    x->counts->buffers_lost += h->buffers_lost;
    if (h->clock_assumed)
        notices_tell(
            x->notices, EH_WARNING, x->file->path, at, 0,
            "the header names no usable clock frequency; 10 MHz is assumed, so times may be "
            "off");
    if (h->events_lost || h->buffers_lost)
        notices_tell(
            x->notices, EH_WARNING, x->file->path, at, 0,
            "the recording session lost %u events and %u buffers; record again with more or "
            "larger buffers (xperf -BufferSize, -MinBuffers)",
            (unsigned)h->events_lost, (unsigned)h->buffers_lost);
}

static void enter_session(struct index *x, int64_t at, const struct etl_header *h)
{
    struct etl_file *f = x->file;
    bool sized = h->buffer_size >= BUF_HEADER_BYTES && h->buffer_size <= LIMIT_BUFFER_BYTES;
    f->segments[f->segment_count++] = (struct etl_segment){*h, at};
    x->counts->sessions++;
    x->resync.step = sized ? h->buffer_size : 0;
    x->resync.packs = x->resync.packs || h->mode & LOG_MODE_COMPRESSED;
    tell_session(x, at, h);
}

/* Begins a segment if the buffer at `at` holds a session's header record. 0 or -1. Without its
 * session, what follows cannot be read: at the limit the index ends. */
static int begin_segment(struct index *x, int64_t at, uint32_t valid)
{
    uint8_t bytes[4096];
    struct etl_file *f = x->file;
    size_t length = valid < sizeof bytes ? valid : sizeof bytes;
    int64_t n = source_read(f->source, at, bytes, length, x->e);
    if (n < 0)
        return -1;
    struct etl_header header;
    if (!etl_header_parse(bytes, (size_t)n, &header))
        return 0;
    if (f->segment_count >= LIMIT_SEGMENTS || x->counts->sessions >= LIMIT_SESSIONS) {
        snprintf(x->full, sizeof x->full,
                 "more sessions than are read, %u in one file and %u in all; the rest is left out",
                 LIMIT_SEGMENTS, LIMIT_SESSIONS);
        return 0;
    }
    if (ARRAY_RESERVE(f->segments, f->segment_room, f->segment_count + 1) < 0)
        return eh_fail(x->e, EH_ERR_MEMORY, 0, at, "out of memory for the sessions of the trace");
    enter_session(x, at, &header);
    return 0;
}

/* Enters the buffer at `at`, which occupies `stored` bytes of the input. These are more than its own
 * size where that was found to be wrong: then its valid length is believed nevertheless. */
static int add_buffer(struct index *x, int64_t at, const struct buffer_head *h, uint32_t stored,
                      bool cut)
{
    struct etl_file *f = x->file;
    uint32_t valid = valid_bytes(h, h->size > stored ? h->size : stored);
    if (!head_is_compressed(h) && valid > stored)
        valid = stored;
    if (load_u16(h->bytes + BUF_TYPE) == BUF_TYPE_HEADER && !head_is_compressed(h) && at > 0 &&
        begin_segment(x, at, valid) < 0)
        return -1;
    if (f->buffer_count >= LIMIT_BUFFERS)
        snprintf(x->full, sizeof x->full,
                 "more buffers in one file than the %u that are read; the rest is left out",
                 LIMIT_BUFFERS);
    if (*x->full)
        return 0;
    if (ARRAY_RESERVE(f->buffers, f->buffer_room, f->buffer_count + 1) < 0)
        return eh_fail(x->e, EH_ERR_MEMORY, 0, at, "out of memory for the index of buffers");
    f->buffers[f->buffer_count++] = (struct etl_buffer){
        .offset = at,
        .sequence = load_i64(h->bytes + BUF_SEQUENCE),
        .stored = stored,
        .valid = valid,
        .cpu = processor(h),
        .segment = (uint16_t)(f->segment_count - 1),
        .state = h->bytes[BUF_STATE],
        .compressed = head_is_compressed(h),
        .cut = cut,
    };
    x->counts->buffers_read++;
    if (head_is_compressed(h))
        x->resync.packs = true;
    else
        x->resync.last_plain = h->size;
    if (h->flags & (BUF_FLAG_EVENTS_LOST | BUF_FLAG_BUFFER_LOST) && x->marked++ == 0)
        x->first_marked = at;
    return 0;
}

static int64_t truncated(struct index *x, int64_t at)
{
    x->counts->inputs_truncated++;
    tell_damage(x, at, x->resync.size - at,
                "the file ends inside this buffer; its whole records are kept");
    return x->resync.size;
}

/* Where reading goes on from `at`, where no buffer stands: one buffer size further, if that is as
 * good a place as any before it; or -1. */
static int64_t next_place(struct index *x, int64_t at)
{
    struct resync *r = &x->resync;
    int64_t due = r->step ? at + r->step : r->size;
    int standing = resync_standing(r, due);
    if (standing < 0 || (standing == STANDS_SURE && due < r->size))
        return standing < 0 ? -1 : due;
    int64_t sure = resync_search(r, at + 1);
    return standing == STANDS_PLAUSIBLE && due < sure ? due : sure;
}

/* No buffer at `at`: unused space up to the end of the input, or bytes to step over. */
static int64_t skip_bytes(struct index *x, int64_t at)
{
    int unused = resync_only_fill(&x->resync, at);
    int64_t next = unused < 0 ? -1 : unused ? x->resync.size : next_place(x, at);
    if (unused || next < 0)
        return next;
    x->counts->bytes_skipped += (uint64_t)(next - at);
    tell_damage(x, at, next - at, "no buffer header where one is due; skipped to the next place");
    return next;
}

/* A buffer whose own size cannot be right: it ends at `end`. */
static int64_t take_resized(struct index *x, int64_t at, const struct buffer_head *h, int64_t end,
                            const char *what)
{
    x->counts->buffers_damaged++;
    tell_damage(x, at, end - at, what);
    return add_buffer(x, at, h, (uint32_t)(end - at), false) < 0 ? -1 : end;
}

/* A plausible header at `at` whose size leads nowhere, or past the input's end. What stands where
 * the session's size puts the next buffer, or next in the file, tells where it ends (semantics 5).
 */
static int64_t take_misleading(struct index *x, int64_t at, const struct buffer_head *h)
{
    struct resync *r = &x->resync;
    int64_t size = h->size, left = r->size - at;
    int expected = r->step && r->step < left ? resync_standing(r, at + r->step) : STANDS_NOTHING;
    if (expected < 0)
        return -1;
    if (expected && !head_is_compressed(h))
        return size > left
                   ? skip_bytes(x, at)
                   : take_resized(x, at, h, at + r->step,
                                  "a buffer with a wrong size; the session's size is taken");
    int64_t next = resync_search(r, at + BUF_HEADER_BYTES);
    if (next < 0)
        return -1;
    if (next < r->size && next < at + size)
        return take_resized(x, at, h, next,
                            "a buffer whose size reaches into the next; it is taken to end there");
    if (size <= left)
        return add_buffer(x, at, h, h->size, false) < 0 ? -1 : at + size;
    return add_buffer(x, at, h, (uint32_t)left, true) < 0 ? -1 : truncated(x, at);
}

/* Whether the size in a plausible header can be believed: 1, 0 or -1. */
static int leads_on(struct index *x, int64_t at, const struct buffer_head *h)
{
    struct resync *r = &x->resync;
    bool plain = !head_is_compressed(h) && r->step;
    if (h->size > r->size - at)
        return 0;
    if (plain && h->size == r->step)
        return 1;
    int standing = resync_standing(r, at + h->size);
    if (!plain || standing < 0 || (standing == STANDS_SURE && h->size < r->step))
        return standing;
    /* Sizes are hardly ever others than the session's: a buffer where that puts the next has more
     * weight. A larger buffer would be two of which the first has a wrong size. */
    int expected = resync_standing(r, at + r->step);
    return expected < 0 ? -1 : expected == STANDS_SURE ? 0 : standing;
}

/* Indexes what stands at `at`; returns where the next buffer is due, or -1. */
static int64_t index_one(struct index *x, int64_t at)
{
    struct buffer_head h;
    int whole = resync_head(&x->resync, at, &h);
    if (whole < 0)
        return -1;
    if (!whole) {
        int unused = resync_only_fill(&x->resync, at);
        return unused < 0 ? -1 : unused ? x->resync.size : truncated(x, at);
    }
    if (!head_is_plausible(&h))
        return skip_bytes(x, at);
    int leads = leads_on(x, at, &h);
    if (leads <= 0)
        return leads < 0 ? -1 : take_misleading(x, at, &h);
    return add_buffer(x, at, &h, h.size, false) < 0 ? -1 : at + h.size;
}

/* What to do with a file that is no trace: traces are often handed around in containers. */
static const char *advice_for(const uint8_t *bytes, size_t length)
{
    static const struct {
        const char *magic, *advice;
    } known[] = {
        {"PK\3\4", "this is a ZIP file (.diagsession and .etl.zip are): unzip it and give the .etl "
                   "inside"},
        {"\x1F\x8B", "this is a gzip file: unpack it with gzip -d first"},
        {"7z\xBC\xAF", "this is a 7-Zip file: unpack it first"},
        {"MSCF", "this is a cabinet file: unpack it with cabextract first"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (length >= strlen(known[i].magic) &&
            memcmp(bytes, known[i].magic, strlen(known[i].magic)) == 0)
            return known[i].advice;
    return "give a .etl file as xperf, wpr or Visual Studio wrote it";
}

/* The first buffer must hold the header record: nothing else tells an ETL file [1]. */
static int open_session(struct index *x)
{
    uint8_t bytes[4096];
    struct etl_file *f = x->file;
    struct etl_header header;
    int64_t n = source_read(f->source, 0, bytes, sizeof bytes, x->e);
    if (n < 0)
        return -1;
    if (n == 0)
        return eh_fail(x->e, EH_ERR_FORMAT, 0, EH_NO_OFFSET,
                       "the file is empty; a trace begins with a header buffer: record it again");
    if (!etl_header_parse(bytes, (size_t)n, &header))
        return eh_fail(x->e, EH_ERR_FORMAT, 0, 0,
                       "is no ETL trace: no header record in its first buffer; %s",
                       advice_for(bytes, (size_t)n));
    if (x->counts->sessions >= LIMIT_SESSIONS)
        return eh_fail(x->e, EH_ERR_LIMIT, 0, EH_NO_OFFSET,
                       "more than %u sessions in all inputs; give fewer files at a time",
                       (unsigned)LIMIT_SESSIONS);
    if (ARRAY_RESERVE(f->segments, f->segment_room, 1) < 0)
        return eh_fail(x->e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    enter_session(x, 0, &header);
    return 0;
}

static int compare_buffers(const void *left, const void *right)
{
    const struct etl_buffer *a = left, *b = right;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    if (a->cpu != b->cpu)
        return a->cpu < b->cpu ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int compare_places(const void *left, const void *right)
{
    const struct etl_buffer *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* One stream, sorted by sequence. Where numbers repeat they are no numbering: then the file's own
 * order is the better guess [5]. */
static void settle_order(struct etl_buffer *buffers, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (buffers[i].sequence == buffers[i - 1].sequence) {
            qsort(buffers, count, sizeof *buffers, compare_places);
            return;
        }
    }
}

static void sort_buffers(struct etl_file *f)
{
    if (f->buffer_count)
        qsort(f->buffers, f->buffer_count, sizeof *f->buffers, compare_buffers);
    for (size_t first = 0, i = 1; i <= f->buffer_count; i++) {
        const struct etl_buffer *a = &f->buffers[first], *b = &f->buffers[i];
        if (i < f->buffer_count && a->segment == b->segment && a->cpu == b->cpu)
            continue;
        settle_order(&f->buffers[first], i - first);
        first = i;
    }
}

static void tell_missing(struct index *x)
{
    struct etl_file *f = x->file;
    uint32_t written = f->segments[0].header.buffers_written;
    if (f->segment_count == 1 && !f->damaged && f->buffer_count < written)
        notices_tell(
            x->notices, EH_NOTE, f->path, EH_NO_OFFSET, 0,
            "holds %zu of the %u buffers that its header names; it may have been cut between two "
            "buffers",
            f->buffer_count, (unsigned)written);
}

/* Marks on buffers say that something was lost, not how much: worth telling where no header counts
 * it, as in the file of a session that never ended. */
static void tell_losses(struct index *x)
{
    const struct etl_file *f = x->file;
    for (size_t i = 0; i < f->segment_count; i++)
        if (f->segments[i].header.events_lost || f->segments[i].header.buffers_lost)
            return;
    if (x->marked)
        notices_tell(
            x->notices, EH_WARNING, f->path, x->first_marked, 0,
            "the recording session marked %llu of its buffers, of which this is the first, as "
            "having lost events; record again with more or larger buffers (xperf -BufferSize, "
            "-MinBuffers)",
            (unsigned long long)x->marked);
}

static int64_t leave_rest(struct index *x, int64_t at)
{
    x->counts->bytes_skipped += (uint64_t)(x->resync.size - at);
    tell_damage(x, at, x->resync.size - at, x->full);
    return x->resync.size;
}

static int index_file(struct index *x)
{
    if (open_session(x) < 0)
        return -1;
    for (int64_t at = 0, next; at < x->resync.size; at = next) {
        next = index_one(x, at);
        if (next < 0)
            return -1;
        if (*x->full)
            next = leave_rest(x, at);
    }
    tell_missing(x);
    tell_losses(x);
    sort_buffers(x->file);
    return 0;
}

int etl_file_open(struct etl_file *file, const char *path, struct etl_counts *counts,
                  const struct notices *notices, int (*spooled)(void *context, uint64_t bytes),
                  void *context, struct eh_error *e)
{
    *file = (struct etl_file){.path = path};
    if (source_open(&file->source, path, spooled, context, e) < 0)
        return -1;
    struct index x = {
        .file = file,
        .counts = counts,
        .notices = notices,
        .e = e,
        .resync = {.source = file->source, .size = source_size(file->source), .e = e},
    };
    int64_t offset;
    const char *broken = source_damage(file->source, &offset);
    if (broken) {
        counts->inputs_truncated++;
        file->damaged = true;
        notices_tell(notices, EH_DAMAGE, path, offset, 0, "%s", broken);
    }
    if (index_file(&x) < 0) {
        etl_file_close(file);
        return -1;
    }
    return 0;
}

void etl_file_close(struct etl_file *file)
{
    source_close(file->source);
    free(file->buffers);
    free(file->segments);
    *file = (struct etl_file){0};
}

/* The algorithms in the order in which they are tried: what State hints at first [2]. */
typedef size_t (*expander)(const uint8_t *packed, size_t packed_length, uint8_t *into,
                           size_t length);

static void order_expanders(unsigned state, expander order[3])
{
    order[0] = state == 2 ? expand_lznt1 : state == 4 ? expand_xpress_huffman : expand_xpress;
    order[1] = order[0] == expand_xpress ? expand_lznt1 : expand_xpress;
    order[2] = state == 4 ? expand_lznt1 : expand_xpress_huffman;
}

static bool believable(const uint8_t *records, size_t length)
{
    struct record r;
    return length < 8 || rec_parse(records, length, &r) != REC_DAMAGED;
}

/* Expands into `into`; returns how many bytes are good: `length`, or fewer where the input was cut,
 * or 0 for a broken stream, whose output nobody can vouch for. */
static size_t expand(const struct etl_buffer *b, const uint8_t *packed, size_t packed_length,
                     uint8_t *into, size_t length)
{
    expander order[3];
    order_expanders(b->state, order);
    for (int i = 0; i < 3; i++)
        if (order[i](packed, packed_length, into, length) == length && believable(into, length))
            return length;
    return b->cut ? order[0](packed, packed_length, into, length) : 0;
}

int etl_file_read(struct etl_file *file, const struct etl_buffer *buffer, uint32_t from,
                  uint8_t *into, size_t length, struct eh_error *e)
{
    int64_t n = source_read(file->source, buffer->offset + from, into, length, e);
    if (n < 0)
        return -1;
    if ((size_t)n < length)
        return eh_fail(e, EH_ERR_IO, 0, buffer->offset,
                       "became shorter while it was read; convert a copy that nothing writes to");
    return 0;
}

int64_t etl_file_load(struct etl_file *file, const struct etl_buffer *buffer, uint8_t **bytes,
                      size_t *room, uint8_t **packed, size_t *packed_room, struct eh_error *e)
{
    uint8_t **into = buffer->compressed ? packed : bytes;
    size_t want = buffer->compressed ? buffer->stored : buffer->valid;
    if (array_reserve((void **)into, buffer->compressed ? packed_room : room, want, 1) < 0 ||
        array_reserve((void **)bytes, room, buffer->valid, 1) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, buffer->offset, "out of memory for a buffer");
    if (etl_file_read(file, buffer, 0, *into, want, e) < 0)
        return -1;
    if (!buffer->compressed)
        return (int64_t)want;
    memcpy(*bytes, *packed, BUF_HEADER_BYTES);
    size_t length = buffer->valid - BUF_HEADER_BYTES;
    size_t good = expand(buffer, *packed + BUF_HEADER_BYTES, want - BUF_HEADER_BYTES,
                         *bytes + BUF_HEADER_BYTES, length);
    return good || !length ? (int64_t)(good + BUF_HEADER_BYTES) : 0;
}
