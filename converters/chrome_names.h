/* The names that processes and threads of a Chrome trace carry. Chrome knows a process by its pid
 * alone, so a pid (or tid) that was used again collects the names of all its users. */
#ifndef ETLHEAP_CONVERTERS_CHROME_NAMES_H
#define ETLHEAP_CONVERTERS_CHROME_NAMES_H

#include "chrome_lines.h"

#include <stddef.h>
#include <stdint.h>

/* In the order in which one pid's are written. */
enum chrome_name_kind { CHROME_PROCESS_NAME, CHROME_PROCESS_LABELS, CHROME_THREAD_NAME };

struct chrome_name {
    uint32_t pid;
    uint32_t tid; /* 0 for the process's own */
    enum chrome_name_kind kind;
    uint32_t order;   /* of adding */
    const char *text; /* UTF-8; equal texts are the same pointer, as the model's strings are */
};

/* Zeroed is an empty list. */
struct chrome_names {
    struct chrome_name *names;
    size_t count, room;
};

/* 0, or -1 when memory ran out. `text` must outlive the list. */
int chrome_names_add(struct chrome_names *l, enum chrome_name_kind kind, uint32_t pid,
                     uint32_t tid, const char *text);

/* Writes one line per thing that has names, with its names in the order they were added, each
 * once. Sorts the list by pid, kind and tid. */
void chrome_names_put(struct chrome_names *l, struct chrome_lines *lines);

/* Writes the place of a process among the others. */
void chrome_put_sort_index(struct chrome_lines *lines, uint32_t pid, uint64_t index);

void chrome_names_finish(struct chrome_names *l);

#endif
