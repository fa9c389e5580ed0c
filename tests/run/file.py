#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The file plug-in: regular files on a disk and on tmpfs, a directory, beside Debian's nbdkit where it must agree."""
import os, random, re, shutil, subprocess
import nbd
from harness import NBDKIT, NBDKIT_REF, REAL, Server, Skip, case, main, run, same, temp_dir, until

PLACES = ['/var/tmp', '/dev/shm']


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


def make(path, size, data=b''):
    with open(path, 'wb') as f:
        f.write(data)
        f.truncate(size)


def connect(server, export=''):
    h = nbd.NBD()
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

    def go(path):
        make(path, size)
        model, rng = bytearray(size), random.Random(7)
        with Server('file', path) as s:
            h = connect(s)
            for i in range(400):
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
            h.shutdown()
        with open(path, 'rb') as f:
            assert f.read() == model, 'the file itself'
    in_places(go)


@case
def extents_and_abilities_are_those_of_nbdkit():
    def look(path, program):
        with Server('file', path, program=program) as s:
            h = connect(s)
            spans = []
            h.block_status(h.get_size(), 0, lambda c, off, e, err: spans.append(e) and 0)
            got = {f: getattr(h, f)() for f in ('get_size', 'is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero',
                                                'can_cache', 'can_multi_conn', 'is_rotational')}
            h.shutdown() # nbdkit does not end while a client is there
            return dict(got, spans=spans)

    def go(path):
        make(path, 8 << 20)
        with open(path, 'r+b') as f:
            for at in (0, 1 << 20, (5 << 20) + 4096):
                f.seek(at)
                f.write(b'data' * 30000)
        if not REAL:
            ours, theirs = look(path, NBDKIT), look(path, NBDKIT_REF)
            for what in theirs:
                same(ours[what], theirs[what], what)
    in_places(go)


@case
def trim_and_zero_make_holes_and_NO_HOLE_does_not():
    def go(path):
        make(path, 4 << 20, b'x' * (4 << 20))
        with Server('file', path) as s:
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
    in_places(go)


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
            same(sorted(names), ['link', 'one', 'two'])
            same(connect(s, 'two').pread(3, 0), bytearray(b'two'))
            same(connect(s, 'link').get_size(), 1 << 20)
            for bad in ('', 'three', '../' + os.path.basename(d) + '/one', '/etc/passwd', '.', '..', '.hidden', 'sub', 'pipe'):
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
    with temp_dir() as d:
        make(d + '/disk', 1 << 20, b'z' * (1 << 20))
        with Server('file', d + '/disk') as s:
            h = connect(s)
            os.truncate(d + '/disk', 1 << 19)
            same(fails(h.pread, 512, 1 << 19), 'EIO')
            same(h.pread(512, 0), bytearray(b'z' * 512))


@case
def a_full_disk_is_ENOSPC_and_the_connection_lives():
    if os.geteuid() != 0:
        raise Skip('mounting takes root')
    with temp_dir() as d:
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', d], stderr=subprocess.DEVNULL).returncode:
            raise Skip('no tmpfs can be mounted here')
        try:
            make(d + '/disk', 16 << 20)
            with Server('file', d + '/disk') as s:
                h = connect(s)
                same(fails(h.pwrite, b'x' * (4 << 20), 0), 'ENOSPC')
                h.trim(16 << 20, 0)
                h.pwrite(b'x' * (1 << 20), 0)
                same(h.pread(1, 0), bytearray(b'x'))
        finally:
            subprocess.run(['umount', d], check=True)


@case
def flush_and_FUA_reach_the_disk():
    if not shutil.which('strace') or subprocess.run(['strace', '-o', '/dev/null', 'true'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('strace cannot trace here')
    with temp_dir() as d:
        make(d + '/disk', 1 << 20)
        with Server('file', d + '/disk') as s:
            h = connect(s)
            trace = subprocess.Popen(['strace', '-f', '-qq', '-e', 'trace=fdatasync,pwrite64', '-o', d + '/trace', '-p', str(s.pid)],
                                     stderr=subprocess.DEVNULL)

            def calls():
                with open(d + '/trace') as f:
                    return re.findall(r'(fdatasync|pwrite64)\(', f.read())
            try:
                until('strace sees a write', lambda: h.pwrite(b'a', 0) or os.path.exists(d + '/trace') and calls())
                time_of = len(calls())
                h.pwrite(b'b', 1)
                h.pwrite(b'c', 2, nbd.CMD_FLAG_FUA)
                h.flush()
                until('four calls', lambda: len(calls()) >= time_of + 4)
                same(calls()[-4:], ['pwrite64', 'pwrite64', 'fdatasync', 'fdatasync'])
            finally:
                trace.terminate()
                trace.wait()


@case
def bad_parameters_are_one_clear_line():
    with temp_dir() as d:
        make(d + '/disk', 512)
        for args in ([], ['file=' + d + '/nosuch'], ['file=' + d], ['dir=' + d + '/disk'], ['file=' + d + '/disk', 'dir=' + d],
                     [d + '/disk', 'cache=some'], [d + '/disk', 'fadvise=well'], ['file=/dev/null']):
            r = run(NBDKIT, '-f', '-U', d + '/s', 'file', *args, status=1)
            same(r.err.count('\n'), 1, f'{args}: {r.err}')


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
