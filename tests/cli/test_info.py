"""etlinfo: its counts against facts and the oracle, its findings, and what it must not say.

tests/cases/diagnosis/FINDING.txt are traces that give this finding, tests/golden/diagnosis has what
etlinfo says of them. tests/update-goldens rewrites the latter.
"""
import collections
import json
import os
import re
import resource
import struct
import subprocess
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)

import census  # noqa: E402

UPDATE = os.environ.get('GOLDEN_UPDATE') == '1'
DIAGNOSIS_CASES = os.path.join(support.CASES, 'diagnosis')
DIAGNOSIS_GOLDENS = os.path.join(support.GOLDEN, 'diagnosis')
ABSENCE = {'empty', 'heap_not_enabled', 'kernel_file_only', 'other_providers_only',
           'heap_snapshots_only', 'heap_ranges_only'}


def diagnosis_cases():
    return sorted(name[:-4] for name in os.listdir(DIAGNOSIS_CASES)
                  if name.endswith('.txt') and not name.endswith('.2.txt'))


class InfoTestCase(support.CliTestCase):

    def info(self, *arguments, **more):
        return support.run('etlinfo', *arguments, **more)

    def json(self, *arguments, status=0):
        return json.loads(self.info('-q', '--json', *arguments, status=status).stdout)

    def findings(self, *arguments, status=0):
        return [f['id'] for f in self.json(*arguments, status=status)['diagnosis']]

    def build_diagnosis(self, name):
        inputs = []
        for suffix in ('', '.2'):
            source = os.path.join(DIAGNOSIS_CASES, name + suffix + '.txt')
            if os.path.exists(source):
                inputs.append(name + suffix + '.etl')
                support.run('etlgen', 'case', source, '-o', self.path(inputs[-1]))
        return inputs


class RealTraces(InfoTestCase):

    told = {}  # by path: they are large, and do not change

    def setUp(self):
        super().setUp()
        self.traces = support.real_traces()

    def json(self, *arguments, status=0):
        if arguments not in self.told:
            self.told[arguments] = super().json(*arguments, status=status)
        return self.told[arguments]

    def each(self):
        for path, facts in self.traces:
            with self.subTest(trace=os.path.basename(path)):
                yield path, facts

    def test_counts_are_those_of_the_facts(self):
        compared = 0
        for path, facts in self.each():
            told = self.json(path)
            kinds = told['records']['kinds']
            headers, hooks = collections.Counter(), collections.Counter()
            for kind in kinds:
                headers[kind['header']] += kind['count']
                if 'hook' in kind:
                    hooks[int(kind['hook'], 16)] += kind['count']
            self.assertEqual(told['records']['events'], int(facts['events']))
            self.assertEqual(told['records']['buffers'], int(facts['buffers']))
            self.assertEqual(told['records']['buffers_read'], int(facts['buffers']))
            known = {h: n for h, n in headers.items() if h not in ('WPP', 'ULONG_TIME')}
            self.assertEqual(facts.get('hdr_types', known), known)
            expected = {int(hook, 16): n for hook, n in facts.get('hooks', {}).items()}
            self.assertEqual({hook: hooks[hook] for hook in expected}, expected)
            compared += len(expected)
        self.assertGreater(compared, 50)

    def test_sessions_are_those_of_the_facts(self):
        for path, facts in self.each():
            session, = self.json(path)['sessions']
            self.assertEqual(session['clock_frequency'], int(facts['freq']))
            self.assertEqual(session['pointer_size'], int(facts['ptr']))
            self.assertEqual(session['processors'], int(facts['cpus']))
            self.assertEqual(session['processors_seen'], int(facts['procs_in_buffers']))
            self.assertEqual(session['buffer_size'], int(facts['hdr_bufsize']))
            self.assertEqual(session['mode'], int(facts['mode'].split()[0], 16))
            self.assertEqual(session['events_lost'], int(facts['events_lost']))
            self.assertEqual(session['start'][:19].replace('T', ' '), facts['start'])
            self.assertEqual(session['end'][:19].replace('T', ' '), facts['end'])
            self.assertEqual(session['boot'][:19].replace('T', ' '), facts['boot'])
            self.assertEqual(facts['os'].split()[-1], str(session['os_build']))
            packed = '%d->%d' % (session['compressed_bytes'], session['expanded_bytes'])
            self.assertEqual(facts.get('compressed', '0->0'), packed)

    def test_kinds_are_those_of_the_oracle(self):
        for path, _ in self.each():
            if os.path.getsize(path) < 1 << 20:
                self.compare_kinds([path])

    def compare_kinds(self, paths):
        compare_kinds(self, paths, self.json(*paths)['records'])

    def test_says_why_there_are_no_heap_events_and_what_to_record(self):
        for path, _ in self.each():
            absence = [f for f in self.json(path)['diagnosis'] if f['id'] in ABSENCE]
            self.assertEqual(len(absence), 1)
            self.assertEqual(absence[0]['severity'], 'problem')
            self.assertRegex(absence[0]['advice'], r'-heap |/OSHeapExe')
            text = self.info('-q', path).stdout.decode()
            self.assertIn('problem (%s)' % absence[0]['id'], text)

    def test_quick_says_the_same_of_small_traces(self):
        for path, _ in self.each():
            if os.path.getsize(path) < 4 << 20 and not path.endswith('.zst'):
                whole, quick = self.json(path), self.json('--quick', path)
                self.assertEqual(quick['sessions'], whole['sessions'])
                self.assertLessEqual(quick['records']['events'], whole['records']['events'])

    def test_shape_has_no_names(self):
        for path, _ in self.each():
            told = self.json(path)
            names = [s['name'] for s in told['sessions']] + told['inputs']
            for image in told['images']:
                names += [image['path'], image['pdb'] or '', image['build_id'] or '']
            check_shape(self, [path], names)


