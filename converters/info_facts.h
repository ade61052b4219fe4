/* What etlinfo knows of a trace once it was read: the census by role, and sums over the rows. */
#ifndef ETLHEAP_CONVERTERS_INFO_FACTS_H
#define ETLHEAP_CONVERTERS_INFO_FACTS_H

#include "model/census.h"
#include "model/info.h"
#include "model/model.h"
#include "model/stats.h"

#define INFO_SOURCES 8 /* 0 to 6 as they are, 7 and above together */

enum info_call { INFO_ALLOC, INFO_FREE, INFO_REALLOC, INFO_CALLS };

struct info_heap {
    uint64_t events;
    uint64_t live_bytes, peak_bytes; /* live ones are the outstanding ones at the end */
    uint32_t live_blocks;
    int64_t changed_ns; /* time of the last change of its live figures */
};

struct info_process {
    uint64_t events;
    uint64_t with_stack;
};

/* What became of reallocs (semantics 2), and other things that documents leave in doubt. */
struct info_doubts {
    uint64_t reallocs_in_place; /* new and old address agree */
    uint64_t reallocs_moving;
    uint64_t reallocs_to_nowhere; /* new address 0 */
    uint64_t reallocs_that_add;   /* no alloc was logged for the new block */
    uint64_t reallocs_that_drop;  /* no free was logged for the old one */
    uint64_t frees_of_nowhere;    /* address 0 */
    uint64_t late_frees;          /* of a block that had been replaced, at most 1 ms before */
    uint64_t sources[INFO_CALLS][INFO_SOURCES];
    uint64_t with_stack[EH_HEAP_KINDS];
};

struct info_facts {
    const struct eh_info *info;
    const struct eh_model *model;
    const struct eh_census *census;
    const struct eh_stats *stats;  /* NULL where only a sample was read */
    const struct eh_stats *losses; /* the same, of which only what was lost is looked at; never NULL */

    uint64_t by_role[EH_ROLES];
    uint64_t heap_snapshots, perfview; /* records of these providers */
    uint64_t heap_ranges;
    uint64_t manifest_heap_records; /* the heap GUID in EVENT_HEADER records */
    uint64_t narrow_heap_records;   /* heap records with a 32-bit header in a 64-bit session */
    uint64_t events_lost, buffers_lost;
    uint64_t buffers_missing; /* of those that headers name; of files with a single session */
    bool merged, running, circular, system_session, clock_assumed, one_boot;

    struct info_heap *heaps; /* by heap */
    size_t heap_room;
    struct info_process *processes; /* by process instance */
    size_t process_room;
    struct info_doubts doubts;
    uint64_t rows;      /* heap events */
    uint64_t changes;   /* of the live figures of heaps; those of one moment count once */
    uint64_t csv_bytes; /* of the events table, about */
};

/* What the census says; `model` and `census` are set. */
void info_take_census(struct info_facts *f);

/* Adds rows up: 0, or -1 without memory. */
int info_take_rows(struct info_facts *f, const struct eh_event *rows, size_t count);

void info_finish(struct info_facts *f);

/* Heap events of either form, as the census has them: also in a sample. */
uint64_t info_heap_records(const struct info_facts *f);

/* Images with a PDB identity. */
size_t info_images_with_pdb(const struct eh_model *model);

/* Whether a figure stands for all of the trace. */
static inline bool info_is_whole(const struct info_facts *f)
{
    return f->census->extent == EH_CENSUS_WHOLE;
}

/* Files that recordings of the kernel leave tell of processes or images. */
static inline bool info_has_context(const struct info_facts *f)
{
    return f->by_role[EH_ROLE_PROCESS] || f->by_role[EH_ROLE_IMAGE];
}

#endif
