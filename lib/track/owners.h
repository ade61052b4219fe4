/* Whose a record is: process instances and threads out of process, thread and context switch
 * records. Semantics 2 "Whose" and "Process instances", decode/FORMAT.md E.
 *
 * Both passes feed the same records in the same order. The first creates every instance and learns
 * its names, however late they come; the second, after owners_restart(), walks through the same
 * instances again and says which one a pid means at each moment. */
#ifndef ETLHEAP_TRACK_OWNERS_H
#define ETLHEAP_TRACK_OWNERS_H

#include "base/error.h"
#include "base/map.h"
#include "decode/process.h"
#include "model/build.h"

struct owners;

/* NULL without memory. The model is borrowed. */
struct owners *owners_create(struct eh_model *model);
void owners_destroy(struct owners *o); /* accepts NULL */
void owners_restart(struct owners *o);

/* A moment in the trace. */
struct moment {
    uint32_t boot;
    int64_t raw;
    int64_t time_ns;
};

/* Each of these returns 0, or -1 with `e` filled (memory). `type` is TYPE_START, ... Who finds no
 * place because of a limit is process 0 or thread 0, and counted (EH_LEFT_PROCESSES, ..._THREADS). */

/* *ret_ended is the instance that ended with the record, 0 when none did or, in the first pass,
 * when nothing has been heard of it. */
int owners_process_record(struct owners *o, const struct moment *m, unsigned type,
                          const struct process_record *p, uint32_t *ret_ended, struct eh_error *e);
int owners_thread_record(struct owners *o, const struct moment *m, unsigned type,
                         const struct thread_record *t, struct eh_error *e);
int owners_thread_name(struct owners *o, const struct moment *m, const struct thread_record *t,
                       struct eh_error *e);
int owners_switch(struct owners *o, uint32_t boot, unsigned cpu, uint32_t tid, struct eh_error *e);

/* The instance that `pid` means now; a nameless one is made where none is known. */
int owners_process(struct owners *o, uint32_t boot, uint32_t pid, uint32_t *ret_process,
                   struct eh_error *e);
/* The instance that `pid` meant when owners_epoch() was `epoch`, in the second pass. */
int owners_process_at(struct owners *o, uint32_t boot, uint32_t pid, uint64_t epoch,
                      uint32_t *ret_process, struct eh_error *e);
/* The thread that `tid` means now in that instance. */
int owners_thread(struct owners *o, uint32_t process, uint32_t tid, uint32_t *ret_thread,
                  struct eh_error *e);
/* The thread that runs on a processor, and the pid a thread belongs to; false when not known. */
bool owners_running(const struct owners *o, uint32_t boot, unsigned cpu, uint32_t *ret_tid);
bool owners_pid_of(const struct owners *o, uint32_t boot, uint32_t tid, uint32_t *ret_pid);

/* First pass: `count` heap records of `pid` were seen about now, with or without stacks. */
int owners_count_heap(struct owners *o, uint32_t boot, uint32_t pid, uint64_t count, bool stacks,
                      struct eh_error *e);
/* First pass, at its end: makes an instance for every stretch of time of every pid seen, so that
 * the second pass makes none, and tells them what was counted and when they ended. */
int owners_settle(struct owners *o, struct eh_error *e);

/* Changes whenever an earlier answer of owners_process or owners_thread may no longer hold. */
uint64_t owners_epoch(const struct owners *o);

#endif
