#include "info_diagnosis.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *info_severity_name(enum info_severity severity)
{
    static const char *const names[] = {"note", "warning", "problem"};
    return names[severity];
}

/* Formats behind what `into` holds already. */
static void append(char *into, size_t room, const char *format, va_list arguments)
{
    size_t used = strlen(into);
    vsnprintf(into + used, room - used, format, arguments);
}

EH_PRINTF(2, 3) static void say(struct info_finding *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(f->text, sizeof f->text, format, arguments);
    va_end(arguments);
}

EH_PRINTF(2, 3) static void advise(struct info_finding *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(f->advice, sizeof f->advice, format, arguments);
    va_end(arguments);
}

static struct info_finding *find(struct info_findings *all, enum info_severity severity,
                                 const char *id)
{
    struct info_finding *f = &all->all[all->count++];
    *f = (struct info_finding){.id = id, .severity = severity};
    return f;
}

/* ---- why there are no heap events ---- */

static void advise_xperf(struct info_finding *f)
{
    advise(f, "xperf -on PROC_THREAD+LOADER\n"
              "xperf -start HeapSession -heap -PidNewProcess \"app.exe arguments\" -stackwalk "
              "HeapAlloc+HeapRealloc -BufferSize 1024 -MinBuffers 128 -MaxBuffers 128\n"
              "    (-Pids 1234 in place of -PidNewProcess for a process that runs already)\n"
              "xperf -stop HeapSession -stop -d app.etl\n");
}

static void advise_recording(const struct info_facts *f, struct info_finding *finding)
{
    if (f->perfview) {
        advise(finding, "PerfView /OSHeapExe:app.exe collect\n"
                        "    (/OSHeapProcess:1234 for a process that runs already)\n");
        return;
    }
    advise_xperf(finding);
    advise(finding, "or: wpr -heaptracingconfig app.exe enable, then wpr -start Heap -filemode, "
                    "start the program, wpr -stop app.etl\n");
}

static void say_empty(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_PROBLEM, "empty");
    say(finding,
        "There are no events at all but the headers of %zu session%s: nothing was enabled "
        "in it, or it was stopped before anything was written.",
        f->census->session_count, f->census->session_count == 1 ? "" : "s");
    advise_recording(f, finding);
}

static void say_snapshots(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_PROBLEM, "heap_snapshots_only");
    say(finding,
        "There are heap snapshots (provider Heap-Snapshot, %" PRIu64 " records) but no heap "
        "events: snapshots say what was allocated at one moment in a form that is not "
        "documented, single calls are another provider.",
        f->heap_snapshots);
    advise(finding, "record with the profile Heap in place of HeapSnapshot: wpr -start Heap "
                    "-filemode\n");
}

static void say_ranges(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_PROBLEM, "heap_ranges_only");
    say(finding,
        "There are heap range events (%" PRIu64 " records) but no heap events: ranges tell "
        "which address space heaps reserve, not what is allocated in them.",
        f->heap_ranges);
    advise_recording(f, finding);
}

static void say_kernel_only(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_PROBLEM, "kernel_file_only");
    say(finding, "There are no heap events: this is the file of a kernel session, which tells of "
                 "processes and images. Heap events are in the file of the heap session that was "
                 "recorded beside it.");
    advise(finding, "give both files: etlinfo heap.etl kernel.etl\n"
                    "if there was no heap session, the switch -heap was missing:\n");
    advise_recording(f, finding);
}

static void say_merged(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_PROBLEM, "heap_not_enabled");
    say(finding,
        "There are no heap events: this trace was %s, so all that was recorded is in it, "
        "and no session in it had the heap provider enabled for a process.",
        f->perfview ? "merged by PerfView" : "merged or converted");
    advise(finding, f->perfview ? "the switch /OSHeapExe or /OSHeapProcess was missing:\n"
                                : "the switch -heap with -PidNewProcess or -Pids was missing:\n");
    advise_recording(f, finding);
}

static void say_others(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_PROBLEM, "other_providers_only");
    say(finding, "There are no heap events: this session recorded other providers. The heap "
                 "provider needs a session of its own, to which the processes are named.");
    advise_recording(f, finding);
}

