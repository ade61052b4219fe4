#include "container/etl_merge.h"

#include <stdlib.h>

int merge_init(struct merge *m, size_t streams)
{
    *m = (struct merge){.leaves = 1};
    while (m->leaves < streams)
        m->leaves *= 2;
    m->nodes = calloc(2 * (size_t)m->leaves, sizeof *m->nodes);
    if (!m->nodes)
        return -1;
    for (uint32_t i = 0; i < m->leaves; i++)
        m->nodes[m->leaves + i] = (struct merge_entry){INT64_MAX, i | MERGE_ENDED};
    return 0;
}

void merge_finish(struct merge *m)
{
    free(m->nodes);
    *m = (struct merge){0};
}

void merge_enter(struct merge *m, uint32_t stream, int64_t key)
{
    m->nodes[m->leaves + stream] = (struct merge_entry){key, stream};
}

/* The winner below `node`, leaving the losers in the nodes on the way. */
static struct merge_entry play(struct merge *m, uint32_t node)
{
    if (node >= m->leaves)
        return m->nodes[node];
    struct merge_entry a = play(m, 2 * node), b = play(m, 2 * node + 1);
    bool a_wins = merge_before(a, b);
    m->nodes[node] = a_wins ? b : a;
    return a_wins ? a : b;
}

void merge_build(struct merge *m)
{
    m->nodes[0] = play(m, 1);
}
