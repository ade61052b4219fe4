/* A hash table from two 64-bit numbers to a 32-bit id; ids are never 0 and never removed. */
#ifndef ETLHEAP_BASE_MAP_H
#define ETLHEAP_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t a, b;
    uint32_t id; /* 0: empty */
};

/* Zeroed is an empty map. */
struct map {
    struct map_slot *slots;
    size_t mask; /* slots - 1 */
    size_t count;
    uint64_t salt; /* of the hash */
};

/* The id under (a, b), 0 when there is none. */
uint32_t map_get(const struct map *m, uint64_t a, uint64_t b);

/* The place of the id under (a, b), where 0 is none yet: to be set before the map is used again.
 * NULL without memory. */
uint32_t *map_id(struct map *m, uint64_t a, uint64_t b);

/* Sets the id (not 0) under (a, b), new or not. 0, or -1 without memory. */
int map_set(struct map *m, uint64_t a, uint64_t b, uint32_t id);

void map_finish(struct map *m);

#endif
