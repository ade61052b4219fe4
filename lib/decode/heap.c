#include "decode/heap.h"

#include "base/bytes.h"

#include <string.h>

/* What a payload field becomes. Layouts are strings of these; upper case is pointer-sized, lower
 * case is a u32. Everything is packed, so that a layout is all there is to know. */
enum field {
    F_HANDLE = 'H',
    F_ADDRESS = 'A',
    F_SIZE = 'S',
    F_OLD_ADDRESS = 'O',
    F_OLD_SIZE = 'Q',
    F_SKIP = 'P',
    F_SOURCE = 's',
    F_HEAP_FLAGS = 'f',
    F_PROCESS = 'p',
    F_SKIP_32 = 'x',
};

#define VERSIONS 3

struct kind_layout {
    uint8_t kind;
    const char *layouts[VERSIONS]; /* shortest first, each an extension of the one before */
};

#define FIRST_TYPE 0x20
#define LAST_TYPE  0x3A

/* decode/FORMAT.md C.2, row by row. EXTEND and CONTRACT report their first size and Address,
 * SNAPSHOT its committed bytes, COMMIT and DECOMMIT Block and Size (semantics 4). */
static const struct kind_layout by_type[LAST_TYPE - FIRST_TYPE + 1] = {
    [0x20 - FIRST_TYPE] = {EH_CREATE, {"Hf", "HfPPP"}},
    [0x21 - FIRST_TYPE] = {EH_ALLOC, {"HSAs"}},
    [0x22 - FIRST_TYPE] = {EH_REALLOC, {"HAOSQs"}},
    [0x23 - FIRST_TYPE] = {EH_DESTROY, {"H"}},
    [0x24 - FIRST_TYPE] = {EH_FREE, {"HAs"}},
    [0x25 - FIRST_TYPE] = {EH_EXTEND, {"HSAPPPx", "HSAPPPxP"}},
    [0x26 - FIRST_TYPE] = {EH_SNAPSHOT, {"HPSPx", "HPSPxpPxx", "HPSPxpPxxP"}},
    [0x2A - FIRST_TYPE] = {EH_CONTRACT, {"HSAPPPx", "HSAPPPxP"}},
    [0x2B - FIRST_TYPE] = {EH_LOCK, {"H"}},
    [0x2C - FIRST_TYPE] = {EH_UNLOCK, {"H"}},
    [0x2D - FIRST_TYPE] = {EH_VALIDATE, {"H"}},
    [0x2E - FIRST_TYPE] = {EH_WALK, {"H"}},
    [0x2F - FIRST_TYPE] = {EH_SUBSEGMENT_ALLOC, {"HPPP"}},
    [0x30 - FIRST_TYPE] = {EH_SUBSEGMENT_FREE, {"HPPP"}},
    [0x31 - FIRST_TYPE] = {EH_SUBSEGMENT_ALLOC_CACHE, {"HPPP"}},
    [0x32 - FIRST_TYPE] = {EH_SUBSEGMENT_FREE_CACHE, {"HPPP"}},
    [0x33 - FIRST_TYPE] = {EH_COMMIT, {"HASx"}},
    [0x34 - FIRST_TYPE] = {EH_DECOMMIT, {"HASx"}},
    [0x35 - FIRST_TYPE] = {EH_SUBSEGMENT_INIT, {"HPPPx"}},
    [0x36 - FIRST_TYPE] = {EH_AFFINITY_ENABLE, {"Hx"}},
    [0x38 - FIRST_TYPE] = {EH_SUBSEGMENT_ACTIVATED, {"HP"}},
    [0x39 - FIRST_TYPE] = {EH_AFFINITY_ASSIGN, {"HPx"}},
    [0x3A - FIRST_TYPE] = {EH_REUSE_THRESHOLD_ACTIVATED, {"HPx"}},
};

static const struct kind_layout *layout_of(unsigned type)
{
    if (type < FIRST_TYPE || type > LAST_TYPE || !by_type[type - FIRST_TYPE].layouts[0])
        return NULL;
    return &by_type[type - FIRST_TYPE];
}

enum eh_kind heap_kind(unsigned type)
{
    const struct kind_layout *k = layout_of(type);
    return k ? (enum eh_kind)k->kind : EH_UNKNOWN;
}

_Static_assert(offsetof(struct eh_event, flags) == offsetof(struct eh_event, cpu) + 2 &&
                   offsetof(struct eh_event, kind) == offsetof(struct eh_event, cpu) + 4 &&
                   offsetof(struct eh_event, reason) == offsetof(struct eh_event, cpu) + 5 &&
                   offsetof(struct eh_event, hook) == offsetof(struct eh_event, cpu) + 6,
               "union heap_head lies as in a row");

#define COMMON_FLAGS (EH_HAS_HEAP | EH_HAS_ADDRESS | EH_HAS_SOURCE)

/* Fields as they stand in by_type, as numbers from 0; `old`: with an old
 * address and size. */
