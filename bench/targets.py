# SPDX-License-Identifier: BSD-2-Clause
"""What blkscope wants to reach, and how far each figure of this run is from it."""
from servers import IDLE, MANY_IDLE, US

CPU, RATE, MB = 'CPU us/request', 'requests/s', 'MB/s'
FLAT = 1.25 # times; caches and the noise of the machine
PEERS = ('nbdkit', 'qemu', 'loop')


def wishes():
    """(row, metric, peer or None for our own figure, sign, bound): ours/peer, or ours, is at most (<=), below (<), at least (>=),
    or above (>) the bound."""
    for row in ('4 KiB read, 4 conn. x 32', '4 KiB mixed, 4 conn. x 64'):
        yield from ((row, CPU, 'loop', '<=', 1.25), (row, CPU, 'nbdkit', '<=', 0.25),
                    (row, RATE, 'loop', '>=', 0.85), (row, RATE, 'nbdkit', '>=', 5))
    yield '4 KiB read, depth 32', RATE, 'nbdkit', '>=', 2.5
    for op in ('read', 'write'):
        for metric in ('p50 us', 'p99 us'):
            yield from ((f'4 KiB {op}, depth 1', metric, 'nbdkit', '<', 1), (f'4 KiB {op}, depth 1', metric, 'qemu', '<', 1),
                        (f'4 KiB {op}, depth 1', metric, 'loop', '<=', 1.15))
        yield from ((f'256 KiB {op}, depth 8', MB, 'nbdkit', '>=', 1.5), (f'256 KiB {op}, depth 8', MB, 'loop', '>=', 0.9))
        yield f'log cost: 4 KiB {op}, 4 conn. x 32', 'CPU, on/off', None, '<=', 1.35
    yield from (('delay 40 ms, 1024 in flight', RATE, None, '>=', 0.97 * 25600),
                ('delay 40 ms, 1024 in flight', 'threads', None, '<=', 1),
                ('block status of 4,096 extents', 'sends', None, '<=', 1),
                (f'{MANY_IDLE} idle connections', 'KiB for each', None, '<', 16),
                (f'{MANY_IDLE} idle connections', 'threads', None, '<', 100),
                (f'{IDLE} idle connections', 'KiB for each', 'nbdkit', '<', 1),
                ('idle, no client', 'resident KiB', 'nbdkit', '<', 1))
    for what in ('--version', 'memory, --run true', 'memory, first reply'):
        yield f'start: {what}', 'ms', 'nbdkit', '<', 1
    for place in ('tmpfs', 'disk'):
        for op in ('read', 'write'):
            for peer in ('nbdkit', 'qemu'):
                yield f'file, {place}: 4 KiB {op}, depth 32', RATE, peer, '>', 1
                yield f'file, {place}: 1 MiB {op} in order', MB, peer, '>', 1


class Verdicts:
    """The closing list, line by line."""
    def __init__(self):
        self.met = self.missed = 0
        print(f'\n{"to reach":36}{"":15}{"":17}{"is":>10}{"wanted":>13}')

    def line(self, row, metric, against, value, sign, bound):
        reached = {'<=': value <= bound, '<': value < bound, '>=': value >= bound, '>': value > bound}[sign]
        self.met += reached
        self.missed += not reached
        print(f'{row:36}{metric:<{51 - max(len(row), 36)}}{against:17}{figure(value):>10}{sign:>5}{figure(bound):>8}  '
              + ('reached' if reached else f'missed by {abs(value / bound - 1):.0%}'))


def figure(v):
    return f'{v:,.0f}' if v >= 1000 else f'{v:g}' if v == int(v) and v < 100 else f'{v:.2f}'


def over_tcp():
    """The same ratios over TCP, within 10 %."""
    for op in ('read', 'write'):
        for row, metric, peer, sign, bound in wishes():
            if row == '4 KiB read, 4 conn. x 32' or row == f'256 KiB {op}, depth 8':
                yield 'TCP: ' + row.replace('read', op), metric, peer, sign, bound * (1.1 if sign == '<=' else 0.9)


def beside_unix(got):
    """(row, metric, peer, ratio over TCP / ratio over the Unix socket)"""
    for (row, metric), (better, values) in got.items():
        unix = got.get((row[len('TCP: '):], metric)) if row.startswith('TCP: ') else None
        if unix and better:
            for p in PEERS:
                if values.get(p) and unix[1].get(p):
                    yield row, metric, p, values[US] / values[p] / (unix[1][US] / unix[1][p])


def verdicts(lines, growth):
    """Print what was reached; what was not measured is not judged."""
    got = {(row, metric): (better, values) for row, metric, better, values in lines}
    all_wishes, tcp = [*wishes(), *over_tcp()], list(beside_unix(got))
    measured = [w for w in all_wishes if got.get(w[:2], ('', {}))[1].get(US) is not None and (not w[2] or got[w[:2]][1].get(w[2]))]
    if not measured and not growth:
        return
    v = Verdicts()
    for row, metric, peer, sign, bound in measured:
        values = got[row, metric][1]
        v.line(row, metric, f'/{peer}' if peer else '', values[US] / values[peer] if peer else values[US], sign, bound)
    for row, values in growth:
        v.line(row, ' CPU', 'last/first', values[-1] / values[0], '<=', FLAT)
    left = len(all_wishes) - len(measured)
    if tcp:
        print('\nour ratio over TCP / that over the Unix socket, for information')
    for row, metric, peer, change in tcp:
        print(f'{row:36}{metric:<15}{"/" + peer:17}{change:>10.2f}')
    print(f'\nreached: {v.met} of {v.met + v.missed}' + (f'; {left} more were not measured in this run' if left else ''))
