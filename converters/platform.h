/* The operating system as the converters need it; platform_posix.c is its only implementation so
 * far. Nothing else in converters/ calls the system beyond the C library. */
#ifndef ETLHEAP_CONVERTERS_PLATFORM_H
#define ETLHEAP_CONVERTERS_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLATFORM_STDIN = 0, PLATFORM_STDOUT = 1, PLATFORM_STDERR = 2 };

/* Once, first thing: makes sure that the three standard descriptors are not given to other files,
 * and that a signal that ends the program removes temporary files before. */
void platform_start(void);

/* Nanoseconds on a clock that only goes forward. */
int64_t platform_clock_ns(void);

/* Processors that this program may use, at least 1. */
unsigned platform_processors(void);

bool platform_is_terminal(int fd);

enum platform_kind {
    PLATFORM_NOTHING, /* there is no such file */
    PLATFORM_FILE,
    PLATFORM_FOLDER,
    PLATFORM_STREAM, /* a pipe, socket or device: written in place, never replaced */
    PLATFORM_DANGLING, /* a symbolic link to nothing */
};

/* What a path or descriptor leads to. Two are the same file when kind, device and inode agree. */
struct platform_status {
    enum platform_kind kind;
    uint64_t device;
    uint64_t inode;
};

/* 0, or -1 with errno set. A missing file is no failure: PLATFORM_NOTHING. */
int platform_status_of_path(const char *path, struct platform_status *ret_status);
int platform_status_of_fd(int fd, struct platform_status *ret_status);

/* Whether the path itself is a symbolic link, wherever that leads. */
bool platform_is_link(const char *path);

bool platform_same_file(const struct platform_status *a, const struct platform_status *b);

/* The path with symbolic links followed, the last part's only if it leads somewhere: the same for
 * all spellings of one file's name. malloc'd, the caller frees it. NULL with errno set. */
char *platform_resolve(const char *path);

/* Opens a stream for writing. The descriptor, or -1 with errno set. */
int platform_open_stream(const char *path);

/* Opens a file, begun before, for writing at its end. The descriptor, or -1 with errno set. */
int platform_open_end(const char *path);

/* Makes a new file in the folder of `path` and opens it for writing; `*ret_temporary` is its path,
 * which is valid until the file is published or removed. Until then a signal that ends the program
 * removes it. Returns the descriptor, or -1 with errno set. */
int platform_create_temporary(const char *path, char **ret_temporary);

/* Gives the temporary file its final name. Unless `replace`, fails with EEXIST when there is a
 * file of that name. 0, or -1 with errno set (the temporary file is still there). */
int platform_publish(char *temporary, const char *path, bool replace);

/* Runs `work` while signals that end the program wait: several files get their names as if at
 * once. Returns what it returns. */
int platform_undisturbed(int (*work)(void *context), void *context);

/* Before a file is replaced that may have to come back: gives it a second name in its folder,
 * *ret_kept, NULL when there is no such file. That name goes by platform_put_back(), or when all has
 * gone well by platform_remove_temporary() or a signal that ends the program: so keep and replace
 * within platform_undisturbed(). 0, or -1 with errno set. */
int platform_keep(const char *path, char **ret_kept);

/* Gives a kept file its own name again, whatever has that now. 0, or -1 with errno set: then it
 * keeps its second name for good, and nothing has the first. `kept` is freed either way. */
int platform_put_back(char *kept, const char *path);

/* Removes a published file again. */
void platform_remove(const char *path);

void platform_remove_temporary(char *temporary);

/* 0, or -1 with errno set: the system may tell of a failed write only now. */
int platform_close(int fd);

/* Ends the program as one that writes to a closed pipe ends. */
_Noreturn void platform_die_of_closed_pipe(void);

#endif
