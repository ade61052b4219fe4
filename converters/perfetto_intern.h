/* Frames, mappings and call stacks as interned data: written once per sequence, then known by iid.
 *
 * Readers tell call stacks apart by the frames' module, place and name. So two frames that a reader
 * could not tell apart have one iid, even if the image was loaded at two addresses. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_INTERN_H
#define ETLHEAP_CONVERTERS_PERFETTO_INTERN_H

#include "base/map.h"
#include "perfetto_trace.h"

/* Frames that are no code. The number with each is the `value` of intern_label(). */
enum frame_label {
    FRAME_HEAP = 1,         /* handle */
    FRAME_HEAP_NO_STACKS,   /* handle; blocks below it are told apart by source and size */
    FRAME_NO_STACK,         /* 0 */
    FRAME_SOURCE,           /* decode/FORMAT.md C.2.2 */
    FRAME_SIZE_CLASS,       /* size_class() */
    FRAME_LEFT_OUT,         /* 0; stands for a whole stack */
};

#define INTERN_PARTS 6

struct intern_part {
    char *bytes;
    size_t length, room;
};

/* A frame in the sequence that asked for it last. */
struct intern_known {
    uint32_t sequence, iid;
};

/* Zeroed, but for `trace`, is one that knows nothing. */
struct intern {
    struct trace *trace;
    struct map images;   /* (image, sequence) to mapping iid */
    struct map contents; /* (hash of path and build id, sequence) to mapping iid */
    struct map frames;   /* (offset, address or value, mapping and label) to frame iid */
    struct intern_known *known; /* by number of frame; spares two look-ups, 9 of 10 instructions */
    size_t known_room;
    uint32_t *image_of;       /* by mapping iid */
    size_t image_of_room;
    uint32_t last_mapping, last_frame;
    uint32_t sequence; /* of what waits to be written */
    uint64_t defined_bytes; /* of all but stacks */
    bool left_out;          /* sticks: frames of a stack are */
    struct intern_part part[INTERN_PARTS];
};

/* The frame's iid in the sequence; 0 when memory ran out (trace.out_of_memory is set then). */
uint32_t intern_frame(struct intern *in, uint32_t sequence, uint32_t frame);
uint32_t intern_label(struct intern *in, uint32_t sequence, enum frame_label label,
                      uint64_t value);

/* The iid of what stands for all frames of a stack that is new, 0 while there is room for them. A
 * stack key's frames are recorded once, but defined anew for each process that names the key: few
 * bytes may ask for many. */
uint32_t intern_left_out(struct intern *in, uint32_t sequence);

/* Defines a call stack; frames are iids, outermost first. */
void intern_callstack(struct intern *in, uint32_t sequence, uint32_t iid, const uint32_t *frames,
                      size_t count);

/* Writes what waits: to be called before a packet that refers to it. */
void intern_flush(struct intern *in);

/* Forgets what was defined: another piece of the trace begins. Nothing may wait. */
void intern_restart(struct intern *in);

/* Bytes that wait to be written, all around them included. */
uint64_t intern_waiting(const struct intern *in);

/* At least the bytes that frame and its mapping take where neither is known yet. */
uint64_t intern_frame_bytes(const struct intern *in, uint32_t frame);

void intern_finish(struct intern *in);

/* Blocks by size: 0 for 0 bytes, else 1 plus the number of the highest bit: 1, 2-3, 4-7, ... */
static inline unsigned size_class(uint64_t size)
{
#if defined(__GNUC__)
    return size ? 64 - (unsigned)__builtin_clzll(size) : 0;
#else
    unsigned class = 0;
    for (; size; size >>= 1)
        class++;
    return class;
#endif
}

#endif
