#include "track/stack_keys.h"

#include "base/array.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

void stack_keys_finish(struct stack_keys *k)
{
    map_finish(&k->heads);
    map_finish(&k->current);
    free(k->definitions);
    free(k->bytes);
    *k = (struct stack_keys){0};
}

static uint64_t key_space(uint32_t session, bool kernel)
{
    return (uint64_t)session << 1 | kernel;
}

static size_t frames_bytes(const struct raw_frames *frames)
{
    return (size_t)frames->count * frames->pointer_size;
}

static int add_definition(struct stack_keys *k, int64_t time, const struct raw_frames *frames)
{
    size_t length = frames_bytes(frames);
    if (k->definition_count == 0)
        k->definition_count = 1;
    if (ARRAY_RESERVE(k->definitions, k->definition_room, k->definition_count + 1) < 0 ||
        ARRAY_RESERVE(k->bytes, k->byte_room, k->byte_count + length) < 0)
        return -1;
    k->definitions[k->definition_count++] = (struct definition){
        .time = time,
        .first = k->byte_count,
        .count = frames->count,
        .pointer_size = frames->pointer_size,
    };
    memcpy(k->bytes + k->byte_count, frames->bytes, length);
    k->byte_count += length;
    return 0;
}

int stack_keys_define(struct stack_keys *k, uint32_t session, int64_t time, uint64_t key,
                      const struct raw_frames *frames, struct eh_error *e)
{
    uint64_t outermost = raw_frame(frames, frames->count - 1);
    uint64_t space = key_space(session, is_kernel_address(outermost, frames->pointer_size));
    /* Once full, for good: a key must not mean the definition after the one left out. */
    k->full = k->full || k->definition_count > LIMIT_KEYS ||
              k->byte_count + frames_bytes(frames) > LIMIT_KEY_BYTES;
    if (k->full) {
        k->left_out++;
        return 0;
    }
    if (add_definition(k, time, frames) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for stack keys");
    uint32_t id = (uint32_t)(k->definition_count - 1);
    uint32_t before = map_get(&k->current, space, key);
    if (before)
        k->definitions[before].next = id;
    else if (map_set(&k->heads, space, key, id) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for stack keys");
    if (map_set(&k->current, space, key, id) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for stack keys");
    return 0;
}

void stack_keys_restart(struct stack_keys *k)
{
    map_finish(&k->current);
    k->current = k->heads;
    k->heads = (struct map){0};
}

bool stack_keys_find(struct stack_keys *k, uint32_t session, bool kernel, int64_t time,
                     uint64_t key, struct raw_frames *ret_frames)
{
    uint64_t space = key_space(session, kernel);
    uint32_t id = map_get(&k->current, space, key), at = id;
    if (!id)
        return false;
    while (k->definitions[at].time < time && k->definitions[at].next)
        at = k->definitions[at].next;
    if (at != id)
        map_set(&k->current, space, key, at); /* the key is there: no memory is needed */
    const struct definition *d = &k->definitions[at];
    if (d->time < time)
        return false;
    *ret_frames = (struct raw_frames){k->bytes + d->first, d->count, d->pointer_size};
    return true;
}
