/* A tournament over streams: who is next in the order of semantics 2. Key first, then the stream's
 * index, which is the order of input, session and processor.
 *
 * A tree of losers: each inner node keeps the entry that lost there, so that a new key for the
 * winner costs one comparison a level. Key and stream are one number, how far the key lies above a
 * base and then the stream, so that this comparison is one of numbers and needs no branch,
 * which would be guessed wrong half the time. Keys too far for that are kept apart and compared in
 * full (merge_move_far()); the base follows when the winner is such a one. Measured: 25
 * instructions an event, where nodes of key and stream took 34 (1 M events, 4 processors). */
#ifndef ETLHEAP_CONTAINER_ETL_MERGE_H
#define ETLHEAP_CONTAINER_ETL_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MERGE_ENDED 0x80000000u /* in the result of merge_next() */

/* How far a key lies above the base, in the upper half of an entry: less than MERGE_FAR, or one of
 * these. */
#define MERGE_FAR  0x7FFFFFFEu /* farther: the key is in keys[] */
#define MERGE_OVER 0x7FFFFFFFu /* the stream has ended: behind every other entry */

/* The lower half of an entry is the stream times this: who keeps as many bytes for each stream
 * finds them by an addition. */
#define MERGE_STRIDE  64u
#define MERGE_STREAMS (UINT32_MAX / MERGE_STRIDE / 2)

struct merge {
    uint64_t *nodes; /* entries: [0] the winner, [1] to [leaves - 1] losers, then the leaves, which
                      * count only until merge_build() */
    int64_t *keys;   /* by stream: of entries that are far */
    int64_t base;    /* no key is below */
    uint32_t leaves; /* a power of two, at least 2 */
    uint32_t far_moves; /* since the base was set */
};

/* Room for `streams` entries (at most MERGE_STREAMS), all ended. 0, or -1 without memory. */
int merge_init(struct merge *m, size_t streams);
void merge_finish(struct merge *m);

/* Before merge_build(): a stream takes part, with the key of its first record. */
void merge_enter(struct merge *m, uint32_t stream, int64_t key);
void merge_build(struct merge *m);

static inline uint64_t merge_entry(uint32_t ahead, uint32_t stream)
{
    return (uint64_t)ahead << 32 | stream * MERGE_STRIDE;
}

static inline uint32_t merge_stream(uint64_t entry)
{
    return (uint32_t)entry / MERGE_STRIDE;
}

/* The stream that is next; with MERGE_ENDED set when all have ended. */
static inline uint32_t merge_next(const struct merge *m)
{
    uint64_t winner = m->nodes[0];
    return merge_stream(winner) | (winner >> 32 == MERGE_OVER ? MERGE_ENDED : 0);
}

/* Where a stream's games begin. */
static inline uint32_t merge_first_node(const struct merge *m, uint32_t stream)
{
    return (stream + m->leaves) / 2;
}

/* An entry that is not far, of the stream that won before and whose first node that is, plays its
 * way up; returns who wins now. */
static inline uint64_t merge_play(uint64_t *nodes, size_t node, uint64_t entry)
{
    do {
        uint64_t other = nodes[node], both = entry + other;
        entry = entry < other ? entry : other;
        nodes[node] = both - entry; /* one comparison less than asking once more */
        node >>= 1;
    } while (node >= 1);
    return entry;
}

/* Whether an entry of that key is not far: what merge_play() takes. */
static inline bool merge_is_near(const struct merge *m, int64_t key)
{
    return (uint64_t)key - (uint64_t)m->base < MERGE_FAR;
}

/* merge_move() to any key. */
void merge_move_far(struct merge *m, int64_t key);

/* The stream that is next has moved on to a record of that key, which is not below its last one. */
static inline void merge_move(struct merge *m, int64_t key)
{
    uint32_t stream = merge_stream(m->nodes[0]);
    uint64_t ahead = (uint64_t)key - (uint64_t)m->base;
    if (merge_is_near(m, key))
        m->nodes[0] = merge_play(m->nodes, merge_first_node(m, stream),
                                 merge_entry((uint32_t)ahead, stream));
    else
        merge_move_far(m, key);
}

/* The key of the stream that is next, unless it is far. */
static inline int64_t merge_near_key(const struct merge *m)
{
    return m->base + (int64_t)(m->nodes[0] >> 32);
}

/* The stream that is next has ended. */
void merge_end(struct merge *m);

#endif
