#include "model/stats.h"

#include <stdio.h>
#include <string.h>

struct listing {
    void (*each)(void *context, const struct eh_figure *f);
    void *context;
};

static void list(const struct listing *l, const char *name, uint64_t value)
{
    l->each(l->context, &(struct eh_figure){name, true, false, value});
}

static void list_time(const struct listing *l, const char *name, bool known, int64_t value)
{
    l->each(l->context, &(struct eh_figure){name, known, true, (uint64_t)value});
}

static void list_heap_events(const struct listing *l, const struct eh_stats *s)
{
    char name[64];
    for (int kind = 0; kind < EH_UNKNOWN; kind++) {
        if (!s->heap_events[kind])
            continue;
        snprintf(name, sizeof name, "heap_events.%s", eh_kind_name((enum eh_kind)kind));
        list(l, name, s->heap_events[kind]);
    }
    for (unsigned type = 0; type < EH_UNKNOWN_TYPES; type++) {
        if (!s->unknown_types[type])
            continue;
        snprintf(name, sizeof name, "heap_events.unknown_0x%04x", 0x1000 | type);
        list(l, name, s->unknown_types[type]);
    }
}

static void list_left_out(const struct listing *l, const struct eh_stats *s)
{
    static const char *const names[EH_LEFT_KINDS] = {
        [EH_LEFT_PROCESSES] = "left_out_processes",
        [EH_LEFT_THREADS] = "left_out_threads",
        [EH_LEFT_HEAPS] = "left_out_heaps",
        [EH_LEFT_BLOCKS] = "left_out_blocks",
        [EH_LEFT_STACKS] = "left_out_stacks",
        [EH_LEFT_FRAMES] = "left_out_frames",
        [EH_LEFT_STACK_KEYS] = "left_out_stack_keys",
        [EH_LEFT_IMAGES] = "left_out_images",
        [EH_LEFT_VOLUMES] = "left_out_volumes",
        [EH_LEFT_NAMES] = "left_out_names",
    };
    for (int what = 0; what < EH_LEFT_KINDS; what++)
        if (s->left_out[what])
            list(l, names[what], s->left_out[what]);
}

void eh_stats_each(const struct eh_stats *s, void (*each)(void *context, const struct eh_figure *f),
                   void *context)
{
    struct listing l = {each, context};
    list(&l, "events", s->events);
    list_heap_events(&l, s);
    list(&l, "heap_events_total", s->heap_events_total);
    list(&l, "unknown_heap_events", s->unknown_heap_events);
    list(&l, "unmatched_frees", s->unmatched_frees);
    list(&l, "replaced_allocs", s->replaced_allocs);
    list(&l, "failed_allocs", s->failed_allocs);
    list(&l, "implicit_frees", s->implicit_frees);
    list(&l, "realloc_summaries", s->realloc_summaries);
    list(&l, "stacks_attached", s->stacks_attached);
    list(&l, "stacks_unmatched", s->stacks_unmatched);
    list(&l, "peak_live_bytes", s->peak_live_bytes);
    list_time(&l, "peak_time_ns", s->has_peak, s->peak_time_ns);
    list(&l, "outstanding_bytes", s->outstanding_bytes);
    list(&l, "outstanding_blocks", s->outstanding_blocks);
    list_time(&l, "first_time_ns", s->has_times, s->first_time_ns);
    list_time(&l, "last_time_ns", s->has_times, s->last_time_ns);
    list(&l, "buffers_read", s->buffers_read);
    list(&l, "buffers_damaged", s->buffers_damaged);
    list(&l, "bytes_skipped", s->bytes_skipped);
    list(&l, "time_steps_back", s->time_steps_back);
    list(&l, "events_lost", s->events_lost);
    list(&l, "buffers_lost", s->buffers_lost);
    list(&l, "inputs_truncated", s->inputs_truncated);
    list_left_out(&l, s);
}
