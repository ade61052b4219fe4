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

int gen_output_open(struct gen_output *o, const char *path)
{
    o->path = path && strcmp(path, "-") != 0 ? path : NULL;
    o->stream = stdout;
    if (o->path) {
        o->stream = fopen(o->path, "wb");
        return o->stream ? GEN_OK : gen_fail("%s: %s", o->path, strerror(errno));
    }
    if (gen_is_terminal(stdout))
        return gen_usage(NULL, "a trace is not written to a terminal: use -o FILE or redirect");
    return GEN_OK;
}

int gen_output_close(struct gen_output *o, bool complete)
{
    const char *name = o->path ? o->path : "standard output";
    /* Only a regular file is taken back, never a device or a pipe. */
    bool removable = o->path && gen_is_regular(o->stream);
    bool failed = ferror(o->stream) != 0;
    errno = 0;
    if ((o->path ? fclose(o->stream) : fflush(o->stream)) != 0)
        failed = true;
    int error = errno;
    if (removable && (failed || !complete))
        remove(o->path);
    if (failed)
        return gen_fail("%s: %s", name, error ? strerror(error) : "cannot be written");
    return GEN_OK;
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
