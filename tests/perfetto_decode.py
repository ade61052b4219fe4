"""Reads a Perfetto trace back: a wire decoder with its own table of the format's field numbers,
and a Trace that resolves clocks, tracks and interned data the way a reader does.

Whatever a reader would drop or complain about raises ValueError."""

import collections

# message -> {field number: (name, type)}; a trailing * is a repeated field.
SCHEMA = {
    'TracePacket': {
        6: ('clock_snapshot', 'ClockSnapshot'), 8: ('timestamp', 'int'),
        10: ('sequence', 'int'), 11: ('track_event', 'TrackEvent'),
        12: ('interned_data', 'InternedData'), 13: ('sequence_flags', 'int'),
        37: ('profile_packet', 'ProfilePacket'), 42: ('previous_packet_dropped', 'int'),
        45: ('system_info', 'SystemInfo'), 58: ('timestamp_clock_id', 'int'),
        59: ('defaults', 'TracePacketDefaults'), 60: ('track_descriptor', 'TrackDescriptor'),
        61: ('module_symbols', 'bytes'), 87: ('first_packet_on_sequence', 'int'),
        89: ('trace_uuid', 'TraceUuid'), 126: ('trace_attributes', 'TraceAttributes')},
    'TracePacketDefaults': {11: ('track_event_defaults', 'TrackEventDefaults'),
                            58: ('timestamp_clock_id', 'int')},
    'TrackEventDefaults': {11: ('track_uuid', 'int'), 31: ('extra_counter_track_uuids', 'int*')},
    'ClockSnapshot': {1: ('clocks', 'Clock*'), 2: ('primary_trace_clock', 'int')},
    'Clock': {1: ('clock_id', 'int'), 2: ('timestamp', 'int'), 3: ('is_incremental', 'int'),
              4: ('unit_multiplier_ns', 'int')},
    'TrackDescriptor': {
        1: ('uuid', 'int'), 2: ('name', 'str'), 3: ('process', 'ProcessDescriptor'),
        4: ('thread', 'ThreadDescriptor'), 5: ('parent_uuid', 'int'),
        8: ('counter', 'CounterDescriptor'), 11: ('child_ordering', 'int'),
        12: ('sibling_order_rank', 'int'), 14: ('description', 'str'),
        19: ('process_ordering', 'int'), 20: ('thread_ordering', 'int')},
    'ProcessDescriptor': {1: ('pid', 'int'), 2: ('cmdline', 'str*'), 6: ('process_name', 'str'),
                          7: ('start_timestamp_ns', 'int'), 8: ('process_labels', 'str*')},
    'ThreadDescriptor': {1: ('pid', 'int'), 2: ('tid', 'int'), 5: ('thread_name', 'str')},
    'CounterDescriptor': {3: ('unit', 'int'), 4: ('unit_multiplier', 'int'),
                          5: ('is_incremental', 'int'), 6: ('unit_name', 'str')},
    'TrackEvent': {
        3: ('category_iids', 'int*'), 4: ('debug_annotations', 'DebugAnnotation*'),
        9: ('type', 'int'), 10: ('name_iid', 'int'), 11: ('track_uuid', 'int'),
        12: ('extra_counter_values', 'int*'), 22: ('categories', 'str*'), 23: ('name', 'str'),
        30: ('counter_value', 'int'), 31: ('extra_counter_track_uuids', 'int*'),
        56: ('callstack_iid', 'int')},
    'DebugAnnotation': {1: ('name_iid', 'int'), 2: ('bool', 'int'), 3: ('uint', 'int'),
                        4: ('int', 'int'), 6: ('string', 'str'), 7: ('pointer', 'int'),
                        10: ('name', 'str'), 17: ('string_iid', 'int')},
    'InternedData': {
        1: ('event_categories', 'Named*'), 2: ('event_names', 'Named*'),
        3: ('debug_annotation_names', 'Named*'), 5: ('function_names', 'Interned*'),
        6: ('frames', 'Frame*'), 7: ('callstacks', 'Callstack*'),
        16: ('build_ids', 'Interned*'), 17: ('mapping_paths', 'Interned*'),
        18: ('source_paths', 'Interned*'), 19: ('mappings', 'Mapping*'),
        29: ('debug_annotation_string_values', 'Interned*')},
    'Named': {1: ('iid', 'int'), 2: ('name', 'str')},
    'Interned': {1: ('iid', 'int'), 2: ('str', 'bytes')},
    'Mapping': {1: ('iid', 'int'), 2: ('build_id', 'int'), 3: ('start_offset', 'int'),
                4: ('start', 'int'), 5: ('end', 'int'), 6: ('load_bias', 'int'),
                7: ('path_string_ids', 'int*'), 8: ('exact_offset', 'int')},
    'Frame': {1: ('iid', 'int'), 2: ('function_name_id', 'int'), 3: ('mapping_id', 'int'),
              4: ('rel_pc', 'int'), 5: ('source_path_iid', 'int'), 6: ('line_number', 'int')},
    'Callstack': {1: ('iid', 'int'), 2: ('frame_ids', 'int*')},
    'ProfilePacket': {5: ('process_dumps', 'ProcessHeapSamples*'), 6: ('continued', 'int'),
                      7: ('index', 'int')},
    'ProcessHeapSamples': {
        1: ('pid', 'int'), 2: ('samples', 'HeapSample*'), 3: ('from_startup', 'int'),
        9: ('timestamp', 'int'), 11: ('heap_name', 'str'), 12: ('sampling_interval_bytes', 'int'),
        13: ('orig_sampling_interval_bytes', 'int'), 15: ('start_timestamp', 'int')},
    'HeapSample': {1: ('callstack_id', 'int'), 2: ('self_allocated', 'int'),
                   3: ('self_freed', 'int'), 5: ('alloc_count', 'int'), 6: ('free_count', 'int')},
    'TraceUuid': {1: ('msb', 'int'), 2: ('lsb', 'int')},
    'SystemInfo': {1: ('utsname', 'Utsname'), 4: ('tracing_service_version', 'str'),
                   6: ('page_size', 'int'), 7: ('timezone_off_mins', 'int'),
                   8: ('num_cpus', 'int'), 17: ('machine_name', 'str')},
    'Utsname': {1: ('sysname', 'str'), 2: ('version', 'str'), 3: ('release', 'str'),
                4: ('machine', 'str')},
    'TraceAttributes': {1: ('attribute', 'TraceAttribute*')},
    'TraceAttribute': {1: ('key', 'str'), 2: ('long_value', 'int'), 3: ('string_value', 'str')},
}

