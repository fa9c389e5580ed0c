#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plug-ins of nbdkit's ABI, unmodified: every one that Debian's packages ship is loaded, configured and read from,
under this server and under nbdkit, and must serve the same bytes, size and flags.
# timeout: 300
"""
import glob, hashlib, os, shutil, tempfile
import nbd
from harness import MODE, NBDKIT_REF, REAL, Server, Skip, case, main, run, same

# What the plug-ins and their interpreters never free is not ours to mend.
os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'

DIRS = glob.glob('/usr/lib/*/nbdkit/plugins')
tmp = tempfile.mkdtemp(prefix='p-')


def put(name, text, mode=0o644):
    path = os.path.join(tmp, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


DISK = put('disk', bytes((i * 7 + i // 509) & 255 for i in range(300 * 1024)))
put('tree/a.txt', 'a file\n')
put('tree/b.txt', 'another\n' * 1000)
os.mkdir(tmp + '/ondemand')
shutil.copy(DISK, tmp + '/ondemand/default')
PY = put('disk.py', 'disk = bytearray(b"python " * 20000)\ndef open(readonly): return 1\ndef get_size(h): return len(disk)\n'
         'def pread(h, count, offset): return disk[offset:offset+count]\n')
PL = put('disk.pl', 'my $disk = "perl " x 20000;\nsub open { return {} }\nsub get_size { return length($disk) }\n'
         'sub pread { my ($h,$count,$offset)=@_; return substr($disk,$offset,$count) }\n1;\n')
LUA = put('disk.lua', 'local disk = string.rep("lua ", 20000)\nfunction open(readonly) return {} end\nfunction get_size(h) return #disk end\n'
          'function pread(h, count, offset) return string.sub(disk, offset+1, offset+count) end\n')
RB = put('disk.rb', '$disk = "ruby " * 20000\ndef open(readonly) {} end\ndef get_size(h) $disk.bytesize end\n'
         'def pread(h, count, offset) $disk.byteslice(offset, count) end\n')
TCL = put('disk.tcl', 'set disk [string repeat "tcl " 20000]\nproc plugin_open {readonly} { return 1 }\n'
          'proc get_size {h} { global disk; return [string length $disk] }\n'
          'proc pread {h count offset} { global disk; return [string range $disk $offset [expr {$offset+$count-1}]] }\n')
SH = put('disk.sh', '#!/bin/sh\ncase "$1" in get_size) echo 64K;; pread) dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null;;\n'
         '*) exit 2;; esac\n', 0o755)
CC = put('disk.c', '#include <string.h>\n#define NBDKIT_API_VERSION 2\n#include <nbdkit-plugin.h>\n'
         '#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL\nstatic void *o(int r) { return NBDKIT_HANDLE_NOT_NEEDED; }\n'
         'static int64_t s(void *h) { return 1 << 16; }\n'
         'static int p(void *h, void *b, uint32_t n, uint64_t at, uint32_t f) { memset(b, 0x5a, n); return 0; }\n'
         'static struct nbdkit_plugin plugin = { .name = "mine", .open = o, .get_size = s, .pread = p };\n'
         'NBDKIT_REGISTER_PLUGIN(plugin)\n')

# name: its parameters, or why it cannot run here
TABLE = {
    'cc': [CC],
    'cdi': 'pulls an image from a registry',
    'curl': ['url=file://' + DISK, 'protocols=file'],
    'data': ['data=@0x100 1 2 3 <' + DISK, 'size=1M'],
    'eval': ['get_size=echo 64K', 'pread=dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null'],
    'example1': [],
    'example2': ['file=' + DISK],
    'example3': ['size=1M'],
    'example4': 'a Perl script, not a .so: run through the perl plug-in',
    'file': [DISK],
    'floppy': [tmp + '/tree'],
    'full': ['1M'],
    'guestfs': 'boots an appliance',
    'info': ['exportname'],
    'iso': [tmp + '/tree'] if shutil.which('xorriso') else 'needs xorriso',
    'libvirt': 'needs a running libvirtd',
    'linuxdisk': [tmp + '/tree'],
    'lua': [LUA],
    'memory': ['1M'],
    'nbd': 'URI',
    'null': ['1M'],
    'ondemand': ['dir=' + tmp + '/ondemand', 'size=1M'],
    'partitioning': [DISK],
    'pattern': ['1M'],
    'perl': [PL],
    'python': [PY],
    'random': ['1M', 'seed=42'],
    'ruby': [RB],
    'sh': [SH],
    'sparse-random': ['1M', 'seed=42'],
    'split': [DISK, CC],
    'ssh': 'needs a running sshd',
    'tcl': [TCL],
    'tmpdisk': ['16M'],
    'torrent': 'needs peers of a torrent',
    'vddk': 'needs VMware\'s library',
    'zero': [],
}
CRASHES_UNDER_NBDKIT = {'ruby'} # Debian 12's, on any connection: here it only has to work
NOT_THE_SAME_TWICE = {'tmpdisk', 'linuxdisk', 'iso', 'floppy', 'partitioning', 'info'} # UUIDs, dates, names of sockets


def served(argv, program=None):
    """What a client sees: size, flags, and a digest of the first and last 300 KiB."""
    with Server(*argv, program=program) as s:
        h = nbd.NBD()
        h.add_meta_context('base:allocation')
        h.connect_unix(s.sock)
        size = h.get_size()
        flags = {f: getattr(h, f)() for f in ('is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero',
                                              'can_cache', 'can_multi_conn', 'is_rotational')}
        n = min(size, 300 * 1024)
        digest = hashlib.sha256()
        for off in (0, size - n):
            for at in range(off, off + n, 32768):
                digest.update(h.pread(min(32768, off + n - at), at))
        spans = []
        if size:
            h.block_status(min(size, 1 << 30), 0, lambda c, o, e, err: spans.extend(e) and 0)
        h.shutdown()
        return {'size': size, 'flags': flags, 'bytes': digest.hexdigest(), 'extents': spans[:64]}


def one(name):
    args = TABLE.get(name, 'not in the table of this test')
    if isinstance(args, str) and args != 'URI':
        raise Skip(args)
    path = next((p for d in DIRS for p in [f'{d}/nbdkit-{name}-plugin.so'] if os.path.exists(p)), None)
    if not path:
        raise Skip(f'nbdkit-{name}-plugin.so is not installed')
    # under another name, or the built-in one would be taken
    other = os.path.join(tmp, f'debian-{name}.so')
    if not os.path.exists(other):
        os.symlink(path, other)
    if args == 'URI':
        with Server('pattern', '1M', program=NBDKIT_REF) as below:
            return served([other, 'uri=' + below.uri]), served([other, 'uri=' + below.uri], NBDKIT_REF)
    ours = served([other] + args)
    if name in CRASHES_UNDER_NBDKIT:
        return ours, ours
    theirs = served([other] + args, NBDKIT_REF)
    return ours, theirs


def compare(name):
    ours, theirs = one(name)
    if name in NOT_THE_SAME_TWICE:
        ours.pop('bytes'), theirs.pop('bytes'), ours.pop('extents'), theirs.pop('extents')
    same(ours, theirs, name)


def make_case(name):
    def f():
        if REAL:
            raise Skip('nbdkit itself is under test')
        if name == 'ruby' and MODE == 'asan':
            raise Skip('ruby unmaps memory that AddressSanitizer handed out')
        compare(name)
    f.__name__ = 'plugin_' + name.replace('-', '_')
    case(f)


for plugin in sorted(TABLE):
    make_case(plugin)


@case
def dump_plugin_of_a_loaded_one_is_what_nbdkit_prints():
    path = next(p for d in DIRS for p in [d + '/nbdkit-pattern-plugin.so'])
    link = os.path.join(tmp, 'debian-pattern.so')
    if not os.path.exists(link):
        os.symlink(path, link)
    want = run(NBDKIT_REF, link, '--dump-plugin').out.splitlines()
    got = run(os.environ.get('NBDKIT') or shutil.which('nbdkit'), link, '--dump-plugin').out.splitlines()
    same(sorted(set(want) - set(got)), [], 'lines that are missing')


@case
def a_plugin_that_is_none_is_one_clear_line():
    bad = put('bad.so', 'not a library')
    r = run(os.environ.get('NBDKIT') or shutil.which('nbdkit'), '-f', bad, status=1)
    same(r.err.count('\n'), 1, r.err)


try:
    main()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
