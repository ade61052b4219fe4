#include "track/owners.h"

#include "base/array.h"
#include "base/limits.h"
#include "decode/route.h"
#include "track/names.h"

#include <stdlib.h>
#include <string.h>

/* A stretch of one pid's time between two of its start or end records. */
struct span {
    uint32_t process; /* instance, 0 as long as nothing asked for one */
    uint32_t previous, next; /* of the same pid */
    uint32_t jump, depth; /* a span further back, or 0; how many there are before */
    uint64_t entered; /* epoch at which the second pass came to it */
    uint64_t key;     /* UniqueProcessKey; with has_key */
    uint64_t heap_records;
    int64_t begin_raw, begin_ns; /* of all but a pid's first */
    bool has_key;
    bool after_end; /* it began with an end record */
    bool has_stacks;
    bool closed; /* it ended at closed_ns, and the next span found no place */
    int64_t closed_ns;
};

struct pid_entry {
    uint32_t boot, pid;
    uint32_t first, current; /* spans; current is 0 where it found no place */
};

struct thread_entry {
    uint32_t first, current; /* threads */
    int64_t started_raw;
    bool started, ended;
};

struct owners {
    struct eh_model *model;
    struct map pids; /* (boot, pid) to entry + 1 */
    struct pid_entry *entries;
    size_t entry_count, entry_room;
    struct span *spans; /* span 0 does not exist */
    size_t span_count, span_room;
    struct map threads; /* (process, tid) to thread entry + 1 */
    struct thread_entry *thread_entries;
    size_t thread_entry_count, thread_entry_room;
    uint32_t *thread_next; /* by thread: the next instance of the same tid */
    size_t thread_next_room;
    struct map tids;    /* (boot, tid) to pid + 1: whose a thread is */
    struct map running; /* (boot, cpu) to tid + 1 */
    uint64_t epoch;
    bool second_pass;
};

struct owners *owners_create(struct eh_model *model)
{
    struct owners *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->model = model;
    o->span_count = 1;
    o->epoch = 1;
    return o;
}

void owners_destroy(struct owners *o)
{
    if (!o)
        return;
    map_finish(&o->pids);
    map_finish(&o->threads);
    map_finish(&o->tids);
    map_finish(&o->running);
    free(o->entries);
    free(o->spans);
    free(o->thread_entries);
    free(o->thread_next);
    free(o);
}

void owners_restart(struct owners *o)
{
    o->second_pass = true;
    o->epoch++;
    for (size_t i = 0; i < o->entry_count; i++)
        o->entries[i].current = o->entries[i].first;
    for (size_t i = 0; i < o->thread_entry_count; i++) {
        o->thread_entries[i].current = o->thread_entries[i].first;
        o->thread_entries[i].started = o->thread_entries[i].ended = false;
    }
    map_finish(&o->running);
}

uint64_t owners_epoch(const struct owners *o)
{
    return o->epoch;
}

static int fail(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for processes and threads");
}

/* Something found no place; counted in the pass that makes rows. */
static void leave_out(struct owners *o, enum eh_left_out what)
{
    if (o->second_pass)
        model_leave_out(o->model, what);
}

/* *ret_span is 0 beyond the limit. There is one process for each span, and process 0. */
static int new_span(struct owners *o, uint32_t *ret_span)
{
    *ret_span = 0;
    if (o->span_count >= LIMIT_PROCESSES)
        return 0;
    if (ARRAY_RESERVE(o->spans, o->span_room, o->span_count + 1) < 0)
        return -1;
    o->spans[o->span_count] = (struct span){0};
    *ret_span = (uint32_t)o->span_count++;
    return 0;
}

/* *ret_entry is NULL, and counted, where a pid, or its latest span, found no place. */
static int find_pid(struct owners *o, uint32_t boot, uint32_t pid, struct pid_entry **ret_entry)
{
    uint32_t found = map_get(&o->pids, boot, pid), span = 0;
    if (!found) {
        if (new_span(o, &span) < 0)
            return -1;
        if (span) {
            if (ARRAY_RESERVE(o->entries, o->entry_room, o->entry_count + 1) < 0 ||
                map_set(&o->pids, boot, pid, (uint32_t)o->entry_count + 1) < 0)
                return -1;
            o->entries[o->entry_count++] = (struct pid_entry){boot, pid, span, span};
            found = (uint32_t)o->entry_count;
        }
    }
    *ret_entry = found && o->entries[found - 1].current ? &o->entries[found - 1] : NULL;
    if (!*ret_entry)
        leave_out(o, EH_LEFT_PROCESSES);
    return 0;
}

