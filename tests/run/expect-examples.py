#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""The examples for the expect library do what their first lines promise: with a shell, an sshd of our own and a guest of our own
in QEMU; and they are built outside of the tree in the way that they tell."""
import contextlib, glob, os, re, select, shutil, signal, socket, subprocess, time
from harness import MODE, SLOWER, SRC, Skip, case, main, same, temp_dir, until

BUILD = os.environ.get('BUILD_DIR', SRC + '/build')


def example(name, *args, stdin='', status=0, err=''):
    """What expect-NAME prints; its status and all that it says on stderr (a regexp) are checked."""
    p = subprocess.run([f'{BUILD}/examples/expect-{name}', *args], input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=120 * SLOWER, check=False)
    if p.returncode != status or not re.fullmatch(err, p.stderr.decode()):
        raise AssertionError(f'{name} {args}: status {p.returncode}, stderr {p.stderr.decode()!r}, stdout ends in {p.stdout[-1000:]!r}')
    return p.stdout.decode()


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)


def hash_of(password):
    return subprocess.run(['openssl', 'passwd', '-6', password], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def read(path):
    with open(path) as f:
        return f.read()


# --- shell ---

@case
def shell_runs_commands_in_one_shell():
    same(example('shell', 'cd /tmp', 'pwd', 'printf abc', 'nosuch', 'false', status=1),
         '[0]\n/tmp\n[0]\nabc[0]\nbash: nosuch: command not found\n[127]\n[1]\n')


@case
def shell_shows_all_of_the_output_and_nothing_else():
    same(example('shell', 'seq 300000'), ''.join(f'{i}\n' for i in range(1, 300001)) + '[0]\n')
    same(example('shell', r"printf 'a\r\nb\r\r\n> $ bash# '", 'echo "$TERM"; stty size'), 'a\r\nb\r\r\n> $ bash# [0]\ndumb\n24 80\n[0]\n')


@case
def shell_answers_what_a_command_asks():
    same(example('shell', '-q', 'name[?] ', '-a', 'Ada', 'read -p "Your name? " n; echo "Hello, $n!"', 'echo again'),
         'Your name? Ada\nHello, Ada!\n[0]\nagain\n[0]\n')
    twice = 'for i in 1 2; do read -p "Name $i: " n; echo "<$n>"; done'
    same(example('shell', '-q', r'Name \d: ', '-a', 'Bob', twice), 'Name 1: Bob\n<Bob>\nName 2: Bob\n<Bob>\n[0]\n')


@case
def shell_interrupts_what_takes_too_long():
    start = time.monotonic()
    same(example('shell', '-t', '1', 'echo before; sleep 100; echo not this', 'echo awake'), 'before\n\n[130]\nawake\n[0]\n')
    same(example('shell', '-t', '1', "echo 'no end", 'echo next'), '\n[130]\nnext\n[0]\n')
    same(time.monotonic() - start < 30 * SLOWER, True)
    same(example('shell', '-t', '1', 'trap "" INT; sleep 100', status=1, err='expect-shell: .*: \\^C does not end it\n'), '')


@case
def shell_sees_the_end_of_the_shell():
    same(example('shell', 'exit 7', status=7), 'exit\n[7, the end of the shell]\n')
    same(example('shell', 'kill -9 $$', status=137), '[137, the end of the shell]\n')
    same(example('shell', 'exit 7', 'pwd', status=1, err='expect-shell: pwd: the shell does not take it: Broken pipe\n'),
         'exit\n[7, the end of the shell]\n')


@case
def shell_waits_for_several_at_once():
    out = example('shell', '-p', 'sleep 2; echo three; false', 'echo one', 'sleep 1; echo two', status=1)
    same(out, 'one\n[0]\ntwo\n[0]\nthree\n[1]\n', 'in the order in which they end')
    many = 50
    same(sorted(example('shell', '-p', *[f'echo {i}' for i in range(many)]).split()), sorted(['[0]'] * many + [str(i) for i in range(many)]))


@case
def shell_says_how_it_is_used():
    example('shell', status=1, err='expect-shell: usage: shell .*\n')
    example('shell', '-x', status=1, err='.*invalid option.*\n')
    example('shell', '-q', '(', '-a', 'x', 'pwd', status=1, err='expect-shell: .*parenthes.*\n')
    example('shell', 'echo a\necho b', status=1, err='expect-shell: echo a\necho b: one line, please\n')


# --- ssh ---

def listens(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def sshd(tmp, *config):
    """A server of our own that knows a user `tester` with the password `open sesame`; arguments for ssh.  The user is in copies of
    passwd and shadow that only this server sees, in a mount namespace: there is nothing to undo, and no name to agree on.  It ends with this test."""
    if os.getuid() != 0:
        raise Skip('root only: an sshd that takes passwords, and a user')
    if not all(shutil.which(p) for p in ('sshd', 'ssh', 'ssh-keygen', 'openssl', 'unshare')):
        raise Skip('needs sshd, ssh, ssh-keygen and openssl')
    if subprocess.run(['unshare', '-m', 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip('no mount namespaces here, for a user that is not in /etc/passwd')
    lines = {'passwd': 'tester:x:61234:61234::/:/bin/sh\n', 'shadow': f'tester:{hash_of("open sesame")}:19000:0:99999:7:::\n'}
    mounts = ''
    for name, line in lines.items():
        write(f'{tmp}/{name}', read('/etc/' + name) + line)
        os.chmod(f'{tmp}/{name}', 0o644 if name == 'passwd' else 0o600)
        mounts += f'mount --bind {tmp}/{name} /etc/{name} && '
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', tmp + '/host'], check=True)
    os.makedirs('/run/sshd', exist_ok=True)
    port = free_port()
    write(tmp + '/config', f'Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp}/host\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n'
          'PubkeyAuthentication no\nUsePAM no\nPidFile none\nPrintMotd no\n' + ''.join(line + '\n' for line in config))
    start = f'{mounts} exec setpriv --pdeathsig TERM {shutil.which("sshd")} -D -e -f {tmp}/config 2>{tmp}/log'
    server = subprocess.Popen(['unshare', '-m', 'sh', '-c', start], stdin=subprocess.DEVNULL)
    try:
        until('sshd listens', lambda: server.poll() is not None or listens(port))
        same(server.poll(), None, 'sshd ended: ' + read(tmp + '/log'))
        yield ['-F', '/dev/null', '-o', f'UserKnownHostsFile={tmp}/known', '-o', 'GlobalKnownHostsFile=/dev/null', '-p', str(port),
               'tester@127.0.0.1']
    finally:
        server.terminate()
        server.wait()


@case
def ssh_runs_a_command_with_a_password():
    with temp_dir() as tmp, sshd(tmp) as args:
        for known in (False, True):
            same(os.path.exists(tmp + '/known'), known) # the first time it is asked about the host key, and not again
            same(example('ssh', *args, 'id -un; tty; exit 42', stdin='open sesame\n', status=42), 'tester\nnot a tty\n')
        same(example('ssh', *args, 'seq 300000', stdin='open sesame'), ''.join(f'{i}\n' for i in range(1, 300001)))
        # What looks like a question, comes at once, has other ends of lines, or none.
        same(example('ssh', *args, r"printf 'assword: \nassword: continue connecting (yes/no\r\nx\r\r\n\nend'", stdin='open sesame\n'),
             'assword: \nassword: continue connecting (yes/no\r\nx\r\r\n\nend')
        same(example('ssh', *args, 'echo Permission denied; echo password:; cat', stdin='open sesame\n'), 'Permission denied\npassword:\n')
        long = example('ssh', *args, 'head -c 3000000 /dev/zero | tr "\\0" x', stdin='open sesame\n')
        same((len(long), set(long)), (3000000, {'x'}))


@case
def ssh_says_why_it_did_not_log_in():
    denied = 'expect-ssh: not logged in: tester@127.0.0.1: Permission denied \\(.*\\)\\.\n'
    with temp_dir() as tmp, sshd(tmp) as args:
        same(example('ssh', *args, 'echo no', stdin='wrong\n', status=1, err=denied), '')
        same(example('ssh', *args, 'echo no', status=1, err='expect-ssh: no password on stdin\n'), '')
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', tmp + '/other'], check=True)
        write(tmp + '/known', f'[127.0.0.1]:{args[-2]} ' + read(tmp + '/other.pub'))
        example('ssh', *args, 'echo no', stdin='open sesame\n', status=1, err='expect-ssh: not logged in: Host key verification failed\\.\n')
    with temp_dir() as tmp, sshd(tmp, 'DenyUsers tester') as args:
        same(example('ssh', *args, 'echo no', stdin='open sesame\n', status=1, err=denied), '')
    example('ssh', '-F', '/dev/null', '-p', str(free_port()), 'tester@127.0.0.1', 'true', stdin='x\n', status=1,
            err='expect-ssh: not logged in: ssh: connect to host 127.0.0.1 port \\d+: Connection refused\n')


@case
def ssh_sends_the_password_when_nobody_sees_it():
    """Stand-ins for ssh: one turns echo off a second after it has asked, the other one never."""
    path = os.environ['PATH']
    for quiet, status, err, out in (('sleep 1; stty -echo', 0, '', 'it was <open sesame>\n'),
                                    ('', 1, 'expect-ssh: the password was not sent, as it would be seen: Connection timed out\n', '')):
        with temp_dir() as tmp:
            write(tmp + '/ssh', f'#!/bin/sh\nprintf "password: "\n{quiet}\nread p; echo "$p" >{tmp}/got\n'
                  'echo; echo "expect: logged in"; echo "it was <$p>"\n')
            os.chmod(tmp + '/ssh', 0o755)
            os.environ['PATH'] = tmp + ':' + path
            try:
                same(example('ssh', 'host', 'true', stdin='open sesame\n', status=status, err=err), out)
            finally:
                os.environ['PATH'] = path
            same(os.path.exists(tmp + '/got'), status == 0)


# --- serial ---

INIT = """#!/bin/sh
mkdir -p /usr/bin /usr/sbin /proc /dev
/bin/busybox --install -s
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while :; do setsid getty 115200 ttyS0 vt100; done
"""


def guest(tmp):
    """A kernel and an initrd with nothing but busybox: it asks who logs in at ttyS0; root's password is `open sesame`."""
    kernels = sorted(glob.glob('/boot/vmlinuz-*-cloud-amd64'))
    if not kernels or not os.access(kernels[-1], os.R_OK):
        raise Skip('needs a kernel of linux-image-cloud-amd64 that may be read')
    if not all(shutil.which(p) for p in ('qemu-system-x86_64', 'cpio', 'openssl')):
        raise Skip('needs qemu-system-x86_64, cpio and openssl')
    busybox = '/bin/busybox'
    if not os.path.exists(busybox) or 'INTERP' in subprocess.run(['readelf', '-l', busybox], stdout=subprocess.PIPE, text=True, check=True).stdout:
        raise Skip('needs busybox-static')
    root = tmp + '/root'
    for d in ('bin', 'sbin', 'etc'):
        os.makedirs(f'{root}/{d}')
    shutil.copy(busybox, root + '/bin')
    os.symlink('busybox', root + '/bin/sh')
    write(root + '/etc/passwd', f'root:{hash_of("open sesame")}:0:0:root:/:/bin/sh\n')
    write(root + '/init', INIT)
    os.chmod(root + '/init', 0o755)
    subprocess.run(f'find . | cpio -o -H newc --quiet -R 0:0 >{tmp}/initrd', shell=True, cwd=root, check=True)
    return kernels[-1], tmp + '/initrd'


