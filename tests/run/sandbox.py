#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: a build with a sanitizer confines nothing, as its runtime makes calls of its own
"""What the process gives up, and that all it serves works without; what a core dump tells; the units of systemd."""
import ctypes, glob, grp, os, pwd, re, resource, signal, socket, subprocess, time
import rawnbd
from harness import *



def status(pid):
    return dict(line.split(':\t', 1) for line in read_file(f'/proc/{pid}/status').splitlines() if ':\t' in line)


def confined(pid, caps=0):
    """All threads, at this moment."""
    def is_so():
        threads = glob.glob(f'/proc/{pid}/task/*')
        return threads and all(status(f'{pid}/task/' + os.path.basename(t)).get('Seccomp') == '2' for t in threads)
    until('all threads have a filter', is_so) # it comes last, after the pid file
    for t in glob.glob(f'/proc/{pid}/task/*'):
        s = status(f'{pid}/task/' + os.path.basename(t))
        same((s['NoNewPrivs'], int(s['CapEff'], 16), int(s['CapPrm'], 16), int(s['CapAmb'], 16)), ('1', caps, caps, 0), t)


def works(where, export='', size=4096):
    with rawnbd.up(where, name=export.encode()) as c:
        same(c.write(512, b'w' * size), 0, 'write')
        same(c.read(512, size), b'w' * size, 'read')
        c.disconnect()


def landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def need_root():
    if os.geteuid() != 0:
        raise Skip('needs root')


def said(s):
    return [line.split('sandbox: ', 1)[1] for line in s.messages().splitlines() if 'sandbox: ' in line]


@case
def every_built_in_module_is_confined_and_works():
    opens = 1 << 1 | 1 << 2 if os.geteuid() == 0 else 0 # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: files by name
    with temp_dir() as d, Server('memory', '16M') as far:
        with open(d + '/disk', 'wb') as f:
            f.truncate(16 << 20)
        disk = ['file', d + '/disk']
        for words, caps in (
                (['memory', '16M'], 0), (['--filter=delay', 'memory', '16M', 'rdelay=1ms'], 0),
                (['--filter=log', 'memory', '16M', f'logfile={d}/first'], 0), (['--filter=cow', 'memory', '16M'], 0),
                (['--filter=error', 'memory', '16M', 'error-rate=100%', f'error-file={d}/none'], 0),
                (['--filter=offset', 'memory', '16M', 'offset=4096'], 0), (['--filter=passthrough', 'memory', '16M'], 0),
                (['--filter=blocksize', 'memory', '16M', 'minblock=4k'], 0),
                (disk, opens), (disk + ['cache=none'], opens), (disk + ['engine=pool'], opens), (disk + ['engine=uring'], opens),
                (['--filter=cow', '--filter=log', '--filter=blocksize'] + disk + ['minblock=4k', f'logfile={d}/log'], opens),
                (['nbd', 'socket=' + far.sock], 0), (['nbd', far.uri], 0), (['nbd', 'shared=true', far.uri], 0)):
            with Server(*words) as s:
                works(s.sock)
                works(s.sock, size=1 << 20)
                confined(s.pid, caps)
                with rawnbd.up(s.sock) as a, rawnbd.up(s.sock) as b: # threads that are started now
                    a.lives()
                    b.lives()
                    confined(s.pid, caps)
        assert 'Write' in read_file(d + '/first') and 'Read' in read_file(d + '/log')
        with Server('null', '1M') as s:
            same(run('nbdinfo', '--size', s.uri).out, '1048576\n', 'null')
            confined(s.pid)


@case
def over_tcp_and_names_too():
    with socket.socket() as x:
        x.bind(('127.0.0.1', 0))
        port = x.getsockname()[1]
    with Server('-i', '127.0.0.1', '-p', port, 'memory', '16M', unix=False) as far:
        for words in ([f'nbd://localhost:{port}'], ['hostname=localhost', f'port={port}'], ['hostname=localhost', f'port={port}', 'shared=true']):
            with Server('nbd', *words) as s:
                works(s.sock)
                confined(s.pid)
        confined(far.pid)


@case
def the_other_ways_to_serve():
    a, b = socket.socketpair()
    p = subprocess.Popen([NBDKIT, '-s', 'memory', '16M'], stdin=b, stdout=b)
    b.close()
    c = rawnbd.Conn.__new__(rawnbd.Conn)
    c.s, c.structured, c.extended, c.cookie = a, False, False, 0
    a.settimeout(20)
    c.newstyle().go()
    c.lives()
    confined(p.pid)
    c.disconnect()
    same(p.wait(20), 0, '-s')
    with temp_dir() as d: # in the background, errors to a system log that is not there
        run(NBDKIT, '-U', d + '/sock', '-P', d + '/pid', 'nbd', 'socket=/nowhere/at/all')
        pid = int(until('the pid file', lambda: read_file(d + '/pid')))
        try:
            for _ in range(2):
                run('nbdinfo', '--size', f'nbd+unix:///?socket={d}/sock', status=1)
            confined(pid)
        finally:
            os.kill(pid, signal.SIGTERM)
        until('it is gone', lambda: not os.path.exists(f'/proc/{pid}') or status(pid)['State'][0] == 'Z')


