# SPDX-License-Identifier: BSD-2-Clause
"""The expect library beside pexpect, Tcl Expect and a bare read loop: a table of its own."""
import os, random, shutil, signal, statistics, subprocess
from servers import BUILD, Failed, SMALL, SRC, die_with_us, ninja
from table import ROUNDS, number

CAP = 3 if SMALL else 15         # s: no peer gets longer for a sample
SIZES = (0.04, 0.08, 0.4) if SMALL else (1, 10, 50)  # MB; the last is 5 times the one before
SESSIONS, EXCHANGES = (5, 10) if SMALL else (50, 200)
SPAWNS = 3 if SMALL else 10
MORE, QUICK_MS = 3, 1000 # times as many rounds of what takes less than so long
HEAP = 16 if SMALL else 1024  # MiB
MARKER = b'END_MARKER'

PEXPECT = [SRC + '/bench/pexpect-peer.py']
TUNED = [*PEXPECT, '--tuned']
EXPECT = [SRC + '/bench/expect-peer.tcl']
COLUMNS = ['ours', 'loop', 'pexpect', 'expect']
PEERS = COLUMNS[2:]
# Names of the rows that wait for the end of much output: what is waited for
KINDS = {'literal': 'literal', 'flat': '.*END_MARKER, no newline', 'lines': '(?s)7.*END_MARKER'}


def row_names():
    return [f'expect: {what}, {mb:g} MB' for what in KINDS.values() for mb in SIZES] \
        + ['expect: spawn', f'expect: spawn, heap of {HEAP} MiB', f'expect: {SESSIONS} sessions']


def is_alone(words):
    """bench/run has been asked for rows of this table, the viewer's or the maps' only."""
    return bool(words) and all(w.startswith(('expect', 'viewer', 'know')) for w in words)


def find_peers():
    for path, package in (('/usr/bin/expect', 'expect'), ('/usr/lib/python3/dist-packages/pexpect', 'python3-pexpect')):
        if not os.path.exists(path):
            raise Failed(f'{package} to compare with is missing: apt-get install {package}')


def build():
    """A release build of bench-expect; its path."""
    ours = os.environ.get('BENCH_EXPECT')
    if not ours:
        ours = BUILD + '/bench/bench-expect'
        ninja('bench/bench-expect')
    if not os.access(ours, os.X_OK):
        raise Failed(f'{ours}: no such program')
    return ours


