"""etl2perfetto: the trace is read back and compared with what etl2csv says of the same input."""
import bisect
import collections
import csv
import io
import os
import shutil
import subprocess
import sys
import unittest

import support

sys.path.insert(0, support.TESTS)
import perfetto_decode  # noqa: E402

COLUMNS = ('time_ns,process_id,process_name,thread_id,event,heap,address,size_bytes,source,'
           'lifetime_ns,old_address,old_size_bytes,heap_live_bytes,heap_live_blocks,'
           'process_live_bytes,stack,time_utc')
ARGUMENTS = ('heap', 'address', 'size_bytes', 'source', 'lifetime_ns', 'old_address',
             'old_size_bytes')

class Curve:
    """What a counter shows at a time."""

    def __init__(self, points):
        self.times = [time for time, _ in points]
        self.values = [value for _, value in points]

    def at(self, time):
        place = bisect.bisect_right(self.times, time)
        return self.values[place - 1] if place else None


class Forward:
    """Times as written: one that steps back in its sequence takes its predecessor's."""

    def __init__(self):
        self.last = {}

    def __call__(self, sequence, time):
        self.last[sequence] = max(time, self.last.get(sequence, time))
        return self.last[sequence]


class PerfettoTestCase(support.CliTestCase):

    def perfetto(self, *args):
        path = self.path('out.pftrace')
        done = support.run('etl2perfetto', '-q', '-f', '-o', path, *args, status=None)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return perfetto_decode.read(path)

    def rows(self, *args):
        done = support.run('etl2csv', '-q', '-c', '--columns', COLUMNS, *args, status=None)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return list(csv.DictReader(io.StringIO(done.stdout.decode('utf-8'))))

    def random(self, seed, events=20000):
        path = self.path('random%d.etl' % seed)
        support.run('etlgen', 'random', '--events', events, '--seed', seed, '-o', path)
        return path

    def start(self, trace):
        """BOOTTIME of the trace's start."""
        first = trace.snapshots[0]
        return first[perfetto_decode.BOOTTIME]['timestamp'] + max(0, -self.first_ns)

    def check(self, inputs):
        """Counters, instants and profiles of the inputs against their rows."""
        rows = self.rows(*inputs)
        trace = self.perfetto('--resolution', 'exact', '--events', *inputs)
        self.first_ns = min([int(row['time_ns']) for row in rows], default=0)
        self.check_processes(trace, rows)
        self.check_counters(trace, rows)
        self.check_instants(trace, rows)
        self.check_profiles(trace, rows)
        return trace, rows

    def check_processes(self, trace, rows):
        shown = {(t['process']['pid'], t['process'].get('process_name', ''))
                 for t in trace.processes().values()}
        self.assertEqual(shown, {(int(r['process_id']), r['process_name']) for r in rows
                                 if r['process_id']})

    def check_counters(self, trace, rows):
        start = self.start(trace)
        curves = collections.defaultdict(list)
        for (owner, heap), uuids in trace.heaps().items():
            pid = trace.tracks[owner].get('process', {}).get('pid')
            curves[pid, heap].append([Curve(trace.counters[u]) for u in uuids])
        last, live = {}, {}
        forward = Forward()
        for row in rows:
            if row['heap_live_bytes']:
                pid = int(row['process_id']) if row['process_id'] else None
                heap = pid, 'Heap ' + row['heap']
                # Counter values are signed.
                figures = (min(int(row['heap_live_bytes']), 2**63 - 1),
                           int(row['heap_live_blocks']))
                if live.get(heap) != figures:
                    last[heap + (forward(heap, int(row['time_ns'])),)] = figures
                live[heap] = figures
        for (pid, heap, time), expected in last.items():
            found = [(size.at(start + time), blocks.at(start + time))
                     for size, blocks in curves[pid, heap]]
            self.assertIn(expected, found, (pid, heap, time))

    def check_instants(self, trace, rows):
        start = self.start(trace)
        expected = collections.Counter()
        forward = Forward()
        for row in rows:
            if row['event'] in ('alloc', 'free', 'realloc'):
                args = tuple((name, row[name] if name == 'source' else int(row[name], 0))
                             for name in ARGUMENTS if row[name])
                stack = row['stack'] if row['process_id'] else ''
                time = forward(row['process_id'], int(row['time_ns']))
                expected[start + time, row['process_id'], row['event'], args, stack] += 1
        found = collections.Counter()
        for i in trace.instants:
            track = trace.tracks[i['track']]
            owner = track.get('thread') or track.get('process') or {}
            args = tuple((name, i['args'][name]) for name in ARGUMENTS if name in i['args'])
            self.assertEqual(set(i['args']), {name for name, _ in args})
            stack = ';'.join(frame[0] for frame in reversed(i['stack'] or ()))
            found[i['time'], str(owner.get('pid', '')), i['name'], args, stack] += 1
        self.assertEqual(found, expected)

    def check_profiles(self, trace, rows):
        """At every dump the sum over the stacks is what is live."""
        start = self.start(trace)
        forward = Forward()
        points = collections.defaultdict(list)
        for r in rows:
            if r['process_live_bytes']:
                time = start + forward(r['process_id'], int(r['time_ns']))
                points[r['process_id']].append((time, int(r['process_live_bytes'])))
        for states in trace.profile_states().values():
            live = Curve(points[str(states[0][0]['pid'])])
            for dump, state in states:
                total = sum(s[0] - s[1] for s in state.values())
                # Sums that readers would take for negative stop at the largest they know.
                if all(s[0] < 2**63 - 1 for s in state.values()):
                    self.assertEqual(total, live.at(dump['time']), dump['time'])
                else:
                    self.assertGreaterEqual(total, 0)