static void explain_absence(const struct info_facts *f, struct info_findings *all)
{
    const struct eh_census *c = f->census;
    bool only_headers =
        f->by_role[EH_ROLE_OTHER] <= c->session_count && c->events == f->by_role[EH_ROLE_OTHER];
    if (info_heap_records(f))
        return;
    if (only_headers)
        say_empty(f, all);
    else if (f->heap_snapshots)
        say_snapshots(f, all);
    else if (f->heap_ranges)
        say_ranges(f, all);
    else if (f->merged)
        say_merged(f, all);
    else if (info_has_context(f) || f->system_session)
        say_kernel_only(f, all);
    else
        say_others(f, all);
    if (!info_is_whole(f))
        say(&all->all[all->count - 1],
            " (Only %" PRIu64 " of %" PRIu64 " buffers were looked at; without --quick all are.)",
            c->buffers_read, c->buffers);
}

/* ---- heap events that say less than they could ---- */

static void check_names(const struct info_facts *f, struct info_findings *all)
{
    if (!info_heap_records(f) || f->by_role[EH_ROLE_PROCESS])
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "kernel_file_missing");
    say(finding,
        "There are no process records, so processes have no names%s: those are in the file "
        "of the kernel session%s.",
        f->by_role[EH_ROLE_IMAGE] ? "" : " and stacks no modules",
        f->merged ? ", which is not part of this merged trace" : "");
    advise(finding,
           "give it as well: etlinfo heap.etl kernel.etl\n"
           "or merge both when recording ends: xperf -stop HeapSession -stop -d app.etl\n"
           "if there was no kernel session: xperf -on PROC_THREAD+LOADER before the other\n");
}

static bool has_stacks(const struct info_facts *f)
{
    return f->by_role[EH_ROLE_STACK] || f->by_role[EH_ROLE_STACK_KEY] || f->info->has_stacks;
}

static void check_stacks(const struct info_facts *f, struct info_findings *all)
{
    if (!info_heap_records(f) || has_stacks(f))
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "no_stacks");
    say(finding, "There are heap events but no call stacks: who allocated cannot be told.");
    advise(finding, "xperf -start HeapSession -heap ... -stackwalk HeapAlloc+HeapRealloc\n"
                    "    (and +HeapFree if the stacks of frees matter)\n");
}

static void check_images(const struct info_facts *f, struct info_findings *all)
{
    if (!info_heap_records(f) || !has_stacks(f) || f->by_role[EH_ROLE_IMAGE] ||
        !f->by_role[EH_ROLE_PROCESS])
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "no_images");
    say(finding, "There are call stacks but no image records: frames will be bare addresses.");
    advise(finding, "record the kernel session with LOADER: xperf -on PROC_THREAD+LOADER\n");
}

static void check_pdb(const struct info_facts *f, struct info_findings *all)
{
    if (!info_heap_records(f) || !has_stacks(f) || !f->by_role[EH_ROLE_IMAGE] ||
        f->by_role[EH_ROLE_PDB])
        return;
    struct info_finding *finding = find(all, INFO_NOTE, "no_pdb_identities");
    say(finding, "Images have no PDB identities, so symbols cannot be found for this very build "
                 "later: merging on the recording machine adds them.");
    advise(finding, "xperf -stop HeapSession -stop -d app.etl\n"
                    "or, with the files at hand and on that machine: xperf -merge heap.etl "
                    "kernel.etl app.etl\n");
}

static void check_frees_with_stacks(const struct info_facts *f, struct info_findings *all)
{
    const struct info_doubts *d = &f->doubts;
    if (!f->stats || !f->stats->stacks_attached || !f->stats->heap_events[EH_FREE] ||
        d->with_stack[EH_FREE])
        return;
    find(all, INFO_NOTE, "no_stacks_of_frees");
    say(&all->all[all->count - 1], "Allocs have call stacks, frees have none.");
    advise(&all->all[all->count - 1], "xperf ... -stackwalk HeapAlloc+HeapRealloc+HeapFree\n");
}

