#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 180
"""The disk below fails, or the server is killed over it: what was acknowledged is there, or its client was told.
docs/faults.md is the table of all faults."""
import contextlib, errno, os, re, signal, struct
import rawnbd
from disks import ext4, loop_device, make, mounted, small_tmpfs
from faultlib import BLOCK, Load, preload
from harness import *
from rawnbd import EIO, ENOSPC, FLUSH, FUA, TRIM, WRITE, ZERO, up

ENGINES = [()] if REAL else [('engine=auto',), ('engine=pool',)]
BLOCKS = 512
SIZE = BLOCKS * BLOCK


def killed_under_load(path, *args, rounds=40, **kw):
    """Serve it, have clients write, and kill the server with no warning.  The Load."""
    with Server('file', path, *args) as s:
        load = Load(s.sock, BLOCKS, **kw)
        load.wait(rounds)
        s.kill()
        load.join()
        s.ends = -signal.SIGKILL
    assert load.rounds >= rounds and any(load.durable), 'nothing was written before it was killed'
    same(load.refused, 0, 'requests refused')
    return load


def check_through_server(load, path, *args):
    """The same bytes through a new server, by another client."""
    with Server('file', path, *args) as s, temp_dir() as d:
        run('nbdcopy', s.uri, d + '/copy')
        with open(d + '/copy', 'rb') as f:
            load.check(f, load.acked)


# --- kill -9 ---

@case
def all_that_was_acknowledged_is_in_the_file_after_kill_9():
    """The kernel has it: also what was not flushed."""
    for engine in ENGINES:
        for more in ((), ('cache=none',)):
            with temp_dir() as d:
                make(d + '/disk', SIZE)
                load = killed_under_load(d + '/disk', *engine, *more, seed=1, most=4)
                with open(d + '/disk', 'rb') as f:
                    load.check(f, load.acked)
                check_through_server(load, d + '/disk', *engine, *more)


@case
def what_was_flushed_or_FUA_is_on_a_block_device_when_the_power_goes():
    """Read from below the device's cache: what it holds there is what a disk without power has left."""
    lost = 0
    for i, engine in enumerate(ENGINES * 2):
        with temp_dir() as d:
            make(d + '/below', SIZE)
            with loop_device(d + '/below') as device:
                with open(device, 'rb'): # or the last one to close it would have all written back
                    load = killed_under_load(device, *engine, seed=10 + i, fua=0.05, flush=0.1)
                    with open(d + '/below', 'rb') as f:
                        load.check(f, load.durable)
                        lost += not_there(load, f)
    assert lost, 'all was on the disk, flushed or not: this does not test anything'


def not_there(load, f):
    """Blocks that were acknowledged but never flushed, and are not on the disk: nobody was promised that."""
    n = 0
    for b in range(load.blocks):
        f.seek(b * BLOCK + 8)
        n += struct.unpack('<Q', f.read(8))[0] < load.acked[b]
    return n


@case
def what_was_flushed_or_FUA_is_in_a_file_on_ext4_when_the_power_goes():
    for i, engine in enumerate(ENGINES):
        with temp_dir() as d:
            with ext4(d, 32 << 20):
                make(d + '/mnt/disk', SIZE)
                os.sync()
                load = killed_under_load(d + '/mnt/disk', *engine, seed=20 + i, most=3)
                run('cp', '--sparse=always', d + '/fs', d + '/after') # as the disk is now
            with loop_device(d + '/after') as device, mounted(device, d + '/again') as at, open(at + '/disk', 'rb') as f:
                load.check(f, load.durable)


