"""The recipes of docs/recipes.md that can be tried here."""
import csv
import glob
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest

from support import CliTestCase, ROOT, program, run

SNAKEFILES = os.path.join(ROOT, 'docs', 'snakemake')
TRACES = 50


class Sums(CliTestCase):
    """The same figures from the counts, from Python's csv and from SQL."""

    def setUp(self):
        super().setUp()
        self.trace = self.path('demo.etl')
        run('etlgen', 'random', '--events', '3000', '--seed', '5', '-o', self.trace)
        run('etl2csv', '-q', '-o', self.path('events.csv'), self.trace, status=None)
        run('etl2csv', '-q', '--table', 'heaps', '-o', self.path('heaps.csv'), self.trace,
            status=None)

    def expected(self):
        with open(self.path('events.csv'), newline='') as f:
            rows = list(csv.DictReader(f))
        with open(self.path('heaps.csv'), newline='') as f:
            heaps = list(csv.DictReader(f))
        asked = sum(int(r['size_bytes']) for r in rows if r['event'] == 'alloc' and r['size_bytes'])
        return (len(rows), asked, sum(int(h['outstanding_bytes']) for h in heaps),
                sum(int(h['outstanding_blocks']) for h in heaps))

    def test_sqlite(self):
        if not shutil.which('sqlite3'):
            self.skipTest('sqlite3 is not installed')
        script = ('.import --csv %s events\n.import --csv %s heaps\n.mode list\n'
                  "SELECT (SELECT count(*) FROM events), (SELECT sum(CAST(size_bytes AS INTEGER)) "
                  "FROM events WHERE event = 'alloc'), sum(CAST(outstanding_bytes AS INTEGER)), "
                  'sum(CAST(outstanding_blocks AS INTEGER)) FROM heaps;\n'
                  % (self.path('events.csv'), self.path('heaps.csv')))
        done = subprocess.run(['sqlite3', ':memory:'], input=script, capture_output=True, text=True,
                              check=True)
        self.assertEqual(tuple(int(n) for n in done.stdout.split('|')), self.expected())

    def test_python(self):
        """Integers come through whole: a database with typed columns gives the same sums."""
        base = sqlite3.connect(':memory:')
        with open(self.path('heaps.csv'), newline='') as f:
            names, *rows = csv.reader(f)
        base.execute('CREATE TABLE heaps (%s)' % ', '.join(
            '%s %s' % (n, 'TEXT' if n in ('process_name', 'heap') else 'INTEGER') for n in names))
        base.executemany('INSERT INTO heaps VALUES (%s)' % ','.join('?' * len(names)), rows)
        sums = base.execute('SELECT sum(outstanding_bytes), sum(outstanding_blocks), '
                            'max(typeof(outstanding_bytes)) FROM heaps').fetchone()
        self.assertEqual(sums, self.expected()[2:] + ('integer',))


class Snakemake(CliTestCase):
    """A folder of traces, a kill in the middle, and a second run."""

    def setUp(self):
        super().setUp()
        if not shutil.which('snakemake'):
            self.skipTest('snakemake is not installed')
        if len(program('etl2csv')) > 1:
            self.skipTest('needs programs of this machine')
        os.mkdir(self.path('traces'))
        for i in range(TRACES):
            run('etlgen', 'random', '--events', '200', '--seed', str(i + 1), '-o',
                self.path('traces', 'trace %02d.etl' % i))

    def snakemake(self):
        return ['snakemake', '--profile', SNAKEFILES, '--snakefile',
                os.path.join(SNAKEFILES, 'Snakefile'), '--cores', '2', '--directory', self.folder,
                '--config', 'traces=traces', 'results=results', 'command=' + program('etl2csv')[0]]

    def finished(self):
        """When each output was written."""
        return {path: os.stat(path).st_mtime_ns
                for path in glob.glob(self.path('results', '*.csv'))}

    def start_and_kill(self):
        """Kills snakemake and its jobs when some outputs are there."""
        run_ = subprocess.Popen(self.snakemake(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                start_new_session=True)
        until = time.monotonic() + 120
        while len(self.finished()) < 8 and run_.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(run_.pid, signal.SIGKILL)
        run_.wait()

    def test_kill_and_go_on(self):
        self.start_and_kill()
        before = self.finished()
        self.assertGreaterEqual(len(before), 8)
        self.assertLess(len(before), TRACES, 'all was done before the kill')
        done = subprocess.run(self.snakemake(), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        after = self.finished()
        self.assertEqual(len(after), TRACES)
        redone = [path for path, when in before.items() if after[path] != when]
        # Those that were being written when the kill came, one for each core at most.
        self.assertLessEqual(len(redone), 2)
        for i in range(TRACES):
            expected = run('etl2csv', '-q', '-c', self.path('traces', 'trace %02d.etl' % i),
                           status=None)
            self.assertEqual(self.read('results', 'trace %02d.csv' % i), expected.stdout)


if __name__ == '__main__':
    unittest.main()
