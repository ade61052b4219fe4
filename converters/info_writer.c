#include "info_writer.h"

#include "info_print.h"

struct report {
    bool json, shape, quick;
    const struct writer_context *context;
    struct info_facts facts;
    struct info_findings findings;
};

enum { OPTION_JSON, OPTION_SHAPE, OPTION_QUICK };

static const struct option_spec options[] = {
    {"json", 0, NULL, "for scripts: one JSON object, with more than the text", OPTION_JSON},
    {"shape", 0, NULL, "for a bug report: no names, paths, addresses or dates", OPTION_SHAPE},
    {"quick", 0, NULL, "headers and a sample of records, for large traces", OPTION_QUICK},
    {0},
};

static int set_option(void *state, int id, const char *argument, struct eh_error *e)
{
    struct report *r = state;
    (void)argument, (void)e;
    switch (id) {
    case OPTION_JSON:
        r->json = true;
        return 0;
    case OPTION_SHAPE:
        r->shape = true;
        return 0;
    default:
        r->quick = true;
        return 0;
    }
}

static int check(void *state, struct writer_needs *ret_needs, struct eh_error *e)
{
    const struct report *r = state;
    (void)e;
    ret_needs->census = r->quick ? EH_CENSUS_SAMPLE : EH_CENSUS_WHOLE;
    return 0;
}

static int begin(void *state, const struct writer_context *context, struct eh_error *e)
{
    struct report *r = state;
    (void)e;
    r->context = context;
    r->facts.info = context->info;
    r->facts.model = context->model;
    r->facts.census = context->census;
    info_take_census(&r->facts);
    return 0;
}

static int take_rows(void *state, const struct eh_event *rows, size_t count, struct eh_error *e)
{
    struct report *r = state;
    if (info_take_rows(&r->facts, rows, count) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory for sums over heaps");
    return 0;
}

static int end(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    struct report *r = state;
    const struct writer_context *c = r->context;
    r->facts.losses = stats;
    r->facts.stats = info_is_whole(&r->facts) ? stats : NULL;
    info_diagnose(&r->facts, &r->findings);
    if (r->json)
        info_write_json(c->out, &r->facts, &r->findings, c->tool, r->shape);
    else if (r->shape)
        info_write_shape(c->out, &r->facts, &r->findings, c->tool);
    else if (info_write_text(c->out, &r->facts, &r->findings) < 0)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    return 0;
}

static void done(void *state)
{
    struct report *r = state;
    info_finish(&r->facts);
}

const struct writer info_writer = {
    .command = "etlinfo",
    .summary = "what an .etl trace holds, how sound it is, why it has no heap events",
    .examples = "  etlinfo app.etl                       what is in it, and what to do better\n"
                "  etlinfo heap.etl kernel.etl           two files of one recording\n"
                "  etlinfo --quick huge.etl              at once\n"
                "  etlinfo --json app.etl | jq .stats    for scripts\n"
                "  etlinfo --shape app.etl               to paste into a bug report\n",
    .suffix = ".txt",
    .state_size = sizeof(struct report),
    .options = options,
    .set = set_option,
    .check = check,
    .begin = begin,
    .rows = take_rows,
    .end = end,
    .done = done,
};
