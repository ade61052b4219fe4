/* What the stack keys of compressed stack records stand for. Definitions come after the references
 * and keys are used again: a reference means the first definition at or after it.
 * decode/FORMAT.md C.6.2.
 *
 * The first pass collects definitions in merged order; the second asks with times that do not go
 * back, so that each key's place in its definitions only moves forward. */
#ifndef ETLHEAP_TRACK_STACK_KEYS_H
#define ETLHEAP_TRACK_STACK_KEYS_H

#include "base/error.h"
#include "base/map.h"
#include "decode/stack.h"

struct definition {
    int64_t time; /* merge key */
    size_t first; /* into bytes */
    uint32_t count;
    uint32_t next; /* of the same key, 0 at the end */
    uint8_t pointer_size;
};

/* Zeroed is empty. */
struct stack_keys {
    struct map heads;   /* (session and kernel or user, key) to first definition */
    struct map current; /* the same to the definition in use: the latest in the first pass */
    struct definition *definitions; /* definition 0 does not exist */
    size_t definition_count, definition_room;
    uint8_t *bytes; /* addresses as recorded */
    size_t byte_count, byte_room;
    bool full;         /* a limit was reached: later definitions are left out */
    uint64_t left_out; /* so many */
};

void stack_keys_finish(struct stack_keys *k);

/* First pass. `session` tells the key spaces of several sessions apart. 0, or -1 with `e` filled:
 * memory ran out; at a limit only k->full is set.
 * Whether a kernel or a user key is defined shows in the outermost address. */
int stack_keys_define(struct stack_keys *k, uint32_t session, int64_t time, uint64_t key,
                      const struct raw_frames *frames, struct eh_error *e);

/* Between the passes. */
void stack_keys_restart(struct stack_keys *k);

/* Second pass: the frames a reference at `time` stands for, in the table's memory. False when the
 * key is not defined any more. */
bool stack_keys_find(struct stack_keys *k, uint32_t session, bool kernel, int64_t time,
                     uint64_t key, struct raw_frames *ret_frames);

#endif
