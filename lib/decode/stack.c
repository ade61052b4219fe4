#include "decode/stack.h"

#include "base/cursor.h"
#include "base/limits.h"

enum { TYPE_KERNEL_KEY = 0x25, TYPE_STACK = 0x20 };

bool stack_decode(const struct record *r, unsigned type, struct stack_record *ret_stack)
{
    const uint8_t *p = r->payload;
    unsigned pointer_size = r->pointer_size ? r->pointer_size : 8;
    bool whole = type == TYPE_STACK;
    if (r->payload_size < STACK_HEADER_BYTES + (whole ? 0 : pointer_size))
        return false;
    ret_stack->event_raw = load_i64(p);
    ret_stack->pid = load_u32(p + 8);
    ret_stack->tid = load_u32(p + 12);
    p += STACK_HEADER_BYTES;
    ret_stack->kernel = type == TYPE_KERNEL_KEY;
    ret_stack->key = whole ? 0 : pointer_size == 8 ? load_u64(p) : load_u32(p);
    ret_stack->frames =
        raw_frames_of(p, whole ? r->payload_size - STACK_HEADER_BYTES : 0, pointer_size);
    return true;
}

bool stack_definition_decode(const struct record *r, uint64_t *ret_key,
                             struct raw_frames *ret_frames)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    unsigned pointer_size = r->pointer_size ? r->pointer_size : 8;
    uint64_t key = cur_pointer(&c, pointer_size);
    struct raw_frames frames = raw_frames_of(c.at, cur_left(&c), pointer_size);
    if (c.short_read || !frames.count)
        return false;
    *ret_key = key;
    *ret_frames = frames;
    return true;
}

bool stack_item_decode(const struct record *r, struct raw_frames *ret_frames)
{
    unsigned type = 0;
    const uint8_t *data;
    size_t length = rec_extended_item(r, ITEM_STACK32, ITEM_STACK64, &type, &data);
    unsigned pointer_size = type == ITEM_STACK32 ? 4 : 8;
    if (length < 8 + pointer_size)
        return false;
    *ret_frames = raw_frames_of(data + 8, length - 8, pointer_size);
    return true;
}
