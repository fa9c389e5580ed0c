#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""TLS: real clients with certificates and pre-shared keys, those that are refused, and the protocol's rules."""
import contextlib, random, re, socket, subprocess, threading
import nbd as nbdmodule
from probe import OURS, probed
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


@contextlib.contextmanager
def tcp(*args, **kw):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    with Server('-i', '127.0.0.1', '-p', port, *args, unix=False, **kw) as s:
        s.port = port
        s.uri = lambda host, query: f'nbds://{host}:{port}/?{query}'
        yield s


def nbdlib(uri):
    h = nbdmodule.NBD()
    h.set_uri_allow_local_file(True)
    h.connect_uri(uri)
    return h


def said(s, text, n=1):
    """The server says so, in one line."""
    def lines():
        return [line for line in s.messages().splitlines() if 'error:' in line]
    until('the server says why', lambda: len(lines()) >= n)
    same(len(lines()), n, f'lines: {lines()}')
    assert re.search(text, lines()[-1]), lines()


def refused(s, uri, client_says, server_says, n=1):
    """Of both sides in a line."""
    r = run('nbdinfo', uri, status=1)
    assert any(word in r.err for word in client_says.split('|')) and len(r.err.splitlines()) == 1, r.err
    said(s, server_says, n)
    assert 'Traceback' not in r.err


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


@case
def nbdsh_writes_and_reads_over_TCP_and_the_name_is_verified():
    with temp_dir() as d:
        known = client_of(d + '/known', X509, 'cn = known\n' + CLIENT)
        with tcp('--tls=require', CERTS, '--tls-verify-peer', 'memory', SIZE) as s:
            h = nbdlib(s.uri('localhost', f'tls-certificates={known}'))
            h.pwrite(DATA[:5 << 20], 4096)
            assert h.pread(5 << 20, 4096) == DATA[:5 << 20], 'data changed on the way'
            assert h.get_tls_negotiated()
            h.shutdown()
            h = nbdlib(s.uri('127.0.0.1', f'tls-certificates={known}')) # it is among the names of the certificate
            h.shutdown()
        other = x509(d + '/other')
        key_pair(other, 'server', 'cn = elsewhere\ndns_name = elsewhere\n' + SERVER, other)
        with tcp('--tls=on', '--tls-certificates=' + other, 'memory', SIZE) as s:
            r = run('nbdinfo', s.uri('localhost', f'tls-certificates={other}'), status=1)
            assert 'name' in r.err or 'certificate' in r.err, r.err
            said(s, 'TLS handshake failed')


@case
def who_may_not_come_in_is_told_why_on_both_sides():
    day = 'expiration_date = "2020-01-02 00:00:00"\nactivation_date = "2020-01-01 00:00:00"\n'
    with temp_dir() as d:
        of_that_name, other = authority(d + '/name'), authority(d + '/other', 'Another CA') # GnuTLS shows none of another name
        clients = (
            ('nobody', client_of(d + '/nobody', X509), 'shows no certificate'),
            ('stranger', client_of(d + '/stranger', X509, 'cn = stranger\n' + CLIENT, of_that_name), 'not trusted|issuer|signature'),
            ('foreigner', client_of(d + '/foreigner', X509, 'cn = foreigner\n' + CLIENT, other), 'shows no certificate'),
            ('late', client_of(d + '/late', X509, 'cn = late\n' + day + CLIENT), 'expired'),
            ('a server', client_of(d + '/wrongkind', X509, 'cn = server\n' + SERVER), 'purpose'),
        )
        with Server('--tls=require', CERTS, '--tls-verify-peer', 'memory', SIZE) as s:
            for n, (name, where, why) in enumerate(clients):
                print('#', name)
                refused(s, f'nbds+unix:///?socket={s.sock}&tls-certificates={where}', 'TLS|gnutls', why, n + 1)
            assert 'with TLS' in run('nbdinfo', uris(s)[0]).out, 'the server lives'


