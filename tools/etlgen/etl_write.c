#include "etl_write.h"

#include "base/array.h"
#include "base/bytes.h"
#include "container/etl_layout.h"
#include "etl_header.h"
#include "xpress_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOGGER_ID = 3,
    SMALL_HEADER_BUFFER = 1024, /* header buffers of compressed sessions */
};

struct open_buffer {
    uint8_t *bytes; /* NULL until its processor's first record */
    size_t used;    /* with the buffer header */
};

struct etl_writer {
    FILE *stream;
    struct etl_session session;
    struct open_buffer *cpus;
    size_t cpus_room;
    uint8_t *packed; /* a compressed buffer with its header */
    uint32_t buffers;
    int64_t first_sequence;
    int64_t last_time;    /* raw time of the latest record, for the buffer's time of flush */
    int64_t patch_offset; /* of BuffersWritten in the stream, or -1 when it cannot seek */
    int failure;          /* first errno */
};

static void write_bytes(struct etl_writer *w, const uint8_t *bytes, size_t length)
{
    if (w->failure)
        return;
    errno = 0;
    if (fwrite(bytes, 1, length, w->stream) != length)
        w->failure = errno ? errno : EIO;
}

static void put_head(struct etl_writer *w, uint8_t *at, size_t size, size_t used, unsigned cpu,
                     unsigned flags, unsigned type)
{
    etl_put_buffer_head(at, &(struct etl_buffer_head){
                                .size = (uint32_t)size,
                                .offset = (uint32_t)used,
                                .state = BUF_STATE_FLUSH,
                                .cpu = cpu,
                                .flags = flags | BUF_FLAG_PROCESSOR_INDEX,
                                .type = type,
                                .logger_id = LOGGER_ID,
                                .time = w->last_time,
                                .sequence = w->first_sequence + w->buffers,
                                .clock = etl_clock_word(&w->session),
                            });
    w->buffers++;
}

static void flush_plain(struct etl_writer *w, uint8_t *bytes, size_t used, unsigned cpu)
{
    size_t size = w->session.buffer_size;
    put_head(w, bytes, size, used, cpu, 0, BUF_TYPE_GENERIC);
    memset(bytes + used, 0xFF, size - used);
    write_bytes(w, bytes, size);
}

static void flush_buffer(struct etl_writer *w, unsigned cpu)
{
    struct open_buffer *b = &w->cpus[cpu];
    size_t length = b->used - BUF_HEADER_BYTES;
    size_t packed = 0;

    if (w->packed)
        packed = xpress_pack(b->bytes + BUF_HEADER_BYTES, length, w->packed + BUF_HEADER_BYTES,
                             length);
    if (packed) {
        put_head(w, w->packed, BUF_HEADER_BYTES + packed, b->used, cpu, BUF_FLAG_COMPRESSED,
                 BUF_TYPE_GENERIC);
        write_bytes(w, w->packed, BUF_HEADER_BYTES + packed);
    } else {
        flush_plain(w, b->bytes, b->used, cpu);
    }
    b->used = BUF_HEADER_BYTES;
}

/* A stream that appends wherever it is told to write cannot be patched: its position does not
 * advance by what was written. */
static int64_t seekable_position(struct etl_writer *w, int64_t before, size_t written)
{
    if (before < 0 || fflush(w->stream) != 0)
        return -1;
    return ftello(w->stream) == before + (int64_t)written ? before : -1;
}

static size_t header_buffer_bytes(const struct etl_session *s)
{
    size_t needed = BUF_HEADER_BYTES + REC_STEP(etl_header_record_bytes(s));
    size_t size = s->compress ? SMALL_HEADER_BUFFER : s->buffer_size;
    return needed > size ? needed : size;
}

static int write_header_buffer(struct etl_writer *w)
{
    size_t size = header_buffer_bytes(&w->session);
    size_t used = BUF_HEADER_BYTES + etl_header_record_bytes(&w->session);
    int64_t before = ftello(w->stream);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return -1;
    memset(bytes, 0xFF, size);
    put_head(w, bytes, size, used, 0, 0, BUF_TYPE_HEADER);
    etl_put_header_record(bytes + BUF_HEADER_BYTES, &w->session, 0);
    write_bytes(w, bytes, size);
    free(bytes);
    before = seekable_position(w, before, size);
    w->patch_offset =
        before < 0 ? -1 : before + BUF_HEADER_BYTES + SYSTEM_BYTES + LOG_BUFFERS_WRITTEN;
    return 0;
}

static void writer_free(struct etl_writer *w)
{
    for (size_t i = 0; i < w->cpus_room; i++)
        free(w->cpus[i].bytes);
    free(w->cpus);
    free(w->packed);
    free(w);
}

static struct etl_writer *writer_new(FILE *stream, const struct etl_session *session)
{
    struct etl_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->stream = stream;
    w->session = *session;
    w->patch_offset = -1;
    if (session->compress)
        w->packed = malloc(session->buffer_size);
    if (!session->compress || w->packed)
        return w;
    writer_free(w);
    return NULL;
}

struct etl_writer *etl_writer_open(FILE *stream, const struct etl_session *session)
{
    struct etl_writer *w = writer_new(stream, session);
    if (w && write_header_buffer(w) < 0) {
        writer_free(w);
        return NULL;
    }
    return w;
}

