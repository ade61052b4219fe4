"""Every allocation fails once: status 1, a message, and nothing left behind.

A library preloaded by LD_PRELOAD (tests/alloc_fail.c) makes the n-th allocation fail. The normal
run takes a sample of n, ETLHEAP_LONG=1 takes every one. Where a converter gets along without the
memory, its output must be the same as with it.
"""
import os
import random

import support

LONG = os.environ.get('ETLHEAP_LONG') == '1'
SAMPLES = 60
FEW = 250  # allocations that are all tried
FIRST = 25  # allocations of the beginning, all of which are tried: set-up is where paths differ
LAST = 10   # and of the end, where sums are ordered


class AllocFail(support.PreloadTestCase):

    LIBRARY = 'ALLOC_FAIL_LIBRARY'

    def convert(self, name, options, n):
        """(status, stderr) of a run whose n-th allocation fails, 0: none."""
        command = support.program(name) + [self.trace, '-o', self.path('out', 'data')] + options
        return self.run_preloaded(command, ALLOC_FAIL=str(n), ALLOC_FAIL_COUNT=self.path('count'))

    def take_outputs(self):
        """What lies in the output folder, which is empty afterwards."""
        found = self.outputs()
        for name in found:
            os.remove(self.path('out', name))
        return found

    def numbers(self, count):
        if LONG or count <= FEW:
            return range(1, count + 1)
        chosen = random.Random(count).sample(range(1, count + 1), min(SAMPLES, count))
        ends = [n for n in range(1, count + 1) if n <= FIRST or n > count - LAST]
        return sorted(set(chosen) | set(ends))

    def sweep(self, name, *options):
        options = ['--stats', self.path('out', 'stats.json')] + list(options)
        status, message = self.convert(name, options, 0)
        self.assertEqual(status, 0, message)
        expected = self.take_outputs()
        self.assertIn('stats.json', expected)
        self.assertGreater(len(expected), 1)
        failed = 0
        for n in self.numbers(int(self.read('count'))):
            status, message = self.convert(name, options, n)
            outputs = self.take_outputs()
            what = 'allocation %d: status %d, %r, %s' % (n, status, message, sorted(outputs))
            self.assertIn(status, (0, 1), what)
            if status == 1:
                failed += 1
                self.assertTrue(message.startswith(name + ': '), what)
                self.assertIn('memory', message.lower(), what)
                self.assertEqual(outputs, {}, what)
            else:
                self.assertEqual(outputs, expected, what)
        self.assertGreater(failed, 10)

    def test_csv(self):
        self.sweep('etl2csv')

    def test_csv_tables(self):
        for table in ('heaps', 'outstanding', 'callsites', 'stacks'):
            with self.subTest(table=table):
                self.sweep('etl2csv', '--table', table)

    def test_csv_top(self):
        self.sweep('etl2csv', '--table', 'heaps', '--top', '1', '--process', '*')

    def test_filters(self):
        options = ('--events', '--pid', '1000,1100,1200', '--process', '*', '--time', '5ms..',
                   '--heap', '0x400000,0x1400000', '--tid', '1008,1012,1112')
        for name in ('etl2chrome', 'etl2perfetto'):
            with self.subTest(name=name):
                self.sweep(name, *options)

    def test_chrome(self):
        self.sweep('etl2chrome', '--events')

    def test_info(self):
        for options in ((), ('--json',), ('--shape',)):
            with self.subTest(options=options):
                self.sweep('etlinfo', *options)

    def test_perfetto(self):
        self.sweep('etl2perfetto', '--events')

    def test_pieces(self):
        """With many threads of which only the names are known."""
        self.trace = self.build_text('named', '''
session cpus=1
process dcstart t=0 pid=1 key=1 name=a.exe
alloc t=1ms pid=1 tid=4 heap=0x10000 addr=0x10040 size=24
stack pid=1 tid=4 frames=0x7ff700000020
free t=2ms pid=1 tid=4 heap=0x10000 addr=0x10040
alloc t=3ms pid=1 tid=4 heap=0x10000 addr=0x10040 size=24
''' + ''.join('thread_name t=0 pid=1 tid=%d name=x\n' % (8 + 4 * i) for i in range(40)))
        for name in ('etl2csv', 'etl2chrome', 'etl2perfetto'):
            for options in ((), ('--split-rows', '1')):
                with self.subTest(name=name, options=options):
                    self.sweep(name, *options)

    def test_zstd_output(self):
        self.sweep('etl2csv', '--zstd')

    def test_zstd_input(self):
        self.trace = self.pack(self.trace)
        self.sweep('etl2csv')


if __name__ == '__main__':
    support.main()
