#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The delay filter from outside: thousands wait at once, each kind for its own time, the threads stay few.
(How exact the waiting is, is tested with a clock turned by hand.)"""
import os, re, select, time
import rawnbd
from harness import *
from rawnbd import up

SIZE = 64 << 20


def threads(s):
    return len(os.listdir(f'/proc/{s.pid}/task'))


@case
def thousands_of_requests_wait_at_once_and_all_complete():
    if REAL:
        raise Skip('nbdkit has 16 at once')
    n = 10000
    with Server('--filter=delay', 'memory', SIZE, 'rdelay=500ms', 'wdelay=500ms') as s, up(s.sock) as c:
        for i in range(n // 2):
            c.request(rawnbd.WRITE, i * 4096, 16, b'%016d' % i)
            c.request(rawnbd.READ, (n + i) % 16384 * 4096, 16)
            if i == 1000:
                assert threads(s) < 40, f'{threads(s)} threads for requests that wait'
        seen = set()
        writes = {c.cookie - n + 1 + 2 * i for i in range(n // 2)}
        for _ in range(n):
            error, cookie = c.simple()
            same(error, 0, 'errno')
            assert cookie not in seen, 'answered twice'
            seen.add(cookie)
            if cookie not in writes:
                c.recv(16)
        same(len(seen), n, 'answers')
        for i in range(0, n // 2, 997): # each write went where it should
            same(c.read(i * 4096, 16), b'%016d' % i, f'block {i}')


@case
def a_delayed_request_comes_no_earlier():
    """At least the time; no upper bound is promised on a busy machine."""
    with Server('--filter=delay', 'memory', SIZE, 'delay-read=300ms', 'delay-write=300ms', 'delay-zero=300ms', 'delay-trim=300ms',
                'delay-cache=300ms', 'delay-extents=300ms') as s, \
            up(s.sock, structured=True, meta=[b'base:allocation']) as c:
        for what, f in (('read', lambda: c.read(0, 512)), ('write', lambda: c.write(0, b'x')), ('zero', lambda: c.call(rawnbd.ZERO, 0, 512)),
                        ('trim', lambda: c.call(rawnbd.TRIM, 0, 512)), ('cache', lambda: c.call(rawnbd.CACHE, 0, 512)),
                        ('extents', lambda: c.status(0, 512))):
            start = time.monotonic()
            f()
            assert time.monotonic() - start >= 0.3, f'{what} came after {time.monotonic() - start:.3f} s'


@case
def only_what_was_asked_for_is_delayed():
    """Each parameter delays its own kind: with an hour for the others, these come."""
    kinds = {'read': lambda c: c.read(0, 512), 'write': lambda c: c.write(0, b'x'), 'zero': lambda c: c.call(rawnbd.ZERO, 0, 512),
             'trim': lambda c: c.call(rawnbd.TRIM, 0, 512), 'cache': lambda c: c.call(rawnbd.CACHE, 0, 512),
             'extents': lambda c: c.status(0, 512)}
    slow = {'rdelay=1h': {'read'}, 'delay-read=3600': {'read'}, 'wdelay=1h': {'write', 'zero', 'trim'}, 'delay-write=1h': {'write'},
            'delay-zero=1h': {'zero'}, 'delay-trim=1h': {'trim'}, 'delay-cache=1h': {'cache'}, 'delay-extents=1h': {'extents'},
            'delay-close=1ms': set(), 'delay-open=1ms': set()}
    if REAL:
        slow = {k.replace('1h', '3600'): v for k, v in slow.items()}
    for parameter, held in slow.items():
        with Server('--filter=delay', 'memory', SIZE, parameter) as s, up(s.sock, meta=[b'base:allocation']) as c:
            for kind, f in kinds.items():
                if kind not in held:
                    f(c)
            same(c.call(rawnbd.FLUSH), 0, 'flush is never delayed')
            for kind in held: # and those do wait: a flush sent after them is answered first
                number = {'read': rawnbd.READ, 'write': rawnbd.WRITE, 'zero': rawnbd.ZERO, 'trim': rawnbd.TRIM, 'cache': rawnbd.CACHE,
                          'extents': rawnbd.STATUS}[kind]
                c.request(number, 0, 512, bytes(512) if kind == 'write' else b'')
            if not REAL:
                cookie = c.request(rawnbd.FLUSH)
                same(c.chunk().cookie, cookie, f'{parameter}: what is answered first')


@case
def requests_with_different_delays_overtake():
    with Server('--filter=delay', 'memory', SIZE, 'rdelay=2', 'wdelay=1ms') as s, up(s.sock) as c:
        read = c.request(rawnbd.READ, 0, 512)
        write = c.request(rawnbd.WRITE, 4096, 512, b'x' * 512)
        same(c.simple(), (0, write), 'first')
        same(c.simple(), (0, read), 'second')
        c.recv(512)


@case
def two_delays_add_up():
    with Server('--filter=delay', '--filter=delay', 'memory', SIZE, 'rdelay=200ms') as s, up(s.sock) as c:
        start = time.monotonic()
        c.read(0, 512)
        # nbdkit gives the parameter to the first of the two, which takes it.
        assert time.monotonic() - start >= 0.2, 'at least one delay'


@case
def open_waits():
    with Server('--filter=delay', 'memory', SIZE, 'delay-open=300ms') as s:
        start = time.monotonic()
        with up(s.sock) as c:
            assert time.monotonic() - start >= 0.3, 'open was not delayed'
            c.lives()


@case
def fast_zero_fails_at_once_when_told_to():
    with Server('--filter=delay', 'memory', SIZE, 'delay-zero=1' if REAL else 'delay-zero=1h', 'delay-fast-zero=false') as s, up(s.sock) as c:
        same(c.call(rawnbd.ZERO, 0, 512, flags=rawnbd.FAST), rawnbd.ENOTSUP, 'fast zero')


main()
