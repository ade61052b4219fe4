"""etl2chrome: the JSON is read back and compared with what etl2csv says of the same trace."""
import csv
import io
import json
import re

import support

COLUMNS = ('time_ns,process_id,process_name,thread_id,event,heap,address,size_bytes,source,'
           'lifetime_ns,old_address,old_size_bytes,heap_live_bytes,heap_live_blocks,'
           'process_live_bytes,stack')
ARGUMENTS = ('heap', 'address', 'size_bytes', 'source', 'lifetime_ns', 'old_address',
             'old_size_bytes', 'stack')
TEXT_ARGUMENTS = ('heap', 'address', 'source', 'old_address', 'stack')

CASES = ('basic', 'realloc', 'replaced', 'implicit_frees', 'equal_times', 'process_reuse',
         'failed_calls', 'payload_sizes', 'wow64', 'time_steps_back')


def no_constants(name):
    raise ValueError('%s in JSON' % name)


def nanoseconds(ts):
    """A ts as written, which must have exactly three decimals."""
    if not re.fullmatch(r'\d+\.\d{3}', ts):
        raise ValueError('ts %s' % ts)
    return int(ts.replace('.', ''))


def number(value):
    return int(value, 0) if isinstance(value, str) else value


class ChromeTestCase(support.CliTestCase):

    def chrome(self, *args):
        """The whole document; its ts in nanoseconds. Checks the form of the file on the way."""
        return self.document(support.run('etl2chrome', '-q', '-c', *args).stdout)

    def document(self, data):
        """A file, or a piece."""
        text = data.decode('utf-8')
        document = json.loads(text, parse_float=nanoseconds, parse_constant=no_constants)
        lines = text.split('\n')
        events = document['traceEvents']
        self.assertEqual(lines[1 + len(events)], '],')
        self.assertFalse([line for line in lines[1:len(events)]
                          if not (line.startswith('{"ph":') and line.endswith('},'))])
        return document

    known_columns = None

    def rows(self, *args):
        columns = self.columns(args)
        text = support.run('etl2csv', '-q', '-c', '--columns', columns, *args).stdout
        return list(csv.DictReader(io.StringIO(text.decode('utf-8'))))

    def columns(self, inputs):
        """COLUMNS, as far as this etl2csv has them."""
        if not ChromeTestCase.known_columns:
            done = support.run('etl2csv', '-q', '-c', '--columns', 'stack', *inputs, status=None)
            ChromeTestCase.known_columns = \
                COLUMNS if done.returncode != 2 else COLUMNS.replace(',stack', '')
        return ChromeTestCase.known_columns

    def random(self, seed):
        path = self.path('random%d.etl' % seed)
        support.run('etlgen', 'random', '--events', 20000, '--seed', seed, '-o', path)
        return path

    def demo(self):
        path = self.path('demo.etl')
        support.run('etlgen', 'demo', '-o', path)
        return path


def curves(document):
    """{(pid, counter name): {time: args}}, in the order of the file; times never go back."""
    found = {}
    for event in document['traceEvents']:
        if event['ph'] == 'C':
            points = found.setdefault((event['pid'], event['name']), {})
            if points and event['ts'] <= list_last(points):
                raise AssertionError('%s: %d is not after the point before' % (event, event['ts']))
            points[event['ts']] = {key: number(v) for key, v in event['args'].items()}
    return found


def list_last(points):
    return next(reversed(points))


def lonely_pids(rows):
    """Those of one instance, as far as names tell. The CSV counts instances one by one, Chrome
    adds them up."""
    names = {}
    for row in rows:
        names.setdefault(row['process_id'], set()).add(row['process_name'])
    return {pid for pid in names if len(names[pid]) == 1}


def expected_curves(rows, base):
    """The same from the CSV: what stood there after the last row of every time."""
    found = {}
    lonely = lonely_pids(rows)
    for row in rows:
        if row['process_id'] not in lonely or not row['heap_live_bytes']:
            continue
        pid = int(row['process_id'] or 0)
        total = {'live bytes': int(row['process_live_bytes'])}
        heap = {'live bytes': int(row['heap_live_bytes']),
                'live blocks': int(row['heap_live_blocks'])}
        for name, values in (('Heap total', total), ('Heap ' + row['heap'], heap)):
            points = found.setdefault((pid, name), {})
            time = int(row['time_ns']) - base
            if points:
                time = max(time, list_last(points))
            points[time] = values
    return found


