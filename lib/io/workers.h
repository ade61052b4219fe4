/* Threads that work through tasks, which are begun in the order in which they were given. All calls
 * come from one thread, the owner's. */
#ifndef ETLHEAP_IO_WORKERS_H
#define ETLHEAP_IO_WORKERS_H

#include <stdbool.h>

/* A piece of work, mostly the first member of what it needs and makes. The owner sets `run` and
 * leaves the rest alone, and all of it while the task is under way. */
struct task {
    void (*run)(struct task *task);
    struct task *next;
    bool under_way; /* given and not yet waited for */
    bool done;
};

struct workers;

/* NULL when no thread could be started, and for 0 threads: then workers_give() runs the task. */
struct workers *workers_create(unsigned threads);

/* `task` may not be under way. */
void workers_give(struct workers *w, struct task *task);

/* Returns when the task has run, at once if it is not under way. What it wrote can be read then. */
void workers_wait(struct workers *w, struct task *task);

/* Lets the tasks that were given run to their end, then frees all. Accepts NULL. */
void workers_destroy(struct workers *w);

#endif
