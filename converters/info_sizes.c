#include "info_sizes.h"

#include "curve.h"
#include "info_print.h"
#include "timeline.h"

#include <inttypes.h>
#include <stdio.h>

/* Measured on traces that etlgen writes (bench, demo, random): bytes for each change of a live
 * figure, each instant, each heap, each distinct stack and each of its frames. */
enum {
    CHROME_POINT = 200,
    CHROME_INSTANT = 175,
    CHROME_FRAME = 40,
    CHROME_INSTANT_FRAME = 22, /* each frame of an instant's stack */
    PERFETTO_POINT = 37,
    PERFETTO_INSTANT = 55,
    PERFETTO_HEAP = 4500, /* tracks, and pseudo-stacks in the dumps of the profile */
    PERFETTO_STACK = 250, /* in the dumps of the profile */
    PERFETTO_FRAME = 12,
};

#define THINNED_POINTS 1200000u /* about as many are left where a timeline does not draw all */

#define SPREADSHEET_ROWS 1048575u
#define BROWSER_BYTES    (UINT64_C(500) << 20) /* what a page's script takes as one text */

struct stack_sums {
    uint64_t stacks, frames;
};

static struct stack_sums sum_stacks(const struct eh_model *model)
{
    struct stack_sums s = {.stacks = eh_model_stacks(model) - 1};
    for (size_t i = 1; i < eh_model_stacks(model); i++)
        s.frames += eh_model_stack(model, (uint32_t)i).depth;
    return s;
}

static const struct timeline by_default = {0};

static uint64_t points(const struct info_facts *f)
{
    bool exact = timeline_bucket_ns(&by_default, f->info) == CURVE_EXACT;
    return exact || f->changes < THINNED_POINTS ? f->changes : THINNED_POINTS;
}

static bool shows_instants(const struct info_facts *f)
{
    return timeline_instants(&by_default, f->info);
}

static void estimate_csv(const struct info_facts *f, struct info_output *o)
{
    *o = (struct info_output){.command = "etl2csv", .bytes = 160 + f->csv_bytes, .percent_off = 3};
    if (f->rows > SPREADSHEET_ROWS)
        snprintf(o->advice, sizeof o->advice,
                 "a spreadsheet shows the first 1048575 rows of %" PRIu64
                 ": --split-rows 1048575, or "
                 "--table heaps or callsites",
                 f->rows);
}

/* Counts the bytes of single events in, or says how many they would be. */
static void add_instants(const struct info_facts *f, struct info_output *o, uint64_t bytes,
                         uint64_t reach)
{
    struct info_number n;
    if (shows_instants(f))
        o->bytes += bytes;
    bool too_much = o->bytes + (shows_instants(f) ? 0 : bytes) > reach;
    const char *remedy = too_much
                             ? "too much for a viewer in a browser: cut it by --pid, --time or "
                               "--split-size 400M"
                             : "";
    if (shows_instants(f))
        snprintf(o->advice, sizeof o->advice, "%s", remedy);
    else
        snprintf(o->advice, sizeof o->advice, "counters only; with --events about %s%s%s",
                 info_bytes(&n, o->bytes + bytes), too_much ? ", " : "", remedy);
}

static void estimate_chrome(const struct info_facts *f, const struct stack_sums *s,
                            struct info_output *o)
{
    uint64_t instants = CHROME_INSTANT * f->info->block_records;
    if (s->stacks)
        instants += CHROME_FRAME * s->frames +
                    CHROME_INSTANT_FRAME * f->stats->stacks_attached * (s->frames / s->stacks);
    *o = (struct info_output){.command = "etl2chrome", .percent_off = 40};
    o->bytes = 2000 + CHROME_POINT * points(f);
    add_instants(f, o, instants, BROWSER_BYTES);
}

static void estimate_perfetto(const struct info_facts *f, const struct stack_sums *s,
                              struct info_output *o)
{
    *o = (struct info_output){.command = "etl2perfetto", .percent_off = 50};
    o->bytes = 2000 + PERFETTO_POINT * points(f) + PERFETTO_HEAP * (eh_model_heaps(f->model) - 1) +
               PERFETTO_STACK * s->stacks + PERFETTO_FRAME * s->frames;
    add_instants(f, o, PERFETTO_INSTANT * f->info->block_records, 4 * BROWSER_BYTES);
}

void info_estimate(const struct info_facts *f, struct info_output outputs[INFO_OUTPUTS])
{
    struct stack_sums s = sum_stacks(f->model);
    estimate_csv(f, &outputs[0]);
    estimate_chrome(f, &s, &outputs[1]);
    estimate_perfetto(f, &s, &outputs[2]);
}
