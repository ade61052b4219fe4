#include "graft_survey.h"

#include "base/array.h"
#include "base/bytes.h"
#include "base/cursor.h"
#include "container/etl_layout.h"
#include "container/etl_record.h"
#include "decode/process.h"
#include "decode/route.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PROCESS_FLAG_WOW64 = 2 };

/* Records come by processor, not by time: they are kept and sorted. */
struct process_fact {
    int64_t raw;
    uint32_t pid;
    uint8_t type;
    uint8_t pointer_size;
    bool wow64;
    char name[GRAFT_NAME];
};

struct thread_fact {
    uint32_t pid, tid;
    bool ended;
};

struct image_fact {
    int64_t raw;
    uint64_t base, size;
    uint32_t pid;
    uint8_t type;
    bool ntdll;
};

struct facts {
    struct graft_survey *survey;
    struct process_fact *processes;
    size_t process_count, process_room;
    struct thread_fact *threads;
    size_t thread_count, thread_room;
    struct image_fact *images;
    size_t image_count, image_room;
    bool failed; /* memory ran out */
};

/* --- collecting --- */

/* Version 4: the flags follow DirectoryTableBase. */
static bool is_wow64(const struct record *r)
{
    size_t at = 16 + 2 * (size_t)r->pointer_size;
    return r->version >= 4 && r->payload_size >= at + 4 &&
           (load_u32(r->payload + at) & PROCESS_FLAG_WOW64);
}

static void take_process(struct facts *f, const struct record *r, unsigned type)
{
    struct process_record p;
    if (type < TYPE_START || type > TYPE_DC_END || !process_decode(r, &p))
        return;
    if (ARRAY_RESERVE(f->processes, f->process_room, f->process_count + 1) < 0) {
        f->failed = true;
        return;
    }
    struct process_fact *fact = &f->processes[f->process_count++];
    *fact = (struct process_fact){.raw = r->raw, .pid = p.pid, .type = (uint8_t)type};
    fact->pointer_size = r->pointer_size;
    fact->wow64 = is_wow64(r);
    fact->name[raw_text_utf8(&p.name, fact->name, GRAFT_NAME - 1)] = '\0';
}

static void take_thread(struct facts *f, const struct record *r, unsigned type)
{
    struct thread_record t;
    if (type < TYPE_START || type > TYPE_DC_END || !thread_decode(r, &t))
        return;
    if (ARRAY_RESERVE(f->threads, f->thread_room, f->thread_count + 1) < 0) {
        f->failed = true;
        return;
    }
    f->threads[f->thread_count++] = (struct thread_fact){t.pid, t.tid, type == TYPE_END};
}

/* A UTF-16 path at the end of a payload that names ntdll.dll, in any case of letters. */
static bool names_ntdll(const struct record *r)
{
    static const char name[] = "\\ntdll.dll";
    size_t units = sizeof name; /* with the NUL */
    if (r->payload_size < 2 * units)
        return false;
    const uint8_t *at = r->payload + r->payload_size - 2 * units;
    for (size_t i = 0; i < units; i++) {
        unsigned unit = load_u16(at + 2 * i);
        if (unit >= 'A' && unit <= 'Z')
            unit |= 0x20;
        if (unit != (uint8_t)name[i])
            return false;
    }
    return true;
}

static void take_image(struct facts *f, const struct record *r, unsigned type)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    struct image_fact fact = {.raw = r->raw, .type = (uint8_t)type};

    fact.base = cur_pointer(&c, r->pointer_size);
    fact.size = cur_pointer(&c, r->pointer_size);
    fact.pid = r->version ? cur_u32(&c) : r->process_id;
    if (c.short_read)
        return;
    fact.ntdll = names_ntdll(r);
    if (ARRAY_RESERVE(f->images, f->image_room, f->image_count + 1) < 0)
        f->failed = true;
    else
        f->images[f->image_count++] = fact;
}

static void take_record(struct facts *f, const struct record *r)
{
    unsigned type;
    if (r->has_time && r->raw > f->survey->last_raw)
        f->survey->last_raw = r->raw;
    if (r->pointer_size == 0)
        return;
    switch (route_record(r, &type)) {
    case ROUTE_PROCESS:
        take_process(f, r, type);
        break;
    case ROUTE_THREAD:
        take_thread(f, r, type);
        break;
    case ROUTE_IMAGE:
        take_image(f, r, type);
        break;
    default:
        break;
    }
}

