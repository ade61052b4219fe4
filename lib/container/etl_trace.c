#include "container/etl_trace.h"

#include "base/array.h"
#include "base/ckd.h"
#include "base/limits.h"
#include "container/etl_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool same_axis(const struct etl_header *a, const struct etl_header *b)
{
    return a->boot_time == b->boot_time && a->frequency == b->frequency &&
           a->clock_type == b->clock_type;
}

/* A clock of whole nanoseconds a tick, as that of 10 MHz is, that starts far from the ends of 64
 * bits: within 2^50 ticks of its zero (three years of 10 MHz) nothing can overflow. */
static void set_span(struct etl_clock *c)
{
    const int64_t far = INT64_C(1) << 60, near = INT64_C(1) << 50, second = 1000000000;
    if (c->frequency < 10000000 || second % c->frequency != 0 || c->zero <= -far ||
        c->zero >= far || c->base_ns <= -far || c->base_ns >= far)
        return;
    c->tick_ns = (uint64_t)(second / c->frequency);
    c->low = c->zero - near;
    c->low_ns = c->base_ns - near * (int64_t)c->tick_ns;
    c->span = 2 * (uint64_t)near;
}

/* One raw axis with the smallest raw start as zero, or wall time from the smallest StartTime. */
static void set_axis(struct etl_trace *t)
{
    const struct etl_header *zero = t->clocks[0].header;
    t->one_axis = true;
    for (size_t i = 1; i < t->clock_count; i++)
        t->one_axis &= same_axis(zero, t->clocks[i].header);
    for (size_t i = 1; i < t->clock_count; i++) {
        const struct etl_header *h = t->clocks[i].header;
        if (t->one_axis ? h->raw_start < zero->raw_start : h->start_time < zero->start_time) {
            zero = h;
            t->first = i;
        }
    }
    t->start_time = zero->start_time;
    for (size_t i = 0; i < t->clock_count; i++) {
        const struct etl_header *h = t->clocks[i].header;
        t->clocks[i].frequency = h->frequency;
        t->clocks[i].zero = t->one_axis ? zero->raw_start : h->raw_start;
        if (!t->one_axis)
            t->clocks[i].base_ns = sub_saturating(filetime_to_unix_ns(h->start_time),
                                                  filetime_to_unix_ns(zero->start_time));
        set_span(&t->clocks[i]);
    }
}

int64_t etl_time_ns_any(const struct etl_clock *c, int64_t raw)
{
    int64_t ticks = sub_saturating(raw, c->zero);
    int64_t ns = add_saturating(ticks_to_ns(ticks, c->frequency), c->base_ns);
    return ns < -LIMIT_TIME_NS ? -LIMIT_TIME_NS : ns > LIMIT_TIME_NS ? LIMIT_TIME_NS : ns;
}

static void set_boots(struct etl_trace *t)
{
    for (size_t i = 0; i < t->clock_count; i++) {
        int64_t boot = t->clocks[i].header->boot_time;
        size_t j = 0;
        while (t->clocks[j].header->boot_time != boot)
            j++;
        t->clocks[i].boot = j < i ? t->clocks[j].boot : (uint32_t)t->boots++;
    }
}

/* Cuts one file's sorted buffers into streams; `first_clock` is its first session's. */
static int add_streams(struct etl_trace *t, size_t input, size_t first_clock)
{
    struct etl_file *f = &t->files[input];
    if (!f->buffer_count)
        return 0;
    const struct etl_buffer *b = f->buffers, *end = f->buffers + f->buffer_count;
    while (b < end) {
        const struct etl_buffer *last = b;
        while (last < end && last->segment == b->segment && last->cpu == b->cpu)
            t->bytes_total += (last++)->stored;
        if (ARRAY_RESERVE(t->streams, t->stream_room, t->stream_count + 1) < 0)
            return -1;
        bool mixed = f->segments[b->segment].header.mode & LOG_MODE_NO_PER_PROCESSOR;
        t->streams[t->stream_count] = (struct etl_stream){
            .first = b,
            .next = b,
            .last = last,
            .clock = &t->clocks[first_clock + b->segment],
            .file = f,
            .index = (uint32_t)t->stream_count,
            .cpu = mixed ? 0 : b->cpu,
            .mixed = mixed,
        };
        t->stream_count++;
        b = last;
    }
    return 0;
}

