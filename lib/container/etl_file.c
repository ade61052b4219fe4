#include "container/etl_file.h"

#include "base/array.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "container/etl_layout.h"
#include "container/etl_record.h"
#include "container/expand.h"

#include <stdlib.h>
#include <string.h>

#define SCAN_BYTES 65536

/* The indexing pass over one file. */
struct index {
    struct etl_file *file;
    struct etl_counts *counts;
    const struct notices *notices;
    struct eh_error *e;
    int64_t size;
    int64_t data_until; /* bytes up to here were scanned for fill: the last scan found data there */
    uint64_t marked;    /* buffers that are flagged as having lost something */
    int64_t first_marked;
};

/* A buffer header as read, before anything in it is believed. */
struct head {
    uint8_t bytes[BUF_HEADER_BYTES + 8]; /* and the first record's beginning, if there is one */
    uint32_t size;                       /* BufferSize */
    uint32_t flags;
};

static bool is_compressed(const struct head *h)
{
    return h->flags & BUF_FLAG_COMPRESSED;
}

/* Reads the header at `at`: 1, 0 when the input ends before its end, -1 on error. */
static int read_head(const struct index *x, int64_t at, struct head *h)
{
    memset(h, 0, sizeof *h);
    int64_t n = source_read(x->file->source, at, h->bytes, sizeof h->bytes, x->e);
    if (n < 0)
        return -1;
    h->size = load_u32(h->bytes + BUF_SIZE);
    h->flags = load_u16(h->bytes + BUF_FLAGS);
    return n >= BUF_HEADER_BYTES;
}

/* Whether a first dword behind a buffer header can begin a record or be fill. */
static bool begins_records(const struct head *h)
{
    uint32_t first = load_u32(h->bytes + BUF_HEADER_BYTES);
    unsigned mark = first >> 24;
    return first == 0 || first == UINT32_MAX || (mark & 0xC0) == REC_MARK_TRACE ||
           mark == REC_MARK_WPP || mark == REC_MARK_ULONG_TIME;
}

/* Whether the bytes look like a buffer header, wherever its buffer ends. */
static bool is_plausible(const struct head *h)
{
    uint32_t valid = load_u32(h->bytes + BUF_OFFSET);
    if (h->size < BUF_HEADER_BYTES || h->size > LIMIT_BUFFER_BYTES ||
        load_u16(h->bytes + BUF_TYPE) > BUF_TYPE_MAX || h->flags > 0x7F)
        return false;
    if (is_compressed(h))
        return valid >= BUF_HEADER_BYTES && valid <= LIMIT_EXPANDED_BYTES;
    return h->size < BUF_HEADER_BYTES + 4 || begins_records(h);
}

/* Whether a plausible buffer header stands at `at`: 1, 0, or -1 on error. The end of the input is
 * as good as a buffer. */
static int plausible_at(const struct index *x, int64_t at)
{
    struct head h;
    if (at == x->size)
        return 1;
    if (at > x->size)
        return 0;
    int found = read_head(x, at, &h);
    return found > 0 ? is_plausible(&h) : found;
}

static bool is_fill(uint8_t byte)
{
    return byte == 0 || byte == 0xFF;
}

/* Offset of the first byte from `at` on that is no fill, or the input's size; -1 on error. */
static int64_t find_data(struct index *x, int64_t at)
{
    uint8_t bytes[SCAN_BYTES];
    if (at <= x->data_until)
        return x->data_until;
    /* Damage may have data everywhere: begin with little, so that it is not read over and over. */
    for (size_t length = 64; at < x->size; length = length < sizeof bytes ? 2 * length : length) {
        int64_t n = source_read(x->file->source, at, bytes, length, x->e);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        for (int64_t i = 0; i < n; i++)
            if (!is_fill(bytes[i]))
                return x->data_until = at + i;
        at += n;
    }
    return x->data_until = x->size;
}

/* The valid length [1.1]: Offset, else SavedOffset, else the whole buffer. */
static uint32_t valid_bytes(const struct head *h, uint32_t size)
{
    uint32_t offset = load_u32(h->bytes + BUF_OFFSET);
    uint32_t saved = load_u32(h->bytes + BUF_SAVED_OFFSET);
    if (is_compressed(h))
        return offset;
    if (offset >= BUF_HEADER_BYTES && offset <= size)
        return offset;
    return saved >= BUF_HEADER_BYTES && saved <= size ? saved : size;
}

