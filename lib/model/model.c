#include "model/build.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* Strings lie in chunks that never move, so a name's pointer is good for the model's life. */
#ifndef ETLHEAP_SMALL_WINDOWS
#define CHUNK_BYTES 65536u
#else /* for fuzzers, see limits.h */
#define CHUNK_BYTES 1024u
#endif

struct chunk {
    struct chunk *next;
    size_t used, size;
    char bytes[];
};

struct stack_entry {
    uint32_t process, depth;
    size_t first; /* index into frame_ids */
    uint32_t published; /* stack id, 0 for a draft nobody has used yet */
};

/* An index from a hash to the ids with that hash: open addressing, 0 is empty. */
struct id_index {
    uint32_t *ids;
    size_t mask; /* slots - 1, or 0 when there are none */
    size_t count;
};

struct eh_model {
    struct eh_process *processes;
    size_t process_count, process_room;
    struct eh_thread *threads;
    size_t thread_count, thread_room;
    struct eh_heap *heaps;
    size_t heap_count, heap_room;
    struct eh_image *images;
    size_t image_count, image_room;
    struct eh_frame *frames;
    size_t frame_count, frame_room;
    struct stack_entry *drafts;
    size_t draft_count, draft_room;
    uint32_t *stacks; /* by stack id: its draft */
    size_t stack_count, stack_room;
    uint32_t *frame_ids;
    size_t frame_id_count, frame_id_room;
    const char **strings;
    size_t string_count, string_room;
    uint64_t salt; /* of the indexes' hashes */
    struct id_index string_index, frame_index, stack_index;
    struct chunk *chunks;
    size_t string_bytes;
    uint64_t left_out[EH_LEFT_KINDS];
};

static uint64_t hash_of_string(const struct eh_model *m, uint32_t id)
{
    return hash_salted_bytes(m->salt, m->strings[id], strlen(m->strings[id]));
}

static uint64_t hash_frame(const struct eh_model *m, const struct eh_frame *f)
{
    return hash_u64(f->address ^ hash_u64(f->offset ^ hash_u64(m->salt ^ f->image)));
}

static uint64_t hash_of_frame(const struct eh_model *m, uint32_t id)
{
    return hash_frame(m, &m->frames[id]);
}

/* The process is mixed before the frames come: its number and its first frame's both count up, and
 * taken together might else be the same for all. */
static uint64_t hash_stack(const struct eh_model *m, uint32_t process, const uint32_t *frames,
                           size_t depth)
{
    return hash_salted_bytes(hash_u64(m->salt ^ process), frames, depth * sizeof *frames);
}

static uint64_t hash_of_stack(const struct eh_model *m, uint32_t id)
{
    const struct stack_entry *s = &m->drafts[id];
    return hash_stack(m, s->process, m->frame_ids + s->first, s->depth);
}

/* Makes room for one more id, at most half full. */
static int index_reserve(const struct eh_model *m, struct id_index *x,
                         uint64_t (*hash_of)(const struct eh_model *m, uint32_t id))
{
    if (x->mask && x->count * 2 < x->mask)
        return 0;
    size_t slots = x->mask ? (x->mask + 1) * 2 : 64;
    uint32_t *ids = calloc(slots, sizeof *ids);
    if (!ids)
        return -1;
    for (size_t i = 0; x->mask && i <= x->mask; i++) {
        if (!x->ids[i])
            continue;
        size_t at = (size_t)hash_of(m, x->ids[i]) & (slots - 1);
        while (ids[at])
            at = (at + 1) & (slots - 1);
        ids[at] = x->ids[i];
    }
    free(x->ids);
    x->ids = ids;
    x->mask = slots - 1;
    return 0;
}

struct eh_model *model_create(void)
{
    struct eh_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->salt = hash_salt(m);
    m->string_count = 1;
    uint32_t id;
    if (ARRAY_RESERVE(m->strings, m->string_room, 1) < 0 ||
        model_add_process(m, &(struct eh_process){0}, &id) < 0 ||
        model_add_thread(m, &(struct eh_thread){.tid = UINT32_MAX}, &id) < 0 ||
        model_add_heap(m, &(struct eh_heap){0}, &id) < 0 ||
        model_add_image(m, &(struct eh_image){0}, &id) < 0 ||
        ARRAY_RESERVE(m->frames, m->frame_room, 1) < 0 ||
        ARRAY_RESERVE(m->frame_ids, m->frame_id_room, 1) < 0 || /* where stack 0's would lie */
        ARRAY_RESERVE(m->drafts, m->draft_room, 1) < 0 ||
        ARRAY_RESERVE(m->stacks, m->stack_room, 1) < 0) {
        model_destroy(m);
        return NULL;
    }
    m->frames[0] = (struct eh_frame){0};
    m->drafts[0] = (struct stack_entry){0};
    m->stacks[0] = 0;
    m->frame_count = m->draft_count = m->stack_count = 1;
    return m;
}

