"""etlgen: the case language gives exactly the bytes it promises; wrong cases are told by line."""
import csv
import io
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time
import unittest

import support

sys.path.insert(0, support.ORACLE)
import etl

BUFFER = 65536
HEADER = 0x48

# The worked examples of the format notes, record by record, padding included.
WORKED = '''
create t=0xcdb8a61a00 flags=0x1002 reserved=0x100000 committed=0x2000 allocated=0x1000
    03 00 02 c0 44 00 20 10 2c 1a 00 00 38 0f 00 00 00 1a a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b5 a4 d2 01 00 00 02 10 00 00 00 00 10 00 00 00 00 00 00 20 00 00 00 00 00 00 00 10 00 00
    00 00 00 00 00 00 00 00
alloc t=0xcdb8a61b00 addr=0x1d2a4b5c6f0 size=0x234 source=2
    02 00 02 c0 3c 00 21 10 2c 1a 00 00 38 0f 00 00 00 1b a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b5 a4 d2 01 00 00 34 02 00 00 00 00 00 00 f0 c6 b5 a4 d2 01 00 00 02 00 00 00 00 00 00 00
stack t=0xcdb8a61b0f frames=0x7ff9a1b2c3d4,0x7ff9a1a01234,0x7ff7000112a0
    02 00 11 c0 38 00 20 18 0f 1b a6 b8 cd 00 00 00 00 1b a6 b8 cd 00 00 00 38 0f 00 00 2c 1a 00 00
    d4 c3 b2 a1 f9 7f 00 00 34 12 a0 a1 f9 7f 00 00 a0 12 01 00 f7 7f 00 00
realloc t=0xcdb8a61b40 new=0x1d2a4b60010 old=0x1d2a4b60010 newsize=0x300 oldsize=0x2f0 source=3
    02 00 02 c0 4c 00 22 10 2c 1a 00 00 38 0f 00 00 40 1b a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b5 a4 d2 01 00 00 10 00 b6 a4 d2 01 00 00 10 00 b6 a4 d2 01 00 00 00 03 00 00 00 00 00 00
    f0 02 00 00 00 00 00 00 03 00 00 00 00 00 00 00
free t=0xcdb8a61b80 addr=0x1d2a4b5c6f0
    02 00 02 c0 34 00 24 10 2c 1a 00 00 38 0f 00 00 80 1b a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b5 a4 d2 01 00 00 f0 c6 b5 a4 d2 01 00 00 02 00 00 00 00 00 00 00
alloc t=0xcdb8a61c00 bits=32 heap=0xb60000 addr=0xb6c6f0 size=0x234
    02 00 01 c0 30 00 21 10 2c 1a 00 00 38 0f 00 00 00 1c a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b6 00 34 02 00 00 f0 c6 b6 00 02 00 00 00
realloc t=0xcdb8a61c40 bits=32 heap=0xb60000 new=0xb6d000 old=0xb6c6f0 newsize=0x400 oldsize=0x234 source=3
    02 00 01 c0 38 00 22 10 2c 1a 00 00 38 0f 00 00 40 1c a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b6 00 00 d0 b6 00 f0 c6 b6 00 00 04 00 00 34 02 00 00 03 00 00 00
free t=0xcdb8a61c80 bits=32 heap=0xb60000 addr=0xb6d000 source=3
    02 00 01 c0 2c 00 24 10 2c 1a 00 00 38 0f 00 00 80 1c a6 b8 cd 00 00 00 00 00 00 00 00 00 00 00
    00 00 b6 00 00 d0 b6 00 03 00 00 00 00 00 00 00
'''


class CaseTestCase(support.CliTestCase):

    def build(self, text):
        with open(self.build_text('case', text), 'rb') as f:
            return f.read()

    def records(self, lines, session='session', n=1):
        """The stored bytes of buffer `n` of a session whose records are `lines`."""
        data = self.build('%s\n%s\n' % (session, lines))
        at = n * BUFFER
        offset, = struct.unpack_from('<I', data, at + 0x30)
        return data[at + HEADER:at + offset]

    def payload(self, line, header=0x20, session='session'):
        record = self.records(line, session)
        size, = struct.unpack_from('<H', record, 0 if header in (0x30, 0x48, 0x50) else 4)
        return record[header:size]


