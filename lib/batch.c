#include "batch.h"

#include "decode/heap.h"
#include "decode/route.h"

#include <stdlib.h>
#include <string.h>

/* Empties the cache of owners. An empty slot holds ids whose slot is another: 0, and in slot 0
 * those of slot 1. */
static void forget_owners(struct batch *b, uint32_t boot)
{
    memset(b->owners_found, 0, sizeof b->owners_found);
    b->owners_found[0].ids = 4;
    b->owners_found_epoch = owners_epoch(b->from.owners);
    b->owners_found_boot = boot;
}

int batch_init(struct batch *b, const struct batch_sources *from, struct eh_error *e)
{
    b->from = *from;
    b->count = 1;
    forget_owners(b, 0);
    if (!from->info->has_stacks)
        return 0;
    b->times = calloc(1, sizeof *b->times);
    b->join = b->times ? join_create(from->model, from->images, from->owners, b->times) : NULL;
    return b->join ? 0 : eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

void batch_finish(struct batch *b)
{
    join_destroy(b->join);
    free(b->times);
}

/* ---- heap records ---- */

static void tell_once(struct batch *b, bool *told, const struct etl_stream *s, const char *text)
{
    if (*told)
        return;
    *told = true;
    int64_t offset = s->open_offset + (s->current - s->bytes);
    notices_tell(&b->from.trace->notices, EH_WARNING, s->file->path, offset, 0, "%s", text);
}

/* Fills a slot of the cache with the instance and thread that a pid and tid mean now. Where the
 * process finds no place, which is counted each time, nothing is kept. */
EH_APART int batch_look_up_owner(struct batch *b, uint32_t boot, uint64_t ids, struct eh_event *row,
                                 struct eh_error *e)
{
    uint32_t pid = (uint32_t)(ids >> 32), tid = (uint32_t)ids;
    if (boot != b->owners_found_boot)
        forget_owners(b, boot);
    if (owners_process(b->from.owners, boot, pid, &row->process, e) < 0)
        return -1;
    row->flags |= row->process ? 0 : EH_UNTRACKED;
    row->thread = 0;
    if (row->process && tid != REC_NO_ID &&
        owners_thread(b->from.owners, row->process, tid, &row->thread, e) < 0)
        return -1;
    /* What found no place is counted each time. */
    bool found = row->process && (row->thread || tid == REC_NO_ID);
    if (found && pid != REC_NO_ID)
        b->owners_found[owner_slot(ids)] = (struct owner_cache){
            .ids = ids, .thread = row->thread, .part = {.process = row->process, .thread_id = tid}};
    return 0;
}

/* A record without ids belongs to the thread that runs on its processor, if that is known. */
static int find_running(struct batch *b, const struct etl_stream *s, struct eh_event *row,
                        struct eh_error *e)
{
    uint32_t boot = s->clock->boot, pid, tid;
    row->thread_id = EH_NO_ID;
    if (s->mixed || !owners_running(b->from.owners, boot, s->cpu, &tid))
        return 0;
    row->thread_id = tid;
    return owners_pid_of(b->from.owners, boot, tid, &pid)
               ? batch_find_owner(b, boot, record_ids(pid, tid), row, e)
               : 0;
}

static int set_owner(struct batch *b, const struct etl_stream *s, const struct heap_extra *extra,
                     struct eh_event *row, struct eh_error *e)
{
    const struct record *rec = &s->record;
    uint32_t boot = s->clock->boot;
    int result;
    if (rec->process_id != REC_NO_ID)
        result = batch_find_owner(b, boot, record_ids(rec->process_id, rec->thread_id), row, e);
    else
        result = find_running(b, s, row, e);
    if (result < 0 || !extra->has_process_id || extra->process_id == rec->process_id)
        return result;
    /* A snapshot of another process: its row is that process's, the thread stays (semantics 5). */
    result = owners_process(b->from.owners, boot, extra->process_id, &row->process, e);
    row->flags |= row->process ? 0 : EH_UNTRACKED;
    return result;
}

/* Counts what did not fit; false when the record gives no row (the heap GUID in a layout nobody
 * knows). */
static bool accept_fit(struct batch *b, const struct etl_stream *s, enum heap_fit fit,
                       unsigned type, bool by_class)
{
    if (fit == HEAP_FITS)
        return true;
    b->from.stats->unknown_heap_events++;
    if (fit == HEAP_UNKNOWN_TYPE && !by_class)
        b->from.stats->unknown_types[type & 0xFF]++;
    if (by_class) {
        tell_once(b, &b->told_class, s,
                  "a heap event in a manifest or class form of unknown layout; such events are "
                  "counted, not decoded");
        return false;
    }
    if (fit == HEAP_MISFIT)
        tell_once(b, &b->told_misfit, s,
                  "a heap event whose payload is shorter than any known layout; such rows carry "
                  "header fields only");
    return true;
}

static inline void set_place(const struct etl_stream *s, struct eh_event *row)
{
    row->raw_time = s->raw;
    row->time_ns = etl_time_ns(s->clock, s->raw);
    row->cpu = s->cpu;
    row->flags |= s->mixed ? 0 : EH_HAS_CPU;
}

static int take_heap(struct batch *b, const struct etl_stream *s, unsigned type, bool by_class,
                     struct eh_error *e)
{
    struct eh_event *row = batch_row(b);
    struct heap_extra extra;
    struct raw_frames frames;
    *row = (struct eh_event){0};
    enum heap_fit fit = heap_decode(&s->record, type, by_class, row, &extra);
    if (!accept_fit(b, s, fit, type, by_class))
        return 0;
    set_place(s, row);
    if (set_owner(b, s, &extra, row, e) < 0 || batch_give(b, s, s->record.process_id, e) < 0)
        return -1;
    if (b->join && stack_item_decode(&s->record, &frames))
        return join_own_stack(b->join, &frames, s->clock->boot, e);
    return 0;
}

/* ---- context records of the second pass ---- */

static struct moment moment_of(const struct etl_stream *s)
{
    return (struct moment){s->clock->boot, s->raw, etl_time_ns(s->clock, s->raw)};
}

static int take_process(struct batch *b, const struct etl_stream *s, unsigned type,
                        struct eh_error *e)
{
    struct moment m = moment_of(s);
    struct process_record p;
    uint32_t ended;
    if (!process_decode(&s->record, &p))
        return 0;
    if (owners_process_record(b->from.owners, &m, type, &p, &ended, e) < 0)
        return -1;
    if (!ended)
        return 0;
    struct eh_event *row = batch_row(b);
    *row = (struct eh_event){
        .time_ns = m.time_ns,
        .raw_time = m.raw,
        .process = ended,
        .thread_id = EH_NO_ID,
        .kind = EH_PROCESS_END,
    };
    return batch_give(b, s, REC_NO_ID, e);
}

int batch_give_stack(struct batch *b, const struct stack_record *stack,
                     const struct raw_frames *frames, const struct join_origin *origin,
                     struct eh_error *e)
{
    int found = join_stack(b->join, stack, frames, origin, e);
    if (found == 0 &&
        !recent_has(b->times, stack->event_raw, recent_owner(stack->pid, stack->tid)) &&
        !recent_has(b->times, stack->event_raw, RECENT_ANYBODY))
        return join_keep(b->join, stack, frames, origin, e);
    return found < 0 ? -1 : 0;
}

int batch_fail_changed(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_IO, 0, EH_NO_OFFSET,
                   "an input changed while it was read; convert a copy that nothing writes to");
}

