#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The built-in filters against nbdkit's of the same name: the same client asks both the same, and must get the same."""
import os, re
import nbd
import rawnbd
from harness import *

SIZE = 1 << 20


def pattern(n, seed=1):
    return bytes((i * 7 + i // 251 + seed) & 255 for i in range(n))


def answer(f, *args):
    """What a call returns, or the errno it fails with."""
    try:
        return f(*args)
    except nbd.Error as e:
        return ('errno', e.errno)


def connect(s):
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.add_meta_context('base:allocation')
    h.connect_uri(s.uri)
    return h


def status(h, length, offset):
    runs = []

    def take(_context, _offset, entries, _error):
        runs.extend(entries)
    h.block_status(length, offset, take)
    merged = [] # two servers may cut the same truth at different places
    left = length
    for n, flags in zip(runs[::2], runs[1::2]):
        n = min(n, left)
        left -= n
        if n and merged and merged[-1][1] == flags:
            merged[-1][0] += n
        elif n:
            merged.append([n, flags])
    return merged


def both(talk, *args):
    """Let talk(handle) run with this server and with nbdkit; what it returns must be equal."""
    answers = []
    for program in [NBDKIT] + ([] if REAL else [NBDKIT_REF]):
        if program == NBDKIT_REF and not os.path.exists(program):
            raise Skip('needs nbdkit to compare with')
        with Server(*args, program=None if program == NBDKIT else program) as s:
            h = connect(s)
            answers.append(talk(h))
            h.shutdown()
    for ours, theirs in zip(answers[0], answers[-1]):
        same(ours, theirs, ' '.join(str(a) for a in args))
    same(len(answers[0]), len(answers[-1]), 'answers')
    return answers[0]


def abilities(h):
    return [h.get_size(), h.is_read_only(), h.can_flush(), h.can_fua(), h.can_zero(), h.can_trim(), h.can_multi_conn(),
            h.can_cache(), h.can_df(), h.can_fast_zero(), h.is_rotational()]


def refused_by_both(*args):
    """A command line that neither accepts."""
    for program in [NBDKIT] + ([] if REAL else [NBDKIT_REF]):
        r = run(program, *args, '--run', 'true', status=1)
        assert len(r.err.strip().splitlines()) == 1, r.err


def open_refused_by_both(*args):
    for program in [NBDKIT] + ([] if REAL else [NBDKIT_REF]):
        with Server(*args, program=None if program == NBDKIT else program) as s:
            for _ in range(2): # and it lives
                same(answer(connect, s)[0] if isinstance(answer(connect, s), tuple) else 'opened', 'errno', f'{program}: {args}')


# --- offset ---

@case
def offset_serves_the_range():
    def talk(h):
        out = abilities(h)
        size = h.get_size()
        h.pwrite(pattern(5000), 100)
        out += [h.pread(6000, 0), answer(h.pread, 1, size), answer(h.pread, 2, size - 1), answer(h.pwrite, b'xx', size - 1)]
        h.pwrite(pattern(65536, 9), 3 * 65536)
        out += [status(h, size, 0), status(h, 65536 * 3, 65536)]
        h.zero(65536, 3 * 65536 + 1000)
        h.trim(65536, 0)
        out += [h.pread(size, 0), status(h, size, 0)]
        return out
    both(talk, '--filter=offset', 'memory', SIZE, 'offset=64K', 'range=512K')
    both(talk, '--filter=offset', 'memory', SIZE, 'offset=256K')
    both(talk, '--filter=offset', 'memory', SIZE, 'range=768K')
    both(talk, '--filter=offset', 'memory', SIZE)


@case
def offset_writes_nothing_outside_the_range():
    with temp_dir() as d:
        disk = d + '/disk'
        with open(disk, 'wb') as f:
            f.write(pattern(SIZE))

        def talk(h):
            h.pwrite(b'x' * 1000, 0)
            h.pwrite(b'y' * 1000, h.get_size() - 1000)
            h.flush()
            return [h.get_size()]
        both(talk, '--filter=offset', 'file', disk, 'offset=12345', 'range=54321')
        want = bytearray(pattern(SIZE))
        want[12345:13345] = b'x' * 1000
        want[12345 + 54321 - 1000:12345 + 54321] = b'y' * 1000
        with open(disk, 'rb') as f:
            same(f.read(), bytes(want), 'the file')


@case
def offset_refuses_what_lies_outside():
    open_refused_by_both('--filter=offset', 'memory', SIZE, 'offset=2M')
    open_refused_by_both('--filter=offset', 'memory', SIZE, 'offset=512K', 'range=513K')
    for bad in ('offset=-1', 'offset=', 'offset=x', 'range=-1', 'range=1Q'):
        refused_by_both('--filter=offset', 'memory', SIZE, bad)


@case
def a_log_above_offset_tells_the_clients_offsets():
    with temp_dir() as d:
        with Server('--filter=log', '--filter=offset', 'memory', SIZE, 'offset=64K', f'logfile={d}/log') as s:
            h = connect(s)
            h.pread(512, 0x200)
            status(h, 512, 0x200)
            h.shutdown()
        log = read_file(d + '/log')
        assert 'Read id=1 offset=0x200 count=0x200 ...' in log, log
        assert 'extents=(0x200 ' in log, log


# --- error ---

@case
def error_fails_what_it_is_told_to():
    def talk(h):
        return abilities(h) + [answer(h.pread, 512, 0), answer(h.pwrite, b'x' * 512, 0), answer(h.zero, 512, 0), answer(h.trim, 512, 0),
                               answer(h.cache, 512, 0), answer(status, h, 512, 0), answer(h.flush)]
    for name in ('EPERM', 'EIO', 'ENOMEM', 'EINVAL', 'ENOSPC', 'ESHUTDOWN'):
        both(talk, '--filter=error', 'memory', SIZE, f'error={name}', 'error-rate=100%')
    for kind in ('pread', 'pwrite', 'zero', 'trim', 'cache', 'extents'):
        got = both(talk, '--filter=error', 'memory', SIZE, f'error-{kind}=ENOSPC', f'error-{kind}-rate=1')
        same(sum(isinstance(x, tuple) for x in got), 1, f'failures with {kind} only')
    got = both(talk, '--filter=error', 'memory', SIZE, 'error=ENOSPC')
    same(sum(isinstance(x, tuple) for x in got), 0, 'failures without a rate')
    both(talk, '--filter=error', 'memory', SIZE, 'error-pread=ENOSPC', 'error=EPERM', 'error-rate=1', 'error-trim-rate=0')


@case
def error_obeys_its_file():
    with temp_dir() as d:
        trigger = d + '/trigger'

        def talk(h):
            out = [answer(h.pread, 512, 0)]
            with open(trigger, 'w'):
                out.append(answer(h.pread, 512, 0))
            os.unlink(trigger)
            return out + [answer(h.pread, 512, 0)]
        got = both(talk, '--filter=error', 'memory', SIZE, 'error-rate=1', 'error-file=' + trigger)
        same([isinstance(x, tuple) for x in got], [False, True, False], 'before, while and after the file is there')


@case
def error_refuses_what_nbdkit_refuses():
    for bad in ('error=EFOO', 'error=enospc', 'error-rate=101%', 'error-rate=1.5', 'error-rate=abc', 'error-rate=-1', 'error-rate=10%x'):
        refused_by_both('--filter=error', 'memory', SIZE, bad)


# --- partition ---

def partitioned(path, script, size=100 << 20):
    if not os.path.exists('/sbin/sfdisk'):
        raise Skip('needs sfdisk')
    with open(path, 'wb') as f:
        f.truncate(size)
    run('/sbin/sfdisk', '-q', path, stdin=script.encode())


@case
def partition_serves_what_sfdisk_made():
    def talk(h):
        size = h.get_size()
        h.pwrite(pattern(4096, size & 255), 0)
        h.pwrite(pattern(512, 3), size - 512)
        return [size, h.is_read_only(), h.pread(8192, 0), h.pread(1024, size - 1024), status(h, 65536, 0), answer(h.pread, 1, size)]
    with temp_dir() as d:
        mbr, gpt = d + '/mbr', d + '/gpt'
        partitioned(mbr, 'label: dos\nsize=10M,type=83\nsize=30M,type=5\nsize=1M,type=83\nsize=2M\nsize=3M\nsize=4M\nsize=5M\n')
        partitioned(gpt, 'label: gpt\nsize=10M\nsize=20M\n,,\n')
        for disk, there, not_there in (mbr, (1, 3, 4, 5, 6, 7), (2, 8, 129)), (gpt, (1, 2, 3), (4, 128, 129, 1000000)):
            for n in there:
                both(talk, '--filter=partition', 'file', disk, f'partition={n}')
            for n in not_there:
                open_refused_by_both('--filter=partition', 'file', disk, f'partition={n}')
        want = run('/sbin/sfdisk', '-d', mbr).out
        assert want.count('start=') == 7, 'the table is whole: ' + want


@case
def partition_refuses_what_nbdkit_refuses():
    open_refused_by_both('--filter=partition', 'memory', SIZE, 'partition=1')
    open_refused_by_both('--filter=partition', 'memory', 511, 'partition=1')
    for bad in ([], ['partition=0'], ['partition=-1'], ['partition=1x'], ['partition=99999999999']):
        refused_by_both('--filter=partition', 'memory', SIZE, *bad)


# --- blocksize ---

def sizes(h):
    """We tell that a payload is at most 64M, nbdkit does not."""
    return [h.get_size(), h.get_block_size(nbd.SIZE_MINIMUM), h.get_block_size(nbd.SIZE_PREFERRED),
            min(h.get_block_size(nbd.SIZE_MAXIMUM), 64 << 20)]


@case
def blocksize_serves_any_bytes():
    def talk(h):
        size = h.get_size()
        out = abilities(h) + sizes(h)
        h.pwrite(pattern(size), 0)
        for off, n in (0, 1), (511, 2), (100, 5000), (4095, 4098), (size - 1, 1), (12345, 54321):
            h.pwrite(pattern(n, off & 255), off)
            out.append(h.pread(n + 2 if off + n + 2 <= size else n, off))
        for off, n in (1000, 100), (5000, 20000), (size - 5000, 5000):
            h.zero(n, off)
        for off, n in (40000, 100), (50001, 20000):
            h.trim(n, off)
        h.cache(10, 5)
        out += [answer(h.zero, 100, 5, nbd.CMD_FLAG_FAST_ZERO), answer(h.pread, 2, size - 1), h.pread(size, 0)]
        return out
    both(talk, '--filter=blocksize', 'memory', SIZE + 300, 'minblock=4k', 'maxdata=8k', 'maxlen=16k')
    both(talk, '--filter=blocksize', 'memory', SIZE + 300, 'minblock=64k')
    both(talk, '--filter=blocksize', 'memory', SIZE + 300, 'maxdata=7k', 'maxlen=9000')
    both(talk, '--filter=blocksize', 'memory', SIZE + 300)


@case
def blocksize_believes_the_plugin():
    script = ['get_size=echo 1000000', 'can_write=exit 0', 'pwrite=exit 1', 'pread=dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null']
    for told in (), ('block_size=echo 512 4096 1M',), ('block_size=echo 4096 65536 $((0xffffffff))',), ('block_size=echo 1 512 64M',):
        for given in (), ('minblock=512',), ('minblock=64k', 'maxdata=128k'):
            both(sizes, '--filter=blocksize', 'eval', *script, *told, *given)


@case
def blocksize_sends_down_what_was_promised():
    """A log below shows every request: aligned, and no longer than allowed."""
    with temp_dir() as d:
        log = d + '/log'
        with Server('--filter=blocksize', '--filter=log', 'memory', SIZE, 'minblock=4k', 'maxdata=8k', 'maxlen=64k', 'logfile=' + log) as s:
            h = connect(s)
            for i in range(200):
                off, n = i * 4999 % (SIZE - 70000), i * 3331 % 70000 + 1
                h.pwrite(pattern(n, i), off)
                same(h.pread(n, off), pattern(n, i), 'read back')
                h.zero(n, off)
                h.trim(n, off)
            h.shutdown()
        seen = 0
        for line in read_file(log).splitlines():
            words = dict(w.split('=', 1) for w in line.split() if '=' in w)
            if 'offset' in words and 'count' in words:
                off, n = int(words['offset'], 16), int(words['count'], 16)
                limit = 8192 if 'Read' in line or 'Write' in line else 65536
                assert off % 4096 == 0 and n % 4096 == 0 and 0 < n <= limit, line
                seen += 1
        assert seen > 2000, seen


@case
def blocksize_neighbours_on_many_connections_keep_their_bytes():
    """Eight connections each write bytes of their own in the same blocks, many at once."""
    with Server('--filter=blocksize', 'memory', SIZE, 'minblock=4k') as s:
        hs = [connect(s) for _ in range(8)]
        for i in range(1500):
            k = i % 8
            for h in hs:
                while h.aio_in_flight() > 32:
                    h.poll(-1)
            hs[k].aio_pwrite(nbd.Buffer.from_bytearray(bytearray(pattern(100, i & 255))), i * 100)
        for h in hs:
            while h.aio_in_flight():
                h.poll(-1)
        for i in range(1500):
            same(hs[i % 3].pread(100, i * 100), pattern(100, i & 255), f'bytes of request {i}')
        for h in hs:
            h.shutdown()


@case
def blocksize_refuses_what_nbdkit_refuses():
    for bad in (['minblock=3'], ['minblock=0'], ['minblock=128k'], ['maxdata=0'], ['maxlen=0'], ['minblock=512', 'maxdata=700'],
                ['minblock=4k', 'maxlen=5000'], ['minblock=x']):
        refused_by_both('--filter=blocksize', 'memory', SIZE, *bad)


# --- cow ---

@case
def cow_serves_changes_and_keeps_the_disk():
    with temp_dir() as d:
        disk = d + '/disk'

        def talk(h):
            size = h.get_size()
            out = [size, h.is_read_only(), h.can_flush(), h.can_fua(), h.can_trim(), h.can_multi_conn(), h.can_cache(), h.is_rotational()]
            out += sizes(h)
            for off, n in (0, 1), (65535, 2), (100, 5000), (size - 1, 1), (123456, 200000), (65536, 131072):
                h.pwrite(pattern(n, off & 255), off)
                out.append(h.pread(min(n + 70000, size - off), off))
            h.trim(200000, 300001)
            h.cache(100000, 500000)
            h.flush()
            out += [h.pread(size, 0), answer(h.pwrite, b'xx', size - 1)]
            return out
        for more in (), ('cow-block-size=4k',), ('cow-block-size=1M',), ('cow-on-read=true', 'cow-on-cache=true'), ('cow-on-read=/nonexistent',):
            with open(disk, 'wb') as f:
                f.write(pattern(SIZE + 300))
            both(talk, '--filter=cow', 'file', disk, *more)
            with open(disk, 'rb') as f:
                same(f.read(), pattern(SIZE + 300), 'the disk below')
            same(os.listdir(d), ['disk'], 'files')


@case
def cow_extents_are_those_of_both_disks():
    def talk(h):
        h.pwrite(b'x' * 65536, 131072)
        h.pwrite(b'y', 400000)
        h.trim(65536, 65536)
        return [status(h, h.get_size(), 0), status(h, 200000, 100000)]
    both(talk, '--filter=cow', 'memory', SIZE)


@case
def cow_clients_see_each_others_changes_and_share_blocks():
    with Server('--filter=cow', 'memory', SIZE) as s:
        hs = [connect(s) for _ in range(8)]
        for i in range(1500): # each its own bytes, many in one block
            k = i % 8
            for h in hs:
                while h.aio_in_flight() > 32:
                    h.poll(-1)
            hs[k].aio_pwrite(nbd.Buffer.from_bytearray(bytearray(pattern(100, i & 255))), i * 100)
        for h in hs:
            while h.aio_in_flight():
                h.poll(-1)
        for i in range(1500):
            same(hs[i % 3].pread(100, i * 100), pattern(100, i & 255), f'bytes of request {i}')
        for h in hs:
            h.shutdown()
        h = connect(s)
        same(h.pread(100, 100), pattern(100, 1), 'after they are gone')
        h.shutdown()


@case
def cow_with_r_is_read_only():
    def talk(h):
        return [h.is_read_only(), answer(h.pwrite, b'x', 0), h.pread(512, 0)]
    both(talk, '-r', '--filter=cow', 'memory', SIZE)


@case
def cow_refuses_what_nbdkit_refuses():
    for bad in ('cow-block-size=1k', 'cow-block-size=5000', 'cow-block-size=x', 'cow-on-read=x', 'cow-on-cache=x'):
        refused_by_both('--filter=cow', 'memory', SIZE, bad)
    env = dict(os.environ, TMPDIR='/nonexistent')
    r = run(NBDKIT, '--filter=cow', 'memory', SIZE, '--run', 'true', env=env, status=1)
    assert len(r.err.strip().splitlines()) == 1, r.err


@case
def one_request_over_a_huge_disk_neither_fills_memory_nor_holds_up_the_end():
    if REAL:
        raise Skip('nbdkit has no extended headers')
    size = 1 << 50
    with Server('--filter=cow', 'memory', size) as s:
        with rawnbd.up(s.sock, extended=True) as c, rawnbd.up(s.sock, extended=True) as other:
            same(c.call(rawnbd.TRIM, 4097, size - 65536 - 4097), 0, 'trim')
            same(c.call(rawnbd.ZERO, 0, size), 0, 'zero')
            if MODE == 'plain':
                kib = int(re.search(r'VmHWM:\s*(\d+)', read_file(f'/proc/{s.pid}/status'))[1])
                assert kib < 100 << 10, f'{kib} KiB of memory for two requests'
            c.request(rawnbd.ZERO, 0, size, flags=rawnbd.NO_HOLE) # would take days
            c.request(rawnbd.DISC)
            same(other.read(0, 512), bytes(512), 'what the other reads')
            s.stop()


@case
def filters_stand_on_each_other():
    """All five at once, and the bytes are right."""
    with temp_dir() as d:
        disk = d + '/disk'
        partitioned(disk, 'label: gpt\nsize=1M\nsize=2M\n', 10 << 20)
        with Server('--filter=error', '--filter=offset', '--filter=blocksize', '--filter=cow', '--filter=partition', 'file', disk,
                    'partition=2', 'offset=1000', 'range=1000000', 'minblock=4k', 'maxdata=64k', 'cow-block-size=8k', 'error-rate=0') as s:
            h = connect(s)
            same(h.get_size(), 1000000, 'size')
            for i in range(100):
                off, n = i * 7919 % 900000, i * 3331 % 90000 + 1
                h.pwrite(pattern(n, i), off)
                same(h.pread(n, off), pattern(n, i), f'round {i}')
            same(sum(n for n, _ in status(h, 100000, 0)), 100000, 'extents')
            h.shutdown()


main()
