"""Heap events, process instances and live blocks, for the oracle (semantics 2, 3 and 5).

Heap() walks a trace's records in merged order and leaves rows (one per heap event), instances,
blocks and counts behind. Slow and plain on purpose: one dictionary per question.
"""
import struct
import uuid

import etl
import stacks

MASK64 = (1 << 64) - 1
REPLACED_WINDOW_NS = 1_000_000

GUID_HEAP = bytes.fromhex('ab622922' '8061' '884b' 'a825346b75f2a24a')
GUID_PROCESS = bytes.fromhex('d0a86f3d' '05fe' 'd011' '9dda00c04fd7ba7c')
GUID_IMAGE = uuid.UUID('2cb15d1d-5fc1-11d2-abe1-00a0c911f518').bytes_le
GUID_STACK = uuid.UUID('def2fe46-7bd6-4b80-bd94-f57fe20d0ce3').bytes_le
GUID_THREAD = bytes.fromhex('d1a86f3d' '05fe' 'd011' '9dda00c04fd7ba7c')

# type: (name, layouts by version). A layout lists the fields: P pointer size, 4 a u32.
KINDS = {
    0x20: ('create', [('heap', 'P'), ('flags', '4')],
                     [('heap', 'P'), ('flags', '4'), ('reserved', 'P'), ('committed', 'P'),
                      ('allocated', 'P')]),
    0x21: ('alloc', [('heap', 'P'), ('size', 'P'), ('address', 'P'), ('source', '4')]),
    0x22: ('realloc', [('heap', 'P'), ('address', 'P'), ('old_address', 'P'), ('size', 'P'),
                       ('old_size', 'P'), ('source', '4')]),
    0x23: ('destroy', [('heap', 'P')]),
    0x24: ('free', [('heap', 'P'), ('address', 'P'), ('source', '4')]),
    0x25: ('extend', [('heap', 'P'), ('size', 'P'), ('address', 'P'), ('free', 'P'),
                      ('committed', 'P'), ('reserved', 'P'), ('ucrs', '4')],
                     [('heap', 'P'), ('size', 'P'), ('address', 'P'), ('free', 'P'),
                      ('committed', 'P'), ('reserved', 'P'), ('ucrs', '4'), ('allocated', 'P')]),
    0x26: ('snapshot', [('heap', 'P'), ('free', 'P'), ('size', 'P'), ('reserved', 'P'),
                        ('flags', '4')],
                       [('heap', 'P'), ('free', 'P'), ('size', 'P'), ('reserved', 'P'),
                        ('flags', '4'), ('pid', '4'), ('large_ucr', 'P'), ('free_list', '4'),
                        ('ucr', '4')],
                       [('heap', 'P'), ('free', 'P'), ('size', 'P'), ('reserved', 'P'),
                        ('flags', '4'), ('pid', '4'), ('large_ucr', 'P'), ('free_list', '4'),
                        ('ucr', '4'), ('allocated', 'P')]),
    0x2B: ('lock', [('heap', 'P')]),
    0x2C: ('unlock', [('heap', 'P')]),
    0x2D: ('validate', [('heap', 'P')]),
    0x2E: ('walk', [('heap', 'P')]),
    0x2F: ('subsegment_alloc', [('heap', 'P'), ('sub', 'P'), ('sub_size', 'P'), ('block', 'P')]),
    0x30: ('subsegment_free', [('heap', 'P'), ('sub', 'P'), ('sub_size', 'P'), ('block', 'P')]),
    0x31: ('subsegment_alloc_cache',
           [('heap', 'P'), ('sub', 'P'), ('sub_size', 'P'), ('block', 'P')]),
    0x32: ('subsegment_free_cache',
           [('heap', 'P'), ('sub', 'P'), ('sub_size', 'P'), ('block', 'P')]),
    0x33: ('commit', [('heap', 'P'), ('address', 'P'), ('size', 'P'), ('caller', '4')]),
    0x34: ('decommit', [('heap', 'P'), ('address', 'P'), ('size', 'P'), ('caller', '4')]),
    0x35: ('subsegment_init', [('heap', 'P'), ('sub', 'P'), ('block', 'P'), ('count', 'P'),
                               ('affinity', '4')]),
    0x36: ('affinity_enable', [('heap', 'P'), ('bucket', '4')]),
    0x38: ('subsegment_activated', [('heap', 'P'), ('sub', 'P')]),
    0x39: ('affinity_assign', [('heap', 'P'), ('sub', 'P'), ('slot', '4')]),
    0x3A: ('reuse_threshold_activated', [('heap', 'P'), ('sub', 'P'), ('bucket', '4')]),
}
KINDS[0x2A] = ('contract',) + KINDS[0x25][1:]

