/* Counts the records of traces by header kind and by hook id, for test_real_traces.py:
 *
 *     record_counts TRACE...
 *     {"events": 179474, "buffers": 360, "hdr_types": {"SYSTEM64": 3189, ...},
 *      "hooks": {"0x0220": 153, ...}}
 *
 * Records without a kind (WPP messages and the like) are in "events" alone. */
#include "container/etl_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct tally {
    uint64_t by_kind[256];
    uint64_t by_hook[65536];
};

static const char *const kind_names[256] = {
    [REC_SYSTEM32] = "SYSTEM32",     [REC_SYSTEM64] = "SYSTEM64",
    [REC_COMPACT32] = "COMPACT32",   [REC_COMPACT64] = "COMPACT64",
    [REC_FULL32] = "FULL32",         [REC_FULL64] = "FULL64",
    [REC_INSTANCE32] = "INSTANCE32", [REC_INSTANCE64] = "INSTANCE64",
    [REC_PERFINFO32] = "PERFINFO32", [REC_PERFINFO64] = "PERFINFO64",
    [REC_EVENT32] = "EVENT32",       [REC_EVENT64] = "EVENT64",
    [REC_TIMED] = "TIMED",           [REC_ERROR] = "ERROR",
    [REC_WNODE] = "WNODE",           [REC_MESSAGE] = "MESSAGE",
};

/* All records of one stream. */
static int count_stream(struct etl_trace *t, struct etl_stream *s, struct tally *tally,
                        struct eh_error *e)
{
    enum etl_step step;
    while ((step = etl_stream_next(t, s, true, e)) > ETL_END) {
        if (step != ETL_RECORD)
            continue;
        const struct record *r = etl_stream_record(s);
        s->events++;
        tally->by_kind[r->kind]++;
        if (r->has_hook)
            tally->by_hook[r->hook]++;
    }
    return step == ETL_ERROR ? -1 : 0;
}

static int count_trace(struct etl_trace *t, struct tally *tally, struct eh_error *e)
{
    etl_trace_rewind(t, true);
    for (size_t i = 0; i < t->stream_count; i++)
        if (count_stream(t, &t->streams[i], tally, e) < 0)
            return -1;
    etl_trace_count(t);
    return 0;
}

static void print(const struct etl_trace *t, const struct tally *tally)
{
    const char *comma = "";
    printf("{\"events\": %" PRIu64 ", \"buffers\": %" PRIu64 ",\n \"hdr_types\": {",
           t->counts.events, t->counts.buffers_read);
    for (unsigned kind = 0; kind < 256; kind++)
        if (tally->by_kind[kind] && kind_names[kind]) {
            printf("%s\"%s\": %" PRIu64, comma, kind_names[kind], tally->by_kind[kind]);
            comma = ", ";
        }
    printf("},\n \"hooks\": {");
    comma = "";
    for (unsigned hook = 0; hook < 65536; hook++)
        if (tally->by_hook[hook]) {
            printf("%s\"0x%04x\": %" PRIu64, comma, hook, tally->by_hook[hook]);
            comma = ", ";
        }
    printf("}}\n");
}

int main(int argc, char **argv)
{
    const struct notices silent = {0};
    struct etl_trace t;
    struct eh_error e = {0};
    struct tally *tally = calloc(1, sizeof *tally);
    int result = EXIT_FAILURE;
    if (!tally || argc < 2)
        goto out;
    if (etl_trace_open(&t, (const char *const *)argv + 1, (size_t)argc - 1, &silent, NULL, NULL,
                       &e) == 0) {
        if (count_trace(&t, tally, &e) == 0) {
            print(&t, tally);
            result = fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        etl_trace_close(&t);
    }
    if (result != EXIT_SUCCESS)
        fprintf(stderr, "record_counts: %s\n", e.text);
out:
    free(tally);
    return result;
}