class Counters(ChromeTestCase):

    def compare(self, *paths):
        document = self.chrome('--resolution', 'exact', '--no-events', *paths)
        got = curves(document)
        rows = self.rows(*paths)
        want = expected_curves(rows, document['otherData']['base_ns'])
        for track, steps in want.items():
            self.compare_track(track, got.get(track, {}), steps)
        heaps = {(int(r['process_id'] or 0), 'Heap ' + r['heap']) for r in rows if r['heap']}
        self.assertLessEqual(set(got), heaps | {(pid, 'Heap total') for pid, _ in heaps})
        return len(want)

    def compare_track(self, track, points, steps):
        """The curve through the points has the value of every step; a point between steps is an
        implicit free, which goes down."""
        now = dict.fromkeys(next(iter(steps.values())), 0)
        merged = sorted(set(points) | set(steps))
        for time in merged:
            before, now = now, points.get(time, now)
            if time in steps:
                self.assertEqual(now, steps[time], '%s at %d' % (track, time))
            else:
                self.assertTrue(all(now[k] <= before[k] for k in now), '%s at %d' % (track, time))

    def test_cases(self):
        compared = 0
        for name in CASES:
            with self.subTest(name):
                compared += self.compare(*self.build_case(name))
        self.assertGreater(compared, len(CASES))

    def test_random(self):
        for seed in (1, 2, 3):
            with self.subTest(seed):
                self.assertGreater(self.compare(self.random(seed)), 4)

    def test_demo(self):
        self.assertGreater(self.compare(self.demo()), 4)


