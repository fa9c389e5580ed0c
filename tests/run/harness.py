# SPDX-License-Identifier: BSD-2-Clause
"""For the Python tests: cases, servers, programs.

A test file defines functions with @case and ends in main(); each prints `ok NAME`, `not ok NAME` with the
traceback above it, or `skip NAME: why` (raise Skip).  With an argument only the names that contain it run.
A Server is `nbdkit -f -U SOCKET -P PIDFILE ...`; as a context manager it ends by SIGTERM and must exit 0.
"""
import contextlib, os, shutil, signal, subprocess, sys, tempfile, time, traceback

SRC = os.environ.get('SRC') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('BUILD_BIN') or SRC + '/build/bin'
NBDKIT = os.environ.get('NBDKIT') or BIN + '/nbdkit'
NBDKIT_REF = os.environ.get('NBDKIT_REF', '/usr/bin/nbdkit')
REAL = os.path.realpath(NBDKIT) == os.path.realpath(NBDKIT_REF) # nbdkit itself is under test: to check the tests
MODE = os.environ.get('MODE', 'plain')
SLOWER = int(os.environ.get('SLOWER', '1'))
os.environ['PATH'] = BIN + ':/usr/sbin:/usr/bin:/sbin:/bin:' + os.environ['PATH']

# A shell that starts us in the background ignores SIGINT for us, and our programs would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

cases = []


class Skip(Exception):
    """Raised by a case that cannot run here; says why."""


def case(f):
    cases.append(f)
    return f


def main():
    word = sys.argv[1] if len(sys.argv) > 1 else ''
    bad = 0
    for f in cases:
        if word not in f.__name__:
            continue
        print('#', f.__name__, flush=True)
        try:
            f()
            print('ok', f.__name__, flush=True)
        except Skip as why:
            print(f'skip {f.__name__}: {why}', flush=True)
        except Exception: # pylint: disable=broad-except
            bad += 1
            traceback.print_exc(file=sys.stdout)
            print('not ok', f.__name__, flush=True)
    sys.exit(bad != 0)


def same(got, want, what=''):
    if got != want:
        raise AssertionError(f'{what}: got {short(got)}, expected {short(want)}')


def short(x):
    text = hex(x) if isinstance(x, int) and not isinstance(x, bool) and abs(x) > 4096 else repr(x)
    return text if len(text) < 160 else text[:120] + f'... ({len(text)} characters)'


def until(what, true, seconds=20):
    """Poll until true() is; the limit only ends a test that would wait for ever."""
    end = time.monotonic() + seconds * SLOWER
    while True:
        got = true()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f'waited {seconds * SLOWER} s in vain: {what}')
        time.sleep(0.01)


@contextlib.contextmanager
def temp_dir():
    with tempfile.TemporaryDirectory(prefix='t-') as d:
        yield d


def read_file(path):
    try:
        with open(path, errors='surrogateescape') as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError): # a file of /proc whose process ends
        return ''


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def run(*argv, status=0, stdin=None, timeout=60, env=None, cwd=None):
    """Run a program to its end; status=None accepts any."""
    p = subprocess.run([str(a) for a in argv], input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOWER, env=env, cwd=cwd)
    r = Result(p.returncode, p.stdout.decode(errors='surrogateescape'), p.stderr.decode(errors='surrogateescape'))
    if status is not None and r.status != status:
        raise AssertionError(f'{" ".join(str(a) for a in argv)}: exit status {r.status}, expected {status}\n{r.out}{r.err}')
    return r


class Server:
    """nbdkit in the foreground.  Default: on a Unix socket of its own (self.sock, self.uri)."""

    def __init__(self, *args, program=None, unix=True, env=None, popen=None):
        self.dir = tempfile.mkdtemp(prefix='s-')
        self.sock, self.pid_file = self.dir + '/sock', self.dir + '/pid'
        self.ends = 0 # the exit status that is expected; None: any
        self.uri = 'nbd+unix:///?socket=' + self.sock
        loops = ['-t', '4'] if MODE == 'tsan' and not program else [] # threads must meet, however few cores there are
        free = ['--sandbox=off'] if 'LD_PRELOAD' in (env or {}) and not program else [] # the library opens files of its own
        argv = [program or NBDKIT, '-f', '-P', self.pid_file] + loops + free + (['-U', self.sock] if unix else []) + [str(a) for a in args]
        self.argv = argv
        with open(self.dir + '/err', 'wb') as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                            env=dict(os.environ, **(env or {})), **(popen or {}))
        self.pid = self.process.pid
        try:
            until('the server writes its pid file', self.is_up)
        except AssertionError:
            self.kill()
            raise

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f'{" ".join(self.argv)}: ended at once with {self.process.returncode}:\n{self.messages()}')
        return read_file(self.pid_file).endswith('\n')

    def messages(self):
        return read_file(self.dir + '/err')

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, sig=signal.SIGTERM, status=None):
        status = self.ends if status is None else status
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            got = self.process.wait(30 * SLOWER)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'the server did not end within {30 * SLOWER} s after {sig!r}\n{self.messages()}') from None
        if status is not None and got != status:
            raise AssertionError(f'the server ended with {got}, expected {status}\n{self.messages()[-4000:]}')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        if kind is None:
            self.stop()
            shutil.rmtree(self.dir, ignore_errors=True)
            return
        died = self.process.poll()
        self.kill()
        print(f'server: {" ".join(self.argv)}' + (f'\nserver: had ended with {died}' if died is not None else ''))
        for line in self.messages().splitlines()[-60:]:
            print('server:', line)
        shutil.rmtree(self.dir, ignore_errors=True)
