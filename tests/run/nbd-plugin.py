#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The nbd plug-in: between a client and nbdkit, qemu-nbd, ourselves, and a server that lies."""
import contextlib, os, random, shutil, signal, socket, struct, subprocess, threading, time
import nbd, rawnbd
from harness import MODE, NBDKIT, NBDKIT_REF, REAL, Server, Skip, case, main, read_file, run, same, temp_dir, until

SIZE = 4 << 20
REF = {'program': NBDKIT_REF}


def connect(server, export='', contexts=True):
    h = nbd.NBD()
    if contexts:
        h.add_meta_context('base:allocation')
    h.set_full_info(True)
    h.set_export_name(export)
    h.connect_unix(server.sock)
    return h


def fails(f, *args):
    try:
        f(*args)
    except nbd.Error as e:
        return e.errno
    raise AssertionError('should have failed')


def extents(h, length, off=0, flags=0):
    spans = []
    h.block_status(length, off, lambda c, o, e, err: spans.extend(e) and 0 or 0, flags)
    return spans


def through(far, *args):
    return Server('nbd', 'socket=' + far.sock, *args)


def listens(path):
    """The file is there before anybody listens."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


@contextlib.contextmanager
def qemu_nbd(disk, *args):
    sock = os.path.dirname(disk) + '/q'
    p = subprocess.Popen(['qemu-nbd', '-k', sock, '-t', '-e', '8', *args, disk], stderr=subprocess.DEVNULL)
    try:
        until('qemu-nbd listens', lambda: listens(sock))
        yield sock
    finally:
        p.terminate()
        p.wait()


# --- like what lies below, and like nbdkit's plug-in ---

ASKED = ('get_size', 'is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache',
         'can_multi_conn', 'is_rotational')


def look(sock_args, program=None, more=()):
    """What a client sees."""
    with Server(*more, 'nbd', *sock_args, program=program) as s:
        if program:
            s.ends = None # Debian's nbdkit now and then dies of SIGSEGV in its nbd plug-in as it ends: not ours to judge
        h = connect(s)
        got = {f: getattr(h, f)() for f in ASKED}
        for which in (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM):
            got[f'size {which}'] = h.get_block_size(which)
        try:
            got['description'] = h.get_export_description()
        except nbd.Error:
            got['description'] = None
        got['extents'] = extents(h, SIZE)
        got['one'] = extents(h, SIZE, 0, nbd.CMD_FLAG_REQ_ONE)
        got['bytes'] = h.pread(SIZE, 0)
        h.set_strict_mode(0)
        for name, f in (('past', lambda: h.pread(512, SIZE)), ('write', lambda: h.pwrite(b'x' * 512, 0)),
                        ('zero', lambda: h.zero(512, 512)), ('fast', lambda: got['can_fast_zero'] and h.zero(512, 512, nbd.CMD_FLAG_FAST_ZERO)), # or nbdkit dies
                        ('trim', lambda: h.trim(512, 1024)), ('cache', lambda: h.cache(512, 0)), ('odd', lambda: h.pread(3, 1))):
            try:
                f()
                got[name] = 'ok'
            except nbd.Error as e:
                got[name] = e.errno
        del h # nbdkit hangs up on some of this
        return got


@case
def a_client_sees_what_it_would_through_nbdkit():
    if REAL:
        raise Skip('nbdkit compared with itself')
    data = '@0x100000 "some data"*1000 @0x200000 "more" @0x3ffffc "end."'
    fars = {
        'memory': ['memory', SIZE],
        'read-only': ['-r', 'data', data],
        'eval, little': ['eval', f'get_size=echo {SIZE}', 'pread=dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null'],
        'eval, much': ['eval', f'get_size=echo {SIZE}', 'pread=dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null',
                       'pwrite=cat >/dev/null', 'can_write=exit 0', 'can_flush=exit 0', 'flush=exit 0', 'is_rotational=exit 0',
                       'export_description=echo words', 'can_multi_conn=exit 0', 'can_fua=echo native',
                       'block_size=echo 512 4K 64K', 'can_extents=exit 3', 'zero=echo ENOSPC >&2; exit 1', 'can_zero=exit 0',
                       'trim=echo EPERM >&2; exit 1', 'can_trim=exit 0'],
        'no zero': ['--filter=nozero', '--filter=noextents', 'memory', SIZE],
        'no structured replies': ['--no-sr', 'memory', SIZE],
        'oldstyle': ['-o', 'memory', SIZE],
    }
    for name, args in fars.items():
        with Server(*args, **REF) as far:
            sock = ['socket=' + far.sock]
            look(sock) # from here on the disk stays as it is
            for more in ([], ['-r']):
                ours, theirs = look(sock, more=more), look(sock, program=NBDKIT_REF, more=more)
                for what in theirs:
                    if theirs[what] or not what.startswith('size'): # we tell a size where there is none to tell
                        same(ours[what], theirs[what], f'{name} {more}: {what}')
    with temp_dir() as d:
        run('qemu-img', 'create', '-q', '-f', 'qcow2', d + '/disk', SIZE)
        run('qemu-io', '-c', 'write -P 7 64k 128k', '-c', 'write -z 1M 1M', d + '/disk')
        with qemu_nbd(d + '/disk', '-f', 'qcow2') as sock:
            look(['socket=' + sock])
            ours, theirs = look(['socket=' + sock]), look(['socket=' + sock], program=NBDKIT_REF)
            for what in theirs:
                same(ours[what], theirs[what], f'qemu-nbd: {what}')


@case
def a_random_history_agrees_with_a_plain_array():
    for shared in ('shared=false', 'shared=true'):
        for program in (NBDKIT, NBDKIT_REF):
            with Server('memory', SIZE, program=program) as far, through(far, shared) as s:
                model, rng, h = bytearray(SIZE), random.Random(5), connect(s)
                for _ in range(300):
                    off = rng.randrange(SIZE)
                    n = min(rng.choice((1, 511, 512, 4096, 70000, 1000000)), SIZE - off)
                    fua, what = rng.choice((0, nbd.CMD_FLAG_FUA)), rng.randrange(5)
                    if what == 0:
                        data = rng.randbytes(n)
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
                direct = connect(far)
                assert direct.pread(SIZE, 0) == model, 'the far disk itself'
                direct.shutdown()


@case
def reads_with_holes_stay_sparse():
    with Server('memory', SIZE) as far, through(far) as s:
        h = connect(s)
        h.pwrite(b'x' * 32768, 1 << 20)
        chunks = []
        h.pread_structured(SIZE, 0, lambda buf, off, kind, err: chunks.append((kind, off, len(buf))) and 0 or 0)
        same(chunks, [(nbd.READ_HOLE, 0, 1 << 20), (nbd.READ_DATA, 1 << 20, 32768), (nbd.READ_HOLE, (1 << 20) + 32768, SIZE - (1 << 20) - 32768)])


@case
def large_requests_are_split_for_the_far_side():
    with temp_dir() as d:
        with Server('--filter=log', 'memory', 8 << 30, 'logfile=' + d + '/log', **REF) as far, through(far) as s:
            h = connect(s)
            data = random.Random(1).randbytes(40 << 20)
            h.pwrite(data, 1 << 20)
            assert h.pread(40 << 20, 1 << 20) == data
            h.shutdown()
            log = read_file(d + '/log')
            assert ' Write id=1 offset=0x100000 count=0x2000000' in log and ' count=0x800000' in log, log
    # What we take by extended headers is more than 32 bits hold.
    with Server('memory', 8 << 30, **REF) as far, through(far) as s:
        with rawnbd.up(s.sock, extended=True, meta=[b'base:allocation']) as c:
            for command in (rawnbd.TRIM, rawnbd.ZERO, rawnbd.CACHE):
                same(c.call(command, 0, 6 << 30), 0, f'command {command}')
            same(c.status(0, 8 << 30), [(8 << 30, 3)])
            same(c.status(0, 8 << 30, rawnbd.REQ_ONE)[0][1], 3)
            c.disconnect()


@case
def block_sizes_of_the_far_side_are_kept():
    with temp_dir() as d:
        with Server('--filter=log', '--filter=blocksize-policy', 'memory', SIZE, 'logfile=' + d + '/log', 'blocksize-minimum=512',
                    'blocksize-preferred=4096', 'blocksize-maximum=65536', 'blocksize-error-policy=error', **REF) as far:
            with through(far) as s:
                h = connect(s)
                same([h.get_block_size(x) for x in (0, 1, 2)], [512, 4096, 65536])
                h.set_strict_mode(0)
                data = random.Random(2).randbytes(1 << 20)
                h.pwrite(data, 512)
                assert h.pread(1 << 20, 512) == data
                same(fails(h.pread, 100, 0), 'EINVAL')
                h.zero(3 << 20, 0)
                assert h.pread(1 << 20, 0) == bytes(1 << 20)
                h.shutdown()


@case
def errors_reach_the_client_as_they_are():
    for err in ('EPERM', 'EIO', 'ENOMEM', 'EINVAL', 'ENOSPC', 'ESHUTDOWN'):
        for more in ([], ['--no-sr']):
            with Server(*more, '--filter=error', 'memory', SIZE, f'error={err}', 'error-rate=1', **REF) as far:
                for shared in ('shared=false', 'shared=true'):
                    with through(far, shared) as s:
                        h = connect(s, contexts=not more)
                        same(fails(h.pread, 512, 0), err)
                        same(fails(h.pwrite, b'x' * 512, 0), err)
                        same(fails(h.zero, 512, 0), err)
                        h.shutdown()


@case
def the_log_filter_on_top_writes_what_happens():
    with temp_dir() as d:
        with Server('memory', SIZE) as far, Server('--filter=log', 'nbd', 'socket=' + far.sock, 'logfile=' + d + '/log') as s:
            h = connect(s)
            h.pwrite(b'x' * 512, 1024, nbd.CMD_FLAG_FUA)
            h.pread(512, 1024)
            h.shutdown()
        log = read_file(d + '/log')
        for line in (f'Connect export="" tls=0 size=0x{SIZE:x}', 'Write id=1 offset=0x400 count=0x200 fua=1 ...', '...Write id=1 return=0',
                     'Read id=2 offset=0x400 count=0x200 ...', '...Read id=2 return=0', 'Disconnect transactions=2'):
            assert line in log, f'{line}\n{log}'


# --- real clients ---

@case
def qemu_img_and_fio_through_it():
    with temp_dir() as d:
        with open(d + '/raw', 'wb') as f:
            f.write(random.Random(3).randbytes(3 << 20))
            f.truncate(16 << 20)
        run('qemu-img', 'create', '-q', '-f', 'qcow2', d + '/disk', 16 << 20)
        with qemu_nbd(d + '/disk', '-f', 'qcow2') as sock, Server('nbd', 'socket=' + sock) as s:
            run('qemu-img', 'convert', '-n', '-O', 'raw', d + '/raw', s.uri)
            run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', d + '/raw', s.uri)
        with Server('memory', '16M') as far:
            for shared in ('shared=false', 'shared=true'):
                with through(far, shared) as s:
                    run('fio', '--name=x', '--ioengine=nbd', '--uri=' + s.uri, '--rw=randwrite', '--bs=512-64k', '--size=8M', '--iodepth=16',
                        '--verify=crc32c', '--output=' + d + '/fio', timeout=120)


@case
def several_clients_at_once():
    for shared in ('shared=false', 'shared=true'):
        with Server('memory', '8M') as far, through(far, shared) as s:
            wrong = []

            def work(n):
                try:
                    h, rng, part = connect(s), random.Random(n), 1 << 20
                    same(h.can_multi_conn(), True)
                    for _ in range(60):
                        data = rng.randbytes(rng.choice((512, 4096, 100000)))
                        off = n * part + rng.randrange(part - len(data))
                        h.pwrite(data, off)
                        assert h.pread(len(data), off) == data
                    h.shutdown()
                except Exception as e: # pylint: disable=broad-except
                    wrong.append(repr(e))
            threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            same(wrong, [])


# --- which server, and how ---

@case
def every_way_to_name_the_server():
    with temp_dir() as d:
        with Server('memory', SIZE, **REF) as far:
            for args in (['socket=' + far.sock], [far.uri], ['uri=' + far.uri]):
                with Server('nbd', *args) as s:
                    same(connect(s).get_size(), SIZE)
            relative = os.path.relpath(far.sock)
            if len(relative) < 100:
                with Server('nbd', 'socket=' + relative) as s:
                    same(connect(s).get_size(), SIZE)
            # socket-fd: shared, whether said or not
            with socket.socket(socket.AF_UNIX) as fd:
                fd.connect(far.sock)
                with Server('nbd', f'socket-fd={fd.fileno()}', popen={'pass_fds': [fd.fileno()]}) as s:
                    fd.close()
                    for _ in range(2):
                        h = connect(s)
                        same(h.get_size(), SIZE)
                        h.shutdown()
        # TCP, on a port that the far side chose: systemd's way of handing over a socket
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
            p = subprocess.Popen(['sh', '-c', f'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$0" -f memory {SIZE}', NBDKIT_REF],
                                 preexec_fn=lambda: os.dup2(listener.fileno(), 3), pass_fds=[3])
            try:
                for args in (['hostname=127.0.0.1', f'port={port}'], [f'nbd://127.0.0.1:{port}'], ['hostname=localhost', f'port={port}']):
                    with Server('nbd', *args, 'retry=5') as s:
                        h = connect(s)
                        same(h.get_size(), SIZE)
                        h.shutdown()
            finally:
                p.terminate()
                p.wait()
        with open(d + '/disk', 'wb') as f:
            f.truncate(SIZE)
        for program, *args in ((NBDKIT_REF, 'memory', str(SIZE)), ('qemu-nbd', '-f', 'raw', d + '/disk'), (NBDKIT, 'memory', str(SIZE))):
            with Server('nbd', 'command=' + program, *('arg=' + a for a in args)) as s:
                for _ in range(2):
                    h = connect(s)
                    same(h.get_size(), SIZE)
                    h.pwrite(b'command', 100)
                    same(h.pread(7, 100), b'command')
                    h.shutdown()


@case
def export_names():
    with temp_dir() as d:
        for name, size in (('one', 1 << 20), ('two', 2 << 20)):
            with open(f'{d}/{name}', 'wb') as f:
                f.truncate(size)
        with Server('file', 'dir=' + d, **REF) as far:
            with through(far, 'export=two') as s:
                same(connect(s).get_size(), 2 << 20)
                same(connect(s, 'anything').get_size(), 2 << 20)
            with Server('nbd', f'nbd+unix:///one?socket={far.sock}') as s:
                same(connect(s).get_size(), 1 << 20)
            with through(far, 'export=three') as s:
                fails(connect, s)
                until('the reason is told', lambda: 'three' in s.messages())
            for uri in (f'nbd+unix:///one?socket={far.sock}', f'nbd+unix:///?socket={far.sock}'):
                with Server('nbd', uri, 'dynamic-export=true') as s:
                    same(connect(s, 'one').get_size(), 1 << 20)
                    same(connect(s, 'two').get_size(), 2 << 20)
                    fails(connect, s, 'three')
                    names = []
                    h = nbd.NBD()
                    h.set_opt_mode(True)
                    h.connect_unix(s.sock)
                    h.opt_list(lambda name, _: names.append(name) and 0)
                    same(sorted(names), ['one', 'two'])
                    h.opt_abort()


@case
def the_default_export_is_the_far_sides():
    script = ['eval', 'get_size=echo 1048576', 'pread=echo', 'default_export=echo canon', 'list_exports=echo NAMES+DESCRIPTIONS; echo canon; echo text',
              'open=echo "$3"']
    def look_at(program):
        with Server(*script, **REF) as far, Server('nbd', 'socket=' + far.sock, 'dynamic-export=true', program=program) as s:
            h = nbd.NBD()
            h.set_opt_mode(True)
            h.set_full_info(True)
            h.connect_unix(s.sock)
            names = []
            h.opt_list(lambda *x: names.append(x) and 0)
            h.opt_info()
            got = names, h.get_canonical_export_name()
            h.opt_abort()
            return got
    same(look_at(NBDKIT)[0], [('canon', 'text')])
    same(look_at(NBDKIT), look_at(NBDKIT_REF))


@case
def bad_parameters_are_one_clear_line():
    with temp_dir() as d:
        sock = 'socket=' + d + '/far'
        open(d + '/plain', 'w').close()
        for args in ([], [sock, 'hostname=x'], ['port=1'], ['nbd://x', sock], ['foo'], ['uri=http://x'], ['hostname=', sock], ['hostname='],
                     ['socket='], ['socket=/' + 'x' * 200], ['vsock=x'], ['vsock=1', 'port=http'], ['socket-fd=-1'], ['socket-fd=99'],
                     ['socket-fd=0'], ['arg=x'], [sock, 'arg=x'], [sock, 'port=1'], ['command='], ['command=/nosuch'],
                     [sock, 'dynamic-export=true', 'export=x'], ['nbd://x', 'export=x'], [sock, 'dynamic-export=true', 'shared=true'],
                     ['command=x', 'dynamic-export=true'], [sock, 'tls=maybe'], [sock, 'tls-psk=' + d + '/none'], [sock, 'tls-certificates=' + d + '/none'],
                     [sock, 'retry=x'], [sock, 'retry=-1'], [sock, 'shared=true'], [sock, 'export=' + 'x' * 5000], ['socket=' + d + '/plain', 'shared=true']):
            r = run(NBDKIT, '-f', '-U', d + '/s', 'nbd', *args, status=1)
            lines = [x for x in r.err.splitlines() if not x.startswith('/nosuch: ')] # libnbd's child says so itself
            same(len(lines), 1, f'{args}: {r.err}')


@case
def retry_waits_for_a_far_side_that_starts_late():
    for shared in ('shared=false', 'shared=true'):
        with temp_dir() as d:
            args = ['-f', '-U', d + '/s', '-P', d + '/pid', 'nbd', f'socket={d}/far', 'retry=30', shared]
            p = subprocess.Popen([NBDKIT, *args])
            far = None
            try:
                h, came = nbd.NBD(), []
                if shared == 'shared=false':
                    until('it listens', lambda: read_file(d + '/pid'))
                    t = threading.Thread(target=lambda: came.append(h.connect_unix(d + '/s')))
                    t.start()
                time.sleep(0.3)
                same(came, [])
                far = subprocess.Popen([NBDKIT_REF, '-f', '-U', d + '/far', 'memory', str(SIZE)])
                if shared == 'shared=false':
                    t.join()
                else:
                    until('it listens', lambda: read_file(d + '/pid'))
                    h.connect_unix(d + '/s')
                same(h.get_size(), SIZE)
                h.shutdown()
            finally:
                p.terminate()
                same(p.wait(), 0)
                if far:
                    far.terminate()
                    far.wait()


@case
def without_retry_the_client_is_told_at_once():
    with temp_dir() as d, Server('nbd', f'socket={d}/far') as s:
        for _ in range(3):
            fails(connect, s)
        assert 'No such file' in s.messages(), s.messages()


# --- a far side that goes, or is stuck ---

def in_flight(h, n, write=False):
    """n requests, and their errors when they are done."""
    errors = []
    bufs = [nbd.Buffer.from_bytearray(bytearray(65536)) if write else nbd.Buffer(65536) for _ in range(n)]
    for i, b in enumerate(bufs):
        f = h.aio_pwrite if write else h.aio_pread
        f(b, i * 65536, lambda err: errors.append(err.value) or 1)
    return errors, bufs


def poll_until(h, what, true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, what
        h.poll(100)


@case
def a_far_side_killed_in_mid_use_fails_what_flies_and_the_client_lives():
    for shared in ('shared=false', 'shared=true'):
        for write in (False, True):
            far = Server('--filter=delay', 'memory', SIZE, 'rdelay=60', 'wdelay=60', **REF)
            try:
                with through(far, shared) as s:
                    h, idle = connect(s), connect(s)
                    errors, _bufs = in_flight(h, 20, write)
                    time.sleep(0.2)
                    far.kill()
                    poll_until(h, 'errors come up', lambda: len(errors) == 20)
                    same(set(errors), {108}, 'ESHUTDOWN')
                    same(fails(h.pread, 512, 0), 'ESHUTDOWN')
                    same(fails(h.flush), 'ESHUTDOWN')
                    same(fails(idle.pread, 512, 0), 'ESHUTDOWN')
                    fails(connect, s)
                    # There again: new clients are served, those of before are not, as writes may be lost.
                    os.unlink(far.sock)
                    again = subprocess.Popen([NBDKIT_REF, '-f', '-U', far.sock, 'memory', str(SIZE)])
                    try:
                        until('the far side is back', lambda: listens(far.sock))
                        new = connect(s)
                        same(new.pread(512, 0), bytes(512))
                        same(fails(h.pread, 512, 0), 'ESHUTDOWN')
                        new.shutdown()
                    finally:
                        again.kill() # nbdkit would wait for us
                        again.wait()
            finally:
                far.kill()


@case
def a_stuck_far_side_holds_up_neither_SIGTERM_nor_a_client_that_leaves():
    for shared in ('shared=false', 'shared=true'):
        for write in (False, True):
            far = Server('--filter=delay', 'memory', SIZE, 'rdelay=600', 'wdelay=600', **REF)
            try:
                with through(far, shared) as s:
                    leaves, stays = connect(s), connect(s)
                    for h in (leaves, stays):
                        in_flight(h, 5, write) # nbdkit has 16 threads
                    time.sleep(0.2)
                    del leaves # closes its socket without a word
                    time.sleep(0.2)
                    stays.flush() if shared == 'shared=true' else stays.cache(512, 0) # still served
                    s.stop()
            finally:
                far.kill()


@case
def a_connection_that_never_answers_can_be_given_up():
    with temp_dir() as d:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(d + '/far')
            listener.listen(5)
            with Server('nbd', f'socket={d}/far') as s:
                with rawnbd.Conn(s.sock).newstyle() as c:
                    c.option(rawnbd.GO, rawnbd.go_query())
                    far, _ = listener.accept()
                with far: # the client has left: so must we
                    far.settimeout(60)
                    same(far.recv(1), b'')
                with rawnbd.Conn(s.sock).newstyle() as c:
                    c.option(rawnbd.GO, rawnbd.go_query())
                    far, _ = listener.accept()
                    s.stop()
                    far.close()


# --- a far side that lies ---

class Liar:
    """A server that takes one connection after the other and does with it what f says."""

    def __init__(self, path, f):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(20)
        self.f = f
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            c.settimeout(30)
            try:
                self.f(c)
            except (OSError, struct.error):
                pass
            c.close()


def recv(c, n):
    got = b''
    while len(got) < n:
        more = c.recv(n - len(got))
        if not more:
            raise OSError('closed')
        got += more
    return got


def negotiate(c, size=SIZE, flags=0x1, go_error=0, block=None):
    """Say hello, refuse all options but GO, answer that with the lies."""
    c.sendall(struct.pack('>QQH', rawnbd.NBDMAGIC, rawnbd.IHAVEOPT, 3))
    recv(c, 4)
    while True:
        _, opt, n = struct.unpack('>QII', recv(c, 16))
        recv(c, n)

        def reply(kind, data=b''):
            c.sendall(struct.pack('>QIII', rawnbd.OPT_REPLY, opt, kind, len(data)) + data)
        if opt == rawnbd.STRUCTURED_REPLY:
            reply(rawnbd.ACK)
        elif opt == rawnbd.GO and go_error:
            reply(go_error, b'no')
        elif opt == rawnbd.GO:
            reply(rawnbd.REP_INFO, struct.pack('>HQH', 0, size, flags))
            if block:
                reply(rawnbd.REP_INFO, struct.pack('>HIII', 3, *block))
            reply(rawnbd.ACK)
            return
        else:
            reply(rawnbd.ERR_UNSUP)


def chunk(cookie, flags, kind, data, n=None):
    return struct.pack('>IHHQI', rawnbd.STRUCTURED, flags, kind, cookie, len(data) if n is None else n) + data


def request(c):
    _, _, kind, cookie, off, n = struct.unpack('>IHHQQI', recv(c, 28))
    if kind == rawnbd.WRITE:
        recv(c, n)
    return kind, cookie, off, n


@contextlib.contextmanager
def lying(f, *args):
    with temp_dir() as d:
        liar = Liar(d + '/far', f)
        with Server('nbd', f'socket={d}/far', *args) as s:
            yield s
        liar.listener.close()


@case
def a_handshake_that_lies_is_refused():
    def bad_magic(c):
        c.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n' * 20)

    def garbage(c):
        c.sendall(struct.pack('>QQH', rawnbd.NBDMAGIC, rawnbd.IHAVEOPT, 3) + os.urandom(5000))
        time.sleep(0.1)
    lies = [bad_magic, garbage, lambda c: None, lambda c: c.sendall(b'NBD')]
    lies += [lambda c, e=e: negotiate(c, go_error=e) for e in (rawnbd.ERR_UNKNOWN, rawnbd.ERR_POLICY, rawnbd.ERR_TLS_REQD, rawnbd.ERR_SHUTDOWN, rawnbd.ERR + 77)]
    lies += [lambda c, n=n: negotiate(c, size=n) for n in (1 << 63, (1 << 64) - 1)]
    for i, lie in enumerate(lies):
        with lying(lie) as s:
            for _ in range(2):
                try:
                    connect(s)
                except nbd.Error:
                    continue
                raise AssertionError(f'lie {i} was believed')
            until('a reason is told', lambda: 'error: nbd: ' in s.messages())


@case
def replies_that_lie_are_errors_and_the_client_lives():
    def answer(reply):
        def f(c):
            negotiate(c)
            _, cookie, off, n = request(c)
            c.sendall(reply(cookie, off, n))
        return f

    lies = {
        'garbage': lambda k, off, n: b'\xff' * 4096,
        'nothing': lambda k, off, n: b'',
        'half a header': lambda k, off, n: struct.pack('>II', rawnbd.SIMPLE, 0),
        'half the data': lambda k, off, n: struct.pack('>IIQ', rawnbd.SIMPLE, 0, k) + b'x' * (n // 2),
        'another cookie': lambda k, off, n: struct.pack('>IIQ', rawnbd.SIMPLE, 0, k + 1) + b'x' * n,
        'a chunk outside': lambda k, off, n: chunk(k, 1, rawnbd.DATA, struct.pack('>Q', off + n) + b'x' * n),
        'a chunk too long': lambda k, off, n: chunk(k, 1, rawnbd.DATA, struct.pack('>Q', off) + b'x' * (n + 1)),
        'a chunk too short': lambda k, off, n: chunk(k, 1, rawnbd.DATA, struct.pack('>Q', off) + b'x' * (n - 1)),
        'an endless chunk': lambda k, off, n: chunk(k, 1, rawnbd.DATA, struct.pack('>Q', off), 0xffffffff),
        'a hole outside': lambda k, off, n: chunk(k, 1, rawnbd.HOLE, struct.pack('>QI', off + 1, n)),
        'no data at all': lambda k, off, n: chunk(k, 1, rawnbd.NONE, b''),
        'extents for a read': lambda k, off, n: chunk(k, 1, rawnbd.BLOCKS, struct.pack('>III', 1, n, 0)),
    }
    for name, lie in lies.items():
        for shared in ('shared=false', 'shared=true'):
            with lying(answer(lie), shared) as s:
                h = connect(s)
                for off in (0, 4096):
                    try:
                        h.pread(4096, off)
                    except nbd.Error:
                        continue
                    raise AssertionError(f'{name} was believed')
                del h


@case
def block_sizes_that_are_nonsense_are_not_passed_on():
    for block in ((3, 4096, 65536), (0, 0, 0), (4096, 512, 65536), (1 << 20, 1 << 20, 1 << 20), (512, 4096, 1000), (1, 5000, 1 << 20)):
        def f(c, block=block):
            negotiate(c, block=block)
            while True:
                _, cookie, off, n = request(c)
                c.sendall(chunk(cookie, 1, rawnbd.DATA, struct.pack('>Q', off) + b'x' * n))
        with lying(f) as s:
            h = connect(s)
            same([h.get_block_size(x) for x in (0, 1)], [1, 4096], str(block))
            same(h.pread(1024, 512), b'x' * 1024)
            del h


# --- TLS ---

@case
def TLS_with_a_key_both_sides_know():
    if not shutil.which('psktool'):
        raise Skip('no psktool')
    with temp_dir() as d:
        run('psktool', '-u', 'alice', '-p', d + '/keys')
        run('psktool', '-u', 'alice', '-p', d + '/wrong')
        key, user = 'tls-psk=' + d + '/keys', 'tls-username=alice'
        with Server('--tls=require', '--tls-psk=' + d + '/keys', 'memory', SIZE, **REF) as far:
            for args in (['tls=require', key, user], [key, user], ['tls=on', key, user]):
                with through(far, *args) as s:
                    h = connect(s)
                    data = random.Random(9).randbytes(2 << 20)
                    h.pwrite(data, 4096)
                    assert h.pread(2 << 20, 4096) == data
                    errors, bufs = in_flight(h, 40)
                    poll_until(h, 'reads', lambda n=errors: len(n) == 40)
                    same(set(errors), {0})
                    h.shutdown()
            uri = f'nbds+unix://alice@/?socket={far.sock}&tls-psk-file={d}/keys'
            with Server('nbd', uri, 'shared=true') as s:
                same(connect(s).get_size(), SIZE)
            for args in ([], ['tls=off'], ['tls=require', user, 'tls-psk=' + d + '/wrong']):
                with through(far, *args) as s:
                    fails(connect, s)
        with Server('memory', SIZE, **REF) as far:
            with through(far, key, user) as s: # when the server can
                same(connect(s).get_size(), SIZE)
            with through(far, 'tls=require', key, user) as s:
                fails(connect, s)


if __name__ == '__main__':
    main()
