# SPDX-License-Identifier: BSD-2-Clause
"""The servers that are compared, and how each is started to offer as much as it can.

Kinds of exports:
    disk     writable, SIZE bytes, sparse     ro       read-only         error   reads, writes ... fail with EIO
    named    names that exist and that don't  odd      a file whose name is not UTF-8, in a directory that is served
    block    block sizes of its own: 4096 least, enforced        quota    writes fail with EDQUOT
    huge     8 TiB                            slow     reads take a while              oldstyle, masked: see there
    bitmap   a second metadata context        tls, tls-on, tls-only   TLS required, offered, required by one export
"""
import glob, os, re, shutil, signal, socket, subprocess, tempfile, time
import harness
from registry import NotOffered

SIZE = 64 << 20
BLOCK = 4096                 # the least block of "block"
START = 15                   # seconds for a server to come up
SLOW = '300ms'


class Place:
    """Where an export is: its socket, its name, the server's process and, if it is one, the file behind it."""

    def __init__(self, kind, where, name=b'', process=None):
        self.kind, self.where, self.name, self.process, self.image = kind, where, name, process, None


class Daemon:
    """A server that went into the background, known by its pid file, with its children; like a Popen."""

    def __init__(self, pid_file, args):
        self.pid, self.args = int(harness.read_file(pid_file)), args

    def poll(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def send_signal(self, sig):
        try:
            os.killpg(self.pid, sig)
        except ProcessLookupError:
            pass

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        end = time.monotonic() + (timeout or 5)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return 0


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=START).stdout


def listens(path):
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


class Servers:
    """One server program, started for each kind of export when first asked for."""
    name = program = None

    def __init__(self, tmp):
        self.tmp = f'{tmp}/{self.name}'
        os.mkdir(self.tmp)
        self.places, self.children, self.serial = {}, [], 0

    def installed(self):
        return os.path.exists(self.program)

    def path(self, suffix=''):
        self.serial += 1
        return f'{self.tmp}/{self.serial}{suffix}'

    def image(self, size=SIZE):
        path = self.path('.img')
        with open(path, 'wb') as f:
            f.truncate(size)
        self.last_image = path
        return path

    def place(self, kind):
        p = self.places.get(kind)
        if p and p.process.poll() is not None: # it died: of an earlier test, or with its last client
            p = None
        if not p:
            p = self.places[kind] = self.start(kind)
        return p

    def forget(self, kind):
        """Who wants that kind next gets another server."""
        self.places.pop(kind, None)

    def spawn(self, kind, argv, sock, name=b'', daemon=None):
        log = self.path('.log')
        with open(log, 'wb') as f:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True)
        self.children.append(p)
        end = time.monotonic() + START * harness.SLOWER
        while not (listens(sock) and (not daemon or harness.read_file(daemon))):
            if p.poll() not in (None, 0 if daemon else None) or time.monotonic() > end:
                raise RuntimeError(f'{" ".join(argv)}: does not start: {harness.read_file(log)[-1000:]}')
            time.sleep(0.01)
        if daemon:
            p.wait(START)
            p = self.children[-1] = Daemon(daemon, argv)
        return Place(kind, sock, name, p)

    def start(self, kind):
        how = getattr(self, 'start_' + kind.replace('-', '_'), None)
        if not how:
            raise NotOffered(self.lacks.get(kind, f'no way to have {kind}'))
        return how()

    lacks = {}

    def stop(self):
        """End what was started; the bad ends (of a sanitizer, say) in words."""
        bad = []
        for p in self.children:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        for p in self.children:
            try:
                status = p.wait(10 * harness.SLOWER)
            except subprocess.TimeoutExpired:
                p.kill()
                status = p.wait()
                bad.append(f'{p.args[0]} did not end')
                continue
            if status not in (0, -signal.SIGTERM):
                bad.append(f'{" ".join(p.args)} ended with {status}')
        return bad


