#include "perfetto_profile.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/inline.h"
#include "base/limits.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_PACKET            1
#define PACKET_TIMESTAMP        8
#define PACKET_SEQUENCE         10
#define PACKET_FLAGS            13
#define PACKET_PROFILE          37
#define PROFILE_DUMPS           5
#define PROFILE_INDEX           7
#define DUMP_PID                1
#define DUMP_TIMESTAMP          9
#define DUMP_HEAP_NAME          11
#define DUMP_INTERVAL           12
#define DUMP_START              15
#define NEEDS_INCREMENTAL_STATE 2

/* The name by which the Perfetto UI opens the flamegraph by itself. */
#define HEAP_NAME "libc.malloc"
#define HEAD_BYTES 128u
/* A dump without its samples. */
#define DUMP_BYTES 192u

/* Keys of pseudo-stacks lie above those of stacks. */
#define PSEUDO_STACK (UINT64_C(1) << 63)

/* A call stack in a heap. Its iid is its number plus 1. */
struct profile_site {
    struct tally now;
    struct tally at_peak; /* with saved_epoch == profile.epoch: before its first change since */
    uint64_t key;         /* stack id or pseudo-stack */
    uint32_t heap;
    uint32_t stream;
    uint32_t next; /* of the same stream, plus 1 */
    uint32_t saved_epoch;
    bool changed; /* since the last dump */
};

/* An encoded dump that waits for the question of the peak. */
struct profile_dump {
    int64_t ns;
    size_t optional; /* bytes of samples needed only if the dump at the peak is left out */
    size_t samples;  /* bytes of the other samples, behind them */
    bool peak;
};

/* What readers take for one profile: a sequence of dumps under one heap name. */
struct profile_stream {
    uint32_t profile;
    uint32_t next;    /* of the same profile, plus 1 */
    uint32_t next_busy; /* the same among those that a dump looks at */
    bool busy;
    uint32_t ordinal; /* among them: dumps of the same moment are a nanosecond apart */
    uint64_t handle;  /* of the heap, when there is one stream per heap */
    struct sequence sequence;
    uint32_t first_site, last_site; /* numbers plus 1 */
    uint64_t index;
    int64_t last_ns; /* of the dump before; with index > 0 */

    uint32_t *changed; /* sites, by first change since the last dump */
    size_t changed_count, changed_room;
    size_t peak_changed; /* with epoch == profile.epoch: changed_count at the peak */
    uint32_t epoch;

    struct profile_dump *dumps;
    size_t dump_count, dump_room;
    char *log; /* the samples of `dumps` */
    size_t log_length, log_room;
};

/* A process instance. */
struct profile {
    uint32_t process;
    uint32_t streams, first_stream, last_stream; /* count; numbers plus 1 */
    uint32_t first_busy, last_busy; /* numbers plus 1: of those with changes or waiting dumps */
    int64_t from_ns; /* of profile_open() */
    int64_t first_ns, now_ns;
    uint64_t records, expected; /* heap records seen, and in all */
    uint64_t dumps_passed;      /* of the evenly spaced ones */
    uint64_t next_dump;         /* number of records at which the next of them lies */
    bool has_stacks, started, closed, due, sealed_any;
    bool has_earlier; /* changes from before the time that is shown */
    int64_t sealed_ns; /* last dump's time, written or waiting */
    int64_t written_ns; /* latest time of a dump written, INT64_MIN without */
    uint64_t live, peak_live;
    int64_t peak_ns;
    uint32_t epoch; /* number of peaks so far */
    enum {
        PEAK_NONE,   /* or it lies at a dump */
        PEAK_OPEN,   /* since the last dump: in the sites' at_peak */
        PEAK_WAITING /* encoded among the streams' dumps */
    } peak;
};

/* Dump k of n lies at k/n of the heap records, rounded up. */
static uint64_t next_dump(const struct profiles *p, const struct profile *f)
{
    if (p->by_time || !f->expected || f->dumps_passed >= p->dumps)
        return UINT64_MAX;
    uint64_t k = f->dumps_passed + 1;
    uint64_t rest = f->expected % p->dumps;
    return f->expected / p->dumps * k + (rest * k + p->dumps - 1) / p->dumps;
}