def compare_kinds(test, paths, records):
    """The census in `records` against the oracle's: sizes too, as far as they are told apart."""
    told, expected = census.reported(records), census.count(paths)
    test.assertEqual(set(told), set(expected))
    for kind, sizes in told.items():
        others = sizes.pop(None, 0)
        rest = expected[kind] - sizes
        test.assertEqual(sizes - expected[kind], collections.Counter(), kind)
        test.assertEqual(sum(rest.values()), others, kind)
    test.assertEqual(records['of_other_kinds'], 0)


def check_shape(test, paths, names):
    """None of `names` is in either report of the shape."""
    text = test.info('-q', '--shape', *paths, status=None).stdout.decode()
    document = test.info('-q', '--shape', '--json', *paths, status=None).stdout.decode()
    test.assertTrue(json.loads(document)['shape'])
    for name in set(names):
        if len(name) < 3:
            continue
        if re.fullmatch('0x[0-9a-f]+|[0-9]+', name):
            test.assertNotRegex(text + document, r'\b%s\b' % name)
            continue
        test.assertNotIn(name, text)
        test.assertNotIn(json.dumps(name)[1:-1], document)
    for report in (text, document):
        test.assertNotRegex(report, r'\\(Device|SystemRoot|\\)|\d\d\d\d-\d\d-\d\dT')


