/* Lines of a case that become one record. */
#ifndef ETLHEAP_TOOLS_CASE_RECORD_H
#define ETLHEAP_TOOLS_CASE_RECORD_H

#include "case_file.h"

/* Writes the record that the line describes; what is wrong is reported on the line. */
void case_record(struct case_file *f, struct case_line *l);
/* The record kinds without hook or GUID header. */
void case_wpp(struct case_file *f, struct case_line *l);
void case_ulong_time(struct case_file *f, struct case_line *l);

#endif
