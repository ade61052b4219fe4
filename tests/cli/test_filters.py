"""Filters: random sets of them over random traces, in all three outputs, against the oracle; and
what the command line says to wrong ones. ETLHEAP_LONG=1 takes 200 sets."""
import csv
import io
import os
import random
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)

import filters       # noqa: E402
import oracle        # noqa: E402
import tables        # noqa: E402
import test_chrome   # noqa: E402
import test_perfetto  # noqa: E402
import test_profile  # noqa: E402

LONG = os.environ.get('ETLHEAP_LONG') == '1'
SETS_OF_A_TRACE = 10
TRACES = 20 if LONG else 4
EVENTS = 1500
COLUMNS = oracle.COLUMNS + ['time_utc', 'raw_time', 'process_live_bytes', 'process_live_blocks',
                            'stack']
SIGNED_MOST = 2**63 - 1


def bounds(rng, values, write):
    """A range that has some of the values in it."""
    values = sorted(value for value in values if value is not None) or [0]
    least, most = sorted([rng.choice(values), rng.choice(values)])
    return rng.choice([write(least) + '..' + write(most), write(least) + '..', '..' + write(most),
                       write(least)])


def write_time(ns):
    sign = '-' if ns < 0 else ''
    unit, digits = (('us', 3), ('ms', 6), ('s', 9), ('', 9), ('ns', 0))[abs(ns) % 5]
    whole, fraction = divmod(abs(ns), 10**digits)
    return sign + str(whole) + ('.%0*d' % (digits, fraction) if digits else '') + unit


