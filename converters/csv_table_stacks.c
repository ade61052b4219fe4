/* The stacks table: one row for each frame of each stack that a heap event has. */
#include "csv_table.h"

#include "base/array.h"

#include <stdlib.h>

enum { STACK_ID, DEPTH, ADDRESS, MODULE, OFFSET, SYMBOL, COLUMNS };

static const char *const column_names[COLUMNS] = {
    [STACK_ID] = "stack_id", [DEPTH] = "depth",   [ADDRESS] = "address",
    [MODULE] = "module",     [OFFSET] = "offset", [SYMBOL] = "symbol",
};

struct stacks {
    struct csv_sheet sheet;
    uint32_t written; /* stacks, without filters */
    bool *used;       /* by stack: a chosen event has it */
    size_t room;
};

static void write_frame(struct csv_sheet *sheet, uint32_t stack, uint32_t depth,
                        const struct eh_frame *f)
{
    const struct eh_model *model = sheet->context->model;
    struct csv_cell cells[COLUMNS] = {
        [STACK_ID] = csv_number(stack),
        [DEPTH] = csv_number(depth),
        [ADDRESS] = csv_address(f->address),
    };
    if (f->image) {
        cells[MODULE] = csv_text(eh_model_image(model, f->image)->file_name);
        cells[OFFSET] = csv_address(f->offset);
    }
    csv_write_row(sheet, cells);
}

static void write_stack(struct csv_sheet *sheet, uint32_t id)
{
    const struct eh_model *model = sheet->context->model;
    struct eh_stack stack = eh_model_stack(model, id);
    for (uint32_t depth = 0; depth < stack.depth; depth++)
        write_frame(sheet, id, depth, eh_model_frame(model, stack.frames[depth]));
}

/* Ids are given in the order in which rows come to need them: what is new goes out at once. */
static void write_new_stacks(struct csv_sheet *sheet)
{
    struct stacks *s = (struct stacks *)sheet;
    while (s->written + 1 < eh_model_stacks(sheet->context->model))
        write_stack(sheet, ++s->written);
}

/* Chosen rows may come to a stack late that others used before: the order is known at the end. */
static int note_stacks(struct stacks *s, const struct eh_event *rows, size_t count)
{
    for (const struct eh_event *row = rows; row < rows + count; row++) {
        if (!row->stack || row->kind >= EH_HEAP_KINDS || row->flags & EH_HIDDEN)
            continue;
        if (ARRAY_RESERVE_ZEROED(s->used, s->room, row->stack + (size_t)1) < 0)
            return -1;
        s->used[row->stack] = true;
    }
    return 0;
}

static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    if (sheet->context->filter)
        return note_stacks((struct stacks *)sheet, rows, count);
    write_new_stacks(sheet);
    return 0;
}

static int write_rest(struct csv_sheet *sheet)
{
    const struct stacks *s = (struct stacks *)sheet;
    if (!sheet->context->filter)
        write_new_stacks(sheet);
    for (uint32_t id = 1; id < s->room; id++)
        if (s->used[id])
            write_stack(sheet, id);
    return 0;
}

static void done(struct csv_sheet *sheet)
{
    free(((struct stacks *)sheet)->used);
}

const struct csv_table csv_table_stacks = {
    .name = "stacks",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .state_size = sizeof(struct stacks),
    .rows = take_rows,
    .end = write_rest,
    .done = done,
};