static void check_unmatched_stacks(const struct info_facts *f, struct info_findings *all)
{
    const struct eh_stats *s = f->stats;
    if (!s || !s->stacks_unmatched || !info_heap_records(f) ||
        s->stacks_unmatched < (s->stacks_attached + s->stacks_unmatched) / 100)
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "stacks_unmatched");
    say(finding,
        "Stack records that belong to no event of this trace: %" PRIu64 ", heap events with a "
        "stack: %" PRIu64 ". Events, or definitions of stack keys, were lost or are in "
        "another file.",
        s->stacks_unmatched, s->stacks_attached);
}

static void check_narrow(const struct info_facts *f, struct info_findings *all)
{
    if (!f->narrow_heap_records)
        return;
    struct info_finding *finding = find(all, INFO_NOTE, "processes_32bit");
    say(finding,
        "Heap records of 32-bit processes on a 64-bit system: %" PRIu64 ". Their layout is "
        "known from documents alone: if figures look wrong, a report of --shape is worth a "
        "lot.",
        f->narrow_heap_records);
}

static void check_layouts(const struct info_facts *f, struct info_findings *all)
{
    if (!f->stats || !f->stats->unknown_heap_events)
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "unknown_layout");
    say(finding,
        "Heap records whose layout is not known: %" PRIu64 ". They are counted, not decoded.",
        f->stats->unknown_heap_events);
    if (f->manifest_heap_records)
        say(finding,
            " Heap records in the form of a manifest provider: %" PRIu64 ". That is what "
            "enabling the heap GUID like the GUIDs of other providers gives.",
            f->manifest_heap_records);
    advise(finding, "please report the output of etlinfo --shape: it has no names, paths or "
                    "addresses\n");
    if (f->manifest_heap_records)
        advise(finding, "record with xperf -heap or wpr -start Heap instead\n");
}

static void check_late_start(const struct info_facts *f, struct info_findings *all)
{
    const struct eh_stats *s = f->stats;
    if (!s || s->unmatched_frees <= s->heap_events[EH_FREE] / 20)
        return;
    struct info_finding *finding = find(all, INFO_NOTE, "recording_began_late");
    say(finding,
        "Frees of blocks whose alloc is not in the trace: %" PRIu64 " of %" PRIu64 ". The "
        "process ran before recording began%s.",
        s->unmatched_frees, s->heap_events[EH_FREE],
        f->events_lost || f->buffers_lost ? ", or events were lost" : "");
    advise(finding, "to see a program from its first alloc: xperf -start HeapSession -heap "
                    "-PidNewProcess \"app.exe arguments\" ...\n");
}

/* ---- losses and files ---- */

static void check_losses(const struct info_facts *f, struct info_findings *all)
{
    const struct eh_session *s = &f->census->sessions[0];
    if (!f->events_lost && !f->buffers_lost)
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "events_lost");
    say(finding,
        "The recording lost events (%" PRIu64 ") or buffers (%" PRIu64 "): buffers filled "
        "faster than they were written.%s",
        f->events_lost, f->buffers_lost,
        info_heap_records(f) ? " Where a free is lost its block seems to stay, where an alloc is "
                               "lost its free is unmatched: live figures drift."
                             : "");
    if (s->buffer_size < 1024 * 1024)
        advise(finding,
               "larger and more buffers (they were of %u KB): -BufferSize 1024 -MinBuffers "
               "256 -MaxBuffers 512\n",
               (unsigned)(s->buffer_size / 1024));
    else
        advise(finding,
               "more buffers (they are of %u KB already): -MinBuffers 512 -MaxBuffers 1024\n",
               (unsigned)(s->buffer_size / 1024));
    advise(finding, "fewer events: one process by -Pids, stacks of allocs alone, a shorter time\n");
}

static bool is_damaged(const struct info_facts *f)
{
    const struct eh_stats *s = f->losses;
    return s && (s->buffers_damaged || s->bytes_skipped || s->inputs_truncated);
}

