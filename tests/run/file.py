#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The file plug-in: regular files on a disk and on tmpfs, block devices, a directory, with io_uring and without;
beside Debian's nbdkit where it must agree."""
import contextlib, ctypes, errno, glob, mmap, os, random, re, shutil, struct, subprocess
import nbd, harness
from disks import ext4, loop_device, make, small_tmpfs
from harness import NBDKIT, NBDKIT_REF, REAL, Skip, case, main, read_file, run, same, temp_dir, until

PLACES = ['/var/tmp', '/dev/shm']
ENGINES = [()] if REAL else [('engine=auto',), ('engine=pool',)]  # auto: io_uring where the kernel allows it


def in_places(f):
    """Run f(path of a file that is not there) on each kind of file system."""
    for place in PLACES:
        with temp_dir() as d:
            at = os.path.join(place, os.path.basename(d))
            os.mkdir(at)
            try:
                f(at + '/disk')
            finally:
                shutil.rmtree(at)


def with_engines(f):
    """The same with each engine: f(path, parameters)."""
    for engine in ENGINES:
        in_places(lambda path, e=engine: f(path, e))


def flushes(device):
    """How often the cache of the device was flushed to its disk: field 16 of the kernel's block/stat.rst."""
    return int(read_file(f'/sys/block/{os.path.basename(device)}/stat').split()[15])


def forget_cache(path):
    """Have the kernel read the file from its disk again."""
    with open(path, 'rb') as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def has_ring(server):
    return any('io_uring' in os.readlink(f) for f in glob.glob(f'/proc/{server.pid}/fd/*'))


clients = []


class Server(harness.Server):
    """nbdkit does not end while a client is there."""
    def stop(self, *args, **more):
        while REAL and clients:
            with contextlib.suppress(nbd.Error): # it was shut down already
                clients.pop().shutdown()
        clients.clear()
        super().stop(*args, **more)


def connect(server, export=''):
    h = nbd.NBD()
    clients.append(h)
    h.add_meta_context('base:allocation')
    h.set_export_name(export)
    h.connect_unix(server.sock)
    return h


def fails(f, *args):
    try:
        f(*args)
    except nbd.Error as e:
        return e.errno
    raise AssertionError('should have failed')


@case
def a_random_history_agrees_with_a_plain_array():
    size = 3 << 20

    def go(path, engine):
        make(path, size)
        model, rng = bytearray(size), random.Random(7)
        with Server('file', path, *engine) as s:
            h = connect(s)
            other = connect(s)  # so that the loop has more than one to serve, at times
            for i in range(400):
                if i == 200:
                    other.shutdown()
                if i % 50 == 0:
                    h.flush()
                    forget_cache(path)
                off = rng.randrange(size)
                n = min(rng.choice((1, 511, 512, 4096, 70000, 300000)), size - off)
                fua = rng.choice((0, nbd.CMD_FLAG_FUA))
                what = rng.randrange(5)
                if what == 0:
                    data = bytes([i % 255 + 1]) * n
                    h.pwrite(data, off, fua)
                    model[off:off + n] = data
                elif what == 1:
                    h.zero(n, off, fua | rng.choice((0, nbd.CMD_FLAG_NO_HOLE)))
                    model[off:off + n] = bytes(n)
                elif what == 2:
                    h.trim(n, off, fua)
                    model[off:off + n] = bytes(n)
                else:
                    assert h.pread(n, off) == model[off:off + n], f'read {n} at {off}'
            h.flush()
        with open(path, 'rb') as f:
            assert f.read() == model, 'the file itself'
    with_engines(go)


def abilities(path, program):
    with Server('file', path, program=program) as s:
        h = connect(s)
        spans = []
        if h.can_meta_context('base:allocation'):
            h.block_status(h.get_size(), 0, lambda c, off, e, err: spans.append(e) and 0)
        got = {f: getattr(h, f)() for f in ('get_size', 'is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_cache',
                                            'can_multi_conn', 'is_rotational')}
        h.shutdown()
        return dict(got, spans=spans)


@case
def extents_and_abilities_are_those_of_nbdkit():
    def go(path):
        make(path, 8 << 20)
        with open(path, 'r+b') as f:
            for at in (0, 1 << 20, (5 << 20) + 4096):
                f.seek(at)
                f.write(b'data' * 30000)
        if not REAL:
            ours, theirs = abilities(path, NBDKIT), abilities(path, NBDKIT_REF)
            for what in theirs:
                same(ours[what], theirs[what], what)
    in_places(go)


