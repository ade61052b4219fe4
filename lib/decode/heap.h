/* Heap records into rows: payloads of hook group 0x10 in all versions and both pointer sizes.
 * heap-events C.2, size rules of contract 2 "Records" and 5. */
#ifndef ETLHEAP_DECODE_HEAP_H
#define ETLHEAP_DECODE_HEAP_H

#include "container/etl_record.h"
#include "model/event.h"

enum heap_fit {
    HEAP_FITS,
    HEAP_UNKNOWN_TYPE, /* a type of the group that nobody documents: a row of its own kind */
    HEAP_MISFIT,       /* the kind is known, the payload fits none of its layouts: header fields only */
};

struct heap_extra {
    uint32_t process_id; /* named by the payload (snapshot v2 and later) */
    bool has_process_id;
};

/* Fills kind, hook, and the payload's fields of `row` (zeroed by the caller) with their EH_HAS_
 * flags. `type` is the record's type within the group; `exact` accepts exact sizes only, as for
 * records that carry the heap GUID. */
enum heap_fit heap_decode(const struct record *r, unsigned type, bool exact, struct eh_event *row,
                          struct heap_extra *ret_extra);

/* The kind of a type, EH_UNKNOWN for others. */
enum eh_kind heap_kind(unsigned type);

#endif
