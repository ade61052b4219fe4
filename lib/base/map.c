#include "base/map.h"

#include "base/hash.h"

#include <stdlib.h>

#define FIRST_SLOTS 64

static struct map_slot *find(const struct map *m, uint64_t a, uint64_t b)
{
    size_t at = (size_t)hash_u64(a ^ hash_u64(b ^ m->salt)) & m->mask;
    while (m->slots[at].id && (m->slots[at].a != a || m->slots[at].b != b))
        at = (at + 1) & m->mask;
    return &m->slots[at];
}

uint32_t map_get(const struct map *m, uint64_t a, uint64_t b)
{
    return m->slots ? find(m, a, b)->id : 0;
}

static int grow(struct map *m)
{
    size_t slots = m->slots ? (m->mask + 1) * 2 : FIRST_SLOTS;
    struct map bigger = {calloc(slots, sizeof *bigger.slots), slots - 1, m->count, 0};
    if (!bigger.slots)
        return -1;
    bigger.salt = hash_salt(bigger.slots);
    for (size_t i = 0; m->slots && i <= m->mask; i++)
        if (m->slots[i].id)
            *find(&bigger, m->slots[i].a, m->slots[i].b) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return 0;
}

uint32_t *map_id(struct map *m, uint64_t a, uint64_t b)
{
    if ((!m->slots || m->count * 2 > m->mask) && grow(m) < 0)
        return NULL;
    struct map_slot *s = find(m, a, b);
    if (!s->id) {
        m->count++;
        *s = (struct map_slot){a, b, 0};
    }
    return &s->id;
}

int map_set(struct map *m, uint64_t a, uint64_t b, uint32_t id)
{
    uint32_t *place = map_id(m, a, b);
    if (!place)
        return -1;
    *place = id;
    return 0;
}

void map_finish(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}
