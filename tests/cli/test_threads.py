"""--threads: the same bytes, messages and statuses for any number, and the same endings."""
import os
import resource
import signal
import subprocess
import time
import unittest

import support

CONVERTERS = {
    'etl2csv': [[], ['--table', 'stacks']],
    'etl2chrome': [['--events']],
    'etl2perfetto': [['--resolution', 'exact']],
}
NUMBERS = (1, 2, 4)
WAIT = 0.01


class Threads(support.CliTestCase):

    def random(self, *args):
        """A trace whose outputs fill several buffers."""
        path = self.path('random.etl')
        support.run('etlgen', 'random', '--events', 40000, '--cpus', 3, '--seed', 11, *args,
                    '-o', path)
        return path

    def outcome(self, name, *args):
        done = support.run(name, '-f', '-c', '--stats', self.path('stats.json'), *args, status=None)
        stats = self.read('stats.json') if os.path.exists(self.path('stats.json')) else None
        return done.returncode, done.stderr, stats, done.stdout

    def check_same(self, name, *args):
        wanted = self.outcome(name, '--threads', NUMBERS[0], *args)
        for threads in NUMBERS[1:]:
            got = self.outcome(name, '--threads', threads, *args)
            # Not assertEqual: the difference of megabytes would be shown.
            self.assertTrue(got == wanted, '%s %s, %d threads: %r' % (name, args, threads, got[:2]))
        return wanted

    def test_random(self):
        trace = self.random('--stacks')
        for name, choices in CONVERTERS.items():
            for options in choices:
                plain = self.check_same(name, *options, trace)
                self.assertEqual(plain[0], 0)
                self.assertGreater(len(plain[3]), 1 << 20)
                self.check_same(name, '--zstd=1', *options, trace)

    def test_goldens(self):
        """Those where the container is damaged or packed: much is told there."""
        for case in ('basic', 'compressed', 'bad_compression', 'huffman', 'lznt1', 'damaged',
                     'cut_in_buffer', 'two_inputs', 'mixed_processors'):
            inputs = self.build_case(case)
            for name in CONVERTERS:
                self.check_same(name, *inputs)

    def test_usage(self):
        for wrong in ('0', '65', 'x', '-1', ''):
            done = support.run('etl2csv', '--threads', wrong, self.path('none.etl'), status=2)
            self.assertIn('--threads takes a number from 1 to 64', done.stderr)

    def test_full_disk(self):
        trace = self.random()
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500000, 1500000))
        for options in ([], ['--zstd=1']):
            if options:
                def limit():
                    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
            for threads in NUMBERS:
                done = subprocess.run(
                    support.program('etl2csv') + ['--threads', str(threads), *options, '-o',
                                                  self.path('out'), trace],
                    preexec_fn=limit, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b'out: cannot write: File too large', done.stderr)
                self.assertEqual(os.listdir(self.folder), ['random.etl'])

    def start(self, threads, *args, **kwargs):
        return subprocess.Popen(support.program('etl2csv') + ['--threads', str(threads), *args],
                                stderr=subprocess.PIPE, **kwargs)

    def test_reader_that_leaves(self):
        trace = self.random()
        for options in ([], ['--zstd=1']):
            for threads in NUMBERS:
                process = self.start(threads, '-c', *options, trace, stdout=subprocess.PIPE)
                self.assertEqual(len(process.stdout.read(100)), 100)
                process.stdout.close()
                self.assertEqual(process.stderr.read(), b'')
                process.stderr.close()
                self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGPIPE)

    def test_signals(self):
        """While a thread hangs on a pipe that nobody reads."""
        trace = self.random()
        for options in ([], ['--zstd=1']):
            for threads in NUMBERS:
                process = self.start(threads, '-c', '--stats', self.path('s.json'), *options,
                                     trace, stdout=subprocess.PIPE)
                process.stdout.read(1)
                time.sleep(WAIT * threads)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGTERM)
                process.stdout.close()
                process.stderr.close()
                self.assertEqual(os.listdir(self.folder), ['random.etl'])

    def test_no_threads_to_be_had(self):
        """Where the system gives no thread, plain output needs none; zstd's library does."""
        if os.environ.get('ETLHEAP_SANITIZED'):
            self.skipTest('sanitizers need more address space than that leaves')
        trace = self.random()
        wanted = self.outcome('etl2csv', '--threads', 1, trace)
        def limit():
            # Stacks of threads are as large as that of the first: none fits.
            resource.setrlimit(resource.RLIMIT_STACK, (1 << 40, 1 << 40))
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        done = subprocess.run(support.program('etl2csv') + ['-c', '--threads', '4', trace],
                              preexec_fn=limit, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr.decode()), wanted[:2])
        self.assertTrue(done.stdout == wanted[3])
        packed = self.path('packed.csv.zst')
        done = subprocess.run(support.program('etl2csv') + ['--zstd=1', '-o', packed, trace],
                              preexec_fn=limit, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'cannot compress', done.stderr)
        self.assertFalse(os.path.exists(packed))


if __name__ == '__main__':
    support.main()