void model_destroy(struct eh_model *m)
{
    if (!m)
        return;
    for (struct chunk *c = m->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(m->processes);
    free(m->threads);
    free(m->heaps);
    free(m->images);
    free(m->frames);
    free(m->drafts);
    free(m->stacks);
    free(m->frame_ids);
    free(m->strings);
    free(m->string_index.ids);
    free(m->frame_index.ids);
    free(m->stack_index.ids);
    free(m);
}

static char *string_space(struct eh_model *m, size_t length)
{
    if (!m->chunks || m->chunks->size - m->chunks->used < length) {
        size_t size = length > CHUNK_BYTES ? length : CHUNK_BYTES;
        struct chunk *c = malloc(sizeof *c + size);
        if (!c)
            return NULL;
        *c = (struct chunk){.next = m->chunks, .size = size};
        m->chunks = c;
    }
    char *space = m->chunks->bytes + m->chunks->used;
    m->chunks->used += length;
    return space;
}

void model_leave_out(struct eh_model *m, enum eh_left_out what)
{
    m->left_out[what]++;
}

const uint64_t *model_left_out(const struct eh_model *m)
{
    return m->left_out;
}

const char *model_string(struct eh_model *m, const char *bytes, size_t length)
{
    static const char nothing[] = "";
    const char *nul = memchr(bytes, 0, length);
    if (nul)
        length = (size_t)(nul - bytes);
    if (!length)
        return nothing;
    if (index_reserve(m, &m->string_index, hash_of_string) < 0)
        return NULL;
    struct id_index *x = &m->string_index;
    size_t at = (size_t)hash_salted_bytes(m->salt, bytes, length) & x->mask;
    for (; x->ids[at]; at = (at + 1) & x->mask) {
        const char *s = m->strings[x->ids[at]];
        if (strncmp(s, bytes, length) == 0 && !s[length])
            return s;
    }
    if (m->string_bytes + length >= LIMIT_STRING_BYTES) {
        model_leave_out(m, EH_LEFT_NAMES);
        return nothing;
    }
    if (ARRAY_RESERVE(m->strings, m->string_room, m->string_count + 1) < 0)
        return NULL;
    char *space = string_space(m, length + 1);
    if (!space)
        return NULL;
    memcpy(space, bytes, length);
    space[length] = 0;
    m->string_bytes += length + 1;
    m->strings[m->string_count] = space;
    x->ids[at] = (uint32_t)m->string_count++;
    x->count++;
    return space;
}

int model_add_process(struct eh_model *m, const struct eh_process *p, uint32_t *ret_process)
{
    *ret_process = 0;
    if (m->process_count >= LIMIT_PROCESSES)
        return 0;
    if (ARRAY_RESERVE(m->processes, m->process_room, m->process_count + 1) < 0)
        return -1;
    m->processes[m->process_count] = *p;
    *ret_process = (uint32_t)m->process_count++;
    return 0;
}

int model_add_thread(struct eh_model *m, const struct eh_thread *t, uint32_t *ret_thread)
{
    *ret_thread = 0;
    if (m->thread_count >= LIMIT_THREADS)
        return 0;
    if (ARRAY_RESERVE(m->threads, m->thread_room, m->thread_count + 1) < 0)
        return -1;
    m->threads[m->thread_count] = *t;
    *ret_thread = (uint32_t)m->thread_count++;
    return 0;
}

int model_add_heap(struct eh_model *m, const struct eh_heap *h, uint32_t *ret_heap)
{
    *ret_heap = 0;
    if (m->heap_count >= LIMIT_HEAPS)
        return 0;
    if (ARRAY_RESERVE(m->heaps, m->heap_room, m->heap_count + 1) < 0)
        return -1;
    m->heaps[m->heap_count] = *h;
    *ret_heap = (uint32_t)m->heap_count++;
    return 0;
}

int model_add_image(struct eh_model *m, const struct eh_image *i, uint32_t *ret_image)
{
    *ret_image = 0;
    if (m->image_count >= LIMIT_IMAGES)
        return 0;
    if (ARRAY_RESERVE(m->images, m->image_room, m->image_count + 1) < 0)
        return -1;
    m->images[m->image_count] = *i;
    *ret_image = (uint32_t)m->image_count++;
    return 0;
}

int model_intern_frame(struct eh_model *m, const struct eh_frame *f, uint32_t *ret_frame)
{
    struct id_index *x = &m->frame_index;
    if (index_reserve(m, x, hash_of_frame) < 0)
        return -1;
    size_t at = (size_t)hash_frame(m, f) & x->mask;
    for (; x->ids[at]; at = (at + 1) & x->mask) {
        const struct eh_frame *other = &m->frames[x->ids[at]];
        if (other->address == f->address && other->image == f->image &&
            other->offset == f->offset) {
            *ret_frame = x->ids[at];
            return 0;
        }
    }
    *ret_frame = 0;
    if (m->frame_count >= LIMIT_FRAMES)
        return 0;
    if (ARRAY_RESERVE(m->frames, m->frame_room, m->frame_count + 1) < 0)
        return -1;
    m->frames[m->frame_count] = *f;
    *ret_frame = x->ids[at] = (uint32_t)m->frame_count++;
    x->count++;
    return 0;
}

int model_draft_stack(struct eh_model *m, uint32_t process, const uint32_t *frames, size_t depth,
                      uint32_t *ret_draft)
{
    struct id_index *x = &m->stack_index;
    if (index_reserve(m, x, hash_of_stack) < 0)
        return -1;
    size_t at = (size_t)hash_stack(m, process, frames, depth) & x->mask;
    for (; x->ids[at]; at = (at + 1) & x->mask) {
        const struct stack_entry *s = &m->drafts[x->ids[at]];
        if (s->process == process && s->depth == depth &&
            memcmp(m->frame_ids + s->first, frames, depth * sizeof *frames) == 0) {
            *ret_draft = x->ids[at];
            return 0;
        }
    }
    *ret_draft = 0;
    if (m->draft_count >= LIMIT_STACKS || m->frame_id_count + depth > LIMIT_FRAMES)
        return 0;
    if (ARRAY_RESERVE(m->drafts, m->draft_room, m->draft_count + 1) < 0 ||
        ARRAY_RESERVE(m->frame_ids, m->frame_id_room, m->frame_id_count + depth) < 0)
        return -1;
    memcpy(m->frame_ids + m->frame_id_count, frames, depth * sizeof *frames);
    m->drafts[m->draft_count] =
        (struct stack_entry){process, (uint32_t)depth, m->frame_id_count, 0};
    m->frame_id_count += depth;
    *ret_draft = x->ids[at] = (uint32_t)m->draft_count++;
    x->count++;
    return 0;
}

int model_publish_stack(struct eh_model *m, uint32_t draft, uint32_t *ret_stack)
{
    struct stack_entry *s = &m->drafts[draft];
    if (draft && !s->published) {
        if (ARRAY_RESERVE(m->stacks, m->stack_room, m->stack_count + 1) < 0)
            return -1;
        s->published = (uint32_t)m->stack_count;
        m->stacks[m->stack_count++] = draft;
    }
    *ret_stack = s->published;
    return 0;
}

int model_intern_stack(struct eh_model *m, uint32_t process, const uint32_t *frames, size_t depth,
                       uint32_t *ret_stack)
{
    uint32_t draft;
    if (model_draft_stack(m, process, frames, depth, &draft) < 0)
        return -1;
    return model_publish_stack(m, draft, ret_stack);
}

struct eh_stack model_draft(const struct eh_model *m, uint32_t draft)
{
    const struct stack_entry *s = &m->drafts[draft];
    return (struct eh_stack){s->process, s->depth, m->frame_ids + s->first};
}

struct eh_process *model_process(struct eh_model *m, uint32_t process)
{
    return &m->processes[process];
}

struct eh_thread *model_thread(struct eh_model *m, uint32_t thread)
{
    return &m->threads[thread];
}

struct eh_image *model_image(struct eh_model *m, uint32_t image)
{
    return &m->images[image];
}

size_t eh_model_processes(const struct eh_model *m)
{
    return m->process_count;
}

const struct eh_process *eh_model_process(const struct eh_model *m, uint32_t process)
{
    return &m->processes[process];
}

size_t eh_model_threads(const struct eh_model *m)
{
    return m->thread_count;
}

const struct eh_thread *eh_model_thread(const struct eh_model *m, uint32_t thread)
{
    return &m->threads[thread];
}

size_t eh_model_heaps(const struct eh_model *m)
{
    return m->heap_count;
}

const struct eh_heap *eh_model_heap(const struct eh_model *m, uint32_t heap)
{
    return &m->heaps[heap];
}

size_t eh_model_images(const struct eh_model *m)
{
    return m->image_count;
}

const struct eh_image *eh_model_image(const struct eh_model *m, uint32_t image)
{
    return &m->images[image];
}

size_t eh_model_frames(const struct eh_model *m)
{
    return m->frame_count;
}

const struct eh_frame *eh_model_frame(const struct eh_model *m, uint32_t frame)
{
    return &m->frames[frame];
}

size_t eh_model_stacks(const struct eh_model *m)
{
    return m->stack_count;
}

struct eh_stack eh_model_stack(const struct eh_model *m, uint32_t stack)
{
    return model_draft(m, m->stacks[stack]);
}
