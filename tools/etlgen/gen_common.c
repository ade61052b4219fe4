#include "gen.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void message(const char *format, va_list args)
{
    fputs("etlgen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int gen_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message(format, args);
    va_end(args);
    return GEN_FAILED;
}

int gen_usage(const char *subcommand, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message(format, args);
    va_end(args);
    fprintf(stderr, "Try 'etlgen%s%s --help'.\n", subcommand ? " " : "",
            subcommand ? subcommand : "");
    return GEN_USAGE;
}

int gen_next_option(int argc, char **argv, const struct option *options)
{
    opterr = 0;
    int option = getopt_long(argc, argv, ":o:h", options, NULL);
    if (option != ':' && option != '?')
        return option;
    const char *argument = argv[optind - 1];
    const char letter[] = {'-', (char)optopt, 0}; /* one of several may be meant */
    gen_usage(argv[0], option == ':' ? "%s wants a value" : "%s: no such option",
              strncmp(argument, "--", 2) ? letter : argument);
    return '?';
}

static unsigned suffix_shift(const char *suffix)
{
    switch (*suffix) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    default:
        return 0;
    }
}

bool gen_parse_number(const char *text, uint64_t *ret_value)
{
    char *end;
    bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

    errno = 0;
    unsigned long long value = strtoull(text, &end, hexadecimal ? 16 : 10);
    unsigned shift = suffix_shift(end);
    bool whole = end != text && end[shift ? 1 : 0] == '\0' && text[0] >= '0' && text[0] <= '9';
    if (!whole || errno || value > UINT64_MAX >> shift)
        return false;
    *ret_value = (uint64_t)value << shift;
    return true;
}

int gen_number(const char *subcommand, const char *option, const char *text, uint64_t *ret_value)
{
    if (gen_parse_number(text, ret_value))
        return GEN_OK;
    return gen_usage(subcommand, "%s %s: not a number", option, text);
}
