/* The names that processes and threads of a Chrome trace carry. Chrome knows a process by its pid
 * alone, so a pid (or tid) that was used again collects the names of all its users. */
#ifndef ETLHEAP_CONVERTERS_CHROME_NAMES_H
#define ETLHEAP_CONVERTERS_CHROME_NAMES_H

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

/* Brings names of the same thing together: by pid, kind and tid, in the order they were added,
 * each once. */
void chrome_names_sort(struct chrome_names *l);

/* How many names from index `first` on belong to the same thing as that one. */
size_t chrome_names_run(const struct chrome_names *l, size_t first);

void chrome_names_finish(struct chrome_names *l);

#endif