@case
def trim_and_zero_make_holes_and_NO_HOLE_does_not():
    def go(path, engine):
        make(path, 4 << 20, b'x' * (4 << 20))
        with Server('file', path, *engine) as s:
            h = connect(s)
            full = os.stat(path).st_blocks
            h.trim(1 << 20, 0)
            assert os.stat(path).st_blocks <= full - 2000, 'trim gave nothing back'
            h.zero(1 << 20, 1 << 20)
            assert os.stat(path).st_blocks <= full - 4000, 'zero gave nothing back'
            before = os.stat(path).st_blocks
            h.zero(1 << 20, 2 << 20, nbd.CMD_FLAG_NO_HOLE)
            assert os.stat(path).st_blocks >= before - 16, 'NO_HOLE made a hole'
            assert h.pread(4 << 20, 0) == bytes(3 << 20) + b'x' * (1 << 20)
    with_engines(go)


@case
def a_directory_is_served_by_export_name():
    with temp_dir() as d:
        make(d + '/one', 1 << 20, b'one')
        make(d + '/two', 2 << 20, b'two')
        make(d + '/.hidden', 512)
        os.mkdir(d + '/sub')
        os.symlink(d + '/one', d + '/link')
        os.mkfifo(d + '/pipe')
        with Server('file', 'dir=' + d) as s:
            h = nbd.NBD()
            h.set_opt_mode(True)
            h.connect_unix(s.sock)
            names = []
            h.opt_list(lambda name, _: names.append(name) and 0)
            h.opt_abort()
            same(sorted(names), ['.hidden', 'link', 'one', 'two'])
            same(connect(s, '.hidden').get_size(), 512)
            same(connect(s, 'two').pread(3, 0), bytearray(b'two'))
            same(connect(s, 'link').get_size(), 1 << 20)
            for bad in ('', 'three', '../' + os.path.basename(d) + '/one', '/etc/passwd', '.', '..', './one', 'one/', 'sub', 'pipe'):
                try:
                    connect(s, bad)
                except nbd.Error:
                    continue
                raise AssertionError(f'export {bad!r} was opened')


@case
def read_only_files_and_servers():
    with temp_dir() as d:
        make(d + '/disk', 1 << 20, b'y')
        with Server('-r', 'file', d + '/disk') as s:
            h = connect(s)
            assert h.is_read_only()
            h.set_strict_mode(0)
            same(fails(h.pwrite, b'x', 0), 'EPERM')
            same(h.pread(1, 0), bytearray(b'y'))


@case
def a_file_that_shrinks_is_EIO_and_the_connection_lives():
    def go(path, engine):
        make(path, 1 << 20, b'z' * (1 << 20))
        with Server('file', path, *engine) as s:
            h = connect(s)
            os.truncate(path, 1 << 19)
            same(fails(h.pread, 512, 1 << 19), 'EIO')
            same(fails(h.pread, 1024, (1 << 19) - 512), 'EIO')
            same(h.pread(512, 0), bytearray(b'z' * 512))
            spans = []
            h.block_status(1 << 20, 0, lambda c, off, e, err: spans.append(e) and 0)
            if not REAL: # what cannot be read must not pass for zeroes
                same(spans, [[1 << 20, 0]])
            h.pwrite(b'w' * 512, (1 << 20) - 512) # makes it long again
            same(h.pread(1024, (1 << 20) - 1024), bytearray(bytes(512) + b'w' * 512))
            os.truncate(path, 2 << 20)
            same(h.get_size(), 1 << 20)
            same(connect(s).get_size(), 2 << 20)
    with_engines(go)


@case
def a_full_disk_is_ENOSPC_and_the_connection_lives():
    for engine in ENGINES:
        with temp_dir() as d, small_tmpfs(d, '2m'):
            make(d + '/disk', 16 << 20)
            with Server('file', d + '/disk', *engine) as s:
                h = connect(s)
                same(fails(h.pwrite, b'x' * (4 << 20), 0), 'ENOSPC')
                h.trim(16 << 20, 0)
                h.pwrite(b'x' * (1 << 20), 0)
                same(h.pread(1, 0), bytearray(b'x'))