#define COMMON(event_kind, type, pointers, p, address_field, has_size, size_field, old)           \
    [(SYSTEM_BYTES + HEAP_PAYLOAD_BYTES(pointers, p)) / 4 % HEAP_LAYOUTS] = {                     \
        .word = HEAP_WORD(type, pointers, p),                                                     \
        .pointer_mask = UINT64_MAX >> (64 - 8 * (p)),                                             \
        .size_mask = (has_size) ? UINT64_MAX >> (64 - 8 * (p)) : 0,                               \
        .head.part = {.flags = COMMON_FLAGS | ((has_size) ? EH_HAS_SIZE : 0),                     \
                      .kind = (event_kind), .hook = HEAP_GROUP << 8 | (type)},                    \
        .step = HEAP_BYTES(pointers, p),                                                          \
        .address = SYSTEM_BYTES + (address_field) * (p),                                          \
        .size = SYSTEM_BYTES + (size_field) * (p),                                                \
        .source = SYSTEM_BYTES + (pointers) * (p),                                                \
        .has_old = (old),                                                                         \
        .old_address = SYSTEM_BYTES + 2 * (p),                                                    \
        .old_size = SYSTEM_BYTES + 4 * (p),                                                       \
    }

const struct heap_layout heap_layouts[HEAP_LAYOUTS] = {
    [0] = {.word = UINT64_MAX}, /* else 0, no record, would be like it */
    COMMON(EH_ALLOC, 0x21, 3, 8, 2, true, 1, false),
    COMMON(EH_ALLOC, 0x21, 3, 4, 2, true, 1, false),
    COMMON(EH_FREE, 0x24, 2, 8, 1, false, 0, false),
    COMMON(EH_FREE, 0x24, 2, 4, 1, false, 0, false),
    COMMON(EH_REALLOC, 0x22, 5, 8, 1, true, 3, true),
    COMMON(EH_REALLOC, 0x22, 5, 4, 1, true, 3, true),
};

static bool is_u32(char field)
{
    return field >= 'a';
}

static uint32_t layout_bytes(const char *layout, unsigned pointer_size)
{
    uint32_t n = 0;
    for (; *layout; layout++)
        n += is_u32(*layout) ? 4 : pointer_size;
    return n;
}

static const char *exact_layout(const struct kind_layout *k, unsigned pointer_size, uint32_t bytes)
{
    for (int v = 0; v < VERSIONS && k->layouts[v]; v++)
        if (layout_bytes(k->layouts[v], pointer_size) == bytes)
            return k->layouts[v];
    return NULL;
}

/* The longest layout that the payload covers: newer versions append fields. */
static const char *covered_layout(const struct kind_layout *k, unsigned pointer_size,
                                  uint32_t bytes)
{
    const char *found = NULL;
    for (int v = 0; v < VERSIONS && k->layouts[v]; v++)
        if (layout_bytes(k->layouts[v], pointer_size) < bytes)
            found = k->layouts[v];
    return found;
}

/* Own pointer size exactly, the other exactly, then longer than its own (semantics 2). */
static const char *choose_layout(const struct kind_layout *k, const struct record *r, bool exact,
                                 unsigned *ret_pointer_size)
{
    unsigned own = r->pointer_size;
    *ret_pointer_size = own;
    const char *layout = exact_layout(k, own, r->payload_size);
    if (layout)
        return layout;
    *ret_pointer_size = 12 - own;
    layout = exact_layout(k, 12 - own, r->payload_size);
    if (layout || exact)
        return layout;
    *ret_pointer_size = own;
    return covered_layout(k, own, r->payload_size);
}

static void decode_fields(const uint8_t *p, const char *layout, unsigned pointer_size,
                          struct eh_event *row, struct heap_extra *extra)
{
    for (; *layout; layout++) {
        uint64_t value = is_u32(*layout) || pointer_size == 4 ? load_u32(p) : load_u64(p);
        p += is_u32(*layout) ? 4 : pointer_size;
        switch ((enum field)*layout) {
        case F_HANDLE:
            row->heap = value;
            break;
        case F_ADDRESS:
            row->address = value;
            row->flags |= EH_HAS_ADDRESS;
            break;
        case F_SIZE:
            row->size = value;
            row->flags |= EH_HAS_SIZE;
            break;
        case F_OLD_ADDRESS:
            row->old_address = value;
            break;
        case F_OLD_SIZE:
            row->old_size = value;
            break;
        case F_SOURCE:
            row->source = (uint32_t)value;
            row->flags |= EH_HAS_SOURCE;
            break;
        case F_HEAP_FLAGS:
            row->heap_flags = (uint32_t)value;
            break;
        case F_PROCESS:
            *extra = (struct heap_extra){(uint32_t)value, true};
            break;
        case F_SKIP:
        case F_SKIP_32:
            break;
        }
    }
}

enum heap_fit heap_decode(const struct record *r, unsigned type, bool exact, struct eh_event *row,
                          struct heap_extra *ret_extra)
{
    *ret_extra = (struct heap_extra){0};
    row->hook = (uint16_t)(HEAP_GROUP << 8 | type);
    const struct kind_layout *k = layout_of(type);
    row->kind = (uint8_t)heap_kind(type);
    if (!k)
        return HEAP_UNKNOWN_TYPE;
    unsigned pointer_size;
    const char *layout = choose_layout(k, r, exact, &pointer_size);
    if (!layout)
        return HEAP_MISFIT;
    decode_fields(r->payload, layout, pointer_size, row, ret_extra);
    row->flags |= EH_HAS_HEAP;
    return HEAP_FITS;
}
