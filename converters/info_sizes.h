/* How large the outputs of the converters will be: guesses from counts. */
#ifndef ETLHEAP_CONVERTERS_INFO_SIZES_H
#define ETLHEAP_CONVERTERS_INFO_SIZES_H

#include "info_facts.h"

#define INFO_OUTPUTS      3
#define INFO_OUTPUT_BYTES 200

struct info_output {
    const char *command; /* "etl2csv" */
    uint64_t bytes;
    unsigned percent_off;           /* in traces that were tried, estimates were off by no more */
    char advice[INFO_OUTPUT_BYTES]; /* which options keep it in its viewer's reach; may be empty */
};

/* Fills all of them; for a trace that was read as a whole and has heap events. */
void info_estimate(const struct info_facts *f, struct info_output outputs[INFO_OUTPUTS]);

#endif
