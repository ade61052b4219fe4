#include "perfetto_trace.h"

#include "perfetto_packet.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_OF_SEQUENCE 64
/* Later boot times than 73 years leave no room for the events. */
#define LATEST_BOOT_NS (INT64_MAX / 4)
#define SECOND_NS      INT64_C(1000000000)

void trace_write(struct trace *t, const Perfetto__TracePacket *packet)
{
    size_t size = perfetto__trace_packet__get_packed_size(packet);
    char *at = out_reserve(t->out, size + 2 * PB_VARINT_BYTES);
    at = put_varint(put_varint(at, PB_DELIMITED(1)), size);
    at += perfetto__trace_packet__pack(packet, (uint8_t *)at);
    out_commit(t->out, at);
}

static Perfetto__TracePacket packet_on(const struct sequence *s)
{
    Perfetto__TracePacket p = PERFETTO__TRACE_PACKET__INIT;
    p.has_trusted_packet_sequence_id = 1;
    p.trusted_packet_sequence_id = s->id;
    return p;
}

static Perfetto__TracePacket first_packet_on(struct sequence *s, struct trace *t)
{
    *s = (struct sequence){.id = ++t->last_sequence, .last_ns = t->first_ns};
    Perfetto__TracePacket p = packet_on(s);
    p.has_sequence_flags = 1;
    p.sequence_flags = PERFETTO__TRACE_PACKET__SEQUENCE_FLAGS__SEQ_INCREMENTAL_STATE_CLEARED;
    p.has_first_packet_on_sequence = 1;
    p.first_packet_on_sequence = 1;
    return p;
}

static Perfetto__ClockSnapshot__Clock clock_at(uint32_t id, uint64_t ns)
{
    Perfetto__ClockSnapshot__Clock c = PERFETTO__CLOCK_SNAPSHOT__CLOCK__INIT;
    c.has_clock_id = c.has_timestamp = 1;
    c.clock_id = id;
    c.timestamp = ns;
    return c;
}

static void write_snapshot(struct trace *t, Perfetto__TracePacket *p,
                           Perfetto__ClockSnapshot__Clock **clocks, size_t count)
{
    Perfetto__ClockSnapshot snapshot = PERFETTO__CLOCK_SNAPSHOT__INIT;
    snapshot.n_clocks = count;
    snapshot.clocks = clocks;
    snapshot.has_primary_trace_clock = 1;
    snapshot.primary_trace_clock = PERFETTO__BUILTIN_CLOCK__BUILTIN_CLOCK_BOOTTIME;
    p->clock_snapshot = &snapshot;
    trace_write(t, p);
}

/* All clocks start at the same time: a later one is wound forward by a packet of nothing else. */
static void wind_clock(struct sequence *s, struct trace *t, int64_t ns)
{
    uint64_t step = sequence_step(s, ns);
    if (!step)
        return;
    Perfetto__TracePacket p = packet_on(s);
    p.has_timestamp = 1;
    p.timestamp = step;
    trace_write(t, &p);
}

void sequence_open(struct sequence *s, struct trace *t, int64_t from_ns, uint64_t track,
                   uint64_t extra)
{
    Perfetto__TracePacket p = first_packet_on(s, t);
    Perfetto__TrackEventDefaults event = PERFETTO__TRACK_EVENT_DEFAULTS__INIT;
    event.has_track_uuid = 1;
    event.track_uuid = track;
    event.n_extra_counter_track_uuids = extra ? 1 : 0;
    event.extra_counter_track_uuids = &extra;
    Perfetto__TracePacketDefaults defaults = PERFETTO__TRACE_PACKET_DEFAULTS__INIT;
    defaults.has_timestamp_clock_id = 1;
    defaults.timestamp_clock_id = CLOCK_OF_SEQUENCE;
    defaults.track_event_defaults = track ? &event : NULL;
    p.trace_packet_defaults = &defaults;

    uint64_t now = trace_boottime(t, t->first_ns);
    Perfetto__ClockSnapshot__Clock boot =
        clock_at(PERFETTO__BUILTIN_CLOCK__BUILTIN_CLOCK_BOOTTIME, now);
    Perfetto__ClockSnapshot__Clock own = clock_at(CLOCK_OF_SEQUENCE, now);
    own.has_is_incremental = 1;
    own.is_incremental = 1;
    write_snapshot(t, &p, (Perfetto__ClockSnapshot__Clock *[]){&boot, &own}, 2);
    wind_clock(s, t, from_ns);
}

void sequence_open_plain(struct sequence *s, struct trace *t)
{
    Perfetto__TracePacket p = first_packet_on(s, t);
    trace_write(t, &p);
}

