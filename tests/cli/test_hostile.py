"""Small traces that ask for much: time and memory stay in proportion to the file's size.

Each is at most 3 MB, and must be read in 5 s and 256 MiB, except where a named limit of
lib/base/limits.h allows more memory.
"""
import os
import struct
import subprocess
import time
import unittest

import support

SECONDS = 5
MEMORY = 256 << 20
OPEN_BYTES = 512 << 20  # LIMIT_OPEN_BYTES
MASK = (1 << 64) - 1
HASH_FACTOR = 0xD6E8FEB86659FD93
SESSION = 'session cpus=1 buffer_size=64K\n'


def unhash(value):
    """The number that lib/base/hash.h hashes, without a salt, to `value`."""
    inverse = pow(HASH_FACTOR, -1, 1 << 64)
    value ^= value >> 32
    for _ in range(2):
        value = value * inverse & MASK
        value ^= value >> 32
    return value


def record_and_zeros_by_xpress(length):
    """A plain XPRESS stream of a few bytes that expands to a record and zeros, `length` in all."""
    record = struct.pack('<HBBHHIIqII', 2, 2, 0xC0, 32, 0x0F00, 8, 4, 1 << 40, 0, 0)
    match = struct.pack('<HBBHI', 7, 15, 255, 0, length - len(record) - 3)
    return struct.pack('<I', 0) + record + struct.pack('<I', 0xFFFFFFFF) + match


PROGRAMS = ('etl2csv', 'etl2chrome', 'etl2perfetto', 'etlinfo')


