"""What a trace consists of, for the oracle: records by kind, with the sizes of their payloads."""
import collections
import uuid

import etl

HEADERS = {getattr(etl, name): name for name in (
    'SYSTEM32', 'SYSTEM64', 'COMPACT32', 'COMPACT64', 'FULL32', 'FULL64', 'INSTANCE32', 'INSTANCE64',
    'PERFINFO32', 'PERFINFO64', 'EVENT32', 'EVENT64')}


def kind_of(record):
    """(header, hook, guid, opcode, id, version) of a record; what it has not is None."""
    header = HEADERS[record.kind]
    if record.hook is not None:
        return header, record.hook, None, None, None, etl.U16(record.body, record.at)[0]
    guid = str(uuid.UUID(bytes_le=bytes(record.guid)))
    if record.event_id is not None:
        return header, None, guid, record.opcode, record.event_id, record.version
    return header, None, guid, record.opcode, 0, etl.U16(record.body, record.at + 6)[0]


def count(paths):
    """{kind: Counter of payload sizes} over all records of known headers."""
    found = collections.defaultdict(collections.Counter)
    for record in etl.Trace(paths).records():
        found[kind_of(record)][len(record.payload())] += 1
    return found


def reported(records):
    """The same from the `records` of etlinfo --json; sizes beyond the first few under None."""
    found = {}
    for kind in records['kinds']:
        if kind['header'] not in HEADERS.values():
            continue
        hook = int(kind['hook'], 16) if 'hook' in kind else None
        key = (kind['header'], hook, kind.get('guid'), kind.get('opcode'), kind.get('id'),
               kind['version'])
        sizes = collections.Counter({int(s): n for s, n in kind['payload_sizes'].items()})
        if 'other_sizes' in kind:
            sizes[None] = kind['other_sizes']
        assert key not in found and sum(sizes.values()) == kind['count']
        found[key] = sizes
    return found
