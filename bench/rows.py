# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: every row of the table."""
import os
from servers import DISK, Failed, US, before, debian, file_in, memory, tcl, under_filter
from table import BULK, CROWD, PATIENCE, ROUNDS, SPEED, median

DELAY_DEPTH, DELAY_MS = 1024, 40


def rows_4k(suffix):
    for op in ('read', 'write'):
        yield f'4 KiB {op}, depth 1{suffix}', PATIENCE, ['--op=' + op]
        yield f'4 KiB {op}, depth 32{suffix}', SPEED, ['--op=' + op, '--depth=32']
        yield f'4 KiB {op}, 4 conn. x 32{suffix}', CROWD, ['--op=' + op, '--depth=32', '--connections=4']


def rows_plain():
    yield from rows_4k('')
    yield '4 KiB mixed, 4 conn. x 64', CROWD, ['--op=mixed', '--depth=64', '--connections=4']
    for op in ('read', 'write'):
        yield f'256 KiB {op}, depth 8', BULK, ['--op=' + op, '--depth=8', '--size=256k']


def rows_tcp():
    """The same as over the Unix socket, but for depth 1."""
    for name, metrics, args in rows_plain():
        if metrics is not PATIENCE and 'mixed' not in name and not name.endswith('depth 32'):
            yield 'TCP: ' + name, metrics, args


def rows_disk(label, ops):
    for op in ops:
        yield f'{label}: 4 KiB {op}, depth 1', PATIENCE, ['--op=' + op]
        yield f'{label}: 4 KiB {op}, depth 32', SPEED, ['--op=' + op, '--depth=32']
        yield f'{label}: 256 KiB {op}, depth 8', BULK, ['--op=' + op, '--depth=8', '--size=256k']


def rows_file(label, ops):
    """A file is also read and written from end to end."""
    yield from rows_disk(label, ops)
    for op in ops:
        yield f'{label}: 1 MiB {op} in order', BULK, ['--op=' + op, '--depth=4', '--size=1M', '--sequential']


def measure(bench, wanted, names, filters, rows, tcp=False, disk=memory, fill=True, rounds=ROUNDS, fresh=False):
    """Fresh: servers of its own for each round."""
    rows = [r for r in rows if wanted(r[0])]
    if not rows:
        return

    def start():
        servers = [bench.start(n, filters, tcp=tcp, disk=disk) for n in names]
        for s in servers if fill else []:
            bench.fill(s)
        return servers
    servers = start if fresh else start()
    for name, metrics, args in rows:
        bench.row(name, names, servers, metrics, args, rounds)
    for s in [] if fresh else servers:
        s.stop()


def measure_disks(bench, wanted, folder):
    """Plug-ins and filters that are loaded, files, and what is in front of another server; files on a disk, too, in folder.
    Fewer rounds: they are many."""
    for label, disk, names, ops in (
            ('pattern.so', debian('pattern'), [US, 'nbdkit'], ['read']),
            ('memory.so', debian('memory'), [US, 'nbdkit'], ['read', 'write']),
            ('Tcl', tcl(1), [US, 'nbdkit'], ['read', 'write']),
            ('Tcl x 4', tcl(4), [US, 'nbdkit'], ['read', 'write']),
            ('offset.so', under_filter('offset', 'offset=4096'), [US, 'nbdkit'], ['read']),
            ('cow.so', under_filter('cow'), [US, 'nbdkit'], ['read', 'write']),
            ('file, tmpfs', file_in(bench.tmp), [US, 'nbdkit', 'qemu'], ['read', 'write']),
            ('file, disk', file_in(folder), [US, 'nbdkit', 'qemu'], ['read', 'write'])):
        rows = rows_file if label.startswith('file') else rows_disk
        measure(bench, wanted, names, [], rows(label, ops), disk=disk, fill='write' in ops, rounds=min(ROUNDS, 3))


def measure_before(bench, wanted):
    """The nbd plug-in, in front of one server of ours."""
    rows = list(rows_disk('nbd', ['read', 'write']))
    if any(wanted(r[0]) for r in rows):
        far = bench.start(US)
        measure(bench, wanted, [US, 'nbdkit'], [], rows, disk=before(far), rounds=min(ROUNDS, 3))
        far.stop()


def measure_log(bench, wanted):
    """How many times the CPU a request costs with the log filter: each server with and without it, in turns."""
    rows = [r for r in ((f'log cost: 4 KiB {op}, 4 conn. x 32', op) for op in ('read', 'write')) if wanted(r[0])]
    if not rows:
        return
    names = (US, 'nbdkit')

    def start():
        servers = [bench.start(n, f) for n in names for f in ((), [('log',)])]
        for s in servers:
            bench.fill(s)
        return servers
    for row, op in rows:
        taken = bench.sample(start, ['--op=' + op, '--depth=32', '--connections=4'], ROUNDS)
        cost = [median(t, 'server_cpu_us') for t in taken]
        bench.line(row, 'CPU, on/off', 'less', {n: cost[2 * i + 1] / cost[2 * i] for i, n in enumerate(names)})


def measure_delay(bench, wanted):
    name = f'delay {DELAY_MS} ms, {DELAY_DEPTH} in flight'
    if not wanted(name):
        return
    # One connection is served by one thread of ours, whatever their number: so there is but one.
    servers = [bench.start(n, [('delay', f'rdelay={DELAY_MS}ms')], options=o) for n, o in ((US, ['-t', '1']), ('nbdkit', []))]

    def args(s):
        # nbdkit's threads sleep 16 at a time: one load of 1,024 takes it 2.6 s.
        n = DELAY_DEPTH * (1 if s.name == 'nbdkit' else 20)
        return [f'--depth={DELAY_DEPTH}', f'--requests={n}', '--warmup=0']
    metrics = SPEED + [('server_threads', 'threads', 'less')]
    bench.row(name, [s.name for s in servers], servers, metrics, args)
    ours = next(v for r, m, b, v in bench.lines if r == name)[US]
    print(f'{"":36}{ours / (DELAY_DEPTH / DELAY_MS * 1000):.1%} of the ideal {DELAY_DEPTH * 1000 // DELAY_MS:,} requests/s')
    for s in servers:
        s.stop()
