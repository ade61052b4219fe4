/* lib/io/os.h on POSIX. */
#include "io/os.h"

#include "io/os_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int os_open_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

void os_close(int fd)
{
    close(fd);
}

static void status_from_stat(const struct stat *st, struct os_status *ret_status)
{
    enum os_kind kind = OS_STREAM;
    if (S_ISREG(st->st_mode))
        kind = OS_FILE;
    else if (S_ISDIR(st->st_mode))
        kind = OS_DIRECTORY;
    *ret_status = (struct os_status){
        .kind = kind,
        .size = (int64_t)st->st_size,
        .device = (uint64_t)st->st_dev,
        .inode = (uint64_t)st->st_ino,
    };
}

int os_status(int fd, struct os_status *ret_status)
{
    struct stat st;
    if (fstat(fd, &st))
        return -1;
    status_from_stat(&st, ret_status);
    return 0;
}

int os_status_of_path(const char *path, struct os_status *ret_status)
{
    struct stat st;
    if (stat(path, &st))
        return -1;
    status_from_stat(&st, ret_status);
    return 0;
}

int64_t os_position(int fd)
{
    return (int64_t)lseek(fd, 0, SEEK_CUR);
}

/* After a failed call: false when its errno is final, else true once it can be repeated, because
 * the descriptor, which another program made non-blocking, has become ready for `events`. */
static bool waited_until_ready(int fd, short events)
{
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    struct pollfd ready = {.fd = fd, .events = events};
    return poll(&ready, 1, -1) >= 0;
}

int64_t os_read(int fd, void *into, size_t length)
{
    ssize_t n;
    do {
        n = read(fd, into, length);
    } while (n < 0 && errno != EINTR && waited_until_ready(fd, POLLIN));
    return (int64_t)n;
}

int64_t os_read_at(int fd, int64_t offset, void *into, size_t length)
{
    size_t done = 0;
    while (done < length) {
        off_t from = (off_t)offset + (off_t)done;
        ssize_t n = pread(fd, (char *)into + done, length - done, from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

int os_write(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno != EINTR && !waited_until_ready(fd, POLLOUT) &&
            errno != EINTR) /* the wait was interrupted */
            return -1;
        if (n > 0) {
            at += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

const char *os_temp_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

struct named_file {
    char path[4096];
    int fd;
};

static void open_and_unlink(void *context)
{
    struct named_file *f = context;
    f->fd = mkostemp(f->path, O_CLOEXEC);
    if (f->fd >= 0)
        unlink(f->path);
}

/* For folders whose file system has no nameless files: the name lives for an instant, in which no
 * signal ends the program. */
static int open_named(const char *folder)
{
    struct named_file f = {.fd = -1};
    int n = snprintf(f.path, sizeof f.path, "%s/etlheap.XXXXXX", folder);
    if (n < 0 || (size_t)n >= sizeof f.path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    os_without_signals(open_and_unlink, &f);
    return f.fd;
}

int os_temp_file(void)
{
    const char *folder = os_temp_folder();
#ifdef O_TMPFILE
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd >= 0)
        return fd;
#endif
    return open_named(folder);
}
