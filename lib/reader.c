/* Joins the layers: survey, then merge -> decode -> track, in batches of rows. */
#include "etlheap.h"

#include "base/hash.h"
#include "base/inline.h"
#include "base/recent.h"
#include "census.h"
#include "container/etl_layout.h"
#include "container/etl_merge.h"
#include "container/etl_trace.h"
#include "decode/heap.h"
#include "decode/route.h"
#include "survey.h"
#include "track/join.h"
#include "track/outstanding.h"
#include "track/owners.h"
#include "track/track.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows are decoded, then tracked, so many at a time: they stay in the nearest cache between. */
#define READ_ROWS 256

/* Whose the heap records of a thread are, to spare the maps. */
#define OWNER_SLOTS 512

struct owner_cache {
    uint64_t ids; /* as record_ids() */
    uint32_t thread, unused;
    /* What rows have of it in a piece. */
    struct owner_part {
        uint32_t process;
        uint32_t heap_index; /* 0 */
        uint32_t thread_id;
        uint32_t stack; /* 0 */
    } part;
};

_Static_assert(offsetof(struct eh_event, stack) - offsetof(struct eh_event, process) ==
                       offsetof(struct owner_part, stack) &&
                   offsetof(struct eh_event, thread_id) - offsetof(struct eh_event, process) ==
                       offsetof(struct owner_part, thread_id),
               "struct owner_part lies as in a row");

/* What taking a common heap record needs of its stream. While `layout` is set, the stream itself
 * lags behind: catch_up(). */
struct lane {
    union heap_head place; /* what its rows have of the processor */
    const struct heap_layout *layout; /* of the record the stream stands at; NULL: it is another */
    const uint8_t *record; /* nobodys_record: it is another */
    const uint8_t *last; /* a common record that starts here still lies within the buffer */
    uint32_t first_node; /* in the merge */
    uint8_t unused[64 - sizeof(union heap_head) - 3 * sizeof(void *) - sizeof(uint32_t)];
};

_Static_assert(sizeof(struct lane) == MERGE_STRIDE, "lane_of() adds");

struct eh_reader {
    struct eh_options options;
    struct etl_trace trace;
    struct eh_model *model;
    struct eh_info info;
    struct eh_stats stats;
    struct owners *owners;
    struct images *images;
    struct stack_keys keys;
    struct census census;  /* empty unless asked for */
    struct join *join;     /* only where the trace holds stacks */
    struct recent *times;  /* of other records than heap's, to know which stacks belong to none */
    struct track track;
    struct outstanding outstanding; /* with options.outstanding */
    struct merge merge;
    struct lane *lanes; /* by stream; as many as merge.leaves */
    struct owner_cache owners_found[OWNER_SLOTS]; /* now, in one boot: forget_owners() */
    uint64_t owners_found_epoch;
    uint32_t owners_found_boot;
    const char **input_names;
    bool told_misfit, told_class; /* warned once */
    bool ended;
    uint32_t image_records; /* so far, where there are stacks; no more than it holds */
    size_t tracked, count; /* rows up to here are done; are decoded */
    struct eh_event rows[READ_ROWS]; /* from 1: the first is for what must stand before it */
    struct eh_event *state_rows; /* that come of no record: of sweeps, of what is outstanding */
};

static void tell_once(struct eh_reader *r, bool *told, const struct etl_stream *s, const char *text)
{
    if (*told)
        return;
    *told = true;
    int64_t offset = s->open_offset + (s->current - s->bytes);
    notices_tell(&r->trace.notices, EH_WARNING, s->file->path, offset, 0, "%s", text);
}

/* ---- opening ---- */

static const char *without_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int set_names(struct eh_reader *r, const char *const *paths, size_t count,
                     struct eh_error *e)
{
    r->input_names = calloc(count, sizeof *r->input_names);
    if (!r->input_names)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    for (size_t i = 0; i < count; i++)
        r->input_names[i] = without_folder(paths[i]);
    r->info.inputs = count;
    r->info.input_names = r->input_names;
    return 0;
}

/* Hashes what the index knows of every buffer, and the headers: any two traces differ there. */
static void set_content_hash(struct eh_reader *r)
{
    uint64_t h = 0;
    for (size_t i = 0; i < r->trace.file_count; i++) {
        const struct etl_file *f = &r->trace.files[i];
        for (size_t j = 0; j < f->buffer_count; j++) {
            const struct etl_buffer *b = &f->buffers[j];
            uint64_t sizes = (uint64_t)b->stored << 32 | b->valid;
            h = hash_u64(h ^ (uint64_t)b->offset ^
                         hash_u64((uint64_t)b->sequence ^ hash_u64(sizes)));
        }
        for (size_t j = 0; j < f->segment_count; j++) {
            const struct etl_header *s = &f->segments[j].header;
            h = hash_u64(h ^ (uint64_t)s->start_time ^ hash_u64((uint64_t)s->raw_start));
        }
    }
    r->info.content_hash[0] = h;
    r->info.content_hash[1] = hash_u64(h ^ r->info.heap_records);
}

static void set_info(struct eh_reader *r)
{
    const struct etl_header *h = r->trace.clocks[r->trace.first].header;
    r->info.start_unix_ns = filetime_to_unix_ns(r->trace.start_time);
    r->info.boot_unix_ns = h->boot_time ? filetime_to_unix_ns(h->boot_time) : 0;
    r->info.os_major = h->os_major;
    r->info.os_minor = h->os_minor;
    r->info.os_build = h->os_build;
    r->info.processors = h->processors ? h->processors : 1;
    r->info.pointer_size = h->pointer_size;
    r->info.timezone_minutes = h->timezone_minutes;
    r->info.clock_frequency = h->frequency;
    r->info.session = h->session;
}

static int survey(struct eh_reader *r, struct eh_error *e)
{
    struct survey s = {
        .trace = &r->trace,
        .owners = r->owners,
        .images = r->images,
        .keys = &r->keys,
        .info = &r->info,
    };
    return survey_run(&s, e);
}