/* The instance of the pid's current span, made if need be; 0 where it found no place. */
static int span_process(struct owners *o, const struct pid_entry *p, uint32_t *ret_process)
{
    *ret_process = 0;
    if (!p)
        return 0;
    struct span *s = &o->spans[p->current];
    if (!s->process) {
        struct eh_process nameless = {
            .pid = p->pid,
            .boot = p->boot,
            .heap_records = s->heap_records,
            .has_stacks = s->has_stacks,
        };
        if (model_add_process(o->model, &nameless, &s->process) < 0)
            return -1;
    }
    *ret_process = s->process;
    return 0;
}

int owners_process(struct owners *o, uint32_t boot, uint32_t pid, uint32_t *ret_process,
                   struct eh_error *e)
{
    struct pid_entry *p;
    if (find_pid(o, boot, pid, &p) < 0 || span_process(o, p, ret_process) < 0)
        return fail(e);
    return 0;
}

int owners_process_at(struct owners *o, uint32_t boot, uint32_t pid, uint64_t epoch,
                      uint32_t *ret_process, struct eh_error *e)
{
    struct pid_entry *p;
    if (find_pid(o, boot, pid, &p) < 0)
        return fail(e);
    *ret_process = 0;
    if (!p)
        return 0;
    struct pid_entry then = *p;
    while (o->spans[then.current].entered > epoch && o->spans[then.current].previous) {
        const struct span *s = &o->spans[then.current];
        then.current = s->jump && o->spans[s->jump].entered > epoch ? s->jump : s->previous;
    }
    return span_process(o, &then, ret_process) < 0 ? fail(e) : 0;
}

static int model_text(struct owners *o, const struct raw_text *text, const char **ret_string)
{
    const char *string = name_in_model(o->model, text);
    if (!string)
        return -1;
    if (*string)
        *ret_string = string;
    return 0;
}

/* What a record tells of the instance; the first to tell wins. */
static int learn_process(struct owners *o, const struct pid_entry *p,
                         const struct process_record *r)
{
    uint32_t id;
    if (span_process(o, p, &id) < 0)
        return -1;
    if (o->second_pass)
        return 0;
    struct span *s = &o->spans[p->current];
    struct eh_process *process = model_process(o->model, id);
    if (!s->has_key && r->has_key) {
        s->key = r->key;
        s->has_key = true;
    }
    if (!process->has_parent) {
        process->parent_pid = r->parent_pid;
        process->has_parent = true;
    }
    if (!process->name && model_text(o, &r->name, &process->name) < 0)
        return -1;
    if (!process->command_line && model_text(o, &r->command_line, &process->command_line) < 0)
        return -1;
    return 0;
}

/* Where a span jumps to from behind `previous`: twice as far as that where its jump and the next are
 * of one length. So any span is found in a number of steps like the logarithm of its distance, however
 * often a pid is started. */
static uint32_t jump_from(const struct owners *o, uint32_t previous)
{
    const struct span *p = &o->spans[previous], *near = &o->spans[p->jump];
    if (!p->jump || !near->jump)
        return previous;
    const struct span *far = &o->spans[near->jump];
    return p->depth - near->depth == near->depth - far->depth ? near->jump : previous;
}

/* Moves the pid to its next span: a new one in the first pass, none beyond the limit. */
static int next_span(struct owners *o, struct pid_entry *p, const struct moment *m, bool after_end)
{
    uint32_t next = o->spans[p->current].next;
    if (!next) {
        if (new_span(o, &next) < 0)
            return -1;
        if (!next) {
            o->spans[p->current].closed = true;
            o->spans[p->current].closed_ns = m->time_ns;
            p->current = 0;
            o->epoch++;
            return 0;
        }
        o->spans[p->current].next = next;
        o->spans[next].previous = p->current;
        o->spans[next].depth = o->spans[p->current].depth + 1;
        o->spans[next].jump = jump_from(o, p->current);
        o->spans[next].begin_raw = m->raw;
        o->spans[next].begin_ns = m->time_ns;
        o->spans[next].after_end = after_end;
    }
    p->current = next;
    o->spans[next].entered = ++o->epoch;
    return 0;
}

