#include "decode/process.h"

#include <string.h>

/* A SID is preceded by a TOKEN_USER of two pointers; a zero dword in its place means no SID, except
 * where a tool that rewrote the record zeroed the pointers and kept the SID (real files do). */
static bool has_sid(const struct cursor *c, unsigned pointer_size)
{
    static const uint8_t zeros[16];
    size_t user = 2 * pointer_size;
    if (cur_left(c) >= 4 && load_u32(c->at) != 0)
        return true;
    return cur_left(c) >= user + 8 && memcmp(c->at, zeros, user) == 0 && c->at[user] == 1 &&
           c->at[user + 1] >= 1 && c->at[user + 1] <= 15;
}

static void skip_sid(struct cursor *c, unsigned pointer_size)
{
    if (!has_sid(c, pointer_size)) {
        cur_take(c, 4);
        return;
    }
    cur_take(c, 2 * pointer_size);
    cur_u8(c); /* revision */
    unsigned subauthorities = cur_u8(c);
    cur_take(c, 6 + 4 * subauthorities);
}

bool process_decode(const struct record *r, struct process_record *ret_process)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    unsigned pointer_size = r->pointer_size;
    struct process_record p = {0};
    if (r->version == 0) {
        p.pid = (uint32_t)cur_pointer(&c, pointer_size);
        p.parent_pid = (uint32_t)cur_pointer(&c, pointer_size);
    } else {
        p.key = cur_pointer(&c, pointer_size);
        p.has_key = r->version >= 2;
        p.pid = cur_u32(&c);
        p.parent_pid = cur_u32(&c);
        cur_take(&c, 8); /* session, exit status */
        if (r->version >= 3)
            cur_pointer(&c, pointer_size); /* directory table base */
        if (r->version >= 4)
            cur_u32(&c); /* flags */
    }
    if (c.short_read)
        return false;
    skip_sid(&c, pointer_size);
    p.name = take_ansi(&c);
    if (r->version >= 2)
        p.command_line = take_utf16(&c);
    *ret_process = p;
    return true;
}

bool thread_decode(const struct record *r, struct thread_record *ret_thread)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    struct thread_record t = {0};
    uint32_t first = cur_u32(&c), second = cur_u32(&c);
    if (c.short_read)
        return false;
    t.pid = r->version == 0 ? second : first;
    t.tid = r->version == 0 ? first : second;
    /* Seven pointers, the service tag, four bytes of priorities and flags, then the name. */
    if (r->version >= 3 && cur_take(&c, 7u * r->pointer_size + 8) && cur_left(&c) >= 2)
        t.name = take_utf16(&c);
    *ret_thread = t;
    return true;
}

bool thread_name_decode(const struct record *r, struct thread_record *ret_thread)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    struct thread_record t = {.pid = cur_u32(&c), .tid = cur_u32(&c)};
    if (c.short_read)
        return false;
    t.name = take_utf16(&c);
    *ret_thread = t;
    return true;
}

bool switch_decode(const struct record *r, uint32_t *ret_tid)
{
    if (r->payload_size < 24)
        return false;
    *ret_tid = load_u32(r->payload);
    return true;
}
