/* A table of etl2csv: its columns, and how its rows come out of the journal of events.
 *
 * The events table writes a row for each event. The others are folds: they add up the journal by a
 * key, keep memory for each key only, and write their rows at the end. */
#ifndef ETLHEAP_CONVERTERS_CSV_TABLE_H
#define ETLHEAP_CONVERTERS_CSV_TABLE_H

#include "csv_sheet.h"
#include "csv_top.h"

struct csv_table {
    const char *name;           /* as in --table */
    const char *const *columns; /* names, at most CSV_COLUMNS_MAX */
    size_t column_count;
    size_t default_count; /* the first of them, which are written unless others are asked for */
    size_t state_size;    /* of a struct that begins with a struct csv_sheet; the rest is zeroed */
    /* For --top: the places of what its rows are ordered by, numbers in all rows; both 0: nothing. */
    uint8_t measures[CSV_TOP_MEASURES];
    size_t cell_count; /* of a row: its columns, and behind them numbers that only order it */
    bool needs_outstanding; /* rows for the blocks that are live at the end */

    /* The sheet is the beginning of the state; its header row is written. All but `done` return 0,
     * or -1 when memory ran out, and all but `rows` may be NULL. `done` runs in any case. */
    int (*begin)(struct csv_sheet *sheet);
    int (*rows)(struct csv_sheet *sheet, const struct eh_event *rows, size_t count);
    int (*end)(struct csv_sheet *sheet);
    void (*done)(struct csv_sheet *sheet);
};

extern const struct csv_table csv_table_events;
extern const struct csv_table csv_table_heaps;
extern const struct csv_table csv_table_outstanding;
extern const struct csv_table csv_table_sizes;
extern const struct csv_table csv_table_callsites;
extern const struct csv_table csv_table_processes;
extern const struct csv_table csv_table_stacks;

/* Blocks freed in the sense of the tables: by a free or a realloc. Those that were replaced or went
 * with their heap or process are not. */
static inline bool csv_is_free(const struct eh_event *row)
{
    return row->flags & EH_REMOVED &&
           (row->kind != EH_DROP || row->reason == EH_DROP_REALLOC);
}

#endif
