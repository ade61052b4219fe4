/* Threads of the operating system as lib/io needs them; os_thread_posix.c is the only
 * implementation so far. Private to lib/io. */
#ifndef ETLHEAP_IO_OS_THREAD_H
#define ETLHEAP_IO_OS_THREAD_H

/* Calls with all signals blocked: threads begun in it never handle one, and none comes between. */
void os_without_signals(void (*call)(void *context), void *context);

/* A thread that runs `run(context)`; no signal is ever handled in it. NULL with errno set. */
struct os_thread;
struct os_thread *os_thread_start(void (*run)(void *context), void *context);

/* Waits until it has returned from `run`, and frees it. */
void os_thread_join(struct os_thread *thread);

/* A lock with which one thread waits for what others do under it. NULL with errno set. */
struct os_monitor;
struct os_monitor *os_monitor_create(void);
void os_monitor_enter(struct os_monitor *monitor);
void os_monitor_leave(struct os_monitor *monitor);
void os_monitor_wait(struct os_monitor *monitor); /* inside; may return for no reason */
void os_monitor_wake(struct os_monitor *monitor); /* inside: all that wait */
void os_monitor_destroy(struct os_monitor *monitor); /* accepts NULL */

#endif
