"""What happens at limits: a message, a count, status 3, and everything else as without them.

The programs here are built with small limits (lib/base/limits.h, ETLHEAP_SMALL_LIMITS); --max-live
is tested with the ordinary ones.
"""
import csv
import io
import json
import os
import subprocess
import unittest

import support

SESSION = 'session cpus=1 buffer_size=64K\n'
COLUMNS = ('time_ns,process_id,process_name,thread_id,event,heap,address,size_bytes,lifetime_ns,'
           'heap_live_bytes,heap_live_blocks,process_live_bytes,stack_id,stack')


class Limits(support.CliTestCase):

    def convert(self, text, *options, name='etl2csv_small', status=3):
        """(rows, messages, counts)."""
        trace = self.build_text('t', SESSION + text)
        done = support.run(name, '-q', '-f', '-o', self.path('out'), '--stats', self.path('stats'),
                           '--columns', COLUMNS, *options, trace, status=status)
        rows = list(csv.DictReader(io.StringIO(self.read('out').decode())))
        said = [line.partition(trace + ': ')[2] for line in done.stderr.splitlines()]
        self.counts = json.loads(self.read('stats'))
        self.check_timelines(trace, status, options)
        return rows, said, self.counts

    def check_timelines(self, trace, status, options):
        """The other converters end alike, with valid output and the same counts."""
        suffix = '' if status != 3 or '--max-live' in options else '_small'
        out = self.path('out.json')
        support.run('etl2chrome' + suffix, '-q', '-f', '-o', out, *options, trace, status=status)
        other = json.loads(self.read('out.json'))['otherData']
        for key, value in self.counts.items():
            if key.startswith('left_out'):
                self.assertEqual(int(other[key]), value)
        support.run('etl2perfetto' + suffix, '-q', '-f', '-o', self.path('out.pftrace'), *options,
                    trace, status=status)

    def left_out(self, counts):
        return {key[9:]: value for key, value in counts.items() if key.startswith('left_out_')}

    def test_nothing_is_said_below_limits(self):
        rows, said, counts = self.convert('alloc t=1ms pid=4 tid=8 heap=1 addr=1 size=1\n', status=0)
        self.assertEqual((len(rows), said, self.left_out(counts)), (1, [], {}))

    def test_processes(self):
        text = ''.join('alloc t=%dms pid=%d tid=%d heap=0x10000 addr=%d size=10\n'
                       % (i, 4 * i, 4 * i, 16 * i) for i in range(1, 7))
        text += ''.join('free t=%dms pid=%d tid=%d heap=0x10000 addr=%d\n'
                        % (10 + i, 4 * i, 4 * i, 16 * i) for i in range(1, 7))
        rows, said, counts = self.convert(text)
        self.assertEqual(self.left_out(counts), {'processes': 6})
        self.assertEqual(said, ['6 records are of other processes than the 3 that are kept; events among '
                                'them have no process, and their blocks are not tracked'])
        for kept in rows[:3] + rows[6:9]:
            self.assertNotEqual(kept['process_id'], '')
            self.assertNotEqual(kept['heap_live_bytes'], '')
        for left in rows[3:6] + rows[9:]:
            for empty in ('process_id', 'heap_live_bytes', 'process_live_bytes', 'lifetime_ns'):
                self.assertEqual(left[empty], '')
            self.assertEqual(left['heap'], '0x10000')
        self.assertEqual([row['thread_id'] for row in rows[3:6]], ['16', '20', '24'])
        self.assertEqual([row['size_bytes'] for row in rows[3:6]], ['10'] * 3)
        self.assertEqual(counts['outstanding_blocks'], 0)
        self.assertEqual(counts['unmatched_frees'], 0)
        self.assertEqual(counts['heap_events'], {'alloc': 6, 'free': 6})

    def test_process_ids_used_again(self):
        lines = []
        for i in range(1, 6):
            lines += ['process start t=%dms pid=8 key=%d name=p%d' % (i, i, i),
                      'alloc t=%dms pid=8 tid=12 heap=0x10000 addr=16 size=10' % i]
        rows, said, counts = self.convert('\n'.join(lines) + '\n')
        # Two instances, and nobody before the first.
        self.assertEqual([row['process_name'] for row in rows], ['p1', 'p2', '', '', ''])
        self.assertEqual([row['heap_live_blocks'] for row in rows], ['1', '1', '', '', ''])
        self.assertEqual(list(self.left_out(counts)), ['processes'])
        self.assertEqual(counts['implicit_frees'], 2)
        self.assertEqual(counts['replaced_allocs'], 0)

    def test_threads(self):
        text = ''.join('thread start t=1ms pid=4 tid=%d name=t%d\n' % (8 + 4 * i, i) for i in range(5))
        text += ''.join('alloc t=2ms pid=4 tid=%d heap=1 addr=%d size=10\n' % (8 + 4 * i, 16 * i + 16)
                        for i in range(5))
        rows, said, counts = self.convert(text)
        self.assertEqual([row['thread_id'] for row in rows], ['8', '12', '16', '20', '24'])
        self.assertEqual([row['heap_live_blocks'] for row in rows], list('12345'))
        self.assertEqual(self.left_out(counts), {'threads': 2 + 2})
        self.assertIn('other threads than the 3 that are kept', said[0])

    def test_each_record_of_a_thread_without_a_place_counts(self):
        """Also where records come one after another, and with stacks."""
        for stack in ('', 'stack pid=4 tid=%d frames=0x77\n'):
            text = ''.join('thread start t=1ms pid=4 tid=%d\n' % tid for tid in (8, 12, 16))
            for t in range(2, 12):
                for tid in (8, 20):
                    text += 'alloc t=%dms pid=4 tid=%d heap=1 addr=%d size=10\n' % (t, tid, tid)
                    text += stack and stack % tid
                    text += 'free t=%dms pid=4 tid=%d heap=1 addr=%d\n' % (t, tid, tid)
            rows, _, counts = self.convert(text)
            self.assertEqual(self.left_out(counts), {'threads': 20})
            self.assertEqual([row['thread_id'] for row in rows], ['8', '8', '20', '20'] * 10)

    def test_heaps(self):
        text = ''.join('%s t=%dms pid=4 tid=8 heap=%d addr=16 size=10\n' % (kind, t, heap)
                       for t, kind in ((1, 'alloc'), (2, 'free')) for heap in range(1, 6))
        text = text.replace(' size=10', '', 0)
        text = '\n'.join(line.replace(' size=10', '') if line.startswith('free') else line
                         for line in text.splitlines()) + '\n'
        text += 'destroy t=3ms pid=4 tid=8 heap=5\ncreate t=3ms pid=4 tid=8 heap=5\n'
        rows, said, counts = self.convert(text)
        self.assertEqual(self.left_out(counts), {'heaps': 6})
        self.assertEqual([row['heap_live_blocks'] for row in rows[:5]], ['1', '1', '1', '', ''])
        self.assertEqual([row['heap'] for row in rows[:5]], ['0x%d' % i for i in range(1, 6)])
        self.assertEqual({row['process_id'] for row in rows}, {'4'})
        self.assertEqual(counts['unmatched_frees'], 0)
        self.assertIn('other heaps than the 3 that are kept', said[0])

    def test_stacks_and_frames(self):
        text = ''
        for i in range(1, 8):
            text += ('alloc t=%dms pid=4 tid=8 heap=1 addr=%d size=10\nstack pid=4 tid=8 frames=0x%d000,0x77\n'
                     % (i, 16 * i, i))
        rows, said, counts = self.convert(text)
        self.assertEqual([row['stack_id'] for row in rows], ['1', '2', '3', '4', '', '', ''])
        self.assertEqual(self.left_out(counts), {'stacks': 3})
        self.assertEqual(counts['stacks_attached'], 4)
        frames = ','.join('0x%x000' % (16 + i) for i in range(12))
        rows, said, counts = self.convert('alloc t=1ms pid=4 tid=8 heap=1 addr=16 size=10\n'
                                          'stack pid=4 tid=8 frames=%s\n' % frames)
        self.assertEqual(rows[0]['stack'].count(';'), 7)
        self.assertEqual(self.left_out(counts), {'frames': 1})
        self.assertEqual(said, ['1 stacks have 8 frames or more; outer ones beyond are left out'])

    def test_part_of_a_stack_without_a_place(self):
        text = ''
        for i in range(1, 6):
            text += ('alloc t=%dms pid=4 tid=8 heap=1 addr=%d size=10\n'
                     'stack pid=4 tid=8 frames=0xfffff8000000%d000\n'
                     'stack pid=4 tid=8 frames=0x%d000\n' % (i, 16 * i, i, i))
        rows, _, counts = self.convert(text)
        # Two of each part fit, none of the whole stacks made of them: no part stands for a whole.
        self.assertEqual([row['stack_id'] for row in rows], [''] * 5)
        self.assertEqual(self.left_out(counts), {'stacks': 5})

    def test_stack_keys(self):
        text = ''
        for i in range(1, 6):
            text += ('alloc t=%dms pid=4 tid=8 heap=1 addr=%d size=10\nstack_user pid=4 tid=8 key=%d\n'
                     'stack_key_create key=%d frames=0x%d000\n' % (i, 16 * i, i, i, i))
        rows, _, counts = self.convert(text)
        self.assertEqual([row['stack_id'] for row in rows], ['1', '2', '3', '', ''])
        self.assertEqual(self.left_out(counts), {'stack_keys': 2})

    def test_images_and_volumes(self):
        text = ''.join('volume nt=\\V%d dos=%s:\n' % (i, 'CDEFG'[i]) for i in range(5))
        text += ''.join('image load t=1ms pid=4 base=0x%d0000 size=0x10000 name=\\V%d\\m%d.dll\n'
                        % (i, i - 1, i) for i in range(1, 6))
        text += 'alloc t=2ms pid=4 tid=8 heap=1 addr=16 size=10\n'
        text += 'stack pid=4 tid=8 frames=0x10001,0x20001,0x30001,0x40001,0x50001\n'
        rows, said, counts = self.convert(text)
        self.assertEqual(rows[0]['stack'], '0x10001;0x20001;0x30001;0x40001;0x50001')
        text = text.replace('pid=4', 'pid=12')
        rows, said, counts = self.convert(text)
        self.assertEqual(rows[0]['stack'],
                         'm1.dll+0x1;m2.dll+0x1;m3.dll+0x1;0x40001;0x50001')
        self.assertEqual(self.left_out(counts), {'images': 2, 'volumes': 2})

    def test_images_of_processes_without_a_place(self):
        text = ''
        for i in range(1, 6):
            text += 'image load t=1ms pid=%d base=0x10000 size=0x1000 name=m%d.dll\n' % (8 * i, i)
        for i in range(1, 6):
            text += ('alloc t=2ms pid=%d tid=%d heap=1 addr=16 size=10\n'
                     'stack pid=%d tid=%d frames=0x10010\n' % (8 * i, 8 * i, 8 * i, 8 * i))
        rows, _, counts = self.convert(text)
        self.assertEqual([row['stack'] for row in rows],
                         ['m1.dll+0x10', 'm2.dll+0x10', 'm3.dll+0x10', '0x10010', '0x10010'])
        self.assertEqual(list(self.left_out(counts)), ['processes'])

    def test_names(self):
        text = ''.join('process dcstart t=1ms pid=%d name=%s\n' % (8 * i, name)
                       for i, name in ((1, 'a' * 60), (2, 'b' * 80), (3, 'c' * 10)))
        text += ''.join('alloc t=2ms pid=%d tid=%d heap=1 addr=16 size=10\n' % (8 * i, 8 * i)
                        for i in (1, 2, 3))
        rows, said, counts = self.convert(text)
        self.assertEqual([row['process_name'] for row in rows], ['a' * 60, 'b' * 64, 'c' * 10])
        self.assertEqual(self.left_out(counts), {'names': 1})
        text = ''.join('thread start t=1ms pid=4 tid=8 name=%s\n' % (chr(97 + i) * 50)
                       for i in range(14))
        rows, said, counts = self.convert(text + 'alloc t=2ms pid=4 tid=8 heap=1 addr=16 size=10\n')
        self.assertIn('names', self.left_out(counts))

    def test_buffers(self):
        text = 'set pid=4 tid=8 heap=1\n' + ''.join(
            'lock t=%dms\nflush\n' % i for i in range(1, 31))
        rows, said, counts = self.convert(text)
        # The first buffer is the session's.
        self.assertEqual([row['time_ns'] for row in rows],
                         ['%d000000' % i for i in range(1, 20)])
        self.assertEqual(counts['bytes_skipped'], 11 * 65536)
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], r'\Amore buffers in one file than the 20 that are read, '
                         r'at offset %d; the rest is left out \(%d bytes\)\Z'
                         % (20 * 65536, 11 * 65536))

    def test_spooled_bytes(self):
        trace = self.build_text('t', SESSION + 'alloc t=1ms pid=4 tid=8 heap=1 addr=16 size=1\n'
                                + 'flush\nzeros n=1000000\n')
        with open(trace, 'rb') as f:
            data = f.read()
        for name in ('etl2csv_small', 'etl2chrome_small', 'etl2perfetto_small'):
            support.run(name, '-q', '-o', self.path('out'), trace)
            self.assertGreater(len(self.read('out')), 0)
            os.remove(self.path('out'))
            done = support.run(name, '-q', '-o', self.path('out'), '-', stdin=data, status=1)
            self.assertRegex(done.stderr, r'-: holds more than \d+ GiB, which is refused')
            self.assertFalse(os.path.exists(self.path('out')))

    def test_max_live(self):
        text = ''.join('alloc t=%dms pid=4 tid=8 heap=1 addr=%d size=10\n' % (i, 16 * i)
                       for i in range(1, 6))
        text += ''.join('free t=%dms pid=4 tid=8 heap=1 addr=%d\n' % (10 + i, 16 * i)
                        for i in range(1, 6))
        text += 'alloc t=20ms pid=4 tid=8 heap=1 addr=160 size=7\n'
        rows, said, counts = self.convert(text, '--max-live', '3', name='etl2csv')
        self.assertEqual([row['heap_live_blocks'] for row in rows],
                         ['1', '2', '3', '', '', '2', '1', '0', '0', '0', '1'])
        self.assertEqual([row['size_bytes'] for row in rows[5:10]], ['10', '10', '10', '', ''])
        self.assertEqual(self.left_out(counts), {'blocks': 2})
        self.assertEqual(counts['unmatched_frees'], 2)
        self.assertEqual(counts['peak_live_bytes'], 30)
        self.assertEqual((counts['outstanding_blocks'], counts['outstanding_bytes']), (1, 7))
        self.assertEqual(said, ['2 blocks were live beside the 3 that are kept; they are not tracked: live '
                                'figures leave them out, and their frees count as unmatched'])
        enough, said, _ = self.convert(text, '--max-live', '5', name='etl2csv', status=0)
        without, _, _ = self.convert(text, name='etl2csv', status=0)
        self.assertEqual((enough, said), (without, []))

    def test_max_live_with_replaced_blocks_and_reallocs(self):
        text = ''.join('alloc t=%dms pid=4 tid=8 heap=1 addr=%d size=10\n' % (i, 16 * i)
                       for i in (1, 2))
        text += ('alloc t=3ms pid=4 tid=8 heap=1 addr=16 size=20\n'
                 'free t=3ms pid=4 tid=8 heap=1 addr=16\n'
                 'realloc t=4ms pid=4 tid=8 heap=1 new=64 old=32 newsize=5 oldsize=10\n'
                 'realloc t=5ms pid=4 tid=8 heap=1 new=80 old=99 newsize=5 oldsize=10\n'
                 'realloc t=6ms pid=4 tid=8 heap=1 new=96 old=99 newsize=5 oldsize=10\n')
        rows, _, counts = self.convert(text, '--max-live', '2', name='etl2csv')
        self.assertEqual([row['heap_live_blocks'] for row in rows],
                         ['1', '2', '2', '1', '1', '2', ''])
        # The replaced block could not be kept aside, so the free is the new one's.
        self.assertEqual(rows[3]['size_bytes'], '20')
        self.assertEqual(self.left_out(counts), {'blocks': 2})
        self.assertEqual(counts['replaced_allocs'], 1)

    def test_max_live_is_checked(self):
        for wrong in ('0', '-1', '', 'many', '4294967281', '1.5'):
            done = support.run('etl2csv', '--max-live=' + wrong, 'x.etl', status=2)
            self.assertIn('--max-live takes a number from 1 to 4294967280', done.stderr)


if __name__ == '__main__':
    support.main()
