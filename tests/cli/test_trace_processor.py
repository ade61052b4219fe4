"""etl2perfetto and etl2chrome: their files as Perfetto's own trace processor reads them.

Runs only where TRACE_PROCESSOR names a trace_processor_shell, or one is on the PATH: it is no
Debian package. What the trace should say comes from perfetto_decode, which the other tests hold
against etl2csv; so here only the reader has to agree.
"""
import collections
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import unittest

import support

sys.path.insert(0, support.TESTS)
import perfetto_decode  # noqa: E402

# Names in hexadecimal: the shell quotes no quotes. A statement of its own per kind would need a
# newer shell.
COMPLAINTS = """
    SELECT 'complaint', name, idx, value, 0, 0, 0, 0 FROM stats
    WHERE value > 0 AND (severity IN ('error', 'data_loss')
        OR name IN ('packet_skipped_seq_needs_incremental_state_invalid',
                    'interned_data_skipped_incremental_state_invalid'))"""

QUERY = """
WITH RECURSIVE chain(leaf, next, path) AS (
    SELECT DISTINCT callsite_id, callsite_id, '' FROM heap_profile_allocation
    UNION ALL
    SELECT leaf, c.parent_id,
        hex(f.name) || ',' || hex(m.name) || ',' || f.rel_pc || ',' || m.build_id || ';' || path
    FROM chain
    JOIN stack_profile_callsite c ON c.id = chain.next
    JOIN stack_profile_frame f ON f.id = c.frame_id
    JOIN stack_profile_mapping m ON m.id = f.mapping
)
SELECT 'process' AS kind, pid AS a, hex(coalesce(name, '')) AS b, start_ts AS c,
    0 AS d, 0 AS e, 0 AS f, 0 AS g
FROM process
UNION ALL
SELECT 'counter', p.pid, hex(coalesce(parent.name, '')), hex(t.name), coalesce(t.unit, ''),
    c.ts, c.value, 0
FROM counter c JOIN counter_track t ON t.id = c.track_id
LEFT JOIN process_counter_track pt ON pt.id = t.id LEFT JOIN process p USING (upid)
LEFT JOIN track parent ON parent.id = t.parent_id
UNION ALL
SELECT 'slice', p.pid, hex(s.name), s.ts, s.dur, 0, 0, 0
FROM slice s JOIN track t ON t.id = s.track_id
LEFT JOIN process_track pt ON pt.id = t.id LEFT JOIN process p USING (upid)
WHERE s.name LIKE 'Heap %'
UNION ALL
SELECT 'instant', s.ts, s.name, extract_arg(s.arg_set_id, 'debug.heap'),
    extract_arg(s.arg_set_id, 'debug.address'), extract_arg(s.arg_set_id, 'debug.size_bytes'),
    hex(coalesce(extract_arg(s.arg_set_id, 'debug.source'), '')), thread.tid
FROM slice s LEFT JOIN thread_track t ON t.id = s.track_id LEFT JOIN thread USING (utid)
WHERE s.name IN ('alloc', 'free', 'realloc')
UNION ALL
SELECT 'sample', p.pid, h.ts, h.heap_name, path, sum(max(size, 0)), -sum(min(size, 0)),
    sum(max(count, 0)) || '-' || -sum(min(count, 0))
FROM heap_profile_allocation h JOIN chain ON leaf = callsite_id AND next IS NULL
JOIN process p USING (upid)
GROUP BY upid, h.ts, h.heap_name, callsite_id
UNION ALL
""" + COMPLAINTS


CHROME_QUERY = """
SELECT 'counter' AS kind, p.pid AS a, hex(t.name) AS b, c.ts AS c, c.value AS d, 0 AS e, 0 AS f,
    0 AS g
FROM counter c JOIN process_counter_track t ON t.id = c.track_id JOIN process p USING (upid)
UNION ALL
SELECT 'process', pid, hex(name), 0, 0, 0, 0, 0 FROM process WHERE name IS NOT NULL
UNION ALL
SELECT 'instant', s.name, s.ts, extract_arg(s.arg_set_id, 'args.heap'),
    extract_arg(s.arg_set_id, 'args.address'), extract_arg(s.arg_set_id, 'args.size_bytes'), 0, 0
FROM slice s WHERE s.dur = 0 AND s.name IN ('alloc', 'free', 'realloc')
UNION ALL
""" + COMPLAINTS


def shell():
    path = os.environ.get('TRACE_PROCESSOR') or shutil.which('trace_processor_shell')
    if not path:
        raise unittest.SkipTest('no trace_processor_shell: TRACE_PROCESSOR names none')
    return path


