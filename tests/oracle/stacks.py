"""Stacks and modules, for the oracle (semantics 2 "Stacks", decode/FORMAT.md C.6 and D.4).

Stacks.see() is shown every record in merged order and remembers the pieces; attach() then puts
them together and gives each heap event its own. No windows and no limits: the whole trace is
known when anything is decided.
"""
import struct

import etl

STACK, KEY_CREATED, KEY_DELETED, KEY_RUNDOWN, KERNEL_KEY, USER_KEY = (
    0x20, 0x22, 0x23, 0x24, 0x25, 0x26)
KERNEL, USER, BOTH = 'kernel', 'user', 'both'
ITEM_STACK32, ITEM_STACK64 = 5, 6
FOREVER = 1 << 62


def addresses(data, at, width):
    """The whole addresses in data[at:]."""
    count = max(0, len(data) - at) // width
    return struct.unpack_from('<%d%s' % (count, 'I' if width == 4 else 'Q'), data, at)


def is_kernel(address, width):
    return address >= (0x80000000 if width == 4 else 0xFFFF800000000000)


class Piece:
    """One stack record or reference. frames is None until a reference's definition comes."""

    def __init__(self, part, frames=None, width=8):
        self.part = part
        self.frames = None
        self.sought = None  # references: what to look up
        if frames is not None:
            self.fill(frames, width)

    def fill(self, frames, width):
        """The ends tell which part it is: where Windows calls back into user mode, a user part has
        kernel frames in its middle. Their order stays."""
        if not frames:
            return
        inner, outer = is_kernel(frames[0], width), is_kernel(frames[-1], width)
        self.frames = tuple(frames)
        self.part = KERNEL if inner and outer else BOTH if inner else USER


def assemble(pieces, wanted):
    """Pieces of one (time, process, thread), in stream order, as [(frames, pieces used)].

    Once a stack has been begun for each of the `wanted` events, a piece that repeats one of those
    before it is dropped."""
    stacks = []
    held = None
    taken = []
    for piece in pieces:
        begun = len(stacks) + (held is not None)
        if begun >= wanted and piece.frames in taken:
            continue
        taken.append(piece.frames)
        if held is not None and {held.part, piece.part} == {KERNEL, USER}:
            kernel, user = (held, piece) if held.part == KERNEL else (piece, held)
            stacks.append((kernel.frames + user.frames, [held, piece]))
            held = None
            continue
        if held is not None:
            stacks.append((held.frames, [held]))
            held = None
        if piece.part == BOTH:
            stacks.append((piece.frames, [piece]))
        else:
            held = piece
    if held is not None:
        stacks.append((held.frames, [held]))
    return stacks


class Image:
    """A mapping of a module: [base, base + size) from position `since` to before `until`."""

    def __init__(self, base, size, path, since, stamp):
        self.base, self.size, self.path, self.since, self.until = base, size, path, since, FOREVER
        self.stamp = stamp

    @property
    def name(self):
        return self.path.replace('/', '\\').rpartition('\\')[2]

    def overlaps(self, base, size):
        return self.base < base + max(size, 1) and base < self.base + max(self.size, 1)


def parse_image(payload, version, width):
    """(base, size, pid or None, path, time stamp) of an image record, or None where it is too short."""
    name_at = {0: 2 * width, 1: 2 * width + 4}.get(version, 32 + 3 * width)
    if len(payload) < name_at:
        return None
    base = etl.pointer(payload, 0, width)
    size = etl.pointer(payload, width, width)
    pid = etl.U32(payload, 2 * width)[0] if version else None
    stamp = etl.U32(payload, 2 * width + 8)[0] if version >= 2 else 0
    end = name_at
    while end + 2 <= len(payload) and payload[end:end + 2] != b'\0\0':
        end += 2
    return base, size, pid, payload[name_at:end].decode('utf-16-le', 'replace'), stamp


class Images:
    """The mappings of one process instance, or the kernel's."""

    def __init__(self):
        self.mappings = []

    def open_at(self, base):
        for image in reversed(self.mappings):
            if image.base == base and image.until == FOREVER:
                return image
        return None

    def free_since(self, base, size, begin):
        """Since when nothing else has been mapped there."""
        return max([i.until for i in self.mappings if i.overlaps(base, size)] + [begin])

    def record(self, opcode, base, size, path, position, begin, stamp):
        """An image record: 10 load, 2 unload, 3 and 4 rundown."""
        image = self.open_at(base)
        if opcode == 10:
            for other in self.mappings:
                if other.until == FOREVER and other.overlaps(base, size):
                    other.until = position
            self.mappings.append(Image(base, size, path, position, stamp))
        elif opcode == 2:
            if image is None:
                image = Image(base, size, path, self.free_since(base, size, begin), stamp)
                self.mappings.append(image)
            image.until = position
        elif image is None:
            self.mappings.append(Image(base, size, path, self.free_since(base, size, begin), stamp))

    def find(self, address, position):
        for image in reversed(self.mappings):
            if image.since <= position < image.until and image.base <= address < image.base + image.size:
                return image
        return None


