#include "track/join.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/inline.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* How many of the events that share time and thread are looked at for what is a matter of taste:
 * one of the record's own stream, a part that is repeated, and parts that came before their event.
 * So many there are only in hostile traces. */
#define CANDIDATES 256

#define BUCKETS (LIMIT_PENDING_EVENTS * 2)

enum part { PART_KERNEL = 1, PART_USER = 2 };

/* What an event waits under: a record that names nobody waits under no process and no thread. */
struct key {
    int64_t raw;
    uint32_t boot, pid, tid;
};

/* Where to begin in a queue: all events before that place have the part, or the name. */
enum from { FROM_KERNEL, FROM_USER, FROM_WHOLE, FROM_NAMED, FROM_AMBIGUOUS, FROMS };

/* Events with the same key, oldest first. Its oldest holds it: places are positions + 1. */
struct queue {
    uint32_t next_key;    /* oldest event of another key in the bucket, 0 at the end */
    uint32_t last;        /* its youngest event */
    uint32_t from[FROMS]; /* 0: at the oldest */
    uint32_t named_pid, named_tid; /* what events between FROM_AMBIGUOUS and FROM_NAMED are named */
};

struct pending {
    struct eh_event row;
    struct join_origin origin;
    uint32_t bucket;
    uint32_t next;  /* in its queue: position + 1, 0 at the end */
    uint32_t parts; /* enum part */
    uint32_t kernel, user; /* drafts; a whole stack is in `user` with both parts set */
    uint32_t image_epoch;
    uint64_t owners_epoch; /* when it came; for those whose header names nobody */
    uint32_t named_pid, named_tid; /* by stack records with its raw time */
    uint32_t named_process;
    bool named, ambiguous;
    bool left_out; /* a part of its stack found no place in the model */
    bool oldest;   /* of its queue */
    struct queue queue; /* where it is the oldest */
};

/* Orphans with the same raw time, oldest first. */
struct bucket {
    uint32_t first, last; /* position + 1 */
    uint32_t from;        /* all before are settled; 0: all are */
};

/* A part of a stack whose event has not come, if it ever does. */
struct orphan {
    int64_t raw;
    uint32_t boot, pid, tid;
    uint32_t parts, draft; /* 0: only its owner matters */
    uint32_t next;         /* in its bucket: position + 1 */
    bool settled;          /* it has its event, or was counted */
};

#define ORPHAN_BUCKETS LIMIT_PENDING_STACKS

/* A stack seen lately, as recorded, and its draft: spares looking up its images. Longer ones than
 * fit are looked up each time. */
#define SEEN_BYTES 256

struct seen {
    uint32_t process, image_epoch, draft;
    uint32_t shape; /* bytes and pointer size in one number; 0: empty */
    uint8_t bytes[SEEN_BYTES];
};

struct join {
    struct eh_model *model;
    const struct images *images;
    struct owners *owners;
    struct pending *ring; /* LIMIT_PENDING_EVENTS */
    uint32_t oldest, count;
    uint32_t *buckets; /* the oldest event of a first key: position + 1 */
    uint64_t salt; /* of the buckets' hash */
    struct orphan *orphans; /* a ring of LIMIT_PENDING_STACKS */
    uint32_t oldest_orphan, orphan_count;
    struct bucket *orphan_buckets; /* by raw time */
    uint64_t unmatched;
    struct recent *times;
    struct seen *seen;
    uint32_t *image_epochs; /* by process instance */
    size_t image_epoch_room;
    uint32_t kernel_epoch;
    uint32_t nobodys; /* events in the window whose header names nobody */
    uint32_t frame_ids[2 * LIMIT_STACK_FRAMES];
};

struct join *join_create(struct eh_model *model, const struct images *images,
                         struct owners *owners, struct recent *times)
{
    struct join *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->model = model;
    j->images = images;
    j->owners = owners;
    j->salt = hash_salt(j);
    j->times = times;
    j->orphans = malloc(LIMIT_PENDING_STACKS * sizeof *j->orphans);
    j->orphan_buckets = calloc(ORPHAN_BUCKETS, sizeof *j->orphan_buckets);
    j->ring = malloc(LIMIT_PENDING_EVENTS * sizeof *j->ring);
    j->buckets = calloc(BUCKETS, sizeof *j->buckets);
    j->seen = calloc(LIMIT_SEEN_STACKS, sizeof *j->seen);
    if (!j->ring || !j->buckets || !j->seen || !j->orphans || !j->orphan_buckets) {
        join_destroy(j);
        return NULL;
    }
    return j;
}

