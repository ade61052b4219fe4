"""Damaged and hostile traces: every file of tests/bad, converted three ways.

NAME.txt says what is wrong with NAME.etl, and makes it (`etlgen case`). The traces are committed, so
that they stay what they are whatever becomes of etlgen, and so that other readers can be tried on
them. NAME.expected holds what etl2csv makes of one: its exit status, what it says on standard error,
and its rows. The other converters must say the same, end the same way and count the same (etlinfo: all
but the closing line, which in the others also tells how exact counters are), and what
they write must be valid.

tests/update-goldens rewrites .etl and .expected: read the difference before committing it.
"""
import csv
import difflib
import io
import json
import os
import sys
import unittest

import support

sys.path.insert(0, support.TESTS)
import perfetto_decode  # noqa: E402

BAD = support.BAD
UPDATE = os.environ.get('GOLDEN_UPDATE') == '1'


def names():
    return sorted(name[:-4] for name in os.listdir(BAD) if name.endswith('.txt'))


def read(path):
    with open(path, 'rb') as f:
        return f.read()


class Bad(support.CliTestCase):

    def compare(self, name, data):
        """With tests/bad/NAME, or writes that."""
        path = os.path.join(BAD, name)
        if UPDATE:
            with open(path, 'wb') as f:
                f.write(data)
            return
        expected = read(path)
        if data != expected:
            lines = difflib.unified_diff(*([text.decode('utf-8', 'replace').splitlines()
                                            for text in (expected, data)]),
                                         'expected', 'now', lineterm='', n=1)
            self.fail('tests/bad/%s differs\n%s' % (name, '\n'.join(list(lines)[:60])))

    def convert(self, tool, name):
        """(status, what was said, output or None, counts or None) of one conversion."""
        folder = self.path(tool)
        os.mkdir(folder)
        done = support.run(tool, name + '.etl', '-o', folder + '/output', '--stats',
                           folder + '/stats', cwd=BAD, status=None)
        said = done.stderr.replace(folder + '/', '').replace(tool + ': ', '')
        said = said.replace('; counters exact\n', '\n')
        self.assertIn(done.returncode, (0, 1, 3), done.stderr)
        if done.returncode == 1:
            self.assertEqual(os.listdir(folder), [])
            return 1, said, None, None
        return done.returncode, said, folder + '/output', json.loads(self.read(tool, 'stats'))

    def check(self, name):
        support.run('etlgen', 'case', os.path.join(BAD, name + '.txt'), '-o', self.path('case'))
        self.compare(name + '.etl', self.read('case'))
        status, said, path, counts = self.convert('etl2csv', name)
        rows = read(path) if path else b'(no output)\n'
        self.compare(name + '.expected', ('status %d\n%s\n' % (status, said)).encode() + rows)
        if path:
            table = list(csv.reader(io.StringIO(rows.decode('utf-8'))))
            self.assertEqual(counts['heap_events_total'], len(table) - 1)
        for tool, reader in (('etl2chrome', lambda path: json.loads(read(path).decode('utf-8'))),
                             ('etl2perfetto', perfetto_decode.read), ('etlinfo', read)):
            with self.subTest(tool=tool):
                other = self.convert(tool, name)
                self.assertEqual(other[0], status)
                self.assertTrue(other[1] == said or tool == 'etlinfo' and said.startswith(other[1]))
                self.assertEqual(other[3], counts)
                if other[2]:
                    self.assertTrue(reader(other[2]))


for case in names():
    def test(self, case=case):
        self.check(case)
    setattr(Bad, 'test_' + case, test)


class Folder(unittest.TestCase):

    def test_each_file_has_its_source(self):
        stray = [name for name in os.listdir(BAD) if name.rpartition('.')[0] not in names()]
        self.assertEqual(stray, [])

    def test_they_stay_many_and_small(self):
        self.assertGreaterEqual(len(names()), 60)
        self.assertLess(sum(os.path.getsize(os.path.join(BAD, name)) for name in os.listdir(BAD)),
                        1 << 20)


if __name__ == '__main__':
    support.main()
