"""The converters' filters, for the oracle (semantics 1): which rows, tables and curves they leave.

Filter(pid=..., process=..., ...) takes the options' arguments as on the command line; `process` may
be a list of patterns, which are alternatives.
"""
import re

OPTIONS = ('pid', 'process', 'heap', 'time', 'tid', 'event', 'size', 'lifetime')
OF_EVENTS = OPTIONS[3:]
NANOSECONDS = {'ns': 1, 'us': 1000, 'ms': 1000000, 's': 1000000000, '': 1000000000}
BYTES = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}


def numbers(text):
    return None if text is None else {int(item.strip(), 0) for item in text.split(',')}


def nanoseconds(text):
    sign, whole, fraction, unit = re.fullmatch(r'(-?)(\d+)(?:\.(\d+))?(ns|us|ms|s|)', text).groups()
    value = int(whole + (fraction or '')) * NANOSECONDS[unit] // 10 ** len(fraction or '')
    return -value if sign else value


def size(text):
    digits, unit = re.fullmatch(r'(\d+)([KMG]?)', text.upper()).groups()
    return int(digits) * BYTES[unit]


def span(text, parse):
    """(least, most); None is open. None altogether where there is no such option."""
    if text is None:
        return None
    if '..' not in text:
        return parse(text), parse(text)
    least, _, most = text.partition('..')
    return parse(least) if least else None, parse(most) if most else None


def within(value, limits):
    if limits is None:
        return True
    least, most = limits
    return (value is not None and (least is None or value >= least)
            and (most is None or value <= most))


def pattern(glob):
    """A regular expression for the whole name."""
    found = ''
    for star, mark, negation, inside, other in re.findall(
            r'(\*)|(\?)|\[([!^]?)(\]?[^\]]*)\]|(.)', glob, re.S):
        if star:
            found += '.*'
        elif mark:
            found += '.'
        elif inside:
            found += '[%s%s]' % ('^' if negation else '', re.sub(r'([\\\[\]^])', r'\\\1', inside))
        else:
            found += re.escape(other)
    return re.compile(found, re.S | re.I | re.A)


class Filter:

    def __init__(self, **options):
        self.options = options
        self.pids, self.heaps, self.tids = (numbers(options.get(name))
                                            for name in ('pid', 'heap', 'tid'))
        globs = options.get('process')
        self.globs = [globs] if isinstance(globs, str) else globs
        self.events = options['event'].split(',') if 'event' in options else None
        self.time = span(options.get('time'), nanoseconds)
        self.lifetime = span(options.get('lifetime'), nanoseconds)
        self.size = span(options.get('size'), size)

    def arguments(self):
        """The command line."""
        found = []
        for name, value in self.options.items():
            for one in value if isinstance(value, list) else [value]:
                found += ['--' + name, one]
        return found

    def of_events(self):
        return [name for name in OF_EVENTS if name in self.options]

    # -- what is chosen ---------------------------------------------------------------------------

    def name_fits(self, name):
        if self.globs is None:
            return True
        if name is None:
            return any(not glob.strip('*') for glob in self.globs)
        return any(pattern(glob).fullmatch(name) for glob in self.globs)

    def has_instance(self, instance):
        return (self.pids is None or instance.pid in self.pids) and self.name_fits(instance.name)

    def has_heap(self, instance, handle):
        return self.has_instance(instance) and (self.heaps is None or handle in self.heaps)

    def has_state(self, state):
        """A heap.HeapState."""
        return self.has_heap(state.instance, state.handle)

    def has_time(self, time_ns):
        return within(time_ns, self.time)

    def is_chosen(self, row):
        """By what chooses processes and heaps."""
        return self.has_heap(row.instance, row.heap)

    def is_shown(self, row):
        """In the events table, and as an instant."""
        return (self.is_chosen(row) and self.has_time(row.time_ns)
                and (self.tids is None or row.tid in self.tids)
                and (self.events is None or row.event in self.events)
                and within(row.size, self.size) and within(row.lifetime, self.lifetime))

    # -- what becomes of a replay ------------------------------------------------------------------

    def view(self, replay):
        return View(self, replay)

    def bounds(self, replay):
        """(first, last) moment of the heap events, cut to the time that is shown."""
        times = [row.time_ns for row in replay.rows] or [0]
        least, most = self.time or (None, None)

        def cut(value):
            if least is not None:
                value = max(value, least)
            return value if most is None else min(value, most)
        return cut(min(times)), cut(max(times))


