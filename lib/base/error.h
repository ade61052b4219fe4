/* The one way an error travels: a caller-owned struct eh_error, filled where the error is noticed
 * and prefixed with context while the call unwinds. The library never prints. */
#ifndef ETLHEAP_BASE_ERROR_H
#define ETLHEAP_BASE_ERROR_H

#include <stdarg.h>
#include <stdint.h>

#if defined(__GNUC__)
#define EH_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define EH_PRINTF(f, a)
#endif

enum eh_code {
    EH_OK,
    EH_ERR_IO,     /* an operating system call failed; eh_error.sys is its errno */
    EH_ERR_FORMAT, /* the input is no ETL file, or no valid zstd stream */
    EH_ERR_MEMORY, /* memory ran out */
    EH_ERR_LIMIT,  /* the input asks for more than a named limit (lib/base/limits.h) */
    EH_ERR_USAGE,  /* the caller asked for something that does not exist */
};

#define EH_NO_OFFSET INT64_C(-1)

struct eh_error {
    enum eh_code code;
    int sys;        /* errno, or 0 */
    int64_t offset; /* byte offset in the input, or EH_NO_OFFSET */
    char text[768]; /* UTF-8, one line, no full stop; empty while code is EH_OK */
};

/* Fills `e` (may be NULL) and returns -1, so that `return eh_fail(...)` is one line.
 * `sys` is an errno or 0; a non-zero one is appended in words. */
int eh_fail(struct eh_error *e, enum eh_code code, int sys, int64_t offset, const char *format, ...)
    EH_PRINTF(5, 6);

/* Prefixes "context: " to the text of `e` (may be NULL) and returns -1. */
int eh_context(struct eh_error *e, const char *format, ...) EH_PRINTF(2, 3);

#endif