@case
def a_full_ext4_is_ENOSPC_for_requests_in_flight_together():
    for engine in ENGINES:
        with temp_dir() as d, ext4(d, 8 << 20):
            make(d + '/mnt/disk', 64 << 20)
            with Server('file', d + '/mnt/disk', *engine) as s:
                h, other = connect(s), connect(s)
                data = nbd.Buffer.from_bytearray(bytearray(b'f' * 65536))
                seen = set()
                for i in range(512):
                    (h, other)[i % 2].aio_pwrite(data, i * 65536, completion=lambda err: seen.add(err.value) or 1,
                                                 flags=nbd.CMD_FLAG_FUA if i % 8 == 0 else 0)
                for x in (h, other):
                    while x.aio_in_flight():
                        x.poll(-1)
                same(seen, {0, errno.ENOSPC})
                h.trim(64 << 20, 0)
                h.pwrite(b'y' * 4096, 0, nbd.CMD_FLAG_FUA)
                same(other.pread(4096, 0), bytearray(b'y' * 4096))


@case
def a_write_beyond_the_limit_for_files_is_ENOSPC_and_does_not_end_the_server():
    def limit():
        import resource # pylint: disable=import-outside-toplevel
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    if REAL:
        raise Skip('nbdkit dies of SIGXFSZ')
    for engine in ENGINES:
        with temp_dir() as d:
            make(d + '/disk', 4 << 20)
            with Server('file', d + '/disk', *engine, popen={'preexec_fn': limit}) as s:
                h, other = connect(s), connect(s)
                same(fails(h.pwrite, b'x' * 4096, 2 << 20), 'ENOSPC')
                same(fails(other.pwrite, b'x' * 4096, 2 << 20, nbd.CMD_FLAG_FUA), 'ENOSPC')
                h.pwrite(b'x' * 4096, 0)


# --- what is acknowledged is on the disk ---

@case
def flush_and_FUA_reach_the_disk_below_a_block_device():
    if REAL:
        raise Skip('engine= is ours')
    for engine in ENGINES:
        with temp_dir() as d:
            make(d + '/below', 4 << 20, b'o' * (4 << 20))
            with loop_device(d + '/below') as device, Server('file', device, *engine) as s:
                h = connect(s)

                def below(off):
                    with open(d + '/below', 'rb') as f: # not the device's page cache, where all writes are seen
                        f.seek(off)
                        return f.read(4096)

                def reaches(what, do):
                    before = flushes(device)
                    do()
                    assert flushes(device) > before, f'{engine}: {what} did not flush the cache of the disk'
                before = flushes(device)
                h.pwrite(b'a' * 4096, 0)
                h.pwrite(b'b' * 4096, 8192)
                same(flushes(device), before, 'a plain write flushes nothing')
                reaches('write with FUA', lambda: h.pwrite(b'c' * 4096, 65536, nbd.CMD_FLAG_FUA))
                same(below(65536), b'c' * 4096, 'below, after FUA')
                reaches('flush', h.flush)
                same((below(0), below(8192)), (b'a' * 4096, b'b' * 4096), 'below, after a flush')
                h.pwrite(b'd' * 4096, 0)
                reaches('zero with FUA', lambda: h.zero(4096, 4096, nbd.CMD_FLAG_FUA))
                same(below(4096), bytes(4096), 'below, after a zero with FUA')
                h.pwrite(b'e' * 4096, 0)
                reaches('trim with FUA', lambda: h.trim(4096, 12288, nbd.CMD_FLAG_FUA))
                reaches('unaligned FUA', lambda: h.pwrite(b'f' * 1000, 99, nbd.CMD_FLAG_FUA))
                same(below(0)[99:1099], b'f' * 1000, 'below, after unaligned FUA')


