# SPDX-License-Identifier: BSD-2-Clause
"""What a server costs before and between requests: rows for its start, its memory, and connections that do nothing."""
import resource, statistics, subprocess, time
from servers import DISK, Failed, IDLE, LOAD, MANY_IDLE, US
from table import COLUMNS, ROUNDS


def many_files():
    """As many open files as this user may have; the servers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def measure_start(bench, wanted):
    """From the start of the process to its end, which comes after ..."""
    client = LOAD + ' --requests=1 --warmup=0 --depth=1 "$unixsocket"'
    for name, words in (('start: --version', ['--version']),
                        ('start: memory, --run true', ['-U', '-', 'memory', DISK, '--run', 'true']),
                        ('start: memory, first reply', ['-U', '-', 'memory', DISK, '--run', client])):
        if not wanted(name):
            continue
        taken = {US: [], 'nbdkit': []}
        for i in range(ROUNDS * 8):
            for n, program in ((US, bench.ours), ('nbdkit', bench.nbdkit))[::1 if i % 2 else -1]:
                before = time.perf_counter()
                done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                      text=True)
                taken[n].append((time.perf_counter() - before) * 1e3)
                if done.returncode:
                    raise Failed(f'{n}: {" ".join(words)}: status {done.returncode}: {done.stderr.strip()}')
        bench.line(name, 'ms', 'less', {n: statistics.median(t) for n, t in taken.items()})


def kernel_kib():
    """Memory that the kernel has for itself, on the whole machine."""
    with open('/proc/meminfo') as f:
        lines = dict(line.split(':') for line in f)
    return sum(int(lines[k].split()[0]) for k in ('Slab', 'KernelStack', 'PageTables') if k in lines)


def measure_idle(bench, wanted):
    """Fresh servers: memory and threads before any client, and with many that do nothing."""
    fresh, threads = {}, {}
    # Of 10,000 nbdkit would make 170,000 threads, and the loop 10,000: more than a system lets it have.
    for name, idle, names in ((f'{IDLE} idle connections', IDLE, COLUMNS), (f'{MANY_IDLE} idle connections', MANY_IDLE, [US, 'qemu'])):
        if not wanted(name):
            continue
        if many_files() < idle + 100:
            print(f'{name}: not measured: this user may have {many_files()} open files (ulimit -Hn)')
            continue
        each, kernel, crowd = {}, {}, {}
        for n in names:
            s = bench.start(n)
            time.sleep(0.2)
            mine, all_before = s.status('VmRSS'), kernel_kib()
            fresh[n], threads[n] = mine, s.status('Threads')
            f = bench.load(s, f'--idle={idle}', '--requests=1', '--warmup=0')
            each[n], crowd[n] = (f['server_rss_kib'] - mine) / idle, f['server_threads']
            kernel[n] = max(f['kernel_kib'] - all_before, 0) / idle
            s.stop()
        if idle == IDLE:
            bench.line('idle, no client', 'resident KiB', 'less', fresh)
            bench.line('idle, no client', 'threads', '', threads)
        bench.line(name, 'KiB for each', 'less', each)
        bench.line(name, 'kernel KiB each', '', kernel)
        bench.line(name, 'threads', 'less', crowd)
