#include "etl_header.h"

#include "base/bytes.h"
#include "container/etl_layout.h"

#include <string.h>

enum {
    HEADER_RECORD_VERSION = 2,
    TIMEZONE_STANDARD_NAME = 4, /* wchar[32], after the bias */
    TIMEZONE_DAYLIGHT_NAME = 4 + 64 + 16 + 4,
    SUB_VERSION_PLAIN = 1,
    SUB_MINOR_PLAIN = 5,
    SUB_VERSION_COMPRESSED = 2,
};

void etl_session_default(struct etl_session *s)
{
    *s = (struct etl_session){
        .buffer_size = 64 << 10,
        .processors = 1,
        .pointer_size = 8,
        .os_major = 10,
        .os_build = 22631,
        .mode = 0x00010001, /* sequential, relogged: as a merged trace */
        .clock_type = CLOCK_QPC,
        .frequency = 10000000,
        .cpu_mhz = 3000,
        .boot_time = INT64_C(133485408000000000), /* 2024-01-01 00:00:00 */
        .start_time = INT64_C(133485444000000000),
        .end_time = INT64_C(133485446400000000),
        .raw_start = INT64_C(36000000000), /* an hour after boot at 10 MHz */
        .session_name = "etlgen",
        .file_name = "synthetic.etl",
    };
}

uint64_t etl_clock_word(const struct etl_session *s)
{
    return (uint64_t)s->frequency << 3 | (s->clock_type & 7);
}

void etl_put_buffer_head(uint8_t *at, const struct etl_buffer_head *head)
{
    memset(at, 0, BUF_HEADER_BYTES);
    store_u32(at + BUF_SIZE, head->size);
    store_u32(at + BUF_SAVED_OFFSET, head->offset);
    store_u32(at + BUF_CURRENT_OFFSET, head->offset);
    store_u64(at + BUF_TIME, (uint64_t)head->time);
    store_u64(at + BUF_SEQUENCE, (uint64_t)head->sequence);
    store_u64(at + BUF_CLOCK, head->clock);
    if (head->flags & BUF_FLAG_PROCESSOR_INDEX) {
        store_u16(at + BUF_PROCESSOR, (uint16_t)head->cpu);
    } else {
        at[BUF_PROCESSOR] = (uint8_t)head->cpu;
        at[BUF_PROCESSOR + 1] = 8; /* alignment of records */
    }
    store_u16(at + BUF_LOGGER_ID, (uint16_t)head->logger_id);
    store_u32(at + BUF_STATE, head->state);
    store_u32(at + BUF_OFFSET, head->offset);
    store_u16(at + BUF_FLAGS, (uint16_t)head->flags);
    store_u16(at + BUF_TYPE, (uint16_t)head->type);
}

unsigned etl_boot_time_offset(const struct etl_session *s)
{
    return s->pointer_size == 4 ? LOG_BOOT_TIME32 : LOG_BOOT_TIME64;
}

size_t etl_header_record_bytes(const struct etl_session *s)
{
    return SYSTEM_BYTES + etl_boot_time_offset(s) + LOG_TAIL_NAMES +
           utf16_bytes(s->session_name) + utf16_bytes(s->file_name);
}

static void put_numbers(uint8_t *log, const struct etl_session *s, uint32_t buffers_written)
{
    store_u32(log + LOG_BUFFER_SIZE, s->buffer_size);
    log[LOG_VERSION_MAJOR] = s->os_major;
    log[LOG_VERSION_MINOR] = s->os_minor;
    log[LOG_SUB_VERSION] = s->compress ? SUB_VERSION_COMPRESSED : SUB_VERSION_PLAIN;
    log[LOG_SUB_MINOR_VERSION] = s->compress ? 0 : SUB_MINOR_PLAIN;
    store_u32(log + LOG_BUILD, s->os_build);
    store_u32(log + LOG_PROCESSORS, s->processors);
    store_u64(log + LOG_END_TIME, (uint64_t)s->end_time);
    store_u32(log + LOG_TIMER_RESOLUTION, 156250);
    store_u32(log + LOG_MODE, s->mode | (s->compress ? LOG_MODE_COMPRESSED : 0));
    store_u32(log + LOG_BUFFERS_WRITTEN, buffers_written);
    store_u32(log + LOG_START_BUFFERS, 1);
    store_u32(log + LOG_POINTER_SIZE, s->pointer_size);
    store_u32(log + LOG_EVENTS_LOST, s->events_lost);
    store_u32(log + LOG_CPU_MHZ, s->cpu_mhz);
}

static void put_timezone(uint8_t *zone, const struct etl_session *s)
{
    store_u32(zone, (uint32_t)s->timezone_bias_minutes);
    put_utf16(zone + TIMEZONE_STANDARD_NAME, "Synthetic Standard Time");
    put_utf16(zone + TIMEZONE_DAYLIGHT_NAME, "Synthetic Daylight Time");
}

void etl_put_header_record(uint8_t *at, const struct etl_session *s, uint32_t buffers_written)
{
    size_t bytes = etl_header_record_bytes(s);
    uint8_t *log = at + SYSTEM_BYTES;
    uint8_t *tail = log + etl_boot_time_offset(s);

    memset(at, 0, bytes);
    store_u16(at + HOOK_VERSION, HEADER_RECORD_VERSION);
    at[HOOK_KIND] = s->pointer_size == 4 ? REC_SYSTEM32 : REC_SYSTEM64;
    at[HOOK_MARK] = REC_MARK_TRACE;
    store_u16(at + HOOK_SIZE, (uint16_t)bytes);
    store_u64(at + SYSTEM_TIME, (uint64_t)s->raw_start);
    put_numbers(log, s, buffers_written);
    put_timezone(log + (s->pointer_size == 4 ? LOG_TIMEZONE32 : LOG_TIMEZONE64), s);
    store_u64(tail, (uint64_t)s->boot_time);
    store_u64(tail + LOG_TAIL_FREQUENCY, (uint64_t)s->frequency);
    store_u64(tail + LOG_TAIL_START_TIME, (uint64_t)s->start_time);
    store_u32(tail + LOG_TAIL_CLOCK, s->clock_type);
    store_u32(tail + LOG_TAIL_BUFFERS_LOST, s->buffers_lost);
    put_utf16(put_utf16(tail + LOG_TAIL_NAMES, s->session_name), s->file_name);
}
