# SPDX-License-Identifier: BSD-2-Clause
"""For the contract tests: the probe plug-in (tests/plugins/probe.h) under this server and under nbdkit."""
import contextlib, difflib, os, re, tempfile
import nbd
from harness import BIN, NBDKIT, NBDKIT_REF, SRC, Server, read_file, run, until

# What nbdkit and its plug-in leave behind is not ours to mend.
os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'

OURS, THEIRS = NBDKIT, NBDKIT_REF
FLAGS = ('is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache', 'can_multi_conn',
         'is_rotational')


def so(api=2):
    return f'{os.path.dirname(os.path.realpath(BIN + "/../build.ninja"))}/tests/probe{api}.so'


def settings(**kv):
    """For PROBE_WITH, and behind "?" in an export's name; `do_open` is do.open."""
    return ';'.join(f'{k.replace("do_", "do.", 1) if k.startswith("do_") else k}={v}' for k, v in kv.items())


def encoded(text):
    """As an argument of a word for probe_do.c."""
    raw = text if isinstance(text, bytes) else text.encode()
    return ''.join(chr(c) if chr(c).isalnum() and c < 128 else f'%{c:02x}' for c in raw)


class Log:
    """The record that the probe writes: its lines without thread ids; threads has those."""

    def __init__(self, path):
        self.path = path

    @property
    def raw(self):
        return [line.split(' ', 1) for line in read_file(self.path).splitlines() if re.match(r'\d+ ', line)]

    @property
    def lines(self):
        return [line[1] for line in self.raw]

    def count(self, text):
        return sum(line == text or line.startswith((text + ' ', text + '=')) for line in self.lines)


@contextlib.contextmanager
def probed(program, *options, api=2, args=(), have=None, env=None, with_='', unix=True):
    """A server of the probe; s.log is the record."""
    d = tempfile.mkdtemp(prefix='probe-')
    e = dict(env or {}, PROBE_LOG=d + '/log', PROBE_WITH=with_)
    if have is not None:
        e['PROBE_HAVE'] = have
    with Server(*options, so(api), *args, program=program, env=e, unix=unix) as s:
        s.log = Log(d + '/log')
        s.has_close = have is None or 'close' in have.split()
        yield s


def ran(program, *argv, env=None, with_='', have=None, **kw):
    """A command line that ends by itself; @ stands for a directory of its own.  The lines of the record, and the result."""
    d = tempfile.mkdtemp(prefix='probe-')
    e = dict(os.environ, **(env or {}), PROBE_LOG=d + '/log', PROBE_WITH=with_)
    if have is not None:
        e['PROBE_HAVE'] = have
    r = run(program, *[a.replace('@', d) if isinstance(a, str) else a for a in argv], env=e, status=None, cwd=d, **kw)
    r.dir, r.log = d, Log(d + '/log')
    return r


def tried(f, *a):
    """ok, or the errno that the client got."""
    try:
        f(*a)
        return 'ok'
    except nbd.Error as e:
        return e.errno or str(e)


def opened(s, export=''):
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.set_full_info(True)
    h.add_meta_context('base:allocation')
    h.set_export_name(export)
    h.connect_unix(s.sock)
    return h


def spans(h, count, offset, flags=0):
    got = []
    rc = tried(h.block_status, count, offset, lambda c, off, entries, err: got.extend(entries) and 0, flags)
    return rc, [(got[i], got[i + 1]) for i in range(0, len(got), 2)]


def every_request(h):
    """One of each, with and without FUA; a fast zero only where it is offered: nbdkit dies of it otherwise."""
    fua, z = nbd.CMD_FLAG_FUA, b'x' * 512
    return {
        'read': tried(h.pread, 512, 0), 'write': tried(h.pwrite, z, 0), 'write fua': tried(h.pwrite, z, 0, fua),
        'flush': tried(h.flush), 'trim': tried(h.trim, 512, 0), 'trim fua': tried(h.trim, 512, 0, fua),
        'zero': tried(h.zero, 512, 0), 'zero fua': tried(h.zero, 512, 0, fua | nbd.CMD_FLAG_NO_HOLE),
        'fast zero': tried(h.zero, 512, 0, nbd.CMD_FLAG_FAST_ZERO) if h.can_fast_zero() else 'not offered',
        'cache': tried(h.cache, 512, 0), 'status': spans(h, 4096, 512)[0],
    }


def visit(s, export='', ask=every_request):
    """What a client sees of an export; returns when its connection is closed."""
    ends = s.log.count('open'), s.log.count('close')
    try:
        h = opened(s, export)
    except nbd.Error:
        if s.has_close: # it may have been opened all the same
            until('the connection is closed', lambda: s.log.count('close') >= s.log.count('can_write'))
        return 'refused'
    seen = {f: getattr(h, f)() for f in FLAGS}
    seen['size'] = h.get_size()
    seen['asked'] = ask(h) if ask else None
    h.shutdown()
    if s.has_close:
        until('the connection is closed', lambda: s.log.count('close') - ends[1] == s.log.count('open') - ends[0])
    return seen


def differences(ours, theirs, where=''):
    """Raises with a readable text when two lists of lines differ."""
    if ours != theirs:
        text = '\n'.join(difflib.unified_diff(theirs, ours, 'nbdkit', 'ours', lineterm='', n=2))
        raise AssertionError(f'{where}: the records differ:\n{text}')
