#include "container/etl_merge.h"

#include <stdlib.h>

int merge_init(struct merge *m, size_t streams)
{
    *m = (struct merge){.leaves = 2};
    if (streams > MERGE_STREAMS)
        return -1;
    while (m->leaves < streams)
        m->leaves *= 2;
    m->nodes = calloc(2 * (size_t)m->leaves, sizeof *m->nodes);
    m->keys = calloc(m->leaves, sizeof *m->keys);
    if (!m->nodes || !m->keys) {
        merge_finish(m);
        return -1;
    }
    for (uint32_t stream = 0; stream < m->leaves; stream++)
        m->nodes[m->leaves + stream] = merge_entry(MERGE_OVER, stream);
    return 0;
}

void merge_finish(struct merge *m)
{
    free(m->nodes);
    free(m->keys);
    *m = (struct merge){0};
}

void merge_enter(struct merge *m, uint32_t stream, int64_t key)
{
    m->keys[stream] = key;
    m->nodes[m->leaves + stream] = merge_entry(MERGE_FAR, stream);
}

static inline bool is_far(uint64_t entry)
{
    return entry >> 32 == MERGE_FAR;
}

static inline int64_t far_key(const struct merge *m, uint64_t entry)
{
    return m->keys[merge_stream(entry)];
}

static bool comes_before(const struct merge *m, uint64_t a, uint64_t b)
{
    if (is_far(a) && is_far(b) && far_key(m, a) != far_key(m, b))
        return far_key(m, a) < far_key(m, b);
    return a < b;
}

/* The winner below `node`, leaving the losers in the nodes on the way. */
static uint64_t play_all(struct merge *m, uint32_t node)
{
    if (node >= m->leaves)
        return m->nodes[node];
    uint64_t a = play_all(m, 2 * node), b = play_all(m, 2 * node + 1);
    bool a_wins = comes_before(m, a, b);
    m->nodes[node] = a_wins ? b : a;
    return a_wins ? a : b;
}

/* The winner, which is far, becomes the base: who is far from there, too, stays so. */
static void set_base(struct merge *m)
{
    m->base = far_key(m, m->nodes[0]);
    m->far_moves = 0;
    for (uint32_t node = 0; node < m->leaves; node++) {
        uint64_t entry = m->nodes[node];
        uint64_t ahead = (uint64_t)far_key(m, entry) - (uint64_t)m->base;
        if (is_far(entry) && ahead < MERGE_FAR)
            m->nodes[node] = merge_entry((uint32_t)ahead, merge_stream(entry));
    }
}

void merge_build(struct merge *m)
{
    m->nodes[0] = play_all(m, 1);
    if (is_far(m->nodes[0]))
        set_base(m);
}

/* merge_play() for every entry. All entries are looked at for a new base only after as many moves:
 * streams as far apart as their clocks can say must not cost more than a comparison a level. */
static void play_any(struct merge *m, uint64_t entry)
{
    for (uint32_t node = merge_first_node(m, merge_stream(entry)); node; node /= 2) {
        uint64_t other = m->nodes[node];
        if (!comes_before(m, other, entry))
            continue;
        m->nodes[node] = entry;
        entry = other;
    }
    m->nodes[0] = entry;
    m->far_moves++;
    if (is_far(entry) && m->far_moves >= m->leaves)
        set_base(m);
}

void merge_move_far(struct merge *m, int64_t key)
{
    uint32_t stream = merge_stream(m->nodes[0]);
    m->keys[stream] = key;
    play_any(m, merge_entry(MERGE_FAR, stream));
}

void merge_end(struct merge *m)
{
    play_any(m, merge_entry(MERGE_OVER, merge_stream(m->nodes[0])));
}
