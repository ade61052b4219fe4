/* Preloaded into a program (LD_PRELOAD), makes its ALLOC_FAIL'th allocation fail, counted from 1;
 * without ALLOC_FAIL, or with 0, none. ALLOC_FAIL_COUNT names a file that receives how many
 * allocations there were. tests/cli/test_alloc_fail.py drives it.
 *
 * What libc itself allocates after its start counts, too. glibc only. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static atomic_ulong allocations;
static unsigned long failing;

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("ALLOC_FAIL");
    failing = text ? strtoul(text, NULL, 10) : 0;
    atomic_store(&allocations, 0);
}

__attribute__((destructor)) static void finish(void)
{
    const char *path = getenv("ALLOC_FAIL_COUNT");
    char text[32];
    if (!path)
        return;
    int length = snprintf(text, sizeof text, "%lu\n", atomic_load(&allocations));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && write(fd, text, (size_t)length) != length)
        _exit(99);
    if (fd >= 0)
        close(fd);
}

static int fails(void)
{
    if (atomic_fetch_add(&allocations, 1) + 1 != failing)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}
