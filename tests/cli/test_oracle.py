"""etl2csv against the oracle of tests/oracle: every row, every column, every count.

The oracle shares no code with the library. Cases, damaged traces (tests/bad), and random traces of about 100 000 events;
ETLHEAP_LONG=1 makes it a million.
"""
import io
import itertools
import json
import os
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)

import etl     # noqa: E402
import oracle  # noqa: E402

LONG = os.environ.get('ETLHEAP_LONG') == '1'
RANDOM_EVENTS = 1000000 if LONG else 100000
ALL_COLUMNS = oracle.COLUMNS + ['time_utc', 'raw_time', 'process_live_bytes',
                                'process_live_blocks', 'stack']

# Times that do not fit into 64 bits of nanoseconds, which the oracle does not have.
FAR_TIMES = ('session_fields_overwritten', 'time_at_the_ends', 'time_start_unset')


class Oracle(support.CliTestCase):

    def expect(self, inputs):
        """(CSV lines, stats) by the oracle; None where an input is no ETL file."""
        try:
            trace, result = oracle.replay(inputs)
        except etl.NotEtl:
            return None
        text = io.StringIO(newline='')
        oracle.write_csv(text, ALL_COLUMNS, oracle.event_rows(trace, result.rows, ALL_COLUMNS))
        return text.getvalue(), result.stats()

    def equal_rows(self, expected, actual):
        if expected == actual:
            return
        pairs = itertools.zip_longest(expected.splitlines(), actual.splitlines())
        for number, (wanted, got) in enumerate(pairs):
            self.assertEqual(wanted, got, 'row %d; the columns are\n%s'
                             % (number, ','.join(ALL_COLUMNS)))
        self.fail('the CSV differs in its line ends')

    def check_inputs(self, inputs):
        expected = self.expect(inputs)
        done = support.run('etl2csv', '-q', *inputs, '-o', self.path('out.csv'), '--stats',
                           self.path('stats.json'), '--columns', ','.join(ALL_COLUMNS),
                           status=None)
        if expected is None:
            self.assertEqual(done.returncode, 1, done.stderr)
            return None
        rows, stats = expected
        self.assertIn(done.returncode, (0, 3), done.stderr)
        self.equal_rows(rows, self.read('out.csv').decode('utf-8'))
        self.assertEqual(json.loads(self.read('stats.json')), stats)
        lost = stats['buffers_damaged'] or stats['bytes_skipped'] or stats['inputs_truncated']
        self.assertEqual(done.returncode, 3 if lost else 0, done.stderr)
        return stats

    def check_generated(self, *command):
        path = self.path('generated.etl')
        support.run('etlgen', *command, '--events', RANDOM_EVENTS, '-o', path)
        stats = self.check_inputs([path])
        self.assertGreater(stats['heap_events_total'], RANDOM_EVENTS // 2)
        return stats

    def test_random(self):
        stats = self.check_generated('random', '--cpus', 4, '--seed', 1)
        for name in ('unmatched_frees', 'replaced_allocs', 'failed_allocs', 'implicit_frees',
                     'realloc_summaries', 'time_steps_back'):
            self.assertGreater(stats[name], 0, name)

    def test_random_one_processor(self):
        self.check_generated('random', '--cpus', 1, '--seed', 2)

    def test_random_stacks(self):
        stats = self.check_generated('random', '--cpus', 4, '--seed', 4, '--stacks')
        self.assertGreater(stats['stacks_attached'], 0)

    def test_bench_compressed(self):
        self.check_generated('bench', '--cpus', 8, '--live', 5000, '--seed', 3, '--compress')


def add_tests():
    for case in support.cases():
        def test(self, case=case):
            self.check_inputs(self.build_case(case))
        setattr(Oracle, 'test_case_' + case, test)
    for name in sorted(os.listdir(support.BAD)):
        base, suffix = os.path.splitext(name)
        if suffix != '.etl' or base.startswith('zstd') or base in FAR_TIMES:
            continue

        def test_bad(self, name=name):
            self.check_inputs([os.path.join(support.BAD, name)])
        setattr(Oracle, 'test_bad_' + base, test_bad)


add_tests()

if __name__ == '__main__':
    support.main()
