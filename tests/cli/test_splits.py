"""Output in pieces: --split-rows, --split-size and --split-time.

Each piece is read alone, by the checks of a whole output, and all in order are compared with the
output that is not cut."""
import datetime
import os
import re
import resource
import signal
import subprocess
import sys
import time
import unittest

import support
import test_chrome

sys.path.insert(0, support.TESTS)
import perfetto_decode  # noqa: E402

CONVERTERS = {'etl2csv': '.csv', 'etl2chrome': '.json', 'etl2perfetto': '.pftrace'}
LONG = os.environ.get('ETLHEAP_LONG') == '1'


class SplitTestCase(support.CliTestCase):

    def random(self, seed, *options, events=700):
        path = self.path('random%d.etl' % seed)
        support.run('etlgen', 'random', '--events', events, '--cpus', 2, '--seed', seed, '-o', path,
                    *options)
        return path

    def quiet(self, seed, *options):
        """A trace without process ends and times that step back: rows alone tell what is live."""
        path = self.path('bench%d.etl' % seed)
        support.run('etlgen', 'bench', '--events', 1200, '--live', 60, '--cpus', 2, '-o', path,
                    *options)
        return path

    def check_curves(self, whole, pieces):
        """{track: {time: value}} of the pieces: all points of the whole, and others on its curve."""
        merged = {}
        for curves in pieces:
            for track, points in curves.items():
                merged.setdefault(track, {}).update(points)
        self.assertEqual(set(merged), set(whole))
        for track, points in whole.items():
            for time, value in merged[track].items():
                self.assertEqual(value_at(points, time), value, (track, time))
            self.assertLessEqual(set(points), set(merged[track]))

    def whole(self, name, *args):
        """The output that is not cut."""
        path = self.path('whole' + CONVERTERS[name])
        done = support.run(name, '-q', '-f', '-o', path, *args, status=None)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return self.read(path)

    def pieces(self, name, *args, status=(0, 3)):
        """The pieces' bytes, in order. Nothing else may have come to lie beside them."""
        folder = self.path('pieces')
        os.makedirs(folder, exist_ok=True)
        for old in os.listdir(folder):
            os.remove(os.path.join(folder, old))
        suffix = CONVERTERS[name]
        done = support.run(name, '-q', '-o', os.path.join(folder, 'out' + suffix), *args,
                           status=None)
        self.assertIn(done.returncode, status, done.stderr)
        names = sorted(os.listdir(folder), key=lambda n: (len(n), n))
        self.assertEqual(names, ['out.%04d%s' % (i + 1, suffix) for i in range(len(names))])
        return [self.read(folder, piece) for piece in names]


