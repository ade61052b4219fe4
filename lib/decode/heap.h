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
    HEAP_MISFIT, /* the kind is known, the payload fits none of its layouts: header fields only */
};

struct heap_extra {
    uint32_t process_id; /* named by the payload (snapshot v2 and later) */
    bool has_process_id;
};

/* The three records that make up nearly every trace, in the layout nearly all of them have: the
 * payload of an alloc, free or realloc whose size is just that of its own pointer size, by their
 * REC_WORD(). */
#define HEAP_PAYLOAD_BYTES(pointers, pointer_size) ((pointers) * (pointer_size) + 4)
#define HEAP_WORD(type, pointers, pointer_size)                                              \
    REC_WORD((pointer_size) == 8 ? REC_SYSTEM64 : REC_SYSTEM32,                              \
             HEAP_PAYLOAD_BYTES(pointers, pointer_size), HEAP_GROUP << 8 | (type))
#define HEAP_ALLOC_WORD(pointer_size)   HEAP_WORD(0x21, 3, pointer_size)
#define HEAP_FREE_WORD(pointer_size)    HEAP_WORD(0x24, 2, pointer_size)
#define HEAP_REALLOC_WORD(pointer_size) HEAP_WORD(0x22, 5, pointer_size)

/* Bytes from such a record to the next, and the most there are of them. */
#define HEAP_BYTES(pointers, pointer_size) \
    REC_STEP(SYSTEM_BYTES + HEAP_PAYLOAD_BYTES(pointers, pointer_size))
#define HEAP_LONGEST_BYTES HEAP_BYTES(5, 8)

/* Whether a record is one of them, of either pointer size, by its REC_WORD(). Three times the word
 * has three bits that differ in all six: the place in a table where it must stand. */
#define HEAP_PLACE(word) ((word) * 3 >> 19 & 7)
static inline bool heap_is_common(uint64_t word)
{
    static const uint64_t words[8] = {
        [HEAP_PLACE(HEAP_ALLOC_WORD(8))] = HEAP_ALLOC_WORD(8),
        [HEAP_PLACE(HEAP_FREE_WORD(8))] = HEAP_FREE_WORD(8),
        [HEAP_PLACE(HEAP_REALLOC_WORD(8))] = HEAP_REALLOC_WORD(8),
        [HEAP_PLACE(HEAP_ALLOC_WORD(4))] = HEAP_ALLOC_WORD(4),
        [HEAP_PLACE(HEAP_FREE_WORD(4))] = HEAP_FREE_WORD(4),
        [HEAP_PLACE(HEAP_REALLOC_WORD(4))] = HEAP_REALLOC_WORD(4),
    };
    return words[HEAP_PLACE(word)] == word;
}

/* Decodes such a record in place: skips the layout search and the field loop. `pointer_size` is a
 * constant at the call; `flags` are those that the row has besides. EH_KINDS: not one of them,
 * nothing is set; else the kind, with all that heap_decode() sets, size, and reason, so that these
 * need not be cleared before (a realloc's old block does). */
static inline enum eh_kind heap_decode_common(uint64_t word, const uint8_t *payload,
                                              unsigned pointer_size, unsigned flags,
                                              struct eh_event *row)
{
    const unsigned p = pointer_size, has = EH_HAS_HEAP | EH_HAS_ADDRESS | EH_HAS_SOURCE;
#define FIELD(n) (p == 8 ? load_u64(payload + (n) * p) : load_u32(payload + (n) * p))
#define SET_KIND(event_kind, type)                   \
    row->kind = (event_kind);                        \
    row->reason = 0;                                 \
    row->hook = (uint16_t)(HEAP_GROUP << 8 | (type)); \
    row->heap = FIELD(0);                            \
    row->address = FIELD((event_kind) == EH_ALLOC ? 2 : 1)
    if (word == HEAP_ALLOC_WORD(p)) {
        SET_KIND(EH_ALLOC, 0x21);
        row->flags = (uint16_t)(flags | has | EH_HAS_SIZE);
        row->size = FIELD(1);
        row->source = load_u32(payload + 3 * p);
        return EH_ALLOC;
    }
    if (word == HEAP_FREE_WORD(p)) {
        SET_KIND(EH_FREE, 0x24);
        row->flags = (uint16_t)(flags | has);
        row->size = 0;
        row->source = load_u32(payload + 2 * p);
        return EH_FREE;
    }
    if (word == HEAP_REALLOC_WORD(p)) {
        SET_KIND(EH_REALLOC, 0x22);
        row->flags = (uint16_t)(flags | has | EH_HAS_SIZE);
        row->size = FIELD(3);
        row->old_address = FIELD(2);
        row->old_size = FIELD(4);
        row->source = load_u32(payload + 5 * p);
        return EH_REALLOC;
    }
#undef SET_KIND
#undef FIELD
    return EH_KINDS;
}

/* Fills kind, hook, and the payload's fields of `row` (zeroed by the caller) with their EH_HAS_
 * flags. `type` is the record's type within the group; `exact` accepts exact sizes only, as for
 * records that carry the heap GUID. */
enum heap_fit heap_decode(const struct record *r, unsigned type, bool exact, struct eh_event *row,
                          struct heap_extra *ret_extra);

/* The kind of a type, EH_UNKNOWN for others. */
enum eh_kind heap_kind(unsigned type);

#endif
