#include "perfetto_tracks.h"

static Perfetto__TrackDescriptor new_track(struct trace *t, int32_t rank)
{
    Perfetto__TrackDescriptor d = PERFETTO__TRACK_DESCRIPTOR__INIT;
    d.has_uuid = 1;
    d.uuid = trace_new_uuid(t);
    d.has_sibling_order_rank = 1;
    d.sibling_order_rank = rank;
    return d;
}

static void order_children(Perfetto__TrackDescriptor *d)
{
    d->has_child_ordering = 1;
    d->child_ordering = PERFETTO__TRACK_DESCRIPTOR__CHILD_TRACKS_ORDERING__CHILD_ORDERING_EXPLICIT;
}

static Perfetto__TracePacket packet_at(const struct trace *t, int64_t ns)
{
    Perfetto__TracePacket p = PERFETTO__TRACE_PACKET__INIT;
    p.has_trusted_packet_sequence_id = 1;
    p.trusted_packet_sequence_id = t->main.id;
    p.has_timestamp = 1;
    p.timestamp = trace_boottime(t, trace_clamp(t, ns));
    return p;
}

static uint64_t write_track(struct trace *t, Perfetto__TrackDescriptor *d,
                            Perfetto__TracePacket *p)
{
    p->track_descriptor = d;
    trace_write(t, p);
    return d->uuid;
}

/* Tracks below others need no time: only pids and tids mean something else later. */
static uint64_t write_timeless(struct trace *t, Perfetto__TrackDescriptor *d)
{
    Perfetto__TracePacket p = packet_at(t, 0);
    p.has_timestamp = 0;
    return write_track(t, d, &p);
}

/* A process may have begun in an earlier piece. */
static int64_t start_of(const struct trace *t, const struct eh_process *p)
{
    return p->start_ns < t->earliest_ns     ? t->earliest_ns
           : p->start_ns > TRACE_LATEST_NS ? TRACE_LATEST_NS
                                            : p->start_ns;
}

uint64_t track_process(struct trace *t, const struct eh_process *p, int64_t ns, int32_t rank)
{
    Perfetto__ProcessDescriptor process = PERFETTO__PROCESS_DESCRIPTOR__INIT;
    process.has_pid = 1;
    process.pid = (int32_t)p->pid;
    process.process_name = (char *)p->name;
    char *command_line = (char *)p->command_line;
    process.n_cmdline = command_line ? 1 : 0;
    process.cmdline = &command_line;
    if (p->has_start) {
        process.has_start_timestamp_ns = 1;
        process.start_timestamp_ns = (int64_t)trace_boottime(t, start_of(t, p));
    }
    Perfetto__TrackDescriptor d = new_track(t, rank);
    order_children(&d);
    d.process = &process;
    Perfetto__TracePacket packet = packet_at(t, ns);
    return write_track(t, &d, &packet);
}

uint64_t track_thread(struct trace *t, uint32_t pid, uint32_t tid, const char *name, int64_t ns,
                      int32_t rank)
{
    Perfetto__ThreadDescriptor thread = PERFETTO__THREAD_DESCRIPTOR__INIT;
    thread.has_pid = thread.has_tid = 1;
    thread.pid = (int32_t)pid;
    thread.tid = tid;
    thread.thread_name = (char *)name;
    Perfetto__TrackDescriptor d = new_track(t, rank);
    d.thread = &thread;
    Perfetto__TracePacket packet = packet_at(t, ns);
    return write_track(t, &d, &packet);
}

static void set_parent(Perfetto__TrackDescriptor *d, uint64_t parent)
{
    d->has_parent_uuid = parent != 0;
    d->parent_uuid = parent;
}

uint64_t track_plain(struct trace *t, uint64_t parent, const char *name, const char *description,
                     int32_t rank)
{
    Perfetto__TrackDescriptor d = new_track(t, rank);
    order_children(&d);
    set_parent(&d, parent);
    d.name = (char *)name;
    d.description = (char *)description;
    return write_timeless(t, &d);
}

uint64_t track_counter(struct trace *t, uint64_t parent, const char *name, enum track_unit unit,
                       int32_t rank)
{
    Perfetto__CounterDescriptor counter = PERFETTO__COUNTER_DESCRIPTOR__INIT;
    counter.has_unit = 1;
    counter.unit = unit == TRACK_BYTES ? PERFETTO__COUNTER_DESCRIPTOR__UNIT__UNIT_SIZE_BYTES
                                       : PERFETTO__COUNTER_DESCRIPTOR__UNIT__UNIT_COUNT;
    Perfetto__TrackDescriptor d = new_track(t, rank);
    set_parent(&d, parent);
    d.name = (char *)name;
    d.counter = &counter;
    return write_timeless(t, &d);
}

static void write_slice(struct trace *t, uint64_t track, Perfetto__TrackEvent__Type type,
                        const char *name, int64_t ns)
{
    Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
    event.has_type = event.has_track_uuid = 1;
    event.type = type;
    event.track_uuid = track;
    event.name = (char *)name;
    ns = trace_clamp(t, ns);
    if (ns > t->main.last_ns)
        t->main.last_ns = ns;
    Perfetto__TracePacket p = packet_at(t, t->main.last_ns);
    p.track_event = &event;
    trace_write(t, &p);
}

void slice_begin(struct trace *t, uint64_t track, const char *name, int64_t ns)
{
    write_slice(t, track, PERFETTO__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN, name, ns);
}

void slice_end(struct trace *t, uint64_t track, int64_t ns)
{
    write_slice(t, track, PERFETTO__TRACK_EVENT__TYPE__TYPE_SLICE_END, NULL, ns);
}
