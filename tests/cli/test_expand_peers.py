"""The three expanders against libfwnt, an implementation by other people (Debian: libfwnt1, which
python3-libfwnt brings along). Skips where the library, or the real traces, are missing."""
import ctypes
import random
import struct
import subprocess
import unittest

import support

LIBRARY = 'libfwnt.so.1'
FUNCTIONS = {'x': 'lzxpress_decompress', 'h': 'lzxpress_huffman_decompress',
             'l': 'lznt1_decompress'}
PACKERS = {'x': 'X', 'h': 'H', 'l': 'L'}

BUFFER_HEADER = 0x48
FLAG_COMPRESSED = 0x40


class Peer:
    """libfwnt by ctypes: its Python module has no door to these functions."""

    def __init__(self):
        try:
            self.library = ctypes.CDLL(LIBRARY)
        except OSError:
            raise unittest.SkipTest('no %s (package libfwnt1)' % LIBRARY)

    def expand(self, form, packed, room):
        """The expanded bytes, or None where libfwnt sees an error."""
        function = getattr(self.library, 'libfwnt_' + FUNCTIONS[form])
        function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p,
                             ctypes.POINTER(ctypes.c_size_t), ctypes.c_void_p]
        into = ctypes.create_string_buffer(room)
        length = ctypes.c_size_t(room)
        if function(packed, len(packed), into, ctypes.byref(length), None) != 1:
            return None
        return into.raw[:length.value]


class Tool:
    """tests/expand_tool.c: our expanders and etlgen's packers."""

    def __init__(self):
        self.process = subprocess.Popen(support.program('expand_tool'), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def ask(self, what, room, data):
        self.process.stdin.write(struct.pack('<cII', what.encode(), room, len(data)) + data)
        self.process.stdin.flush()
        length, = struct.unpack('<I', self.process.stdout.read(4))
        return self.process.stdout.read(length)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


def records(count, rng):
    """Bytes as trace buffers hold them: small structures that differ in few places."""
    parts, time, address = [], 132000000000, 0x1D0A2B40000
    for _ in range(count):
        time += rng.randrange(1, 4000)
        address = rng.choice((address, address + 16 * rng.randrange(1, 500)))
        parts.append(struct.pack('<HBBHHIIqQQQI', 2, 2, 0xC0, 0x3C, 0x1021, 4711, 1234, time,
                                 0x1D0A2B30000, rng.randrange(1, 900), address, 2))
    return b''.join(parts)


def long_repeats():
    """Plain data that libfwnt can follow in LZNT1 only: it has no 32-bit lengths in XPRESS, and
    runs past a Huffman block that ends with a match."""
    yield 'zeros', bytes(200000)
    yield 'a pattern', b'abcdefg' * 30000


def samples():
    """Plain data to pack: (name, bytes)."""
    rng = random.Random(20240601)
    yield 'one byte', b'a'
    yield 'noise', bytes(rng.randrange(256) for _ in range(5000))
    yield 'records', records(20000, rng)
    for length in (4095, 4096, 4097, 65535, 65536, 65537, 131072):
        yield 'records of %d bytes' % length, records(3000, rng)[:length]
    for alphabet in (2, 5, 40):
        data = bytearray(rng.randrange(alphabet) for _ in range(90000))
        for _ in range(200):
            start, to = rng.randrange(80000), rng.randrange(80000)
            length = rng.choice((3, 9, 10, 24, 25, 279, 280, 281, 4000))
            data[to:to + length] = data[start:start + length]
        yield '%d letters' % alphabet, bytes(data)


def packed_buffers(path):
    """The compressed buffers of a trace: (file offset, packed bytes, expanded length)."""
    if path.endswith('.zst'):
        data = subprocess.run(['zstd', '-dc', path], stdout=subprocess.PIPE, check=True).stdout
    else:
        with open(path, 'rb') as f:
            data = f.read()
    at = 0
    while at + BUFFER_HEADER <= len(data):
        size, = struct.unpack_from('<I', data, at)
        valid, flags = struct.unpack_from('<IH', data, at + 0x30)
        if size < BUFFER_HEADER:
            break
        if flags & FLAG_COMPRESSED:
            yield at, data[at + BUFFER_HEADER:at + size], valid - BUFFER_HEADER
        at += size


class Peers(unittest.TestCase):

    def setUp(self):
        self.peer = Peer()
        self.tool = Tool()
        self.addCleanup(lambda: self.assertEqual(self.tool.close(), 0))

    def check(self, form, plain, with_peer=True):
        """Packs `plain` with our packer and expands it with both."""
        packed = self.tool.ask(PACKERS[form], 2 * len(plain) + 1024, plain)
        self.assertGreater(len(packed), 0)
        self.assertTrue(self.tool.ask(form, len(plain), packed) == plain, 'ours differs')
        if with_peer:
            self.assertTrue(self.peer.expand(form, packed, len(plain)) == plain, 'libfwnt differs')

    def test_packed_by_us(self):
        for form in PACKERS:
            for name, plain in samples():
                with self.subTest(form=form, sample=name):
                    self.check(form, plain)
            for name, plain in long_repeats():
                with self.subTest(form=form, sample=name):
                    self.check(form, plain, with_peer=form == 'l')

    def test_real_buffers(self):
        seen = 0
        for path, _ in support.real_traces():
            for at, packed, length in packed_buffers(path):
                with self.subTest(trace=path, offset=at):
                    ours = self.tool.ask('x', length, packed)
                    self.assertEqual(len(ours), length)
                    self.assertTrue(self.peer.expand('x', packed, length) == ours, 'they differ')
                    seen += 1
        self.assertGreater(seen, 0)

    def test_real_buffers_packed_again(self):
        for path, _ in support.real_traces():
            for at, packed, length in list(packed_buffers(path))[:5]:
                plain = self.tool.ask('x', length, packed)
                for form in PACKERS:
                    with self.subTest(trace=path, offset=at, form=form):
                        self.check(form, plain)


if __name__ == '__main__':
    support.main()