/* One clock for each session, in the order of inputs and of sessions in them. */
static int add_clocks(struct etl_trace *t, struct eh_error *e)
{
    size_t sessions = 0;
    for (size_t i = 0; i < t->file_count; i++)
        sessions += t->files[i].segment_count;
    t->clocks = calloc(sessions, sizeof *t->clocks);
    if (!t->clocks)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    for (size_t i = 0; i < t->file_count; i++)
        for (size_t j = 0; j < t->files[i].segment_count; j++)
            t->clocks[t->clock_count++].header = &t->files[i].segments[j].header;
    return 0;
}

static int build(struct etl_trace *t, struct eh_error *e)
{
    if (add_clocks(t, e) < 0)
        return -1;
    set_axis(t);
    set_boots(t);
    size_t clock = 0;
    for (size_t i = 0; i < t->file_count; i++) {
        if (add_streams(t, i, clock) < 0)
            return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
        clock += t->files[i].segment_count;
    }
    return 0;
}

static bool same_recording(const struct etl_file *a, const struct etl_file *b)
{
    const struct etl_header *x = &a->segments[0].header, *y = &b->segments[0].header;
    return x->raw_start == y->raw_start && x->start_time == y->start_time &&
           x->boot_time == y->boot_time && strcmp(x->session, y->session) == 0 &&
           a->segment_count == b->segment_count && a->buffer_count == b->buffer_count;
}

/* The last input opened is told if it is one of the others again: the same file twice, or a copy. */
static void tell_repeated(const struct etl_trace *t)
{
    const struct etl_file *last = &t->files[t->file_count];
    for (const struct etl_file *f = t->files; f < last; f++) {
        if (!same_recording(f, last))
            continue;
        notices_tell(&t->notices, EH_WARNING, last->path, EH_NO_OFFSET, 0,
                     "is the same recording as %s, so its events count twice; give each file once",
                     f->path);
        return;
    }
}

static int spooled(void *context, uint64_t bytes)
{
    const struct etl_watcher *w = context;
    return w->progress ? w->progress(w->context, bytes, 0) : 0;
}

int etl_trace_progress(const struct etl_trace *t, struct eh_error *e)
{
    const struct etl_watcher *w = &t->watcher;
    if (w->progress && w->progress(w->context, t->bytes_done / t->passes, t->bytes_total))
        return eh_fail(e, EH_ERR_IO, EINTR, EH_NO_OFFSET, "stopped");
    return 0;
}

int etl_trace_open(struct etl_trace *t, const char *const *paths, size_t count,
                   const struct notices *notices, const struct etl_watcher *watcher,
                   struct eh_error *e)
{
    *t = (struct etl_trace){.notices = *notices, .watcher = *watcher, .passes = 1};
    if (count == 0 || count > LIMIT_INPUTS)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "give 1 to %u inputs",
                       (unsigned)LIMIT_INPUTS);
    t->files = calloc(count, sizeof *t->files);
    if (!t->files)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    for (; t->file_count < count; t->file_count++) {
        struct etl_file *f = &t->files[t->file_count];
        if (etl_file_open(f, paths[t->file_count], &t->counts, notices, spooled, &t->watcher, e) <
            0) {
            eh_context(e, "%s", paths[t->file_count]);
            etl_trace_close(t);
            return -1;
        }
        tell_repeated(t);
    }
    if (build(t, e) < 0) {
        etl_trace_close(t);
        return -1;
    }
    return 0;
}

void etl_trace_close(struct etl_trace *t)
{
    for (size_t i = 0; i < t->stream_count; i++)
        free(t->streams[i].bytes);
    for (size_t i = 0; i < t->file_count; i++)
        etl_file_close(&t->files[i]);
    free(t->files);
    free(t->clocks);
    free(t->streams);
    free(t->packed);
    *t = (struct etl_trace){0};
}

void etl_trace_rewind(struct etl_trace *t, bool telling)
{
    t->telling = telling;
    for (size_t i = 0; i < t->stream_count; i++) {
        struct etl_stream *s = &t->streams[i];
        s->next = s->first;
        s->at = s->end = s->current = NULL;
        s->word = 0;
        s->behind = 0;
        s->raw_is_key = t->one_axis;
        s->events = s->steps_back = 0;
        s->raw = s->key = INT64_MIN;
    }
}

