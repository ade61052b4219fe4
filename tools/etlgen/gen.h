/* The subcommands of etlgen and what they share. */
#ifndef ETLHEAP_TOOLS_GEN_H
#define ETLHEAP_TOOLS_GEN_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses. */
enum { GEN_OK = 0, GEN_FAILED = 1, GEN_USAGE = 2 };

/* Each subcommand: argv[0] is its name. Returns the exit status, messages are printed. */
int gen_case(int argc, char **argv);
int gen_demo(int argc, char **argv);
int gen_bench(int argc, char **argv);
int gen_graft(int argc, char **argv);
int gen_random(int argc, char **argv);

/* Prints "etlgen: ..." to standard error and returns GEN_FAILED. */
int gen_fail(const char *format, ...) EH_PRINTF(1, 2);

/* Prints "etlgen: ..." and where help is, returns GEN_USAGE. */
int gen_usage(const char *subcommand, const char *format, ...) EH_PRINTF(2, 3);

/* Where a trace goes: a file, or standard output for a NULL path or "-". */
struct gen_output {
    FILE *stream;
    const char *path; /* NULL: standard output; borrowed */
};

/* Opens the output. A terminal is refused. GEN_OK, or another status with a message printed. */
int gen_output_open(struct gen_output *o, const char *path);

/* Closes the output; unless `complete`, the file is removed. GEN_OK, or GEN_FAILED with a message
 * printed when bytes could not be written. */
int gen_output_close(struct gen_output *o, bool complete);

/* What a stream is, asked of the operating system (gen_posix.c). */
bool gen_is_terminal(FILE *stream);
bool gen_is_regular(FILE *stream);

/* Reads a number: decimal or 0x hexadecimal, with an optional K, M or G (1024). */
bool gen_parse_number(const char *text, uint64_t *ret_value);

/* The same for an option's value. GEN_OK, or GEN_USAGE with a message printed. */
int gen_number(const char *subcommand, const char *option, const char *text, uint64_t *ret_value);

#endif
