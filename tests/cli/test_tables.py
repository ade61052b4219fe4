"""The tables of etl2csv against the oracle of tests/oracle, and the options that all tables share."""
import collections
import csv
import io
import os
import sys
import tempfile
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


class Top(support.CliTestCase):

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.trace = os.path.join(folder.name, 'random.etl')
        support.run('etlgen', 'random', '--cpus', 2, '--seed', 5, '--stacks', '--events', 5000,
                    '-o', cls.trace)
        _, cls.replayed = oracle.replay([cls.trace])

    def lines(self, *options):
        done = support.run('etl2csv', '-q', '-c', *options, self.trace)
        return done.stdout.decode('utf-8').splitlines()

    def test_largest(self):
        for table in tables.MEASURES:
            rows = tables.TABLES[table](self.replayed)
            self.assertGreater(len(rows), 20, table)
            for count in (1, 2, 7, len(rows) - 1, len(rows), 2**64 - 1):
                wanted = [','.join(map(oracle.quoted, row)) for row in tables.top(table, rows, count)]
                self.assertEqual(self.lines('--table', table, '--top', count)[1:], wanted, table)

    def test_filtered(self):
        pid = str(self.replayed.rows[0].instance.pid)
        got = self.lines('--table', 'heaps', '--top', 2, '--pid', pid, '--columns',
                         'outstanding_bytes,process_id')[1:]
        wanted = [row for row in tables.heaps(self.replayed) if str(row[0]) == pid]
        self.assertEqual(got, ['%d,%s' % (row[11], pid) for row in tables.top('heaps', wanted, 2)])

    def test_processes_by_events(self):
        events = collections.Counter(row.instance for row in self.replayed.rows
                                     if row.instance.pid is not None)
        counts = collections.defaultdict(list)  # of those that a row does not tell apart
        for instance, count in events.items():
            start = instance.start_ns
            counts[str(instance.pid), instance.name or '', str(start or '')].append(count)
        got = [next(csv.reader([line])) for line in self.lines('--table', 'processes', '--top', 4)[1:]]
        for row, (_, count) in zip(got, events.most_common(4), strict=True):
            self.assertIn(count, counts[row[0], row[1], row[3]])

    def test_pieces(self):
        """The rows that are left are cut like any others."""
        support.run('etl2csv', '-q', '--table', 'sizes', '--top', 5, '--split-rows', 3, self.trace,
                    '-o', self.path('out.csv'))
        whole = self.lines('--table', 'sizes', '--top', 5)
        pieces = [self.read('out.%04d.csv' % n).decode().splitlines() for n in (1, 2)]
        self.assertEqual(pieces[0] + pieces[1][1:], whole)

    def test_refused(self):
        for table in ('events', 'stacks'):
            done = support.run('etl2csv', '--top', 3, '--table', table, self.trace, status=2)
            self.assertIn('--top', done.stderr)
        for wrong in ('0', '', '-1', 'x', '1.5'):
            done = support.run('etl2csv', '--top', wrong, '--table', 'heaps', self.trace, status=2)
            self.assertIn('--top takes a number', done.stderr)


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

    def test_misspelt_column(self):
        done = support.run('etl2csv', '--columns', 'time_ns,size_byte', 'none.etl', status=2)
        self.assertIn("no column 'size_byte', perhaps size_bytes; there are time_ns", done.stderr)

    def test_unknown_table(self):
        done = support.run('etl2csv', '--table', 'heap', 'none.etl', status=2)
        self.assertIn("no table 'heap', perhaps heaps; there are events, heaps, outstanding, sizes, "
                      'callsites, processes, stacks', done.stderr)


def add_tests():
    for case in support.cases():
        def test(self, case=case):
            self.check_inputs(self.build_case(case))
        setattr(Tables, 'test_case_' + case, test)


add_tests()

if __name__ == '__main__':
    support.main()