class Cases(PerfettoTestCase):

    def test_cases(self):
        """All of them that are traces."""
        for name in support.cases():
            with self.subTest(name):
                inputs = self.build_case(name)
                path = self.path('out.pftrace')
                done = support.run('etl2perfetto', '-q', '-f', '-o', path, *inputs, status=None)
                self.assertIn(done.returncode, (0, 1, 3), done.stderr)
                if done.returncode != 1:
                    self.check(inputs)

    def test_random(self):
        for seed in (1, 2):
            with self.subTest(seed):
                self.check([self.random(seed)])

    def test_protoc_agrees(self):
        if not shutil.which('protoc'):
            self.skipTest('no protoc')
        self.perfetto(*self.build_case('basic'))
        with open(self.path('out.pftrace'), 'rb') as trace:
            text = subprocess.run(
                ['protoc', '--proto_path', os.path.join(support.ROOT, 'proto'),
                 '--decode=perfetto.Trace', 'perfetto_subset.proto'],
                stdin=trace, capture_output=True, check=True).stdout.decode()
        self.assertIn('name: "Heap live bytes"', text)
        # A field that the project's own description does not know has a number, not a name.
        self.assertNotRegex(text, r'(?m)^\s*\d+[:{ ]')

    def test_same_bytes_again(self):
        path = self.random(3)
        self.perfetto(path)
        first = self.read('out.pftrace')
        self.perfetto(path)
        self.assertEqual(self.read('out.pftrace'), first)


    def test_pid_taken_over_while_time_steps_back(self):
        """Nothing of the second process is written before it has the pid."""
        path = self.build_text('steps', '''
session cpus=1
set tid=10 heap=0x10000 pid=100
process start t=1ms key=0xA1 name=first.exe
alloc t=2ms addr=0x10040 size=100
alloc t=5ms addr=0x10080 size=50
process start t=8ms key=0xB2 name=second.exe
create t=3ms
alloc t=3ms addr=0x100c0 size=7
alloc t=4ms addr=0x10100 size=8
alloc t=9ms addr=0x10140 size=9
''')
        trace, rows = self.perfetto('--events', path), self.rows(path)
        first, second = trace.processes().values()
        self.assertLess(first['ts'], second['ts'])
        self.assertIn('3000000', {r['time_ns'] for r in rows
                                  if r['process_name'] == 'second.exe'})
        self.perfetto('--time', '2500us..', path)

    def test_descriptions_of_heaps(self):
        """Flags of a heap that is seen to be created, and its first event."""
        path = self.build_text('heaps', '''
session cpus=1
set pid=100 tid=10
create t=1ms heap=0x10000 flags=0x80000002
alloc t=2ms heap=0x20000 addr=0x10040 size=100
create t=3ms heap=0x20000 flags=0x5
create t=4ms bits=32 version=2 heap=0x30000 flags=0x1000
''')
        tracks = self.perfetto(path).tracks.values()
        self.assertEqual({t['name']: t['description'] for t in tracks if 'description' in t}, {
            'Heap 0x10000': "flags 0x80000002, first event 0.001000000 s after the trace's start",
            'Heap 0x20000': "first event 0.002000000 s after the trace's start",
            'Heap 0x30000': "flags 0x1000, first event 0.004000000 s after the trace's start"})


