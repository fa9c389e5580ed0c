#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""nbdkit as a process: signals, the background, sockets of every kind, users, systemd, inetd."""
import os, pwd, re, signal, socket, stat, subprocess, time
import rawnbd
from harness import *


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat') as f:
        return f.read().rsplit(')', 1)[1].split()[0] != 'Z'


def works(where):
    with rawnbd.up(where) as c:
        same(c.write(0, b'w' * 512), 0, 'write')
        same(c.read(0, 512), b'w' * 512, 'read')
        c.disconnect()


def listening(pid):
    """(address, port) of the TCP sockets that the process listens on."""
    inodes = set()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            inodes.add(os.readlink(f'/proc/{pid}/fd/{fd}'))
        except OSError:
            pass
    found = []
    for table in ('tcp', 'tcp6'):
        for line in read_file(f'/proc/{pid}/net/{table}').splitlines()[1:]:
            f = line.split()
            if f[3] == '0A' and f'socket:[{f[9]}]' in inodes:
                found.append((table, int(f[1].rsplit(':', 1)[1], 16)))
    return sorted(found)


@case
def term_int_and_quit_end_it_cleanly():
    if REAL:
        raise Skip('nbdkit waits for its clients')
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        with temp_dir() as d:
            s = Server('--filter=log', 'memory', '1M', f'logfile={d}/log')
            with rawnbd.up(s.sock) as c:
                c.lives()
                c.lives()
                s.stop(sig)
            assert '...Read id=2 return=0' in read_file(d + '/log'), f'the log after {sig!r}'
            same(s.messages(), '', f'stderr after {sig!r}')


@case
def hangup_and_a_broken_pipe_do_not_end_it():
    if REAL:
        raise Skip('nbdkit dies of SIGHUP')
    with Server('memory', '1M') as s:
        run('/bin/bash', '-c', f'kill -HUP {s.pid}') # from our session's leader it would mean that the terminal is gone
        s.process.send_signal(signal.SIGPIPE)
        works(s.sock)
        works(s.sock)


@case
def a_signal_while_requests_are_parked():
    if REAL:
        raise Skip('nbdkit waits')
    with Server('--filter=delay', 'memory', '1M', 'rdelay=1000') as s, rawnbd.up(s.sock) as c:
        for i in range(20):
            c.request(rawnbd.READ, i * 512, 512)
        s.stop()
        for _ in range(20):
            try:
                error, _ = c.simple()
            except rawnbd.Closed:
                break
            assert error, 'a parked read cannot have worked'


@case
def the_pid_file_is_ours_and_stays():
    with temp_dir() as d:
        s = Server('memory', '1M')
        same(read_file(s.pid_file), f'{s.pid}\n', 'pid file')
        works(s.sock)
        s.stop()
        assert os.path.exists(s.pid_file), 'nbdkit(1): it is not deleted'
        assert os.path.exists(s.sock), 'nbdkit(1): nor is the socket'


@case
def without_f_it_goes_to_the_background_when_it_is_ready():
    with temp_dir() as d:
        run(NBDKIT, '-U', d + '/sock', '-P', d + '/pid', 'memory', '1M')
        works(d + '/sock') # listening already when the command returns
        pid = int(until('the pid file', lambda: read_file(d + '/pid')))
        try:
            same(os.readlink(f'/proc/{pid}/cwd'), '/', 'working directory')
            assert REAL or os.getsid(pid) != os.getsid(0), 'its own session'
            for fd in (0, 1, 2):
                same(os.readlink(f'/proc/{pid}/fd/{fd}'), '/dev/null', f'descriptor {fd}')
        finally:
            os.kill(pid, signal.SIGTERM)
        until('it is gone', lambda: not alive(pid))


