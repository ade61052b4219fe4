#include "track/live.h"

#include "base/array.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16

bool slab_is_full(const struct slab *s)
{
    uint32_t limit = s->limit && s->limit < LIMIT_LIVE_BLOCKS ? s->limit : LIMIT_LIVE_BLOCKS;
    return !s->free_list && s->most_taken >= limit;
}

uint32_t slab_take_fresh(struct slab *s)
{
    if (slab_is_full(s))
        return 0;
    uint32_t id = s->most_taken + 1;
    if (id >> SLAB_CHUNK_BITS == s->chunk_count) {
        if (ARRAY_RESERVE(s->chunks, s->chunk_room, s->chunk_count + 1) < 0)
            return 0;
        struct block *chunk = malloc(sizeof *chunk << SLAB_CHUNK_BITS);
        if (!chunk)
            return 0;
        s->chunks[s->chunk_count++] = chunk;
    }
    return s->most_taken = id;
}

void slab_finish(struct slab *s)
{
    for (size_t i = 0; i < s->chunk_count; i++)
        free(s->chunks[i]);
    free(s->chunks);
    *s = (struct slab){0};
}

static uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static void place_slot(uint64_t *slots, uint32_t mask, uint64_t slot)
{
    uint32_t at = slot_tag(slot) & mask;
    while (slots[at])
        at = (at + 1) & mask;
    slots[at] = slot;
}

static int grow(struct live *l)
{
    size_t slots = l->slots ? (size_t)l->mask + 1 : 0;
    size_t more = slots ? slots * 2 : FIRST_SLOTS;
    uint64_t *bigger = more - 1 <= UINT32_MAX ? calloc(more, sizeof *bigger) : NULL;
    if (!bigger)
        return -1;
    for (size_t i = 0; i < slots; i++)
        if (l->slots[i])
            place_slot(bigger, (uint32_t)(more - 1), l->slots[i]);
    free(l->slots);
    l->slots = bigger;
    l->mask = (uint32_t)(more - 1);
    l->most = (uint32_t)(more / 8 * 5);
    return 0;
}

int live_put_growing(struct live *l, struct live_place place, uint32_t id)
{
    if (grow(l) < 0)
        return -1;
    place_slot(l->slots, l->mask, (uint64_t)place.tag << 32 | id);
    l->count++;
    return 0;
}

void live_cut(struct live *l, struct live_place place)
{
    uint32_t at = place.at;
    /* Pull later entries of the run back over the hole, except those already at home or before. */
    for (uint32_t next = (at + 1) & l->mask; l->slots[next]; next = (next + 1) & l->mask) {
        uint32_t home = slot_tag(l->slots[next]) & l->mask;
        if (((next - home) & l->mask) >= ((next - at) & l->mask)) {
            l->slots[at] = l->slots[next];
            at = next;
        }
    }
    l->slots[at] = 0;
    l->count--;
}

static int compare_slots(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* In place: the numbers of the blocks take the place of the tags. */
void live_list(struct live *l, const struct slab *s)
{
    size_t slots = l->slots ? (size_t)l->mask + 1 : 0, n = 0;
    for (size_t i = 0; i < slots; i++) {
        uint32_t id = (uint32_t)l->slots[i];
        l->slots[i] = 0;
        if (id)
            l->slots[n++] = (uint64_t)slab_block(s, id)->number << 32 | id;
    }
    if (n)
        qsort(l->slots, n, sizeof *l->slots, compare_slots);
}

uint32_t live_walk(const struct live *l, size_t *at)
{
    size_t slots = l->slots ? (size_t)l->mask + 1 : 0;
    return *at < slots ? (uint32_t)l->slots[(*at)++] : 0;
}

void live_clear(struct live *l)
{
    free(l->slots);
    *l = (struct live){0};
}
