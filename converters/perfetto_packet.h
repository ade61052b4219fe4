/* The hot parts of a Perfetto trace, encoded by hand: byte for byte what protobuf-c makes of the
 * same messages (tests/test_perfetto_packet.c), at a tenth of the cost.
 *
 * Every put_ function writes at `at`, returns the place after the last byte, and writes at most
 * the number of bytes named with it. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_PACKET_H
#define ETLHEAP_CONVERTERS_PERFETTO_PACKET_H

#include "base/bytes.h"
#include "base/inline.h"

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

/* A number inside an encoded packet. Within a range, that of numbers with the same bits from the
 * 15th on, only its two lowest bytes change, and the packet keeps its length. */
struct counter_value {
    uint64_t least, span; /* the range; span 0: the packet is of no use for the next */
    uint32_t more;        /* what packet_patch() adds: continuation bits, and least's share */
    uint32_t place;       /* of the two bytes in the packet */
};

/* The last packet of a counter, as it is with a time of two bytes: the next one seldom differs by
 * more than its time and the values' lowest bytes. Serves one kind of point only. */
struct counter {
    char packet[48];
    uint64_t length;
    struct counter_value value, extra;
    uint32_t event;  /* place of the event's first field */
    uint32_t values; /* and of the first value's */
};

void counter_init(struct counter *c, uint32_t sequence);

/* A point: `delta` is the time since the sequence's packet before, in nanoseconds. Values above
 * INT64_MAX are written as INT64_MAX. */
#define PACKET_COUNTER_BYTES 64
/* One value on the sequence's default track. */
char *put_counter(char *at, struct counter *c, uint64_t delta, uint64_t value);
/* One value on the default track, one on the first extra track. */
char *put_counter_pair(char *at, struct counter *c, uint64_t delta, uint64_t value, uint64_t extra);
/* One value on another track. */
char *put_counter_on(char *at, uint32_t sequence, uint64_t delta, uint64_t track, uint64_t value);

/* Writes the two bytes of a varint of 14 bits. */
static inline void packet_patch(char *place, uint64_t bits, uint64_t more)
{
    store_u16((uint8_t *)place, (uint16_t)(bits + (bits & 0x3F80) + more));
}

#define PACKET_TIME_PLACE   3
#define PACKET_POINT_PLACE  5
#define PACKET_SINGLE_BYTES 32 /* no packet of one value is longer */

/* Whether the next packet differs from the last one by no more than a time of two bytes, 128 ns to
 * 16 us, and the values' lowest bytes: then what is below writes it. */
static inline bool packet_has_two_bytes(uint64_t delta)
{
    return delta - 128 < (1u << 14) - 128;
}

static inline bool packet_value_fits(const struct counter_value *v, uint64_t value)
{
    return value - v->least < v->span;
}

/* Here places are read where they are used: what is read earlier than that finds no register, and
 * costs three instructions, not one. */
static inline char *put_like_last(char *at, const struct counter *c, uint64_t delta,
                                  uint64_t value)
{
    memcpy(at, c->packet, PACKET_SINGLE_BYTES);
    packet_patch(at + PACKET_TIME_PLACE, delta, 0x80);
    packet_patch(at + c->value.place, value - c->value.least, c->value.more);
    return at + c->length;
}

static inline char *put_pair_like_last(char *at, const struct counter *c, uint64_t delta,
                                       uint64_t value, uint64_t extra)
{
    if (c->length > PACKET_SINGLE_BYTES)
        memcpy(at + PACKET_SINGLE_BYTES, c->packet + PACKET_SINGLE_BYTES,
               sizeof c->packet - PACKET_SINGLE_BYTES);
    at = put_like_last(at, c, delta, value) - c->length;
    packet_patch(at + c->extra.place, extra - c->extra.least, c->extra.more);
    return at + c->length;
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