void join_destroy(struct join *j)
{
    if (!j)
        return;
    free(j->ring);
    free(j->buckets);
    free(j->orphans);
    free(j->orphan_buckets);
    free(j->seen);
    free(j->image_epochs);
    free(j);
}

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for stacks");
}

size_t join_waiting(const struct join *j)
{
    return j->count;
}

struct eh_event *join_row(struct join *j)
{
    return &j->ring[(j->oldest + j->count) % LIMIT_PENDING_EVENTS].row;
}

static uint32_t bucket_of(const struct join *j, const struct key *k)
{
    const uint64_t factor = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t ids = ((uint64_t)k->pid << 32 | k->tid) + j->salt; /* boots are few */
    return (uint32_t)((((uint64_t)k->raw ^ ids * factor) * factor) >> 32) % BUCKETS;
}

static inline struct key key_of(const struct pending *p)
{
    bool nobody = p->origin.process_id == REC_NO_ID;
    return (struct key){p->row.raw_time, p->origin.boot, p->origin.process_id,
                        nobody ? REC_NO_ID : p->row.thread_id};
}

static inline bool waits_under(const struct pending *p, const struct key *k)
{
    struct key own = key_of(p);
    return own.raw == k->raw && own.tid == k->tid && own.pid == k->pid && own.boot == k->boot;
}

/* Place of the oldest event that waits under a key, or 0. */
static inline uint32_t oldest_of(const struct join *j, const struct key *k, uint32_t bucket)
{
    uint32_t at = j->buckets[bucket];
    while (at && !waits_under(&j->ring[at - 1], k))
        at = j->ring[at - 1].queue.next_key;
    return at;
}

static inline uint32_t begin_at(const struct join *j, uint32_t oldest, enum from from)
{
    uint32_t at = j->ring[oldest - 1].queue.from[from];
    return at ? at : oldest;
}

/* The first event of a queue that lacks all of `parts`, or 0. */
static inline uint32_t first_lacking(struct join *j, uint32_t oldest, uint32_t parts)
{
    enum from from = (enum from)(parts - 1);
    uint32_t at = begin_at(j, oldest, from), next;
    while (j->ring[at - 1].parts & parts && (next = j->ring[at - 1].next))
        at = next;
    j->ring[oldest - 1].queue.from[from] = at;
    return j->ring[at - 1].parts & parts ? 0 : at;
}

static inline void enter_queue(struct join *j, struct pending *p, uint32_t place)
{
    struct key key = key_of(p);
    uint32_t bucket = bucket_of(j, &key), oldest = oldest_of(j, &key, bucket);
    p->bucket = bucket;
    p->oldest = !oldest;
    if (!oldest) {
        p->queue = (struct queue){.next_key = j->buckets[bucket], .last = place};
        j->buckets[bucket] = place;
        return;
    }
    struct queue *q = &j->ring[oldest - 1].queue;
    j->ring[q->last - 1].next = place;
    q->last = place;
}

/* The next in a queue takes the place of its oldest, which leaves. */
EH_NEVER_INLINE uint32_t inherit(struct join *j, const struct pending *p, uint32_t place)
{
    struct pending *next = &j->ring[p->next - 1];
    next->oldest = true;
    next->queue = p->queue;
    for (int from = 0; from < FROMS; from++)
        if (next->queue.from[from] == place)
            next->queue.from[from] = 0;
    return p->next;
}

/* The oldest event of all leaves: its queue goes to the next in it. */
static inline void leave_queue(struct join *j, const struct pending *p, uint32_t place)
{
    uint32_t *link = &j->buckets[p->bucket];
    while (*link != place)
        link = &j->ring[*link - 1].queue.next_key;
    *link = p->next ? inherit(j, p, place) : p->queue.next_key;
}

static uint32_t image_epoch(const struct join *j, uint32_t process)
{
    return j->kernel_epoch + (process < j->image_epoch_room ? j->image_epochs[process] : 0);
}

void join_images_changed(struct join *j, uint32_t process)
{
    size_t before = j->image_epoch_room;
    if (!process) {
        j->kernel_epoch++;
    } else if (ARRAY_RESERVE(j->image_epochs, j->image_epoch_room, process + 1u) == 0) {
        memset(j->image_epochs + before, 0, (j->image_epoch_room - before) * sizeof(uint32_t));
        j->image_epochs[process]++;
    } else {
        j->kernel_epoch++; /* for all, then */
    }
}

