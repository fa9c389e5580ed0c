# SPDX-License-Identifier: BSD-2-Clause
"""Keys made when they are needed, and a raw client that can start TLS."""
import os, ssl
import rawnbd as nbd
from harness import *

CA, SERVER, CLIENT = 'ca\ncert_signing_key\n', 'tls_www_server\n', 'tls_www_client\n'


def key_pair(where, name, info, signer=None, ca='ca'):
    """where/NAME-key.pem and where/NAME-cert.pem, signed by signer's CA (a directory), or by itself."""
    path, template = f'{where}/{name}', f'{where}/{name}.info'
    with open(template, 'w') as f:
        f.write(info + 'signing_key\n')
    run('certtool', '--generate-privkey', '--key-type=ecdsa', '--curve=secp256r1', '--outfile', path + '-key.pem')
    how = ['--generate-certificate', '--load-ca-certificate', f'{signer}/{ca}-cert.pem', '--load-ca-privkey', f'{signer}/{ca}-key.pem'] if signer \
        else ['--generate-self-signed']
    run('certtool', *how, '--load-privkey', path + '-key.pem', '--template', template, '--outfile', path + '-cert.pem')


def authority(where, name='Test CA'):
    os.makedirs(where, exist_ok=True)
    key_pair(where, 'ca', f'cn = "{name}"\n' + CA)
    return where


def x509(where):
    """A directory with everything that server and client need."""
    authority(where)
    key_pair(where, 'server', 'cn = localhost\ndns_name = localhost\nip_address = 127.0.0.1\n' + SERVER, where)
    key_pair(where, 'client', 'country = US\norganization = Blocks\ncn = client.example.com\n' + CLIENT, where)
    return where


def client_of(where, ca, info=None, signer=None):
    """A client's directory: trusts the CA of a directory; with a certificate of its own when info is given."""
    os.makedirs(where, exist_ok=True)
    shutil.copy(ca + '/ca-cert.pem', where)
    if info:
        key_pair(where, 'client', info, signer or ca)
    return where


def psk(path, user='alice'):
    run('psktool', '-u', user, '-p', path)
    return path


class TlsConn(nbd.Conn):
    """A raw client.  tls() is to follow newstyle(); everything after it is inside TLS."""

    def start_tls(self):
        assert self.answer(nbd.STARTTLS) == nbd.ACK, 'STARTTLS is not acknowledged'
        return self

    def tls(self, ca, cert=None, **settings):
        self.start_tls()
        return self.handshake(ca, cert, **settings)

    def handshake(self, ca, cert=None, **settings):
        context = ssl.create_default_context(cafile=ca + '/ca-cert.pem')
        context.check_hostname = False
        if cert:
            context.load_cert_chain(cert + '/client-cert.pem', cert + '/client-key.pem')
        for name, value in settings.items():
            setattr(context, name, value)
        self.s = context.wrap_socket(self.s)
        return self

    def closed(self):
        try:
            return super().closed()
        except ssl.SSLError: # without a goodbye, or after an alert
            return True


def tls_up(where, ca, **kw):
    return TlsConn(where).newstyle().tls(ca).go(**kw)


class PipeConn(TlsConn):
    """The same through a pair of pipes."""

    def __init__(self, out, into): # pylint: disable=super-init-not-called
        self.out, self.into, self.t = out, into, None
        self.structured = self.extended = False
        self.cookie = 0

    def handshake(self, ca, cert=None, **settings):
        self.up, self.down = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=ca + '/ca-cert.pem')
        context.check_hostname = False
        t = context.wrap_bio(self.down, self.up)
        self.moved(t.do_handshake)
        self.t = t

    def moved(self, f, *args):
        """f(*args), when what it wants has come through the pipes."""
        while True:
            try:
                got = f(*args)
                self.flush()
                return got
            except ssl.SSLWantReadError:
                self.flush()
                more = os.read(self.into.fileno(), 1 << 16)
                if not more:
                    raise nbd.Closed('the pipe ended') from None
                self.down.write(more)

    def flush(self):
        data = self.up.read()
        while data:
            data = data[os.write(self.out.fileno(), data):]

    def send(self, data):
        if not self.t:
            os.write(self.out.fileno(), data)
            return
        for at in range(0, len(data), 16384):
            self.moved(self.t.write, data[at:at + 16384])

    def recv(self, n):
        got = b''
        while len(got) < n:
            more = self.moved(self.t.read, n - len(got)) if self.t else os.read(self.into.fileno(), n - len(got))
            if not more:
                raise nbd.Closed('the pipe ended')
            got += more
        return got
