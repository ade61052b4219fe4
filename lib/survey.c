#include "survey.h"

#include "container/etl_merge.h"
#include "decode/heap.h"
#include "decode/route.h"

#include <errno.h>
#include <stdlib.h>

/* Heap records are counted by pid in a few slots, which are handed to the owners when another pid
 * needs the slot or a process record comes. */
#define TALLY_SLOTS 64

struct tally {
    uint32_t boot, pid;
    uint64_t count;
};

/* Extremes of a stream's heap records, kept raw: converting each would cost more than all the rest. */
struct extremes {
    int64_t first_raw, last_raw;
    bool any;
};

struct pass {
    const struct survey *survey;
    struct merge merge;
    struct extremes *extremes; /* by stream */
    struct eh_error *e;
    uint64_t by_type[256];
    struct tally tallies[TALLY_SLOTS];
};

static int flush_tally(struct pass *p, struct tally *t)
{
    if (t->count && owners_count_heap(p->survey->owners, t->boot, t->pid, t->count, false, p->e) < 0)
        return -1;
    t->count = 0;
    return 0;
}

static int flush_tallies(struct pass *p)
{
    for (size_t i = 0; i < TALLY_SLOTS; i++)
        if (flush_tally(p, &p->tallies[i]) < 0)
            return -1;
    return 0;
}

static int count_heap(struct pass *p, const struct etl_stream *s, unsigned type)
{
    const struct record *r = &s->record;
    struct extremes *x = &p->extremes[s - p->survey->trace->streams];
    p->by_type[type & 0xFF]++;
    if (!x->any || r->raw < x->first_raw)
        x->first_raw = r->raw;
    if (!x->any || r->raw > x->last_raw)
        x->last_raw = r->raw;
    x->any = true;
    if (r->process_id == REC_NO_ID)
        return 0;
    /* Windows' ids are multiples of four. */
    struct tally *t = &p->tallies[(r->process_id >> 2) % TALLY_SLOTS];
    if (t->pid != r->process_id || t->boot != s->clock->boot) {
        if (flush_tally(p, t) < 0)
            return -1;
        t->pid = r->process_id;
        t->boot = s->clock->boot;
    }
    t->count++;
    return 0;
}

/* Turns what was counted per stream and type into the info. */
static void settle_counts(const struct pass *p)
{
    struct eh_info *info = p->survey->info;
    const struct etl_trace *t = p->survey->trace;
    bool any_heap = false, any = false;
    for (unsigned type = 0; type < 256; type++) {
        enum eh_kind kind = heap_kind(type);
        info->heap_records += p->by_type[type];
        if (kind == EH_ALLOC || kind == EH_FREE || kind == EH_REALLOC)
            info->block_records += p->by_type[type];
    }
    for (size_t i = 0; i < t->stream_count; i++) {
        const struct etl_stream *s = &t->streams[i];
        const struct extremes *x = &p->extremes[i];
        int64_t end = t->one_axis ? etl_time_ns(s->clock, s->key) : s->key;
        if (s->has_raw && (!any || end > info->last_record_ns))
            info->last_record_ns = end;
        any |= s->has_raw;
        if (!x->any)
            continue;
        int64_t first = etl_time_ns(s->clock, x->first_raw), last = etl_time_ns(s->clock, x->last_raw);
        if (!any_heap || first < info->first_event_ns)
            info->first_event_ns = first;
        if (!any_heap || last > info->last_event_ns)
            info->last_event_ns = last;
        any_heap = true;
    }
}

/* Moves a stream on to its next record that tells of processes or threads, or to the end of a
 * buffer, so that the streams keep roughly level and the input is read from front to back. */
static enum etl_step next_context(struct pass *p, struct etl_stream *s)
{
    for (;;) {
        enum etl_step step = etl_stream_next(p->survey->trace, s, p->e);
        if (step != ETL_RECORD)
            return step;
        unsigned type;
        switch (route_record(&s->record, &type)) {
        case ROUTE_HEAP:
        case ROUTE_HEAP_CLASS:
            if (count_heap(p, s, type) < 0)
                return ETL_ERROR;
            break;
        case ROUTE_PROCESS:
        case ROUTE_THREAD:
        case ROUTE_THREAD_NAME:
            return ETL_RECORD;
        case ROUTE_STACK:
        case ROUTE_STACK_KEY:
            p->survey->info->has_stacks = true;
            break;
        default:
            break;
        }
    }
}

static int take_context(struct pass *p, const struct etl_stream *s)
{
    const struct record *r = &s->record;
    struct owners *o = p->survey->owners;
    struct moment m = {s->clock->boot, r->raw, etl_time_ns(s->clock, r->raw)};
    struct process_record process;
    struct thread_record thread;
    uint32_t ended;
    unsigned type;
    switch (route_record(r, &type)) {
    case ROUTE_PROCESS:
        if (flush_tallies(p) < 0)
            return -1;
        return process_decode(r, &process)
                   ? owners_process_record(o, &m, type, &process, &ended, p->e)
                   : 0;
    case ROUTE_THREAD:
        return thread_decode(r, &thread) ? owners_thread_record(o, &m, type, &thread, p->e) : 0;
    case ROUTE_THREAD_NAME:
        return thread_name_decode(r, &thread) ? owners_thread_name(o, &m, &thread, p->e) : 0;
    default:
        return 0;
    }
}

static int report_progress(const struct pass *p)
{
    const struct survey *s = p->survey;
    if (s->progress && s->progress(s->context, s->trace->bytes_done, 2 * s->trace->bytes_total))
        return eh_fail(p->e, EH_ERR_IO, EINTR, EH_NO_OFFSET, "stopped");
    return 0;
}

/* Advances stream `i` and puts it (back) into the queue unless it has ended. */
static int advance(struct pass *p, uint32_t i, bool queued)
{
    struct etl_stream *s = &p->survey->trace->streams[i];
    enum etl_step step = next_context(p, s);
    if (step == ETL_ERROR || (step == ETL_BUFFER && report_progress(p) < 0))
        return -1;
    if (step == ETL_END) {
        if (queued)
            merge_pop(&p->merge);
        return 0;
    }
    s->has_record = step == ETL_RECORD;
    if (queued)
        merge_move(&p->merge, s->key);
    else
        merge_push(&p->merge, (struct merge_entry){s->key, i});
    return 0;
}

static int run(struct pass *p)
{
    struct etl_trace *t = p->survey->trace;
    etl_trace_rewind(t, true);
    for (uint32_t i = 0; i < t->stream_count; i++)
        if (advance(p, i, false) < 0)
            return -1;
    while (p->merge.count) {
        uint32_t i = p->merge.entries[0].stream;
        if (t->streams[i].has_record && take_context(p, &t->streams[i]) < 0)
            return -1;
        if (advance(p, i, true) < 0)
            return -1;
    }
    if (flush_tallies(p) < 0)
        return -1;
    settle_counts(p);
    return owners_settle(p->survey->owners, p->e);
}

int survey_run(const struct survey *s, struct eh_error *e)
{
    struct pass p = {.survey = s, .e = e};
    p.extremes = calloc(s->trace->stream_count, sizeof *p.extremes);
    int result = -1;
    if (!p.extremes || merge_init(&p.merge, s->trace->stream_count) < 0)
        eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    else
        result = run(&p);
    merge_finish(&p.merge);
    free(p.extremes);
    return result;
}
