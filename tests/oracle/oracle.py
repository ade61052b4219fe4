#!/usr/bin/env python3
"""The oracle: reads .etl files and writes what etl2csv must write, by other means.

    oracle.py TRACE.etl [MORE.etl ...] [--csv OUT] [--stats OUT] [--columns a,b,c] [--table NAME]

OUT may be - for standard output. Only the tests use it.
"""
import argparse
import contextlib
import datetime
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import etl    # noqa: E402
import heap   # noqa: E402
import tables  # noqa: E402

FILETIME_UNIX_EPOCH = 116_444_736_000_000_000
COLUMNS = ('time_ns process_id process_name thread_id cpu event heap address size_bytes '
           'old_address old_size_bytes source lifetime_ns heap_live_bytes heap_live_blocks '
           'stack_id').split()


def hexadecimal(value):
    return None if value is None else '0x%x' % value


def time_utc(trace, time_ns):
    """ISO 8601 with nanoseconds."""
    unix_ns = (trace.start_filetime() - FILETIME_UNIX_EPOCH) * 100 + time_ns
    seconds, ns = divmod(unix_ns, 1_000_000_000)
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return when.strftime('%Y-%m-%dT%H:%M:%S') + '.%09dZ' % ns


CELLS = {
    'time_ns': lambda trace, r: r.time_ns,
    'process_id': lambda trace, r: r.instance.pid,
    'process_name': lambda trace, r: r.instance.name,
    'thread_id': lambda trace, r: r.tid,
    'cpu': lambda trace, r: r.cpu,
    'event': lambda trace, r: r.event,
    'heap': lambda trace, r: hexadecimal(r.heap),
    'address': lambda trace, r: hexadecimal(r.address),
    'size_bytes': lambda trace, r: r.size,
    'old_address': lambda trace, r: hexadecimal(r.old_address),
    'old_size_bytes': lambda trace, r: r.old_size,
    'source': lambda trace, r: r.source,
    'lifetime_ns': lambda trace, r: r.lifetime,
    'heap_live_bytes': lambda trace, r: r.live_bytes,
    'heap_live_blocks': lambda trace, r: r.live_blocks,
    'stack_id': lambda trace, r: r.stack.id if r.stack else None,
    'time_utc': lambda trace, r: time_utc(trace, r.time_ns),
    'raw_time': lambda trace, r: r.raw,
    'process_live_bytes': lambda trace, r: r.process_bytes,
    'process_live_blocks': lambda trace, r: r.process_blocks,
    'stack': lambda trace, r: r.stack.text if r.stack else None,
}


def quoted(cell):
    """A cell as RFC 4180 wants it."""
    if cell is None:
        return ''
    cell = str(cell)
    if any(c in cell for c in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def write_csv(out, header, rows):
    out.write(','.join(header) + '\n')
    for row in rows:
        out.write(','.join([quoted(cell) for cell in row]) + '\n')


def event_rows(trace, rows, columns):
    getters = [CELLS[name] for name in columns]
    return ([get(trace, row) for get in getters] for row in rows)


def table_rows(replayed, name, columns):
    """The rows of a table of tables.py, the given columns of them."""
    places = [tables.COLUMNS[name].index(column) for column in columns]
    return ([row[place] for place in places] for row in tables.TABLES[name](replayed))


def replay(paths):
    """(trace, heap replay) of the inputs."""
    trace = etl.Trace(paths)
    return trace, heap.Heap(trace).run()


def opened(path):
    if path == '-':
        return contextlib.nullcontext(sys.stdout)
    return open(path, 'w', encoding='utf-8', newline='')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('inputs', nargs='+', metavar='TRACE.etl')
    parser.add_argument('--csv')
    parser.add_argument('--stats')
    parser.add_argument('--columns')
    parser.add_argument('--table', default='events', choices=['events', *tables.TABLES])
    options = parser.parse_args()
    trace, result = replay(options.inputs)
    columns = tables.COLUMNS.get(options.table, COLUMNS)
    if options.columns:
        columns = options.columns.split(',')
    if options.csv:
        with opened(options.csv) as out:
            rows = (event_rows(trace, result.rows, columns) if options.table == 'events'
                    else table_rows(result, options.table, columns))
            write_csv(out, columns, rows)
    if options.stats:
        with opened(options.stats) as out:
            json.dump(result.stats(), out, indent=1)
            out.write('\n')


if __name__ == '__main__':
    main()
