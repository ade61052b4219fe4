/* The hand encoders against protobuf-c: the same message, byte for byte. */
#include "perfetto_packet.h"

#include "perfetto_subset.pb-c.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t values[] = {
    0, 1, 127, 128, 16383, 16384, (1 << 21) - 1, 1 << 21, UINT64_C(1) << 31, UINT64_C(1) << 35,
    UINT64_C(1) << 62, INT64_MAX,
};
#define VALUES (sizeof values / sizeof *values)

/* `bytes` are one packet field of a trace, equal to what protobuf-c makes of `packet`. */
static void check_packet(const char *bytes, size_t length, Perfetto__TracePacket *packet)
{
    Perfetto__Trace trace = PERFETTO__TRACE__INIT;
    trace.n_packet = 1;
    trace.packet = &packet;
    size_t size = perfetto__trace__get_packed_size(&trace);
    uint8_t *expected = malloc(size);
    perfetto__trace__pack(&trace, expected);
    ck_assert_uint_eq(length, size);
    ck_assert_mem_eq(bytes, expected, size);
    free(expected);
}

static Perfetto__TracePacket packet_of(uint32_t sequence, uint64_t delta,
                                       Perfetto__TrackEvent *event)
{
    Perfetto__TracePacket p = PERFETTO__TRACE_PACKET__INIT;
    p.has_timestamp = p.has_trusted_packet_sequence_id = 1;
    p.timestamp = delta;
    p.trusted_packet_sequence_id = sequence;
    p.track_event = event;
    return p;
}

static Perfetto__TrackEvent counter_event(uint64_t value)
{
    Perfetto__TrackEvent e = PERFETTO__TRACK_EVENT__INIT;
    e.has_type = e.has_counter_value = 1;
    e.type = PERFETTO__TRACK_EVENT__TYPE__TYPE_COUNTER;
    e.counter_value = (int64_t)value;
    return e;
}

START_TEST(counter)
{
    uint64_t value = values[_i];
    char bytes[PACKET_COUNTER_BYTES];
    Perfetto__TrackEvent event = counter_event(value);
    Perfetto__TracePacket packet = packet_of((uint32_t)value, value / 3, &event);
    struct counter c;
    counter_init(&c, (uint32_t)value);
    char *end = put_counter(bytes, &c, value / 3, value);
    check_packet(bytes, (size_t)(end - bytes), &packet);
}
END_TEST

START_TEST(counter_pair)
{
    uint64_t value = values[_i];
    int64_t extra = (int64_t)values[VALUES - 1 - _i];
    char bytes[PACKET_COUNTER_BYTES];
    Perfetto__TrackEvent event = counter_event(value);
    event.n_extra_counter_values = 1;
    event.extra_counter_values = &extra;
    Perfetto__TracePacket packet = packet_of(UINT32_MAX, value, &event);
    struct counter c;
    counter_init(&c, UINT32_MAX);
    char *end = put_counter_pair(bytes, &c, value, value, (uint64_t)extra);
    ck_assert_uint_le((size_t)(end - bytes), sizeof bytes);
    check_packet(bytes, (size_t)(end - bytes), &packet);
}
END_TEST

START_TEST(counter_on_a_track)
{
    uint64_t value = values[_i];
    char bytes[PACKET_COUNTER_BYTES];
    Perfetto__TrackEvent event = counter_event(value);
    event.has_track_uuid = 1;
    event.track_uuid = value;
    Perfetto__TracePacket packet = packet_of(7, 1, &event);
    char *end = put_counter_on(bytes, 7, 1, value, value);
    check_packet(bytes, (size_t)(end - bytes), &packet);
}
END_TEST

START_TEST(counter_beyond_signed)
{
    char bytes[PACKET_COUNTER_BYTES];
    Perfetto__TrackEvent event = counter_event(INT64_MAX);
    Perfetto__TracePacket packet = packet_of(7, 1, &event);
    struct counter c;
    counter_init(&c, 7);
    char *end = put_counter(bytes, &c, 1, UINT64_MAX);
    check_packet(bytes, (size_t)(end - bytes), &packet);
}
END_TEST

