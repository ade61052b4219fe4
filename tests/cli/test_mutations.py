"""Traces cut at any offset and overwritten at random, through all converters.

No crash, no hang, no unbounded memory, a status that semantics 1 knows; and whatever happens, the
records of every buffer that no mutation touched are there. The mutations are seeded: a failure
names the one that caused it. ETLHEAP_LONG=1 takes 500 cuts and 2 000 mutations of each trace of 3 MB,
and says at the end how long and how large the longest and the largest run were.
"""
import collections
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import support

LONG = os.environ.get('ETLHEAP_LONG') == '1'
CUTS = 500 if LONG else 40
MUTATIONS = 2000 if LONG else 150
TRACE_BYTES = 3000000 if LONG else 300000
SECONDS = 5  # of processor time
HANG = 120   # of any time
MEMORY = 256 << 20
# Sanitizers multiply both; what they look for is the rest.
SANITIZED = os.environ.get('ETLHEAP_SANITIZED') == '1'

BUFFER_HEADER = 0x48
FLAG_COMPRESSED = 0x40
# What a row holds of its record alone, whatever became of the records around it.
COLUMNS = 'raw_time,thread_id,event,heap,address,old_address,old_size_bytes,source'

Buffer = collections.namedtuple('Buffer', 'offset end compressed')


def buffers_of(data):
    """The buffers of an undamaged trace."""
    found, at = [], 0
    while at + BUFFER_HEADER <= len(data):
        size, = struct.unpack_from('<I', data, at)
        flags, = struct.unpack_from('<H', data, at + 0x34)
        found.append(Buffer(at, at + size, bool(flags & FLAG_COMPRESSED)))
        at += size
    return found


