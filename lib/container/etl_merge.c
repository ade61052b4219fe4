#include "container/etl_merge.h"

#include <stdlib.h>

int merge_init(struct merge *m, size_t streams)
{
    m->count = 0;
    m->entries = calloc(streams ? streams : 1, sizeof *m->entries);
    return m->entries ? 0 : -1;
}

void merge_finish(struct merge *m)
{
    free(m->entries);
    *m = (struct merge){0};
}

static void sift_down(struct merge *m)
{
    struct merge_entry *h = m->entries, moving = h[0];
    size_t at = 0;
    for (size_t child = 1; child < m->count; child = 2 * at + 1) {
        if (child + 1 < m->count && merge_before(h[child + 1], h[child]))
            child++;
        if (!merge_before(h[child], moving))
            break;
        h[at] = h[child];
        at = child;
    }
    h[at] = moving;
}

void merge_push(struct merge *m, struct merge_entry entry)
{
    struct merge_entry *h = m->entries;
    size_t at = m->count++;
    for (; at && merge_before(entry, h[(at - 1) / 2]); at = (at - 1) / 2)
        h[at] = h[(at - 1) / 2];
    h[at] = entry;
}

void merge_move(struct merge *m, int64_t key)
{
    m->entries[0].key = key;
    sift_down(m);
}

void merge_pop(struct merge *m)
{
    m->entries[0] = m->entries[--m->count];
    sift_down(m);
}
