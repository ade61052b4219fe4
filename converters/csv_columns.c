#include "csv_columns.h"

#include <stdio.h>
#include <string.h>

const char *const csv_column_names[CSV_COLUMNS] = {
    [CSV_TIME_NS] = "time_ns",
    [CSV_PROCESS_ID] = "process_id",
    [CSV_PROCESS_NAME] = "process_name",
    [CSV_THREAD_ID] = "thread_id",
    [CSV_CPU] = "cpu",
    [CSV_EVENT] = "event",
    [CSV_HEAP] = "heap",
    [CSV_ADDRESS] = "address",
    [CSV_SIZE_BYTES] = "size_bytes",
    [CSV_OLD_ADDRESS] = "old_address",
    [CSV_OLD_SIZE_BYTES] = "old_size_bytes",
    [CSV_SOURCE] = "source",
    [CSV_LIFETIME_NS] = "lifetime_ns",
    [CSV_HEAP_LIVE_BYTES] = "heap_live_bytes",
    [CSV_HEAP_LIVE_BLOCKS] = "heap_live_blocks",
    [CSV_STACK_ID] = "stack_id",
    [CSV_TIME_UTC] = "time_utc",
    [CSV_RAW_TIME] = "raw_time",
    [CSV_PROCESS_LIVE_BYTES] = "process_live_bytes",
    [CSV_PROCESS_LIVE_BLOCKS] = "process_live_blocks",
    [CSV_STACK] = "stack",
};

void csv_default_columns(struct csv_columns *ret_columns)
{
    ret_columns->count = CSV_DEFAULT_COLUMNS;
    for (size_t i = 0; i < CSV_DEFAULT_COLUMNS; i++)
        ret_columns->columns[i] = (uint8_t)i;
}

/* CSV_COLUMNS when there is none of that name. */
static enum csv_column find_column(const char *name, size_t length)
{
    enum csv_column column = CSV_TIME_NS;
    while (column < CSV_COLUMNS && (strlen(csv_column_names[column]) != length ||
                                    memcmp(csv_column_names[column], name, length)))
        column++;
    return column;
}

static int no_such_column(const char *name, size_t length, struct eh_error *e)
{
    char valid[512] = "";
    for (size_t i = 0, n = 0; i < CSV_COLUMNS && n < sizeof valid; i++)
        n += (size_t)snprintf(valid + n, sizeof valid - n, "%s%s", i ? ", " : "",
                              csv_column_names[i]);
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "there is no column '%.*s'; there are %s",
                   length < 64 ? (int)length : 64, name, valid);
}

int csv_parse_columns(struct csv_columns *ret_columns, const char *list, struct eh_error *e)
{
    struct csv_columns found = {0};
    for (;;) {
        size_t length = strcspn(list, ",");
        enum csv_column column = find_column(list, length);
        if (column == CSV_COLUMNS)
            return no_such_column(list, length, e);
        if (memchr(found.columns, (int)column, found.count))
            return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "the column %s is named twice",
                           csv_column_names[column]);
        found.columns[found.count++] = (uint8_t)column;
        if (!list[length])
            break;
        list += length + 1;
    }
    *ret_columns = found;
    return 0;
}
