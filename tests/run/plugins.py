#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""Plug-ins and filters of nbdkit's ABI, unmodified: every one that Debian's packages ship is loaded, configured, read
from and, where that may be, written to, under this server and under nbdkit, and must serve the same bytes, size and
flags.  Lines that begin with `| ` are a table that make check prints.
"""
import contextlib, glob, gzip, hashlib, lzma, os, pwd, re, shutil, socket, subprocess, tarfile, tempfile
import nbd
from harness import MODE, NBDKIT_REF, REAL, SRC, Server, Skip, case, main, run, same, until

# What the plug-ins and their interpreters never free is not ours to mend.
os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'

DIRS = glob.glob('/usr/lib/*/nbdkit')
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
    'example4': ['size=1048576'], # a script for the Perl plug-in
    'S3': 'a script that fetches from a store in the network, and needs boto3',
    'file': [DISK],
    'floppy': [tmp + '/tree'],
    'full': ['1M'],
    'guestfs': ['disk=' + DISK, 'format=raw', 'export=/dev/sda'] if MODE == 'plain' and glob.glob('/boot/vmlinu*') else 'boots an appliance, which one build does',
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
    'ssh': 'SSHD',
    'tcl': [TCL],
    'tmpdisk': ['16M'],
    'torrent': 'needs peers of a torrent',
    'vddk': 'needs VMware\'s library',
    'zero': [],
}
CRASHES_UNDER_NBDKIT = {'ruby'} # Debian 12's, on any connection: here it only has to work
NOT_THE_SAME_TWICE = {'tmpdisk', 'linuxdisk', 'iso', 'floppy', 'partitioning', 'info'} # UUIDs, dates, names of sockets


def made(name, *argv):
    """A file that a program makes; NAME in argv is its path.  None: the program is not here, or fails."""
    path = os.path.join(tmp, name)
    try:
        subprocess.run([a.replace('NAME', path) for a in argv], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return path


with open(DISK, 'rb') as bytes_of_disk:
    CONTENT = bytes_of_disk.read()
GZ, XZ = put('disk.gz', gzip.compress(CONTENT)), put('disk.xz', lzma.compress(CONTENT, lzma.FORMAT_XZ))
GPT = put('gpt', b'')
os.truncate(GPT, 4 << 20)
subprocess.run(['sfdisk', '-q', GPT], input=b'label: gpt\nstart=2048, size=2048\nstart=4096, size=2048\n', check=True)
with tarfile.open(tmp + '/tree.tar', 'w') as tar:
    tar.add(DISK, 'disk')
EXT2 = made('ext2', 'mke2fs', '-q', '-t', 'ext2', '-d', tmp + '/tree', 'NAME', '4M')
put('secret', 'a secret\n')
LUKS = made('luks', 'qemu-img', 'create', '-q', '-f', 'luks', '--object', 'secret,id=s,data=a secret', '-o',
            'key-secret=s,iter-time=10', 'NAME', '1M')
EXTENTS = put('extents', '0 64K data\n64K 64K hole,zero\n128K 64K zero\n')
MEMORY, PATTERN = ['memory', '1M'], ['pattern', '1M']
# name: the plug-in below with its parameters, those of the filter, or why it cannot run here
FILTERS = {
    'blocksize': (MEMORY, 'minblock=4K', 'maxdata=64K', 'maxlen=256K'),
    'blocksize-policy': (MEMORY, 'blocksize-minimum=512', 'blocksize-preferred=64K', 'blocksize-maximum=1M'),
    'cache': (MEMORY, 'cache=writeback'),
    'cacheextents': (['file', EXT2],) if EXT2 else 'needs mke2fs',
    'checkwrite': (PATTERN,),
    'cow': (PATTERN,),
    'ddrescue': (PATTERN, 'ddrescue-mapfile=' + put('map', '# Mapfile\n0x0 ? 1\n0x0 0x100000 +\n')),
    'delay': (MEMORY, 'rdelay=1ms', 'wdelay=1ms'),
    'error': (MEMORY, 'error=ENOSPC', 'error-pread-rate=0', 'error-pwrite-rate=100%'),
    'exitlast': (MEMORY,),
    'exitwhen': (MEMORY, 'exit-when-file-created=' + tmp + '/never'),
    'exportname': (['info', 'exportname'], 'exportname=one', 'default-export=one'),
    'ext2': (['file', EXT2], 'ext2file=/b.txt') if EXT2 else 'needs mke2fs',
    'extentlist': (MEMORY, 'extentlist=' + EXTENTS),
    'fua': (MEMORY, 'fuamode=force'),
    'gzip': (['file', GZ],),
    'ip': (MEMORY, 'allow=all'),
    'limit': (MEMORY, 'limit=3'),
    'log': (MEMORY, 'logfile=' + tmp + '/filter.log'),
    'luks': (['file', LUKS], 'passphrase=+' + tmp + '/secret') if LUKS else 'needs qemu-img with LUKS',
    'multi-conn': (MEMORY, 'multi-conn-mode=emulate'),
    'nocache': (MEMORY, 'cachemode=nop'),
    'noextents': (MEMORY,),
    'nofilter': (MEMORY,),
    'noparallel': (MEMORY, 'serialize=all-requests'),
    'nozero': (MEMORY, 'zeromode=notrim'),
    'offset': (PATTERN, 'offset=64K', 'range=512K'),
    'partition': (['file', GPT], 'partition=2'),
    'pause': (MEMORY, 'pause-control=' + tmp + '/pause'),
    'protect': (MEMORY, 'protect=0-511'),
    'rate': (MEMORY, 'rate=1G'),
    'readahead': (PATTERN,),
    'retry': (PATTERN, 'retries=2'),
    'retry-request': (PATTERN, 'retry-request-retries=2'),
    'scan': (PATTERN, 'scan-size=64K'),
    'stats': (MEMORY, 'statsfile=' + tmp + '/stats'),
    'swab': (PATTERN, 'swab-bits=32'),
    'tar': (['file', tmp + '/tree.tar'], 'tar-entry=disk'),
    'tls-fallback': (PATTERN,),
    'truncate': (PATTERN, 'truncate=1536K'),
    'xz': (['file', XZ],),
}


def answer(f, *args):
    """What a call returns, or the errno it fails with."""
    try:
        return f(*args)
    except nbd.Error as e:
        return ('errno', e.errno)


def written(h):
    """The answers of a few writes, which what is read afterwards shows."""
    if h.is_read_only():
        return []
    out = [answer(h.pwrite, b'blkscope' * 1000, 4096), answer(h.pwrite, CONTENT[:512], 0), answer(h.flush)]
    if h.can_zero():
        out += [answer(h.zero, 65536, 131072), answer(h.zero, 512, 8192, nbd.CMD_FLAG_NO_HOLE)]
    if h.can_trim():
        out.append(answer(h.trim, 65536, 262144))
    if h.can_fua():
        out.append(answer(h.pwrite, b'x' * 4096, 65536, nbd.CMD_FLAG_FUA))
    if h.can_cache():
        out.append(answer(h.cache, 4096, 0))
    return out


def served(argv, program=None, write=False, ends=False):
    """What a client sees: size, flags, and a digest of the first and last 300 KiB."""
    with Server(*argv, program=program) as s:
        h = nbd.NBD()
        h.set_strict_mode(0)
        h.add_meta_context('base:allocation')
        h.connect_unix(s.sock)
        answers = written(h) if write else []
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
        if ends:
            s.process.wait(20)
        return {'size': size, 'flags': flags, 'answers': answers, 'bytes': digest.hexdigest(), 'extents': spans[:64]}


def debian(name, kind):
    """Its path under another name, or the built-in one would be taken; and not the distribution's folder."""
    path = next((p for d in DIRS for p in [f'{d}/{kind}s/nbdkit-{name}-{kind}.so'] if os.path.exists(p)), None)
    if not path and any(os.path.exists(f'{d}/{kind}s/nbdkit-{name}-{kind}') for d in DIRS):
        return name
    if not path:
        raise Skip(f'nbdkit-{name}-{kind}.so is not installed')
    other = os.path.join(tmp, f'debian-{name}-{kind}.so')
    if not os.path.exists(other):
        os.symlink(path, other)
    return other