/* Moderately good and fast: what is found under it is compared. */
static inline size_t hash_frames(const struct raw_frames *f, uint32_t process)
{
    const uint64_t k = UINT64_C(0x9E3779B97F4A7C15);
    const uint8_t *at = f->bytes;
    size_t left = (size_t)f->count * f->pointer_size;
    uint64_t h = process + left;
    for (; left >= 32; at += 32, left -= 32) {
        h = (h + load_u64(at)) * k ^ load_u64(at + 8);
        h = (h + load_u64(at + 16)) * k ^ load_u64(at + 24);
    }
    for (; left >= 8; at += 8, left -= 8)
        h = (h ^ load_u64(at)) * k;
    return (size_t)((h * k) >> 32);
}

/* *ret_draft is 0 where the stack finds no place in the model. */
static int resolve(struct join *j, const struct pending *p, uint32_t process,
                   const struct raw_frames *frames, uint32_t *ret_draft)
{
    if (frames->count >= LIMIT_STACK_FRAMES)
        model_leave_out(j->model, EH_LEFT_FRAMES);
    *ret_draft = 0;
    for (uint32_t i = 0; i < frames->count; i++) {
        uint64_t address = raw_frame(frames, i);
        struct eh_frame f =
            images_frame(j->images, process, p->origin.boot, p->origin.moment, address,
                         is_kernel_address(address, frames->pointer_size));
        if (model_intern_frame(j->model, &f, &j->frame_ids[i]) < 0)
            return -1;
        if (!j->frame_ids[i])
            return 0;
    }
    return model_draft_stack(j->model, process, j->frame_ids, frames->count, ret_draft);
}

static inline bool is_seen(const struct seen *s, uint32_t process, uint32_t image_epoch,
                           uint32_t shape, const uint8_t *bytes)
{
    return s->shape == shape && s->process == process && s->image_epoch == image_epoch &&
           memcmp(s->bytes, bytes, shape >> 8) == 0;
}

/* Looks a stack up and keeps it in `s`. */
EH_NEVER_INLINE int see(struct join *j, struct seen *s, const struct pending *p, uint32_t process,
                        uint32_t shape, const struct raw_frames *frames)
{
    uint32_t draft;
    if (resolve(j, p, process, frames, &draft) < 0)
        return -1;
    *s = (struct seen){process, p->image_epoch, draft, shape, {0}};
    memcpy(s->bytes, frames->bytes, shape >> 8);
    return 0;
}

/* The draft for frames as seen by a pending event. */
static inline int draft_for(struct join *j, const struct pending *p, uint32_t process,
                            const struct raw_frames *frames, uint32_t *ret_draft)
{
    uint32_t length = frames->count * frames->pointer_size;
    /* The epoch is that of the process its header names: without one there is none to compare. */
    if (p->origin.process_id == REC_NO_ID || length > SEEN_BYTES)
        return resolve(j, p, process, frames, ret_draft);
    uint32_t shape = length << 8 | frames->pointer_size, epoch = p->image_epoch;
    size_t slot = hash_frames(frames, process) % LIMIT_SEEN_STACKS;
    struct seen *s = &j->seen[slot];
    if (!is_seen(s, process, epoch, shape, frames->bytes)) {
        struct seen *first = s;
        s = &j->seen[slot ^ 1];
        if (!is_seen(s, process, epoch, shape, frames->bytes)) {
            s = first->shape ? s : first;
            if (see(j, s, p, process, shape, frames) < 0)
                return -1;
        }
    }
    *ret_draft = s->draft;
    return 0;
}

/* Kernel frames come first, so the ends of a stack tell which parts it holds. */
static inline uint32_t parts_of(const struct raw_frames *f)
{
    if (!f->count)
        return 0;
    uint32_t kernel = is_kernel_address(raw_frame(f, 0), f->pointer_size);
    uint32_t user = !is_kernel_address(raw_frame(f, f->count - 1), f->pointer_size);
    return (user | !kernel) ? (kernel * PART_KERNEL | PART_USER) : PART_KERNEL;
}

static void set_part(struct pending *p, uint32_t parts, uint32_t draft)
{
    p->parts |= parts;
    p->left_out |= !draft;
    if (parts == PART_KERNEL)
        p->kernel = draft;
    else
        p->user = draft;
}

static bool has_part(const struct pending *p, uint32_t parts, uint32_t draft)
{
    return draft && (parts == PART_KERNEL ? p->kernel : p->user) == draft;
}

