/* The heaps table: the life of each heap handle of each process instance. */
#include "csv_table.h"

#include "base/array.h"

#include <stdlib.h>

enum {
    PROCESS_ID,
    PROCESS_NAME,
    HEAP,
    CREATED_NS,
    DESTROYED_NS,
    ALLOCS,
    FREES,
    BYTES_ALLOCATED,
    BYTES_FREED,
    PEAK_LIVE_BYTES,
    PEAK_TIME_NS,
    OUTSTANDING_BYTES,
    OUTSTANDING_BLOCKS,
    COLUMNS
};

static const char *const column_names[COLUMNS] = {
    [PROCESS_ID] = "process_id",
    [PROCESS_NAME] = "process_name",
    [HEAP] = "heap",
    [CREATED_NS] = "created_ns",
    [DESTROYED_NS] = "destroyed_ns",
    [ALLOCS] = "allocs",
    [FREES] = "frees",
    [BYTES_ALLOCATED] = "bytes_allocated",
    [BYTES_FREED] = "bytes_freed",
    [PEAK_LIVE_BYTES] = "peak_live_bytes",
    [PEAK_TIME_NS] = "peak_time_ns",
    [OUTSTANDING_BYTES] = "outstanding_bytes",
    [OUTSTANDING_BLOCKS] = "outstanding_blocks",
};

struct heap {
    bool seen, created, destroyed;
    int64_t created_ns, destroyed_ns;
    uint64_t allocs, frees;
    uint64_t bytes_allocated, bytes_freed;
    uint64_t live_bytes, live_blocks;
    uint64_t peak_bytes;
    int64_t peak_ns; /* when peak_bytes was reached first; nothing while it is 0 */
};

struct heaps {
    struct csv_sheet sheet;
    struct heap *heaps; /* by heap index, which counts in the order of first events */
    size_t room;
};

/* The first create, and the last destroy unless the handle came back. */
static void note_life(struct heap *h, const struct eh_event *row)
{
    if (row->kind == EH_CREATE && !h->created) {
        h->created = true;
        h->created_ns = row->time_ns;
    }
    h->destroyed = row->kind == EH_DESTROY;
    if (h->destroyed)
        h->destroyed_ns = row->time_ns;
}

static void note_peak(struct heap *h, int64_t time_ns)
{
    if (h->live_bytes > h->peak_bytes) {
        h->peak_bytes = h->live_bytes;
        h->peak_ns = time_ns;
    }
}

static void add_block(struct heap *h, const struct eh_event *row)
{
    h->allocs++;
    h->bytes_allocated += row->size;
    h->live_bytes += row->size;
    h->live_blocks++;
    note_peak(h, row->time_ns);
}

static void resize_block(struct heap *h, const struct eh_event *row)
{
    if (row->size > row->previous_size)
        h->bytes_allocated += row->size - row->previous_size;
    else
        h->bytes_freed += row->previous_size - row->size;
    h->live_bytes += row->size - row->previous_size;
    note_peak(h, row->time_ns);
}

static void remove_block(struct heap *h, const struct eh_event *row)
{
    if (csv_is_free(row)) {
        h->frees++;
        h->bytes_freed += row->size;
    }
    h->live_bytes -= row->size;
    h->live_blocks--;
}

static int take_row(struct heaps *s, const struct eh_event *row)
{
    if (ARRAY_RESERVE_ZEROED(s->heaps, s->room, row->heap_index + (size_t)1) < 0)
        return -1;
    struct heap *h = &s->heaps[row->heap_index];
    h->seen = true;
    if (row->flags & EH_ADDED)
        add_block(h, row);
    else if (row->flags & EH_RESIZED)
        resize_block(h, row);
    else if (row->flags & EH_REMOVED)
        remove_block(h, row);
    else if (row->kind == EH_CREATE || row->kind == EH_DESTROY)
        note_life(h, row);
    return 0;
}

static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    for (const struct eh_event *row = rows; row < rows + count; row++)
        if (row->heap_index && !(row->flags & EH_HIDDEN) &&
            take_row((struct heaps *)sheet, row) < 0)
            return -1;
    return 0;
}

static void write_heap(struct csv_sheet *sheet, uint32_t index, const struct heap *h)
{
    const struct eh_heap *heap = eh_model_heap(sheet->context->model, index);
    csv_write_row(sheet, (struct csv_cell[COLUMNS]){
        [PROCESS_ID] = csv_process_id(sheet, heap->process),
        [PROCESS_NAME] = csv_process_name(sheet, heap->process),
        [HEAP] = csv_address(heap->handle),
        [CREATED_NS] = csv_time(h->created, h->created_ns),
        [DESTROYED_NS] = csv_time(h->destroyed, h->destroyed_ns),
        [ALLOCS] = csv_number(h->allocs),
        [FREES] = csv_number(h->frees),
        [BYTES_ALLOCATED] = csv_number(h->bytes_allocated),
        [BYTES_FREED] = csv_number(h->bytes_freed),
        [PEAK_LIVE_BYTES] = csv_number(h->peak_bytes),
        [PEAK_TIME_NS] = csv_time(h->peak_bytes, h->peak_ns),
        [OUTSTANDING_BYTES] = csv_number(h->live_bytes),
        [OUTSTANDING_BLOCKS] = csv_number(h->live_blocks),
    });
}

static int write_heaps(struct csv_sheet *sheet)
{
    const struct heaps *s = (struct heaps *)sheet;
    for (uint32_t index = 1; index < s->room; index++)
        if (s->heaps[index].seen)
            write_heap(sheet, index, &s->heaps[index]);
    return 0;
}

static void done(struct csv_sheet *sheet)
{
    free(((struct heaps *)sheet)->heaps);
}

const struct csv_table csv_table_heaps = {
    .name = "heaps",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .measures = {OUTSTANDING_BYTES, BYTES_ALLOCATED},
    .cell_count = COLUMNS,
    .state_size = sizeof(struct heaps),
    .rows = take_rows,
    .end = write_heaps,
    .done = done,
};