@contextlib.contextmanager
def sshd():
    """A server of our own on the loopback address, with keys of its own; the plug-in's parameters for DISK there."""
    program = shutil.which('sshd', path='/usr/sbin:/usr/bin')
    if not program or not shutil.which('ssh-keygen'):
        raise Skip('needs sshd and ssh-keygen')
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    for key in ('host', 'user'):
        run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', f'{tmp}/{key}')
    config = put('sshd', f'Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp}/host\nAuthorizedKeysFile {tmp}/user.pub\nPermitRootLogin yes\n'
                 f'StrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n')
    os.makedirs('/run/sshd', exist_ok=True)
    server = subprocess.Popen([program, '-D', '-e', '-f', config], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def listens():
            with socket.socket() as s:
                return s.connect_ex(('127.0.0.1', port)) == 0
        until('sshd listens', listens)
        yield ['host=127.0.0.1', f'port={port}', 'user=' + pwd.getpwuid(os.getuid()).pw_name, f'identity={tmp}/user', 'verify-remote-host=false', 'config=/dev/null',
               'path=' + DISK]
    finally:
        server.terminate()
        server.wait()


def one(name):
    args = TABLE.get(name, 'not in the table of this test')
    if isinstance(args, str) and args not in ('URI', 'SSHD'):
        raise Skip(args)
    other = debian(name, 'plugin')
    if args == 'URI':
        with Server('pattern', '1M', program=NBDKIT_REF) as below:
            return served([other, 'uri=' + below.uri]), served([other, 'uri=' + below.uri], NBDKIT_REF)
    if args == 'SSHD':
        with sshd() as args:
            return served([other] + args), served([other] + args, NBDKIT_REF)
    ours = served([other] + args)
    if name in CRASHES_UNDER_NBDKIT:
        return ours, ours
    theirs = served([other] + args, NBDKIT_REF)
    return ours, theirs


def one_filter(name):
    row = FILTERS.get(name, 'not in the table of this test')
    if isinstance(row, str):
        raise Skip(row)
    (plugin_name, *args), *params = row
    results = []
    for program in (None, NBDKIT_REF):
        if row[0][0] == 'file': # written to: a fresh one for each
            args = [shutil.copy(row[0][1], tmp + '/copy')]
            plugin_name = debian('file', 'plugin') # ours can do more; what is compared is the filter
        argv = ['--filter=' + debian(name, 'filter'), plugin_name] + args + params
        results.append(served(argv, program, write=True, ends=name == 'exitlast'))
    return results


def compare(kind, name):
    ours, theirs = one(name) if kind == 'plugin' else one_filter(name)
    if name in NOT_THE_SAME_TWICE:
        ours.pop('bytes'), theirs.pop('bytes'), ours.pop('extents'), theirs.pop('extents')
    same(ours, theirs, name)
    can = [f[4:] for f, yes in ours['flags'].items() if yes and f.startswith('can_')]
    return f'{ours["size"]:>20} bytes  {"rw" if not ours["flags"]["is_read_only"] else "ro"}  {" ".join(can)}'


def make_case(kind, name):
    def f():
        row = f'| {kind:6} {name:16} '
        try:
            if REAL:
                raise Skip('nbdkit itself is under test')
            if name == 'ruby' and MODE == 'asan':
                raise Skip('ruby unmaps memory that AddressSanitizer handed out')
            row += compare(kind, name)
        except Skip as why:
            row += f'cannot run here: {why}'
            raise
        except Exception:
            row += 'FAILED'
            raise
        finally:
            print(row)
    f.__name__ = kind + '_' + name.replace('-', '_')
    case(f)


def shipped(kind):
    return {re.fullmatch(f'nbdkit-(.*)-{kind}(\\.so)?', os.path.basename(p))[1] for d in DIRS for p in glob.glob(f'{d}/{kind}s/nbdkit-*')}


for plugin in sorted(set(TABLE) | shipped('plugin')):
    make_case('plugin', plugin)
for filter_ in sorted(set(FILTERS) | shipped('filter')):
    make_case('filter', filter_)


@case
def dump_plugin_of_a_loaded_one_is_what_nbdkit_prints():
    link = debian('pattern', 'plugin')
    want = run(NBDKIT_REF, link, '--dump-plugin').out.splitlines()
    got = run(os.environ.get('NBDKIT') or shutil.which('nbdkit'), link, '--dump-plugin').out.splitlines()
    same(sorted(set(want) - set(got)), [], 'lines that are missing')


SLEEPER = """#include <fcntl.h>
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#define THREAD_MODEL NBDKIT_THREAD_MODEL_%s
static void *o(int r) { return NBDKIT_HANDLE_NOT_NEEDED; }
static int64_t s(void *h) { return 1 << 16; }
static int p(void *h, void *b, uint32_t n, uint64_t at, uint32_t f)
{
	__builtin_memset(b, 0, n);
	if (at == 0)
		return 0;
	open("%s", O_CREAT | O_WRONLY, 0600);
	return nbdkit_nanosleep(600, 0);
}
static struct nbdkit_plugin plugin = { .name = "sleeper", .open = o, .get_size = s, .pread = p };
NBDKIT_REGISTER_PLUGIN(plugin)
"""


@case
def a_quick_plugin_that_sleeps_in_the_end_does_not_keep_the_server():
    if REAL:
        raise Skip('nbdkit itself is under test')
    for model in ('PARALLEL', 'SERIALIZE_REQUESTS', 'SERIALIZE_ALL_REQUESTS', 'SERIALIZE_CONNECTIONS'):
        so, sleeps = f'{tmp}/{model}.so', f'{tmp}/{model} sleeps'
        run('cc', '-shared', '-fPIC', '-I', SRC + '/include', '-o', so, put(model + '.c', SLEEPER % (model, sleeps)))
        with Server(so) as s: # which must end by SIGTERM
            h = nbd.NBD()
            h.connect_unix(s.sock)
            for _ in range(1000): # the loop is driven by now
                h.pread(512, 0)
            h.aio_pread(nbd.Buffer(512), 512)
            until('it sleeps', lambda: h.poll(0) >= 0 and os.path.exists(sleeps))
            if model != 'PARALLEL':
                continue
            h.aio_pread(nbd.Buffer(512), 512)
            same(h.pread(512, 0), bytes(512), 'another thread reads')
            other = nbd.NBD()
            other.connect_unix(s.sock)
            same(other.pread(512, 0), bytes(512), 'another client reads')
            other.shutdown()


@case
def a_plugin_that_is_none_is_one_clear_line():
    bad = put('bad.so', 'not a library')
    r = run(os.environ.get('NBDKIT') or shutil.which('nbdkit'), '-f', bad, status=1)
    same(r.err.count('\n'), 1, r.err)


try:
    main()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
