#include "records.h"

#include "base/bytes.h"
#include "container/etl_layout.h"
#include "rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_BYTES = 1 << 20, MAX_RECORD_BYTES = 65536 };

int trace_open(struct trace *t, const char *path, const struct etl_session *session)
{
    *t = (struct trace){0};
    int status = gen_output_open(&t->output, path, NULL);
    if (status != GEN_OK)
        return status;
    setvbuf(t->output.stream, NULL, _IOFBF, STREAM_BYTES);
    t->nowhere = calloc(1, MAX_RECORD_BYTES);
    t->writer = t->nowhere ? etl_writer_open(t->output.stream, session) : NULL;
    if (t->writer)
        return GEN_OK;
    free(t->nowhere);
    gen_output_close(&t->output, false);
    return gen_fail("out of memory");
}

int trace_close(struct trace *t)
{
    const char *name = t->output.file.name;
    bool written = etl_writer_close(t->writer) == 0;
    int sys = errno;
    free(t->nowhere);
    if (written && !t->failed)
        return gen_output_close(&t->output, true);
    clearerr(t->output.stream); /* told here, with its cause */
    gen_output_close(&t->output, false);
    return written ? gen_fail("out of memory") : gen_fail("%s: %s", name, strerror(sys));
}

static unsigned pointer_size(unsigned kind)
{
    switch (kind) {
    case REC_SYSTEM32:
    case REC_COMPACT32:
    case REC_PERFINFO32:
    case REC_FULL32:
        return 4;
    default:
        return 8;
    }
}

static uint8_t *hook_record(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
                            unsigned version, size_t payload)
{
    uint8_t *at = NULL;
    if (!t->failed)
        at = etl_writer_hook(t->writer, o->cpu, o->kind, version, hook, o->pid, o->tid, raw,
                             payload);
    if (!at)
        t->failed = true;
    t->records++;
    return at ? at : t->nowhere;
}

static uint8_t *perf_record(struct trace *t, unsigned cpu, int64_t raw, unsigned hook,
                            size_t payload)
{
    struct origin o = {.cpu = cpu, .kind = REC_PERFINFO64};
    return hook_record(t, &o, raw, hook, 2, payload);
}

static uint8_t *class_record(struct trace *t, const struct origin *o, int64_t raw,
                             const uint8_t guid[16], unsigned opcode, unsigned version,
                             size_t payload)
{
    unsigned kind = pointer_size(o->kind) == 4 ? REC_FULL32 : REC_FULL64;
    uint8_t *at = NULL;
    if (!t->failed)
        at = etl_writer_full(t->writer, o->cpu, kind, guid, opcode, version, o->pid, o->tid, raw,
                             payload);
    if (!at)
        t->failed = true;
    t->records++;
    return at ? at : t->nowhere;
}

static const uint8_t heap_class[16] = {0xAB, 0x62, 0x29, 0x22, 0x80, 0x61, 0x88, 0x4B,
                                       0xA8, 0x25, 0x34, 0x6B, 0x75, 0xF2, 0xA2, 0x4A};

