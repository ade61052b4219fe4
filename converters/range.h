/* Ranges of the command line: MIN..MAX with both ends in it, MIN.. and ..MAX open on one side, ..
 * on both, and a single value for exactly that. */
#ifndef ETLHEAP_CONVERTERS_RANGE_H
#define ETLHEAP_CONVERTERS_RANGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct size_range {
    uint64_t least, most; /* bytes */
};

struct time_range {
    int64_t first, last; /* ns */
};

/* `option` is its name for messages. 0, or -1 with `e` filled and the range unchanged. */
/* Ends as parse_size() takes them: 512, 64K, 10M, 1G. */
int range_parse_sizes(struct size_range *ret_range, const char *text, const char *option,
                      struct eh_error *e);
/* Ends as parse_duration_ns() takes them: 15us, 2.5ms, 3 (seconds). */
int range_parse_durations(struct time_range *ret_range, const char *text, const char *option,
                          struct eh_error *e);
/* The same, and with a minus sign before the trace's start. */
int range_parse_times(struct time_range *ret_range, const char *text, const char *option,
                      struct eh_error *e);

static inline bool range_has_size(const struct size_range *r, uint64_t size)
{
    return size >= r->least && size <= r->most;
}

static inline bool range_has_time(const struct time_range *r, int64_t ns)
{
    return ns >= r->first && ns <= r->last;
}

#endif
