#include "track/outstanding.h"

#include <stdlib.h>

static size_t count_blocks(const struct track *t)
{
    size_t count = 0;
    for (size_t heap = 0; heap < t->heap_room; heap++)
        count += t->heaps[heap] ? t->heaps[heap]->live.count : 0;
    return count;
}

/* Numbers are low bits of a count: of one time, those that lie before an overflow are smaller. */
static int compare_births(const void *left, const void *right)
{
    const struct outstanding_block *a = left, *b = right;
    if (a->birth_ns != b->birth_ns)
        return a->birth_ns < b->birth_ns ? -1 : 1;
    int32_t distance = (int32_t)(a->number - b->number);
    return (distance > 0) - (distance < 0);
}

static void list_heap(struct outstanding *o, struct track *t, uint32_t heap)
{
    struct live *live = &t->heaps[heap]->live;
    size_t at = 0;
    live_list(live, &t->slab);
    for (const struct live_slot *slot; (slot = live_walk(live, &at));)
        o->blocks[o->count++] = (struct outstanding_block){
            block_birth_ns(slab_block(&t->slab, slot->id)), slot->tag, slot->id, heap};
    live_clear(live, &t->slab);
}

int outstanding_list(struct outstanding *o, struct track *t, struct eh_error *e)
{
    size_t count = count_blocks(t);
    if (!count)
        return 0;
    o->blocks = calloc(count, sizeof *o->blocks);
    if (!o->blocks)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for the live blocks");
    for (uint32_t heap = 0; heap < t->heap_room; heap++)
        if (t->heaps[heap])
            list_heap(o, t, heap);
    qsort(o->blocks, o->count, sizeof *o->blocks, compare_births);
    return 0;
}

static struct eh_event row_of(const struct outstanding_block *o, const struct track *t)
{
    const struct block *b = slab_block(&t->slab, o->id);
    bool has_stack = !(b->origin & BLOCK_SOURCE);
    return (struct eh_event){
        .time_ns = block_birth_ns(b),
        .process = t->heaps[o->heap]->process,
        .heap_index = o->heap,
        .thread_id = block_thread(&t->slab, b),
        .flags = EH_HAS_HEAP | EH_HAS_ADDRESS | EH_HAS_SIZE,
        .kind = EH_OUTSTANDING,
        .heap = t->heaps[o->heap]->handle,
        .address = live_address(&t->slab, b->number, b), /* live_list() put its tag there */
        .size = b->size,
        .block_stack = has_stack ? b->origin : 0,
        .block_source = has_stack ? 0 : b->origin & ~BLOCK_SOURCE,
    };
}

size_t outstanding_rows(struct outstanding *o, const struct track *t, struct eh_event *out,
                        size_t room)
{
    size_t n = 0;
    while (n < room && o->at < o->count)
        out[n++] = row_of(&o->blocks[o->at++], t);
    return n;
}

void outstanding_finish(struct outstanding *o)
{
    free(o->blocks);
    *o = (struct outstanding){0};
}