static void check_damage(const struct info_facts *f, struct info_findings *all)
{
    const struct eh_stats *s = f->losses;
    if (!is_damaged(f))
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "damaged");
    say(finding,
        "Damaged buffers: %" PRIu64 ", bytes skipped: %" PRIu64 ", inputs cut short: %" PRIu64
        ". The rest was read; standard error names each place.",
        s->buffers_damaged, s->bytes_skipped, s->inputs_truncated);
    advise(finding, "copy the file again; if it is the same, convert it as it is\n");
}

/* Of a damaged file no more is known by this. */
static void check_missing(const struct info_facts *f, struct info_findings *all)
{
    if (!f->buffers_missing || is_damaged(f))
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "buffers_missing");
    say(finding,
        "Buffers that headers name and that are not there: %" PRIu64 ". A file may have been cut "
        "between two of them, and lack the events that came last.",
        f->buffers_missing);
    advise(finding, "compare its size with that of the original, and copy it again\n");
}

static void check_limits(const struct info_facts *f, struct info_findings *all)
{
    uint64_t left_out = 0;
    for (int what = 0; f->stats && what < EH_LEFT_KINDS; what++)
        left_out += f->stats->left_out[what];
    if (!left_out)
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "limit_reached");
    say(finding,
        "The trace holds more than these programs keep, so something is left out of figures "
        "and names: standard error says what, and how much.");
    advise(finding,
           "for live blocks --max-live sets the limit; for the rest record fewer processes "
           "or a shorter time\n");
}

static void check_end(const struct info_facts *f, struct info_findings *all)
{
    if (!f->running)
        return;
    struct info_finding *finding = find(all, INFO_NOTE, "not_ended");
    say(finding,
        "A session has no end time: it was still running when this file was copied, or the "
        "system went down. Names that are logged when a session ends may be missing.");
    advise(finding, "stop the session before copying: xperf -stop HeapSession -stop -d app.etl\n");
}

static void check_circular(const struct info_facts *f, struct info_findings *all)
{
    if (!f->circular)
        return;
    struct info_finding *finding = find(all, INFO_NOTE, "circular");
    say(finding,
        "A session wrote in circles: when its file was full it overwrote the oldest events, "
        "so the beginning may be missing.");
    if (info_heap_records(f))
        advise(finding, "for complete live figures leave out -FileMode Circular, or give "
                        "-MaxFile a larger size\n");
}

static void check_boots(const struct info_facts *f, struct info_findings *all)
{
    if (f->one_boot)
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "other_boots");
    say(finding, "The inputs were recorded after different starts of Windows, or on different "
                 "machines: names in one do not serve the events of another, and times are aligned "
                 "by the wall clock.");
    advise(finding, "give together only files of one recording\n");
}

static void check_clock(const struct info_facts *f, struct info_findings *all)
{
    if (!f->clock_assumed)
        return;
    struct info_finding *finding = find(all, INFO_WARNING, "clock_assumed");
    say(finding,
        "The header names no usable clock frequency: 10 MHz is assumed, so all times may be "
        "off by a factor.");
}

static void tell_merged(const struct info_facts *f, struct info_findings *all)
{
    struct info_finding *finding = find(all, INFO_NOTE, f->merged ? "merged" : "not_merged");
    if (f->merged)
        say(finding, "The trace was merged or converted after recording: all sessions of the "
                     "recording should be in it.");
    else if (f->info->inputs > 1)
        say(finding, "The inputs are as their sessions wrote them; they are read as one trace.");
    else
        say(finding, "The trace was not merged: it is as a session wrote it, and other sessions of "
                     "the same recording have files of their own.");
}

void info_diagnose(const struct info_facts *f, struct info_findings *findings)
{
    static void (*const checks[])(const struct info_facts *f, struct info_findings *all) = {
        explain_absence,
        check_losses,
        check_damage,
        check_missing,
        check_limits,
        check_names,
        check_stacks,
        check_images,
        check_layouts,
        check_unmatched_stacks,
        check_boots,
        check_clock,
        check_late_start,
        check_frees_with_stacks,
        check_pdb,
        check_narrow,
        check_end,
        check_circular,
        tell_merged,
    };
    _Static_assert(sizeof checks / sizeof *checks <= INFO_FINDINGS, "one finding a check at most");
    findings->count = 0;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](f, findings);
}
