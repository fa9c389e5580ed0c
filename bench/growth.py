# SPDX-License-Identifier: BSD-2-Clause
"""What a request costs as things grow: a table of its own, with our figures only.  Flat is the aim."""
import os, shutil
from instructions import count, missing
from servers import SMALL, US
from table import ROUNDS, SECONDS, median, number

PLACES = 16384 # requests, where their number is the same for all
CELLS = 5
MORE_LOG = 1 << 20 if SMALL else 1 << 30 # bytes
LOG_LINE = b'2026-01-01 00:00:00.000000 connection=1 Read id=1 offset=0x0 count=0x1000 ...\n'


class Case:
    """One value of what grows: what is done before the server starts, how it is started, what it is given first, what is measured."""
    def __init__(self, value, args, prepare=None, before=None, few=2000, **how):
        self.value, self.args, self.prepare, self.before, self.few, self.how = value, args, prepare, before, few, how

    def start(self, bench):
        if self.before:
            self.before()
        server = bench.start(US, **self.how)
        if self.prepare:
            self.prepare(server)
        return server

    def sample(self, bench, server):
        fixed = any(a.startswith('--requests=') for a in self.args)
        return bench.load(server, *self.args, '--warmup=0' if fixed else f'--seconds={SECONDS / 2:.3f}')


def samples(bench, cases, fresh):
    """[figures, ...] of each case, interleaved; with a fresh server for each if that matters."""
    servers = None if fresh else [c.start(bench) for c in cases]
    taken = [[] for c in cases]
    for i in range(ROUNDS):
        for k in range(len(cases))[::-1 if i % 2 else 1]:
            server = cases[k].start(bench) if fresh else servers[k]
            taken[k].append(cases[k].sample(bench, server))
            if fresh:
                server.stop()
    for s in servers or []:
        s.stop()
    return taken


def grow(bench, row, cases, fresh=False, counted=True, flat=True):
    """Three lines: the values, and the costs.  Not counted: more than valgrind can do.  Not flat: it cannot be."""
    def line(metric, cells, last):
        head = f'{"":36}{metric:<15}' if metric else f'{row:51}'
        print(head + ''.join(f'{c:>10}' for c in cells) + ' ' * 10 * (CELLS - len(cells)) + f'{last:>12}', flush=True)

    def costs(metric, values):
        line(metric, [number(v) for v in values], f'{values[-1] / values[0]:.2f}' if values[0] else '-')
        if flat and metric.startswith('CPU'):
            bench.growth.append((row, values))
    line('', [c.value for c in cases], 'last/first')
    costs('CPU us/request', [median(t, 'server_cpu_us') for t in samples(bench, cases, fresh)])
    if counted and not missing():
        costs('instr./request', [count(bench, US, c.args, c.few, c.prepare, c.before, **c.how) for c in cases])


def connections(bench):
    """The same number in flight in all (but one on each at least), and the same number on each."""
    for name, depth in (('128 in flight in all', lambda n: max(128 // n, 1)), ('32 in flight on each', lambda n: 32)):
        cases = [Case(f'{n:,}', [f'--connections={n}', f'--depth={depth(n)}'], bench.fill, few=max(2000, 2 * n * depth(n)))
                 for n in (1, 10, 100, 1000)]
        yield f'connections, {name}', cases, {'flat': depth(100) > 1}


def filters(bench):
    yield 'pass-through filters', [Case(str(n), ['--depth=32'], bench.fill, filters=[('passthrough',)] * n) for n in (0, 1, 2, 4, 8)], {}


def disk_of(size):
    return lambda bench, name: ['memory', size]


def disk_sizes(bench):
    near, far = ['--depth=32', '--range=64M'], ['--depth=32', f'--requests={PLACES}']

    def cases(args, prepare=None):
        return [Case(s, args, prepare, disk=disk_of(s)) for s in ('64M', '64G', '64T', '1P')]
    yield 'disk size, a range of 64 MiB', cases(near, lambda s: bench.fill(s, '--range=64M')), {}
    # The client's random numbers begin alike in each run: it reads what it has written.
    yield (f'disk size, {PLACES:,} places all over', cases(far, lambda s: bench.load(s, '--op=write', *far, '--warmup=0')),
           {'counted': False})
    yield f'disk size, {PLACES:,} first writes', cases([*far, '--op=write', '--scattered']), {'fresh': True, 'counted': False}


def written(bench):
    """Of a disk of 256 MiB."""
    def cases(args):
        return [Case(name, args, (lambda s, n=n: bench.fill(s, f'--requests={n}')) if n else None, disk=disk_of('256M'))
                for name, n in (('0', 0), ('1/4', 256), ('1/2', 512), ('all', 1024))]
    yield 'written already, 4 KiB reads', cases(['--depth=32']), {}
    yield (f'written already, {PLACES:,} writes', cases(['--depth=32', f'--requests={PLACES}', '--op=write']),
           {'fresh': True, 'counted': False})


def log_files(bench):
    """A server that goes on with its log file."""
    row = 'log file, bytes in it already'
    if shutil.disk_usage(bench.tmp).free < MORE_LOG + (2 << 30):
        print(f'{row}: not measured: {bench.tmp} has too little room')
        return

    def file_of(size):
        def make():
            with open(path, 'ab') as f:
                for _ in range((size - f.tell() + (1 << 20) - 1) >> 20):
                    f.write((LOG_LINE * (1 << 14))[:1 << 20])
            os.truncate(path, size)
        path = f'{bench.tmp}/growing-{size}.log'
        return {'before': make, 'filters': [('log', 'logfile=' + path, 'logappend=true')]}
    cases = [Case(f'{size >> 20} MiB', ['--depth=32', '--requests=100000'], bench.fill, **file_of(size)) for size in (0, MORE_LOG)]
    yield row, cases, {'fresh': True}


def measure_growth(bench, wanted):
    """How many rows."""
    n = 0
    for group in (connections, filters, disk_sizes, written, log_files):
        for row, cases, how in group(bench):
            row = 'growth: ' + row
            if not wanted(row):
                continue
            if not n:
                print('\nWhat a request costs as things grow, blkscope alone; flat is 1.00:\n')
            grow(bench, row, cases, **how)
            n += 1
    return n