class Cases(InfoTestCase):
    """Every case of tests/cases, whole or damaged."""

    read_once = {}  # by case: (inputs as bytes by name; of etl2csv status, rows, stats; --json)

    def each(self):
        for case in support.cases():
            with self.subTest(case=case):
                if case not in self.read_once:
                    self.read_once[case] = self.read_case(case)
                files, status, rows, stats, told = self.read_once[case]
                inputs = [self.write(name, data) for name, data in files]
                yield inputs, status, rows, stats, told

    def read_case(self, case):
        inputs = self.build_case(case)
        files = [(os.path.basename(path), self.read(path)) for path in inputs]
        done = support.run('etl2csv', '-q', '-c', '--no-header', '--columns',
                           'heap,address,old_address', *inputs, '--stats', self.path('stats.json'),
                           status=None)
        report = self.info('-q', '--json', *inputs, status=done.returncode).stdout
        if done.returncode == 1:
            self.assertEqual(report, b'')
            return files, 1, '', None, None
        stats = json.loads(self.read('stats.json'))
        os.remove(self.path('stats.json'))
        return files, done.returncode, done.stdout.decode(), stats, json.loads(report)

    def test_counts(self):
        compared = 0
        for inputs, status, _, stats, told in self.each():
            if status == 1:
                continue
            self.assertEqual(told['stats'], stats)
            self.assertEqual(told['records']['events'], stats['events'])
            self.assertEqual(sum(told['roles'].values()), stats['events'])
            self.assertEqual(sum(p['events'] for p in told['processes']),
                             stats['heap_events_total'])
            self.assertEqual(sum(h['outstanding_bytes'] for h in told['heaps']),
                             stats['outstanding_bytes'])
            if status == 0:
                compare_kinds(self, inputs, told['records'])
                compared += 1
        self.assertGreater(compared, 30)

    def test_text_is_safe_for_a_terminal(self):
        for inputs, _, _, _, _ in self.each():
            for options in ([], ['--shape'], ['--quick']):
                text = self.info('-q', *options, *inputs, status=None).stdout.decode('utf-8')
                self.assertNotRegex(text, r'[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e]')
                self.assertLess(max(map(len, text.split('\n'))), 1000)

    def test_shape_has_no_names_or_addresses(self):
        checked = 0
        for inputs, status, rows, _, told in self.each():
            if status == 1:
                continue
            names = [s['name'] for s in told['sessions']] + told['inputs']
            names += [p['process_name'] or '' for p in told['processes']]
            names += [i['path'] for i in told['images']] + [i['pdb'] or '' for i in told['images']]
            # The smallest look like counts, and the tool has a name, too.
            names += [a for a in re.split('[,\n]', rows) if len(a) > 6]
            decimal = [int(a, 16) for a in re.split('[,\n]', rows) if len(a) > 8]
            names += [str(a) for a in decimal if a != (1 << 64) - 1]  # which is a size as well
            check_shape(self, inputs, [n for n in names if n != 'etlgen'])
            checked += len(names)
        self.assertGreater(checked, 200)


class Diagnoses(InfoTestCase):

    def test_there_is_one_case_for_each_finding(self):
        with open(os.path.join(support.ROOT, 'converters', 'info_diagnosis.c'),
                  encoding='utf-8') as f:
            source = f.read()
        ids = set(re.findall(r'find\(all, INFO_[A-Z]+, "(\w+)"', source))
        ids |= set(re.findall(r'\? "(\w+)" : "(\w+)"\);', source)[0])
        self.assertEqual(ids, set(diagnosis_cases()))
        with open(os.path.join(support.ROOT, 'man', 'etlinfo.1'), encoding='utf-8') as f:
            page = f.read().partition('.Sh DIAGNOSIS')[2].partition('.Sh EXIT')[0]
        listed = re.findall(r'\w+', ' '.join(re.findall(r'^\.It Cm (.*)$', page, re.M)))
        self.assertEqual(sorted(listed), sorted(ids))

    def check_case(self, name):
        inputs = self.build_diagnosis(name)
        paths = [self.path(i) for i in inputs]
        status = 3 if name in ('damaged', 'limit_reached') else 0
        findings = self.json(*paths, status=status)['diagnosis']
        self.assertIn(name, [f['id'] for f in findings])
        for finding in findings:
            self.assertRegex(finding['text'], r'[.)]$')  # nothing is cut
            self.assertRegex(finding['advice'], r'(^|\n)$')
        text = self.info('-q', *inputs, cwd=self.folder, status=status).stdout.decode()
        golden = os.path.join(DIAGNOSIS_GOLDENS, name + '.txt')
        if UPDATE:
            os.makedirs(DIAGNOSIS_GOLDENS, exist_ok=True)
            with open(golden, 'w', encoding='utf-8') as f:
                f.write(text)
        with open(golden, encoding='utf-8') as f:
            self.assertEqual(text, f.read())

    def test_nothing_wrong(self):
        inputs = self.build_diagnosis('merged')
        text = self.info('-q', self.path(inputs[0])).stdout.decode()
        self.assertTrue(text.startswith('Diagnosis: nothing wrong was found\n'))

    def test_kernel_file_completes_the_heap_file(self):
        heap, kernel = [self.path(p) for p in self.build_diagnosis('not_merged')]
        self.assertIn('kernel_file_missing', self.findings(heap))
        self.assertIn('kernel_file_only', self.findings(kernel))
        both = self.findings(heap, kernel)
        self.assertNotIn('kernel_file_missing', both)
        self.assertFalse(ABSENCE & set(both))

    def test_goldens_have_cases(self):
        self.assertEqual(sorted(os.listdir(DIAGNOSIS_GOLDENS)),
                         [name + '.txt' for name in diagnosis_cases()])


