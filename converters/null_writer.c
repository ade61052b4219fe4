/* A writer that writes nothing: what the driver and the library cost, and where to start a new
 * format from. */
#include "null_writer.h"

static int take_option(void *state, int id, const char *argument, struct eh_error *e)
{
    (void)state, (void)id, (void)argument, (void)e;
    return 0;
}

static int begin(void *state, const struct writer_context *context, struct eh_error *e)
{
    (void)state, (void)context, (void)e;
    return 0;
}

static int rows(void *state, const struct eh_event *rows, size_t count, struct eh_error *e)
{
    (void)state, (void)rows, (void)count, (void)e;
    return 0;
}

static int end(void *state, const struct eh_stats *stats, struct eh_error *e)
{
    (void)state, (void)stats, (void)e;
    return 0;
}

static void done(void *state)
{
    (void)state;
}

static const struct option_spec options[] = {{0}};

const struct writer null_writer = {
    .command = "etl2null",
    .summary = "decodes a trace and writes nothing, for measuring",
    .examples = "  etl2null -c heap.etl\n",
    .suffix = ".null",
    .filtered = true,
    .options = options,
    .set = take_option,
    .begin = begin,
    .rows = rows,
    .end = end,
    .done = done,
};
