/* The blocks that are live in one heap: a hash table of addresses over blocks in a shared slab.
 * A block takes 40 bytes, and 13 to 26 of the table, which is 5/16 to 5/8 full: fuller (3/4) cost
 * 17 instructions an event more. */
#ifndef ETLHEAP_TRACK_LIVE_H
#define ETLHEAP_TRACK_LIVE_H

#include "base/hash.h"
#include "base/inline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
    uint64_t address;
    uint64_t size;      /* bytes asked for */
    int64_t birth_ns;
    uint32_t number;    /* low bits of the count of blocks added, itself included: order of birth */
    uint32_t origin;    /* of the event that added it: its stack, or BLOCK_SOURCE | its source */
    uint32_t thread_id; /* that added it */
    uint32_t replaced;  /* id of the block it replaced, kept for a late free; 0 without */
};

/* A block has a stack or, for want of one, a source to tell where it came from: one field for both
 * keeps a block at 40 bytes. Stack ids stay below LIMIT_STACKS; larger sources lose the top bit. */
#define BLOCK_SOURCE 0x80000000u

/* Blocks by id, from 1 (the first is never used); memory in chunks that never move. */
struct slab {
    struct block **chunks;
    size_t chunk_count, chunk_room;
    uint32_t most_taken; /* highest id used so far */
    uint32_t free_list;  /* first free id, linked through block.number */
    uint32_t limit;      /* blocks in use at one time, 0: LIMIT_LIVE_BLOCKS */
    uint64_t salt;       /* of the addresses' hashes in the tables over this slab */
};

#define SLAB_CHUNK_BITS 11

static inline struct block *slab_block(const struct slab *s, uint32_t id)
{
    return &s->chunks[id >> SLAB_CHUNK_BITS][id & ((1u << SLAB_CHUNK_BITS) - 1)];
}

/* slab_take() where no block has been given back. */
uint32_t slab_take_fresh(struct slab *s);

/* Whether all blocks are in use that may be. */
bool slab_is_full(const struct slab *s);

/* A new block's id, 0 without memory or where the slab is full. Its fields are unset. */
static inline uint32_t slab_take(struct slab *s)
{
    uint32_t id = s->free_list;
    if (!id)
        return slab_take_fresh(s);
    s->free_list = slab_block(s, id)->number;
    return id;
}

/* Gives back block `id`, which is `b`. */
static inline void slab_put_back(struct slab *s, uint32_t id, struct block *b)
{
    b->number = s->free_list;
    s->free_list = id;
}

static inline void slab_give(struct slab *s, uint32_t id)
{
    slab_put_back(s, id, slab_block(s, id));
}

void slab_finish(struct slab *s);

/* Open addressing, linear probing, backward shift on removal, so that no dead slots gather. A slot
 * is the low half of the address's hash above the block's id; 0 is empty. Zeroed is empty. */
struct live {
    uint64_t *slots;
    uint32_t mask; /* slots - 1; 0 without slots */
    uint32_t count;
    uint32_t most; /* entries before it grows: five eighths of the slots */
};

/* Where an address stands in a table, or would. Good until the table changes. */
struct live_place {
    uint32_t id;  /* 0: not live */
    uint32_t tag; /* low half of the address's hash */
    uint32_t at;  /* slot */
};

static inline uint32_t live_tag(const struct slab *s, uint64_t address)
{
    /* One round of mixing, high half: heap addresses differ in their middle bits. */
    return (uint32_t)(((address ^ s->salt) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* live_seek() with live_tag() of the address known. */
static inline struct live_place live_seek_tag(const struct live *l, const struct slab *s,
                                              uint64_t address, uint32_t tag)
{
    struct live_place p = {.tag = tag};
    if (!l->slots)
        return p;
    uint64_t slot;
    for (p.at = p.tag & l->mask; (slot = l->slots[p.at]); p.at = (p.at + 1) & l->mask) {
        if (slot >> 32 == p.tag && slab_block(s, (uint32_t)slot)->address == address) {
            p.id = (uint32_t)slot;
            return p;
        }
    }
    return p;
}

static inline struct live_place live_seek(const struct live *l, const struct slab *s,
                                          uint64_t address)
{
    return live_seek_tag(l, s, address, live_tag(s, address));
}

/* Where a search for that tag begins, a moment before it; and the block that it probably finds. */
static inline void live_fetch(const struct live *l, uint32_t tag)
{
    if (l->slots)
        EH_PREFETCH(&l->slots[tag & l->mask]);
}

static inline void live_fetch_block(const struct live *l, const struct slab *s, uint32_t tag)
{
    uint32_t id = l->slots ? (uint32_t)l->slots[tag & l->mask] : 0;
    if (id)
        EH_PREFETCH(slab_block(s, id));
}

/* live_put() where the table is full. */
int live_put_growing(struct live *l, struct live_place place, uint32_t id);

/* Enters block `id`, whose address was sought and found not live. 0, or -1 without memory. */
static inline int live_put(struct live *l, struct live_place place, uint32_t id)
{
    if (l->count >= l->most)
        return live_put_growing(l, place, id);
    l->slots[place.at] = (uint64_t)place.tag << 32 | id;
    l->count++;
    return 0;
}

/* Takes the block found at `place` out. It stays in the slab. */
void live_cut(struct live *l, struct live_place place);

/* Makes a list of the table, in the order in which its blocks were added. Afterwards only
 * live_walk() and live_clear() are allowed. */
void live_list(struct live *l, const struct slab *s);

/* The id at *at in the list, 0 at its end; moves *at behind it. */
uint32_t live_walk(const struct live *l, size_t *at);

/* Forgets all entries and their memory; the blocks are the caller's to give back. */
void live_clear(struct live *l);

#endif