int join_own_stack(struct join *j, const struct raw_frames *frames, struct eh_error *e)
{
    struct pending *p = &j->ring[(j->oldest + j->count - 1) % LIMIT_PENDING_EVENTS];
    uint32_t draft;
    if (!frames->count)
        return 0;
    if (draft_for(j, p, p->row.process, frames, &draft) < 0)
        return out_of_memory(e);
    set_part(p, PART_KERNEL | PART_USER, draft);
    return 0;
}

/* A search for the event of a stack part. */
struct search {
    const struct stack_record *stack;
    const struct raw_frames *frames;
    const struct join_origin *origin;
    uint32_t parts;
    struct pending *taken;  /* the event the part goes to */
    struct pending *repeat; /* an event that has just this part */
};

/* The process whose images a candidate's stack lies in. */
static int owner_of(struct join *j, const struct search *s, const struct pending *p,
                    uint32_t *ret_process, struct eh_error *e)
{
    if (p->origin.process_id != REC_NO_ID) {
        *ret_process = p->row.process;
        return 0;
    }
    return owners_process_at(j->owners, s->origin->boot, s->stack->pid, p->owners_epoch,
                             ret_process, e);
}

/* An event of the queue that has just this part. */
static int find_repeat(struct join *j, struct search *s, uint32_t oldest, struct eh_error *e)
{
    uint32_t at = oldest;
    for (int n = 0; at && n < CANDIDATES && !s->repeat; n++, at = j->ring[at - 1].next) {
        struct pending *p = &j->ring[at - 1];
        uint32_t process, draft;
        if (owner_of(j, s, p, &process, e) < 0)
            return -1;
        if (draft_for(j, p, process, s->frames, &draft) < 0)
            return out_of_memory(e);
        if (has_part(p, s->parts, draft))
            s->repeat = p;
    }
    return 0;
}

/* The first event of the queue that lacks the part takes it, if there is one among those next to
 * it, the first of the record's own stream. */
static int find_event(struct join *j, struct search *s, const struct key *key, struct eh_error *e)
{
    uint32_t oldest = oldest_of(j, key, bucket_of(j, key));
    if (!oldest)
        return 0;
    uint32_t at = first_lacking(j, oldest, s->parts);
    if (!at)
        return find_repeat(j, s, oldest, e);
    s->taken = &j->ring[at - 1];
    for (int n = 0; at && n < CANDIDATES; n++, at = j->ring[at - 1].next) {
        struct pending *p = &j->ring[at - 1];
        if (!(p->parts & s->parts) && p->origin.stream == s->origin->stream) {
            s->taken = p;
            break;
        }
    }
    return 0;
}

/* A record that names nobody learns its owner from stack records with its time, if they name one. */
static int name_owner(struct join *j, struct pending *p, uint32_t boot, uint32_t pid, uint32_t tid,
                      struct eh_error *e)
{
    if (p->named) {
        p->ambiguous |= p->named_pid != pid || p->named_tid != tid;
        return 0;
    }
    p->named = true;
    p->named_pid = pid;
    p->named_tid = tid;
    return owners_process_at(j->owners, boot, pid, p->owners_epoch, &p->named_process, e);
}

static void make_ambiguous(struct join *j, uint32_t oldest)
{
    uint32_t at = begin_at(j, oldest, FROM_AMBIGUOUS), end = begin_at(j, oldest, FROM_NAMED);
    for (; at != end; at = j->ring[at - 1].next)
        j->ring[at - 1].ambiguous = true;
    j->ring[end - 1].ambiguous = true;
    j->ring[oldest - 1].queue.from[FROM_AMBIGUOUS] = end;
}

/* Each event is looked at when it is named, and once more when another name is told. */
int join_name_owner(struct join *j, const struct stack_record *s, const struct join_origin *o,
                    struct eh_error *e)
{
    if (!j->nobodys)
        return 0;
    struct key nobody = {s->event_raw, o->boot, REC_NO_ID, REC_NO_ID};
    uint32_t oldest = oldest_of(j, &nobody, bucket_of(j, &nobody));
    if (!oldest)
        return 0;
    struct queue *q = &j->ring[oldest - 1].queue;
    if (q->from[FROM_NAMED] && (q->named_pid != s->pid || q->named_tid != s->tid))
        make_ambiguous(j, oldest);
    q->named_pid = s->pid;
    q->named_tid = s->tid;
    uint32_t at = begin_at(j, oldest, FROM_NAMED);
    for (uint32_t next = at; next; next = j->ring[at - 1].next) {
        at = next;
        if (name_owner(j, &j->ring[at - 1], o->boot, s->pid, s->tid, e) < 0)
            return -1;
    }
    q->from[FROM_NAMED] = at;
    return 0;
}

