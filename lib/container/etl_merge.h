/* A priority queue over streams: who is next in the order of semantics 2. Key first, then the
 * stream's index, which is the order of input, session and processor. */
#ifndef ETLHEAP_CONTAINER_ETL_MERGE_H
#define ETLHEAP_CONTAINER_ETL_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_entry {
    int64_t key;
    uint32_t stream;
};

/* entries[0] is the lowest: a binary heap in caller-visible fields, memory by merge_init. */
struct merge {
    struct merge_entry *entries;
    size_t count;
};

static inline bool merge_before(struct merge_entry a, struct merge_entry b)
{
    return a.key < b.key || (a.key == b.key && a.stream < b.stream);
}

/* Room for `streams` entries. 0, or -1 without memory. */
int merge_init(struct merge *m, size_t streams);
void merge_finish(struct merge *m);

void merge_push(struct merge *m, struct merge_entry entry);
/* The lowest entry gets a new key. */
void merge_move(struct merge *m, int64_t key);
void merge_pop(struct merge *m);

/* The entry that would be lowest without the lowest one: how far a run may go. With one stream
 * left, an entry behind every other. */
static inline struct merge_entry merge_second(const struct merge *m)
{
    if (m->count < 2)
        return (struct merge_entry){INT64_MAX, UINT32_MAX};
    if (m->count > 2 && merge_before(m->entries[2], m->entries[1]))
        return m->entries[2];
    return m->entries[1];
}

#endif
