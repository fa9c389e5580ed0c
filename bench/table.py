# SPDX-License-Identifier: BSD-2-Clause
"""Samples, and the table that is made of them."""
import os, statistics, subprocess
from servers import DISK, Failed, LOAD, LOOP, MANY_IDLE, Server, US, build, find_peers, free_port, memory

ROUNDS = int(os.environ.get('ROUNDS') or (1 if os.environ.get('QUICK') else 5))
SECONDS = float(os.environ.get('SECONDS') or 0.8)
COLUMNS = [US, 'nbdkit', 'qemu', 'loop']
RATIOS = COLUMNS[1:]

# What a row tells: (figure of bench-load, label, which is better)
SPEED = [('iops', 'requests/s', 'more'), ('server_cpu_us', 'CPU us/request', 'less')]
CROWD = SPEED + [('client_cpu_us', 'client us/req.', '')]
PATIENCE = [('p50_us', 'p50 us', 'less'), ('p99_us', 'p99 us', 'less'), ('server_cpu_us', 'CPU us/request', 'less')]
BULK = [('mb_s', 'MB/s', 'more'), ('server_cpu_us', 'CPU us/request', 'less')]


class Bench:
    def __init__(self, tmp, samples):
        self.tmp = tmp
        self.nbdkit, self.qemu, self.plugins = find_peers()
        self.ours = build()
        self.lines = []    # (row, metric, better, {server: median})
        self.samples = samples  # everything, for bench.json
        self.last = None   # the row of the line above
        self.growth = []   # (row, [CPU us/request, ...])
        self.count = 0

    def start(self, name, filters=(), under=(), tcp=False, disk=memory, options=()):
        """A server with a disk behind the filters of nbdkit's kind: [(name, KEY=VALUE ...), ...],
        under another program; options are of the server itself."""
        self.count += 1
        sock = f'{self.tmp}/{self.count}'
        where = free_port() if tcp else sock
        if name == 'loop':
            argv = [LOOP, str(where), DISK]
        elif name == 'qemu':
            argv = [self.qemu, '-t', '-e', str(MANY_IDLE + 100), '-f', 'raw']
            argv += (['-b', '127.0.0.1', '-p', str(where)] if tcp else ['-k', sock]) + disk(self, name)
        else:
            argv = [self.ours if name == US else self.nbdkit, '-f', *options]
            if under and name == US:
                argv.append('--sandbox=off') # valgrind does not know Landlock and seccomp
            argv += ['-i', '127.0.0.1', '-p', str(where)] if tcp else ['-U', sock]
            argv += [f'--filter={f[0]}' for f in filters] + disk(self, name)
            for f in filters:
                argv += f[1:]
                if f == ('log',):
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

    def fill(self, server, *args):
        """No page of the disk is a hole when the samples begin."""
        self.load(server, '--op=write', '--sequential', '--size=256k', '--requests=256', '--depth=4', '--warmup=0', *args)

    def line(self, row, metric, better, values):
        self.lines.append((row, metric, better, values))
        cells = ''.join(f'{number(values.get(c)):>10}' for c in COLUMNS)
        cells += ''.join(f'{ratio(values, c):>9}' for c in RATIOS)
        print(f'{"" if row == self.last else row:36}{metric:<15}{cells}' + ('   behind' if behind(better, values) else ''), flush=True)
        self.last = row

    def sample(self, servers, args, rounds, parts=1):
        """Interleaved samples: [figures, ...] for each server; each round in so many parts.  Where servers is a function that starts
        them, each round has its own: which memory a server happens to get is worth up to a third."""
        taken = None
        for i in range(rounds * parts):
            if i % parts == 0:
                mine = servers() if callable(servers) else servers
                order = list(range(len(mine)))
                taken = taken or [[] for s in mine]
            for k in order[i % len(order):] + order[:i % len(order)]:
                words = args(mine[k]) if callable(args) else [f'--seconds={SECONDS / parts:.3f}', *args]
                taken[k].append(self.load(mine[k], *words))
            for s in mine if callable(servers) and i % parts == parts - 1 else []:
                s.stop()
        return taken

    def row(self, name, names, servers, metrics, args, rounds=ROUNDS):
        """A line for each metric; the servers have these names."""
        # Whether client and server share a core is luck, and decides at depth 1: draw more lots there.
        taken = self.sample(servers, args, rounds, 3 if metrics is PATIENCE else 1)
        for key, label, better in metrics:
            self.line(name, label, better, {n: median(t, key) for n, t in zip(names, taken)})


def median(taken, key):
    return statistics.median(f[key] for f in taken)


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
