#include "perfetto_packet.h"

#define TRACE_PACKET             1
#define PACKET_TIMESTAMP         8
#define PACKET_SEQUENCE          10
#define PACKET_TRACK_EVENT       11
#define PACKET_FLAGS             13
#define EVENT_ANNOTATIONS        4
#define EVENT_TYPE               9
#define EVENT_NAME_IID           10
#define EVENT_TRACK              11
#define EVENT_EXTRA_VALUES       12
#define EVENT_VALUE              30
#define EVENT_CALLSTACK          56
#define ANNOTATION_NAME          1
#define SAMPLES                  2
#define SAMPLE_CALLSTACK         1
#define SAMPLE_ALLOCATED         2
#define SAMPLE_FREED             3
#define SAMPLE_ALLOCS            5
#define SAMPLE_FREES             6
#define TYPE_INSTANT             3
#define TYPE_COUNTER             4
#define NEEDS_INCREMENTAL_STATE  2

/* A length that is filled in behind its content, where one byte is known to be enough. */
static char *skip_length(char *at, uint32_t field)
{
    return put_varint(at, PB_DELIMITED(field)) + 1;
}

static void set_length(char *content, const char *end)
{
    content[-1] = (char)(end - content);
}

static uint64_t signed_value(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : value;
}

static char *put_packet_start(char *at, uint32_t sequence, uint64_t delta)
{
    at = put_field(at, PACKET_TIMESTAMP, delta);
    return put_field(at, PACKET_SEQUENCE, sequence);
}

/* The numbers that are written like this one but for their two lowest bytes. Of those below 2^14
 * the least is 128, which would add 1 to the second byte. */
static void set_range(struct counter_value *v, uint64_t value)
{
    const uint64_t one_byte = 1u << 7, two_bytes = 1u << 14;
    bool more = value >= two_bytes;
    v->least = more ? value & ~(two_bytes - 1) : one_byte;
    v->span = value < one_byte || value > INT64_MAX ? 0 : more ? two_bytes : two_bytes - one_byte;
    v->more = more ? 0x8080 : 0x0080 + 0x0100;
}

static char *put_counter_value(char *at, const struct counter *c, struct counter_value *v,
                               uint32_t field, uint64_t value)
{
    at = put_varint(at, PB_VARINT(field));
    v->place = (uint32_t)(at - c->packet);
    set_range(v, value);
    return put_varint(at, signed_value(value));
}

void counter_init(struct counter *c, uint32_t sequence)
{
    *c = (struct counter){0};
    char *event = skip_length(put_field(c->packet + PACKET_POINT_PLACE, PACKET_SEQUENCE, sequence),
                              PACKET_TRACK_EVENT);
    c->event = (uint32_t)(event - c->packet);
    c->values = (uint32_t)(put_field(event, EVENT_TYPE, TYPE_COUNTER) - c->packet);
}

/* The packet as far as it does not change. */
static void end_point(struct counter *c, const char *end)
{
    c->length = (uint64_t)(end - c->packet);
    set_length(c->packet + c->event, end);
    c->packet[0] = PB_DELIMITED(TRACE_PACKET);
    c->packet[1] = (char)(c->length - 2);
    c->packet[2] = PB_VARINT(PACKET_TIMESTAMP);
}

/* The last packet with a time of any length. Returns the place behind it. The copy is of fixed length
 * and overshoots: half the cost of one that is not. */
static inline char *put_at_time(char *at, const struct counter *c, uint64_t delta)
{
    memcpy(at, c->packet, PACKET_TIME_PLACE + 1);
    char *point = put_varint(at + PACKET_TIME_PLACE, delta);
    at[1] = (char)(c->packet[1] + (point - at) - PACKET_POINT_PLACE);
    memcpy(point, c->packet + PACKET_POINT_PLACE, sizeof c->packet - PACKET_POINT_PLACE);
    return point;
}

/* The same with a time of three bytes, as most of those have that are not of two. */
static inline char *put_later(char *at, const struct counter *c, uint64_t delta)
{
    char *point = at + PACKET_POINT_PLACE + 1;
    memcpy(at, c->packet, PACKET_TIME_PLACE + 1);
    at[1]++;
    packet_patch(at + PACKET_TIME_PLACE, delta & 0x3FFF, 0x8080);
    point[-1] = (char)(delta >> 14);
    memcpy(point, c->packet + PACKET_POINT_PLACE, sizeof c->packet - PACKET_POINT_PLACE);
    return point;
}

