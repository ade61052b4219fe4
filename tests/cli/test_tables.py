"""The tables of etl2csv against the oracle of tests/oracle, and the options that all tables share."""
import csv
import io
import os
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)

import etl     # noqa: E402
import oracle  # noqa: E402
import tables  # noqa: E402

RANDOM_EVENTS = 200000 if os.environ.get('ETLHEAP_LONG') == '1' else 20000
TABLES = list(tables.TABLES)
UNORDERED = {'processes'}


class Tables(support.CliTestCase):

    def converted(self, inputs, *options):
        """What etl2csv writes, as text; None where it refuses the input."""
        done = support.run('etl2csv', '-q', '-c', *options, *inputs, status=None)
        self.assertIn(done.returncode, (0, 1, 3), done.stderr)
        return None if done.returncode == 1 else done.stdout.decode('utf-8')

    def expected(self, replayed, table):
        text = io.StringIO(newline='')
        columns = tables.COLUMNS[table]
        oracle.write_csv(text, columns, oracle.table_rows(replayed, table, columns))
        return text.getvalue()

    def check_inputs(self, inputs, wanted=TABLES):
        """Compares the tables; returns how many rows each has."""
        try:
            _, replayed = oracle.replay(inputs)
        except etl.NotEtl:
            for table in wanted:
                self.assertIsNone(self.converted(inputs, '--table', table), table)
            return {}
        rows = {}
        for table in wanted:
            lines = self.expected(replayed, table).splitlines()
            got = self.converted(inputs, '--table', table).splitlines()
            self.assertEqual(got[0], lines[0], table)
            if table in UNORDERED:
                lines.sort()
                got.sort()
            self.assertEqual(got, lines, table)
            rows[table] = len(got) - 1
        return rows

    def check_generated(self, *command):
        path = self.path('generated.etl')
        support.run('etlgen', *command, '-o', path)
        return self.check_inputs([path])

    def check_filled(self, *command):
        rows = self.check_generated(*command)
        for table in TABLES:
            self.assertGreater(rows[table], 1, table)

    def test_random(self):
        rows = self.check_generated('random', '--cpus', 4, '--seed', 14, '--events', RANDOM_EVENTS)
        self.assertEqual((rows['callsites'], rows['stacks']), (1, 0))
        self.assertGreater(rows['sizes'], 100)

    def test_random_stacks(self):
        for seed in (11, 12):
            self.check_filled('random', '--cpus', 4, '--seed', seed, '--stacks', '--events',
                                 RANDOM_EVENTS)
            os.remove(self.path('generated.etl'))

    def test_bench_stacks(self):
        self.check_filled('bench', '--cpus', 2, '--seed', 13, '--stacks', '--live', 500,
                             '--events', RANDOM_EVENTS)

    def test_demo(self):
        self.check_filled('demo')


class Agreement(support.CliTestCase):
    """The tables against each other and against the events."""

    def rows(self, path, table):
        done = support.run('etl2csv', '-q', '-c', '--table', table, path)
        return list(csv.DictReader(io.StringIO(done.stdout.decode('utf-8'))))

    def total(self, rows, column):
        return sum(int(row[column]) for row in rows)

    def test_sums(self):
        path = self.path('random.etl')
        support.run('etlgen', 'random', '--cpus', 4, '--seed', 21, '--stacks', '--events', 50000,
                    '-o', path)
        heaps, sites = self.rows(path, 'heaps'), self.rows(path, 'callsites')
        for column in ('allocs', 'frees', 'outstanding_blocks', 'outstanding_bytes'):
            self.assertEqual(self.total(heaps, column), self.total(sites, column), column)
        self.assertEqual(self.total(heaps, 'allocs'),
                         self.total(self.rows(path, 'sizes'), 'allocs'))
        self.assertGreater(self.total(sites, 'temporary'), 0)
        self.assertLessEqual(self.total(sites, 'temporary'), self.total(sites, 'frees'))
        stacks = {row['stack_id'] for row in self.rows(path, 'stacks')}
        self.assertEqual({site['stack_id'] for site in sites} - stacks, {''})
        used = {row['stack_id'] for row in self.rows(path, 'events')} - {''}
        self.assertEqual(used, stacks)


class Options(support.CliTestCase):

    def table(self, *options):
        inputs = self.build_case('basic')
        return support.run('etl2csv', '-q', '-c', *options, *inputs).stdout.decode('utf-8')

    def test_every_option(self):
        self.assertEqual(self.table('--columns', 'outstanding_bytes,heap,created_ns', '--bom',
                                    '--table', 'heaps', '--delimiter', ';', '--crlf',
                                    '--decimal-addresses'),
                         '\ufeffoutstanding_bytes;heap;created_ns\r\n'
                         '0;1703936;1000000\r\n1;2818048;\r\n')

    def test_one_column(self):
        self.assertEqual(self.table('--table', 'processes', '--columns', 'command_line',
                                    '--no-header'), 'editor.exe notes.txt\n""\n')

    def test_columns_are_the_tables_own(self):
        done = support.run('etl2csv', '--columns', 'heap,time_ns', '--table', 'heaps', 'none.etl',
                           status=2)
        self.assertIn("no column 'time_ns'; there are process_id, process_name, heap, created_ns",
                      done.stderr)

    def test_unknown_table(self):
        done = support.run('etl2csv', '--table', 'heap', 'none.etl', status=2)
        self.assertIn("no table 'heap'; there are events, heaps, outstanding, sizes, callsites, "
                      'processes, stacks', done.stderr)


def add_tests():
    for case in support.cases():
        def test(self, case=case):
            self.check_inputs(self.build_case(case))
        setattr(Tables, 'test_case_' + case, test)


add_tests()

if __name__ == '__main__':
    support.main()