@case
def sigterm_under_load_loses_nothing_and_every_reply_is_true():
    """Every reply that came is true: what it says was written is there.  What was under way is answered or not."""
    if REAL:
        raise Skip('nbdkit waits for its clients')
    for i, engine in enumerate(ENGINES):
        with temp_dir() as d:
            make(d + '/disk', SIZE)
            with Server('--filter=log', '--filter=delay', 'file', d + '/disk', *engine, f'logfile={d}/log', 'wdelay=1ms') as s:
                load = Load(s.sock, BLOCKS, seed=30 + i)
                load.wait(20)
                s.stop() # status 0, or this fails
                load.join()
            with open(d + '/disk', 'rb') as f:
                load.check(f, load.acked)
            log = read_file(d + '/log')
            begun, ended = log.count(' Write id='), log.count('...Write id=')
            same(ended, begun, 'writes ended in the log')
            same(log.count(' Disconnect '), log.count(' Connect '), 'connections ended in the log')
            done = sum('...Write id=' in line and line.endswith('return=0') for line in log.splitlines())
            assert done >= sum(load.acked), f'{sum(load.acked)} writes were acknowledged, the log knows {done}'


# --- full disks ---

def fill(path):
    """With all that there is room for."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(fd, b'#' * 4096):
            pass
    os.close(fd)


@case
def a_full_disk_refuses_what_does_not_fit_and_serves_on_when_there_is_room():
    for engine in ENGINES:
        with temp_dir() as d, small_tmpfs(d, '3m'):
            make(d + '/disk', 16 << 20)
            with Server('file', d + '/disk', *engine) as s, up(s.sock) as c, up(s.sock) as other:
                blocks = [(i, c.write(i * 65536, bytes([i + 1]) * 65536, FUA if i % 4 == 0 else 0)) for i in range(100)]
                same({e for _, e in blocks}, {0, ENOSPC}, 'errors')
                fit = [i for i, e in blocks if not e]
                same(other.call(FLUSH), 0, 'flush of the other client')
                same(other.write(fit[0] * 65536, b'over' * 100), 0, 'a write over what is there')
                fill(d + '/more') # not a byte left: what makes a hole works, what fills one does not
                same(c.write(15 << 20, b'y' * 4096), ENOSPC, 'a write')
                same(c.call(ZERO, 15 << 20, 1 << 20, flags=rawnbd.NO_HOLE), ENOSPC, 'zeroes without a hole')
                same(c.call(ZERO, 15 << 20, 1 << 20), 0, 'zeroes with a hole')
                os.unlink(d + '/more')
                same(c.call(TRIM, fit[0] * 65536, 65536), 0, 'trim')
                same(c.write(15 << 20, b'y' * 4096, FUA), 0, 'a write when there is room')
                same(other.read(15 << 20, 4096), b'y' * 4096, 'read by the other client')
                for i in fit[1:]:
                    same(other.read(i * 65536, 65536), bytes([i + 1]) * 65536, f'what was acknowledged, at {i}')


@case
def a_log_on_a_full_disk_tells_how_much_is_missing():
    """Nothing is disturbed meanwhile; when there is room again the log goes on, and what it does not have it says."""
    if REAL:
        raise Skip('nbdkit writes on behind what is missing')
    with temp_dir() as d, small_tmpfs(d, '256k'):
        make(d + '/ballast', 200000, b'#' * 200000)
        with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log') as s:
            clients = [up(s.sock) for _ in range(3)]
            for i in range(1000):
                same(clients[i % 3].write(i % BLOCKS * BLOCK, struct.pack('<Q', i)), 0, 'write while the log is stuck')
            until('the server says so', lambda: 'No space left on device' in s.messages())
            os.unlink(d + '/ballast')
            until('what was kept is written', lambda: read_file(d + '/log').count('...Write id=') == 1000)
            for c in clients:
                c.disconnect()
        log = read_file(d + '/log')
        lost = sum(int(n) for n in re.findall(r'Lost lines=(\d+)', log))
        same(log.count('...Write id=') + log.count(' Write id=') + lost, 2000, 'lines written and lost')
        same(lost, 0, 'memory could keep all of these')


# --- errors from below ---

def tmpfs_device(d, size='2m'):
    """A block device of 16 MiB whose disk takes less than that: writing back more fails."""
    stack = contextlib.ExitStack()
    os.mkdir(d + '/small')
    stack.enter_context(small_tmpfs(d + '/small', size))
    make(d + '/small/below', 16 << 20)
    return stack, stack.enter_context(loop_device(d + '/small/below'))


@case
def a_flush_that_failed_is_never_followed_by_one_that_works():
    """The kernel tells of an error in writing back once, and drops the data.  Acknowledged writes are lost then, so no
    flush may say again that they are on the disk: nor one of another client, nor one that comes later."""
    if REAL:
        raise Skip("nbdkit's second flush works")
    for engine in ENGINES:
        for more in ((), ('cache=none',)):
            for by in ('flush', 'FUA'):
                with temp_dir() as d:
                    stack, device = tmpfs_device(d)
                    with stack, Server('file', device, *engine, *more) as s:
                        what = f'{engine} {more} {by}'
                        with up(s.sock) as c, up(s.sock) as other:
                            same((c.call(FLUSH), other.call(FLUSH)), (0, 0), f'{what}: flush before')
                            errors = [c.write(i << 16, b'x' * 65536, FUA if by == 'FUA' else 0) for i in range(96)]
                            errors.append(c.call(FLUSH))
                            assert any(e in (EIO, ENOSPC) for e in errors), f'{what}: nothing failed: {errors}'
                            assert not more or by == 'FUA' or errors[-1], f'{what}: what left the cache was lost without a word'
                            os.truncate(d + '/small/below', 0)
                            os.truncate(d + '/small/below', 16 << 20) # now there is room
                            for x in (c, other, c):
                                assert x.call(FLUSH) in (EIO, ENOSPC), f'{what}: a flush after it worked'
                            same(other.write(0, b'r' * 512), 0, f'{what}: a write after it')
                            same(other.read(0, 512), b'r' * 512, f'{what}: a read after it')
                        with up(s.sock) as later:
                            assert later.call(FLUSH) in (EIO, ENOSPC), f'{what}: a flush of who came later'
                        same(s.messages().count('flushes fail'), 1, f'{what}: how often the server says so')


@case
def one_file_of_a_directory_that_failed_does_not_disturb_the_others():
    if REAL:
        raise Skip("nbdkit's second flush works")
    with temp_dir() as d:
        stack, device = tmpfs_device(d)
        make(d + '/good', 1 << 20)
        os.symlink(device, d + '/bad')
        with stack, Server('file', 'dir=' + d) as s, up(s.sock, name=b'bad') as bad, up(s.sock, name=b'good') as good:
            for i in range(96):
                bad.write(i << 16, b'x' * 65536)
            for _ in range(2):
                assert bad.call(FLUSH), 'the bad one'
                same(good.write(0, b'g' * 512, FUA), 0, 'write and FUA of the good one')
                same(good.call(FLUSH), 0, 'flush of the good one')


@case
def reads_that_the_disk_cannot_do_are_EIO_for_that_request():
    for engine in ENGINES:
        with temp_dir() as d:
            make(d + '/below', 4 << 20, b'g' * (4 << 20))
            with loop_device(d + '/below') as device, Server('file', device, *engine) as s, up(s.sock) as c, up(s.sock) as other:
                os.truncate(d + '/below', 2 << 20) # the device does not know
                for kw in ({}, {'structured': True}):
                    with up(s.sock, **kw) as x:
                        same(x.read(3 << 20, 4096), EIO, 'read of what is gone')
                        same(x.read(0, 4096), b'g' * 4096, 'read of what is there')
                cookies = {c.request(rawnbd.READ, at, 4096): at for i in range(50) for at in (i << 12, (3 << 20) + (i << 12))}
                for _ in range(50):
                    same(other.read(1 << 20, 4096), b'g' * 4096, 'meanwhile')
                while cookies:
                    error, cookie = c.simple()
                    same(error, EIO if cookies.pop(cookie) >= 2 << 20 else 0, 'one of many')
                    assert error or c.recv(4096) == b'g' * 4096


@case
def a_disk_that_hangs_holds_up_nobody_but_who_writes_to_it():
    """A frozen file system: writes to it wait.  Others, of another disk on the same loops, are served; then all is done."""
    for engine in ENGINES:
        with temp_dir() as d, ext4(d, 32 << 20):
            make(d + '/mnt/disk', SIZE)
            make(d + '/other', SIZE)
            os.symlink(d + '/mnt/disk', d + '/hangs')
            with Server('-t', '2', 'file', 'dir=' + d, *engine) as s:
                writers = [up(s.sock, name=b'hangs') for _ in range(4)]
                for c in writers:
                    same(c.write(0, b'w' * BLOCK), 0, 'write before')
                if run('fsfreeze', '-f', d + '/mnt', status=None).status:
                    raise Skip('it cannot be frozen here')
                try:
                    for i, c in enumerate(writers):
                        for k in range(40):
                            c.request(WRITE, (i * 40 + k) * BLOCK, BLOCK, bytes([i * 40 + k]) * BLOCK, FUA if k % 4 == 0 else 0)
                        c.request(FLUSH)
                    for _ in range(10):
                        with up(s.sock, name=b'other') as other:
                            same(other.write(0, b'o' * 100000, FUA), 0, 'write to another disk')
                            same(other.read(0, 100000), b'o' * 100000, 'read of another disk')
                            same(other.call(FLUSH), 0, 'flush of another disk')
                finally:
                    run('fsfreeze', '-u', d + '/mnt')
                for c in writers:
                    same({c.simple()[0] for _ in range(41)}, {0}, 'what waited')
                    c.close()
            with open(d + '/mnt/disk', 'rb') as f:
                for n in range(160):
                    same(f.read(BLOCK), bytes([n]) * BLOCK, f'block {n}')


@contextlib.contextmanager
def failing(d, call, how):
    with open(f'{d}/fail-{call}', 'w', encoding='ascii') as f:
        f.write(str(how))
    os.rename(f'{d}/fail-{call}', f'{d}/fail/{call}')
    try:
        yield
    finally:
        os.unlink(f'{d}/fail/{call}')


@case
def calls_that_fail_are_told_and_only_for_their_request():
    """pread, pwrite, fallocate and fdatasync with EIO and others, and doing only half of what was asked."""
    if REAL:
        raise Skip('nbdkit makes other calls')
    with temp_dir() as d:
        env = {'LD_PRELOAD': preload(d, 'fail_io'), 'FAIL_IO': d + '/fail'}
        os.mkdir(d + '/fail')
        make('/var/tmp/' + os.path.basename(d), 1 << 20) # not tmpfs: threads are to do it
        try:
            with Server('file', '/var/tmp/' + os.path.basename(d), 'engine=pool', env=env) as s:
                with up(s.sock) as c, up(s.sock) as other:
                    pattern = bytes(i * 7 & 255 for i in range(100000))
                    for how, seen in ((errno.EIO, EIO), (errno.ENOSPC, ENOSPC), (errno.EDQUOT, ENOSPC), (errno.EROFS, rawnbd.EPERM),
                                      (errno.ENOMEM, rawnbd.ENOMEM), (errno.ENXIO, rawnbd.EINVAL)):
                        with failing(d, 'pwrite', how):
                            same(c.write(0, pattern), seen, f'write, {how}')
                        with failing(d, 'pread', how):
                            same(c.read(0, 100000), seen, f'read, {how}')
                        with failing(d, 'fallocate', how):
                            same(c.call(TRIM, 0, 65536), seen, f'trim, {how}')
                            same(c.call(ZERO, 0, 65536), seen, f'zero, {how}')
                        same(c.write(0, pattern), 0, f'write after {how}')
                        same(other.read(0, 100000), pattern, f'read after {how}')
                    with failing(d, 'pwrite', 'short'):
                        same(c.write(500, pattern), 0, 'writes cut short')
                        same(c.write(200000, pattern, FUA), 0, 'writes cut short, FUA')
                    with failing(d, 'pread', 'short'):
                        same(other.read(500, 100000), pattern, 'reads cut short')
                    same(other.read(200000, 100000), pattern, 'what was written in pieces')
                    same(c.call(FLUSH), 0, 'flush')
                    with failing(d, 'fdatasync', errno.EIO):
                        same(c.call(FLUSH), EIO, 'flush')
                    same(c.call(FLUSH), EIO, 'the flush after it')
                    same(other.call(FLUSH), EIO, "the other client's")
                    same(other.write(0, b'new' * 1000, FUA), 0, 'FUA tells of its own bytes')
        finally:
            os.unlink('/var/tmp/' + os.path.basename(d))


@case
def errors_of_writing_back_behind_a_request_reach_the_next_flush():
    """cache=none waits for the disk some writes later: who learns of an error there has been answered already."""
    if REAL:
        raise Skip('nbdkit forgets it')
    with temp_dir() as d:
        env = {'LD_PRELOAD': preload(d, 'fail_io'), 'FAIL_IO': d + '/fail'}
        os.mkdir(d + '/fail')
        make('/var/tmp/' + os.path.basename(d), 1 << 20)
        try:
            with Server('file', '/var/tmp/' + os.path.basename(d), 'cache=none', env=env) as s, up(s.sock) as c:
                same(c.call(FLUSH), 0, 'flush before')
                with failing(d, 'sync_file_range', errno.EIO):
                    for i in range(20):
                        same(c.write(i * 4096, b'w' * 4096), 0, 'write')
                same(c.call(FLUSH), EIO, 'flush after it')
        finally:
            os.unlink('/var/tmp/' + os.path.basename(d))


# --- the log, and a server that is killed ---

@case
def a_log_of_a_killed_server_is_whole_up_to_its_end():
    """SIGKILL can be met by nobody: the lines of the last moment are not there.  But those that are have no gap, and are
    the first ones: of each connection, the ids 1 to n; and what was in the file before stays."""
    if REAL:
        raise Skip("nbdkit's lines overtake each other")
    with temp_dir() as d:
        with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log') as s:
            load = Load(s.sock, BLOCKS)
            load.wait(60)
            seen = read_file(d + '/log')
            until('what was answered so far is in the log', lambda n=load.replies: read_file(d + '/log').count(' return=0\n') >= n)
            s.kill()
            load.join()
            s.ends = -signal.SIGKILL
        log = read_file(d + '/log')
        same(log.startswith(seen[:seen.rfind('\n') + 1]), True, 'what was there stays')
        lines = log.split('\n')[:-1] # the last one may be torn
        begun, ended = {}, {}
        for line in lines:
            if m := re.search(r'connection=(\d+) (Write|Flush) id=(\d+) .*\.\.\.$', line):
                begun.setdefault(m[1], []).append(int(m[3]))
            elif m := re.search(r'connection=(\d+) \.\.\.(Write|Flush) id=(\d+) return=0$', line):
                ended.setdefault(m[1], []).append(int(m[3]))
                assert int(m[3]) <= len(begun[m[1]]), f'ended before it began: {line}'
        same(len(begun), 4, 'connections')
        for k in begun:
            same(begun[k], list(range(1, len(begun[k]) + 1)), f'requests of connection {k}')
            same(sorted(ended[k]), list(range(1, len(ended[k]) + 1)), f'answers of connection {k}')


@case
def a_server_that_dies_of_a_signal_of_its_own_writes_its_log_first():
    """A crash: every request that was answered is in the log."""
    if REAL or MODE != 'plain':
        raise Skip('nbdkit does not, and a sanitizer reports')
    for sig in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        with temp_dir() as d:
            with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log', popen={'preexec_fn': no_core}) as s:
                load = Load(s.sock, BLOCKS)
                load.wait(60)
                s.process.send_signal(sig)
                s.process.wait()
                load.join()
                s.ends = -sig
            got = read_file(d + '/log').count(' return=0\n')
            assert got >= load.replies, f'{sig.name}: {load.replies} requests were answered, the log has {got}'


def no_core():
    import resource # pylint: disable=import-outside-toplevel
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


main()
