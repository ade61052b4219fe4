/* Which columns of a table are written, in which order. */
#ifndef ETLHEAP_CONVERTERS_CSV_COLUMNS_H
#define ETLHEAP_CONVERTERS_CSV_COLUMNS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define CSV_COLUMNS_MAX 32 /* that a table can have */

struct csv_columns {
    size_t count;
    uint8_t columns[CSV_COLUMNS_MAX]; /* places in the table's list of names */
};

/* The first `count` columns of a table. */
void csv_first_columns(struct csv_columns *ret_columns, size_t count);

/* "time_ns,event,...": each one of the `count` names, and at most once. 0, or -1 with an error that
 * names the valid ones. */
int csv_parse_columns(struct csv_columns *ret_columns, const char *list, const char *const *names,
                      size_t count, struct eh_error *e);

#endif
