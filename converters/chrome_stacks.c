#include "chrome_stacks.h"

#include "text.h"

#include "base/array.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* What stands around a frame's name in the tree beside two node ids. */
#define NODE_BYTES 30

/* The bytes of put_frame(), or more where something is escaped. */
static uint64_t frame_bytes(const struct eh_model *m, uint32_t frame_id)
{
    const struct eh_frame *f = eh_model_frame(m, frame_id);
    const char *module = f->image ? eh_model_image(m, f->image)->file_name : "";
    char number[TEXT_HEX_BYTES];
    size_t digits = (size_t)(put_hex(number, f->image ? f->offset : f->address) - number);
    return json_escaped_bytes(module, strlen(module)) + (f->image ? 1 : 0) + digits;
}

/* The bytes of put_node(), or a few more. */
static uint64_t node_bytes(const struct eh_model *m, uint32_t frame_id, size_t last_id)
{
    char number[TEXT_U64_BYTES];
    return NODE_BYTES + 2 * (uint64_t)(put_u64(number, last_id) - number) +
           frame_bytes(m, frame_id);
}

static int intern_node(struct chrome_stacks *s, const struct eh_model *m, uint32_t frame,
                       uint32_t caller, uint32_t *ret_node)
{
    uint32_t *id = map_id(&s->ids, frame, caller);
    if (!id)
        return -1;
    if (!*id) {
        if (ARRAY_RESERVE(s->nodes, s->node_room, s->node_count + 1) < 0)
            return -1;
        s->nodes[s->node_count++] = (struct chrome_node){frame, caller};
        s->tree_bytes += node_bytes(m, frame, s->node_count);
        *id = (uint32_t)s->node_count;
    }
    *ret_node = *id;
    return 0;
}

static int reserve_leaves(struct chrome_stacks *s, size_t count)
{
    if (ARRAY_RESERVE(s->leaves, s->leaf_room, count) < 0)
        return -1;
    memset(s->leaves + s->leaf_count, 0, (count - s->leaf_count) * sizeof *s->leaves);
    s->leaf_count = count;
    return 0;
}

int chrome_stacks_leaf(struct chrome_stacks *s, const struct eh_model *m, uint32_t stack,
                       uint32_t *ret_node)
{
    if (stack >= s->leaf_count && reserve_leaves(s, (size_t)stack + 1) < 0)
        return -1;
    uint32_t node = s->leaves[stack];
    if (!node) {
        struct eh_stack frames = eh_model_stack(m, stack);
        for (uint32_t i = frames.depth; i > 0; i--)
            if (intern_node(s, m, frames.frames[i - 1], node, &node) < 0)
                return -1;
        s->leaves[stack] = node;
    }
    *ret_node = node;
    return 0;
}

/* A frame as in the CSV's column `stack`: module+0xoffset, or the address where no module is
 * known. */
static void put_frame(struct out *o, const struct eh_model *m, uint32_t frame_id)
{
    const struct eh_frame *f = eh_model_frame(m, frame_id);
    if (!f->image) {
        out_commit(o, put_hex(out_reserve(o, TEXT_HEX_BYTES), f->address));
        return;
    }
    const char *module = eh_model_image(m, f->image)->file_name;
    size_t length = strlen(module);
    char *at = out_reserve(o, 6 * length + 1 + TEXT_HEX_BYTES);
    at = put_json_escaped(at, module, length);
    *at++ = '+';
    out_commit(o, put_hex(at, f->offset));
}

uint64_t chrome_stacks_bytes(const struct chrome_stacks *s, const struct eh_model *m,
                             uint32_t stack)
{
    struct eh_stack frames = eh_model_stack(m, stack);
    bool known = stack < s->leaf_count && s->leaves[stack];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < frames.depth; i++) {
        bytes += 1 + frame_bytes(m, frames.frames[i]);
        if (!known)
            bytes += node_bytes(m, frames.frames[i], s->node_count + frames.depth);
    }
    return bytes;
}

void chrome_stacks_put_text(struct out *o, const struct eh_model *m, uint32_t stack)
{
    struct eh_stack frames = eh_model_stack(m, stack);
    uint64_t begin = out_position(o);
    for (uint32_t i = 0; i < frames.depth; i++) {
        if (i)
            out_write(o, ";", 1);
        if (out_position(o) - begin > LIMIT_STACK_TEXT) {
            out_write(o, "...", 3);
            return;
        }
        put_frame(o, m, frames.frames[i]);
    }
}

static void put_node(struct out *o, const struct eh_model *m, const struct chrome_node *n,
                     size_t id)
{
    char *at = out_reserve(o, 96);
    at = put_string(at, id > 1 ? ",\n\"" : "\n\"");
    at = put_u64(at, id);
    at = put_string(at, "\":{");
    if (n->caller) {
        at = put_string(at, "\"parent\":\"");
        at = put_u64(at, n->caller);
        at = put_string(at, "\",");
    }
    out_commit(o, put_string(at, "\"name\":\""));
    put_frame(o, m, n->frame);
    out_write(o, "\"}", 2);
}

void chrome_stacks_put_tree(const struct chrome_stacks *s, struct out *o, const struct eh_model *m)
{
    out_write(o, "{", 1);
    for (size_t i = 0; i < s->node_count; i++)
        put_node(o, m, &s->nodes[i], i + 1);
    out_write(o, "\n}", 2);
}

void chrome_stacks_finish(struct chrome_stacks *s)
{
    free(s->nodes);
    free(s->leaves);
    map_finish(&s->ids);
    *s = (struct chrome_stacks){0};
}
