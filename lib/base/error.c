#include "base/error.h"

#include <stdio.h>
#include <string.h>

int eh_fail(struct eh_error *e, enum eh_code code, int sys, int64_t offset, const char *format, ...)
{
    if (!e)
        return -1;
    e->code = code;
    e->sys = sys;
    e->offset = offset;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    if (sys && n >= 0 && (size_t)n < sizeof e->text)
        snprintf(e->text + n, sizeof e->text - (size_t)n, ": %s", strerror(sys));
    return -1;
}

int eh_context(struct eh_error *e, const char *format, ...)
{
    if (!e)
        return -1;
    char whole[sizeof e->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(whole, sizeof whole, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof whole)
        snprintf(whole + n, sizeof whole - (size_t)n, ": %.*s",
                 (int)(sizeof whole - (size_t)n) - 3, e->text);
    memcpy(e->text, whole, sizeof whole);
    return -1;
}
