#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 180
"""What clients should not do, and what the server does about it: it goes on serving the others."""
import random, re, resource, select, socket, struct, threading
import rawnbd
from faultlib import fds, fds_at_rest
from harness import *
from rawnbd import Conn, up

SIZE = 1 << 20


def all_gone(s, before):
    """Every connection was let go of: no descriptor is left."""
    until('the descriptors of dead connections are closed', lambda: fds(s) <= before)


def rss(s):
    """Bytes of memory in use."""
    return int(re.search(r'VmRSS:\s+(\d+)', read_file(f'/proc/{s.pid}/status'))[1]) << 10


@case
def garbage_instead_of_a_handshake():
    r = random.Random(1)
    with Server('memory', SIZE) as s:
        up(s.sock).lives()
        before = fds_at_rest(s)
        for i in range(200):
            with Conn(s.sock) as c:
                try:
                    c.send(r.randbytes(r.choice((1, 3, 4, 5, 16, 20, 100, 5000))))
                    c.s.shutdown(socket.SHUT_WR)
                    assert c.closed()
                except (BrokenPipeError, ConnectionResetError):
                    pass
        all_gone(s, before)
        up(s.sock).lives()


@case
def garbage_after_the_handshake():
    r = random.Random(2)
    with Server('memory', SIZE) as s:
        for style in ({}, {'structured': True}, {} if REAL else {'extended': True}):
            for i in range(50):
                with up(s.sock, **style) as c:
                    try:
                        c.send(r.randbytes(r.choice((1, 27, 28, 29, 32, 1000, 100000))))
                        c.s.shutdown(socket.SHUT_WR)
                        assert c.closed()
                    except (BrokenPipeError, ConnectionResetError):
                        pass
        up(s.sock).lives()


@case
def a_handshake_cut_off_at_every_byte():
    query = rawnbd.go_query(b'name', 1, 3)
    whole = struct.pack('>I', 3) + struct.pack('>QII', rawnbd.IHAVEOPT, rawnbd.STRUCTURED_REPLY, 0) \
        + struct.pack('>QII', rawnbd.IHAVEOPT, rawnbd.GO, len(query)) + query \
        + struct.pack('>IHHQQI', rawnbd.REQUEST, 0, rawnbd.READ, 1, 0, 4096) \
        + struct.pack('>IHHQQI', rawnbd.REQUEST, 0, rawnbd.WRITE, 1, 0, 100) + b'#' * 100
    with Server('memory', SIZE) as s:
        up(s.sock).lives()
        before = fds_at_rest(s)
        for n in range(len(whole)):
            with Conn(s.sock) as c:
                c.send(whole[:n])
                c.s.shutdown(socket.SHUT_WR)
                assert c.closed()
        for n in range(len(whole)): # and without waiting for an answer
            c = Conn(s.sock)
            c.send(whole[:n])
            c.close()
        all_gone(s, before)
        up(s.sock).lives()


@case
def requests_cut_off_at_every_byte():
    for style in ({}, {} if REAL else {'extended': True}):
        with Server('memory', SIZE) as s:
            for n in range(0, 130, 1):
                with up(s.sock, **style) as c:
                    head = '>IHHQQQ' if c.extended else '>IHHQQI'
                    magic = rawnbd.EXT_REQUEST if c.extended else rawnbd.REQUEST
                    c.send((struct.pack(head, magic, 0, rawnbd.WRITE, 1, 0, 100) + b'#' * 100)[:n])
                    c.s.shutdown(socket.SHUT_WR)
                    assert c.closed()
            with up(s.sock) as c:
                got = c.read(0, 100)
                assert got in (bytes(100), b'#' * 100), 'a torn write is all or nothing'


