/* Allocs, frees and reallocs as single events on their threads' tracks. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_INSTANTS_H
#define ETLHEAP_CONVERTERS_PERFETTO_INSTANTS_H

#include "model/event.h"
#include "perfetto_intern.h"
#include "perfetto_trace.h"

/* Zeroed, but for the two pointers. */
struct instants {
    struct trace *trace;
    struct intern *intern;
    uint8_t *stack_known; /* by stack id: its process's sequence has the call stack */
    size_t stack_known_room;
};

/* Opens the sequence of one process's instants, which will not be earlier than `from_ns`, and names
 * what they refer to. */
void instants_open(struct instants *i, struct sequence *s, int64_t from_ns);

/* `track` is where to show it: the thread's uuid, or the process's. */
void instants_write(struct instants *i, struct sequence *s, uint64_t track,
                    const struct eh_event *row);

/* Forgets which call stacks were written: another piece of the trace begins. */
void instants_restart(struct instants *i);

void instants_finish(struct instants *i);

#endif
