#include "track/join.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/inline.h"
#include "base/limits.h"
#include "track/drafts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* How many of the events that share time and thread are looked at for what is a matter of taste:
 * one of the record's own stream, a part that is repeated, and parts that came before their event.
 * So many there are only in hostile traces. */
#define CANDIDATES 256

/* And how many frames are compared for a part that is repeated. */
#define CANDIDATE_FRAMES 8192u

#define BUCKETS (LIMIT_PENDING_EVENTS * 2)

/* What an event waits under: a record that names nobody waits under no process and no thread. */
struct key {
    int64_t raw;
    uint32_t boot, pid, tid;
};

/* In pending.marks, beside the parts of its stack that it has. */
enum {
    PART_KERNEL = 1,
    PART_USER = 2,
    MARK_LEFT_OUT = 4, /* a part of its stack found no place in the model */
    MARK_ASIDE = 8,    /* the oldest of the asides is its own when it leaves */
    MARK_QUEUED = 16,  /* it is found by its queue, not by its place */
};

/* A row that waits: its first 64 bytes, as they lie in it, but for what is noted here. Rows are the
 * most of what a trace with stacks takes in memory: 80 bytes an event where the rest of a row, which
 * is empty yet, would make it 128 and more. */
struct pending {
    int64_t time_ns;
    int64_t order; /* raw time, or the highest before it: never less than those of older events */
    uint32_t process;
    uint32_t moment; /* image records before it */
    uint32_t thread_id;
    uint32_t user; /* draft of its user frames, or of a whole stack */
    uint16_t cpu, flags;
    uint8_t kind;
    uint8_t marks;
    uint16_t hook;
    uint64_t heap, address, size;

    uint32_t thread;
    uint32_t stream;
    uint32_t pid;         /* of its header, or REC_NO_ID */
    uint32_t kernel : 24; /* draft of its kernel frames */
    uint32_t source : 8;
};

#define SAME_PLACE(field, row_field)                                                             \
    _Static_assert(offsetof(struct pending, field) == offsetof(struct eh_event, row_field),      \
                   "the first line is copied as one")
SAME_PLACE(time_ns, time_ns);
SAME_PLACE(order, raw_time);
SAME_PLACE(process, process);
SAME_PLACE(moment, heap_index);
SAME_PLACE(thread_id, thread_id);
SAME_PLACE(user, stack);
SAME_PLACE(cpu, cpu);
SAME_PLACE(flags, flags);
SAME_PLACE(kind, kind);
SAME_PLACE(marks, reason);
SAME_PLACE(hook, hook);
SAME_PLACE(heap, heap);
SAME_PLACE(address, address);
SAME_PLACE(size, size);
#define LINE_BYTES 64
_Static_assert(offsetof(struct pending, thread) == LINE_BYTES &&
                   offsetof(struct eh_event, old_address) == LINE_BYTES,
               "the first line is copied as one");
_Static_assert(LIMIT_STACKS <= 1u << 24, "drafts fit in pending.kernel");

#define MOST_SOURCE 0xFFu /* in pending.source */

/* Events are found by their place, which follows from their time, as long as they come in order of
 * time and not more than so many come at one time. All others are entered in queues. */
#define RUN_LENGTH 16

/* Where to begin in a queue: all events before that place have the part, or the name. */
enum from { FROM_KERNEL, FROM_USER, FROM_WHOLE, FROM_NAMED, FROM_AMBIGUOUS, FROMS };

/* Queued events with the same key, oldest first. The aside of its oldest holds it. */
struct queue {
    uint32_t next_key;    /* oldest of another key in the bucket, 0 at the end */
    uint32_t last;        /* its youngest */
    uint32_t from[FROMS]; /* 0: at the oldest */
    uint32_t named_pid, named_tid; /* what events between FROM_AMBIGUOUS and FROM_NAMED are named */
};