@case
def a_certificate_that_was_revoked_lets_nobody_in():
    with temp_dir() as d:
        shutil.copytree(X509, d + '/x')
        with open(d + '/crl.info', 'w') as f:
            f.write('crl_next_update = 43\ncrl_number = 1\n')
        run('certtool', '--generate-crl', '--load-ca-privkey', X509 + '/ca-key.pem', '--load-ca-certificate', X509 + '/ca-cert.pem',
            '--load-certificate', X509 + '/client-cert.pem', '--template', d + '/crl.info', '--outfile', d + '/x/ca-crl.pem')
        good = client_of(d + '/good', X509, 'cn = good\n' + CLIENT)
        with Server('--tls=require', f'--tls-certificates={d}/x', '--tls-verify-peer', 'memory', SIZE) as s:
            refused(s, uris(s)[0], 'TLS|gnutls', 'revoked')
            run('nbdinfo', f'nbds+unix:///?socket={s.sock}&tls-certificates={good}')


@case
def a_client_that_does_not_trust_the_server_goes_and_both_say_so():
    day = 'expiration_date = "2020-01-02 00:00:00"\nactivation_date = "2020-01-01 00:00:00"\n'
    with temp_dir() as d:
        other = client_of(d + '/c', authority(d + '/other', 'Another CA'))
        with tcp('--tls=on', CERTS, 'memory', SIZE) as s:
            refused(s, s.uri('localhost', f'tls-certificates={other}'), 'certificate|verif', 'TLS handshake failed')
        expired = x509(d + '/expired')
        key_pair(expired, 'server', 'cn = localhost\ndns_name = localhost\n' + day + SERVER, expired)
        with tcp('--tls=on', '--tls-certificates=' + expired, 'memory', SIZE) as s:
            refused(s, s.uri('localhost', f'tls-certificates={expired}'), 'certificate|verif', 'TLS handshake failed')


@case
def a_wrong_key_and_an_unknown_user_are_refused():
    with temp_dir() as d:
        wrong = psk(d + '/wrong')
        psk(d + '/bob', 'bob')
        with Server('--tls=on', '--tls-psk=' + PSK, 'memory', SIZE) as s:
            refused(s, f'nbds+unix://alice@/?socket={s.sock}&tls-psk-file={wrong}', 'TLS|gnutls', 'no such user, or another key')
            refused(s, f'nbds+unix://bob@/?socket={s.sock}&tls-psk-file={d}/bob', 'TLS|gnutls', 'no such user, or another key', 2)
            refused(s, f'nbds+unix:///?socket={s.sock}&tls-certificates={X509}', 'TLS|gnutls', 'TLS handshake failed', 3)
            run('nbdinfo', uris(s)[1])
        with Server('--tls=on', CERTS, 'memory', SIZE) as s: # a key where certificates count
            refused(s, uris(s)[1], 'TLS|gnutls', 'TLS handshake failed')


@case
def plain_clients_where_TLS_is_required_and_the_other_way_round():
    with Server('--tls=require', CERTS, '-v', 'memory', SIZE) as s:
        run('nbdinfo', s.uri, status=1) # libnbd 1.14 says just "not supported"
        until('the server says why', lambda: 'this server requires TLS' in s.messages())
        assert 'memory: open' not in s.messages() and 'list exports' not in s.messages(), s.messages()
        r = run('qemu-img', 'info', s.uri, status=1)
        assert 'TLS' in r.err, r.err
    for args in (['--tls=off', CERTS], []):
        with Server(*args, '-v', 'memory', SIZE) as s:
            r = run('nbdcopy', uris(s)[0], 'null:', status=1)
            assert 'server refused TLS' in r.err and len(r.err.splitlines()) == 1, r.err
            until('the server says why', lambda: 'this server offers no TLS' in s.messages())
            run('nbdinfo', s.uri)


def ended(program, *args, home='/nowhere'):
    """Exit status, and what $tls is."""
    as_user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] if os.geteuid() == 0 else []
    r = run(*as_user, program, '-U', '-', *args, 'memory', '1M', '--run', 'echo "<$tls>"', status=None, env=dict(os.environ, HOME=home, TMPDIR='/tmp'))
    return r.status, r.out.strip(), r.err