static bool has_three_bytes(uint64_t delta)
{
    return delta - (1u << 14) < (1u << 21) - (1u << 14);
}

_Static_assert(2 + 1 + PB_VARINT_BYTES + sizeof ((struct counter *)0)->packet -
                       PACKET_POINT_PLACE <= PACKET_COUNTER_BYTES,
               "a point and what is copied too much of it fit");

static void patch(char *point, const struct counter_value *v, uint64_t value)
{
    packet_patch(point + v->place - PACKET_POINT_PLACE, value - v->least, v->more);
}

static char *end_of(char *point, const struct counter *c)
{
    return point + c->length - PACKET_POINT_PLACE;
}

char *put_counter(char *at, struct counter *c, uint64_t delta, uint64_t value)
{
    if (!packet_value_fits(&c->value, value)) {
        end_point(c, put_counter_value(c->packet + c->values, c, &c->value, EVENT_VALUE, value));
        return end_of(put_at_time(at, c, delta), c);
    }
    at = has_three_bytes(delta) ? put_later(at, c, delta) : put_at_time(at, c, delta);
    patch(at, &c->value, value);
    return end_of(at, c);
}

char *put_counter_pair(char *at, struct counter *c, uint64_t delta, uint64_t value, uint64_t extra)
{
    if (!packet_value_fits(&c->value, value) || !packet_value_fits(&c->extra, extra)) {
        char *end = put_counter_value(c->packet + c->values, c, &c->extra, EVENT_EXTRA_VALUES,
                                      extra);
        end_point(c, put_counter_value(end, c, &c->value, EVENT_VALUE, value));
        return end_of(put_at_time(at, c, delta), c);
    }
    at = has_three_bytes(delta) ? put_later(at, c, delta) : put_at_time(at, c, delta);
    patch(at, &c->extra, extra);
    patch(at, &c->value, value);
    return end_of(at, c);
}

char *put_counter_on(char *at, uint32_t sequence, uint64_t delta, uint64_t track, uint64_t value)
{
    char *packet = skip_length(at, TRACE_PACKET);
    char *event = skip_length(put_packet_start(packet, sequence, delta), PACKET_TRACK_EVENT);
    at = put_field(event, EVENT_TYPE, TYPE_COUNTER);
    at = put_field(at, EVENT_TRACK, track);
    at = put_field(at, EVENT_VALUE, signed_value(value));
    set_length(event, at);
    set_length(packet, at);
    return at;
}

static char *put_annotation(char *at, const struct annotation *a)
{
    char *content = skip_length(at, EVENT_ANNOTATIONS);
    at = put_field(content, ANNOTATION_NAME, a->name);
    if (a->field == ANNOTATION_TEXT)
        at = put_delimited(at, a->field, a->text, strnlen(a->text, ANNOTATION_TEXT_BYTES));
    else
        at = put_field(at, a->field, a->value);
    set_length(content, at);
    return at;
}

static char *put_instant_event(char *at, const struct instant *i)
{
    for (size_t k = 0; k < i->annotations; k++)
        at = put_annotation(at, &i->annotation[k]);
    at = put_field(at, EVENT_TYPE, TYPE_INSTANT);
    at = put_field(at, EVENT_NAME_IID, i->name);
    at = put_field(at, EVENT_TRACK, i->track);
    if (i->callstack)
        at = put_field(at, EVENT_CALLSTACK, i->callstack);
    return at;
}

char *put_instant(char *at, const struct instant *i)
{
    char event[PACKET_INSTANT_BYTES / 2], packet[PACKET_INSTANT_BYTES / 2 + 64];
    char *event_end = put_instant_event(event, i);
    char *end = put_packet_start(packet, i->sequence, i->delta);
    end = put_delimited(end, PACKET_TRACK_EVENT, event, (size_t)(event_end - event));
    end = put_field(end, PACKET_FLAGS, NEEDS_INCREMENTAL_STATE);
    return put_delimited(at, TRACE_PACKET, packet, (size_t)(end - packet));
}

char *put_heap_sample(char *at, uint32_t callstack, const struct tally *t)
{
    char *content = skip_length(at, SAMPLES);
    at = put_field(content, SAMPLE_CALLSTACK, callstack);
    at = put_field(at, SAMPLE_ALLOCATED, signed_value(t->allocated));
    at = put_field(at, SAMPLE_FREED, signed_value(t->freed));
    at = put_field(at, SAMPLE_ALLOCS, t->allocs);
    at = put_field(at, SAMPLE_FREES, t->frees);
    set_length(content, at);
    return at;
}
