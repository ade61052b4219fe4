#include "filter.h"

#include "glob.h"
#include "nearest.h"
#include "text.h"

#include "base/array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The command line ---- */

enum { PID, PROCESS, TID, HEAP, EVENT, SIZE, LIFETIME, TIME };

const struct option_spec filter_options[] = {
    {"pid", 0, "LIST", "processes with these ids: 4242,5000", PID},
    {"process", 0, "GLOB", "processes by whole name, in any case: 'note*.exe'", PROCESS},
    {"heap", 0, "LIST", "heaps with these handles: 0x1f0000,0x2b0000", HEAP},
    {"time", 0, "RANGE", "from the trace's start: 1.5..2, 100ms.., ..20us", TIME},
    {"tid", 0, "LIST", "events of these threads", TID},
    {"event", 0, "LIST", "events of these kinds: alloc,free,realloc", EVENT},
    {"size", 0, "RANGE", "events whose size_bytes lies within: 4K..1M, 64.., 24", SIZE},
    {"lifetime", 0, "RANGE", "frees of blocks that lived so long: 10s.., ..1us", LIFETIME},
    {0},
};

static int out_of_memory(struct eh_error *e)
{
    return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for the filters");
}

/* Cuts the next item off a list, without the blanks around it; false behind the last one. */
static bool next_item(const char **list, const char **ret_item, size_t *ret_length)
{
    if (!*list)
        return false;
    const char *item = *list + strspn(*list, " "), *end = item + strcspn(item, ",");
    *list = *end ? end + 1 : NULL;
    while (end > item && end[-1] == ' ')
        end--;
    *ret_item = item;
    *ret_length = (size_t)(end - item);
    return true;
}

static int add_numbers(struct filter_list *l, const char *argument, const char *option,
                       uint64_t most, struct eh_error *e)
{
    const char *list = argument, *item;
    size_t length;
    uint64_t number;
    while (next_item(&list, &item, &length)) {
        if (parse_u64(&number, item, length) < 0 || number > most)
            return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                           "--%s takes numbers separated by commas, decimal or with 0x, not '%s'",
                           option, argument);
        if (ARRAY_RESERVE(l->items, l->room, l->count + 1) < 0)
            return out_of_memory(e);
        l->items[l->count++] = number;
    }
    return 0;
}

static int add_pattern(struct filter_names *n, const char *pattern, struct eh_error *e)
{
    if (!*pattern)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "--process takes a name or a pattern like 'note*.exe'; '*' is any process");
    if (ARRAY_RESERVE(n->patterns, n->room, n->count + 1) < 0)
        return out_of_memory(e);
    n->patterns[n->count++] = pattern;
    return 0;
}

#define UNKNOWN_TYPE "unknown_0x10"

/* The type in "unknown_0x10hh", or -1. */
static int unknown_type(const char *name, size_t length)
{
    const size_t prefix = sizeof UNKNOWN_TYPE - 1;
    char digits[] = "0x00";
    uint64_t type;
    if (length != prefix + 2 || memcmp(name, UNKNOWN_TYPE, prefix))
        return -1;
    memcpy(digits + 2, name + prefix, 2);
    return parse_u64(&type, digits, 4) < 0 ? -1 : (int)type;
}

static int no_such_event(const char *name, size_t length, struct eh_error *e)
{
    struct nearest nearest;
    nearest_begin(&nearest, name, length);
    for (int kind = 0; kind < EH_UNKNOWN; kind++)
        nearest_offer(&nearest, eh_kind_name((enum eh_kind)kind));
    nearest_offer(&nearest, UNKNOWN_TYPE "hh");
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "there is no event '%.*s'%s%s%s",
                   length < 64 ? (int)length : 64, name, nearest.found ? "; did you mean " : "; ",
                   nearest.found ? nearest.found : "the manual page lists them",
                   nearest.found ? "?" : "");
}

static int add_event(struct filter *f, const char *name, size_t length, struct eh_error *e)
{
    for (int kind = 0; kind < EH_UNKNOWN; kind++) {
        const char *known = eh_kind_name((enum eh_kind)kind);
        if (strlen(known) == length && !memcmp(known, name, length)) {
            f->kinds |= 1u << kind;
            return 0;
        }
    }
    int type = unknown_type(name, length);
    if (type < 0)
        return no_such_event(name, length, e);
    f->unknown_types[type / 64] |= UINT64_C(1) << type % 64;
    return 0;
}

static int add_events(struct filter *f, const char *list, struct eh_error *e)
{
    const char *item;
    size_t length;
    f->by_kind = true;
    while (next_item(&list, &item, &length))
        if (add_event(f, item, length, e) < 0)
            return -1;
    return 0;
}

