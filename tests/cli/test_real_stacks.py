"""Stacks and modules of traces recorded on Windows (../shared/traces; skipped where missing).

They hold stacks, but no heap events to join them to. So a second input is made: allocs at the times
and in the threads that the stacks name, on the same clock. Both are read as one trace.
"""
import csv
import io
import os
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)

import etl     # noqa: E402
import heap    # noqa: E402
import oracle  # noqa: E402
import stacks  # noqa: E402

COLUMNS = ['time_ns', 'process_id', 'thread_id', 'address', 'stack_id', 'stack']
LOAD, UNLOAD, START_RUNDOWN, END_RUNDOWN = 10, 2, 3, 4


def real_trace(name):
    for path, _ in support.real_traces():
        if os.path.basename(path).startswith(name + '.etl'):
            return path
    raise unittest.SkipTest('no ' + name)


def session_of(trace):
    """The 'session' line of an input on the trace's own time axis."""
    s = trace.segments[0]
    return ('session clock=qpc freq=%d raw0=%d boot=%d start=%d cpus=1 mode=0x10001\n'
            % (s.perf_freq, s.raw_start, s.boot_time, s.start_time))


def is_kernel(address):
    return stacks.is_kernel(address, 8)


def alloc(number, raw, pid, tid):
    return ('alloc t=%d pid=%d tid=%d heap=0x10000 addr=0x%x size=24\n'
            % (raw, pid, tid, 0x100000 + 32 * number))


class RealStacks(support.CliTestCase):

    def rows(self, *inputs):
        done = support.run('etl2csv', '-q', '-c', '--columns', ','.join(COLUMNS), *inputs)
        return done.stdout.decode('utf-8')

    def check(self, name):
        """Every place that stacks name gets an alloc, and every alloc its stack; returns the
        oracle's view of the real trace alone: {place: [piece]}."""
        real = real_trace(name)
        trace, replayed = oracle.replay([real])
        pieces = replayed.stacks.pieces
        self.assertEqual(sum(p.frames is None for v in pieces.values() for p in v), 0)
        text = session_of(trace) + ''.join(
            alloc(i, raw, pid, tid)
            for i, (_, raw, pid, tid) in enumerate(sorted(pieces, key=lambda place: place[1])))
        inputs = [real, self.build_text('allocs', text)]
        done = support.run('etl2csv', '-q', '-c', '--columns', ','.join(COLUMNS), '--stats',
                           self.path('stats.json'), *inputs)
        both, result = oracle.replay(inputs)
        expected = io.StringIO(newline='')
        oracle.write_csv(expected, COLUMNS, oracle.event_rows(both, result.rows, COLUMNS))
        got = done.stdout.decode('utf-8').splitlines()
        wanted = expected.getvalue().splitlines()
        self.assertEqual(len(got), len(wanted))
        for line, (a, b) in enumerate(zip(got, wanted)):
            self.assertEqual(a, b, line)
        rows = list(csv.DictReader(io.StringIO(done.stdout.decode('utf-8'))))
        self.assertEqual(len(rows), len(pieces))
        self.assertEqual([r for r in rows if not r['stack_id']], [])
        stats = oracle.json.loads(self.read('stats.json'))
        self.assertEqual(stats['stacks_attached'], len(pieces))
        self.assertEqual(stats, result.stats())
        return stats, pieces

    def test_stack_keys(self):
        """All references find the definition at or after them, none is left over."""
        roles = oracle.json.loads(
            support.run('etlinfo', '--json', real_trace('perfview-net452-x64')).stdout)['roles']
        stats, pieces = self.check('perfview-net452-x64')
        self.assertEqual(sum(map(len, pieces.values())),
                         roles['stack'] + roles['stack_key'])
        self.assertEqual(stats['stacks_unmatched'], 0)

    def test_plain_stacks(self):
        stats, pieces = self.check('perfview-net45-x86')
        self.assertEqual(sum(map(len, pieces.values())), 18532)
        self.assertEqual(stats['stacks_unmatched'], 0)


class RealModules(support.CliTestCase):

    def images(self, trace):
        """{pid: {base: file name}} of what is mapped from the first to the last record."""
        seen = {}
        for record in trace.records():
            group, opcode = heap.class_of(record)
            if group != 'image' or opcode not in (LOAD, UNLOAD, START_RUNDOWN, END_RUNDOWN):
                continue
            base, _, pid, path, _ = stacks.parse_image(record.payload(), record.version,
                                                       record.pointer_size)
            opcodes, _ = seen.setdefault((pid, base), (set(), path))
            opcodes.add(opcode)
        found = {}
        for (pid, base), (opcodes, path) in seen.items():
            # User addresses of the System process are nobody else's.
            if opcodes == {START_RUNDOWN, END_RUNDOWN} and (pid > 4 or is_kernel(base)):
                found.setdefault(pid, {})[base] = path.rpartition('\\')[2]
        return found

    def test_modules_per_process(self):
        """Stacks with one frame in every image of a process name just those images."""
        for name, least in (('perfview-net452-x64', 1500), ('perfview-net45-x86', 2500)):
            with self.subTest(name):
                real = real_trace(name)
                trace = etl.Trace([real])
                images = self.images(trace)
                self.assertGreater(sum(map(len, images.values())), least)
                self.check_modules(real, trace, images)

    def check_modules(self, real, trace, images):
        text = session_of(trace)
        expected = {}
        middle = (trace.segments[0].raw_start + max(r.raw for r in trace.records())) // 2
        for pid in sorted(images):
            bases = sorted(images[pid], key=lambda base: (not is_kernel(base), base))
            for at in range(0, len(bases), 100):
                number = len(expected) + 1
                part = bases[at:at + 100]
                text += alloc(number, middle + number, pid, 4 * number)
                text += 'stack pid=%d tid=%d frames=%s\n' % (
                    pid, 4 * number, ','.join('0x%x' % (base + 16) for base in part))
                expected['0x%x' % (0x100000 + 32 * number)] = [
                    images[pid][base] + '+0x10' for base in part]
        done = support.run('etl2csv', '-q', '-c', '--columns', ','.join(COLUMNS), real,
                           self.build_text('modules', text))
        rows = csv.DictReader(io.StringIO(done.stdout.decode('utf-8')))
        self.assertEqual({row['address']: row['stack'].split(';') for row in rows}, expected)


if __name__ == '__main__':
    support.main()
