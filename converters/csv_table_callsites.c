/* The callsites table: what became of the blocks that each stack added. */
#include "csv_table.h"

#include "base/array.h"

#include <stdlib.h>

enum {
    STACK_ID,
    ALLOCS,
    BYTES_ALLOCATED,
    FREES,
    OUTSTANDING_BYTES,
    OUTSTANDING_BLOCKS,
    TEMPORARY,
    COLUMNS
};

static const char *const column_names[COLUMNS] = {
    [STACK_ID] = "stack_id",
    [ALLOCS] = "allocs",
    [BYTES_ALLOCATED] = "bytes_allocated",
    [FREES] = "frees",
    [OUTSTANDING_BYTES] = "outstanding_bytes",
    [OUTSTANDING_BLOCKS] = "outstanding_blocks",
    [TEMPORARY] = "temporary",
};

/* The blocks that events with one stack added. */
struct site {
    uint64_t allocs;
    uint64_t bytes_allocated;
    uint64_t frees;
    uint64_t live_bytes, live_blocks;
    uint64_t temporary;
};

struct callsites {
    struct csv_sheet sheet;
    struct site *sites; /* by stack; 0 for blocks whose event has none */
    size_t room;
};

static void add_block(struct site *site, const struct eh_event *row)
{
    site->allocs++;
    site->bytes_allocated += row->size;
    site->live_bytes += row->size;
    site->live_blocks++;
}

/* As in the heaps table: what a block grows in place was allocated, by whoever added the block. */
static void resize_block(struct site *site, const struct eh_event *row)
{
    if (row->size > row->previous_size)
        site->bytes_allocated += row->size - row->previous_size;
    site->live_bytes += row->size - row->previous_size;
}

/* A block that a realloc moved away was not freed but copied, into another alloc. */
static void remove_block(struct site *site, const struct eh_event *row)
{
    site->frees += csv_is_free(row);
    site->temporary += (row->flags & EH_TEMPORARY) != 0;
    site->live_bytes -= row->size;
    site->live_blocks--;
}

static int take_row(struct callsites *s, const struct eh_event *row)
{
    if (ARRAY_RESERVE_ZEROED(s->sites, s->room, row->block_stack + (size_t)1) < 0)
        return -1;
    struct site *site = &s->sites[row->block_stack];
    if (row->flags & EH_ADDED)
        add_block(site, row);
    else if (row->flags & EH_RESIZED)
        resize_block(site, row);
    else
        remove_block(site, row);
    return 0;
}

static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    for (const struct eh_event *row = rows; row < rows + count; row++)
        if (row->flags & (EH_ADDED | EH_RESIZED | EH_REMOVED) && !(row->flags & EH_HIDDEN) &&
            take_row((struct callsites *)sheet, row) < 0)
            return -1;
    return 0;
}

static void write_site(struct csv_sheet *sheet, uint64_t stack, const struct site *site)
{
    if (!site->allocs)
        return;
    csv_write_row(sheet, (struct csv_cell[COLUMNS]){
        [STACK_ID] = stack ? csv_number(stack) : (struct csv_cell){0},
        [ALLOCS] = csv_number(site->allocs),
        [BYTES_ALLOCATED] = csv_number(site->bytes_allocated),
        [FREES] = csv_number(site->frees),
        [OUTSTANDING_BYTES] = csv_number(site->live_bytes),
        [OUTSTANDING_BLOCKS] = csv_number(site->live_blocks),
        [TEMPORARY] = csv_number(site->temporary),
    });
}

/* By stack; the blocks without one stand last. */
static int write_sites(struct csv_sheet *sheet)
{
    struct callsites *s = (struct callsites *)sheet;
    for (size_t stack = 1; stack < s->room; stack++)
        write_site(sheet, stack, &s->sites[stack]);
    if (s->room)
        write_site(sheet, 0, &s->sites[0]);
    return 0;
}

static void done(struct csv_sheet *sheet)
{
    free(((struct callsites *)sheet)->sites);
}

const struct csv_table csv_table_callsites = {
    .name = "callsites",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .measures = {OUTSTANDING_BYTES, BYTES_ALLOCATED},
    .cell_count = COLUMNS,
    .state_size = sizeof(struct callsites),
    .rows = take_rows,
    .end = write_sites,
    .done = done,
};
