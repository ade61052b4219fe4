/* Several inputs as one trace: one time axis over all sessions, one stream of records for each
 * processor of each session. FORMAT.md 3.1 and 5, semantics 2 "Time" and "Order". */
#ifndef ETLHEAP_CONTAINER_ETL_TRACE_H
#define ETLHEAP_CONTAINER_ETL_TRACE_H

#include "base/ckd.h"
#include "base/limits.h"
#include "container/etl_file.h"
#include "container/etl_record.h"

/* A session on the trace's axis. */
struct etl_clock {
    const struct etl_header *header;
    int64_t zero;      /* raw time that lies at base_ns */
    int64_t base_ns;   /* since the trace's start */
    int64_t frequency; /* ticks per second */
    /* Raw times from `low` on, `span` of them, lie at low_ns + tick_ns for each. span 0: other
     * clocks */
    int64_t low, low_ns;
    uint64_t span, tick_ns;
    uint32_t boot;     /* sessions of the same boot share processes; 0, 1, ... */
};

/* The records of one processor in one session, in the order in which they were written. */
struct etl_stream {
    const struct etl_buffer *first, *next, *last; /* its buffers: all, and from the next
                                                   one to be read up to, not including, last */
    const struct etl_clock *clock;
    struct etl_file *file;
    uint8_t
        *bytes; /* what is in memory of the open buffer: all, or a window (LIMIT_WINDOW_BYTES) */
    size_t room;
    const uint8_t *at, *end; /* in `bytes`: next record, end of the valid bytes */
    uint32_t behind;      /* valid bytes of the open buffer behind `end`, not read yet */
    int64_t open_offset;  /* of bytes[0] in the input; of the buffer where it is compressed */
    bool open_cut;
    int64_t raw;  /* of the last record with a time; INT64_MIN before the first */
    int64_t key;  /* merge key: running maximum of the records' times on the axis */
    uint64_t steps_back; /* of this pass so far */
    uint64_t events;     /* the same, counted by who reads them: etl_trace_count() */
    bool raw_is_key; /* the trace has one axis: raw times compare as they are */
    bool mixed;   /* the session mixed its processors in one stream: cpu says nothing */
    uint16_t cpu;
    uint32_t index; /* of this stream in the trace */
    const uint8_t *current; /* the record the stream stands at, NULL at a buffer's end */
    uint64_t word;          /* REC_WORD() of it; 0: none, or `record` describes it already */
    struct record record;   /* valid after etl_stream_record() until the stream moves on */
};

