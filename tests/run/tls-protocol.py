#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""TLS from raw bytes: what is forgotten, what is refused, who stops half-way."""
import re, socket, struct
from tlslib import *

SIZE = 8 << 20
keys = tempfile.mkdtemp(prefix='k-')
X509 = x509(keys + '/x509')
ARGS = ('--tls=on', '--tls-certificates=' + X509)


def hello():
    """The first bytes of a TLS client."""
    context = ssl.create_default_context(cafile=X509 + '/ca-cert.pem')
    context.check_hostname = False
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


def still_serves(s):
    c = tls_up(s.sock, X509)
    c.lives()
    c.disconnect()


@case
def what_was_negotiated_in_plain_text_is_forgotten():
    with Server(*ARGS, 'memory', SIZE) as s:
        for first in (nbd.STRUCTURED_REPLY, nbd.EXTENDED):
            c = TlsConn(s.sock).newstyle()
            same(c.answer(first), nbd.ACK, 'in plain text')
            same(c.answer(nbd.SET_META, nbd.meta_query(b'x', b'base:allocation')), nbd.ACK, 'in plain text')
            c.tls(X509)
            same(c.answer(nbd.SET_META, nbd.meta_query(b'x', b'base:allocation')), nbd.ERR_INVALID, 'no structured replies any more')
            same(c.answer(nbd.STARTTLS), nbd.ERR_INVALID, 'twice')
            same(c.answer(first), nbd.ACK, 'anew')
            c.structured, c.extended = True, first == nbd.EXTENDED
            c.go(b'x')
            same(c.status(0, 512), nbd.EINVAL, 'no context any more')
            c.lives()
            c.disconnect()


@case
def under_require_only_two_options_work():
    with Server('--tls=require', ARGS[1], '-v', 'memory', SIZE) as s:
        c = TlsConn(s.sock).newstyle()
        for number in (nbd.LIST, nbd.INFO, nbd.GO, nbd.STRUCTURED_REPLY, nbd.EXTENDED, nbd.LIST_META, nbd.SET_META, 4, 99):
            for data in (b'', nbd.go_query(b'x'), bytes(100000)):
                same(c.ask(number, data)[-1][0], nbd.ERR_TLS_REQD, f'option {number}')
        assert 'memory: ' not in s.messages().split('preconnect')[-1], s.messages()
        c.tls(X509).go().lives()
        c.disconnect()
        with TlsConn(s.sock).newstyle() as c:
            assert c.refused(c.option, nbd.EXPORT_NAME)
        with TlsConn(s.sock).newstyle() as c:
            same(c.answer(nbd.ABORT), nbd.ACK)
            assert c.closed()
        with TlsConn(s.sock).newstyle(0) as c: # without fixed newstyle there is no STARTTLS
            assert c.refused(c.option, nbd.STARTTLS)


@case
def plain_text_behind_STARTTLS_ends_the_connection():
    head = struct.pack('>QII', nbd.IHAVEOPT, nbd.STARTTLS, 0)
    list_option = struct.pack('>QII', nbd.IHAVEOPT, nbd.LIST, 0)
    with Server(*ARGS, '-v', 'memory', SIZE) as s:
        for more in (list_option, hello(), b'x'):
            with TlsConn(s.sock).newstyle() as c:
                c.send(head + more)
                assert c.closed()
        assert 'list exports' not in s.messages() and s.messages().count('plain text behind') == 3, s.messages()
        for more in (list_option, b'x' * 100, bytes(1000)):
            with TlsConn(s.sock).newstyle().start_tls() as c:
                assert c.refused(c.send, more)
        still_serves(s)


@case
def rejected_writes_do_not_end_the_connection():
    for args, place, want in (([], SIZE - 1, nbd.ENOSPC), ([], 1 << 40, nbd.ENOSPC), (['-r'], 0, nbd.EPERM)):
        with Server(*ARGS, *args, 'memory', SIZE) as s:
            for kw in ({}, {'structured': True}, {'extended': True}):
                c = tls_up(s.sock, X509, **kw)
                for n in (512, 4096, 1 << 20, 3 << 20):
                    same(c.write(place, b'w' * n), want, f'{args} write of {n} bytes')
                    c.lives()
                c.disconnect()


@case
def large_requests_of_every_style():
    data = os.urandom(7 << 20)
    with Server(*ARGS, 'memory', SIZE) as s:
        for kw in ({}, {'structured': True}, {'extended': True}):
            c = tls_up(s.sock, X509, **kw)
            same(c.write(1, data), 0, 'write')
            assert c.read(1, len(data)) == data, 'data changed on the way'
            cookies = [c.request(nbd.READ, i * 512, 65536) for i in range(64)] # many in one record
            if not kw:
                for want in cookies:
                    same(c.simple(), (0, want))
                    c.recv(65536)
            c.disconnect() if not kw else c.close()


