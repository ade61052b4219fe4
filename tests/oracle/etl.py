"""The container of an .etl file, for the oracle: buffers, records, clocks, order.

Written from the format notes and docs/semantics.md alone, not from the C sources, and written to be
read: every rule of semantics 2 "Files", "Time" and "Order" stands here once.
"""
import heapq
import struct
import subprocess

BUFFER_HEADER = 0x48
MAX_BUFFER = 64 << 20
FLAG_PROC_INDEX = 0x20
FLAG_COMPRESSED = 0x40
TYPE_HEADER = 4
MODE_MIXED_PROCESSORS = 0x10000000
MODE_COMPRESSED = 0x04000000
NOTHING, PLAUSIBLE, SURE = range(3)
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'

SYSTEM32, SYSTEM64, COMPACT32, COMPACT64 = 1, 2, 3, 4
FULL32, FULL64, INSTANCE32, INSTANCE64 = 10, 20, 11, 21
PERFINFO32, PERFINFO64, EVENT32, EVENT64 = 16, 17, 18, 19

# record kind: (header bytes, pointer size, offset of the u16 size, offset of the i64 time)
RECORD_KINDS = {
    SYSTEM32: (0x20, 4, 4, 0x10), SYSTEM64: (0x20, 8, 4, 0x10),
    COMPACT32: (0x18, 4, 4, 0x10), COMPACT64: (0x18, 8, 4, 0x10),
    FULL32: (0x30, 4, 0, 0x10), FULL64: (0x30, 8, 0, 0x10),
    INSTANCE32: (0x48, 4, 0, 0x10), INSTANCE64: (0x48, 8, 0, 0x10),
    PERFINFO32: (0x10, 4, 4, 0x08), PERFINFO64: (0x10, 8, 4, 0x08),
    EVENT32: (0x50, 4, 0, 0x10), EVENT64: (0x50, 8, 0, 0x10),
}
HOOK_KINDS = (SYSTEM32, SYSTEM64, COMPACT32, COMPACT64, PERFINFO32, PERFINFO64)
PERFINFO_KINDS = (PERFINFO32, PERFINFO64)

U16 = struct.Struct('<H').unpack_from
U32 = struct.Struct('<I').unpack_from
I64 = struct.Struct('<q').unpack_from
U64 = struct.Struct('<Q').unpack_from


class NotEtl(Exception):
    """The input is no ETL file."""


def pointer(data, at, size):
    """The pointer of `size` bytes (4 or 8) at offset `at`."""
    return (U32 if size == 4 else U64)(data, at)[0]


def is_blank(data, at=0):
    """Nothing but bytes that are 0 or 0xFF from `at` on: unused space."""
    blank = b'\x00\xff'
    return not data[at:at + 256].translate(None, blank) and not data[at:].translate(None, blank)


def load(path):
    """The bytes of an input, unpacked if they are a zstd file."""
    with open(path, 'rb') as f:
        data = f.read()
    if data[:4] == ZSTD_MAGIC:
        data = subprocess.run(['zstd', '-dcq', path], stdout=subprocess.PIPE, check=True).stdout
    return data