static bool same_key(const struct span *s, const struct process_record *r)
{
    return s->has_key && r->has_key && s->key == r->key;
}

static int apply_start(struct owners *o, struct pid_entry *p, const struct moment *m,
                       const struct process_record *r, uint32_t *ret_ended)
{
    if (!same_key(&o->spans[p->current], r)) {
        *ret_ended = o->spans[p->current].process;
        if (next_span(o, p, m, false) < 0)
            return -1;
    }
    if (!p->current) {
        leave_out(o, EH_LEFT_PROCESSES);
        return 0;
    }
    if (learn_process(o, p, r) < 0)
        return -1;
    struct eh_process *process = model_process(o->model, o->spans[p->current].process);
    if (!process->has_start) {
        process->has_start = true;
        process->start_ns = m->time_ns;
    }
    return 0;
}

static int apply_end(struct owners *o, struct pid_entry *p, const struct moment *m,
                     const struct process_record *r, uint32_t *ret_ended)
{
    /* A second input may hold the same record. */
    struct span *s = &o->spans[p->current];
    if (s->after_end && s->begin_raw == m->raw)
        return 0;
    if (learn_process(o, p, r) < 0)
        return -1;
    *ret_ended = o->spans[p->current].process;
    return next_span(o, p, m, true);
}

int owners_process_record(struct owners *o, const struct moment *m, unsigned type,
                          const struct process_record *p, uint32_t *ret_ended, struct eh_error *e)
{
    struct pid_entry *entry;
    *ret_ended = 0;
    if (find_pid(o, m->boot, p->pid, &entry) < 0)
        return fail(e);
    if (!entry)
        return 0;
    int result;
    if (type == TYPE_START)
        result = apply_start(o, entry, m, p, ret_ended);
    else if (type == TYPE_END)
        result = apply_end(o, entry, m, p, ret_ended);
    else
        result = learn_process(o, entry, p);
    return result < 0 ? fail(e) : 0;
}

/* *ret_thread is 0 beyond the limit. */
static int new_thread(struct owners *o, uint32_t process, uint32_t tid, uint32_t *ret_thread)
{
    if (model_add_thread(o->model, &(struct eh_thread){process, tid, NULL}, ret_thread) < 0 ||
        ARRAY_RESERVE(o->thread_next, o->thread_next_room, *ret_thread + 1u) < 0)
        return -1;
    o->thread_next[*ret_thread] = 0;
    return 0;
}

/* *ret_entry is NULL, and counted, where a thread found no place; threads of no process have none. */
static int find_thread(struct owners *o, uint32_t process, uint32_t tid,
                       struct thread_entry **ret_entry)
{
    uint32_t found = process ? map_get(&o->threads, process, tid) : 0, thread = 0;
    if (!found && process && new_thread(o, process, tid, &thread) < 0)
        return -1;
    if (thread) {
        if (ARRAY_RESERVE(o->thread_entries, o->thread_entry_room, o->thread_entry_count + 1) < 0 ||
            map_set(&o->threads, process, tid, (uint32_t)o->thread_entry_count + 1) < 0)
            return -1;
        o->thread_entries[o->thread_entry_count++] =
            (struct thread_entry){.first = thread, .current = thread};
        found = (uint32_t)o->thread_entry_count;
    }
    *ret_entry =
        found && o->thread_entries[found - 1].current ? &o->thread_entries[found - 1] : NULL;
    if (!*ret_entry && process)
        leave_out(o, EH_LEFT_THREADS);
    return 0;
}

int owners_thread(struct owners *o, uint32_t process, uint32_t tid, uint32_t *ret_thread,
                  struct eh_error *e)
{
    struct thread_entry *t;
    if (find_thread(o, process, tid, &t) < 0)
        return fail(e);
    *ret_thread = t ? t->current : 0;
    return 0;
}

/* A start record makes a new thread where one with this tid has started or ended before. */
static int start_thread(struct owners *o, struct thread_entry *t, uint32_t process, uint32_t tid,
                        int64_t raw)
{
    bool again = t->started && t->started_raw == raw;
    if ((t->started || t->ended) && !again) {
        uint32_t next = o->thread_next[t->current];
        if (!next) {
            if (new_thread(o, process, tid, &next) < 0)
                return -1;
            o->thread_next[t->current] = next;
        }
        t->current = next;
        t->ended = false;
        o->epoch++;
    }
    t->started = true;
    t->started_raw = raw;
    return 0;
}