def text(hexadecimal):
    return bytes.fromhex(hexadecimal).decode('utf-8')


def unsigned(pid):
    """The reader's process ids are signed."""
    return None if pid is None else int(pid) % 2**32


class TraceProcessorTestCase(support.CliTestCase):

    def query(self, path, sql):
        """kind -> rows."""
        done = subprocess.run([shell(), '-q', self.write('query.sql', sql), path],
                              capture_output=True, timeout=support.TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr.decode('utf-8', 'replace'))
        rows = collections.defaultdict(list)
        for row in list(csv.reader(io.StringIO(done.stdout.decode())))[1:]:
            rows[row[0]].append([None if cell == '[NULL]' else cell for cell in row[1:]])
        return rows

    def check(self, inputs, *options):
        path = self.path('out.pftrace')
        done = support.run('etl2perfetto', '-q', '-f', '-o', path, *options, *inputs, status=None)
        if done.returncode == 1:
            return
        self.assertIn(done.returncode, (0, 3), done.stderr)
        self.check_file(path)

    def check_file(self, path):
        trace = perfetto_decode.read(path)
        rows = self.query(path, QUERY)
        self.assertEqual(rows['complaint'], [])
        self.check_processes(trace, rows)
        self.check_counters(trace, rows)
        self.check_slices(trace, rows)
        self.check_instants(trace, rows)
        self.check_profiles(trace, rows)

    def pid(self, trace, uuid):
        """Of the process a track belongs to."""
        while 'parent_uuid' in trace.tracks[uuid]:
            uuid = trace.tracks[uuid]['parent_uuid']
        return trace.tracks[uuid].get('process', {}).get('pid')

    def check_processes(self, trace, rows):
        """v58.2 merges the third process of one id into the second, and makes two of ids beyond
        signed ones."""
        owners = [t['process'] for t in trace.processes().values()]
        uses = collections.Counter(p['pid'] for p in owners)
        sound = {pid for pid, count in uses.items() if count < 3 and pid < 2**31}
        found = [(unsigned(r[0]), text(r[1])) for r in rows['process']]
        self.assertCountEqual(
            [process for process in found if process[0] in sound],
            [(p['pid'], p.get('process_name', '')) for p in owners if p['pid'] in sound])
        # The reader has a process 0 of its own.
        self.assertEqual({pid for pid, _ in found} - {0}, set(uses) - {0})

    def check_counters(self, trace, rows):
        expected = collections.Counter()
        units = {3: 'bytes', 2: 'count'}
        for uuid, points in trace.counters.items():
            track = trace.tracks[uuid]
            parent = trace.tracks[track['parent_uuid']]
            name = '' if 'process' in parent else parent['name']
            for time, value in points:
                expected[self.pid(trace, uuid), name, track['name'],
                         units[track['counter']['unit']], time, float(value)] += 1
        found = collections.Counter(
            (unsigned(r[0]), text(r[1]), text(r[2]), r[3], int(r[4]), float(r[5]))
            for r in rows['counter'])
        self.assertEqual(found, expected)

    def check_slices(self, trace, rows):
        expected = [(self.pid(trace, track), name, begin, end - begin)
                    for track, name, begin, end in trace.slices]
        found = [(unsigned(r[0]), text(r[1]), int(r[2]), int(r[3])) for r in rows['slice']]
        self.assertCountEqual(found, expected)

    def check_instants(self, trace, rows):
        def figure(args, name):
            return str(perfetto_decode.signed(args[name])) if name in args else None
        expected = collections.Counter()
        for i in trace.instants:
            tid = trace.tracks[i['track']].get('thread', {}).get('tid')
            expected[str(i['time']), i['name'], figure(i['args'], 'heap'),
                     figure(i['args'], 'address'), figure(i['args'], 'size_bytes'),
                     i['args'].get('source', ''), None if tid is None else str(tid)] += 1
        found = collections.Counter((*r[:5], text(r[5]), r[6]) for r in rows['instant'])
        self.assertEqual(found, expected)

    def check_profiles(self, trace, rows):
        """What each dump adds to each stack."""
        expected = collections.Counter()
        before = collections.defaultdict(lambda: (0,) * 4)
        for dump in trace.dumps:
            for stack, now in dump['samples'].items():
                key = dump['sequence'], stack
                added = tuple(a - b for a, b in zip(now, before[key]))
                before[key] = now
                if any(added):
                    # The reader joins a path's parts with slashes, one before the first.
                    frames = tuple((name, '/' + path, pc, (build or b'').hex())
                                   for name, path, pc, build in stack)
                    expected[dump['pid'], str(dump['time']), dump['heap_name'], frames,
                             added] += 1
        found = collections.Counter()
        for pid, time, heap, path, allocated, freed, counts in rows['sample']:
            frames = []
            for frame in path.rstrip(';').split(';'):
                name, mapping, pc, build = frame.split(',')
                frames.append((text(name), text(mapping), int(pc) % 2**64, build))
            allocs, frees = counts.split('-')
            found[unsigned(pid), time, heap, tuple(frames),
                  (int(allocated), int(freed), int(allocs), int(frees))] += 1
        self.assertEqual(found, expected)