@case
def the_background_keeps_relative_paths():
    with temp_dir() as d:
        run(NBDKIT, '-U', 'sock', '-P', 'pid', '--filter=log', 'memory', '1M', 'logfile=log', cwd=d)
        pid = int(until('the pid file', lambda: read_file(d + '/pid')))
        works(d + '/sock')
        os.kill(pid, signal.SIGTERM)
        until('it is gone', lambda: not alive(pid))
        text = read_file(d + '/log')
        assert 'Fork' in text and '...Read' in text and 'Disconnect' in text, text


@case
def a_daemon_that_cannot_start_says_so_with_status_1():
    with temp_dir() as d:
        r = run(NBDKIT, '-U', d + '/no/sock', '-P', d + '/pid', 'memory', '1M', status=1)
        assert r.err and not os.path.exists(d + '/pid')
        with Server('memory', '1M') as s:
            r = run(NBDKIT, '-U', s.sock, 'memory', '1M', status=1)
            assert 'in use' in r.err, r.err
            works(s.sock)


def free_port():
    with socket.socket() as x:
        x.bind(('127.0.0.1', 0))
        return x.getsockname()[1]


@case
def tcp_on_every_address_and_on_one():
    port = free_port()
    with Server('-p', port, 'memory', '1M', unix=False) as s:
        works(('127.0.0.1', port))
        kinds = {k for k, p in listening(s.pid)}
        assert 'tcp6' in kinds or not os.path.exists('/proc/net/if_inet6'), listening(s.pid)
    with Server('-p', port, '-i', '127.0.0.1', 'memory', '1M', unix=False) as s: # the port is free again
        works(('127.0.0.1', port))
        same(listening(s.pid), [('tcp', port)], 'sockets')
    with Server('-4', '--port', port, 'memory', '1M', unix=False) as s:
        same(listening(s.pid), [('tcp', port)], 'sockets with -4')
    if os.path.exists('/proc/net/if_inet6') and read_file('/proc/net/if_inet6'):
        with Server('-6', f'--port={port}', 'memory', '1M', unix=False) as s:
            same(listening(s.pid), [('tcp6', port)], 'sockets with -6')
            same(run('nbdinfo', '--size', f'nbd://[::1]:{port}').out, '1048576\n', 'over IPv6')
        with Server(f'--ipaddr=::1', f'-p{port}', 'memory', '1M', unix=False) as s:
            same(run('nbdinfo', '--size', f'nbd://[::1]:{port}').out, '1048576\n', 'over IPv6')


@case
def port_0_is_any_free_port_and_run_is_told():
    out = run(NBDKIT, '-p', '0', '-i', '127.0.0.1', 'memory', '1M', '--run', 'echo "$port $uri"; nbdinfo --size "$uri"',
              status=None)
    if REAL:
        raise Skip('nbdkit 1.32 tells port 0')
    m = re.fullmatch(r'(\d+) nbd://[^:]+:(\d+)/?\n1048576\n', out.out)
    assert m and m[1] == m[2] != '0', out.out + out.err


@case
def a_port_in_use_is_an_error():
    port = free_port()
    with Server('-p', port, '-4', 'memory', '1M', unix=False) as s:
        r = run(NBDKIT, '-p', port, '-4', 'memory', '1M', status=1)
        assert 'in use' in r.err, r.err


@case
def vsock():
    port = 20000 + os.getpid() % 30000
    try:
        socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    except OSError as e:
        raise Skip(f'this kernel has no vsock: {e}') from None
    with Server('--vsock', '-p', port, 'memory', '1M', unix=False) as s:
        c = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        c.settimeout(10)
        try:
            c.connect((1, port)) # VMADDR_CID_LOCAL
        except OSError as e:
            raise Skip(f'vsock has no loopback here: {e}') from None
        same(c.recv(8), b'NBDMAGIC', 'greeting')