class View:
    """What tables.py needs of a heap.Heap: rows, journal, instances and stacks that are chosen."""

    def __init__(self, chosen, replay):
        self.replay = replay
        self.whole_journal = replay.journal
        self.has_state = chosen.has_state
        self.rows = [row for row in replay.rows if chosen.is_chosen(row)]
        self.journal = [entry for entry in replay.journal if chosen.has_state(entry[2].heap)]
        with_rows = {row.instance for row in self.rows}
        self.instances = [i for i in replay.instances if chosen.has_instance(i)
                          and (chosen.heaps is None or i in with_rows)]
        used = {row.stack for row in self.rows}
        self.stacks = Stacks([stack for stack in replay.stacks.stacks if stack in used])


class Stacks:
    def __init__(self, stacks):
        self.stacks = stacks


class Moments:
    """Times as a timeline shows them: none before `first`, and none before its predecessor."""

    def __init__(self, first):
        self.now = first

    def __call__(self, time_ns):
        self.now = max(self.now, time_ns)
        return self.now


class Timeline:
    """What counters and profiles show.

    heaps: {(instance, handle): {time: (bytes, blocks)}}, totals: {instance: {time: bytes}}: the
    values after the events of a time. The first time of a counter is the beginning where --time is
    given. A total takes part in what happens in other heaps from its process's first chosen event
    on.
    """

    def __init__(self, chosen, replay):
        self.chosen = chosen
        self.first, self.last = chosen.bounds(replay)
        self.heaps, self.totals = {}, {}
        self.moments = {}
        self.before = {}
        for row in replay.rows:
            if row.live_bytes is not None and chosen.has_instance(row.instance):
                self.take(row)
            elif self.is_shown(row):
                self.show_instance(row.instance)

    def is_shown(self, row):
        return self.chosen.is_chosen(row) and self.chosen.has_time(row.time_ns)

    def show_instance(self, instance):
        if instance not in self.totals:
            self.totals[instance] = {}
            if self.chosen.time:
                self.totals[instance][self.first] = self.before.get(instance, 0)

    def take(self, row):
        place = row.instance, row.heap
        least, most = self.chosen.time or (None, None)
        if most is not None and row.time_ns > most:
            return
        earlier = least is not None and row.time_ns < least
        if not earlier and self.chosen.is_chosen(row):
            self.show_instance(row.instance)
            if place not in self.heaps:
                self.heaps[place] = {}
                if self.chosen.time:
                    self.heaps[place][self.first] = self.before.get(place, (0, 0))
        stays_out = earlier and self.chosen.is_chosen(row) and place not in self.heaps
        if row.instance in self.totals and not stays_out:
            self.totals[row.instance][self.moment(row.instance, row)] = row.process_bytes
        elif earlier and row.instance not in self.totals:
            self.before[row.instance] = row.process_bytes
        if place in self.heaps:
            self.heaps[place][self.moment(place, row)] = row.live_bytes, row.live_blocks
        elif earlier:
            self.before[place] = row.live_bytes, row.live_blocks

    def moment(self, place, row):
        return self.moments.setdefault(place, Moments(self.first))(row.time_ns)


def profile(chosen, replay, instance):
    """[(time, (handle, stack), [allocated, freed, allocs, frees])]: the changes in the chosen heaps
    of an instance, in order. What lies before the time that is shown is a change at its beginning;
    what a process still has at its end stays in its profile."""
    first, _ = chosen.bounds(replay)
    least, most = chosen.time or (None, None)
    moment = Moments(first)
    changes = []
    for what, _, block, bytes_, time_ns in replay.journal:
        if (block.heap.instance is not instance or not chosen.has_state(block.heap)
                or what == 'process_end' or (most is not None and time_ns > most)):
            continue
        figures = [0, 0, 0, 0]
        if what == 'add':
            figures[0], figures[2] = bytes_, 1
        elif what == 'resize':
            figures[0 if bytes_ > 0 else 1] = abs(bytes_)
        else:
            figures[1], figures[3] = bytes_, 1
        stack = block.row.stack.text if block.row.stack else None
        changes.append((moment(time_ns), (block.heap.handle, stack), figures))
    return changes
