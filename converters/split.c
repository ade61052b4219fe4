#include "split.h"

#include "base/limits.h"
#include "text.h"

#include <string.h>

/* Twice as much would not leave room for a period's end in 64 bits. */
#define PERIOD_MAX_NS (LIMIT_TIME_NS / 2)

enum { SPLIT_ROWS, SPLIT_SIZE, SPLIT_TIME };

const struct option_spec split_options[] = {
    {"split-rows", 0, "N", "write NAME.0001, ... of N rows or heap events each", SPLIT_ROWS},
    {"split-size", 0, "BYTES", "of at most BYTES (K, M, G) each, before compression", SPLIT_SIZE},
    {"split-time", 0, "T", "one for every T (ns, us, ms, s) that has events", SPLIT_TIME},
    {0},
};

static int refuse(const char *what, const char *argument, struct eh_error *e)
{
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "%s, not '%s'", what, argument);
}

int split_set(void *split, int id, const char *argument, struct eh_error *e)
{
    struct split *s = split;
    size_t length = strlen(argument);
    switch (id) {
    case SPLIT_ROWS:
        if (parse_u64(&s->max_items, argument, length) < 0 || !s->max_items)
            return refuse("--split-rows takes a number of rows from 1 on", argument, e);
        return 0;
    case SPLIT_SIZE:
        if (parse_size(&s->max_bytes, argument, length) < 0 || !s->max_bytes)
            return refuse("--split-size takes a number of bytes from 1 on, such as 100M (K, M, G)",
                          argument, e);
        return 0;
    default:
        if (parse_duration_ns(&s->period_ns, argument, length) < 0 || s->period_ns <= 0 ||
            s->period_ns > PERIOD_MAX_NS)
            return refuse("--split-time takes a length of time such as 10s or 500ms "
                          "(ns, us, ms, s), up to 73 years",
                          argument, e);
        return 0;
    }
}

/* Rounds down, also below zero. */
static int64_t period_of(const struct split *s, int64_t time_ns)
{
    return time_ns / s->period_ns - (time_ns % s->period_ns < 0);
}

/* Times that step back stay where they are: pieces in order give the whole. */
static bool leaves_period(struct split *s, int64_t time_ns)
{
    if (!s->period_ns || !s->placed || period_of(s, time_ns) <= s->period)
        return false;
    s->end_ns = (s->period + 1) * s->period_ns;
    s->period = period_of(s, time_ns);
    s->begin_ns = s->period * s->period_ns;
    return true;
}

static bool is_full(const struct split *s, enum split_row what, uint64_t bytes)
{
    if (what == SPLIT_ITEM && s->max_items && s->items >= s->max_items)
        return true;
    return s->max_bytes && bytes > s->max_bytes && s->filled >= (what == SPLIT_END ? 2 : 1);
}

bool split_is_due(struct split *s, enum split_row what, int64_t time_ns, uint64_t bytes)
{
    if (leaves_period(s, time_ns))
        return true;
    if (!is_full(s, what, bytes))
        return false;
    s->end_ns = s->begin_ns = s->latest_ns; /* which the two pieces share */
    return true;
}

void split_take(struct split *s, enum split_row what, int64_t time_ns)
{
    if (!s->any_row || time_ns > s->latest_ns)
        s->latest_ns = time_ns;
    s->any_row = true;
    if (!s->placed && s->period_ns)
        s->period = period_of(s, time_ns);
    s->placed = true;
    s->items += what == SPLIT_ITEM;
    s->filled += what <= SPLIT_OTHER;
}

void split_next(struct split *s)
{
    s->next(s->context);
    s->pieces++;
    s->items = s->filled = 0;
}

int64_t split_within(const struct split *s, int64_t time_ns)
{
    int64_t end = s->period_ns && s->placed ? (s->period + 1) * s->period_ns : INT64_MAX;
    return time_ns < end ? time_ns : end;
}

/* --- Timelines --------------------------------------------------------------------------- */

static enum split_row kind_of_row(const struct eh_event *row)
{
    if (row->kind == EH_DROP && row->reason == EH_DROP_PROCESS_END)
        return SPLIT_END;
    if (row->kind <= EH_DROP)
        return row->flags & EH_HIDDEN ? SPLIT_OTHER : SPLIT_ITEM;
    return row->kind == EH_ELSEWHERE ? SPLIT_OTHER : SPLIT_INSIDE;
}

static bool is_inside(const struct split *s, const struct eh_event *row)
{
    if (!s->inside || row->process != s->process)
        return false;
    if (row->kind == EH_DROP)
        return row->reason == s->reason;
    return (row->kind == EH_PROCESS_END) == (s->reason == EH_DROP_PROCESS_END);
}

static void note_drop(struct split *s, const struct eh_event *row)
{
    s->inside = row->kind == EH_DROP;
    s->reason = row->reason;
    s->process = row->process;
}

/* Drops stand before what caused them, and with it are one. */
static int add_row(struct split *s, const struct split_timeline *t, void *state,
                   const struct eh_event *row)
{
    enum split_row what = kind_of_row(row);
    bool begins = what != SPLIT_INSIDE && !is_inside(s, row);
    uint64_t bytes = begins && s->max_bytes ? t->bytes(state, what, row) : 0;
    if (begins && split_is_due(s, what, row->time_ns, bytes) && t->cut(state) < 0)
        return -1;
    if (s->has_held && t->add(state, &s->held) < 0)
        return -1;
    s->has_held = false;
    note_drop(s, row);
    if (what == SPLIT_END || (what != SPLIT_INSIDE && !s->inside))
        split_take(s, what, row->time_ns);
    return t->add(state, row);
}

/* What an alloc or realloc takes with its stack is known when it comes; what it replaces is one
 * block, which waits. */
static bool hold_back(struct split *s, const struct eh_event *row)
{
    bool waits = row->kind == EH_DROP && !s->has_held && !s->inside &&
                 (row->reason == EH_DROP_REPLACED || row->reason == EH_DROP_REALLOC);
    if (waits)
        s->held = *row;
    s->has_held = s->has_held || waits;
    return waits;
}

int split_timeline_rows(struct split *s, const struct split_timeline *t, void *state,
                        const struct eh_event *rows, size_t count)
{
    for (const struct eh_event *row = rows; row < rows + count; row++)
        if (!hold_back(s, row) && add_row(s, t, state, row) < 0)
            return -1;
    return 0;
}

int split_timeline_end(struct split *s, const struct split_timeline *t, void *state)
{
    bool has_held = s->has_held;
    s->has_held = false;
    return has_held ? t->add(state, &s->held) : 0;
}