/* Tells that `length` bytes at `at` of the open buffer hold no readable record. */
static void tell_damage(struct etl_trace *t, const struct etl_stream *s, int64_t at, size_t length,
                        const char *what)
{
    if (!t->telling || s->open_cut)
        return;
    t->counts.buffers_damaged++;
    notices_tell(&t->notices, EH_DAMAGE, s->file->path, at, (int64_t)length, "%s (%zu bytes)", what,
                 length);
}

/* The end mark ends a buffer's records; data behind it means that the mark is damage. */
static bool only_fill(const uint8_t *bytes, size_t length)
{
    size_t i = 0;
    for (uint64_t word; i + 8 <= length; i += 8)
        if ((word = load_u64(bytes + i)) != 0 && word != UINT64_MAX)
            break;
    for (; i < length; i++)
        if (bytes[i] != 0 && bytes[i] != 0xFF)
            return false;
    return true;
}

/* Reads on in a plain buffer: what is left of the window moves to its front. Its length, like all
 * steps from record to record, is a multiple of 8. 0 or -1. */
static int slide(struct etl_stream *s, struct eh_error *e)
{
    size_t left = (size_t)(s->end - s->at), more = LIMIT_WINDOW_BYTES - left;
    const struct etl_buffer *b = s->next - 1;
    if (more > s->behind)
        more = s->behind;
    memmove(s->bytes, s->at, left);
    if (etl_file_read(s->file, b, b->valid - s->behind, s->bytes + left, more, e) < 0)
        return eh_context(e, "%s", s->file->path);
    s->open_offset += s->at - s->bytes;
    s->at = s->bytes;
    s->end = s->bytes + left + more;
    s->behind -= (uint32_t)more;
    return 0;
}

/* Whether only fill is left in the open buffer: 1, 0 or -1. The stream's place is lost. */
static int only_fill_left(struct etl_stream *s, struct eh_error *e)
{
    while (only_fill(s->at, (size_t)(s->end - s->at))) {
        if (!s->behind)
            return 1;
        s->at = s->end;
        if (slide(s, e) < 0)
            return -1;
    }
    return 0;
}

static enum etl_step end_buffer(struct etl_trace *t, struct etl_stream *s, enum rec_result why,
                                struct eh_error *e)
{
    size_t left = (size_t)(s->end - s->at) + s->behind;
    int64_t offset = s->open_offset + (s->at - s->bytes);
    if (t->telling && why == REC_DAMAGED) {
        tell_damage(t, s, offset, left,
                    "a record that does not fit; the rest of its buffer is lost");
    } else if (t->telling && left >= 8) {
        int fill = only_fill_left(s, e);
        if (fill < 0)
            return ETL_ERROR;
        if (!fill)
            tell_damage(t, s, offset, left,
                        "no record where one is due; the rest of its buffer is lost");
    }
    s->at = s->end;
    s->behind = 0;
    return ETL_BUFFER;
}

/* Why a buffer is not opened, or NULL: a few bytes may ask for all memory there is. */
static const char *refusal(const struct etl_trace *t, const struct etl_stream *s,
                           const struct etl_buffer *b, size_t room)
{
    bool full = room > s->room && t->open_bytes - s->room + room > LIMIT_OPEN_BYTES;
    if (b->compressed && b->valid / LIMIT_EXPANSION > b->stored)
        return "a compressed buffer that claims to expand more than 1024 times; its records are "
               "lost";
    if (full && b->compressed)
        return "a compressed buffer that, with those of the other processors, would expand to more "
               "than 512 MiB; its records are lost";
    if (full)
        return "a buffer that, with those of the other processors, would take more than 512 MiB of "
               "memory; its records are lost";
    return NULL;
}

/* The first window of a plain buffer; returns its length, or -1. */
static int64_t load_window(struct etl_stream *s, const struct etl_buffer *b, size_t length,
                           struct eh_error *e)
{
    if (array_reserve((void **)&s->bytes, &s->room, length, 1) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, b->offset, "out of memory for a buffer");
    if (etl_file_read(s->file, b, 0, s->bytes, length, e) < 0)
        return -1;
    s->behind = b->valid - (uint32_t)length;
    return (int64_t)length;
}