class Stack:
    """An interned stack. frames: [(address, Image or None)], innermost first."""

    def __init__(self, number, instance, frames):
        self.id, self.instance, self.frames = number, instance, frames

    @property
    def text(self):
        return ';'.join('%s+0x%x' % (image.name, address - image.base) if image else '0x%x' % address
                        for address, image in self.frames)


class Stacks:
    """All stacks of a trace. `unmatched` is complete after attach()."""

    def __init__(self, axis_of):
        self.axis_of = axis_of
        self.pieces = {}      # (axis, raw, pid, tid): [Piece]
        self.pending = {}     # (boot, kernel or user, key): [Piece]
        self.defined = {}     # the same: (axis, raw, frames, width) of the last definition
        self.unmatched = 0
        self.stacks = []

    # -- first pass -----------------------------------------------------------------------------

    def see(self, record, group, opcode):
        if group != 'stack':
            return
        payload = record.payload()
        width = record.pointer_size
        if opcode == STACK and len(payload) >= 16:
            raw, pid, tid = struct.unpack_from('<qII', payload)
            piece = Piece(None, addresses(payload, 16, width), width)
            if piece.frames:
                self.piece(record, raw, pid, tid, piece)
        elif opcode in (KERNEL_KEY, USER_KEY) and len(payload) >= 16 + width:
            raw, pid, tid = struct.unpack_from('<qII', payload)
            part = KERNEL if opcode == KERNEL_KEY else USER
            self.reference(record, raw, pid, tid, Piece(part), etl.pointer(payload, 16, width))
        elif opcode in (KEY_CREATED, KEY_DELETED, KEY_RUNDOWN) and len(payload) >= width:
            frames = addresses(payload, width, width)
            if frames:
                self.definition(record, etl.pointer(payload, 0, width), frames, width)

    def piece(self, record, raw, pid, tid, piece):
        place = self.axis_of(record.segment), raw, pid, tid
        self.pieces.setdefault(place, []).append(piece)

    def reference(self, record, raw, pid, tid, piece, key):
        place = record.segment.boot_time, piece.part, key
        self.piece(record, raw, pid, tid, piece)
        known = self.defined.get(place)
        if known and known[:2] == (self.axis_of(record.segment), record.raw):
            piece.fill(*known[2:])
        else:
            self.pending.setdefault(place, []).append(piece)

    def definition(self, record, key, frames, width):
        part = KERNEL if is_kernel(frames[-1], width) else USER
        place = record.segment.boot_time, part, key
        for piece in self.pending.pop(place, ()):
            piece.fill(frames, width)
        self.defined[place] = self.axis_of(record.segment), record.raw, frames, width

    # -- after the replay -------------------------------------------------------------------------

    def attach(self, replay):
        """Gives the rows of a finished heap.Heap their stacks and counts what is left over."""
        waiting = {}
        for row in replay.rows:
            axis, raw, pid, tid, record = row.join
            own = self.own_stack(record)
            if own:
                row.stack = own
            else:
                waiting.setdefault((axis, raw, pid, tid), []).append(row)
        others = self.others(replay.trace) if self.pieces else {}
        for place, pieces in self.pieces.items():
            self.settle(pieces, waiting.get(place, []), others.get(place[:2], ()), place)
        ids = {}
        for row in replay.rows:
            if row.stack is not None:
                row.stack = self.intern(ids, row, replay)

    @staticmethod
    def own_stack(record):
        """Frames of the stack items an EVENT_HEADER record carries itself."""
        if record.kind not in (etl.EVENT32, etl.EVENT64):
            return None
        for kind, data in record.extended_items()[0]:
            if kind in (ITEM_STACK32, ITEM_STACK64) and len(data) > 8:
                width = 4 if kind == ITEM_STACK32 else 8
                return Piece(None, addresses(data, 8, width), width).frames
        return None

    def others(self, trace):
        """{(axis, raw): [owner]} of the records other than stacks at times that stacks name."""
        times = {place[:2] for place in self.pieces}
        found = {}
        for record in trace.records():
            place = self.axis_of(record.segment), record.raw
            if place in times and not (record.hook or 0) >> 8 == 0x18:
                found.setdefault(place, []).append(record.owner)
        return found

    def settle(self, pieces, rows, owners, place):
        """The n-th complete stack of a place goes to its n-th row."""
        self.unmatched += sum(piece.frames is None for piece in pieces)
        stacks = assemble([piece for piece in pieces if piece.frames is not None], len(rows))
        belong = [o for o in owners
                  if (o[0] is None or o[0] == place[2]) and (o[1] is None or o[1] == place[3])]
        for number, (frames, used) in enumerate(stacks):
            if number < len(rows):
                rows[number].stack = frames
            elif number >= len(belong) and (rows or not belong):
                self.unmatched += len(used)

    def intern(self, ids, row, replay):
        frames = tuple((a, replay.image_at(row, a)) for a in row.stack)
        # The same file mapped anew at the same place is the same frame.
        identity = row.instance, tuple((a, image and (image.base, image.size, image.path, image.stamp))
                                       for a, image in frames)
        if identity not in ids:
            ids[identity] = Stack(len(ids) + 1, row.instance, frames)
            self.stacks.append(ids[identity])
        return ids[identity]
