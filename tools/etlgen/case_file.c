#include "case_file.h"

#include "base/array.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "container/etl_layout.h"
#include "etl_header.h"
#include "huffman_pack.h"
#include "lznt1_pack.h"
#include "xpress_pack.h"

#include <stdlib.h>
#include <string.h>

/* A field of fixed place: what `buffer` and `session` lines may override. */
struct fixed_field {
    const char *key;
    uint8_t offset;
    uint8_t width;
};

enum { BUF_REFERENCES = 0x0C, BUF_UNION = 0x38 };

static const struct fixed_field head_fields[HEAD_FIELDS] = {
    {"size", BUF_SIZE, 4},
    {"saved", BUF_SAVED_OFFSET, 4},
    {"current", BUF_CURRENT_OFFSET, 4},
    {"references", BUF_REFERENCES, 4},
    {"time", BUF_TIME, 8},
    {"seq", BUF_SEQUENCE, 8},
    {"clock_word", BUF_CLOCK, 8},
    {"processor", BUF_PROCESSOR, 2},
    {"logger", BUF_LOGGER_ID, 2},
    {"state", BUF_STATE, 4},
    {"offset", BUF_OFFSET, 4},
    {"flags", BUF_FLAGS, 2},
    {"type", BUF_TYPE, 2},
    {"union1", BUF_UNION, 8},
    {"union2", BUF_UNION + 8, 8},
    {NULL, 0, 0},
};

static const struct fixed_field log_fields[] = {
    {"log_buffer_size", LOG_BUFFER_SIZE, 4},
    {"subversion", LOG_SUB_VERSION, 1},
    {"subminor", LOG_SUB_MINOR_VERSION, 1},
    {"timer_resolution", LOG_TIMER_RESOLUTION, 4},
    {"max_file_size", LOG_MAXIMUM_FILE_SIZE, 4},
    {"log_mode", LOG_MODE, 4},
    {"buffers_written", LOG_BUFFERS_WRITTEN, 4},
    {"start_buffers", LOG_START_BUFFERS, 4},
    {"log_pointer_size", LOG_POINTER_SIZE, 4},
};

static const char *const pack_names[] = {"none", "xpress", "lznt1", "huffman", "raw", NULL};

/* The fields of a record header that `session` lets a case break. */
static const struct fixed_field record_fields[] = {
    {"record_version", HOOK_VERSION, 2}, {"record_kind", HOOK_KIND, 1},
    {"record_mark", HOOK_MARK, 1},       {"record_size", HOOK_SIZE, 2},
    {"record_hook", HOOK_ID, 2},         {"tid", SYSTEM_THREAD, 4},
    {"pid", SYSTEM_PROCESS, 4},
};

void case_file_init(struct case_file *f)
{
    *f = (struct case_file){.has_count = true};
    etl_session_default(&f->session);
    f->clock = (struct case_clock){f->session.raw_start, (uint64_t)f->session.frequency,
                                   f->session.raw_start};
    f->anchor = f->session.raw_start;
}

static void buffer_reset(struct case_buffer *b)
{
    for (size_t i = 0; i < b->corruption_count; i++)
        bytes_finish(&b->corruptions[i].bytes);
    b->corruption_count = 0;
    bytes_finish(&b->plan.fill);
    b->plan = (struct buffer_plan){0};
    bytes_clear(&b->body);
}

static void buffer_finish(struct case_buffer *b)
{
    buffer_reset(b);
    bytes_finish(&b->body);
    free(b->corruptions);
}

void case_file_finish(struct case_file *f)
{
    for (size_t i = 0; i < f->cpus_room; i++)
        buffer_finish(&f->cpus[i]);
    free(f->cpus);
    free(f->buffer_at);
    buffer_finish(&f->open);
    bytes_finish(&f->out);
}

struct bytes *case_place(struct case_file *f)
{
    return f->is_open ? &f->open.body : &f->out;
}

/* --- from a buffer's records to bytes in the file --- */

