"""Nothing lost: what stands around a damaged place, in buffers of any size, is read."""
import json
import os
import random
import struct
import subprocess
import unittest

import support

MEMORY = 256 << 20
HEADER = 0x48


def buffer_starts(data):
    """Offsets of the buffers of an undamaged trace, and its length."""
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += struct.unpack_from('<I', data, at)[0]
    return starts + [at]


def allocs(count, every=1):
    """Lines of allocs at ascending times, round about the processors."""
    return ''.join('alloc t=+%dus cpu=%d pid=4 tid=8 heap=0x10000 addr=0x%x size=24\n'
                   % (every, n % 2, 0x1000 + 16 * n) for n in range(count))


class Salvage(support.CliTestCase):

    def trace(self, text):
        with open(self.build_text('trace', text), 'rb') as f:
            return f.read()

    def convert(self, data, status):
        """(rows, messages, counts) of a trace."""
        trace = self.write('t.etl', bytes(data))
        done = support.run('etl2csv', '-q', '-f', '-o', self.path('out'), '--columns',
                           'raw_time,event,address', '--stats', self.path('stats'), trace,
                           status=status)
        return (self.read('out').decode().splitlines()[1:], done.stderr.splitlines(),
                json.loads(self.read('stats')))

    def check_lost(self, data, damaged, lost, message):
        """Exactly the rows of the buffers `lost` are missing from `damaged`, and that is told."""
        whole, said, _ = self.convert(data, 0)
        self.assertEqual(said, [])
        starts = buffer_starts(data)
        alone = []
        for i in lost:
            one = data[:starts[1]] + data[starts[i]:starts[i + 1]]
            alone += self.convert(one, 0)[0]
        rows, said, counts = self.convert(damaged, 3)
        self.assertEqual(sorted(rows + alone), sorted(whole))
        self.assertIn(message, '\n'.join(said))
        return counts

    def packed(self, algorithm='xpress'):
        return self.trace('session cpus=2 buffer_size=4K compressed=%s\n' % algorithm + allocs(1500))

    def test_header_overwritten_in_a_packed_file(self):
        for algorithm in ('xpress', 'lznt1', 'huffman'):
            data = self.packed(algorithm)
            starts = buffer_starts(data)
            self.assertGreater(len(starts), 12)
            for junk in (bytes(HEADER), b'\xff' * HEADER, b'\x41' * HEADER,
                         random.Random(1).randbytes(HEADER)):
                with self.subTest(algorithm=algorithm, junk=junk[:4]):
                    damaged = bytearray(data)
                    damaged[starts[5]:starts[5] + HEADER] = junk
                    counts = self.check_lost(
                        data, damaged, [5], 'no buffer header where one is due, at offset %d; '
                        'skipped to the next place (%d bytes)' % (starts[5], starts[6] - starts[5]))
                    self.assertEqual(counts['bytes_skipped'], starts[6] - starts[5])

    def test_neighbours_overwritten_in_a_packed_file(self):
        data = self.packed()
        starts = buffer_starts(data)
        damaged = bytearray(data)
        damaged[starts[4] + 9:starts[7] + 5] = b'\x55' * (starts[7] + 5 - starts[4] - 9)
        self.check_lost(data, damaged, [4, 5, 6, 7], 'at offset %d' % starts[4])

    def test_hole_in_a_packed_file(self):
        """Bytes are missing, so that everything behind has moved."""
        data = self.packed()
        starts = buffer_starts(data)
        damaged = data[:starts[3] + 100] + data[starts[5] + 33:]
        self.check_lost(data, damaged, [3, 4, 5], 'at offset %d' % starts[3])

    def test_wrong_sizes_in_a_packed_file(self):
        """Where the next buffer stands shows, so nothing is lost: the stream ends before that."""
        data = self.packed()
        starts = buffer_starts(data)
        right = starts[7] - starts[6]
        for size in (HEADER, right - 1, right + 1, right + 9, 2 * right, 60000, 1 << 26):
            with self.subTest(size=size):
                damaged = bytearray(data)
                struct.pack_into('<I', damaged, starts[6], size)
                whole = self.convert(data, 0)[0]
                rows, said, counts = self.convert(damaged, 3)
                self.assertGreaterEqual(len(rows), len(whole) - 70)
                if size > right:
                    self.assertEqual(rows, whole)
                    self.assertIn('etl2csv: %s: a buffer whose size reaches into the next, at offset '
                                  '%d; it is taken to end there (%d bytes)'
                                  % (self.path('t.etl'), starts[6], right), said)
                    self.assertEqual(counts['buffers_damaged'], 1)

    def plain(self):
        return self.trace('session cpus=2 buffer_size=4K\n' + allocs(1500))

    def test_headers_overwritten_in_a_plain_file(self):
        data = self.plain()
        starts = buffer_starts(data)
        damaged = bytearray(data)
        for i in (3, 4, 5, 9):
            damaged[starts[i]:starts[i] + HEADER] = b'\x77' * HEADER
        counts = self.check_lost(data, damaged, [3, 4, 5, 9], 'at offset %d' % starts[3])
        self.assertEqual(counts['bytes_skipped'], 4 * 4096)

    def test_bytes_inserted_into_a_plain_file(self):
        data = self.plain()
        at = buffer_starts(data)[6]
        for junk in (b'\x00' * 100, b'\x01\x00' * 700, b'\x55' * 5000):
            with self.subTest(junk=junk[:2]):
                counts = self.check_lost(data, data[:at] + junk + data[at:], [], 'at offset %d' % at)
                self.assertEqual(counts['bytes_skipped'], len(junk))

    def test_wrong_sizes(self):
        """Of two buffers, of half of one, of hardly more than the header."""
        data = self.plain()
        starts = buffer_starts(data)
        for size in (8192, 2048, 3001, 0x50):
            with self.subTest(size=size):
                damaged = bytearray(data)
                struct.pack_into('<I', damaged, starts[6], size)
                counts = self.check_lost(data, damaged, [], "the session's size is taken")
                self.assertEqual(counts['buffers_damaged'], 1)

    def test_first_header_overwritten(self):
        data = self.plain()
        damaged = bytearray(data)
        damaged[:HEADER] = b'\x55' * HEADER
        counts = self.check_lost(data, damaged, [], 'at offset 0')
        self.assertEqual(counts['bytes_skipped'], 4096)

    def test_ten_losses_are_named(self):
        data = bytearray(self.plain())
        starts = buffer_starts(data)
        for i in range(1, 14):
            struct.pack_into('<I', data, starts[i] + HEADER + 0x20, 0)
            data[starts[i] + HEADER + 4:starts[i] + HEADER + 6] = b'\x07\x00'
        _, said, counts = self.convert(data, 3)
        self.assertEqual(len(said), 11)
        self.assertEqual(said[-1], 'etl2csv: and 3 more damaged places')
        self.assertEqual(counts['buffers_damaged'], 13)

    def test_buffers_larger_than_what_is_read_at_once(self):
        text = allocs(9000) + 'hook t=+1us cpu=0 id=0x0f00 hex=%s\n' % ('41' * 60000) + allocs(9000)
        small = self.convert(self.trace('session cpus=2 buffer_size=64K\n' + text), 0)[0]
        for size in ('1M', '333K'):
            large = self.convert(self.trace('session cpus=2 buffer_size=%s\n' % size + text), 0)[0]
            self.assertEqual(large, small)

    def test_damage_far_inside_a_large_buffer(self):
        data = self.trace('session cpus=2 buffer_size=1M\n' + allocs(18000))
        whole = self.convert(data, 0)[0]
        starts = buffer_starts(data)
        valid = struct.unpack_from('<I', data, starts[1] + 0x30)[0]
        damaged = bytearray(data)
        at = starts[1] + HEADER + (valid - HEADER) // 64 // 2 * 64
        damaged[at:at + 8] = bytes(8)
        rows, said, _ = self.convert(damaged, 3)
        self.assertIn('no record where one is due, at offset %d; the rest of its buffer is lost (%d '
                      'bytes)' % (at, starts[1] + valid - at), said[0])
        self.assertLess(len(rows), len(whole))
        self.assertEqual(rows, [row for row in whole if row in set(rows)])

    def test_junk_as_long_as_a_step_of_the_search(self):
        """And a little more or less: all before it is read, and it is told once."""
        data = self.packed()
        whole, _, _ = self.convert(data, 0)
        for length in range(65525, 65540):
            junk = bytes([0xAA]) * (length - HEADER) + bytes(HEADER - 1) + b"\1"
            rows, said, counts = self.convert(data + junk, 3)
            self.assertEqual(rows, whole)
            self.assertEqual(len(said), 1, said)

    def test_many_processors_with_large_buffers(self):
        """A sparse file: 2048 processors, each with 512 KiB that hold one record."""
        data = self.trace('session cpus=2048 buffer_size=512K\n'
                          'alloc t=1ms cpu=0 pid=4 tid=8 heap=0x10000 addr=0x1000 size=24\n')
        start = buffer_starts(data)[1]
        one = bytearray(data[start:start + 4096])
        struct.pack_into('<I', one, 0x30, 1 << 19)
        with open(self.path('sparse.etl'), 'wb') as f:
            f.write(data[:start])
            for cpu in range(2048):
                f.seek(start + (cpu << 19))
                struct.pack_into('<H', one, 0x28, cpu)
                f.write(one[:HEADER + 0x40] + bytes(1000))
            f.truncate(start + (2048 << 19))
        with open(self.path('said'), 'wb') as said:
            child = subprocess.Popen(support.program('etl2csv') +
                                     ['-q', '-o', self.path('rows'), self.path('sparse.etl')],
                                     stderr=said)
            _, code, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(code)
        self.assertEqual(child.returncode, 0, self.read('said'))
        self.assertEqual(self.read('rows').count(b'\n'), 2049)
        if not os.environ.get('ETLHEAP_SANITIZED'):
            self.assertLess(usage.ru_maxrss * 1024, MEMORY + (64 << 20))


if __name__ == '__main__':
    support.main()