SHOWS_ADDRESS = {'alloc', 'free', 'realloc', 'extend', 'contract', 'commit', 'decommit'}
SHOWS_SIZE = {'alloc', 'realloc', 'extend', 'contract', 'commit', 'decommit', 'snapshot'}
SHOWS_SOURCE = {'alloc', 'free', 'realloc'}
SOURCES = {1: 'lookaside', 2: 'low_fragmentation', 3: 'main_path', 4: 'slow_path', 5: 'invalid',
           6: 'segment_heap'}


def compile_layouts():
    """{type: {pointer size: [(size, struct, field names)]}}, smallest layout first."""
    compiled = {}
    for kind, (_, *layouts) in KINDS.items():
        compiled[kind] = {}
        for pointer_size, letter in ((4, 'I'), (8, 'Q')):
            entries = []
            for fields in layouts:
                unpack = struct.Struct('<' + ''.join(letter if width == 'P' else 'I'
                                                     for _, width in fields))
                entries.append((unpack.size, unpack, [name for name, _ in fields]))
            if kind in (0x33, 0x34) and pointer_size == 8:  # declared without packing: 32 bytes
                entries.append((32, struct.Struct(entries[0][1].format + '4x'), entries[0][2]))
            compiled[kind][pointer_size] = entries
    return compiled


LAYOUTS = compile_layouts()


def exact_layout(kind, pointer_size, size):
    for entry in LAYOUTS[kind][pointer_size]:
        if entry[0] == size:
            return entry
    return None


def choose_layout(kind, pointer_size, size):
    """The layout for a payload of `size` bytes (semantics 2 "Records"), or None."""
    entry = (exact_layout(kind, pointer_size, size)
             or exact_layout(kind, 12 - pointer_size, size))
    if entry:
        return entry
    fitting = [e for e in LAYOUTS[kind][pointer_size] if e[0] < size]
    return fitting[-1] if fitting else None


def text(data):
    """An 8-bit string: UTF-8, or else Latin-1."""
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        return data.decode('latin-1')


def utf16_at(data, at):
    """(string, place behind its NUL) of the UTF-16 string at `at`, bounded by the data's end."""
    end = at
    while end + 2 <= len(data) and data[end:end + 2] != b'\0\0':
        end += 2
    return data[at:end].decode('utf-16-le', 'replace'), end + 2


class ProcessRecord:
    """What a process record says. pid is None where the payload is too short to say."""

    def __init__(self, payload, version, width):
        self.pid = self.parent = self.key = self.name = self.command_line = None
        if version == 0:
            sid = 2 * width
        else:
            sid = {1: width + 16, 2: width + 16, 3: 2 * width + 16}.get(version, 2 * width + 20)
        if len(payload) < sid:
            return
        if version == 0:
            self.pid = etl.pointer(payload, 0, width) & 0xFFFFFFFF
            self.parent = etl.pointer(payload, width, width) & 0xFFFFFFFF
        else:
            self.pid, self.parent = struct.unpack_from('<II', payload, width)
            if version >= 2:
                self.key = etl.pointer(payload, 0, width) or None
        at = sid + 4
        if len(payload) < at:
            return
        body = sid + 2 * width
        # Rewritten files may keep a SID behind pointers that are zero.
        kept = (not any(payload[sid:body]) and len(payload) >= body + 8 and payload[body] == 1
                and 1 <= payload[body + 1] <= 15)
        if etl.U32(payload, sid)[0] or kept:
            if body + 8 > len(payload):
                return
            at = body + 8 + 4 * payload[body + 1]
        end = payload.find(b'\0', at)
        if at < len(payload):
            self.name = text(payload[at:end if end >= 0 else len(payload)]) or None
        if version >= 2 and end >= 0:
            self.command_line = utf16_at(payload, end + 1)[0] or None