def add_diagnoses():
    for name in diagnosis_cases():
        def test(self, name=name):
            self.check_case(name)
        setattr(Diagnoses, 'test_' + name, test)


class Sizes(InfoTestCase):
    """Estimates against what the converters write."""

    def check(self, *generate):
        trace = self.path('t.etl')
        support.run('etlgen', *generate, '-o', trace)
        for name, told in self.json(trace)['outputs'].items():
            done = support.run(name, '-q', '-c', trace)
            off = abs(len(done.stdout) - told['bytes']) / len(done.stdout) * 100
            self.assertLess(off, told['percent_off'], name)
        os.remove(trace)

    def test_estimates(self):
        self.check('bench', '--events', 30000)
        self.check('random', '--events', 20000, '--seed', 7)
        self.check('bench', '--events', 10000, '--stacks')
        if os.environ.get('ETLHEAP_SANITIZED'):
            return  # the rest takes long there and shows nothing new
        self.check('bench', '--events', 120000, '--live', 1000)
        self.check('demo')
        self.check('random', '--events', 20000, '--stacks', '--seed', 8)

    def test_advice(self):
        trace = self.path('t.etl')
        support.run('etlgen', 'bench', '--events', 120000, '-o', trace)
        outputs = self.json(trace)['outputs']
        self.assertEqual(outputs['etl2csv']['advice'], '')
        for name in ('etl2chrome', 'etl2perfetto'):
            told = re.fullmatch(r'counters only; with --events about ([\d.]+) MiB',
                                outputs[name]['advice'])
            done = support.run(name, '-q', '-c', '--events', trace)
            self.assertAlmostEqual(len(done.stdout) / 2**20, float(told.group(1)),
                                   delta=len(done.stdout) / 2**20 / 4)


