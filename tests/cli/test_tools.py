"""The project's own tools: the layers hold, headers stand alone, the summary counts right."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import unittest

import support

TOOLS = os.path.join(support.ROOT, 'tools')


def load(name):
    """A tool without suffix as a module."""
    sys.dont_write_bytecode = True
    path = os.path.join(TOOLS, name)
    loader = importlib.machinery.SourceFileLoader(name.replace('-', '_'), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class Layers(support.CliTestCase):

    def setUp(self):
        super().setUp()
        self.layers = load('check-layers')

    def tree(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        self.write(path, text)

    def problems_of(self, path, text):
        self.tree(path, text)
        return [p for p in self.layers.check(self.folder) if p.startswith(path)]

    def test_this_tree(self):
        self.assertEqual(self.layers.check(support.ROOT), [])

    def test_forbidden(self):
        for path, include in [
                ('lib/base/a.c', '"model/event.h"'),
                ('lib/model/a.h', '"io/sink.h"'),
                ('lib/io/a.c', '"model/event.h"'),
                ('lib/io/a.c', '<zstd.h>'),
                ('lib/io/a.c', '<unistd.h>'),
                ('lib/container/a.c', '"decode/heap.h"'),
                ('lib/container/a.c', '"io/sink.h"'),
                ('lib/decode/a.c', '"io/source.h"'),
                ('lib/decode/a.c', '"track/live.h"'),
                ('converters/csv_writer.c', '"decode/heap.h"'),
                ('converters/csv_writer.c', '"etlheap.h"'),
                ('converters/csv_writer.c', '"io/source.h"'),
                ('converters/csv_writer.c', '"chrome_names.h"'),
                ('converters/csv_writer.c', '<protobuf-c/protobuf-c.h>'),
                ('converters/convert.c', '"csv_writer.h"'),
                ('converters/convert.c', '<signal.h>'),
                ('converters/convert.c', '"container/etl_file.h"'),
                ('tools/etlgen/a.c', '"text.h"'),
                ('tools/etlgen/a.c', '<sys/stat.h>'),
        ]:
            with self.subTest(path=path, include=include):
                found = self.problems_of(path, '\n# include %s\n' % include)
                self.assertEqual([p.split(' ')[0] for p in found], [path + ':2:'])

    def test_allowed(self):
        self.tree('converters/text.h', '')
        for path, include in [
                ('lib/model/a.h', '"base/error.h"'),
                ('lib/io/zstd.c', '<zstd.h>'),
                ('lib/io/os_posix.c', '<sys/stat.h>'),
                ('lib/track/a.c', '"decode/heap.h"'),
                ('lib/reader.c', '"track/live.h"'),
                ('converters/csv_writer.c', '"text.h"'),
                ('converters/csv_writer.c', '"io/sink.h"'),
                ('converters/perfetto_emit.c', '<protobuf-c/protobuf-c.h>'),
                ('converters/etl2csv.c', '"csv_writer.h"'),
                ('converters/convert.c', '"etlheap.h"'),
                ('tools/etlinfo.c', '"container/etl_file.h"'),
        ]:
            with self.subTest(path=path, include=include):
                self.assertEqual(self.problems_of(path, '#include %s\n' % include), [])

    def test_pattern_without_header_is_a_problem(self):
        self.tree('lib/base/error.h', '')
        dead = list(self.layers.dead_patterns(self.folder))
        self.assertTrue(any('"census.h"' in p for p in dead))
        self.assertFalse(any('"base/*"' in p for p in dead))

    def test_empty_tree_is_a_problem(self):
        self.assertNotEqual(self.layers.check(self.folder), [])


class Headers(unittest.TestCase):

    def test_each_header_compiles_alone(self):
        done = subprocess.run([os.path.join(TOOLS, 'check-headers'), support.ROOT],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)


class Summary(unittest.TestCase):

    def count(self, output, result='OK'):
        return load('test-summary').count({'name': 'x', 'stdout': output, 'result': result})

    def test_check(self):
        self.assertEqual(self.count('Running\n100%: Checks: 12, Failures: 0, Errors: 0\n'),
                         ((12, 0, 0), None))
        counts, remark = self.count('80%: Checks: 5, Failures: 1, Errors: 0\n', 'FAIL')
        self.assertEqual(counts, (4, 1, 0))
        self.assertIsNotNone(remark)

    def test_check_that_ran_nothing(self):
        self.assertEqual(self.count('100%: Checks: 0, Failures: 0, Errors: 0\n')[0], (0, 1, 0))

    def test_unittest(self):
        tail = '-' * 70 + '\nRan %s in 0.100s\n\n%s\n'
        self.assertEqual(self.count(tail % ('7 tests', 'OK')), ((7, 0, 0), None))
        self.assertEqual(self.count(tail % ('1 test', 'OK')), ((1, 0, 0), None))
        self.assertEqual(self.count(tail % ('7 tests', 'OK (skipped=2)')), ((5, 0, 2), None))
        self.assertEqual(self.count(tail % ('0 tests', 'OK (skipped=1)')), ((0, 0, 1), None))
        counts, remark = self.count(
            tail % ('9 tests', 'FAILED (failures=1, errors=2, skipped=3)'), 'FAIL')
        self.assertEqual(counts, (3, 3, 3))
        self.assertIsNotNone(remark)
        self.assertEqual(self.count(tail % ('0 tests', 'OK'))[0], (0, 1, 0))

    def test_silence_and_crashes_are_failures(self):
        self.assertEqual(self.count('')[0], (0, 1, 0))
        self.assertEqual(self.count('100%: Checks: 3, Failures: 0, Errors: 0\n', 'FAIL')[0],
                         (3, 1, 0))
        self.assertEqual(self.count('', 'TIMEOUT')[0], (0, 1, 0))

    def test_status(self):
        main = load('test-summary').main
        self.assertEqual(subprocess.run([os.path.join(TOOLS, 'test-summary')],
                                        stdout=subprocess.DEVNULL).returncode, 1)
        self.assertTrue(callable(main))


if __name__ == '__main__':
    support.main()
