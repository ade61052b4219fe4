#include "io/workers.h"

#include "io/os_thread.h"

#include <stdlib.h>

struct workers {
    struct os_monitor *monitor; /* over all that follows, and `done` of the tasks */
    struct task *first, **last; /* the queue of tasks that nobody has begun */
    bool ending;
    unsigned count;
    struct os_thread *threads[];
};

/* Waits for a task to begin; NULL at the end. Inside the monitor. */
static struct task *next_task(struct workers *w)
{
    while (!w->first && !w->ending)
        os_monitor_wait(w->monitor);
    struct task *task = w->first;
    if (!task)
        return NULL;
    w->first = task->next;
    if (!w->first)
        w->last = &w->first;
    return task;
}

static void work(void *context)
{
    struct workers *w = context;
    struct task *task;
    os_monitor_enter(w->monitor);
    while ((task = next_task(w))) {
        os_monitor_leave(w->monitor);
        task->run(task);
        os_monitor_enter(w->monitor);
        task->done = true;
        os_monitor_wake(w->monitor);
    }
    os_monitor_leave(w->monitor);
}

struct workers *workers_create(unsigned threads)
{
    struct workers *w = threads ? calloc(1, sizeof *w + threads * sizeof *w->threads) : NULL;
    if (!w)
        return NULL;
    w->last = &w->first;
    w->monitor = os_monitor_create();
    while (w->monitor && w->count < threads &&
           (w->threads[w->count] = os_thread_start(work, w)))
        w->count++;
    if (!w->count) {
        workers_destroy(w);
        return NULL;
    }
    return w;
}

void workers_give(struct workers *w, struct task *task)
{
    if (!w) {
        task->run(task);
        return;
    }
    task->next = NULL;
    task->under_way = true;
    task->done = false;
    os_monitor_enter(w->monitor);
    *w->last = task;
    w->last = &task->next;
    os_monitor_wake(w->monitor);
    os_monitor_leave(w->monitor);
}

void workers_wait(struct workers *w, struct task *task)
{
    if (!task->under_way)
        return;
    os_monitor_enter(w->monitor);
    while (!task->done)
        os_monitor_wait(w->monitor);
    os_monitor_leave(w->monitor);
    task->under_way = false;
}

void workers_destroy(struct workers *w)
{
    if (!w)
        return;
    if (w->count) {
        os_monitor_enter(w->monitor);
        w->ending = true;
        os_monitor_wake(w->monitor);
        os_monitor_leave(w->monitor);
    }
    for (unsigned i = 0; i < w->count; i++)
        os_thread_join(w->threads[i]);
    os_monitor_destroy(w->monitor);
    free(w);
}
