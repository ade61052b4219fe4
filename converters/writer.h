/* The interface between the driver (convert.c) and an output format.
 *
 * The driver allocates `state_size` zeroed bytes, calls begin, rows for every batch, end, and
 * exactly once done: also after a failed begin. A writer formats into the sink it is given; it
 * never opens, flushes or closes a file, never sorts the trace, never sees the trace's bytes. */
#ifndef ETLHEAP_CONVERTERS_WRITER_H
#define ETLHEAP_CONVERTERS_WRITER_H

#include "base/error.h"
#include "base/notice.h"
#include "io/sink.h"
#include "model/census.h"
#include "model/event.h"
#include "model/info.h"
#include "model/model.h"
#include "model/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter;

/* An option of the command line. Common options (options.c) and a writer's own share this form,
 * from which parsing and --help are made. */
struct option_spec {
    const char *name;     /* long name without dashes: "columns" */
    char letter;          /* 'o', or 0 */
    const char *argument; /* NULL: a switch; "LIST"; "[=LEVEL]": optional, only with '=' */
    const char *help;     /* one line, no full stop */
    int id;               /* what `set` switches on */
};

struct split;

/* Lives until `done` has returned. */
struct writer_context {
    const struct eh_info *info; /* where filters cut the time, of what is left */
    const struct eh_model *model;
    const struct filter *filter; /* NULL: everything is shown */
    const struct eh_census *census; /* NULL unless the writer needs one */
    struct out *out;
    struct split *split; /* where to cut the output (split.h); NULL: nowhere */
    /* One line to the user, EH_NOTE or EH_WARNING, without a prefix. */
    void (*tell)(void *context, enum eh_severity severity, const char *text);
    void *tell_context;
    const char *tool; /* "etl2csv 0.1.0" */
};

/* What a writer asks of the driver. Zeroed is nothing. */
struct writer_needs {
    bool outstanding; /* eh_options.outstanding */
    bool no_events; /* what it writes is no single events: no pieces by time, no such filters */
    /* context->census; of a writer that tells about the trace instead of converting it: its output
     * goes to standard output unless -o names a file, and the driver says nothing of the trace. */
    enum eh_census_extent census;
};

struct writer {
    const char *command; /* "etl2csv" */
    const char *summary; /* one line for --help: what it makes */
    const char *examples; /* for --help: complete lines, each ending in a newline */
    const char *suffix;  /* ".csv" */
    bool binary;         /* never to a terminal */
    bool in_pieces;      /* heeds context->split */
    bool filtered;       /* heeds context->filter and rows that it hides */
    size_t state_size;
    const struct option_spec *options; /* ends with a NULL name */

    /* Takes option `id` with `argument` (NULL for switches; owned by the caller, lives all run).
     * Called before begin, on the zeroed state. 0, or -1 with a text that says what is valid. */
    int (*set)(void *state, int id, const char *argument, struct eh_error *e);
    /* After the last option, before any file is opened: whether they go together, and what they
     * need. Like `set`; may be NULL. */
    int (*check)(void *state, struct writer_needs *ret_needs, struct eh_error *e);

    /* All return 0 or -1 with `e` filled; errors of the sink are the driver's to look at. */
    int (*begin)(void *state, const struct writer_context *context, struct eh_error *e);
    int (*rows)(void *state, const struct eh_event *rows, size_t count, struct eh_error *e);
    int (*end)(void *state, const struct eh_stats *stats, struct eh_error *e);
    void (*done)(void *state);
    /* What stands at the end of each piece and is known only after `end`, which writes it, too;
     * into the pieces before the last it is written afterwards. NULL: nothing. */
    int (*tail)(void *state, const struct eh_stats *stats, struct eh_error *e);
    /* After `end`: what the closing line adds, in less than WRITER_REMARK_BYTES. NULL: nothing. */
    void (*remark)(const void *state, char *ret_text);
};

#define WRITER_REMARK_BYTES 64

/* The whole of an executable's main: parses the command line, runs the conversion, returns the
 * exit status of semantics 1. `argv` as main gets it, UTF-8. */
int convert_main(const struct writer *writer, int argc, char **argv);

#endif