def xpress_expand(source, size):
    """Expands a plain XPRESS (MS-XCA LZ77) stream to at most `size` bytes.

    Returns what came out up to a fault or the end of the stream; the caller compares lengths."""
    out = bytearray()
    at = 0
    end = len(source)
    flags = bits = 0
    half = None  # position of a length byte whose high nibble is still to be used
    while len(out) < size:
        if bits == 0:
            if at + 4 > end:
                break
            flags, bits, at = U32(source, at)[0], 32, at + 4
        bits -= 1
        if not flags >> bits & 1:
            if at >= end:
                break
            out.append(source[at])
            at += 1
            continue
        if at + 2 > end:
            break
        token, at = U16(source, at)[0], at + 2
        distance, length = (token >> 3) + 1, token & 7
        if length == 7:
            if half is None:
                if at >= end:
                    break
                half, nibble, at = at, source[at] & 15, at + 1
            else:
                nibble, half = source[half] >> 4, None
            length += nibble
            if nibble == 15:
                if at >= end:
                    break
                byte, at = source[at], at + 1
                length = byte + 15 + 7
                if byte == 255:
                    if at + 2 > end:
                        break
                    length, at = U16(source, at)[0], at + 2
                    if length == 0:
                        if at + 4 > end:
                            break
                        length, at = U32(source, at)[0], at + 4
                    if length < 22:
                        break
        length += 3
        if distance > len(out):
            break
        length = min(length, size - len(out))
        start = len(out) - distance
        if distance >= length:
            out += out[start:start + length]
        else:
            pattern = bytes(out[start:])
            out += (pattern * (length // distance + 1))[:length]
    return bytes(out)


def lznt1_expand(source, size):
    """Expands an LZNT1 stream to at most `size` bytes."""
    out = bytearray()
    at = 0
    while at + 2 <= len(source) and len(out) < size:
        header, at = U16(source, at)[0], at + 2
        if header == 0:
            break
        chunk, at = source[at:at + (header & 0xFFF) + 1], at + (header & 0xFFF) + 1
        if not header & 0x8000:
            out += chunk
            continue
        base, pos = len(out), 0
        while pos < len(chunk):
            flags, pos = chunk[pos], pos + 1
            for bit in range(8):
                if pos >= len(chunk):
                    break
                if not flags >> bit & 1:
                    out.append(chunk[pos])
                    pos += 1
                    continue
                if pos + 2 > len(chunk):
                    return bytes(out[:size])
                token, pos = U16(chunk, pos)[0], pos + 2
                width = max(4, (len(out) - base - 1).bit_length())
                distance = (token >> (16 - width)) + 1
                length = (token & ((1 << (16 - width)) - 1)) + 3
                if distance > len(out) - base:
                    return bytes(out[:size])
                for _ in range(length):
                    out.append(out[-distance])
    return bytes(out[:size])


def huffman_lengths_to_codes(lengths):
    """{(bits, code): symbol} of a canonical code."""
    codes, code = {}, 0
    for bits in range(1, 16):
        for symbol, length in enumerate(lengths):
            if length == bits:
                codes[bits, code] = symbol
                code += 1
        code <<= 1
    return codes


def huffman_expand(source, size):
    """Expands an XPRESS Huffman stream to at most `size` bytes, one bit at a time."""
    out = bytearray()
    at = 0
    while len(out) < size and at + 256 + 4 <= len(source):
        table = source[at:at + 256]
        codes = huffman_lengths_to_codes([n for byte in table for n in (byte & 15, byte >> 4)])
        at = huffman_block(source, at + 256, codes, out, min(size, len(out) + 65536))
    return bytes(out[:size])


def huffman_block(source, at, codes, out, limit):
    """One table's worth of tokens; returns the place of the next table."""
    stream, left = U16(source, at)[0] << 16 | U16(source, at + 2)[0], 32
    at += 4

    def take(count):
        nonlocal stream, left, at
        value = stream >> (left - count)
        stream &= (1 << (left - count)) - 1
        left -= count
        if left < 16:
            word = U16(source, at)[0] if at + 2 <= len(source) else 0
            stream, left, at = stream << 16 | word, left + 16, at + 2
        return value

    while len(out) < limit and at <= len(source) + 4:
        bits = code = 0
        while (bits, code) not in codes:
            if bits == 15:
                return len(source)
            bits, code = bits + 1, code << 1 | stream >> (left - bits - 1) & 1
        take(bits)
        symbol = codes[bits, code]
        if symbol < 256:
            out.append(symbol)
            continue
        length, extra = symbol & 15, symbol - 256 >> 4
        if length == 15:
            if at >= len(source):
                return at
            length, at = source[at] + 15, at + 1
            if length == 255 + 15:
                length, at = U16(source, at)[0], at + 2
                if length == 0:
                    length, at = U32(source, at)[0], at + 4
        distance = (1 << extra) + (take(extra) if extra else 0)
        if distance > len(out):
            return len(source)
        for _ in range(min(length + 3, limit - len(out))):
            out.append(out[-distance])
    return at


class Buffer:
    """One buffer: its place, its processor, and the bytes [0x48, valid) that hold records."""

    def __init__(self, cpu, sequence, body, damaged, missing):
        self.cpu = cpu
        self.sequence = sequence
        self.body = body        # bytes of the records, without the buffer's header
        self.damaged = damaged
        self.missing = missing  # bytes of records that the file's end cuts off


class Segment:
    """A session's buffers: a header buffer and what follows it up to the next one."""

    def __init__(self, header_record):
        kind = header_record[2]
        at = 0x20
        wide = 4 if kind == SYSTEM32 else 8
        self.raw_start = I64(header_record, 0x10)[0]
        self.buffer_size = U32(header_record, at)[0]
        self.processors = U32(header_record, at + 0x0C)[0]
        self.end_time = I64(header_record, at + 0x10)[0]
        self.mode = U32(header_record, at + 0x20)[0]
        self.buffers_written = U32(header_record, at + 0x24)[0]
        self.events_lost = U32(header_record, at + 0x30)[0]
        self.cpu_mhz = U32(header_record, at + 0x34)[0]
        tail = at + (0xF0 if wide == 4 else 0xF8)
        self.boot_time = I64(header_record, tail)[0]
        self.perf_freq = I64(header_record, tail + 8)[0]
        self.start_time = I64(header_record, tail + 0x10)[0]
        self.clock_field = U32(header_record, tail + 0x18)[0]
        self.buffers_lost = U32(header_record, tail + 0x1C)[0]
        self.buffers = []
        self.index = 0  # among all segments of all inputs

    @property
    def clock(self):
        """1 QPC, 2 system time, 3 CPU cycles."""
        if self.clock_field in (1, 2, 3):
            return self.clock_field
        return 1 if self.perf_freq else 2

    @property
    def frequency(self):
        """Ticks per second."""
        ticks = {1: self.perf_freq, 2: 10_000_000, 3: self.cpu_mhz * 1_000_000}[self.clock]
        return ticks if 0 < ticks <= 9_000_000_000 else 10_000_000

    @property
    def mixed_processors(self):
        return bool(self.mode & MODE_MIXED_PROCESSORS)


def header_record(data, pos, end):
    """The header record of a header buffer at `pos`, or None."""
    at = pos + BUFFER_HEADER
    if at + 0x130 > end:
        return None
    kind, flags = data[at + 2], data[at + 3]
    size = U16(data, at + 4)[0]
    needed = 0x20 + (0x110 if kind == SYSTEM32 else 0x118)
    if kind not in (SYSTEM32, SYSTEM64) or flags != 0xC0 or U16(data, at + 6)[0] != 0:
        return None
    if size < needed or at + size > end:
        return None
    return data[at:at + size]


class Container:
    """All buffers of one input, as segments, with what was lost on the way."""

    def __init__(self, path):
        self.path = path
        self.data = load(path)
        self.segments = []
        self.buffers_damaged = 0
        self.bytes_skipped = 0
        self.truncated = 0
        self.buffers_read = 0
        self.step = self.last_plain = 0
        self.packs = False
        self._read()

    def _standing(self, pos):
        """What speaks for a buffer at `pos`: NOTHING, PLAUSIBLE or SURE."""
        data, end = self.data, len(self.data)
        if pos > end:
            return NOTHING
        if pos == end or is_blank(data, pos):
            return SURE
        if pos + BUFFER_HEADER > end:
            return NOTHING
        size, valid = U32(data, pos)[0], U32(data, pos + 0x30)[0]
        flags, kind = U16(data, pos + 0x34)[0], U16(data, pos + 0x36)[0]
        if not BUFFER_HEADER <= size <= MAX_BUFFER or flags & ~0x7F or kind > 7:
            return NOTHING
        first = data[pos + BUFFER_HEADER:pos + BUFFER_HEADER + 4]
        marked = (len(first) == 4 and first != b'\xff' * 4 and
                  (first[3] & 0xC0 == 0xC0 or first[3] in (0x90, 0xB0)))
        if flags & FLAG_COMPRESSED:
            if not BUFFER_HEADER <= valid <= MAX_BUFFER:
                return NOTHING
        elif size >= BUFFER_HEADER + 4 and not marked and first.strip(b'\0') and \
                first != b'\xff' * 4:
            return NOTHING
        return SURE if self._is_sure(pos, size, valid, flags, kind, marked) else PLAUSIBLE

    def _is_sure(self, pos, size, valid, flags, kind, marked):
        """The rules of container/FORMAT.md 1.2 for a plausible header."""
        if (U32(self.data, pos + 0x2C)[0] > 0xFF or valid < BUFFER_HEADER
                or not 0 <= I64(self.data, pos + 0x18)[0] < 1 << 40):
            return False
        if flags & FLAG_COMPRESSED:
            fits = self.packs and max(size, valid) <= self.step
        else:
            if valid > size or not (valid == BUFFER_HEADER or marked):
                return False
            fits = size == (self.step or self.last_plain)
        return fits or (kind == TYPE_HEADER and
                        header_record(self.data, pos, len(self.data)) is not None)

    def _search(self, pos):
        """The first place from `pos` on where surely a buffer stands, or the end."""
        while pos + BUFFER_HEADER <= len(self.data):
            if self._standing(pos) == SURE and not is_blank(self.data, pos):
                return pos
            pos += 1
        return len(self.data)

    def _read(self):
        data, end = self.data, len(self.data)
        head = header_record(data, 0, end)
        if head is None:
            raise NotEtl(self.path)
        self._begin(head)
        pos = 0
        while pos < end:
            if is_blank(data, pos):
                break
            if pos + BUFFER_HEADER > end:
                self.truncated = 1
                break
            pos = self._buffer(pos)

    def _begin(self, head):
        """A session begins with its header record."""
        self.segments.append(Segment(head))
        size = self.segments[-1].buffer_size
        self.step = size if BUFFER_HEADER <= size <= MAX_BUFFER else 0
        self.packs = self.packs or bool(self.segments[-1].mode & MODE_COMPRESSED)

    def _skip(self, pos):
        """No buffer at `pos`: where reading goes on."""
        due = pos + self.step if self.step else len(self.data)
        standing = self._standing(due)
        if standing == SURE and due < len(self.data):
            after = due
        else:
            after = self._search(pos + 1)
            if standing == PLAUSIBLE and due < after:
                after = due
        self.bytes_skipped += after - pos
        return after

    def _leads_on(self, pos, size, plain):
        """Whether the size at `pos` can be believed."""
        if pos + size > len(self.data):
            return False
        if plain and size == self.step:
            return True
        standing = self._standing(pos + size)
        if not plain or (standing == SURE and size < self.step):
            return standing != NOTHING
        return self._standing(pos + self.step) != SURE and standing != NOTHING

    def _buffer(self, pos):
        """Takes the buffer at `pos`; returns the place of the next."""
        if self._standing(pos) == NOTHING:
            return self._skip(pos)
        end, size = len(self.data), U32(self.data, pos)[0]
        plain = not U16(self.data, pos + 0x34)[0] & FLAG_COMPRESSED
        if self._leads_on(pos, size, plain and self.step):
            self._add(pos, size, pos + size, False)
            return pos + size
        if plain and self.step and pos + self.step < end and self._standing(pos + self.step):
            if pos + size > end:
                return self._skip(pos)
            after = pos + self.step
            size = max(size, self.step)
        else:
            after = self._search(pos + BUFFER_HEADER)
            if after == end or after >= pos + size:
                self.truncated |= pos + size > end
                self._add(pos, size, min(end, pos + size), False)
                return min(end, pos + size)
        self._add(pos, size, after, True)
        return after

    def _add(self, pos, size, limit, damaged):
        """Adds the buffer [pos, limit) of nominal `size` to the open segment."""
        data = self.data
        flags = U16(data, pos + 0x34)[0]
        if flags & FLAG_PROC_INDEX:
            cpu = U16(data, pos + 0x28)[0] & 0x07FF
        else:
            cpu = data[pos + 0x28]
        sequence = I64(data, pos + 0x18)[0]
        valid = U32(data, pos + 0x30)[0]
        cut = limit == len(data) < pos + size
        if flags & FLAG_COMPRESSED:
            self.packs = True
            body, whole = self._expand(data[pos + BUFFER_HEADER:limit], valid, cut)
            damaged = damaged or not whole and not cut
        else:
            if not BUFFER_HEADER <= valid <= size:
                valid = U32(data, pos + 4)[0]
                if not BUFFER_HEADER <= valid <= size:
                    valid = size
            body = data[pos + BUFFER_HEADER:min(pos + valid, limit)]
            head = header_record(data, pos, min(pos + valid, limit))
            if pos and U16(data, pos + 0x36)[0] == TYPE_HEADER and head is not None:
                self._begin(head)
            self.last_plain = U32(data, pos)[0]
        self.buffers_read += 1
        missing = valid - BUFFER_HEADER - len(body) if cut else 0
        self.segments[-1].buffers.append(Buffer(cpu, sequence, body, damaged, missing))

    @staticmethod
    def _expand(source, valid, cut):
        """The records of a compressed buffer, and whether all of them came out.

        Of a buffer that the file's end cuts, what is there is expanded; of others all or nothing."""
        size = valid - BUFFER_HEADER
        if not 0 <= size <= MAX_BUFFER:
            return b'', False
        for expand in (xpress_expand, lznt1_expand, huffman_expand):
            body = expand(source, size)
            if len(body) == size and (size < 4 or body[3] & 0x80):
                return body, True
        return xpress_expand(source, size) if cut else b'', False


def record_at(body, at):
    """(kind, size, time) of the record at `at` in a buffer's bytes, or None where none fits.

    Kind is a key of RECORD_KINDS, or 0 for records that are only skipped. Time may be None."""
    left = len(body) - at
    mark = U32(body, at)[0]
    top = mark >> 24
    if top & 0xC0 == 0xC0:
        kind = mark >> 16 & 0xFF
        layout = RECORD_KINDS.get(kind)
        if layout:
            header, _, size_at, time_at = layout
            size = U16(body, at + size_at)[0]
            if size < header or size > left:
                return None
            return kind, size, I64(body, at + time_at)[0]
    elif top & 0x80 == 0:
        return None
    size = mark & 0xFFFF
    if size < 8 or size > left:
        return None
    if top == 0x90:
        return 0, size, wpp_time(body, at, size)
    if top == 0xB0 and size >= 16:
        return 0, size, I64(body, at + 8)[0]
    return 0, size, None


def wpp_time(body, at, size):
    """The time of a WPP message, if it carries one."""
    options = U16(body, at + 6)[0]
    place = 8 + (4 if options & 1 else 0)
    if options & 4:
        place += 4
    elif options & 2:
        place += 16
    if options & 0x18 and place + 8 <= size:
        return I64(body, at + place)[0]
    return None


class Record:
    """A record in merged order. A view into its buffer's bytes; payload() gives the payload."""

    __slots__ = ('raw', 'segment', 'cpu', 'body', 'at', 'size', 'kind')

    def __init__(self, raw, segment, cpu, body, at, size, kind):
        self.raw, self.segment, self.cpu = raw, segment, cpu
        self.body, self.at, self.size, self.kind = body, at, size, kind

    @property
    def pointer_size(self):
        return RECORD_KINDS[self.kind][1]

    @property
    def hook(self):
        """Hook id of SYSTEM, COMPACT and PERFINFO records, else None."""
        return U16(self.body, self.at + 6)[0] if self.kind in HOOK_KINDS else None

    @property
    def guid(self):
        """Class or provider GUID as on disk; None in records with a hook id."""
        return None if self.kind in HOOK_KINDS else self.body[self.at + 0x18:self.at + 0x28]

    @property
    def version(self):
        if self.kind in HOOK_KINDS:
            return self.body[self.at]
        return self.body[self.at + (0x2A if self.kind in (EVENT32, EVENT64) else 6)]

    @property
    def opcode(self):
        """Opcode of records with a GUID."""
        return self.body[self.at + (0x2D if self.kind in (EVENT32, EVENT64) else 4)]

    @property
    def event_id(self):
        """Id of EVENT_HEADER records, else None."""
        return U16(self.body, self.at + 0x28)[0] if self.kind in (EVENT32, EVENT64) else None

    @property
    def owner(self):
        """(pid, tid) of the header; (None, None) in PERFINFO. -1 stands for nobody."""
        if self.kind in PERFINFO_KINDS:
            return None, None
        tid, pid = struct.unpack_from('<II', self.body, self.at + 8)
        return (None if pid == 0xFFFFFFFF else pid), (None if tid == 0xFFFFFFFF else tid)

    def extended_items(self):
        """([(type, data)], offset of the user data in the record) of an EVENT_HEADER record."""
        at, items = 0x50, []
        more = U16(self.body, self.at + 4)[0] & 1
        while more:
            if at + 8 > self.size:
                return items, self.size
            size, kind, linkage, length = struct.unpack_from('<HHHH', self.body, self.at + at)
            if size < 8 or at + size > self.size or 8 + length > size:
                return items, self.size
            items.append((kind, self.body[self.at + at + 8:self.at + at + 8 + length]))
            at += size
            more = linkage & 1
        return items, at

    def payload(self):
        start = RECORD_KINDS[self.kind][0]
        if self.kind in PERFINFO_KINDS:
            extension = U16(self.body, self.at)[0]
            start += (8 if extension & 0x8000 else 0) + 8 * (extension >> 8 & 7)
        elif self.kind in (EVENT32, EVENT64):
            start = self.extended_items()[1]
        return self.body[self.at + start:self.at + self.size]


class Trace:
    """Several inputs as one trace. records() gives them in the order of semantics 2."""

    def __init__(self, paths):
        self.inputs = [Container(path) for path in paths]
        self.segments = [s for one in self.inputs for s in one.segments]
        for index, segment in enumerate(self.segments):
            segment.index = index
        self.events = 0
        self.time_steps_back = 0
        self.bad_buffers = 0
        first = self.segments[0]
        self.one_axis = all(
            (s.boot_time, s.perf_freq, s.clock, s.frequency)
            == (first.boot_time, first.perf_freq, first.clock, first.frequency)
            for s in self.segments)
        if self.one_axis:
            self.anchor = min(self.segments, key=lambda s: s.raw_start)
        else:
            self.anchor = min(self.segments, key=lambda s: s.start_time)

    def time_ns(self, segment, raw):
        """Nanoseconds since the trace's start, rounded down."""
        if self.one_axis:
            return (raw - self.anchor.raw_start) * 1_000_000_000 // segment.frequency
        if segment.clock == 2:
            return (raw - self.anchor.start_time) * 100
        since = (raw - segment.raw_start) * 1_000_000_000 // segment.frequency
        return since + (segment.start_time - self.anchor.start_time) * 100

    def start_filetime(self):
        """The wall time that time_ns counts from, FILETIME."""
        if self.one_axis and self.anchor.clock == 2:
            return self.anchor.raw_start
        return self.anchor.start_time

    def boot(self, segment):
        """What tells boots apart."""
        return segment.boot_time

    def _stream(self, segment, cpu, buffers):
        """Records of one processor's buffers, in stream order. Timeless ones are only counted."""
        sequences = [b.sequence for b in buffers]
        if len(set(sequences)) == len(sequences):
            buffers = sorted(buffers, key=lambda b: b.sequence)
        last = None
        for buffer in buffers:
            body, at, damaged = buffer.body, 0, buffer.damaged
            while len(body) - at >= 8:
                mark = U32(body, at)[0]
                if mark == 0 or mark == 0xFFFFFFFF:
                    damaged = damaged or not is_blank(body, at)
                    break
                found = record_at(body, at)
                if found is None:
                    uncut = body[at:] + bytes(max(0, buffer.missing))
                    damaged = damaged or record_at(uncut, 0) is None
                    break
                kind, size, raw = found
                self.events += 1
                if raw is not None:
                    if last is not None and raw < last:
                        self.time_steps_back += 1
                    last = raw
                    if kind:
                        yield Record(raw, segment, cpu, body, at, size, kind)
                at += size + 7 & ~7
            self.bad_buffers += bool(damaged)

    def records(self):
        """All records of known kinds in merged order; run to its end it completes the counts."""
        self.events = self.time_steps_back = self.bad_buffers = 0
        streams = []
        for segment in self.segments:
            by_cpu = {}
            for buffer in segment.buffers:
                by_cpu.setdefault(None if segment.mixed_processors else buffer.cpu, []).append(buffer)
            for cpu in sorted(by_cpu, key=lambda c: -1 if c is None else c):
                streams.append(self._stream(segment, cpu, by_cpu[cpu]))
        if self.one_axis:
            return heapq.merge(*streams, key=lambda r: r.raw)
        return heapq.merge(*streams, key=lambda r: self.time_ns(r.segment, r.raw))
