"""What fails around the converters: full disks, inputs that change, slow pipes, stopped processes.

Nothing is left behind, and what is there is whole.
"""
import contextlib
import os
import random
import resource
import signal
import subprocess
import threading
import time
import unittest

import support

LONG = os.environ.get('ETLHEAP_LONG') == '1'
CONVERTERS = ('etl2csv', 'etl2chrome', 'etl2perfetto', 'etlinfo')
STAGES = 200 if LONG else 12 # sizes at which the disk is full


def limit_files(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class Surroundings(support.CliTestCase):

    def setUp(self):
        super().setUp()
        self.trace = self.path('in.etl')
        support.run('etlgen', 'random', '--events', 3000, '--cpus', 2, '--stacks', '-o', self.trace)
        os.mkdir(self.path('out'))

    def start(self, name, *arguments, **more):
        return subprocess.Popen(support.program(name) + ['-q'] + list(arguments),
                                stderr=subprocess.PIPE, **more)

    def end(self, process, status, says=''):
        message = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(support.TIMEOUT), status, message)
        self.assertIn(says, message)

    def expected(self, *options):
        return support.run('etl2csv', '-q', '-c', *options, self.trace).stdout

    def fill(self, name, options, size):
        """Converts with files of at most `size` bytes; True when that was enough."""
        process = self.start(name, '-o', self.path('out', 'data'), '--stats',
                             self.path('out', 'stats'), self.trace, *options,
                             stdin=subprocess.DEVNULL, preexec_fn=limit_files(size))
        if process.wait(support.TIMEOUT) == 0:
            process.stderr.close()
            for output in os.listdir(self.path('out')):
                os.remove(self.path('out', output))
            return True
        self.end(process, 1, 'cannot write: File too large')
        self.assertEqual(os.listdir(self.path('out')), [])
        return False

    def test_full_disk_at_every_stage(self):
        chooser = random.Random(1)
        for name in CONVERTERS:
            for options in ([], ['--zstd']):
                with self.subTest(converter=name, options=options):
                    whole = self.path('whole')
                    support.run(name, '-q', '-f', '-o', whole, self.trace, *options)
                    whole += '.zst' if not os.path.exists(whole) else ''
                    size = os.path.getsize(whole)
                    self.assertTrue(self.fill(name, options, size))
                    for full in [0, 1, size - 1] + chooser.sample(range(size), STAGES):
                        self.assertFalse(self.fill(name, options, full))

    def test_no_room_for_what_is_spooled(self):
        for packed in (False, True):
            data = self.read('in.etl')
            if packed:
                data = support.run('etl2csv', '-q', '-c', '--zstd', self.trace).stdout
            with self.subTest(packed=packed):
                process = self.start('etl2csv', '-o', self.path('out', 'data'), '-',
                                     stdin=subprocess.PIPE, preexec_fn=limit_files(20000))
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(data)
                self.end(process, 1, 'cannot keep it in a temporary file')
                self.assertEqual(os.listdir(self.path('out')), [])

    def change_while_read(self, change):
        """(converter, its output so far) with a trace of which half is still to be read."""
        big = self.path('big.etl')
        support.run('etlgen', 'bench', '--events', 100000, '-o', big)
        whole = support.run('etl2csv', '-q', '-c', big).stdout
        process = self.start('etl2csv', '-c', big, stdout=subprocess.PIPE)
        first = process.stdout.read(1) # the writer now waits for the pipe to be emptied
        change(big)
        rest = process.stdout.read()
        process.stdout.close()
        return process, whole, first + rest

    def test_input_that_shrinks(self):
        process, whole, output = self.change_while_read(
            lambda path: os.truncate(path, os.path.getsize(path) // 2))
        self.end(process, 1, 'became shorter while it was read')
        self.assertTrue(whole.startswith(output))
        self.assertLess(len(output), len(whole))

    def test_input_that_grows(self):
        def grow(path):
            with open(path, 'ab') as f:
                f.write(self.read('in.etl'))
        process, whole, output = self.change_while_read(grow)
        self.end(process, 0)
        self.assertEqual(output, whole)

    def overwrite(self, *options):
        """The second half of the input becomes another trace's, once the first pass is over."""
        other = self.path('other.etl')
        support.run('etlgen', 'bench', '--events', 100000, *options, '-o', other)

        def change(path):
            half = os.path.getsize(path) // 2
            with open(path, 'r+b') as f:
                f.seek(half)
                f.write(self.read('other.etl')[half:2 * half])
        process, _, _ = self.change_while_read(change)
        self.end(process, 1, 'changed while it was read')

    def test_input_that_is_overwritten(self):
        self.overwrite('--seed', 2)

    def test_input_that_is_overwritten_with_stacks(self):
        self.overwrite('--stacks')

    def feed(self, process, data, between):
        """Writes into the converter's standard input in pieces of a few bytes."""
        chooser = random.Random(2)
        at = 0
        while at < len(data):
            n = chooser.choice([1, 2, 3, 7, 100, 5000, 70000])
            process.stdin.write(data[at:at + n])
            process.stdin.flush()
            between()
            at += n
        process.stdin.close()

    def test_short_reads(self):
        process = self.start('etl2csv', '-', '-o', self.path('out', 'x.csv'), stdin=subprocess.PIPE)
        self.feed(process, self.read('in.etl'), lambda: None)
        self.end(process, 0)
        self.assertEqual(self.read('out', 'x.csv'), self.expected())

    def test_stopped_and_continued(self):
        """Stopping interrupts reads and writes in the middle."""
        process = self.start('etl2csv', '-', '-c', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        outputs = []
        reader = threading.Thread(target=lambda: outputs.append(process.stdout.read()))
        reader.start()

        def stop():
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.001)
            process.send_signal(signal.SIGCONT)
        self.feed(process, self.read('in.etl'), stop)
        reader.join(support.TIMEOUT)
        process.stdout.close()
        self.end(process, 0)
        self.assertEqual(outputs, [self.expected()])

    def test_unusable_second_input(self):
        text = self.write('text.etl', 'This is no trace, although its name says so.\n' * 20)
        packed = self.write('packed.etl', b'\x28\xb5\x2f\xfd' + bytes(100))
        for name in CONVERTERS:
            for second in (text, packed, self.path('missing.etl'), self.folder):
                with self.subTest(converter=name, second=second):
                    process = self.start(name, '-o', self.path('out', 'data'), self.trace, second)
                    self.end(process, 1, second)
                    self.assertEqual(os.listdir(self.path('out')), [])

    def test_killed_at_any_time(self):
        """Signals at random moments: death by the signal or a whole output, nothing else."""
        big = self.path('big.etl')
        support.run('etlgen', 'bench', '--events', 60000, '--cpus', 2, '-o', big)
        whole = support.run('etl2csv', '-q', '-c', big).stdout
        chooser = random.Random(3)
        for _ in range(60 if LONG else 12):
            process = self.start('etl2csv', '-o', self.path('out', 'x.csv'), big)
            time.sleep(chooser.random() * 0.08)
            number = chooser.choice([signal.SIGINT, signal.SIGTERM])
            process.send_signal(number)
            status = process.wait(support.TIMEOUT)
            process.stderr.close()
            self.assertIn(status, (0, -number))
            # A signal before main() has begun, or after the output has its name, changes nothing.
            self.assertIn(os.listdir(self.path('out')), ([], ['x.csv']))
            if os.path.exists(self.path('out', 'x.csv')):
                self.assertEqual(self.read('out', 'x.csv'), whole)
                os.remove(self.path('out', 'x.csv'))


if __name__ == '__main__':
    support.main()