class Nbdkit(Servers):
    name, program = 'nbdkit', harness.NBDKIT_REF
    lacks = {'bitmap': 'base:allocation is the only metadata context', 'tls-only': 'TLS is for all exports or for none'}

    def version(self):
        return output(self.program, '--version').split()[-1]

    def run(self, kind, *args, name=b''):
        sock = self.path('.sock')
        return self.spawn(kind, [self.program, '-f', '-U', sock] + [str(a) for a in args], sock, name)

    def debian(self, name, what='filter'):
        path = next(iter(glob.glob(f'/usr/lib/*/nbdkit/{what}s/nbdkit-{name}-{what}.so')), None)
        if not path:
            raise NotOffered(f'needs the {name} {what} of nbdkit')
        return path

    def start_disk(self):
        return self.run('disk', 'memory', SIZE)

    def start_ro(self):
        return self.run('ro', '-r', 'memory', SIZE)

    def start_huge(self):
        return self.run('huge', 'memory', '8T')

    def start_error(self):
        return self.run('error', '--filter=error', 'memory', SIZE, 'error=EIO', 'error-rate=100%')

    def start_slow(self):
        return self.run('slow', '--filter=delay', 'memory', SIZE, 'rdelay=' + SLOW)

    def start_named(self):
        where = self.path('.dir')
        os.mkdir(where)
        for name in ('one', 'two'):
            os.rename(self.image(), f'{where}/{name}')
        place = self.run('named', 'file', 'dir=' + where, name=b'one')
        place.image = where + '/one'
        return place

    def start_odd(self):
        where = self.path('.dir')
        os.mkdir(where)
        with open(os.path.join(where.encode(), b'odd\xff\xfe'), 'wb') as f:
            f.truncate(SIZE)
        return self.run('odd', 'file', 'dir=' + where)

    def start_block(self):
        return self.run('block', '--filter=' + self.debian('blocksize-policy'), 'memory', SIZE, f'blocksize-minimum={BLOCK}',
                        'blocksize-preferred=64k', 'blocksize-maximum=1M', 'blocksize-error-policy=error')

    def start_quota(self):
        return self.run('quota', self.debian('eval', 'plugin'), f'get_size=echo {SIZE}', 'pread=head -c $3 /dev/zero',
                        'can_write=exit 0', 'pwrite=cat >/dev/null; echo EDQUOT over quota >&2; exit 1')

    def start_oldstyle(self):
        return self.run('oldstyle', '-o', 'memory', SIZE)

    def start_masked(self):
        return self.run('masked', '--mask-handshake=1', 'memory', SIZE)

    def tls(self, kind, mode):
        if 'tls=yes' not in output(self.program, '--dump-config'):
            raise NotBuilt('TLS is not built in')
        return self.run(kind, '--tls=' + mode, '--tls-certificates=' + certificates(self.tmp), 'memory', SIZE)

    def start_tls(self):
        return self.tls('tls', 'require')

    def start_tls_on(self):
        return self.tls('tls-on', 'on')


class NotBuilt(NotOffered):
    """Ours has it in another build."""


class Blkscope(Nbdkit):
    name, program = 'blkscope', harness.NBDKIT
    version = lambda self: re.search(r'^version=(.*)', output(self.program, '--dump-config'), re.M)[1]


class QemuNbd(Servers):
    name, program = 'qemu-nbd', '/usr/bin/qemu-nbd'
    lacks = {'oldstyle': 'newstyle only', 'masked': 'its handshake flags cannot be changed', 'odd': 'serves no directories',
             'slow': 'no way to keep a request in flight', 'tls-on': 'TLS is required or off', 'tls-only': 'one export only'}

    def version(self):
        return re.search(r'qemu-nbd (\S+)', output(self.program, '--version'))[1]

    def run(self, kind, *args, name=b''):
        sock = self.path('.sock')
        names = ['-x', name.decode(), '-D', 'a disk'] if name else []
        return self.spawn(kind, [self.program, '-k', sock, '-t', '-e', '0', '--discard=unmap', *names, *args], sock, name)

    def start_disk(self):
        return self.run('disk', '-f', 'raw', self.image())

    def start_ro(self):
        return self.run('ro', '-r', '-f', 'raw', self.image())

    def start_named(self):
        place = self.run('named', '-f', 'raw', self.image(), name=b'one')
        place.image = self.last_image
        return place

    def start_huge(self):
        path = self.path('.qcow2')
        output('qemu-img', 'create', '-f', 'qcow2', '-o', 'cluster_size=2M', path, '8T')
        return self.run('huge', '-f', 'qcow2', path)

    def start_bitmap(self):
        path = self.path('.qcow2')
        output('qemu-img', 'create', '-f', 'qcow2', path, str(SIZE))
        output('qemu-img', 'bitmap', '--add', path, 'marks')
        return self.run('bitmap', '-A', '-B', 'marks', '-f', 'qcow2', path)

    def debug(self, kind, what):
        return self.run(kind, '--image-opts', f'driver=blkdebug,image.driver=file,image.filename={self.image()},{what}')

    def inject(self, errno, *types):
        return ','.join(f'inject-error.{i}.event=none,inject-error.{i}.iotype={t},inject-error.{i}.errno={errno},'
                        f'inject-error.{i}.immediately=off' for i, t in enumerate(types))

    def start_error(self):
        return self.debug('error', self.inject(5, 'read', 'write', 'write-zeroes', 'discard', 'block-status'))

    def start_quota(self):
        return self.debug('quota', self.inject(122, 'write'))

    def start_block(self):
        return self.debug('block', f'align={BLOCK}')

    def start_tls(self):
        return self.run('tls', '--object', f'tls-creds-x509,id=t,endpoint=server,dir={certificates(self.tmp)},verify-peer=off',
                        '--tls-creds', 't',
                        '-f', 'raw', self.image())


