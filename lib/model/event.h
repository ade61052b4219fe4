/* The row: one heap event, or one change of the live state that has no event of its own.
 *
 * Rows are a complete journal of the live state: whoever adds up the rows with EH_ADDED,
 * EH_REMOVED and EH_RESIZED has every live sum, every table and every profile, without asking
 * the tracker. Decoding produces rows, writers consume them; neither sees the other. */
#ifndef ETLHEAP_MODEL_EVENT_H
#define ETLHEAP_MODEL_EVENT_H

#include <stddef.h>
#include <stdint.h>

/* In the order of decode/FORMAT.md C.2, then the kinds that are no records. */
enum eh_kind {
    EH_ALLOC,
    EH_FREE,
    EH_REALLOC,
    EH_CREATE,
    EH_DESTROY,
    EH_EXTEND,
    EH_CONTRACT,
    EH_SNAPSHOT,
    EH_COMMIT,
    EH_DECOMMIT,
    EH_SUBSEGMENT_ALLOC,
    EH_SUBSEGMENT_FREE,
    EH_SUBSEGMENT_ALLOC_CACHE,
    EH_SUBSEGMENT_FREE_CACHE,
    EH_SUBSEGMENT_INIT,
    EH_AFFINITY_ENABLE,
    EH_SUBSEGMENT_ACTIVATED,
    EH_AFFINITY_ASSIGN,
    EH_REUSE_THRESHOLD_ACTIVATED,
    EH_LOCK,
    EH_UNLOCK,
    EH_VALIDATE,
    EH_WALK,
    EH_UNKNOWN, /* any other type of hook group 0x10: eh_event.hook says which */

    EH_HEAP_KINDS, /* kinds below are heap records: one row each in the events table */

    EH_DROP = EH_HEAP_KINDS, /* a block ceased to be live without a free record: eh_event.reason */
    EH_PROCESS_END,          /* a process instance ended; its drops stand before it */
    EH_OUTSTANDING,          /* a block that is live at the end: time_ns and thread_id of its birth.
                              * With eh_options.outstanding; by birth, behind all other rows */

    /* Made by filters, never by the reader. */
    EH_ELSEWHERE, /* a change in a heap that is left out: only the process's live figures hold */
    EH_EARLIER,   /* a change before the time that is shown: for sums since the trace's start */
    EH_KINDS
};

enum eh_reason {
    EH_DROP_REPLACED = 1, /* an alloc at its address; EH_DROP stands before that alloc */
    EH_DROP_REALLOC,      /* the old block of a moving realloc whose free was not seen */
    EH_DROP_CREATE,       /* its heap's handle was created anew */
    EH_DROP_DESTROY,      /* its heap was destroyed */
    EH_DROP_PROCESS_END,  /* its process ended, or another took over its pid */
};

/* eh_event.flags */
#define EH_HAS_SIZE     0x0001u /* size is known */
#define EH_HAS_LIFETIME 0x0002u /* lifetime_ns is known (frees) */
#define EH_HAS_HEAP     0x0004u /* heap and the columns after it were in the record */
#define EH_HAS_CPU      0x0008u /* the record's processor is known */
#define EH_HAS_ADDRESS  0x0010u /* address applies to this kind */
#define EH_HAS_SOURCE   0x0020u /* source applies and was in the record */
#define EH_HAS_LIVE     0x0040u /* the live figures are filled in */
#define EH_ADDED        0x0100u /* a block of `size` bytes became live */
#define EH_REMOVED      0x0200u /* a block of `size` bytes ceased to be live */
#define EH_RESIZED      0x0400u /* a block went from `previous_size` to `size` bytes in place */
#define EH_TEMPORARY    0x0800u /* EH_FREE with EH_REMOVED: its process added no block since */
#define EH_REPLACED     0x1000u /* with EH_FREE: the late free of a block that had been replaced */
#define EH_UNTRACKED    0x2000u /* its process found no place (stats.h): no block is added or freed \
                                 */
#define EH_HIDDEN       0x8000u /* a filter keeps this row out of tables and instants */

#define EH_NO_ID UINT32_MAX /* thread_id where the thread is unknown */

/* 128 bytes: what was recorded in the first cache line, what tracking adds in the second. */
struct eh_event {
    int64_t time_ns;       /* since the trace's start, rounded down; may be negative; within
                            * LIMIT_TIME_NS of it, so that differences fit */
    int64_t raw_time;      /* clock value as recorded */
    uint32_t process;      /* process instance: eh_model_process(); 0 is the unknown owner */
    uint32_t heap_index;   /* (process instance, handle): eh_model_heap(); 0 without EH_HAS_HEAP, or
                            * where the process or the heap found no place (stats.h) */
    uint32_t thread_id;    /* EH_NO_ID when unknown */
    uint32_t stack;        /* stack id from 1 in order of first use, 0 without */
    uint16_t cpu;          /* with EH_HAS_CPU */
    uint16_t flags;        /* EH_HAS_..., EH_ADDED, ... */
    uint8_t kind;          /* enum eh_kind */
    uint8_t reason;        /* enum eh_reason, EH_DROP only */
    uint16_t hook;         /* hook id of the record, 0x10hh */
    uint64_t heap;         /* handle */
    uint64_t address;      /* semantics 4, column address */
    union {
        uint64_t size;       /* bytes, semantics 4, column size_bytes; EH_DROP: of the block */
        uint32_t heap_flags; /* EH_CREATE with EH_HAS_HEAP: of HeapCreate, as logged */
    };

    uint64_t old_address;  /* realloc, as logged */
    uint64_t old_size;     /* realloc, as logged, bytes */
    union {
        int64_t lifetime_ns;    /* with EH_HAS_LIFETIME; EH_DROP: age of the block */
        uint64_t previous_size; /* with EH_RESIZED, bytes */
    };
    uint64_t heap_live_bytes;    /* of (process instance, heap), after this row */
    uint64_t process_live_bytes; /* of the process instance, after this row */
    uint32_t heap_live_blocks;
    uint32_t process_live_blocks;
    uint32_t source;      /* decode/FORMAT.md C.2.2 */
    uint32_t thread;      /* thread instance: eh_model_thread(); 0 when not known */
    uint32_t block_stack; /* stack id of the event that added the block this row changes */
    uint32_t block_source; /* source (decode/FORMAT.md C.2.2) of that event; 0 when not known */
};

#ifndef __cplusplus
_Static_assert(sizeof(struct eh_event) == 128, "a row is two cache lines");
#endif

/* Rows in one batch at most. */
#define EH_BATCH_ROWS 1024

/* The kind's name as in the events table: "alloc", "subsegment_free", ...; "unknown" for
 * EH_UNKNOWN. NULL for kinds that are no heap records. Static memory. */
const char *eh_kind_name(enum eh_kind kind);

/* The word for a source value (decode/FORMAT.md C.2.2), or NULL where only the number says it. */
const char *eh_source_name(uint32_t source);

#endif
