# SPDX-License-Identifier: BSD-2-Clause
"""For the tests of disks in Tcl: scripts, and the servers that run them.  The plug-in is a .so of nbdkit's ABI, so most
cases run under this server and under nbdkit (there only without sanitizers, which nbdkit does not have)."""
import os, tempfile
import nbd
from harness import BIN, MODE, NBDKIT_REF, SRC, Server, case, run, same, until

SO = os.path.join(os.path.dirname(BIN), 'lang/tcl/nbdkit-tcl-plugin.so')
EXAMPLES = SRC + '/examples/tcl/'
tmp = tempfile.mkdtemp(prefix='tcl-')
HOSTS = [None] + ([NBDKIT_REF] if MODE == 'plain' and os.path.exists(NBDKIT_REF) else [])
BASE = '''
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 1048576 }
proc pread {h count offset} { return [string repeat \\0 $count] }
'''
serial = 0
# A module lives as long as the process; LeakSanitizer may not see who still has it.
with open(tmp + '/lsan', 'w') as file:
    file.write('leak:plugin_load\n')
os.environ['LSAN_OPTIONS'] = f'suppressions={tmp}/lsan:print_suppressions=0'


def script(text, base=BASE):
    global serial
    serial += 1
    path = f'{tmp}/{serial}.tcl'
    with open(path, 'wb') as f:
        f.write((base + text).encode())
    return path


def run_in_vain(*argv):
    """A start that fails, with status 1.  Nobody is called again then, as under nbdkit: what the script has is not freed."""
    return run(*argv, status=1, env=dict(os.environ, ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'))


def server(host, path, *args, plugin=None, env=None):
    return Server(*(['-v'] if '-v' in args else []), plugin or SO, path, *[a for a in args if a != '-v'], program=host, env=env)


def client(s, export=None, **setup):
    h = nbd.NBD()
    h.add_meta_context('base:allocation')
    if export is not None:
        h.set_export_name(export)
    h.connect_unix(s.sock)
    return h


def refused(f, *args, err=None):
    try:
        f(*args)
    except nbd.Error as e:
        if err:
            same(e.errno, err, 'errno')
        return
    raise AssertionError('was not refused')


def said(s, words):
    until(f'the server says {words!r}', lambda: words in s.messages())


def hosts(f):
    """A case that runs in each server."""
    def both():
        for host in HOSTS:
            print('# under', host or 'blkscope', flush=True)
            f(host)
    both.__name__ = f.__name__
    return case(both)


def flags_of(h):
    return {n: getattr(h, n)() for n in ('is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache',
                                         'can_multi_conn', 'is_rotational')}
