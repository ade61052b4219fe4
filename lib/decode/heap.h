/* Heap records into rows: payloads of hook group 0x10 in all versions and both pointer sizes.
 * decode/FORMAT.md C.2, size rules of semantics 2 "Records" and 5. */
#ifndef ETLHEAP_DECODE_HEAP_H
#define ETLHEAP_DECODE_HEAP_H

#include "container/etl_record.h"
#include "model/event.h"

#define HEAP_GROUP 0x10

enum heap_fit {
    HEAP_FITS,
    HEAP_UNKNOWN_TYPE, /* a type of the group that nobody documents: a row of its own kind */
    HEAP_MISFIT,       /* the kind is known, the payload fits none of its layouts: header fields only */
};

struct heap_extra {
    uint32_t process_id; /* named by the payload (snapshot v2 and later) */
    bool has_process_id;
};

/* The three records that make up nearly every trace, in the layout nearly all of them have: the
 * payload of an alloc, free or realloc whose size is just that of its own pointer size (4 or 8, a
 * constant at the call), decoded in place. Worth it: skips the layout search and the field loop.
 * False: not one of them, nothing is set. */
static inline bool heap_decode_common(const uint8_t *payload, uint32_t length, unsigned type,
                                      unsigned pointer_size, struct eh_event *row)
{
    const unsigned p = pointer_size;
#define FIELD(n) (p == 8 ? load_u64(payload + (n) * p) : load_u32(payload + (n) * p))
    if (type == 0x21 && length == 3 * p + 4) {
        row->kind = EH_ALLOC;
        row->size = FIELD(1);
        row->address = FIELD(2);
        row->source = load_u32(payload + 3 * p);
        row->flags |= EH_HAS_HEAP | EH_HAS_SIZE | EH_HAS_ADDRESS | EH_HAS_SOURCE;
    } else if (type == 0x24 && length == 2 * p + 4) {
        row->kind = EH_FREE;
        row->address = FIELD(1);
        row->source = load_u32(payload + 2 * p);
        row->flags |= EH_HAS_HEAP | EH_HAS_ADDRESS | EH_HAS_SOURCE;
    } else if (type == 0x22 && length == 5 * p + 4) {
        row->kind = EH_REALLOC;
        row->address = FIELD(1);
        row->old_address = FIELD(2);
        row->size = FIELD(3);
        row->old_size = FIELD(4);
        row->source = load_u32(payload + 5 * p);
        row->flags |= EH_HAS_HEAP | EH_HAS_SIZE | EH_HAS_ADDRESS | EH_HAS_SOURCE;
    } else {
        return false;
    }
    row->heap = FIELD(0);
#undef FIELD
    row->hook = (uint16_t)(HEAP_GROUP << 8 | type);
    return true;
}

/* Fills kind, hook, and the payload's fields of `row` (zeroed by the caller) with their EH_HAS_
 * flags. `type` is the record's type within the group; `exact` accepts exact sizes only, as for
 * records that carry the heap GUID. */
enum heap_fit heap_decode(const struct record *r, unsigned type, bool exact, struct eh_event *row,
                          struct heap_extra *ret_extra);

/* The kind of a type, EH_UNKNOWN for others. */
enum eh_kind heap_kind(unsigned type);

#endif
