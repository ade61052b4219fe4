#include "track/drafts.h"

#include "base/array.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define MET_WORDS (LIMIT_MET_BYTES / sizeof(uint64_t))

int drafts_init(struct drafts *d, struct eh_model *model, const struct images *images)
{
    d->model = model;
    d->images = images;
    d->met_count = 1;
    d->index = calloc(LIMIT_MET_STACKS, sizeof *d->index);
    return d->index ? 0 : -1;
}

void drafts_finish(struct drafts *d)
{
    free(d->index);
    free(d->met);
    free(d->image_moments);
    *d = (struct drafts){0};
}

void drafts_images_changed(struct drafts *d, uint32_t process, uint32_t moment)
{
    if (process && ARRAY_RESERVE_ZEROED(d->image_moments, d->image_moment_room,
                                        (size_t)process + 1) == 0)
        d->image_moments[process] = moment;
    else
        d->kernel_moment = moment; /* for all, where there is no memory to tell them apart */
}

/* *ret_draft is 0 where the stack finds no place in the model. */
static int resolve(struct drafts *d, const struct frames_origin *o,
                   const struct raw_frames *frames, uint32_t *ret_draft)
{
    *ret_draft = 0;
    for (uint32_t i = 0; i < frames->count; i++) {
        uint64_t address = raw_frame(frames, i);
        struct eh_frame f = images_frame(d->images, o->process, o->boot, o->moment, address,
                                         is_kernel_address(address, frames->pointer_size));
        if (model_intern_frame(d->model, &f, &d->frame_ids[i]) < 0)
            return -1;
        if (!d->frame_ids[i])
            return 0;
    }
    return model_draft_stack(d->model, o->process, d->frame_ids, frames->count, ret_draft);
}

/* The place in the index for a stack that is not there: a free one among those where it is looked
 * for, else the last of them. */
static uint32_t *index_place(struct drafts *d, uint32_t hash)
{
    uint32_t n = 0;
    while (n < MET_PROBES - 1 && d->index[(hash + n) % LIMIT_MET_STACKS])
        n++;
    return &d->index[(hash + n) % LIMIT_MET_STACKS];
}

/* Room for a stack of so many words: all others are forgotten when it has become too much. */
static int reserve(struct drafts *d, size_t words)
{
    if (d->met_count + words > MET_WORDS || d->met_stacks >= LIMIT_MET_STACKS / 2) {
        memset(d->index, 0, LIMIT_MET_STACKS * sizeof *d->index);
        d->met_count = 1;
        d->met_stacks = 0;
    }
    return ARRAY_RESERVE(d->met, d->met_room, d->met_count + words);
}

static int remember(struct drafts *d, uint64_t place, const struct raw_frames *frames,
                    uint32_t draft)
{
    uint32_t length = frames->count * frames->pointer_size;
    size_t words = (sizeof(struct met_stack) + length + sizeof *d->met - 1) / sizeof *d->met;
    if (reserve(d, words) < 0)
        return -1;
    struct met_stack m = {place, length << 8 | frames->pointer_size, draft};
    memcpy(d->met + d->met_count, &m, sizeof m);
    memcpy(d->met + d->met_count + sizeof m / sizeof *d->met, frames->bytes, length);
    *index_place(d, drafts_hash(frames, place)) = (uint32_t)d->met_count;
    d->met_count += words;
    d->met_stacks++;
    return 0;
}

int drafts_make(struct drafts *d, const struct frames_origin *o, const struct raw_frames *frames,
                uint32_t *ret_draft)
{
    uint32_t since = drafts_image_moment(d, o->process);
    bool cut = frames->count >= LIMIT_STACK_FRAMES;
    if (cut)
        model_leave_out(d->model, EH_LEFT_FRAMES);
    if (resolve(d, o, frames, ret_draft) < 0)
        return -1;
    /* Not where each must be counted, nor where images have come since, or boots share them. */
    if (cut || o->moment < since || !o->process)
        return 0;
    return remember(d, (uint64_t)o->process << 32 | since, frames, *ret_draft);
}

int drafts_join(struct drafts *d, uint32_t kernel, uint32_t user, uint32_t *ret_draft)
{
    struct eh_stack inner = model_draft(d->model, kernel), outer = model_draft(d->model, user);
    memcpy(d->frame_ids, inner.frames, inner.depth * sizeof *inner.frames);
    memcpy(d->frame_ids + inner.depth, outer.frames, outer.depth * sizeof *outer.frames);
    return model_draft_stack(d->model, outer.process, d->frame_ids, inner.depth + outer.depth,
                             ret_draft);
}