struct etl_writer *etl_writer_continue(FILE *stream, const struct etl_session *session,
                                       int64_t sequence)
{
    struct etl_writer *w = writer_new(stream, session);
    if (w)
        w->first_sequence = sequence;
    return w;
}

/* The first record of a processor: its slot and its buffer. */
static int open_processor(struct etl_writer *w, unsigned cpu)
{
    size_t before = w->cpus_room;
    if (ARRAY_RESERVE(w->cpus, w->cpus_room, (size_t)cpu + 1) < 0)
        return -1;
    if (w->cpus_room > before)
        memset(w->cpus + before, 0, (w->cpus_room - before) * sizeof *w->cpus);
    if (!w->cpus[cpu].bytes) {
        w->cpus[cpu].bytes = malloc(w->session.buffer_size);
        w->cpus[cpu].used = BUF_HEADER_BYTES;
    }
    return w->cpus[cpu].bytes ? 0 : -1;
}

uint8_t *etl_writer_record(struct etl_writer *w, unsigned cpu, size_t size)
{
    size_t step = REC_STEP(size);

    if (step > w->session.buffer_size - BUF_HEADER_BYTES)
        return NULL;
    if (cpu >= w->cpus_room || !w->cpus[cpu].bytes) {
        if (open_processor(w, cpu) < 0)
            return NULL;
    }
    struct open_buffer *b = &w->cpus[cpu];
    if (step > w->session.buffer_size - b->used)
        flush_buffer(w, cpu);
    uint8_t *at = b->bytes + b->used;
    b->used += step;
    memset(at, 0, step);
    return at;
}

static size_t hook_header_bytes(unsigned kind)
{
    switch (kind) {
    case REC_PERFINFO32:
    case REC_PERFINFO64:
        return PERFINFO_BYTES;
    case REC_COMPACT32:
    case REC_COMPACT64:
        return COMPACT_BYTES;
    default:
        return SYSTEM_BYTES;
    }
}

uint8_t *etl_writer_hook(struct etl_writer *w, unsigned cpu, unsigned kind, unsigned version,
                         unsigned hook, uint32_t pid, uint32_t tid, int64_t raw, size_t payload)
{
    size_t header = hook_header_bytes(kind);
    uint8_t *at = etl_writer_record(w, cpu, header + payload);

    if (!at)
        return NULL;
    w->last_time = raw;
    store_u16(at + HOOK_VERSION, (uint16_t)version);
    at[HOOK_KIND] = (uint8_t)kind;
    at[HOOK_MARK] = REC_MARK_TRACE;
    store_u16(at + HOOK_SIZE, (uint16_t)(header + payload));
    store_u16(at + HOOK_ID, (uint16_t)hook);
    if (header == PERFINFO_BYTES) {
        store_u64(at + PERFINFO_TIME, (uint64_t)raw);
        return at + header;
    }
    store_u32(at + SYSTEM_THREAD, tid);
    store_u32(at + SYSTEM_PROCESS, pid);
    store_u64(at + SYSTEM_TIME, (uint64_t)raw);
    return at + header;
}

uint8_t *etl_writer_full(struct etl_writer *w, unsigned cpu, unsigned kind, const uint8_t *guid,
                         unsigned opcode, unsigned version, uint32_t pid, uint32_t tid,
                         int64_t raw, size_t payload)
{
    uint8_t *at = etl_writer_record(w, cpu, FULL_BYTES + payload);

    if (!at)
        return NULL;
    w->last_time = raw;
    store_u16(at + GUID_SIZE, (uint16_t)(FULL_BYTES + payload));
    at[GUID_KIND] = (uint8_t)kind;
    at[GUID_MARK] = REC_MARK_TRACE;
    at[FULL_OPCODE] = (uint8_t)opcode;
    store_u16(at + FULL_VERSION, (uint16_t)version);
    store_u32(at + GUID_THREAD, tid);
    store_u32(at + GUID_PROCESS, pid);
    store_u64(at + GUID_TIME, (uint64_t)raw);
    memcpy(at + GUID_GUID, guid, 16);
    return at + FULL_BYTES;
}

static void patch_buffers_written(struct etl_writer *w)
{
    uint8_t count[4];

    if (w->patch_offset < 0 || w->failure)
        return;
    store_u32(count, w->buffers);
    if (fseeko(w->stream, w->patch_offset, SEEK_SET) != 0) {
        w->failure = errno;
        return;
    }
    write_bytes(w, count, sizeof count);
    if (!w->failure && fseeko(w->stream, 0, SEEK_END) != 0)
        w->failure = errno;
}

int etl_writer_close(struct etl_writer *w)
{
    for (size_t i = 0; i < w->cpus_room; i++) {
        if (w->cpus[i].bytes && w->cpus[i].used > BUF_HEADER_BYTES)
            flush_buffer(w, (unsigned)i);
    }
    patch_buffers_written(w);
    if (!w->failure && fflush(w->stream) != 0)
        w->failure = errno;
    int failure = w->failure;
    writer_free(w);
    errno = failure;
    return failure ? -1 : 0;
}

uint8_t *put_pointer(uint8_t *at, unsigned pointer_size, uint64_t value)
{
    if (pointer_size == 8) {
        store_u64(at, value);
        return at + 8;
    }
    return put_u32(at, (uint32_t)value);
}

uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    store_u32(at, value);
    return at + 4;
}
