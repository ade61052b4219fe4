/* lib/io/os_thread.h on POSIX. */
#include "io/os_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

void os_without_signals(void (*call)(void *context), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    call(context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct os_thread {
    pthread_t id;
    void (*run)(void *context);
    void *context;
    int failed; /* errno of the attempt to create it */
};

static void *thread_main(void *argument)
{
    const struct os_thread *t = argument;
    t->run(t->context);
    return NULL;
}

static void create_thread(void *context)
{
    struct os_thread *t = context;
    t->failed = pthread_create(&t->id, NULL, thread_main, t);
}

struct os_thread *os_thread_start(void (*run)(void *context), void *context)
{
    struct os_thread *t = malloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (struct os_thread){.run = run, .context = context};
    os_without_signals(create_thread, t);
    if (t->failed) {
        errno = t->failed;
        free(t);
        return NULL;
    }
    return t;
}

void os_thread_join(struct os_thread *thread)
{
    pthread_join(thread->id, NULL);
    free(thread);
}

struct os_monitor {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

struct os_monitor *os_monitor_create(void)
{
    struct os_monitor *m = malloc(sizeof *m);
    if (!m)
        return NULL;
    *m = (struct os_monitor){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
    return m;
}

void os_monitor_enter(struct os_monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
}

void os_monitor_leave(struct os_monitor *monitor)
{
    pthread_mutex_unlock(&monitor->lock);
}

void os_monitor_wait(struct os_monitor *monitor)
{
    pthread_cond_wait(&monitor->changed, &monitor->lock);
}

void os_monitor_wake(struct os_monitor *monitor)
{
    pthread_cond_broadcast(&monitor->changed);
}

void os_monitor_destroy(struct os_monitor *monitor)
{
    if (!monitor)
        return;
    pthread_cond_destroy(&monitor->changed);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}
