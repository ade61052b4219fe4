/* Stacks joined to heap events. Semantics 2 "Stacks" and 5, decode/FORMAT.md C.6.3.
 *
 * A stack record comes after its event, in pieces, perhaps on another processor. Events wait in a
 * window of LIMIT_PENDING_EVENTS and leave it in the order in which they came.
 * What matches is decided by equal raw time, thread and process, never by nearness. */
#ifndef ETLHEAP_TRACK_JOIN_H
#define ETLHEAP_TRACK_JOIN_H

#include "base/error.h"
#include "base/recent.h"
#include "decode/stack.h"
#include "model/build.h"
#include "model/event.h"
#include "track/images.h"
#include "track/owners.h"

struct join;

/* NULL without memory. Everything is borrowed; `times` holds (raw time, thread) of the records
 * seen. */
struct join *join_create(struct eh_model *model, const struct images *images,
                         struct owners *owners, struct recent *times);
void join_destroy(struct join *j); /* accepts NULL */

/* What an event brings that its row does not hold. */
struct join_origin {
    uint32_t boot;
    uint32_t stream;     /* index of its stream: its own stacks are preferred */
    uint32_t process_id; /* REC_NO_ID when its header names nobody: a stack may */
    uint32_t moment;     /* image records before it */
};

/* Events in the window, at most LIMIT_PENDING_EVENTS. */
size_t join_waiting(const struct join *j);

/* The row that the next event is to be decoded into; there must be room. Of its second half only
 * source, thread and, in a realloc, the old block count. */
struct eh_event *join_row(struct join *j);

/* Takes that row into the window: an event, or a row of another kind (process end) that must keep
 * its place. Stacks that came before it (clocks step back) are its own. 0, or -1 with `e` filled. */
int join_put(struct join *j, const struct join_origin *o, struct eh_error *e);

/* The same, for the one place where nearly all events come: a compiler that sees the whole program
 * calls nothing there, which saves 30 instructions an event. */
int join_put_common(struct join *j, const struct join_origin *o, struct eh_error *e);

/* Gives the event put last its whole stack (EVENT_HEADER records carry it along). 0, or -1. */
int join_own_stack(struct join *j, const struct raw_frames *frames, uint32_t boot,
                   struct eh_error *e);

/* Tells whose the events at s->event_raw are whose headers name nobody: any stack record does, also
 * a reference to a key that nobody defines. 0, or -1 with `e` filled. */
int join_name_owner(struct join *j, const struct stack_record *s, const struct join_origin *o,
                    struct eh_error *e);

/* Takes in part of a stack: 1 when it has an event or repeats one that has, 0 when no event waits
 * for it, -1 with `e` filled. */
int join_stack(struct join *j, const struct stack_record *s, const struct raw_frames *frames,
               const struct join_origin *o, struct eh_error *e);

/* join_stack() for a stack record that follows the event put last in their stream, as nearly all
 * do: taken at once, before records of other streams, it spares a turn of the merge and a search.
 * 1, 0 when it must take the long way, -1 with `e` filled. Not where heap records name nobody: for
 * those it matters when a stack record comes. */
int join_following(struct join *j, const struct stack_record *s, uint32_t boot, struct eh_error *e);

/* Keeps a part that join_stack() found no event for, in case the event still comes: 0, or -1. With
 * frames NULL, or none of them, only the owner it names is kept, and it does not count as
 * unmatched. */
int join_keep(struct join *j, const struct stack_record *s, const struct raw_frames *frames,
              const struct join_origin *o, struct eh_error *e);

/* Parts that were kept and found no event, so far; `all` gives up those still waiting. A part whose
 * time belongs to another record after all, by `times`, is not counted. */
uint64_t join_unmatched(struct join *j, bool all);

/* The oldest event leaves: sets *row with its owner and stack id. There must be one. 0, or -1. */
int join_take(struct join *j, struct eh_event *row, struct eh_error *e);

/* The image record that makes it `moment` is of this process (0: the kernel): later stacks may mean
 * other modules. */
void join_images_changed(struct join *j, uint32_t process, uint32_t moment);

#endif
