#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# alone: thousands of descriptors
# timeout: 180
"""Thousands of connections at once, and no descriptor left for one more."""
import resource
import rawnbd
from harness import *
from rawnbd import Conn, up

SIZE = 1 << 20


def limit(n):
    """Descriptors of this process; as many as there may be, at most n."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    n = n if hard == resource.RLIM_INFINITY else min(n, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))
    return n


@case
def thousands_of_connections_at_once_are_all_served():
    n = min(limit(12000) - 200, 5000 if MODE == 'plain' and not REAL else 500)
    if n < 400:
        raise Skip(f'only {n} descriptors allowed here')
    with Server('--filter=log', 'memory', SIZE, 'logfile=/dev/null') as s:
        conns = []
        for i in range(n):
            conns.append(up(s.sock))
        for i, c in enumerate(conns): # all ask before any reads
            c.request(rawnbd.WRITE, i % 2048 * 512, 512, bytes([i % 251]) * 512)
        for c in conns:
            same(c.simple()[0], 0, 'write')
        for c in conns:
            c.request(rawnbd.READ, 0, 512)
        for i, c in enumerate(conns):
            same(c.simple()[0], 0, f'read on connection {i}')
            c.recv(512)
        for c in conns[::2]:
            c.disconnect()
        for c in conns:
            c.close()
        up(s.sock).lives()


@case
def out_of_descriptors_it_waits_and_comes_back():
    """With 64 descriptors: the rest waits in the queue, nothing spins, nothing dies."""
    if REAL:
        raise Skip('nbdkit exits')
    limit(2000)

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with Server('memory', SIZE, popen={'preexec_fn': few}) as s:
        with up(s.sock) as first:
            crowd = [Conn(s.sock) for _ in range(100)]
            for _ in range(10):
                first.lives()
            for c in crowd:
                c.close()
            first.lives()
        with up(s.sock) as c:
            c.lives()


@case
def connections_come_and_go():
    with Server('memory', SIZE) as s:
        for i in range(2000 if MODE == 'plain' else 300):
            with up(s.sock) as c:
                if i % 3:
                    c.lives()
                if i % 2:
                    c.disconnect()


main()
