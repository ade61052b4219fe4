/* The report that can be shown to strangers: layouts and counts, without names, paths, addresses
 * and dates. Its doubts are numbered as in decode/FORMAT.md F. */
#include "info_names.h"
#include "info_print.h"

#include <inttypes.h>

static void write_states(struct out *out, const struct eh_session *s)
{
    const unsigned states = sizeof s->states / sizeof *s->states;
    info_print(out, "  compressed %" PRIu64 " buffers, %" PRIu64 " to %" PRIu64 " bytes, by state:",
               s->compressed, s->compressed_bytes, s->expanded_bytes);
    for (unsigned i = 0; i < states; i++)
        if (s->states[i])
            info_print(out, " %u%s: %" PRIu64, i, i == states - 1 ? "+" : "", s->states[i]);
    info_print(out, "\n");
}

static void write_session(struct out *out, const struct eh_session *s, size_t number)
{
    info_print(out, "session %zu of input %zu, at offset %" PRId64 "\n", number, s->input + 1,
               s->offset);
    info_print(out, "  windows %u.%u.%u, pointers %u, processors %u, with buffers %" PRIu64 "\n",
               (unsigned)s->os_major, (unsigned)s->os_minor, (unsigned)s->os_build,
               (unsigned)s->pointer_size, (unsigned)s->processors, s->processors_seen);
    info_print(out, "  clock %u at %" PRId64 " Hz%s, mode 0x%08x, %s\n", (unsigned)s->clock_type,
               s->frequency, s->clock_assumed ? " (assumed)" : "", (unsigned)s->mode,
               s->has_end ? "ended" : "no end");
    info_print(out,
               "  buffers of %u bytes: written %u, found %" PRIu64 ", numbers %" PRId64
               " to %" PRId64 ", lost %u events and %u buffers\n",
               (unsigned)s->buffer_size, (unsigned)s->buffers_written, s->buffers,
               s->first_sequence, s->last_sequence, (unsigned)s->events_lost,
               (unsigned)s->buffers_lost);
    if (s->compressed)
        write_states(out, s);
    if (s->same_axis)
        info_print(out, "  axis of the first session, drift %" PRId64 " ns\n", s->drift_ns);
    else
        info_print(out, "  another axis than the first session's\n");
}

static void write_sizes(struct out *out, const struct eh_record_kind *k)
{
    for (unsigned i = 0; i < k->size_count; i++)
        info_print(out, " %u: %" PRIu64, (unsigned)k->sizes[i].bytes, k->sizes[i].count);
    if (k->other_sizes)
        info_print(out, " others: %" PRIu64 " (%u to %u)", k->other_sizes, (unsigned)k->least_size,
                   (unsigned)k->greatest_size);
}

static void write_kind(struct out *out, const struct eh_census *c, const struct eh_record_kind *k)
{
    struct info_number header;
    info_print(out, "  %s ", info_header(&header, k->header));
    if (k->has_hook) {
        info_print(out, "0x%04x", (unsigned)k->hook);
    } else if (k->provider != EH_NO_ID) {
        char guid[INFO_GUID_BYTES];
        info_guid_text(c->providers[k->provider].guid, guid);
        info_print(out, "%s id %u opcode %u", guid, (unsigned)k->event, (unsigned)k->hook);
    }
    info_print(out, " v%u x %" PRIu64 "; payload bytes", (unsigned)k->version, k->count);
    write_sizes(out, k);
    info_print(out, "\n");
}

static void write_figure(void *context, const struct eh_figure *f)
{
    if (f->known && (f->value || !f->is_signed))
        info_print(context, "  %s %" PRId64 "\n", f->name, (int64_t)f->value);
}

static void write_sources(struct out *out, const char *call, const uint64_t sources[INFO_SOURCES])
{
    info_print(out, "  F7 sources of %s:", call);
    for (unsigned i = 0; i < INFO_SOURCES; i++)
        if (sources[i])
            info_print(out, " %u%s: %" PRIu64, i, i == INFO_SOURCES - 1 ? "+" : "", sources[i]);
    info_print(out, "\n");
}

static void write_stacked_kinds(struct out *out, const struct info_facts *f)
{
    info_print(out, "  F11 heap events with a stack, of all:");
    for (int kind = 0; kind < EH_HEAP_KINDS; kind++)
        if (f->stats->heap_events[kind])
            info_print(out, " %s %" PRIu64 "/%" PRIu64, eh_kind_name((enum eh_kind)kind),
                       f->doubts.with_stack[kind], f->stats->heap_events[kind]);
    info_print(out, "\n");
}

static void write_doubts(struct out *out, const struct info_facts *f)
{
    const struct info_doubts *d = &f->doubts;
    info_print(out, "doubts\n");
    info_print(out,
               "  F2 reallocs: in place %" PRIu64 ", moving %" PRIu64 ", that add a block %" PRIu64
               ", that drop one %" PRIu64 "\n",
               d->reallocs_in_place, d->reallocs_moving, d->reallocs_that_add,
               d->reallocs_that_drop);
    info_print(out, "  F3 heap records with a 32-bit header on a 64-bit system: %" PRIu64 "\n",
               f->narrow_heap_records);
    info_print(out,
               "  F5 allocs over a live block %" PRIu64 ", of which its free came up to 1 ms later "
               "%" PRIu64 "\n",
               f->stats->replaced_allocs, d->late_frees);
    info_print(out, "  F6 address 0: allocs %" PRIu64 ", frees %" PRIu64 ", reallocs %" PRIu64 "\n",
               f->stats->failed_allocs, d->frees_of_nowhere, d->reallocs_to_nowhere);
    write_sources(out, "allocs", d->sources[INFO_ALLOC]);
    write_sources(out, "frees", d->sources[INFO_FREE]);
    write_sources(out, "reallocs", d->sources[INFO_REALLOC]);
    write_stacked_kinds(out, f);
}

void info_write_shape(struct out *out, const struct info_facts *f,
                      const struct info_findings *findings, const char *tool)
{
    const struct eh_census *c = f->census;
    info_print(out, "shape of a trace by %s: no names, paths, addresses or dates\n", tool);
    info_print(out, "inputs %zu, sessions %zu\n", f->info->inputs, c->session_count);
    for (size_t i = 0; i < c->session_count; i++)
        write_session(out, &c->sessions[i], i + 1);
    info_print(out, "records %" PRIu64 " of %" PRIu64 " in %" PRIu64 " buffers\n", c->events,
               c->buffers_read, c->buffers);
    for (size_t i = 0; i < c->kind_count; i++)
        write_kind(out, c, &c->kinds[i]);
    if (c->other_events)
        info_print(out, "  of other kinds: %" PRIu64 "\n", c->other_events);
    if (f->stats) {
        info_print(out, "counts\n");
        eh_stats_each(f->stats, write_figure, out);
        write_doubts(out, f);
    }
    info_print(out, "findings");
    for (size_t i = 0; i < findings->count; i++)
        info_print(out, " %s", findings->all[i].id);
    info_print(out, "\n");
}
