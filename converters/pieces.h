/* The files of an output: one, or pieces of it that are numbered.
 *
 * All get their names at the end, in order and as if at once. Until then they are temporary files:
 * whatever fails, nothing of the output is left, because pieces without the last one look whole. */
#ifndef ETLHEAP_CONVERTERS_PIECES_H
#define ETLHEAP_CONVERTERS_PIECES_H

#include "output.h"

#include <stddef.h>

struct piece;

/* Zeroed is closed. */
struct pieces {
    struct output_request request; /* its path is the output's, without a number */
    bool numbered;
    struct piece *all;
    size_t count, room;
    char *title; /* for messages, once published */
};

/* Opens the first file. With `numbered` it is NAME.0001.SUFFIX for the path NAME.SUFFIX, where
 * SUFFIX is from the last dot on, ".zst" not counted; standard output and other streams are
 * refused (EH_ERR_USAGE). `p` is zeroed. 0, or -1 with `e` filled. */
int pieces_open(struct pieces *p, const struct output_request *r, bool numbered,
                struct eh_error *e);

/* Opens the next file; the one before stays open. */
int pieces_open_next(struct pieces *p, struct eh_error *e);

/* The file with this index, from 0 on; valid until the next is opened. */
struct output *pieces_at(struct pieces *p, size_t index);

static inline struct output *pieces_last(struct pieces *p)
{
    return pieces_at(p, p->count - 1);
}

/* Gives all files their names, or none. 0, or -1 with `e` filled. */
int pieces_publish(struct pieces *p, struct eh_error *e);

/* Takes the published files back. */
void pieces_withdraw(struct pieces *p, struct eh_error *e);

/* What the output is called: "heap.csv", or "heap.0001.csv to heap.0012.csv". Valid until
 * pieces_discard(). */
const char *pieces_title(struct pieces *p);

/* The name of a file that is there and looks like one more piece, to be freed; or NULL. */
char *pieces_stray(const struct pieces *p);

/* Removes what was not published and frees everything. */
void pieces_discard(struct pieces *p);

#endif