@case
def flush_and_FUA_of_a_file_reach_the_disk_below_its_file_system():
    for engine in ENGINES:
        for more in ((), ('cache=none',)):
            with temp_dir() as d, ext4(d, 32 << 20) as device:
                make(d + '/mnt/disk', 4 << 20, b'o' * (4 << 20))
                with Server('file', d + '/mnt/disk', *engine, *more) as s:
                    h, other = connect(s), connect(s)
                    h.flush()
                    for i, (what, do) in enumerate([
                            ('write with FUA', lambda: h.pwrite(b'c' * 4096, 65536, nbd.CMD_FLAG_FUA)),
                            ('a flush', lambda: (h.pwrite(b'a' * 4096, 0), h.flush())),
                            ('a flush on another connection', lambda: (h.pwrite(b'b' * 4096, 0), other.flush())),
                            ('zero with FUA', lambda: h.zero(65536, 1 << 20, nbd.CMD_FLAG_FUA)),
                            ('zero with FUA and NO_HOLE', lambda: h.zero(65536, 2 << 20, nbd.CMD_FLAG_FUA | nbd.CMD_FLAG_NO_HOLE)),
                            ('trim with FUA', lambda: h.trim(65536, 3 << 20, nbd.CMD_FLAG_FUA))]):
                        before = flushes(device)
                        do()
                        assert flushes(device) > before, f'{engine} {more}: {what} ({i}) did not flush the cache of the disk'


@case
def threads_write_with_RWF_DSYNC_and_flush_by_fdatasync():
    if REAL:
        raise Skip('engine= is ours')
    if not shutil.which('strace') or subprocess.run(['strace', '-o', '/dev/null', 'true'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('strace cannot trace here')
    with temp_dir() as d:
        make(d + '/disk', 1 << 20)
        with Server('file', d + '/disk', 'engine=pool') as s:
            h, _other = connect(s), connect(s)
            trace = subprocess.Popen(['strace', '-f', '-qq', '-e', 'trace=fdatasync,pwritev2', '-o', d + '/trace', '-p', str(s.pid)],
                                     stderr=subprocess.DEVNULL)

            def calls():
                found = re.findall(r'(fdatasync)\(|pwritev2\(.*, (\w+)(?:\)| <unfinished)', read_file(d + '/trace'))
                return [a or b for a, b in found if b != 'RWF_NOWAIT']
            try:
                until('strace sees a flush', lambda: h.flush() or 'fdatasync' in calls())
                before = len(calls())
                h.pwrite(b'b', 1)
                h.pwrite(b'c', 2, nbd.CMD_FLAG_FUA)
                h.flush()
                until('three calls', lambda: len(calls()) >= before + 3)
                same(calls()[-3:], ['0', 'RWF_DSYNC', 'fdatasync'])
            finally:
                trace.terminate()
                trace.wait()


# --- the engines ---

def forbid_io_uring(how):
    """For a child: io_uring_setup(2), number 425 everywhere, fails so."""
    def go():
        class Program(ctypes.Structure):
            _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
        steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050000 | how), (0x06, 0, 0, 0x7fff0000)]
        code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))
        program = Program(len(steps), ctypes.cast(code, ctypes.c_void_p).value)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
            raise OSError(ctypes.get_errno(), 'seccomp')
    return go