@case
def systemd_socket_activation():
    """Two sockets at once, a Unix and a TCP one, from descriptor 3 on."""
    with temp_dir() as d:
        u = socket.socket(socket.AF_UNIX)
        u.bind(d + '/sock')
        u.listen()
        t = socket.socket()
        t.bind(('127.0.0.1', 0))
        t.listen()
        env = dict(os.environ, LISTEN_FDS='2')
        os.set_inheritable(u.fileno(), True)
        os.set_inheritable(t.fileno(), True)
        script = f'exec 8<&{u.fileno()} 9<&{t.fileno()}; exec 3<&8 4<&9 8<&- 9<&-; LISTEN_PID=$$ exec "$@"'
        p = subprocess.Popen(['/bin/bash', '-c', script, 'sh', NBDKIT, '-P', d + '/pid', 'memory', '1M'],
                             env=env, pass_fds=[u.fileno(), t.fileno()], stderr=subprocess.PIPE)
        try:
            works(d + '/sock')
            works(t.getsockname())
            same(read_file(d + '/pid'), f'{p.pid}\n', 'pid file: it does not fork')
            assert p.poll() is None
        finally:
            p.terminate()
        same(p.wait(20), 0, 'exit status')


@case
def socket_activation_refuses_what_it_cannot_do():
    for args in (['-p', '10'], ['-U', 'x'], ['-i', '127.0.0.1'], ['-s'], ['--run', 'true'], ['--vsock']):
        script = 'exec 3<>/dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        r = run('/bin/bash', '-c', script, 'sh', NBDKIT, *args, 'memory', '1M', status=1, timeout=10)
        assert r.err, args
    # Descriptors that are no sockets, and a count that lies.
    for fds in ('1', '200000', '-1', 'x', '4294967297', ''):
        script = f'exec 3</dev/null; LISTEN_FDS="{fds}" LISTEN_PID=$$ exec "$@"'
        if REAL and fds in ('', '200000', '4294967297'):
            continue
        r = run('/bin/bash', '-c', script, 'sh', NBDKIT, '-f', 'memory', '1M', status=1, timeout=10) if fds else None
        assert r is None or r.err, fds


@case
def activation_for_another_process_is_ignored():
    env = dict(os.environ, LISTEN_FDS='1', LISTEN_PID='1')
    same(run(NBDKIT, '-U', '-', 'memory', '1M', '--run', 'nbdinfo --size "$uri"', env=env).out, '1048576\n', 'LISTEN_PID=1')


@case
def single_serves_one_connection_on_stdin_and_stdout():
    a, b = socket.socketpair()
    p = subprocess.Popen([NBDKIT, '-s', 'memory', '1M'], stdin=b, stdout=b, stderr=subprocess.PIPE)
    b.close()
    c = rawnbd.Conn.__new__(rawnbd.Conn)
    c.s, c.structured, c.extended, c.cookie = a, False, False, 0
    a.settimeout(20)
    c.newstyle().go()
    same(c.write(0, b's' * 512), 0, 'write')
    same(c.read(0, 512), b's' * 512, 'read')
    c.disconnect()
    same(p.wait(20), 0, 'exit status')
    p.stderr.close()


@case
def single_over_two_pipes():
    r, w = os.pipe()
    p = subprocess.Popen([NBDKIT, '-s', 'memory', '1M'], stdin=r, stdout=subprocess.PIPE)
    os.close(r)
    same(p.stdout.read(18)[:8], b'NBDMAGIC', 'greeting')
    os.close(w) # stdin ends: so does the server
    p.wait(20)
    p.stdout.close()


@case
def exit_with_parent():
    with temp_dir() as d:
        sh = subprocess.Popen(['/bin/bash', '-c', f'{NBDKIT} --exit-with-parent -U {d}/sock -P {d}/pid memory 1M & wait'])
        pid = int(until('the pid file', lambda: read_file(d + '/pid').strip()))
        works(d + '/sock')
        sh.kill()
        sh.wait()
        until('the server follows its parent', lambda: not alive(pid))


