/* Any bytes as a trace through the report of etlinfo: JSON is one strict value, texts are safe for
 * a terminal, and every record is counted once. Input: a byte of options, the trace. */
#include "fuzz.h"

#include "fuzz_json.h"
#include "os_memory.h"
#include "sink_memory.h"

#include "etlheap.h"
#include "info_writer.h"

#include <stdlib.h>
#include <string.h>

static void give_option(void *state, const char *name)
{
    struct eh_error e = {0};
    const struct option_spec *o = info_writer.options;
    while (o->name && strcmp(o->name, name))
        o++;
    REQUIRE(o->name && info_writer.set(state, o->id, NULL, &e) == 0);
}

/* Printable characters and line ends: no controls, not even those above ASCII. */
static void check_text(const char *s, size_t length)
{
    const char *end = s + length;
    while (s < end) {
        unsigned char c = (unsigned char)*s;
        REQUIRE(c == '\n' || (c >= 0x20 && c != 0x7F));
        REQUIRE(c != 0xC2 || (unsigned char)s[1] >= 0xA0);
        s = c < 0x80 ? s + 1 : skip_utf8(s);
    }
}

static void check_census(const struct eh_census *c, const struct eh_stats *stats)
{
    uint64_t events = c->other_events;
    for (size_t i = 0; i < c->kind_count; i++) {
        const struct eh_record_kind *k = &c->kinds[i];
        uint64_t sizes = k->other_sizes;
        for (unsigned j = 0; j < k->size_count; j++)
            sizes += k->sizes[j].count;
        REQUIRE(k->count && sizes == k->count && k->least_size <= k->greatest_size);
        events += k->count;
    }
    REQUIRE(events == c->events && c->buffers_read <= c->buffers && c->bytes_read <= c->bytes);
    if (c->extent == EH_CENSUS_WHOLE)
        REQUIRE(events == stats->events && c->bytes_read == c->bytes);
}

static void write_report(struct eh_reader *r, void *state, struct out *out)
{
    struct eh_error e = {0};
    const struct eh_event *rows;
    size_t count;
    int more;
    const struct writer_context context = {.info = eh_info(r),
                                           .model = eh_model(r),
                                           .census = eh_census(r),
                                           .out = out,
                                           .tool = "fuzz 1"};
    REQUIRE(info_writer.begin(state, &context, &e) == 0);
    while ((more = eh_next(r, &rows, &count, &e)) > 0)
        REQUIRE(info_writer.rows(state, rows, count, &e) == 0);
    REQUIRE(more == 0);
    REQUIRE(info_writer.end(state, eh_stats(r), &e) == 0);
    check_census(eh_census(r), eh_stats(r));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const names[] = {"json", "shape", "quick"};
    const char *path = "trace.etl";
    struct writer_needs needs = {0};
    struct out_file file = {0};
    struct eh_reader *r;
    struct eh_error e = {0};
    void *state = calloc(1, info_writer.state_size);
    REQUIRE(state);
    unsigned choices = length ? bytes[0] : 0;
    for (unsigned bit = 0; bit < 3; bit++)
        if (choices >> bit & 1)
            give_option(state, names[bit]);
    REQUIRE(info_writer.check(state, &needs, &e) == 0);
    os_memory_set(bytes + (length > 0), length - (length > 0));
    const struct eh_options options = {.census = needs.census};
    if (eh_open(&r, &path, 1, &options, &e) == 0) {
        struct out out = sink_in_memory(&file);
        write_report(r, state, &out);
        struct fuzz_output o = sink_output(&out);
        if (choices & 1)
            check_json(o.bytes, o.length);
        else
            check_text(o.bytes, o.length);
        free(o.bytes);
        eh_close(r);
    }
    info_writer.done(state);
    free(state);
    return 0;
}
