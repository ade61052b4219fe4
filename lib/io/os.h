/* The operating system as lib/io needs it; os_posix.c is its only implementation so far. Private
 * to lib/io. Functions return -1 (or false) with errno set; nothing here knows struct eh_error. */
#ifndef ETLHEAP_IO_OS_H
#define ETLHEAP_IO_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OS_STDIN = 0 };

enum os_kind { OS_FILE, OS_DIRECTORY, OS_STREAM /* pipe, socket, device: read once, in order */ };

struct os_status {
    enum os_kind kind;
    int64_t size; /* bytes; of files only */
    /* Two names are one file when both numbers agree. */
    uint64_t device;
    uint64_t inode;
};

/* Opens for reading. Fails with EINTR when a signal comes while a named pipe has no writer yet. */
int os_open_read(const char *path);
void os_close(int fd);

int os_status(int fd, struct os_status *ret_status);
int os_status_of_path(const char *path, struct os_status *ret_status);

/* Where the next os_read() of a file would begin. */
int64_t os_position(int fd);

/* One read in order: bytes read, 0 at the end. Fails with EINTR when a signal interrupts, so that
 * a caller waiting on a pipe can look whether to go on. */
int64_t os_read(int fd, void *into, size_t length);

/* Reads until `length` bytes are there or the file ends; returns how many. */
int64_t os_read_at(int fd, int64_t offset, void *into, size_t length);

/* Writes all of it, however many calls and signals that takes. */
int os_write(int fd, const void *bytes, size_t length);

/* The folder for temporary files: $TMPDIR, else /tmp. */
const char *os_temp_folder(void);

/* A new file there for reading and writing that has no name and is gone when closed. */
int os_temp_file(void);

#endif
