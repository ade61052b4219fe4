#include "chrome_lines.h"

#include <string.h>

#define TEN_TO_8 UINT64_C(100000000)

/* The leading digits change every tenth of a second only. */
static void format_high(struct chrome_lines *l, uint64_t high)
{
    l->ts_high = high;
    l->ts_high_length = (uint8_t)(put_u64(l->ts_high_text, high) - l->ts_high_text);
}

void chrome_format_ts(struct chrome_lines *l, int64_t time_ns)
{
    uint64_t ns = time_ns > l->base_ns ? (uint64_t)time_ns - (uint64_t)l->base_ns : 0;
    uint64_t high = ns / TEN_TO_8;
    char *at = l->ts.text, digits[8];
    if (high) {
        if (high != l->ts_high)
            format_high(l, high);
        memcpy(at, l->ts_high_text, 12); /* 2^64 / 10^8 has 12 digits */
        at += l->ts_high_length;
        put_8_digits(digits, ns % TEN_TO_8);
        memcpy(at, digits, 5);
        at += 5;
    } else {
        put_8_digits(digits, ns);
        at = put_u64(at, ns / 1000);
    }
    *at++ = '.';
    memcpy(at, digits + 5, 3);
    l->ts.length = (uint8_t)(at + 3 - l->ts.text);
    l->ts.time_ns = time_ns;
}

void chrome_put_escaped(struct out *o, const char *text)
{
    size_t length = strlen(text);
    char *at = out_reserve(o, 6 * length);
    out_commit(o, put_json_escaped(at, text, length));
}
