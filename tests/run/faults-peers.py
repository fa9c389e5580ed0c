#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 180
"""Clients that stop, vanish, flood, or read nothing: nobody else is disturbed, and nothing is left of them afterwards.
badinput.py has their bad bytes, crowd.py their number; docs/faults.md is the table of all faults."""
import contextlib, os, random, socket, struct
import rawnbd
from disks import make
from faultlib import STAGES, descriptors_are, fds, fds_at_rest, figure, live, stages
from harness import *
from rawnbd import ESHUTDOWN, FUA, GO, IHAVEOPT, LIST, READ, WRITE, Closed, Conn, up

SIZE = 1 << 20


@contextlib.contextmanager
def tcp_server(*args):
    with socket.socket() as x:
        x.bind(('127.0.0.1', 0))
        port = x.getsockname()[1]
    with Server(*args, '-p', port, '-i', '127.0.0.1', unix=False) as s:
        s.sock = ('127.0.0.1', port)
        yield s


def goes_on(s, n=100):
    """Another client comes, gets much done, and leaves."""
    with up(s.sock) as c:
        for i in range(n):
            same(c.write(i * 512, bytes([i]) * 512), 0, 'write of another client')
            same(c.read(i * 512, 512), bytes([i]) * 512, 'read of another client')
        c.disconnect()


# --- coming and going ---

@case
def ten_thousand_come_and_go_at_every_stage_and_nothing_is_left():
    """Over TCP and Unix sockets, with FIN and with RST.  Descriptors are as before; threads and memory as after the first of them."""
    n = 5000 if MODE == 'plain' else 300
    with temp_dir() as d:
        make(d + '/disk', SIZE)
        for server in (Server, tcp_server):
            with server('--filter=log', '--filter=delay', 'file', d + '/disk', 'logfile=/dev/null', 'rdelay=1ms') as s:
                up(s.sock).close()
                for i in range(STAGES * 40): # what is made once
                    live(s.sock, i % STAGES, i % 3 == 0)
                until('those have left', lambda: fds(s) <= 40)
                before, threads, memory = fds_at_rest(s), figure(s, 'Threads'), figure(s, 'VmRSS')
                for i in range(n):
                    live(s.sock, i % STAGES, i % 5 == 0)
                descriptors_are(s, before)
                goes_on(s)
                descriptors_are(s, before)
                same(figure(s, 'Threads') <= threads + 16, True, f'threads: {threads}, then {figure(s, "Threads")}')
                if MODE == 'plain' and not REAL:
                    assert figure(s, 'VmRSS') - memory < 4096, f'{memory} KiB, then {figure(s, "VmRSS")}'


# --- half a connection ---

@case
def half_closed_clients_get_one_answer_to_each_request():
    """shutdown(SHUT_WR) behind the last request: done, or ESHUTDOWN, and what is said to be done is."""
    if REAL:
        raise Skip('nbdkit gives up')
    for server in (Server, tcp_server):
        for engine in ('engine=auto', 'engine=pool'):
            with temp_dir() as d:
                make(d + '/disk', SIZE)
                with server('file', d + '/disk', engine) as s:
                    for style in ({}, {'structured': True}, {'extended': True}):
                        with up(s.sock, **style) as c:
                            cookies = {c.request(WRITE, i * 2048, 2048, bytes([i]) * 2048, FUA if i % 8 == 0 else 0): i for i in range(200)}
                            c.s.shutdown(socket.SHUT_WR)
                            done = []
                            while cookies:
                                if c.structured:
                                    chunk = c.chunk()
                                    error, cookie = chunk.error() or 0, chunk.cookie
                                else:
                                    error, cookie = c.simple()
                                assert error in (0, ESHUTDOWN), f'errno {error}'
                                if not error:
                                    done.append(cookies[cookie])
                                del cookies[cookie]
                            assert c.closed()
                        with open(d + '/disk', 'rb') as f:
                            for i in done:
                                f.seek(i * 2048)
                                same(f.read(2048), bytes([i]) * 2048, 'what was answered')
                    goes_on(s)


@case
def clients_that_cannot_be_answered_any_more_are_let_go():
    """shutdown(SHUT_RD), with replies under way.  What they wrote before is done all the same, or not, as a whole."""
    with Server('memory', SIZE) as s:
        goes_on(s)
        before = fds_at_rest(s)
        conns = []
        for i in range(50):
            c = up(s.sock)
            c.s.shutdown(socket.SHUT_RD)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.request(WRITE, 0, 4096, b'S' * 4096)
                for _ in range(20):
                    c.request(READ, 0, 65536)
            conns.append(c)
        if not REAL:
            descriptors_are(s, before) # though their side is still open
        with up(s.sock) as other:
            assert other.read(0, 4096) in (b'S' * 4096, b''.join(bytes([i]) * 512 for i in range(8))), 'a torn write'
        goes_on(s)
        for c in conns:
            c.close()


@case
def clients_that_stop_in_the_middle_hold_up_nobody_and_half_a_write_is_none():
    """Hundreds of them, at every stage, all still there while others are served."""
    with temp_dir() as d:
        make(d + '/disk', SIZE)
        with Server('file', d + '/disk') as s:
            before = fds_at_rest(s)
            stuck = []
            for i in range(STAGES * 25):
                c = Conn(s.sock)
                life = stages(c)
                for _ in range(i % STAGES + 1):
                    next(life, None)
                stuck.append((c, life))
            goes_on(s)
            with up(s.sock) as c:
                same(c.write(0, b'o' * SIZE), 0, 'write over everything')
                for x, _ in stuck:
                    x.close()
                descriptors_are(s, before + 2) # the client's, and its file
                same(c.read(0, SIZE), b'o' * SIZE, 'nothing of half a write is there')


