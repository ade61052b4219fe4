"""Pipelines, packed and several inputs, real names, refusals: the same for all converters."""
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

import support

sys.path.insert(0, support.TESTS)
import perfetto_decode  # noqa: E402

CONVERTERS = ('etl2csv', 'etl2chrome', 'etl2perfetto')


class PipeTestCase(support.CliTestCase):

    def bench(self, name='heap.etl', events=20000):
        path = self.path(name)
        support.run('etlgen', 'random', '--events', events, '--cpus', 2, '--seed', 5, '-o', path)
        return path

    def pack(self, path):
        if not shutil.which('zstd'):
            self.skipTest('zstd is not installed')
        subprocess.run(['zstd', '-q', '-k', path], check=True)
        return path + '.zst'

    def csv(self, *args, **kwargs):
        text = support.run('etl2csv', '-q', '-c', *args, **kwargs).stdout.decode('utf-8')
        return list(csv.DictReader(io.StringIO(text)))

    def chrome(self, *args, **kwargs):
        return json.loads(support.run('etl2chrome', '-q', '-c', *args, **kwargs).stdout)

    def perfetto(self, *args, **kwargs):
        done = support.run('etl2perfetto', '-q', '-c', *args, **kwargs)
        return perfetto_decode.Trace(done.stdout)

    def content(self, *args, **kwargs):
        """What the three outputs say, without the names of the inputs."""
        trace = self.perfetto(*args, **kwargs)
        return {'rows': self.csv(*args, **kwargs),
                'events': self.chrome(*args, **kwargs)['traceEvents'],
                'counters': sorted(map(str, trace.counters.values())),
                'dumps': [(d['pid'], d['time'], d['samples']) for d in trace.dumps]}


class Pipes(PipeTestCase):

    def shell(self, command):
        """The output of a pipeline of which every part must succeed."""
        names = {name.upper(): support.program(name)[0] for name in CONVERTERS}
        done = subprocess.run(['bash', '-c', 'set -euo pipefail; ' + command], cwd=self.folder,
                              capture_output=True, timeout=support.TIMEOUT,
                              env=dict(os.environ, **names))
        self.assertEqual((done.returncode, done.stderr), (0, b''), command)
        return done.stdout

    def test_into_sqlite(self):
        for tool in ('sqlite3', 'bash'):
            if not shutil.which(tool):
                self.skipTest(tool + ' is not installed')
        self.pack(self.bench())
        rows = self.csv(self.path('heap.etl'))
        kinds = {}
        for row in rows:
            count = kinds.setdefault(row['event'], [0, 0, 0])
            count[0] += 1
            count[1] += int(row['size_bytes'] or 0)
            count[2] += int(row['time_ns'])
        sums = ('SELECT event, count(*), sum(CAST(size_bytes AS INTEGER)), '
                'sum(CAST(time_ns AS INTEGER)) FROM events GROUP BY event ORDER BY event;')
        got = self.shell('zstd -dc heap.etl.zst | "$ETL2CSV" -q - | sqlite3 sums.db '
                         '-cmd "CREATE TABLE events (%s)" -cmd ".mode csv" '
                         '".import --skip 1 /dev/stdin events"; sqlite3 sums.db "%s"'
                         % (', '.join(rows[0]), sums))
        self.assertEqual([line.split('|') for line in got.decode().splitlines()],
                         [[kind] + [str(n) for n in kinds[kind]] for kind in sorted(kinds)])
        self.assertGreater(kinds['alloc'][0], 1000)

    def test_every_way_in(self):
        """A file, a packed file, the same redirected, and through a pipe."""
        plain = self.bench(events=5000)
        packed = self.pack(plain)
        wanted = self.content(plain)
        self.assertGreater(len(wanted['rows']), 2000)
        self.assertEqual(self.content(packed), wanted)
        for path in (plain, packed):
            with open(path, 'rb') as f:
                self.assertEqual(self.content('-', stdin=f.read()), wanted)
        for name in CONVERTERS:
            with open(plain, 'rb') as f:
                done = subprocess.run(support.program(name) + ['-q', '-'], stdin=f,
                                      capture_output=True, timeout=support.TIMEOUT)
            piped = self.shell('cat heap.etl | "$%s" -q -' % name.upper())
            self.assertEqual((done.returncode, done.stdout), (0, piped))

    def test_reader_that_leaves(self):
        big = self.bench('big.etl', 50000)
        for name in CONVERTERS:
            much = [] if name == 'etl2csv' else ['--resolution', 'exact']
            process = subprocess.Popen(support.program(name) + ['-c', *much, big],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(len(process.stdout.read(100)), 100)
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b'')
            process.stderr.close()
            self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGPIPE, name)
        self.assertEqual(os.listdir(self.folder), ['big.etl'])


HEAP_FILE = '''
session cpus=2 raw0=1000000 name="Heap Session"
alloc t=1ms pid=100 tid=10 heap=0x10000 addr=0x10040 size=24
alloc t=2ms pid=200 tid=20 heap=0x20000 addr=0x20040 size=32
'''
KERNEL_FILE = '''
session cpus=2 raw0=1000000 name="NT Kernel Logger"
process dcstart t=0 pid=100 key=1 name=editor.exe
process dcstart t=0 pid=200 key=2 name=server.exe
'''