class Perfetto(TraceProcessorTestCase):

    def test_cases(self):
        shell()
        for name in support.cases():
            with self.subTest(name):
                self.check(self.build_case(name))

    def test_demo(self):
        shell()
        support.run('etlgen', 'demo', '-o', self.path('demo.etl'))
        self.check([self.path('demo.etl')], '--events')
        self.check([self.path('demo.etl')], '--profile-per-heap')

    def test_filtered(self):
        shell()
        path = self.path('random.etl')
        support.run('etlgen', 'random', '--events', 5000, '--stacks', '--seed', 13, '-o', path)
        for options in (['--time', '200ms..300ms'], ['--heap', '0x400000,0x1400000'],
                        ['--pid', '1000,1100', '--event', 'free', '--time', '100ms..'],
                        ['--process', '*1.exe', '--heap', '0x2400000', '--time', '..250ms']):
            with self.subTest(options):
                self.check([path], '--events', *options)

    def test_pieces(self):
        """Each is a trace of its own."""
        shell()
        path = self.path('random.etl')
        support.run('etlgen', 'random', '--events', 600, '--stacks', '--seed', 14, '-o', path)
        for options in (['--split-rows', '100'], ['--split-time', '10ms', '--profile-per-heap'],
                        ['--split-size', '200K', '--resolution', '5ms']):
            with self.subTest(options):
                support.run('etl2perfetto', '-q', '-f', '--events', *options, '-o',
                            self.path('out.pftrace'), path, status=None)
                pieces = sorted(name for name in os.listdir(self.folder) if '.0' in name)
                self.assertGreater(len(pieces), 3)
                for piece in pieces:
                    self.check_file(self.path(piece))
                    os.unlink(self.path(piece))

    def test_random(self):
        shell()
        for seed in (11, 12):
            with self.subTest(seed):
                path = self.path('random.etl')
                support.run('etlgen', 'random', '--events', 20000, '--seed', seed, '-o', path)
                self.check([path])
                os.unlink(path)


class Chrome(TraceProcessorTestCase):

    def nanoseconds(self, microseconds):
        """`ts` as written, which has three decimals."""
        whole, _, fraction = microseconds.partition('.')
        return int(whole) * 1000 + int(fraction)

    def check(self, inputs):
        path = self.path('out.json')
        done = support.run('etl2chrome', '-q', '-f', '-o', path, *inputs, status=None)
        if done.returncode == 1:
            return
        with open(path, encoding='utf-8') as f:
            events = json.load(f, parse_float=str)['traceEvents']
        rows = self.query(path, CHROME_QUERY)
        self.assertEqual(rows['complaint'], [])
        expected = collections.Counter(
            (e['pid'], e['name'] + ' ' + key, self.nanoseconds(e['ts']), float(int(str(value), 0)))
            for e in events if e['ph'] == 'C' for key, value in e['args'].items())
        self.assertEqual(collections.Counter(
            (unsigned(r[0]), text(r[1]), int(r[2]), float(r[3])) for r in rows['counter']),
            expected)
        names = {(e['pid'], e['args']['name']) for e in events if e['name'] == 'process_name'}
        self.assertEqual({(unsigned(r[0]), text(r[1])) for r in rows['process']}, names)
        self.assertEqual(
            collections.Counter(tuple(r[:5]) for r in rows['instant']),
            collections.Counter(
                (e['name'], str(self.nanoseconds(e['ts'])), e['args'].get('heap'),
                 e['args'].get('address'), self.size(e['args'])) for e in events
                if e['ph'] == 'i'))

    def size(self, args):
        return str(args['size_bytes']) if 'size_bytes' in args else None

    def test_cases(self):
        shell()
        for name in support.cases():
            with self.subTest(name):
                self.check(self.build_case(name))


if __name__ == '__main__':
    support.main()
