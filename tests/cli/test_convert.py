"""What all converters do alike, tried with etl2csv: options, names, refusals, signals, statuses."""
import errno
import json
import os
import pty
import resource
import select
import signal
import subprocess
import time
import unittest

import support

HEADER = (b'time_ns,process_id,process_name,thread_id,cpu,event,heap,address,size_bytes,'
          b'old_address,old_size_bytes,source,lifetime_ns,heap_live_bytes,heap_live_blocks,'
          b'stack_id\n')
NO_HEAP_EVENTS = 'session cpus=1\n'


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.endswith('.tmp')]


class Convert(support.CliTestCase):

    def setUp(self):
        super().setUp()
        self.trace = self.path('heap.etl')
        support.run('etlgen', 'bench', '--events', 2000, '--cpus', 2, '-o', self.trace)

    def csv(self, *args, **kwargs):
        return support.run('etl2csv', *args, **kwargs)

    def refuse(self, *args, status=1, says=''):
        """Runs etl2csv, which must fail with one line that says what is wrong."""
        before = sorted(os.listdir(self.folder))
        done = self.csv(*args, status=status)
        self.assertRegex(done.stderr, r'\Aetl2csv: [^\n]+\n\Z')
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stdout, b'')
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        return done


class Names(Convert):

    def test_default_name_replaces_the_ending(self):
        for name, output in (('a.etl', 'a.csv'), ('B.ETL', 'B.csv'), ('c.etl.zst', 'c.csv'),
                             ('d.Etl.Zst', 'd.csv'), ('e.trace', 'e.trace.csv'), ('f', 'f.csv')):
            os.rename(self.trace, self.path(name))
            self.csv(self.path(name))
            self.assertEqual(sorted(os.listdir(self.folder)), sorted([name, output]))
            self.assertTrue(self.read(output).startswith(HEADER))
            os.remove(self.path(output))
            os.rename(self.path(name), self.trace)

    def test_default_name_of_packed_output(self):
        self.csv('--zstd', self.trace)
        self.csv('-o', self.path('plain.csv'), self.trace)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ['heap.csv.zst', 'heap.etl', 'plain.csv'])
        unpacked = subprocess.run(['zstd', '-dc', self.path('heap.csv.zst')],
                                  stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(unpacked, self.read('plain.csv'))

    def test_a_name_can_ask_for_compression(self):
        self.csv('-o', self.path('x.csv.zst'), self.trace)
        self.assertEqual(self.read('x.csv.zst')[:4], b'\x28\xb5\x2f\xfd')

    def test_standard_input_goes_to_standard_output(self):
        with open(self.trace, 'rb') as f:
            done = self.csv('-', stdin=f.read())
        self.csv('-o', self.path('file.csv'), self.trace)
        self.assertEqual(done.stdout, self.read('file.csv'))
        for option in (['-c'], ['-o', '-'], ['--output=-'], ['--stdout'], ['-qo-']):
            self.assertEqual(self.csv(*option, self.trace).stdout, done.stdout)

    def test_output_does_not_depend_on_the_folder(self):
        os.mkdir(self.path('sub'))
        self.csv(self.trace)
        os.rename(self.trace, self.path('sub', 'heap.etl'))
        self.csv('heap.etl', cwd=self.path('sub'))
        self.assertEqual(self.read('heap.csv'), self.read('sub', 'heap.csv'))

    def test_mode_follows_the_umask(self):
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        self.csv(self.trace)
        self.assertEqual(os.stat(self.path('heap.csv')).st_mode & 0o777, 0o640)


class Refusals(Convert):

    def test_existing_output(self):
        self.write('heap.csv', 'precious')
        self.refuse(self.trace, says='already exists')
        self.refuse('-o', self.path('heap.csv'), self.trace, says='-f replaces it')
        self.assertEqual(self.read('heap.csv'), b'precious')
        self.csv('-f', self.trace)
        self.assertTrue(self.read('heap.csv').startswith(HEADER))

    def test_output_that_is_an_input(self):
        os.link(self.trace, self.path('link.etl'))
        os.symlink('heap.etl', self.path('soft.etl'))
        before = self.read('heap.etl')
        for name in ('heap.etl', 'link.etl', 'soft.etl', '../' + os.path.basename(self.folder) +
                     '/heap.etl'):
            self.refuse('-f', '-o', self.path(name), self.trace, says='also an input')
            self.refuse('-f', '--stats', self.path(name), '-o', self.path('x.csv'), self.trace,
                        says='also an input')
        self.assertEqual(self.read('heap.etl'), before)

    def test_standard_output_that_is_an_input(self):
        size = os.path.getsize(self.trace)
        with open(self.trace, 'ab') as f:
            done = subprocess.run(support.program('etl2csv') + ['-c', self.trace], stdout=f,
                                  stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'also an input', done.stderr)
        self.assertEqual(os.path.getsize(self.trace), size)

    def test_replacing_follows_symbolic_links(self):
        self.write('real.csv', 'old')
        os.symlink('real.csv', self.path('name.csv'))
        self.csv('-f', '-o', self.path('name.csv'), self.trace)
        self.assertTrue(os.path.islink(self.path('name.csv')))
        self.assertTrue(self.read('real.csv').startswith(HEADER))

    def test_unusable_inputs(self):
        os.mkdir(self.path('folder'))
        self.write('empty.etl', '')
        self.write('text.etl', 'this is no trace\n' * 1000)
        self.refuse(self.path('missing.etl'), says='missing.etl: cannot open: No such file')
        self.refuse(self.path('folder'), says='is a folder')
        self.refuse(self.path('empty.etl'), says='empty.etl: ')
        self.refuse(self.path('text.etl'), says='text.etl: ')
        self.refuse(self.trace, self.path('text.etl'), says='text.etl: ')
        self.refuse('-f', '-o', self.path('folder'), self.trace, says='is a folder')
        self.refuse('-o', self.path('nowhere', 'x.csv'), self.trace, says='No such file')

    @unittest.skipIf(os.geteuid() == 0, 'root may write everywhere')
    def test_folder_that_cannot_be_written(self):
        os.mkdir(self.path('closed'), 0o555)
        self.refuse('-o', self.path('closed', 'x.csv'), self.trace, says='Permission denied')

    def test_failure_leaves_the_old_file(self):
        self.write('heap.csv', 'old')
        self.write('text.etl', 'no trace')
        self.refuse('-f', '-o', self.path('heap.csv'), self.path('text.etl'))
        self.assertEqual(self.read('heap.csv'), b'old')

    def test_usage(self):
        for args, says in (([], 'name a trace'),
                           (['--colums', 'x', 'a.etl'], 'did you mean --columns?'),
                           (['--out', 'x', 'a.etl'], 'did you mean --output?'),
                           (['-columns', 'x', 'a.etl'], '--columns'),
                           (['--nothing-like-it', 'a.etl'], '--help'),
                           (['-Z', 'a.etl'], 'no option -Z'),
                           (['a.etl', '-o'], '--output FILE'),
                           (['--force=yes', 'a.etl'], 'takes no argument'),
                           (['--zstd=0', 'a.etl'], '1 to 19'),
                           (['--zstd=20', 'a.etl'], '1 to 19'),
                           (['--zstd=fast', 'a.etl'], '1 to 19'),
                           (['--table', 'nix', 'a.etl'], 'there are events, heaps'),
                           (['--columns', 'time_ns,nix', 'a.etl'], 'heap_live_bytes'),
                           (['-o', 'y', '-c', 'a.etl'], "as 'y' and '-'; leave out one"),
                           (['-c', '-o', 'y', 'a.etl'], "as '-' and 'y'; leave out one"),
                           (['-o', 'x', '-o', 'y', 'a.etl'], '--output is given twice'),
                           (['--stats', 'x', '--stats', 'y', 'a.etl'], '--stats is given twice'),
                           (['--table', 'heaps', '--table', 'sizes', 'a.etl'], "'heaps' and 'sizes'"),
                           (['--columns', 'cpu', '--columns', 'event', 'a.etl'], 'in one list'),
                           (['-', '-'], 'only once')):
            self.refuse(*args, status=2, says=says)

    def test_the_same_twice_is_no_contradiction(self):
        out = self.path('same.csv')
        self.csv('-o', out, '-o', out, '--table', 'heaps', '--table', 'heaps', self.trace)
        self.assertTrue(self.read('same.csv').startswith(b'process_id,process_name,heap,'))
        self.assertEqual(self.csv('-c', '-o', '-', self.trace).stdout, self.csv('-c', self.trace).stdout)

    def test_events_or_none(self):
        for name in ('etl2chrome', 'etl2perfetto'):
            for args in (['--events', '--no-events'], ['--no-events', '--events']):
                done = support.run(name, '-o', self.path('x'), *args, self.trace, status=2)
                self.assertIn('--events and --no-events', done.stderr)

    def test_stats_and_data_need_different_places(self):
        self.refuse('-c', '--stats', '-', self.trace, status=2, says='--stats')
        self.refuse('-o', self.path('x'), '--stats', self.path('.', 'x'), self.trace, status=2,
                    says='--stats')

    def test_everything_after_two_dashes_is_a_trace(self):
        os.rename(self.trace, self.path('-q.etl'))
        self.csv('-o', 'x.csv', '--', '-q.etl', cwd=self.folder)
        self.assertTrue(self.read('x.csv').startswith(HEADER))


class Failures(Convert):

    def test_full_device(self):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run(support.program('etl2csv') + ['-c', self.trace], stdout=full,
                                  stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, b'etl2csv: standard output: cannot write: '
                         b'No space left on device\n')
        self.refuse('-o', '/dev/full', self.trace, says='/dev/full: cannot write: No space')
        self.refuse('--zstd', '-o', '/dev/full', self.trace, says='No space')
        self.refuse('-o', '/dev/null', '--stats', '/dev/full', self.trace, says='No space')
        for option in ('--help', '--version'):
            with open('/dev/full', 'wb') as full:
                done = subprocess.run(support.program('etl2csv') + [option], stdout=full,
                                      stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1)

    def test_file_that_grows_too_large(self):
        """Stands for a full disk: the write fails after part of the file is there."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        done = subprocess.run(support.program('etl2csv') + ['heap.etl'], cwd=self.folder,
                              preexec_fn=limit, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'heap.csv: cannot write: File too large', done.stderr)
        self.assertEqual(os.listdir(self.folder), ['heap.etl'])

    def test_closed_pipe_ends_silently(self):
        big = self.path('big.etl')
        support.run('etlgen', 'bench', '--events', 100000, '-o', big)
        for ignored in (False, True):
            process = subprocess.Popen(
                support.program('etl2csv') + ['-c', big], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, restore_signals=not ignored)
            self.assertEqual(process.stdout.readline(), HEADER)
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b'')
            process.stderr.close()
            self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGPIPE)

    def test_closed_standard_output(self):
        done = subprocess.run(support.program('etl2csv') + ['-c', self.trace],
                              preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'standard output: ', done.stderr)

    def test_closed_standard_output_is_no_other_file(self):
        subprocess.run(support.program('etl2csv') + ['-q', self.trace, '-o', '/dev/null'],
                       preexec_fn=lambda: os.close(1), check=True)

    def test_closed_standard_error_does_not_mix_into_the_output(self):
        self.write('none.txt', NO_HEAP_EVENTS)
        support.run('etlgen', 'case', self.path('none.txt'), '-o', self.path('none.etl'))
        subprocess.run(support.program('etl2csv') + ['none.etl'], cwd=self.folder,
                       preexec_fn=lambda: os.close(2), check=True)
        self.assertEqual(self.read('none.csv'), HEADER)

    def test_signals_remove_what_is_unfinished(self):
        """The writer hangs on a FIFO nobody reads, with its --stats file begun."""
        fifo = self.path('fifo')
        os.mkfifo(fifo)
        big = self.path('big.etl')
        support.run('etlgen', 'bench', '--events', 100000, '-o', big)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What starts the tests may ignore it, as nohup does; programs then ignore it, too.
            process = subprocess.Popen(support.program('etl2csv') + [
                '-o', fifo, '--stats', self.path('s.json'), big],
                preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
            reader = os.open(fifo, os.O_RDONLY)
            self.wait_for(lambda: leftovers(self.folder))
            process.send_signal(number)
            self.assertEqual(process.wait(support.TIMEOUT), -number)
            os.close(reader)
            self.assertEqual(leftovers(self.folder), [])
            self.assertFalse(os.path.exists(self.path('s.json')))

    def test_interrupted_while_standard_input_is_awaited(self):
        process = subprocess.Popen(support.program('etl2csv') + ['-', '-o', self.path('x.csv')],
                                   stdin=subprocess.PIPE)
        self.wait_for(lambda: leftovers(self.folder))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGINT)
        process.stdin.close()
        self.assertEqual(sorted(os.listdir(self.folder)), ['heap.etl'])

    def wait_for(self, condition):
        deadline = time.monotonic() + support.TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


class Streams(Convert):

    def test_devices_are_written_in_place(self):
        self.csv('-o', '/dev/null', self.trace)
        self.assertTrue(os.path.exists('/dev/null'))
        fifo = self.path('fifo')
        os.mkfifo(fifo)
        process = subprocess.Popen(support.program('etl2csv') + ['-q', '-o', fifo, self.trace])
        with open(fifo, 'rb') as f:
            self.assertTrue(f.read().startswith(HEADER))
        self.assertEqual(process.wait(support.TIMEOUT), 0)

    def test_standard_output_by_path(self):
        want = self.csv('-c', self.trace).stdout
        self.assertEqual(self.csv('-o', '/dev/stdout', self.trace).stdout, want)
        with open(self.path('redirected'), 'wb') as f:
            subprocess.run(support.program('etl2csv') + ['-q', '-o', '/dev/stdout', self.trace],
                           stdout=f, check=True)
        self.assertEqual(self.read('redirected'), want)


class Terminal(Convert):

    def open_terminal(self):
        try:
            return pty.openpty()
        except OSError as error:
            return self.skipTest('no terminal to be had: %s' % error)

    def on_terminal(self, *args):
        """Runs with output and standard error on a terminal: status and what it showed."""
        master, slave = self.open_terminal()
        process = subprocess.Popen(support.program('etl2csv') + list(args), stdout=slave,
                                   stderr=slave)
        os.close(slave)
        shown = b''
        while True:
            try:
                part = os.read(master, 65536)
            except OSError as e:
                self.assertEqual(e.errno, errno.EIO)
                break
            if not part:
                break
            shown += part
        os.close(master)
        return process.wait(support.TIMEOUT), shown

    def test_text_may_go_to_a_terminal(self):
        status, shown = self.on_terminal('-c', self.trace)
        self.assertEqual(status, 0)
        self.assertIn(HEADER[:-1], shown)

    def test_packed_output_may_not(self):
        for args in (['--zstd', '-c'], ['--zstd', '-o', '/dev/stdout']):
            status, shown = self.on_terminal(*args, self.trace)
            self.assertEqual(status, 1)
            self.assertIn(b'is a terminal', shown)
            self.assertIn(b'-o', shown)

    def test_progress_is_drawn_and_erased(self):
        """Standard input that pauses gives the line time to appear, whatever the machine."""
        with open(self.trace, 'rb') as f:
            data = f.read()
        for options, drawn in (([], True), (['-q'], False), (['--no-progress'], False)):
            master, slave = self.open_terminal()
            process = subprocess.Popen(
                support.program('etl2csv') + ['-', '-o', self.path('p.csv'), '-f'] + options,
                stdin=subprocess.PIPE, stderr=slave)
            os.close(slave)
            half = len(data) // 2
            process.stdin.write(data[:half])
            process.stdin.flush()
            time.sleep(0.5)
            process.stdin.write(data[half:])
            process.stdin.close()
            self.assertEqual(process.wait(support.TIMEOUT), 0)
            shown = b''
            while select.select([master], [], [], 0)[0]:
                try:
                    shown += os.read(master, 65536)
                except OSError:
                    break
            os.close(master)
            self.assertEqual(b'\r\x1b[K' in shown, drawn, shown)
            if drawn:
                last_line = shown.rsplit(b'\r\x1b[K', 1)[1]
                self.assertTrue(last_line.startswith(b'etl2csv: '), shown)


class Reports(Convert):

    def test_closing_line(self):
        done = self.csv(self.trace)
        self.assertRegex(done.stderr, r'\Aetl2csv: \S+heap\.csv: 2000 heap events of \d+ process(es)? in '
                         r'\d+ heaps?; peak .* at .* s; outstanding .* in \d+ blocks?\n\Z')
        self.assertEqual(self.csv('-f', '-q', self.trace).stderr, '')

    def test_words_of_severity(self):
        """The trace is sound, or lost something before it was read, or a part cannot be used."""
        for text, says in (('buffers_written=9', 'note: holds 2 of the 9 buffers'),
                           ('freq=0', 'warning: the header names no usable clock frequency'),
                           ('events_lost=3', 'warning: the recording session lost 3 events')):
            trace = self.build_text('told', 'session %s\nalloc t=+1ms addr=16 size=1\n' % text)
            self.assertIn('told.etl: ' + says, self.csv('-f', trace).stderr)
            quiet = self.csv('-f', '-q', trace).stderr
            self.assertEqual('told.etl: ' + says in quiet, says.startswith('warning'))

    def test_how_exact_counters_are(self):
        """The closing line says it; that events are too many to be shown is a note."""
        many = self.path('many.etl')
        support.run('etlgen', 'bench', '--events', '100001', '--live', '100', '-o', many)
        for tool in ('etl2chrome', 'etl2perfetto'):
            done = support.run(tool, '-f', self.trace, '-o', self.path('out'))
            self.assertRegex(done.stderr, r' blocks?; counters exact\n\Z')
            done = support.run(tool, '-f', '--resolution', '1500us', many, '-o', self.path('out'))
            self.assertRegex(done.stderr, r'\A%s: note: more than 100000 heap events: [^\n]*\n'
                             r'[^\n]*; counters every 1500us\n\Z' % tool)
            for options in (['-q'], ['-q', '--strict']):
                done = support.run(tool, '-f', *options, many, '-o', self.path('out'))
                self.assertEqual(done.stderr, '')

    def test_stats(self):
        self.csv('--stats', self.path('s.json'), self.trace)
        stats = json.loads(self.read('s.json'))
        self.assertEqual(stats['heap_events_total'], 2000)
        self.assertEqual(sum(stats['heap_events'].values()), 2000)
        rows = self.read('heap.csv').decode().splitlines()[1:]
        for event, count in stats['heap_events'].items():
            self.assertEqual(sum(1 for row in rows if row.split(',')[5] == event), count)
        self.assertEqual(stats['first_time_ns'], int(rows[0].split(',')[0]))
        self.assertEqual(stats['last_time_ns'], int(rows[-1].split(',')[0]))
        self.refuse('-o', self.path('x.csv'), '--stats', self.path('s.json'), self.trace,
                    says='already exists; -f replaces it, --stats names another')
        self.csv('-f', '--stats', self.path('s.json'), self.trace)
        done = self.csv('-f', '--stats', '-', self.trace)
        self.assertEqual(json.loads(done.stdout), stats)

    def test_trace_without_heap_events(self):
        trace = self.build_text('none', NO_HEAP_EVENTS)
        done = self.csv('-q', '-c', '--stats', self.path('s.json'), trace)
        self.assertEqual(done.stdout, HEADER)
        self.assertIn('no heap events', done.stderr)
        self.assertIn('-heap -Pids', done.stderr)
        stats = json.loads(self.read('s.json'))
        self.assertEqual(stats['heap_events'], {})
        self.assertEqual(stats['heap_events_total'], 0)
        self.assertIsNone(stats['peak_time_ns'])

    def test_cut_file_is_status_3_with_an_offset(self):
        with open(self.trace, 'rb') as f:
            data = f.read()
        cut = self.write('cut.etl', data[:len(data) - 20001])
        done = self.csv('-q', cut, status=3)
        self.assertRegex(done.stderr, r'etl2csv: \S+cut\.etl: [^\n]*, at offset \d+')
        self.assertTrue(self.read('cut.csv').startswith(HEADER))

    def test_help_fits_a_screen(self):
        for name in ('etl2csv', 'etl2chrome', 'etl2perfetto', 'etlinfo', 'etlgen'):
            lines = support.run(name, '--help').stdout.decode().splitlines()
            self.assertLessEqual(len(lines), 41, name)
            self.assertLessEqual(max(map(len, lines)), 80, name)

    def test_help_and_version(self):
        done = self.csv('--help')
        for option in ('--output', '--zstd', '--stats', '--columns', '--excel-safe'):
            self.assertIn(option, done.stdout.decode())
        self.assertEqual(done.stderr, '')
        self.assertEqual(self.csv('-h').stdout, done.stdout)
        self.assertRegex(self.csv('--version').stdout.decode(), r'\Aetl2csv \d+\.\d+\.\d+\n\Z')


if __name__ == '__main__':
    support.main()
