/* A table from pairs of numbers to small ids, for what a writer tells apart by two things: a heap
 * by process and handle, a frame by itself and its caller. Entries are never removed. */
#ifndef ETLHEAP_CONVERTERS_PAIR_MAP_H
#define ETLHEAP_CONVERTERS_PAIR_MAP_H

#include <stddef.h>
#include <stdint.h>

struct pair_entry;

/* Zeroed is an empty table. */
struct pair_map {
    struct pair_entry *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t count;
};

/* The id of (a, b), which the caller sets. A new pair has the id 0, so real ids start at 1.
 * Valid until the next call; NULL when memory ran out. */
uint32_t *pair_map_id(struct pair_map *m, uint64_t a, uint32_t b);

/* Frees the slots; the table is empty again. */
void pair_map_finish(struct pair_map *m);

#endif
