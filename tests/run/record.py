#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 240
"""Recordings: any past of the disk is what it was; nothing is lost; torn and hostile files do no harm."""
import json, os, random, shutil, signal, struct, subprocess, threading
from faultlib import preload
from harness import *
import rawnbd as N
from rawnbd import Conn

SIZE = 8 << 20
BLKSCOPE = BIN + '/blkscope'


def connect(sock, name=''):
    c = Conn(sock)
    c.newstyle()
    c.go(name.encode())
    return c


def request(c, kind, off, n, data=b'', flags=0):
    if kind == N.READ:
        return c.read(off, n)
    same(c.call(kind, off, n, data, flags), 0, 'the error')
    return b''


def whole(sock, name=''):
    """All bytes; None: an error."""
    with connect(sock, name) as c:
        parts = [request(c, N.READ, off, 1 << 20) for off in range(0, SIZE, 1 << 20)]
        return None if any(isinstance(p, int) for p in parts) else b''.join(parts)


class Model:
    """A disk as bytes, and what it was after each answered request."""
    def __init__(self, seed):
        self.disk, self.random, self.past = bytearray(SIZE), random.Random(seed), []

    def step(self, c):
        r = self.random
        off = r.randrange(SIZE)
        n = min(r.choice((1, 100, 512, 4096, 4096, 4097, 65536, 300000)), SIZE - off)
        if r.random() < 0.5:
            off, n = off & ~4095, max(n & ~4095, 4096)
        kind = r.choice((N.WRITE, N.WRITE, N.WRITE, N.TRIM, N.ZERO, N.READ, N.FLUSH))
        if kind == N.FLUSH:
            request(c, kind, 0, 0)
        elif kind == N.READ:
            same(request(c, kind, off, n), bytes(self.disk[off:off + n]), 'a read')
        elif kind == N.WRITE:
            data = r.choice((bytes([r.randrange(256)]) * n, r.randbytes(n), bytes(n)))
            request(c, kind, off, n, data, flags=r.choice((0, N.FUA)))
            self.disk[off:off + n] = data
        else:
            request(c, kind, off, n)
            self.disk[off:off + n] = bytes(n)


def record(d, *args, steps=0, marks=(), seed=1):
    """A session of that many requests; the disk at each mark and at the end."""
    m = Model(seed)
    with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec', *args) as s:
        with connect(s.sock) as c:
            for i in range(steps):
                if i in marks:
                    run(BLKSCOPE, 'mark', f'--recording={d}/rec', f'step {i}')
                    m.past.append((i, bytes(m.disk)))
                m.step(c)
    return m


@case
def any_past_is_what_it_was():
    marks = sorted(random.Random(7).sample(range(600), 12))
    with temp_dir() as d:
        m = record(d, steps=600, marks=marks)
        with Server('recording', d + '/rec') as s:
            same(whole(s.sock) == m.disk, True, 'the end')
            for i, disk in m.past:
                same(whole(s.sock, f'@mark=step {i}') == disk, True, f'at mark {i}')
            listed = run('nbdinfo', '--list', s.uri).out
            assert all(f'"@mark=step {i}"' in listed for i in marks), listed
        # what is told of holes agrees with the bytes: a copy that skips holes is the same
        run('nbdcopy', '--', '[', BLKSCOPE, 'at', d + '/rec', f'mark=step {marks[5]}', ']', d + '/copy')
        same(open(d + '/copy', 'rb').read() == m.past[5][1], True, 'a sparse copy')


@case
def events_and_times_count_from_the_beginning():
    with temp_dir() as d:
        with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec') as s, connect(s.sock) as c:
            for i in range(5): # events: CONNECT, then BEGIN and END of each
                request(c, N.WRITE, 0, 4096, bytes([i + 1]) * 4096)
        with Server('recording', d + '/rec') as s:
            for n, want in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (10, 5)):
                with connect(s.sock, f'@event={n}') as c:
                    same(request(c, N.READ, 0, 1), bytes([want]), f'after event {n}')
            with connect(s.sock, '@1h') as c:
                same(request(c, N.READ, 0, 1), b'\5', 'an hour later')
            for name in ('@event=12', '@mark=none', '@soon', 'nothing', '@event=-1'):
                with Conn(s.sock) as c:
                    c.newstyle()
                    same(c.ask(N.GO, struct.pack('>I', len(name)) + name.encode() + b'\0\0')[-1][0], N.ERR_UNKNOWN, name)


@case
def the_past_can_be_written_to_and_stays_as_it_was():
    with temp_dir() as d:
        m = record(d, steps=50)
        before = open(d + '/rec', 'rb').read()
        run(BLKSCOPE, 'at', d + '/rec', 'end', '-U', '-', '--run',
            'qemu-io -f raw -c "write -P 0x5a 0 1M" -c "read -P 0x5a 0 1M" -c flush "$uri"')
        same(open(d + '/rec', 'rb').read() == before, True, 'the recording')
        r = run(BLKSCOPE, 'at', d + '/rec', '-U', '-', '--run', 'qemu-io -f raw -c "write 0 4k" "$uri"', status=None)
        assert r.status != 0, 'without a moment it is read-only'
        with Server('recording', d + '/rec') as s:
            same(whole(s.sock) == m.disk, True, 'the end')


