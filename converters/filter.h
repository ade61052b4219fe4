/* What of a trace is shown: the filters of the command line (semantics 4), between the reader's
 * batches and the writer's.
 *
 * --pid, --process and --heap choose whole heaps: rows of others do not reach the writer. --tid,
 * --event, --size and --lifetime choose single events: rows that are not wanted carry EH_HIDDEN,
 * and still move counters and profiles. --time cuts everything. Live figures were filled in before,
 * from all events, and stay as they are.
 *
 * Two kinds of rows are made here, for writers whose curves go on where events are left out:
 * EH_ELSEWHERE and EH_EARLIER. */
#ifndef ETLHEAP_CONVERTERS_FILTER_H
#define ETLHEAP_CONVERTERS_FILTER_H

#include "base/error.h"
#include "model/event.h"
#include "model/info.h"
#include "model/model.h"
#include "range.h"
#include "writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers, sorted before they are searched. */
struct filter_list {
    uint64_t *items;
    size_t count, room;
};

struct filter_names {
    const char **patterns; /* glob.h; borrowed from the command line */
    size_t count, room;
};

/* Live figures of a heap just before the time that is shown. */
struct filter_figures {
    uint64_t bytes;
    uint32_t blocks;
    bool created; /* and not destroyed again */
};

enum filter_choice { FILTER_UNKNOWN, FILTER_CHOSEN, FILTER_OTHER };

struct filter_heap {
    enum filter_choice choice;
    bool shown; /* the writer had a row of it */
    struct filter_figures before;
};

struct filter_process {
    enum filter_choice choice;
    bool shown;           /* the writer had an event of it */
    uint64_t bytes_before;
};

#define FILTER_TYPE_WORDS 4 /* of 64 types of hook 0x10hh each */

/* Zeroed is none: everything is shown. */
struct filter {
    struct filter_list pids, tids, heap_handles;
    struct filter_names names;
    bool by_kind, by_size, by_lifetime, by_time;
    uint32_t kinds; /* bit: enum eh_kind; EH_UNKNOWN is in unknown_types */
    uint64_t unknown_types[FILTER_TYPE_WORDS];
    struct size_range sizes;
    struct time_range lifetimes, times;

    uint64_t shown; /* events so far that pass all filters */
    const struct eh_model *model;
    struct filter_heap *heaps; /* by heap index */
    size_t heap_room;
    struct filter_process *processes; /* by process instance */
    size_t process_room;
    struct eh_event *rows; /* what becomes of a batch */
    size_t row_room;
};

/* For the parser of options: a table with a NULL name at its end, and what takes them. */
extern const struct option_spec filter_options[];
int filter_set(void *filter, int id, const char *argument, struct eh_error *e);

/* Whether any filter is given. */
bool filter_is_active(const struct filter *f);

/* The name of a given option that chooses single events, NULL when there is none. */
const char *filter_event_option(const struct filter *f);

/* Before the first batch of an active filter. `model` is borrowed. */
void filter_begin(struct filter *f, const struct eh_model *model);

/* What is known of the trace, cut to the time that is shown. */
struct eh_info filter_info(const struct filter *f, const struct eh_info *info);

/* Makes of a batch what the writer is to have of it, borrowed until the next call. 0, or -1 without
 * memory. */
int filter_rows(struct filter *f, const struct eh_event **rows, size_t *count);

/* For writers. Whether --pid and --process choose the instance. */
bool filter_has_process(const struct filter *f, uint32_t process);

/* For writers. With by_time, counters begin with these at eh_info.first_event_ns, which is then the
 * beginning of the time that is shown. */
struct filter_figures filter_heap_before(const struct filter *f, uint32_t heap);
uint64_t filter_process_before(const struct filter *f, uint32_t process);

void filter_finish(struct filter *f);

#endif
