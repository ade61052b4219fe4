/* The hot parts of a Perfetto trace, encoded by hand: byte for byte what protobuf-c makes of the
 * same messages (tests/test_perfetto_packet.c), at a tenth of the cost.
 *
 * Every put_ function writes at `at`, returns the place after the last byte, and writes at most
 * the number of bytes named with it. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_PACKET_H
#define ETLHEAP_CONVERTERS_PERFETTO_PACKET_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PB_VARINT_BYTES 10

static inline char *put_varint(char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

/* Tags: field number and wire type as one number. */
#define PB_VARINT(field)    ((uint32_t)(field) << 3)
#define PB_DELIMITED(field) ((uint32_t)(field) << 3 | 2)

/* At most 5 + PB_VARINT_BYTES. */
static inline char *put_field(char *at, uint32_t field, uint64_t value)
{
    return put_varint(put_varint(at, PB_VARINT(field)), value);
}

/* At most 5 + PB_VARINT_BYTES + length. */
static inline char *put_delimited(char *at, uint32_t field, const void *bytes, size_t length)
{
    at = put_varint(put_varint(at, PB_DELIMITED(field)), length);
    memcpy(at, bytes, length);
    return at + length;
}

/* put_varint() of what mostly has two or three bytes: no loop for them. */
static inline char *put_short_varint(char *at, uint64_t value)
{
    if (value < 1u << 7 || value >= 1u << 21)
        return put_varint(at, value);
    at[0] = (char)(value | 0x80);
    if (value < 1u << 14) {
        at[1] = (char)(value >> 7);
        return at + 2;
    }
    at[1] = (char)(value >> 7 | 0x80);
    at[2] = (char)(value >> 14);
    return at + 3;
}

/* A number inside an encoded point. Within a range, that of numbers with the same bits from the
 * 15th on, only its two lowest bytes change, and the point keeps its length. */
struct counter_value {
    uint64_t least, span; /* the range; span 0: the point is of no use for the next */
    uint16_t more;        /* the continuation bits of the two bytes */
    uint16_t place;       /* of the two bytes in the point */
};

/* The last point of a counter as it was written, from the sequence's id on: the next one seldom
 * differs by more than time and the values' lowest bytes. Serves one kind of point only. */
struct counter {
    char point[32];
    uint64_t length;
    struct counter_value value, extra;
    uint32_t sequence;
    uint32_t event; /* place of the event's first field */
};

void counter_init(struct counter *c, uint32_t sequence);

/* A point: `delta` is the time since the sequence's packet before, in nanoseconds. Values above
 * INT64_MAX are written as INT64_MAX. */
#define PACKET_COUNTER_BYTES 64
/* The slow paths of the two below. */
char *put_new_counter(char *at, struct counter *c, uint64_t delta, uint64_t value);
char *put_new_pair(char *at, struct counter *c, uint64_t delta, uint64_t value, uint64_t extra);
/* One value on another track. */
char *put_counter_on(char *at, uint32_t sequence, uint64_t delta, uint64_t track, uint64_t value);

/* Where in the packet its point begins. */
static inline char *put_point_start(char *at, uint64_t delta)
{
    static const char head[4] = {0x0A, 0, 0x40, 0}; /* a packet, its length, its timestamp */
    memcpy(at, head, sizeof head);
    return put_short_varint(at + 3, delta);
}

/* The end of the packet that begins at `at`, its point at `point`. */
static inline char *put_point(char *at, char *point, const struct counter *c)
{
    memcpy(point, c->point, sizeof c->point);
    char *end = point + c->length;
    at[1] = (char)(end - at - 2);
    return end;
}

static inline bool counter_fits(const struct counter_value *v, uint64_t value)
{
    return value - v->least < v->span;
}

static inline void counter_patch(char *point, const struct counter_value *v, uint64_t value)
{
    uint64_t low = (value & 0x7F) | (value << 1 & 0x7F00) | v->more;
    store_u16((uint8_t *)point + v->place, (uint16_t)low);
}

/* One value on the sequence's default track. */
static inline char *put_counter(char *at, struct counter *c, uint64_t delta, uint64_t value)
{
    if (!counter_fits(&c->value, value))
        return put_new_counter(at, c, delta, value);
    char *point = put_point_start(at, delta), *end = put_point(at, point, c);
    counter_patch(point, &c->value, value);
    return end;
}

/* One value on the default track, one on the first extra track. */
static inline char *put_counter_pair(char *at, struct counter *c, uint64_t delta, uint64_t value,
                                     uint64_t extra)
{
    if (!counter_fits(&c->value, value) || !counter_fits(&c->extra, extra))
        return put_new_pair(at, c, delta, value, extra);
    char *point = put_point_start(at, delta), *end = put_point(at, point, c);
    counter_patch(point, &c->extra, extra);
    counter_patch(point, &c->value, value);
    return end;
}

/* An argument of an instant: a number, or a string by iid or spelt out. */
struct annotation {
    uint32_t name;  /* iid */
    uint32_t field; /* ANNOTATION_... */
    uint64_t value;
    const char *text; /* ANNOTATION_TEXT only, at most ANNOTATION_TEXT_BYTES */
};

#define ANNOTATION_UINT       3u
#define ANNOTATION_TEXT       6u
#define ANNOTATION_POINTER    7u
#define ANNOTATION_STRING     17u
#define ANNOTATION_TEXT_BYTES 32u

#define INSTANT_ANNOTATIONS 8

struct instant {
    uint32_t sequence;
    uint64_t delta; /* nanoseconds since the sequence's packet before */
    uint64_t track; /* uuid */
    uint32_t name;  /* iid */
    uint32_t callstack; /* iid, 0 without */
    size_t annotations;
    struct annotation annotation[INSTANT_ANNOTATIONS];
};

#define PACKET_INSTANT_BYTES 1024
char *put_instant(char *at, const struct instant *i);

/* What a call stack has allocated and freed. */
struct tally {
    uint64_t allocated, freed; /* bytes */
    uint64_t allocs, frees;
};

/* A ProcessHeapSamples.samples field. Readers take the bytes for signed and drop a stack whose
 * figures fall: sums above INT64_MAX are written as INT64_MAX. */
#define HEAP_SAMPLE_BYTES 64
char *put_heap_sample(char *at, uint32_t callstack, const struct tally *t);

#endif
