#include "report.h"

#include "json.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTICES_PRINTED 10 /* of each severity */

/* "what is wrong, at offset N; what to do": texts have what to do, if anything, after the last
 * semicolon. */
static void print_line(const char *text, int64_t offset)
{
    const char *advice = strrchr(text, ';');
    if (!advice)
        advice = text + strlen(text);
    fprintf(stderr, "%.*s", (int)(advice - text), text);
    if (offset != EH_NO_OFFSET)
        fprintf(stderr, ", at offset %" PRId64, offset);
    fprintf(stderr, "%s\n", advice);
}

/* What begins with neither word is a loss, or why there is no output. */
static const char *const words[] = {
    [EH_NOTE] = "note: ",
    [EH_WARNING] = "warning: ",
    [EH_DAMAGE] = "",
};

/* Of the input, what the status says is always told. */
static bool is_told(const struct report *r, int severity)
{
    return !r->quiet || r->strict || severity != EH_NOTE;
}

void report_notice(void *context, const struct eh_notice *n)
{
    struct report *r = context;
    if (r->notices[n->severity]++ >= NOTICES_PRINTED || !is_told(r, n->severity))
        return;
    progress_erase(&r->progress);
    fprintf(stderr, "%s: %s: %s", r->command, n->input, words[n->severity]);
    print_line(n->text, n->offset);
}

void report_tell(void *context, enum eh_severity severity, const char *text)
{
    struct report *r = context;
    if (r->quiet && severity == EH_NOTE)
        return;
    progress_erase(&r->progress);
    fprintf(stderr, "%s: %s%s\n", r->command, words[severity], text);
}

void report_error(struct report *r, const struct eh_error *e)
{
    progress_erase(&r->progress);
    fprintf(stderr, "%s: ", r->command);
    print_line(e->text, e->offset);
}

void report_unprinted(struct report *r)
{
    static const char *const what[] = {"notes", "warnings", "damaged places"};
    for (int severity = EH_NOTE; severity <= EH_DAMAGE; severity++)
        if (r->notices[severity] > NOTICES_PRINTED && is_told(r, severity))
            fprintf(stderr, "%s: and %" PRIu64 " more %s\n", r->command,
                    r->notices[severity] - NOTICES_PRINTED, what[severity]);
}

void report_no_heap_events(struct report *r, const char *input)
{
    progress_erase(&r->progress);
    fprintf(
        stderr,
        "%s: %s: warning: no heap events in this trace. Windows records them only for "
        "processes named beforehand:\n"
        "  xperf -on PROC_THREAD+LOADER\n"
        "  xperf -start HeapSession -heap -Pids 1234 -stackwalk HeapAlloc+HeapRealloc\n"
        "  xperf -stop HeapSession -stop -d app.etl\n"
        "or, for a program that is started then:\n"
        "  wpr -heaptracingconfig app.exe enable\n"
        "  wpr -start Heap -filemode\n"
        "  wpr -stop app.etl\n"
        "If the session wrote several files, give all of them. etlinfo says what there is in this "
        "one.\n",
        r->command, input);
}

/* Process instances that own a heap seen in an event. */
static size_t heap_owners(const struct eh_model *model)
{
    unsigned char *seen = calloc(eh_model_processes(model), 1);
    size_t count = 0;
    for (size_t i = 1; seen && i < eh_model_heaps(model); i++) {
        uint32_t owner = eh_model_heap(model, (uint32_t)i)->process;
        count += !seen[owner];
        seen[owner] = 1;
    }
    free(seen);
    return count;
}

static void print_count(uint64_t n, const char *one, const char *many)
{
    fprintf(stderr, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

static void print_amount(uint64_t bytes)
{
    char text[TEXT_AMOUNT_BYTES];
    const char *end = put_amount(text, bytes);
    fwrite(text, 1, (size_t)(end - text), stderr);
}

void report_summary(struct report *r, const char *output, const struct eh_model *model,
                    const struct eh_stats *stats, const uint64_t *shown, const char *remark)
{
    fprintf(stderr, "%s: %s: ", r->command, output);
    print_count(stats->heap_events_total, "heap event", "heap events");
    if (stats->heap_events_total) {
        fputs(" of ", stderr);
        print_count(heap_owners(model), "process", "processes");
        fputs(" in ", stderr);
        print_count(eh_model_heaps(model) - 1, "heap", "heaps");
        if (shown)
            fprintf(stderr, ", %" PRIu64 " events shown", *shown);
    }
    if (stats->has_peak) {
        fputs("; peak ", stderr);
        print_amount(stats->peak_live_bytes);
        fprintf(stderr, " at %.3f s; outstanding ", (double)stats->peak_time_ns / 1e9);
        print_amount(stats->outstanding_bytes);
        fputs(" in ", stderr);
        print_count(stats->outstanding_blocks, "block", "blocks");
    }
    fprintf(stderr, "%s%s\n", *remark ? "; " : "", remark);
}

bool report_has_loss(const struct report *r, const struct eh_stats *stats)
{
    if (r->notices[EH_DAMAGE] || stats->buffers_damaged || stats->bytes_skipped ||
        stats->inputs_truncated)
        return true;
    return r->strict && (r->notices[EH_NOTE] || r->notices[EH_WARNING] || stats->events_lost ||
                      stats->buffers_lost);
}

void report_stats_json(struct out *out, const struct eh_stats *stats)
{
    struct json j = {.out = out};
    json_open(&j, NULL, '{');
    json_stats(&j, stats);
    json_close(&j, '}');
}
