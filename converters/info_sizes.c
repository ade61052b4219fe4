#include "info_sizes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* What the timelines do by themselves: timelines.md 1. */
#define EXACT_POINTS   1000000u
#define INSTANT_EVENTS 100000u
#define THINNED_POINTS 1200000u /* about as many are left of more than EXACT_POINTS */

#define SPREADSHEET_ROWS 1048575u
#define BROWSER_BYTES    (UINT64_C(500) << 20) /* what a page's script takes as one text */
#define SPREADSHEET      "a spreadsheet shows the first 1048575 rows"

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

static uint64_t points(const struct info_facts *f)
{
    return f->info->block_records <= EXACT_POINTS || f->changes < THINNED_POINTS ? f->changes
                                                                               : THINNED_POINTS;
}

static uint64_t instants(const struct info_facts *f)
{
    return f->info->heap_records <= INSTANT_EVENTS ? f->info->block_records : 0;
}

static void estimate_csv(const struct info_facts *f, struct info_output *o)
{
    *o = (struct info_output){.command = "etl2csv", .bytes = 160 + f->csv_bytes, .percent_off = 3};
    if (f->rows > SPREADSHEET_ROWS)
        snprintf(o->advice, sizeof o->advice,
                 SPREADSHEET " of %" PRIu64 ": --split-rows 1048575, or --table heaps or callsites",
                 f->rows);
}

static void advise_timeline(const struct info_facts *f, struct info_output *o, uint64_t reach)
{
    if (f->info->heap_records > INSTANT_EVENTS)
        snprintf(o->advice, sizeof o->advice,
                 "counters only; --events shows single events and makes it several times larger");
    if (o->bytes > reach)
        snprintf(o->advice, sizeof o->advice,
                 "too large for a viewer in a browser: --no-events --resolution 1ms");
}

static void estimate_chrome(const struct info_facts *f, const struct stack_sums *s,
                            struct info_output *o)
{
    *o = (struct info_output){.command = "etl2chrome", .percent_off = 40};
    o->bytes = 2000 + CHROME_POINT * points(f) + CHROME_INSTANT * instants(f);
    if (instants(f) && s->stacks)
        o->bytes += CHROME_FRAME * s->frames +
                    CHROME_INSTANT_FRAME * f->stats->stacks_attached * (s->frames / s->stacks);
    advise_timeline(f, o, BROWSER_BYTES);
}

static void estimate_perfetto(const struct info_facts *f, const struct stack_sums *s,
                              struct info_output *o)
{
    *o = (struct info_output){.command = "etl2perfetto", .percent_off = 50};
    o->bytes = 2000 + PERFETTO_POINT * points(f) + PERFETTO_INSTANT * instants(f) +
               PERFETTO_HEAP * (eh_model_heaps(f->model) - 1) + PERFETTO_STACK * s->stacks + PERFETTO_FRAME * s->frames;
    advise_timeline(f, o, 4 * BROWSER_BYTES);
}

void info_estimate(const struct info_facts *f, struct info_output outputs[INFO_OUTPUTS])
{
    struct stack_sums s = sum_stacks(f->model);
    estimate_csv(f, &outputs[0]);
    estimate_chrome(f, &s, &outputs[1]);
    estimate_perfetto(f, &s, &outputs[2]);
}
