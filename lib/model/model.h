/* What rows refer to by id: process instances, threads, heaps, stacks. Filled by the reader,
 * read by the writers. Ids stay valid all run; pointers only until the reader is called again. */
#ifndef ETLHEAP_MODEL_MODEL_H
#define ETLHEAP_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eh_model;

/* A process instance: boot, pid and start (semantics 2 and 5). Instance 0 is the unknown owner.
 * Complete before the first row: names are known however late the trace told them. */
struct eh_process {
    uint32_t pid;
    uint32_t parent_pid;
    const char *name;         /* UTF-8, NULL for a nameless instance */
    const char *command_line; /* UTF-8 or NULL */
    int64_t start_ns;         /* with has_start */
    int64_t end_ns;           /* with has_end */
    bool has_start;           /* a start record was seen */
    bool has_end;             /* an end record, or a start record that took over the pid */
    bool has_parent;
    uint64_t heap_records; /* that name its pid; shared out between instances of one pid by time,
                            * and only about: those within a buffer of a start or end may count for
                            * the neighbour */
    bool has_stacks;       /* at least one heap record of its pid, in any instance, has a stack */
    uint32_t boot; /* instances of different boots share nothing; 0, 1, ... */
};

/* A thread instance. Thread 0 is the unknown one. Grows while rows come, but all that have a name
 * are there, with it, before the first. */
struct eh_thread {
    uint32_t process; /* process instance */
    uint32_t tid;
    const char *name; /* UTF-8 or NULL */
};

/* A heap: one handle of one process instance. Heap 0 does not exist. Grows while rows come. */
struct eh_heap {
    uint32_t process; /* process instance */
    uint64_t handle;
};

/* A stack frame: an address, and the image it lies in, if one is known. */
struct eh_frame {
    uint64_t address;
    uint64_t offset; /* from the image's base; 0 without image */
    uint32_t image;  /* eh_model_image(); 0 without */
};

/* An image (module) as loaded somewhere. Image 0 does not exist. */
struct eh_image {
    const char *path;      /* UTF-8, full path as known, drive path where volumes are known */
    const char *file_name; /* last part of path */
    bool has_build_id;
    uint8_t build_id[20]; /* PDB GUID in printed order, then the age little-endian */
    const char *pdb_name; /* UTF-8 or NULL */
    uint64_t size;        /* bytes */
    uint32_t timestamp;   /* as in the image's header, 0 when unknown */
};

/* A stack: frames innermost first. Stack 0 does not exist. Grows while rows come. Identity is the
 * process instance and the frames: two ids never mean the same stack. */
struct eh_stack {
    uint32_t process; /* process instance */
    uint32_t depth;   /* frames */
    const uint32_t *frames; /* frame ids, innermost first */
};

/* Each returns the entry, which the model owns; ids must come from the model or a row.
 * Count includes the entry 0. */
size_t eh_model_processes(const struct eh_model *m);
const struct eh_process *eh_model_process(const struct eh_model *m, uint32_t process);
size_t eh_model_threads(const struct eh_model *m);
const struct eh_thread *eh_model_thread(const struct eh_model *m, uint32_t thread);
size_t eh_model_heaps(const struct eh_model *m);
const struct eh_heap *eh_model_heap(const struct eh_model *m, uint32_t heap);
size_t eh_model_images(const struct eh_model *m);
const struct eh_image *eh_model_image(const struct eh_model *m, uint32_t image);
size_t eh_model_stacks(const struct eh_model *m);
struct eh_stack eh_model_stack(const struct eh_model *m, uint32_t stack);
/* Frame ids start at 1; equal frames have equal ids. */
size_t eh_model_frames(const struct eh_model *m);
const struct eh_frame *eh_model_frame(const struct eh_model *m, uint32_t frame);

#endif
