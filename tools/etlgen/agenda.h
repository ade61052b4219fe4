/* What is still to come in a trace being generated: frees, stack records, the next alloc of a call
 * site, taken in order of time; items due at the same time in the order they were added. */
#ifndef ETLHEAP_TOOLS_AGENDA_H
#define ETLHEAP_TOOLS_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agenda_item {
    int64_t due;    /* raw time */
    uint64_t order; /* set by agenda_add() */
    int64_t about;  /* raw time of the event it follows */
    uint32_t what;  /* the generator's own enumeration */
    uint32_t id;    /* block, site, stack: depends on what */
    uint32_t pid, tid;
    uint32_t cpu;
    uint32_t extra;
};

struct agenda {
    struct agenda_item *items; /* binary heap, earliest first */
    size_t count, capacity;
    uint64_t added;
};

/* False when memory ran out: the item is lost. */
bool agenda_add(struct agenda *a, struct agenda_item item);
/* The earliest item; NULL when empty. Valid until the next call. */
const struct agenda_item *agenda_first(const struct agenda *a);
/* Takes the earliest item; the agenda must not be empty. */
struct agenda_item agenda_take(struct agenda *a);
void agenda_finish(struct agenda *a);

#endif