@case
def what_is_the_default_is_as_with_nbdkit():
    os.chmod(keys, 0o755)
    for top, dirs, files in os.walk(keys):
        for name in files:
            os.chmod(f'{top}/{name}', 0o644)
    with tempfile.TemporaryDirectory(prefix='tls-', dir='/tmp') as d: # for another user to see
        os.chmod(d, 0o755)
        keys_there = shutil.copytree(X509, d + '/x')
        for sub in ('.pki/nbdkit', '.config/pki/nbdkit'):
            shutil.copytree(X509, f'{d}/{sub.split("/")[0]}/{sub}')
        broken = shutil.copytree(X509, d + '/broken')
        with open(broken + '/server-cert.pem', 'w') as f:
            f.write('this is none\n')
        shutil.copy(PSK, d + '/psk')
        there, psk_there = '--tls-certificates=' + keys_there, f'--tls-psk={d}/psk'
        table = [
            ([], {}, 0, '<>'), (['--tls=on'], {}, 0, '<>'), (['--tls=require'], {}, 1, ''),
            ([there], {}, 0, '<1>'), (['--tls=on', there], {}, 0, '<1>'), (['--tls=require', there], {}, 0, '<2>'), (['--tls=off', there], {}, 0, '<>'),
            ([psk_there], {}, 0, '<1>'), (['--tls=require', psk_there, '--tls-certificates=/nowhere'], {}, 0, '<2>'), (['--tls=off', '--tls-psk=/nowhere'], {}, 0, '<>'),
            (['--tls-psk=/nowhere'], {}, 1, ''), (['--tls=on', '--tls-psk=/nowhere'], {}, 1, ''),
            (['--tls-certificates=/nowhere'], {}, 0, '<>'), (['--tls=on', '--tls-certificates=/nowhere'], {}, 0, '<>'),
            (['--tls=require', '--tls-certificates=/nowhere'], {}, 1, ''), (['--tls-verify-peer'], {}, 0, '<>'),
            (['--tls-certificates=' + broken], {}, 1, ''), (['--tls=off', '--tls-certificates=' + broken], {}, 0, '<>'),
            ([], {'home': d + '/.pki'}, 0, '<1>'), ([], {'home': d + '/.config'}, 0, '<1>'), (['--tls=require'], {'home': d + '/.pki'}, 0, '<2>'),
            (['-o', '--tls=require', there], {}, 1, ''), (['-o', '--tls=on', there], {}, 0, '<1>'), (['--tls=maybe'], {}, 1, ''), (['--tls=1', there], {}, 0, '<1>'),
        ]
        for args, kw, status, tls in table:
            got = ended(NBDKIT, *args, **kw)
            same(got[:2], (status, tls), f'{args} {kw} {got[2]}')
            assert len(got[2].splitlines()) == (status == 1 or (tls == '<>' and any(a.startswith('--tls') for a in args) and '--tls=off' not in args)), got
            if os.path.exists(NBDKIT_REF):
                same(ended(NBDKIT_REF, *args, **kw)[:2], (status, tls), f'nbdkit {args} {kw}')


@case
def the_URI_of_run_is_enough_for_a_client():
    for args in (['--tls=require', CERTS], ['--tls=require', '--tls-psk=' + PSK]):
        for where in (['-U', '-'], ['-i', '127.0.0.1', '-p', '0']):
            r = run(NBDKIT, *where, *args, 'memory', SIZE, '--run', 'echo "$uri"; nbdinfo "$uri"')
            assert r.out.startswith('nbds') and 'with TLS' in r.out, r.out
    r = run(NBDKIT, '-U', '-', '--tls=on', CERTS, '--print-uri', 'memory', SIZE, '--run', 'nbdinfo "$uri"')
    assert r.out.startswith('nbd+unix:') and 'without TLS' in r.out, r.out