static const uint64_t changes[] = {0, 1, 127, 16383, 16384, 1 << 20};
#define CHANGES (sizeof changes / sizeof *changes)

/* Points whose upper bits are the point's before, and others, at all times of test `_i`. */
START_TEST(counter_after_another)
{
    struct counter c;
    counter_init(&c, 7);
    for (size_t i = 0; i < VALUES; i++)
        for (size_t k = 0; k < CHANGES; k++) {
            uint64_t value = values[i] - changes[k], delta = values[((size_t)_i + k) % VALUES];
            char bytes[PACKET_COUNTER_BYTES];
            Perfetto__TrackEvent event = counter_event(value > INT64_MAX ? INT64_MAX : value);
            Perfetto__TracePacket packet = packet_of(7, delta, &event);
            bool like_last = packet_has_two_bytes(delta) && packet_value_fits(&c.value, value);
            char *end = like_last ? put_like_last(bytes, &c, delta, value)
                                  : put_counter(bytes, &c, delta, value);
            check_packet(bytes, (size_t)(end - bytes), &packet);
            end = put_counter(bytes, &c, delta, value);
            check_packet(bytes, (size_t)(end - bytes), &packet);
        }
}
END_TEST

START_TEST(counter_pair_after_another)
{
    struct counter c;
    counter_init(&c, UINT32_MAX);
    for (size_t i = 0; i < VALUES; i++)
        for (size_t k = 0; k < CHANGES; k++) {
            uint64_t value = values[i] + k, delta = values[((size_t)_i + k) % VALUES];
            int64_t extra = (int64_t)(values[VALUES - 1 - i] / 2 + changes[k]);
            char bytes[PACKET_COUNTER_BYTES];
            Perfetto__TrackEvent event = counter_event(value > INT64_MAX ? INT64_MAX : value);
            event.n_extra_counter_values = 1;
            event.extra_counter_values = &extra;
            Perfetto__TracePacket packet = packet_of(UINT32_MAX, delta, &event);
            bool like_last = packet_has_two_bytes(delta) && packet_value_fits(&c.value, value) &&
                             packet_value_fits(&c.extra, (uint64_t)extra);
            char *end = like_last ? put_pair_like_last(bytes, &c, delta, value, (uint64_t)extra)
                                  : put_counter_pair(bytes, &c, delta, value, (uint64_t)extra);
            check_packet(bytes, (size_t)(end - bytes), &packet);
            end = put_counter_pair(bytes, &c, delta, value, (uint64_t)extra);
            check_packet(bytes, (size_t)(end - bytes), &packet);
        }
}
END_TEST

static Perfetto__DebugAnnotation annotation_of(const struct annotation *a)
{
    Perfetto__DebugAnnotation d = PERFETTO__DEBUG_ANNOTATION__INIT;
    d.has_name_iid = 1;
    d.name_iid = a->name;
    if (a->field == ANNOTATION_UINT) {
        d.has_uint_value = 1;
        d.uint_value = a->value;
    } else if (a->field == ANNOTATION_POINTER) {
        d.has_pointer_value = 1;
        d.pointer_value = a->value;
    } else if (a->field == ANNOTATION_STRING) {
        d.has_string_value_iid = 1;
        d.string_value_iid = a->value;
    } else {
        d.string_value = (char *)a->text;
    }
    return d;
}

static void check_instant(const struct instant *i)
{
    Perfetto__DebugAnnotation annotation[INSTANT_ANNOTATIONS];
    Perfetto__DebugAnnotation *annotations[INSTANT_ANNOTATIONS];
    for (size_t k = 0; k < i->annotations; k++) {
        annotation[k] = annotation_of(&i->annotation[k]);
        annotations[k] = &annotation[k];
    }
    Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
    event.n_debug_annotations = i->annotations;
    event.debug_annotations = annotations;
    event.has_type = event.has_name_iid = event.has_track_uuid = 1;
    event.type = PERFETTO__TRACK_EVENT__TYPE__TYPE_INSTANT;
    event.name_iid = i->name;
    event.track_uuid = i->track;
    event.has_callstack_iid = i->callstack != 0;
    event.callstack_iid = i->callstack;
    Perfetto__TracePacket packet = packet_of(i->sequence, i->delta, &event);
    packet.has_sequence_flags = 1;
    packet.sequence_flags = PERFETTO__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_NEEDS_INCREMENTAL_STATE;
    char bytes[PACKET_INSTANT_BYTES];
    char *end = put_instant(bytes, i);
    ck_assert_uint_le((size_t)(end - bytes), sizeof bytes);
    check_packet(bytes, (size_t)(end - bytes), &packet);
}

