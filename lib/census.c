#include "census.h"

#include "base/array.h"
#include "base/ckd.h"
#include "decode/heap.h"
#include "decode/route.h"

#include <stdlib.h>
#include <string.h>

/* Of each stream a sample reads so many buffers, its share of these bytes of the input, but at
 * least the first and the last: the system tells of itself at the beginning and at the end. */
#define SAMPLE_BYTES    (32u << 20)
#define SAMPLE_EXPANDED (128u << 20) /* no more is read once so much has been expanded */

struct pass {
    struct census *census;
    struct etl_trace *trace;
    bool telling;
    struct eh_error *e;
    uint32_t last_kind; /* of the record before: kinds come in runs */
    uint64_t last_a, last_b;
};

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for the census");
}

/* ---- records ---- */

static enum eh_role role_of(enum route route)
{
    static const uint8_t roles[] = {
        [ROUTE_NONE] = EH_ROLE_OTHER,
        [ROUTE_HEAP] = EH_ROLE_HEAP,
        [ROUTE_HEAP_CLASS] = EH_ROLE_HEAP_CLASS,
        [ROUTE_PROCESS] = EH_ROLE_PROCESS,
        [ROUTE_THREAD] = EH_ROLE_THREAD,
        [ROUTE_THREAD_NAME] = EH_ROLE_THREAD,
        [ROUTE_SWITCH] = EH_ROLE_SWITCH,
        [ROUTE_IMAGE] = EH_ROLE_IMAGE,
        [ROUTE_PDB] = EH_ROLE_PDB,
        [ROUTE_VOLUME] = EH_ROLE_VOLUME,
        [ROUTE_STACK] = EH_ROLE_STACK,
        [ROUTE_STACK_KEY] = EH_ROLE_STACK_KEY,
        [ROUTE_STACK_DEFINITION] = EH_ROLE_STACK_DEFINITION,
    };
    return (enum eh_role)roles[route];
}

/* The provider of a GUID, EH_NO_ID past the limit. */
static int find_provider(struct census *c, const uint8_t *guid, uint32_t *ret_provider,
                         struct eh_error *e)
{
    size_t count = c->result.provider_count;
    uint32_t known = map_get(&c->provider_ids, load_u64(guid), load_u64(guid + 8));
    *ret_provider = known - 1;
    if (known || count >= LIMIT_RECORD_KINDS)
        return 0;
    if (ARRAY_RESERVE_ZEROED(c->providers, c->provider_room, count + 1) < 0 ||
        map_set(&c->provider_ids, load_u64(guid), load_u64(guid + 8), (uint32_t)count + 1) < 0)
        return out_of_memory(e);
    guid_print_order(guid, c->providers[count].guid);
    c->result.providers = c->providers;
    c->result.provider_count++;
    *ret_provider = (uint32_t)count;
    return 0;
}

static uint16_t header_of(const struct record *r)
{
    unsigned mark = r->bytes[HOOK_MARK];
    if ((mark & 0xC0) == REC_MARK_TRACE)
        return r->kind;
    return mark == REC_MARK_WPP ? EH_HEADER_WPP : EH_HEADER_ULONG_TIME;
}

/* The version with all its bits: those above the version proper are a layout of their own. */
static uint16_t version_of(const struct record *r)
{
    if (r->has_hook)
        return load_u16(r->bytes + HOOK_VERSION);
    return r->guid && r->kind != REC_EVENT32 && r->kind != REC_EVENT64
               ? load_u16(r->bytes + FULL_VERSION)
               : r->version;
}

static int add_kind(struct pass *p, const struct record *r, uint32_t provider, uint32_t *ret_kind)
{
    struct census *c = p->census;
    size_t count = c->result.kind_count;
    unsigned type;
    *ret_kind = EH_NO_ID;
    if (count >= LIMIT_RECORD_KINDS)
        return 0;
    if (ARRAY_RESERVE_ZEROED(c->kinds, c->kind_room, count + 1) < 0 ||
        map_set(&c->kind_ids, p->last_a, p->last_b, (uint32_t)count + 1) < 0)
        return out_of_memory(p->e);
    enum eh_role role = role_of(route_record(r, &type));
    c->kinds[count] = (struct eh_record_kind){
        .provider = provider,
        .header = header_of(r),
        .hook = r->hook,
        .event = r->event,
        .version = version_of(r),
        .has_hook = r->has_hook,
        .role = (uint8_t)role,
        .heap_kind = role == EH_ROLE_HEAP || role == EH_ROLE_HEAP_CLASS ? (uint8_t)heap_kind(type)
                                                                        : EH_KINDS,
        .least_size = UINT32_MAX,
    };
    c->result.kinds = c->kinds;
    c->result.kind_count++;
    *ret_kind = (uint32_t)count;
    return 0;
}

