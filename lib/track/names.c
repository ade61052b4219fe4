#include "track/names.h"

#include "base/limits.h"

const char *name_in_model(struct eh_model *m, const struct raw_text *text)
{
    char bytes[LIMIT_NAME_BYTES];
    size_t n = raw_text_utf8(text, bytes, sizeof bytes);
    /* Only whole characters are converted, of at most four bytes. */
    if (n + 4 > sizeof bytes)
        model_leave_out(m, EH_LEFT_NAMES);
    return model_string(m, bytes, n);
}
