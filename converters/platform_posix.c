#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES_MAX 200 /* of the final name inside the temporary one; 255 is usual for a name */
#define NAME_TRIES     100

static const int fatal_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXCPU};
#define FATAL_SIGNALS (sizeof fatal_signals / sizeof *fatal_signals)

/* A file that a signal handler must remove. */
struct temporary {
    struct temporary *next, *previous;
    char path[];
};

/* The one global of the converters: a handler has no context. The list changes only while the
 * fatal signals are blocked. */
static struct temporary *volatile temporaries;

static void remove_and_die(int signal_number)
{
    for (const struct temporary *t = temporaries; t; t = t->next)
        unlink(t->path);
    /* The signal is blocked until this handler returns; then it ends the program. */
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static sigset_t block_fatal_signals(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    for (size_t i = 0; i < FATAL_SIGNALS; i++)
        sigaddset(&set, fatal_signals[i]);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    return before;
}

static void unblock_fatal_signals(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* A descriptor that is closed would be given to the next file opened, and messages or data would
 * go into it. What is opened in the wrong direction keeps the number and still fails when used. For
 * outputs it is a folder: no path that an output may have leads to it. */
static void keep_standard_descriptors(void)
{
    for (int fd = PLATFORM_STDIN; fd <= PLATFORM_STDERR; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        int opened = fd == PLATFORM_STDIN ? open("/dev/null", O_WRONLY) : open("/", O_RDONLY);
        if (opened >= 0 && opened != fd)
            close(opened);
    }
}

void platform_start(void)
{
    keep_standard_descriptors();
    for (size_t i = 0; i < FATAL_SIGNALS; i++) {
        struct sigaction action;
        /* What the parent chose to ignore (nohup) stays ignored. */
        if (sigaction(fatal_signals[i], NULL, &action) < 0 || action.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = remove_and_die;
        sigfillset(&action.sa_mask);
        sigaction(fatal_signals[i], &action, NULL);
    }
    /* A file size limit then is an error of write(2), which is cleaned up after like any other. */
    signal(SIGXFSZ, SIG_IGN);
}

int64_t platform_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

unsigned platform_processors(void)
{
#ifdef CPU_COUNT
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) == 0)
        return (unsigned)CPU_COUNT(&mine);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

bool platform_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

static void set_status(struct platform_status *ret_status, const struct stat *st)
{
    ret_status->kind = S_ISREG(st->st_mode)   ? PLATFORM_FILE
                       : S_ISDIR(st->st_mode) ? PLATFORM_FOLDER
                                              : PLATFORM_STREAM;
    ret_status->device = (uint64_t)st->st_dev;
    ret_status->inode = (uint64_t)st->st_ino;
}

bool platform_is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

int platform_status_of_path(const char *path, struct platform_status *ret_status)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        set_status(ret_status, &st);
        return 0;
    }
    if (errno != ENOENT)
        return -1;
    *ret_status = (struct platform_status){
        .kind = lstat(path, &st) == 0 ? PLATFORM_DANGLING : PLATFORM_NOTHING,
    };
    return 0;
}

int platform_status_of_fd(int fd, struct platform_status *ret_status)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    set_status(ret_status, &st);
    return 0;
}

bool platform_same_file(const struct platform_status *a, const struct platform_status *b)
{
    return a->kind == b->kind && a->kind != PLATFORM_NOTHING && a->kind != PLATFORM_DANGLING &&
           a->device == b->device && a->inode == b->inode;
}

/* Bytes of `path` up to and with its last slash. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The folder of `path`, resolved, and the last part of `path` as it stands. */
static char *resolve_folder(const char *path)
{
    size_t length = folder_length(path);
    char *named = length ? strndup(path, length) : strdup(".");
    char *folder = named ? realpath(named, NULL) : NULL;
    int sys = errno;
    free(named);
    char *whole = NULL;
    if (folder && asprintf(&whole, "%s/%s", folder, path + length) < 0) {
        sys = errno;
        whole = NULL;
    }
    free(folder);
    errno = sys;
    return whole;
}

char *platform_resolve(const char *path)
{
    char *whole = realpath(path, NULL);
    return whole || errno != ENOENT ? whole : resolve_folder(path);
}

int platform_open_stream(const char *path)
{
    return open(path, O_WRONLY | O_CLOEXEC);
}

