#include "perfetto_intern.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/limits.h"
#include "model/event.h"
#include "perfetto_packet.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_PACKET          1
#define PACKET_SEQUENCE       10
#define PACKET_INTERNED       12
#define PACKET_FLAGS          13
#define IID                   1
#define STRING                2
#define FRAME_NAME            2
#define FRAME_MAPPING         3
#define FRAME_REL_PC          4
#define CALLSTACK_FRAMES      2
#define MAPPING_BUILD_ID      2
#define MAPPING_PATH          7

#define NEEDS_INCREMENTAL_STATE 2

/* The fields of InternedData in the order of their numbers. */
enum part { NAMES, FRAMES, CALLSTACKS, BUILD_IDS, PATHS, MAPPINGS };
static const uint32_t part_field[INTERN_PARTS] = {5, 6, 7, 16, 17, 19};

/* What waits is written when it has grown to this. */
#define FLUSH_BYTES 65536u
#define ENTRY_BYTES 64u
#define NAME_BYTES  (LIMIT_NAME_BYTES + 64u)

/* Labels of frames are told apart in 3 bits beside the mapping's iid. */
#define LABEL_BITS    3
#define LIMIT_MAPPING (UINT32_MAX >> LABEL_BITS)

static void add_entry(struct intern *in, enum part part, const char *bytes, size_t length)
{
    struct intern_part *p = &in->part[part];
    if (ARRAY_RESERVE(p->bytes, p->room, p->length + length + ENTRY_BYTES) < 0) {
        in->trace->out_of_memory = true;
        return;
    }
    char *end = put_delimited(p->bytes + p->length, part_field[part], bytes, length);
    if (part != CALLSTACKS)
        in->defined_bytes += length;
    p->length = (size_t)(end - p->bytes);
}

static void add_string(struct intern *in, enum part part, uint32_t iid, const void *bytes,
                       size_t length)
{
    char entry[NAME_BYTES + ENTRY_BYTES];
    if (length > NAME_BYTES)
        length = NAME_BYTES;
    char *end = put_delimited(put_field(entry, IID, iid), STRING, bytes, length);
    add_entry(in, part, entry, (size_t)(end - entry));
}

void intern_flush(struct intern *in)
{
    size_t length = 0;
    for (int i = 0; i < INTERN_PARTS; i++)
        length += in->part[i].length;
    if (!length)
        return;
    char head[ENTRY_BYTES], tail[ENTRY_BYTES];
    char *head_end = put_field(head, PACKET_SEQUENCE, in->sequence);
    head_end = put_varint(put_varint(head_end, PB_DELIMITED(PACKET_INTERNED)), length);
    char *tail_end = put_field(tail, PACKET_FLAGS, NEEDS_INCREMENTAL_STATE);
    size_t around = (size_t)(head_end - head) + (size_t)(tail_end - tail);

    struct out *out = in->trace->out;
    char *at = out_reserve(out, 2 * ENTRY_BYTES);
    at = put_varint(put_varint(at, PB_DELIMITED(TRACE_PACKET)), length + around);
    out_commit(out, put_bytes(at, head, (size_t)(head_end - head)));
    for (int i = 0; i < INTERN_PARTS; i++) {
        out_write(out, in->part[i].bytes, in->part[i].length);
        in->part[i].length = 0;
    }
    out_write(out, tail, (size_t)(tail_end - tail));
}

/* What waits belongs to one sequence. */
static void switch_to(struct intern *in, uint32_t sequence)
{
    size_t waiting = in->part[FRAMES].length + in->part[NAMES].length +
                     in->part[CALLSTACKS].length;
    if (in->sequence != sequence || waiting > FLUSH_BYTES)
        intern_flush(in);
    in->sequence = sequence;
}

static uint64_t hash_image(const struct intern *in, const struct eh_image *i)
{
    uint64_t hash = hash_salt(in);
    if (i->has_build_id)
        hash = hash_salted_bytes(hash, i->build_id, sizeof i->build_id);
    return i->path ? hash_salted_bytes(hash, i->path, strlen(i->path)) : hash;
}

static bool same_image(const struct eh_image *a, const struct eh_image *b)
{
    return a->has_build_id == b->has_build_id &&
           (!a->has_build_id || memcmp(a->build_id, b->build_id, sizeof a->build_id) == 0) &&
           strcmp(a->path ? a->path : "", b->path ? b->path : "") == 0;
}