uint64_t sequence_odd_step(struct sequence *s, int64_t ns)
{
    if (ns > TRACE_LATEST_NS)
        ns = TRACE_LATEST_NS;
    if (ns <= s->last_ns)
        return 0;
    uint64_t step = (uint64_t)(ns - s->last_ns);
    s->last_ns = ns;
    return step;
}

static void start_clock(struct trace *t)
{
    const struct eh_info *i = t->info;
    t->first_ns = i->first_event_ns < 0 ? i->first_event_ns : 0;
    if (t->first_ns < -LATEST_BOOT_NS)
        t->first_ns = -LATEST_BOOT_NS;
    bool boot_known = i->boot_unix_ns > 0 && i->start_unix_ns > i->boot_unix_ns;
    t->boot_ns = boot_known ? i->start_unix_ns - i->boot_unix_ns : 0;
    /* Readers drop what happens at or before 0. */
    if (t->boot_ns <= -t->first_ns || t->boot_ns > LATEST_BOOT_NS)
        t->boot_ns = SECOND_NS - t->first_ns;
}

static void write_clock(struct trace *t)
{
    uint64_t now = trace_boottime(t, t->first_ns);
    uint64_t unix_ns = (uint64_t)t->info->start_unix_ns + (uint64_t)t->first_ns;
    Perfetto__ClockSnapshot__Clock clocks[] = {
        clock_at(PERFETTO__BUILTIN_CLOCK__BUILTIN_CLOCK_REALTIME, unix_ns),
        clock_at(PERFETTO__BUILTIN_CLOCK__BUILTIN_CLOCK_MONOTONIC, now),
        clock_at(PERFETTO__BUILTIN_CLOCK__BUILTIN_CLOCK_MONOTONIC_COARSE, now),
        clock_at(PERFETTO__BUILTIN_CLOCK__BUILTIN_CLOCK_BOOTTIME, now),
    };
    Perfetto__TracePacket p = first_packet_on(&t->main, t);
    write_snapshot(t, &p,
                   (Perfetto__ClockSnapshot__Clock *[]){&clocks[0], &clocks[1], &clocks[2],
                                                        &clocks[3]},
                   4);
}

static void write_uuid(struct trace *t)
{
    Perfetto__TraceUuid uuid = PERFETTO__TRACE_UUID__INIT;
    uuid.has_msb = uuid.has_lsb = 1;
    uuid.msb = (int64_t)t->info->content_hash[0];
    uuid.lsb = (int64_t)(t->info->content_hash[1] + t->piece);
    Perfetto__TracePacket p = packet_on(&t->main);
    p.trace_uuid = &uuid;
    trace_write(t, &p);
}

static void write_system(struct trace *t)
{
    const struct eh_info *i = t->info;
    char release[64], version[64];
    char *at = put_string(put_u64(release, i->os_major), ".");
    *put_u64(at, i->os_minor) = 0;
    *put_u64(put_string(version, "build "), i->os_build) = 0;
    Perfetto__Utsname name = PERFETTO__UTSNAME__INIT;
    name.sysname = "Windows";
    name.release = release;
    name.version = version;
    Perfetto__SystemInfo system = PERFETTO__SYSTEM_INFO__INIT;
    system.utsname = &name;
    system.tracing_service_version = (char *)t->tool;
    system.has_timezone_off_mins = system.has_num_cpus = 1;
    system.timezone_off_mins = (int32_t)-(int64_t)i->timezone_minutes;
    system.num_cpus = i->processors;
    Perfetto__TracePacket p = packet_on(&t->main);
    p.system_info = &system;
    trace_write(t, &p);
}

/* Processes and threads are shown in the order of their ranks only if the root says so. */
static void write_root(struct trace *t)
{
    Perfetto__TrackDescriptor root = PERFETTO__TRACK_DESCRIPTOR__INIT;
    root.has_uuid = 1;
    root.has_child_ordering = 1;
    root.child_ordering =
        PERFETTO__TRACK_DESCRIPTOR__CHILD_TRACKS_ORDERING__CHILD_ORDERING_EXPLICIT;
    root.has_process_ordering = 1;
    root.process_ordering = PERFETTO__TRACK_DESCRIPTOR__PROCESS_ORDERING__PROCESS_ORDERING_EXPLICIT;
    root.has_thread_ordering = 1;
    root.thread_ordering = PERFETTO__TRACK_DESCRIPTOR__THREAD_ORDERING__THREAD_ORDERING_EXPLICIT;
    Perfetto__TracePacket p = packet_on(&t->main);
    p.track_descriptor = &root;
    trace_write(t, &p);
}