def boots(*options):
    with temp_dir() as tmp:
        out = example('serial', *options, *guest(tmp), 'root', 'uname -s; id -u', 'cat /proc/cmdline', r"printf 'a\r\nlogin: b# '",
                      'seq 20000 | tail -n 2', 'sleep 1; (exit 3)', stdin='open sesame\n', status=3)
        same(out, 'Linux\n0\nconsole=ttyS0 quiet panic=-1\na\r\nlogin: b# 19999\n20000\n')


@case
def serial_talks_to_a_guest_through_a_socket():
    boots()


@case
def serial_talks_to_a_guest_through_a_terminal():
    boots('-t')


@case
def serial_says_why_there_is_no_answer():
    with temp_dir() as tmp:
        kernel, ramdisk = guest(tmp)
        example('serial', kernel, ramdisk, 'root', 'true', stdin='wrong\n', status=1, err='expect-serial: not logged in: user or password is wrong\n')
        write(tmp + '/none', 'no initrd')
        example('serial', kernel, tmp + '/none', 'root', 'true', stdin='x\n', status=1, err='expect-serial: Kernel panic - not syncing: .*\n')
        for option in ([], ['-t']):
            example('serial', *option, kernel, tmp + '/nosuch', 'root', 'true', stdin='x\n', status=1,
                    err='(qemu: .*nosuch.*\n)?expect-serial: QEMU has ended, with status 1\n')
        with_path = os.environ['PATH']
        os.environ['PATH'] = tmp
        try:
            example('serial', kernel, ramdisk, 'root', 'true', stdin='x\n', status=1,
                    err='expect-serial: qemu-system-x86_64: No such file or directory\nexpect-serial: QEMU has ended, with status 127\n')
            example('serial', '-t', kernel, ramdisk, 'root', 'true', stdin='x\n', status=1,
                    err='expect-serial: QEMU cannot be started: No such file or directory\n')
        finally:
            os.environ['PATH'] = with_path


