/* The columns of the events table. */
#ifndef ETLHEAP_CONVERTERS_CSV_COLUMNS_H
#define ETLHEAP_CONVERTERS_CSV_COLUMNS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* In the order of the default table, then those that are only written when asked for. */
enum csv_column {
    CSV_TIME_NS,
    CSV_PROCESS_ID,
    CSV_PROCESS_NAME,
    CSV_THREAD_ID,
    CSV_CPU,
    CSV_EVENT,
    CSV_HEAP,
    CSV_ADDRESS,
    CSV_SIZE_BYTES,
    CSV_OLD_ADDRESS,
    CSV_OLD_SIZE_BYTES,
    CSV_SOURCE,
    CSV_LIFETIME_NS,
    CSV_HEAP_LIVE_BYTES,
    CSV_HEAP_LIVE_BLOCKS,
    CSV_STACK_ID,
    CSV_DEFAULT_COLUMNS,

    CSV_TIME_UTC = CSV_DEFAULT_COLUMNS,
    CSV_RAW_TIME,
    CSV_PROCESS_LIVE_BYTES,
    CSV_PROCESS_LIVE_BLOCKS,
    CSV_STACK,
    CSV_COLUMNS
};

/* Which columns are written, in which order. */
struct csv_columns {
    size_t count;
    uint8_t columns[CSV_COLUMNS]; /* enum csv_column */
};

extern const char *const csv_column_names[CSV_COLUMNS];

void csv_default_columns(struct csv_columns *ret_columns);

/* "time_ns,event,...": each at most once. 0, or -1 with an error that names the valid ones. */
int csv_parse_columns(struct csv_columns *ret_columns, const char *list, struct eh_error *e);

#endif
