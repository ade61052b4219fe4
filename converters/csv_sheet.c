#include "csv_sheet.h"

#include "csv_top.h"
#include "split.h"

#include <string.h>

/* The mark, or the rest of a line that csv_end_line() makes longer. */
#define LINE_BYTES 4

struct csv_cell csv_process_id(const struct csv_sheet *s, uint32_t process)
{
    if (!process)
        return (struct csv_cell){0};
    return csv_number(eh_model_process(s->context->model, process)->pid);
}

struct csv_cell csv_process_name(const struct csv_sheet *s, uint32_t process)
{
    if (!process || !eh_model_process(s->context->model, process)->name)
        return (struct csv_cell){0};
    return (struct csv_cell){.kind = CELL_PROCESS_NAME, .number = process};
}

/* NULL for cells that are none. */
static const char *text_of(const struct csv_sheet *s, const struct csv_cell *c)
{
    if (c->kind == CELL_PROCESS_NAME)
        return eh_model_process(s->context->model, (uint32_t)c->number)->name;
    return c->kind == CELL_TEXT ? c->text : NULL;
}

void csv_write_header(struct csv_sheet *s)
{
    char *at = out_reserve(s->out, s->columns.count * CSV_CELL_BYTES + 2 * LINE_BYTES);
    if (s->dialect.bom)
        at = put_string(at, "\xEF\xBB\xBF");
    char *row = at;
    for (size_t i = 0; !s->dialect.no_header && i < s->columns.count; i++) {
        at = put_string(at, s->names[s->columns.columns[i]]);
        *at++ = s->dialect.delimiter;
    }
    out_commit(s->out, s->dialect.no_header ? at : csv_end_line(s, row, at));
}

bool csv_cut_before_row(struct csv_sheet *s, uint64_t before, int64_t time_ns)
{
    struct split *split = s->context->split;
    uint64_t after = out_position(s->out);
    bool cut = split_is_due(split, SPLIT_ITEM, time_ns, after);
    if (cut) {
        out_take_back(s->out, (size_t)(after - before));
        if (--s->row_count > s->most_rows)
            s->most_rows = s->row_count;
        s->row_count = 0;
        split_next(split);
        csv_write_header(s);
    }
    split_take(split, SPLIT_ITEM, time_ns);
    return cut;
}

static size_t row_bytes(const struct csv_sheet *s, const struct csv_cell *cells)
{
    size_t bytes = s->columns.count * CSV_CELL_BYTES + LINE_BYTES;
    for (size_t i = 0; i < s->columns.count; i++) {
        const char *text = text_of(s, &cells[s->columns.columns[i]]);
        if (text)
            bytes += CSV_TEXT_BYTES(strlen(text));
    }
    return bytes;
}

static char *put_cell(const struct csv_sheet *s, char *at, const struct csv_cell *c)
{
    const char *text = text_of(s, c);
    switch (c->kind) {
    case CELL_NUMBER:
        return put_u64(at, c->number);
    case CELL_TIME:
        return put_i64(at, c->time);
    case CELL_ADDRESS:
        return s->dialect.decimal_addresses ? put_u64(at, c->number) : put_hex(at, c->number);
    case CELL_TEXT:
    case CELL_PROCESS_NAME:
        return text ? csv_put_text(&s->dialect, at, text, strlen(text)) : at;
    case CELL_EMPTY:
        break;
    }
    return at;
}

static void put_row(struct csv_sheet *s, const struct csv_cell *cells)
{
    char *row = out_reserve(s->out, row_bytes(s, cells)), *at = row;
    for (size_t i = 0; i < s->columns.count; i++) {
        at = put_cell(s, at, &cells[s->columns.columns[i]]);
        *at++ = s->dialect.delimiter;
    }
    out_commit(s->out, csv_end_line(s, row, at));
    s->row_count++;
}

static void write_row_now(struct csv_sheet *s, const struct csv_cell *cells)
{
    uint64_t before = out_position(s->out);
    put_row(s, cells);
    if (s->context->split && csv_cut_before_row(s, before, 0))
        put_row(s, cells);
}

void csv_write_row(struct csv_sheet *s, const struct csv_cell *cells)
{
    if (!s->top)
        write_row_now(s, cells);
    else if (csv_top_offer(s->top, cells) < 0)
        s->out_of_memory = true;
}

void csv_write_top(struct csv_sheet *s)
{
    csv_top_sort(s->top);
    for (size_t i = 0; i < s->top->count; i++)
        write_row_now(s, csv_top_cells(s->top, i));
}
