#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The examples of disks in Tcl, with real clients.
# timeout: 240
"""
import os, random, tempfile
import nbd
from harness import BIN, SRC, case, main, read_file, run, same
from tcllib import EXAMPLES, HOSTS, SO, client, flags_of, run_in_vain, script, server, tmp

# --- the examples ---

def guide():
    return [x.split('```')[0] for x in read_file(SRC + '/docs/tcl.md').split('```tcl\n')[1:]]


def block(word):
    found = [x for x in guide() if word in x]
    same(len(found), 1, f'scripts in the guide with {word}')
    return found[0]


@case
def the_scripts_of_the_guide_run():
    """A newcomer's file, step by step; a proc that is defined again replaces the one before."""
    first = guide()[0]
    settings = first + [x for x in guide() if 'proc config {' in x][0]
    disk = settings + block('nbd::buffer create')
    for host in HOSTS:
        with server(host, script(first, '')) as s:
            h = client(s)
            same(h.pread(512, 0).rstrip(b'\0'), b'Hello from a disk that is a Tcl script.\n', 'the disk')
            h.shutdown()
        for text in (settings, disk):
            for args, words in (([], 'config_complete: size=SIZE is missing'), (['color=red'], 'unknown parameter color=red')):
                r = run_in_vain(host or BIN + '/nbdkit', '-U', '-', SO, script(text, ''), *args, '--run', 'true')
                same(r.err.strip().endswith(words), True, r.err)
        for more in ('', block('{parallel 8}')):
            with server(host, script(disk + more, ''), 'size=1M') as s:
                out = run('qemu-io', '-f', 'raw', '-c', 'write -P 5 4k 4k', '-c', 'read -P 5 4k 4k', '-c', 'read -P 0 0 4k', s.uri).out
                same('failed' in out, False, out)


@case
def the_guides_words_on_flush_and_fua_hold():
    name = tmp + '/fua'
    text = ('proc plugin_open {r} { open ' + name + ' r+b }\nproc get_size {h} { file size ' + name + ' }\n'
            'proc plugin_close {h} { close $h }\nproc pread {h n o} { seek $h $o; read $h $n }\n' + block('proc plugin_flush') + block('proc can_fua'))
    for host in HOSTS:
        with open(name, 'wb') as f:
            f.truncate(65536)
        with server(host, script(text, '')) as s:
            h = client(s)
            same((h.can_flush(), h.can_fua()), (True, True), 'what is promised')
            h.pwrite(b'f' * 100, 1000, nbd.CMD_FLAG_FUA)
            same(read_bytes(name)[1000:1100], b'f' * 100, 'the file behind FUA')
            h.pwrite(b'g' * 100, 2000)
            h.flush()
            same(read_bytes(name)[2000:2100], b'g' * 100, 'the file behind a flush')
            h.shutdown()


@case
def the_commands_of_the_guide_run():
    """Those that need no screen, as they are printed."""
    lines = [x.strip() for x in read_file(SRC + '/docs/tcl.md').splitlines() if x.startswith('    ') and 'nbdkit -U -' in x and '$ ' not in x]
    here = tempfile.mkdtemp(dir=tmp)
    os.symlink(SRC + '/examples/tcl', here + '/examples')
    for name in ('ram', 'dir', 'life'):
        os.symlink(f'{EXAMPLES}{name}.tcl', f'{here}/{name}.tcl')
    os.makedirs(here + '/build/lang')
    os.symlink(os.path.dirname(SO), here + '/build/lang/tcl')
    os.makedirs(here + '/doc')
    with open(here + '/hello.tcl', 'w') as f:
        f.write(guide()[0])
    done = 0
    for line in lines:
        if 'size=1M' in line:
            with open(here + '/hello.tcl', 'a') as f:
                f.write([x for x in guide() if 'proc config {' in x][0] + block('nbd::buffer create'))
        if '/usr/bin/nbdkit' in line and len(HOSTS) < 2:
            continue
        r = run('sh', '-c', line.split('; ./nbdview')[0].replace('/usr/share/doc', here + '/examples/'), cwd=here)
        same('failed' in r.out + r.err, False, line + r.out + r.err)
        done += 1
    same(done, 7 if len(HOSTS) > 1 else 6, f'commands: {lines}')


@case
def the_ram_disk_does_everything():
    for host, *more in [(h, *m) for h in HOSTS for m in ([], ['interpreters=3'])]:
        with server(host, EXAMPLES + 'ram.tcl', 'size=5G', *more) as s:
            h = client(s)
            same(h.get_size(), 5 << 30, 'size')
            same({k for k, v in flags_of(h).items() if v}, {'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache',
                                                           'can_multi_conn'}, 'abilities')
            data = bytes(range(256)) * 1024
            h.pwrite(data, (4 << 30) + 100, nbd.CMD_FLAG_FUA)
            same(h.pread(len(data) + 2, (4 << 30) + 99), b'\0' + data + b'\0', 'bytes')
            h.zero(100000, (4 << 30) + 1000)
            same(h.pread(len(data), (4 << 30) + 100), data[:900] + bytes(100000) + data[100900:], 'zeroed')
            h.trim(4 << 20, 4 << 30)
            same(h.pread(len(data), (4 << 30) + 100), bytes(len(data)), 'trimmed')
            h.cache(4096, 0)
            h.flush()
            h.shutdown()
            out = run('qemu-io', '-f', 'raw', '-c', 'write -P 9 1M 3M', '-c', 'read -P 9 1M 3M', '-c', 'discard 1M 1M', '-c', 'read -P 0 1M 1M',
                      '-c', 'flush', s.uri).out
            same('failed' in out, False, out)