/* Who hears how far the reading is: eh_options.progress. */
struct etl_watcher {
    int (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL */
    void *context;
};

struct etl_trace {
    struct etl_file *files;
    size_t file_count;
    struct etl_clock *clocks;
    size_t clock_count, boots;
    struct etl_stream *streams; /* by session, then processor: the order among equal times */
    size_t stream_count, stream_room;
    bool one_axis;    /* all sessions share boot, frequency and clock: raw times compare */
    size_t first;     /* index of the clock of the session that the trace starts with */
    int64_t start_time; /* FILETIME of the trace's start */
    struct etl_counts counts;
    struct notices notices;
    struct etl_watcher watcher;
    uint64_t bytes_done; /* of buffers read so far, over all passes */
    uint64_t bytes_total; /* of one pass */
    unsigned passes; /* that will be made: bytes_done ends at so many times bytes_total */
    bool telling;  /* this pass tells damage */
    uint64_t open_bytes; /* room of the streams' open buffers */
    uint8_t *packed;
    size_t packed_room;
};

/* Opens the inputs. On failure nothing is left to free and `e` names the input. */
int etl_trace_open(struct etl_trace *t, const char *const *paths, size_t count,
                   const struct notices *notices, const struct etl_watcher *watcher,
                   struct eh_error *e);
void etl_trace_close(struct etl_trace *t);

/* Puts every stream back to its beginning; `telling` for the one pass that tells damage. */
void etl_trace_rewind(struct etl_trace *t, bool telling);

/* Tells the watcher how far the passes have come. 0, or -1 with `e` filled: stop. */
int etl_trace_progress(const struct etl_trace *t, struct eh_error *e);

/* Adds what the streams counted in a pass that has ended to the counts. */
void etl_trace_count(struct etl_trace *t);

enum etl_step {
    ETL_ERROR = -1,
    ETL_END = 0,
    ETL_RECORD, /* the stream stands at a record */
    ETL_BUFFER, /* a buffer ended: a good moment to let other streams catch up */
};

/* etl_stream_next() for every kind of record, and between buffers. */
enum etl_step etl_stream_next_any(struct etl_trace *t, struct etl_stream *s, struct eh_error *e);

static inline void etl_stream_step(struct etl_stream *s, uint32_t size, size_t left)
{
    size_t step = REC_STEP(size);
    s->current = s->at;
    s->at += step < left ? step : left;
}

/* The stream comes to a record of time `raw`, on a trace with one axis. Steps back are counted
 * while the trace tells: in one pass. */
static inline void etl_stream_time(struct etl_stream *s, int64_t raw, bool telling)
{
    if (telling)
        s->steps_back += raw < s->raw;
    s->raw = raw;
    s->key = raw > s->key ? raw : s->key;
}

/* Before a stream's first step: sets its key to its first record's time where that can be told
 * without opening its buffer, so that the buffers of sessions that follow each other are not all
 * open at one time. 0, or -1 with `e` filled. */
int etl_stream_peek(struct etl_trace *t, struct etl_stream *s, struct eh_error *e);

/* Moves a stream to its next record and its key to that record's place. What the record says is
 * taken apart only when someone asks: most records are passed twice and read once. `telling` is the
 * pass's, a constant at the call. */
static inline enum etl_step etl_stream_next(struct etl_trace *t, struct etl_stream *s, bool telling,
                                            struct eh_error *e)
{
    const uint8_t *at = s->at;
    size_t left = (size_t)(s->end - at);
    if (left < SYSTEM_BYTES || !s->raw_is_key)
        return etl_stream_next_any(t, s, e);
    uint64_t first = load_u64(at);
    uint32_t time = rec_hooked_time(first), size = rec_hooked_size(first);
    if (!time || size < 2 * time || size > left)
        return etl_stream_next_any(t, s, e);
    etl_stream_time(s, load_i64(at + time), telling);
    s->word = first >> 16;
    etl_stream_step(s, size, left);
    return ETL_RECORD;
}

/* Takes the current record apart. */
static inline const struct record *etl_stream_record(struct etl_stream *s)
{
    if (s->word)
        rec_parse(s->current, (size_t)(s->end - s->current), &s->record);
    s->word = 0;
    return &s->record;
}

/* The hook id of the current record, -1 where it takes more than a look. */
static inline int etl_stream_hook(const struct etl_stream *s)
{
    return s->word ? (int)(s->word >> 32) : -1;
}

/* etl_time_ns() for any time and any clock. */
int64_t etl_time_ns_any(const struct etl_clock *c, int64_t raw);

/* Nanoseconds since the trace's start, rounded down; at most LIMIT_TIME_NS away from it. */
static inline int64_t etl_time_ns(const struct etl_clock *c, int64_t raw)
{
    uint64_t ticks = (uint64_t)raw - (uint64_t)c->low;
    return ticks < c->span ? c->low_ns + (int64_t)(ticks * c->tick_ns) : etl_time_ns_any(c, raw);
}

/* Where times from `raw` on, as many as 32 bits count, all lie *ret_tick_ns apart: true, and they
 * are *ret_tick_ns * time + *ret_offset_ns, in 64 bits that wrap. */
static inline bool etl_time_is_linear(const struct etl_clock *c, int64_t raw, uint64_t *ret_tick_ns,
                                      uint64_t *ret_offset_ns)
{
    uint64_t ticks = (uint64_t)raw - (uint64_t)c->low;
    *ret_tick_ns = c->tick_ns;
    *ret_offset_ns = (uint64_t)c->low_ns - (uint64_t)c->low * c->tick_ns;
    return ticks < c->span && c->span - ticks > UINT32_MAX;
}

#endif
