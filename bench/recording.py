# SPDX-License-Identifier: BSD-2-Clause
"""What recording costs, how large it gets, and how soon a past is open."""
import os, shutil, subprocess, time
from servers import BUILD, Failed, SMALL, US, ninja
from status import Client
from table import ROUNDS, median

WAYS = (('nothing', ()), ('log', [('log',)]), ('data=no', ['no']), ('data=hash', ['hash']), ('data=yes', ['yes']))
DECADES = (1000, 5000, 50000) if SMALL else (50000, 500000, 5000000) # requests; each is two events
AT = 123 << 12
READ = 0


def start(bench, way, name):
    """Our server, as it notes what happens, and the file it notes it in."""
    path = f'{bench.tmp}/{name}.rec'
    if not way or isinstance(way[0], tuple):
        s = bench.start(US, way)
        return s, s.where + '.log'
    return bench.start(US, [('record', f'recordfile={path}', f'data={way[0]}')]), path


def cost(bench, wanted):
    rows = 0
    for op in ('read', 'write'):
        row = f'recording: 4 KiB {op}, 4 conn. x 32'
        if not wanted(row):
            continue
        servers = [start(bench, way, name) for name, way in WAYS]
        for s, _ in servers:
            bench.fill(s)
        before = [os.path.getsize(p) if os.path.exists(p) else 0 for _, p in servers]
        taken = bench.sample([s for s, _ in servers], ['--op=' + op, '--depth=32', '--connections=4'], ROUNDS)
        for s, _ in servers:
            s.stop() # and all is in the files
        base = median(taken[0], 'server_cpu_us')
        rows += 1
        print()
        for (name, _), t, (_, path), size in zip(WAYS, taken, servers, before):
            requests = sum(f['requests'] for f in t)
            more = os.path.getsize(path) - size if os.path.exists(path) else 0
            cpu = median(t, 'server_cpu_us')
            print(f'{row:38}{name:12}{median(t, "iops"):>12,.0f} requests/s {cpu:8.2f} us of CPU, {cpu / base:5.2f} of nothing'
                  + (f' {more / requests:8.1f} bytes/request' if more else ''), flush=True)
    return rows


def ready(bench, path, event):
    """ms until a server of that moment has let us in, and until 4 KiB came."""
    began = time.monotonic()
    s = bench.start(US, disk=lambda *_: ['recording', path, f'at=event={event}'])
    try:
        client = Client(s.where)
        opened = time.monotonic()
        if len(client.ask(READ, AT, 4096)) < 4096:
            raise Failed('a past without its bytes')
        return (opened - began) * 1e3, (time.monotonic() - opened) * 1e3
    finally:
        s.stop()


def pasts(bench, wanted):
    row = 'recording: a moment in the middle'
    if not wanted(row):
        return 0
    print()
    for requests in DECADES:
        s, path = start(bench, ['yes'], f'past-{requests}')
        bench.load(s, '--op=mixed', '--depth=64', '--connections=4', f'--requests={requests}', '--warmup=0')
        s.stop()
        times = [ready(bench, path, requests) for _ in range(5)]
        opened, read = (sorted(t[i] for t in times)[2] for i in (0, 1))
        print(f'{row:38}{2 * requests:>12,} events {os.path.getsize(path) / 1e6:8.1f} MB   open in {opened:6.1f} ms, 4 KiB in {read:6.1f} ms more',
              flush=True)
    return 1


def seconds(argv):
    """The median of three runs."""
    times = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        times.append(time.monotonic() - began)
        if done.returncode:
            raise Failed(f'{" ".join(argv)}: {done.stderr.strip()[-300:]}')
    return sorted(times)[1]


def tools(bench, wanted):
    """Our tools over one session, and those of others over the same session in their format."""
    row = 'recording: events/s'
    if not wanted(row):
        return 0
    ninja('src/blkscope-convert', 'src/blkscope-report')
    s, rec = start(bench, ['no'], 'session')
    bench.load(s, '--op=mixed', '--depth=64', '--connections=4', f'--requests={DECADES[1]}', '--warmup=0')
    s.stop()
    events, convert, tmp = 2 * DECADES[1], BUILD + '/src/blkscope-convert', bench.tmp
    print()

    def tell(what, argv):
        took = seconds(argv)
        print(f'{row:38}{what:44}{took:8.2f} s {events / took / 1e6:8.2f} million events/s', flush=True)
    tell('report', [BUILD + '/src/blkscope-report', '--json', rec])
    for to in ('blktrace', 'iolog', 'csv', 'json', 'sqlite'):
        if os.path.exists(f'{tmp}/as-{to}'):
            os.unlink(f'{tmp}/as-{to}')
        tell('convert: recording to ' + to, [convert, '--to=' + to, rec, f'{tmp}/as-{to}'])
    os.rename(f'{tmp}/as-blktrace', f'{tmp}/as.blktrace.0')
    tell('convert: blktrace to csv', [convert, '--from=blktrace', '--to=csv', f'{tmp}/as.blktrace.0', '-'])
    if shutil.which('blkparse'):
        tell('blkparse: blktrace to its text', ['blkparse', '-i', f'{tmp}/as', '-o', '/dev/null'])
    tell('report: blktrace, by way of a recording', ['sh', '-c', f'{convert} --to=recording {tmp}/as.blktrace.0 {tmp}/again && {BUILD}/src/blkscope-report --json {tmp}/again'])
    tell('convert: iolog to csv', [convert, '--from=iolog', '--to=csv', f'{tmp}/as-iolog', '-'])
    if shutil.which('fio'): # it reads all, then does nothing for each, and sums up
        tell('fio: iolog, no engine, no waiting', ['fio', '--name=x', '--ioengine=null', '--filename=disk', '--filesize=64M', f'--read_iolog={tmp}/as-iolog',
                                                  '--replay_no_stall=1', '--iodepth=64', '--output-format=json'])
    return 1


def measure_recording(bench, wanted):
    """How many rows; they have tables of their own, as no peer records."""
    return cost(bench, wanted) + pasts(bench, wanted) + tools(bench, wanted)