/* The number of a new profile, UINT32_MAX without memory. */
static uint32_t add_profile(struct profiles *p, uint32_t process)
{
    if (ARRAY_RESERVE(p->all, p->room, p->count + 1) < 0) {
        p->trace->out_of_memory = true;
        return UINT32_MAX;
    }
    const struct eh_process *instance = eh_model_process(p->trace->model, process);
    struct profile *f = &p->all[p->count];
    *f = (struct profile){
        .process = process,
        .expected = instance->heap_records,
        .has_stacks = instance->has_stacks,
        .written_ns = INT64_MIN,
    };
    f->next_dump = next_dump(p, f);
    return (uint32_t)p->count++;
}

/* The profile that profile_earlier() opened for the process, UINT32_MAX without. */
static uint32_t earlier_profile(const struct profiles *p, uint32_t process)
{
    return process < p->of_process_room ? p->of_process[process] - 1 : UINT32_MAX;
}

uint32_t profile_open(struct profiles *p, uint32_t process, int64_t from_ns)
{
    if (!p->dumps)
        return UINT32_MAX;
    uint32_t profile = earlier_profile(p, process);
    if (profile == UINT32_MAX)
        profile = add_profile(p, process);
    if (profile != UINT32_MAX)
        p->all[profile].from_ns = trace_clamp(p->trace, from_ns);
    return profile;
}

/* --- Dumps ------------------------------------------------------------------------------- */

static char *put_dump_tail(char *at, const struct profiles *p, const struct profile_stream *s,
                           int64_t ns)
{
    char name[64];
    char *end = p->per_heap ? put_hex(put_string(name, "Heap "), s->handle)
                            : put_string(name, HEAP_NAME);
    int64_t start = s->index ? s->last_ns : p->all[s->profile].first_ns;
    at = put_field(at, DUMP_TIMESTAMP, trace_boottime(p->trace, ns));
    at = put_delimited(at, DUMP_HEAP_NAME, name, (size_t)(end - name));
    at = put_field(at, DUMP_INTERVAL, 1);
    return put_field(at, DUMP_START, trace_boottime(p->trace, start));
}

/* Writes a dump from the inside out: every length stands before what it counts. */
static void write_dump(struct profiles *p, struct profile_stream *s, int64_t ns,
                       const char *samples, size_t length)
{
    const struct eh_process *process =
        eh_model_process(p->trace->model, p->all[s->profile].process);
    char head[HEAD_BYTES], tail[HEAD_BYTES], index[HEAD_BYTES], dump[HEAD_BYTES];
    char packet[HEAD_BYTES];
    size_t head_length = (size_t)(put_field(head, DUMP_PID, process->pid) - head);
    size_t tail_length = (size_t)(put_dump_tail(tail, p, s, ns) - tail);
    size_t index_length = (size_t)(put_field(index, PROFILE_INDEX, s->index) - index);
    size_t dump_length = head_length + length + tail_length;
    char *dump_end = put_varint(put_varint(dump, PB_DELIMITED(PROFILE_DUMPS)), dump_length);
    size_t profile_length = (size_t)(dump_end - dump) + dump_length + index_length;
    char *end = put_field(packet, PACKET_TIMESTAMP, trace_boottime(p->trace, ns));
    end = put_field(end, PACKET_SEQUENCE, s->sequence.id);
    end = put_field(end, PACKET_FLAGS, NEEDS_INCREMENTAL_STATE);
    end = put_varint(put_varint(end, PB_DELIMITED(PACKET_PROFILE)), profile_length);

    struct out *out = p->trace->out;
    char *at = out_reserve(out, 4 * HEAD_BYTES);
    at = put_varint(put_varint(at, PB_DELIMITED(TRACE_PACKET)),
                    (size_t)(end - packet) + profile_length);
    at = put_bytes(at, packet, (size_t)(end - packet));
    at = put_bytes(at, dump, (size_t)(dump_end - dump));
    out_commit(out, put_bytes(at, head, head_length));
    out_write(out, samples, length);
    out_write(out, tail, tail_length);
    out_write(out, index, index_length);
}