@case
def a_client_that_stops_reading():
    """It asks for gigabytes and takes none: memory stays bounded and others are served."""
    with Server('memory', '1G') as s:
        with up(s.sock) as c:
            c.write(0, b'full' * (1 << 18)) # no hole
            for at in range(0, 64 << 20, 1 << 20):
                c.write(at, b'full' * (1 << 18))
            base = rss(s)
            request = struct.pack('>IHHQQI', rawnbd.REQUEST, 0, rawnbd.READ, 1, 0, 1 << 20)
            c.s.setblocking(False)
            sent = 0
            for _ in range(3000):
                try:
                    sent += c.s.send(request)
                except BlockingIOError:
                    break
            for _ in range(20):
                with up(s.sock) as other:
                    other.lives()
                    other.disconnect()
            assert rss(s) - base < 400 << 20, f'{(rss(s) - base) >> 20} MiB more for a client that reads nothing'
            c.s.settimeout(rawnbd.TIMEOUT)
            for _ in range(10): # it wakes up: all is well
                same(c.simple(), (0, 1), 'reply')
                c.recv(1 << 20)


@case
def a_client_that_stops_reading_and_goes_away():
    with Server('memory', '64M') as s:
        with up(s.sock) as c:
            c.lives()
        before = fds_at_rest(s)
        for _ in range(20):
            c = up(s.sock)
            c.s.setblocking(False)
            try:
                for _ in range(500):
                    c.s.send(struct.pack('>IHHQQI', rawnbd.REQUEST, 0, rawnbd.READ, 1, 0, 1 << 20))
            except BlockingIOError:
                pass
            c.close()
        all_gone(s, before)
        up(s.sock).lives()


@case
def a_client_that_dies_with_requests_parked():
    """The server notices at once, says Disconnect in the log, and serves others meanwhile."""
    with temp_dir() as d, Server('--filter=log', '--filter=delay', 'memory', SIZE, f'logfile={d}/log', 'rdelay=1000', 'delay-open=0') as s:
        c = up(s.sock)
        n = 10 if REAL else 1000
        for i in range(n):
            c.request(rawnbd.READ, 0, 512)
        until('the requests are parked', lambda: read_file(d + '/log').count(' Read id=') >= n)
        with up(s.sock) as other:
            same(other.write(0, b'meanwhile'), 0, 'a write on another connection')
        c.close()
        until('Disconnect is in the log', lambda: f'Disconnect transactions={n}\n' in read_file(d + '/log'))
        with up(s.sock) as other:
            same(other.write(0, b'afterwards'), 0, 'a write after it')
        ends = read_file(d + '/log').count('...Read id=')
        same(ends, n, 'parked reads that were ended in the log')


@case
def a_client_that_resets_the_connection():
    with temp_dir() as d:
        with socket.socket() as x:
            x.bind(('127.0.0.1', 0))
            port = x.getsockname()[1]
        with Server('--filter=delay', 'memory', SIZE, 'rdelay=1000', '-p', port, '-i', '127.0.0.1', unix=False) as s:
            for _ in range(20):
                c = up(('127.0.0.1', port))
                for i in range(10):
                    c.request(rawnbd.READ, 0, 512)
                c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                c.close() # RST
            until('they are gone', lambda: fds(s) < 40)
            with up(('127.0.0.1', port)) as c:
                same(c.write(0, b'x'), 0, 'write')


@case
def half_closed_clients_get_their_answers():
    """shutdown(SHUT_WR) after the requests is not a reason to throw the replies away."""
    with Server('memory', SIZE) as s, up(s.sock) as c:
        for i in range(10):
            c.request(rawnbd.READ, i * 512, 512)
        c.s.shutdown(socket.SHUT_WR)
        if REAL:
            return
        for _ in range(10):
            same(c.simple()[0], 0, 'read')
            c.recv(512)
        assert c.closed()


@case
def idle_clients_cost_little():
    with Server('memory', SIZE) as s:
        up(s.sock).lives()
        idle = [Conn(s.sock) for _ in range(200)] # not a byte
        with up(s.sock) as c:
            c.lives()
        for c in idle:
            c.close()
        up(s.sock).lives()


@case
def slow_bytes_do_not_hold_up_others():
    with Server('memory', SIZE) as s:
        slow = Conn(s.sock)
        slow.newstyle()
        slow.option(rawnbd.GO, b'\0\0', length=100)
        with up(s.sock) as c:
            for _ in range(100):
                c.lives()
        slow.close()