class Hostile(InfoTestCase):

    def test_names(self):
        inputs = self.build_case('hostile_names')
        told = self.json(*inputs)
        names = {p['process_id']: p['process_name'] for p in told['processes']}
        self.assertEqual(names[3], '\x01\x1f\x7f.exe')
        self.assertEqual(names[4], '\U0001F600 \u2028.exe')
        text = self.info('-q', *inputs).stdout.decode()
        self.assertIn('\\x01\\x1f\\x7f.exe', text)
        self.assertIn('\U0001F600 \\u2028.exe', text)

    def test_input_that_is_no_utf8(self):
        trace, = self.build_case('basic')
        odd = os.path.join(self.folder.encode(), b'a\xff\x1b[31m.etl')
        os.rename(trace, odd)
        done = subprocess.run(support.program('etlinfo') + ['-q', '--json', odd],
                              capture_output=True, timeout=support.TIMEOUT)
        told = json.loads(done.stdout.decode('utf-8'))
        self.assertEqual(told['inputs'], ['a\ufffd\x1b[31m.etl'])
        done = subprocess.run(support.program('etlinfo') + ['-q', odd],
                              capture_output=True, timeout=support.TIMEOUT)
        self.assertIn('a\\xff\\x1b[31m.etl', done.stdout.decode('utf-8'))

    def test_very_long_name(self):
        name = 'n' * 3000
        trace = self.build_text('long', 'session cpus=1\nprocess dcstart t=0ms pid=1 name=%s\n'
                                'alloc t=1ms pid=1 addr=16 size=1\n' % name)
        self.assertEqual(self.json(trace)['processes'][0]['process_name'], name)
        self.assertIn('n' * 100 + 'n' * 100, self.info('-q', trace).stdout.decode())
        self.assertNotIn(name, self.info('-q', trace).stdout.decode())

    def test_many_kinds(self):
        lines = ['session cpus=1 buffer_size=64K']
        lines += ['event t=+1 pid=4 tid=8 guid=11111111-2222-3333-4444-%012x id=%d hex=00'
                  % (i % 500, i % 65536) for i in range(70000)]
        trace = self.build_text('kinds', '\n'.join(lines) + '\n')
        records = self.json(trace)['records']
        self.assertEqual(records['events'], 70001)
        told_apart = sum(k['count'] for k in records['kinds'])
        self.assertEqual(told_apart + records['of_other_kinds'], 70001)
        self.assertEqual(len(records['kinds']), 65536)
        self.assertGreater(records['of_other_kinds'], 4000)

    def test_sizes_of_payloads_beyond_the_first(self):
        lines = ['session cpus=1']
        lines += ['hook t=+1 id=0x0F2E hex=%s' % ('00' * i) for i in range(1, 30)]
        trace = self.build_text('sizes', '\n'.join(lines) + '\n')
        kind, = [k for k in self.json(trace)['records']['kinds'] if k['hook'] == '0xf2e']
        self.assertEqual(len(kind['payload_sizes']), 8)
        self.assertEqual((kind['other_sizes'], kind['least_size'], kind['greatest_size']),
                         (21, 1, 29))


