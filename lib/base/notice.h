/* What the user should hear of an input that could be read nevertheless. The library tells it to a
 * callback; it never prints. */
#ifndef ETLHEAP_BASE_NOTICE_H
#define ETLHEAP_BASE_NOTICE_H

#include <stdint.h>

enum eh_severity {
    EH_NOTE,    /* worth knowing; whether anything is missing cannot be known */
    EH_WARNING, /* the recording itself lost something, or something had to be assumed */
    EH_DAMAGE,  /* bytes of the input could not be used */
};

struct eh_notice {
    enum eh_severity severity;
    const char *input; /* as given to eh_open */
    int64_t offset;    /* in the (unpacked) input, or EH_NO_OFFSET */
    int64_t length;    /* bytes concerned, or 0 */
    const char *text;  /* UTF-8, one line; valid during the call */
};

#endif
