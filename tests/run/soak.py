#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 900
# plain-only: it is about hours, and what it does is done elsewhere
"""Many kinds of clients come, work, verify what they wrote, and go; some vanish.  In the end every byte is right, and the
servers have no more memory, threads and descriptors than at the beginning.  `make soak` runs it for SOAK_SECONDS (300);
the suite for some seconds only."""
import glob, json, os, random, threading, time
from disks import make
from faultlib import BLOCK, STAGES, Load, fds, fds_at_rest, figure, live
from harness import *

SECONDS = int(os.environ.get('SOAK_SECONDS', '8'))
MIB = 1 << 20
END = time.monotonic() + SECONDS
verified, visits, trouble, lock = {}, {}, [], threading.Lock()


def keep_on(name, visit):
    """A thread that does visit(i), which tells how many bytes it verified, until the time is over."""
    def work():
        i = 0
        try:
            while time.monotonic() < END and not trouble:
                n = visit(i)
                i += 1
                with lock:
                    verified[name] = verified.get(name, 0) + n
                    visits[name] = visits.get(name, 0) + 1
        except Exception as e: # pylint: disable=broad-except
            trouble.append(f'{name}, visit {i}: {e}')
    t = threading.Thread(target=work)
    t.start()
    return t


def uri(s, export=''):
    return f'nbd+unix:///{export}?socket={s.sock}'


# --- the clients: each has an export or a range of its own ---

def fio(s, d, export, offset, size):
    job = uri(s, export)

    def visit(i):
        r = run('fio', '--name=soak', '--ioengine=nbd', '--uri=' + job, '--rw=randwrite', f'--bs={(4, 16, 64)[i % 3]}k',
                f'--offset={offset}', f'--size={size}', '--iodepth=16', '--verify=crc32c', '--do_verify=1', '--verify_fatal=1',
                '--fsync=64', f'--randseed={i}', '--output-format=json', cwd=d)
        done = json.loads(r.out[r.out.index('{'):])['jobs'][0]
        same(done['error'], 0, 'fio')
        same(done['read']['io_bytes'], size, 'bytes that fio verified')
        return size
    return visit