def case_text(size, chooser):
    """A trace of about `size` bytes in small buffers of several processors."""
    lines = ['session cpus=3 buffer_size=8K']
    for n in range(size // 60):
        kind = chooser.choice(['alloc', 'alloc', 'free', 'realloc', 'create', 'lock'])
        fields = {'alloc': 'addr=0x%x size=%d', 'free': 'addr=0x%x', 'realloc': 'new=0x%x old=0x%x',
                  'create': '', 'lock': ''}[kind]
        values = tuple(chooser.randrange(0x1000, 0x1400) for _ in range(fields.count('=')))
        lines.append('%s t=+%dus cpu=%d pid=%d tid=%d heap=0x%x0000 %s'
                     % (kind, chooser.randrange(1, 9), chooser.randrange(3), chooser.randrange(4, 8),
                        chooser.randrange(20, 30), chooser.randrange(1, 4), fields % values))
    return '\n'.join(lines) + '\n'


def overwrite(data, chooser):
    """One to four places overwritten: (mutated, [(from, to)], description)."""
    data, places, words = bytearray(data), [], []
    for _ in range(chooser.randrange(1, 5)):
        length = chooser.choice([1, 1, 2, 4, 8, 64, 1000, 9000])
        # Half of them in a buffer header, where they hurt most.
        buffers = buffers_of(bytes(data)) if not places else []
        if buffers and chooser.random() < 0.5:
            at = chooser.choice(buffers).offset + chooser.randrange(BUFFER_HEADER)
        else:
            at = chooser.randrange(len(data))
        end = min(len(data), at + length)
        how = chooser.choice(['random', 'zeros', 'ones', 'flip', 'copy'])
        data[at:end] = {
            'random': lambda: chooser.randbytes(end - at),
            'zeros': lambda: bytes(end - at),
            'ones': lambda: b'\xff' * (end - at),
            'flip': lambda: bytes(b ^ 1 << chooser.randrange(8) for b in data[at:end]),
            'copy': lambda: (data[-(end - at):] if end > at else b''),
        }[how]()
        places.append((at, end))
        words.append('%s at %d, %d bytes' % (how, at, end - at))
    return bytes(data), places, '; '.join(words)


class Mutations(support.CliTestCase):

    most_seconds = most_memory = runs = 0

    @classmethod
    def tearDownClass(cls):
        if LONG:
            print('%d runs, at most %.2f s and %.1f MiB each'
                  % (cls.runs, cls.most_seconds, cls.most_memory / (1 << 20)), file=sys.stderr)

    def wait(self, child):
        """(status, resources used) of a child that must end in time."""
        until = time.monotonic() + HANG
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                return child.returncode, usage
            if time.monotonic() > until:
                child.kill()
                os.wait4(child.pid, 0)
                child.returncode = -signal.SIGKILL
                self.fail('%s runs for more than %d s' % (child.args[0], HANG))
            time.sleep(0.002)

    def measured(self, name, *arguments):
        """The status of a run that must end in time and stay small."""
        with tempfile.TemporaryFile() as messages:
            child = subprocess.Popen(support.program(name) + list(arguments),
                                     stdin=subprocess.DEVNULL, stderr=messages)
            status, usage = self.wait(child)
            messages.seek(0)
            text = messages.read().decode('utf-8', 'replace')
        self.assertIn(status, (0, 1, 3), text)
        if status:
            self.assertTrue(text.startswith(name + ': '), text)
        seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        Mutations.runs += 1
        Mutations.most_seconds = max(Mutations.most_seconds, seconds)
        Mutations.most_memory = max(Mutations.most_memory, memory)
        self.assertLess(seconds, SECONDS)
        if not SANITIZED:
            self.assertLess(memory, MEMORY)
        return status

    def convert(self, data):
        """(status, rows, records) by etl2csv; the other converters must just live."""
        trace, out = self.write('t.etl', data), self.path('out')
        stats = self.path('stats.json')
        for old in (out, stats):
            if os.path.exists(old):
                os.remove(old)
        other = ('etl2chrome', 'etl2perfetto', 'etlinfo')[Mutations.runs % 3]
        options = ['--json'] if other == 'etlinfo' and Mutations.runs % 4 < 2 else []
        status = self.measured(other, '-q', '-o', out, trace, *options)
        self.assertEqual(os.path.exists(out), status != 1)
        again = self.measured('etl2csv', '-q', '-f', '-o', out, '--stats', stats, '--columns', COLUMNS,
                              trace)
        self.assertEqual(again, status)
        if status == 1:
            return 1, collections.Counter(), 0
        rows = collections.Counter(self.read('out').split(b'\n')[1:-1])
        return status, rows, json.loads(self.read('stats.json'))['events']

    def learn(self, data):
        """What each buffer but the first holds, read alone behind the first: [(rows, records)]."""
        first = buffers_of(data)[0]
        head = data[:first.end]
        _, head_rows, head_records = self.convert(head)
        contents = []
        for b in buffers_of(data)[1:]:
            status, rows, records = self.convert(head + data[b.offset:b.end])
            self.assertEqual(status, 0)
            contents.append((rows - head_rows, records - head_records))
        self.assertGreater(sum(records for _, records in contents), 0)
        return contents

    def check(self, data, contents, mutated, touched):
        """`touched(buffer)` says whether a mutation touched it."""
        status, rows, records = self.convert(mutated)
        buffers = buffers_of(data)
        if touched(buffers[0]):
            return # its header says what the rest means
        self.assertNotEqual(status, 1)
        missing = self.all_rows - rows
        if not missing and records >= self.all_records:
            return
        lost = [contents[i] for i, b in enumerate(buffers[1:]) if touched(b)]
        for lost_rows, lost_records in lost:
            missing -= lost_rows
            records += lost_records
        self.assertEqual(missing, collections.Counter())
        self.assertGreaterEqual(records, self.all_records)

    def check_cuts(self, data, contents):
        chooser = random.Random(1)
        for _ in range(CUTS):
            at = chooser.randrange(len(data))
            with self.subTest(cut=at):
                self.check(data, contents, data[:at], lambda b: b.end > at)

    def check_mutations(self, data, contents):
        for seed in range(MUTATIONS):
            mutated, places, words = overwrite(data, random.Random(seed))

            def touched(b):
                return any(at < b.end and end > b.offset for at, end in places)
            with self.subTest(seed=seed, mutation=words):
                self.check(data, contents, mutated, touched)

    def check_trace(self, data):
        contents = self.learn(data)
        self.all_rows, self.all_records = collections.Counter(), 0
        for rows, records in contents:
            self.all_rows.update(rows)
            self.all_records += records
        self.check_cuts(data, contents)
        self.check_mutations(data, contents)

    def test_generated(self):
        self.check_trace(self.generated(''))

    def test_generated_packed(self):
        self.check_trace(self.generated(' compressed=xpress'))

    def generated(self, fields):
        text = case_text(TRACE_BYTES, random.Random(7)).replace('8K', '8K' + fields, 1)
        with open(self.build_text('generated', text), 'rb') as f:
            return f.read()

    def test_real(self):
        self.check_real('airbus-shutdown-perfdiag.etl' if LONG else 'krabsetw-powershell.etl')

    def test_real_packed(self):
        if not LONG:
            self.skipTest('the smallest with many packed buffers takes long')
        self.check_real('msbuild-perfview-32bit.etl')

    def check_real(self, name):
        paths = [path for path, _ in support.real_traces() if name in path]
        if not paths:
            self.skipTest('%s is not there' % name)
        packed = subprocess.run(['zstd', '-dc', paths[0]], capture_output=True, check=True)
        self.check_trace(packed.stdout)


if __name__ == '__main__':
    support.main()
