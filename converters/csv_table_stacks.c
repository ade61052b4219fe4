/* The stacks table: one row for each frame of each stack that a heap event has. */
#include "csv_table.h"

enum { STACK_ID, DEPTH, ADDRESS, MODULE, OFFSET, SYMBOL, COLUMNS };

static const char *const column_names[COLUMNS] = {
    [STACK_ID] = "stack_id", [DEPTH] = "depth",   [ADDRESS] = "address",
    [MODULE] = "module",     [OFFSET] = "offset", [SYMBOL] = "symbol",
};

struct stacks {
    struct csv_sheet sheet;
    uint32_t written; /* stacks */
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

/* Ids are given in the order in which rows come to need them: what is new goes out at once. */
static int write_new_stacks(struct csv_sheet *sheet)
{
    struct stacks *s = (struct stacks *)sheet;
    const struct eh_model *model = sheet->context->model;
    while (s->written + 1 < eh_model_stacks(model)) {
        uint32_t id = ++s->written;
        struct eh_stack stack = eh_model_stack(model, id);
        for (uint32_t depth = 0; depth < stack.depth; depth++)
            write_frame(sheet, id, depth, eh_model_frame(model, stack.frames[depth]));
    }
    return 0;
}

static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    (void)rows, (void)count;
    return write_new_stacks(sheet);
}

const struct csv_table csv_table_stacks = {
    .name = "stacks",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .state_size = sizeof(struct stacks),
    .rows = take_rows,
    .end = write_new_stacks,
};
