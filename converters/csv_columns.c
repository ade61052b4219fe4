#include "csv_columns.h"

#include "nearest.h"

#include <stdio.h>
#include <string.h>

void csv_first_columns(struct csv_columns *ret_columns, size_t count)
{
    ret_columns->count = count;
    for (size_t i = 0; i < count; i++)
        ret_columns->columns[i] = (uint8_t)i;
}

/* `count` when there is none of that name. */
static size_t find_column(const char *const *names, size_t count, const char *name, size_t length)
{
    size_t column = 0;
    while (column < count &&
           (strlen(names[column]) != length || memcmp(names[column], name, length)))
        column++;
    return column;
}

static int no_such_column(const char *const *names, size_t count, const char *name, size_t length,
                          struct eh_error *e)
{
    char valid[512] = "";
    struct nearest nearest;
    nearest_begin(&nearest, name, length);
    for (size_t i = 0, n = 0; i < count && n < sizeof valid; i++) {
        n += (size_t)snprintf(valid + n, sizeof valid - n, "%s%s", i ? ", " : "", names[i]);
        nearest_offer(&nearest, names[i]);
    }
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "there is no column '%.*s'%s%s; there are %s",
                   length < 64 ? (int)length : 64, name, nearest.found ? ", perhaps " : "",
                   nearest.found ? nearest.found : "", valid);
}

int csv_parse_columns(struct csv_columns *ret_columns, const char *list, const char *const *names,
                      size_t count, struct eh_error *e)
{
    struct csv_columns found = {0};
    for (;;) {
        list += strspn(list, " "); /* a blank behind a comma is a matter of taste */
        size_t length = strcspn(list, ","), trimmed = length;
        while (trimmed && list[trimmed - 1] == ' ')
            trimmed--;
        size_t column = find_column(names, count, list, trimmed);
        if (column == count)
            return no_such_column(names, count, list, trimmed, e);
        if (memchr(found.columns, (int)column, found.count))
            return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "the column %s is named twice",
                           names[column]);
        found.columns[found.count++] = (uint8_t)column;
        if (!list[length])
            break;
        list += length + 1;
    }
    *ret_columns = found;
    return 0;
}