class Instance:
    """A process instance. pid None is the unknown owner."""

    def __init__(self, pid):
        self.pid = pid
        self.key = self.name = self.parent = self.command_line = None
        self.start_ns = self.end_ns = None
        self.heaps = {}  # handle: {address: Block}
        self.live_bytes = self.live_blocks = 0
        self.adds = 0    # blocks added so far, for `temporary`
        self.images = stacks.Images()
        self.since = 0   # position of its begin

    def learn(self, record):
        """Takes what a process record tells and is not known yet."""
        for field in ('key', 'name', 'parent', 'command_line'):
            if getattr(self, field) is None:
                setattr(self, field, getattr(record, field))


class HeapState:
    """The live blocks and sums of one heap of one instance."""

    def __init__(self, instance, handle):
        self.instance, self.handle = instance, handle
        self.blocks = {}
        self.live_bytes = 0


class Block:
    """A live block. `row` is the event that added it."""

    __slots__ = ('heap', 'address', 'size', 'birth', 'row', 'order', 'replaced', 'replaced_ns',
                 'adds')


class Row:
    """One row of the events table; None is an empty cell."""

    __slots__ = ('time_ns', 'raw', 'instance', 'tid', 'cpu', 'event', 'heap', 'address', 'size',
                 'old_address', 'old_size', 'source', 'lifetime', 'live_bytes', 'live_blocks',
                 'process_bytes', 'process_blocks', 'stack', 'join', 'position')


class Threads:
    """Which thread ran where and to which process it belonged, known before the rows are made."""

    def __init__(self):
        self.current = {}  # (boot, tid): [pid or None]
        self.running = {}  # (boot, cpu): tid
        self.named = {}    # (axis, raw): {(pid, tid)} as told by stack records
        self.at_record = {}  # id of a PERFINFO heap record: (tid, [pid])

    def slot(self, boot, tid):
        return self.current.setdefault((boot, tid), [None])

    def thread_record(self, boot, opcode, payload, version):
        if len(payload) < 8:
            return
        pid, tid = struct.unpack_from('<II', payload)
        if version == 0:
            pid, tid = tid, pid
        if opcode == 1:
            self.current[boot, tid] = [pid]
            return
        slot = self.slot(boot, tid)
        if slot[0] is None:
            slot[0] = pid
        if opcode == 2:
            self.current[boot, tid] = [None]

    def switch(self, boot, cpu, payload):
        if len(payload) >= 24 and cpu is not None:
            tid = etl.U32(payload, 0)[0]
            self.running[boot, cpu] = tid

    def note(self, record, boot):
        """Remembers who runs on the processor of a PERFINFO heap record."""
        tid = self.running.get((boot, record.cpu)) if record.cpu is not None else None
        if tid is not None:
            self.at_record[id(record)] = (tid, self.slot(boot, tid))

    def owner(self, record, axis):
        named = self.named.get((axis, record.raw), ())
        if len(named) == 1:
            return next(iter(named))
        tid, slot = self.at_record.get(id(record), (None, [None]))
        return slot[0], tid


def axis_of(segment):
    """Where raw times can be compared."""
    return segment.boot_time, segment.perf_freq, segment.clock


def class_of(record):
    """('process' | 'thread' | 'heap' | ..., opcode) of a record, or (None, 0)."""
    hook = record.hook
    if hook is not None:
        group = {0x03: 'process', 0x05: 'thread', 0x10: 'heap', 0x14: 'image',
                 0x18: 'stack'}.get(hook >> 8)
        if hook == 0x030A:
            group = 'image'
        elif hook == 0x0524:
            return 'switch', 0
        return group, hook & 0xFF
    guid = record.guid
    if guid == GUID_HEAP:
        return 'heap_guid', record.opcode
    if record.kind in (etl.EVENT32, etl.EVENT64):
        return None, 0
    if guid == GUID_PROCESS:
        return 'process', record.opcode
    if guid == GUID_THREAD:
        return 'thread', record.opcode
    if guid == GUID_IMAGE:
        return 'image', record.opcode
    if guid == GUID_STACK:
        return 'stack', record.opcode
    return None, 0