BOOTTIME, MONOTONIC, MONOTONIC_COARSE, REALTIME = 6, 3, 4, 1
CLEARED, NEEDS = 1, 2
SLICE_BEGIN, SLICE_END, INSTANT, COUNTER = 1, 2, 3, 4


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                raise ValueError('varint above 64 bits')
            return value, at
        shift += 7


def decode(data, message, start=0, end=None):
    """The fields of a message as a dict; a field that the table does not know is an error."""
    fields = SCHEMA[message]
    end = len(data) if end is None else end
    result = {}
    at = start
    while at < end:
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number not in fields:
            raise ValueError(f'{message} has no field {number}')
        name, kind = fields[number]
        repeated = kind.endswith('*')
        kind = kind.rstrip('*')
        if wire != (0 if kind == 'int' else 2):
            raise ValueError(f'{message}.{name} has wire type {wire}')
        value, at = varint(data, at)
        if wire == 2:
            stop = at + value
            if stop > end:
                raise ValueError(f'{message}.{name} is cut')
            if kind == 'str':
                value = data[at:stop].decode('utf-8')
            elif kind == 'bytes':
                value = data[at:stop]
            else:
                value = decode(data, kind, at, stop)
            at = stop
        if repeated:
            result.setdefault(name, []).append(value)
        elif name in result:
            raise ValueError(f'{message}.{name} twice')
        else:
            result[name] = value
    if at != end:
        raise ValueError(f'{message} overruns')
    return result


