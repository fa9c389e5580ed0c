#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
"""Plug-ins by name: those of Debian's nbdkit are found as its own server finds them, and scripts that name it in their
first line are programs.  That our own folder comes before Debian's is tested by install.sh.
"""
import os, tempfile
from harness import BIN, NBDKIT, NBDKIT_REF, REAL, Skip, case, main, run, same

d = tempfile.mkdtemp(prefix='names-')
os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
PYTHON = 'disk = bytearray(b"python " * 20000)\ndef open(readonly): return 1\ndef get_size(h): return len(disk)\n' \
         'def pread(h, count, offset): return disk[offset:offset+count]\n'
SH = 'case "$1" in get_size) echo 64K;; pread) dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null;; dump_plugin) echo said_by=sh;; *) exit 2;; esac\n'
PERL = 'my $disk = "perl " x 20000;\nsub open { return {} }\nsub get_size { return length($disk) }\n' \
       'sub pread { my ($h,$count,$offset)=@_; return substr($disk,$offset,$count) }\n1;\n'


def put(name, text, mode=0o644):
    with open(f'{d}/{name}', 'w', encoding='ascii') as f:
        f.write(text)
    os.chmod(f'{d}/{name}', mode)
    return f'{d}/{name}'


put('x.py', PYTHON)
put('x.sh', '#!/bin/sh\n' + SH, 0o755)
put('x.pl', PERL)
put('disk', 'x' * 65536)
COMMANDS = {
    ('pattern', '1G'): 1 << 30, ('python', d + '/x.py'): 140000, ('sh', d + '/x.sh'): 65536, ('perl', d + '/x.pl'): 100000,
    ('eval', 'get_size=echo 128K', 'pread=dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null'): 128 << 10,
    ('file', d + '/disk'): 65536, ('memory', '3M'): 3 << 20, ('null', '5M'): 5 << 20, ('data', '1 2 3'): 3, ('zero',): 0,
    ('sparse-random', '2M'): 2 << 20, ('/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-pattern-plugin.so', '7M'): 7 << 20,
}


@case
def plugins_are_found_by_name():
    for words, size in COMMANDS.items():
        if '/' in words[0] and not os.path.exists(words[0]):
            continue
        r = run(NBDKIT, '-U', '-', *words, '--run', 'nbdinfo --size "$uri" && nbdcopy "$uri" null:' if size < 1 << 25 else 'nbdinfo --size "$uri"')
        same(int(r.out), size, words)


@case
def what_is_built_in_comes_first():
    for name in 'file', 'memory', 'null':
        same('builtin=1\n' in run(NBDKIT, name, '--dump-plugin').out or REAL, True, name)
    same('builtin=1\n' in run(NBDKIT, 'pattern', '--dump-plugin').out, False, 'pattern')
    path = next((p for p in (f'/usr/lib/{a}/nbdkit/plugins/nbdkit-file-plugin.so' for a in os.listdir('/usr/lib')) if os.path.exists(p)), None)
    if path and not REAL: # also when it is named by its path, as libguestfs does
        same('builtin=1\n' in run(NBDKIT, path, '--dump-plugin').out, True, path)


@case
def a_name_that_nobody_has_is_one_clear_line():
    for name in 'nosuchthing', '', './none.so', '/', 'a' * 5000:
        r = run(NBDKIT, '-f', name, status=1)
        same((r.err.count('\n'), r.out), (1, ''), r.err)


@case
def a_script_is_a_program():
    if len(BIN) > 200:
        raise Skip('the path of this build is too long for a first line')
    for first, name, text, size in ((f'#!{NBDKIT} python\n', 'run.py', PYTHON, 140000), (f'#!{NBDKIT} perl\n', 'run.pl', PERL, 100000),
                                    ('#!/usr/bin/env -S nbdkit python\n', 'env.py', PYTHON, 140000)):
        path = put(name, first + text, 0o755)
        r = run(path, '-U', '-', '--run', 'nbdinfo --size "$uri"')
        same(int(r.out), size, first)
        same('name=' in run(path, '--dump-plugin').out, True, 'dump')


@case
def scripts_are_dumped_as_nbdkit_dumps_them():
    if REAL:
        raise Skip('nbdkit itself is under test')
    for words in ('python', d + '/x.py'), ('sh', d + '/x.sh'), ('perl', d + '/x.pl'), ('eval', 'get_size=echo 1'), ('python',), ('sh',), ('eval',):
        ours, theirs = (run(p, *words, '--dump-plugin').out.splitlines() for p in (NBDKIT, NBDKIT_REF))
        same(ours, theirs, words)


main()
