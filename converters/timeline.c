#include "timeline.h"

#include "curve.h"
#include "text.h"

#include <stdio.h>

#define INSTANTS_MAX 100000

static int set_instants(struct timeline *t, enum timeline_instants wanted, struct eh_error *e)
{
    if (t->instants != INSTANTS_BY_SIZE && t->instants != wanted)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "--events and --no-events are both given; leave out one");
    t->instants = wanted;
    return 0;
}

int timeline_set(struct timeline *t, int id, const char *argument, struct eh_error *e)
{
    switch (id) {
    case TIMELINE_EVENTS:
        return set_instants(t, INSTANTS_ON, e);
    case TIMELINE_NO_EVENTS:
        return set_instants(t, INSTANTS_OFF, e);
    default:
        if (curve_parse_resolution(&t->resolution_ns, argument) < 0)
            return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                           "--resolution takes exact, auto, or a duration like 10us "
                           "(ns, us, ms, s), not '%s'",
                           argument);
        t->resolution_given = true;
        return 0;
    }
}

int64_t timeline_bucket_ns(const struct timeline *t, const struct eh_info *info)
{
    if (t->resolution_given && t->resolution_ns != CURVE_AUTO)
        return t->resolution_ns;
    uint64_t span = (uint64_t)info->last_event_ns - (uint64_t)info->first_event_ns;
    return curve_auto_resolution(info->block_records,
                                 span > INT64_MAX ? INT64_MAX : (int64_t)span);
}

bool timeline_instants(const struct timeline *t, const struct eh_info *info)
{
    if (t->instants == INSTANTS_BY_SIZE)
        return info->heap_records <= INSTANTS_MAX;
    return t->instants == INSTANTS_ON;
}

char *timeline_put_duration(char *at, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
    size_t i = 0;
    while (ns % units[i].ns)
        i++;
    return put_string(put_i64(at, ns / units[i].ns), units[i].name);
}

void timeline_remark(const struct timeline *t, const struct eh_info *info, char *ret_text)
{
    int64_t bucket_ns = timeline_bucket_ns(t, info);
    char *at = put_string(ret_text, "counters ");
    at = bucket_ns == CURVE_EXACT ? put_string(at, "exact")
                                  : timeline_put_duration(put_string(at, "every "), bucket_ns);
    *at = 0;
}

void timeline_tell(const struct timeline *t, const struct writer_context *context)
{
    char text[160], duration[TEXT_I64_BYTES + 3];
    int64_t bucket_ns = timeline_bucket_ns(t, context->info);
    if (bucket_ns != CURVE_EXACT && (!t->resolution_given || t->resolution_ns == CURVE_AUTO)) {
        *timeline_put_duration(duration, bucket_ns) = 0;
        snprintf(text, sizeof text,
                 "counters keep first, lowest, highest and last value of every %s; "
                 "--resolution exact keeps all",
                 duration);
        context->tell(context->tell_context, EH_NOTE, text);
    }
    if (t->instants == INSTANTS_BY_SIZE && !timeline_instants(t, context->info))
        context->tell(context->tell_context, EH_NOTE,
                      "more than 100000 heap events: counters only; --events shows each event");
}
