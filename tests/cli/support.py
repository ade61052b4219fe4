"""What the command line tests share: where things are, running a program, scratch folders.

The programs under test come from the environment (meson sets it): ETL2CSV, ETL2CHROME,
ETL2PERFETTO, ETLGEN, ETLINFO. To run one file by hand:

    ETL2CSV=build/converters/etl2csv ETLGEN=build/tools/etlgen python3 tests/cli/test_x.py
"""
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
CASES = os.path.join(TESTS, 'cases')
GOLDEN = os.path.join(TESTS, 'golden')
BAD = os.path.join(TESTS, 'bad')
ORACLE = os.path.join(TESTS, 'oracle')
REAL_TRACES = os.path.join(os.path.dirname(ROOT), 'shared', 'traces')

# A shell starts what runs in the background with these ignored, and programs would inherit that.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

TIMEOUT = 300  # seconds for one program; a hang is a failure, not a wait


def command(path):
    """The command line that runs a program of the build: by an emulator, if it takes one."""
    return shlex.split(os.environ.get('MESON_EXE_WRAPPER', '')) + [path]


def program(name):
    """The command line of a program under test, `name` as in 'etl2csv'."""
    path = os.environ.get(name.upper())
    if not path:
        raise unittest.SkipTest('%s is not set' % name.upper())
    return command(path)


def run(name, *args, stdin=None, cwd=None, status=0):
    """Runs a program under test; fails the test unless it exits with `status` (None: any).

    Returns the CompletedProcess with stdout as bytes and stderr as text."""
    line = program(name) + [str(a) for a in args]
    done = subprocess.run(line, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                          capture_output=True, cwd=cwd, timeout=TIMEOUT)
    done.stderr = done.stderr.decode('utf-8', 'replace')
    if status is not None and done.returncode != status:
        raise AssertionError('%s: status %d, expected %d\n%s'
                             % (' '.join(line), done.returncode, status, done.stderr))
    return done


def duration_ns(text):
    """A length of time as the command line takes it."""
    number = text.rstrip('nums')
    return int(number) * {'': 10**9, 's': 10**9, 'ms': 10**6, 'us': 10**3, 'ns': 1}[
        text[len(number):]]


def case_names():
    """Names of the case files, without their folder and suffix."""
    return sorted(name[:-4] for name in os.listdir(CASES) if name.endswith('.txt'))


def case_inputs(name):
    """The case files that make up the case `name`: name.txt, then name.2.txt, name.3.txt, ...

    A file whose name ends in a number is a further input of the case before the number."""
    paths = [os.path.join(CASES, name + '.txt')]
    while os.path.exists(os.path.join(CASES, '%s.%d.txt' % (name, len(paths) + 1))):
        paths.append(os.path.join(CASES, '%s.%d.txt' % (name, len(paths) + 1)))
    return paths


def cases():
    """Names of the cases: further inputs are part of their case, not cases of their own."""
    return [name for name in case_names() if not name.rpartition('.')[2].isdigit()]


class CliTestCase(unittest.TestCase):
    """A test with a scratch folder of its own: self.folder, gone afterwards."""

    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='etlheap-')
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, data):
        """Writes a file in the scratch folder and returns its path."""
        mode = 'wb' if isinstance(data, bytes) else 'w'
        with open(self.path(name), mode) as f:
            f.write(data)
        return self.path(name)

    def read(self, *names):
        with open(self.path(*names), 'rb') as f:
            return f.read()

    def pack(self, path):
        """Compresses a file and returns the path of what came of it."""
        with open(path + '.zst', 'wb') as f:
            subprocess.run(['zstd', '-q', '-c', path], stdout=f, check=True)
        return path + '.zst'

    def build_case(self, name):
        """Writes the .etl files of tests/cases/NAME.txt and returns their paths."""
        inputs = []
        for source in case_inputs(name):
            inputs.append(self.path(os.path.basename(source)[:-4] + '.etl'))
            run('etlgen', 'case', source, '-o', inputs[-1])
        return inputs

    def build_text(self, name, text):
        """Writes an .etl from case text given in the test and returns its path."""
        source = self.write(name + '.txt', text)
        run('etlgen', 'case', source, '-o', self.path(name + '.etl'))
        return self.path(name + '.etl')


class PreloadTestCase(CliTestCase):
    """Programs with a library preloaded that disturbs them: a trace, and a folder for outputs."""

    LIBRARY = None # the variable that names it

    def setUp(self):
        super().setUp()
        self.library = os.environ.get(self.LIBRARY)
        if not self.library or os.environ.get('MESON_EXE_WRAPPER'):
            self.skipTest('needs LD_PRELOAD and glibc, without sanitizers')
        self.trace = self.path('in.etl')
        run('etlgen', 'random', '--events', 300, '--cpus', 2, '--stacks', '-o', self.trace)
        os.mkdir(self.path('out'))

    def run_preloaded(self, command, **environment):
        """(status, stderr) of a run that prints nothing; `environment` is for the library."""
        done = subprocess.run(command, env=dict(os.environ, LD_PRELOAD=self.library, **environment),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        self.assertEqual(done.stdout, b'')
        return done.returncode, done.stderr.decode('utf-8', 'replace')

    def outputs(self):
        """What lies in the output folder: {name: content}."""
        return {name: self.read('out', name) for name in os.listdir(self.path('out'))}


def real_traces():
    """Real traces with their facts: [(path, facts)]. Skips the test where they are missing."""
    facts_path = os.path.join(REAL_TRACES, 'facts.json')
    if not os.path.exists(facts_path):
        raise unittest.SkipTest('no ../shared/traces beside the source')
    with open(facts_path) as f:
        facts = json.load(f)
    found = []
    for name in sorted(facts):
        for suffix in ('', '.zst'):
            path = os.path.join(REAL_TRACES, name + suffix)
            if os.path.exists(path):
                found.append((path, facts[name]))
    return found


def main():
    unittest.main(module=sys.modules['__main__'], verbosity=1)