@case
def an_error_before_clients_leaves_nothing_behind():
    with temp_dir() as d:
        r = run(NBDKIT, '-f', '-U', d + '/sock', '-P', d + '/pid', 'nbd', 'shared=true', 'socket=/nowhere/at/all', status=1)
        assert 'No such file' in r.err, r.err
        same(os.listdir(d), [], 'files')


@case
def what_is_started_has_none_of_it():
    look = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status"
    none = [('NoNewPrivs', '0'), ('Seccomp', '0')]

    def found(text):
        return re.findall(r'^(\w+):\s+(\d+)', text, re.M)
    same(found(run(NBDKIT, '-U', '-', 'memory', '1M', '--run', look).out), none, '--run')
    with temp_dir() as d:
        with Server('--filter=log', 'memory', '1M', f'logscript={look} >>{d}/out') as s:
            works(s.sock)
            until('the script ran', lambda: found(read_file(d + '/out'))[:2] == none)
        before = set(glob.glob('/tmp/libnbd*/'))
        far = f'{look} >{d}/far; exec {NBDKIT} "$@"'
        with Server('nbd', 'command=/bin/sh', 'arg=-c', f'arg={far}', 'arg=sh', 'arg=--exit-with-parent', 'arg=memory', 'arg=1M') as s:
            works(s.sock)
            same(found(read_file(d + '/far')), none, 'command=')
            until('we have a filter', lambda: status(s.pid)['Seccomp'] == '2')
        here = set(glob.glob('/tmp/libnbd*/')) - before # those of other tests go as well
        until('its socket is gone', lambda: not here & set(glob.glob('/tmp/libnbd*/')))


@case
def a_loaded_plug_in_may_do_anything_unless_told_otherwise():
    for words, seccomp, privs in ((['memory', '1M'], '2', '1'), (['pattern', '1M'], '0', '0'), (['--sandbox=on', 'pattern', '1M'], '2', '1'),
                                  (['--sandbox=off', 'memory', '1M'], '0', '0'), (['--sandbox=on', 'memory', '1M'], '2', '1')):
        with Server('-v', *words) as s:
            until('it says so', lambda: len(said(s)) > 0)
            until(f'{words}: {seccomp}', lambda: status(s.pid)['Seccomp'] == seccomp)
            same(status(s.pid)['NoNewPrivs'], privs, words)
            run('nbdinfo', '--size', s.uri)
            same('off' in said(s)[0], seccomp == '0', said(s))
    r = run(NBDKIT, '--sandbox=maybe', 'memory', '1M', status=1)
    assert re.fullmatch(r'nbdkit: error: --sandbox must be .*\n', r.err), r.err


@case
def files_beside_the_disk_cannot_be_opened():
    if landlock() < 1:
        raise Skip('no Landlock here')
    with temp_dir() as d, temp_dir() as other:
        for name in (d + '/a', other + '/linked', other + '/later'):
            with open(name, 'wb') as f:
                f.truncate(1 << 20)
        os.symlink(other + '/linked', d + '/link')
        with Server('file', f'dir={d}') as s:
            works(s.sock, 'a')
            works(s.sock, 'link')
            os.symlink(other + '/later', d + '/late')
            with open(d + '/new', 'wb') as f:
                f.truncate(1 << 20)
            works(s.sock, 'new')
            r = run('nbdinfo', '--size', f'nbd+unix:///late?socket={s.sock}', status=1)
        with Server('--sandbox=off', 'file', f'dir={d}') as s:
            works(s.sock, 'late')
        with Server('file', other + '/later') as s:
            works(s.sock)
            os.rename(other + '/linked', other + '/later') # another file of its name
            run('nbdinfo', '--size', s.uri, status=1)


# --- a kernel without ---

class Instruction(ctypes.Structure):
    _fields_ = [('code', ctypes.c_ushort), ('jt', ctypes.c_ubyte), ('jf', ctypes.c_ubyte), ('k', ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.POINTER(Instruction))]


