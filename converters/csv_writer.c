/* etl2csv: options, and one of the tables. */
#include "csv_writer.h"

#include "csv_table.h"
#include "nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPREADSHEET_ROWS UINT64_C(1048575) /* beneath a header row */

/* The first is the default. */
static const struct csv_table *const tables[] = {
    &csv_table_events,    &csv_table_heaps,     &csv_table_outstanding, &csv_table_sizes,
    &csv_table_callsites, &csv_table_processes, &csv_table_stacks,
};

#define TABLES (sizeof tables / sizeof *tables)

struct csv {
    struct csv_sheet wanted; /* as the options say */
    const char *column_list; /* NULL: the table's default */
    const struct csv_table *table;
    struct csv_sheet *sheet; /* the table's state, NULL before begin */
    struct csv_top top;      /* most is 0 without --top */
};

enum {
    OPTION_TABLE,
    OPTION_TOP,
    OPTION_COLUMNS,
    OPTION_DELIMITER,
    OPTION_CRLF,
    OPTION_BOM,
    OPTION_NO_HEADER,
    OPTION_EXCEL_SAFE,
    OPTION_DECIMAL_ADDRESSES,
};

static const struct option_spec options[] = {
    {"table", 0, "NAME", "events, heaps, outstanding, sizes, callsites, processes, stacks",
     OPTION_TABLE},
    {"top", 0, "N", "only the N largest rows of a table, the largest first", OPTION_TOP},
    {"columns", 0, "LIST", "columns and their order: time_ns,event,size_bytes", OPTION_COLUMNS},
    {"delimiter", 0, "C", "character between cells instead of a comma, or tab", OPTION_DELIMITER},
    {"no-header", 0, NULL, "no row of column names", OPTION_NO_HEADER},
    {"decimal-addresses", 0, NULL, "heaps and addresses in decimal", OPTION_DECIMAL_ADDRESSES},
    {"crlf", 0, NULL, "end lines with CR LF", OPTION_CRLF},
    {"bom", 0, NULL, "begin with a UTF-8 byte order mark", OPTION_BOM},
    {"excel-safe", 0, NULL, "put ' before text that would be taken for a formula",
     OPTION_EXCEL_SAFE},
    {0},
};

static int no_such_table(const char *name, struct eh_error *e)
{
    char valid[256] = "";
    struct nearest nearest;
    nearest_begin(&nearest, name, strlen(name));
    for (size_t i = 0, n = 0; i < TABLES && n < sizeof valid; i++) {
        n += (size_t)snprintf(valid + n, sizeof valid - n, "%s%s", i ? ", " : "", tables[i]->name);
        nearest_offer(&nearest, tables[i]->name);
    }
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "there is no table '%s'%s%s; there are %s",
                   name, nearest.found ? ", perhaps " : "", nearest.found ? nearest.found : "",
                   valid);
}

static int set_table(struct csv *s, const char *name, struct eh_error *e)
{
    const struct csv_table *table = NULL;
    for (size_t i = 0; i < TABLES && !table; i++)
        table = strcmp(name, tables[i]->name) ? NULL : tables[i];
    if (!table)
        return no_such_table(name, e);
    if (s->table && s->table != table)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "--table is given twice, as '%s' and '%s'; each takes a conversion of its own",
                       s->table->name, name);
    s->table = table;
    return 0;
}

static int set_columns(struct csv *s, const char *list, struct eh_error *e)
{
    if (s->column_list && strcmp(s->column_list, list))
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "--columns is given twice; name all columns in one list");
    s->column_list = list;
    return 0;
}

static int set_top(struct csv *s, const char *argument, struct eh_error *e)
{
    if (parse_u64(&s->top.most, argument, strlen(argument)) < 0 || !s->top.most)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--top takes a number from 1, not '%s'",
                       argument);
    return 0;
}

