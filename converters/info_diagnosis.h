/* What is wrong with a recording, in plain words, and what to do about it. */
#ifndef ETLHEAP_CONVERTERS_INFO_DIAGNOSIS_H
#define ETLHEAP_CONVERTERS_INFO_DIAGNOSIS_H

#include "info_facts.h"

#define INFO_FINDINGS     24
#define INFO_TEXT_BYTES   512
#define INFO_ADVICE_BYTES 768

enum info_severity {
    INFO_NOTE,    /* worth knowing */
    INFO_WARNING, /* something will be missing or off */
    INFO_PROBLEM, /* the trace does not show what it was recorded for */
};

struct info_finding {
    const char *id; /* for scripts: "no_heap_events" */
    enum info_severity severity;
    char text[INFO_TEXT_BYTES];     /* sentences, one line, no names out of the trace */
    char advice[INFO_ADVICE_BYTES]; /* what to do: lines, or empty */
};

struct info_findings {
    struct info_finding all[INFO_FINDINGS];
    size_t count;
};

void info_diagnose(const struct info_facts *f, struct info_findings *findings);

/* "problem" */
const char *info_severity_name(enum info_severity severity);

#endif