@case
def run_ends_the_server_and_removes_the_private_socket():
    with temp_dir() as d:
        r = run(NBDKIT, '-U', '-', '-P', d + '/pid', 'memory', '1M', '--run', f'echo "$unixsocket"; cat {d}/pid')
        path, pid = r.out.split()
        assert not os.path.exists(path) and not os.path.exists(os.path.dirname(path)), f'{path} is still there'
        until('the server is gone', lambda: not alive(int(pid)))


@case
def run_is_ended_with_the_server():
    if REAL:
        raise Skip('nbdkit spins')
    with temp_dir() as d:
        p = subprocess.Popen([NBDKIT, '-U', '-', 'memory', '1M', '--run', f'echo $$ > {d}/child; exec sleep 1000'],
                             stderr=subprocess.DEVNULL)
        child = int(until('the command runs', lambda: read_file(d + '/child').strip()))
        try:
            p.terminate()
            p.wait(20 * SLOWER)
            until('the command is ended, too', lambda: not alive(child))
        finally:
            p.kill()
            if alive(child):
                os.kill(child, signal.SIGKILL)


@case
def user_and_group_are_given_up():
    if os.geteuid() != 0:
        raise Skip('needs root')
    nobody = pwd.getpwnam('nobody')
    for user, group in (('nobody', 'nogroup'), (str(nobody.pw_uid), str(nobody.pw_gid))):
        with Server('-u', user, '-g', group, 'memory', '1M') as s:
            works(s.sock)
            status = read_file(f'/proc/{s.pid}/status')
            same(re.search(r'^Uid:\s+(.*)', status, re.M)[1].split(), [str(nobody.pw_uid)] * 4, 'uid')
            same(re.search(r'^Gid:\s+(.*)', status, re.M)[1].split(), [str(nobody.pw_gid)] * 4, 'gid')
            same(re.search(r'^CapEff:\s+(.*)', status, re.M)[1].strip('0'), '', 'capabilities')
            groups = re.search(r'^Groups:[ \t]*(.*)', status, re.M)[1].split()
            assert '0' not in groups, f'still in groups {groups}'


@case
def swap_locks_the_memory():
    if MODE != 'plain':
        raise Skip('a sanitizer does not let memory be locked')
    if os.geteuid() != 0:
        raise Skip('needs root, or a large RLIMIT_MEMLOCK')
    with Server('--swap', 'memory', '1M') as s:
        works(s.sock)
        locked = int(re.search(r'^VmLck:\s+(\d+)', read_file(f'/proc/{s.pid}/status'), re.M)[1])
        assert locked > 0, 'VmLck is 0'


@case
def nothing_is_inherited_by_the_command_of_run():
    r = run(NBDKIT, '-U', '-', '--filter=log', 'memory', '1M', 'logfile=/dev/null', '--run', 'ls -l /proc/self/fd')
    extra = [line for line in r.out.splitlines() if re.search(r' ([3-9]|\d\d+) -> (socket|anon|pipe|/dev/null)', line)]
    assert not extra or REAL, extra
    r = run(NBDKIT, '-U', '-', 'memory', '1M', '--run', 'grep ^SigBlk /proc/self/status; grep ^SigIgn /proc/self/status')
    blocked = int(re.search(r'SigBlk:\s*(\S+)', r.out)[1], 16)
    assert blocked == 0 or REAL, f'signals blocked in the command: {blocked:#x}'


@case
def run_s_command_gets_our_stdin_and_signals_mean_what_they_mean():
    r = run(NBDKIT, '-U', '-', 'memory', '1M', '--run', 'cat', stdin=b'through\n')
    same(r.out, 'through\n', 'stdin')


@case
def log_to_syslog_or_nowhere_keeps_stderr_empty():
    for where in ('null', 'syslog'):
        with Server(f'--log={where}', 'memory', '1M') as s:
            with rawnbd.up(s.sock) as c:
                same(c.read(1 << 20, 512), rawnbd.EINVAL, 'read past the end')
            works(s.sock)
            same(s.messages(), '', f'stderr with --log={where}')


main()