class Quick(InfoTestCase):

    BUFFER = 1 << 20
    BUFFERS = 10241

    def sparse(self):
        """A trace of 10 GB with a few records in each buffer and holes between."""
        one = self.build_text('one', 'session cpus=4 buffer_size=1M name=huge\n'
                              'alloc t=1ms pid=100 tid=101 heap=0x1a0000 addr=0x1a0860 size=24\n'
                              'free t=2ms pid=100 tid=101 heap=0x1a0000 addr=0x1a0860\n')
        with open(one, 'rb') as f:
            data = f.read()
        header, body = data[:self.BUFFER], bytearray(data[self.BUFFER:self.BUFFER + 0x100])
        with open(self.path('huge.etl'), 'wb') as f:
            f.write(header.rstrip(b'\xff'))
            for i in range(1, self.BUFFERS):
                struct.pack_into('<q', body, 0x18, i)
                struct.pack_into('<H', body, 0x28, i % 4)
                f.seek(i * self.BUFFER)
                f.write(body)
            f.truncate(self.BUFFERS * self.BUFFER)
        return self.path('huge.etl')

    def bytes_read(self, *arguments):
        """(output, bytes that the program read)"""
        child = subprocess.Popen(support.program('etlinfo') + list(arguments),
                                 stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        output = child.stdout.read()
        child.stdout.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        try:
            with open('/proc/%d/io' % child.pid) as f:
                read = int(re.search(r'rchar: (\d+)', f.read()).group(1))
        except (OSError, AttributeError):
            read = None
        self.assertEqual(child.wait(), 0)
        return output, read

    def test_damage_that_headers_show_is_told(self):
        path = self.path('cut.etl')
        support.run('etlgen', 'bench', '--events', '50000', '-o', path)
        os.truncate(path, 1000000)
        told = self.json('--quick', path, status=3)
        self.assertEqual(told['diagnosis'][0]['id'], 'damaged')

    def test_ten_gigabytes(self):
        trace = self.sparse()
        self.assertGreater(os.path.getsize(trace), 10 << 30)
        output, read = self.bytes_read('-q', '--quick', '--json', trace)
        told = json.loads(output)
        self.assertEqual(told['sessions'][0]['buffers'], self.BUFFERS)
        self.assertEqual(told['sessions'][0]['name'], 'huge')
        self.assertTrue(told['records']['sample'])
        self.assertLess(told['records']['buffers_read'], 100)
        self.assertGreater(told['roles']['heap'], 50)
        self.assertNotIn('stats', told)
        self.assertIn('kernel_file_missing', [f['id'] for f in told['diagnosis']])
        if read is None:
            self.skipTest('no /proc/PID/io')
        self.assertLess(read, 64 << 20)

    def test_sample_reaches_the_end(self):
        """Names that the last buffer tells are found."""
        lines = ['session cpus=1 buffer_size=4K']
        lines += ['alloc t=+1 pid=100 tid=101 addr=%d size=1' % i for i in range(16, 4000)]
        lines += ['flush', 'process dcend t=+1 pid=100 name=app.exe']
        trace = self.build_text('late', '\n'.join(lines) + '\n')
        self.assertEqual(self.json('--quick', trace)['roles']['process'], 1)

    def test_text_says_that_it_is_a_sample(self):
        trace, = self.build_case('basic')
        text = self.info('-q', '--quick', trace).stdout.decode()
        self.assertRegex(text, r'Records: \d+ in a sample of \d+ of \d+ buffers')
        self.assertNotIn('Heap events:', text)

    def test_damage_in_the_sample(self):
        trace, = self.build_case('damaged')
        self.assertEqual(self.info('-q', '--quick', trace, status=3).returncode, 3)

    def test_no_stats(self):
        trace, = self.build_case('basic')
        done = self.info('--quick', '--stats', self.path('s'), trace, status=2)
        self.assertIn('--stats needs all events', done.stderr)
        self.assertFalse(os.path.exists(self.path('s')))


class Driver(InfoTestCase):

    def setUp(self):
        super().setUp()
        self.trace, = self.build_case('basic')

    def test_standard_output_is_the_default(self):
        before = sorted(os.listdir(self.folder))
        done = self.info(self.trace)
        self.assertTrue(done.stdout.startswith(b'Diagnosis'))
        self.assertEqual(done.stderr, '')
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_output_file(self):
        self.info('-o', self.path('report.txt'), self.trace)
        self.assertEqual(self.read('report.txt'), self.info(self.trace).stdout)
        done = self.info('-o', self.path('report.txt'), self.trace, status=1)
        self.assertIn('already exists', done.stderr)

    def test_standard_input_and_zstd(self):
        with open(self.trace, 'rb') as f:
            data = f.read()
        direct = self.json(self.trace)
        piped = json.loads(self.info('-q', '--json', '-', stdin=data).stdout)
        direct['inputs'] = piped['inputs'] = None
        self.assertEqual(piped, direct)

    def test_full_disk(self):
        if not os.path.exists('/dev/full'):
            self.skipTest('no /dev/full')
        with open('/dev/full', 'wb') as full:
            done = subprocess.run(support.program('etlinfo') + [self.trace], stdout=full,
                                  stderr=subprocess.PIPE, timeout=support.TIMEOUT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'standard output: cannot write', done.stderr)

    def test_strict(self):
        trace, = self.build_case('lost')
        self.info('-q', trace)
        self.info('-q', '--strict', trace, status=3)

    def test_strict_where_buffers_are_missing(self):
        """By the header's count alone: a note, unless asked to be strict; then it is told in any
        case."""
        trace, = self.build_diagnosis('buffers_missing')
        for command in ('etl2csv', 'etl2chrome', 'etl2perfetto', 'etlinfo'):
            out = self.path('out-' + command)
            done = support.run(command, '-q', '-o', out, self.path(trace))
            self.assertEqual(done.stderr, '')
            done = support.run(command, '-q', '-f', '-o', out, '--strict', self.path(trace), status=3)
            self.assertIn('holds 2 of the 3 buffers that its header names', done.stderr)

    def test_memory_of_many_events(self):
        trace = self.path('many.etl')
        support.run('etlgen', 'bench', '--events', 300000, '--live', 1000, '-o', trace)
        self.info('-q', trace)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if not os.environ.get('ETLHEAP_SANITIZED'):
            self.assertLess(usage, 128 << 10)


add_diagnoses()

if __name__ == '__main__':
    support.main()