@case
def plug_ins_and_filters_know_who_it_is():
    with temp_dir() as d:
        with Server('--tls=on', CERTS, '--tls-verify-peer', '--filter=log', 'memory', SIZE, 'logfile=' + d + '/log') as s:
            run('nbdinfo', '--list', uris(s)[0])
            run('nbdinfo', '--list', s.uri)
        text = read_file(d + '/log')
        for word in ('Connect', 'ListExports'):
            same(sorted(set(re.findall(word + r'.*tls=(\d)', text))), ['0', '1'], word)
        with probed(OURS, '--tls=on', CERTS, '--tls-verify-peer', with_='do.open=is_tls+label') as s:
            nbdlib(uris(s)[0]).shutdown()
            nbdlib(s.uri).shutdown()
            lines = [line.strip() for line in s.log.lines if line.startswith('  ')]
        same([line for line in lines if 'is_tls' in line], ['is_tls = 1', 'is_tls = 0'])
        same([line.split(' dn ')[1] for line in lines if ' dn ' in line],
             ['<CN=client.example.com,O=Blocks,C=US> issuer <CN=Test CA>', '<> issuer <>'])
        with probed(OURS, '--tls=on', CERTS, with_='do.open=is_tls+label') as s: # not verified: does not count
            nbdlib(uris(s)[0]).shutdown()
            lines = [line.strip() for line in s.log.lines if line.startswith('  ')]
        same([re.sub('label .* dn', 'label ? dn', line) for line in lines], ['is_tls = 1', 'label ? dn <> issuer <>'])


@case
def debians_filter_for_plain_clients_sees_the_difference():
    if not os.path.exists('/usr/lib/x86_64-linux-gnu/nbdkit/filters/nbdkit-tls-fallback-filter.so'):
        raise Skip('no nbdkit-tls-fallback-filter')
    with Server('--tls=on', CERTS, '--filter=tls-fallback', 'memory', SIZE) as s:
        h = nbdlib(uris(s)[0])
        same((h.get_size(), h.pread(512, 0)), (SIZE, bytes(512)))
        h.shutdown()
        h = nbdlib(s.uri)
        assert b'TLS' in h.pread(512, 0)
        h.shutdown()


@case
def many_clients_at_once():
    with Server('--tls=require', CERTS, 'memory', SIZE) as s:
        bad = []

        def client(n):
            try:
                c = tls_up(s.sock, X509)
                for i in range(4):
                    at, data = n * 65536 + i * 4096, bytes([n, i]) * 2048
                    same(c.write(at, data), 0, 'write')
                    same(c.read(at, 4096), data, 'read')
                c.disconnect()
            except Exception as e: # pylint: disable=broad-except
                bad.append(e)
        threads = [threading.Thread(target=client, args=(n,)) for n in range(60)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(bad, [])


@case
def one_client_on_stdin_and_stdout():
    h = nbdmodule.NBD()
    h.set_tls(nbdmodule.TLS_REQUIRE)
    h.set_tls_psk_file(PSK)
    h.set_tls_username('alice')
    h.connect_command([NBDKIT, '-s', '--tls=require', '--tls-psk=' + PSK, 'memory', str(SIZE)])
    h.pwrite(DATA[:3 << 20], 0)
    assert h.pread(3 << 20, 0) == DATA[:3 << 20], 'data changed on the way'
    h.shutdown()
    # Two pipes.
    p = subprocess.Popen([NBDKIT, '-s', '--tls=require', CERTS, 'memory', str(SIZE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    c = PipeConn(p.stdin, p.stdout)
    c.newstyle().start_tls()
    c.handshake(X509)
    c.go()
    same(c.write(5, DATA[:1 << 20]), 0, 'write')
    assert c.read(5, 1 << 20) == DATA[:1 << 20], 'data changed on the way'
    c.request(nbd.DISC)
    same(p.wait(20 * SLOWER), 0, 'exit status')
    p.stdin.close()
    p.stdout.close()


if __name__ == '__main__':
    try:
        main()
    finally:
        shutil.rmtree(keys)
