# SPDX-License-Identifier: BSD-2-Clause
"""Samples, and the table that is made of them."""
import os, statistics, subprocess
from servers import DISK, Failed, IDLE, LOAD, LOOP, Server, US, build, find_peers, free_port, memory

ROUNDS = int(os.environ.get('ROUNDS') or (1 if os.environ.get('QUICK') else 5))
SECONDS = float(os.environ.get('SECONDS') or 0.8)
COLUMNS = [US, 'nbdkit', 'qemu', 'loop']
RATIOS = COLUMNS[1:]

# What a row tells: (figure of bench-load, label, which is better)
SPEED = [('iops', 'requests/s', 'more'), ('server_cpu_us', 'CPU us/request', 'less')]
PATIENCE = [('p50_us', 'p50 us', 'less'), ('p99_us', 'p99 us', 'less'), ('server_cpu_us', 'CPU us/request', 'less')]
BULK = [('mb_s', 'MB/s', 'more'), ('server_cpu_us', 'CPU us/request', 'less')]


class Bench:
    def __init__(self, tmp, samples):
        self.tmp = tmp
        self.nbdkit, self.qemu, self.plugins = find_peers()
        self.ours = build()
        self.lines = []    # (row, metric, better, {server: median})
        self.samples = samples  # everything, for bench.json
        self.count = 0

    def start(self, name, filters=(), under=(), tcp=False, disk=memory):
        """A server with a disk behind the filters of nbdkit's kind: [(name, KEY=VALUE ...), ...],
        under another program."""
        self.count += 1
        sock = f'{self.tmp}/{self.count}'
        where = free_port() if tcp else sock
        if name == 'loop':
            argv = [LOOP, sock, DISK]
        elif name == 'qemu':
            argv = [self.qemu, '-t', '-e', str(IDLE + 100), '-f', 'raw', '-k', sock, *disk(self, name)]
        else:
            argv = [self.ours if name == US else self.nbdkit, '-f']
            argv += ['-i', '127.0.0.1', '-p', str(where)] if tcp else ['-U', sock]
            argv += [f'--filter={f[0]}' for f in filters] + disk(self, name)
            for f in filters:
                argv += f[1:]
                if f[0] == 'log':
                    argv.append(f'logfile={sock}.log')
        return Server(name, [*under, *argv], where, sock)

    def load(self, server, *args):
        """One run of bench-load; its figures."""
        argv = [LOAD, f'--server-pid={server.process.pid}', *args, server.where if isinstance(server.where, str) else f'127.0.0.1:{server.where}']
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failed(f'{server.name}: {" ".join(args)}: {done.stderr.strip()}; {server.words()}')
        if os.path.exists(server.log):
            os.truncate(server.log, 0)
        figures = {k: float(v) for k, v in (w.split('=') for w in done.stdout.split())}
        self.samples.append({'server': server.name, 'args': args, **figures})
        return figures

    def fill(self, server):
        """No page of the disk is a hole when the samples begin."""
        self.load(server, '--op=write', '--sequential', '--size=256k', '--requests=256', '--depth=4', '--warmup=0')

    def line(self, row, metric, better, values):
        self.lines.append((row, metric, better, values))
        cells = ''.join(f'{number(values.get(c)):>10}' for c in COLUMNS)
        cells += ''.join(f'{ratio(values, c):>9}' for c in RATIOS)
        print(f'{row:36}{metric:<15}{cells}' + ('   behind' if behind(better, values) else ''), flush=True)

    def row(self, name, servers, metrics, args, rounds=ROUNDS):
        """Interleaved samples of each server, and a line for each metric."""
        taken = {s.name: [] for s in servers}
        # Whether client and server share a core is luck, and decides at depth 1: draw more lots there.
        more = 3 if metrics is PATIENCE else 1
        for i in range(rounds * more):
            for s in servers[i % len(servers):] + servers[:i % len(servers)]:
                mine = args(s) if callable(args) else [f'--seconds={SECONDS / more:.3f}', *args]
                taken[s.name].append(self.load(s, *mine))
        for key, label, better in metrics:
            self.line(name, label, better, {n: statistics.median(f[key] for f in t) for n, t in taken.items()})
            name = ''


def number(v):
    if v is None:
        return '-'
    return f'{v:,.0f}' if v >= 1000 else f'{v:.1f}' if v >= 100 else f'{v:.2f}'


def ratio(values, other):
    if US not in values or not values.get(other):
        return '-'
    return f'{values[US] / values[other]:.2f}'


def behind(better, values):
    """The peers that are better here."""
    ours = values.get(US)
    return [c for c in ('nbdkit', 'qemu') if None not in (ours, values.get(c))
            and (ours < values[c] if better == 'more' else better == 'less' and ours > values[c])]