static void define_mapping(struct intern *in, uint32_t iid, const struct eh_image *i)
{
    char entry[ENTRY_BYTES];
    char *end = put_field(entry, IID, iid);
    if (i->has_build_id) {
        add_string(in, BUILD_IDS, iid, i->build_id, sizeof i->build_id);
        end = put_field(end, MAPPING_BUILD_ID, iid);
    }
    const char *path = i->path ? i->path : "";
    add_string(in, PATHS, iid, path, strlen(path));
    end = put_field(end, MAPPING_PATH, iid);
    add_entry(in, MAPPINGS, entry, (size_t)(end - entry));
}

static uint32_t new_mapping(struct intern *in, uint32_t image)
{
    if (in->last_mapping >= LIMIT_MAPPING ||
        ARRAY_RESERVE(in->image_of, in->image_of_room, (size_t)in->last_mapping + 2) < 0) {
        in->trace->out_of_memory = true;
        return 0;
    }
    uint32_t iid = ++in->last_mapping;
    in->image_of[iid] = image;
    define_mapping(in, iid, eh_model_image(in->trace->model, image));
    return iid;
}

/* The place of the iid of the mapping with the image's path and build id, 0 in it while there is
 * none; frames without an image have that of image 0. NULL without memory. */
static uint32_t *same_mapping(struct intern *in, uint32_t sequence, uint32_t image)
{
    const struct eh_model *m = in->trace->model;
    const struct eh_image *i = eh_model_image(m, image);
    uint64_t hash = hash_image(in, i);
    for (;; hash++) {
        uint32_t *iid = map_id(&in->contents, hash, sequence);
        if (!iid || !*iid || same_image(i, eh_model_image(m, in->image_of[*iid])))
            return iid;
    }
}

/* The image's mapping in the sequence, 0 without memory. */
static uint32_t mapping_of(struct intern *in, uint32_t sequence, uint32_t image)
{
    uint32_t *known = map_id(&in->images, image, sequence);
    if (known && *known)
        return *known;
    uint32_t *equal = same_mapping(in, sequence, image);
    if (!known || !equal) {
        in->trace->out_of_memory = true;
        return 0;
    }
    if (!*equal)
        *equal = new_mapping(in, image);
    return *known = *equal;
}

struct frame {
    uint32_t mapping;
    uint64_t rel_pc;
    const char *name;
    size_t name_length;
};

static void define_frame(struct intern *in, uint32_t iid, const struct frame *f)
{
    char entry[ENTRY_BYTES];
    add_string(in, NAMES, iid, f->name, f->name_length);
    char *end = put_field(entry, IID, iid);
    end = put_field(end, FRAME_NAME, iid);
    end = put_field(end, FRAME_MAPPING, f->mapping);
    end = put_field(end, FRAME_REL_PC, f->rel_pc);
    add_entry(in, FRAMES, entry, (size_t)(end - entry));
}

/* The place of the iid of (mapping, label, value): 0 in it is a new one. NULL without memory. */
static uint32_t *frame_slot(struct intern *in, uint32_t mapping, unsigned label, uint64_t value)
{
    uint32_t *slot = map_id(&in->frames, value, mapping << LABEL_BITS | label);
    if (!slot)
        in->trace->out_of_memory = true;
    return slot;
}

static char *put_code_name(char *at, const struct eh_frame *f, const struct eh_image *i)
{
    if (!f->image)
        return put_hex(at, f->address);
    const char *module = i->file_name ? i->file_name : "";
    at = put_bytes(at, module, strnlen(module, LIMIT_NAME_BYTES));
    return put_hex(put_string(at, "+"), f->offset);
}

/* The iid of a frame that is not known, or of one that readers cannot tell from it. */
static uint32_t find_frame(struct intern *in, uint32_t sequence, uint32_t frame)
{
    const struct eh_frame *f = eh_model_frame(in->trace->model, frame);
    uint32_t mapping = mapping_of(in, sequence, f->image);
    uint64_t rel_pc = f->image ? f->offset : f->address;
    uint32_t *iid = mapping ? frame_slot(in, mapping, 0, rel_pc) : NULL;
    if (!iid || *iid)
        return iid ? *iid : 0;
    *iid = ++in->last_frame;
    char name[NAME_BYTES];
    char *end = put_code_name(name, f, eh_model_image(in->trace->model, f->image));
    define_frame(in, *iid, &(struct frame){mapping, rel_pc, name, (size_t)(end - name)});
    return *iid;
}