def without(number):
    """Let a system call not be there, for what is started."""
    libc = ctypes.CDLL(None)
    code = (Instruction * 4)((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7fff0000))
    p = Program(4, code)

    def filter_it():
        libc.prctl(38, 1, 0, 0, 0)
        libc.prctl(22, 2, ctypes.byref(p), 0, 0)
    return filter_it


@case
def a_kernel_without_landlock_or_seccomp_serves_as_well():
    if os.uname().machine != 'x86_64':
        raise Skip('knows the numbers of x86-64 only')
    for number, word in ((444, 'Landlock'), (317, 'seccomp')):
        with Server('-v', 'memory', '1M', popen={'preexec_fn': without(number)}) as s:
            works(s.sock)
            until('it says so', lambda: f'{word} is not to be had: Function not implemented' in s.messages())
        p = subprocess.run([NBDKIT, '-U', '-', '--sandbox=on', 'memory', '1M', '--run', 'true'], preexec_fn=without(number),
                           stderr=subprocess.PIPE, text=True, timeout=20)
        same((p.returncode, p.stderr), (1, f'nbdkit: error: --sandbox=on: {word} is not to be had: Function not implemented\n'), word)


# --- users and groups ---

def ids(s):
    st = status(s.pid)
    return st['Uid'].split(), st['Gid'].split(), st['Groups'].split(), int(st['CapPrm'], 16)


@case
def user_and_group_are_changed_for_good():
    need_root()
    nobody, nogroup = pwd.getpwnam('nobody'), grp.getgrnam('nogroup').gr_gid
    u, g = str(nobody.pw_uid), str(nogroup)
    member = next(((p, x) for x in grp.getgrall() for p in pwd.getpwall() if p.pw_name in x.gr_mem and p.pw_uid), None)
    mine = {'groups': [0, 4, 20]} if 'extra_groups' not in subprocess.Popen.__init__.__code__.co_varnames else None
    popen = {'extra_groups': [0, 4, 20]} if mine is None else {}
    for off in ([], ['--sandbox=off']):
        for words, user, group, groups in (
                (['-u', 'nobody', '-g', 'nogroup'], u, g, [g]), (['-u', u], u, str(nobody.pw_gid), [str(nobody.pw_gid)]),
                (['-g', 'nogroup'], '0', g, [g]), (['-u', '54321', '-g', g], '54321', g, [g]), (['-u', '54321'], '54321', '0', ['0'])):
            with Server(*off, *words, 'memory', '1M', popen=popen) as s:
                works(s.sock)
                same(ids(s)[:3], ([user] * 4, [group] * 4, groups), words)
                assert user == '0' or ids(s)[3] == 0, 'capabilities'
    if member:
        p, x = member
        for user in (p.pw_name, str(p.pw_uid)): # by name or by number: the same groups
            with Server('-u', user, 'memory', '1M', popen=popen) as s:
                assert str(x.gr_gid) in ids(s)[2], (member, ids(s))


@case
def rights_that_outlive_the_change_are_an_error_or_gone():
    need_root()
    libc = ctypes.CDLL(None)
    keep = lambda: libc.prctl(28, 1 << 2 | 1 << 4, 0, 0, 0) # SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS
    with Server('--sandbox=off', '-u', 'nobody', '-g', 'nogroup', 'memory', '1M', popen={'preexec_fn': keep}) as s:
        same(ids(s)[3], 0, 'capabilities')
    with Server('-u', 'nobody', '-g', 'nogroup', 'memory', '1M') as s: # a socket of root's cannot be changed by nobody
        run('nbdinfo', '--size', s.uri)


@case
def who_stays_what_he_is_needs_no_rights():
    need_root()
    nobody = pwd.getpwnam('nobody')
    with temp_dir() as d:
        os.chmod(d, 0o777)
        r = subprocess.run([NBDKIT, '-U', '-', '-u', 'nobody', 'memory', '1M', '--run', 'nbdinfo --size "$uri"'], cwd=d, user=nobody.pw_uid,
                           group=nobody.pw_gid, extra_groups=[], stdout=subprocess.PIPE, text=True, timeout=20)
        same((r.returncode, r.stdout), (0, '1048576\n'), '-u nobody, by nobody')
        r = subprocess.run([NBDKIT, '-U', '-', '-u', 'root', 'memory', '1M', '--run', 'true'], cwd=d, user=nobody.pw_uid,
                           group=nobody.pw_gid, extra_groups=[], stderr=subprocess.PIPE, text=True, timeout=20)
        same(r.returncode, 1, '-u root, by nobody')
        assert re.fullmatch(r'nbdkit: error: cannot change group to 0: .*\n', r.stderr), r.stderr


# --- core dumps ---

MARK = bytes((i * 37 + 11) % 251 for i in range(256)) # longer than all vector registers