@case
def serial_leaves_no_guest_behind():
    """Not even when it is killed, and can stop nothing any more."""
    with temp_dir() as tmp:
        kernel, ramdisk = guest(tmp)
        for option in ([], ['-t']):
            p = subprocess.Popen([BUILD + '/examples/expect-serial', *option, kernel, ramdisk, 'root', 'true'], stdin=subprocess.PIPE)
            p.stdin.write(b'open sesame\n')
            p.stdin.close()
            find = ['pgrep', '-P', str(p.pid), 'qemu-system']
            qemu = os.pidfd_open(int(until('QEMU runs', lambda find=find: subprocess.run(find, stdout=subprocess.PIPE, check=False).stdout)))
            p.kill()
            p.wait()
            ended = select.select([qemu], [], [], 20 * SLOWER)[0]
            if not ended:
                signal.pidfd_send_signal(qemu, signal.SIGKILL)
            os.close(qemu)
            same(bool(ended), True, f'{option}: QEMU ends')


# --- all of them ---

@case
def each_is_built_as_its_first_lines_tell():
    examples = [path for path in glob.glob(SRC + '/examples/expect/*.c') if 'pkg-config' in read(path)]
    same(len(examples) >= 3, True, 'examples that tell how they are built')
    # The library as it lies in the build: meson makes a miniexpect-uninstalled.pc, which pkg-config prefers.
    env = dict(os.environ, PKG_CONFIG_PATH=BUILD + '/meson-uninstalled', LD_LIBRARY_PATH=BUILD + '/src')
    strict = '-Wall -Wextra -Wshadow -Werror '
    compilers = ['clang -fsanitize=address,undefined ' + strict] if MODE == 'asan' else ['gcc ' + strict, 'clang ' + strict]
    with temp_dir() as tmp:
        for path in examples:
            name = os.path.basename(path)
            shutil.copy(path, tmp)
            command = re.search(r'^ \*     cc (' + re.escape(name) + r' \$\(pkg-config --cflags --libs miniexpect\) -o (\S+))$', read(path), re.M)
            same(command is not None, True, f'{name} tells how it is built')
            for compiler in compilers:
                subprocess.run(compiler + command[1], shell=True, cwd=tmp, env=env, check=True)
        got = subprocess.run(['./shell', 'echo built'], cwd=tmp, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
        same(got, 'built\n[0]\n')



if __name__ == '__main__':
    main()
