"""The tables of etl2csv other than events, for the oracle (semantics 4 and 5).

Each function takes a finished heap.Heap, or a filters.View of one, and returns the table's rows, as
lists of cells in the order of COLUMNS. None is an empty cell.
"""

COLUMNS = {
    'heaps': 'process_id process_name heap created_ns destroyed_ns allocs frees bytes_allocated '
             'bytes_freed peak_live_bytes peak_time_ns outstanding_bytes outstanding_blocks',
    'outstanding': 'process_id process_name heap address size_bytes alloc_time_ns thread_id '
                   'stack_id',
    'sizes': 'process_id process_name heap size_min size_max allocs bytes',
    'callsites': 'stack_id allocs bytes_allocated frees outstanding_bytes outstanding_blocks '
                 'temporary',
    'processes': 'process_id process_name parent_id start_ns end_ns command_line',
    'stacks': 'stack_id depth address module offset symbol',
}
COLUMNS = {table: columns.split() for table, columns in COLUMNS.items()}

FREED = ('free', 'realloc')  # ways of going that the tables count as a free
MASK64 = (1 << 64) - 1


def hexadecimal(value):
    return '0x%x' % value


def rows_by_heap(replay):
    """{(instance, handle): [row]} of the rows that name a heap; heaps by their first row."""
    found = {}
    for row in replay.rows:
        if row.heap is not None:
            found.setdefault((row.instance, row.heap), []).append(row)
    return found


def changes_by_heap(replay):
    """{(instance, handle): [(what, block, bytes)]}"""
    found = {}
    for what, _, block, size, _ in replay.journal:
        place = block.heap.instance, block.heap.handle
        found.setdefault(place, []).append((what, block, size))
    return found


def identity(place):
    instance, handle = place
    return [instance.pid, instance.name, hexadecimal(handle)]


def life(rows):
    """(first create, last destroy that no create follows)"""
    creates = [row.time_ns for row in rows if row.event == 'create']
    ends = [row for row in rows if row.event in ('create', 'destroy')]
    destroyed = ends[-1].time_ns if ends and ends[-1].event == 'destroy' else None
    return creates[0] if creates else None, destroyed


def peak(rows):
    """(bytes, time when they were reached first)"""
    most = max(row.live_bytes for row in rows)
    return most, next(row.time_ns for row in rows if row.live_bytes == most) if most else None


def heaps(replay):
    changes = changes_by_heap(replay)
    table = []
    for place, rows in rows_by_heap(replay).items():
        mine = changes.get(place, [])
        added = [size for what, _, size in mine if what == 'add']
        freed = [size for what, _, size in mine if what in FREED]
        growth = [size for what, _, size in mine if what == 'resize' and size > 0]
        shrinkage = [-size for what, _, size in mine if what == 'resize' and size < 0]
        left = place[0].heaps[place[1]].blocks.values()
        table.append(identity(place) + [
            *life(rows), len(added), len(freed), sum(added + growth) & MASK64,
            sum(freed + shrinkage) & MASK64, *peak(rows),
            sum(block.size for block in left) & MASK64, len(left)])
    return table


def live_blocks(replay):
    has_state = getattr(replay, 'has_state', lambda state: True)
    return [block for instance in replay.instances for state in instance.heaps.values()
            if has_state(state) for block in state.blocks.values()]


def outstanding(replay):
    blocks = live_blocks(replay)
    blocks.sort(key=lambda block: (block.birth, block.order))
    return [identity((block.heap.instance, block.heap.handle))
            + [hexadecimal(block.address), block.size, block.birth, block.row.tid,
               block.row.stack.id if block.row.stack else None] for block in blocks]


def bucket(size):
    """(smallest, largest) size that is counted with `size`."""
    if size == 0:
        return 0, 0
    smallest = 1
    while smallest * 2 <= size:
        smallest *= 2
    return smallest, smallest * 2 - 1


def sizes(replay):
    changes = changes_by_heap(replay)
    table = []
    for place in rows_by_heap(replay):
        asked = {}
        for what, _, size in changes.get(place, []):
            if what == 'add':
                asked.setdefault(bucket(size), []).append(size)
        for limits in sorted(asked):
            one = asked[limits]
            table.append(identity(place) + [*limits, len(one), sum(one) & MASK64])
    return table


def temporaries(replay):
    """The blocks that were freed with no other block added to their process in between."""
    last = {}  # instance: its youngest block
    found = set()
    for what, _, block, _, _ in getattr(replay, 'whole_journal', replay.journal):
        instance = block.heap.instance
        if what == 'add':
            last[instance] = block
        elif what == 'free' and last[instance] is block:
            found.add(block)
    return found


def callsites(replay):
    sites = {}
    temporary = temporaries(replay)
    for what, _, block, size, _ in replay.journal:
        stack = block.row.stack
        site = sites.setdefault(stack.id if stack else None, [[], [], set(), [], set()])
        blocks, allocated, freed, live, short = site
        if what == 'add':
            blocks.append(block)
            allocated.append(size)
            live.append(size)
        elif what == 'resize':
            allocated.append(max(size, 0))
            live.append(size)
        else:
            live.append(-size)
            if what in FREED:
                freed.add(block)
            if block in temporary:
                short.add(block)
    outstanding = {}
    for block in live_blocks(replay):
        stack = block.row.stack
        outstanding.setdefault(stack.id if stack else None, []).append(block)
    return [[number, len(blocks), sum(allocated) & MASK64, len(freed), sum(live) & MASK64,
             len(outstanding.get(number, ())), len(short)]
            for number, (blocks, allocated, freed, live, short)
            in sorted(sites.items(), key=lambda item: (item[0] is None, item[0]))]


def processes(replay):
    """In no order to rely on."""
    with_events = {row.instance for row in replay.rows}
    return [[i.pid, i.name, i.parent, i.start_ns, i.end_ns, i.command_line]
            for i in replay.instances
            if i.pid is not None and (i.name or i.parent is not None or i.start_ns is not None
                                      or i in with_events)]


def stacks(replay):
    return [[stack.id, depth, hexadecimal(address), image.name if image else None,
             hexadecimal(address - image.base) if image else None, None]
            for stack in replay.stacks.stacks
            for depth, (address, image) in enumerate(stack.frames)]


TABLES = {f.__name__: f for f in (heaps, outstanding, sizes, callsites, processes, stacks)}

# What --top orders rows by, the second column where the first ones are equal.
MEASURES = {
    'heaps': ('outstanding_bytes', 'bytes_allocated'),
    'outstanding': ('size_bytes',),
    'sizes': ('bytes', 'allocs'),
    'callsites': ('outstanding_bytes', 'bytes_allocated'),
}


def top(table, rows, count):
    """The `count` largest of a table's rows; equal ones stay in the table's order."""
    places = [COLUMNS[table].index(column) for column in MEASURES[table]]
    return sorted(rows, key=lambda row: [-row[place] for place in places])[:count]