int filter_set(void *filter, int id, const char *argument, struct eh_error *e)
{
    struct filter *f = filter;
    switch (id) {
    case PID:
        return add_numbers(&f->pids, argument, "pid", UINT32_MAX, e);
    case PROCESS:
        return add_pattern(&f->names, argument, e);
    case TID:
        return add_numbers(&f->tids, argument, "tid", UINT32_MAX, e);
    case HEAP:
        return add_numbers(&f->heap_handles, argument, "heap", UINT64_MAX, e);
    case EVENT:
        return add_events(f, argument, e);
    case SIZE:
        f->by_size = true;
        return range_parse_sizes(&f->sizes, argument, "size", e);
    case LIFETIME:
        f->by_lifetime = true;
        return range_parse_durations(&f->lifetimes, argument, "lifetime", e);
    default:
        f->by_time = true;
        return range_parse_times(&f->times, argument, "time", e);
    }
}

const char *filter_event_option(const struct filter *f)
{
    return f->tids.count   ? "tid"
           : f->by_kind     ? "event"
           : f->by_size     ? "size"
           : f->by_lifetime ? "lifetime"
           : f->by_time     ? "time"
                            : NULL;
}

bool filter_is_active(const struct filter *f)
{
    return f->pids.count || f->names.count || f->heap_handles.count || filter_event_option(f);
}

/* ---- Which process and heap ---- */

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void sort_list(struct filter_list *l)
{
    if (l->count)
        qsort(l->items, l->count, sizeof *l->items, compare_numbers);
}

/* An empty list has everything: it was not given. */
static bool list_has(const struct filter_list *l, uint64_t number)
{
    return !l->count ||
           bsearch(&number, l->items, l->count, sizeof *l->items, compare_numbers) != NULL;
}

static bool names_have(const struct filter_names *n, const char *name)
{
    bool found = !n->count;
    for (size_t i = 0; i < n->count && !found; i++)
        found = name ? glob_match(n->patterns[i], name) : glob_is_any(n->patterns[i]);
    return found;
}

/* The unknown owner has no id and no name. */
bool filter_has_process(const struct filter *f, uint32_t process)
{
    const struct eh_process *p = eh_model_process(f->model, process);
    if (!process)
        return !f->pids.count && names_have(&f->names, NULL);
    return list_has(&f->pids, p->pid) && names_have(&f->names, p->name);
}

/* The states are found once per process and heap, not per row. NULL without memory. */
static struct filter_process *process_state(struct filter *f, uint32_t process)
{
    if (ARRAY_RESERVE_ZEROED(f->processes, f->process_room, process + (size_t)1) < 0)
        return NULL;
    struct filter_process *p = &f->processes[process];
    if (!p->choice)
        p->choice = filter_has_process(f, process) ? FILTER_CHOSEN : FILTER_OTHER;
    return p;
}

/* A row without a heap has place 0, whose handle is in no list. */
static struct filter_heap *heap_state(struct filter *f, uint32_t heap)
{
    if (ARRAY_RESERVE_ZEROED(f->heaps, f->heap_room, heap + (size_t)1) < 0)
        return NULL;
    struct filter_heap *h = &f->heaps[heap];
    if (!h->choice) {
        bool chosen = heap ? list_has(&f->heap_handles, eh_model_heap(f->model, heap)->handle)
                           : !f->heap_handles.count;
        h->choice = chosen ? FILTER_CHOSEN : FILTER_OTHER;
    }
    return h;
}

/* ---- Which events ---- */

static bool kind_fits(const struct filter *f, const struct eh_event *row)
{
    if (!f->by_kind)
        return true;
    unsigned type = row->hook & 0xFF;
    return row->kind == EH_UNKNOWN ? f->unknown_types[type / 64] >> type % 64 & 1
                                   : f->kinds >> row->kind & 1;
}

/* Whether an event of a chosen heap, within the time, passes the other filters. What is an empty
 * cell in the events table is in no list and no range. */
static bool event_fits(const struct filter *f, const struct eh_event *row)
{
    if (f->tids.count && (row->thread_id == EH_NO_ID || !list_has(&f->tids, row->thread_id)))
        return false;
    if (f->by_size && !(row->flags & EH_HAS_SIZE && range_has_size(&f->sizes, row->size)))
        return false;
    if (f->by_lifetime &&
        !(row->flags & EH_HAS_LIFETIME && range_has_time(&f->lifetimes, row->lifetime_ns)))
        return false;
    return kind_fits(f, row);
}

/* ---- Rows ---- */

#define CHANGES (EH_ADDED | EH_REMOVED | EH_RESIZED)

/* A batch on its way: rows that are kept are copied to `at`. */
struct passage {
    struct filter *f;
    struct eh_event *at;
};

static struct eh_event *keep(struct passage *p, const struct eh_event *row)
{
    *p->at = *row;
    return p->at++;
}

/* Of a row of another heap the process's figures are kept. */
static struct eh_event *keep_elsewhere(struct passage *p, const struct eh_event *row)
{
    struct eh_event *kept = keep(p, row);
    kept->kind = EH_ELSEWHERE;
    kept->heap_index = 0;
    kept->flags = (row->flags & EH_HAS_LIVE) | EH_HIDDEN;
    return kept;
}

