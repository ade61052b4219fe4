/* Rows of the events table that come by the million: allocs, frees and reallocs in the default
 * columns, with all that their records usually have.
 *
 * What repeats from row to row is copied from small caches: who (process to cpu), what (kind and
 * heap), and the leading digits of numbers. An entry is checked before it is used. Whatever does
 * not fit is for the general path, which makes the same of every row at four times the cost. */
#ifndef ETLHEAP_CONVERTERS_CSV_BLOCKS_H
#define ETLHEAP_CONVERTERS_CSV_BLOCKS_H

#include "csv_sheet.h"

#define CSV_WHO_BYTES    64
#define CSV_WHAT_BYTES   32
#define CSV_SOURCE_BYTES 32

/* ",4242,app.exe,4711,3," for a process, thread and processor. */
struct csv_who {
    uint32_t process, thread_id;
    uint32_t cpu; /* UINT32_MAX: an unused entry */
    uint32_t length;
    char text[CSV_WHO_BYTES];
};

/* "alloc,0x1d2a4b50000," for a kind. */
struct csv_what {
    uint64_t length;
    char text[CSV_WHAT_BYTES];
};

struct csv_block_heap {
    uint64_t heap_index; /* UINT64_MAX: an unused entry */
    struct csv_what what[EH_REALLOC + 1];
    struct text_high address;
    struct text_near live_bytes, live_blocks;
};

/* ",,,lookaside,", from the end of the size to where the lifetime begins. */
struct csv_block_source {
    uint64_t length;
    char text[CSV_SOURCE_BYTES];
};

#define CSV_WHO_SLOTS  256
#define CSV_HEAP_SLOTS 64
#define CSV_SOURCES    8

struct csv_blocks {
    const struct csv_sheet *sheet;
    struct text_near time;
    struct csv_block_source sources[1 + CSV_SOURCES]; /* the first is for none */
    struct csv_who who[CSV_WHO_SLOTS];
    struct csv_block_heap heaps[CSV_HEAP_SLOTS];
};

/* `sheet` is kept. */
void csv_blocks_init(struct csv_blocks *b, const struct csv_sheet *sheet);

/* Room for one row. */
#define CSV_BLOCK_BYTES 400

/* Writes lines at `*at`, where CSV_BLOCK_BYTES are reserved for each row, moves `*at` behind them,
 * and returns how many rows they are: all of those before the first for the general path. */
size_t csv_put_blocks(struct csv_blocks *b, char **at, const struct eh_event *rows, size_t count);

#endif