/* Writes the waiting dumps of a stream, the one at the peak only if it is still the peak. */
static void release_stream(struct profiles *p, struct profile *f, struct profile_stream *s,
                           bool with_peak, int64_t limit_ns)
{
    const char *samples = s->log;
    for (size_t i = 0; i < s->dump_count; i++) {
        const struct profile_dump *d = &s->dumps[i];
        size_t skipped = with_peak ? d->optional : 0;
        if (!d->peak || with_peak) {
            int64_t ns = d->ns < limit_ns ? d->ns : limit_ns - 1;
            if (s->index && ns <= s->last_ns)
                ns = s->last_ns + 1;
            write_dump(p, s, ns, samples + skipped, d->optional + d->samples - skipped);
            s->last_ns = ns;
            s->index++;
            if (ns > f->written_ns)
                f->written_ns = ns;
        }
        samples += d->optional + d->samples;
    }
    p->waiting_bytes -= s->dump_count * DUMP_BYTES + s->log_length;
    s->dump_count = 0;
    s->log_length = 0;
}

static struct profile_stream *stream_at(struct profiles *p, uint32_t number_plus_1)
{
    return number_plus_1 ? &p->streams[number_plus_1 - 1] : NULL;
}

static struct profile_stream *next_stream(struct profiles *p, const struct profile_stream *s)
{
    return stream_at(p, s->next);
}

static struct profile_stream *next_busy(struct profiles *p, const struct profile_stream *s)
{
    return stream_at(p, s->next_busy);
}

static void add_busy(struct profiles *p, struct profile *f, struct profile_stream *s)
{
    uint32_t number = (uint32_t)(s - p->streams) + 1;
    s->busy = true;
    s->next_busy = 0;
    if (f->last_busy)
        stream_at(p, f->last_busy)->next_busy = number;
    else
        f->first_busy = number;
    f->last_busy = number;
}

/* Whether a dump would say nothing. It is a moment to look at all the same, but for each heap of
 * many it would only be long. */
static bool is_idle(const struct profiles *p, const struct profile_stream *s)
{
    return p->stream_count > LIMIT_HEAPS_DUMPED && p->per_heap && !s->changed_count;
}

static void release(struct profiles *p, struct profile *f, bool with_peak, int64_t limit_ns)
{
    struct profile_stream *s = stream_at(p, f->first_busy), *next;
    intern_flush(p->intern);
    f->first_busy = f->last_busy = 0;
    for (; s; s = next) {
        next = next_busy(p, s);
        release_stream(p, f, s, with_peak, limit_ns);
        s->busy = false;
        if (!is_idle(p, s))
            add_busy(p, f, s);
    }
}

static struct profile_dump *add_dump(struct profiles *p, struct profile_stream *s, int64_t ns)
{
    if (ARRAY_RESERVE(s->dumps, s->dump_room, s->dump_count + 1) < 0) {
        p->trace->out_of_memory = true;
        return NULL;
    }
    s->dumps[s->dump_count] =
        (struct profile_dump){.ns = trace_clamp(p->trace, ns) + s->ordinal};
    p->waiting_bytes += DUMP_BYTES;
    return &s->dumps[s->dump_count++];
}

/* The sample's length in the log. */
static size_t add_sample(struct profiles *p, struct profile_stream *s, uint32_t site,
                         const struct tally *t)
{
    if (ARRAY_RESERVE(s->log, s->log_room, s->log_length + HEAP_SAMPLE_BYTES) < 0) {
        p->trace->out_of_memory = true;
        return 0;
    }
    char *end = put_heap_sample(s->log + s->log_length, site + 1, t);
    size_t length = (size_t)(end - s->log) - s->log_length;
    s->log_length += length;
    p->waiting_bytes += length;
    return length;
}

/* The first `count` changed sites, as they were at the peak. */
static void add_peak_dump(struct profiles *p, const struct profile *f, struct profile_stream *s,
                          size_t count)
{
    struct profile_dump *d = add_dump(p, s, f->peak_ns);
    if (!d)
        return;
    d->peak = true;
    for (size_t i = 0; i < count; i++) {
        const struct profile_site *site = &p->sites[s->changed[i]];
        bool saved = site->saved_epoch == f->epoch;
        d->samples += add_sample(p, s, s->changed[i], saved ? &site->at_peak : &site->now);
    }
}

/* A dump of the present. The first `before_peak` changed sites may be the same as at the peak, and
 * then stand in the optional part. */