@case
def many_connections_at_once():
    with temp_dir() as d:
        def drive(s, k):
            r = random.Random(k)
            with connect(s.sock) as c:
                for i in range(200): # a region of its own each
                    off = k * (1 << 20) + r.randrange(255) * 4096
                    request(c, N.WRITE, off, 4096, struct.pack('<II', k, i) * 512)
        with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec') as s:
            threads = [threading.Thread(target=drive, args=(s, k)) for k in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            now = whole(s.sock)
        assert now != bytes(SIZE)
        with Server('recording', d + '/rec') as s:
            same(whole(s.sock) == now, True, 'the end')


@case
def killed_without_a_word_it_opens_up_to_the_last_chunk():
    with temp_dir() as d:
        m = Model(3)
        s = Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec')
        try:
            with connect(s.sock) as c:
                for _ in range(100):
                    m.step(c)
                # all that was answered is in the file soon, without another request
                until('the file has it', lambda: ends_alike(d, m))
        finally:
            s.kill()
        with Server('recording', d + '/rec') as s:
            same(whole(s.sock) == m.disk, True, 'the end')


def ends_alike(d, m):
    with Server('recording', d + '/rec') as s:
        return whole(s.sock) == m.disk


@case
def cut_off_anywhere_it_opens():
    with temp_dir() as d:
        marks = (40, 80)
        m = record(d, steps=120, marks=marks, seed=5)
        whole_file = open(d + '/rec', 'rb').read()
        r = random.Random(11)
        cuts = [r.randrange(200, len(whole_file)) for _ in range(12)] + [len(whole_file) - 1, len(whole_file) - 60]
        for cut in cuts:
            with open(d + '/cut', 'wb') as f:
                f.write(whole_file[:cut])
            with Server('recording', d + '/cut') as s:
                listed = run('nbdinfo', '--list', s.uri).out
                for i, disk in m.past:
                    if f'"@mark=step {i}"' in listed:
                        same(whole(s.sock, f'@mark=step {i}') == disk, True, f'cut at {cut}, mark {i}')
                assert cut < len(whole_file) - 60 or cut == len(whole_file) - 1 or 'cut off at byte' in s.messages(), s.messages()


@case
def bits_that_flip_are_noticed():
    with temp_dir() as d:
        m = record(d, steps=60, seed=9)
        good = open(d + '/rec', 'rb').read()
        r = random.Random(13)
        damaged = told = 0
        for _ in range(15):
            bad = bytearray(good)
            at = r.randrange(len(bad))
            bad[at] ^= 1 << r.randrange(8)
            with open(d + '/bad', 'wb') as f:
                f.write(bad)
            try:
                s = Server('recording', d + '/bad')
            except AssertionError:
                continue # it says that it cannot be opened
            with s:
                try:
                    got = whole(s.sock)
                    damaged += got is not None and got != m.disk
                    told += got is not None and got != m.disk and 'at byte' in s.messages()
                except AssertionError: # no such moment
                    pass
        same(told, damaged, 'files that were told to be damaged')


@case
def without_data_there_are_no_contents():
    secret = b'a secret of the disk' * 20
    for how in ('no', 'hash'):
        with temp_dir() as d:
            with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec', 'data=' + how) as s, connect(s.sock) as c:
                request(c, N.WRITE, 512, len(secret), secret)
            same(secret[:16] in open(d + '/rec', 'rb').read(), False, how)
            r = run(NBDKIT, '-U', '-', 'recording', d + '/rec', '--run', 'true', status=1)
            assert 'made without data' in r.err, r.err


@case
def data_of_the_plugin_goes_by():
    """data= that is none of ours belongs to what lies below."""
    r = run(NBDKIT, '-U', '-', '--filter=record', 'memory', '1M', 'recordfile=/dev/null', 'data=perhaps', '--run', 'true', status=1)
    assert "unknown parameter 'data'" in r.err, r.err


@case
def a_full_disk_makes_requests_wait_and_loses_nothing():
    if os.geteuid() != 0:
        raise Skip('needs root, to mount a small file system')
    with temp_dir() as d:
        os.mkdir(d + '/small')
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'none', d + '/small'], stderr=subprocess.DEVNULL).returncode:
            raise Skip('mounting is not allowed here')
        try:
            m = Model(17)
            with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/small/rec') as s, connect(s.sock) as c:
                def drive():
                    for i in range(200): # 12.5 MiB that do not pack
                        data = m.random.randbytes(65536)
                        off = m.random.randrange(SIZE // 65536) * 65536
                        request(c, N.WRITE, off, 65536, data)
                        m.disk[off:off + 65536] = data
                t = threading.Thread(target=drive)
                t.start()
                until('it says so', lambda: 'requests wait' in s.messages())
                run('mount', '-o', 'remount,size=64m', d + '/small')
                t.join(60 * SLOWER)
                same(t.is_alive(), False, 'the client waits for ever')
            with Server('recording', d + '/small/rec') as s:
                same(whole(s.sock) == m.disk, True, 'the end')
        finally:
            subprocess.run(['umount', '-l', d + '/small'], check=False)


def told(path):
    """Requests in a recording by operation, and how many events it says are missing."""
    lines = [json.loads(x) for x in run(BLKSCOPE, 'convert', path, '-', '--to=json').out.splitlines()]
    ops = [x['op'] for x in lines if 'op' in x]
    return {o: ops.count(o) for o in set(ops)}, sum(x.get('lost_events', 0) for x in lines)


def drop(d, stop, go, env=None):
    """A session with full=drop over a file that takes nothing between stop() and go(): every request works, and is either there or
    counted.  The messages of the server."""
    data = [random.Random(i).randbytes(1 << 20) for i in range(8)]
    with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec', 'full=drop', env=env) as s, connect(s.sock) as c:
        request(c, N.WRITE, 0, 4096, b'first' * 819 + b'.')
        stop()
        writes = 1
        def went_on():
            nonlocal writes
            for i in range(8):
                request(c, N.WRITE, i << 20, 1 << 20, data[i])
            writes += 8
            return 'cannot write' in s.messages() or 'were lost' in s.messages()
        until('it says so', went_on)
        for _ in range(10): # of 8 MiB, and 4 may wait in memory, beside what is being written
            went_on()
        go()
        run(BLKSCOPE, 'mark', f'--recording={d}/rec', 'all taken')
        until('the file goes on', lambda: 'all taken' in run(BLKSCOPE, 'convert', f'{d}/rec', '-', '--to=json').out)
        request(c, N.FLUSH, 0, 0)
        request(c, N.WRITE, 0, 4096, b'last!' * 819 + b'.')
        now = whole(s.sock)
        s.stop()
        messages = s.messages()
    ops, lost = told(f'{d}/rec')
    assert lost > 0 and lost % 2 == 0, lost
    same(ops['write'] + lost // 2, writes + 1, 'writes, there or counted')
    same(ops['flush'], 1, 'flushes')
    report = json.loads(run(BLKSCOPE, 'report', '--json', f'{d}/rec').out)
    assert f'{lost}' in json.dumps(report), report
    with Server('memory', SIZE) as s:
        played = run(BLKSCOPE, 'replay', '--asap', f'{d}/rec', s.uri).out
        assert f'lost        {lost} events' in played, played
    with Server('recording', f'{d}/rec') as s, connect(s.sock) as c:
        same(request(c, N.READ, 0, 4096), now[:4096], 'the last write')
        assert 'are missing at event' in s.messages(), s.messages()
    return messages


@case
def asked_to_drop_it_goes_on_when_the_disk_is_full_and_counts_what_is_missing():
    if os.geteuid() != 0:
        raise Skip('needs root, to mount a small file system')
    with temp_dir() as d:
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'none', d], stderr=subprocess.DEVNULL).returncode:
            raise Skip('mounting is not allowed here')
        try:
            err = drop(d, lambda: None, lambda: run('mount', '-o', 'remount,size=400m', d))
            assert 'requests go on without it' in err and 'the first of them' in err and 'are not in it' in err, err
        finally:
            subprocess.run(['umount', '-l', d], check=False)


