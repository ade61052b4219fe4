/* The report that people read. */
#include "info_names.h"
#include "info_print.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH          96
#define KINDS_SHOWN    40
#define OWNERS_SHOWN   20
#define HEAPS_SHOWN    10
#define SESSIONS_SHOWN 20

/* A paragraph of words, broken at blanks, each line behind `indent`. */
static void wrap(struct out *out, const char *indent, const char *text)
{
    while (*text) {
        size_t room = WIDTH - strlen(indent), length = strlen(text);
        if (length > room) {
            size_t blank = room;
            while (blank && text[blank] != ' ')
                blank--;
            length = blank ? blank : room;
        }
        info_print(out, "%s%.*s\n", indent, (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

static void write_lines(struct out *out, const char *indent, const char *lines)
{
    for (size_t length; *lines; lines += length + (lines[length] == '\n')) {
        length = strcspn(lines, "\n");
        info_print(out, "%s%.*s\n", indent, (int)length, lines);
    }
}

/* ---- what was recorded ---- */

static void write_date(struct out *out, const char *what, int64_t unix_ns)
{
    char text[TEXT_UTC_BYTES + 1];
    *put_utc(text, unix_ns) = 0;
    info_print(out, "  %-12s %.19s UTC\n", what, text);
}

static void write_system(struct out *out, const struct eh_session *s)
{
    info_print(out, "  %-12s %u.%u build %u, %u-bit, processors %u\n", "Windows",
               (unsigned)s->os_major, (unsigned)s->os_minor, (unsigned)s->os_build,
               8 * (unsigned)s->pointer_size, (unsigned)s->processors);
    info_print(out, "  %-12s %s, %" PRId64 " ticks per second%s\n", "clock",
               info_clock_name(s->clock_type), s->frequency,
               s->clock_assumed ? " (assumed: the header names none)" : "");
    if (s->has_boot)
        write_date(out, "boot", s->boot_unix_ns);
}

static void write_times(struct out *out, const struct eh_session *s)
{
    write_date(out, "start", s->start_unix_ns);
    if (!s->has_end) {
        info_print(out, "  %-12s none: the session was still running or never ended\n", "end");
        return;
    }
    write_date(out, "end", s->end_unix_ns);
    info_print(out, "  %-12s %.3f s\n", "lasted",
               (double)(s->end_unix_ns - s->start_unix_ns) / 1e9);
}

static void write_buffers(struct out *out, const struct eh_session *s)
{
    struct info_number n, m;
    struct info_mode mode;
    info_print(out, "  %-12s %s of %s KiB, from processors %u", "buffers",
               info_number(&n, s->buffers), info_number(&m, s->buffer_size / 1024),
               (unsigned)s->processors_seen);
    if (s->buffers != s->buffers_written)
        info_print(out, "; the header says %s", info_number(&n, s->buffers_written));
    info_print(out, "\n  %-12s %s", "in the file", info_bytes(&n, s->stored_bytes));
    if (s->compressed) {
        info_print(out, "; buffers compressed: %s,", info_number(&n, s->compressed));
        info_print(out, " %s to", info_bytes(&n, s->compressed_bytes));
        info_print(out, " %s", info_bytes(&n, s->expanded_bytes));
    }
    info_print(out, "\n  %-12s 0x%08x%s%s\n", "mode", (unsigned)s->mode,
               *info_mode(&mode, s->mode) ? ": " : "", mode.text);
    info_print(out, "  %-12s events %u, buffers %u\n", "lost", (unsigned)s->events_lost,
               (unsigned)s->buffers_lost);
}

static void write_session(struct out *out, const struct info_facts *f, const struct eh_session *s)
{
    struct info_safe name, input;
    info_print(out, "\nSession %s in %s", *s->name ? info_safe(&name, s->name) : "(without a name)",
               info_safe(&input, f->info->input_names[s->input]));
    if (s->offset)
        info_print(out, " at offset %" PRId64, s->offset);
    info_print(out, "\n");
    write_system(out, s);
    write_times(out, s);
    write_buffers(out, s);
}

static void write_sessions(struct out *out, const struct info_facts *f)
{
    size_t count = f->census->session_count;
    for (size_t i = 0; i < count && i < SESSIONS_SHOWN; i++)
        write_session(out, f, &f->census->sessions[i]);
    if (count > SESSIONS_SHOWN)
        info_print(out, "\nand %zu more sessions (--json lists all)\n", count - SESSIONS_SHOWN);
}

/* ---- records ---- */

static int by_count(const void *left, const void *right)
{
    const struct eh_record_kind *const *a = left, *const *b = right;
    if ((*a)->count != (*b)->count)
        return (*a)->count > (*b)->count ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

static void write_kind(struct out *out, const struct eh_census *c, const struct eh_record_kind *k)
{
    struct info_safe name;
    struct info_number n, header;
    info_print(out, "  %14s  %-10s v%-3u %s", info_number(&n, k->count),
               info_header(&header, k->header), (unsigned)k->version, info_kind(&name, c, k));
    if (k->has_hook)
        info_print(out, " (0x%04x)", (unsigned)k->hook);
    info_print(out, "\n");
}

/* 0, or -1 without memory, as write_owners() and write_heap_events(). */
static int write_kinds(struct out *out, const struct eh_census *c)
{
    const struct eh_record_kind **order = calloc(c->kind_count + 1, sizeof *order);
    struct info_number n;
    if (!order)
        return -1;
    info_print(out, "\nRecords: %s", info_number(&n, c->events));
    if (c->extent == EH_CENSUS_SAMPLE) {
        info_print(out, " in a sample of %s", info_number(&n, c->buffers_read));
        info_print(out, " of %s buffers", info_number(&n, c->buffers));
    }
    info_print(out, "\n");
    for (size_t i = 0; i < c->kind_count; i++)
        order[i] = &c->kinds[i];
    if (c->kind_count)
        qsort(order, c->kind_count, sizeof *order, by_count);
    for (size_t i = 0; i < c->kind_count && i < KINDS_SHOWN; i++)
        write_kind(out, c, order[i]);
    if (c->kind_count > KINDS_SHOWN || c->other_events)
        info_print(out, "  and %zu more kinds (--json lists all)\n",
                   c->kind_count - (c->kind_count < KINDS_SHOWN ? c->kind_count : KINDS_SHOWN));
    free(order);
    return 0;
}

static void write_stack_summary(struct out *out, const struct info_facts *f)
{
    struct info_number n;
    uint64_t records = f->by_role[EH_ROLE_STACK] + f->by_role[EH_ROLE_STACK_KEY];
    info_print(out, "  %-12s records %s", "stacks", info_number(&n, records));
    info_print(out, ", definitions of keys %s",
               info_number(&n, f->by_role[EH_ROLE_STACK_DEFINITION]));
    if (f->stats && f->rows) {
        info_print(out, "; heap events with one %s", info_number(&n, f->stats->stacks_attached));
        info_print(out, ", unmatched records %s", info_number(&n, f->stats->stacks_unmatched));
        info_print(out, "; different stacks %s", info_number(&n, eh_model_stacks(f->model) - 1));
    }
    info_print(out, "\n");
}

static void write_context(struct out *out, const struct info_facts *f)
{
    struct info_number n;
    info_print(out, "\nNames and stacks\n  %-12s records %s", "processes",
               info_number(&n, f->by_role[EH_ROLE_PROCESS]));
    info_print(out, ", of threads %s\n", info_number(&n, f->by_role[EH_ROLE_THREAD]));
    info_print(out, "  %-12s records %s", "images", info_number(&n, f->by_role[EH_ROLE_IMAGE]));
    info_print(out, ", PDB identities %s", info_number(&n, f->by_role[EH_ROLE_PDB]));
    if (f->stats) {
        info_print(out, "; different images %s", info_number(&n, eh_model_images(f->model) - 1));
        info_print(out, ", with a PDB identity %s",
                   info_number(&n, info_images_with_pdb(f->model)));
    }
    info_print(out, "\n");
    write_stack_summary(out, f);
}

/* ---- heaps ---- */

struct order {
    uint64_t count;
    uint32_t id;
};

static int by_most(const void *left, const void *right)
{
    const struct order *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void write_heap(struct out *out, const struct info_facts *f, uint32_t heap)
{
    const struct info_heap *h = &f->heaps[heap];
    struct info_number n, peak, left, blocks;
    info_print(out, "    heap 0x%" PRIx64 ": events %s, peak %s, outstanding %s, blocks %s\n",
               eh_model_heap(f->model, heap)->handle, info_number(&n, h->events),
               info_bytes(&peak, h->peak_bytes), info_bytes(&left, h->live_bytes),
               info_number(&blocks, h->live_blocks));
}

/* `heaps` holds those of the process, by events. */
static void write_process(struct out *out, const struct info_facts *f, uint32_t process,
                          const struct order *heaps, size_t count)
{
    const struct eh_process *p = eh_model_process(f->model, process);
    struct info_safe name;
    struct info_number n;
    if (!process)
        info_print(out, "  unknown process");
    else
        info_print(out, "  %s, process %u",
                   p->name ? info_safe(&name, p->name) : "(without a name)", (unsigned)p->pid);
    info_print(out, ": heap events %s", info_number(&n, f->processes[process].events));
    info_print(out, ", with a stack %s\n", info_number(&n, f->processes[process].with_stack));
    for (size_t i = 0; i < count && i < HEAPS_SHOWN; i++)
        write_heap(out, f, heaps[i].id);
    if (count > HEAPS_SHOWN)
        info_print(out, "    and %zu more heaps (--json lists all)\n", count - HEAPS_SHOWN);
}

/* Heaps of one process stand together, the process with most events first. */
static size_t order_heaps(const struct info_facts *f, uint32_t process, struct order *heaps)
{
    size_t count = 0;
    for (uint32_t i = 1; i < eh_model_heaps(f->model); i++)
        if (eh_model_heap(f->model, i)->process == process)
            heaps[count++] = (struct order){f->heaps[i].events, i};
    qsort(heaps, count, sizeof *heaps, by_most);
    return count;
}

static int write_owners(struct out *out, const struct info_facts *f)
{
    size_t processes = eh_model_processes(f->model), count = 0;
    struct order *order = calloc(processes, sizeof *order);
    struct order *heaps = calloc(eh_model_heaps(f->model), sizeof *heaps);
    for (uint32_t i = 0; order && heaps && i < processes && i < f->process_room; i++)
        if (f->processes[i].events)
            order[count++] = (struct order){f->processes[i].events, i};
    if (count)
        qsort(order, count, sizeof *order, by_most);
    for (size_t i = 0; i < count && i < OWNERS_SHOWN; i++)
        write_process(out, f, order[i].id, heaps, order_heaps(f, order[i].id, heaps));
    if (count > OWNERS_SHOWN)
        info_print(out, "  and %zu more processes (--json lists all)\n", count - OWNERS_SHOWN);
    int result = order && heaps ? 0 : -1;
    free(order);
    free(heaps);
    return result;
}

static int write_heap_events(struct out *out, const struct info_facts *f)
{
    struct info_number n, m;
    const struct eh_stats *s = f->stats;
    info_print(out, "\nHeap events: %s\n", info_number(&n, s->heap_events_total));
    if (!s->heap_events_total)
        return 0;
    for (int kind = 0; kind < EH_HEAP_KINDS; kind++)
        if (s->heap_events[kind])
            info_print(out, "  %14s  %s\n", info_number(&n, s->heap_events[kind]),
                       eh_kind_name((enum eh_kind)kind));
    info_print(out, "  %-12s %s at %.3f s; outstanding", "peak", info_bytes(&n, s->peak_live_bytes),
               (double)s->peak_time_ns / 1e9);
    info_print(out, " %s, blocks %s\n", info_bytes(&n, s->outstanding_bytes),
               info_number(&m, s->outstanding_blocks));
    return write_owners(out, f);
}

static void write_outputs(struct out *out, const struct info_facts *f)
{
    struct info_output outputs[INFO_OUTPUTS];
    if (!f->stats || !f->rows)
        return;
    info_estimate(f, outputs);
    info_print(out, "\nOutputs would be about this large\n");
    for (int i = 0; i < INFO_OUTPUTS; i++) {
        struct info_number n;
        info_print(out, "  %-12s %s, give or take %u %%%s%s\n", outputs[i].command,
                   info_bytes(&n, outputs[i].bytes), outputs[i].percent_off,
                   *outputs[i].advice ? "; " : "", outputs[i].advice);
    }
}

/* The counts of semantics 3 that say how sound the figures are. */
static void write_soundness(struct out *out, const struct eh_stats *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"unknown heap events", s->unknown_heap_events},
        {"unmatched frees", s->unmatched_frees},
        {"replaced allocs", s->replaced_allocs},
        {"failed allocs", s->failed_allocs},
        {"implicit frees", s->implicit_frees},
        {"realloc summaries", s->realloc_summaries},
        {"stacks unmatched", s->stacks_unmatched},
        {"buffers damaged", s->buffers_damaged},
        {"bytes skipped", s->bytes_skipped},
        {"inputs truncated", s->inputs_truncated},
        {"time steps back", s->time_steps_back},
        {"events lost", s->events_lost},
        {"buffers lost", s->buffers_lost},
    };
    bool any = false;
    info_print(out, "\nIrregularities\n");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct info_number n;
        if (counts[i].value)
            info_print(out, "  %14s  %s\n", info_number(&n, counts[i].value), counts[i].name);
        any = any || counts[i].value;
    }
    if (!any)
        info_print(out, "  %14s\n", "none");
}

static void write_diagnosis(struct out *out, const struct info_findings *findings)
{
    bool sound = true;
    for (size_t i = 0; i < findings->count; i++)
        sound = sound && findings->all[i].severity == INFO_NOTE;
    info_print(out, "Diagnosis%s\n", sound ? ": nothing wrong was found" : "");
    for (size_t i = 0; i < findings->count; i++) {
        const struct info_finding *f = &findings->all[i];
        info_print(out, "  %s (%s)\n", info_severity_name(f->severity), f->id);
        wrap(out, "    ", f->text);
        write_lines(out, "      ", f->advice);
    }
}

int info_write_text(struct out *out, const struct info_facts *f,
                    const struct info_findings *findings)
{
    write_diagnosis(out, findings);
    write_sessions(out, f);
    if (f->stats && write_heap_events(out, f) < 0)
        return -1;
    write_context(out, f);
    write_outputs(out, f);
    if (f->stats)
        write_soundness(out, f->stats);
    return write_kinds(out, f->census);
}