static void add_present_dump(struct profiles *p, const struct profile *f,
                             struct profile_stream *s, size_t before_peak)
{
    struct profile_dump *d = add_dump(p, s, f->now_ns);
    if (!d)
        return;
    for (size_t i = 0; i < before_peak; i++)
        if (p->sites[s->changed[i]].saved_epoch != f->epoch)
            d->optional += add_sample(p, s, s->changed[i], &p->sites[s->changed[i]].now);
    for (size_t i = 0; i < s->changed_count; i++)
        if (i >= before_peak || p->sites[s->changed[i]].saved_epoch == f->epoch)
            d->samples += add_sample(p, s, s->changed[i], &p->sites[s->changed[i]].now);
}

static void seal_stream(struct profiles *p, const struct profile *f, struct profile_stream *s)
{
    size_t before_peak = 0;
    if (is_idle(p, s))
        return;
    if (f->peak == PEAK_OPEN && f->peak_ns < f->now_ns) {
        before_peak = s->epoch == f->epoch ? s->peak_changed : s->changed_count;
        add_peak_dump(p, f, s, before_peak);
    }
    add_present_dump(p, f, s, before_peak);
    for (size_t i = 0; i < s->changed_count; i++)
        p->sites[s->changed[i]].changed = false;
    p->changed_count -= s->changed_count;
    s->changed_count = 0;
}

/* Takes a dump of the present; it is written at once unless it has to wait for the peak. */
static void seal(struct profiles *p, struct profile *f)
{
    for (struct profile_stream *s = stream_at(p, f->first_busy); s; s = next_busy(p, s))
        seal_stream(p, f, s);
    if (f->peak == PEAK_OPEN)
        f->peak = f->peak_ns < f->now_ns ? PEAK_WAITING : PEAK_NONE;
    if (f->peak == PEAK_NONE)
        release(p, f, false, INT64_MAX);
    f->sealed_ns = f->now_ns;
    f->sealed_any = true;
    f->due = false;
}

/* --- Rows -------------------------------------------------------------------------------- */

static inline void raise_peak(struct profile *f)
{
    f->peak_live = f->live;
    f->peak_ns = f->now_ns;
    f->peak = PEAK_OPEN;
    f->epoch++;
}

/* No row of this moment will follow. */
static void close_moment(struct profiles *p, struct profile *f)
{
    if (f->live > f->peak_live) {
        if (f->peak == PEAK_WAITING)
            release(p, f, false, INT64_MAX);
        raise_peak(f);
    }
    if (f->due)
        seal(p, f);
}

static void count_record(struct profiles *p, struct profile *f)
{
    f->records++;
    while (f->next_dump <= f->records) {
        f->due = true;
        f->dumps_passed++;
        f->next_dump = next_dump(p, f);
    }
}

/* The number plus 1 of a new stream of the profile, 0 without memory. */
static uint32_t add_stream(struct profiles *p, uint32_t profile, uint64_t handle)
{
    if (ARRAY_RESERVE(p->streams, p->stream_room, p->stream_count + 1) < 0)
        return 0;
    struct profile *f = &p->all[profile];
    struct profile_stream *s = &p->streams[p->stream_count++];
    *s = (struct profile_stream){.profile = profile, .ordinal = f->streams++, .handle = handle};
    sequence_open_plain(&s->sequence, p->trace);
    p->open_streams++;
    uint32_t number = (uint32_t)p->stream_count;
    if (f->last_stream)
        stream_at(p, f->last_stream)->next = number;
    else
        f->first_stream = number;
    f->last_stream = number;
    add_busy(p, f, s);
    return number;
}

/* The number plus 1 of the stream for the heap's blocks, 0 without memory. */
static uint32_t stream_for(struct profiles *p, uint32_t profile, uint32_t heap)
{
    const struct profile *f = &p->all[profile];
    uint64_t handle = eh_model_heap(p->trace->model, heap)->handle;
    if (!p->per_heap)
        return f->first_stream ? f->first_stream : add_stream(p, profile, handle);
    uint32_t *known = map_id(&p->stream_of, heap, 0);
    if (known && !*known)
        *known = add_stream(p, profile, handle);
    return known ? *known : 0;
}

#define SITE_FRAMES (LIMIT_STACK_FRAMES + 3)