@case
def the_living_disk_moves_on():
    def world(path):
        with open(path, 'rb') as f:
            head, bits = f.read().split(b'\n', 1)
        same((head, len(bits)), (b'P4 64 64', 512), 'a picture')
        return {(x, y) for y in range(64) for x in range(64) if bits[y * 8 + x // 8] >> (7 - x % 8) & 1}
    for host in HOSTS:
        with server(host, EXAMPLES + 'life.tcl') as s:
            for i in range(5):
                h = client(s)
                with open(f'{tmp}/life{i}', 'wb') as f:
                    f.write(h.pread(h.get_size(), 0))
                h.shutdown()
            glider = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
            same(world(tmp + '/life0'), glider, 'the first generation')
            same(world(tmp + '/life1') != glider, True, 'the next differs')
            same(world(tmp + '/life4'), {(x + 1, y + 1) for x, y in glider}, 'four later it has moved')


def tree(where):
    """A folder with what is hard for copies: empty, hidden, large, long-named, nested, not ASCII, with NULs."""
    files = {'empty': b'', '.hidden': b'h', 'large': random.Random(5).randbytes(3_000_001), 'sub/deep/er': b'\0\xff' * 3000,
             'sub/' + 'long' * 30: b'l', 'ümlaut €': 'ü'.encode(), **{f'many/{i}': str(i).encode() for i in range(200)}}
    for name, data in files.items():
        os.makedirs(os.path.dirname(f'{where}/{name}'), exist_ok=True)
        with open(f'{where}/{name}', 'wb') as f:
            f.write(data)
    return files


def files_of_ext2(image):
    run('e2fsck', '-fn', image)
    out = tempfile.mkdtemp(dir=tmp)
    run('debugfs', '-R', f'rdump / {out}', image)
    return {os.path.relpath(os.path.join(d, n), out): read_bytes(os.path.join(d, n)) for d, _, names in os.walk(out) for n in names}


def files_of_fat(image):
    run('fsck.fat', '-n', image)
    out = tempfile.mkdtemp(dir=tmp)
    run('mcopy', '-s', '-i', image, '::*', out)
    return {os.path.relpath(os.path.join(d, n), out): read_bytes(os.path.join(d, n)) for d, _, names in os.walk(out) for n in names}


def read_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


@case
def a_folder_is_a_disk_and_each_connection_sees_it_as_it_is_now():
    for host in HOSTS:
        for fs, files_of in (('ext2', files_of_ext2), ('fat', files_of_fat)):
            where = tempfile.mkdtemp(dir=tmp)
            want = tree(where)
            with server(host, EXAMPLES + 'dir.tcl', 'dir=' + where, 'fs=' + fs, 'label=PHOTOS') as s:
                image = f'{tmp}/image'
                run('nbdcopy', s.uri, image)
                same(files_of(image), want, f'the files of the {fs}')
                old = client(s)
                with open(where + '/new', 'wb') as f:
                    f.write(b'new')
                os.unlink(where + '/large')
                now = {**want, 'new': b'new'}
                del now['large']
                run('nbdcopy', s.uri, image)
                same(files_of(image), now, f'the files of the {fs}, later')
                with open(image, 'wb') as f:
                    for off in range(0, old.get_size(), 65536):
                        f.write(old.pread(min(65536, old.get_size() - off), off))
                same(files_of(image), want, 'what an old connection sees')
                same(old.is_read_only(), True, 'read-only')
                old.shutdown()
                same([x for x in os.listdir(os.environ.get('TMPDIR', '/tmp')) if x.startswith('nbd-dir')], [], 'images left behind')


@case
def an_empty_folder_is_a_disk_and_no_folder_is_an_error():
    empty = tempfile.mkdtemp(dir=tmp)
    for fs, files_of in (('ext2', files_of_ext2), ('fat', lambda image: {} if run('mdir', '-b', '-i', image, '::', status=None).out == '' else None)):
        with server(None, EXAMPLES + 'dir.tcl', 'dir=' + empty, 'fs=' + fs) as s:
            run('nbdcopy', s.uri, tmp + '/image')
            same(files_of(tmp + '/image'), {}, fs)
    for args, words in (([], 'dir=FOLDER is missing'), (['dir=/dev/null'], '/dev/null is no folder'), (['dir=/', 'fs=xfs'], 'fs=xfs is neither')):
        r = run_in_vain(BIN + '/nbdkit', '-U', '-', SO, EXAMPLES + 'dir.tcl', *args, '--run', 'exit 42')
        same(words in r.err, True, r.err)


main()
