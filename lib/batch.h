/* What the second pass knows while it makes rows: a batch of them, decoded from records one at a
 * time, in whatever form and order these come. Frequent records take a shorter way: runs.h. */
#ifndef ETLHEAP_BATCH_H
#define ETLHEAP_BATCH_H

#include "base/inline.h"
#include "base/recent.h"
#include "container/etl_trace.h"
#include "model/event.h"
#include "model/info.h"
#include "model/stats.h"
#include "track/join.h"
#include "track/owners.h"
#include "track/stack_keys.h"

#include <stddef.h>

/* Rows are decoded, then tracked, so many at a time: they stay in the nearest cache between. */
#define BATCH_ROWS 256

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

/* What rows are made from; all borrowed, and filled by the first pass. */
struct batch_sources {
    struct etl_trace *trace;
    struct eh_model *model;
    struct owners *owners;
    const struct images *images;
    struct stack_keys *keys;
    const struct eh_info *info;
    struct eh_stats *stats; /* counts what does not fit its layout, and stacks */
};

struct batch {
    struct batch_sources from;
    struct join *join;    /* only where the trace holds stacks */
    struct recent *times; /* of other records than heap's, to know which stacks belong to none */
    struct owner_cache owners_found[OWNER_SLOTS]; /* now, in one boot */
    uint64_t owners_found_epoch;
    uint32_t owners_found_boot;
    uint32_t image_records;           /* so far, where there are stacks; no more than it holds */
    bool told_misfit, told_class;     /* warned once */
    size_t count;                     /* rows up to here are decoded */
    struct eh_event rows[BATCH_ROWS]; /* from 1: the first is for what must stand before it */
};

/* `b` is zeroed. 0, or -1 with `e` filled; either way end with batch_finish(). */
int batch_init(struct batch *b, const struct batch_sources *from, struct eh_error *e);
void batch_finish(struct batch *b);

/* Takes the record the stream stands at, whatever it is: for heap events, and processes' ends, it
 * decodes a row. 0, or -1 with `e` filled. */
int batch_take(struct batch *b, struct etl_stream *s, struct eh_error *e);

/* Fills `e` where this pass does not find what the first one has said of the trace. Returns -1. */
int batch_fail_changed(struct eh_error *e);

/* A part of a stack goes to its event; one that belongs to no record at all is kept in case its
 * event still comes. Only with b->join. 0, or -1. */
int batch_give_stack(struct batch *b, const struct stack_record *stack,
                     const struct raw_frames *frames, const struct join_origin *origin,
                     struct eh_error *e);

/* ---- what both ways of making a row have in common ---- */

/* The pid and tid of a record in one number, as they lie side by side in its header. */
static inline uint64_t record_ids(uint32_t pid, uint32_t tid)
{
    return (uint64_t)pid << 32 | tid;
}

/* The one place in the cache where these ids may be. */
static inline size_t owner_slot(uint64_t ids)
{
    return (ids >> 2) % OWNER_SLOTS;
}

/* batch_find_owner() where the cache does not know them. */
int batch_look_up_owner(struct batch *b, uint32_t boot, uint64_t ids, struct eh_event *row,
                        struct eh_error *e);

/* Sets the instance and thread of a row whose record's header, or payload, names them. 0 or -1. */
static inline int batch_find_owner(struct batch *b, uint32_t boot, uint64_t ids,
                                   struct eh_event *row, struct eh_error *e)
{
    const struct owner_cache *c = &b->owners_found[owner_slot(ids)];
    row->thread_id = (uint32_t)ids;
    if (c->ids != ids || boot != b->owners_found_boot)
        return batch_look_up_owner(b, boot, ids, row, e);
    row->process = c->part.process;
    row->thread = c->thread;
    return 0;
}

/* Where the next event is decoded: in the window where its stack may still come, else in the
 * batch. */
static inline struct eh_event *batch_row(struct batch *b)
{
    return b->join ? join_row(b->join) : &b->rows[b->count];
}

/* `process_id` is what the header of the record says that the stream stands at. */
static inline struct join_origin batch_origin(const struct batch *b, const struct etl_stream *s,
                                              uint32_t process_id)
{
    return (struct join_origin){
        .boot = s->clock->boot,
        .stream = s->index,
        .process_id = process_id,
        .moment = b->image_records,
    };
}

/* The event in batch_row() goes into the window where its stack may still come, else straight into
 * the batch. 0 or -1. */
static inline int batch_give(struct batch *b, const struct etl_stream *s, uint32_t process_id,
                             struct eh_error *e)
{
    if (!b->join) {
        b->count++;
        return 0;
    }
    struct join_origin origin = batch_origin(b, s, process_id);
    return join_put(b->join, &origin, e);
}

#endif
