/* How the library tells notices. */
#ifndef ETLHEAP_BASE_NOTICES_H
#define ETLHEAP_BASE_NOTICES_H

#include "base/error.h"
#include "base/notice.h"

/* Where notices go; `tell` may be NULL. */
struct notices {
    void (*tell)(void *context, const struct eh_notice *n);
    void *context;
};

/* Tells one; arguments as the fields of struct eh_notice, the text as printf's. */
void notices_tell(const struct notices *to, enum eh_severity severity, const char *input,
                  int64_t offset, int64_t length, const char *format, ...) EH_PRINTF(6, 7);

#endif