static uint16_t processor(const struct head *h)
{
    uint16_t n = load_u16(h->bytes + BUF_PROCESSOR);
    return h->flags & BUF_FLAG_PROCESSOR_INDEX ? n & BUF_PROCESSOR_MASK : n & 0xFF;
}

/* What is told of a loss; every call is a reason for exit status 3. */
static void tell_damage(struct index *x, int64_t at, int64_t length, const char *what)
{
    x->file->damaged = true;
    notice(x->notices, EH_DAMAGE, x->file->path, at, length, "%s (%lld bytes)", what,
           (long long)length);
}

static void tell_session(struct index *x, int64_t at, const struct etl_header *h)
{
    x->counts->events_lost += h->events_lost;
    x->counts->buffers_lost += h->buffers_lost;
    if (h->clock_assumed)
        notice(x->notices, EH_WARNING, x->file->path, at, 0,
               "the header names no usable clock frequency; 10 MHz is assumed, so times may be "
               "off");
    if (h->events_lost || h->buffers_lost)
        notice(x->notices, EH_WARNING, x->file->path, at, 0,
               "the recording session lost %u events and %u buffers; record again with more or "
               "larger buffers (xperf -BufferSize, -MinBuffers)",
               (unsigned)h->events_lost, (unsigned)h->buffers_lost);
}

/* Begins a segment if the buffer at `at` holds a session's header record. 0 or -1. */
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
    if (f->segment_count >= LIMIT_SEGMENTS)
        return eh_fail(x->e, EH_ERR_LIMIT, 0, at, "more than %u sessions in one file",
                       (unsigned)LIMIT_SEGMENTS);
    if (ARRAY_RESERVE(f->segments, f->segment_room, f->segment_count + 1) < 0)
        return eh_fail(x->e, EH_ERR_MEMORY, 0, at, "out of memory for the sessions of the trace");
    f->segments[f->segment_count++] = (struct etl_segment){header, at};
    tell_session(x, at, &header);
    return 0;
}

/* Enters the buffer at `at`, which occupies `stored` bytes of the input. */
static int add_buffer(struct index *x, int64_t at, const struct head *h, uint32_t stored, bool cut)
{
    struct etl_file *f = x->file;
    uint32_t valid = valid_bytes(h, h->size);
    if (!is_compressed(h) && valid > stored)
        valid = stored;
    if (load_u16(h->bytes + BUF_TYPE) == BUF_TYPE_HEADER && !is_compressed(h) && at > 0 &&
        begin_segment(x, at, valid) < 0)
        return -1;
    if (f->buffer_count >= LIMIT_BUFFERS)
        return eh_fail(x->e, EH_ERR_LIMIT, 0, at, "more than %u buffers in one file",
                       (unsigned)LIMIT_BUFFERS);
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
        .compressed = is_compressed(h),
        .cut = cut,
    };
    x->counts->buffers_read++;
    if (h->flags & (BUF_FLAG_EVENTS_LOST | BUF_FLAG_BUFFER_LOST) && x->marked++ == 0)
        x->first_marked = at;
    return 0;
}

/* The size by which buffers of the current session follow each other when none says otherwise. */
static uint32_t session_step(const struct index *x)
{
    uint32_t step = x->file->segments[x->file->segment_count - 1].header.buffer_size;
    return step >= BUF_HEADER_BYTES && step <= LIMIT_BUFFER_BYTES ? step : 0;
}

static int64_t truncated(struct index *x, int64_t at)
{
    x->counts->inputs_truncated++;
    tell_damage(x, at, x->size - at,
                "the file ends inside this buffer; its whole records are kept");
    return x->size;
}

/* No buffer at `at`: unused space up to the end of the input, or bytes to step over. */
static int64_t skip_bytes(struct index *x, int64_t at)
{
    int64_t data = find_data(x, at);
    if (data < 0 || data == x->size)
        return data;
    int64_t step = session_step(x);
    int64_t length = step && step < x->size - at ? step : x->size - at;
    x->counts->bytes_skipped += (uint64_t)length;
    tell_damage(x, at, length, "no buffer header where one is due; skipped to the next place");
    return at + length;
}

/* A whole buffer at `at`, or one whose size field was overwritten (semantics 5). */
static int64_t take_buffer(struct index *x, int64_t at, const struct head *h)
{
    uint32_t size = h->size, step = session_step(x);
    if (!is_compressed(h) && size != step && step && at > 0 && step <= x->size - at) {
        int follower = plausible_at(x, at + size);
        int expected = follower == 0 ? plausible_at(x, at + step) : 0;
        if (follower < 0 || expected < 0)
            return -1;
        if (expected) {
            size = step;
            x->counts->buffers_damaged++;
            tell_damage(x, at, size, "a buffer with a wrong size; the session's size is taken");
        }
    }
    return add_buffer(x, at, h, size, false) < 0 ? -1 : at + size;
}

