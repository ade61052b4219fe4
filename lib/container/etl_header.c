#include "container/etl_header.h"

#include "base/bytes.h"
#include "base/ckd.h"
#include "base/limits.h"
#include "base/utf.h"
#include "container/etl_layout.h"
#include "container/etl_record.h"

#include <string.h>

#define NS_PER_SECOND       INT64_C(1000000000)
#define ASSUMED_FREQUENCY   INT64_C(10000000) /* Windows 10 and 11 */
#define FILETIME_UNIX_EPOCH INT64_C(116444736000000000)

static int64_t multiply_saturating(int64_t a, int64_t positive)
{
    if (a > INT64_MAX / positive)
        return INT64_MAX;
    if (a < INT64_MIN / positive)
        return INT64_MIN;
    return a * positive;
}

int64_t filetime_to_unix_ns(int64_t filetime)
{
    int64_t ns = multiply_saturating(add_saturating(filetime, -FILETIME_UNIX_EPOCH), 100);
    return ns < -LIMIT_TIME_NS ? -LIMIT_TIME_NS : ns > LIMIT_TIME_NS ? LIMIT_TIME_NS : ns;
}

int64_t ticks_to_ns(int64_t ticks, int64_t frequency)
{
    int64_t seconds = ticks / frequency;
    int64_t rest = ticks % frequency;
    if (rest < 0) {
        rest += frequency;
        seconds -= 1;
    }
    /* With a fraction added, an earlier time could come out as the later one. */
    if (seconds < INT64_MIN / NS_PER_SECOND)
        return INT64_MIN;
    /* rest * 10^9 stays below 2^63 by ETL_FREQUENCY_MAX. */
    return add_saturating(multiply_saturating(seconds, NS_PER_SECOND),
                          rest * NS_PER_SECOND / frequency);
}

/* The clock types of FORMAT.md 3.1; type 0 is QPC where there is a frequency, else system time. */
static void set_clock(struct etl_header *h, uint32_t type, int64_t perf_frequency, uint32_t mhz)
{
    if (type != CLOCK_SYSTEM_TIME && type != CLOCK_CPU_CYCLES)
        type = type == 0 && perf_frequency == 0 ? CLOCK_SYSTEM_TIME : CLOCK_QPC;
    h->clock_type = type;
    if (type == CLOCK_SYSTEM_TIME) {
        h->frequency = ASSUMED_FREQUENCY; /* raw is a FILETIME */
        return;
    }
    h->frequency = type == CLOCK_QPC ? perf_frequency : (int64_t)mhz * 1000000;
    if (h->frequency <= 0 || h->frequency > ETL_FREQUENCY_MAX) {
        h->frequency = ASSUMED_FREQUENCY;
        h->clock_assumed = true;
    }
}

static void set_session(struct etl_header *h, const uint8_t *names, size_t length)
{
    size_t units = utf16_length(names, length / 2);
    size_t n = utf8_from_utf16(names, units, h->session, sizeof h->session - 1);
    h->session[n] = 0;
}

bool etl_header_parse(const uint8_t *buffer, size_t valid, struct etl_header *ret_header)
{
    struct record r;
    if (valid < BUF_HEADER_BYTES ||
        rec_parse(buffer + BUF_HEADER_BYTES, valid - BUF_HEADER_BYTES, &r) != REC_OK ||
        (r.kind != REC_SYSTEM32 && r.kind != REC_SYSTEM64) || r.hook != 0)
        return false;
    const uint8_t *p = r.payload;
    size_t tail = r.pointer_size == 8 ? LOG_BOOT_TIME64 : LOG_BOOT_TIME32;
    if (r.payload_size < tail + LOG_TAIL_NAMES)
        return false;
    uint32_t pointer_size = load_u32(p + LOG_POINTER_SIZE);
    *ret_header = (struct etl_header){
        .raw_start = r.raw,
        .start_time = load_i64(p + tail + LOG_TAIL_START_TIME),
        .end_time = load_i64(p + LOG_END_TIME),
        .boot_time = load_i64(p + tail),
        .buffer_size = load_u32(p + LOG_BUFFER_SIZE),
        .buffers_written = load_u32(p + LOG_BUFFERS_WRITTEN),
        .events_lost = load_u32(p + LOG_EVENTS_LOST),
        .buffers_lost = load_u32(p + tail + LOG_TAIL_BUFFERS_LOST),
        .mode = load_u32(p + LOG_MODE),
        .os_build = load_u32(p + LOG_BUILD),
        .processors = load_u32(p + LOG_PROCESSORS),
        .pointer_size = pointer_size == 4 || pointer_size == 8 ? pointer_size : r.pointer_size,
        .timezone_minutes =
            (int32_t)load_u32(p + (r.pointer_size == 8 ? LOG_TIMEZONE64 : LOG_TIMEZONE32)),
        .os_major = p[LOG_VERSION_MAJOR],
        .os_minor = p[LOG_VERSION_MINOR],
    };
    set_clock(ret_header, load_u32(p + tail + LOG_TAIL_CLOCK),
              load_i64(p + tail + LOG_TAIL_FREQUENCY), load_u32(p + LOG_CPU_MHZ));
    set_session(ret_header, p + tail + LOG_TAIL_NAMES, r.payload_size - tail - LOG_TAIL_NAMES);
    return true;
}
