/* The hot parts of a Perfetto trace, encoded by hand: byte for byte what protobuf-c makes of the
 * same messages (tests/test_perfetto_packet.c), at a tenth of the cost.
 *
 * Every put_ function writes at `at`, returns the place after the last byte, and writes at most
 * the number of bytes named with it. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_PACKET_H
#define ETLHEAP_CONVERTERS_PERFETTO_PACKET_H

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

/* A counter's point on its sequence: `delta` is the time since the sequence's packet before, in
 * nanoseconds. Values above INT64_MAX are written as INT64_MAX. */
#define PACKET_COUNTER_BYTES 64
/* One value on the sequence's default track. */
char *put_counter(char *at, uint32_t sequence, uint64_t delta, uint64_t value);
/* One value on the default track, one on the first extra track. */
char *put_counter_pair(char *at, uint32_t sequence, uint64_t delta, uint64_t value,
                       uint64_t extra);
/* One value on another track. */
char *put_counter_on(char *at, uint32_t sequence, uint64_t delta, uint64_t track, uint64_t value);

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

/* A ProcessHeapSamples.samples field. */
#define HEAP_SAMPLE_BYTES 64
char *put_heap_sample(char *at, uint32_t callstack, const struct tally *t);

#endif