def packets(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag != 1 << 3 | 2:
            raise ValueError(f'tag {tag} in the trace')
        length, at = varint(data, at)
        if at + length > len(data):
            raise ValueError('last packet is cut')
        yield decode(data, 'TracePacket', at, at + length)
        at += length


def signed(value):
    return value - (1 << 64) if value >> 63 else value


class Sequence:
    def __init__(self):
        self.clock = None  # value of the incremental clock 64
        self.defaults = {}
        self.valid = False
        self.interned = collections.defaultdict(dict)
        self.index = 0  # of the next profile packet
        self.dump_time = None
        self.last_time = None


class Trace:
    """Everything in BOOTTIME nanoseconds."""

    def __init__(self, data):
        self.sequences = collections.defaultdict(Sequence)
        self.tracks = {}     # uuid -> descriptor, with 'ts'
        self.counters = collections.defaultdict(list)  # uuid -> [(time, value)]
        self.instants = []   # dicts: time, track, name, args, stack
        self.slices = []     # [track, name, begin, end]
        self.dumps = []      # dicts, in file order
        self.takeovers = collections.defaultdict(list)  # pid -> times of its processes
        self.attributes = {}
        self.snapshots = []
        self.mappings = set()
        self.system = self.uuid = None
        self.packets = 0
        for packet in packets(data):
            self.packets += 1
            self.take(packet)
        if any(s[3] is None for s in self.slices):
            raise ValueError('a slice is not ended')
        self.check_owners()

    def take(self, p):
        s = self.sequences[p['sequence']]
        flags = p.get('sequence_flags', 0)
        if flags & CLEARED:
            s.valid = True
            s.defaults = p.get('defaults', {})
            s.interned.clear()
        elif 'defaults' in p:
            raise ValueError('defaults without cleared state')
        if not s.valid:
            raise ValueError('sequence begins without cleared state')
        for kind, entries in p.get('interned_data', {}).items():
            for entry in entries:
                if entry['iid'] == 0 or entry['iid'] in s.interned[kind]:
                    raise ValueError(f'{kind} {entry["iid"]} defined twice')
                s.interned[kind][entry['iid']] = entry
        time = self.time_of(p, s)
        if 'clock_snapshot' in p:
            self.take_snapshot(p['clock_snapshot'], s)
        if 'track_descriptor' in p:
            self.take_track(p['track_descriptor'], time)
        if 'track_event' in p:
            self.take_event(p['track_event'], s, time)
        if 'profile_packet' in p:
            self.take_profile(p['profile_packet'], p['sequence'], s, time)
        for a in p.get('trace_attributes', {}).get('attribute', []):
            value = a['string_value'] if 'string_value' in a else signed(a['long_value'])
            self.attributes[a['key']] = value
        self.system = p.get('system_info', self.system)
        self.uuid = p.get('trace_uuid', self.uuid)

    def time_of(self, p, s):
        if 'timestamp' not in p:
            return None
        clock = p.get('timestamp_clock_id', s.defaults.get('timestamp_clock_id', BOOTTIME))
        if clock == BOOTTIME:
            return p['timestamp']
        if clock != 64 or s.clock is None:
            raise ValueError(f'clock {clock} is not known')
        s.clock += p['timestamp']
        return s.clock

    def take_snapshot(self, snapshot, s):
        clocks = {c['clock_id']: c for c in snapshot['clocks']}
        boot = clocks[BOOTTIME]['timestamp']
        if self.snapshots and boot != self.snapshots[0][BOOTTIME]['timestamp']:
            raise ValueError('snapshots at different times')
        if 64 in clocks:
            if not clocks[64].get('is_incremental') or clocks[64]['timestamp'] != boot:
                raise ValueError('the sequence clock does not start at BOOTTIME')
            s.clock = boot
        elif self.snapshots:
            raise ValueError('second global snapshot')
        self.snapshots.append(clocks)

    def take_track(self, d, time):
        if d['uuid'] in self.tracks:
            raise ValueError(f'track {d["uuid"]} described twice')
        if 'parent_uuid' in d and d['parent_uuid'] not in self.tracks:
            raise ValueError('parent track is not described yet')
        for owner in ('process', 'thread'):
            if owner in d:
                d[owner]['pid'] &= 0xFFFFFFFF  # a signed field for unsigned pids
        if 'process' in d:
            self.takeovers[d['process']['pid']].append(time)
        self.tracks[d['uuid']] = dict(d, ts=time)

    def take_event(self, e, s, time):
        if s.last_time is not None and time < s.last_time:
            raise ValueError('time steps back')
        if time < self.snapshots[0][BOOTTIME]['timestamp']:
            raise ValueError('event before the first snapshot')
        s.last_time = time
        defaults = s.defaults.get('track_event_defaults', {})
        track = e.get('track_uuid', defaults.get('track_uuid'))
        if track not in self.tracks:
            raise ValueError(f'track {track} is not described yet')
        self.check_owner(track, time)
        kind = e['type']
        if kind == COUNTER:
            self.counters[track].append((time, signed(e['counter_value'])))
            extra = defaults.get('extra_counter_track_uuids', [])
            for uuid, value in zip(extra, e.get('extra_counter_values', [])):
                self.counters[uuid].append((time, signed(value)))
        elif kind == SLICE_BEGIN:
            self.slices.append([track, e['name'], time, None])
        elif kind == SLICE_END:
            open_slices = [x for x in self.slices if x[0] == track and x[3] is None]
            open_slices[-1][3] = time
        elif kind == INSTANT:
            self.take_instant(e, s, time, track)
        else:
            raise ValueError(f'event type {kind}')

    def check_owner(self, track, time):
        """A process that has another's pid gets it with the first packet of its tracks."""
        while 'parent_uuid' in self.tracks[track]:
            track = self.tracks[track]['parent_uuid']
        owner = self.tracks[track]
        if 'process' not in owner or owner['ts'] <= time:
            return
        if self.takeovers[owner['process']['pid']][0] < owner['ts']:
            raise ValueError('an event before its process has the pid')

    def check_owners(self):
        """Readers give a dump to whoever has the pid then."""
        owners = collections.defaultdict(set)
        for dump in self.dumps:
            times = self.takeovers[dump['pid']]
            owners[dump['sequence']].add(max([t for t in times if t <= dump['time']],
                                             default=times[0]))
        if any(len(times) > 1 for times in owners.values()):
            raise ValueError('a dump in the time of another process of the pid')

    def take_instant(self, e, s, time, track):
        args = {}
        for a in e.get('debug_annotations', []):
            name = s.interned['debug_annotation_names'][a['name_iid']]['name']
            if 'string_iid' in a:
                value = s.interned['debug_annotation_string_values'][a['string_iid']]['str']
                args[name] = value.decode()
            else:
                args[name] = next(a[k] for k in ('uint', 'pointer', 'string', 'int') if k in a)
        stack = self.frames(s, e['callstack_iid']) if 'callstack_iid' in e else None
        self.instants.append({'time': time, 'track': track, 'args': args, 'stack': stack,
                              'name': s.interned['event_names'][e['name_iid']]['name']})

    def frames(self, s, callstack):
        """Outermost first: (name, mapping path, rel_pc, build id)."""
        result = []
        for iid in s.interned['callstacks'][callstack]['frame_ids']:
            frame = s.interned['frames'][iid]
            mapping = s.interned['mappings'][frame['mapping_id']]
            path = ''.join(s.interned['mapping_paths'][i]['str'].decode()
                           for i in mapping['path_string_ids'])
            build = s.interned['build_ids'][mapping['build_id']]['str'] \
                if 'build_id' in mapping else None
            self.mappings.add((path, build))
            name = s.interned['function_names'][frame['function_name_id']]['str'].decode()
            result.append((name, path, frame['rel_pc'], build))
        return tuple(result)

    def take_profile(self, profile, number, s, time):
        if profile.get('index', 0) != s.index:
            raise ValueError(f'profile index {profile.get("index")} is not {s.index}')
        s.index += 1
        for dump in profile['process_dumps']:
            if time != dump['timestamp']:
                raise ValueError('dump and packet differ in time')
            if s.dump_time is not None and dump['timestamp'] <= s.dump_time:
                raise ValueError('dumps out of order')
            if s.dump_time is not None and dump['start_timestamp'] != s.dump_time:
                raise ValueError('start_timestamp is not the dump before')
            s.dump_time = dump['timestamp']
            samples = {}
            for sample in dump.get('samples', []):
                stack = self.frames(s, sample['callstack_id'])
                if stack in samples:
                    raise ValueError('two samples of one stack')
                samples[stack] = tuple(sample.get(k, 0) for k in (
                    'self_allocated', 'self_freed', 'alloc_count', 'free_count'))
            self.dumps.append({'sequence': number, 'pid': dump['pid'],
                               'time': dump['timestamp'], 'start': dump['start_timestamp'],
                               'heap_name': dump['heap_name'], 'samples': samples})

    # What a test asks for.

    def boot_ns(self):
        """BOOTTIME of the wall clock's zero."""
        first = self.snapshots[0]
        return first[BOOTTIME]['timestamp'] - signed(first[REALTIME]['timestamp'])

    def processes(self):
        return {u: t for u, t in self.tracks.items() if 'process' in t}

    def children(self, uuid):
        return {u: t for u, t in self.tracks.items() if t.get('parent_uuid') == uuid}

    def heaps(self):
        """(process uuid, heap's name) -> uuids of its bytes and its blocks counter."""
        result = {}
        for owner, track in self.tracks.items():
            for group, _ in self.named(owner, 'Heaps'):
                for heap, descriptor in self.children(group).items():
                    (size, _), = self.named(heap, 'live bytes')
                    (count, _), = self.named(heap, 'live blocks')
                    result[owner, descriptor['name']] = size, count
        return result

    def named(self, parent, name):
        return [(u, t) for u, t in self.children(parent).items() if t.get('name') == name]

    def profile_states(self):
        """sequence -> [(dump, cumulative samples by stack after it)]"""
        result = collections.defaultdict(list)
        states = collections.defaultdict(dict)
        for dump in self.dumps:
            state = states[dump['sequence']]
            for stack, now in dump['samples'].items():
                if any(a < b for a, b in zip(now, state.get(stack, (0,) * 4))):
                    raise ValueError('cumulative figures fall')
                state[stack] = now
            result[dump['sequence']].append((dump, dict(state)))
        return result


def read(path):
    with open(path, 'rb') as file:
        return Trace(file.read())