/* The body as it is stored. True when it became a compressed stream. */
static bool pack_body(struct case_line *l, const struct case_buffer *b, struct bytes *into)
{
    size_t length = b->body.length, packed = 0;
    size_t room = length + length / 2 + 1024;
    uint8_t *at = b->plan.pack == PACK_NONE || b->plan.pack == PACK_RAW ? NULL
                                                                        : bytes_grow(into, room);
    if (at && b->plan.pack == PACK_XPRESS)
        packed = xpress_pack(b->body.at, length, at, room);
    else if (at && b->plan.pack == PACK_LZNT1)
        packed = lznt1_pack(b->body.at, length, at, room);
    else if (at)
        packed = huffman_pack(b->body.at, length, at, room);
    into->length = packed;
    if (at && length && !packed)
        line_fail(l, "the buffer cannot be packed");
    if (at && (!b->plan.may_stay_plain || packed < length))
        return true;
    bytes_clear(into);
    bytes_append(into, b->body.at, length);
    return b->plan.pack == PACK_RAW;
}

static void corrupt_body(struct case_line *l, const struct case_buffer *b, struct bytes *body)
{
    for (size_t i = 0; i < b->corruption_count; i++) {
        const struct corruption *c = &b->corruptions[i];
        if (c->cut > body->length)
            line_fail(l, "corrupt cut=%zu: the buffer holds %zu bytes", c->cut, body->length);
        else if (c->at == SIZE_MAX)
            bytes_append(body, c->bytes.at, c->bytes.length);
        else if (c->at > body->length || c->bytes.length > body->length - c->at)
            line_fail(l, "corrupt at=%zu: the buffer holds %zu bytes", c->at, body->length);
        else if (c->bytes.length)
            memcpy(body->at + c->at, c->bytes.at, c->bytes.length);
        if (!l->failed)
            body->length -= c->cut;
    }
}

/* How many bytes of the file the buffer takes. */
static uint64_t stored_bytes(const struct case_file *f, const struct buffer_plan *p,
                             bool compressed, size_t body)
{
    bool plausible = p->has[0] && p->value[0] >= BUF_HEADER_BYTES &&
                     p->value[0] <= LIMIT_BUFFER_BYTES;
    if (p->has_stored)
        return p->stored;
    if (compressed)
        return BUF_HEADER_BYTES + body;
    return plausible ? p->value[0] : f->session.buffer_size;
}

static void put_fill(struct bytes *out, const struct bytes *pattern, size_t n)
{
    size_t start = out->length;
    bytes_fill(out, 0xFF, n);
    for (size_t i = 0; !out->failed && pattern->length && i < n; i++)
        out->at[start + i] = pattern->at[i % pattern->length];
}

static void put_head(struct case_file *f, const struct case_buffer *b, uint8_t *at,
                     uint64_t stored, bool compressed)
{
    static const uint8_t states[] = {3, 3, 2, 4, 3}; /* low half: the form of compression */
    const struct buffer_plan *p = &b->plan;
    etl_put_buffer_head(at, &(struct etl_buffer_head){
                                .size = (uint32_t)stored,
                                .offset = (uint32_t)(BUF_HEADER_BYTES + b->body.length),
                                .state = states[p->pack],
                                .cpu = p->cpu,
                                .flags = (compressed ? BUF_FLAG_COMPRESSED : 0) |
                                         (p->eight_bit ? 0 : BUF_FLAG_PROCESSOR_INDEX),
                                .logger_id = 3,
                                .time = f->clock.last,
                                .sequence = (int64_t)f->next_sequence,
                                .clock = etl_clock_word(&f->session),
                            });
    for (size_t i = 0; i < HEAD_FIELDS; i++) {
        if (p->has[i])
            store_number(at + head_fields[i].offset, head_fields[i].width, p->value[i]);
    }
    f->next_sequence = load_u64(at + BUF_SEQUENCE) + 1;
}

