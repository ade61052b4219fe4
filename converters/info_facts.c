#include "info_facts.h"

#include "base/array.h"
#include "info_names.h"

#include <stdlib.h>
#include <string.h>

/* ---- the census ---- */

static bool is_heap_range(const struct eh_record_kind *k)
{
    return k->has_hook && k->hook >= 0x0264 && k->hook <= 0x0268;
}

static bool is_narrow(const struct eh_record_kind *k)
{
    const char *name = eh_header_name(k->header);
    return name && strlen(name) > 2 && !strcmp(name + strlen(name) - 2, "32");
}

static void take_kinds(struct info_facts *f)
{
    const struct eh_census *c = f->census;
    bool wide = c->sessions[0].pointer_size == 8;
    for (size_t i = 0; i < c->kind_count; i++) {
        const struct eh_record_kind *k = &c->kinds[i];
        f->by_role[k->role] += k->count;
        if (is_heap_range(k))
            f->heap_ranges += k->count;
        if (k->role == EH_ROLE_HEAP_CLASS && eh_header_is_event(k->header))
            f->manifest_heap_records += k->count;
        if (wide && k->role == EH_ROLE_HEAP && is_narrow(k))
            f->narrow_heap_records += k->count;
    }
    for (size_t i = 0; i < c->provider_count; i++) {
        if (info_provider_is(&c->providers[i], INFO_GUID_HEAP_SNAPSHOT))
            f->heap_snapshots += c->providers[i].count;
        if (info_provider_is(&c->providers[i], INFO_GUID_PERFVIEW))
            f->perfview += c->providers[i].count;
    }
}

/* Where several sessions share a file their headers do not count what it holds. */
static uint64_t missing_buffers(const struct eh_census *c, size_t at)
{
    const struct eh_session *s = &c->sessions[at];
    for (size_t i = 0; i < c->session_count; i++)
        if (i != at && c->sessions[i].input == s->input)
            return 0;
    return s->buffers < s->buffers_written ? s->buffers_written - s->buffers : 0;
}

void info_take_census(struct info_facts *f)
{
    const struct eh_census *c = f->census;
    f->one_boot = true;
    for (size_t i = 0; i < c->session_count; i++) {
        const struct eh_session *s = &c->sessions[i];
        f->merged |= (s->mode & EH_MODE_RELOG) != 0;
        f->circular |= (s->mode & (EH_MODE_CIRCULAR | EH_MODE_BUFFERING)) != 0;
        f->system_session |= (s->mode & EH_MODE_SYSTEM) != 0;
        f->running |= !s->has_end;
        f->clock_assumed |= s->clock_assumed;
        f->one_boot &= s->boot_unix_ns == c->sessions[0].boot_unix_ns;
        f->events_lost += s->events_lost;
        f->buffers_lost += s->buffers_lost;
        f->buffers_missing += missing_buffers(c, i);
    }
    take_kinds(f);
}

uint64_t info_heap_records(const struct info_facts *f)
{
    return f->by_role[EH_ROLE_HEAP] + f->by_role[EH_ROLE_HEAP_CLASS];
}

size_t info_images_with_pdb(const struct eh_model *model)
{
    size_t count = 0;
    for (size_t i = 1; i < eh_model_images(model); i++)
        count += eh_model_image(model, (uint32_t)i)->has_build_id;
    return count;
}

/* ---- rows ---- */

static unsigned decimal_digits(uint64_t value)
{
    unsigned n = 1;
    for (; value >= 10; value /= 10)
        n++;
    return n;
}

static unsigned hex_bytes(uint64_t value)
{
    unsigned n = 3;
    for (; value >= 16; value >>= 4)
        n++;
    return n;
}