def nbdcopy(s, d, export, size):
    def visit(i):
        with open(d + '/from', 'wb') as f:
            f.write(random.Random(i).randbytes(size // 2))
            f.truncate(size)
        run('nbdcopy', '--flush', d + '/from', uri(s, export))
        run('nbdcopy', uri(s, export), d + '/to')
        with open(d + '/from', 'rb') as a, open(d + '/to', 'rb') as b:
            assert a.read() == b.read(), 'what nbdcopy brought back'
        return size
    return visit


def qemu_io(s, offset, size):
    def visit(i):
        n = size // 4
        script = [f'{what} -P {(i + k) % 255 + 1} {offset + k * n} {n}' for what in ('write -q', 'read -q') for k in range(4)]
        out = run('qemu-io', '-f', 'raw', uri(s), *[w for c in script[:4] + ['flush'] + script[4:] for w in ('-c', c)]).out
        assert 'failed' not in out, out
        return size
    return visit


def qemu_img(s, d, export, size):
    def visit(i):
        with open(d + '/img', 'wb') as f:
            for k in range(8):
                f.seek(random.Random(i * 8 + k).randrange(size - 65536))
                f.write(bytes([i % 255 + 1]) * 65536)
            f.truncate(size)
        run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', d + '/img', uri(s, export))
        run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', d + '/img', uri(s, export))
        return size
    return visit


NBDSH = '''
import os
data = os.urandom(size)
for at in range(0, size, 65536):
    h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data[at:at + 65536])), offset + at, completion=lambda e: 1)
    while h.aio_in_flight() > 8: h.poll(-1)
while h.aio_in_flight(): h.poll(-1)
h.flush()
h.zero(4096, offset + 8192)
h.trim(4096, offset)
assert h.pread(4096, offset + 8192) == bytes(4096)
assert h.pread(size - 65536, offset + 65536) == data[65536:]
'''


def nbdsh(s, offset, size):
    def visit(i):
        run('nbdsh', '-u', uri(s), '-c', f'size, offset = {size}, {offset}', '-c', NBDSH)
        return size - 65536 + 4096
    return visit


def vanishing(s, **kw):
    def visit(i):
        live(s.sock, i % STAGES, False, **kw)
        time.sleep(0.02)
        return 0
    return visit


# --- the servers ---

def figures(s):
    """Descriptors; threads, without those that the kernel adds for io_uring and takes away; KiB in use."""
    names = [read_file(f) for f in glob.glob(f'/proc/{s.pid}/task/*/comm')]
    return fds(s), sum(not n.startswith('iou-') for n in names), figure(s, 'VmRSS')


def watch(servers):
    """What each has at most, after a third of the time and in the end; while clients are there."""
    marks = {s: [None, None] for s in servers}
    begin = time.monotonic()
    while time.monotonic() < END and not trouble:
        late = time.monotonic() - begin > SECONDS * 2 / 3
        if late or time.monotonic() - begin > SECONDS / 3:
            for s in servers:
                now = figures(s)
                marks[s][late] = [max(x) for x in zip(now, marks[s][late] or now)]
        time.sleep(0.25)
    return marks


def fill(s):
    """So that a disk in memory has all that it will have."""
    with open(s.dir + '/zeroes', 'wb') as f:
        f.write(b'\x5a' * (64 * MIB))
    run('nbdcopy', s.dir + '/zeroes', s.uri)
    os.unlink(s.dir + '/zeroes')


@case
def mixed_clients_for_a_while():
    if REAL:
        raise Skip('nbdkit has no such time')
    with temp_dir() as d:
        os.mkdir(d + '/exports')
        for name in ('raw', 'fio', 'copy', 'img', 'gone'):
            make(f'{d}/exports/{name}', 8 * MIB)
        make(d + '/base', 16 * MIB, b'base' * (4 * MIB))
        for sub in ('fio1', 'fio2', 'copy', 'img'):
            os.mkdir(f'{d}/{sub}')
        with Server('--filter=log', '--filter=delay', 'memory', '64M', f'logfile={d}/log', 'rdelay=500us', 'wdelay=500us') as a, \
             Server('--filter=blocksize', 'file', f'dir={d}/exports', 'minblock=4096', 'maxdata=256K') as b, \
             Server('--filter=log', '--filter=cow', 'file', d + '/base', f'logfile={d}/log2') as c:
            soak(d, a, b, c)
        for log in ('log', 'log2'):
            with open(f'{d}/{log}', 'rb') as f:
                text = f.read()
            for what in (b'Read', b'Write', b'Flush', b'Zero', b'Trim', b'Extents'):
                same(text.count(b'...' + what + b' id='), text.count(b' ' + what + b' id='), f'{log}: {what} begun and ended')
            same(text.count(b' Disconnect '), text.count(b' Connect '), f'{log}: connections begun and ended')
        with open(d + '/base', 'rb') as f:
            assert f.read() == b'base' * (4 * MIB), 'cow wrote to what lies below'


def soak(d, a, b, c):
    global END # pylint: disable=global-statement
    fill(a)
    base = {a: fds_at_rest(a), b: fds_at_rest(b, name=b'raw'), c: fds_at_rest(c)}
    zero = 16 * MIB // BLOCK # Load's blocks begin as zeroes
    run('nbdsh', '-u', a.uri, '-c', f'h.zero({16 * MIB}, 0)')
    run('nbdsh', '-u', c.uri, '-c', f'h.zero({4 * MIB}, 0)')
    END = time.monotonic() + SECONDS
    loads = {'raw, memory': (Load(a.sock, zero, clients=3, life=25, reads=4, most=8), a.uri, a),
             'raw, file': (Load(b.sock, 8 * MIB // BLOCK, clients=2, life=25, reads=4, most=8, up_args={'name': b'raw', 'structured': False}), uri(b, 'raw'), b),
             'raw, cow': (Load(c.sock, 4 * MIB // BLOCK, clients=2, life=50, reads=4), c.uri, c)}
    threads = [keep_on('fio, memory', fio(a, d + '/fio1', '', 16 * MIB, 8 * MIB)), keep_on('qemu-io', qemu_io(a, 24 * MIB, 4 * MIB)),
               keep_on('nbdsh', nbdsh(a, 32 * MIB, 2 * MIB)), keep_on('fio, file', fio(b, d + '/fio2', 'fio', 0, 8 * MIB)),
               keep_on('nbdcopy', nbdcopy(b, d + '/copy', 'copy', 8 * MIB)), keep_on('qemu-img', qemu_img(b, d + '/img', 'img', 8 * MIB)),
               keep_on('vanishing, memory', vanishing(a, at=48 * MIB)),
               keep_on('vanishing, file', vanishing(b, name=b'gone')), keep_on('vanishing, cow', vanishing(c, at=8 * MIB))]
    marks = watch((a, b, c))
    for t in threads:
        t.join()
    same(trouble, [], 'clients')
    for name, (load, where, _) in loads.items():
        load.join()
        run('nbdcopy', where, d + '/last')
        with open(d + '/last', 'rb') as f:
            load.check(f, load.acked)
        verified[name], visits[name] = load.verified + load.blocks * BLOCK, load.rounds // load.life + 1
    for s, name in ((a, 'memory'), (b, 'file'), (c, 'cow')):
        until('the descriptors are as before', lambda s=s: fds(s) <= base[s] + 6)
        first, last = marks[s]
        print(f'| soak {name}: descriptors, threads, KiB in use: {first} after a third, {last} in the end', flush=True)
        assert last[2] - first[2] < 8 << 10, f'{name}: it grows: {first}, {last}'
        # A loop keeps 16 threads for each connection that it ever had at once: with luck it has one more later.
        assert last[1] <= first[1] + 64 and last[0] <= first[0] + 16, f'{name}: it grows: {first}, {last}'
    for name in sorted(verified):
        print(f'| soak {name}: {visits[name]} visits, {verified[name] >> 20} MiB verified')
    print(f'| soak: {SECONDS} s, {sum(verified.values())} bytes verified')


main()