@case
def in_memory_half_a_large_write_is_the_old_bytes_or_the_new():
    """Its pages are received where they belong; who asked for them to be overwritten and left has that."""
    large = 262144
    with Server('memory', SIZE) as s:
        before = fds_at_rest(s)
        with up(s.sock) as c:
            same(c.write(0, b'o' * SIZE), 0)
        for sent in (1, 4096, 100000, large - 1):
            with up(s.sock) as c:
                c.request(WRITE, large, large, b'n' * sent)
            descriptors_are(s, before) # the server knows that it is gone
            with up(s.sock) as c:
                got = c.read(0, SIZE)
                new = got.count(b'n')
                assert new <= sent and got == b'o' * large + b'n' * new + b'o' * (SIZE - large - new), f'{new} of {sent} bytes are new'
                same(c.call(rawnbd.TRIM, large, large), 0)
                same(c.read(large, large), bytes(large), 'trimmed')
                same(c.write(large, b'o' * large), 0)
                same(c.read(0, SIZE), b'o' * SIZE)
        goes_on(s)


# --- too much ---

def stuff(c, data, most):
    """Send as often as it is taken; how many bytes were."""
    sent = 0
    c.s.setblocking(False)
    try:
        while sent < most:
            sent += c.s.send(data)
    except (BlockingIOError, ConnectionResetError, BrokenPipeError):
        pass
    c.s.settimeout(rawnbd.TIMEOUT)
    return sent


@case
def floods_of_options_hold_up_nobody_and_cost_little():
    """LIST again and again without reading; lengths of 4 GiB, with bytes that come and never end; unknown options."""
    rng = random.Random(3)
    with Server('memory', SIZE) as s:
        goes_on(s)
        before, memory = fds_at_rest(s), figure(s, 'VmRSS')
        floods = []
        for i in range(40):
            c = Conn(s.sock).newstyle()
            if i % 4 == 0:
                stuff(c, struct.pack('>QII', IHAVEOPT, LIST, 0) * 100, 1 << 20)
            elif i % 4 == 1:
                c.option(GO, b'', length=(1 << 32) - 1)
                stuff(c, b'x' * 65536, 4 << 20)
            elif i % 4 == 2:
                c.option(rng.randrange(12, 1 << 32), b'', length=1 << 31)
                stuff(c, bytes(65536), 4 << 20)
            else:
                stuff(c, b''.join(struct.pack('>QII', IHAVEOPT, rng.randrange(100, 200), 8) + b'8 bytes!' for _ in range(100)), 1 << 20)
            floods.append(c)
            if i % 10 == 9:
                goes_on(s)
        if MODE == 'plain':
            assert figure(s, 'VmRSS') - memory < 64 << 10, f'{figure(s, "VmRSS") - memory} KiB for 40 clients'
        for c in floods:
            c.close()
        descriptors_are(s, before)


@case
def floods_of_requests_hold_up_nobody_and_cost_what_they_may():
    """Reads and writes without end, nothing read: 64 MiB of payload each at most, and others are served."""
    with Server('memory', '64M') as s:
        with up(s.sock) as c:
            same(c.write(0, b'd' * (4 << 20)), 0, 'write')
        goes_on(s)
        before, memory = fds_at_rest(s), figure(s, 'VmRSS')
        floods = [up(s.sock, structured=i % 2 > 0) for i in range(6)]
        read = struct.pack('>IHHQQI', rawnbd.REQUEST, 0, READ, 1, 0, 4 << 20)
        small = struct.pack('>IHHQQI', rawnbd.REQUEST, 0, READ, 1, 0, 512)
        write = struct.pack('>IHHQQI', rawnbd.REQUEST, 0, WRITE, 1, 8 << 20, 65536) + bytes(65536)
        for _ in range(5):
            for i, c in enumerate(floods):
                stuff(c, (read * 20, small * 500, write)[i % 3], 8 << 20)
            goes_on(s)
        if MODE == 'plain' and not REAL:
            most = (6 * 80 << 10)
            assert figure(s, 'VmRSS') - memory < most, f'{figure(s, "VmRSS") - memory} KiB'
        for c in floods:
            c.close()
        descriptors_are(s, before)
        goes_on(s)


@case
def a_slow_reader_gets_everything_while_others_go_on():
    """It takes some bytes now and then; between them others have all they want.  In the end every byte is right."""
    with Server('memory', '16M') as s, up(s.sock) as c:
        pattern = b''.join(struct.pack('<I', i) for i in range(1 << 20))
        same(c.write(4 << 20, pattern), 0, 'write')
        for i in range(8):
            c.request(READ, (4 << 20) + (i << 19), 1 << 19)
        got = b''
        for n in (1, 2, 3, 15, 1, 4095, 1, 65536, 7):
            got += c.recv(n)
            goes_on(s)
        got += c.recv(8 * (16 + (1 << 19)) - len(got))
        for i in range(8):
            at = i * (16 + (1 << 19))
            same(struct.unpack('>II', got[at:at + 8]), (rawnbd.SIMPLE, 0), 'reply')
            same(got[at + 16:at + 16 + (1 << 19)], pattern[i << 19:(i + 1) << 19], 'data')


main()