/* The kind of a record, EH_NO_ID past the limit. */
static int find_kind(struct pass *p, const struct record *r, uint32_t *ret_kind)
{
    uint32_t provider = EH_NO_ID;
    if (r->guid && find_provider(p->census, r->guid, &provider, p->e) < 0)
        return -1;
    uint64_t a = (uint64_t)provider << 32 | (uint64_t)r->hook << 16 | r->event;
    uint64_t b = (uint64_t)header_of(r) << 32 | (uint64_t)version_of(r) << 8 | r->has_hook;
    if (a == p->last_a && b == p->last_b) {
        *ret_kind = p->last_kind;
        return 0;
    }
    p->last_a = a;
    p->last_b = b;
    p->last_kind = map_get(&p->census->kind_ids, a, b) - 1;
    if (p->last_kind == EH_NO_ID && add_kind(p, r, provider, &p->last_kind) < 0)
        return -1;
    *ret_kind = p->last_kind;
    return 0;
}

static void count_size(struct eh_record_kind *k, uint32_t size)
{
    k->least_size = size < k->least_size ? size : k->least_size;
    k->greatest_size = size > k->greatest_size ? size : k->greatest_size;
    for (unsigned i = 0; i < k->size_count; i++) {
        if (k->sizes[i].bytes == size) {
            k->sizes[i].count++;
            return;
        }
    }
    if (k->size_count == EH_PAYLOAD_SIZES) {
        k->other_sizes++;
        return;
    }
    k->sizes[k->size_count].bytes = size;
    k->sizes[k->size_count++].count = 1;
}

static int count_record(struct pass *p, const struct record *r)
{
    struct census *c = p->census;
    uint32_t kind;
    if (find_kind(p, r, &kind) < 0)
        return -1;
    c->result.events++;
    if (kind == EH_NO_ID) {
        c->result.other_events++;
        return 0;
    }
    struct eh_record_kind *k = &c->kinds[kind];
    k->count++;
    k->bytes += r->size;
    if (k->provider != EH_NO_ID)
        c->providers[k->provider].count++;
    count_size(k, r->payload_size);
    return 0;
}

/* ---- buffers ---- */

/* All records from where the stream stands. */
static int count_stream(struct pass *p, struct etl_stream *s)
{
    enum etl_step step;
    while ((step = etl_stream_next(p->trace, s, p->telling, p->e)) > ETL_END) {
        int result = step == ETL_RECORD ? count_record(p, etl_stream_record(s))
                                        : etl_trace_progress(p->trace, p->e);
        if (result < 0)
            return -1;
    }
    return step == ETL_ERROR ? -1 : 0;
}

static int count_buffers(struct pass *p, struct etl_stream *s, const struct etl_buffer *first,
                         const struct etl_buffer *end)
{
    for (const struct etl_buffer *b = first; b < end; b++) {
        p->census->result.buffers_read++;
        p->census->result.bytes_read += b->stored;
    }
    s->next = first;
    s->last = end;
    return count_stream(p, s);
}

/* The first buffer, the last, and others at even distances. `expanded` is what has been so far. */
static int sample_stream(struct pass *p, struct etl_stream *s, uint64_t *expanded)
{
    const struct etl_buffer *first = s->first, *end = s->last;
    size_t count = (size_t)(end - first);
    uint64_t wanted = 1 + p->census->result.bytes / SAMPLE_BYTES; /* one buffer in so many */
    size_t step = wanted < count ? (size_t)wanted : count - 1;
    for (size_t i = 0; i < count && *expanded < SAMPLE_EXPANDED;) {
        *expanded += first[i].valid;
        if (count_buffers(p, s, first + i, first + i + 1) < 0)
            return -1;
        if (i == count - 1)
            break;
        i = count - 1 - i < step ? count - 1 : i + step;
    }
    s->last = end;
    return 0;
}

static int count_trace(struct pass *p)
{
    struct etl_trace *t = p->trace;
    bool sample = p->census->result.extent == EH_CENSUS_SAMPLE;
    uint64_t expanded = 0;
    etl_trace_rewind(t, p->telling);
    for (size_t i = 0; i < t->stream_count; i++) {
        struct etl_stream *s = &t->streams[i];
        if ((sample ? sample_stream(p, s, &expanded) : count_buffers(p, s, s->first, s->last)) < 0)
            return -1;
    }
    return 0;
}

/* ---- sessions ---- */

static void count_buffer(struct eh_session *s, const struct etl_buffer *b)
{
    const unsigned states = sizeof s->states / sizeof *s->states;
    if (s->buffers++ == 0)
        s->first_sequence = s->last_sequence = b->sequence;
    s->first_sequence = b->sequence < s->first_sequence ? b->sequence : s->first_sequence;
    s->last_sequence = b->sequence > s->last_sequence ? b->sequence : s->last_sequence;
    s->stored_bytes += b->stored;
    if (!b->compressed)
        return;
    s->compressed++;
    s->compressed_bytes += b->stored;
    s->expanded_bytes += b->valid;
    s->states[b->state < states ? b->state : states - 1]++;
}

