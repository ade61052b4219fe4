/* How a cell of text looks in CSV: RFC 4180 quotes where needed, and the options around it. */
#ifndef ETLHEAP_CONVERTERS_CSV_TEXT_H
#define ETLHEAP_CONVERTERS_CSV_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct csv_dialect {
    char delimiter;
    bool crlf;
    bool bom;
    bool no_header;
    bool excel_safe; /* an apostrophe before text that a spreadsheet would take for a formula */
    bool decimal_addresses;
};

/* What csv_put_text() writes at most: quotes around, every quote doubled, an apostrophe. */
#define CSV_TEXT_BYTES(length) (2 * (length) + 3)

/* Writes text as one cell and returns the place behind. */
char *csv_put_text(const struct csv_dialect *d, char *at, const char *text, size_t length);

/* Takes one ASCII character that no number or name of ours contains, or the word tab, or \t.
 * 0, or -1 with `e` filled. */
int csv_parse_delimiter(char *ret_delimiter, const char *argument, struct eh_error *e);

#endif
