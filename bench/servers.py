# SPDX-License-Identifier: BSD-2-Clause
"""The programs that are measured: found or built, started on a disk, stopped."""
import ctypes, os, shutil, signal, socket, subprocess, sys, time

SRC = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('BENCH_BUILD') or os.path.join(SRC, 'build-release')
LOAD = os.path.join(BUILD, 'bench/bench-load')
LOOP = os.path.join(BUILD, 'bench/bench-loop')
TCL_PLUGIN = os.path.join(BUILD, 'lang/tcl/nbdkit-tcl-plugin.so')
DISK = '64M'
SMALL = os.environ.get('SMALL')  # for a test of this: does it all run?
IDLE, MANY_IDLE = (20, 50) if SMALL else (1000, 10000)
US = 'blkscope'


class Failed(Exception):
    """One line for the person who ran this."""


def find_peers():
    """Paths of the servers to compare with, and where that nbdkit has its plug-ins; each must be there."""
    places = os.environ.get('PATH', '').split(':') + ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
    nbdkit = os.environ.get('NBDKIT_REF')
    for d in places if not nbdkit else []:
        path = os.path.join(d, 'nbdkit')
        if os.access(path, os.X_OK) and not os.path.realpath(path).startswith(SRC + os.sep) \
                and os.path.basename(os.path.realpath(path)) != 'blkscope-serve':
            nbdkit = path
            break
    qemu = shutil.which('qemu-nbd', path=':'.join(places))
    for path, name, package in ((nbdkit, 'nbdkit', 'nbdkit'), (qemu, 'qemu-nbd', 'qemu-utils')):
        if not path or not os.access(path, os.X_OK):
            raise Failed(f'{name} to compare with is missing: apt-get install {package}')
    config = subprocess.run([nbdkit, '--dump-config'], stdout=subprocess.PIPE, text=True).stdout
    plugins = next((line.split('=', 1)[1] for line in config.splitlines() if line.startswith('plugindir=')), '')
    return nbdkit, qemu, plugins


def ninja(*targets):
    """These, in the release build; another one that was asked for is as it is."""
    if os.environ.get('BENCH_BUILD'):
        return
    steps = [['ninja', '-C', BUILD, *targets]]
    if not os.path.exists(BUILD + '/build.ninja'):
        steps.insert(0, ['meson', 'setup', '--buildtype=release', BUILD, SRC])
    for step in steps:
        done = subprocess.run(step, cwd=SRC, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.stderr.write(done.stdout[-3000:])
            raise Failed('cannot build: ' + ' '.join(step))


def build():
    """A release build of ours; the path of the server."""
    targets = ['bench/bench-load', 'bench/bench-loop', 'bench/bench-tls', 'lang/tcl/nbdkit-tcl-plugin.so']
    ours = os.environ.get('BENCH_SERVER')
    if not ours:
        ours = BUILD + '/src/blkscope-serve'
        targets.append('src/blkscope-serve')
    ninja(*targets)
    if not os.access(ours, os.X_OK):
        raise Failed(f'{ours}: no such program')
    return ours


running = []


def die_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: even when this script is killed


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    """One server on its own socket, a path or a port of 127.0.0.1, until stop()."""
    def __init__(self, name, argv, where, files):
        self.name, self.where, self.log = name, where, files + '.log'
        self.errors = open(files + '.err', 'w+')
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
                                        preexec_fn=die_with_us)
        running.append(self)
        end = time.monotonic() + 60  # under valgrind, on a busy machine
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f'{name} does not start (status {self.process.poll()}): {" ".join(argv)}: {self.words()}')
            time.sleep(0.01)

    def listens(self):
        path = isinstance(self.where, str)
        with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as s:
            return s.connect_ex(self.where if path else ('127.0.0.1', self.where)) == 0

    def words(self):
        self.errors.seek(0)
        return self.errors.read()[-500:].strip()

    def stop(self):
        running.remove(self)
        self.process.terminate()
        try:
            self.process.wait(60) # under valgrind, on a busy machine, what counts is written when it ends
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for path in (self.where, self.log):
            if isinstance(path, str) and os.path.exists(path):
                os.unlink(path)

    def status(self, key):
        with open(f'/proc/{self.process.pid}/status') as f:
            for line in f:
                if line.startswith(key + ':'):
                    return int(line.split()[1])
        return 0


# --- disks: the words for ours and for nbdkit, the file for qemu-nbd ---

def memory(bench, name):
    """Each server's own.  qemu-nbd has none: a file on tmpfs."""
    return raw_file(bench, name, bench.tmp) if name == 'qemu' else ['memory', DISK]


def raw_file(bench, name, folder):
    path = f'{folder}/{name}.raw'
    with open(path, 'wb') as f:
        f.truncate(64 << 20)
    return [path]


def file_in(folder):
    return lambda bench, name: ([] if name == 'qemu' else ['file']) + raw_file(bench, name, folder)


def other_name(bench, path):
    """nbdkit's own plug-in or filter, in both servers.  By a path, and under another name: ours has built-in ones of that name."""
    if not os.path.exists(path):
        raise Failed(f'{path} is missing: apt-get install {"nbdkit-plugin-tcl" if "tcl" in path else "nbdkit"}')
    link = f'{bench.tmp}/other-{os.path.basename(path)[len("nbdkit-"):]}'
    if not os.path.exists(link):
        os.symlink(path, link)
    return link


def debian(plugin):
    return lambda bench, name: [other_name(bench, f'{bench.plugins}/nbdkit-{plugin}-plugin.so'), DISK]


def under_filter(name_of_filter, *params):
    """nbdkit's own filter over the memory disk of each."""
    return lambda bench, name: ['--filter=' + other_name(bench, f'{bench.plugins}/../filters/nbdkit-{name_of_filter}-filter.so'),
                                'memory', DISK, *params]


def before(far):
    """A client of the server far."""
    return lambda bench, name: ['nbd', 'socket=' + far.where]


def tcl(interpreters):
    """A RAM disk in Tcl: our plug-in and example in ours, nbdkit's own plug-in with a script for it in nbdkit."""
    def words(bench, name):
        if name == US:
            return [TCL_PLUGIN, SRC + '/examples/tcl/ram.tcl', 'size=' + DISK, f'interpreters={interpreters}']
        return [debian('tcl')(bench, name)[0], SRC + '/bench/ram-nbdkit.tcl']
    return words