static int give_part(struct join *j, const struct search *s, struct eh_error *e)
{
    uint32_t process, draft;
    if (owner_of(j, s, s->taken, &process, e) < 0)
        return -1;
    if (draft_for(j, s->taken, process, s->frames, &draft) < 0)
        return out_of_memory(e);
    set_part(s->taken, s->parts, draft);
    return 1;
}

int join_stack(struct join *j, const struct stack_record *s, const struct raw_frames *frames,
               const struct join_origin *o, struct eh_error *e)
{
    struct search search = {.stack = s, .frames = frames, .origin = o, .parts = parts_of(frames)};
    struct key key = {s->event_raw, o->boot, s->pid, s->tid};
    struct key nobody = {s->event_raw, o->boot, REC_NO_ID, REC_NO_ID};
    if (!search.parts)
        return 0;
    if (s->pid != REC_NO_ID && find_event(j, &search, &key, e) < 0)
        return -1;
    if (!search.taken && !search.repeat && j->nobodys && find_event(j, &search, &nobody, e) < 0)
        return -1;
    if (search.taken)
        return give_part(j, &search, e);
    return search.repeat != NULL;
}

int join_following(struct join *j, const struct stack_record *s, struct eh_error *e)
{
    uint32_t last = (j->oldest + j->count - 1) % LIMIT_PENDING_EVENTS, parts = parts_of(&s->frames);
    struct pending *p = &j->ring[last];
    if (p->row.raw_time != s->event_raw || p->row.thread_id != s->tid ||
        p->origin.process_id != s->pid || p->parts & parts || !parts || s->pid == REC_NO_ID ||
        !p->oldest) /* an older event may wait for it */
        return 0;
    uint32_t draft;
    if (draft_for(j, p, p->row.process, &s->frames, &draft) < 0)
        return out_of_memory(e);
    set_part(p, parts, draft);
    return 1;
}

static struct bucket *orphan_bucket(const struct join *j, int64_t raw)
{
    return &j->orphan_buckets[hash_u64((uint64_t)raw) % ORPHAN_BUCKETS];
}

/* Gives up the orphan that has waited longest. */
static void drop_orphan(struct join *j)
{
    struct orphan *o = &j->orphans[j->oldest_orphan];
    struct bucket *b = orphan_bucket(j, o->raw);
    if (b->from == b->first)
        b->from = o->next;
    b->first = o->next;
    if (!b->first)
        b->last = 0;
    if (!o->settled && !recent_has(j->times, o->raw, recent_owner(o->pid, o->tid)) &&
        !recent_has(j->times, o->raw, RECENT_ANYBODY))
        j->unmatched++;
    j->oldest_orphan = (j->oldest_orphan + 1) % LIMIT_PENDING_STACKS;
    j->orphan_count--;
}

int join_keep(struct join *j, const struct stack_record *s, const struct raw_frames *frames,
              const struct join_origin *o, struct eh_error *e)
{
    struct pending as_if = {.origin = *o}; /* the header of a stack record names nobody */
    uint32_t process, draft = 0;
    if (owners_process(j->owners, o->boot, s->pid, &process, e) < 0)
        return -1;
    if (frames && !frames->count)
        frames = NULL;
    if (frames && draft_for(j, &as_if, process, frames, &draft) < 0)
        return out_of_memory(e);
    if (j->orphan_count == LIMIT_PENDING_STACKS)
        drop_orphan(j);
    uint32_t at = (j->oldest_orphan + j->orphan_count++) % LIMIT_PENDING_STACKS;
    j->orphans[at] = (struct orphan){
        .raw = s->event_raw,
        .boot = o->boot,
        .pid = s->pid,
        .tid = s->tid,
        .parts = frames ? parts_of(frames) : 0,
        .draft = draft,
        .settled = !frames,
    };
    struct bucket *b = orphan_bucket(j, s->event_raw);
    if (b->last)
        j->orphans[b->last - 1].next = at + 1;
    else
        b->first = at + 1;
    b->last = at + 1;
    if (!b->from)
        b->from = at + 1;
    return 0;
}