/* The iids of a site's frames, outermost first; returns how many. */
static size_t site_frames(struct profiles *p, uint32_t sequence, uint64_t key, uint32_t heap,
                          uint32_t *ret_frames)
{
    struct intern *in = p->intern;
    uint64_t handle = eh_model_heap(p->trace->model, heap)->handle;
    size_t count = 0;
    if (key & PSEUDO_STACK) {
        ret_frames[count++] = intern_label(in, sequence, FRAME_HEAP_NO_STACKS, handle);
        ret_frames[count++] = intern_label(in, sequence, FRAME_SOURCE, (uint32_t)(key >> 8));
        ret_frames[count++] = intern_label(in, sequence, FRAME_SIZE_CLASS, key & 0xFF);
        return count;
    }
    ret_frames[count++] = intern_label(in, sequence, FRAME_HEAP, handle);
    struct eh_stack stack = eh_model_stack(p->trace->model, (uint32_t)key);
    uint32_t depth = stack.depth < LIMIT_STACK_FRAMES ? stack.depth : LIMIT_STACK_FRAMES;
    uint32_t other = depth ? intern_left_out(in, sequence)
                           : intern_label(in, sequence, FRAME_NO_STACK, 0);
    for (uint32_t i = other ? 0 : depth; i > 0; i--)
        ret_frames[count++] = intern_frame(in, sequence, stack.frames[i - 1]);
    if (other)
        ret_frames[count++] = other;
    return count;
}

static bool same_frames(struct profiles *p, const struct profile_site *site,
                        const uint32_t *frames, size_t count)
{
    uint32_t other[SITE_FRAMES];
    uint32_t sequence = p->streams[site->stream].sequence.id;
    return site_frames(p, sequence, site->key, site->heap, other) == count &&
           memcmp(other, frames, count * sizeof *frames) == 0;
}

static uint32_t add_site(struct profiles *p, uint32_t stream, uint64_t key, uint32_t heap)
{
    if (ARRAY_RESERVE(p->sites, p->site_room, p->site_count + 1) < 0)
        return UINT32_MAX;
    p->sites[p->site_count] =
        (struct profile_site){.key = key, .heap = heap, .stream = stream};
    uint32_t number = (uint32_t)++p->site_count;
    struct profile_stream *s = &p->streams[stream];
    if (s->last_site)
        p->sites[s->last_site - 1].next = number;
    else
        s->first_site = number;
    s->last_site = number;
    return number - 1;
}

/* The place of the number plus 1 of the site with these frames, 0 in it while there is none. The
 * hash only says where to look: behind a site with other frames the search goes on. NULL without
 * memory. */
static uint32_t *same_site(struct profiles *p, uint32_t stream, const uint32_t *frames,
                           size_t count)
{
    uint64_t hash = hash_salted_bytes(hash_salt(p), frames, count * sizeof *frames);
    for (;; hash++) {
        uint32_t *site = map_id(&p->same_stack, hash, stream);
        if (!site || !*site || same_frames(p, &p->sites[*site - 1], frames, count))
            return site;
    }
}

/* Two stack ids whose frames a reader cannot tell apart are one site. */
static uint32_t find_or_add_site(struct profiles *p, uint32_t profile, uint64_t key,
                                 uint32_t heap)
{
    uint32_t stream = stream_for(p, profile, heap) - 1;
    if (stream == UINT32_MAX)
        return UINT32_MAX;
    uint32_t sequence = p->streams[stream].sequence.id;
    uint32_t frames[SITE_FRAMES];
    size_t count = site_frames(p, sequence, key, heap, frames);
    uint32_t *equal = same_site(p, stream, frames, count);
    if (!equal || *equal)
        return equal ? *equal - 1 : UINT32_MAX;
    uint32_t site = add_site(p, stream, key, heap);
    if (site == UINT32_MAX)
        return site;
    *equal = site + 1;
    intern_callstack(p->intern, sequence, site + 1, frames, count);
    return site;
}

/* What tells the sites of a heap apart: the block's stack, or without any in the process what is
 * known of the block. */
static inline uint64_t site_key(const struct profile *f, const struct eh_event *row, uint64_t size)
{
    if (row->block_stack || f->has_stacks)
        return row->block_stack;
    return PSEUDO_STACK | (uint64_t)row->block_source << 8 | size_class(size);
}