/* Whose a thread is: the first pass notes the first mention, so that a switch before it is known
 * to the second, which then follows the records. */
static int own_tid(struct owners *o, const struct moment *m, uint32_t tid, uint32_t pid)
{
    if (pid == UINT32_MAX || (!o->second_pass && map_get(&o->tids, m->boot, tid)))
        return 0;
    return map_set(&o->tids, m->boot, tid, pid + 1);
}

/* A later name wins, an empty one does not. */
static int learn_thread(struct owners *o, const struct thread_entry *t,
                        const struct raw_text *name)
{
    if (o->second_pass || !t->current)
        return 0;
    return model_text(o, name, &model_thread(o->model, t->current)->name);
}

int owners_thread_record(struct owners *o, const struct moment *m, unsigned type,
                         const struct thread_record *t, struct eh_error *e)
{
    uint32_t process;
    struct thread_entry *entry;
    if (owners_process(o, m->boot, t->pid, &process, e) < 0)
        return -1;
    if (find_thread(o, process, t->tid, &entry) < 0)
        return fail(e);
    if (!entry)
        return 0;
    if (own_tid(o, m, t->tid, t->pid) < 0)
        return fail(e);
    if (type == TYPE_START && start_thread(o, entry, process, t->tid, m->raw) < 0)
        return fail(e);
    if (type == TYPE_END)
        entry->ended = true;
    return learn_thread(o, entry, &t->name) < 0 ? fail(e) : 0;
}

int owners_thread_name(struct owners *o, const struct moment *m, const struct thread_record *t,
                       struct eh_error *e)
{
    uint32_t process;
    struct thread_entry *entry;
    if (owners_process(o, m->boot, t->pid, &process, e) < 0)
        return -1;
    if (find_thread(o, process, t->tid, &entry) < 0)
        return fail(e);
    return entry && learn_thread(o, entry, &t->name) < 0 ? fail(e) : 0;
}

int owners_switch(struct owners *o, uint32_t boot, unsigned cpu, uint32_t tid, struct eh_error *e)
{
    if (tid == UINT32_MAX)
        return 0;
    return map_set(&o->running, boot, cpu, tid + 1) < 0 ? fail(e) : 0;
}

bool owners_running(const struct owners *o, uint32_t boot, unsigned cpu, uint32_t *ret_tid)
{
    uint32_t tid = map_get(&o->running, boot, cpu);
    *ret_tid = tid - 1;
    return tid != 0;
}

bool owners_pid_of(const struct owners *o, uint32_t boot, uint32_t tid, uint32_t *ret_pid)
{
    uint32_t pid = map_get(&o->tids, boot, tid);
    *ret_pid = pid - 1;
    return pid != 0;
}

int owners_count_heap(struct owners *o, uint32_t boot, uint32_t pid, uint64_t count, bool stacks,
                      struct eh_error *e)
{
    struct pid_entry *p;
    if (find_pid(o, boot, pid, &p) < 0)
        return fail(e);
    if (!p)
        return 0;
    o->spans[p->current].heap_records += count;
    o->spans[p->current].has_stacks |= stacks;
    return 0;
}

/* Of all its instances together: which of them a record belongs to is not yet certain while the
 * streams run ahead of each other by up to a buffer. */
static bool pid_has_stacks(const struct owners *o, const struct pid_entry *p)
{
    for (uint32_t at = p->first; at; at = o->spans[at].next)
        if (o->spans[at].has_stacks)
            return true;
    return false;
}

int owners_settle(struct owners *o, struct eh_error *e)
{
    for (size_t i = 0; i < o->entry_count; i++) {
        struct pid_entry *p = &o->entries[i];
        bool has_stacks = pid_has_stacks(o, p);
        for (p->current = p->first; p->current; p->current = o->spans[p->current].next) {
            const struct span *s = &o->spans[p->current];
            uint32_t process; /* also where nothing is known: whoever turns up is in the model */
            if (span_process(o, p, &process) < 0)
                return fail(e);
            struct eh_process *instance = model_process(o->model, process);
            instance->heap_records = s->heap_records;
            instance->has_stacks = has_stacks;
            instance->has_end = s->next || s->closed;
            if (instance->has_end)
                instance->end_ns = s->next ? o->spans[s->next].begin_ns : s->closed_ns;
        }
    }
    return 0;
}
