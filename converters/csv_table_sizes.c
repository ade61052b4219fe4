/* The sizes table: how large the blocks were that each heap was asked for, in powers of two. */
#include "csv_table.h"

#include "base/array.h"
#include "base/map.h"

#include <stdlib.h>

enum { PROCESS_ID, PROCESS_NAME, HEAP, LEAST, MOST, ALLOCS, BYTES, COLUMNS };

static const char *const column_names[COLUMNS] = {
    [PROCESS_ID] = "process_id", [PROCESS_NAME] = "process_name", [HEAP] = "heap",
    [LEAST] = "size_min",     [MOST] = "size_max",        [ALLOCS] = "allocs",
    [BYTES] = "bytes",
};

/* Bucket 0 holds size 0; bucket n holds 2^(n-1) to 2^n - 1. */
struct bucket {
    uint32_t heap_index;
    uint32_t number;
    uint64_t allocs, bytes;
};

struct sizes {
    struct csv_sheet sheet;
    struct map ids; /* (heap index, number) to bucket + 1 */
    struct bucket *buckets;
    size_t count, room;
};

static uint32_t bucket_number(uint64_t size)
{
    return size ? 64 - (uint32_t)__builtin_clzll(size) : 0;
}

static uint64_t least_size(uint32_t bucket)
{
    return bucket ? UINT64_C(1) << (bucket - 1) : 0;
}

/* NULL when memory ran out. */
static struct bucket *find_bucket(struct sizes *s, uint32_t heap_index, uint32_t number)
{
    uint32_t *id = map_id(&s->ids, heap_index, number);
    if (!id)
        return NULL;
    if (!*id) {
        if (ARRAY_RESERVE(s->buckets, s->room, s->count + 1) < 0)
            return NULL;
        s->buckets[s->count++] = (struct bucket){heap_index, number, 0, 0};
        *id = (uint32_t)s->count;
    }
    return &s->buckets[*id - 1];
}

static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    struct sizes *s = (struct sizes *)sheet;
    for (const struct eh_event *row = rows; row < rows + count; row++) {
        if (!(row->flags & EH_ADDED) || row->flags & EH_HIDDEN)
            continue;
        struct bucket *b = find_bucket(s, row->heap_index, bucket_number(row->size));
        if (!b)
            return -1;
        b->allocs++;
        b->bytes += row->size;
    }
    return 0;
}

/* Heaps stand in the order of the heaps table, that of their first events. */
static int compare_buckets(const void *left, const void *right)
{
    const struct bucket *a = left, *b = right;
    if (a->heap_index != b->heap_index)
        return a->heap_index < b->heap_index ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static void write_bucket(struct csv_sheet *sheet, const struct bucket *b)
{
    const struct eh_heap *heap = eh_model_heap(sheet->context->model, b->heap_index);
    uint64_t least = least_size(b->number);
    csv_write_row(sheet, (struct csv_cell[COLUMNS]){
        [PROCESS_ID] = csv_process_id(sheet, heap->process),
        [PROCESS_NAME] = csv_process_name(sheet, heap->process),
        [HEAP] = csv_address(heap->handle),
        [LEAST] = csv_number(least),
        [MOST] = csv_number(least ? least - 1 + least : 0),
        [ALLOCS] = csv_number(b->allocs),
        [BYTES] = csv_number(b->bytes),
    });
}

static int write_buckets(struct csv_sheet *sheet)
{
    struct sizes *s = (struct sizes *)sheet;
    if (s->count)
        qsort(s->buckets, s->count, sizeof *s->buckets, compare_buckets);
    for (size_t i = 0; i < s->count; i++)
        write_bucket(sheet, &s->buckets[i]);
    return 0;
}

static void done(struct csv_sheet *sheet)
{
    struct sizes *s = (struct sizes *)sheet;
    map_finish(&s->ids);
    free(s->buckets);
}

const struct csv_table csv_table_sizes = {
    .name = "sizes",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .measures = {BYTES, ALLOCS},
    .cell_count = COLUMNS,
    .state_size = sizeof(struct sizes),
    .rows = take_rows,
    .end = write_buckets,
    .done = done,
};
