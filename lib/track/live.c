#include "track/live.h"

#include "base/array.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#ifndef ETLHEAP_SMALL_WINDOWS
#define FIRST_BLOCKS     2048
#else /* for fuzzers, see limits.h */
#define FIRST_BLOCKS     8
#endif
#define FIRST_SLOTS_LOG2 4

static uint32_t most_blocks(const struct slab *s)
{
    return s->limit && s->limit < LIMIT_LIVE_BLOCKS ? s->limit : LIMIT_LIVE_BLOCKS;
}

bool slab_is_full(const struct slab *s)
{
    return !s->free_list && s->most_taken >= most_blocks(s);
}

uint32_t slab_grow(struct slab *s)
{
    if (slab_is_full(s))
        return 0;
    size_t need = (size_t)s->most_taken + 2, most = (size_t)most_blocks(s) + 1;
    if (ARRAY_RESERVE(s->blocks, s->room, need < FIRST_BLOCKS ? FIRST_BLOCKS : need) < 0)
        return 0;
    if (s->room > most)
        s->room = most;
    return ++s->most_taken;
}

void slab_finish(struct slab *s)
{
    free(s->blocks);
    *s = (struct slab){0};
}

void live_init(struct live *l, struct slab *s)
{
    *l = (struct live){.slots = s->no_slots, .shift = 63, .mask = 1};
}

void live_clear(struct live *l, struct slab *s)
{
    if (l->slots != s->no_slots)
        free(l->slots);
    live_init(l, s);
}

static size_t free_slot(const struct live *l, size_t home)
{
    while (l->slots[home].id)
        home = (home + 1) & l->mask;
    return home;
}

/* Enters what `before` holds in a bigger table, and forgets it. */
static void move_slots(struct live *l, struct live *before)
{
    for (size_t i = 0; i <= before->mask; i++) {
        uint32_t tag = before->slots[i].tag, id = before->slots[i].id;
        if (!id)
            continue;
        size_t at = free_slot(l, live_home(l, tag));
        l->slots[at].tag = tag;
        l->slots[at].id = id;
    }
    free(before->slots);
}

static int grow(struct live *l)
{
    struct live before = *l;
    unsigned log2 = before.most ? 64 - before.shift + 1 : FIRST_SLOTS_LOG2;
    size_t slots = log2 <= 32 ? (size_t)((uint64_t)1 << log2) : 0;
    l->slots = slots ? calloc(slots, sizeof *l->slots) : NULL;
    if (!l->slots) {
        *l = before;
        return -1;
    }
    l->shift = 64 - log2;
    l->mask = (uint32_t)(slots - 1);
    l->most = (uint32_t)(slots / 2);
    if (before.most)
        move_slots(l, &before);
    return 0;
}

int live_put(struct live *l, struct live_place place, uint32_t id)
{
    if (live_is_full(l)) {
        if (grow(l) < 0)
            return -1;
        place.at = free_slot(l, (size_t)(place.hash >> l->shift));
    }
    live_put_ready(l, place, id);
    return 0;
}

static int compare_slots(const void *left, const void *right)
{
    const struct live_slot *a = left, *b = right;
    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

void live_list(struct live *l, struct slab *s)
{
    size_t n = 0;
    for (size_t i = 0; i <= l->mask; i++) {
        struct live_slot slot = l->slots[i];
        if (!slot.id)
            continue;
        l->slots[i].id = 0;
        struct block *b = slab_block(s, slot.id);
        l->slots[n++] = (struct live_slot){b->number, slot.id};
        b->number = slot.tag;
    }
    if (n)
        qsort(l->slots, n, sizeof *l->slots, compare_slots);
}

const struct live_slot *live_walk(const struct live *l, size_t *at)
{
    return *at <= l->mask && l->slots[*at].id ? &l->slots[(*at)++] : NULL;
}