@case
def clients_that_do_nothing_do_not_hold_up_the_end():
    """SIGTERM with clients in every state: silent, in the handshake, in the middle of a header and of a payload, idle,
    not reading their replies, half closed."""
    if REAL:
        raise Skip('nbdkit waits for its clients')
    with temp_dir() as d, Server('--filter=log', 'memory', '64M', f'logfile={d}/log') as s:
        conns = [Conn(s.sock) for _ in range(3)]
        conns += [Conn(s.sock).newstyle() for _ in range(3)]
        conns.append(Conn(s.sock).newstyle())
        conns[-1].option(rawnbd.GO, b'\0\0', length=1000)
        conns += [up(s.sock) for _ in range(5)]
        conns[-1].send(struct.pack('>IH', rawnbd.REQUEST, 0))
        conns[-2].request(rawnbd.WRITE, 0, 1 << 20, b'half')
        conns[-3].write(0, bytes(1 << 20))
        conns[-3].s.setblocking(False)
        try:
            for _ in range(100):
                conns[-3].s.send(struct.pack('>IHHQQI', rawnbd.REQUEST, 0, rawnbd.READ, 1, 0, 1 << 20))
        except BlockingIOError:
            pass
        conns[-4].lives()
        conns[-4].s.shutdown(socket.SHUT_WR)
        s.stop()
        log = read_file(d + '/log')
        same(len(re.findall(r' Connect ', log)), len(re.findall(r' Disconnect ', log)), 'Connect and Disconnect in the log')
        for c in conns:
            c.close()


@case
def half_closed_clients_get_an_answer_to_what_is_parked():
    """Over TCP a half close looks as if the client had died, so what waits is cancelled: but answered."""
    if REAL:
        raise Skip('nbdkit gives up')
    with Server('--filter=delay', 'memory', SIZE, 'rdelay=300ms') as s:
        for style in ({}, {'structured': True}, {'extended': True}):
            with up(s.sock, **style) as c:
                cookies = {c.request(rawnbd.READ, i * 512, 512) for i in range(10)}
                c.s.shutdown(socket.SHUT_WR)
                for _ in cookies:
                    error = c.chunk().error() if c.structured else c.simple()[0]
                    assert error in (None, 0, rawnbd.ESHUTDOWN), f'errno {error}'
                    if error == 0:
                        c.recv(512)
                assert c.closed()


@case
def extreme_numbers_on_the_largest_disk():
    size = (1 << 63) - 1 if not REAL else 1 << 62
    with Server('memory', size) as s, up(s.sock, **({} if REAL else {'extended': True, 'meta': [b'base:allocation']})) as c:
        same(c.size, size, 'size')
        same(c.write(size - 1, b'!'), 0, 'the last byte')
        same(c.read(size - 3, 3), b'\0\0!', 'read it')
        for offset in (size, size + 1, (1 << 64) - 1, 1 << 63):
            same(c.read(offset, 1), rawnbd.EINVAL, f'read at {offset:#x}')
        if REAL:
            return
        for cmd in (rawnbd.TRIM, rawnbd.ZERO, rawnbd.CACHE):
            same(c.call(cmd, 0, size), 0, f'command {cmd} over everything')
            for offset, length in ((1, size), (size - 1, 2), (1 << 62, 1 << 63), ((1 << 64) - 1, (1 << 64) - 1), (0, (1 << 64) - 1)):
                got = c.call(cmd, offset, length)
                same(got, rawnbd.ENOSPC if cmd == rawnbd.ZERO else rawnbd.EINVAL, f'command {cmd}, {length:#x} at {offset:#x}')
        same(c.read(size - 1, 1), b'\0', 'the last byte, after zero')
        same(sum(n for n, _ in c.status(0, size)), size, 'block status of everything')
        same(c.status(0, (1 << 64) - 1), rawnbd.EINVAL, 'block status past the end')


@case
def a_file_where_the_socket_should_be():
    with temp_dir() as d:
        open(d + '/sock', 'w').close()
        r = run(NBDKIT, '-f', '-U', d + '/sock', 'memory', SIZE, status=1)
        assert d + '/sock' in r.err, r.err


main()