/* Of a row of a chosen heap, within the time. What is no event is not the event filters' affair. */
static void keep_chosen(struct passage *p, const struct eh_event *row)
{
    struct eh_event *kept = keep(p, row);
    if (row->kind >= EH_HEAP_KINDS)
        return;
    if (event_fits(p->f, row))
        p->f->shown++;
    else
        kept->flags |= EH_HIDDEN;
}

/* What a row before the time shown leaves behind for the beginning of that time. */
static void note_figures(struct filter_heap *h, const struct eh_event *row)
{
    if (row->kind == EH_CREATE || row->kind == EH_DESTROY)
        h->before.created = row->kind == EH_CREATE;
    h->before.bytes = row->heap_live_bytes;
    h->before.blocks = row->heap_live_blocks;
}

/* True where the row is done with: it lies outside of the time that is shown. Where a stream's time
 * steps back, a row from before may follow rows from within: its change is shown as the first
 * moment's. */
static bool cut_time(struct passage *p, struct filter_process *process, struct filter_heap *heap,
                     const struct eh_event *row)
{
    const struct time_range *times = &p->f->times;
    bool chosen = heap->choice == FILTER_CHOSEN;
    if (row->time_ns >= times->first)
        return row->time_ns > times->last;
    if (row->flags & EH_HAS_LIVE && !process->shown)
        process->bytes_before = row->process_live_bytes;
    if (chosen && row->flags & EH_HAS_LIVE && !heap->shown)
        note_figures(heap, row);
    if (!(row->flags & CHANGES) || (!chosen && !process->shown))
        return true;
    struct eh_event *kept = chosen ? keep(p, row) : keep_elsewhere(p, row);
    kept->flags |= EH_HIDDEN;
    if (chosen && !heap->shown)
        kept->kind = EH_EARLIER;
    else
        kept->time_ns = times->first;
    return true;
}

/* A block that went with its process, which showed nothing in the time shown, is not shown. */
static bool is_after_all(const struct filter_process *process, const struct eh_event *row)
{
    return row->kind == EH_DROP && row->reason == EH_DROP_PROCESS_END && !process->shown;
}

static int pass_row(struct passage *p, const struct eh_event *row)
{
    struct filter *f = p->f;
    struct filter_process *process = process_state(f, row->process);
    struct filter_heap *heap = heap_state(f, row->heap_index);
    if (!process || !heap)
        return -1;
    if (process->choice == FILTER_OTHER)
        return 0;
    if (row->kind == EH_PROCESS_END) {
        if (!f->by_time || range_has_time(&f->times, row->time_ns))
            keep(p, row);
        return 0;
    }
    if (f->by_time && (cut_time(p, process, heap, row) || is_after_all(process, row)))
        return 0;
    if (heap->choice == FILTER_OTHER) {
        if (row->flags & CHANGES && process->shown)
            keep_elsewhere(p, row);
        return 0;
    }
    heap->shown = process->shown = true;
    keep_chosen(p, row);
    return 0;
}

void filter_begin(struct filter *f, const struct eh_model *model)
{
    f->model = model;
    sort_list(&f->pids);
    sort_list(&f->tids);
    sort_list(&f->heap_handles);
}

int filter_rows(struct filter *f, const struct eh_event **rows, size_t *count)
{
    if (ARRAY_RESERVE(f->rows, f->row_room, *count) < 0)
        return -1;
    struct passage p = {f, f->rows};
    const struct eh_event *end = *rows + *count;
    for (const struct eh_event *row = *rows; row < end; row++)
        if (pass_row(&p, row) < 0)
            return -1;
    *rows = f->rows;
    *count = (size_t)(p.at - f->rows);
    return 0;
}

/* ---- What writers ask ---- */

static int64_t cut_to(const struct time_range *r, int64_t ns)
{
    return ns < r->first ? r->first : ns > r->last ? r->last : ns;
}

struct eh_info filter_info(const struct filter *f, const struct eh_info *info)
{
    struct eh_info cut = *info;
    if (f->by_time) {
        cut.first_event_ns = cut_to(&f->times, info->first_event_ns);
        cut.last_event_ns = cut_to(&f->times, info->last_event_ns);
    }
    return cut;
}

struct filter_figures filter_heap_before(const struct filter *f, uint32_t heap)
{
    return heap < f->heap_room ? f->heaps[heap].before : (struct filter_figures){0};
}

uint64_t filter_process_before(const struct filter *f, uint32_t process)
{
    return process < f->process_room ? f->processes[process].bytes_before : 0;
}

void filter_finish(struct filter *f)
{
    free(f->pids.items);
    free(f->tids.items);
    free(f->heap_handles.items);
    free(f->names.patterns);
    free(f->heaps);
    free(f->processes);
    free(f->rows);
}
