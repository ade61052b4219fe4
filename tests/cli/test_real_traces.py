"""Traces recorded on Windows (../shared/traces beside the source; skipped where missing).

None of them holds a heap event: they prove the container. Each must give status 0, the counts
of facts.json, and outputs that are valid and empty.
"""
import json
import os
import subprocess
import sys
import unittest

import support

sys.path.insert(0, support.ORACLE)

import oracle  # noqa: E402


class RealTraces(support.CliTestCase):

    def setUp(self):
        super().setUp()
        self.traces = support.real_traces()
        self.assertGreater(len(self.traces), 0)

    def each(self):
        for path, facts in self.traces:
            with self.subTest(trace=os.path.basename(path)):
                yield path, facts

    def test_csv_is_a_header_row(self):
        for path, _ in self.each():
            done = support.run('etl2csv', '-q', '-c', path)
            self.assertEqual(done.stdout.decode(), ','.join(oracle.COLUMNS) + '\n')

    def test_counts(self):
        for path, facts in self.each():
            support.run('etl2csv', '-q', '-f', path, '-o', self.path('x.csv'),
                        '--stats', self.path('stats.json'))
            stats = json.loads(self.read('stats.json'))
            self.assertEqual(stats['events'], int(facts['events']))
            self.assertEqual(stats['buffers_read'], int(facts['buffers']))
            self.assertEqual(stats['events_lost'], int(facts['events_lost']))
            self.assertEqual(stats['buffers_lost'], int(facts['buffers_lost']))
            for name in ('heap_events_total', 'unknown_heap_events', 'buffers_damaged',
                         'bytes_skipped', 'inputs_truncated'):
                self.assertEqual(stats[name], 0, name)
            self.assertEqual(stats['heap_events'], {})

    def test_counts_equal_the_oracle(self):
        for path, _ in self.each():
            support.run('etl2csv', '-q', '-f', path, '-o', self.path('x.csv'),
                        '--stats', self.path('stats.json'))
            self.assertEqual(json.loads(self.read('stats.json')), oracle.replay([path])[1].stats())

    def test_chrome_is_valid(self):
        for path, _ in self.each():
            done = support.run('etl2chrome', '-q', '-c', path)
            document = json.loads(done.stdout.decode('utf-8'))
            events = document['traceEvents'] if isinstance(document, dict) else document
            self.assertEqual([e for e in events if e.get('ph') != 'M'], [])

    def test_perfetto_is_valid(self):
        for path, _ in self.each():
            done = support.run('etl2perfetto', '-q', '-c', path)
            proto = os.path.join(support.ROOT, 'proto')
            decoded = subprocess.run(
                ['protoc', '--proto_path=' + proto, '--decode=perfetto.Trace',
                 os.path.join(proto, 'perfetto_subset.proto')],
                input=done.stdout, capture_output=True)
            self.assertEqual(decoded.returncode, 0, decoded.stderr)
            self.assertNotIn(b'counter_value', decoded.stdout)


if __name__ == '__main__':
    support.main()