static int take_stack(struct batch *b, const struct etl_stream *s, enum route route, unsigned type,
                      struct eh_error *e)
{
    struct stack_record stack;
    if (!stack_decode(&s->record, type, &stack))
        return 0;
    if (!b->join)
        return batch_fail_changed(e);
    struct join_origin origin = batch_origin(b, s, REC_NO_ID);
    if (join_name_owner(b->join, &stack, &origin, e) < 0)
        return -1;
    struct raw_frames frames = stack.frames;
    uint32_t session = (uint32_t)(s->clock - b->from.trace->clocks);
    if (route == ROUTE_STACK_KEY &&
        !stack_keys_find(b->from.keys, session, stack.kernel, s->key, stack.key, &frames)) {
        b->from.stats->stacks_unmatched++;
        return join_keep(b->join, &stack, NULL, &origin, e);
    }
    return batch_give_stack(b, &stack, &frames, &origin, e);
}

/* The common stack records straight from their bytes: 1, or 0 for all others, -1 on error. */
static int take_common_stack(struct batch *b, const struct etl_stream *s, struct eh_error *e)
{
    if (!stack_is_common(s->word))
        return 0;
    struct stack_record stack; /* without what only references have */
    stack_in_place(s->word, s->current, &stack);
    struct join_origin origin = batch_origin(b, s, REC_NO_ID);
    if (join_name_owner(b->join, &stack, &origin, e) < 0)
        return -1;
    return batch_give_stack(b, &stack, &stack.frames, &origin, e) < 0 ? -1 : 1;
}

