#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""The examples of the expect library run for real: a shell, a real sshd, a virtual machine at its serial console."""
import contextlib, glob, os, pwd, shutil, socket, subprocess
from harness import *

BUILD_DIR = os.environ.get('BUILD_DIR', SRC + '/build')


def example(name):
    return f'{BUILD_DIR}/examples/expect-{name}'


@case
def shell_runs_commands_one_by_one():
    got = run(example('shell'), '-t', 3, 'cd /tmp', 'pwd', 'echo a; (exit 7)', 'sleep 1000', "printf 'b\\nc'", 'test -t 0', status=1)
    same(got.out, '$ cd /tmp\n[0]\n$ pwd\n/tmp\n[0]\n$ echo a; (exit 7)\na\n[7]\n$ sleep 1000\n\n[130]\n'
                  "$ printf 'b\\nc'\nb\nc[0]\n$ test -t 0\n[0]\n", 'what it printed')
    same(run(example('shell'), 'true').out, '$ true\n[0]\n', 'a command that works')
    got = run(example('shell'), 'exit 3', 'true', status=1)
    same((got.out.split('\n')[0], got.err), ('$ exit 3', 'shell: it has ended, or does not answer\n'), 'the end of the shell')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def sshd(d):
    """A real sshd on the loopback address, with a user of its own: (port, user, password)."""
    if os.geteuid() != 0:
        raise Skip('only root can make a user to log in as')
    if not shutil.which('sshd') or not shutil.which('useradd'):
        raise Skip('sshd or useradd is not installed')
    user, word, port = f'mexp{os.getpid()}', f'pass word-{os.getpid()}', free_port()
    run('useradd', '-M', '-d', '/', '-s', '/bin/sh', user)
    server = None
    try:
        os.chmod(d, 0o755)
        run('chpasswd', stdin=f'{user}:{word}\n'.encode())
        run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', d + '/key')
        with open(d + '/config', 'w') as f:
            f.write(f'ListenAddress 127.0.0.1:{port}\nHostKey {d}/key\nPidFile none\nUsePAM no\nPasswordAuthentication yes\n'
                    f'KbdInteractiveAuthentication no\nStrictModes no\nAllowUsers {user}\n')
        os.makedirs('/run/sshd', mode=0o755, exist_ok=True)
        with open(d + '/sshd.log', 'wb') as log:
            server = subprocess.Popen([shutil.which('sshd'), '-D', '-e', '-f', d + '/config'], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until('sshd listens', lambda: 'Server listening' in read_file(d + '/sshd.log') or server.poll() is not None)
        assert server.poll() is None, read_file(d + '/sshd.log')
        yield port, user, word
    finally:
        if server:
            server.terminate()
            server.wait()
        subprocess.run(['userdel', '-f', user], check=False, stderr=subprocess.DEVNULL)
        assert user not in [u.pw_name for u in pwd.getpwall()], 'the user is still there'


@case
def ssh_logs_in_with_a_password():
    with temp_dir() as d, sshd(os.path.abspath(d)) as (port, user, word):
        def ssh(command, password, at=port, status=0):
            return run(example('ssh'), command, f'{user}@127.0.0.1', '-p', at, '-o', f'UserKnownHostsFile={os.path.abspath(d)}/known',
                       env=dict(os.environ, SSH_PASSWORD=password), status=status)
        got = ssh('echo "I am $(id -un)"; exit 5', word, status=5) # and the host key is new
        same(got.out, f'I am {user}\n', 'what the command printed')
        assert 'ssh-ed25519' in read_file(d + '/known'), 'the host key was not kept'
        same(len(ssh('head -c 3000000 /dev/zero | tr "\\0" x', word).out), 3000000, 'bytes of output')
        got = ssh('true', 'wrong', status=1)
        assert got.err.startswith('ssh: the password is not accepted') and got.err.count('\n') == 1, got.err
        got = ssh('true', word, at=free_port(), status=1)
        assert 'ssh: no connection: ' in got.err and 'refused' in got.err and got.err.count('\n') == 1, got.err
        assert word not in read_file(d + '/sshd.log')


def initramfs(d):
    """Just enough to boot into a shell."""
    os.makedirs(d + '/root/bin')
    for folder in ('dev', 'proc', 'sys'):
        os.mkdir(f'{d}/root/{folder}')
    shutil.copy('/bin/busybox', d + '/root/bin/busybox')
    with open(d + '/root/init', 'w') as f:
        f.write('#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin PS1="guest# "\nmount -t proc none /proc\n'
                'mount -t devtmpfs none /dev\nexec setsid cttyhack sh -c "stty cols 120 rows 40; exec sh"\n')
    os.chmod(d + '/root/init', 0o755)
    with open(d + '/initrd', 'wb') as f:
        names = subprocess.run(['find', '.'], cwd=d + '/root', stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc'], input=names, cwd=d + '/root', stdout=f, check=True)
    return d + '/initrd'


@case
def serial_sits_at_the_console_of_a_virtual_machine():
    kernels = [k for k in sorted(glob.glob('/boot/vmlinuz-*')) if os.access(k, os.R_OK)]
    if not kernels or not shutil.which('qemu-system-x86_64') or not os.path.exists('/bin/busybox'):
        raise Skip('needs a kernel in /boot, qemu-system-x86_64 and busybox')
    with temp_dir() as d:
        qemu = ['qemu-system-x86_64', '-machine', 'accel=tcg', '-m', '256', '-kernel', kernels[-1], '-initrd', initramfs(os.path.abspath(d)),
                '-append', 'console=ttyS0 quiet panic=-1', '-nodefaults']
        got = run(example('serial'), 'uname -s', 'echo $((6 * 7)) > /x; cat /x', 'cat /proc/cmdline', '--', *qemu, timeout=200)
        same(got.out, 'Linux\n42\nconsole=ttyS0 quiet panic=-1\n', 'what the guest printed')
        got = run(example('serial'), 'true', '--', *qemu[:7], '-append', 'console=ttyS0 panic=-1', '-nodefaults', status=1, timeout=200)
        assert got.err.startswith("serial: boot: the guest's kernel panics\n"), got.err
        got = run(example('serial'), 'true', '--', 'qemu-system-x86_64', '-nonsense', status=1)
        assert got.err.endswith('serial: boot: the machine is off\n'), got.err


main()
