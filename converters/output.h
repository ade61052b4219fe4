/* Where a file of output goes: its name, the temporary name it has until it is complete, and what
 * must not be overwritten. */
#ifndef ETLHEAP_CONVERTERS_OUTPUT_H
#define ETLHEAP_CONVERTERS_OUTPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct output_request {
    const char *path; /* "-" is standard output */
    bool force;       /* an existing file may be replaced */
    bool binary;      /* not to a terminal */
    const char *const *inputs; /* paths that must not be overwritten, "-" is standard input */
    size_t input_count;
};

/* Zeroed is closed. */
struct output {
    const char *name; /* for messages: request.path or "standard output" */
    char *path;       /* of the file to be, NULL when written in place */
    char *temporary;  /* its name until then */
    int fd;
    bool open;
    bool is_stdout;
    bool replace;
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

/* All is written: gives the file its name. Returns 0, or -1 with `e` filled; either way discard. */
int output_publish(struct output *o, struct eh_error *e);

/* Removes what was not published and frees the names. */
void output_discard(struct output *o);

#endif