/* The number of the row's site, UINT32_MAX when memory ran out. */
EH_APART static uint32_t look_up_site(struct profiles *p, uint32_t profile, uint64_t key, uint32_t heap)
{
    uint32_t *known = map_id(&p->site_of, key, heap);
    if (known && !*known)
        *known = find_or_add_site(p, profile, key, heap) + 1;
    if (!known || !*known) {
        p->trace->out_of_memory = true;
        return UINT32_MAX;
    }
    return *known - 1;
}

/* Stacks have numbers in a row: those of a heap do not compete for places. */
static inline uint32_t *recent_place(struct profiles *p, uint64_t key, uint32_t heap)
{
    return &p->recent[(key + heap * UINT64_C(2053)) % PROFILE_RECENT];
}

/* A site of late, NULL if it is none: few do most of the allocating. */
static inline struct profile_site *recent_site(struct profiles *p, uint64_t key, uint32_t heap)
{
    uint32_t number = *recent_place(p, key, heap);
    struct profile_site *site = number ? &p->sites[number - 1] : NULL;
    return site && site->key == key && site->heap == heap ? site : NULL;
}

/* The first change of a site since the last dump. */
EH_APART static int mark_changed(struct profiles *p, const struct profile *f,
                                 struct profile_site *site)
{
    struct profile_stream *s = &p->streams[site->stream];
    if (ARRAY_RESERVE(s->changed, s->changed_room, s->changed_count + 1) < 0) {
        p->trace->out_of_memory = true;
        return -1;
    }
    if (s->epoch != f->epoch) {
        s->epoch = f->epoch;
        s->peak_changed = s->changed_count;
    }
    s->changed[s->changed_count++] = (uint32_t)(site - p->sites);
    p->changed_count++;
    if (!s->busy)
        add_busy(p, &p->all[s->profile], s);
    site->changed = true;
    return 0;
}

/* Keeps what the site was at the peak, which this moment is no part of. */
static inline void save_peak(const struct profile *f, struct profile_site *site)
{
    if (site->saved_epoch != f->epoch && f->peak == PEAK_OPEN) {
        site->at_peak = site->now;
        site->saved_epoch = f->epoch;
    }
}

/* The site of the row's block when it had `size` bytes, about to change; NULL without memory. */
static struct profile_site *touch_site(struct profiles *p, const struct profile *f,
                                       const struct eh_event *row, uint64_t size)
{
    uint64_t key = site_key(f, row, size);
    struct profile_site *site = recent_site(p, key, row->heap_index);
    if (!site) {
        uint32_t number = look_up_site(p, (uint32_t)(f - p->all), key, row->heap_index);
        if (number == UINT32_MAX)
            return NULL;
        site = &p->sites[number];
        *recent_place(p, key, row->heap_index) = number + 1;
    }
    save_peak(f, site);
    return site->changed || mark_changed(p, f, site) == 0 ? site : NULL;
}

static inline void add_block(struct profile_site *site, uint64_t size)
{
    site->now.allocated += size;
    site->now.allocs++;
}

static inline void remove_block(struct profile_site *site, uint64_t size)
{
    site->now.freed += size;
    site->now.frees++;
}

/* Between sites that are told apart by size class. */
EH_APART static void move_block(struct profiles *p, const struct profile *f, const struct eh_event *row)
{
    struct profile_site *site = touch_site(p, f, row, row->previous_size);
    if (site)
        remove_block(site, row->previous_size);
    site = touch_site(p, f, row, row->size);
    if (site)
        add_block(site, row->size);
}

/* On its site a block grows or shrinks; where the size class is part of the site, it moves. */
EH_APART static void resize_block(struct profiles *p, const struct profile *f, const struct eh_event *row)
{
    if (site_key(f, row, row->previous_size) != site_key(f, row, row->size)) {
        move_block(p, f, row);
        return;
    }
    struct profile_site *site = touch_site(p, f, row, row->size);
    if (!site)
        return;
    if (row->size > row->previous_size)
        site->now.allocated += row->size - row->previous_size;
    else
        site->now.freed += row->previous_size - row->size;
}

static inline void count_block(struct profile *f, struct profile_site *site,
                               const struct eh_event *row)
{
    if (row->flags & EH_ADDED) {
        f->live += row->size;
        add_block(site, row->size);
    } else {
        f->live -= row->size;
        remove_block(site, row->size);
    }
}

