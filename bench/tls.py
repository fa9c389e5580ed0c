# SPDX-License-Identifier: BSD-2-Clause
"""Over TLS, with a certificate and with a pre-shared key: a client of libnbd's."""
import os, shutil, subprocess
from servers import Failed, US, BUILD
from table import BULK, ROUNDS, SECONDS, SPEED, median

TLS = os.path.join(BUILD, 'bench/bench-tls')
WORK = (('4 KiB', '4k', '32', SPEED), ('256 KiB', '256k', '4', BULK))


def tool(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failed(f'{" ".join(argv)}: {done.stdout.strip()}')


def certificates(where):
    """A directory that both ends can use: an authority, and a key of localhost (P-256)."""
    os.makedirs(where, exist_ok=True)
    for name, words in (('ca', 'cn = "bench"\nca\ncert_signing_key\n'), ('server', 'cn = localhost\ndns_name = localhost\ntls_www_server\nsigning_key\n')):
        path = f'{where}/{name}'
        with open(path + '.info', 'w') as f:
            f.write(words)
        tool('certtool', '--generate-privkey', '--key-type=ecdsa', '--curve=secp256r1', '--outfile', path + '-key.pem')
        how = ['--generate-self-signed'] if name == 'ca' else \
            ['--generate-certificate', '--load-ca-certificate', f'{where}/ca-cert.pem', '--load-ca-privkey', f'{where}/ca-key.pem']
        tool('certtool', *how, '--load-privkey', path + '-key.pem', '--template', path + '.info', '--outfile', path + '-cert.pem')
    return where


def load(bench, server, uri, op, size, depth):
    argv = [TLS, str(server.process.pid), op, size, depth, f'{SECONDS:.3f}', uri]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(f'{server.name}: {" ".join(argv)}: {done.stderr.strip()}; {server.words()}')
    figures = {k: float(v) for k, v in (w.split('=') for w in done.stdout.split())}
    bench.samples.append({'server': server.name, 'args': argv[2:], **figures})
    return figures


def measure_tls(bench, wanted):
    kinds = (('TLS, X.509', lambda: '--tls-certificates=' + certificates(bench.tmp + '/x509'),
              lambda s: f'nbds+unix:///?socket={s.where}&tls-certificates={bench.tmp}/x509'),
             ('TLS, PSK', lambda: '--tls-psk=' + bench.tmp + '/psk',
              lambda s: f'nbds+unix://alice@/?socket={s.where}&tls-psk-file={bench.tmp}/psk'))
    rows = [(k, w, op) for k in kinds for w in WORK for op in ('read', 'write')]
    rows = [r for r in rows if wanted(f'{r[0][0]}: {r[1][0]} {r[2]}')]
    if not rows:
        return
    if not shutil.which('certtool'):
        raise Failed('certtool is missing: apt-get install gnutls-bin')
    tool('psktool', '-u', 'alice', '-p', bench.tmp + '/psk')
    for kind in kinds:
        mine = [(w, op) for k, w, op in rows if k is kind]
        if not mine:
            continue
        servers = [bench.start(n, options=['--tls=on', kind[1]()]) for n in (US, 'nbdkit')]
        for s in servers:
            bench.fill(s)
        for (name, size, depth, metrics), op in mine:
            taken = [[] for s in servers]
            for i in range(min(ROUNDS, 3)):
                for k in (0, 1) if i % 2 else (1, 0):
                    taken[k].append(load(bench, servers[k], kind[2](servers[k]), op, size, depth))
            for key, label, better in metrics:
                bench.line(f'{kind[0]}: {name} {op}, depth {depth}', label, better, {s.name: median(t, key) for s, t in zip(servers, taken)})
        for s in servers:
            s.stop()
