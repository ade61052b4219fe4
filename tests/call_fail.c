/* Preloaded into a program (LD_PRELOAD), has something happen at one of its calls of the system:
 *
 *     CALL_FAIL=N         at the N'th call, counted from 1; without, or with 0, at none
 *     CALL_FAIL_CALLS=A,B of these calls only; by default of all below
 *     CALL_FAIL_HOW=WHAT  error:E    that call fails with errno E
 *                         errors:E   so do all that follow
 *                         before:S   the process gets signal S just before
 *                         after:S    or just after it
 *                         short:     it reads or writes no more than half, but at least one byte
 *     CALL_FAIL_TMPFILE=1 no file system has nameless files
 *     CALL_FAIL_COUNT=FILE receives how many calls there were
 *
 * tests/cli/test_calls.py drives it. Calls that libc makes on its own (stdio) are not seen. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_ulong calls;
static unsigned long chosen;
static const char *only;
static char how[16];
static int value;

__attribute__((constructor)) static void start(void)
{
    const char *number = getenv("CALL_FAIL"), *what = getenv("CALL_FAIL_HOW");
    chosen = number ? strtoul(number, NULL, 10) : 0;
    only = getenv("CALL_FAIL_CALLS");
    if (what && *what && sscanf(what, "%15[a-z]:%d", how, &value) < 1)
        _exit(99);
}

__attribute__((destructor)) static void finish(void)
{
    const char *path = getenv("CALL_FAIL_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f && (fprintf(f, "%lu\n", atomic_load(&calls)) < 0 || fclose(f)))
        _exit(99);
}

static int is_counted(const char *name)
{
    const char *at = only ? strstr(only, name) : NULL;
    size_t length = strlen(name);
    return !only || (at && (at == only || at[-1] == ',') && (!at[length] || at[length] == ','));
}

/* Whether something happens at this call. */
static int is_chosen(const char *name)
{
    unsigned long n;
    if (!is_counted(name))
        return 0;
    n = atomic_fetch_add(&calls, 1) + 1;
    return n == chosen || (chosen && n > chosen && !strcmp(how, "errors"));
}

static int fails(int happens)
{
    if (!happens || strncmp(how, "error", 5))
        return 0;
    errno = value;
    return 1;
}

static void send_signal(int happens, const char *when)
{
    int before = errno;
    if (happens && !strcmp(how, when))
        kill(getpid(), value);
    errno = before;
}

static size_t part_of(int happens, size_t length)
{
    return happens && !strcmp(how, "short") && length > 1 ? length / 2 : length;
}

#define REAL(type, name, parameters)                         \
    type(*real) parameters;                                  \
    *(void **)&real = dlsym(RTLD_NEXT, name)

#define CALL(type, name, parameters, arguments)              \
    type name parameters                                     \
    {                                                        \
        REAL(type, #name, parameters);                       \
        int happens = is_chosen(#name);                      \
        if (fails(happens))                                  \
            return -1;                                       \
        send_signal(happens, "before");                      \
        type result = real arguments;                        \
        send_signal(happens, "after");                       \
        return result;                                       \
    }

CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, link, (const char *from, const char *to), (from, to))
CALL(int, unlink, (const char *path), (path))
CALL(int, stat, (const char *restrict path, struct stat *restrict st), (path, st))
CALL(int, lstat, (const char *restrict path, struct stat *restrict st), (path, st))
CALL(int, fstat, (int fd, struct stat *st), (fd, st))
CALL(int, close, (int fd), (fd))
CALL(int, mkostemp, (char *path, int flags), (path, flags))
CALL(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, part_of(happens, n)))
CALL(ssize_t, read, (int fd, void *into, size_t n), (fd, into, part_of(happens, n)))
CALL(ssize_t, pread, (int fd, void *into, size_t n, off_t offset),
     (fd, into, part_of(happens, n), offset))

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    REAL(int, "open", (const char *, int, ...));
    int happens = is_chosen("open");
    if (fails(happens))
        return -1;
    if ((flags & O_TMPFILE) == O_TMPFILE && getenv("CALL_FAIL_TMPFILE")) {
        errno = EOPNOTSUPP;
        return -1;
    }
    send_signal(happens, "before");
    int result = real(path, flags, mode);
    send_signal(happens, "after");
    return result;
}
