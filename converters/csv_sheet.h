/* What all CSV tables share: where rows go, how cells look, which columns are written. */
#ifndef ETLHEAP_CONVERTERS_CSV_SHEET_H
#define ETLHEAP_CONVERTERS_CSV_SHEET_H

#include "csv_columns.h"
#include "csv_text.h"
#include "text.h"
#include "writer.h"

/* Room for any cell but text, with its delimiter: numbers have up to 20 bytes, names of events and
 * columns 25, and times TEXT_UTC_BYTES. */
#define CSV_CELL_BYTES 33

_Static_assert(TEXT_UTC_BYTES < CSV_CELL_BYTES && TEXT_I64_BYTES < CSV_CELL_BYTES &&
                   TEXT_HEX_BYTES < CSV_CELL_BYTES,
               "a cell and its delimiter fit");

struct csv_top;

struct csv_sheet {
    struct csv_dialect dialect;
    struct csv_columns columns;
    bool columns_given; /* other than the table's default */
    const char *const *names; /* of all columns of the table */
    const struct writer_context *context;
    struct out *out;
    uint64_t row_count; /* data rows written to the piece, or in all without pieces */
    uint64_t most_rows; /* in a finished piece */
    struct csv_top *top; /* where rows are left until the end; NULL: they are written */
    bool out_of_memory;  /* sticks: a row is missing */
};

/* A cell of a table whose rows are few enough to be put together before they are written. Zeroed
 * is an empty one. */
struct csv_cell {
    enum { CELL_EMPTY, CELL_NUMBER, CELL_TIME, CELL_ADDRESS, CELL_TEXT, CELL_PROCESS_NAME } kind;
    union {
        uint64_t number; /* CELL_NUMBER, CELL_ADDRESS; CELL_PROCESS_NAME: process instance */
        int64_t time;    /* CELL_TIME, ns */
        const char *text;
    };
};

static inline struct csv_cell csv_number(uint64_t number)
{
    return (struct csv_cell){.kind = CELL_NUMBER, .number = number};
}

static inline struct csv_cell csv_address(uint64_t address)
{
    return (struct csv_cell){.kind = CELL_ADDRESS, .number = address};
}

/* Empty unless `known`. */
static inline struct csv_cell csv_time(bool known, int64_t ns)
{
    return known ? (struct csv_cell){.kind = CELL_TIME, .time = ns} : (struct csv_cell){0};
}

/* Empty for NULL. The text is borrowed until the row is written: with --top, at the end. */
static inline struct csv_cell csv_text(const char *text)
{
    return text ? (struct csv_cell){.kind = CELL_TEXT, .text = text} : (struct csv_cell){0};
}

/* Both are empty for process 0, the unknown owner. */
struct csv_cell csv_process_id(const struct csv_sheet *s, uint32_t process);
struct csv_cell csv_process_name(const struct csv_sheet *s, uint32_t process);

/* Byte order mark and header row, as far as they are wanted. */
void csv_write_header(struct csv_sheet *s);

/* With context->split, after a row was written where the sink stood at `before`. True if it did not
 * belong there any more: it is taken back, the next piece is begun, and the row must be written
 * once more. */
bool csv_cut_before_row(struct csv_sheet *s, uint64_t before, int64_t time_ns);

/* One row, out of cells in the order of the table's names: the chosen ones in the chosen order. */
void csv_write_row(struct csv_sheet *s, const struct csv_cell *cells);

/* The rows that csv_write_row() left for the end. */
void csv_write_top(struct csv_sheet *s);

/* The delimiter behind the last cell, just before `at`, gives way to the end of the line; needs
 * room for one more byte. */
static inline char *csv_put_line_end(const struct csv_sheet *s, char *at)
{
    if (s->dialect.crlf) {
        at[-1] = '\r';
        *at++ = '\n';
    } else {
        at[-1] = '\n';
    }
    return at;
}

/* The same for a row that began at `row` and may be of one empty cell, which needs its quotes: many
 * readers skip an empty line. Needs room for three more bytes. */
static inline char *csv_end_line(const struct csv_sheet *s, const char *row, char *at)
{
    if (at - row == 1)
        at = put_bytes(at - 1, "\"\"", 2) + 1;
    return csv_put_line_end(s, at);
}

#endif