class NbdServer(Servers):
    name, program = 'nbd-server', '/bin/nbd-server'
    lacks = {'oldstyle': 'newstyle only', 'masked': 'its handshake flags cannot be changed', 'odd': 'exports are named in its file',
             'block': 'no block sizes of its own', 'error': 'no way to make errors', 'quota': 'no way to make errors',
             'slow': 'no way to keep a request in flight', 'bitmap': 'no metadata contexts'}

    def version(self):
        return re.search(r'version (\S+)', output(self.program, '-V'))[1]

    def run(self, kind, name, exports, generic=''):
        """exports: {name: lines}.  It always listens on TCP, too: the kernel chooses the port's number for us."""
        sock, conf = self.path('.sock'), self.path('.conf')
        with open(conf, 'w') as f:
            f.write(f'[generic]\nunixsock = {sock}\nlistenaddr = 127.0.0.1\nport = {free_port()}\nallowlist = true\n{generic}')
            for export, lines in exports.items():
                image = self.image(8 << 40 if kind == 'huge' else SIZE)
                f.write(f'[{export}]\nexportname = {image}\nflush = true\nfua = true\ntrim = true\n{lines}')
        argv = [self.program, '-C', conf, '-p', conf + '.pid'] # with -d it would serve one client after the other
        place = self.spawn(kind, argv, sock, name.encode(), daemon=conf + '.pid')
        place.image = self.last_image
        return place

    def start_disk(self):
        return self.run('disk', 'disk', {'disk': ''})

    def start_ro(self):
        return self.run('ro', 'ro', {'ro': 'readonly = true\n'})

    def start_named(self):
        return self.run('named', 'one', {'one': '', 'two': ''})

    def start_huge(self):
        return self.run('huge', 'huge', {'huge': ''})

    def tls(self, kind, export, generic, lines=''):
        d = certificates(self.tmp)
        generic += f'certfile = {d}/server-cert.pem\nkeyfile = {d}/server-key.pem\ncacertfile = {d}/ca-cert.pem\n'
        return self.run(kind, export, {'disk': '', export: lines} if export != 'disk' else {'disk': lines}, generic)

    def start_tls(self):
        return self.tls('tls', 'disk', 'force_tls = true\n')

    def start_tls_on(self):
        return self.tls('tls-on', 'disk', '')

    def start_tls_only(self):
        return self.tls('tls-only', 'hidden', '', 'force_tls = true\n')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


TEMPLATES = {
    'ca': 'cn = test authority\nca\ncert_signing_key\n',
    'server': 'cn = localhost\ndns_name = localhost\ntls_www_server\nencryption_key\nsigning_key\n',
    'client': 'cn = a client\ntls_www_client\nencryption_key\nsigning_key\n', # nbd-server wants to see one
}


def certificates(tmp):
    """A directory with an authority, and certificates for localhost and a client by it; made once for each server."""
    d = tmp + '/pki'
    if os.path.exists(d + '/client-cert.pem'):
        return d
    if not shutil.which('certtool'):
        raise NotOffered('needs certtool')
    os.makedirs(d, exist_ok=True)
    for who, template in TEMPLATES.items():
        with open(f'{d}/{who}.info', 'w') as f:
            f.write(template)
        output('certtool', '--generate-privkey', '--key-type=ecdsa', '--curve=secp256r1', '--outfile', f'{d}/{who}-key.pem')
        how = ['--generate-self-signed'] if who == 'ca' else ['--generate-certificate', '--load-ca-certificate', d + '/ca-cert.pem',
                                                               '--load-ca-privkey', d + '/ca-key.pem']
        text = output('certtool', *how, '--load-privkey', f'{d}/{who}-key.pem', '--template', f'{d}/{who}.info', '--outfile',
                      f'{d}/{who}-cert.pem')
        if not os.path.exists(f'{d}/{who}-cert.pem'):
            raise RuntimeError('certtool: ' + text)
    return d


ALL = [Blkscope, Nbdkit, QemuNbd, NbdServer]