int platform_open_end(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

/* These two: with the fatal signals blocked. */
static void enlist(struct temporary *t)
{
    t->previous = NULL;
    t->next = temporaries;
    if (t->next)
        t->next->previous = t;
    temporaries = t;
}

static void forget_temporary(char *path)
{
    struct temporary *t = (struct temporary *)(void *)(path - offsetof(struct temporary, path));
    if (t->previous)
        t->previous->next = t->next;
    else
        temporaries = t->next;
    if (t->next)
        t->next->previous = t->previous;
    free(t);
}

/* open(2) with its usual mode, so that the umask decides who may read the result. */
static int create_new(const char *name, const char *path)
{
    (void)path;
    return open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int make_enlisted(struct temporary *t, const char *path,
                         int (*make)(const char *name, const char *path))
{
    sigset_t before = block_fatal_signals();
    int made = make(t->path, path);
    int sys = errno;
    if (made >= 0)
        enlist(t);
    unblock_fatal_signals(&before);
    errno = sys;
    return made;
}

/* Has `make` make a file under a new name in the folder of `path`. Returns what it returns, -1 with
 * errno set. */
static int make_temporary(const char *path, int (*make)(const char *name, const char *path),
                          char **ret_temporary)
{
    size_t folder = folder_length(path);
    size_t room = folder + NAME_BYTES_MAX + 48;
    struct temporary *t = malloc(sizeof *t + room);
    if (!t)
        return -1;
    int made = -1;
    for (int i = 0; i < NAME_TRIES; i++) {
        snprintf(t->path, room, "%.*s.%.*s.%ld-%d.tmp", (int)folder, path, NAME_BYTES_MAX,
                 path + folder, (long)getpid(), i);
        made = make_enlisted(t, path, make);
        if (made >= 0 || errno != EEXIST)
            break;
    }
    if (made >= 0) {
        *ret_temporary = t->path;
        return made;
    }
    int sys = errno;
    free(t);
    errno = sys;
    return -1;
}

int platform_create_temporary(const char *path, char **ret_temporary)
{
    return make_temporary(path, create_new, ret_temporary);
}

/* Where a file system knows no links, looking first is the best there is. */
static int rename_new(const char *from, const char *to)
{
    struct stat st;
    if (lstat(to, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

/* link(2) refuses an existing name in one step. Once it succeeded, the file is published, whether
 * or not its other name goes. */
static int publish_new(const char *temporary, const char *path)
{
    if (link(temporary, path) < 0)
        return errno == EEXIST ? -1 : rename_new(temporary, path);
    unlink(temporary);
    return 0;
}

int platform_publish(char *temporary, const char *path, bool replace)
{
    sigset_t before = block_fatal_signals();
    int result = replace ? rename(temporary, path) : publish_new(temporary, path);
    int sys = errno;
    if (result == 0)
        forget_temporary(temporary);
    unblock_fatal_signals(&before);
    errno = sys;
    return result;
}

int platform_undisturbed(int (*work)(void *context), void *context)
{
    sigset_t before = block_fatal_signals();
    int result = work(context);
    unblock_fatal_signals(&before);
    return result;
}

/* Without links the file has only the new name until another one takes its old one. */
static int keep_as(const char *name, const char *path)
{
    if (link(path, name) == 0)
        return 0;
    return errno == EEXIST ? -1 : rename_new(path, name);
}

int platform_keep(const char *path, char **ret_kept)
{
    struct stat st;
    *ret_kept = NULL;
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return 0; /* nothing there, or nothing that a file replaces */
    return make_temporary(path, keep_as, ret_kept);
}

static bool is_one_file(const char *path, const char *other)
{
    struct platform_status a, b;
    return platform_status_of_path(path, &a) == 0 && platform_status_of_path(other, &b) == 0 &&
           platform_same_file(&a, &b);
}

int platform_put_back(char *kept, const char *path)
{
    if (is_one_file(kept, path) || rename(kept, path) == 0) {
        platform_remove_temporary(kept);
        return 0;
    }
    int sys = errno;
    sigset_t before = block_fatal_signals();
    unlink(path);
    forget_temporary(kept);
    unblock_fatal_signals(&before);
    errno = sys;
    return -1;
}

void platform_remove(const char *path)
{
    unlink(path);
}

void platform_remove_temporary(char *temporary)
{
    sigset_t before = block_fatal_signals();
    unlink(temporary);
    forget_temporary(temporary);
    unblock_fatal_signals(&before);
}

int platform_close(int fd)
{
    return close(fd);
}

void platform_die_of_closed_pipe(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _Exit(1); /* the signal is blocked */
}