/* What few events have beside their row. Asides are told by their numbers + 1. */
struct aside {
    uint64_t place; /* of its event */
    int64_t raw;
    uint64_t old_address, old_size;
    uint32_t source, boot;
    /* With MARK_QUEUED: */
    uint32_t bucket;
    uint32_t next; /* in its queue, 0 at the end */
    bool oldest;   /* of its queue */
    bool named, ambiguous;
    uint32_t named_pid, named_tid; /* by stacks with its raw time, if its header names nobody */
    uint32_t named_process;
    uint64_t owners_epoch; /* when it came */
    struct queue queue;    /* where it is the oldest */
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

struct join {
    struct owners *owners;
    struct eh_model *model;
    struct eh_event row;  /* that the next event is decoded into */
    struct pending *ring; /* LIMIT_PENDING_EVENTS, by place */
    uint64_t oldest, next; /* places: events that have left, and that have come */
    int64_t time;    /* pending.order of the youngest */
    uint32_t boot;   /* of events in order */
    uint32_t run;    /* so many older ones, at most RUN_LENGTH, have that order, too */
    bool alone;      /* no older one waits under the key of the youngest */
    uint64_t sorted; /* place of the first of those in order */
    uint64_t order_end;  /* place behind the youngest in order */
    int64_t queued_time; /* highest raw time in a queue since `sorted` */
    struct aside *asides; /* a ring of aside_room, a power of two, by number */
    uint32_t oldest_aside, aside_count, aside_room;
    uint32_t *buckets; /* the oldest event of a first key: the aside's number + 1 */
    uint32_t queued;   /* events in queues */
    uint64_t salt; /* of the buckets' hash */
    struct orphan *orphans; /* a ring of LIMIT_PENDING_STACKS */
    uint32_t oldest_orphan, orphan_count;
    struct bucket *orphan_buckets; /* by raw time */
    uint64_t unmatched;
    struct recent *times;
    uint32_t nobodys; /* events in the window whose header names nobody */
    struct drafts drafts;
};

struct join *join_create(struct eh_model *model, const struct images *images,
                         struct owners *owners, struct recent *times)
{
    struct join *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->model = model;
    j->owners = owners;
    j->salt = hash_salt(j);
    j->times = times;
    j->time = j->queued_time = INT64_MIN;
    j->orphans = malloc(LIMIT_PENDING_STACKS * sizeof *j->orphans);
    j->orphan_buckets = calloc(ORPHAN_BUCKETS, sizeof *j->orphan_buckets);
    j->ring = malloc(LIMIT_PENDING_EVENTS * sizeof *j->ring);
    j->buckets = calloc(BUCKETS, sizeof *j->buckets);
    if (drafts_init(&j->drafts, model, images) < 0 || !j->ring || !j->buckets || !j->orphans ||
        !j->orphan_buckets) {
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
    free(j->asides);
    free(j->buckets);
    free(j->orphans);
    free(j->orphan_buckets);
    drafts_finish(&j->drafts);
    free(j);
}

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for stacks");
}

size_t join_waiting(const struct join *j)
{
    return (size_t)(j->next - j->oldest);
}

struct eh_event *join_row(struct join *j)
{
    return &j->row;
}

void join_images_changed(struct join *j, uint32_t process, uint32_t moment)
{
    drafts_images_changed(&j->drafts, process, moment);
}

static inline struct pending *pending_at(const struct join *j, uint64_t place)
{
    return &j->ring[place % LIMIT_PENDING_EVENTS];
}

/* ---- queues ---- */

/* The aside of a number + 1. */
static inline struct aside *aside_of(const struct join *j, uint32_t at)
{
    return &j->asides[(at - 1) & (j->aside_room - 1)];
}

static inline struct pending *queued_at(const struct join *j, uint32_t at)
{
    return pending_at(j, aside_of(j, at)->place);
}

static uint32_t bucket_of(const struct join *j, const struct key *k)
{
    uint64_t ids = (uint64_t)k->pid << 32 | k->tid; /* boots are few */
    return (uint32_t)(hash_u64((uint64_t)k->raw ^ hash_u64(ids ^ j->salt)) % BUCKETS);
}

static struct key queue_key(const struct join *j, uint32_t at)
{
    const struct aside *a = aside_of(j, at);
    const struct pending *p = pending_at(j, a->place);
    return (struct key){a->raw, a->boot, p->pid, p->pid == REC_NO_ID ? REC_NO_ID : p->thread_id};
}

static bool waits_under(const struct join *j, uint32_t at, const struct key *k)
{
    struct key own = queue_key(j, at);
    return own.raw == k->raw && own.tid == k->tid && own.pid == k->pid && own.boot == k->boot;
}

/* The oldest event that is queued under a key, or 0. */
static uint32_t oldest_of(const struct join *j, const struct key *k, uint32_t bucket)
{
    uint32_t at = j->queued ? j->buckets[bucket] : 0;
    while (at && !waits_under(j, at, k))
        at = aside_of(j, at)->queue.next_key;
    return at;
}

static uint32_t begin_at(const struct join *j, uint32_t oldest, enum from from)
{
    uint32_t at = aside_of(j, oldest)->queue.from[from];
    return at ? at : oldest;
}

/* The first event of a queue that lacks all of `parts`, or 0. */
static uint32_t first_lacking(struct join *j, uint32_t oldest, uint32_t parts)
{
    enum from from = (enum from)(parts - 1);
    uint32_t at = begin_at(j, oldest, from), next;
    while (queued_at(j, at)->marks & parts && (next = aside_of(j, at)->next))
        at = next;
    aside_of(j, oldest)->queue.from[from] = at;
    return queued_at(j, at)->marks & parts ? 0 : at;
}

static void enter_queue(struct join *j, struct aside *a, uint32_t number)
{
    struct key key = queue_key(j, number);
    uint32_t bucket = bucket_of(j, &key), oldest = oldest_of(j, &key, bucket);
    j->queued++;
    a->bucket = bucket;
    a->oldest = !oldest;
    if (!oldest) {
        a->queue = (struct queue){.next_key = j->buckets[bucket], .last = number};
        j->buckets[bucket] = number;
        return;
    }
    struct queue *q = &aside_of(j, oldest)->queue;
    aside_of(j, q->last)->next = number;
    q->last = number;
}

/* The next in a queue takes the place of its oldest, which leaves. */
static uint32_t inherit(struct join *j, const struct aside *a, uint32_t number)
{
    struct aside *next = aside_of(j, a->next);
    next->oldest = true;
    next->queue = a->queue;
    for (int from = 0; from < FROMS; from++)
        if (next->queue.from[from] == number)
            next->queue.from[from] = 0;
    return a->next;
}

/* The oldest event of all leaves: its queue goes to the next in it. */
static void leave_queue(struct join *j, const struct aside *a, uint32_t number)
{
    uint32_t *link = &j->buckets[a->bucket];
    while (*link != number)
        link = &aside_of(j, *link)->queue.next_key;
    *link = a->next ? inherit(j, a, number) : a->queue.next_key;
    j->queued--;
}

/* Twice the room: asides stay at their numbers. There is room for one for every event at last. */
static int grow_asides(struct join *j)
{
    uint32_t room = j->aside_room ? 2 * j->aside_room : 64;
    struct aside *asides = malloc(room * sizeof *asides);
    if (!asides)
        return -1;
    for (uint32_t n = 0; n < j->aside_count; n++) {
        uint32_t number = j->oldest_aside + n;
        asides[number & (room - 1)] = *aside_of(j, number + 1);
    }
    free(j->asides);
    j->asides = asides;
    j->aside_room = room;
    return 0;
}

/* ---- the search for an event ---- */

static inline int64_t order_at(const struct join *j, uint64_t place)
{
    return pending_at(j, place)->order;
}

/* The oldest place from `low` on with that order or a higher one, all from `high` on having it. */
static uint64_t bisect(const struct join *j, uint64_t low, uint64_t high, int64_t raw)
{
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (order_at(j, middle) < raw)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The oldest place in order of that raw time or a later one. Stacks come soon: looked for from the
 * youngest event on, in steps that double. */
static uint64_t place_of_time(const struct join *j, int64_t raw)
{
    uint64_t low = j->sorted > j->oldest ? j->sorted : j->oldest, high = j->next;
    for (uint64_t step = 1; high > low; step *= 2) {
        uint64_t at = high - low > step ? high - step : low;
        if (order_at(j, at) < raw)
            return bisect(j, at + 1, high, raw);
        high = at;
    }
    return high;
}

/* The events under a key, oldest first: those in order, then those queued. */
struct walk {
    struct key key;
    uint64_t place, end; /* where events in order may be */
    uint32_t next;       /* that is queued */
    uint32_t number;     /* of the event's aside, where it was queued */
};

static inline struct walk walk_from_oldest(const struct join *j, const struct key *key)
{
    struct walk w = {.key = *key};
    if (key->pid != REC_NO_ID && key->boot == j->boot) {
        w.place = place_of_time(j, key->raw);
        w.end = j->next - w.place < RUN_LENGTH ? j->next : w.place + RUN_LENGTH;
    }
    if (j->queued)
        w.next = oldest_of(j, key, bucket_of(j, key));
    return w;
}

static inline struct pending *walk_in_order(const struct join *j, struct walk *w)
{
    while (w->place < w->end) {
        struct pending *p = pending_at(j, w->place++);
        if (p->order != w->key.raw)
            w->place = w->end;
        else if (p->pid == w->key.pid && p->thread_id == w->key.tid && !(p->marks & MARK_QUEUED))
            return p;
    }
    return NULL;
}

static struct pending *walk_queue(const struct join *j, struct walk *w)
{
    w->number = w->next;
    if (!w->number)
        return NULL;
    w->next = aside_of(j, w->number)->next;
    return queued_at(j, w->number);
}

static inline struct pending *walk_on(const struct join *j, struct walk *w)
{
    struct pending *p = walk_in_order(j, w);
    return p ? p : walk_queue(j, w);
}

/* The first event under a key that lacks all of `parts`, and the walk behind it; or NULL. */
static inline struct pending *walk_to_lacking(struct join *j, struct walk *w, uint32_t parts)
{
    struct pending *p;
    while ((p = walk_in_order(j, w)))
        if (!(p->marks & parts))
            return p;
    w->next = w->next ? first_lacking(j, w->next, parts) : 0;
    return walk_queue(j, w);
}

/* ---- stacks ---- */

/* Kernel frames come first, so the ends of a stack tell which parts it holds. */
static inline uint32_t parts_of(const struct raw_frames *f)
{
    if (!f->count)
        return 0;
    uint32_t kernel = is_kernel_address(raw_frame(f, 0), f->pointer_size);
    uint32_t user = !is_kernel_address(raw_frame(f, f->count - 1), f->pointer_size);
    return (user | !kernel) ? (kernel * PART_KERNEL | PART_USER) : PART_KERNEL;
}

static inline void set_part(struct pending *p, uint32_t parts, uint32_t draft)
{
    p->marks |= (uint8_t)(parts | (draft ? 0 : MARK_LEFT_OUT));
    if (parts == PART_KERNEL)
        p->kernel = draft & 0xFFFFFF;
    else
        p->user = draft;
}

static bool has_part(const struct pending *p, uint32_t parts, uint32_t draft)
{
    return draft && (parts == PART_KERNEL ? p->kernel : p->user) == draft;
}

/* The draft for frames as seen by a pending event of a process. */
EH_NEVER_INLINE int draft_for(struct join *j, const struct pending *p, uint32_t process,
                              uint32_t boot, const struct raw_frames *frames,
                              uint32_t *ret_draft, struct eh_error *e)
{
    struct frames_origin o = {process, boot, p->moment};
    return drafts_find(&j->drafts, &o, frames, ret_draft) < 0 ? out_of_memory(e) : 0;
}

int join_own_stack(struct join *j, const struct raw_frames *frames, uint32_t boot,
                   struct eh_error *e)
{
    struct pending *p = pending_at(j, j->next - 1);
    uint32_t draft;
    if (!frames->count)
        return 0;
    if (draft_for(j, p, p->process, boot, frames, &draft, e) < 0)
        return -1;
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
    uint32_t number;        /* of its aside, where it was queued */
    struct pending *repeat; /* an event that has just this part */
};

/* The process whose images a candidate's stack lies in. */
static int owner_of(struct join *j, const struct search *s, const struct pending *p,
                    uint32_t number, uint32_t *ret_process, struct eh_error *e)
{
    *ret_process = p->process;
    if (p->pid != REC_NO_ID)
        return 0;
    return owners_process_at(j->owners, s->origin->boot, s->stack->pid,
                             aside_of(j, number)->owners_epoch, ret_process, e);
}

/* An event under the key that has just this part. */
static int find_repeat(struct join *j, struct search *s, struct walk w, struct eh_error *e)
{
    size_t most = CANDIDATE_FRAMES / (s->frames->count + 1);
    for (size_t n = 0; n < CANDIDATES && n <= most && !s->repeat; n++) {
        struct pending *p = walk_on(j, &w);
        uint32_t process, draft;
        if (!p)
            return 0;
        if (owner_of(j, s, p, w.number, &process, e) < 0 ||
            draft_for(j, p, process, s->origin->boot, s->frames, &draft, e) < 0)
            return -1;
        if (has_part(p, s->parts, draft))
            s->repeat = p;
    }
    return 0;
}

/* The first event under the key that lacks the part takes it, if there is one among those next to
 * it, the first of the record's own stream. */
static int find_event(struct join *j, struct search *s, const struct key *key, struct eh_error *e)
{
    const struct walk begin = walk_from_oldest(j, key);
    struct walk w = begin;
    struct pending *p = walk_to_lacking(j, &w, s->parts);
    if (!p)
        return find_repeat(j, s, begin, e);
    s->taken = p;
    s->number = w.number;
    for (int n = 0; p && n < CANDIDATES; n++, p = walk_on(j, &w)) {
        if (!(p->marks & s->parts) && p->stream == s->origin->stream) {
            s->taken = p;
            s->number = w.number;
            break;
        }
    }
    return 0;
}

/* A record that names nobody learns its owner from stack records with its time, if they name one. */
static int name_owner(struct join *j, struct aside *a, uint32_t pid, uint32_t tid,
                      struct eh_error *e)
{
    if (a->named) {
        a->ambiguous |= a->named_pid != pid || a->named_tid != tid;
        return 0;
    }
    a->named = true;
    a->named_pid = pid;
    a->named_tid = tid;
    return owners_process_at(j->owners, a->boot, pid, a->owners_epoch, &a->named_process, e);
}

static void make_ambiguous(struct join *j, uint32_t oldest)
{
    uint32_t at = begin_at(j, oldest, FROM_AMBIGUOUS), end = begin_at(j, oldest, FROM_NAMED);
    for (; at != end; at = aside_of(j, at)->next)
        aside_of(j, at)->ambiguous = true;
    aside_of(j, end)->ambiguous = true;
    aside_of(j, oldest)->queue.from[FROM_AMBIGUOUS] = end;
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
    struct queue *q = &aside_of(j, oldest)->queue;
    if (q->from[FROM_NAMED] && (q->named_pid != s->pid || q->named_tid != s->tid))
        make_ambiguous(j, oldest);
    q->named_pid = s->pid;
    q->named_tid = s->tid;
    uint32_t at = begin_at(j, oldest, FROM_NAMED);
    for (uint32_t next = at; next; next = aside_of(j, at)->next) {
        at = next;
        if (name_owner(j, aside_of(j, at), s->pid, s->tid, e) < 0)
            return -1;
    }
    q->from[FROM_NAMED] = at;
    return 0;
}

static int give_part(struct join *j, const struct search *s, struct eh_error *e)
{
    uint32_t process, draft;
    if (owner_of(j, s, s->taken, s->number, &process, e) < 0 ||
        draft_for(j, s->taken, process, s->origin->boot, s->frames, &draft, e) < 0)
        return -1;
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

int join_following(struct join *j, const struct stack_record *s, uint32_t boot, struct eh_error *e)
{
    struct pending *p = pending_at(j, j->next - 1);
    uint32_t parts = parts_of(&s->frames);
    if (j->row.raw_time != s->event_raw || p->thread_id != s->tid || p->pid != s->pid ||
        p->marks & parts || !parts || !j->alone) /* an older event may wait for it */
        return 0;
    struct frames_origin o = {p->process, boot, p->moment};
    uint32_t draft;
    if (drafts_find(&j->drafts, &o, &s->frames, &draft) < 0) /* draft_for() without a call: 30 */
        return out_of_memory(e);
    set_part(p, parts, draft);
    return 1;
}

static struct bucket *orphan_bucket(const struct join *j, int64_t raw)
{
    return &j->orphan_buckets[hash_u64((uint64_t)raw ^ j->salt) % ORPHAN_BUCKETS];
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
    uint32_t process, draft = 0;
    if (owners_process(j->owners, o->boot, s->pid, &process, e) < 0)
        return -1;
    if (frames && !frames->count)
        frames = NULL;
    struct frames_origin as_if = {process, o->boot, o->moment};
    if (frames && drafts_find(&j->drafts, &as_if, frames, &draft) < 0)
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
    if (!(p->marks & o->parts))
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

/* Stacks that came before their event. Settled ones still tell whose an event is that names nobody:
 * then `a` is its aside. */
static int adopt(struct join *j, struct pending *p, const struct key *key, struct aside *a,
                 struct eh_error *e)
{
    struct bucket *b = orphan_bucket(j, key->raw);
    bool nobody = key->pid == REC_NO_ID;
    uint32_t at = nobody ? b->first : first_unsettled(j, b);
    for (int n = 0; at && n < CANDIDATES; n++, at = j->orphans[at - 1].next) {
        struct orphan *o = &j->orphans[at - 1];
        if (o->raw != key->raw || o->boot != key->boot ||
            (!nobody && (o->pid != key->pid || o->tid != key->tid)))
            continue;
        if (nobody && name_owner(j, a, o->pid, o->tid, e) < 0)
            return -1;
        adopt_part(p, o);
    }
    return 0;
}

/* ---- the window ---- */

/* Whether the next event is in order of time with those before. Where none waits that is, order
 * begins anew: one time far ahead, or another boot, does not put all after it in queues. */
static bool goes_on_in_order(struct join *j, uint32_t boot, int64_t raw)
{
    bool goes_on = boot == j->boot && raw >= j->time;
    if (!goes_on && (j->order_end > j->oldest || (j->queued && raw <= j->queued_time))) {
        j->run += j->run < RUN_LENGTH;
        return false;
    }
    if (!goes_on)
        j->sorted = j->next;
    j->run = goes_on && raw == j->time ? j->run + (j->run < RUN_LENGTH) : 0;
    j->boot = boot;
    j->time = raw;
    j->order_end = j->next + 1;
    return true;
}

/* Notes beside an event what does not fit in its row, and where it is queued that it is. 0, or -1
 * without memory. */
static int set_aside(struct join *j, struct pending *p, const struct join_origin *o, bool queued)
{
    if (j->aside_count == j->aside_room && grow_asides(j) < 0)
        return -1;
    uint32_t number = (j->oldest_aside + j->aside_count++) % LIMIT_PENDING_EVENTS;
    struct aside *a = aside_of(j, number + 1);
    *a = (struct aside){
        .place = j->next,
        .raw = j->row.raw_time,
        .old_address = j->row.old_address,
        .old_size = j->row.old_size,
        .source = j->row.source,
        .boot = o->boot,
    };
    p->marks |= MARK_ASIDE;
    if (!queued)
        return 0;
    p->marks |= MARK_QUEUED;
    if (o->process_id == REC_NO_ID) {
        j->nobodys++;
        a->owners_epoch = owners_epoch(j->owners);
    }
    if (!j->queued || a->raw > j->queued_time)
        j->queued_time = a->raw;
    enter_queue(j, a, number + 1);
    return 0;
}

/* An event at a time with others, not in order, or with more than its row holds; or no event. */
EH_NEVER_INLINE int put_other(struct join *j, struct pending *p, const struct join_origin *o)
{
    const struct eh_event *row = &j->row;
    bool waits = row->kind < EH_HEAP_KINDS, nobody = o->process_id == REC_NO_ID;
    bool in_order = goes_on_in_order(j, o->boot, row->raw_time);
    struct key key = {row->raw_time, o->boot, o->process_id, nobody ? REC_NO_ID : row->thread_id};
    struct walk older = walk_from_oldest(j, &key);
    j->alone = waits && !nobody && ((in_order && !j->run) || !walk_on(j, &older));
    p->order = j->time;
    bool queued = waits && (!in_order || j->run == RUN_LENGTH || nobody);
    if (queued || !in_order || row->kind == EH_REALLOC || row->source > MOST_SOURCE)
        return set_aside(j, p, o, queued);
    return 0;
}

static int adopt_orphans(struct join *j, struct pending *p, const struct join_origin *o,
                         struct eh_error *e)
{
    if (p->kind >= EH_HEAP_KINDS)
        return 0;
    bool queued = p->marks & MARK_QUEUED;
    struct key key = {j->row.raw_time, o->boot, p->pid, p->thread_id};
    return adopt(j, p, &key, queued ? aside_of(j, j->oldest_aside + j->aside_count) : NULL, e);
}

static inline int put(struct join *j, const struct join_origin *o, struct eh_error *e)
{
    const struct eh_event *row = &j->row;
    struct pending *p = pending_at(j, j->next);
    memcpy(p, row, LINE_BYTES);
    p->moment = o->moment;
    p->user = p->kernel = 0;
    p->marks = 0;
    p->thread = row->thread;
    p->stream = o->stream;
    p->pid = o->process_id;
    p->source = row->source & MOST_SOURCE;
    /* Nearly all: no search, no queue. */
    if (row->raw_time > j->time && o->boot == j->boot && row->kind <= EH_FREE &&
        row->source <= MOST_SOURCE && o->process_id != REC_NO_ID) {
        j->time = row->raw_time;
        j->order_end = j->next + 1;
        j->run = 0;
        j->alone = true;
    } else if (put_other(j, p, o) < 0) {
        return out_of_memory(e);
    }
    j->next++;
    return j->orphan_count ? adopt_orphans(j, p, o, e) : 0;
}

int join_put(struct join *j, const struct join_origin *o, struct eh_error *e)
{
    return put(j, o, e);
}

int join_put_common(struct join *j, const struct join_origin *o, struct eh_error *e)
{
    return put(j, o, e);
}

static int set_stack(struct join *j, const struct pending *p, struct eh_event *row)
{
    uint32_t draft = p->kernel ? p->kernel : p->user;
    if (p->kernel && p->user && drafts_join(&j->drafts, p->kernel, p->user, &draft) < 0)
        return -1;
    if (p->marks & MARK_LEFT_OUT || !draft) {
        model_leave_out(j->model, EH_LEFT_STACKS);
        return 0;
    }
    return model_publish_stack(j->model, draft, &row->stack);
}

/* What is noted beside the oldest event, into its row. 1, 0 when it is not known whose it is, -1. */
EH_NEVER_INLINE int take_aside(struct join *j, const struct pending *p, struct eh_event *row,
                               struct eh_error *e)
{
    uint32_t number = j->oldest_aside;
    struct aside *a = aside_of(j, number + 1);
    j->oldest_aside = (number + 1) % LIMIT_PENDING_EVENTS;
    j->aside_count--;
    row->raw_time = a->raw;
    row->source = a->source;
    if (row->kind == EH_REALLOC) {
        row->old_address = a->old_address;
        row->old_size = a->old_size;
    }
    if (!(p->marks & MARK_QUEUED))
        return 1;
    leave_queue(j, a, number + 1);
    j->nobodys -= p->pid == REC_NO_ID;
    if (a->ambiguous || !a->named)
        return !a->ambiguous;
    row->process = a->named_process;
    row->flags |= row->process ? 0 : EH_UNTRACKED;
    row->thread_id = a->named_tid;
    return owners_thread(j->owners, row->process, row->thread_id, &row->thread, e) < 0 ? -1 : 1;
}

int join_take(struct join *j, struct eh_event *row, struct eh_error *e)
{
    struct pending *p = pending_at(j, j->oldest);
    memcpy(row, p, LINE_BYTES);
    memset((uint8_t *)row + LINE_BYTES, 0, sizeof *row - LINE_BYTES);
    row->heap_index = row->stack = row->reason = 0;
    row->thread = p->thread;
    row->source = p->source;
    int known = p->marks & MARK_ASIDE ? take_aside(j, p, row, e) : 1;
    j->oldest++;
    if (known > 0 && p->marks & (PART_KERNEL | PART_USER) && set_stack(j, p, row) < 0)
        return out_of_memory(e);
    return known < 0 ? -1 : 0;
}
