/* The subcommands of etlgen and what they share. */
#ifndef ETLHEAP_TOOLS_GEN_H
#define ETLHEAP_TOOLS_GEN_H

#include "base/error.h"
#include "output.h"

#include <getopt.h>
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

/* For the options of every subcommand. */
/* clang-format off */
#define GEN_COMMON_OPTIONS                                                                         \
    {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}
/* clang-format on */

/* The next option, -1 behind the last one, when operands stand from optind on; or '?' with a
 * message printed. */
int gen_next_option(int argc, char **argv, const struct option *options);

/* First thing: signals are prepared for. */
void gen_start(void);

/* All text is printed. GEN_OK, or GEN_FAILED with a message printed when standard output has not
 * taken it. */
int gen_finish_text(void);

/* Where a trace goes; a file gets its name when it is complete, and then replaces what has it. */
struct gen_output {
    FILE *stream;
    struct output file; /* only named where the stream is somebody else's, who closes it */
};

/* Opens the output: standard output for a NULL path or "-". A terminal is refused, and so is
 * `input`, if that is not NULL. GEN_OK, or another status with a message printed. */
int gen_output_open(struct gen_output *o, const char *path, const char *input);

/* Closes the output; unless `complete`, no file is made. GEN_OK, or GEN_FAILED with a message
 * printed when bytes could not be written. */
int gen_output_close(struct gen_output *o, bool complete);

/* A stream that writes to what `fd` leads to, which stays open; NULL with errno set. This is asked
 * of the operating system (gen_posix.c). */
FILE *gen_stream(int fd);

/* Reads a number: decimal or 0x hexadecimal, with an optional K, M or G (1024). */
bool gen_parse_number(const char *text, uint64_t *ret_value);

/* The same for an option's value. GEN_OK, or GEN_USAGE with a message printed. */
int gen_number(const char *subcommand, const char *option, const char *text, uint64_t *ret_value);

#endif