@case
def TLS_1_2_and_1_3_and_nothing_older():
    with Server(*ARGS, 'memory', SIZE) as s:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            c = TlsConn(s.sock).newstyle().tls(X509, minimum_version=version, maximum_version=version)
            same(c.s.version(), version.name.replace('_', '.'))
            c.go().lives()
            c.disconnect()
        record = b'\x16\x03\x01' + struct.pack('>H', 47) + b'\x01\0\0\x2b\x03\x02' + bytes(32) + b'\0\0\x04\xc0\x13\xc0\x14\x01\0'
        with TlsConn(s.sock).newstyle().start_tls() as c: # TLS 1.1
            c.send(record)
            kind, _, length = c.unpack('>BHH')
            same((kind, c.recv(length)[0]), (21, 2), 'a fatal alert')
            assert c.closed()


@case
def the_goodbye_is_TLS_s():
    with Server(*ARGS, 'memory', SIZE) as s:
        c = tls_up(s.sock, X509)
        c.s.suppress_ragged_eofs = False
        c.request(nbd.DISC)
        same(c.s.recv(1), b'') # not SSLEOFError
        c.close()


def endless_hello(n):
    """The first n bytes of a ClientHello that says it will have 16 MB."""
    body = b'\x01\xf0\0\0\x03\x03' + b'a' * n
    return b''.join(b'\x16\x03\x01' + struct.pack('>H', len(part)) + part
                    for part in (body[i:i + 16000] for i in range(0, n, 16000)))


@case
def a_hello_without_end_is_not_kept():
    def memory(s):
        return int(re.search(r'VmRSS:\s*(\d+)', read_file(f'/proc/{s.pid}/status'))[1])
    for tcp in (False, True):
        args = ('-p', '0', '-i', '127.0.0.1', '--print-uri', '--timeout=0', *ARGS, 'memory', SIZE) if tcp else ('--timeout=0', *ARGS, 'memory', SIZE)
        with Server(*args, unix=not tcp) as s:
            where = ('127.0.0.1', int(re.search(r'nbds?://[^/]*:(\d+)', s.messages())[1])) if tcp else s.sock
            with TlsConn(where).newstyle().start_tls() as c:
                assert c.refused(c.send, endless_hello(4 << 20))
            until('it is told', lambda: 'TLS handshake failed: more than' in s.messages())
            before, crowd = memory(s), []
            for _ in range(100):
                crowd.append(TlsConn(where).newstyle().start_tls())
                crowd[-1].send(endless_hello(30000))
            c = tls_up(where, X509)
            c.lives()
            c.disconnect()
            each = (memory(s) - before) / len(crowd)
            assert each < 64 or MODE != 'plain', f'{each:.0f} KiB for each'
            for c in crowd:
                c.close()


@case
def clients_that_stop_half_way_hold_up_nobody():
    with Server(*ARGS, 'memory', SIZE) as s:
        first = hello()
        held = []
        for n in (0, 1, 5, 100, len(first) - 1, len(first)):
            for leave in (False, True):
                c = TlsConn(s.sock).newstyle().start_tls()
                c.send(first[:n])
                if leave:
                    c.close()
                else:
                    held.append(c)
        for n in (1, 5, 20, 1000): # mid-record
            c = TlsConn(s.sock).newstyle().start_tls()
            raw = socket.socket(fileno=os.dup(c.s.fileno()))
            c.handshake(X509).go()
            raw.send(b'\x17\x03\x03\x10\0'.ljust(1005, b'x')[:n])
            held += [c, raw]
        still_serves(s)
        for c in held[:3]:
            c.close()
        still_serves(s)
        # and the end of the server, by SIGTERM, is not held up by those who stay
    for c in held:
        c.close()


@case
def a_client_that_does_not_read_is_waited_for():
    data = os.urandom(SIZE)
    with Server(*ARGS, 'memory', SIZE) as s:
        c = tls_up(s.sock, X509)
        same(c.write(0, data), 0)
        cookies = [c.request(nbd.READ, 0, SIZE) for _ in range(4)]
        still_serves(s)
        for want in cookies:
            same(c.simple(), (0, want))
            assert c.recv(SIZE) == data, 'data changed on the way'
        c.disconnect()


if __name__ == '__main__':
    try:
        main()
    finally:
        shutil.rmtree(keys)