static void take_buffer(struct facts *f, const uint8_t *bytes, size_t valid)
{
    struct record r;
    size_t at = BUF_HEADER_BYTES;
    while (at < valid && rec_parse_any(bytes + at, valid - at, &r) == REC_OK) {
        take_record(f, &r);
        at += REC_STEP((size_t)r.size);
    }
}

static void take_position(struct graft_survey *s, const struct etl_buffer *b)
{
    if (b->sequence > s->last_sequence)
        s->last_sequence = b->sequence;
    if (b->cpu + 1u > s->processors)
        s->processors = b->cpu + 1u;
    if (b->offset + b->stored > s->end_offset)
        s->end_offset = b->offset + b->stored;
    s->cut = s->cut || b->cut;
}

static int take_file(struct facts *f, struct etl_file *file, struct eh_error *e)
{
    uint8_t *bytes = NULL, *packed = NULL;
    size_t room = 0, packed_room = 0;
    int64_t valid = 0;

    for (size_t i = 0; i < file->buffer_count && valid >= 0; i++) {
        const struct etl_buffer *b = &file->buffers[i];
        take_position(f->survey, b);
        if (b->segment + 1u != file->segment_count)
            continue;
        valid = etl_file_load(file, b, &bytes, &room, &packed, &packed_room, e);
        if (valid > 0)
            take_buffer(f, bytes, (size_t)valid);
    }
    free(bytes);
    free(packed);
    return valid < 0 ? -1 : 0;
}

/* --- concluding --- */

static int by_time(const void *a, const void *b)
{
    const struct process_fact *x = a, *y = b;
    return x->raw < y->raw ? -1 : x->raw > y->raw;
}

static struct graft_process *open_process(struct graft_survey *s, uint32_t pid)
{
    for (size_t i = s->process_count; i-- > 0;) {
        if (s->processes[i].pid == pid)
            return s->processes[i].to == s->last_raw ? &s->processes[i] : NULL;
    }
    return NULL;
}

/* One process record, in the order of time. */
static void follow_process(struct graft_survey *s, const struct process_fact *fact)
{
    struct graft_process *p = open_process(s, fact->pid);
    if (!p || fact->type == TYPE_START) {
        p = &s->processes[s->process_count++];
        *p = (struct graft_process){.pid = fact->pid, .from = s->first_raw, .to = s->last_raw};
        p->pointer_size = fact->pointer_size;
    }
    if (fact->type == TYPE_START && fact->raw > p->from)
        p->from = fact->raw;
    if (fact->type == TYPE_END && fact->raw < p->to)
        p->to = fact->raw;
    p->passing = p->passing || fact->type == TYPE_START || fact->type == TYPE_END;
    p->wow64 = p->wow64 || fact->wow64;
    if (fact->name[0])
        memcpy(p->name, fact->name, sizeof p->name);
}

static int by_place(const void *a, const void *b)
{
    const struct image_fact *x = a, *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    if (x->base != y->base)
        return x->base < y->base ? -1 : 1;
    return x->raw < y->raw ? -1 : x->raw > y->raw;
}

static bool is_user_image(const struct graft_process *p, const struct image_fact *i)
{
    uint64_t limit = p->wow64 ? UINT64_C(1) << 32 :
                     p->pointer_size == 4 ? UINT64_C(1) << 31 : UINT64_C(1) << 47;
    return i->size > 0x2000 && i->size < limit && i->base >= 0x10000 && i->base < limit - i->size;
}

/* Whether the records of one image (same process, same base) say that it is there all the time. */
static bool stays_loaded(const struct image_fact *image, size_t records, int64_t from, int64_t to)
{
    for (size_t i = 0; i < records; i++) {
        if (image[i].type == TYPE_END && image[i].raw <= to)
            return false;
        if (image[i].type == TYPE_LOAD && image[i].raw > from)
            return false;
    }
    return true;
}

