/* The command line, from tables of options: parsing, complaints, and --help. */
#ifndef ETLHEAP_CONVERTERS_OPTIONS_H
#define ETLHEAP_CONVERTERS_OPTIONS_H

#include "writer.h"

#include <stdio.h>

/* A table and whom to tell. */
struct option_group {
    const char *heading;              /* in --help: "Options" */
    const struct option_spec *specs;  /* ends with a NULL name; NULL is an empty table */
    int (*set)(void *state, int id, const char *argument, struct eh_error *e);
    void *state;
};

/* Hands every option of argv[1] to argv[argc - 1] to its group's `set`, in order, and moves the
 * operands, in order, to argv[1] onwards. `--name ARG`, `--name=ARG`, `-nARG`, `-n ARG`, switches
 * may share a dash; optional arguments only with '='; after "--" all is operands; "-" is one.
 * Returns the number of operands, or -1 with `e` filled (EH_ERR_USAGE, or what `set` says). */
int options_parse(const struct option_group *groups, size_t count, int argc, char **argv,
                  struct eh_error *e);

/* The tables as text: a heading and one line for each option. */
void options_print(FILE *to, const struct option_group *groups, size_t count);

#endif