uint32_t intern_frame(struct intern *in, uint32_t sequence, uint32_t frame)
{
    switch_to(in, sequence);
    if (frame < in->known_room && in->known[frame].sequence == sequence)
        return in->known[frame].iid;
    uint32_t iid = find_frame(in, sequence, frame);
    if (!iid)
        in->trace->out_of_memory = true;
    else if (ARRAY_RESERVE_ZEROED(in->known, in->known_room, (size_t)frame + 1) == 0)
        in->known[frame] = (struct intern_known){sequence, iid};
    return iid;
}

static char *put_size_class(char *at, unsigned class)
{
    uint64_t lowest = class ? UINT64_C(1) << (class - 1) : 0;
    at = put_u64(at, lowest);
    if (class > 1)
        at = put_u64(put_string(at, "-"), lowest + (lowest - 1));
    return put_string(at, class == 1 ? " byte" : " bytes");
}

static char *put_source(char *at, uint64_t source)
{
    const char *word = eh_source_name((uint32_t)source);
    if (word)
        return put_string(at, word);
    return source ? put_u64(put_string(at, "source "), source) : put_string(at, "source unknown");
}

static char *put_label(char *at, enum frame_label label, uint64_t value)
{
    switch (label) {
    case FRAME_HEAP:
        return put_hex(put_string(at, "Heap "), value);
    case FRAME_HEAP_NO_STACKS:
        return put_string(put_hex(put_string(at, "Heap "), value), " (no stacks)");
    case FRAME_NO_STACK:
        return put_string(at, "[no stack]");
    case FRAME_LEFT_OUT:
        return put_string(at, "[left out]");
    case FRAME_SOURCE:
        return put_source(at, value);
    case FRAME_SIZE_CLASS:
        return put_size_class(at, (unsigned)value);
    }
    return at;
}

uint32_t intern_label(struct intern *in, uint32_t sequence, enum frame_label label, uint64_t value)
{
    switch_to(in, sequence);
    uint32_t mapping = mapping_of(in, sequence, 0);
    uint32_t *iid = mapping ? frame_slot(in, mapping, label, value) : NULL;
    if (!iid || *iid)
        return iid ? *iid : 0;
    *iid = ++in->last_frame;
    char name[128];
    char *end = put_label(name, label, value);
    define_frame(in, *iid, &(struct frame){mapping, 0, name, (size_t)(end - name)});
    return *iid;
}

uint32_t intern_left_out(struct intern *in, uint32_t sequence)
{
    if (in->defined_bytes < LIMIT_INTERNED_BYTES)
        return 0;
    in->left_out = true;
    return intern_label(in, sequence, FRAME_LEFT_OUT, 0);
}

void intern_callstack(struct intern *in, uint32_t sequence, uint32_t iid, const uint32_t *frames,
                      size_t count)
{
    switch_to(in, sequence);
    char entry[(LIMIT_STACK_FRAMES + 8) * 6];
    if (count > LIMIT_STACK_FRAMES + 4)
        count = LIMIT_STACK_FRAMES + 4;
    char *end = put_field(entry, IID, iid);
    for (size_t i = 0; i < count; i++)
        end = put_field(end, CALLSTACK_FRAMES, frames[i]);
    add_entry(in, CALLSTACKS, entry, (size_t)(end - entry));
}

void intern_restart(struct intern *in)
{
    map_finish(&in->images);
    map_finish(&in->contents);
    map_finish(&in->frames);
    in->images = in->contents = in->frames = (struct map){0};
    in->last_mapping = in->last_frame = 0;
    in->defined_bytes = 0;
    if (in->known)
        memset(in->known, 0, in->known_room * sizeof *in->known);
}

uint64_t intern_waiting(const struct intern *in)
{
    uint64_t bytes = 2 * ENTRY_BYTES;
    for (int i = 0; i < INTERN_PARTS; i++)
        bytes += in->part[i].length;
    return bytes;
}

/* Entries: name, frame, and of the mapping path, build id and itself. */
uint64_t intern_frame_bytes(const struct intern *in, uint32_t frame)
{
    const struct eh_model *m = in->trace->model;
    const struct eh_image *i = eh_model_image(m, eh_model_frame(m, frame)->image);
    return 5 * ENTRY_BYTES + (i->file_name ? strlen(i->file_name) : 0) +
           (i->path ? strlen(i->path) : 0);
}

void intern_finish(struct intern *in)
{
    map_finish(&in->images);
    map_finish(&in->contents);
    map_finish(&in->frames);
    free(in->known);
    free(in->image_of);
    for (int i = 0; i < INTERN_PARTS; i++)
        free(in->part[i].bytes);
}
