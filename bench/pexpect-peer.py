#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What bench/expect.py measures of pexpect; words and output are those of bench-expect (expect.c).

    pexpect-peer.py [--tuned] MODE ARG...

--tuned: larger reads, no sleep after each, and for a literal a search window, which would give a wrong answer to the others.
Else pexpect is as it comes, but for the terminal, which is raw, and for its sleeps of 50 ms before it sends and of 100 ms
when it closes.
"""
import re, sys, time, tty
import pexpect

tuned = '--tuned' in sys.argv
mode, *args = [a for a in sys.argv[1:] if a != '--tuned']


def start(program, *words, raw=True, **more):
    child = pexpect.spawn(program, list(words), timeout=None, preexec_fn=(lambda: tty.setraw(0)) if raw else None, **more)
    child.delaybeforesend = None
    child.ptyproc.delayafterclose = 0
    if tuned:
        child.delayafterread = None
    return child


def start_clock():
    return time.monotonic(), time.process_time()


def passed(since, unit, per_second, things):
    seconds, cpu = time.monotonic() - since[0], time.process_time() - since[1]
    return f'{unit}={seconds * per_second / things:.6f} cpu_{unit}={cpu * per_second / things:.6f}'


def output(file, before, length):
    more = {'maxread': 65536} if tuned else {}
    if mode == 'literal':
        child = start('cat', file, **more, **({'searchwindowsize': 2000} if tuned else {}))
        begin = start_clock()
        child.expect_exact(b'END_MARKER')
    else:
        pattern = re.compile(b'.*END_MARKER') if mode == 'flat' else re.compile(b'7.*END_MARKER', re.DOTALL)
        child = start('cat', file, **more)
        begin = start_clock()
        child.expect(pattern)
    figures = passed(begin, 'ms', 1e3, 1)
    return f'{figures} right={int(len(child.before) == int(before) and len(child.after) == int(length))}'


def spawn(times, mib):
    heap = b'x' * (int(mib) << 20)
    right = True
    begin = start_clock()
    for _ in range(int(times)):
        child = start('true', raw=False)
        child.expect(pexpect.EOF)
        child.close()
        right = child.exitstatus == 0 and right
    figures = passed(begin, 'ms', 1e3, int(times))
    return f'{figures} right={int(right and heap[-1:] in (b"x", b""))}'


def sessions(n, exchanges):
    children = [start('cat') for _ in range(int(n))]
    pattern = re.compile(rb'line ([0-9]+)\n')
    right = True
    begin = start_clock()
    for k in range(1, int(exchanges) + 1): # it cannot wait for any of them
        for i, child in enumerate(children):
            child.send(b'session %d, line %d\n' % (i, k))
        for child in children:
            child.expect(pattern)
            right = int(child.match.group(1)) == k and right
    return f'{passed(begin, "us", 1e6, int(n) * int(exchanges))} right={int(right)}'


try:
    print({'spawn': spawn, 'sessions': sessions}.get(mode, output)(*args))
except pexpect.EOF:
    print('right=0')