START_TEST(instant)
{
    uint64_t value = values[_i];
    check_instant(&(struct instant){
        .sequence = (uint32_t)value, .delta = value, .track = value, .name = 2,
        .callstack = (uint32_t)value, .annotations = 4,
        .annotation = {{.name = 1, .field = ANNOTATION_POINTER, .value = value},
                       {.name = 2, .field = ANNOTATION_UINT, .value = value},
                       {.name = 3, .field = ANNOTATION_STRING, .value = 6},
                       {.name = 4, .field = ANNOTATION_TEXT, .text = "4294967295"}}});
}
END_TEST

START_TEST(largest_instant)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz012345";
    ck_assert_uint_eq(strlen(text), ANNOTATION_TEXT_BYTES);
    struct instant i = {.sequence = UINT32_MAX, .delta = UINT64_MAX, .track = UINT64_MAX,
                        .name = UINT32_MAX, .callstack = UINT32_MAX,
                        .annotations = INSTANT_ANNOTATIONS};
    for (size_t k = 0; k < INSTANT_ANNOTATIONS; k++)
        i.annotation[k] = (struct annotation){UINT32_MAX, ANNOTATION_TEXT, 0, text};
    check_instant(&i);
}
END_TEST

START_TEST(smallest_instant)
{
    check_instant(&(struct instant){.sequence = 1, .track = 1, .name = 1});
}
END_TEST

START_TEST(heap_sample)
{
    uint64_t value = values[_i];
    struct tally tally = {value, value / 2, value / 3, UINT64_MAX};
    Perfetto__ProfilePacket__HeapSample sample = PERFETTO__PROFILE_PACKET__HEAP_SAMPLE__INIT;
    sample.has_callstack_id = sample.has_self_allocated = sample.has_self_freed = 1;
    sample.has_alloc_count = sample.has_free_count = 1;
    sample.callstack_id = UINT32_MAX;
    sample.self_allocated = value > INT64_MAX ? INT64_MAX : value;
    sample.self_freed = tally.freed;
    sample.alloc_count = tally.allocs;
    sample.free_count = tally.frees;
    Perfetto__ProfilePacket__HeapSample *samples[] = {&sample};
    Perfetto__ProfilePacket__ProcessHeapSamples dump =
        PERFETTO__PROFILE_PACKET__PROCESS_HEAP_SAMPLES__INIT;
    dump.n_samples = 1;
    dump.samples = samples;
    uint8_t expected[HEAP_SAMPLE_BYTES];
    char bytes[HEAP_SAMPLE_BYTES];
    size_t size = protobuf_c_message_get_packed_size(&dump.base);
    ck_assert_uint_le(size, sizeof expected);
    protobuf_c_message_pack(&dump.base, expected);
    char *end = put_heap_sample(bytes, UINT32_MAX, &tally);
    ck_assert_uint_eq((size_t)(end - bytes), size);
    ck_assert_mem_eq(bytes, expected, size);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perfetto_packet");
    TCase *tests = tcase_create("packets");
    tcase_add_loop_test(tests, counter, 0, VALUES);
    tcase_add_loop_test(tests, counter_pair, 0, VALUES);
    tcase_add_loop_test(tests, counter_on_a_track, 0, VALUES);
    tcase_add_test(tests, counter_beyond_signed);
    tcase_add_loop_test(tests, counter_after_another, 0, VALUES);
    tcase_add_loop_test(tests, counter_pair_after_another, 0, VALUES);
    tcase_add_loop_test(tests, instant, 0, VALUES);
    tcase_add_test(tests, largest_instant);
    tcase_add_test(tests, smallest_instant);
    tcase_add_loop_test(tests, heap_sample, 0, VALUES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