class Heap:
    """The whole replay. After run(): rows, instances, counts."""

    def __init__(self, trace):
        self.trace = trace
        self.stacks = stacks.Stacks(axis_of)
        self.kernel_images = {}  # boot: Images
        self.position = 0   # in the kept records
        self.rows = []
        self.instances = []
        self.open = {}      # (boot, pid): Instance
        self.ended = {}     # (boot, pid): position where its last instance ended
        self.threads = Threads()
        self.events_of = {}
        self.counts = dict.fromkeys(
            ('unknown_heap_events', 'unmatched_frees', 'replaced_allocs', 'failed_allocs',
             'implicit_frees', 'realloc_summaries'), 0)
        self.live_bytes = 0
        self.peak_bytes, self.peak_ns = 0, None
        self.order = 0
        self.journal = []  # (what, row, block, bytes): for the tables

    # -- first pass: threads and the records worth keeping -------------------------------------

    def collect(self):
        kept = []
        for record in self.trace.records():
            group, opcode = class_of(record)
            if group is None:
                continue
            self.stacks.see(record, group, opcode)
            boot = record.segment.boot_time
            if group == 'thread' and opcode in (1, 2, 3, 4):
                self.threads.thread_record(boot, opcode, record.payload(), record.version)
            elif group == 'switch':
                self.threads.switch(boot, record.cpu, record.payload())
            elif group == 'stack':
                self.name_owner(record, opcode)
            elif (group in ('heap', 'heap_guid') or group == 'process' and opcode in (1, 2, 3, 4)
                  or group == 'image' and opcode in (2, 3, 4, 10)):
                if group == 'heap' and record.kind in etl.PERFINFO_KINDS:
                    self.threads.note(record, boot)
                kept.append((group, opcode, record))
        return kept

    def name_owner(self, record, opcode):
        if opcode not in (0x20, 0x25, 0x26):
            return
        payload = record.payload()
        if len(payload) >= 16:
            raw, pid, tid = struct.unpack_from('<qII', payload)
            self.threads.named.setdefault((axis_of(record.segment), raw), set()).add((pid, tid))

    # -- second pass ----------------------------------------------------------------------------

    def run(self):
        for self.position, (group, opcode, record) in enumerate(self.collect()):
            if group == 'process':
                self.process(record, opcode)
            elif group == 'image':
                self.image(record, opcode)
            elif group == 'heap':
                self.hook_event(record, opcode)
            else:
                self.guid_event(record)
        self.stacks.attach(self)
        return self

    def instance(self, boot, pid):
        """The open instance of a pid; opens a nameless one where none is."""
        found = self.open.get((boot, pid))
        if found is None:
            found = self.open[boot, pid] = Instance(pid)
            found.boot = boot
            found.since = self.ended.get((boot, pid), 0)
            self.instances.append(found)
        return found

    def process(self, record, opcode):
        told = ProcessRecord(record.payload(), record.version, record.pointer_size)
        if told.pid is None:
            return
        place = record.segment.boot_time, told.pid
        now = self.trace.time_ns(record.segment, record.raw)
        current = self.open.get(place)
        if opcode == 1:
            same = current is not None and told.key is not None and current.key == told.key
            if current is not None and not same:
                self.close(place, now)
            started = self.instance(*place)
            started.learn(told)
            if started.start_ns is None:
                started.start_ns = now
        else:
            self.instance(*place).learn(told)
            if opcode == 2:
                self.close(place, now)

    def close(self, place, now):
        instance = self.open.pop(place)
        instance.end_ns = now
        self.ended[place] = self.position
        for state in instance.heaps.values():
            self.free_all(state, 'process_end', now)

    def free_all(self, state, why, now):
        for block in list(state.blocks.values()):
            self.counts['implicit_frees'] += 1
            self.remove(block, why, now, None)

    def image(self, record, opcode):
        told = stacks.parse_image(record.payload(), record.version, record.pointer_size)
        if told is None:
            return
        base, size, pid, path, stamp = told
        boot = record.segment.boot_time
        if pid is None:
            pid = record.owner[0]
        if pid in (0, 4, None):
            if not stacks.is_kernel(base, record.pointer_size):
                return  # mapped in the System process, whose user addresses are its own
            images, begin = self.kernel_images.setdefault(boot, stacks.Images()), 0
        else:
            instance = self.instance(boot, pid)
            images, begin = instance.images, instance.since
        images.record(opcode, base, size, path, self.position, begin, stamp)

    def image_at(self, row, address):
        """The image that `address` lay in for the row's process at the row's place."""
        kernel = self.kernel_images.get(row.instance.boot)
        return (row.instance.images.find(address, row.position)
                or (kernel.find(address, row.position) if kernel else None))

    # -- decoding -------------------------------------------------------------------------------

    def hook_event(self, record, kind):
        pid, tid = record.owner
        if record.kind in etl.PERFINFO_KINDS:
            pid, tid = self.threads.owner(record, axis_of(record.segment))
        if kind not in KINDS:
            self.row(record, pid, tid, 'unknown_0x10%02x' % kind)
            self.counts['unknown_heap_events'] += 1
            return
        payload = record.payload()
        layout = choose_layout(kind, record.pointer_size, len(payload))
        if layout is None:
            self.row(record, pid, tid, KINDS[kind][0])
            self.counts['unknown_heap_events'] += 1
            return
        self.decoded(record, pid, tid, kind, layout, payload)

    def guid_event(self, record):
        payload = record.payload()
        for kind in (record.opcode, record.event_id):
            if kind in KINDS:
                layout = (exact_layout(kind, record.pointer_size, len(payload))
                          or exact_layout(kind, 12 - record.pointer_size, len(payload)))
                if layout:
                    self.decoded(record, *record.owner, kind, layout, payload)
                    return
        self.counts['unknown_heap_events'] += 1

    def row(self, record, pid, tid, event, owner_pid=None):
        """A row with the header's fields. `owner_pid` overrules whose it is (snapshots)."""
        row = Row()
        row.time_ns = self.trace.time_ns(record.segment, record.raw)
        row.raw = record.raw
        row.position = self.position
        row.join = axis_of(record.segment), record.raw, pid, tid, record
        row.instance = self.instance(record.segment.boot_time, pid if owner_pid is None else owner_pid)
        row.tid, row.cpu, row.event = tid, record.cpu, event
        row.heap = row.address = row.size = row.old_address = row.old_size = row.source = None
        row.lifetime = row.live_bytes = row.live_blocks = row.stack = None
        row.process_bytes = row.process_blocks = None
        self.rows.append(row)
        self.events_of[event] = self.events_of.get(event, 0) + 1
        return row

    def decoded(self, record, pid, tid, kind, layout, payload):
        fields = dict(zip(layout[2], layout[1].unpack_from(payload)))
        event = KINDS[kind][0]
        row = self.row(record, pid, tid, event, fields.get('pid'))
        row.heap = fields['heap']
        if event in SHOWS_ADDRESS:
            row.address = fields['address']
        if event in SHOWS_SIZE:
            row.size = fields['size']
        if event in SHOWS_SOURCE:
            row.source = SOURCES.get(fields['source'], str(fields['source']))
        if event == 'realloc':
            row.old_address, row.old_size = fields['old_address'], fields['old_size']
        state = self.state(row.instance, row.heap)
        change = getattr(self, 'on_' + event, None)
        if change:
            change(row, state)
        row.live_bytes, row.live_blocks = state.live_bytes, len(state.blocks)
        row.process_bytes = row.instance.live_bytes
        row.process_blocks = row.instance.live_blocks
        if self.live_bytes > self.peak_bytes:
            self.peak_bytes, self.peak_ns = self.live_bytes, row.time_ns

    def state(self, instance, handle):
        found = instance.heaps.get(handle)
        if found is None:
            found = instance.heaps[handle] = HeapState(instance, handle)
        return found

    # -- live state -----------------------------------------------------------------------------

    def grow(self, state, size):
        """Adds `size` bytes (of either sign) to all three sums."""
        state.live_bytes = (state.live_bytes + size) & MASK64
        state.instance.live_bytes = (state.instance.live_bytes + size) & MASK64
        self.live_bytes = (self.live_bytes + size) & MASK64

    def add(self, row, state):
        block = Block()
        block.heap, block.address, block.size = state, row.address, row.size
        block.birth, block.row, block.order = row.time_ns, row, self.order
        block.replaced, block.replaced_ns = None, 0
        self.order += 1
        state.blocks[row.address] = block
        state.instance.live_blocks += 1
        state.instance.adds += 1
        block.adds = state.instance.adds
        self.grow(state, row.size)
        self.journal.append(('add', row, block, row.size, row.time_ns))
        return block

    def remove(self, block, why, now, row):
        """Takes a block out. `why`: free, realloc, replaced, create, destroy, process_end."""
        del block.heap.blocks[block.address]
        block.heap.instance.live_blocks -= 1
        self.grow(block.heap, -block.size)
        self.journal.append((why, row, block, block.size, now))

    def on_alloc(self, row, state):
        if row.address == 0:
            self.counts['failed_allocs'] += 1
            return
        old = state.blocks.get(row.address)
        if old:
            self.counts['replaced_allocs'] += 1
            self.remove(old, 'replaced', row.time_ns, row)
        block = self.add(row, state)
        block.replaced, block.replaced_ns = old, row.time_ns

    def on_free(self, row, state):
        if row.address == 0:
            return
        block = state.blocks.get(row.address)
        if block is None:
            self.counts['unmatched_frees'] += 1
            return
        freed = block
        if block.replaced and row.time_ns - block.replaced_ns <= REPLACED_WINDOW_NS:
            freed, block.replaced = block.replaced, None
        else:
            self.remove(block, 'free', row.time_ns, row)
        row.size = freed.size
        row.lifetime = max(0, row.time_ns - freed.birth)

    def on_realloc(self, row, state):
        new, old = row.address, row.old_address
        if new == 0:
            return
        changed = False
        block = state.blocks.get(new)
        if block is None:
            block, changed = self.add(row, state), True
        else:
            self.journal.append(('resize', row, block, row.size - block.size, row.time_ns))
            self.grow(state, row.size - block.size)
            block.size = row.size
        former = state.blocks.get(old) if old != new else None
        if former and former.order < block.order:
            self.remove(former, 'realloc', row.time_ns, row)
            changed = True
        if old != new and not changed:
            self.counts['realloc_summaries'] += 1

    def on_create(self, row, state):
        self.free_all(state, 'create', row.time_ns)

    def on_destroy(self, row, state):
        self.free_all(state, 'destroy', row.time_ns)

    # -- what came of it ------------------------------------------------------------------------

    def stats(self):
        trace = self.trace
        times = [row.time_ns for row in self.rows]
        blocks = sum(instance.live_blocks for instance in self.instances)
        stats = {
            'events': trace.events,
            'heap_events': self.events_of,
            'heap_events_total': len(self.rows),
        }
        stats.update(self.counts)
        stats.update({
            'stacks_attached': sum(row.stack is not None for row in self.rows),
            'stacks_unmatched': self.stacks.unmatched,
            'peak_live_bytes': self.peak_bytes,
            'peak_time_ns': self.peak_ns,
            'outstanding_bytes': self.live_bytes,
            'outstanding_blocks': blocks,
            'first_time_ns': min(times, default=None),
            'last_time_ns': max(times, default=None),
            'buffers_read': sum(one.buffers_read for one in trace.inputs),
            'buffers_damaged': trace.bad_buffers,
            'bytes_skipped': sum(one.bytes_skipped for one in trace.inputs),
            'time_steps_back': trace.time_steps_back,
            'events_lost': sum(s.events_lost for s in trace.segments),
            'buffers_lost': sum(s.buffers_lost for s in trace.segments),
            'inputs_truncated': sum(one.truncated for one in trace.inputs),
        })
        return stats