static void add_image(struct graft_process *p, const struct image_fact *image)
{
    bool first = image->ntdll && !p->images[0].ntdll;
    unsigned at = first ? 0 : p->image_count;

    if (at == GRAFT_IMAGES)
        return;
    if (first && p->image_count < GRAFT_IMAGES)
        p->images[p->image_count] = p->images[0];
    if (p->image_count < GRAFT_IMAGES)
        p->image_count++;
    p->images[at] = (struct graft_image){image->base, image->size, image->ntdll};
}

/* The process's images; its window is narrowed so that they are loaded all through it. */
static void find_images(const struct facts *f, struct graft_process *p)
{
    int64_t margin = (p->to - p->from) / 8;
    p->from += margin;
    p->to -= margin / 8;
    for (size_t i = 0; i < f->image_count;) {
        const struct image_fact *image = &f->images[i];
        size_t records = 1;
        while (i + records < f->image_count && image[records].pid == image->pid &&
               image[records].base == image->base)
            records++;
        if (image->pid == p->pid && is_user_image(p, image) &&
            stays_loaded(image, records, p->from, p->to))
            add_image(p, image);
        i += records;
    }
}

static void find_threads(const struct facts *f, struct graft_process *p)
{
    for (size_t i = 0; i < f->thread_count && p->tid_count < GRAFT_THREADS; i++) {
        const struct thread_fact *t = &f->threads[i];
        bool known = t->pid != p->pid || t->ended;
        for (size_t j = 0; j < f->thread_count && !known; j++)
            known = f->threads[j].ended && f->threads[j].tid == t->tid;
        for (unsigned j = 0; j < p->tid_count && !known; j++)
            known = p->tids[j] == t->tid;
        if (!known)
            p->tids[p->tid_count++] = t->tid;
    }
    if (p->tid_count == 0)
        p->tids[p->tid_count++] = p->pid + 4;
}

static bool is_program(const struct graft_process *p)
{
    size_t length = strlen(p->name);
    return p->pid > 4 && length > 4 && strcasecmp(p->name + length - 4, ".exe") == 0;
}

static int conclude(struct facts *f)
{
    struct graft_survey *s = f->survey;
    size_t kept = 0;

    s->processes = calloc(f->process_count + 1, sizeof *s->processes);
    if (!s->processes)
        return -1;
    if (f->process_count)
        qsort(f->processes, f->process_count, sizeof *f->processes, by_time);
    if (f->image_count)
        qsort(f->images, f->image_count, sizeof *f->images, by_place);
    for (size_t i = 0; i < f->process_count; i++)
        follow_process(s, &f->processes[i]);
    for (size_t i = 0; i < s->process_count; i++) {
        struct graft_process *p = &s->processes[i];
        if (!is_program(p) || p->to <= p->from)
            continue;
        find_images(f, p);
        find_threads(f, p);
        s->processes[kept++] = *p;
    }
    s->process_count = kept;
    return 0;
}

/* Merged files hold records from long before and after the session: stay inside it. A header that
 * says nonsense bounds nothing. */
static void bound_range(struct graft_survey *s)
{
    const struct etl_header *h = s->header;
    int64_t length, ticks, end;
    s->first_raw = h->raw_start;
    if (__builtin_sub_overflow(s->last_raw, s->first_raw, &length))
        s->last_raw = s->first_raw + INT64_MAX; /* so that all differences fit */
    if (__builtin_sub_overflow(h->end_time, h->start_time, &length) || length <= 0 ||
        __builtin_mul_overflow(length / 10000000, h->frequency, &ticks))
        return;
    int64_t rest = length % 10000000 * (h->frequency / 1000) / 10000;
    if (__builtin_add_overflow(ticks, rest, &ticks) ||
        __builtin_add_overflow(h->raw_start, ticks, &end))
        return;
    if (s->last_raw > end)
        s->last_raw = end;
}

int graft_survey(struct graft_survey *s, struct etl_file *file, struct eh_error *e)
{
    const struct etl_segment *last = &file->segments[file->segment_count - 1];
    struct facts f = {.survey = s};
    int result;

    *s = (struct graft_survey){.header = &last->header, .header_offset = last->offset};
    s->last_raw = last->header.raw_start;
    result = take_file(&f, file, e);
    bound_range(s);
    if (result == 0 && (f.failed || conclude(&f) < 0))
        result = eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    free(f.processes);
    free(f.threads);
    free(f.images);
    return result;
}

void graft_survey_finish(struct graft_survey *s)
{
    free(s->processes);
}
