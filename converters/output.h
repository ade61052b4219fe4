/* Where a file of output goes: its name, the temporary name it has until it is complete, and what
 * must not be overwritten. */
#ifndef ETLHEAP_CONVERTERS_OUTPUT_H
#define ETLHEAP_CONVERTERS_OUTPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct output_request {
    const char *path; /* "-" is standard output */
    const char *option; /* that takes it, for messages: "-o" */
    bool force;       /* an existing file may be replaced */
    bool binary;      /* not to a terminal */
    const char *const *inputs; /* paths that must not be overwritten, "-" is standard input */
    size_t input_count;
    bool together; /* one of several files, of which none is replaced unless all are */
};

/* Zeroed is closed. */
struct output {
    const char *name; /* for messages: request.path or "standard output" */
    char *path;       /* of the file to be, NULL when written in place */
    char *temporary;  /* its name until it is published */
    int fd;
    bool open;
    bool is_stdout;
    bool replace;
    bool together;
    char *kept; /* what the published file replaced, until all are published */
};

/* The name beside `input`: ".etl" or ".etl.zst" (any case) replaced by `suffix`, else `suffix`
 * appended, and ".zst" after it if `packed`. malloc'd, NULL when memory ran out. */
char *output_default_name(const char *input, const char *suffix, bool packed);

/* Whether the name asks for compression: it ends in ".zst". */
bool output_name_is_packed(const char *path);

/* Refuses what must not be written, then opens for writing; a file under a temporary name in its
 * folder. `o` is zeroed and refers to `r->path`. Returns 0, or -1 with `e` filled, `o` closed. */
int output_open(struct output *o, const struct output_request *r, struct eh_error *e);

/* Whether both are one file. */
bool output_same(const struct output *a, const struct output *b);

/* Closes the descriptor. It can be opened again, to write on at the end of the file. Both return 0,
 * or -1 with `e` filled. */
int output_close(struct output *o, struct eh_error *e);
int output_reopen(struct output *o, struct eh_error *e);

/* All is written: closes the file and gives it its name; with others within
 * platform_undisturbed(). 0, or -1 with `e` filled; either way discard. */
int output_publish(struct output *o, struct eh_error *e);

/* Takes back a file that was published, but belongs to others that were not: what it replaced is
 * there again. Where that cannot be, `e`, which is filled, says also under which name it is. */
void output_withdraw(struct output *o, struct eh_error *e);

/* Removes what was not published, or what was replaced, and frees the names. */
void output_discard(struct output *o);

/* What was printed to standard output must arrive, too: it may meet a full disk. 0, or -1 with `e`
 * filled. */
int output_finish_text(struct eh_error *e);

#endif
