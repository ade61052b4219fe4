#include "split.h"

#include "base/limits.h"
#include "text.h"

#include <string.h>

/* Twice as much would not leave room for a period's end in 64 bits. */
#define PERIOD_MAX_NS (LIMIT_TIME_NS / 2)

enum { SPLIT_ROWS, SPLIT_SIZE, SPLIT_TIME };

const struct option_spec split_options[] = {
    {"split-rows", 0, "N", "write NAME.0001, ... of N rows each; on a timeline, of N heap events",
     SPLIT_ROWS},
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
    s->begin_ns = period_of(s, time_ns) * s->period_ns;
    return true;
}

/* Pieces that are cut by what is in them share the moment of the cut. */
static bool cut_at_latest(struct split *s)
{
    s->end_ns = s->begin_ns = s->latest_ns;
    return true;
}

bool split_is_due(struct split *s, int64_t time_ns, uint64_t bytes)
{
    if (leaves_period(s, time_ns))
        return true;
    bool full = (s->max_items && s->items >= s->max_items) ||
                (s->max_bytes && bytes > s->max_bytes && s->items);
    return full && cut_at_latest(s);
}

bool split_is_due_aside(struct split *s, int64_t time_ns, uint64_t bytes)
{
    if (leaves_period(s, time_ns))
        return true;
    return s->max_bytes && bytes > s->max_bytes && s->items > 1 && cut_at_latest(s);
}

void split_take_aside(struct split *s, int64_t time_ns)
{
    if (!s->any_row || time_ns > s->latest_ns)
        s->latest_ns = time_ns;
    s->any_row = true;
    if (!s->placed && s->period_ns)
        s->period = period_of(s, time_ns);
    s->placed = true;
}

void split_take(struct split *s, int64_t time_ns)
{
    split_take_aside(s, time_ns);
    s->items++;
}

void split_next(struct split *s)
{
    s->next(s->context);
    s->pieces++;
    s->items = 0;
    s->placed = false;
}