class Csv(SplitTestCase):

    def rows(self, piece, header):
        self.assertTrue(piece.startswith(header))
        self.assertTrue(piece.endswith(b'\n'))
        # A name between quotes may hold the end of a line.
        return re.findall(rb'(?:[^"\n]|"[^"]*")*\n', piece[len(header):])

    def check(self, inputs, options, *more):
        """The pieces' rows, which together are the whole."""
        whole = self.whole('etl2csv', *more, *inputs)
        header = whole[:whole.index(b'\n') + 1]
        pieces = self.pieces('etl2csv', *options, *more, *inputs)
        rows = [self.rows(piece, header) for piece in pieces]
        self.assertEqual(b''.join(b''.join(r) for r in rows), whole[len(header):])
        return header, rows

    def check_sizes(self, header, rows, size):
        """As much in each piece as fits, and never less than a row."""
        for piece, following in zip(rows, rows[1:] + [None]):
            length = len(header) + sum(map(len, piece))
            self.assertTrue(length <= size or len(piece) == 1)
            if following:
                self.assertGreater(length + len(following[0]), size)

    def test_cases(self):
        """The rows of every case, a few in each piece."""
        for case in support.cases():
            inputs = self.build_case(case)
            if support.run('etl2csv', '-q', '-c', *inputs, status=None).returncode == 1:
                continue
            with self.subTest(case):
                self.check(inputs, ['--split-rows', '2'])
                self.check_sizes(*self.check(inputs, ['--split-size', '300']), 300)
                self.check(inputs, ['--split-time', '1ms'])

    def test_names_that_are_no_files_are_refused(self):
        """Two links might lead to one file, and the first piece be lost."""
        path = self.random(1)
        self.write('x.0002.csv', 'mine')
        os.symlink('x.0002.csv', self.path('x.0001.csv'))
        os.mkfifo(self.path('y.0001.csv'))
        for name, what in (('x', 'a symbolic link'), ('y', 'no regular file')):
            done = support.run('etl2csv', '-q', '-f', '--split-rows', '7', '-o',
                               self.path(name + '.csv'), path, status=1)
            self.assertIn('%s.0001.csv: is %s' % (name, what), done.stderr)
        self.assertEqual(self.read('x.0002.csv'), b'mine')
        self.assertTrue(os.path.islink(self.path('x.0001.csv')))

    def test_rows(self):
        path = self.random(1)
        for count in (1, 7, 350, 100000):
            _, rows = self.check([path], ['--split-rows', count])
            total = sum(map(len, rows))
            full, rest = divmod(total, count)
            self.assertEqual([len(r) for r in rows], [count] * full + [rest] * (rest > 0))

    def test_sizes(self):
        path = self.random(2)
        for size in ('1', '250', '300', '4K', '20000', '1G'):
            number = int(size) if size.isdigit() else int(size[:-1]) << {'K': 10, 'G': 30}[size[-1]]
            self.check_sizes(*self.check([path], ['--split-size', size]), number)

    def test_times(self):
        """[kT, (k+1)T), and none without a row."""
        path = self.random(3)
        for period in ('50ms', '1ms', '333us', '1'):
            ns = int(support.duration_ns(period))
            _, rows = self.check([path], ['--split-time', period])
            latest, expected, found = None, [], []
            for piece in rows:
                self.assertTrue(piece)
                for row in piece:
                    # A time that steps back stays with the row before.
                    k = int(row.split(b',')[0]) // ns
                    latest = k if latest is None else max(k, latest)
                    if not expected or expected[-1] != latest:
                        expected.append(latest)
                found.append(latest)
            self.assertEqual(found, expected)

    def test_several_reasons(self):
        path = self.random(4)
        header, rows = self.check([path], ['--split-rows', '100', '--split-size', '5000',
                                           '--split-time', '10ms'])
        self.assertTrue(all(len(r) <= 100 for r in rows))
        self.assertTrue(all(len(header) + sum(map(len, r)) <= 5000 for r in rows))
        self.assertGreater(len(rows), 10)

    def test_other_tables_and_columns(self):
        path = self.random(5, '--stacks')
        for table in ('heaps', 'sizes', 'callsites', 'processes', 'stacks'):
            _, rows = self.check([path], ['--split-rows', '3'], '--table', table)
            self.assertTrue(all(len(r) == 3 for r in rows[:-1]))
            self.check_sizes(*self.check([path], ['--split-size', '400'], '--table', table), 400)
        self.check([path], ['--split-size', '3K'], '--columns', 'stack,time_utc,process_name')
        self.check([path], ['--split-size', '3K'], '--decimal-addresses')
        done = support.run('etl2csv', '--split-time', '1', '--table', 'heaps', path, status=2)
        self.assertIn('--split-time', done.stderr)

    def test_each_has_mark_and_header(self):
        inputs = self.build_case('basic')
        marked = self.pieces('etl2csv', '--bom', '--crlf', '--split-rows', '1', *inputs)
        self.assertTrue(all(p.startswith(b'\xef\xbb\xbftime_ns,') for p in marked))
        self.assertTrue(all(p.count(b'\r\n') == 2 for p in marked))
        bare = self.pieces('etl2csv', '--no-header', '--split-rows', '1', *inputs)
        self.assertTrue(all(p.count(b'\n') == 1 for p in bare))

    def test_no_rows(self):
        path = self.build_text('none', 'session cpus=1\n')
        for option in (['--split-rows', '1'], ['--split-size', '1'], ['--split-time', '1']):
            header, rows = self.check([path], option)
            self.assertEqual(rows, [[]])

    def test_warning_names_the_option(self):
        """A piece that is short enough for a spreadsheet is not warned of."""
        path = self.path('many.etl')
        support.run('etlgen', 'bench', '--events', 1048600, '-o', path)
        for options, warned in (([], True), (['--split-rows', '1048575'], False),
                                (['--split-rows', '1048576'], True)):
            done = support.run('etl2csv', '-f', '-q', '--columns', 'cpu', '-o', self.path('m.csv'),
                               path, *options)
            self.assertEqual('--split-rows 1048575' in done.stderr, warned)


def chunks(rows, option, value):
    """The rows of each piece."""
    if option == '--split-rows':
        return [rows[i:i + value] for i in range(0, len(rows), value)]
    found, latest = {}, None
    for row in rows:
        k = int(row['time_ns']) // value
        latest = k if latest is None else max(k, latest)
        found.setdefault(latest, []).append(row)
    return list(found.values())


def value_at(points, time):
    """Of a curve {time: value} in order of time."""
    found = None
    for at, value in points.items():
        if at > time:
            break
        found = value
    return found