class Hostile(support.CliTestCase):

    def read_in_proportion(self, text, name='etl2csv', status=0, memory=MEMORY):
        """Converts a case text; returns what was said."""
        trace = self.build_text('hostile', text)
        self.assertLess(os.path.getsize(trace), 4 << 20)
        return self.read_trace(trace, name, status, memory)

    def read_trace(self, trace, name='etl2csv', status=0, memory=MEMORY, options=()):
        began = time.monotonic()
        with open(self.path('said'), 'wb') as said:
            child = subprocess.Popen(support.program(name) + ['-q', '-f', '-o', self.path('out'),
                                                              *options, trace],
                                     stdin=subprocess.DEVNULL, stderr=said)
            _, code, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(code)
        seconds = usage.ru_utime + usage.ru_stime
        message = self.read('said').decode('utf-8', 'replace')
        self.assertEqual(child.returncode, status, message)
        if not os.environ.get('ETLHEAP_SANITIZED'):
            self.assertLess(seconds, SECONDS, 'wall time %.1f s' % (time.monotonic() - began))
            self.assertLess(usage.ru_maxrss * 1024, memory)
        return message

    def test_addresses_that_collide(self):
        lines = [SESSION]
        for i in range(30000):
            lines.append('alloc t=+1 heap=0x10000 addr=0x%x size=1' % unhash(i << 32 | 1))
        for i in range(30000):
            lines.append('free t=+1 heap=0x10000 addr=0x%x' % unhash(i << 32 | 1))
        self.read_in_proportion('\n'.join(lines) + '\n')

    def test_handles_that_collide(self):
        # (process instance, handle) is the key; the process is the same for all.
        lines = [SESSION] + ['lock t=+1 heap=0x%x' % unhash(i << 32 | 1) for i in range(60000)]
        for name in ('etl2csv', 'etlinfo'):
            self.read_in_proportion('\n'.join(lines) + '\n', name)

    def test_a_kind_in_every_record(self):
        lines = [SESSION]
        lines += ['event t=+1 pid=4 tid=8 guid=00000000-0000-0000-0000-%012x id=%d hex=00'
                  % (i, i) for i in range(30000)]
        self.read_in_proportion('\n'.join(lines) + '\n', 'etlinfo')

    def test_buffers_that_expand_without_end(self):
        packed = record_and_zeros_by_xpress((64 << 20) - 72).hex()
        lines = ['session cpus=2048 buffer_size=64K compressed=xpress']
        for cpu in range(2048):
            lines.append('buffer cpu=%d compressed=raw offset=%d' % (cpu, 64 << 20))
            lines += ['bytes hex=%s' % packed, 'end']
        message = self.read_in_proportion('\n'.join(lines) + '\n', status=3)
        self.assertIn('claims to expand more than 1024 times', message)

    def test_buffers_that_expand_much(self):
        packed = record_and_zeros_by_xpress((1 << 20) - 72).hex()
        lines = ['session cpus=2048 buffer_size=64K compressed=xpress']
        for cpu in range(2000):
            lines.append('buffer cpu=%d compressed=raw offset=%d' % (cpu, 1 << 20))
            lines += ['bytes hex=%s' % (packed + '00' * 1100), 'end']
        message = self.read_in_proportion('\n'.join(lines) + '\n', status=3,
                                          memory=OPEN_BYTES + MEMORY)
        self.assertIn('with those of the other processors', message)

    def test_many_sessions(self):
        self.read_in_proportion('session cpus=1 buffer_size=1K raw0=1\nalloc t=1 addr=1 size=1\n' * 1400)

    def test_too_many_sessions(self):
        one = self.build_text('one', 'session cpus=1 buffer_size=512\n')
        with open(one, 'rb') as f:
            data = f.read()
        header = data[:struct.unpack_from('<I', data)[0]]
        with open(self.path('many.etl'), 'wb') as f:
            f.write(header * 5000)
        message = self.read_trace(self.path('many.etl'), status=3)
        self.assertIn('at offset %d; the rest is left out' % (4096 * len(header)), message)

    def test_smallest_buffers(self):
        """An empty buffer of 72 bytes is the smallest step."""
        data = self.read_case(SESSION)
        empty = bytearray(72)
        struct.pack_into('<I', empty, 0, 72)
        struct.pack_into('<I', empty, 0x30, 72)
        with open(self.path('many.etl'), 'wb') as f:
            f.write(data + bytes(empty) * 40000)
        self.read_trace(self.path('many.etl'))

    def test_no_buffer_anywhere(self):
        data = self.read_case('session cpus=1 log_buffer_size=72\n')
        with open(self.path('noise.etl'), 'wb') as f:
            f.write(data + b'\x41\x00\xff' * 1000000)
        self.read_trace(self.path('noise.etl'), status=3)

    def read_case(self, text):
        with open(self.build_text('base', text), 'rb') as f:
            return f.read()

    def test_runs_of_zeros(self):
        data = self.read_case('session cpus=1 log_buffer_size=72\n')
        with open(self.path('zeros.etl'), 'wb') as f:
            f.write(data + (bytes(100000) + b'\x41') * 30)
        self.read_trace(self.path('zeros.etl'), status=3)

    def test_waiting_events_of_picked_threads(self):
        # Ids whose double product with the usual factor is small, and a time of zero.
        factor = 0x9E3779B97F4A7C15
        step = pow(factor * factor, -1, 1 << 64)
        ids = [k * step & MASK for k in range(1, 40001)]
        text = SESSION + 'set heap=0x1a0000\n' + ''.join(
            'alloc t=0 pid=%d tid=%d addr=%#x size=24\n' % (i >> 32, i & 0xFFFFFFFF, 0x1000 + 32 * k)
            for k, i in enumerate(ids) if i >> 32 != 0xFFFFFFFF)
        self.read_in_proportion(text + 'stack t=10 for=0 pid=4 tid=4 frames=0x7ffa00012345\n')

    def test_a_process_started_often_and_stacks_of_nobody(self):
        text = SESSION + 'set heap=0x1a0000\n'
        text += ''.join('alloc kind=perfinfo t=100 addr=%#x size=24\n' % (0x1000 + 32 * k)
                        for k in range(256))
        text += 'stack t=100 for=100 pid=8 tid=9 frames=0x7ffa00012345\n' * 256
        text += 'process start version=0 t=+0 pid=8 by_pid=4 by_tid=4\n' * 20000
        text += ''.join('stack t=+0 for=100 pid=8 tid=9 frames=0x7ffa000%05x\n' % k
                        for k in range(2000))
        self.read_in_proportion(text)

    def test_deep_stacks_that_many_events_might_repeat(self):
        text = SESSION + 'set heap=0x1a0000 pid=8 tid=9\n'
        text += ''.join('image load t=50 base=%#x size=1 name=a%d.dll\n'
                        % (0x7FF000000000 + 4096 * k, k) * 500 for k in range(33))
        text += ''.join('alloc t=100 addr=%#x size=24\n' % (0x1000 + 32 * k) for k in range(256))
        text += 'stack t=100 for=100 frames=0x7ffa00012345\n' * 256
        text += 'image load t=101 base=0x100000 size=4096 name=z.dll\n'
        text += ''.join('stack t=101 for=100 frames=%s\n'
                        % ','.join(hex(0x7FF000100000 + 2048 * k + i) for i in range(999))
                        for k in range(100))
        self.read_in_proportion(text)

    def test_events_of_one_moment(self):
        lines = [SESSION]
        lines += ['alloc t=5ms pid=4 tid=8 heap=0x10000 addr=0x%x size=1' % i for i in range(1, 20000)]
        lines += ['stack for=36000050000 pid=4 tid=8 frames=0x7ff000001000,0x%x' % i
                  for i in range(1, 20000)]
        for name in PROGRAMS:
            self.read_in_proportion('\n'.join(lines) + '\n', name)
        self.check_stacks(lines, 19999)

    def test_stacks_before_their_events(self):
        lines = [SESSION]
        lines += ['stack t=1ms for=36000050000 pid=4 tid=8 frames=0x7ff000001000,0x%x' % i
                  for i in range(1, 10000)]
        lines += ['alloc t=5ms pid=4 tid=8 heap=0x10000 addr=0x%x size=1' % i for i in range(1, 10000)]
        self.read_in_proportion('\n'.join(lines) + '\n')
        self.check_stacks(lines, 9999)

    def check_stacks(self, lines, count):
        """Every event has its stack, and each another."""
        trace = self.build_text('stacks', '\n'.join(lines) + '\n')
        done = support.run('etl2csv', '-q', '-c', '--columns', 'stack_id', trace)
        self.assertEqual(done.stdout.split()[1:], [b'%d' % i for i in range(1, count + 1)])

    def test_events_of_one_moment_and_stacks_of_others(self):
        """Parts of several processes and processors, and events whose headers name nobody."""
        lines = ['session cpus=2 buffer_size=64K']
        lines += ['alloc t=5ms cpu=%d pid=%d tid=8 heap=0x10000 addr=0x%x size=1' % (i % 2, 4 + i % 3, i)
                  for i in range(1, 12000)]
        lines += ['stack for=36000050000 cpu=%d pid=%d tid=8 frames=0x7ff000001000,0x%x'
                  % (i // 7 % 2, 4 + i % 4, i) for i in range(1, 12000)]
        lines += ['alloc t=6ms kind=perfinfo cpu=0 heap=0x10000 addr=0x%x size=1' % i
                  for i in range(20000, 24000)]
        lines += ['stack for=36000060000 cpu=0 pid=%d tid=8 frames=0x%x' % (4 + i // 23000, i)
                  for i in range(20000, 24000)]
        self.read_in_proportion('\n'.join(lines) + '\n')

    def test_volumes_and_images(self):
        lines = [SESSION]
        lines += ['volume nt=\\\\V%d dos=%d:' % (i, i) for i in range(12000)]
        lines += ['image load t=+1 base=0x%x size=1 name=\\\\W\\\\%d' % (i << 12, i)
                  for i in range(1, 10000)]
        lines += ['alloc addr=1 size=1', 'stack frames=0x1000']
        self.read_in_proportion('\n'.join(lines) + '\n')

    def test_images_on_top_of_each_other(self):
        lines = [SESSION]
        lines += ['image load t=+1 base=0x%x size=0x7fffffff0000 name=a%d' % (i << 12, i)
                  for i in range(1, 10000)]
        for i in range(5000):
            lines += ['alloc t=+1 addr=%d size=1' % i, 'stack frames=0x%x,0x%x' % (i << 13, i << 14)]
        self.read_in_proportion('\n'.join(lines) + '\n')

    def test_stack_keys_defined_often_and_asked_too_late(self):
        lines = [SESSION]
        lines += ['stack_key_rundown t=+1 key=7 frames=0x1000' for _ in range(20000)]
        for i in range(10000):
            lines += ['alloc t=+10 addr=%d size=1' % i, 'stack_user key=7']
        self.read_in_proportion('\n'.join(lines) + '\n')

    def test_processes_that_end_again_and_again(self):
        lines = [SESSION]
        for i in range(1000):
            lines.append('alloc t=+1 pid=8 heap=0x%x addr=1 size=1' % (i << 16))
        for i in range(8000):
            lines.append('process end t=+1 pid=8')
        for name in PROGRAMS:
            self.read_in_proportion('\n'.join(lines) + '\n', name)

    def test_a_process_in_every_record(self):
        lines = [SESSION] + ['alloc t=+1 pid=%d tid=%d addr=1 size=1' % (i, i) for i in range(40000)]
        for name in PROGRAMS:
            self.read_in_proportion('\n'.join(lines) + '\n', name)

    def test_a_stack_in_every_record(self):
        lines = [SESSION]
        for i in range(1500):
            frames = ','.join('0x%x' % (0x7ff000000000 + i * 1000 + k) for k in range(180))
            lines += ['alloc t=+1 pid=4 tid=8 addr=%d size=1' % i, 'stack frames=' + frames]
        for name in PROGRAMS:
            self.read_in_proportion('\n'.join(lines) + '\n', name)

    def test_stacks_that_count_up_like_their_processes(self):
        """Stack i is of process i + 1, one frame apart from the stack before."""
        base = self.read_case(SESSION + 'alloc t=1ms pid=-8 tid=8 addr=0x1000 size=1\nflush\n'
                              'alloc t=1ms pid=4 tid=8 heap=0x10000 addr=0x1000 size=1\n'
                              'stack pid=4 tid=8 frames=0x1000,0x2000\n')
        head, records = base[:0x20000], bytearray(base[0x20048:0x200B8])
        buffer = bytearray(base[0x20000:0x20048])
        each, count = len(records), 120000
        many = self.path('many.etl')
        with open(many, 'wb') as f:
            f.write(head)
            for first in range(0, count, 500):
                data = bytearray(records * 500)
                for i in range(500):
                    number = first + i
                    struct.pack_into('<I', data, i * each + 12, 4 * number + 4)
                    struct.pack_into('<I', data, i * each + 64 + 24, 4 * number + 4)
                    struct.pack_into('<Q', data, i * each + 64 + 32, (number << 16) + 0x10000)
                size = len(buffer) + len(data)
                struct.pack_into('<III', buffer, 0, 0x10000, size, size)
                struct.pack_into('<I', buffer, 0x30, size)
                struct.pack_into('<q', buffer, 0x18, first // 500 + 3)
                f.write(buffer + data + b'\xff' * (0x10000 - size))
        self.read_trace(many, options=['--table', 'callsites'])

    def test_a_deep_stack_key_of_every_process(self):
        """Each process defines the key's frames in sequences of its own."""
        lines = [SESSION]
        for i in range(1, 5000):
            lines += ['alloc t=+10 pid=%d tid=8 addr=1 size=1' % (4 * i),
                      'stack_user pid=%d tid=8 key=7' % (4 * i)]
        lines.append('stack_key_rundown t=+1 key=7 frames='
                     + ','.join(hex(0x7FF000000000 + 16 * i) for i in range(1000)))
        said = self.read_in_proportion('\n'.join(lines) + '\n', 'etl2perfetto', memory=480 << 20)
        self.assertIn('shown as [left out]', said)
        self.assertLess(os.path.getsize(self.path('out')), 250 << 20)
        self.assertIn(b'[left out]', self.read('out'))

    def test_a_deep_stack_key_in_a_module_of_a_long_name(self):
        """Few bytes ask for four megabytes in each row."""
        lines = [SESSION, 'image load t=1ms pid=8 base=0x7ff000000000 size=0x10000 name=%s' % ('n' * 4000)]
        for i in range(1, 1000):
            lines += ['alloc t=+10 pid=8 tid=8 addr=%d size=1' % i, 'stack_user pid=8 tid=8 key=7']
        lines.append('stack_key_rundown t=+1 key=7 frames='
                     + ','.join(hex(0x7FF000000000 + 16 * i) for i in range(1000)))
        trace = self.build_text('names', '\n'.join(lines) + '\n')
        for name, options in (('etl2csv', ['--columns', 'stack']), ('etl2chrome', [])):
            self.read_trace(trace, name, options=options)
            self.assertLess(os.path.getsize(self.path('out')), 80 << 20)
            self.assertEqual(self.read('out').count(b'nn+0x100;...'), 999)

    def test_profiles_of_many_heaps(self):
        """Not every heap changes between two dumps."""
        trace = self.build_text('heaps', SESSION + ''.join(
            'alloc t=+1 pid=4 tid=8 heap=%#x addr=1 size=1\n' % (i << 16) for i in range(1, 10000)))
        self.read_trace(trace, 'etl2perfetto',
                        options=['--profile-per-heap', '--profile-dumps', '1000'])
        self.assertLess(os.path.getsize(self.path('out')), 16 << 20)

    def test_one_heap_destroyed_again_and_again(self):
        lines = [SESSION] + ['alloc t=+1 heap=0x10000 addr=%d size=1' % i for i in range(1, 20000)]
        for i in range(10000):
            lines += ['alloc t=+1 heap=0x10000 addr=1 size=1', 'destroy t=+1 heap=0x10000']
        self.read_in_proportion('\n'.join(lines) + '\n')


if __name__ == '__main__':
    support.main()
