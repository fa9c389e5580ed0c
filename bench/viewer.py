# SPDX-License-Identifier: BSD-2-Clause
"""The viewer: a long log to a picture, beside programs that only look at each byte; the cost of an event by the size of
the disk and the length of the log; and a log that grows while the window follows it."""
import os, shutil, signal, statistics, subprocess, time
from servers import BUILD, Failed, die_with_us, ninja
from table import ROUNDS, number

SMALL = os.environ.get('SMALL')  # for a test of this: does it all run?
LINES = 10000 if SMALL else 10000000
DISKS = {'64 MiB': '64M', '16 GiB': '16G', '16 TiB': '16T', '1 PiB': '1024T'}
LENGTHS = [LINES // 10] if SMALL else [10**4, 10**5, 10**6, 10**7]
RATE, SECONDS = 400000, 1 if SMALL else 10
LONG = f'viewer: {LINES:,} log lines to a picture'
FLAT = 'viewer: cost of an event'
LIVE = f'viewer: live log, {RATE:,} lines/s'


def build():
    """The viewer and the generator of logs, of a release build."""
    ours, genlog = os.environ.get('BENCH_VIEWER'), BUILD + '/bench/bench-genlog'
    if ours:
        genlog = os.path.join(os.path.dirname(os.path.realpath(ours)), '../bench/bench-genlog')
    else:
        ours = BUILD + '/src/blkscope-view'
        ninja('src/blkscope-view', 'bench/bench-genlog')
    for path in (ours, genlog):
        if not os.access(path, os.X_OK):
            raise Failed(f'{path}: no such program')
    return ours, genlog


class Viewer:
    def __init__(self, folder, samples):
        self.folder, self.samples = folder, samples
        self.view, self.genlog = build()
        self.rows = 0

    def log(self, lines, size='64M'):
        path = f'{self.folder}/{lines}-{size}.log'
        with open(path, 'wb') as f:
            if subprocess.run([self.genlog, f'--lines={lines}', f'--size={size}'], stdout=f).returncode:
                raise Failed('cannot make a log')
            os.fsync(f.fileno()) # what is dirty cannot be dropped from the cache
        return path

    @staticmethod
    def forget(path):
        """Out of the page cache, so that it comes from the disk."""
        with open(path, 'rb') as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def sample(self, row, argv, cold=None):
        """Seconds, CPU seconds and peak MiB of one run."""
        if cold:
            self.forget(cold)
        with open(self.folder + '/out', 'wb') as out:
            start = time.monotonic()
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, preexec_fn=die_with_us)
            _, status, use = os.wait4(p.pid, 0)
            took = time.monotonic() - start
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            raise Failed(f'{row}: {" ".join(argv)}: exit status {p.returncode}')
        figures = {'s': took, 'cpu_s': use.ru_utime + use.ru_stime, 'mib': use.ru_maxrss / 1024}
        self.samples.append({'row': row, 'args': argv, **figures})
        return figures

    def many(self, name, programs, rounds=min(ROUNDS, 3), one=statistics.median):
        """Interleaved samples of each {label: (argv, cold)}; the medians."""
        taken = {n: [] for n in programs}
        for _ in range(rounds):
            for n, (argv, cold) in programs.items():
                taken[n].append(self.sample(f'{name}, {n}', argv, cold))
        return {n: {k: one(f[k] for f in t) for k in t[0]} for n, t in taken.items()}

    def picture(self, log, *more):
        return [self.view, log, *more, f'--png={self.folder}/p.png']

    def long(self):
        log = self.log(LINES)
        print(f'a log of {LINES:,} lines, {os.path.getsize(log) / 1e6:,.0f} MB; medians of {min(ROUNDS, 3)}\n')
        print(f'{LONG:46}{"s":>8}{"CPU s":>8}{"lines/s":>12}{"MB/s":>8}{"MiB":>7}{"/wc":>7}{"/grep":>7}')
        m = self.many(LONG, {
            'wc -l': (['wc', '-l', log], None), 'grep -c return=0': (['grep', '-c', 'return=0', log], None),
            'SIZE given': (self.picture(log, '64M'), None), 'no SIZE': (self.picture(log), None),
            '--dump': ([self.view, log, '--dump'], None), '--summary': ([self.view, log, '--summary'], None),
            'SIZE given, from the disk': (self.picture(log, '64M'), log), 'wc -l, from the disk': (['wc', '-l', log], log),
        })
        for n, f in m.items():
            self.rows += 1
            print(f'    {n:42}{f["s"]:8.2f}{f["cpu_s"]:8.2f}{LINES / f["s"]:12,.0f}{os.path.getsize(log) / 1e6 / f["s"]:8,.0f}'
                  f'{f["mib"]:7.1f}{f["s"] / m["wc -l"]["s"]:7.1f}{f["s"] / m["grep -c return=0"]["s"]:7.2f}', flush=True)
        os.unlink(log)
        print()

    def flat(self):
        """The least CPU time, without that of a log of four lines.  By the size of the disk: to a picture; by the length of
        the log: to a summary, which looks at each line twice, but paints no picture that would hide a short log's cost."""
        print(f'{FLAT:46}{"CPU ns":>8}{"MiB":>7}')
        for how, lines, disk in [('--png', LINES, d) for d in DISKS] + [('--summary', n, '64 MiB') for n in LENGTHS]:
            logs = {'empty': self.log(4, DISKS[disk]), 'full': self.log(lines, DISKS[disk])}
            rounds = 1 if SMALL else 3 if lines > 10**6 else 20
            m = self.many(f'{FLAT}, {how}, {lines:,}, {disk}', {
                n: (self.picture(log) if how == '--png' else [self.view, log, how], None) for n, log in logs.items()}, rounds, min)
            cost = (m['full']['cpu_s'] - m['empty']['cpu_s']) / lines * 1e9
            self.rows += 1
            print(f'    {f"{how}: {lines:,} lines, disk of {disk}":42}{cost:8.0f}{m["full"]["mib"]:7.1f}', flush=True)
            for log in logs.values():
                os.unlink(log)
        print()

    def live(self):
        """The window before a log that grows, on a display without a screen."""
        if not shutil.which('Xvfb'):
            print(f'{LIVE}: needs Xvfb\n')
            return
        log, r, w = self.folder + '/live.log', *os.pipe()
        x = subprocess.Popen(['Xvfb', '-displayfd', str(w), '-screen', '0', '1440x960x24', '-nolisten', 'tcp', '-noreset'], pass_fds=[w],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_us)
        os.close(w)
        running = [x]
        try:
            with os.fdopen(r) as f:
                display = f.readline().strip()
            with open(log, 'wb') as f:
                running.append(subprocess.Popen([self.genlog, '--live', f'--rate={RATE}', f'--lines={RATE * (SECONDS + 2)}'], stdout=f,
                                                stderr=subprocess.PIPE, text=True, preexec_fn=die_with_us))
            env = dict(os.environ, DISPLAY=f':{display}', SDL_VIDEODRIVER='x11', SDL_RENDER_DRIVER='software')
            view = subprocess.Popen([self.view, log, '--stats'], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, preexec_fn=die_with_us)
            running.append(view)
            time.sleep(SECONDS)
            view.send_signal(signal.SIGTERM) # as if the person had closed it
            out, err = view.communicate(timeout=60)
            size = os.path.getsize(log)
        finally:
            for p in running[::-1]:
                p.kill()
                p.wait()
        if view.returncode or not out.startswith('frames='):
            raise Failed(f'{LIVE}: exit status {view.returncode}: {err.strip()[-500:]}')
        f = {k: float(v) for k, v in (word.split('=') for word in out.split())}
        self.samples.append({'row': LIVE, **f})
        self.rows += 1
        print(f'{LIVE}, {size / 1e6 / (SECONDS + 0.1):.0f} MB/s\n    {f["fps"]:.1f} frames/s ({f["frames"]:.0f} in {f["seconds"]:.1f} s)')
        for key, words in (('interval_ms', 'ms from one to the next'), ('work_ms', 'ms of these not slept'), ('paint_ms', 'ms to paint and show one'),
                           ('age_ms', 'ms, age of the newest line in one (20 of them in the writer)'), ('behind_bytes', 'bytes that one lacks')):
            print(f'    {words:62}p50 {number(f[key + "_p50"]):>9}  p99 {number(f[key + "_p99"]):>9}  max {number(f[key + "_max"]):>9}')
        print(flush=True)


def measure_viewer(folder, wanted, samples):
    """The rows of the viewer that are wanted: how many."""
    parts = [(LONG, Viewer.long), (FLAT, Viewer.flat), (LIVE, Viewer.live)]
    if not any(wanted(name) for name, _ in parts):
        return 0
    mine = folder + '/viewer'
    os.mkdir(mine)
    try:
        v = Viewer(mine, samples)
        for name, measure in parts:
            if wanted(name):
                measure(v)
        return v.rows
    finally:
        shutil.rmtree(mine, ignore_errors=True)