/* A plausible header whose buffer passes the end of the input: cut there, unless the next buffer
 * stands where the session's size puts it. */
static int64_t take_last(struct index *x, int64_t at, const struct head *h)
{
    int64_t step = session_step(x);
    if (step && at + step < x->size) {
        int follower = plausible_at(x, at + step);
        if (follower < 0)
            return -1;
        if (follower)
            return skip_bytes(x, at);
    }
    if (add_buffer(x, at, h, (uint32_t)(x->size - at), true) < 0)
        return -1;
    return truncated(x, at);
}

/* Indexes what stands at `at`; returns where the next buffer is due, or -1. */
static int64_t index_one(struct index *x, int64_t at)
{
    struct head h;
    int whole = read_head(x, at, &h);
    if (whole < 0)
        return -1;
    if (!whole) {
        int64_t data = find_data(x, at);
        return data < 0 || data == x->size ? data : truncated(x, at);
    }
    if (!is_plausible(&h))
        return skip_bytes(x, at);
    return h.size <= x->size - at ? take_buffer(x, at, &h) : take_last(x, at, &h);
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
    uint32_t size = n >= 4 ? load_u32(bytes) : 0;
    if (size < BUF_HEADER_BYTES || size > LIMIT_BUFFER_BYTES ||
        !etl_header_parse(bytes, (size_t)(n < (int64_t)size ? n : (int64_t)size), &header))
        return eh_fail(x->e, EH_ERR_FORMAT, 0, 0,
                       "is no ETL trace: no header record in its first buffer; %s",
                       advice_for(bytes, (size_t)n));
    if (ARRAY_RESERVE(f->segments, f->segment_room, 1) < 0)
        return eh_fail(x->e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    f->segments[f->segment_count++] = (struct etl_segment){header, 0};
    tell_session(x, 0, &header);
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
        notice(x->notices, EH_NOTE, f->path, EH_NO_OFFSET, 0,
               "holds %zu buffers of the %u its header names; it may have been cut between two "
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
        notice(x->notices, EH_WARNING, f->path, x->first_marked, 0,
               "the recording session marked %llu of its buffers, of which this is the first, as "
               "having lost events; record again with more or larger buffers (xperf -BufferSize, "
               "-MinBuffers)",
               (unsigned long long)x->marked);
}

static int index_file(struct index *x)
{
    if (open_session(x) < 0)
        return -1;
    for (int64_t at = 0; at < x->size;)
        if ((at = index_one(x, at)) < 0)
            return -1;
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
        .size = source_size(file->source),
        .data_until = -1,
    };
    int64_t offset;
    const char *broken = source_damage(file->source, &offset);
    if (broken) {
        counts->inputs_truncated++;
        file->damaged = true;
        notice(notices, EH_DAMAGE, path, offset, 0, "%s", broken);
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

int64_t etl_file_load(struct etl_file *file, const struct etl_buffer *buffer, uint8_t **bytes,
                      size_t *room, uint8_t **packed, size_t *packed_room, struct eh_error *e)
{
    uint8_t **into = buffer->compressed ? packed : bytes;
    size_t want = buffer->compressed ? buffer->stored : buffer->valid;
    if (array_reserve((void **)into, buffer->compressed ? packed_room : room, want, 1) < 0 ||
        array_reserve((void **)bytes, room, buffer->valid, 1) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, buffer->offset, "out of memory for a buffer");
    int64_t n = source_read(file->source, buffer->offset, *into, want, e);
    if (n < 0)
        return -1;
    if ((size_t)n < want)
        return eh_fail(e, EH_ERR_IO, 0, buffer->offset,
                       "became shorter while it was read; convert a copy that nothing writes to");
    if (!buffer->compressed)
        return n;
    memcpy(*bytes, *packed, BUF_HEADER_BYTES);
    size_t length = buffer->valid - BUF_HEADER_BYTES;
    size_t good = expand(buffer, *packed + BUF_HEADER_BYTES, (size_t)n - BUF_HEADER_BYTES,
                         *bytes + BUF_HEADER_BYTES, length);
    return good || !length ? (int64_t)(good + BUF_HEADER_BYTES) : 0;
}