/* The length of a row of the events table, but for cells that are mostly empty. */
static unsigned csv_row_bytes(const struct info_facts *f, const struct eh_event *row)
{
    enum { SEPARATORS = 16 };
    const char *source = row->flags & EH_HAS_SOURCE ? eh_source_name(row->source) : NULL;
    const struct eh_process *p = eh_model_process(f->model, row->process);
    const char *event = eh_kind_name((enum eh_kind)row->kind);
    unsigned n = SEPARATORS + (unsigned)strlen(event ? event : "");
    n += decimal_digits((uint64_t)llabs(row->time_ns)) + decimal_digits(p->pid);
    n += p->name ? (unsigned)strlen(p->name) : 0;
    n += decimal_digits(row->thread_id) + (row->flags & EH_HAS_CPU ? decimal_digits(row->cpu) : 0);
    n += row->flags & EH_HAS_HEAP ? hex_bytes(row->heap) : 0;
    n += row->flags & EH_HAS_ADDRESS ? hex_bytes(row->address) : 0;
    n += row->flags & EH_HAS_SIZE ? decimal_digits(row->size) : 0;
    n += source ? (unsigned)strlen(source) : 0;
    if (row->kind == EH_REALLOC)
        n += hex_bytes(row->old_address) + decimal_digits(row->old_size);
    else if (row->flags & EH_HAS_LIFETIME)
        n += decimal_digits((uint64_t)row->lifetime_ns);
    if (row->flags & EH_HAS_LIVE)
        n += decimal_digits(row->heap_live_bytes) + decimal_digits(row->heap_live_blocks);
    return n + (row->stack ? decimal_digits(row->stack) : 0);
}

static void take_realloc(struct info_doubts *d, const struct eh_event *row)
{
    if (!(row->flags & EH_HAS_ADDRESS))
        return;
    if (row->address == 0)
        d->reallocs_to_nowhere++;
    else if (row->address == row->old_address)
        d->reallocs_in_place++;
    else
        d->reallocs_moving++;
    d->reallocs_that_add += (row->flags & EH_ADDED) != 0;
}

static void take_doubts(struct info_doubts *d, const struct eh_event *row)
{
    static const uint8_t calls[EH_KINDS] = {
        [EH_ALLOC] = 1 + INFO_ALLOC,
        [EH_FREE] = 1 + INFO_FREE,
        [EH_REALLOC] = 1 + INFO_REALLOC,
    };
    if (calls[row->kind] && row->flags & EH_HAS_SOURCE)
        d->sources[calls[row->kind] - 1]
                  [row->source < INFO_SOURCES ? row->source : INFO_SOURCES - 1]++;
    if (row->kind == EH_REALLOC)
        take_realloc(d, row);
    if (row->kind == EH_FREE) {
        d->frees_of_nowhere += row->flags & EH_HAS_ADDRESS && row->address == 0;
        d->late_frees += (row->flags & EH_REPLACED) != 0;
    }
    if (row->kind == EH_DROP)
        d->reallocs_that_drop += row->reason == EH_DROP_REALLOC;
    else if (row->kind < EH_HEAP_KINDS)
        d->with_stack[row->kind] += row->stack != 0;
}

static void take_heap(struct info_facts *f, struct info_heap *h, const struct eh_event *row)
{
    h->events += row->kind < EH_HEAP_KINDS;
    if (row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED)) {
        f->changes += h->changed_ns != row->time_ns || !h->events;
        h->changed_ns = row->time_ns;
    }
    if (!(row->flags & EH_HAS_LIVE))
        return;
    h->live_bytes = row->heap_live_bytes;
    h->live_blocks = row->heap_live_blocks;
    h->peak_bytes = h->live_bytes > h->peak_bytes ? h->live_bytes : h->peak_bytes;
}

static void take_row(struct info_facts *f, const struct eh_event *row)
{
    take_doubts(&f->doubts, row);
    if (row->heap_index)
        take_heap(f, &f->heaps[row->heap_index], row);
    if (row->kind >= EH_HEAP_KINDS)
        return;
    f->rows++;
    f->csv_bytes += csv_row_bytes(f, row);
    f->processes[row->process].events++;
    f->processes[row->process].with_stack += row->stack != 0;
}

int info_take_rows(struct info_facts *f, const struct eh_event *rows, size_t count)
{
    if (ARRAY_RESERVE_ZEROED(f->heaps, f->heap_room, eh_model_heaps(f->model)) < 0 ||
        ARRAY_RESERVE_ZEROED(f->processes, f->process_room, eh_model_processes(f->model)) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        take_row(f, &rows[i]);
    return 0;
}

void info_finish(struct info_facts *f)
{
    free(f->heaps);
    free(f->processes);
    f->heaps = NULL;
    f->processes = NULL;
}