/* An image came or went: what addresses of its process mean may have changed. */
static int take_image(struct batch *b, const struct etl_stream *s, struct eh_error *e)
{
    struct image_record image;
    uint32_t process = 0;
    if (!b->join || !image_decode(&s->record, &image))
        return 0;
    if (!is_kernel_pid(image.pid) &&
        owners_process(b->from.owners, s->clock->boot, image.pid, &process, e) < 0)
        return -1;
    b->image_records += b->image_records < UINT32_MAX;
    join_images_changed(b->join, process, b->image_records);
    return 0;
}

static int take_thread(struct batch *b, const struct etl_stream *s, unsigned type,
                       struct eh_error *e)
{
    struct thread_record thread;
    struct moment m = moment_of(s);
    if (!thread_decode(&s->record, &thread))
        return 0;
    return owners_thread_record(b->from.owners, &m, type, &thread, e);
}

static int take_switch(struct batch *b, const struct etl_stream *s, struct eh_error *e)
{
    uint32_t tid;
    if (s->mixed || !switch_decode(&s->record, &tid))
        return 0;
    return owners_switch(b->from.owners, s->clock->boot, s->cpu, tid, e);
}

static int take_record(struct batch *b, struct etl_stream *s, struct eh_error *e)
{
    const struct record *rec = etl_stream_record(s);
    unsigned type;
    enum route route = route_record(rec, &type);
    if (b->times && rec->has_time && route != ROUTE_STACK && route != ROUTE_STACK_KEY)
        recent_add(b->times, rec->raw,
                   rec->process_id == REC_NO_ID ? RECENT_ANYBODY
                                                : recent_owner(rec->process_id, rec->thread_id));
    if (route == ROUTE_NONE)
        return 0;
    if (route == ROUTE_HEAP || route == ROUTE_HEAP_CLASS)
        return take_heap(b, s, type, route == ROUTE_HEAP_CLASS, e);
    switch (route) {
    case ROUTE_PROCESS:
        return take_process(b, s, type, e);
    case ROUTE_THREAD:
        return take_thread(b, s, type, e);
    case ROUTE_SWITCH:
        return take_switch(b, s, e);
    case ROUTE_IMAGE:
        return take_image(b, s, e);
    case ROUTE_STACK:
    case ROUTE_STACK_KEY:
        return take_stack(b, s, route, type, e);
    default:
        return 0;
    }
}

/* ---- any record ---- */

EH_APART int batch_take(struct batch *b, struct etl_stream *s, struct eh_error *e)
{
    int taken = b->join ? take_common_stack(b, s, e) : 0;
    if (taken)
        return taken < 0 ? -1 : 0;
    taken = take_record(b, s, e);
    if (owners_epoch(b->from.owners) != b->owners_found_epoch)
        forget_owners(b, b->owners_found_boot);
    return taken;
}
