/* What the reports of etlinfo share: formatting into the sink. */
#ifndef ETLHEAP_CONVERTERS_INFO_PRINT_H
#define ETLHEAP_CONVERTERS_INFO_PRINT_H

#include "info_diagnosis.h"
#include "info_facts.h"
#include "info_sizes.h"
#include "io/sink.h"

/* Any text in a form that is safe for a terminal and of limited length. */
struct info_safe {
    char text[264];
};
const char *info_safe(struct info_safe *s, const char *text);

/* "1,234,567" */
struct info_number {
    char text[32];
};
const char *info_number(struct info_number *n, uint64_t value);

/* "81.2 MiB" */
const char *info_bytes(struct info_number *n, uint64_t bytes);

EH_PRINTF(2, 3) void info_print(struct out *out, const char *format, ...);

/* "10.0 build 22631", "system time". Static memory or `n`. */
const char *info_clock_name(uint32_t type);

/* "circular, merged or converted": the bits of the mode that matter here. */
struct info_mode {
    char text[160];
};
const char *info_mode(struct info_mode *m, uint32_t mode);

/* "Heap alloc", "Microsoft-Windows-DotNETRuntime event 10", "hook 0x1234": what a kind of records
 * is called. */
const char *info_kind(struct info_safe *s, const struct eh_census *c,
                      const struct eh_record_kind *k);

/* "SYSTEM64", or "kind 99" */
const char *info_header(struct info_number *n, unsigned header);

/* The reports. That as text: 0, or -1 without memory. */
int info_write_text(struct out *out, const struct info_facts *f,
                    const struct info_findings *findings);
void info_write_shape(struct out *out, const struct info_facts *f,
                      const struct info_findings *findings, const char *tool);
/* `shape`: without names, paths, addresses and dates. */
void info_write_json(struct out *out, const struct info_facts *f,
                     const struct info_findings *findings, const char *tool, bool shape);

#endif