class Output:
    """A file of random bytes, without newlines or with one every 20 to 120 bytes, and the marker at its end."""
    def __init__(self, folder, kind, mb):
        self.path, self.size = f'{folder}/{kind}-{mb}', int(mb * 1000000)
        rnd = random.Random(1)
        text = bytearray(rnd.randbytes(self.size).translate((b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -') * 4))
        at = rnd.randint(20, 120)
        while kind != 'flat' and at < self.size:
            text[at] = 10
            at += rnd.randint(20, 120)
        # bytes before the match
        self.before = {'literal': self.size, 'flat': 0, 'lines': text.find(b'7')}[kind]
        self.length = self.size + len(MARKER) - self.before
        with open(self.path, 'wb') as f:
            f.write(text + MARKER)


class Table:
    def __init__(self, folder, samples):
        self.folder, self.samples = folder, samples
        self.ours = build()
        self.lagging = {p: [] for p in PEERS}
        self.rows, self.last = 0, ''

    def sample(self, row, name, argv):
        """The figures of one run, or what is to be shown instead."""
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True, preexec_fn=die_with_us)
        try:
            out, err = p.communicate(timeout=CAP)
        except subprocess.TimeoutExpired:
            out, err = '', ''
        finally:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
                p.communicate()
        figures = {k: float(v) for k, v in (w.split('=') for w in out.split())}
        if p.returncode not in (0, -signal.SIGKILL) or (p.returncode == 0 and not figures):
            raise Failed(f'{row}: {name}: {" ".join(argv[-4:])}: {err.strip()[-500:]}')
        self.samples.append({'row': row, 'program': name, 'args': argv[1:], 'late': p.returncode != 0, **figures})
        if p.returncode:
            return f'> {CAP} s'
        return figures if figures['right'] else 'wrong'

    def row(self, name, programs, more=MORE):
        """Interleaved samples of each program: [figures or what is to be shown instead, ...] of each."""
        taken = {n: [] for n in programs}
        names = list(programs)
        rounds = min(ROUNDS, 3)
        for i in range(rounds * more):
            for n in names[i % len(names):] + names[:i % len(names)]:
                mine = taken[n]
                if any(isinstance(f, str) for f in mine): # once is enough of those
                    continue
                if i < rounds or max(f.get('ms', 0) for f in mine) < QUICK_MS:
                    mine.append(self.sample(name, n, programs[n]))
        return taken

    def lines(self, name, taken, metrics, growth=None, peak=None):
        """A line for each metric; without a name it belongs to the row before."""
        for key, words, better in metrics:
            values = {n: median(t, key) for n, t in taken.items()}
            for p in PEERS:
                if p in values and not self.ahead(values, p, better):
                    self.lagging[p].append(f'{name or self.last} ({words})')
            self.line(name, words, better, values, growth, peak)
            self.last = name or self.last
            name = ''

    @staticmethod
    def ahead(values, peer, better):
        if isinstance(values['ours'], str):
            return False
        return isinstance(values[peer], str) or (values['ours'] > values[peer] if better == 'more' else values['ours'] < values[peer])

    def line(self, name, metric, better, values, growth=None, peak=None):
        self.rows += 1
        cells = ''.join(f'{v if isinstance(v, str) else number(v):>10}' for v in (values.get(c, '-') for c in COLUMNS))
        cells += ''.join(f'{ratio(values, c):>9}' for c in COLUMNS[1:])
        print(f'{name:43}{metric:<8}{cells}{better:>7}{f"{growth:.2f}" if growth else "":>8}{f"{peak:.1f}" if peak else "":>8}', flush=True)

    def output(self, kind, wanted):
        """What takes too long, or is wrong, will be with more output, too."""
        late, before, pexpect = {}, None, None
        for mb in SIZES:
            name = f'expect: {KINDS[kind]}, {mb:g} MB'
            if not wanted(name):
                continue
            o = Output(self.folder, kind, mb)
            words = [kind, o.path, str(o.before), str(o.length)]
            pexpect = pexpect or self.better_pexpect(name, words)
            programs = {'ours': [self.ours, *words], 'loop': [self.ours, 'loop', o.path, str(o.size + len(MARKER))],
                        'pexpect': [*pexpect, *words], 'expect': [*EXPECT, *words]}
            taken = {**late, **self.row(name, {n: a for n, a in programs.items() if n not in late})}
            late = {n: t for n, t in taken.items() if isinstance(median(t, 'ms'), str)}
            os.unlink(o.path)
            if taken['ours'] is late.get('ours'):
                return self.lines(name, taken, [('ms', 'ms', 'less')])
            least = min(f['cpu_ms'] for f in taken['ours'])
            largest = mb == SIZES[-1]
            self.lines(name, taken, [('ms', 'ms', 'less')], least / before if before and largest else None,
                       median(taken['ours'], 'peak_kib') / 1024 if largest else None)
            self.lines('', {n: t for n, t in taken.items() if n not in late}, [('cpu_ms', 'CPU ms', 'less')])
            before = least

    def better_pexpect(self, name, words):
        """With a search window it should be quicker, where that gives a right answer; the better of both it is."""
        if words[0] != 'literal':
            return TUNED # the same as it comes, but for larger reads and no sleeps
        tries = [(self.sample(name, 'pexpect', [*c, *words]), c) for c in (TUNED, PEXPECT)]
        return min(((f['ms'], c) for f, c in tries if isinstance(f, dict)), default=(0, TUNED))[1]

    def run(self, wanted):
        for kind in KINDS:
            self.output(kind, wanted)
        for name, words, metrics in (
                ('expect: spawn', ['spawn', SPAWNS, 0], [('ms', 'ms', 'less')]),
                (f'expect: spawn, heap of {HEAP} MiB', ['spawn', SPAWNS, HEAP], [('ms', 'ms', 'less')]),
                (f'expect: {SESSIONS} sessions', ['sessions', SESSIONS, EXCHANGES],
                 [('per_second', 'per s', 'more'), ('cpu_us', 'CPU us', 'less')])):
            if wanted(name):
                argv = [str(w) for w in words]
                programs = {'ours': [self.ours, *argv], 'pexpect': [*TUNED, *argv], 'expect': [*EXPECT, *argv]}
                taken = self.row(name, programs, 1 if HEAP in words else MORE) # filling it takes longer than what is measured
                for f in (f for t in taken.values() for f in t if 'us' in f):
                    f['per_second'] = 1e6 / f['us']
                self.lines(name, taken, metrics)


def median(taken, key):
    """Or what is to be shown instead."""
    bad = [f for f in taken if isinstance(f, str)]
    return bad[0] if bad else statistics.median(f.get(key, 0) for f in taken)


def ratio(values, other):
    a, b = values.get('ours'), values.get(other)
    if isinstance(a, str) or b in (None, 'wrong'):
        return '-'
    return f'<{max(a / (CAP * 1000), 0.01):.2f}' if isinstance(b, str) else f'{a / b:.2f}'


def versions():
    code = 'import pexpect, sys; print(pexpect.__version__, "python " + sys.version.split()[0], sep=", ")'
    pexpect = subprocess.run(['/usr/bin/python3', '-c', code], stdout=subprocess.PIPE, text=True).stdout.strip()
    expect = subprocess.run(['/usr/bin/expect', '-v'], stdout=subprocess.PIPE, text=True).stdout.split()
    return pexpect, expect[-1] if expect else 'of unknown version'


def measure_expect(tmp, wanted, samples):
    """The rows of this table that are wanted: how many."""
    if not any(wanted(n) for n in row_names()):
        return 0
    find_peers()
    folder = tmp + '/expect'
    os.mkdir(folder)
    try:
        t = Table(folder, samples)
        pexpect, expect = versions()
        print( 'ours     bench/expect.c with the expect library (miniexpect.h)')
        print( 'loop     read(2) of 64 KiB from the same terminal, nothing else; the yardstick')
        print(f'pexpect  {pexpect}')
        print(f'expect   Tcl Expect {expect}')
        print(f'cat(1) of a file in memory on a raw terminal; medians of {min(ROUNDS, 3)} to {min(ROUNDS, 3) * MORE}.  '
              'Ratios are ours/loop, ours/pexpect, ours/expect:')
        print( 'where less is best, we are ahead below 1.00; where more is best, above.  growth: our least CPU time, 50 MB / 10 MB')
        print( '(5.00: linear); MiB: peak of our resident memory; CPU us: for each exchange.\n')
        print(f'{"":43}{"":8}' + ''.join(f'{c:>10}' for c in COLUMNS) + ''.join(f'{"/" + c:>9}' for c in COLUMNS[1:])
              + f'{"best":>7}{"growth":>8}{"MiB":>8}')
        t.run(wanted)
        print()
        for p in PEERS:
            print(f'behind {p}: ' + ('; '.join(t.lagging[p]) or 'on no line'))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return t.rows
