#include "chrome_lines.h"

#include <string.h>

char *chrome_put_large(char *at, uint64_t size)
{
    *at++ = '"';
    at = put_hex(at, size);
    *at++ = '"';
    return at;
}

void chrome_put_escaped(struct out *o, const char *text)
{
    size_t length = strlen(text);
    char *at = out_reserve(o, 6 * length);
    out_commit(o, put_json_escaped(at, text, length));
}
