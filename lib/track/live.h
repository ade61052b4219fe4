/* The blocks that are live in one heap: a hash table of addresses over blocks in a shared slab.
 * A block takes 32 bytes, so that it lies in one cache line, and 16 to 32 of the table, which is a
 * quarter to half full. With 40 bytes and a fuller table (five eighths) an event took 40 more
 * instructions and a twelfth (200 000 blocks) to an eighth (2 million) more time. */
#ifndef ETLHEAP_TRACK_LIVE_H
#define ETLHEAP_TRACK_LIVE_H

#include "base/hash.h"
#include "base/inline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The hash of an address is as good as the address, since live_hash() can be undone: the block
 * keeps one half of it, its slot in the table the other. */
struct block {
    uint64_t size;     /* bytes asked for */
    int64_t birth;     /* ns times two, for which LIMIT_TIME_NS leaves room, or BLOCK_REPLACES */
    uint32_t hash_low; /* low half of its address's hash */
    uint32_t number; /* low bits of the count of blocks added, itself included: order of birth */
    uint32_t origin; /* of the event that added it: its stack, or BLOCK_SOURCE | its source */
    union {
        uint32_t thread_id; /* that added it */
        uint32_t replaced;  /* with BLOCK_REPLACES: id of the block that it replaced, kept for a
                             * late free; that one's thread_id is this one's then */
    };
};

_Static_assert(sizeof(struct block) == 32, "a block lies in one cache line");

/* A block has a stack or, for want of one, a source to tell where it came from: one field for both
 * keeps a block small. Stack ids stay below LIMIT_STACKS; larger sources lose the top bit. */
#define BLOCK_SOURCE 0x80000000u

/* In block.birth: `replaced` holds. */
#define BLOCK_REPLACES 1

static inline int64_t block_birth_ns(const struct block *b)
{
    return b->birth >> 1;
}

struct live_slot {
    uint32_t tag; /* high half of the address's hash; in a list, the block's number */
    uint32_t id;  /* 0: empty */
};

/* Blocks by id, from 1: the first is never used. They move when one more is taken. */
struct slab {
    struct block *blocks;
    size_t room;         /* ids below it can be taken without asking for memory */
    uint32_t most_taken; /* highest id used so far */
    uint32_t free_list;  /* first free id, linked through block.number */
    uint32_t limit;      /* blocks in use at one time, 0: LIMIT_LIVE_BLOCKS */
    uint64_t salt;       /* of the addresses' hashes in the tables over this slab */
    struct live_slot no_slots[2]; /* what they begin with, so that a search finds it empty */
};

static inline struct block *slab_block(const struct slab *s, uint32_t id)
{
    return &s->blocks[id];
}

static inline uint32_t block_thread(const struct slab *s, const struct block *b)
{
    return b->birth & BLOCK_REPLACES ? slab_block(s, b->replaced)->thread_id : b->thread_id;
}

/* slab_take() where none is at hand. */
uint32_t slab_grow(struct slab *s);

/* Whether all blocks are in use that may be. */
bool slab_is_full(const struct slab *s);

/* slab_take() of what is at hand: 0 where memory must be asked for, or none may be taken. */
static inline uint32_t slab_take_ready(struct slab *s)
{
    uint32_t id = s->free_list;
    if (id)
        s->free_list = slab_block(s, id)->number;
    else if ((size_t)s->most_taken + 1 < s->room)
        id = ++s->most_taken;
    return id;
}

/* A new block's id, 0 without memory or where the slab is full. Its fields are unset. Pointers to
 * blocks do not hold any longer. */
static inline uint32_t slab_take(struct slab *s)
{
    uint32_t id = slab_take_ready(s);
    return id ? id : slab_grow(s);
}

static inline void slab_give(struct slab *s, uint32_t id)
{
    slab_block(s, id)->number = s->free_list;
    s->free_list = id;
}

void slab_finish(struct slab *s);

/* Addresses of a heap differ in their middle bits, those of a hostile trace in any. Slots are chosen by
 * the highest bits. One product alone would be no protection: bits can be picked whose multiples lie
 * close together, wherever the salt moves them. The second spreads what the first one's carries, which
 * depend on the salt, have changed. Both can be undone. */
#define LIVE_FACTOR  UINT64_C(0x9E3779B97F4A7C15)
#define LIVE_INVERSE UINT64_C(0xF1DE83E19937733D) /* of the factor, modulo 2^64 */