class Thinned(ChromeTestCase):

    def test_what_survives(self):
        path = self.demo()
        exact = curves(self.chrome('--no-events', '--resolution', 'exact', path))
        for bucket, option in ((100 * 1000, '100us'), (50 * 1000 * 1000, '50ms')):
            thinned = curves(self.chrome('--no-events', '--resolution', option, path))
            self.assertEqual(set(thinned), set(exact))
            for track in exact:
                self.compare(bucket, exact[track], thinned[track])

    def compare(self, bucket, exact, thinned):
        self.assertLessEqual(set(thinned), set(exact))
        kept, wanted = {}, {}
        for time, values in thinned.items():
            self.assertEqual(values, exact[time])
            kept.setdefault(time // bucket, []).append((time, values))
        for time, values in exact.items():
            wanted.setdefault(time // bucket, []).append((time, values))
        self.assertEqual(set(kept), set(wanted))
        for k, points in wanted.items():
            self.assertEqual(kept[k][0], points[0])
            self.assertEqual(kept[k][-1], points[-1])
            self.assertLessEqual(len(kept[k]), 6)
            for key in points[0][1]:
                for extreme in (min, max):
                    self.assertEqual(extreme(v[key] for _, v in kept[k]),
                                     extreme(v[key] for _, v in points))

    def test_wrong_resolution(self):
        path = self.build_text('one', 'session cpus=1\nalloc t=1ms pid=1 tid=1 heap=1 addr=1 size=1\n')
        for wrong in ('fine', '', '-1ms', '10parsec'):
            done = support.run('etl2chrome', '-c', '--resolution', wrong, path, status=2)
            self.assertIn('--resolution', done.stderr)
            self.assertEqual(done.stdout, b'')


class Instants(ChromeTestCase):

    def compare(self, *paths):
        document = self.chrome('--events', *paths)
        base = document['otherData']['base_ns']
        events = [e for e in document['traceEvents'] if e['ph'] == 'i']
        rows = [r for r in self.rows(*paths) if r['event'] in ('alloc', 'free', 'realloc')]
        self.assertEqual(len(events), len(rows))
        for event, row in zip(events, rows):
            self.assertEqual(event['name'], row['event'])
            self.assertEqual(event['ts'], int(row['time_ns']) - base)
            self.assertEqual(event['pid'], int(row['process_id'] or 0))
            known = row['process_id'] and row['thread_id']
            self.assertEqual((event['s'], event['tid']),
                             ('t', int(row['thread_id'])) if known else ('p', 0))
            self.assertEqual({key: number(v) if key not in TEXT_ARGUMENTS else v
                              for key, v in event['args'].items() if key in row},
                             {key: row[key] if key in TEXT_ARGUMENTS else int(row[key])
                              for key in ARGUMENTS if row.get(key)})
        return len(events)

    def test_all_cases(self):
        compared = 0
        for name in support.cases():
            with self.subTest(name):
                paths = self.build_case(name)
                if support.run('etl2csv', '-q', '-c', *paths, status=None).returncode == 0:
                    compared += self.compare(*paths)
        self.assertGreater(compared, 100)

    def test_random(self):
        self.assertGreater(self.compare(self.random(4)), 10000)

    def test_by_size(self):
        demo = self.demo()  # more than 100 000 heap events
        phases = lambda *args: {e['ph'] for e in self.chrome(*args)['traceEvents']}
        self.assertNotIn('i', phases(demo))
        self.assertIn('i', phases('--events', demo))
        basic = self.build_case('basic')
        self.assertIn('i', phases(*basic))
        self.assertNotIn('i', phases('--no-events', *basic))


class Names(ChromeTestCase):

    def names(self, document, kind):
        found = {}
        for event in document['traceEvents']:
            if event['ph'] == 'M' and event['name'] == kind:
                key = (event['pid'], event['tid'])
                self.assertNotIn(key, found)
                found[key] = event['args']['name']
        return found

    def test_hostile(self):
        path = self.build_text('hostile', r'''
session cpus=1
process start t=0ms pid=7 key=1 name="a\"b\\c</script>.exe"
thread_name t=0ms pid=7 tid=8 name="\"},{\"ph\":\"X"
alloc t=1ms pid=7 tid=8 heap=0x10000 addr=0x10040 size=24
''')
        document = self.chrome(path)
        self.assertEqual(self.names(document, 'thread_name'), {(7, 8): '"},{"ph":"X'})
        self.assertEqual(self.names(document, 'process_name'), {(7, 0): 'a"b\\c</script>.exe'})

    def test_only_processes_with_heap_events(self):
        for name in CASES:
            paths = self.build_case(name)
            pids = {e['pid'] for e in self.chrome(*paths)['traceEvents']}
            self.assertEqual(pids, {int(row['process_id'] or 0) for row in self.rows(*paths)})

    def test_reused_pid(self):
        paths = self.build_case('process_reuse')
        names = {}
        for row in self.rows(*paths):
            if row['process_name']:
                seen = names.setdefault((int(row['process_id']), 0), [])
                if row['process_name'] not in seen:
                    seen.append(row['process_name'])
        self.assertEqual(self.names(self.chrome(*paths), 'process_name'),
                         {key: ', '.join(seen) for key, seen in names.items()})


class HeapSlices(ChromeTestCase):

    def test_every_begin_has_its_end(self):
        for paths in [self.build_case(name) for name in CASES] + [[self.demo()]]:
            open_slices, count = {}, 0
            for e in self.chrome('--no-events', *paths)['traceEvents']:
                if e['ph'] not in 'be':
                    continue
                key = (e['pid'], e['cat'], e['id2']['local'], e['name'])
                self.assertEqual(e['name'], 'Heap ' + e['id2']['local'])
                self.assertEqual(e['ph'] == 'e', key in open_slices)
                if e['ph'] == 'b':
                    open_slices[key] = e['ts']
                    count += 1
                else:
                    self.assertGreaterEqual(e['ts'], open_slices.pop(key))
            self.assertEqual(open_slices, {})
            creates = [row for row in self.rows(*paths) if row['event'] == 'create' and row['heap']]
            self.assertEqual(count, len(creates))


class OtherData(ChromeTestCase):

    def test_counts(self):
        path = self.demo()
        stats = self.path('stats.json')
        document = json.loads(support.run('etl2chrome', '-q', '-c', '--stats', stats, path).stdout)
        self.assertEqual(document['metadata'], document['otherData'])
        self.assertEqual(document['displayTimeUnit'], 'ns')
        flat = {}
        for key, value in json.loads(self.read('stats.json')).items():
            nested = value if isinstance(value, dict) else None
            flat.update({'%s.%s' % (key, k): v for k, v in nested.items()} if nested is not None
                        else {key: value})
        data = document['otherData']
        self.assertEqual({key: data[key] for key in flat}, flat)
        self.assertEqual(data['inputs'], ['demo.etl'])
        self.assertRegex(data['start'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$')
        self.assertTrue(data['tool'].startswith('etl2chrome '))

    def test_real_traces(self):
        for path, facts in support.real_traces():
            with self.subTest(path):
                document = self.chrome(path)
                self.assertEqual(document['traceEvents'], [])


if __name__ == '__main__':
    support.main()