class WorkedExamples(CaseTestCase):

    def test_byte_for_byte(self):
        lines = [line for line in WORKED.splitlines() if line and not line.startswith(' ')]
        expected = bytes.fromhex(''.join(l for l in WORKED.splitlines() if l.startswith(' ')))
        self.assertEqual(len(lines), 8)
        self.assertEqual(
            self.records('set pid=0x0f38 tid=0x1a2c heap=0x1d2a4b50000\n' + '\n'.join(lines)).hex(),
            expected.hex())


class Values(CaseTestCase):

    def test_times(self):
        session = 'session raw0=1000 freq=1000000'
        for text, raw in [('5', 5), ('0x10', 16), ('1ms', 2000), ('1.5ms', 2500), ('-1ms', 0),
                          ('2s', 2001000), ('1999ns', 1001), ('+3', 1003), ('+1us', 1001),
                          ('.5ms', 1500), ('-7', -7)]:
            record = self.records('lock t=' + text, session)
            self.assertEqual(struct.unpack_from('<q', record, 0x10)[0], raw, text)

    def test_dates(self):
        data = self.build('session start=2024-01-31T12:30:00.1234567Z boot=1601-01-01 end=77')
        log = data[HEADER + 0x20:]
        boot, _, start = struct.unpack_from('<qqq', log, 0xF8)
        self.assertEqual(boot, 0)
        # 2024-01-31 12:30:00 UTC is 1706704200 seconds after 1970.
        self.assertEqual(start, (1706704200 + 11644473600) * 10000000 + 1234567)
        self.assertEqual(struct.unpack_from('<q', log, 0x10)[0], 77)

    def test_texts(self):
        line = r'process start version=0 name="a\xe9\"\t" bits=32'
        self.assertEqual(self.payload(line), bytes(12) + b'a\xe9"\t\0')
        line = 'thread_name pid=1 tid=2 name="\\ud800é\U0001f600\\xff"'
        name = struct.pack('<6H', 0xD800, 0xE9, 0xD83D, 0xDE00, 0xFFFD, 0)
        self.assertEqual(self.payload(line, 0x10), struct.pack('<II', 1, 2) + name)

    def test_guid_and_names(self):
        line = 'dbgid base=0x10 pid=7 guid=00112233-4455-6677-8899-aabbccddeeff age=3 pdb=a.pdb'
        record = self.records(line)
        self.assertEqual(record[2], 20)
        self.assertEqual(record[0x18:0x28].hex(), 'd775e6b35425184f830b2762732560de')
        self.assertEqual(record[0x30:0x30 + 38], struct.pack('<QI', 0x10, 7) +
                         bytes.fromhex('33221100554477668899aabbccddeeff') +
                         struct.pack('<I', 3) + b'a.pdb\0')


