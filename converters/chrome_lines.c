#include "chrome_lines.h"

#include <string.h>

char *chrome_put_large(char *at, uint64_t size)
{
    *at++ = '"';
    at = put_hex(at, size);
    *at++ = '"';
    return at;
}

char *chrome_put_new_time(char *at, struct chrome_lines *l, int64_t time_ns)
{
    struct chrome_millisecond *m = &l->millisecond;
    uint64_t ns = time_ns > l->base_ns ? (uint64_t)time_ns - (uint64_t)l->base_ns : 0;
    uint64_t in_millisecond = ns % 1000000;
    if (ns < 1000000) {
        at = put_leading_triple(at, (uint32_t)ns / 1000);
        *at++ = '.';
        return put_triple(at, (uint32_t)ns % 1000);
    }
    m->length = (uint64_t)(put_u64(m->text, ns / 1000000) - m->text);
    m->start_ns = (uint64_t)time_ns - in_millisecond;
    m->span_ns = 1000000;
    return chrome_put_time(at, l, time_ns);
}

void chrome_put_escaped(struct out *o, const char *text)
{
    size_t length = strlen(text);
    char *at = out_reserve(o, 6 * length);
    out_commit(o, put_json_escaped(at, text, length));
}