/* Header, stored body and fill at the end of the file. */
static void put_buffer(struct case_file *f, struct case_line *l, struct case_buffer *b,
                       bool compressed, const struct bytes *body)
{
    uint64_t stored = stored_bytes(f, &b->plan, compressed, body->length);
    if (stored < BUF_HEADER_BYTES + body->length || stored > LIMIT_BUFFER_BYTES) {
        line_fail(l, "the buffer's %zu bytes do not fit its %llu", BUF_HEADER_BYTES + body->length,
                  (unsigned long long)stored);
        return;
    }
    if (f->out.length + stored > CASE_FILE_BYTES ||
        ARRAY_RESERVE(f->buffer_at, f->buffer_room, f->buffer_count + 1) < 0) {
        line_fail(l, "the file grows too large");
        return;
    }
    f->buffer_at[f->buffer_count++] = f->out.length;
    f->segment_buffers++;
    uint8_t *head = bytes_grow(&f->out, BUF_HEADER_BYTES);
    if (head)
        put_head(f, b, head, stored, compressed);
    bytes_append(&f->out, body->at, body->length);
    put_fill(&f->out, &b->plan.fill, (size_t)stored - BUF_HEADER_BYTES - body->length);
}

static void close_buffer(struct case_file *f, struct case_line *l, struct case_buffer *b)
{
    struct bytes body = {0};
    bool compressed = pack_body(l, b, &body);
    corrupt_body(l, b, &body);
    if (b->body.failed || body.failed)
        line_fail(l, "out of memory");
    if (!l->failed)
        put_buffer(f, l, b, compressed, &body);
    bytes_finish(&body);
    buffer_reset(b);
}

void case_end_buffer(struct case_file *f, struct case_line *l)
{
    if (f->is_open)
        close_buffer(f, l, &f->open);
    f->is_open = false;
}

static void flush_cpu(struct case_file *f, struct case_line *l, size_t cpu)
{
    if (cpu >= f->cpus_room || f->cpus[cpu].body.length == 0)
        return;
    struct buffer_plan *p = &f->cpus[cpu].plan;
    p->cpu = (unsigned)cpu;
    p->pack = f->automatic_pack;
    p->may_stay_plain = true;
    close_buffer(f, l, &f->cpus[cpu]);
}

static void flush_all(struct case_file *f, struct case_line *l)
{
    for (size_t cpu = 0; cpu < f->cpus_room; cpu++)
        flush_cpu(f, l, cpu);
}

void case_flush(struct case_file *f, struct case_line *l)
{
    if (line_own_value(l, "cpu"))
        flush_cpu(f, l, (size_t)line_required(l, "cpu", 2));
    else
        flush_all(f, l);
}

static void end_segment(struct case_file *f, struct case_line *l)
{
    case_end_buffer(f, l);
    flush_all(f, l);
    if (!f->has_count && !f->out.failed)
        store_u32(f->out.at + f->count_at, f->segment_buffers);
}

void case_complete(struct case_file *f, struct case_line *l)
{
    end_segment(f, l);
    if (f->out.failed)
        line_fail(l, "out of memory");
}

/* --- directives --- */

static void read_plan(struct case_line *l, struct buffer_plan *p)
{
    static const char *const forms[] = {"index", "8bit", NULL};
    p->eight_bit = line_choice(l, "form", forms, 0) == 1;
    p->pack = (enum pack_form)line_choice(l, "compressed", pack_names, PACK_NONE);
    p->has_stored = line_own_value(l, "stored") != NULL;
    p->stored = line_number(l, "stored", 8, 0);
    line_hex(l, "fill", &p->fill);
    for (size_t i = 0; head_fields[i].key; i++) {
        p->has[i] = line_own_value(l, head_fields[i].key) != NULL;
        p->value[i] = line_number(l, head_fields[i].key, head_fields[i].width, 0);
    }
}

void case_buffer(struct case_file *f, struct case_line *l)
{
    case_end_buffer(f, l);
    f->is_open = true;
    f->open.plan.cpu = (unsigned)line_number(l, "cpu", 2, 0);
    read_plan(l, &f->open.plan);
}