static int set_option(void *state, int id, const char *argument, struct eh_error *e)
{
    struct csv *s = state;
    switch (id) {
    case OPTION_TABLE:
        return set_table(s, argument, e);
    case OPTION_TOP:
        return set_top(s, argument, e);
    case OPTION_COLUMNS:
        return set_columns(s, argument, e);
    case OPTION_DELIMITER:
        return csv_parse_delimiter(&s->wanted.dialect.delimiter, argument, e);
    case OPTION_CRLF:
        s->wanted.dialect.crlf = true;
        return 0;
    case OPTION_BOM:
        s->wanted.dialect.bom = true;
        return 0;
    case OPTION_NO_HEADER:
        s->wanted.dialect.no_header = true;
        return 0;
    case OPTION_EXCEL_SAFE:
        s->wanted.dialect.excel_safe = true;
        return 0;
    default:
        s->wanted.dialect.decimal_addresses = true;
        return 0;
    }
}

static int check_top(struct csv *s, struct eh_error *e)
{
    s->top.measures = s->table->measures;
    s->top.cell_count = s->table->cell_count;
    if (!s->top.most || s->top.cell_count)
        return 0;
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "--top has nothing to order the rows of the table %s by; it goes with heaps, "
                   "outstanding, sizes, callsites and processes",
                   s->table->name);
}

/* Which columns there are depends on the table, which may be named after them. */
static int check(void *state, struct writer_needs *ret_needs, struct eh_error *e)
{
    struct csv *s = state;
    if (!s->table)
        s->table = tables[0];
    ret_needs->outstanding = s->table->needs_outstanding;
    ret_needs->no_events = s->table != &csv_table_events;
    if (!s->wanted.dialect.delimiter)
        s->wanted.dialect.delimiter = ',';
    s->wanted.columns_given = s->column_list;
    if (check_top(s, e) < 0)
        return -1;
    if (s->column_list)
        return csv_parse_columns(&s->wanted.columns, s->column_list, s->table->columns,
                                 s->table->column_count, e);
    csv_first_columns(&s->wanted.columns, s->table->default_count);
    return 0;
}

static int out_of_memory(const struct csv *s, struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for the table of %s",
                   s->table->name);
}

static int begin(void *state, const struct writer_context *context, struct eh_error *e)
{
    struct csv *s = state;
    s->sheet = calloc(1, s->table->state_size);
    if (!s->sheet)
        return out_of_memory(s, e);
    *s->sheet = s->wanted;
    s->sheet->context = context;
    s->sheet->out = context->out;
    s->sheet->names = s->table->columns;
    s->sheet->top = s->top.most ? &s->top : NULL;
    csv_write_header(s->sheet);
    if (s->table->begin && s->table->begin(s->sheet) < 0)
        return out_of_memory(s, e);
    return 0;
}

static int write_rows(void *state, const struct eh_event *rows, size_t count, struct eh_error *e)
{
    struct csv *s = state;
    if (s->table->rows(s->sheet, rows, count) < 0 || s->sheet->out_of_memory)
        return out_of_memory(s, e);
    return 0;
}

static void warn_of_rows(const struct csv_sheet *sheet)
{
    if (sheet->row_count > SPREADSHEET_ROWS || sheet->most_rows > SPREADSHEET_ROWS)
        sheet->context->tell(sheet->context->tell_context, EH_WARNING,
                             "spreadsheets show only the first 1048575 rows and drop the rest "
                             "without a word; cut the table with --split-rows 1048575, or load it "
                             "into a database");
}

static int end(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct csv *s = state;
    (void)stats;
    if ((s->table->end && s->table->end(s->sheet) < 0) || s->sheet->out_of_memory)
        return out_of_memory(s, e);
    if (s->sheet->top)
        csv_write_top(s->sheet);
    warn_of_rows(s->sheet);
    return 0;
}

static void done(void *state)
{
    struct csv *s = state;
    if (s->sheet && s->table->done)
        s->table->done(s->sheet);
    free(s->sheet);
    csv_top_finish(&s->top);
}

const struct writer csv_writer = {
    .command = "etl2csv",
    .summary = "Windows heap events of an .etl trace as CSV rows, or a table of sums",
    .examples = "  etl2csv heap.etl kernel.etl    writes heap.csv, with names of kernel.etl\n"
                "  etl2csv --table callsites --top 20 -c heap.etl    who holds the most memory\n",
    .suffix = ".csv",
    .in_pieces = true,
    .filtered = true,
    .state_size = sizeof(struct csv),
    .options = options,
    .set = set_option,
    .check = check,
    .begin = begin,
    .rows = write_rows,
    .end = end,
    .done = done,
};