class Headers(CaseTestCase):

    def test_kinds(self):
        for kind, numbers, header in [('system', (1, 2), 0x20), ('compact', (3, 4), 0x18),
                                      ('perfinfo', (16, 17), 0x10), ('full', (10, 20), 0x30),
                                      ('instance', (11, 21), 0x48), ('event', (18, 19), 0x50)]:
            for bits, number in zip((32, 64), numbers):
                line = 'free kind=%s bits=%d heap=1 addr=2 source=3' % (kind, bits)
                record = self.records(line)
                self.assertEqual(record[2:4], bytes([number, 0xC0]))
                form = '<III' if bits == 32 else '<QQI'
                self.assertEqual(self.payload(line, header), struct.pack(form, 1, 2, 3))
                if header >= 0x30:
                    self.assertEqual(record[0x18:0x28].hex(), 'ab6229228061884ba825346b75f2a24a')

    def test_event_items(self):
        record = self.records('event guid=%s id=7 match=9 stack64=0x10,0x20 item=13:0102 hex=ff'
                              % ('ab' * 16))
        self.assertEqual(record[4:6], b'\1\0')
        self.assertEqual(record[0x28:0x2A], b'\7\0')
        self.assertEqual(record[0x50:], struct.pack('<HHHH3Q', 32, 6, 1, 24, 9, 0x10, 0x20) +
                         struct.pack('<HHHH', 16, 13, 0, 2) + b'\1\2' + bytes(6) +
                         b'\xff' + bytes(7))
        self.assertEqual(struct.unpack_from('<H', record)[0], 0x50 + 32 + 16 + 1)

    def test_overrides(self):
        record = self.records('lock heap=1 recsize=99 mark=0x80 kind_number=77 payload_add=aabb '
                              'payload_pad=3 payload_cut=1 by_pid=5 by_tid=6 version=258')
        self.assertEqual(record[:8], bytes([2, 1, 77, 0x80, 99, 0, 0x2B, 0x10]))
        self.assertEqual(struct.unpack_from('<II', record, 8), (6, 5))
        self.assertEqual(record[0x20:0x2C], struct.pack('<Q', 1) + b'\xaa\xbb\0\0')

    def test_versions(self):
        sizes = [('create', {2: 12, 3: 36}), ('extend', {2: 52, 3: 60}),
                 ('snapshot', {1: 36, 2: 56, 3: 64}), ('thread start', {1: 57, 2: 68, 3: 72}),
                 ('image load', {0: 18, 1: 22, 2: 58, 3: 58}),
                 ('process start', {0: 21, 1: 29, 2: 31, 3: 39, 4: 47, 5: 55})]
        for word, versions in sizes:
            for version, size in versions.items():
                line = '%s version=%d' % (word, version)
                self.assertEqual(len(self.payload(line)), size, line)
                self.assertEqual(self.records(line)[0], version)
        self.assertEqual(len(self.payload('create version=9 layout=2')), 12)