def write_size(size):
    return '%dK' % (size // 1024) if size and size % 1024 == 0 else str(size)


def few(rng, values, write=str):
    values = sorted(value for value in set(values) if value is not None) or [1]
    count = rng.randint(1, min(4, len(values)))
    return ','.join(write(value) for value in rng.sample(values, count))


def some_globs(rng, names):
    names = sorted(name for name in set(names) if name and name.isprintable()) or ['a.exe']
    name = rng.choice(names).replace('[', '?')
    middle = rng.randrange(len(name))
    return rng.choice([
        '*', '*.exe', name.swapcase(), name[:middle] + '*', '*' + name[middle:],
        name[:middle] + '?' + name[middle + 1:], '?' * len(name),
        [name, rng.choice(names).replace('[', '?')],
        name[:middle] + '[!z]' + name[middle + 1:]])


def random_filter(rng, rows):
    """A filters.Filter whose arguments come from the rows."""
    makers = {
        'pid': lambda: few(rng, [row.instance.pid for row in rows]),
        'process': lambda: some_globs(rng, [row.instance.name for row in rows]),
        'heap': lambda: few(rng, [row.heap for row in rows], rng.choice([str, hex])),
        'time': lambda: bounds(rng, [row.time_ns for row in rows], write_time),
        'tid': lambda: few(rng, [row.tid for row in rows]),
        'event': lambda: few(rng, [row.event for row in rows]),
        'size': lambda: bounds(rng, [row.size for row in rows], write_size),
        'lifetime': lambda: bounds(rng, [row.lifetime for row in rows], write_time),
    }
    rare = 0 if rng.random() < 0.4 else 0.5  # many sets must leave the tables something
    chosen = [name for name in makers
              if rng.random() < (0.45 if name not in filters.OF_EVENTS else rare)]
    return filters.Filter(**{name: makers[name]() for name in chosen or ['time']})


class FilterTestCase(test_chrome.ChromeTestCase, test_profile.ProfileTestCase):

    def cells(self, trace, rows, columns):
        """Rows of the oracle as csv.DictReader has them."""
        text = io.StringIO(newline='')
        oracle.write_csv(text, columns, oracle.event_rows(trace, rows, columns))
        return list(csv.DictReader(io.StringIO(text.getvalue())))

    def check(self, inputs, trace, replayed, chosen):
        shown = [row for row in replayed.rows if chosen.is_shown(row)]
        self.check_csv(inputs, trace, shown, chosen)
        self.check_tables(inputs, replayed, chosen)
        expected = filters.Timeline(chosen, replayed)
        rows = self.cells(trace, shown, test_perfetto.COLUMNS.split(','))
        self.check_chrome(inputs, rows, expected, chosen)
        self.check_perfetto(inputs, rows, expected, replayed, chosen)
        return len(shown)

    # -- CSV --------------------------------------------------------------------------------------

    def check_csv(self, inputs, trace, shown, chosen):
        for columns, options in ((oracle.COLUMNS, []), (COLUMNS, ['--columns', ','.join(COLUMNS)])):
            wanted = io.StringIO(newline='')
            oracle.write_csv(wanted, columns, oracle.event_rows(trace, shown, columns))
            done = support.run('etl2csv', '-q', '-c', *options, *chosen.arguments(), *inputs)
            self.assertEqual(done.stdout.decode('utf-8').splitlines(),
                             wanted.getvalue().splitlines())

    def check_tables(self, inputs, replayed, chosen):
        for table in tables.TABLES:
            status = 2 if chosen.of_events() else 0
            done = support.run('etl2csv', '-q', '-c', '--table', table, *chosen.arguments(),
                               *inputs, status=status)
            if status:
                self.assertRegex(done.stderr, '--(%s) ' % '|'.join(chosen.of_events()))
                continue
            got = done.stdout.decode('utf-8').splitlines()[1:]
            wanted = '\n'.join(','.join(map(oracle.quoted, row)) for row in
                               tables.TABLES[table](chosen.view(replayed))).splitlines()
            if table == 'processes':
                got.sort()
                wanted.sort()
            self.assertEqual(got, wanted, table)

    # -- Chrome -----------------------------------------------------------------------------------

    def check_chrome(self, inputs, rows, expected, chosen):
        document = self.chrome('--events', '--resolution', 'exact', *chosen.arguments(), *inputs)
        base = document['otherData']['base_ns']
        events = document['traceEvents']
        self.compare_instants([e for e in events if e['ph'] == 'i'], rows, base)
        self.assertEqual({e['pid'] for e in events}, {i.pid or 0 for i in expected.totals})
        pids = [i.pid or 0 for i in expected.totals]
        curves = {track: test_perfetto.Curve(sorted(points.items()))
                  for track, points in test_chrome.curves(document).items()}
        none = test_perfetto.Curve([])
        for instance, points in expected.totals.items():
            if pids.count(instance.pid or 0) == 1:
                curve = curves.get((instance.pid or 0, 'Heap total'), none)
                for time, value in points.items():
                    args = curve.at(time - base) or {'live bytes': 0}
                    self.assertEqual(args, {'live bytes': value}, (instance.pid, time))
        for (instance, handle), points in expected.heaps.items():
            if pids.count(instance.pid or 0) == 1:
                curve = curves.get((instance.pid or 0, 'Heap 0x%x' % handle), none)
                for time, (size, blocks) in points.items():
                    args = curve.at(time - base) or {'live bytes': 0, 'live blocks': 0}
                    self.assertEqual(args, {'live bytes': size, 'live blocks': blocks},
                                     (instance.pid, handle, time))
        shown = {(i.pid or 0, 'Heap 0x%x' % handle) for i, handle in expected.heaps}
        self.assertLessEqual({track for track in curves if track[1] != 'Heap total'}, shown)

    def compare_instants(self, events, rows, base):
        rows = [row for row in rows if row['event'] in ('alloc', 'free', 'realloc')]
        self.assertEqual(len(events), len(rows))
        for event, row in zip(events, rows):
            pid = int(row['process_id'] or 0)
            self.assertEqual((event['name'], event['ts'], event['pid']),
                             (row['event'], int(row['time_ns']) - base, pid))
            args = {name: value if name in test_chrome.TEXT_ARGUMENTS else test_chrome.number(value)
                    for name, value in event['args'].items()}
            self.assertEqual(args, {
                name: row[name] if name in test_chrome.TEXT_ARGUMENTS else int(row[name])
                for name in test_chrome.ARGUMENTS if row[name]})

    # -- Perfetto ---------------------------------------------------------------------------------

    def check_perfetto(self, inputs, rows, expected, replayed, chosen):
        trace = self.perfetto('--events', '--resolution', 'exact', *chosen.arguments(), *inputs)
        self.first_ns = expected.first
        self.check_instants(trace, rows)
        shown = {(t['process']['pid'], t['process'].get('process_name', ''))
                 for t in trace.processes().values()}
        self.assertEqual(shown, {(i.pid, i.name or '') for i in expected.totals
                                 if i.pid is not None})
        self.check_heap_counters(trace, expected)
        self.check_totals(trace, expected)
        self.compare_profiles(trace, expected, replayed, chosen)

    def pid_of(self, trace, uuid):
        return trace.tracks[uuid].get('process', {}).get('pid')

    def check_heap_counters(self, trace, expected):
        start = self.start(trace)
        curves = {}
        for (owner, name), uuids in trace.heaps().items():
            place = self.pid_of(trace, owner), name
            curves.setdefault(place, []).append([test_perfetto.Curve(trace.counters[u])
                                                 for u in uuids])
        self.assertEqual(set(curves),
                         {(i.pid, 'Heap 0x%x' % handle) for i, handle in expected.heaps})
        for (instance, handle), points in expected.heaps.items():
            wanted = [(min(size, SIGNED_MOST), blocks) for size, blocks in points.values()]
            # Without a point yet: the instance has not had its pid yet.
            found = [[(size.at(start + time) or 0, blocks.at(start + time) or 0) for time in points]
                     for size, blocks in curves[instance.pid, 'Heap 0x%x' % handle]]
            self.assertIn(wanted, found, (instance.pid, handle, list(points)))

    def check_totals(self, trace, expected):
        start = self.start(trace)
        curves = {}
        for uuid, track in trace.tracks.items():
            if track.get('name') == 'Heap live bytes':
                curves.setdefault(self.pid_of(trace, track['parent_uuid']), []).append(
                    test_perfetto.Curve(trace.counters[uuid]))
        for instance, points in expected.totals.items():
            wanted = [min(value, SIGNED_MOST) for value in points.values()]
            found = [[curve.at(start + time) or 0 for time in points]
                     for curve in curves[instance.pid]]
            self.assertIn(wanted, found, (instance.pid, list(points)))

    def compare_profiles(self, trace, expected, replayed, chosen):
        """Each instance's profile is the one of its pid that ends as the oracle says; its dumps lie
        in the time that is shown and hold what had changed until then."""
        start = self.start(trace)
        states = trace.profile_states()
        matched = set()
        for instance in expected.totals:
            changes = filters.profile(chosen, replayed, instance)
            if instance.pid is None or not changes:
                continue
            if max(sum(figures[:2]) for _, _, figures in changes) > SIGNED_MOST:
                return  # readers know no such sums, and are told less
            self.has_stacks = any(row.stack for row in replayed.rows if row.instance is instance)
            wanted = self.add_up(changes, None)
            same = [sequence for sequence in states if sequence not in matched
                    and states[sequence][0][0]['pid'] == instance.pid
                    and self.sums(states[sequence][-1][1]) == wanted]
            self.assertTrue(same, (instance.pid, instance.name))
            matched.add(same[0])
            self.check_dumps(states[same[0]], changes, start, instance, expected)
        self.assertEqual(matched, set(states))

    def check_dumps(self, dumps, changes, start, instance, expected):
        for dump, state in dumps:
            time = dump['time'] - start
            self.assertTrue(expected.first <= time <= expected.last, time)
            # The dump of an end that an event shares lies before it by a nanosecond.
            time += instance.end_ns is not None and time + 1 == instance.end_ns
            self.assertEqual(self.sums(state), self.add_up(changes, time))
        live = [sum(figures[0] - figures[1] for figures in self.sums(state).values())
                for _, state in dumps]
        self.assertEqual(max(live + [0]), self.peak(changes))

    def peak(self, changes):
        live = most = 0
        for number, (time, _, figures) in enumerate(changes):
            live += figures[0] - figures[1]
            if number + 1 == len(changes) or changes[number + 1][0] > time:
                most = max(most, live)
        return most

    def add_up(self, changes, until):
        sums = {}
        for time, place, figures in changes:
            if until is None or time <= until:
                sums[place] = [a + b for a, b in zip(sums.get(place, [0] * 4), figures)]
        return self.comparable(sums)

    def comparable(self, sums):
        """Where size classes stand for stacks, a block that grows into another is freed there and
        allocated here: only what is left can be compared."""
        if self.has_stacks:
            return sums
        return {place: [f[0] - f[1], 0, f[2] - f[3], 0] for place, f in sums.items()}

    def sums(self, state):
        """A dump's figures by (handle, stack)."""
        sums = {}
        for stack, figures in state.items():
            heap, stacked = self.heap_of(stack)
            frames = ';'.join(frame[0] for frame in reversed(stack[1:]))
            place = (int(heap.split()[1], 16),
                     frames if stacked and frames != test_profile.NO_STACK else None)
            sums[place] = [a + b for a, b in zip(sums.get(place, [0] * 4), figures)]
        return self.comparable(sums)


class Thinned(FilterTestCase):

    def test_points_lie_on_the_curve(self):
        """Coarse counters of a filtered trace have points of the exact ones, and their extremes."""
        path = self.path('random.etl')
        support.run('etlgen', 'random', '--events', 4000, '--cpus', 2, '--seed', 9, '-o', path)
        for options in (['--time', '100ms..300ms'], ['--heap', '0x400000,0x2400000'],
                        ['--pid', '1000', '--heap', '0x1400000', '--time', '50ms..']):
            with self.subTest(options):
                exact, coarse = (self.perfetto('--resolution', how, *options, path).counters
                                 for how in ('exact', '20ms'))
                self.compare({uuid: dict(points) for uuid, points in exact.items()},
                             {uuid: dict(points) for uuid, points in coarse.items()})
                exact, coarse = (
                    test_chrome.curves(self.chrome('--resolution', how, *options, path))
                    for how in ('exact', '20ms'))
                for key in ('live bytes', 'live blocks'):
                    self.compare(*({track: {time: args[key] for time, args in points.items()
                                            if key in args} for track, points in curves.items()}
                                   for curves in (exact, coarse)))

    def compare(self, exact, coarse):
        self.assertEqual(set(coarse), set(exact))
        self.assertGreater(len(exact), 1)
        self.assertLess(sum(map(len, coarse.values())), sum(map(len, exact.values())))
        for track, points in coarse.items():
            self.assertLessEqual(set(points.items()), set(exact[track].items()))
            for pick in (min, max):
                self.assertEqual(pick(points.values(), default=0),
                                 pick(exact[track].values(), default=0))


class Counts(FilterTestCase):

    def test_stats_are_of_the_whole_trace(self):
        inputs = self.build_case('basic')
        for name in ('etl2csv', 'etl2chrome', 'etl2perfetto'):
            counts = []
            for options in ([], ['--event', 'free', '--time', '1ms..2ms', '--pid', '100']):
                support.run(name, '-q', '-f', '--stats', self.path('stats'), *options, *inputs,
                            '-o', self.path('out'))
                counts.append(self.read('stats'))
            self.assertEqual(*counts)

    def test_closing_line(self):
        inputs = self.build_case('basic')
        done = support.run('etl2csv', '-c', '--event', 'alloc', *inputs)
        self.assertIn(', %d events shown' % (done.stdout.count(b'\n') - 1), done.stderr)
        self.assertNotIn('shown', support.run('etl2csv', '-c', *inputs).stderr)
        done = support.run('etl2csv', '-q', '-c', '--pid', '99999', *inputs)
        self.assertIn('warning: no heap event passes the filters', done.stderr)


class Wrong(support.CliTestCase):

    def test_in_all_converters(self):
        for options, message in (
                (['--event', 'alloc,freee'], "no event 'freee'; did you mean free?"),
                (['--event', 'unknown'], 'did you mean unknown_0x10hh?'),
                (['--pid', '1,x'], '--pid takes numbers'),
                (['--heap', '0x'], '--heap takes numbers'),
                (['--size', '4K..1K'], '--size 4K..1K holds nothing'),
                (['--time', '1m'], '--time takes a range like'),
                (['--lifetime', '-1..'], '--lifetime takes a range like'),
                (['--process', ''], '--process takes a name or a pattern'),
                (['--proces', 'x'], 'did you mean --process?')):
            for name in ('etl2csv', 'etl2chrome', 'etl2perfetto'):
                done = support.run(name, '-c', *options, 'none.etl', status=2)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, b'')

    def test_not_in_etlinfo(self):
        self.assertIn('no option --pid', support.run('etlinfo', '--pid', '1', 'none.etl',
                                                     status=2).stderr)