void case_corrupt(struct case_file *f, struct case_line *l)
{
    struct case_buffer *b = &f->open;
    if (!f->is_open) {
        line_fail(l, "corrupt belongs behind a buffer line");
        return;
    }
    if (ARRAY_RESERVE(b->corruptions, b->corruption_room, b->corruption_count + 1) < 0) {
        line_fail(l, "out of memory");
        return;
    }
    struct corruption *c = &b->corruptions[b->corruption_count++];
    *c = (struct corruption){.at = SIZE_MAX};
    c->cut = (size_t)line_number(l, "cut", 4, 0);
    if (line_own_value(l, "at"))
        c->at = (size_t)line_required(l, "at", 4);
    line_hex(l, "hex", &c->bytes);
    line_hex(l, "append", &c->bytes);
    if (c->at != SIZE_MAX && line_own_value(l, "append"))
        line_fail(l, "corrupt takes at= with hex=, or append=");
    else if (c->at == SIZE_MAX && line_own_value(l, "hex"))
        line_fail(l, "corrupt hex= wants at=");
}

static void read_version(struct case_line *l, struct etl_session *s)
{
    const char *text = line_value(l, "os");
    unsigned major, minor;
    char rest;
    if (!text)
        return;
    if (sscanf(text, "%3u.%3u%c", &major, &minor, &rest) != 2 || major > 255 || minor > 255)
        line_fail(l, "os=%.20s: MAJOR.MINOR is wanted", text);
    s->os_major = (uint8_t)major;
    s->os_minor = (uint8_t)minor;
}

static void read_clock(struct case_line *l, struct etl_session *s)
{
    const char *text = line_text(l, "clock", "qpc");
    if (strcmp(text, "qpc") == 0)
        s->clock_type = CLOCK_QPC;
    else if (strcmp(text, "system") == 0)
        s->clock_type = CLOCK_SYSTEM_TIME;
    else if (strcmp(text, "cycles") == 0)
        s->clock_type = CLOCK_CPU_CYCLES;
    else
        s->clock_type = (uint32_t)text_number(l, "clock", text, 4);
    s->frequency = (int64_t)line_number(l, "freq", 8, (uint64_t)s->frequency);
    s->cpu_mhz = (uint32_t)line_number(l, "mhz", 4, s->cpu_mhz);
    s->boot_time = line_filetime(l, "boot", s->boot_time);
    s->start_time = line_filetime(l, "start", s->start_time);
    s->end_time = line_filetime(l, "end", s->end_time);
    if (s->clock_type == CLOCK_SYSTEM_TIME)
        s->raw_start = s->start_time;
    s->raw_start = (int64_t)line_number(l, "raw0", 8, (uint64_t)s->raw_start);
}

static void read_session(struct case_line *l, struct etl_session *s)
{
    etl_session_default(s);
    read_version(l, s);
    read_clock(l, s);
    s->buffer_size = (uint32_t)line_number(l, "buffer_size", 4, s->buffer_size);
    s->processors = (uint32_t)line_number(l, "cpus", 4, s->processors);
    s->pointer_size = (uint32_t)line_number(l, "ptr", 4, s->pointer_size);
    s->os_build = (uint32_t)line_number(l, "build", 4, s->os_build);
    s->mode = (uint32_t)line_number(l, "mode", 4, s->mode);
    s->timezone_bias_minutes = (int32_t)line_number(l, "bias", 4, 0);
    s->events_lost = (uint32_t)line_number(l, "events_lost", 4, 0);
    s->buffers_lost = (uint32_t)line_number(l, "buffers_lost", 4, 0);
    s->session_name = line_text(l, "name", s->session_name);
    s->file_name = line_text(l, "file", s->file_name);
    if (s->pointer_size != 4 && s->pointer_size != 8)
        line_fail(l, "ptr= is 4 or 8 (log_pointer_size= writes others)");
    if (s->buffer_size < 512 || s->buffer_size > LIMIT_BUFFER_BYTES)
        line_fail(l, "buffer_size= is 512 to 64M (log_buffer_size= writes others)");
}

static uint64_t clock_rate(const struct etl_session *s)
{
    if (s->clock_type == CLOCK_SYSTEM_TIME)
        return 10000000;
    if (s->clock_type == CLOCK_CPU_CYCLES)
        return (uint64_t)s->cpu_mhz * 1000000;
    return s->frequency ? (uint64_t)s->frequency : 10000000;
}

