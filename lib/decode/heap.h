/* Heap records into rows: payloads of hook group 0x10 in all versions and both pointer sizes.
 * decode/FORMAT.md C.2, size rules of semantics 2 "Records" and 5. */
#ifndef ETLHEAP_DECODE_HEAP_H
#define ETLHEAP_DECODE_HEAP_H

#include "container/etl_record.h"
#include "model/event.h"

#include <string.h>

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

/* Bytes from such a record to the next, and the most there are of them. */
#define HEAP_BYTES(pointers, pointer_size) \
    REC_STEP(SYSTEM_BYTES + HEAP_PAYLOAD_BYTES(pointers, pointer_size))
#define HEAP_LONGEST_BYTES HEAP_BYTES(5, 8)

/* Eight bytes of a row, cpu to hook, that are written at once. Processor and kind each give some,
 * and zeros for the rest: all together are the bits of both. */
union heap_head {
    struct {
        uint16_t cpu, flags;
        uint8_t kind, reason;
        uint16_t hook;
    } part;
    uint64_t all;
};

/* Where the fields of such a record are, from its first byte on. One way through the code for all:
 * which kind comes next cannot be guessed. */
struct heap_layout {
    _Alignas(64) uint64_t word; /* REC_WORD() of the records; one shift finds an entry of 64 */
    uint64_t pointer_mask;
    uint64_t size_mask; /* 0: there is no size */
    union heap_head head;
    uint8_t step; /* bytes to the next record */
    uint8_t address, size, source;
    bool has_old;
    uint8_t old_address, old_size;
};

#define HEAP_LAYOUTS 16

/* By the record's size, which is another for each. */
extern const struct heap_layout heap_layouts[HEAP_LAYOUTS];

/* The layout of such a record, if this is one: its word must still be compared. */
static inline const struct heap_layout *heap_layout_like(uint64_t word)
{
    return &heap_layouts[(word >> 18) % HEAP_LAYOUTS];
}

/* Whether a record is one of those, by its REC_WORD(). */
static inline bool heap_is_common(uint64_t word)
{
    return heap_layout_like(word)->word == word;
}

/* The same, with its layout: NULL for others. */
static inline const struct heap_layout *heap_layout_of(uint64_t word)
{
    const struct heap_layout *layout = heap_layout_like(word);
    return layout->word == word ? layout : NULL;
}

/* Decodes such a record in place. `place` is what the row has of its processor. Sets all that
 * heap_decode() sets, cpu, reason, and the row's second half, so that these need not be cleared
 * before. */
static inline void heap_decode_common(const struct heap_layout *layout, const uint8_t *record,
                                      const union heap_head *place, struct eh_event *row)
{
    const uint64_t head = layout->head.all | place->all, mask = layout->pointer_mask;
    memset(&row->old_address, 0, sizeof *row - offsetof(struct eh_event, old_address));
    memcpy((char *)row + offsetof(struct eh_event, cpu), &head, sizeof head);
    row->heap = load_u64(record + SYSTEM_BYTES) & mask;
    row->address = load_u64(record + layout->address) & mask;
    row->size = load_u64(record + layout->size) & layout->size_mask;
    row->source = load_u32(record + layout->source);
    if (layout->has_old) {
        row->old_address = load_u64(record + layout->old_address) & mask;
        row->old_size = load_u64(record + layout->old_size) & mask;
    }
}

/* Fills kind, hook, and the payload's fields of `row` (zeroed by the caller) with their EH_HAS_
 * flags. `type` is the record's type within the group; `exact` accepts exact sizes only, as for
 * records that carry the heap GUID. */
enum heap_fit heap_decode(const struct record *r, unsigned type, bool exact, struct eh_event *row,
                          struct heap_extra *ret_extra);

/* The kind of a type, EH_UNKNOWN for others. */
enum eh_kind heap_kind(unsigned type);

#endif
