/* The instants of a Chrome trace: allocs, frees and reallocs one by one, each on its thread.
 *
 *   {"ph":"i","s":"t","pid":2100,"tid":8,"ts":3.250,"name":"free","args":{"heap":"0x1f0000",...}} */
#ifndef ETLHEAP_CONVERTERS_CHROME_INSTANTS_H
#define ETLHEAP_CONVERTERS_CHROME_INSTANTS_H

#include "chrome_lines.h"
#include "chrome_stacks.h"

#include "model/event.h"
#include "model/model.h"

#define CHROME_THREADS 256
#define CHROME_HEAPS   64
#define CHROME_SOURCES 8

/* From a line's beginning to the time. */
struct chrome_thread {
    uint32_t process, thread_id;
    struct chrome_piece start; /* length 0: unused */
};

/* From the time to the address, for each kind; and what the next address begins with. */
struct chrome_heap {
    uint64_t heap_index; /* 0: unused */
    struct chrome_piece what[EH_REALLOC + 1];
    struct text_high address;
};

/* Small caches of what repeats from line to line; an entry is checked before it is used. */
struct chrome_instants {
    struct chrome_lines *lines;
    const struct eh_model *model;
    struct chrome_stacks *stacks;
    struct chrome_thread threads[CHROME_THREADS];
    struct chrome_heap heaps[CHROME_HEAPS];
    struct chrome_piece sources[CHROME_SOURCES];
};

/* On zeroed memory. The pointers are kept. */
void chrome_instants_init(struct chrome_instants *i, struct chrome_lines *lines,
                          const struct eh_model *model, struct chrome_stacks *stacks);

/* Room for one usual instant, with its comma and newline before it. */
#define CHROME_INSTANT_BYTES 512

/* Whether chrome_put_instant() can write the row, which has a heap: most of them. */
static inline bool chrome_is_usual(const struct eh_event *row)
{
    return row->flags & EH_HAS_ADDRESS && !row->stack && row->source < CHROME_SOURCES;
}

/* Writes a usual instant at `at` and returns its end. */
char *chrome_put_instant(struct chrome_instants *i, char *at, const struct eh_event *row);

/* Writes any instant to the sink. 0, or -1 when memory ran out. */
int chrome_write_instant(struct chrome_instants *i, const struct eh_event *row);

#endif