static void put_fixed(struct case_line *l, uint8_t *at, const struct fixed_field *fields,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (line_own_value(l, fields[i].key))
            store_number(at + fields[i].offset, fields[i].width,
                         line_required(l, fields[i].key, fields[i].width));
    }
}

static void put_header_record(struct case_file *f, struct case_line *l)
{
    size_t bytes = etl_header_record_bytes(&f->session);
    uint8_t *record = bytes_grow(&f->open.body, REC_STEP(bytes));
    if (!record)
        return;
    etl_put_header_record(record, &f->session, 0);
    put_fixed(l, record + SYSTEM_BYTES, log_fields, sizeof log_fields / sizeof log_fields[0]);
    put_fixed(l, record, record_fields, sizeof record_fields / sizeof record_fields[0]);
    f->has_count = line_own_value(l, "buffers_written") != NULL;
    f->count_at = f->out.length + BUF_HEADER_BYTES + SYSTEM_BYTES + LOG_BUFFERS_WRITTEN;
}

/* The header buffer is a buffer like any other, with other automatic values. */
static void open_header_buffer(struct case_file *f, struct case_line *l)
{
    struct buffer_plan *p = &f->open.plan;
    size_t needed = BUF_HEADER_BYTES + REC_STEP(etl_header_record_bytes(&f->session));

    f->is_open = true;
    p->cpu = (unsigned)line_number(l, "cpu", 2, 0);
    read_plan(l, p);
    p->pack = PACK_NONE;
    enum { SIZE = 0, TYPE = 12, SMALL = 1024 };
    if (!p->has[TYPE]) {
        p->has[TYPE] = true;
        p->value[TYPE] = BUF_TYPE_HEADER;
    }
    if (!p->has[SIZE] && f->session.compress && needed <= SMALL) {
        p->has[SIZE] = true;
        p->value[SIZE] = SMALL;
    }
}

void case_session(struct case_file *f, struct case_line *l)
{
    static const char *const answers[] = {"no", "yes", NULL};

    end_segment(f, l);
    read_session(l, &f->session);
    f->automatic_pack = (enum pack_form)line_choice(l, "compressed", pack_names, PACK_NONE);
    f->session.compress = f->automatic_pack != PACK_NONE;
    f->clock = (struct case_clock){f->session.raw_start, clock_rate(&f->session),
                                   f->session.raw_start};
    f->anchor = f->session.raw_start;
    f->next_sequence = 0;
    f->segment_buffers = 0;
    f->has_count = true;
    open_header_buffer(f, l);
    put_header_record(f, l);
    if (line_choice(l, "open", answers, 0) == 0 && !l->failed)
        case_end_buffer(f, l);
}

/* --- records --- */

static struct case_buffer *automatic_buffer(struct case_file *f, struct case_line *l, unsigned cpu)
{
    size_t before = f->cpus_room;
    if (cpu >= LIMIT_PROCESSORS) {
        line_fail(l, "cpu=%u: automatic buffers have processors below %u", cpu, LIMIT_PROCESSORS);
        return NULL;
    }
    if (ARRAY_RESERVE(f->cpus, f->cpus_room, (size_t)cpu + 1) < 0) {
        line_fail(l, "out of memory");
        return NULL;
    }
    if (f->cpus_room > before)
        memset(f->cpus + before, 0, (f->cpus_room - before) * sizeof *f->cpus);
    return &f->cpus[cpu];
}

void case_place_record(struct case_file *f, struct case_line *l, unsigned cpu,
                       const uint8_t *record, size_t length)
{
    size_t step = REC_STEP(length);
    struct case_buffer *b = f->is_open ? &f->open : automatic_buffer(f, l, cpu);

    if (!b)
        return;
    if (!f->is_open && BUF_HEADER_BYTES + b->body.length + step > f->session.buffer_size)
        flush_cpu(f, l, cpu);
    if (b->body.length + step > LIMIT_BUFFER_BYTES) {
        line_fail(l, "the buffer grows too large");
        return;
    }
    bytes_append(&b->body, record, length);
    bytes_fill(&b->body, 0, step - length);
}