static void count_change(struct profiles *p, struct profile *f, const struct eh_event *row)
{
    if (row->flags & (EH_ADDED | EH_REMOVED)) {
        struct profile_site *site = touch_site(p, f, row, row->size);
        if (site)
            count_block(f, site, row);
    } else if (row->flags & EH_RESIZED) {
        f->live += row->size - row->previous_size;
        resize_block(p, f, row);
    }
}

/* The first row's time, or where changes lie before what is shown, the beginning of that. */
EH_RARE static int64_t start(struct profiles *p, struct profile *f, int64_t ns)
{
    f->started = true;
    f->due = f->has_earlier;
    f->first_ns = trace_clamp(p->trace, f->has_earlier ? p->from_ns : ns);
    if (f->first_ns < f->from_ns)
        f->first_ns = f->from_ns;
    return f->first_ns;
}

_Static_assert(TRACE_LATEST_NS == LIMIT_TIME_NS, "no row is later than what can be written");

/* Times before the trace's first are taken as that, and so never lie ahead. */
static inline void move_to(struct profiles *p, struct profile *f, int64_t ns)
{
    if (!f->started)
        f->now_ns = start(p, f, ns);
    if (ns > f->now_ns) {
        close_moment(p, f);
        f->now_ns = ns;
    }
}

EH_APART static void take_row(struct profiles *p, struct profile *f, const struct eh_event *row)
{
    /* What a process never gave back is what its user came for. */
    if (row->kind == EH_DROP && row->reason == EH_DROP_PROCESS_END)
        return;
    move_to(p, f, row->time_ns);
    if (row->kind < EH_HEAP_KINDS)
        count_record(p, f);
    count_change(p, f, row);
}

/* Whether a row can do no more than change its site: nothing is due before it, nor after it. */
static inline bool is_quiet(const struct profile *f, const struct eh_event *row)
{
    return f->started && !f->due && (f->live <= f->peak_live || f->peak != PEAK_WAITING) &&
           f->records + 1 < f->next_dump && row->kind < EH_HEAP_KINDS &&
           (row->flags & (EH_ADDED | EH_REMOVED));
}

/* The usual row changes a site of late. To leave all others to a function of their own, and to call
 * nothing but at the end, saves registers' saving: 35 of 100 instructions. */
void profile_row(struct profiles *p, uint32_t profile, const struct eh_event *row)
{
    struct profile *f = &p->all[profile];
    struct profile_site *site = recent_site(p, site_key(f, row, row->size), row->heap_index);
    if (!site || !is_quiet(f, row)) {
        take_row(p, f, row);
        return;
    }
    if (row->time_ns > f->now_ns) {
        if (f->live > f->peak_live)
            raise_peak(f);
        f->now_ns = row->time_ns;
    }
    f->records++;
    save_peak(f, site);
    count_block(f, site, row);
    if (!site->changed)
        mark_changed(p, f, site);
}

/* The profile of a process whose tracks are not there yet. */
static uint32_t find_or_open(struct profiles *p, uint32_t process)
{
    if (!p->dumps || !process)
        return UINT32_MAX;
    if (ARRAY_RESERVE_ZEROED(p->of_process, p->of_process_room, process + (size_t)1) < 0) {
        p->trace->out_of_memory = true;
        return UINT32_MAX;
    }
    uint32_t profile = earlier_profile(p, process);
    if (profile == UINT32_MAX)
        profile = add_profile(p, process);
    p->of_process[process] = profile + 1;
    return profile;
}

void profile_earlier(struct profiles *p, const struct eh_event *row)
{
    uint32_t profile = find_or_open(p, row->process);
    if (profile == UINT32_MAX || row->reason == EH_DROP_PROCESS_END)
        return;
    p->all[profile].has_earlier = true;
    count_change(p, &p->all[profile], row);
}

void profiles_dump(struct profiles *p)
{
    for (size_t i = 0; i < p->count; i++)
        p->all[i].due = p->all[i].due || p->all[i].started;
}

