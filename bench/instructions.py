# SPDX-License-Identifier: BSD-2-Clause
"""Instructions in user space, as valgrind counts them: exact, where the clock is noisy."""
import shutil
from servers import US

CALLGRIND = ['valgrind', '-q', '--tool=callgrind']


def missing():
    """Told once for each group of rows that wants it."""
    if shutil.which('valgrind'):
        return False
    print('valgrind is not installed: no instructions are counted')
    return True


def count(bench, name, args, few=2000, prepare=None, before=None, **how):
    """Of one request: a run of few requests is taken from one of four times as many.
    before() is called before each, prepare(server) when it has started."""
    counts = []
    for requests in (few, 4 * few):
        out = f'{bench.tmp}/callgrind'
        if before:
            before()
        s = bench.start(name, under=[*CALLGRIND, '--callgrind-out-file=' + out], **how)
        if prepare:
            prepare(s)
        bench.load(s, *args, f'--requests={requests}', '--warmup=0')
        s.stop()
        with open(out) as f:
            counts.append(next(int(line.split()[1]) for line in f if line.startswith(('totals:', 'summary:'))))
    return (counts[1] - counts[0]) / (3 * few)


def rows():
    """(name, filters, servers, arguments)"""
    both, three, log = (US, 'nbdkit'), (US, 'nbdkit', 'loop'), [('log',)]
    depth, crowd = ['--depth=32'], ['--depth=32', '--connections=4']
    for op in ('read', 'write', 'mixed'):
        yield f'user code: 4 KiB {op}, depth 32', [], three, [*depth, '--op=' + op]
    yield 'user code: 4 KiB mixed, structured', [], both, [*depth, '--op=mixed', '--structured']
    yield 'user code: 4 KiB read, 4 conn. x 32', [], three, crowd
    yield 'user code: 4 KiB mixed, 4 conn. x 32', [], three, [*crowd, '--op=mixed']
    yield 'user code: 256 KiB read, depth 8', [], three, ['--depth=8', '--size=256k']
    for op in ('read', 'write'):
        yield f'user code: 4 KiB {op}, log', log, both, [*depth, '--op=' + op]


def measure_instructions(bench, wanted):
    mine = [r for r in rows() if wanted(r[0])]
    if not mine or missing():
        return
    for row, filters, names, args in mine:
        # The loop's memory has no holes, and what it copies while it is filled depends on the time.
        bench.line(row, 'instr./request', 'less', {
            n: count(bench, n, args, filters=filters, prepare=None if n == 'loop' else bench.fill) for n in names})
