#include "chrome_lines.h"

#include <string.h>

char *chrome_put_large(char *at, uint64_t size)
{
    *at++ = '"';
    at = put_hex(at, size);
    *at++ = '"';
    return at;
}

/* Sums around 2^63 do not keep their leading digits: some of those that share them are text. */
char *chrome_put_new_sum(char *at, struct text_leading *l, uint64_t sum)
{
    if (sum / 1000000 < INT64_MAX / 1000000)
        return put_new_near_u64(at, l, sum);
    return chrome_put_size(at, sum);
}

void chrome_put_escaped(struct out *o, const char *text)
{
    size_t length = strlen(text);
    char *at = out_reserve(o, 6 * length);
    out_commit(o, put_json_escaped(at, text, length));
}