/* The dumps that wait, and one of the end. */
static void close_dumps(struct profiles *p, struct profile *f, int64_t limit_ns)
{
    /* The dump at the end has to wait for the limit, whatever the peak. */
    f->due = false;
    close_moment(p, f);
    if (!f->sealed_any || f->sealed_ns < f->now_ns) {
        bool waiting = f->peak == PEAK_WAITING || (f->peak == PEAK_OPEN && f->peak_ns < f->now_ns);
        for (struct profile_stream *s = stream_at(p, f->first_busy); s; s = next_busy(p, s))
            seal_stream(p, f, s);
        release(p, f, waiting, limit_ns);
    } else {
        release(p, f, f->peak == PEAK_WAITING, limit_ns);
    }
}

int64_t profile_close(struct profiles *p, uint32_t profile, int64_t limit_ns)
{
    struct profile *f = &p->all[profile];
    if (!f->closed)
        p->open_streams -= f->streams;
    f->closed = true;
    if (!f->started)
        return INT64_MIN;
    close_dumps(p, f, limit_ns);
    f->started = false;
    return f->written_ns;
}

/* --- Pieces ------------------------------------------------------------------------------ */

void profiles_pause(struct profiles *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].started)
            close_dumps(p, &p->all[i], INT64_MAX);
    intern_flush(p->intern);
}

/* The site's call stack in its new sequence. */
static void redefine_site(struct profiles *p, struct profile_stream *s, uint32_t site)
{
    uint32_t frames[SITE_FRAMES], stream = (uint32_t)(s - p->streams);
    struct profile_site *known = &p->sites[site];
    size_t count = site_frames(p, s->sequence.id, known->key, known->heap, frames);
    intern_callstack(p->intern, s->sequence.id, site + 1, frames, count);
    uint32_t *same = same_site(p, stream, frames, count);
    if (same && !*same)
        *same = site + 1;
    if (!known->changed)
        mark_changed(p, &p->all[s->profile], known);
}

static void resume_stream(struct profiles *p, struct profile_stream *s)
{
    sequence_open_plain(&s->sequence, p->trace);
    s->index = 0;
    for (uint32_t site = s->first_site; site; site = p->sites[site - 1].next)
        redefine_site(p, s, site - 1);
}

/* A piece has a peak of its own. */
static void resume(struct profiles *p, struct profile *f, int64_t ns)
{
    for (struct profile_stream *s = stream_at(p, f->first_stream); s; s = next_stream(p, s))
        resume_stream(p, s);
    f->peak = PEAK_NONE;
    f->peak_live = 0;
    f->epoch++;
    f->sealed_any = false;
    f->written_ns = INT64_MIN;
    f->due = f->started;
    f->first_ns = f->now_ns = trace_clamp(p->trace, ns);
}

void profiles_resume(struct profiles *p, int64_t ns)
{
    map_finish(&p->same_stack);
    p->same_stack = (struct map){0};
    for (size_t i = 0; i < p->count; i++)
        if (!p->all[i].closed)
            resume(p, &p->all[i], ns);
}

/* A site that changed may be in the dump of the peak and in that of the end. */
#define SITE_BYTES (2 * HEAP_SAMPLE_BYTES)

uint64_t profiles_waiting(const struct profiles *p)
{
    return p->waiting_bytes + p->changed_count * SITE_BYTES + 2 * p->open_streams * DUMP_BYTES +
           intern_waiting(p->intern);
}

/* At most a block is removed, another resized or added: three sites, of which one may be new. */
uint64_t profiles_row_bytes(const struct profiles *p, const struct eh_event *row, bool whole_heap)
{
    if (!p->dumps)
        return 0;
    uint64_t bytes = 3 * SITE_BYTES + 4 * DUMP_BYTES;
    if (whole_heap)
        bytes += (p->site_count - p->changed_count) * SITE_BYTES;
    struct eh_stack stack = eh_model_stack(p->trace->model, row->block_stack);
    for (uint32_t i = 0; i < stack.depth; i++)
        bytes += 8 + intern_frame_bytes(p->intern, stack.frames[i]);
    return bytes;
}

void profiles_finish(struct profiles *p)
{
    for (size_t i = 0; i < p->stream_count; i++) {
        free(p->streams[i].changed);
        free(p->streams[i].dumps);
        free(p->streams[i].log);
    }
    free(p->streams);
    free(p->sites);
    free(p->all);
    free(p->of_process);
    map_finish(&p->stream_of);
    map_finish(&p->site_of);
    map_finish(&p->same_stack);
}