class Chrome(SplitTestCase, test_chrome.ChromeTestCase):

    def document_of(self, piece):
        document = self.document(piece)
        frames = document.get('stackFrames', {})
        for event in document['traceEvents']:
            if 'sf' in event:
                self.assertIn(str(event['sf']), frames)
                del event['sf']
        return document

    def cut(self, inputs, *options):
        whole = self.document_of(self.whole('etl2chrome', '--events', *options[2:], *inputs))
        pieces = self.pieces('etl2chrome', '--events', *options, *inputs)
        return whole, [self.document_of(piece) for piece in pieces], pieces

    def instants(self, document):
        return [e for e in document['traceEvents'] if e['ph'] == 'i']

    def check_whole(self, whole, documents):
        self.assertEqual([i for d in documents for i in self.instants(d)], self.instants(whole))
        for document in documents:
            self.assertEqual(document['otherData'], whole['otherData'])
            self.assertEqual(document['metadata'], whole['metadata'])
        self.check_curves(test_chrome.curves(whole), map(test_chrome.curves, documents))
        self.assertEqual(joined([self.slices(whole)]), joined(map(self.slices, documents)))

    def slices(self, document):
        begun, found = {}, []
        for e in document['traceEvents']:
            if e['ph'] in 'be':
                key = e['pid'], e['name'], e['tid']
                if e['ph'] == 'b':
                    begun[key] = e['ts']
                else:
                    found.append((key, begun.pop(key), e['ts']))
        self.assertEqual(begun, {})
        return found

    def check_values(self, documents, parts, base):
        """Each piece alone has the right live figures after every of its rows, counters that stand
        still among them."""
        known = {}
        self.assertEqual(len(documents), len(parts))
        for document, rows in zip(documents, parts):
            curves = test_chrome.curves(document)
            first = max(0, int(rows[0]['time_ns']) - base)
            touched = {name(row) for row in rows}
            for track, value in known.items():
                if track not in touched:
                    self.assertEqual(value_at(curves[track], first)['live bytes'], value, track)
            after = {}
            for row in rows:
                if row['heap_live_bytes']:
                    after[name(row), int(row['time_ns']) - base] = int(row['heap_live_bytes'])
                    known[name(row)] = int(row['heap_live_bytes'])
            for (track, time), value in after.items():
                self.assertEqual(value_at(curves[track], time)['live bytes'], value, (track, time))

    def check(self, inputs, option, value, text=None):
        whole, documents, _ = self.cut(inputs, option, text or value, '--resolution', 'exact')
        self.check_whole(whole, documents)
        return whole, documents

    def test_live_from_the_first_event(self):
        path = self.quiet(1)
        rows = self.rows(path)
        for option, value, text in (('--split-rows', 150, None),
                                    ('--split-time', 100000, '100us')):
            whole, documents = self.check([path], option, value, text)
            self.assertGreater(len(documents), 5)
            self.check_values(documents, chunks(rows, option, value),
                              whole['otherData']['base_ns'])

    def test_cases(self):
        """All of them, in pieces of two events, and of a millisecond."""
        for case in support.cases():
            inputs = self.build_case(case)
            done = support.run('etl2chrome', '-q', '-c', *inputs, status=None)
            if done.returncode == 1 or case in STEPS_BACK:
                continue
            with self.subTest(case):
                whole, documents = self.check(inputs, '--split-rows', 2)
                total = whole['otherData']['heap_events_total']
                self.assertEqual(len(documents), max(1, -(-total // 2)))
                self.check(inputs, '--split-time', None, '1ms')

    def test_random(self):
        path = self.random(11, '--stacks')
        for option, value in (('--split-rows', '100'), ('--split-time', '5ms'),
                              ('--split-size', '40K')):
            whole, documents = self.check([path], option, value)
            self.assertGreater(len(documents), 3)
            for document in documents:
                for track, points in test_chrome.curves(document).items():
                    self.assertTrue(points)

    def test_sizes(self):
        """Never more, unless it is one event; and nearly as much."""
        for options in ([], ['--resolution', '1ms']):
            path = self.random(12, '--stacks')
            for size in (20000, 60000, 200000):
                _, documents, pieces = self.cut([path], '--split-size', size, *options)
                for document, piece in zip(documents, pieces):
                    self.assertTrue(len(piece) <= size or len(self.instants(document)) <= 1)
                if size == 200000 and not options:
                    self.assertGreater(min(map(len, pieces[:-1])), size * 3 // 4)
        _, documents, _ = self.cut([path], '--split-size', '1')
        self.assertTrue(all(len(self.instants(d)) <= 1 for d in documents))

    def test_times(self):
        """All that a piece shows lies in its period."""
        path = self.random(13)
        for period in ('1ms', '10ms'):
            ns = support.duration_ns(period)
            _, documents, _ = self.cut([path], '--split-time', period)
            base = documents[0]['otherData']['base_ns']
            last = None
            for document in documents:
                times = [e['ts'] + base for e in document['traceEvents'] if 'ts' in e]
                ends = [e['ts'] + base for e in document['traceEvents'] if e['ph'] == 'e']
                k = min(times) // ns
                self.assertTrue(all(t // ns == k or t in ends for t in times))
                self.assertTrue(all(t <= (k + 1) * ns for t in ends))
                self.assertTrue(last is None or k > last)
                last = k

    def test_thinned(self):
        """Each point lies on the exact curve; a piece begins with what was live."""
        path = self.quiet(2)
        exact = test_chrome.curves(self.document(self.whole('etl2chrome', '--no-events',
                                                            '--resolution', 'exact', path)))
        pieces = self.pieces('etl2chrome', '--no-events', '--resolution', '100us', '--split-rows',
                             '300', path)
        self.assertGreater(len(pieces), 3)
        for piece in pieces:
            curves = test_chrome.curves(self.document(piece))
            self.assertEqual(set(curves), set(exact))
            for track, points in curves.items():
                for time, value in points.items():
                    self.assertEqual(value, value_at(exact[track], time), (track, time))

    def test_filtered(self):
        path = self.random(14)
        for options in (['--event', 'alloc'], ['--time', '20ms..60ms'], ['--size', '100..']):
            whole, documents, _ = self.cut([path], '--split-rows', '20', '--resolution', 'exact',
                                           *options)
            if '--time' not in options:
                self.check_whole(whole, documents)
            self.assertEqual([i for d in documents for i in self.instants(d)],
                             self.instants(whole))
            self.assertGreater(len(documents), 3)


def joined(slices_of_pieces):
    """Slices as of the whole: what ends with a piece and begins with the next went on."""
    found = []
    for slices in slices_of_pieces:
        for key, begin, end in slices:
            before = [f for f in found if f[0] == key and f[2] == begin]
            if before:
                found.remove(before[0])
            found.append((key, before[0][1] if before else begin, end))
    return sorted(found)


class Perfetto(SplitTestCase):

    def decode(self, piece):
        return perfetto_decode.Trace(piece)

    def cut(self, inputs, *options):
        whole = self.decode(self.whole('etl2perfetto', '--events', *options[2:], *inputs))
        pieces = self.pieces('etl2perfetto', '--events', *options, *inputs)
        return whole, [self.decode(piece) for piece in pieces], pieces

    def owner(self, trace, uuid):
        process = trace.tracks[uuid].get('process', {})
        return (process.get('pid'), process.get('process_name'), process.get('start_timestamp_ns'),
                tuple(process.get('cmdline', ())))

    def curves(self, trace):
        """{(owner, heap, counter): {time: value}}, of processes and heaps."""
        found = {}
        for (process, heap), uuids in trace.heaps().items():
            for kind, uuid in zip(('bytes', 'blocks'), uuids):
                found[self.owner(trace, process), heap, kind] = dict(trace.counters[uuid])
        for uuid, track in trace.tracks.items():
            if track.get('name') == 'Heap live bytes' and trace.counters[uuid]:
                found[self.owner(trace, track['parent_uuid']),] = dict(trace.counters[uuid])
        return found

    def instants(self, trace):
        found = []
        for i in trace.instants:
            track = trace.tracks[i['track']]
            found.append((i['time'], track.get('thread') or self.owner(trace, i['track']),
                          i['name'], i['args'], i['stack']))
        # Sequences follow each other by process.
        return sorted(found, key=repr)

    def slices(self, trace):
        found = []
        for uuid, name, begin, end in trace.slices:
            group = trace.tracks[trace.tracks[uuid]['parent_uuid']]
            found.append(((repr(self.owner(trace, group['parent_uuid'])), name), begin, end))
        return found

    def check_whole(self, whole, traces):
        self.assertEqual(sorted((i for t in traces for i in self.instants(t)), key=repr),
                         self.instants(whole))
        for trace in traces:
            self.assertEqual(trace.attributes, whole.attributes)
            self.assertEqual(trace.system, whole.system)
            self.assertEqual(trace.boot_ns(), whole.boot_ns())
        self.assertEqual(len({tuple(t.uuid.values()) for t in traces}), len(traces))
        self.check_curves(self.curves(whole), map(self.curves, traces))
        self.assertEqual(joined([self.slices(whole)]), joined(map(self.slices, traces)))

    def states(self, trace):
        """{(pid, heap name): [(time, figures by stack)]}"""
        found = {}
        for states in trace.profile_states().values():
            for dump, state in states:
                found.setdefault((dump['pid'], dump['heap_name']), []).append((dump['time'], state))
        return found

    def check_profiles(self, whole, traces):
        """Each piece's first dump is what the piece before ended with; the last is the whole's.
        At every dump the sum is what the process's counter shows."""
        before = {}
        for trace in traces:
            live = {key[0][0]: points for key, points in self.curves(trace).items()
                    if len(key) == 1}
            states = self.states(trace)
            for key, ended in before.items():
                self.assertEqual(states[key][0][1], ended)
            for (pid, name), dumps in states.items():
                before[pid, name] = dumps[-1][1]
                for time, state in dumps if name == 'libc.malloc' else ():
                    self.assertEqual(sum(s[0] - s[1] for s in state.values()),
                                     value_at(live[pid], time))
        self.assertEqual(before, {key: dumps[-1][1] for key, dumps in self.states(whole).items()})
        self.assertTrue(before)

    def test_cases(self):
        for case in support.cases():
            inputs = self.build_case(case)
            done = support.run('etl2perfetto', '-q', '-o', self.path('try.pftrace'), '-f', *inputs,
                               status=None)
            if done.returncode == 1 or case in STEPS_BACK:
                continue
            with self.subTest(case):
                whole, traces, _ = self.cut(inputs, '--split-rows', '2', '--resolution', 'exact')
                self.check_whole(whole, traces)
                total = whole.attributes['heap_events_total']
                self.assertEqual(len(traces), max(1, -(-total // 2)))
                whole, traces, _ = self.cut(inputs, '--split-time', '1ms', '--resolution', 'exact')
                self.check_whole(whole, traces)

    def test_profiles(self):
        for options in ([], ['--profile-per-heap']):
            for stacks in ([], ['--stacks']):
                path = self.quiet(len(stacks), *stacks)
                whole, traces, _ = self.cut([path], '--split-rows', '300', '--profile-dumps', '7',
                                            '--resolution', 'exact', *options)
                self.assertEqual(len(traces), 4)
                self.check_whole(whole, traces)
                self.check_profiles(whole, traces)

    def test_live_from_the_first_event(self):
        """Every row of the CSV against the counters of the one piece that it is in."""
        path = self.quiet(3)
        done = support.run('etl2csv', '-q', '-c', path).stdout.decode().splitlines()
        rows = [dict(zip(done[0].split(','), line.split(','))) for line in done[1:]]
        for option, value, text in (('--split-rows', 150, '150'),
                                    ('--split-time', 100000, '100us')):
            _, traces, _ = self.cut([path], option, text, '--resolution', 'exact')
            parts = chunks(rows, option, value)
            self.assertEqual(len(traces), len(parts))
            for trace, part in zip(traces, parts):
                self.check_rows(trace, part)

    def check_rows(self, trace, rows):
        curves = {(key[0][0], key[1]): points for key, points in self.curves(trace).items()
                  if key[-1] == 'bytes'}
        start = trace.boot_ns() + self.start_unix(trace)
        after = {}
        for row in rows:
            if row['heap_live_bytes']:
                after[name(row), start + int(row['time_ns'])] = int(row['heap_live_bytes'])
        self.assertTrue(after)
        for (track, time), value in after.items():
            self.assertEqual(value_at(curves[track], time), value, (track, time))

    def start_unix(self, trace):
        seconds, _, fraction = trace.attributes['start'].rstrip('Z').partition('.')
        when = datetime.datetime.fromisoformat(seconds + '+00:00')
        return int(when.timestamp()) * 10**9 + int(fraction)

    def test_random(self):
        path = self.random(21, '--stacks', events=250)
        for option, value in (('--split-rows', '40'), ('--split-time', '5ms'),
                              ('--split-size', '70K')):
            whole, traces, _ = self.cut([path], option, value, '--resolution', 'exact')
            self.assertGreater(len(traces), 3)
            self.check_whole(whole, traces)

    def test_sizes(self):
        path = self.random(22, '--stacks', events=250)
        for options in ([], ['--resolution', '1ms'], ['--profile-dumps', '0'],
                        ['--profile-per-heap']):
            for size in (30000, 70000, 150000):
                _, traces, pieces = self.cut([path], '--split-size', str(size), *options)
                for trace, piece in zip(traces, pieces):
                    self.assertTrue(len(piece) <= size or len(trace.instants) <= 1)
                if size == 150000 and not options and len(pieces) > 2:
                    self.assertGreater(min(map(len, pieces[:-1])), size // 2)
        _, traces, _ = self.cut([self.random(25, events=60)], '--split-size', '1')
        self.assertTrue(all(len(t.instants) <= 1 for t in traces))

    def test_times(self):
        path = self.random(23, events=400)
        for period in ('1ms', '10ms'):
            ns = support.duration_ns(period)
            _, traces, _ = self.cut([path], '--split-time', period, '--resolution', 'exact')
            last = None
            for trace in traces:
                start = trace.boot_ns() + self.start_unix(trace)
                times = [time for points in trace.counters.values() for time, _ in points]
                times += [i['time'] for i in trace.instants] + [d['time'] for d in trace.dumps]
                times += [s[2] for s in trace.slices]
                k = (min(times) - start) // ns
                self.assertTrue(all((t - start) // ns == k for t in times))
                self.assertTrue(all(s[3] - start <= (k + 1) * ns for s in trace.slices))
                self.assertTrue(last is None or k > last)
                last = k

    def test_thinned(self):
        path = self.quiet(4)
        exact = self.curves(self.decode(self.whole('etl2perfetto', '--resolution', 'exact', path)))
        pieces = self.pieces('etl2perfetto', '--no-events', '--resolution', '100us',
                             '--split-rows', '300', path)
        self.assertGreater(len(pieces), 3)
        for piece in pieces:
            curves = self.curves(self.decode(piece))
            self.assertEqual(set(curves), set(exact))
            for track, points in curves.items():
                for time, value in points.items():
                    self.assertEqual(value, value_at(exact[track], time), (track, time))

    def test_filtered(self):
        """The pieces of a filtered trace are the filtered trace, profiles included."""
        path = self.quiet(15, '--stacks')
        for cut, options in ((('--split-rows', '150'), ['--heap', '0x1a400000000']),
                             (('--split-time', '3ms'), ['--process', '[cs]*.exe', '--event', 'free']),
                             (('--split-size', '90K'), ['--time', '1ms..7ms', '--pid', '2100'])):
            with self.subTest(cut=cut, filter=options):
                whole, traces, _ = self.cut([path], *cut, '--resolution', 'exact', *options)
                if '--time' not in options:  # then counters begin with the piece they appear in
                    self.check_whole(whole, traces)
                self.assertEqual(sorted((i for t in traces for i in self.instants(t)), key=repr),
                                 self.instants(whole))
                self.check_last_profiles(whole, traces)
                self.assertGreater(len(traces), 2)

    def check_last_profiles(self, whole, traces):
        last = {}
        for trace in traces:
            last.update({key: dumps[-1][1] for key, dumps in self.states(trace).items()})
        self.assertEqual(last, {key: dumps[-1][1] for key, dumps in self.states(whole).items()})

    def test_packed(self):
        """What is added to a finished piece is a second frame."""
        path = self.random(24)
        plain = self.pieces('etl2perfetto', '--split-rows', '100', path)
        support.run('etl2perfetto', '-q', '--split-rows', '100', '-o', self.path('p.pftrace.zst'),
                    path)
        for i, piece in enumerate(plain):
            unpacked = subprocess.run(['zstd', '-dqc', self.path('p.%04d.pftrace.zst' % (i + 1))],
                                      check=True, stdout=subprocess.PIPE).stdout
            self.assertEqual(unpacked, piece)


def name(row):
    return int(row['process_id'] or 0), 'Heap ' + row['heap']


STEPS_BACK = ('time_steps_back',)


class Names(SplitTestCase):

    def setUp(self):
        super().setUp()
        self.trace = self.random(6, events=200)

    def made(self, *args, name='etl2csv', status=0):
        """What is new in the folder."""
        before = set(os.listdir(self.folder))
        done = support.run(name, '-q', *args, cwd=self.folder, status=status)
        new = sorted(set(os.listdir(self.folder)) - before)
        for path in new:
            os.remove(self.path(path))
        return new if status == 0 else (new, done.stderr)

    def test_where_the_number_stands(self):
        many = ['--split-rows', '100000', self.trace]
        os.mkdir(self.path('a.b'))
        for output, piece in (('x.csv', 'x.0001.csv'), ('x.csv.zst', 'x.0001.csv.zst'),
                              ('x', 'x.0001'), ('x.zst', 'x.0001.zst'), ('x.y.z', 'x.y.0001.z'),
                              ('.x', '.x.0001')):
            self.assertEqual(self.made('-o', output, *many), [piece])
        support.run('etl2csv', '-q', '-o', 'a.b/x', *many, cwd=self.folder)
        self.assertEqual(os.listdir(self.path('a.b')), ['x.0001'])
        self.assertEqual(self.made(*many), ['random6.0001.csv'])
        self.assertEqual(self.made('--zstd', *many), ['random6.0001.csv.zst'])

    def test_packed(self):
        plain = self.pieces('etl2csv', '--split-size', '5000', self.trace)
        self.made('-h')
        support.run('etl2csv', '-q', '--split-size', '5000', '--zstd=5', '-o', 'p.csv', self.trace,
                    cwd=self.folder)
        packed = sorted(name for name in os.listdir(self.folder) if name.startswith('p.0'))
        self.assertEqual([subprocess.run(['zstd', '-dqc', self.path(name)], check=True,
                                         stdout=subprocess.PIPE).stdout for name in packed], plain)

    def test_streams_are_refused(self):
        os.mkfifo(self.path('fifo'))
        for output in (['-c'], ['-o', '-'], ['-o', '/dev/stdout'], ['-o', '/dev/null'],
                       ['-o', 'fifo']):
            for option in ('--split-rows', '--split-size', '--split-time'):
                new, says = self.made(*output, option, '1', self.trace, status=2)
                self.assertEqual(new, [])
                self.assertIn('cannot be cut into pieces', says)
        done = support.run('etl2csv', '--split-rows', '1', '-', stdin=b'', status=2)
        self.assertIn('standard output', done.stderr)

    def test_wrong_values(self):
        for option, values in (('--split-rows', ('0', 'x', '-1', '')),
                               ('--split-size', ('0', '1T', 'K')),
                               ('--split-time', ('0', '1h', '-1s', '9000000000s'))):
            for value in values:
                new, says = self.made('%s=%s' % (option, value), self.trace, status=2)
                self.assertEqual(new, [])
                self.assertIn(option, says)

    def test_existing_pieces(self):
        """One of them is enough, whichever; -f replaces them."""
        for name in ('x.0001.csv', 'x.0002.csv'):
            self.write(name, 'precious')
            new, says = self.made('-o', 'x.csv', '--split-rows', '100', self.trace, status=1)
            self.assertEqual(new, [])
            self.assertIn(name + ': already exists', says)
            self.assertEqual(self.read(name), b'precious')
            os.remove(self.path(name))
        self.write('x.0002.csv', 'old')
        support.run('etl2csv', '-q', '-f', '-o', 'x.csv', '--split-rows', '100', self.trace,
                    cwd=self.folder)
        self.assertTrue(self.read('x.0002.csv').startswith(b'time_ns'))
        # The unnumbered name is another file.
        self.write('y.csv', 'other')
        self.assertEqual(self.made('-o', 'y.csv', '--split-rows', '100000', self.trace),
                         ['y.0001.csv'])

    def test_pieces_of_an_earlier_conversion_are_named(self):
        self.write('x.0002.csv', 'older')
        done = support.run('etl2csv', '-q', '-o', 'x.csv', '--split-rows', '100000', self.trace,
                           cwd=self.folder)
        self.assertIn('x.0002.csv is of an earlier conversion', done.stderr)
        self.assertEqual(self.read('x.0002.csv'), b'older')

    def test_input_and_stats_are_kept(self):
        os.rename(self.trace, self.path('x.0002.csv'))
        new, says = self.made('-f', '-o', 'x.csv', '--split-rows', '100', 'x.0002.csv', status=1)
        self.assertIn('is also an input', says)
        self.assertEqual(new, [])
        new, says = self.made('-f', '-o', 'y.csv', '--split-rows', '100', '--stats', 'y.0002.csv',
                              'x.0002.csv', status=2)
        self.assertIn('--stats and the output are both y.0002.csv', says)
        self.assertEqual(new, [])

    def test_closing_line_names_first_and_last(self):
        done = support.run('etl2csv', '-o', self.path('x.csv'), '--split-rows', '100', self.trace)
        self.assertRegex(done.stderr, r'x\.0001\.csv to \S*x\.000[0-9]\.csv: ')
        done = support.run('etl2csv', '-o', self.path('z.csv'), '--split-rows', '99999', self.trace)
        self.assertRegex(done.stderr, r'z\.0001\.csv: ')

    @unittest.skipUnless(LONG, 'makes 9999 files; set ETLHEAP_LONG=1')
    def test_too_many(self):
        path = self.path('many.etl')
        support.run('etlgen', 'bench', '--events', 10100, '-o', path)
        new, says = self.made('--split-time', '1ns', '--columns', 'cpu', 'many.etl', status=1)
        self.assertEqual(new, [])
        self.assertIn('more than 9999 pieces', says)


class Faults(SplitTestCase):
    """All pieces or none."""

    def setUp(self):
        super().setUp()
        self.trace = self.random(7, '--stacks', events=3500)
        os.mkdir(self.path('out'))

    def left(self):
        return sorted(os.listdir(self.path('out')))

    def start(self, name, *args, **more):
        return subprocess.Popen(support.program(name) + ['-q', '-o', self.path('out', 'x'), *args],
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **more)

    def end(self, process):
        says = process.stderr.read().decode()
        process.stderr.close()
        return process.wait(support.TIMEOUT), says

    def test_full_disk(self):
        """No file may grow beyond a limit: the first piece that does ends it all."""
        for name in CONVERTERS:
            for options in ([], ['--zstd']):
                sizes = [os.path.getsize(self.path('out', piece)) for piece in self.fill(
                    name, options)]
                for limit in (0, 1, max(sizes) // 2, max(sizes) - 1):
                    process = self.start(
                        name, '--split-rows', '1000', *options, self.trace,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                              (limit, limit)))
                    status, says = self.end(process)
                    self.assertEqual(status, 1, says)
                    self.assertRegex(says, r'x\.000[1-4]\S*: cannot write')
                    self.assertEqual(self.left(), [])

    def fill(self, name, options):
        """Converts for once without a fault; yields the pieces, then removes them."""
        status, says = self.end(self.start(name, '--split-rows', '1000', *options, self.trace))
        self.assertIn(status, (0, 3), says)
        names = self.left()
        self.assertEqual(len(names), 4)
        yield from names
        for piece in names:
            os.remove(self.path('out', piece))

    def test_signals(self):
        """In the middle, with many pieces begun and finished."""
        path = self.path('big.etl')
        support.run('etlgen', 'bench', '--events', 300000, '-o', path)
        for name in CONVERTERS:
            for which in (signal.SIGINT, signal.SIGTERM):
                process = self.start(name, '--split-rows', '20', path)
                end = time.monotonic() + support.TIMEOUT
                while len(self.left()) < 30 and time.monotonic() < end:
                    time.sleep(0.005)
                names = self.left()
                process.send_signal(which)
                status, says = self.end(process)
                self.assertEqual(status, -which, says)
                self.assertTrue(all(re.fullmatch(r'\.x\.\d{4,}\.\d+-0\.tmp', n) for n in names))
                self.assertEqual(self.left(), [])

    def test_unreadable_second_input(self):
        bad = self.write('bad.etl', b'no trace at all\n' * 100)
        for name in CONVERTERS:
            status, says = self.end(self.start(name, '--split-rows', '10', self.trace, bad))
            self.assertEqual(status, 1, says)
            self.assertEqual(self.left(), [])

    def test_names_that_cannot_be_given(self):
        """The last one is a folder's: nothing is made of the others."""
        os.mkdir(self.path('out', 'x.0004'))
        for name in CONVERTERS:
            status, says = self.end(self.start(name, '--split-rows', '1000', '-f', self.trace))
            self.assertEqual(status, 1, says)
            self.assertEqual(self.left(), ['x.0004'])

    def fail_at_the_end(self, *options):
        """The last name is taken by a folder once all outputs are begun: (pieces or not, then) the
        other files had theirs already."""
        stats = self.path('out', 'stats.json')
        process = subprocess.Popen(
            support.program('etl2csv') + ['-q', '-o', self.path('out', 'x.csv'), '--stats', stats,
                                          *options, '-'],
            stderr=subprocess.PIPE, stdin=subprocess.PIPE)
        end = time.monotonic() + support.TIMEOUT
        while not any('stats' in n for n in self.left()) and time.monotonic() < end:
            time.sleep(0.005)
        os.mkdir(stats)
        with open(self.trace, 'rb') as f:
            process.stdin.write(f.read())
        process.stdin.close()
        status, says = self.end(process)
        os.rmdir(stats)
        self.assertEqual(status, 1, says)
        self.assertIn('stats.json: cannot give the finished file its name', says)

    def test_replaced_files_come_back(self):
        for options in ([], ['--split-rows', '1000']):
            done = self.path('out', 'x.csv')
            support.run('etl2csv', '-q', '--columns', 'cpu', *options, '-o', done, self.trace)
            names = self.left()
            os.remove(self.path('out', names[-1])) # one that is new the second time
            before = {n: self.read('out', n) for n in self.left()}
            self.fail_at_the_end('-f', *options)
            self.assertEqual({n: self.read('out', n) for n in self.left()}, before)
            # And where all goes well, nothing of the old is left.
            support.run('etl2csv', '-q', '-f', '--stats', self.path('s.json'), *options, '-o', done,
                        self.trace)
            self.assertEqual(self.left(), names)
            for n in names:
                self.assertNotEqual(self.read('out', n), before.get(n))
                os.remove(self.path('out', n))

    def test_new_files_go_again(self):
        for options in ([], ['--split-rows', '1000']):
            self.fail_at_the_end(*options)
            self.assertEqual(self.left(), [])


if __name__ == '__main__':
    support.main()