class Names(PipeTestCase):

    def names(self, *inputs, **kwargs):
        """The processes by each of the outputs, which must agree: {(pid, name)}."""
        rows = {(int(row['process_id']), row['process_name'])
                for row in self.csv(*inputs, **kwargs) if row['process_id']}
        shown = set()
        for event in self.chrome(*inputs, **kwargs)['traceEvents']:
            if event['ph'] == 'M' and event['name'] == 'process_name':
                shown |= {(event['pid'], name) for name in event['args']['name'].split(', ')}
        tracks = {(t['process']['pid'], t['process'].get('process_name', ''))
                  for t in self.perfetto(*inputs, **kwargs).processes().values()}
        self.assertEqual(shown, rows)
        self.assertEqual(tracks, rows)
        return rows

    def test_heap_file_and_kernel_file(self):
        heap = self.build_text('heap', HEAP_FILE)
        kernel = self.build_text('kernel', KERNEL_FILE)
        named = {(100, 'editor.exe'), (200, 'server.exe')}
        self.assertEqual(self.names(heap, kernel), named)
        self.assertEqual(self.names(kernel, heap), named)
        self.assertEqual(self.names('-', heap, stdin=self.read('kernel.etl')), named)
        self.assertEqual({name for _, name in {(int(r['process_id']), r['process_name'])
                                               for r in self.csv(heap)}}, {''})

    def test_the_same_recording_twice(self):
        heap = self.build_text('heap', HEAP_FILE)
        with open(heap, 'rb') as f:
            copy = self.write('copy.etl', f.read())
        kernel = self.build_text('kernel', KERNEL_FILE)
        for second in heap, copy:
            told = support.run('etl2csv', '-c', heap, second).stderr
            self.assertIn('is the same recording as', told)
        self.assertNotIn('same recording', support.run('etl2csv', '-c', heap, kernel).stderr)

    def test_real_names(self):
        """Heap events grafted on real traces: their processes, threads and clocks."""
        grafted = 0
        for path, _ in support.real_traces():
            done = support.run('etlgen', 'graft', path, '--events', 2000, '-o',
                               self.path('grafted.etl'), status=None)
            if done.returncode:
                self.assertIn('nobody', done.stderr)
                continue
            with self.subTest(path=os.path.basename(path)):
                hosts = {(int(pid), name)
                         for name, pid in re.findall(r'(\S+) \((\d+)\)', done.stderr)}
                self.assertEqual(self.names(self.path('grafted.etl')), hosts)
                self.assertFalse([name for _, name in hosts if not name])
                grafted += 1
        self.assertGreaterEqual(grafted, 4)


class Refusals(PipeTestCase):

    def refuse(self, says, *args):
        """Every converter fails with status 1 and one line, and the folder stays as it is."""
        for name in CONVERTERS:
            before = {entry: os.stat(self.path(entry)).st_mtime_ns
                      for entry in os.listdir(self.folder)}
            done = support.run(name, *args, status=1)
            self.assertRegex(done.stderr, r'\A%s: [^\n]+\n\Z' % name)
            self.assertIn(says, done.stderr)
            self.assertEqual(done.stdout, b'')
            self.assertEqual({entry: os.stat(self.path(entry)).st_mtime_ns
                              for entry in os.listdir(self.folder)}, before, name)

    def test_inputs(self):
        os.mkdir(self.path('folder'))
        self.write('empty.etl', '')
        self.write('text.etl', 'this is no trace\n' * 1000)
        self.write('packed.diagsession', b'PK\x03\x04' + bytes(1000))
        self.write('packed.etl.gz', b'\x1f\x8b\x08' + bytes(1000))
        for name, says in (('missing', 'cannot open: No such file'), ('folder', 'is a folder'),
                           ('packed.diagsession', 'unzip it'), ('packed.etl.gz', 'gzip -d'),
                           ('empty.etl', 'empty.etl: '), ('text.etl', 'text.etl: ')):
            self.refuse(says, self.path(name))
            self.refuse(says, '-o', self.path('out'), self.path(name))

    def test_outputs(self):
        trace = self.bench(events=1000)
        os.link(trace, self.path('linked'))
        os.mkdir(self.path('folder'))
        for name in ('heap.etl', 'linked'):
            self.refuse('also an input', '-f', '-o', self.path(name), trace)
        self.refuse('is a folder', '-f', '-o', self.path('folder'), trace)
        self.refuse('No such file', '-o', self.path('nowhere', 'out'), trace)
        self.refuse('No space left', '-o', '/dev/full', trace)

    @unittest.skipIf(os.geteuid() == 0, 'root may write everywhere')
    def test_folder_that_cannot_be_written(self):
        trace = self.bench(events=1000)
        os.mkdir(self.path('closed'), 0o555)
        self.refuse('Permission denied', '-o', self.path('closed', 'out'), trace)

    def test_cut_input(self):
        """What is whole is converted, and the status says that something is missing."""
        self.bench()
        cut = self.write('cut.etl', self.read('heap.etl')[:-70001])
        for name in CONVERTERS:
            done = support.run(name, '-q', '-o', self.path(name), cut, status=3)
            self.assertRegex(done.stderr, r'%s: \S+cut\.etl: [^\n]*, at offset \d+' % name)
        json.loads(self.read('etl2chrome'))
        self.assertTrue(perfetto_decode.read(self.path('etl2perfetto')).heaps())
        self.assertFalse([name for name in os.listdir(self.folder) if name.endswith('.tmp')])


if __name__ == '__main__':
    support.main()
