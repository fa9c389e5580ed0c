# SPDX-License-Identifier: BSD-2-Clause
"""For tests: disks that are small, that fail, or whose bytes can be looked at from below.  Context managers; Skip where
mounting or loop devices are not to be had."""
import contextlib, os, subprocess
from harness import Skip, run, until


def make(path, size, data=b''):
    with open(path, 'wb') as f:
        f.write(data)
        f.truncate(size)


def need_root(what):
    if os.geteuid() != 0:
        raise Skip(what + ' takes root')


def unmount(where):
    """The kernel may still be at closing the files of a process that was killed."""
    until(f'{where} can be unmounted', lambda: run('umount', where, status=None).status == 0)


@contextlib.contextmanager
def small_tmpfs(where, size):
    """A tmpfs of so many bytes at the directory."""
    need_root('mounting')
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', where], stderr=subprocess.DEVNULL).returncode:
        raise Skip('no tmpfs can be mounted here')
    try:
        yield where
    finally:
        unmount(where)


@contextlib.contextmanager
def loop_device(path, *options):
    """A block device whose disk is the file.  /sys/block/NAME/stat tells what reached it."""
    need_root('losetup')
    p = subprocess.run(['losetup', '-f', '--show', *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode:
        raise Skip('no loop device: ' + p.stderr.strip())
    device = p.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(['losetup', '-d', device], check=True)


@contextlib.contextmanager
def mounted(device, where):
    """The file system on the device, at the directory, which is made."""
    os.mkdir(where)
    if subprocess.run(['mount', device, where], stderr=subprocess.DEVNULL).returncode:
        raise Skip('it cannot be mounted here')
    try:
        yield where
    finally:
        unmount(where)


@contextlib.contextmanager
def ext4(d, size):
    """A file system of its own in the directory d/mnt; yields the device below it, whose disk is the file d/fs."""
    make(d + '/fs', size)
    with loop_device(d + '/fs') as device:
        if subprocess.run(['mkfs.ext4', '-q', device], stderr=subprocess.DEVNULL).returncode:
            raise Skip('mkfs.ext4 does not work here')
        with mounted(device, d + '/mnt'):
            yield device
