/* Stacks as chrome://tracing reads them: a tree of frames in which each names its caller. An event
 * points at its innermost frame. */
#ifndef ETLHEAP_CONVERTERS_CHROME_STACKS_H
#define ETLHEAP_CONVERTERS_CHROME_STACKS_H

#include "base/map.h"
#include "io/sink.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chrome_node {
    uint32_t frame;  /* frame id of the model */
    uint32_t caller; /* node, 0 for the outermost */
};

/* Zeroed is an empty tree. */
struct chrome_stacks {
    struct chrome_node *nodes; /* node ids start at 1 */
    size_t node_count, node_room;
    uint32_t *leaves; /* by stack id; 0 until the stack is first asked for */
    size_t leaf_count, leaf_room;
    struct map ids; /* (frame, caller) to node */
    uint64_t tree_bytes; /* what the tree takes at most */
};

/* The node of the innermost frame of `stack`, 0 if the stack has no frames.
 * Returns 0, or -1 when memory ran out. */
int chrome_stacks_leaf(struct chrome_stacks *s, const struct eh_model *m, uint32_t stack,
                       uint32_t *ret_node);

/* At least as many bytes as the stack's text, and as the nodes that the tree lacks for it. */
uint64_t chrome_stacks_bytes(const struct chrome_stacks *s, const struct eh_model *m,
                             uint32_t stack);

/* Writes the frames of `stack`, innermost first, joined by ';', as the inside of a JSON string. */
void chrome_stacks_put_text(struct out *o, const struct eh_model *m, uint32_t stack);

/* Writes the tree as one JSON object. */
void chrome_stacks_put_tree(const struct chrome_stacks *s, struct out *o, const struct eh_model *m);

void chrome_stacks_finish(struct chrome_stacks *s);

#endif