uint64_t join_unmatched(struct join *j, bool all)
{
    while (all && j->orphan_count)
        drop_orphan(j);
    return j->unmatched;
}

static void adopt_part(struct pending *p, struct orphan *o)
{
    if (!o->draft || o->settled)
        return;
    if (!(p->parts & o->parts))
        set_part(p, o->parts, o->draft);
    else if (!has_part(p, o->parts, o->draft))
        return;
    o->settled = true;
}

/* The first orphan of a bucket that is not settled, or 0. */
static uint32_t first_unsettled(const struct join *j, struct bucket *b)
{
    while (b->from && j->orphans[b->from - 1].settled)
        b->from = j->orphans[b->from - 1].next;
    return b->from;
}

/* Stacks that came before their event. Settled ones still tell whose an event is that names nobody. */
static int adopt(struct join *j, struct pending *p, struct eh_error *e)
{
    struct bucket *b = orphan_bucket(j, p->row.raw_time);
    bool nobody = p->origin.process_id == REC_NO_ID;
    uint32_t at = nobody ? b->first : first_unsettled(j, b);
    for (int n = 0; at && n < CANDIDATES; n++, at = j->orphans[at - 1].next) {
        struct orphan *o = &j->orphans[at - 1];
        if (o->raw != p->row.raw_time || o->boot != p->origin.boot ||
            (!nobody && (o->pid != p->origin.process_id || o->tid != p->row.thread_id)))
            continue;
        if (nobody && name_owner(j, p, o->boot, o->pid, o->tid, e) < 0)
            return -1;
        adopt_part(p, o);
    }
    return 0;
}

int join_put(struct join *j, const struct join_origin *o, struct eh_error *e)
{
    uint32_t at = (j->oldest + j->count++) % LIMIT_PENDING_EVENTS;
    struct pending *p = &j->ring[at];
    p->origin = *o;
    p->next = p->parts = p->kernel = p->user = 0;
    p->image_epoch = image_epoch(j, p->row.process);
    p->named = p->ambiguous = p->left_out = p->oldest = false;
    if (p->row.kind >= EH_HEAP_KINDS)
        return 0;
    if (o->process_id == REC_NO_ID) {
        j->nobodys++;
        p->owners_epoch = owners_epoch(j->owners);
    }
    enter_queue(j, p, at + 1);
    return j->orphan_count ? adopt(j, p, e) : 0;
}

/* Both parts as one draft: kernel frames first. */
static int join_parts(struct join *j, const struct pending *p, uint32_t *ret_draft)
{
    struct eh_stack kernel = model_draft(j->model, p->kernel);
    struct eh_stack user = model_draft(j->model, p->user);
    memcpy(j->frame_ids, kernel.frames, kernel.depth * sizeof *kernel.frames);
    memcpy(j->frame_ids + kernel.depth, user.frames, user.depth * sizeof *user.frames);
    return model_draft_stack(j->model, user.process, j->frame_ids, kernel.depth + user.depth,
                             ret_draft);
}

static int set_stack(struct join *j, const struct pending *p, struct eh_event *row)
{
    if (!p->parts)
        return 0;
    uint32_t draft = p->kernel ? p->kernel : p->user;
    if (p->kernel && p->user && join_parts(j, p, &draft) < 0)
        return -1;
    if (p->left_out || !draft) {
        model_leave_out(j->model, EH_LEFT_STACKS);
        return 0;
    }
    return model_publish_stack(j->model, draft, &row->stack);
}

static int settle(struct join *j, struct pending *p, struct eh_event *row, struct eh_error *e)
{
    *row = p->row;
    if (p->ambiguous)
        return 0;
    if (p->named) {
        row->process = p->named_process;
        row->flags |= row->process ? 0 : EH_UNTRACKED;
        row->thread_id = p->named_tid;
        if (owners_thread(j->owners, row->process, row->thread_id, &row->thread, e) < 0)
            return -1;
    }
    return set_stack(j, p, row) < 0 ? out_of_memory(e) : 0;
}

int join_take(struct join *j, struct eh_event *row, struct eh_error *e)
{
    struct pending *p = &j->ring[j->oldest];
    if (p->row.kind < EH_HEAP_KINDS) {
        leave_queue(j, p, j->oldest + 1);
        j->nobodys -= p->origin.process_id == REC_NO_ID;
    }
    j->oldest = (j->oldest + 1) % LIMIT_PENDING_EVENTS;
    j->count--;
    return settle(j, p, row, e);
}
