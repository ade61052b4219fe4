"""Each call of the system fails once, is cut short, or a signal comes just then.

A library preloaded by LD_PRELOAD (tests/call_fail.c) does that at the n-th call. The normal run
takes a sample of n, ETLHEAP_LONG=1 takes every one. Afterwards there are the files of before, or
all of the new ones, whole; and the status says which.
"""
import errno
import os
import random
import re
import signal

import support

LONG = os.environ.get('ETLHEAP_LONG') == '1'
SAMPLES = 12 # of the calls, for each way in which something can happen
PUBLISHING = 'rename,link,unlink,close' # the calls by which files get their names, and their like
CONVERTERS = ('etl2csv', 'etl2chrome', 'etl2perfetto')


class Calls(support.PreloadTestCase):

    LIBRARY = 'CALL_FAIL_LIBRARY'

    def convert(self, command, how='', n=0, calls=None, **more):
        """(status, message, files) of a run with something happening at the n-th call."""
        if calls:
            more['CALL_FAIL_CALLS'] = calls
        status, message = self.run_preloaded(command, CALL_FAIL=str(n), CALL_FAIL_HOW=how,
                                             CALL_FAIL_COUNT=self.path('count'), **more)
        return status, message, self.outputs()

    def lay_out(self, files):
        """Makes `files` all that is in the output folder."""
        for name in set(os.listdir(self.path('out'))) - set(files):
            os.remove(self.path('out', name))
        for name, content in files.items():
            self.write(os.path.join('out', name), content)

    def numbers(self, count, calls):
        numbers = range(1, count + 1)
        if LONG or calls == PUBLISHING or count <= SAMPLES:
            return numbers
        return sorted(random.Random(count).sample(numbers, SAMPLES))

    def runs(self, command, before, hows, calls=None):
        """Yields (what, status, message, files, new files) of every run that `hows` ask for."""
        self.lay_out(before)
        status, message, new = self.convert(command, calls=calls)
        self.assertEqual(status, 0, message)
        self.assertNotEqual(new, before)
        for how in hows:
            for n in self.numbers(int(self.read('count')), calls):
                self.lay_out(before)
                status, message, files = self.convert(command, how, n, calls)
                what = '%s at call %d of %s: status %d, %r, %s' % (
                    how, n, calls or 'all', status, message, sorted(files))
                yield what, status, message, files, new

    def commands(self):
        """(command, files of before) for one file and for several, new and replaced."""
        made = support.program('etlgen') + ['random', '--events', '300', '-o', self.path('out', 'x')]
        yield made, {}
        yield made, {'x': b'old'}
        for name in CONVERTERS:
            one = support.program(name) + ['-q', '-o', self.path('out', 'x'), self.trace]
            yield one, {}
            yield one + ['-f', '--zstd'], {'x': b'old'}
            many = one + ['--split-rows', '100', '--stats', self.path('out', 's')]
            yield many, {}
            yield many + ['-f'], {'x.0001': b'old', 'x.0003': b'third', 's': b'stats'}

    def test_errors(self):
        hows = ['error:%d' % number for number in (errno.EIO, errno.ENOSPC)]
        for command, before in self.commands():
            for what, status, message, files, new in self.runs(command, before, hows):
                with self.subTest(what=what, command=command):
                    self.check_error(status, message, files, before, new)

    def check_error(self, status, message, files, before, new):
        """One failed call: of those that remove a temporary file, that file may be left."""
        named = {name: content for name, content in files.items()
                 if not re.fullmatch(r'\..*\.tmp', name)}
        self.assertLessEqual(len(files), len(named) + 1)
        self.assertIn(status, (0, 1))
        self.assertEqual(named, before if status else new)
        if status:
            self.assertNotEqual(message, '')

    def test_no_more_names(self):
        """From some moment on no file can be renamed: what was replaced is kept, and named."""
        kept = 0
        for command, before in self.commands():
            for what, status, message, files, new in self.runs(
                    command, before, ['errors:%d' % errno.EIO], 'rename,link'):
                with self.subTest(what=what, command=command):
                    self.assertEqual(status, 1)
                    kept += self.check_kept(message, files, before, new)
        self.assertGreater(kept, 10)

    def check_kept(self, message, files, before, new):
        """How many files have another name than before; each is named, and no new one is left."""
        contents = list(files.values())
        self.assertCountEqual(contents, before.values())
        moved = [name for name in files if files[name] != before.get(name)]
        for name in moved:
            self.assertIn(name, message)
        return len(moved)

    def test_signals(self):
        hows = ['before:%d' % signal.SIGTERM, 'after:%d' % signal.SIGINT,
                'before:%d' % signal.SIGQUIT, 'after:%d' % signal.SIGXCPU]
        for command, before in self.commands():
            for calls in (None, PUBLISHING):
                for what, status, message, files, new in self.runs(command, before, hows, calls):
                    with self.subTest(what=what, command=command):
                        self.assertEqual(status, -int(what.split()[0].partition(':')[2]))
                        self.assertEqual(message, '')
                        self.assertIn(files, (before, new))

    def test_signals_where_files_have_names(self):
        """What is unpacked is spooled; it has a name for an instant where there are no nameless files."""
        os.mkdir(self.path('spool'))
        packed = self.pack(self.trace)
        command = support.program('etl2csv') + ['-q', '-o', self.path('out', 'x'), packed]
        for how in ('before:%d', 'after:%d'):
            for n in (1, 2, 3):
                status, _, files = self.convert(
                    command, how % signal.SIGTERM, n, 'mkostemp,unlink',
                    CALL_FAIL_TMPFILE='1', TMPDIR=self.path('spool'))
                self.assertEqual(status, -signal.SIGTERM)
                self.assertEqual(os.listdir(self.path('spool')), [])
                self.assertEqual(list(files), ['x'] if n == 3 else []) # published by then
                self.lay_out({})

    def test_short_and_interrupted(self):
        packed = self.pack(self.trace)
        for command, before in self.commands():
            for trace in (self.trace, packed):
                command = [trace if word == self.trace else word for word in command]
                for what, status, message, files, new in self.runs(
                        command, before, ['short', 'error:%d' % errno.EINTR], 'read,pread,write'):
                    with self.subTest(what=what, command=command):
                        self.assertEqual((status, message), (0, ''))
                        self.assertEqual(files, new)


if __name__ == '__main__':
    support.main()
