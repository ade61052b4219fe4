/* A trace made of arbitrary bytes as writers see it: a model and rows that are what the reader may
 * give, because the rows went through live tracking. What a writer makes of it lies in memory. */
#ifndef ETLHEAP_TESTS_FUZZ_ROWS_H
#define ETLHEAP_TESTS_FUZZ_ROWS_H

#include "fuzz.h"
#include "sink_memory.h"
#include "track/track.h"
#include "writer.h"

#define FUZZ_ROWS 4096 /* at most */

struct fuzz_trace {
    struct eh_model *model;
    struct eh_info info;
    struct eh_stats stats;
    struct eh_event *rows;
    size_t row_count, row_room;
    const uint8_t *at, *end; /* bytes not used yet */
    int64_t now_ns;
    struct track track;
};

/* Uses up `bytes`; the caller ends with fuzz_trace_destroy(). */
struct fuzz_trace *fuzz_trace_create(const uint8_t *bytes, size_t length);
void fuzz_trace_destroy(struct fuzz_trace *t);

/* Runs all rows through the writer in batches of sizes that `choices` decides, its options too:
 * each pair (option name, argument) of `options` is given when the next bit of `choices` is set, and
 * with `filtered` filters of many kinds by bits 8 to 15. */
struct fuzz_output fuzz_write(const struct writer *w, const struct fuzz_trace *t,
                              const char *const options[][2], bool filtered, uint32_t choices);

/* The same in pieces: by rows, bytes and time as bits 20 to 23 of `choices` say, none of them being
 * the whole. Each piece, as large as it may be, is handed to `check`. Of many rows pieces get larger,
 * so that there are tens of them at most: each has all names and counts anew. */
void fuzz_write_pieces(const struct writer *w, const struct fuzz_trace *t,
                       const char *const options[][2], uint32_t choices,
                       void (*check)(const struct fuzz_output *o));

#endif
