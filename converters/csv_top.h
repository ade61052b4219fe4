/* --top N: of a table's rows the N that are largest in what the table measures. */
#ifndef ETLHEAP_CONVERTERS_CSV_TOP_H
#define ETLHEAP_CONVERTERS_CSV_TOP_H

#include "csv_sheet.h"

#define CSV_TOP_MEASURES 2 /* the second decides where the first ones are equal */

struct csv_top_row {
    uint64_t measures[CSV_TOP_MEASURES];
    uint64_t order; /* of the offers: of equal rows the first ones stay, and stand first */
    size_t place;   /* of its cells */
};

/* Zeroed but for the first three is empty. */
struct csv_top {
    uint64_t most;           /* rows that are kept, at least 1 */
    size_t cell_count;       /* of a row */
    const uint8_t *measures; /* CSV_TOP_MEASURES places of numbers among the cells */

    struct csv_top_row *rows; /* a heap with the least row on top, until they are sorted */
    struct csv_cell *cells;
    size_t count, row_room, cell_room;
    uint64_t offered;
};

/* Takes the row if it is among the N largest so far. Texts in it must outlive the list. 0, or -1
 * without memory. */
int csv_top_offer(struct csv_top *t, const struct csv_cell *cells);

/* Puts the rows in order, the largest first; then row i has the cells csv_top_cells(). No more
 * offers may follow. */
void csv_top_sort(struct csv_top *t);
const struct csv_cell *csv_top_cells(const struct csv_top *t, size_t i);

void csv_top_finish(struct csv_top *t);

#endif