static int64_t load(struct etl_trace *t, struct etl_stream *s, const struct etl_buffer *b,
                    struct eh_error *e)
{
    bool windowed = !b->compressed && b->valid > LIMIT_WINDOW_BYTES;
    size_t room = windowed ? LIMIT_WINDOW_BYTES : b->valid;
    const char *refused = refusal(t, s, b, room);
    if (refused) {
        tell_damage(t, s, b->offset, b->stored, refused);
        return 0;
    }
    t->open_bytes -= s->room;
    int64_t n = windowed ? load_window(s, b, room, e)
                         : etl_file_load(s->file, b, &s->bytes, &s->room, &t->packed,
                                         &t->packed_room, e);
    t->open_bytes += s->room;
    if (n == 0)
        tell_damage(t, s, b->offset, b->stored,
                    "a compressed buffer that none of the three algorithms can expand; its records "
                    "are lost");
    return n;
}

static enum etl_step open_buffer(struct etl_trace *t, struct etl_stream *s, struct eh_error *e)
{
    if (s->next == s->last) {
        t->open_bytes -= s->room;
        free(s->bytes);
        s->bytes = NULL;
        s->at = s->end = NULL;
        s->room = 0;
        return ETL_END;
    }
    const struct etl_buffer *b = s->next++;
    s->open_offset = b->offset;
    s->open_cut = b->cut;
    t->bytes_done += b->stored;
    int64_t n = load(t, s, b, e);
    if (n < 0)
        return (enum etl_step)eh_context(e, "%s", s->file->path);
    s->at = s->end = s->bytes;
    if (n) {
        s->at += BUF_HEADER_BYTES;
        s->end += n;
    }
    return ETL_BUFFER;
}

static void step_time(const struct etl_trace *t, struct etl_stream *s)
{
    int64_t raw = s->record.raw;
    s->steps_back += raw < s->raw;
    s->raw = raw;
    int64_t key = t->one_axis ? raw : etl_time_ns(s->clock, raw);
    if (key > s->key)
        s->key = key;
}

int etl_stream_peek(struct etl_trace *t, struct etl_stream *s, struct eh_error *e)
{
    const struct etl_buffer *b = s->first;
    uint8_t bytes[BUF_HEADER_BYTES + SYSTEM_BYTES];
    if (b->compressed || b->valid < sizeof bytes)
        return 0;
    int64_t n = source_read(s->file->source, b->offset, bytes, sizeof bytes, e);
    if (n < 0)
        return eh_context(e, "%s", s->file->path);
    if ((size_t)n < sizeof bytes)
        return 0; /* the input has shrunk: told when the buffer is opened */
    /* Only what surely is the first record: a wrong key would hold back those behind it. */
    const uint8_t *at = bytes + BUF_HEADER_BYTES;
    uint32_t time = rec_hooked_time(load_u64(at)), size = load_u16(at + HOOK_SIZE);
    if (!time || at[HOOK_MARK] != REC_MARK_TRACE || size < 2 * time ||
        size > b->valid - BUF_HEADER_BYTES)
        return 0;
    int64_t raw = load_i64(at + time);
    s->key = t->one_axis ? raw : etl_time_ns(s->clock, raw);
    return 0;
}

enum etl_step etl_stream_next_any(struct etl_trace *t, struct etl_stream *s, struct eh_error *e)
{
    s->current = NULL;
    s->word = 0;
    if (s->behind && (size_t)(s->end - s->at) < LIMIT_WINDOW_BYTES / 2 && slide(s, e) < 0)
        return ETL_ERROR;
    if (s->at == s->end)
        return open_buffer(t, s, e);
    enum rec_result found = rec_parse(s->at, (size_t)(s->end - s->at), &s->record);
    if (found != REC_OK)
        return end_buffer(t, s, found, e);
    etl_stream_step(s, s->record.size, (size_t)(s->end - s->at));
    if (s->record.has_time)
        step_time(t, s);
    return ETL_RECORD;
}

void etl_trace_count(struct etl_trace *t)
{
    for (size_t i = 0; i < t->stream_count; i++) {
        t->counts.events += t->streams[i].events;
        t->counts.time_steps_back += t->streams[i].steps_back;
    }
}