class Buffers(CaseTestCase):

    def heads(self, data):
        """(size, sequence, processor, offset, flags, type) of each buffer, stepping by size."""
        at, found = 0, []
        while at < len(data):
            size, = struct.unpack_from('<I', data, at)
            sequence, = struct.unpack_from('<q', data, at + 0x18)
            cpu, = struct.unpack_from('<H', data, at + 0x28)
            found.append((size, sequence, cpu) + struct.unpack_from('<IHH', data, at + 0x30))
            at += size
        return found

    def test_automatic(self):
        data = self.build('session buffer_size=512\n' + 'lock cpu=1\n' * 12 + 'lock cpu=0\n'
                          'flush cpu=1\nlock cpu=2\n')
        heads = self.heads(data)
        self.assertEqual(heads[0][:2], (512, 0))
        self.assertEqual(heads[0][5], 4)
        # 11 records of 40 bytes fill a buffer.
        self.assertEqual([h[:4] for h in heads[1:]],
                         [(512, 1, 1, HEADER + 11 * 40), (512, 2, 1, HEADER + 40),
                          (512, 3, 0, HEADER + 40), (512, 4, 2, HEADER + 40)])
        written, = struct.unpack_from('<I', data, HEADER + 0x20 + 0x24)
        self.assertEqual(written, len(heads))

    def test_header_overrides(self):
        data = self.build('buffer cpu=3 form=8bit size=600 stored=700 seq=-5 saved=1 current=2 '
                          'references=3 time=4 clock_word=5 logger=6 state=7 offset=8 flags=9 '
                          'type=10 union1=11 union2=12 fill=0102\nlock\nbuffer\n')
        self.assertEqual(data[:HEADER], struct.pack(
            '<IIIIqqQBBHIIHHQQ', 600, 1, 2, 3, 4, -5, 5, 3, 8, 6, 7, 8, 9, 10, 11, 12))
        self.assertEqual(data[HEADER + 40:HEADER + 44], b'\1\2\1\2')
        self.assertEqual(len(data), 700 + BUFFER)
        self.assertEqual(struct.unpack_from('<q', data, 700 + 0x18)[0], -4)

    def test_compressed_xpress(self):
        lines = ''.join('alloc t=%dms addr=%d size=%d\n' % (i, i * 16, i % 7) for i in range(3000))
        plain = self.build('session\n' + lines)
        packed = self.build('session compressed=xpress\n' + lines)
        self.assertLess(len(packed), len(plain) // 3)
        self.assertEqual(packed[HEADER + 0x20 + 6:HEADER + 0x20 + 8], b'\2\0')
        at, expanded = 1024, []
        while at < len(packed):
            size, = struct.unpack_from('<I', packed, at)
            offset, flags = struct.unpack_from('<IH', packed, at + 0x30)
            self.assertEqual(flags, 0x60)
            expanded.append(etl.xpress_expand(packed[at + HEADER:at + size], offset - HEADER))
            at += size
        for i, body in enumerate(expanded):
            at = (i + 1) * BUFFER + HEADER
            self.assertEqual(plain[at:at + len(body)], bytes(body))
        self.assertEqual(len(expanded), len(plain) // BUFFER - 1)

    def test_corruption_is_of_the_stored_bytes(self):
        lines = 'buffer compressed=%s\nalloc addr=0x10\nalloc addr=0x20\n'
        for form in ('xpress', 'lznt1', 'huffman', 'raw', 'none'):
            good = self.build(lines % form)
            bad = self.build(lines % form + 'corrupt at=3 hex=99\ncorrupt cut=2\n'
                             'corrupt append=778899\n')
            if form == 'none':
                self.assertEqual(len(bad), len(good))
                self.assertEqual(bad[HEADER + 126:HEADER + 129], b'\x77\x88\x99')
            else:
                self.assertEqual(len(bad), len(good) + 1)
                self.assertEqual(bad[-3:], b'\x77\x88\x99')
                self.assertEqual(bad[0x34], 0x60)
            self.assertEqual(bad[HEADER + 3], 0x99)

    def test_raw_bytes_patches_and_cuts(self):
        data = self.build('bytes hex="01 02"\nzeros n=3\nff n=2\nbuffer size=100\nbytes hex=aa\n'
                          'zeros n=1\nend\nbytes hex=77\npatch offset=0 hex=31\n'
                          'patch buffer=0 offset=1 hex=32\npatch offset=-1 hex=33\ncut last=0')
        self.assertEqual(data[:7], b'\x31\2\0\0\0\xff\xff')
        self.assertEqual(data[7:9], b'\x64\x32')
        self.assertEqual(data[7 + HEADER:7 + HEADER + 3], b'\xaa\0\xff')
        self.assertEqual(data[107:], b'\x33')
        self.assertEqual(self.build('bytes hex=0102030405\npatch offset=1 remove=2\n'
                                    'patch offset=1 hex=88 times=2'), b'\1\x88\x88')
        self.assertEqual(self.build('zeros n=7\npatch offset=1 hex=0a0b times=3'),
                         b'\0\x0a\x0b\x0a\x0b\x0a\x0b')
        self.assertEqual(len(self.build('session\ncut at=100')), 100)
        self.assertEqual(len(self.build('session\ncut last=100')), BUFFER - 100)

    def test_second_session(self):
        heads = self.heads(self.build('session\nlock\nsession ptr=4\nlock\n'))
        self.assertEqual([(h[1], h[5]) for h in heads], [(0, 4), (1, 0), (0, 4), (1, 0)])


class Messages(CaseTestCase):

    def test_lines_are_named(self):
        for text, line, part in [
                ('session\nalloc adr=1', 2, "no field 'adr'"),
                ('frobnicate', 1, 'no directive'),
                ('\n\nlock heap=1 heap=2', 3, 'twice'),
                ('lock heap=0x1ffffffffffffffff', 1, 'no number'),
                ('lock pid=0x100000000', 1, 'does not fit'),
                ('lock heap="1', 1, 'no end'),
                ('lock kind=odd', 1, 'none of system'),
                ('thread_name name="\\x00"', 1, 'not all zero'),
                ('buffer size=100\nlock\nlock\nend', 4, 'do not fit'),
                ('hook hex=00', 1, 'wants id='),
                ('hook id=1 hex=0', 1, 'pairs'),
                ('set size=3', 1, "no field 'size'"),
                ('zeros n=2000G', 1, 'too large'),
                ('patch offset=1 hex=00', 1, 'outside'),
                ('zeros n=4\npatch offset=2 remove=3', 2, 'outside'),
                ('zeros n=4\npatch hex=01 times=5', 2, 'outside'),
                ('zeros n=4\npatch hex=01 times=0', 2, 'none'),
                ('zeros n=4\npatch hex=01 remove=1', 2, 'takes'),
                ('lock\ncut at=999999', 2, 'only')]:
            with self.subTest(text=text):
                source = self.write('x.txt', text)
                done = support.run('etlgen', 'case', source, '-o', self.path('x.etl'), status=1)
                self.assertRegex(done.stderr, '^etlgen: %s:%d: [^\n]*%s[^\n]*\n$'
                                 % (re.escape(source), line, re.escape(part)))
                self.assertFalse(os.path.exists(self.path('x.etl')))

    def test_usage(self):
        support.run('etlgen', status=2)
        support.run('etlgen', 'frobnicate', status=2)
        support.run('etlgen', 'case', status=2)
        support.run('etlgen', 'case', '--frobnicate', status=2)
        support.run('etlgen', 'case', self.path('missing.txt'), status=1)
        for args in (['--help'], ['case', '--help']):
            self.assertLessEqual(support.run('etlgen', *args).stdout.count(b'\n'), 40)
        self.assertRegex(support.run('etlgen', '--version').stdout.decode(), r'^etlgen \d')

    def test_standard_streams(self):
        done = support.run('etlgen', 'case', '-', stdin=b'session\n')
        self.assertEqual(done.stdout, self.build('session\n'))


class Options(support.CliTestCase):

    def test_all_commands_refuse_alike(self):
        for command in ('case', 'demo', 'bench', 'random', 'graft'):
            for args, says in ((['--nothing'], '--nothing: no such option'),
                               (['-x'], '-x: no such option'),
                               (['-o'], '-o wants a value'),
                               (['--output'], '--output wants a value')):
                done = support.run('etlgen', command, *args, status=2)
                self.assertEqual(done.stderr,
                                 "etlgen: %s\nTry 'etlgen %s --help'.\n" % (says, command))
            lines = support.run('etlgen', command, '--help').stdout.decode().splitlines()
            self.assertLessEqual(max(map(len, lines)), 80, command)


class Outputs(support.CliTestCase):

    def test_full_device(self):
        commands = ('case', 'demo', 'bench', 'random', 'graft')
        for args in [('--help',), ('--version',), ('demo',), ('demo', '-o', '/dev/full')] + [
                (command, '--help') for command in commands]:
            with self.subTest(args=args), open('/dev/full', 'wb') as full:
                done = subprocess.run(support.program('etlgen') + list(args), stdout=full,
                                      stderr=subprocess.PIPE, timeout=support.TIMEOUT)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b'No space left', done.stderr)

    @unittest.skipIf(os.environ.get('MESON_EXE_WRAPPER'), 'signals would end the emulator')
    def test_signals_remove_what_is_unfinished(self):
        old = self.write('x.etl', 'the old one')
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            process = subprocess.Popen(support.program('etlgen') + [
                'bench', '--events', '10000000', '-o', old])
            while len(os.listdir(self.folder)) < 2 and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(number)
            self.assertEqual(process.wait(support.TIMEOUT), -number)
            self.assertEqual(os.listdir(self.folder), ['x.etl'])
            self.assertEqual(self.read('x.etl'), b'the old one')

    def test_file_that_grows_too_large(self):
        old = self.write('x.etl', 'the old one')
        done = subprocess.run(
            support.program('etlgen') + ['demo', '-o', old], stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'File too large', done.stderr)
        self.assertEqual(os.listdir(self.folder), ['x.etl'])
        self.assertEqual(self.read('x.etl'), b'the old one')

    def test_case_is_not_overwritten(self):
        source = self.write('case.txt', 'session\n')
        done = support.run('etlgen', 'case', source, '-o', source, status=1)
        self.assertIn('is also an input', done.stderr)
        self.assertEqual(self.read('case.txt'), b'session\n')


class Graft(CaseTestCase):

    def rows(self, path):
        done = support.run('etl2csv', '-qf', path, '-o', '-', '--stats', self.path('stats.json'))
        with open(self.path('stats.json')) as f:
            return list(csv.DictReader(io.StringIO(done.stdout.decode()))), json.load(f)

    def graft(self, source, *options):
        target = self.path('grafted.etl')
        done = support.run('etlgen', 'graft', source, '-o', target, *options)
        return target, done.stderr

    def check_graft(self, source, events):
        before = self.rows(source)
        target, report = self.graft(source, '--events', 500, '--seed', 7)
        rows, stats = self.rows(target)
        self.assertEqual(stats['heap_events_total'] - len(before[0]), 500)
        self.assertGreaterEqual(stats['events'], events + 500)
        for name in ('unmatched_frees', 'buffers_damaged', 'time_steps_back', 'bytes_skipped'):
            self.assertEqual(stats[name], before[1][name], name)
        # Every added event belongs to one of the processes reported, by its real name.
        hosts = set(re.findall(r'(\S+) \((\d+)\)', report))
        owners = {(row['process_name'], row['process_id']) for row in rows}
        self.assertTrue(hosts)
        self.assertLessEqual(hosts, owners)
        self.assertEqual(owners - hosts,
                         {(r['process_name'], r['process_id']) for r in before[0]} - hosts)
        return rows, stats

    def test_case(self):
        source = self.build_case('basic')[0]
        before = self.read(source)
        rows, stats = self.check_graft(source, 1)
        self.assertEqual(set(row['process_name'] for row in rows), {'editor.exe', 'server.exe'})
        after = self.read('grafted.etl')
        written = HEADER + 0x20 + 0x24
        processors = HEADER + 0x20 + 0x0C
        self.assertEqual(len(after) % BUFFER, 0)
        self.assertEqual(struct.unpack_from('<I', after, written)[0], len(after) // BUFFER)
        self.assertEqual(struct.unpack_from('<I', after, processors)[0], 4)
        same = bytearray(after[:len(before)])
        for at in (written, processors):
            same[at:at + 4] = before[at:at + 4]
        self.assertEqual(bytes(same), before)

    def test_compressed_case(self):
        text = 'session compressed=xpress\n'
        for i in range(40):
            text += 'process dcend t=1s pid=%d parent=4 key=%d name=p%d.exe\n' % (
                100 + i, i, i)
        self.check_graft(self.build_text('packed', text), 41)

    def test_same_seed_same_bytes(self):
        source = self.build_case('basic')[0]
        first = support.run('etlgen', 'graft', source, '--events', 100, '--seed', 3).stdout
        self.assertEqual(
            support.run('etlgen', 'graft', source, '--events', 100, '--seed', 3).stdout, first)
        self.assertNotEqual(
            support.run('etlgen', 'graft', source, '--events', 100, '--seed', 4).stdout, first)

    def test_refused(self):
        source = self.build_case('basic')[0]
        for name, part in [(source, 'is the input'), ('out.etl', 'nobody'), ('out.etl', 'no ETL'),
                           ('out.etl', 'inside a buffer')]:
            given = source
            if part == 'nobody':
                given = self.build_text('nobody', 'session\nlock pid=1\n')
            elif part == 'no ETL':
                given = self.write('text.etl', 'not a trace at all\n' * 100)
            elif part == 'inside a buffer':
                given = self.write('cut.etl', self.read(source)[:-1000])
            done = support.run('etlgen', 'graft', given, '-o', self.path(name), status=1)
            self.assertIn(part, done.stderr)
            self.assertEqual(os.path.exists(self.path('out.etl')), False)
        support.run('etlgen', 'graft', source, '--events', '0', status=2)
        support.run('etlgen', 'graft', status=2)

    def test_real_traces(self):
        grafted = 0
        for path, facts in support.real_traces():
            named = support.run('etlgen', 'graft', path, '--events', 1, '-o', self.path('x.etl'),
                                status=None)
            if named.returncode:
                self.assertIn('nobody', named.stderr)
                continue
            with self.subTest(path=os.path.basename(path)):
                self.check_graft(path, int(facts['events']))
                grafted += 1
        self.assertGreaterEqual(grafted, 4)


if __name__ == '__main__':
    support.main()