/* No cache of owners holds the ids of this one. They are looked up anyway: that spares asking every
 * lane whether it has a record that can be taken. */
static const uint8_t nobodys_record[SYSTEM_THREAD + 8] = {
    [SYSTEM_THREAD] = 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

/* Empties the cache of owners. An empty slot holds ids whose slot is another: 0, and in slot 0
 * those of slot 1. */
static void forget_owners(struct eh_reader *r, uint32_t boot)
{
    memset(r->owners_found, 0, sizeof r->owners_found);
    r->owners_found[0].ids = 4;
    r->owners_found_epoch = owners_epoch(r->owners);
    r->owners_found_boot = boot;
}

static int create_lanes(struct eh_reader *r)
{
    r->lanes = calloc(r->merge.leaves, sizeof *r->lanes);
    if (!r->lanes)
        return -1;
    for (size_t i = 0; i < r->merge.leaves; i++)
        r->lanes[i].record = nobodys_record;
    for (size_t i = 0; i < r->trace.stream_count; i++) {
        const struct etl_stream *s = &r->trace.streams[i];
        r->lanes[i].first_node = merge_first_node(&r->merge, (uint32_t)i);
        r->lanes[i].place.part.cpu = s->cpu;
        r->lanes[i].place.part.flags = s->mixed ? 0 : EH_HAS_CPU;
    }
    return 0;
}

static int start_second_pass(struct eh_reader *r, struct eh_error *e)
{
    if (r->info.has_stacks) {
        r->times = calloc(1, sizeof *r->times);
        r->join = r->times ? join_create(r->model, r->images, r->owners, r->times) : NULL;
        if (!r->join)
            return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    }
    owners_restart(r->owners);
    forget_owners(r, 0);
    track_init(&r->track, r->model, &r->stats, r->options.max_live);
    etl_trace_rewind(&r->trace, false);
    if (merge_init(&r->merge, r->trace.stream_count) < 0 || create_lanes(r) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    for (uint32_t i = 0; i < r->trace.stream_count; i++) {
        struct etl_stream *s = &r->trace.streams[i];
        if (etl_stream_peek(&r->trace, s, e) < 0)
            return -1;
        merge_enter(&r->merge, i, s->key);
    }
    merge_build(&r->merge);
    return 0;
}

static int take_census(struct eh_reader *r, struct eh_error *e)
{
    enum eh_census_extent extent = r->options.census;
    return extent == EH_CENSUS_NONE ? 0 : census_run(&r->census, &r->trace, extent, e);
}

/* What the container counted. */
static void set_container_stats(struct eh_reader *r)
{
    const struct etl_counts *c = &r->trace.counts;
    r->stats.events = c->events;
    r->stats.buffers_read = c->buffers_read;
    r->stats.buffers_damaged = c->buffers_damaged;
    r->stats.bytes_skipped = c->bytes_skipped;
    r->stats.time_steps_back = c->time_steps_back;
    r->stats.events_lost = c->events_lost;
    r->stats.buffers_lost = c->buffers_lost;
    r->stats.inputs_truncated = c->inputs_truncated;
}

/* The census, the survey and the making of rows. */
static unsigned passes_over(enum eh_census_extent census)
{
    return census == EH_CENSUS_SAMPLE ? 1 : census == EH_CENSUS_WHOLE ? 3 : 2;
}

static int open_reader(struct eh_reader *r, const char *const *paths, size_t count,
                       struct eh_error *e)
{
    struct notices to = {r->options.notice, r->options.context};
    struct etl_watcher watcher = {r->options.progress, r->options.context};
    r->model = model_create();
    r->owners = r->model ? owners_create(r->model) : NULL;
    r->images = r->model ? images_create(r->model) : NULL;
    if (!r->owners || !r->images)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    if (etl_trace_open(&r->trace, paths, count, &to, &watcher, e) < 0)
        return -1;
    set_info(r);
    r->trace.passes = passes_over(r->options.census);
    if (set_names(r, paths, count, e) < 0 || take_census(r, e) < 0)
        return -1;
    if (r->options.census == EH_CENSUS_SAMPLE) {
        set_container_stats(r);
        r->ended = true;
        return 0;
    }
    if (survey(r, e) < 0)
        return -1;
    set_content_hash(r);
    return start_second_pass(r, e);
}

int eh_open(struct eh_reader **ret_reader, const char *const *paths, size_t count,
            const struct eh_options *options, struct eh_error *e)
{
    struct eh_reader *r = calloc(1, sizeof *r);
    if (!r)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    if (options)
        r->options = *options;
    if (open_reader(r, paths, count, e) < 0) {
        eh_close(r);
        return -1;
    }
    *ret_reader = r;
    return 0;
}

void eh_close(struct eh_reader *r)
{
    if (!r)
        return;
    outstanding_finish(&r->outstanding);
    free(r->state_rows);
    track_finish(&r->track);
    merge_finish(&r->merge);
    free(r->lanes);
    join_destroy(r->join);
    free(r->times);
    stack_keys_finish(&r->keys);
    census_finish(&r->census);
    images_destroy(r->images);
    owners_destroy(r->owners);
    etl_trace_close(&r->trace);
    model_destroy(r->model);
    free(r->input_names);
    free(r);
}

const struct eh_info *eh_info(const struct eh_reader *r)
{
    return &r->info;
}

const struct eh_model *eh_model(const struct eh_reader *r)
{
    return r->model;
}

const struct eh_census *eh_census(const struct eh_reader *r)
{
    return r->options.census == EH_CENSUS_NONE ? NULL : &r->census.result;
}

const struct eh_stats *eh_stats(const struct eh_reader *r)
{
    return &r->stats;
}

/* ---- one heap record to rows ---- */

/* The pid and tid of a record in one number, as they lie side by side in its header. */
static inline uint64_t record_ids(uint32_t pid, uint32_t tid)
{
    return (uint64_t)pid << 32 | tid;
}

static inline struct owner_cache *owner_slot(struct owner_cache *slots, uint64_t ids)
{
    return &slots[(ids >> 2) % OWNER_SLOTS];
}

/* Fills a slot of the cache with the instance and thread that a pid and tid mean now. Where the
 * process finds no place, which is counted each time, nothing is kept. */
EH_NEVER_INLINE int look_up_owner(struct eh_reader *r, uint32_t boot, uint64_t ids,
                                  struct eh_event *row, struct eh_error *e)
{
    uint32_t pid = (uint32_t)(ids >> 32), tid = (uint32_t)ids;
    if (owners_process(r->owners, boot, pid, &row->process, e) < 0)
        return -1;
    row->flags |= row->process ? 0 : EH_UNTRACKED;
    row->thread = 0;
    if (row->process && tid != REC_NO_ID &&
        owners_thread(r->owners, row->process, tid, &row->thread, e) < 0)
        return -1;
    /* What found no place is counted each time. */
    bool found = row->process && (row->thread || tid == REC_NO_ID);
    if (found && pid != REC_NO_ID)
        *owner_slot(r->owners_found, ids) = (struct owner_cache){
            .ids = ids, .thread = row->thread, .part = {.process = row->process, .thread_id = tid}};
    return 0;
}

/* The instance and thread of a record whose header, or payload, names them. */
static inline int find_owner(struct eh_reader *r, uint32_t boot, uint64_t ids,
                             struct eh_event *row, struct eh_error *e)
{
    if (boot != r->owners_found_boot)
        forget_owners(r, boot);
    const struct owner_cache *c = owner_slot(r->owners_found, ids);
    row->thread_id = (uint32_t)ids;
    if (c->ids != ids)
        return look_up_owner(r, boot, ids, row, e);
    row->process = c->part.process;
    row->thread = c->thread;
    return 0;
}

/* A record without ids belongs to the thread that runs on its processor, if that is known. */
static int find_running(struct eh_reader *r, const struct etl_stream *s, struct eh_event *row,
                        struct eh_error *e)
{
    uint32_t boot = s->clock->boot, pid, tid;
    row->thread_id = EH_NO_ID;
    if (s->mixed || !owners_running(r->owners, boot, s->cpu, &tid))
        return 0;
    row->thread_id = tid;
    return owners_pid_of(r->owners, boot, tid, &pid)
               ? find_owner(r, boot, record_ids(pid, tid), row, e)
               : 0;
}

static int set_owner(struct eh_reader *r, const struct etl_stream *s,
                     const struct heap_extra *extra, struct eh_event *row, struct eh_error *e)
{
    const struct record *rec = &s->record;
    uint32_t boot = s->clock->boot;
    int result;
    if (rec->process_id != REC_NO_ID)
        result = find_owner(r, boot, record_ids(rec->process_id, rec->thread_id), row, e);
    else
        result = find_running(r, s, row, e);
    if (result < 0 || !extra->has_process_id || extra->process_id == rec->process_id)
        return result;
    /* A snapshot of another process: its row is that process's, the thread stays (semantics 5). */
    result = owners_process(r->owners, boot, extra->process_id, &row->process, e);
    row->flags |= row->process ? 0 : EH_UNTRACKED;
    return result;
}

/* Counts what did not fit; false when the record gives no row (the heap GUID in a layout nobody
 * knows). */
static bool accept_fit(struct eh_reader *r, const struct etl_stream *s, enum heap_fit fit,
                       unsigned type, bool by_class)
{
    if (fit == HEAP_FITS)
        return true;
    r->stats.unknown_heap_events++;
    if (fit == HEAP_UNKNOWN_TYPE && !by_class)
        r->stats.unknown_types[type & 0xFF]++;
    if (by_class) {
        tell_once(r, &r->told_class, s,
                  "a heap event in a manifest or class form of unknown layout; such events are "
                  "counted, not decoded");
        return false;
    }
    if (fit == HEAP_MISFIT)
        tell_once(r, &r->told_misfit, s,
                  "a heap event whose payload is shorter than any known layout; such rows carry "
                  "header fields only");
    return true;
}

/* Where the next event is decoded: in the window where its stack may still come, else in the
 * batch. */
static inline struct eh_event *event_row(struct eh_reader *r)
{
    return r->join ? join_row(r->join) : &r->rows[r->count];
}

static struct join_origin origin_of(const struct eh_reader *r, const struct etl_stream *s,
                                    uint32_t process_id)
{
    return (struct join_origin){
        .boot = s->clock->boot,
        .stream = s->index,
        .process_id = process_id,
        .moment = r->image_records,
    };
}

/* The event in event_row() goes into the window where its stack may still come, else straight into
 * the batch. `process_id` is what its header says. */
static inline int give_event(struct eh_reader *r, const struct etl_stream *s, uint32_t process_id,
                             struct eh_error *e)
{
    if (!r->join) {
        r->count++;
        return 0;
    }
    struct join_origin origin = origin_of(r, s, process_id);
    return join_put(r->join, &origin, e);
}

static inline void set_place(const struct etl_stream *s, struct eh_event *row)
{
    row->raw_time = s->raw;
    row->time_ns = etl_time_ns(s->clock, s->raw);
    row->cpu = s->cpu;
    row->flags |= s->mixed ? 0 : EH_HAS_CPU;
}

static int take_heap(struct eh_reader *r, const struct etl_stream *s, unsigned type, bool by_class,
                     struct eh_error *e)
{
    struct eh_event *row = event_row(r);
    struct heap_extra extra;
    struct raw_frames frames;
    *row = (struct eh_event){0};
    enum heap_fit fit = heap_decode(&s->record, type, by_class, row, &extra);
    if (!accept_fit(r, s, fit, type, by_class))
        return 0;
    set_place(s, row);
    if (set_owner(r, s, &extra, row, e) < 0 || give_event(r, s, s->record.process_id, e) < 0)
        return -1;
    if (r->join && stack_item_decode(&s->record, &frames))
        return join_own_stack(r->join, &frames, s->clock->boot, e);
    return 0;
}

/* The common heap records straight from their bytes: 1, or 0 for all others, -1 on error. */
EH_ALWAYS_INLINE int take_common(struct eh_reader *r, const struct etl_stream *s, bool joins,
                                 struct eh_event *row, struct eh_error *e)
{
    const struct heap_layout *layout = heap_layout_of(s->word);
    if (!layout)
        return 0;
    uint64_t ids = load_u64(s->current + SYSTEM_THREAD);
    if (ids >> 32 == REC_NO_ID)
        return 0;
    heap_decode_common(layout, s->current, &r->lanes[s->index].place, row);
    row->raw_time = s->raw;
    row->time_ns = etl_time_ns(s->clock, s->raw);
    row->heap_index = row->stack = 0;
    if (find_owner(r, s->clock->boot, ids, row, e) < 0)
        return -1;
    if (!joins)
        return 1;
    return give_event(r, s, (uint32_t)(ids >> 32), e) < 0 ? -1 : 1;
}

/* ---- context records of the second pass ---- */

static struct moment moment_of(const struct etl_stream *s)
{
    return (struct moment){s->clock->boot, s->raw, etl_time_ns(s->clock, s->raw)};
}

static int take_process(struct eh_reader *r, const struct etl_stream *s, unsigned type,
                        struct eh_error *e)
{
    struct moment m = moment_of(s);
    struct process_record p;
    uint32_t ended;
    if (!process_decode(&s->record, &p))
        return 0;
    if (owners_process_record(r->owners, &m, type, &p, &ended, e) < 0)
        return -1;
    if (!ended)
        return 0;
    struct eh_event *row = event_row(r);
    *row = (struct eh_event){
        .time_ns = m.time_ns,
        .raw_time = m.raw,
        .process = ended,
        .thread_id = EH_NO_ID,
        .kind = EH_PROCESS_END,
    };
    return give_event(r, s, REC_NO_ID, e);
}

/* A part of a stack goes to its event; one that belongs to no record at all is kept in case its
 * event still comes. */
static int give_stack(struct eh_reader *r, const struct stack_record *stack,
                      const struct raw_frames *frames, const struct join_origin *origin,
                      struct eh_error *e)
{
    int found = join_stack(r->join, stack, frames, origin, e);
    if (found == 0 &&
        !recent_has(r->times, stack->event_raw, recent_owner(stack->pid, stack->tid)) &&
        !recent_has(r->times, stack->event_raw, RECENT_ANYBODY))
        return join_keep(r->join, stack, frames, origin, e);
    return found < 0 ? -1 : 0;
}

/* The passes do not find the same: what the first has said of the whole trace may be wrong. */
static int fail_changed(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET,
                   "an input changed while it was read; convert a copy that nothing writes to");
}

static int take_stack(struct eh_reader *r, const struct etl_stream *s, enum route route,
                      unsigned type, struct eh_error *e)
{
    struct stack_record stack;
    if (!stack_decode(&s->record, type, &stack))
        return 0;
    if (!r->join)
        return fail_changed(e);
    struct join_origin origin = origin_of(r, s, REC_NO_ID);
    if (join_name_owner(r->join, &stack, &origin, e) < 0)
        return -1;
    struct raw_frames frames = stack.frames;
    uint32_t session = (uint32_t)(s->clock - r->trace.clocks);
    if (route == ROUTE_STACK_KEY &&
        !stack_keys_find(&r->keys, session, stack.kernel, s->key, stack.key, &frames)) {
        r->stats.stacks_unmatched++;
        return join_keep(r->join, &stack, NULL, &origin, e);
    }
    return give_stack(r, &stack, &frames, &origin, e);
}

/* The common stack records straight from their bytes: 1, or 0 for all others, -1 on error. */
static int take_common_stack(struct eh_reader *r, const struct etl_stream *s, struct eh_error *e)
{
    if (!stack_is_common(s->word))
        return 0;
    struct stack_record stack; /* without what only references have */
    stack_in_place(s->word, s->current, &stack);
    struct join_origin origin = origin_of(r, s, REC_NO_ID);
    if (join_name_owner(r->join, &stack, &origin, e) < 0)
        return -1;
    return give_stack(r, &stack, &stack.frames, &origin, e) < 0 ? -1 : 1;
}

/* The stack record behind the one that the stream stands at goes to the event that was this one, if
 * that is whose it is, and the stream passes it. 0, or -1. To look at it here, before the stream
 * comes to it, spares 25 instructions an event. */
EH_ALWAYS_INLINE int take_following(struct eh_reader *r, struct etl_stream *s, struct eh_error *e)
{
    const uint8_t *at = s->at;
    size_t left = (size_t)(s->end - at);
    if (left < SYSTEM_BYTES || !s->raw_is_key || r->info.has_ownerless)
        return 0;
    uint64_t first = load_u64(at);
    uint32_t size = rec_hooked_size(first);
    if (!stack_is_plain(first) || size > left)
        return 0;
    struct stack_record stack;
    stack_in_place(first >> 16, at, &stack);
    int followed = join_following(r->join, &stack, s->clock->boot, e);
    if (followed > 0) {
        etl_stream_time(s, load_i64(at + PERFINFO_TIME), false);
        etl_stream_step(s, size, left);
    }
    return followed < 0 ? -1 : 0;
}

/* An image came or went: what addresses of its process mean may have changed. */
static int take_image(struct eh_reader *r, const struct etl_stream *s, struct eh_error *e)
{
    struct image_record image;
    uint32_t process = 0;
    if (!r->join || !image_decode(&s->record, &image))
        return 0;
    if (!is_kernel_pid(image.pid) &&
        owners_process(r->owners, s->clock->boot, image.pid, &process, e) < 0)
        return -1;
    r->image_records += r->image_records < UINT32_MAX;
    join_images_changed(r->join, process, r->image_records);
    return 0;
}

static int take_thread(struct eh_reader *r, const struct etl_stream *s, unsigned type,
                       struct eh_error *e)
{
    struct thread_record thread;
    struct moment m = moment_of(s);
    if (!thread_decode(&s->record, &thread))
        return 0;
    return owners_thread_record(r->owners, &m, type, &thread, e);
}

static int take_switch(struct eh_reader *r, const struct etl_stream *s, struct eh_error *e)
{
    uint32_t tid;
    if (s->mixed || !switch_decode(&s->record, &tid))
        return 0;
    return owners_switch(r->owners, s->clock->boot, s->cpu, tid, e);
}

static int take_record(struct eh_reader *r, struct etl_stream *s, struct eh_error *e)
{
    const struct record *rec = etl_stream_record(s);
    unsigned type;
    enum route route = route_record(rec, &type);
    if (r->times && rec->has_time && route != ROUTE_STACK && route != ROUTE_STACK_KEY)
        recent_add(r->times, rec->raw,
                   rec->process_id == REC_NO_ID ? RECENT_ANYBODY
                                                : recent_owner(rec->process_id, rec->thread_id));
    if (route == ROUTE_NONE)
        return 0;
    if (route == ROUTE_HEAP || route == ROUTE_HEAP_CLASS)
        return take_heap(r, s, type, route == ROUTE_HEAP_CLASS, e);
    switch (route) {
    case ROUTE_PROCESS:
        return take_process(r, s, type, e);
    case ROUTE_THREAD:
        return take_thread(r, s, type, e);
    case ROUTE_SWITCH:
        return take_switch(r, s, e);
    case ROUTE_IMAGE:
        return take_image(r, s, e);
    case ROUTE_STACK:
    case ROUTE_STACK_KEY:
        return take_stack(r, s, route, type, e);
    default:
        return 0;
    }
}

/* ---- batches ---- */

/* Takes the oldest events out of the window until `left` wait. 1 when it has come so far, 0 when
 * the batch is full, -1 on error. */
static int drain(struct eh_reader *r, size_t left, struct eh_error *e)
{
    for (; r->count < READ_ROWS; r->count++) {
        struct eh_event *row = &r->rows[r->count];
        if (join_waiting(r->join) <= left)
            return 1;
        if (join_take(r->join, row, e) < 0)
            return -1;
        r->stats.stacks_attached += row->stack != 0;
    }
    return 0;
}

/* A full window gives a batch's worth of events away before it takes another. */
static int make_room(struct eh_reader *r, struct eh_error *e)
{
    if (join_waiting(r->join) < LIMIT_PENDING_EVENTS)
        return 1;
    return drain(r, LIMIT_PENDING_EVENTS - READ_ROWS, e);
}

/* A record that take_common() left; none where the stream stands at a buffer's end. */
EH_NEVER_INLINE int take_other(struct eh_reader *r, struct etl_stream *s, struct eh_error *e)
{
    if (!s->current)
        return 0;
    int taken = r->join ? take_common_stack(r, s, e) : 0;
    if (!taken) {
        taken = take_record(r, s, e);
        if (owners_epoch(r->owners) != r->owners_found_epoch)
            forget_owners(r, r->owners_found_boot);
    }
    return taken;
}

/* The stream that is next came to `step`. */
static inline int follow_step(struct eh_reader *r, const struct etl_stream *s, enum etl_step step,
                              struct eh_error *e)
{
    if (step == ETL_ERROR || (step == ETL_BUFFER && etl_trace_progress(&r->trace, e) < 0))
        return -1;
    if (step == ETL_END)
        merge_end(&r->merge);
    else
        merge_move(&r->merge, s->key);
    return 0;
}

/* The layout of lanes that stand at a common stack record. */
static const struct heap_layout stack_layout = {0};

/* Bytes from the record that a lane stands at to the next. */
static inline size_t lane_step(const struct lane *lane)
{
    return lane->layout == &stack_layout ? REC_STEP(load_u16(lane->record + HOOK_SIZE))
                                         : lane->layout->step;
}

/* The stream catches up with its lane, as if it had come to that record by itself. */
static void catch_up(const struct merge *m, const struct lane *lane, struct etl_stream *s)
{
    if (!lane->layout)
        return;
    size_t step = lane_step(lane), left = (size_t)(s->end - lane->record);
    s->current = lane->record;
    s->at = lane->record + (step < left ? step : left);
    s->word = load_u64(lane->record) >> 16;
    s->raw = load_i64(lane->record +
                      (lane->layout == &stack_layout ? PERFINFO_TIME : SYSTEM_TIME));
    s->key = merge_near_key(m);
}

/* The lane stands where its stream stands. It takes common records itself where the trace has one
 * axis, so that raw times are keys and all clocks and boots are one, and from the base on, which
 * time that steps back may leave. With `stacks` it takes common stack records, too. */
static void set_lane(struct lane *lane, const struct etl_stream *s, const struct merge *m,
                     bool stacks)
{
    bool takes = s->current && s->raw_is_key && s->raw == s->key && merge_is_near(m, s->key) &&
                 (size_t)(s->end - s->current) >= HEAP_LONGEST_BYTES;
    lane->layout = takes ? heap_layout_of(s->word) : NULL;
    if (takes && stacks && stack_is_common(s->word))
        lane->layout = &stack_layout;
    lane->record = nobodys_record;
    if (!lane->layout)
        return;
    lane->record = s->current;
    lane->last = s->end - HEAP_LONGEST_BYTES;
}

/* Why a run of common records has ended. */
enum run_end {
    RUN_FULL,  /* no room for more rows */
    RUN_OTHER, /* what is next has to be taken by take_other() */
    RUN_STEP,  /* what is next has been taken, its stream has to be moved on */
    RUN_FAILED,
};

/* The lane of an entry of the merge. */
static inline struct lane *lane_of(struct lane *lanes, uint64_t entry)
{
    return (struct lane *)((char *)lanes + (uint32_t)entry);
}

/* The winner's lane goes on to a record that is `ahead` of the merge's base; a stream's place never
 * steps back. Returns the next winner. */
EH_ALWAYS_INLINE uint64_t move_lane(uint64_t *nodes, struct lane *lane, uint64_t winner,
                                    const struct heap_layout *layout, const uint8_t *at,
                                    uint64_t ahead)
{
    lane->layout = layout;
    lane->record = at;
    uint64_t entry = ahead << 32 | (uint32_t)winner;
    return merge_play(nodes, lane->first_node, entry > winner ? entry : winner);
}

/* The times of a run where no multiplication gives them. */
EH_NEVER_INLINE void set_times(const struct etl_clock *clock, struct eh_event *row,
                               const struct eh_event *end)
{
    for (; row < end; row++)
        row->time_ns = etl_time_ns(clock, row->raw_time);
}

/* Takes common heap records in merged order, as long as each is followed by another one in its
 * buffer and their owners are in the cache: nearly all of most traces. Beside the rows nothing is
 * written but the lanes' places. */
EH_NEVER_INLINE enum run_end take_run(struct eh_reader *r)
{
    const struct etl_clock *clock = r->trace.clocks;
    uint64_t tick_ns, offset_ns;
    bool linear = etl_time_is_linear(clock, r->merge.base, &tick_ns, &offset_ns);
    struct eh_event *row = &r->rows[r->count], *const full = r->rows + READ_ROWS;
    uint64_t *const nodes = r->merge.nodes;
    const uint64_t base = (uint64_t)r->merge.base;
    struct lane *const lanes = r->lanes;
    uint64_t winner = nodes[0];
    enum run_end why = RUN_FULL;
    while (row < full) {
        struct lane *lane = lane_of(lanes, winner);
        const struct heap_layout *layout = lane->layout;
        const uint8_t *at = lane->record;
        uint64_t ids = load_u64(at + SYSTEM_THREAD);
        const struct owner_cache *owner = owner_slot(r->owners_found, ids);
        why = RUN_OTHER;
        if (owner->ids != ids)
            break;
        uint64_t raw = load_u64(at + SYSTEM_TIME);
        row->raw_time = (int64_t)raw;
        heap_decode_common(layout, at, &lane->place, row);
        row->time_ns = (int64_t)(raw * tick_ns + offset_ns);
        memcpy((char *)row + offsetof(struct eh_event, process), &owner->part, sizeof owner->part);
        row->thread = owner->thread;
        row++;
        why = RUN_STEP;
        at += layout->step;
        if (at > lane->last)
            break;
        uint64_t word = load_u64(at) >> 16;
        uint64_t ahead = load_u64(at + SYSTEM_TIME) - base;
        layout = heap_layout_like(word);
        if (layout->word != word || ahead >= MERGE_FAR)
            break;
        winner = move_lane(nodes, lane, winner, layout, at, ahead);
        why = RUN_FULL;
    }
    nodes[0] = winner;
    if (!linear)
        set_times(clock, &r->rows[r->count], row);
    r->count = (size_t)(row - r->rows);
    return why;
}

/* Takes records in merged order as long as there is room in the batch: 1, 0 when the streams have
 * ended, -1 on error. */
static int take_plain(struct eh_reader *r, struct eh_error *e)
{
    while (r->count < READ_ROWS) {
        bool common = lane_of(r->lanes, r->merge.nodes[0])->layout;
        enum run_end why = common ? take_run(r) : RUN_OTHER;
        uint32_t i = merge_next(&r->merge);
        if (why == RUN_FULL || i & MERGE_ENDED)
            return why == RUN_FULL;
        struct etl_stream *s = &r->trace.streams[i];
        catch_up(&r->merge, &r->lanes[i], s);
        if (why == RUN_OTHER) {
            int taken = take_common(r, s, false, &r->rows[r->count], e);
            if (taken < 0 || (!taken && take_other(r, s, e) < 0))
                return -1;
            r->count += taken > 0;
        }
        enum etl_step step = etl_stream_next(&r->trace, s, false, e);
        if (follow_step(r, s, step, e) < 0)
            return -1;
        set_lane(&r->lanes[i], s, &r->merge, false);
    }
    return 1;
}

/* Whether a lane can take the stack record at `at`, by its first 8 bytes. */
static inline bool lane_takes_stack(const struct lane *lane, const uint8_t *at, uint64_t first)
{
    return stack_is_plain(first) &&
           (ptrdiff_t)rec_hooked_size(first) <= lane->last - at + (ptrdiff_t)HEAP_LONGEST_BYTES;
}

/* The stack record behind the event at which the lane of `*entry` stands: if it is this event's, it
 * is taken and the lane goes on to it. 0, or -1 with `e` filled. */
EH_ALWAYS_INLINE int follow_lane(struct eh_reader *r, struct lane *lane, uint64_t *entry,
                                 struct eh_error *e)
{
    const uint8_t *at = lane->record + lane->layout->step;
    if (at > lane->last)
        return 0;
    uint64_t first = load_u64(at);
    uint64_t ahead = load_u64(at + PERFINFO_TIME) - (uint64_t)r->merge.base;
    if (!lane_takes_stack(lane, at, first) || ahead >= MERGE_FAR)
        return 0;
    struct stack_record stack;
    stack_in_place(first >> 16, at, &stack);
    int followed = join_following(r->join, &stack, r->trace.clocks->boot, e);
    if (followed <= 0)
        return followed;
    lane->layout = &stack_layout;
    lane->record = at;
    uint64_t stack_entry = ahead << 32 | (uint32_t)*entry;
    *entry = stack_entry > *entry ? stack_entry : *entry;
    return 0;
}

/* The event at which a lane stands goes into the window: 1, 0 where its owner is not in the cache,
 * -1 with `e` filled. */
EH_ALWAYS_INLINE int take_lane_event(struct eh_reader *r, const struct lane *lane,
                                     uint32_t stream, struct eh_error *e)
{
    const uint8_t *at = lane->record;
    uint64_t ids = load_u64(at + SYSTEM_THREAD);
    const struct owner_cache *owner = owner_slot(r->owners_found, ids);
    if (owner->ids != ids)
        return 0;
    struct eh_event *row = join_row(r->join);
    heap_decode_common(lane->layout, at, &lane->place, row);
    memcpy((char *)row + offsetof(struct eh_event, process), &owner->part, sizeof owner->part);
    row->thread = owner->thread;
    row->raw_time = load_i64(at + SYSTEM_TIME);
    row->time_ns = etl_time_ns(r->trace.clocks, row->raw_time);
    struct join_origin origin = {r->trace.clocks->boot, stream, (uint32_t)(ids >> 32),
                                 r->image_records};
    return join_put_common(r->join, &origin, e) < 0 ? -1 : 1;
}

/* The stack at which a lane stands looks for its event. 1, or -1 with `e` filled. */
static int take_lane_stack(struct eh_reader *r, const struct lane *lane, uint32_t stream,
                           struct eh_error *e)
{
    struct stack_record stack;
    stack_in_place(load_u64(lane->record) >> 16, lane->record, &stack);
    struct join_origin origin = {r->trace.clocks->boot, stream, REC_NO_ID, r->image_records};
    return give_stack(r, &stack, &stack.frames, &origin, e) < 0 ? -1 : 1;
}

/* The record at `at`, to which the winner's lane is to go on: its layout and its time above the
 * merge's base; NULL where no lane takes it. */
static inline const struct heap_layout *next_in_lane(const struct lane *lane, const uint8_t *at,
                                                     int64_t base, uint64_t *ret_ahead)
{
    uint64_t first = load_u64(at);
    const struct heap_layout *layout = heap_layout_of(first >> 16);
    if (!layout && !lane_takes_stack(lane, at, first))
        return NULL;
    *ret_ahead = load_u64(at + (layout ? SYSTEM_TIME : PERFINFO_TIME)) - (uint64_t)base;
    if (*ret_ahead >= MERGE_FAR)
        return NULL;
    return layout ? layout : &stack_layout;
}

/* take_run() where there are stacks: takes common stack records, too, and puts rows into the window
 * as long as it has room. */
EH_NEVER_INLINE enum run_end take_joined_run(struct eh_reader *r, struct eh_error *e)
{
    uint64_t *const nodes = r->merge.nodes;
    uint64_t winner = nodes[0];
    enum run_end why = RUN_FULL;
    while (join_waiting(r->join) < LIMIT_PENDING_EVENTS) {
        struct lane *lane = lane_of(r->lanes, winner);
        uint32_t stream = merge_stream(winner);
        int taken;
        if (lane->layout == &stack_layout)
            taken = take_lane_stack(r, lane, stream, e);
        else if ((taken = take_lane_event(r, lane, stream, e)) > 0 &&
                 follow_lane(r, lane, &winner, e) < 0)
            taken = -1;
        why = taken > 0 ? RUN_STEP : taken < 0 ? RUN_FAILED : RUN_OTHER;
        if (taken <= 0)
            break;
        ptrdiff_t step = (ptrdiff_t)lane_step(lane);
        if (step > lane->last - lane->record)
            break;
        uint64_t ahead;
        const uint8_t *at = lane->record + step;
        const struct heap_layout *layout = next_in_lane(lane, at, r->merge.base, &ahead);
        if (!layout)
            break;
        winner = move_lane(nodes, lane, winner, layout, at, ahead);
        why = RUN_FULL;
    }
    nodes[0] = winner;
    return why;
}

/* The record at which the stream that is next stands is taken, unless a run has done so, and the
 * stream moved on: also over the stack of an event, where it follows. 0, or -1 with `e` filled. */
static int step_joined(struct eh_reader *r, struct etl_stream *s, enum run_end why,
                       struct eh_error *e)
{
    struct lane *lane = &r->lanes[s->index];
    int event = why == RUN_STEP && lane->layout != &stack_layout;
    catch_up(&r->merge, lane, s);
    if (why == RUN_OTHER) {
        event = take_common(r, s, true, join_row(r->join), e);
        if (event < 0 || (!event && take_other(r, s, e) < 0))
            return -1;
    }
    if (event && take_following(r, s, e) < 0)
        return -1;
    enum etl_step step = etl_stream_next(&r->trace, s, false, e);
    if (follow_step(r, s, step, e) < 0)
        return -1;
    set_lane(lane, s, &r->merge, true);
    return 0;
}

/* take_plain() where there are stacks. */
static int take_joined(struct eh_reader *r, struct eh_error *e)
{
    bool runs = !r->info.has_ownerless; /* for those it matters when a stack record comes */
    while (r->count < READ_ROWS) {
        int room = make_room(r, e);
        if (room <= 0)
            return room < 0 ? -1 : 1;
        bool common = runs && lane_of(r->lanes, r->merge.nodes[0])->layout;
        enum run_end why = common ? take_joined_run(r, e) : RUN_OTHER;
        uint32_t i = merge_next(&r->merge);
        if (why == RUN_FAILED || (why == RUN_OTHER && i & MERGE_ENDED))
            return why == RUN_FAILED ? -1 : 0;
        if (why != RUN_FULL && step_joined(r, &r->trace.streams[i], why, e) < 0)
            return -1;
    }
    return 1;
}

/* What is said of each kind of thing that found no place, behind how many; `%u` is the limit. */
static const struct {
    const char *text;
    uint32_t limit;
} left_out_texts[EH_LEFT_KINDS] = {
    [EH_LEFT_PROCESSES] = {"records are of other processes than the %u that are kept; events among "
                           "them have no process, and their blocks are not tracked",
                           LIMIT_PROCESSES - 1},
    [EH_LEFT_THREADS] =
        {"records are of other threads than the %u that are kept; events among them "
         "have a thread id only",
         LIMIT_THREADS - 1},
    [EH_LEFT_HEAPS] = {"events are of other heaps than the %u that are kept; their blocks are not "
                       "tracked",
                       LIMIT_HEAPS - 1},
    [EH_LEFT_BLOCKS] = {"blocks were live beside the %u that are kept; they are not tracked: live "
                        "figures leave them out, and their frees count as unmatched",
                        LIMIT_LIVE_BLOCKS},
    [EH_LEFT_STACKS] = {"events have other stacks than the %u that are kept, and so have none",
                        LIMIT_STACKS - 1},
    [EH_LEFT_FRAMES] = {"stacks have %u frames or more; outer ones beyond are left out",
                        LIMIT_STACK_FRAMES},
    [EH_LEFT_STACK_KEYS] = {"stack keys are defined beside the %u that are kept; events with them "
                            "have no stack",
                            LIMIT_KEYS},
    [EH_LEFT_IMAGES] = {"image records came after the %u that are kept; frames in those images are "
                        "addresses only",
                        LIMIT_IMAGES - 1},
    [EH_LEFT_VOLUMES] = {"volumes came after the %u that are kept; paths on them stay as they were "
                         "recorded",
                         LIMIT_VOLUMES},
    [EH_LEFT_NAMES] = {"names are longer than the %u bytes that are kept, or came when all names "
                       "together had grown too long; they are cut or left out",
                       LIMIT_NAME_BYTES},
};

static void tell_left_out(struct eh_reader *r)
{
    for (int what = 0; what < EH_LEFT_KINDS; what++) {
        char text[256];
        bool given = what == EH_LEFT_BLOCKS && r->options.max_live;
        uint32_t limit = given ? r->options.max_live : left_out_texts[what].limit;
        if (!r->stats.left_out[what])
            continue;
        snprintf(text, sizeof text, left_out_texts[what].text, (unsigned)limit);
        notices_tell(&r->trace.notices, EH_DAMAGE, r->trace.files[0].path, EH_NO_OFFSET, 0,
                     "%llu %s", (unsigned long long)r->stats.left_out[what], text);
    }
}

/* What found no place in the model, the live state, or among the stack keys. */
static void set_left_out(struct eh_reader *r)
{
    memcpy(r->stats.left_out, model_left_out(r->model), sizeof r->stats.left_out);
    r->stats.left_out[EH_LEFT_STACK_KEYS] = r->keys.left_out;
    tell_left_out(r);
}

static int end_trace(struct eh_reader *r, struct eh_error *e)
{
    if (memcmp(r->stats.heap_events, r->info.heap_events, sizeof r->stats.heap_events))
        return fail_changed(e);
    for (int kind = 0; kind < EH_HEAP_KINDS; kind++)
        r->stats.heap_events_total += r->stats.heap_events[kind];
    r->stats.has_times = r->stats.heap_events_total > 0;
    r->stats.first_time_ns = r->info.first_event_ns;
    r->stats.last_time_ns = r->info.last_event_ns;
    track_end(&r->track);
    if (r->join)
        r->stats.stacks_unmatched += join_unmatched(r->join, true);
    set_container_stats(r);
    set_left_out(r);
    r->ended = true;
    return r->options.outstanding ? outstanding_list(&r->outstanding, &r->track, e) : 0;
}

/* Decodes the next rows: none when the trace has ended. */
static int decode_rows(struct eh_reader *r, struct eh_error *e)
{
    r->count = r->tracked = 1;
    int more = r->join ? take_joined(r, e) : take_plain(r, e);
    if (more == 0 && r->join)
        more = drain(r, 0, e);
    return more < 0 ? -1 : 0;
}

/* The rows that are done next: *ret_count is 0 only where it must be asked once more. */
static int track_decoded(struct eh_reader *r, const struct eh_event **ret_rows, size_t *ret_count,
                         struct eh_error *e)
{
    struct eh_event *first;
    int n = track_rows(&r->track, r->rows + r->tracked, r->count - r->tracked, &first, e);
    if (n < 0)
        return -1;
    r->tracked += (size_t)n;
    *ret_rows = first;
    *ret_count = (size_t)(r->rows + r->tracked - first);
    return 0;
}

static int need_state_rows(struct eh_reader *r, struct eh_error *e)
{
    if (!r->state_rows && !(r->state_rows = malloc(EH_BATCH_ROWS * sizeof *r->state_rows)))
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    return 0;
}

static int sweep_rows(struct eh_reader *r, const struct eh_event **ret_rows, size_t *ret_count,
                      struct eh_error *e)
{
    if (need_state_rows(r, e) < 0)
        return -1;
    *ret_rows = r->state_rows;
    *ret_count = track_sweep(&r->track, r->state_rows, EH_BATCH_ROWS);
    return 0;
}

static int list_outstanding(struct eh_reader *r, const struct eh_event **ret_rows,
                            size_t *ret_count, struct eh_error *e)
{
    if (!r->outstanding.count)
        return 0;
    if (need_state_rows(r, e) < 0)
        return -1;
    *ret_rows = r->state_rows;
    *ret_count = outstanding_rows(&r->outstanding, &r->track, r->state_rows, EH_BATCH_ROWS);
    return 0;
}

int eh_next(struct eh_reader *r, const struct eh_event **ret_rows, size_t *ret_count,
            struct eh_error *e)
{
    *ret_count = 0;
    while (!r->ended && !*ret_count) {
        int result;
        if (r->track.sweep.active)
            result = sweep_rows(r, ret_rows, ret_count, e);
        else if (r->tracked < r->count)
            result = track_decoded(r, ret_rows, ret_count, e);
        else if ((result = decode_rows(r, e)) == 0 && r->count == r->tracked)
            result = end_trace(r, e);
        if (result < 0)
            return -1;
    }
    if (!*ret_count && list_outstanding(r, ret_rows, ret_count, e) < 0)
        return -1;
    return *ret_count > 0;
}