static struct eh_session describe_session(const struct etl_header *h, size_t input, int64_t offset)
{
    return (struct eh_session){
        .input = input,
        .offset = offset,
        .name = h->session,
        .start_unix_ns = filetime_to_unix_ns(h->start_time),
        .end_unix_ns = h->end_time ? filetime_to_unix_ns(h->end_time) : 0,
        .boot_unix_ns = h->boot_time ? filetime_to_unix_ns(h->boot_time) : 0,
        .has_end = h->end_time != 0,
        .has_boot = h->boot_time != 0,
        .os_major = h->os_major,
        .os_minor = h->os_minor,
        .os_build = h->os_build,
        .pointer_size = h->pointer_size,
        .processors = h->processors,
        .clock_type = h->clock_type,
        .frequency = h->frequency,
        .clock_assumed = h->clock_assumed,
        .mode = h->mode,
        .buffer_size = h->buffer_size,
        .buffers_written = h->buffers_written,
        .events_lost = h->events_lost,
        .buffers_lost = h->buffers_lost,
    };
}

static void compare_axes(struct eh_session *s, const struct etl_header *h,
                         const struct etl_header *first)
{
    s->same_axis = h->boot_time == first->boot_time && h->frequency == first->frequency &&
                   h->clock_type == first->clock_type;
    if (!s->same_axis)
        return;
    int64_t raw = ticks_to_ns(sub_saturating(h->raw_start, first->raw_start), h->frequency);
    int64_t wall =
        sub_saturating(filetime_to_unix_ns(h->start_time), filetime_to_unix_ns(first->start_time));
    s->drift_ns = sub_saturating(raw, wall);
}

/* One session for each clock of the trace, in the same order. */
static void describe_sessions(struct census *c, const struct etl_trace *t)
{
    struct eh_session *s = c->sessions;
    for (size_t i = 0; i < t->file_count; i++) {
        const struct etl_file *f = &t->files[i];
        for (size_t j = 0; j < f->segment_count; j++) {
            const struct etl_segment *segment = &f->segments[j];
            s[j] = describe_session(&segment->header, i, segment->offset);
            compare_axes(&s[j], &segment->header, t->clocks[0].header);
        }
        for (size_t j = 0; j < f->buffer_count; j++)
            count_buffer(&s[f->buffers[j].segment], &f->buffers[j]);
        c->result.buffers += f->buffer_count;
        s += f->segment_count;
    }
    for (size_t i = 0; i < t->stream_count; i++)
        c->sessions[t->streams[i].clock - t->clocks].processors_seen++;
    c->result.bytes = t->bytes_total;
}

/* ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static uint64_t order_of(const struct eh_record_kind *k)
{
    return (uint64_t)k->hook << 48 | (uint64_t)k->event << 32 | (uint64_t)k->header << 16 |
           k->version;
}

/* Hook ids first, then providers in order of appearance. */
static int compare_kinds(const void *left, const void *right)
{
    const struct eh_record_kind *a = left, *b = right;
    if (a->has_hook != b->has_hook)
        return a->has_hook ? -1 : 1;
    if (a->provider != b->provider)
        return a->provider < b->provider ? -1 : 1;
    return compare_u64(order_of(a), order_of(b));
}

static void sort_sizes(struct eh_record_kind *k)
{
    for (unsigned i = 1; i < k->size_count; i++)
        for (unsigned j = i; j > 0 && k->sizes[j].bytes < k->sizes[j - 1].bytes; j--) {
            uint32_t bytes = k->sizes[j].bytes;
            uint64_t count = k->sizes[j].count;
            k->sizes[j] = k->sizes[j - 1];
            k->sizes[j - 1].bytes = bytes;
            k->sizes[j - 1].count = count;
        }
}

int census_run(struct census *c, struct etl_trace *t, enum eh_census_extent extent,
               struct eh_error *e)
{
    struct pass p = {
        .census = c,
        .trace = t,
        .telling = extent == EH_CENSUS_SAMPLE,
        .e = e,
        .last_b = UINT64_MAX, /* which no record has */
    };
    c->result.extent = extent;
    c->sessions = calloc(t->clock_count, sizeof *c->sessions);
    if (!c->sessions)
        return out_of_memory(e);
    c->result.sessions = c->sessions;
    c->result.session_count = t->clock_count;
    describe_sessions(c, t);
    if (count_trace(&p) < 0)
        return -1;
    if (c->result.kind_count)
        qsort(c->kinds, c->result.kind_count, sizeof *c->kinds, compare_kinds);
    for (size_t i = 0; i < c->result.kind_count; i++)
        sort_sizes(&c->kinds[i]);
    return 0;
}

void census_finish(struct census *c)
{
    free(c->sessions);
    free(c->kinds);
    free(c->providers);
    map_finish(&c->provider_ids);
    map_finish(&c->kind_ids);
    *c = (struct census){0};
}
