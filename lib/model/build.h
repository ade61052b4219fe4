/* How the reader (and a writer's test) fills a model. Every function that adds returns 0 and sets
 * ret_x, or returns -1: memory ran out. At a limit of lib/base/limits.h it sets ret_x to 0, the
 * entry that stands for what is not known; who called it counts that with model_leave_out(). */
#ifndef ETLHEAP_MODEL_BUILD_H
#define ETLHEAP_MODEL_BUILD_H

#include "model/model.h"
#include "model/stats.h"

/* NULL when memory ran out. Process 0, thread 0 and the entries 0 of the other tables exist. */
struct eh_model *model_create(void);
void model_destroy(struct eh_model *m); /* accepts NULL */

/* Something found no place: model_left_out()[what] counts how often. */
void model_leave_out(struct eh_model *m, enum eh_left_out what);
const uint64_t *model_left_out(const struct eh_model *m);

/* A copy of `length` bytes, NUL-terminated, shared with equal strings; lives as long as the model.
 * NULL when memory ran out; empty, and counted, when LIMIT_STRING_BYTES is reached. */
const char *model_string(struct eh_model *m, const char *bytes, size_t length);

/* The structs are copied; their strings must be the model's. */
int model_add_process(struct eh_model *m, const struct eh_process *p, uint32_t *ret_process);
int model_add_thread(struct eh_model *m, const struct eh_thread *t, uint32_t *ret_thread);
int model_add_heap(struct eh_model *m, const struct eh_heap *h, uint32_t *ret_heap);
int model_add_image(struct eh_model *m, const struct eh_image *i, uint32_t *ret_image);
/* These two return the id of an equal one if there is one. */
int model_intern_frame(struct eh_model *m, const struct eh_frame *f, uint32_t *ret_frame);
int model_intern_stack(struct eh_model *m, uint32_t process, const uint32_t *frames, size_t depth,
                       uint32_t *ret_stack);

/* Stack ids count in order of first use, yet a stack must be kept before anyone knows whether and
 * when its event uses it: a draft becomes a stack, with the next id, when it is first published.
 * model_intern_stack() does both. Drafts with equal process and frames are equal. */
int model_draft_stack(struct eh_model *m, uint32_t process, const uint32_t *frames, size_t depth,
                      uint32_t *ret_draft);
struct eh_stack model_draft(const struct eh_model *m, uint32_t draft);
int model_publish_stack(struct eh_model *m, uint32_t draft, uint32_t *ret_stack);

/* For names that become known after the entry: the entry to change. */
struct eh_process *model_process(struct eh_model *m, uint32_t process);
struct eh_thread *model_thread(struct eh_model *m, uint32_t thread);
struct eh_image *model_image(struct eh_model *m, uint32_t image);

#endif
