#include "base/notices.h"

#include <stdio.h>

void notices_tell(const struct notices *to, enum eh_severity severity, const char *input,
                  int64_t offset, int64_t length, const char *format, ...)
{
    if (!to->tell)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    to->tell(to->context, &(struct eh_notice){severity, input, offset, length, text});
}
