/* The outstanding table: the blocks that are live at the end of the trace. */
#include "csv_table.h"

enum {
    PROCESS_ID,
    PROCESS_NAME,
    HEAP,
    ADDRESS,
    SIZE_BYTES,
    ALLOC_TIME_NS,
    THREAD_ID,
    STACK_ID,
    COLUMNS
};

static const char *const column_names[COLUMNS] = {
    [PROCESS_ID] = "process_id",
    [PROCESS_NAME] = "process_name",
    [HEAP] = "heap",
    [ADDRESS] = "address",
    [SIZE_BYTES] = "size_bytes",
    [ALLOC_TIME_NS] = "alloc_time_ns",
    [THREAD_ID] = "thread_id",
    [STACK_ID] = "stack_id",
};

static void write_block(struct csv_sheet *sheet, const struct eh_event *row)
{
    struct csv_cell cells[COLUMNS] = {
        [PROCESS_ID] = csv_process_id(sheet, row->process),
        [PROCESS_NAME] = csv_process_name(sheet, row->process),
        [HEAP] = csv_address(row->heap),
        [ADDRESS] = csv_address(row->address),
        [SIZE_BYTES] = csv_number(row->size),
        [ALLOC_TIME_NS] = csv_time(true, row->time_ns),
    };
    if (row->thread_id != EH_NO_ID)
        cells[THREAD_ID] = csv_number(row->thread_id);
    if (row->block_stack)
        cells[STACK_ID] = csv_number(row->block_stack);
    csv_write_row(sheet, cells);
}

/* The reader lists them by birth when all events are over: nothing is kept here. */
static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    for (const struct eh_event *row = rows; row < rows + count; row++)
        if (row->kind == EH_OUTSTANDING && !(row->flags & EH_HIDDEN))
            write_block(sheet, row);
    return 0;
}

const struct csv_table csv_table_outstanding = {
    .name = "outstanding",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .measures = {SIZE_BYTES, SIZE_BYTES},
    .cell_count = COLUMNS,
    .state_size = sizeof(struct csv_sheet),
    .needs_outstanding = true,
    .rows = take_rows,
};