static inline uint64_t live_hash(const struct slab *s, uint64_t address)
{
    uint64_t mixed = (address ^ s->salt) * LIVE_FACTOR;
    return (mixed ^ mixed >> 32) * LIVE_FACTOR;
}

/* The address of block `b`, in whose slot that tag is. */
static inline uint64_t live_address(const struct slab *s, uint32_t tag, const struct block *b)
{
    uint64_t mixed = ((uint64_t)tag << 32 | b->hash_low) * LIVE_INVERSE;
    return ((mixed ^ mixed >> 32) * LIVE_INVERSE) ^ s->salt;
}

/* Open addressing, linear probing, backward shift on removal, so that no dead slots gather. A slot
 * is home to the tags whose highest bits are its index: growing keeps their order. */
struct live {
    struct live_slot *slots;
    uint32_t shift; /* of a hash to its home; of a tag, less 32 */
    uint32_t mask;  /* slots - 1 */
    uint32_t count;
    uint32_t most; /* entries before it grows: half of the slots; 0 where they are no_slots */
};

/* Where an address stands in a table, or would. Good until the table changes. */
struct live_place {
    uint64_t hash;
    size_t at;   /* slot */
    uint32_t id; /* 0: not live */
};

void live_init(struct live *l, struct slab *s);

static inline uint32_t live_home(const struct live *l, uint32_t tag)
{
    return tag >> (l->shift & 31);
}

/* Where the address of that live_hash() stands. */
static inline struct live_place live_seek(const struct live *l, const struct slab *s, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    struct live_place p = {.hash = hash, .at = (size_t)(hash >> l->shift)};
    while ((p.id = l->slots[p.at].id)) {
        if (l->slots[p.at].tag == tag && slab_block(s, p.id)->hash_low == (uint32_t)hash)
            break;
        p.at = (p.at + 1) & l->mask;
    }
    return p;
}

/* A moment before an address is sought: sends for the slot where its search begins. */
EH_ALWAYS_INLINE void live_fetch(const struct live *l, uint64_t hash)
{
    EH_PREFETCH(&l->slots[hash >> l->shift]);
}

/* A moment later: sends for the block that the search will find, most likely. To send for the first
 * slot's block without a look at its tag takes 3 instructions less, and 4 % (200 000 blocks) to 7 %
 * (2 million) more time. */
EH_ALWAYS_INLINE void live_fetch_block(const struct live *l, const struct slab *s, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32), id;
    size_t at = (size_t)(hash >> l->shift);
    while ((id = l->slots[at].id) && l->slots[at].tag != tag)
        at = (at + 1) & l->mask;
    if (id)
        EH_PREFETCH(slab_block(s, id));
}

static inline bool live_is_full(const struct live *l)
{
    return l->count >= l->most;
}

/* live_put() where the table is not full. */
static inline void live_put_ready(struct live *l, struct live_place place, uint32_t id)
{
    l->slots[place.at].tag = (uint32_t)(place.hash >> 32);
    l->slots[place.at].id = id;
    l->count++;
}

/* Enters block `id`, whose address was sought and found not live. 0, or -1 without memory. */
int live_put(struct live *l, struct live_place place, uint32_t id);

/* Takes the block found at `place` out. It stays in the slab. Later entries of the run are pulled
 * back over the hole, except those that are at home or would come before it. */
static inline void live_cut(struct live *l, struct live_place place)
{
    size_t hole = place.at, at = hole, mask = l->mask;
    uint32_t id;
    while ((id = l->slots[at = (at + 1) & mask].id)) {
        uint32_t tag = l->slots[at].tag;
        if (((at - live_home(l, tag)) & mask) >= ((at - hole) & mask)) {
            l->slots[hole].tag = tag;
            l->slots[hole].id = id;
            hole = at;
        }
    }
    l->slots[hole].id = 0;
    l->count--;
}

/* Makes a list of the table, in the order in which its blocks were added. The blocks' tags and
 * numbers change places. Afterwards only live_walk() and live_clear() are allowed. */
void live_list(struct live *l, struct slab *s);

/* The entry at *at in the list, NULL at its end; moves *at behind it. */
const struct live_slot *live_walk(const struct live *l, size_t *at);

/* Forgets all entries and their memory; the blocks are the caller's to give back. */
void live_clear(struct live *l, struct slab *s);

#endif
