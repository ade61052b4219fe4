#include "csv_top.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

/* As qsort() wants it: the larger row first. */
static int compare_rows(const void *left, const void *right)
{
    const struct csv_top_row *a = left, *b = right;
    for (size_t i = 0; i < CSV_TOP_MEASURES; i++)
        if (a->measures[i] != b->measures[i])
            return a->measures[i] > b->measures[i] ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static bool is_less(const struct csv_top_row *a, const struct csv_top_row *b)
{
    return compare_rows(a, b) > 0;
}

static void swap_rows(struct csv_top *t, size_t a, size_t b)
{
    struct csv_top_row row = t->rows[a];
    t->rows[a] = t->rows[b];
    t->rows[b] = row;
}

static void sift_up(struct csv_top *t, size_t at)
{
    for (; at && is_less(&t->rows[at], &t->rows[(at - 1) / 2]); at = (at - 1) / 2)
        swap_rows(t, at, (at - 1) / 2);
}

static void sift_down(struct csv_top *t, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < t->count; at = child) {
        child += child + 1 < t->count && is_less(&t->rows[child + 1], &t->rows[child]);
        if (!is_less(&t->rows[child], &t->rows[at]))
            return;
        swap_rows(t, at, child);
    }
}

static struct csv_cell *cells_at(const struct csv_top *t, size_t place)
{
    return t->cells + place * t->cell_count;
}

static int add_row(struct csv_top *t, struct csv_top_row row, const struct csv_cell *cells)
{
    if (ARRAY_RESERVE(t->rows, t->row_room, t->count + 1) < 0 ||
        ARRAY_RESERVE(t->cells, t->cell_room, (t->count + 1) * t->cell_count) < 0)
        return -1;
    row.place = t->count;
    t->rows[t->count++] = row;
    memcpy(cells_at(t, row.place), cells, t->cell_count * sizeof *cells);
    sift_up(t, row.place);
    return 0;
}

int csv_top_offer(struct csv_top *t, const struct csv_cell *cells)
{
    struct csv_top_row row = {.order = t->offered++};
    for (size_t i = 0; i < CSV_TOP_MEASURES; i++)
        row.measures[i] = cells[t->measures[i]].number;
    if (t->count < t->most)
        return add_row(t, row, cells);
    if (is_less(&row, &t->rows[0]))
        return 0;
    row.place = t->rows[0].place;
    t->rows[0] = row;
    memcpy(cells_at(t, row.place), cells, t->cell_count * sizeof *cells);
    sift_down(t, 0);
    return 0;
}

void csv_top_sort(struct csv_top *t)
{
    if (t->count)
        qsort(t->rows, t->count, sizeof *t->rows, compare_rows);
}

const struct csv_cell *csv_top_cells(const struct csv_top *t, size_t i)
{
    return cells_at(t, t->rows[i].place);
}

void csv_top_finish(struct csv_top *t)
{
    free(t->rows);
    free(t->cells);
}
