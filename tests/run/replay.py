#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
"""blkscope replay: a recorded session played onto another disk leaves the same there; wrong data and errors are noticed."""
import random, re, threading
from harness import *

BLKSCOPE = BIN + '/blkscope'
SIZE = 4 << 20


def whole(uri):
    import nbd
    h = nbd.NBD()
    h.connect_uri(uri)
    data = h.pread(SIZE, 0)
    h.shutdown()
    return data


def session(d, clients=3, steps=150):
    """Clients at the same time, each in its own part of the disk, with many requests under way."""
    import nbd
    def client(k, uri):
        r, part = random.Random(k), SIZE // clients // 65536 * 65536
        h = nbd.NBD()
        h.connect_uri(uri)
        for _ in range(steps // 10):
            buffers, cookies, used = [], [], set()
            for _ in range(10): # at once, none over another
                off = k * part + r.randrange(part // 8192) * 8192
                if off in used:
                    continue
                used.add(off)
                what = r.random()
                if what < 0.5:
                    buffers.append(nbd.Buffer.from_bytearray(bytearray(r.randbytes(8192))))
                    cookies.append(h.aio_pwrite(buffers[-1], off, flags=nbd.CMD_FLAG_FUA if what < 0.05 else 0))
                elif what < 0.8:
                    buffers.append(nbd.Buffer(8192))
                    cookies.append(h.aio_pread(buffers[-1], off))
                elif what < 0.9:
                    cookies.append(h.aio_zero(8192, off))
                else:
                    cookies.append(h.aio_trim(8192, off))
            while h.aio_in_flight():
                h.poll(1000)
            for c in cookies:
                assert h.aio_command_completed(c)
            h.flush()
        h.shutdown()
    with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec') as s:
        threads = [threading.Thread(target=client, args=(k, s.uri)) for k in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        disk = whole(s.uri)
    assert disk != bytes(SIZE)
    return d + '/rec', disk


def number(pattern, text):
    m = re.search(pattern, text)
    assert m, f'{pattern} is not in\n{text}'
    return int(m[1])


@case
def played_again_it_leaves_the_same_disk():
    with temp_dir() as d:
        rec, disk = session(d)
        for how in (['--asap', '--verify'], ['--speed=3'], []):
            with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/again') as s:
                out = run(BLKSCOPE, 'replay', rec, s.uri, *how).out
                same(whole(s.uri) == disk, True, f'the disk, {how}')
            same(number(r'errors +(\d+)', out), 0, 'errors')
            same(number(r'on (\d+) connections', out), 4, 'connections')
            same('drift' in out, '--asap' not in how, 'drift')
            if '--verify' in how:
                same(number(r', (\d+) not;', out), 0, 'mismatches')
                assert number(r'verified +(\d+)', out) > 200, out


@case
def wrong_data_and_errors_are_noticed():
    with temp_dir() as d:
        rec, _ = session(d, clients=1)
        with Server('null', SIZE) as s: # takes everything, reads zeroes
            r = run(BLKSCOPE, 'replay', rec, s.uri, '--asap', '--verify', status=1)
            assert number(r', (\d+) not;', r.out) > 0 and 'mismatch' in r.out, r.out
            same('not;' in run(BLKSCOPE, 'replay', rec, s.uri, '--asap').out, False, 'nobody asked')
        with Server('--filter=error', 'memory', SIZE, 'error-pread-rate=50%') as s:
            r = run(BLKSCOPE, 'replay', rec, s.uri, '--asap', status=1)
            assert number(r'errors +(\d+)', r.out) > 0 and 'read of 8192 bytes at' in r.err, r.out + r.err
        with Server('memory', SIZE // 2) as s:
            assert number(r'errors +(\d+)', run(BLKSCOPE, 'replay', rec, s.uri, '--asap', status=1).out) > 0


@case
def a_server_that_dies_ends_it():
    with temp_dir() as d:
        rec, _ = session(d, clients=1)
        s = Server('--filter=delay', 'memory', SIZE, 'delay-write=50ms')
        try:
            p = subprocess.Popen([BLKSCOPE, 'replay', rec, s.uri], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(0.5)
            s.kill()
            out = p.communicate(timeout=20 * SLOWER)[0].decode()
            same(p.returncode, 1, out)
        finally:
            s.kill()
            shutil.rmtree(s.dir)


@case
def bad_command_lines_are_told_in_a_line():
    with temp_dir() as d:
        for args in ([], ['x'], [d + '/none', 'nbd://x'], ['/etc/passwd', 'nbd://x'], ['a', 'b', 'c'], ['--speed=0', 'a', 'b'], ['--speed=nan', 'a', 'b'],
                     ['--speed=2', '--asap', 'a', 'b']):
            r = run(BLKSCOPE, 'replay', *args, status=1)
            same((r.out, r.err.count('\n')), ('', 1), str(args) + r.err)


if __name__ == '__main__':
    main()
