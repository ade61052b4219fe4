/* Process, thread and context switch records. decode/FORMAT.md D.1 to D.3. Each function
 * returns false when the payload is too short for its version; nothing is set then. */
#ifndef ETLHEAP_DECODE_PROCESS_H
#define ETLHEAP_DECODE_PROCESS_H

#include "container/etl_record.h"
#include "decode/text.h"

struct process_record {
    uint32_t pid;
    uint32_t parent_pid;
    uint64_t key; /* UniqueProcessKey; with has_key */
    bool has_key;
    struct raw_text name;         /* file name of the image, ANSI */
    struct raw_text command_line; /* version 2 and later */
};
bool process_decode(const struct record *r, struct process_record *ret_process);

struct thread_record {
    uint32_t pid;
    uint32_t tid;
    struct raw_text name; /* version 3 (if it is there) and 4 */
};
bool thread_decode(const struct record *r, struct thread_record *ret_thread);
bool thread_name_decode(const struct record *r, struct thread_record *ret_thread);

/* The thread that runs on the record's processor from now on. */
bool switch_decode(const struct record *r, uint32_t *ret_tid);

#endif
