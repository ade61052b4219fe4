/* A trace being generated, and the payloads of the records that the generators write.
 * Offsets and versions are those of lib/container/FORMAT.md.
 *
 * Every rec_ function writes one record into processor origin->cpu's stream at raw time `raw`.
 * They need no check each: when memory runs out the trace goes on into nowhere, and trace_close()
 * reports it. */
#ifndef ETLHEAP_TOOLS_RECORDS_H
#define ETLHEAP_TOOLS_RECORDS_H

#include "etl_write.h"
#include "gen.h"

#include <stddef.h>

struct trace {
    struct gen_output output;
    struct etl_writer *writer;
    uint64_t records, heap_events;
    bool failed;      /* memory ran out */
    uint8_t *nowhere; /* takes the records from then on */
};

/* Opens `path` (as gen_output_open) and writes the header buffer. GEN_OK, or another status with a
 * message printed. The path is borrowed until trace_close(). */
int trace_open(struct trace *t, const char *path, const struct etl_session *session);
/* GEN_OK, or GEN_FAILED with a message printed; then the file is removed. */
int trace_close(struct trace *t);

/* Where a record comes from. `kind` is REC_SYSTEM32, REC_SYSTEM64, ...: it decides the width of
 * pointers in the payload; PERFINFO kinds carry no pid and tid. Heap records may be of a FULL
 * kind, too. */
struct origin {
    unsigned cpu, kind;
    uint32_t pid, tid;
};

/* Hook ids of group 0x10. */
enum {
    HEAP_CREATE = 0x1020,
    HEAP_ALLOC = 0x1021,
    HEAP_REALLOC = 0x1022,
    HEAP_DESTROY = 0x1023,
    HEAP_FREE = 0x1024,
    HEAP_EXTEND = 0x1025,
    HEAP_SNAPSHOT = 0x1026,
    HEAP_CONTRACT = 0x102A,
    HEAP_COMMIT = 0x1033,
    HEAP_DECOMMIT = 0x1034,
};

enum { SOURCE_LOOKASIDE = 1, SOURCE_LFH, SOURCE_MAIN, SOURCE_SLOW, SOURCE_INVALID, SOURCE_SEGMENT };

/* The fields of heap records. Those a record's layout has no place for are left out. */
struct heap_call {
    uint64_t heap, address, size; /* realloc: new address and size */
    uint64_t old_address, old_size;
    uint64_t filler; /* for reserved sizes, free space and the like */
    uint32_t source; /* also flags, caller, index */
    uint32_t pid;    /* snapshots name one */
};

/* The layouts known, for generators that pick one at random. */
size_t heap_layouts(void);
void rec_heap_layout(struct trace *t, const struct origin *o, int64_t raw, size_t layout,
                     const struct heap_call *call);
/* The newest layout of a hook. */
void rec_heap(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
              const struct heap_call *call);
/* A record of group 0x10 with a payload of `size` zero bytes, known type or not. */
void rec_heap_blank(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
                    size_t size);

/* Types of process, thread and image records. */
enum { CHANGE_START = 1, CHANGE_END = 2, CHANGE_DC_START = 3, CHANGE_DC_END = 4 };

struct process_facts {
    uint32_t pid, parent;
    uint64_t key;             /* UniqueProcessKey */
    const char *name;         /* ANSI, written as it is */
    const char *command_line; /* UTF-8 */
};

/* `version` 2, 3 or 4. */
void rec_process(struct trace *t, const struct origin *o, int64_t raw, unsigned change,
                 unsigned version, const struct process_facts *p);
/* `name` in UTF-8 makes it version 4, NULL version 3. */
void rec_thread(struct trace *t, const struct origin *o, int64_t raw, unsigned change, uint32_t pid,
                uint32_t tid, const char *name);
void rec_thread_name(struct trace *t, unsigned cpu, int64_t raw, uint32_t pid, uint32_t tid,
                     const char *name);
/* Thread `tid` runs on `cpu` from now on, instead of `old_tid`. */
void rec_switch(struct trace *t, unsigned cpu, int64_t raw, uint32_t tid, uint32_t old_tid);

enum { IMAGE_LOAD = 0x140A, IMAGE_UNLOAD = 0x1402, IMAGE_DC_START = 0x1403, IMAGE_DC_END = 0x1404 };

struct image_facts {
    uint32_t pid; /* 0 for a kernel image */
    uint64_t base, size;
    uint32_t time_stamp;
    const char *path; /* NT path, UTF-8 */
    const char *pdb;  /* file name, ASCII */
};

void rec_image(struct trace *t, const struct origin *o, int64_t raw, unsigned hook,
               const struct image_facts *image);
/* The image's PDB identity; the signature is made up from the path. */
void rec_debug_id(struct trace *t, const struct origin *o, int64_t raw,
                  const struct image_facts *image);
void rec_volume(struct trace *t, const struct origin *o, int64_t raw, const char *nt_path,
                const char *dos_path);

/* The event a stack belongs to. */
struct stack_of {
    int64_t raw;
    uint32_t pid, tid;
};

struct frames {
    const uint64_t *address; /* innermost first */
    size_t count;
};

enum {
    STACK_WALK = 0x1820,
    STACK_KEY_CREATE = 0x1822,
    STACK_KEY_DELETE = 0x1823,
    STACK_KEY_RUNDOWN = 0x1824,
    STACK_KEY_KERNEL = 0x1825,
    STACK_KEY_USER = 0x1826,
};

void rec_stack(struct trace *t, unsigned cpu, int64_t raw, const struct stack_of *of,
               const struct frames *frames);
/* `hook` is STACK_KEY_KERNEL or STACK_KEY_USER. */
void rec_stack_reference(struct trace *t, unsigned cpu, int64_t raw, unsigned hook,
                         const struct stack_of *of, uint64_t key);
/* `hook` is STACK_KEY_CREATE, STACK_KEY_DELETE or STACK_KEY_RUNDOWN. */
void rec_stack_definition(struct trace *t, unsigned cpu, int64_t raw, unsigned hook, uint64_t key,
                          const struct frames *frames);

#endif
