#include "agenda.h"

#include <stdlib.h>

static bool earlier(const struct agenda_item *a, const struct agenda_item *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static bool grow(struct agenda *a)
{
    size_t capacity = a->capacity ? 2 * a->capacity : 64;
    struct agenda_item *items = realloc(a->items, capacity * sizeof *items);
    if (!items)
        return false;
    a->items = items;
    a->capacity = capacity;
    return true;
}

bool agenda_add(struct agenda *a, struct agenda_item item)
{
    if (a->count == a->capacity && !grow(a))
        return false;
    item.order = a->added++;
    size_t at = a->count++;
    for (; at > 0 && earlier(&item, &a->items[(at - 1) / 2]); at = (at - 1) / 2)
        a->items[at] = a->items[(at - 1) / 2];
    a->items[at] = item;
    return true;
}

const struct agenda_item *agenda_first(const struct agenda *a)
{
    return a->count > 0 ? a->items : NULL;
}

struct agenda_item agenda_take(struct agenda *a)
{
    struct agenda_item first = a->items[0];
    struct agenda_item last = a->items[--a->count];
    size_t at = 0;
    for (size_t child = 1; child < a->count; child = 2 * at + 1) {
        if (child + 1 < a->count && earlier(&a->items[child + 1], &a->items[child]))
            child++;
        if (!earlier(&a->items[child], &last))
            break;
        a->items[at] = a->items[child];
        at = child;
    }
    if (a->count > 0)
        a->items[at] = last;
    return first;
}

void agenda_finish(struct agenda *a)
{
    free(a->items);
    *a = (struct agenda){0};
}
