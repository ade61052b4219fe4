"""Stacks in all outputs against the oracle: Perfetto's heap profile, Chrome's stackFrames, the CSV
tables, on random traces and on real traces with heap events grafted on them."""
import collections
import os
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)
sys.path.insert(0, support.TESTS)

import oracle        # noqa: E402
import tables        # noqa: E402
import test_chrome   # noqa: E402
import test_perfetto  # noqa: E402

LONG = os.environ.get('ETLHEAP_LONG') == '1'
RANDOM_EVENTS = 100000 if LONG else 20000
NO_STACK = '[no stack]'


class ProfileTestCase(test_perfetto.PerfettoTestCase):

    def random_stacks(self, seed, events=RANDOM_EVENTS):
        path = self.path('stacks%d.etl' % seed)
        support.run('etlgen', 'random', '--events', events, '--cpus', 4, '--stacks',
                    '--seed', seed, '-o', path)
        return path

    def grafted(self):
        """Real traces with heap events and stacks in real images."""
        for path, _ in support.real_traces():
            done = support.run('etlgen', 'graft', path, '--events', 2000, '-o',
                               self.path('grafted.etl'), status=None)
            if done.returncode == 0:
                yield self.path('grafted.etl')

    def heap_of(self, stack):
        """(heap, whether its process has stacks): a heap's name is its root frame."""
        name = stack[0][0]
        return name.replace(' (no stacks)', ''), not name.endswith(' (no stacks)')

    def by_stack(self, trace):
        """(pid, heap, frames innermost first) -> figures after the last dump. Stacks that differ in
        the build of a module alone are added up: a row's stack does not tell."""
        total = collections.defaultdict(lambda: [0, 0, 0, 0])
        for states in trace.profile_states().values():
            dump, state = states[-1]
            for stack, figures in state.items():
                heap, stacked = self.heap_of(stack)
                frames = ';'.join(frame[0] for frame in reversed(stack[1:]))
                place = total[dump['pid'], heap, frames if stacked else NO_STACK]
                place[:] = [a + b for a, b in zip(place, figures)]
        return dict(total)


def text_of(stack):
    return stack.text if stack else NO_STACK


def journal_sums(replayed):
    """(pid, heap, stack) -> [bytes allocated, bytes freed, allocs, frees] by the oracle: what makes
    a block grow counts as allocated, what makes it shrink as freed, and what a process still had
    when it ended stays. The unknown owner has no profile."""
    sums = collections.defaultdict(lambda: [0, 0, 0, 0])
    for what, _, block, size, _ in replayed.journal:
        heap = block.heap
        if heap.instance.pid is None or what == 'process_end':
            continue
        figures = sums[heap.instance.pid, 'Heap 0x%x' % heap.handle, text_of(block.row.stack)]
        if what == 'add':
            figures[0] += size
            figures[2] += 1
        elif what == 'resize':
            figures[0 if size > 0 else 1] += abs(size)
        else:
            figures[1] += size
            figures[3] += 1
    return dict(sums)


def kept_at_the_end(replayed):
    """Bytes that known processes never gave back: outstanding, or live when they ended."""
    ended = sum(size for what, _, _, size, _ in replayed.journal if what == 'process_end')
    return ended + sum(block.size for instance in replayed.instances if instance.pid is not None
                       for heap in instance.heaps.values() for block in heap.blocks.values())


