"""Every case of tests/cases, compiled by etlgen and converted three ways, byte for byte.

tests/golden/CASE.csv, .json and .pftrace hold the outputs; CASE.log holds what etl2csv said on
standard error and its exit status. CASE.TABLE.csv are other tables. tests/update-goldens rewrites them: read the difference before
committing it.
"""
import difflib
import os
import shutil
import subprocess
import unittest

import support

UPDATE = os.environ.get('GOLDEN_UPDATE') == '1'
CONVERTERS = {'.csv': 'etl2csv', '.json': 'etl2chrome', '.pftrace': 'etl2perfetto'}
TABLES = {
    'basic': ['heaps', 'outstanding', 'sizes', 'callsites', 'processes', 'stacks'],
    'realloc': ['heaps', 'outstanding', 'callsites'],
    'process_reuse': ['heaps', 'processes'],
    'stack_pieces': ['callsites', 'stacks'],
}
PROTO = os.path.join(support.ROOT, 'proto', 'perfetto_subset.proto')


def readable(suffix, data):
    """Lines to show a difference in."""
    if suffix == '.pftrace':
        if not shutil.which('protoc'):
            return ['%d bytes' % len(data)]
        done = subprocess.run(['protoc', '--proto_path=' + os.path.dirname(PROTO),
                               '--decode=perfetto.Trace', PROTO],
                              input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        data = done.stdout
    return data.decode('utf-8', 'replace').splitlines()


class Golden(support.CliTestCase):

    def compare(self, case, suffix, data):
        path = os.path.join(support.GOLDEN, case + suffix)
        if UPDATE:
            with open(path, 'wb') as f:
                f.write(data)
            return
        if not os.path.exists(path):
            self.fail('%s is missing: tests/update-goldens writes it' % path)
        with open(path, 'rb') as f:
            expected = f.read()
        if data != expected:
            lines = difflib.unified_diff(readable(suffix, expected), readable(suffix, data),
                                         'golden', 'now', lineterm='', n=1)
            self.fail('%s differs\n%s' % (case + suffix, '\n'.join(list(lines)[:60])))

    def convert(self, case, suffix):
        """Runs one converter in the scratch folder, so that messages name the bare input."""
        inputs = [os.path.basename(path) for path in self.build_case(case)]
        output = 'out' + suffix
        done = support.run(CONVERTERS[suffix], '-q', *inputs, '-o', output, cwd=self.folder,
                           status=None)
        self.assertIn(done.returncode, (0, 1, 3), done.stderr)
        self.assertEqual(os.path.exists(self.path(output)), done.returncode != 1)
        data = b'' if done.returncode == 1 else self.read(output)
        return data, 'status %d\n%s' % (done.returncode, done.stderr)

    def check_case(self, case, suffix):
        data, log = self.convert(case, suffix)
        self.compare(case, suffix, data)
        if suffix == '.csv':
            self.compare(case, '.log', log.encode())


    def check_table(self, case, table):
        done = support.run('etl2csv', '-q', '-c', '--table', table, *self.build_case(case))
        self.compare(case, '.%s.csv' % table, done.stdout)


def add_tests():
    for case, table in ((case, table) for case in TABLES for table in TABLES[case]):
        def test(self, case=case, table=table):
            self.check_table(case, table)
        setattr(Golden, 'test_%s_table_%s' % (case, table), test)
    for case in support.cases():
        for suffix in CONVERTERS:
            def test(self, case=case, suffix=suffix):
                self.check_case(case, suffix)
            setattr(Golden, 'test_%s_%s' % (case, suffix[1:]), test)


class NothingStray(unittest.TestCase):

    def test_each_golden_has_its_case(self):
        names = set(support.cases())
        names.update('%s.%s' % (case, table) for case in TABLES for table in TABLES[case])
        stray = [name for name in os.listdir(support.GOLDEN)
                 if name.rpartition('.')[2] in ('csv', 'json', 'pftrace', 'log')
                 and name.rpartition('.')[0] not in names]
        self.assertEqual(stray, [])

    def test_there_are_cases(self):
        self.assertGreater(len(support.cases()), 10)


add_tests()

if __name__ == '__main__':
    support.main()