def core_of(d, *words, data=True):
    """What is in the core of a server that has seen MARK in all ways: a small write, a large one, reads of both."""
    if read_file('/proc/sys/kernel/core_pattern').strip() != 'core':
        raise Skip('cores do not lie in the current directory: ' + read_file('/proc/sys/kernel/core_pattern').strip())

    def unlimited():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.chdir(d)
    for old in glob.glob(d + '/core*'):
        os.unlink(old)
    s = Server(*words, popen={'preexec_fn': unlimited})
    with rawnbd.up(s.sock) as c:
        for off, size in ((0, 4096), (1 << 20, 1 << 20)):
            same(c.write(off, MARK * (size // 256)), 0, 'write')
            same(c.read(off, size), MARK * (size // 256), 'read')
            same(c.read(off + 256, 256), MARK, 'read')
        c.request(rawnbd.WRITE, 0, 65536, MARK * 200) # and one that is on its way
        time.sleep(0.1) # no matter if it came or not
        s.stop(signal.SIGSEGV, -signal.SIGSEGV)
    shutil.rmtree(s.dir, ignore_errors=True)
    core = glob.glob(d + '/core*')
    same(len(core), 1, 'cores')
    with open(core[0], 'rb') as f:
        return f.read()


@case
def a_core_has_no_data_of_disks_unless_asked_for():
    with temp_dir() as d:
        with open(d + '/disk', 'wb') as f:
            f.truncate(4 << 20)
        for words in (['memory', '4M'], ['file', d + '/disk'], ['--filter=cow', 'memory', '4M', 'cow-on-read=true'],
                      ['--filter=log', '--filter=cow', 'file', d + '/disk', f'logfile={d}/log']):
            core = core_of(d, *words)
            same(core.count(MARK), 0, f'{words}: the mark in the core')
            assert words[-1].encode() in core and core[:4] == b'\x7fELF', 'it is a core, with its stacks'
        core = core_of(d, '--core-dumps=whole', 'memory', '4M')
        assert core.count(MARK) >= 4096, f'{core.count(MARK)} marks in a whole core'
        if shutil.which('gdb'): # and what is there is of use
            core_of(d, 'memory', '4M')
            text = run('gdb', '-batch', '-ex', 'bt', os.path.realpath(NBDKIT), glob.glob(d + '/core*')[0], status=None).out
            assert re.search(r'\bserver_run\b', text) and re.search(r'\bmain\b', text), text


# --- systemd ---

def units(d):
    """The units as installed, but for the program of this build."""
    with open(SRC + '/systemd/blkscope@.service.in') as f:
        text = f.read().replace('@BINDIR@', BIN).replace('@SYSCONFDIR@', d)
    with open(d + '/blkscope@.service', 'w') as f:
        f.write(text)
    shutil.copy(SRC + '/systemd/blkscope@.socket', d)
    return text


@case
def systemd_finds_nothing_wrong_with_the_units():
    if not shutil.which('systemd-analyze'):
        raise Skip('needs systemd-analyze (package systemd)')
    with temp_dir() as d:
        units(d)
        r = run('systemd-analyze', 'verify', '--man=no', d + '/blkscope@x.service', d + '/blkscope@x.socket', status=None)
        same((r.status, re.findall(r'blkscope.*', r.err)), (0, []), 'systemd-analyze verify')
        r = run('systemd-analyze', 'security', '--offline=yes', '--no-pager', '--threshold=15', d + '/blkscope@x.service', status=None)
        same(r.status, 0, 'exposure of at most 1.5\n' + r.out[-300:])


@case
def the_command_of_the_unit_serves_its_socket():
    if not shutil.which('systemd-socket-activate'):
        raise Skip('needs systemd-socket-activate (package systemd)')
    with temp_dir() as d:
        text = units(d)
        command = re.search(r'^ExecStart=(.*)$', text, re.M)[1].replace('$ARGS', 'memory 16M').split()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind('\0' + d)
        notify.settimeout(20)
        p = subprocess.Popen(['systemd-socket-activate', '-l', d + '/sock', '-E', 'BLKSCOPE_SANDBOX=trap', '-E', 'BLKSCOPE_TEST', '-E', 'NOTIFY_SOCKET=@' + d]
                             + command, stderr=subprocess.DEVNULL)
        try:
            until('the socket', lambda: os.path.exists(d + '/sock'))
            works(d + '/sock')
            words = notify.recv(1000).decode().split()
            same(words, ['READY=1', f'MAINPID={p.pid}'], 'what systemd is told')
            confined(p.pid)
        finally:
            p.terminate()
        same(p.wait(20), 0, 'exit status')
        notify.close()


if __name__ == '__main__':
    main()