class Profile(ProfileTestCase):

    def check_sums(self, path):
        _, replayed = oracle.replay([path])
        sums = journal_sums(replayed)
        whole = self.perfetto(path)
        parts = self.perfetto('--profile-per-heap', path)
        rows = self.rows(path)
        for trace in (whole, parts):
            self.check_last(trace, sums)
            self.check_names(trace)
            self.check_heaps_at_every_dump(trace, rows, replayed)
        kept = kept_at_the_end(replayed)
        for trace in (whole, parts):
            last = [states[-1][1] for states in trace.profile_states().values()]
            self.assertEqual(sum(f[0] - f[1] for state in last for f in state.values()),
                             kept)
        return whole

    def check_last(self, trace, sums):
        """The last dumps hold every stack of every heap, with the oracle's figures."""
        found = self.by_stack(trace)
        self.assertEqual(set(found), set(sums))
        for place, figures in sums.items():
            self.assertEqual(found[place], figures, place)

    def check_names(self, trace):
        names = {d['heap_name'] for d in trace.dumps}
        names |= {stack[0][0] for d in trace.dumps for stack in d['samples']}
        self.assertTrue(names)
        self.assertFalse([name for name in names if "'" in name or ':' in name])

    def check_heaps_at_every_dump(self, trace, rows, replayed):
        """Allocated minus freed below a heap's root frame is what its counter shows then."""
        self.first_ns = min(int(row['time_ns']) for row in rows)
        start = self.start(trace)
        points = collections.defaultdict(list)
        forward = test_perfetto.Forward()
        for row in rows:
            if row['heap_live_bytes']:
                time = start + forward(row['process_id'], int(row['time_ns']))
                points[row['process_id'], 'Heap ' + row['heap']].append(
                    (time, int(row['heap_live_bytes'])))
        curves = {place: test_perfetto.Curve(curve) for place, curve in points.items()}
        ends = {(i.pid, start + i.end_ns) for i in replayed.instances if i.end_ns is not None}
        compared = 0
        for states in trace.profile_states().values():
            for dump, state in states:
                # The dump of an end that an event shares lies before it by a nanosecond.
                time = dump['time'] + ((dump['pid'], dump['time'] + 1) in ends)
                live = collections.Counter()
                for stack, figures in state.items():
                    live[self.heap_of(stack)[0]] += figures[0] - figures[1]
                for heap, total in live.items():
                    curve = curves[str(dump['pid']), heap]
                    self.assertEqual(total, curve.at(time), (heap, time))
                    compared += 1
        self.assertGreater(compared, 20)

    def test_random(self):
        self.check_sums(self.random_stacks(31))

    def test_real_grafted(self):
        modules = 0
        for path in self.grafted():
            modules += len(self.check_sums(path).mappings)
        self.assertGreater(modules, 50)

    def test_rows_instants_and_dumps(self):
        """The same comparison as of all cases: instants with their stacks among them."""
        trace, rows = self.check([self.random_stacks(32, 20000)])
        self.assertTrue([i for i in trace.instants if i['stack']])
        for path in self.grafted():
            self.check([path])


class OneStack(ProfileTestCase):

    TEXT = '''
session cpus=1
process dcstart t=0 pid=1 key=1 name=a.exe
image dcstart t=0 pid=1 base=0x7ff700000000 size=0x10000 name="\\\\a\\\\a.exe"
set pid=1 tid=4
alloc t=1ms heap=0x10000 addr=0x10040 size=24
stack pid=1 tid=4 frames=0x7ff700000020,0x7ff700000010
alloc t=2ms heap=0x20000 addr=0x20040 size=50
stack pid=1 tid=4 frames=0x7ff700000020,0x7ff700000010
free t=3ms heap=0x10000 addr=0x10040
stack pid=1 tid=4 frames=0x7ff700000030,0x7ff700000010
'''

    def test_two_heaps_stay_apart(self):
        path = self.build_text('shared', self.TEXT)
        stack = 'a.exe+0x20;a.exe+0x10'
        wanted = {(1, 'Heap 0x10000', stack): [24, 24, 1, 1],
                  (1, 'Heap 0x20000', stack): [50, 0, 1, 0]}
        for options in ([], ['--profile-per-heap']):
            self.assertEqual(self.by_stack(self.perfetto(*options, path)), wanted)

    def test_order_of_frames(self):
        """Outermost first in Perfetto, innermost first in CSV."""
        path = self.build_text('shared', self.TEXT)
        trace = self.perfetto('--events', path)
        self.assertEqual([frame[0] for frame in trace.instants[0]['stack']],
                         ['a.exe+0x10', 'a.exe+0x20'])
        (_, state), = [states[-1] for states in trace.profile_states().values()]
        self.assertEqual({tuple(f[0] for f in stack) for stack in state},
                         {('Heap 0x10000', 'a.exe+0x10', 'a.exe+0x20'),
                          ('Heap 0x20000', 'a.exe+0x10', 'a.exe+0x20')})
        self.assertEqual(self.rows(path)[0]['stack'], 'a.exe+0x20;a.exe+0x10')
        lines = support.run('etl2csv', '-q', '-c', '--table', 'stacks', path).stdout.decode()
        self.assertEqual([line.split(',')[:5] for line in lines.splitlines()[1:3]],
                         [['1', '0', '0x7ff700000020', 'a.exe', '0x20'],
                          ['1', '1', '0x7ff700000010', 'a.exe', '0x10']])


