#include "pair_map.h"

#include "base/hash.h"

#include <stdbool.h>
#include <stdlib.h>

struct pair_entry {
    uint64_t a;
    uint32_t b;
    uint32_t id;
    bool used;
};

/* The slot of (a, b), or the free one where it belongs. At least one slot is free. */
static struct pair_entry *find_slot(struct pair_entry *slots, size_t slot_count, uint64_t a,
                                    uint32_t b)
{
    size_t at = hash_u64(a ^ hash_u64(b)) & (slot_count - 1);
    while (slots[at].used && (slots[at].a != a || slots[at].b != b))
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

/* Keeps the table at most half full. */
static int make_room(struct pair_map *m)
{
    if (m->count < m->slot_count / 2)
        return 0;
    size_t slot_count = m->slot_count ? m->slot_count * 2 : 64;
    struct pair_entry *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return -1;
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].used)
            *find_slot(slots, slot_count, m->slots[i].a, m->slots[i].b) = m->slots[i];
    free(m->slots);
    m->slots = slots;
    m->slot_count = slot_count;
    return 0;
}

uint32_t *pair_map_id(struct pair_map *m, uint64_t a, uint32_t b)
{
    if (make_room(m) < 0)
        return NULL;
    struct pair_entry *entry = find_slot(m->slots, m->slot_count, a, b);
    if (!entry->used) {
        *entry = (struct pair_entry){.a = a, .b = b, .used = true};
        m->count++;
    }
    return &entry->id;
}

void pair_map_finish(struct pair_map *m)
{
    free(m->slots);
    *m = (struct pair_map){0};
}
