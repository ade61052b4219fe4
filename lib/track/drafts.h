/* Frames as recorded to stacks of the model: drafts, until an event uses them. Each frame's image
 * has to be found, which takes thousands of instructions a stack; so stacks are remembered as they
 * were recorded, with what came of them. */
#ifndef ETLHEAP_TRACK_DRAFTS_H
#define ETLHEAP_TRACK_DRAFTS_H

#include "base/inline.h"
#include "decode/stack.h"
#include "model/build.h"
#include "track/images.h"

#include <string.h>

/* Whose frames they are: what decides, with the addresses, which images they lie in. */
struct frames_origin {
    uint32_t process; /* instance */
    uint32_t boot;
    uint32_t moment; /* image records before the event */
};

/* A stack that was met, with its addresses as recorded behind it. */
struct met_stack {
    uint64_t place; /* its process, and the moment since which its images are the same */
    uint32_t shape; /* bytes and pointer size */
    uint32_t draft;
};

struct drafts {
    struct eh_model *model;
    const struct images *images;
    uint32_t *index; /* LIMIT_MET_STACKS places in `met`, 0 where there is none */
    uint64_t *met;   /* struct met_stack and addresses, each from a word on; from 1 */
    size_t met_count, met_room, met_stacks;
    uint32_t *image_moments; /* by process instance: of the last record of its images */
    size_t image_moment_room;
    uint32_t kernel_moment; /* the same for the kernel's images, which all processes share */
    uint32_t frame_ids[2 * LIMIT_STACK_FRAMES];
};

/* Zeroed before. 0, or -1 without memory; model and images are borrowed. */
int drafts_init(struct drafts *d, struct eh_model *model, const struct images *images);
void drafts_finish(struct drafts *d);

/* The image record that makes it `moment` is of this process, 0: of the kernel. */
void drafts_images_changed(struct drafts *d, uint32_t process, uint32_t moment);

/* drafts_find() for a stack that is not remembered. */
int drafts_make(struct drafts *d, const struct frames_origin *o, const struct raw_frames *frames,
                uint32_t *ret_draft);

/* Kernel frames and user frames, two drafts, as one: 0, or -1 without memory. */
int drafts_join(struct drafts *d, uint32_t kernel, uint32_t user, uint32_t *ret_draft);

/* Since when the images of a process are what they are now. */
static inline uint32_t drafts_image_moment(const struct drafts *d, uint32_t process)
{
    uint32_t own = process < d->image_moment_room ? d->image_moments[process] : 0;
    return own > d->kernel_moment ? own : d->kernel_moment;
}

/* Where in the index to begin. Two lanes of one multiplication and one addition for a frame;
 * what is found there is compared, so that it need not be better. */
static inline uint32_t drafts_hash(const struct raw_frames *f, uint64_t place)
{
    const uint64_t k = UINT64_C(0x9E3779B97F4A7C15);
    const uint8_t *at = f->bytes;
    size_t left = (size_t)f->count * f->pointer_size;
    uint64_t a = place, b = left;
    for (; left >= 32; at += 32, left -= 32) {
        a = (a * k + load_u64(at)) * k + load_u64(at + 16);
        b = (b * k + load_u64(at + 8)) * k + load_u64(at + 24);
    }
    for (; left >= 8; at += 8, left -= 8)
        a = a * k + load_u64(at);
    return (uint32_t)(((a ^ b * (k >> 9 | 1)) * k) >> 32);
}

#define MET_PROBES 8 /* so many places of the index a stack may be found in */

/* The draft for frames as an event's process sees them; *ret_draft is 0 where they find no place in
 * the model. 0, or -1 without memory. */
EH_ALWAYS_INLINE int drafts_find(struct drafts *d, const struct frames_origin *o,
                                 const struct raw_frames *frames, uint32_t *ret_draft)
{
    uint32_t since = drafts_image_moment(d, o->process);
    uint64_t place = (uint64_t)o->process << 32 | since;
    uint32_t length = frames->count * frames->pointer_size;
    uint32_t shape = length << 8 | frames->pointer_size, hash = drafts_hash(frames, place);
    for (uint32_t n = 0; n < MET_PROBES; n++) {
        uint32_t at = d->index[(hash + n) % LIMIT_MET_STACKS];
        if (!at)
            break;
        const struct met_stack *m = (const struct met_stack *)(d->met + at);
        if (m->place == place && m->shape == shape && o->moment >= since &&
            memcmp(m + 1, frames->bytes, length) == 0) {
            *ret_draft = m->draft;
            return 0;
        }
    }
    return drafts_make(d, o, frames, ret_draft);
}

#endif