class WhoHasStacks(ProfileTestCase):

    def test_all_instances_of_a_pid_or_none(self):
        """A pid has stacks when one of its heap records has one; a stack of no event gives none."""
        path = self.build_text('instances', '''
session cpus=1
process start t=0 pid=1 key=1 name=a.exe
process start t=0 pid=2 key=2 name=b.exe
alloc t=1ms pid=1 tid=4 heap=0x10000 addr=0x10040 size=24
alloc t=1ms pid=2 tid=8 heap=0x20000 addr=0x20040 size=50
process start t=2ms pid=1 key=3 name=c.exe
alloc t=3ms pid=1 tid=4 heap=0x30000 addr=0x30040 size=24
stack for=3ms pid=1 tid=4 frames=0x7ff700000020
stack for=4ms pid=2 tid=8 frames=0x7ff700000020
process start t=5ms pid=1 key=4 name=d.exe
alloc t=6ms pid=1 tid=4 heap=0x40000 addr=0x40040 size=24
''')
        heaps = {self.heap_of(stack)
                 for states in self.perfetto(path).profile_states().values()
                 for _, state in states for stack in state}
        self.assertEqual(heaps, {('Heap 0x10000', True), ('Heap 0x20000', False),
                                 ('Heap 0x30000', True), ('Heap 0x40000', True)})


class Chrome(test_chrome.ChromeTestCase, ProfileTestCase):

    def check_frames(self, path):
        """Each instant's sf leads through stackFrames to the row's stack."""
        document = self.chrome('--events', path)
        frames = document.get('stackFrames', {})
        events = [e for e in document['traceEvents'] if e['ph'] == 'i']
        rows = [r for r in test_chrome.ChromeTestCase.rows(self, path)
                if r['event'] in ('alloc', 'free', 'realloc')]
        self.assertEqual(len(events), len(rows))
        stacks = 0
        for event, row in zip(events, rows):
            self.assertEqual('sf' in event, bool(row['stack']))
            if 'sf' in event:
                self.assertEqual(self.walk(frames, str(event['sf'])), row['stack'])
                stacks += 1
        return stacks

    def walk(self, frames, place):
        names = []
        while place:
            names.append(frames[place]['name'])
            place = frames[place].get('parent')
        return ';'.join(names)

    def test_random(self):
        self.assertGreater(self.check_frames(self.random_stacks(34)), 5000)

    def test_real_grafted(self):
        self.assertGreater(sum(map(self.check_frames, self.grafted())), 2000)


class Tables(ProfileTestCase):

    def test_real_grafted(self):
        """All tables of grafted real traces, and every row of their events."""
        compared = collections.Counter()
        for path in self.grafted():
            trace, replayed = oracle.replay([path])
            for table in tables.TABLES:
                compared[table] += self.compare(table, replayed, path)
            done = support.run('etl2csv', '-q', '-c', path).stdout.decode('utf-8').splitlines()
            rows = oracle.event_rows(trace, replayed.rows, oracle.COLUMNS)
            self.assertEqual(done[1:], [self.line(row) for row in rows])
        for table in tables.TABLES:
            self.assertGreater(compared[table], 10, table)

    def line(self, row):
        return ','.join(oracle.quoted(cell) for cell in row)

    def compare(self, table, replayed, path):
        done = support.run('etl2csv', '-q', '-c', '--table', table, path).stdout.decode('utf-8')
        rows = oracle.table_rows(replayed, table, tables.COLUMNS[table])
        got, wanted = done.splitlines()[1:], [self.line(row) for row in rows]
        if table == 'processes':
            got.sort()
            wanted.sort()
        self.assertEqual(got, wanted, table)
        return len(got)


if __name__ == '__main__':
    support.main()