class Random(FilterTestCase):

    def test_sets(self):
        events = 0
        for seed in range(TRACES):
            path = self.path('random%d.etl' % seed)
            support.run('etlgen', 'random', '--events', EVENTS, '--cpus', 1 + seed % 4, '--seed',
                        seed + 600, *(['--stacks'] if seed % 2 else []), '-o', path)
            trace, replayed = oracle.replay([path])
            rng = random.Random(seed)
            for number in range(SETS_OF_A_TRACE):
                chosen = random_filter(rng, replayed.rows)
                with self.subTest(seed=seed, number=number, filter=chosen.arguments()):
                    events += self.check([path], trace, replayed, chosen)
        self.assertGreater(events, 20 * TRACES * SETS_OF_A_TRACE)


class Cases(FilterTestCase):

    def test_cases(self):
        """Every case that is undamaged."""
        checked = 0
        for seed, name in enumerate(support.cases()):
            inputs = self.build_case(name)
            if support.run('etl2csv', '-q', '-c', *inputs, status=None).returncode:
                continue
            trace, replayed = oracle.replay(inputs)
            if not replayed.rows:
                continue
            rng = random.Random(seed)
            for _ in range(8 if LONG else 1):
                chosen = random_filter(rng, replayed.rows)
                with self.subTest(name, filter=chosen.arguments()):
                    self.check(inputs, trace, replayed, chosen)
                    checked += 1
        self.assertGreater(checked, 30)


if __name__ == '__main__':
    support.main()
