#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""TLS: real clients with certificates and pre-shared keys, those that are refused, and the protocol's rules."""
import random
from tlslib import *

SIZE = 16 << 20
DATA = random.Random(6).randbytes(SIZE)
keys = tempfile.mkdtemp(prefix='k-')
X509 = x509(keys + '/x509')
PSK = psk(keys + '/keys.psk')
CERTS = '--tls-certificates=' + X509


def uris(s, psk_user='alice', port=None):
    """How a client gets there by certificate and by key."""
    where = f'localhost:{port}/?' if port else f'/?socket={s.sock}&'
    plus = '' if port else '+unix'
    return f'nbds{plus}://{where}tls-certificates={X509}', f'nbds{plus}://{psk_user}@{where}tls-psk-file={PSK}'


@case
def libnbd_by_certificate_and_by_key():
    with temp_dir() as d:
        with open(d + '/data', 'wb') as f:
            f.write(DATA)
        for which, args in enumerate(([CERTS], ['--tls-psk=' + PSK])):
            with Server('--tls=require', *args, 'memory', SIZE) as s:
                uri = uris(s)[which]
                assert 'with TLS' in run('nbdinfo', uri).out
                run('nbdcopy', d + '/data', uri)
                run('nbdcopy', uri, d + '/back')
                assert open(d + '/back', 'rb').read() == DATA, 'data changed on the way'
                os.unlink(d + '/back')


@case
def qemu_by_certificate_and_by_key():
    with temp_dir() as d:
        with open(d + '/data', 'wb') as f:
            f.write(DATA)
        os.makedirs(d + '/psk')
        shutil.copy(PSK, d + '/psk/keys.psk')
        for creds, args in ((f'tls-creds-x509,dir={X509}', [CERTS, '--tls-verify-peer']),
                            (f'tls-creds-psk,dir={d}/psk,username=alice', ['--tls-psk=' + PSK])):
            with Server('--tls=require', *args, 'memory', SIZE) as s:
                there = f'driver=nbd,server.type=unix,server.path={s.sock},tls-creds=t,tls-hostname=localhost'
                tls = ['--object', creds + ',id=t,endpoint=client', '--image-opts']
                run('qemu-io', *tls, there, '-c', 'write -P 7 4k 64k', '-c', 'read -P 7 4k 64k', '-c', 'flush')
                run('qemu-img', 'convert', '-n', '--object', creds + ',id=t,endpoint=client', '--target-image-opts', '-f', 'raw',
                    d + '/data', there)
                run('qemu-img', 'convert', *tls, '-O', 'raw', there, d + '/back')
                assert open(d + '/back', 'rb').read() == DATA, 'data changed on the way'


if __name__ == '__main__':
    try:
        main()
    finally:
        shutil.rmtree(keys)