static void write_head(struct trace *t)
{
    write_clock(t);
    write_uuid(t);
    write_system(t);
    write_root(t);
}

void trace_restart(struct trace *t, int64_t ns, uint64_t piece)
{
    t->first_ns = trace_clamp(t, ns);
    t->last_uuid = 0;
    t->last_sequence = 0;
    t->piece = piece;
    write_head(t);
}

void trace_start(struct trace *t, const struct writer_context *context)
{
    t->out = context->out;
    t->info = context->info;
    t->model = context->model;
    t->tool = context->tool;
    t->piece = context->split ? 1 : 0;
    start_clock(t);
    t->earliest_ns = t->first_ns;
    write_head(t);
}

/* Every figure there can be, and the texts. */
#define ATTRIBUTES (EH_HEAP_KINDS + EH_UNKNOWN_TYPES + 64)

struct attributes {
    Perfetto__TraceAttributes__TraceAttribute item[ATTRIBUTES];
    Perfetto__TraceAttributes__TraceAttribute *items[ATTRIBUTES];
    char key[ATTRIBUTES][64];
    size_t count;
};

static Perfetto__TraceAttributes__TraceAttribute *add_attribute(struct attributes *a,
                                                                const char *key)
{
    Perfetto__TraceAttributes__TraceAttribute *item = &a->item[a->count];
    perfetto__trace_attributes__trace_attribute__init(item);
    item->key = a->key[a->count];
    snprintf(item->key, sizeof a->key[0], "%s", key);
    a->items[a->count++] = item;
    return item;
}

static void add_text(struct attributes *a, const char *key, const char *text)
{
    add_attribute(a, key)->string_value = (char *)text;
}

static void add_figure(void *context, const struct eh_figure *f)
{
    struct attributes *a = context;
    if (!f->known || a->count == ATTRIBUTES)
        return;
    Perfetto__TraceAttributes__TraceAttribute *item = add_attribute(a, f->name);
    item->has_long_value = 1;
    item->long_value = (int64_t)(f->is_signed || f->value <= INT64_MAX ? f->value : INT64_MAX);
}

/* The inputs' names as one text, to be freed; NULL when memory ran out. */
static char *join_inputs(const struct eh_info *info)
{
    size_t length = 1;
    for (size_t i = 0; i < info->inputs; i++)
        length += strlen(info->input_names[i]) + 2;
    char *names = malloc(length);
    if (!names)
        return NULL;
    char *at = names;
    for (size_t i = 0; i < info->inputs; i++)
        at = put_string(put_string(at, i ? ", " : ""), info->input_names[i]);
    *at = 0;
    return names;
}

static void write_attributes(struct trace *t, struct attributes *a)
{
    Perfetto__TraceAttributes attributes = PERFETTO__TRACE_ATTRIBUTES__INIT;
    attributes.n_attribute = a->count;
    attributes.attribute = a->items;
    Perfetto__TracePacket p = packet_on(&t->main);
    p.trace_attributes = &attributes;
    trace_write(t, &p);
}

void trace_finish(struct trace *t, const struct eh_stats *stats)
{
    struct attributes *a = calloc(1, sizeof *a);
    char *inputs = join_inputs(t->info);
    if (a && inputs) {
        char start[TEXT_UTC_BYTES + 1];
        *put_utc(start, t->info->start_unix_ns) = 0;
        add_text(a, "tool", t->tool);
        add_text(a, "start", start);
        add_text(a, "inputs", inputs);
        eh_stats_each(stats, add_figure, a);
        write_attributes(t, a);
    } else {
        t->out_of_memory = true;
    }
    free(inputs);
    free(a);
}

/* Lengths, tags and a number, and the texts that are none of the figures. */
#define ATTRIBUTE_BYTES 24
#define TEXTS_BYTES     128

static void count_figure(void *context, const struct eh_figure *f)
{
    *(uint64_t *)context += strlen(f->name) + ATTRIBUTE_BYTES;
}

uint64_t trace_finish_bytes(const struct trace *t)
{
    struct eh_stats stats = {.has_peak = true, .has_times = true};
    uint64_t bytes = TEXTS_BYTES + strlen(t->tool);
    memcpy(stats.heap_events, t->info->heap_events, sizeof stats.heap_events);
    memcpy(stats.unknown_types, t->info->unknown_types, sizeof stats.unknown_types);
    eh_stats_each(&stats, count_figure, &bytes);
    for (size_t i = 0; i < t->info->inputs; i++)
        bytes += strlen(t->info->input_names[i]) + 2;
    return bytes;
}
