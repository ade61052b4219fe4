#include "range.h"

#include "text.h"

#include <string.h>

/* The two ends as text; a single value is both. An end of length 0 is open. */
struct ends {
    const char *least, *most;
    size_t least_length, most_length;
};

static struct ends split(const char *text)
{
    const char *dots = strstr(text, "..");
    size_t length = strlen(text);
    if (!dots)
        return (struct ends){text, text, length, length};
    return (struct ends){text, dots + 2, (size_t)(dots - text), strlen(dots + 2)};
}

static int malformed(const char *text, const char *option, const char *examples, struct eh_error *e)
{
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--%s takes a range like %s, not '%s'", option,
                   examples, text);
}

static int reversed(const char *text, const char *option, struct eh_error *e)
{
    return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "--%s %s holds nothing: its first end is above its second", option, text);
}

int range_parse_sizes(struct size_range *ret_range, const char *text, const char *option,
                      struct eh_error *e)
{
    struct ends ends = split(text);
    struct size_range r = {0, UINT64_MAX};
    if (!*text || (ends.least_length && parse_size(&r.least, ends.least, ends.least_length) < 0) ||
        (ends.most_length && parse_size(&r.most, ends.most, ends.most_length) < 0))
        return malformed(text, option, "4K..1M, 64.., ..512 or 24 (K, M, G)", e);
    if (r.least > r.most)
        return reversed(text, option, e);
    *ret_range = r;
    return 0;
}

static int parse_time(int64_t *ret_ns, const char *text, size_t length, bool is_signed)
{
    bool negative = is_signed && length && *text == '-';
    if (parse_duration_ns(ret_ns, text + negative, length - negative) < 0)
        return -1;
    if (negative)
        *ret_ns = -*ret_ns;
    return 0;
}

static int parse_times(struct time_range *ret_range, const char *text, const char *option,
                       bool is_signed, struct eh_error *e)
{
    struct ends ends = split(text);
    struct time_range r = {is_signed ? INT64_MIN : 0, INT64_MAX};
    if (!*text ||
        (ends.least_length && parse_time(&r.first, ends.least, ends.least_length, is_signed) < 0) ||
        (ends.most_length && parse_time(&r.last, ends.most, ends.most_length, is_signed) < 0))
        return malformed(text, option, "1.5..2, 100ms.., ..20us or 3 (ns, us, ms, s)", e);
    if (r.first > r.last)
        return reversed(text, option, e);
    *ret_range = r;
    return 0;
}

int range_parse_durations(struct time_range *ret_range, const char *text, const char *option,
                          struct eh_error *e)
{
    return parse_times(ret_range, text, option, false, e);
}

int range_parse_times(struct time_range *ret_range, const char *text, const char *option,
                      struct eh_error *e)
{
    return parse_times(ret_range, text, option, true, e);
}