@case
def asked_to_drop_it_goes_on_when_the_disk_is_slow():
    with temp_dir() as d:
        library = preload(d, 'fail_io')
        os.mkdir(d + '/how')
        def slow():
            with open(d + '/how/pwrite', 'w') as f:
                f.write('slow 300')
        err = drop(d, slow, lambda: os.unlink(d + '/how/pwrite'), env={'LD_PRELOAD': library, 'FAIL_IO': d + '/how'})
        assert 'cannot write' not in err and 'the first of them' in err and 'are not in it' in err, err


@case
def bad_words_are_told():
    with temp_dir() as d:
        for args, text in ((('--filter=record', 'null', '--run', 'true'), 'recordfile=FILE'),
                           (('--filter=record', 'null', 'recordfile=/nowhere/x', '--run', 'true'), 'cannot open'),
                           (('recording', '--run', 'true'), 'which one'),
                           (('recording', '/etc/passwd', '--run', 'true'), 'no recording'),
                           (('recording', '/dev/null', '--run', 'true'), 'no recording')):
            r = run(NBDKIT, '-U', '-', *args, status=1)
            assert text in r.err and r.err.count('\n') == 1, r.err
        for args in (('mark',), ('mark', ''), ('mark', 'a', 'b'), ('at',), ('at', '-U'), ('mark', '--recording=/etc/passwd', 'x')):
            r = run(BLKSCOPE, *args, status=1)
            assert r.err.count('\n') == 1 and 'error' in r.err, r.err


if __name__ == '__main__':
    main()