class Demo(PerfettoTestCase):

    @classmethod
    def setUpClass(cls):
        cls.demo = support.tempfile.mkdtemp(prefix='etlheap-')
        cls.addClassCleanup(shutil.rmtree, cls.demo, True)
        cls.etl = os.path.join(cls.demo, 'demo.etl')
        support.run('etlgen', 'demo', '-o', cls.etl)

    def test_agrees_with_csv(self):
        self.check([self.etl])

    def test_dumps(self):
        """Twenty evenly over the heap events, the last of them at the end, and the peak."""
        rows = self.rows(self.etl)
        trace = self.perfetto(self.etl)
        self.first_ns = 0
        start = self.start(trace)
        peak_seen = set()
        for states in trace.profile_states().values():
            pid = states[0][0]['pid']
            mine = [r for r in rows if r['process_id'] == str(pid)]
            times = {start + int(mine[(len(mine) * k + 19) // 20 - 1]['time_ns'])
                     for k in range(1, 21)}
            live = {}
            for r in mine:
                live[start + int(r['time_ns'])] = int(r['process_live_bytes'])
            peak = max(live.values())
            times.add(min(t for t in live if live[t] == peak))
            peak_seen.add(peak)
            self.assertEqual({d['time'] for d, _ in states}, times)
            self.assertEqual(states[0][0]['start'], start + int(mine[0]['time_ns']))
            self.assertEqual({d['heap_name'] for d, _ in states}, {'libc.malloc'})
            self.assertIn(peak, {sum(s[0] - s[1] for s in state.values())
                                 for _, state in states})
        self.assertEqual(len(peak_seen), 2)

    def test_profile_per_heap(self):
        whole = self.perfetto('--profile-dumps', '3', self.etl)
        parts = self.perfetto('--profile-dumps', '3', '--profile-per-heap', self.etl)
        self.assertEqual(self.final(whole), self.final(parts))
        names = {d['heap_name'] for d in parts.dumps}
        self.assertEqual(names, {name for _, name in parts.heaps()})
        self.assertFalse([name for name in names if "'" in name or ':' in name])
        times = collections.Counter((d['pid'], d['time']) for d in parts.dumps)
        self.assertEqual(set(times.values()), {1})

    def final(self, trace):
        total = {}
        for states in trace.profile_states().values():
            for stack, tally in states[-1][1].items():
                total[states[-1][0]['pid'], stack] = tally
        return total

    def test_no_profile(self):
        self.assertEqual(self.perfetto('--profile-dumps', '0', self.etl).dumps, [])

    def test_resolution(self):
        """Coarser counters have fewer points, all of them on the exact curve, and its peak."""
        exact = self.perfetto('--resolution', 'exact', self.etl)
        coarse = self.perfetto('--resolution', '10ms', self.etl)
        self.assertEqual(coarse.heaps(), exact.heaps())
        for uuid, points in coarse.counters.items():
            self.assertLessEqual(set(points), set(exact.counters[uuid]))
            self.assertLess(len(points), len(exact.counters[uuid]))
            for pick in max, min:
                self.assertEqual(pick(v for _, v in points),
                                 pick(v for _, v in exact.counters[uuid]))

    def test_instants_by_size_of_trace(self):
        self.assertEqual(self.perfetto(self.etl).instants, [])
        small = self.build_case('basic')
        self.assertNotEqual(self.perfetto(*small).instants, [])
        self.assertEqual(self.perfetto('--no-events', *small).instants, [])

    def test_wrong_usage(self):
        for args in (('--profile-dumps', 'x'), ('--profile-dumps', '10001'),
                     ('--resolution', 'fine')):
            done = support.run('etl2perfetto', *args, self.etl, status=2)
            self.assertIn(args[0], done.stderr)


class Clock(PerfettoTestCase):

    def test_wall_time(self):
        """REALTIME + (ts - BOOTTIME) is an event's time_utc."""
        import datetime
        inputs = self.build_case('basic')
        trace = self.perfetto(*inputs)
        row = next(r for r in self.rows(*inputs) if r['event'] == 'alloc')
        seconds, _, fraction = row['time_utc'].rstrip('Z').partition('.')
        when = datetime.datetime.fromisoformat(seconds + '+00:00')
        expected = int(when.timestamp()) * 10**9 + int(fraction)
        first = min(i['time'] for i in trace.instants)
        self.assertEqual(first - trace.boot_ns(), expected)


if __name__ == '__main__':
    support.main()