/* A record of group 0x10, in the form that o->kind asks for. */
static uint8_t *heap_record(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
                            unsigned version, size_t payload)
{
    t->heap_events++;
    if (o->kind == REC_FULL32 || o->kind == REC_FULL64)
        return class_record(t, o, raw, heap_class, hook & 0xFF, version, payload);
    return hook_record(t, o, raw, hook, version, payload);
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

/* Field letters of heap records: h heap, a address, z size, o old address, y old size, X filler,
 * all of pointer size; s source, p pid, x filler of four bytes. Newer versions stand first. */
static const struct heap_layout {
    uint16_t hook;
    uint8_t version;
    char fields[13];
} layouts[] = {
    {HEAP_ALLOC, 2, "hzas"},
    {HEAP_FREE, 2, "has"},
    {HEAP_REALLOC, 2, "haozys"},
    {HEAP_CREATE, 3, "hsXXX"},
    {HEAP_CREATE, 2, "hs"},
    {HEAP_DESTROY, 2, "h"},
    {HEAP_EXTEND, 3, "hzaXXXxX"},
    {HEAP_EXTEND, 2, "hzaXXXx"},
    {HEAP_SNAPSHOT, 3, "hXzXspXxxX"},
    {HEAP_SNAPSHOT, 2, "hXzXspXxx"},
    {HEAP_SNAPSHOT, 1, "hXzXs"},
    {HEAP_CONTRACT, 3, "hzaXXXxX"},
    {HEAP_CONTRACT, 2, "hzaXXXx"},
    {0x102B, 2, "h"},     /* lock */
    {0x102C, 2, "h"},     /* unlock */
    {0x102D, 2, "h"},     /* validate */
    {0x102E, 2, "h"},     /* walk */
    {0x102F, 2, "haXX"},  /* subsegment alloc */
    {0x1030, 2, "haXX"},  /* subsegment free */
    {0x1031, 2, "haXX"},  /* subsegment alloc cache */
    {0x1032, 2, "haXX"},  /* subsegment free cache */
    {HEAP_COMMIT, 2, "hazs"},
    {HEAP_DECOMMIT, 2, "hazs"},
    {0x1035, 2, "haXXs"}, /* subsegment init */
    {0x1036, 2, "hs"},    /* affinity enable */
    {0x1038, 2, "ha"},    /* subsegment activated */
    {0x1039, 2, "has"},   /* affinity assign */
    {0x103A, 2, "has"},   /* reuse threshold activated */
};

size_t heap_layouts(void)
{
    return sizeof layouts / sizeof layouts[0];
}

static size_t layout_bytes(const char *fields, unsigned pointer)
{
    size_t bytes = 0;
    for (; *fields; fields++)
        bytes += *fields == 's' || *fields == 'p' || *fields == 'x' ? 4 : pointer;
    return bytes;
}

static uint8_t *put_field(uint8_t *at, unsigned pointer, char field, const struct heap_call *call)
{
    switch (field) {
    case 'h':
        return put_pointer(at, pointer, call->heap);
    case 'a':
        return put_pointer(at, pointer, call->address);
    case 'z':
        return put_pointer(at, pointer, call->size);
    case 'o':
        return put_pointer(at, pointer, call->old_address);
    case 'y':
        return put_pointer(at, pointer, call->old_size);
    case 'X':
        return put_pointer(at, pointer, call->filler);
    case 's':
        return put_u32(at, call->source);
    case 'p':
        return put_u32(at, call->pid);
    default:
        return put_u32(at, (uint32_t)call->filler);
    }
}

void rec_heap_layout(struct trace *t, const struct origin *o, int64_t raw, size_t layout,
                     const struct heap_call *call)
{
    const struct heap_layout *l = &layouts[layout];
    unsigned pointer = pointer_size(o->kind);
    uint8_t *at = heap_record(t, o, raw, l->hook, l->version, layout_bytes(l->fields, pointer));
    for (const char *field = l->fields; *field; field++)
        at = put_field(at, pointer, *field, call);
}

void rec_heap(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
              const struct heap_call *call)
{
    size_t layout = 0;
    while (layout + 1 < heap_layouts() && layouts[layout].hook != hook)
        layout++;
    rec_heap_layout(t, o, raw, layout, call);
}

void rec_heap_blank(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
                    size_t size)
{
    memset(heap_record(t, o, raw, hook, 2, size), 0, size);
}

/* A user account, S-1-5-21-1-2-3-1001. */
static const uint8_t sid[] = {1,  5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1,    0,
                              0,  0, 2, 0, 0, 0, 3, 0, 0,  0, 0xE9, 3,  0, 0};

static size_t process_bytes(unsigned pointer, unsigned version, const struct process_facts *p)
{
    size_t fixed = pointer + 16 + (version >= 3 ? pointer : 0) + (version >= 4 ? 4 : 0);
    size_t text = strlen(p->name) + 1 + utf16_bytes(p->command_line) + (version >= 4 ? 4 : 0);
    return fixed + 2 * pointer + sizeof sid + text;
}

void rec_process(struct trace *t, const struct origin *o, int64_t raw, unsigned change,
                 unsigned version, const struct process_facts *p)
{
    unsigned pointer = pointer_size(o->kind);
    size_t size = process_bytes(pointer, version, p);
    uint8_t *at = hook_record(t, o, raw, 0x0300 | change, version, size);
    at = put_pointer(at, pointer, p->key);
    at = put_u32(at, p->pid);
    at = put_u32(at, p->parent);
    at = put_u32(at, 1); /* session */
    at = put_u32(at, 0); /* exit status */
    if (version >= 3)
        at = put_pointer(at, pointer, UINT64_C(0x1A2B3000)); /* directory table */
    if (version >= 4)
        at = put_u32(at, 0); /* flags */
    at = put_pointer(at, pointer, UINT64_C(0xFFFFD38412345670)); /* TOKEN_USER */
    at = put_pointer(at, pointer, 0);
    at = put_bytes(at, sid, sizeof sid);
    at = put_bytes(at, p->name, strlen(p->name) + 1);
    at = put_utf16(at, p->command_line);
    if (version >= 4)
        put_utf16(put_utf16(at, ""), ""); /* package and application id */
}

void rec_thread(struct trace *t, const struct origin *o, int64_t raw, unsigned change, uint32_t pid,
                uint32_t tid, const char *name)
{
    unsigned pointer = pointer_size(o->kind);
    size_t size = 16 + 7 * pointer + (name ? utf16_bytes(name) : 0);
    uint8_t *at = hook_record(t, o, raw, 0x0500 | change, name ? 4 : 3, size);
    at = put_u32(put_u32(at, pid), tid);
    for (unsigned i = 0; i < 7; i++) /* stacks, affinity, start address, TEB */
        at = put_pointer(at, pointer, 0);
    at = put_u32(at, 0); /* subprocess tag */
    at = put_u32(at, 0x00020508); /* priorities */
    if (name)
        put_utf16(at, name);
}

void rec_thread_name(struct trace *t, unsigned cpu, int64_t raw, uint32_t pid, uint32_t tid,
                     const char *name)
{
    uint8_t *at = perf_record(t, cpu, raw, 0x0548, 8 + utf16_bytes(name));
    put_utf16(put_u32(put_u32(at, pid), tid), name);
}

void rec_switch(struct trace *t, unsigned cpu, int64_t raw, uint32_t tid, uint32_t old_tid)
{
    uint8_t *at = perf_record(t, cpu, raw, 0x0524, 24);
    memset(at, 0, 24);
    put_u32(put_u32(at, tid), old_tid);
}

void rec_image(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
               const struct image_facts *image)
{
    unsigned pointer = pointer_size(o->kind);
    size_t size = 32 + 3 * pointer + utf16_bytes(image->path);
    uint8_t *at = hook_record(t, o, raw, hook, 3, size);
    at = put_pointer(at, pointer, image->base);
    at = put_pointer(at, pointer, image->size);
    at = put_u32(at, image->pid);
    at = put_u32(at, 0); /* checksum */
    at = put_u32(at, image->time_stamp);
    at = put_u32(at, 0); /* signature */
    at = put_pointer(at, pointer, image->base);
    for (unsigned i = 0; i < 4; i++)
        at = put_u32(at, 0); /* reserved */
    put_utf16(at, image->path);
}

static const uint8_t image_class[16] = {0xD7, 0x75, 0xE6, 0xB3, 0x54, 0x25, 0x18, 0x4F,
                                        0x83, 0x0B, 0x27, 0x62, 0x73, 0x25, 0x60, 0xDE};
static const uint8_t config_class[16] = {0x91, 0xEE, 0x79, 0x9B, 0xFD, 0xB5, 0xC0, 0x41,
                                         0xA2, 0x43, 0x42, 0x48, 0xE2, 0x66, 0xE9, 0xD0};

/* A stable stand-in for the signature a linker draws: FNV-1a of the path, stretched. */
static void made_up_signature(const char *path, uint8_t ret_guid[16])
{
    struct rng rng = {UINT64_C(0xCBF29CE484222325)};
    for (; *path; path++)
        rng.state = (rng.state ^ (uint8_t)*path) * UINT64_C(0x100000001B3);
    store_u64(ret_guid, rng_next(&rng));
    store_u64(ret_guid + 8, rng_next(&rng));
}

void rec_debug_id(struct trace *t, const struct origin *o, int64_t raw,
                  const struct image_facts *image)
{
    enum { OPCODE_RSDS = 36 };
    unsigned pointer = pointer_size(o->kind);
    size_t name = strlen(image->pdb) + 1;
    uint8_t guid[16];
    made_up_signature(image->path, guid);
    uint8_t *at = class_record(t, o, raw, image_class, OPCODE_RSDS, 2, pointer + 24 + name);
    at = put_pointer(at, pointer, image->base);
    at = put_u32(at, image->pid);
    at = put_bytes(at, guid, sizeof guid);
    at = put_u32(at, 1); /* age */
    put_bytes(at, image->pdb, name);
}

void rec_volume(struct trace *t, const struct origin *o, int64_t raw, const char *nt_path,
                const char *dos_path)
{
    enum { OPCODE_VOLUME = 35 };
    size_t size = utf16_bytes(nt_path) + utf16_bytes(dos_path);
    put_utf16(put_utf16(class_record(t, o, raw, config_class, OPCODE_VOLUME, 2, size), nt_path),
              dos_path);
}

static void put_frames(uint8_t *at, const struct frames *frames)
{
    for (size_t i = 0; i < frames->count; i++)
        store_u64(at + 8 * i, frames->address[i]);
}

static uint8_t *put_stack_of(uint8_t *at, const struct stack_of *of)
{
    store_u64(at, (uint64_t)of->raw);
    return put_u32(put_u32(at + 8, of->pid), of->tid);
}

void rec_stack(struct trace *t, unsigned cpu, int64_t raw, const struct stack_of *of,
               const struct frames *frames)
{
    uint8_t *at = perf_record(t, cpu, raw, STACK_WALK, 16 + 8 * frames->count);
    put_frames(put_stack_of(at, of), frames);
}

void rec_stack_reference(struct trace *t, unsigned cpu, int64_t raw, unsigned hook,
                         const struct stack_of *of, uint64_t key)
{
    store_u64(put_stack_of(perf_record(t, cpu, raw, hook, 24), of), key);
}

void rec_stack_definition(struct trace *t, unsigned cpu, int64_t raw, unsigned hook, uint64_t key,
                          const struct frames *frames)
{
    uint8_t *at = perf_record(t, cpu, raw, hook, 8 + 8 * frames->count);
    store_u64(at, key);
    put_frames(at + 8, frames);
}
