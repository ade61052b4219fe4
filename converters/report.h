/* What a run tells its user: notices and warnings on standard error, the closing line, and the
 * counts as JSON. */
#ifndef ETLHEAP_CONVERTERS_REPORT_H
#define ETLHEAP_CONVERTERS_REPORT_H

#include "etlheap.h"
#include "io/sink.h"
#include "progress.h"

struct report {
    const char *command;
    bool quiet, strict; /* as the options */
    struct progress progress;
    uint64_t notices[EH_DAMAGE + 1]; /* by severity */
};

/* For eh_options.notice and writer_context.tell; `context` is a struct report. */
void report_notice(void *context, const struct eh_notice *n);
void report_tell(void *context, enum eh_severity severity, const char *text);

/* "etl2csv: what is wrong, at offset N" */
void report_error(struct report *r, const struct eh_error *e);

/* How many notices were not printed, if any. */
void report_unprinted(struct report *r);

/* The warning about a trace without heap events. `input` is the first input's name. */
void report_no_heap_events(struct report *r, const char *input);

/* The closing line. `output` is where the data went, `shown` how many events passed the filters,
 * NULL without filters; `remark` stands at its end, unless it is empty. */
void report_summary(struct report *r, const char *output, const struct eh_model *model,
                    const struct eh_stats *stats, const uint64_t *shown, const char *remark);

/* Damage in what was read; with `strict` also what the recording session lost, and all else that was
 * told of the inputs. */
bool report_has_loss(const struct report *r, const struct eh_stats *stats);

/* The counts as one JSON object. */
void report_stats_json(struct out *out, const struct eh_stats *stats);

#endif
