"""Makes a fuzz target's seeds from tests/cases and runs them and its past crashes through it.

    replay_seeds.py TARGET REPLAY_PROGRAM      (the meson tests fuzz_*)
    replay_seeds.py TARGET --into FOLDER       (a first corpus for tools/fuzz)
"""
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'cli'))

import support  # noqa: E402

BUFFER_HEADER = 0x48
FLAG_COMPRESSED = 0x40


def compile_cases(folder):
    """The case files as traces, with small buffers where they name no size."""
    for name in support.case_names():
        with open(os.path.join(support.CASES, name + '.txt'), encoding='utf-8') as f:
            text = f.read()
        text = re.sub(r'^session(?!.*buffer_size=)', 'session buffer_size=1024', text, flags=re.M)
        source, trace = os.path.join(folder, name + '.txt'), os.path.join(folder, name + '.etl')
        with open(source, 'w', encoding='utf-8') as f:
            f.write(text)
        if support.run('etlgen', 'case', source, '-o', trace, status=None).returncode == 0:
            yield name, trace


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def reader_seeds(folder):
    for name, trace in compile_cases(folder):
        yield name, read(trace)


def info_seeds(folder):
    """A byte of options before each trace."""
    for number, (name, trace) in enumerate(compile_cases(folder)):
        yield name, bytes([number % 8]) + read(trace)


def packed_buffers(data):
    """(packed bytes, expanded length) of the packed buffers of a trace."""
    at = 0
    while at + BUFFER_HEADER <= len(data):
        size, = struct.unpack_from('<I', data, at)
        valid, flags = struct.unpack_from('<IH', data, at + 0x30)
        if size < BUFFER_HEADER:
            return
        if flags & FLAG_COMPRESSED:
            yield data[at + BUFFER_HEADER:at + size], valid - BUFFER_HEADER
        at += size


def expand_seeds(folder):
    for name, trace in compile_cases(folder):
        for number, (packed, length) in enumerate(packed_buffers(read(trace))):
            for algorithm in range(3):
                head = struct.pack('<I', min(max(0, length), 0x3FFFF) << 8 | algorithm)
                yield '%s-%d-%d' % (name, number, algorithm), head + packed


def zstd_seeds(folder):
    for name, trace in compile_cases(folder):
        done = support.run('etl2csv', '-q', '-c', '--zstd', trace, status=None)
        if done.stdout:
            yield name, done.stdout
    yield 'two frames', done.stdout * 2
    yield 'cut', done.stdout[:-7]


def row_seeds(_folder):
    for seed in range(40):
        yield 'random-%02d' % seed, random.Random(seed).randbytes(40 << seed % 8)


SEEDS = {'reader': reader_seeds, 'expand': expand_seeds, 'zstd': zstd_seeds,
         'info': info_seeds}


def make_seeds(target, into):
    with tempfile.TemporaryDirectory(prefix='etlheap-') as folder:
        for name, data in SEEDS.get(target, row_seeds)(folder):
            with open(os.path.join(into, name), 'wb') as f:
                f.write(data)


def replay(target, program):
    crashes = os.path.join(HERE, 'crashes', target)
    with tempfile.TemporaryDirectory(prefix='etlheap-') as seeds:
        make_seeds(target, seeds)
        folders = [seeds] + ([crashes] if os.path.isdir(crashes) else [])
        return subprocess.run(support.command(program) + folders).returncode


def main(arguments):
    if len(arguments) == 3 and arguments[1] == '--into':
        make_seeds(arguments[0], arguments[2])
        return 0
    return replay(*arguments)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
