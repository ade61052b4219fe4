/* Several inputs as one trace: one time axis over all sessions, one stream of records for each
 * processor of each session. FORMAT.md 3.1 and 5, contract 2 "Time" and "Order". */
#ifndef ETLHEAP_CONTAINER_ETL_TRACE_H
#define ETLHEAP_CONTAINER_ETL_TRACE_H

#include "container/etl_file.h"
#include "container/etl_record.h"

/* A session on the trace's axis. */
struct etl_clock {
    int64_t zero;      /* raw time that lies at base_ns */
    int64_t base_ns;   /* since the trace's start */
    int64_t frequency; /* ticks per second */
    uint32_t boot;     /* sessions of the same boot share processes; 0, 1, ... */
};

/* The records of one processor in one session, in the order in which they were written. */
struct etl_stream {
    const struct etl_buffer *first, *next, *end; /* buffers; from next on still to be read */
    const struct etl_clock *clock;
    struct etl_file *file;
    uint8_t *bytes; /* the open buffer, header included */
    size_t room;
    size_t at, valid;     /* of the open buffer */
    int64_t open_offset;  /* of the open buffer in the input */
    bool open_cut;
    int64_t raw;  /* of the last record with a time */
    int64_t key;  /* merge key: running maximum of the records' times on the axis */
    bool has_raw;
    bool mixed;   /* the session mixed its processors in one stream: cpu says nothing */
    uint16_t cpu;
    uint32_t input; /* index of the input */
    bool has_record; /* for the user of the stream: it stands at a record, not at a buffer's end */
    struct record record; /* the current record, valid until the stream moves on */
};

struct etl_trace {
    struct etl_file *files;
    size_t file_count;
    struct etl_clock *clocks;
    size_t clock_count, boots;
    struct etl_stream *streams; /* by session, then processor: the order among equal times */
    size_t stream_count, stream_room;
    bool one_axis;    /* all sessions share boot, frequency and clock: raw times compare */
    size_t first;     /* index of the session that the trace starts with, over all inputs */
    int64_t start_time; /* FILETIME of the trace's start */
    struct etl_counts counts;
    struct notices notices;
    uint64_t bytes_done; /* of buffers read so far, over all passes */
    uint64_t bytes_total; /* of one pass */
    bool telling;  /* this pass counts records and tells damage */
    uint8_t *packed;
    size_t packed_room;
};

/* Opens the inputs. On failure nothing is left to free and `e` names the input. */
int etl_trace_open(struct etl_trace *t, const char *const *paths, size_t count,
                   const struct notices *notices, int (*spooled)(void *context, uint64_t bytes),
                   void *context, struct eh_error *e);
void etl_trace_close(struct etl_trace *t);

/* Session `i` over all inputs, counted as clocks are. */
const struct etl_header *etl_trace_header(const struct etl_trace *t, size_t i);

/* Puts every stream back to its beginning; `telling` for the one pass that counts and tells. */
void etl_trace_rewind(struct etl_trace *t, bool telling);

enum etl_step {
    ETL_ERROR = -1,
    ETL_END = 0,
    ETL_RECORD, /* stream->record is set */
    ETL_BUFFER, /* a buffer ended: a good moment to let other streams catch up */
};

/* Moves a stream to its next record and its key to that record's place. */
enum etl_step etl_stream_next(struct etl_trace *t, struct etl_stream *s, struct eh_error *e);

/* Nanoseconds since the trace's start, rounded down, saturating. */
static inline int64_t etl_time_ns(const struct etl_clock *c, int64_t raw)
{
    int64_t ticks;
    if (__builtin_sub_overflow(raw, c->zero, &ticks))
        ticks = raw < c->zero ? INT64_MIN : INT64_MAX;
    if (c->frequency == 10000000 && ticks < INT64_MAX / 200 && ticks > INT64_MIN / 200)
        return c->base_ns + ticks * 100;
    int64_t ns = ticks_to_ns(ticks, c->frequency);
    return __builtin_add_overflow(ns, c->base_ns, &ns) ? (ticks < 0 ? INT64_MIN : INT64_MAX) : ns;
}

#endif
