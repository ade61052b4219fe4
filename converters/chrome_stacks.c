#include "chrome_stacks.h"

#include "text.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

static int intern_node(struct chrome_stacks *s, uint32_t frame, uint32_t caller,
                       uint32_t *ret_node)
{
    uint32_t *id = map_id(&s->ids, frame, caller);
    if (!id)
        return -1;
    if (!*id) {
        if (ARRAY_RESERVE(s->nodes, s->node_room, s->node_count + 1) < 0)
            return -1;
        s->nodes[s->node_count++] = (struct chrome_node){frame, caller};
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
            if (intern_node(s, frames.frames[i - 1], node, &node) < 0)
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

void chrome_stacks_put_text(struct out *o, const struct eh_model *m, uint32_t stack)
{
    struct eh_stack frames = eh_model_stack(m, stack);
    for (uint32_t i = 0; i < frames.depth; i++) {
        if (i)
            out_write(o, ";", 1);
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