@case
def without_io_uring_threads_do_it_and_only_v_tells():
    if REAL:
        raise Skip('nbdkit has no io_uring')
    for error in (errno.EPERM, errno.ENOSYS):
        with temp_dir() as d:
            make(d + '/disk', 1 << 20)
            how = {'preexec_fn': forbid_io_uring(error)}
            for verbose in ((), ('-v',)):
                with Server(*verbose, 'file', d + '/disk', popen=how) as s:
                    h, _other = connect(s), connect(s)
                    h.pwrite(b'x' * 4096, 4096, nbd.CMD_FLAG_FUA)
                    h.flush()
                    same(h.pread(4096, 4096), bytearray(b'x' * 4096))
                    assert not has_ring(s)
                    same('no io_uring' in s.messages(), bool(verbose), s.messages())
            p = subprocess.run([NBDKIT, '-f', '-U', d + '/s', 'file', d + '/disk', 'engine=uring'], preexec_fn=how['preexec_fn'],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            same((p.returncode, p.stderr.count('\n')), (1, 1), p.stderr)
            assert 'engine=uring' in p.stderr, p.stderr


def kernel_has_io_uring():
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(425, 1, ctypes.byref(ctypes.create_string_buffer(120)))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


@case
def an_engine_is_what_was_asked_for():
    if REAL or os.environ.get('UNDER') or not kernel_has_io_uring(): # under valgrind it is not let in
        raise Skip('no io_uring here')
    with temp_dir() as d:
        make(d + '/disk', 1 << 20)
        for engine, ring in (('auto', True), ('uring', True), ('pool', False)):
            with Server('file', d + '/disk', 'engine=' + engine) as s:
                h = connect(s)
                h.pwrite(b'x', 0)
                same(has_ring(s), ring, engine)


@case
def thousands_in_flight_from_a_cold_disk_are_all_answered_right():
    size, piece = 32 << 20, 8192

    def go(path, engine):
        make(path, size, b''.join(struct.pack('<Q', i) * (piece // 8) for i in range(size // piece)))
        forget_cache(path)
        with Server('file', path, *engine) as s:
            h, other = connect(s), connect(s)
            asked = []
            for i in random.Random(3).sample(range(size // piece), size // piece):
                b = nbd.Buffer(piece)
                asked.append((i, b))
                (h, other)[i % 2].aio_pread(b, i * piece)
            h.flush()
            for x in (h, other):
                while x.aio_in_flight():
                    x.poll(-1)
            for i, b in asked:
                assert b.to_bytearray() == struct.pack('<Q', i) * (piece // 8), f'{engine}: piece {i}'
    with_engines(go)


@case
def a_client_that_dies_with_much_in_flight_leaves_a_server_that_lives_and_ends():
    if REAL:
        raise Skip('nbdkit fails an assertion')

    def go(path, engine):
        make(path, 32 << 20, os.urandom(32 << 20))
        with Server('file', path, *engine) as s:
            stays = connect(s)
            for again in range(4):
                forget_cache(path)
                h = connect(s)
                data = nbd.Buffer.from_bytearray(bytearray(4096))
                for i in range(1500):
                    if i % 3 == again % 3:
                        h.aio_pwrite(data, i * 8192, flags=nbd.CMD_FLAG_FUA if i % 30 == 0 else 0)
                    elif i % 50 == 0:
                        h.aio_zero(4096, i * 8192, flags=nbd.CMD_FLAG_FUA)
                    else:
                        h.aio_pread(nbd.Buffer(4096), i * 8192)
                h.poll(0)
                clients.remove(h)
                del h # the socket is closed, with no word
            same(len(stays.pread(4096, 0)), 4096)
    with_engines(go)


# --- block devices ---

@case
def a_block_device_is_read_written_trimmed_and_zeroed_as_a_plain_array():
    if REAL:
        raise Skip('nbdkit cannot zero parts of sectors')
    size = 3 << 20
    for options in ((), ('-b', '4096')):
        for engine in ENGINES:
            with temp_dir() as d:
                make(d + '/below', size)
                with loop_device(d + '/below', *options) as device:
                    with Server('file', device, *engine) as s:
                        h = connect(s)
                        same(h.get_size(), size)
                        model, rng = bytearray(size), random.Random(11)
                        for i in range(300):
                            off = rng.randrange(size)
                            n = min(rng.choice((1, 512, 4096, 5000, 70000, 300000)), size - off)
                            if rng.randrange(2):
                                off, n = off // 4096 * 4096, (n + 4095) // 4096 * 4096
                            flags = rng.choice((0, nbd.CMD_FLAG_FUA))
                            what = rng.randrange(4)
                            if what == 0:
                                h.pwrite(bytes([i % 255 + 1]) * n, off, flags)
                                model[off:off + n] = bytes([i % 255 + 1]) * n
                            elif what == 1:
                                flags |= rng.choice((0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO))
                                try:
                                    h.zero(n, off, flags)
                                    model[off:off + n] = bytes(n)
                                except nbd.Error as e:
                                    assert e.errno == 'ENOTSUP' and flags & nbd.CMD_FLAG_FAST_ZERO, e
                            else:
                                same(h.pread(n, off) == model[off:off + n], True, f'read {n} at {off}')
                        h.flush()
                    with open(d + '/below', 'rb') as f:
                        assert f.read() == model, 'the disk below'


@case
def a_trim_of_a_block_device_gives_the_whole_sectors_back():
    if REAL:
        raise Skip('nbdkit trims nothing then')
    for engine in ENGINES:
        with temp_dir() as d:
            make(d + '/below', 4 << 20, b'x' * (4 << 20))
            with loop_device(d + '/below') as device, Server('file', device, *engine) as s:
                h = connect(s)
                full = os.stat(d + '/below').st_blocks
                if subprocess.run(['blkdiscard', '-o', '3M', '-l', '65536', device], stderr=subprocess.DEVNULL).returncode \
                        or os.stat(d + '/below').st_blocks == full:
                    raise Skip('the file system below a loop device makes no holes here')
                h.trim((2 << 20) + 100, 1000)
                assert os.stat(d + '/below').st_blocks <= full - 4000, 'trim gave nothing back'
                same(h.pread(1000, 0), bytearray(b'x' * 1000))
                same(h.pread(1000, (2 << 20) + 1100), bytearray(b'x' * 1000))


@case
def a_read_only_block_device_and_abilities_are_those_of_nbdkit():
    if REAL:
        raise Skip('compares the two')
    with temp_dir() as d:
        make(d + '/below', 1 << 20)
        for options in ((), ('-r',)):
            with loop_device(d + '/below', *options) as device:
                ours, theirs = abilities(device, NBDKIT), abilities(device, NBDKIT_REF)
                del ours['is_rotational'], theirs['is_rotational'] # nbdkit does not look
                for what in theirs:
                    same(ours[what], theirs[what], f'{options} {what}')


# --- extents ---

@case
def extents_are_those_that_the_file_was_made_with():
    def go(path, engine):
        with open(path, 'wb') as f:
            for at in (0, 3, 4, 9):
                f.seek(at << 20)
                f.write(b'd' * (1 << 20))
            f.truncate(12 << 20)
        with Server('file', path, *engine) as s:
            spans = []
            connect(s).block_status(12 << 20, 0, lambda c, off, e, err: spans.append(e) and 0)
            same(spans, [[1 << 20, 0, 2 << 20, 3, 2 << 20, 0, 4 << 20, 3, 1 << 20, 0, 2 << 20, 3]])
            spans = []
            h = connect(s)
            h.block_status((11 << 20) - 5, (1 << 20) + 5, lambda c, off, e, err: spans.append(e) and 0, nbd.CMD_FLAG_REQ_ONE)
            same(spans, [[(2 << 20) - 5, 3]])
    with_engines(go)


@case
def a_file_of_very_many_extents_is_told_in_parts():
    """Bounded work a request; together they tell everything."""
    pieces = 20000
    for engine in ENGINES:
        with temp_dir() as d:
            at = '/dev/shm/' + os.path.basename(d)
            with open(at, 'wb') as f:
                try:
                    for i in range(pieces):
                        os.pwrite(f.fileno(), b'x', i * 8192)
                    f.truncate(pieces * 8192)
                    with Server('file', at, *engine) as s:
                        h, off, asked, found = connect(s), 0, 0, []
                        while off < pieces * 8192:
                            got = []
                            h.block_status(pieces * 8192 - off, off, lambda c, o, e, err, got=got: got.extend(e) and 0)
                            found += got
                            off += sum(got[::2])
                            asked += 1
                        same(found == [4096, 0, 4096, 3] * pieces, True, 'the extents')
                        if not REAL:
                            assert asked > 1, 'one request told everything'
                finally:
                    os.unlink(at)


@case
def a_sparse_file_of_8_TiB_is_served_to_its_end():
    for engine in ENGINES:
        with temp_dir() as d:
            at = '/dev/shm/' + os.path.basename(d)
            size = (8 << 40) + 512
            make(at, size)
            try:
                with Server('file', at, *engine) as s:
                    h = connect(s)
                    same(h.get_size(), size)
                    h.pwrite(b'end', size - 3)
                    h.pwrite(b'middle', 5 << 40)
                    same(h.pread(3, size - 3), bytearray(b'end'))
                    same(h.pread(8, (5 << 40) - 1), bytearray(b'\0middle\0'))
                    spans = []
                    h.block_status(4096, 5 << 40, lambda c, off, e, err: spans.append(e) and 0, nbd.CMD_FLAG_REQ_ONE)
                    same(spans, [[4096, 0]])
                    h.zero(1 << 20, 5 << 40)
                    same(os.stat(at).st_blocks, 8, 'blocks')
            finally:
                os.unlink(at)


# --- parameters ---

@case
def an_inherited_descriptor_is_served_also_when_its_file_has_no_name_any_more():
    if REAL:
        raise Skip('fd= came with nbdkit 1.34')
    for engine in ENGINES:
        with temp_dir() as d:
            make(d + '/disk', 1 << 20, b'fd')
            fd = os.open(d + '/disk', os.O_RDWR)
            os.unlink(d + '/disk')
            with Server('file', f'fd={fd}', *engine, popen={'pass_fds': [fd]}) as s:
                h, other = connect(s), connect(s)
                same(h.pread(2, 0), bytearray(b'fd'))
                assert not h.is_read_only()
                h.pwrite(b'written', 4096)
                h.flush()
                same(os.pread(fd, 7, 4096), b'written')
                same(other.pread(7, 4096), bytearray(b'written'))
            os.close(fd)


@case
def a_read_only_descriptor_is_not_written_to():
    if REAL:
        raise Skip('fd= came with nbdkit 1.34')
    with temp_dir() as d:
        make(d + '/disk', 1 << 20, b'ro')
        fd = os.open(d + '/disk', os.O_RDONLY)
        with Server('file', f'fd={fd}', popen={'pass_fds': [fd]}) as s:
            h = connect(s)
            assert h.is_read_only()
            same(h.pread(2, 0), bytearray(b'ro'))
        os.close(fd)


@case
def a_descriptor_that_could_not_be_opened_again_is_served_all_the_same():
    if REAL:
        raise Skip('fd= came with nbdkit 1.34')
    if os.geteuid() != 0:
        raise Skip('giving rights up takes root')
    with temp_dir() as d:
        make(d + '/disk', 1 << 20, b'mine')
        os.chmod(d + '/disk', 0)
        fd = os.open(d + '/disk', os.O_RDWR)
        with Server('-u', 'nobody', 'file', f'fd={fd}', popen={'pass_fds': [fd]}) as s:
            h = connect(s)
            same(h.pread(4, 0), bytearray(b'mine'))
            h.pwrite(b'ours', 0)
            h.flush()
            same(os.pread(fd, 4, 0), b'ours')
        os.close(fd)


@case
def an_inherited_directory_is_served_by_export_name():
    if REAL:
        raise Skip('dirfd= came with nbdkit 1.34')
    with temp_dir() as d:
        make(d + '/one', 512, b'1')
        fd = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
        with Server('file', f'dirfd={fd}', popen={'pass_fds': [fd]}) as s:
            same(connect(s, 'one').pread(1, 0), bytearray(b'1'))
            h = nbd.NBD()
            h.set_opt_mode(True)
            h.connect_unix(s.sock)
            names = []
            h.opt_list(lambda name, _: names.append(name) and 0)
            h.opt_abort()
            same(names, ['one'])
        os.close(fd)


@case
def descriptors_that_do_not_fit_are_one_clear_line():
    if REAL:
        raise Skip('fd= came with nbdkit 1.34')
    with temp_dir() as d:
        make(d + '/disk', 512)
        for flags, key, path in ((os.O_WRONLY, 'fd', d + '/disk'), (os.O_RDWR | os.O_APPEND, 'fd', d + '/disk'), (os.O_PATH, 'fd', d + '/disk'),
                                 (os.O_RDONLY, 'fd', d), (os.O_RDONLY, 'fd', '/dev/null'), (os.O_RDONLY, 'dirfd', d + '/disk')):
            fd = os.open(path, flags)
            p = subprocess.run([NBDKIT, '-U', '-', 'file', f'{key}={fd}', '--run', 'true'], pass_fds=[fd], stdin=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, check=False)
            same((p.returncode, p.stderr.count('\n')), (1, 1), f'{key} {flags:o} {path}: {p.stderr}')
            os.close(fd)
        for bad in ('fd=1023', 'fd=0', 'fd=2', 'fd=-1', 'fd=', 'fd=x', 'fd=99999999999', 'dirfd=1023'):
            r = run(NBDKIT, '-U', '-', 'file', bad, '--run', 'true', status=1)
            same(r.err.count('\n'), 1, f'{bad}: {r.err}')


@case
def a_relative_path_survives_the_change_of_directory_of_a_daemon():
    with temp_dir() as d:
        make(d + '/disk', 512, b'here')
        os.mkdir(d + '/sub')
        make(d + '/sub/one', 512, b'1')
        for args, export, data in ((['disk'], '', b'here'), (['file=./sub/../disk'], '', b'here'), (['dir=sub'], 'one', b'1')):
            sock, pid = d + '/sock', d + '/pid'
            run(NBDKIT, '-U', sock, '-P', pid, 'file', *args, cwd=d)
            try:
                h = nbd.NBD()
                h.set_export_name(export)
                h.connect_unix(sock)
                same(h.pread(len(data), 0), bytearray(data))
                h.shutdown()
            finally:
                number = int(read_file(pid))
                os.kill(number, 15)
                until('the daemon ends', lambda n=number: not os.path.exists(f'/proc/{n}'))
            if os.path.exists(sock):
                os.unlink(sock)


@case
def a_file_on_a_read_only_mount_is_served_read_only():
    if os.geteuid() != 0:
        raise Skip('mounting takes root')
    with temp_dir() as d:
        if subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', d], stderr=subprocess.DEVNULL).returncode:
            raise Skip('no tmpfs can be mounted here')
        try:
            make(d + '/disk', 1 << 20, b'r')
            subprocess.run(['mount', '-o', 'remount,ro', d], check=True)
            with Server('file', d + '/disk') as s:
                h = connect(s)
                assert h.is_read_only()
                same(h.pread(1, 0), bytearray(b'r'))
        finally:
            subprocess.run(['umount', d], check=True)


@case
def dump_plugin_tells_what_nbdkit_tells_of_the_system():
    ours, theirs = (dict(line.split('=', 1) for line in run(p, 'file', '--dump-plugin').out.splitlines()) for p in (NBDKIT, NBDKIT_REF))
    for key in [k for k in theirs if k.startswith('file_')] + ['magic_config_key', 'thread_model', 'errno_is_preserved']:
        same(ours.get(key), theirs[key], key)


@case
def bad_parameters_are_one_clear_line():
    with temp_dir() as d:
        make(d + '/disk', 512)
        for args in ([], ['file=' + d + '/nosuch'], ['file=' + d], ['dir=' + d + '/disk'], ['file=' + d + '/disk', 'dir=' + d],
                     ['file='], ['dir='], [d + '/disk', 'engine=fast'],
                     [d + '/disk', 'cache=some'], [d + '/disk', 'fadvise=well'], ['file=/dev/null']):
            r = run(NBDKIT, '-f', '-U', d + '/s', 'file', *args, status=1)
            same(r.err.count('\n'), 1, f'{args}: {r.err}')


def cached(path):
    """Pages of the file that the kernel has in its cache: mincore(2)."""
    size = os.stat(path).st_size
    found = (ctypes.c_ubyte * (size // mmap.PAGESIZE))()
    with open(path, 'r+b') as f, mmap.mmap(f.fileno(), size) as m:
        page = ctypes.c_char.from_buffer(m)
        failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(page)), ctypes.c_size_t(size), found)
        del page
    same(failed, 0, 'mincore')
    return sum(x & 1 for x in found)


@case
def cache_none_leaves_little_in_the_page_cache():
    if REAL:
        raise Skip('what nbdkit reads remains where the kernel caches in larger units')
    size = 16 << 20
    for engine in ENGINES:
        for more, most in (('cache=none', False), ('cache=default', True)):
            with temp_dir() as d:
                at = '/var/tmp/' + os.path.basename(d)
                make(at, size, os.urandom(size))
                try:
                    forget_cache(at)
                    if cached(at):
                        raise Skip('this file system does not forget')
                    with Server('file', at, more, *engine) as s:
                        h = connect(s)
                        for off in range(0, size, 65536):
                            h.pread(65536, off)
                        same(cached(at) > size // 4096 // 2, most, f'{more}, read')
                        forget_cache(at)
                        for off in range(0, size, 65536):
                            h.pwrite(b'n' * 65536, off)
                        same(cached(at) > size // 4096 // 2, most, f'{more}, written')
                        h.shutdown()
                        clients.clear()
                        if not most:
                            until('the last ones have left', lambda: cached(at) < 64)
                finally:
                    os.unlink(at)


@case
def every_option_of_cache_and_fadvise_reads_and_writes():
    with temp_dir() as d:
        for more in ('cache=none', 'cache=default', 'fadvise=normal', 'fadvise=random', 'fadvise=sequential'):
            make(d + '/disk', 1 << 20)
            with Server('file', d + '/disk', more) as s:
                h = connect(s)
                h.pwrite(b'q' * 100000, 12345)
                same(h.pread(100002, 12344), bytearray(b'\0' + b'q' * 100000 + b'\0'), more)


main()
