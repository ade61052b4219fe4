/* Opens a trace, leads its passes, and hands out rows: survey (survey.c), then records to rows
 * (runs.c), then live state (track/track.c). */
#include "etlheap.h"

#include "base/hash.h"
#include "census.h"
#include "container/etl_trace.h"
#include "runs.h"
#include "survey.h"
#include "track/outstanding.h"
#include "track/owners.h"
#include "track/track.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct eh_reader {
    struct eh_options options;
    struct etl_trace trace;
    struct eh_model *model;
    struct eh_info info;
    struct eh_stats stats;
    struct owners *owners;
    struct images *images;
    struct stack_keys keys;
    struct census census; /* empty unless asked for */
    struct track track;
    struct outstanding outstanding; /* with options.outstanding */
    const char **input_names;
    bool ended;
    struct runs runs; /* rows are decoded in its batch */
    size_t tracked;   /* rows of the batch up to here are done */
    struct eh_event *state_rows; /* that come of no record: of sweeps, of what is outstanding */
};

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

static int start_second_pass(struct eh_reader *r, struct eh_error *e)
{
    const struct batch_sources from = {
        .trace = &r->trace,
        .model = r->model,
        .owners = r->owners,
        .images = r->images,
        .keys = &r->keys,
        .info = &r->info,
        .stats = &r->stats,
    };
    owners_restart(r->owners);
    track_init(&r->track, r->model, &r->stats, r->options.max_live);
    r->tracked = 1;
    return runs_init(&r->runs, &from, e);
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
    runs_finish(&r->runs);
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

/* ---- the end ---- */

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
        return batch_fail_changed(e);
    for (int kind = 0; kind < EH_HEAP_KINDS; kind++)
        r->stats.heap_events_total += r->stats.heap_events[kind];
    r->stats.has_times = r->stats.heap_events_total > 0;
    r->stats.first_time_ns = r->info.first_event_ns;
    r->stats.last_time_ns = r->info.last_event_ns;
    track_end(&r->track);
    if (r->runs.batch.join)
        r->stats.stacks_unmatched += join_unmatched(r->runs.batch.join, true);
    set_container_stats(r);
    set_left_out(r);
    r->ended = true;
    return r->options.outstanding ? outstanding_list(&r->outstanding, &r->track, e) : 0;
}

/* ---- rows ---- */

/* Decodes the next rows: none when the trace has ended. */
static int decode_rows(struct eh_reader *r, struct eh_error *e)
{
    r->tracked = 1;
    return runs_decode(&r->runs, e);
}

/* The rows that are done next: *ret_count is 0 only where it must be asked once more. */
static int track_decoded(struct eh_reader *r, const struct eh_event **ret_rows, size_t *ret_count,
                         struct eh_error *e)
{
    struct batch *b = &r->runs.batch;
    struct eh_event *first;
    int n = track_rows(&r->track, b->rows + r->tracked, b->count - r->tracked, &first, e);
    if (n < 0)
        return -1;
    r->tracked += (size_t)n;
    *ret_rows = first;
    *ret_count = (size_t)(b->rows + r->tracked - first);
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
        else if (r->tracked < r->runs.batch.count)
            result = track_decoded(r, ret_rows, ret_count, e);
        else if ((result = decode_rows(r, e)) == 0 && r->runs.batch.count == 1)
            result = end_trace(r, e);
        if (result < 0)
            return -1;
    }
    if (!*ret_count && list_outstanding(r, ret_rows, ret_count, e) < 0)
        return -1;
    return *ret_count > 0;
}
