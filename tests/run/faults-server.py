#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 180
"""The server gets no descriptors, no memory, no answer from its plug-in, or another time of day.  docs/faults.md is the
table of all faults."""
import os, re, resource, signal, struct, tempfile, time
import nbd, rawnbd
from disks import make
from faultlib import BLOCK, Load, descriptors_are, fds, figure, preload
from harness import *
from probe import opened, probed, settings
from rawnbd import ENOMEM, ENOSPC, ESHUTDOWN, FLUSH, READ, TRIM, WRITE, ZERO, Closed, Conn, up

SIZE = 2 << 20


# --- descriptors ---

@case
def clients_that_find_no_descriptor_wait_or_are_refused_and_come_in_when_others_leave():
    """A file takes one descriptor more for each client.  Those that are in go on, whoever comes."""
    if REAL:
        raise Skip('nbdkit exits')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with temp_dir() as d:
        make(d + '/disk', SIZE)
        with Server('-t', '2', '--filter=log', 'file', d + '/disk', f'logfile={d}/log',
                    popen={'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))}) as s:
            first = up(s.sock)
            same(first.write(0, b'first' * 100), 0, 'write')
            before = fds(s) # with those of the first client; the pid file came before the server had all of its own
            crowd, served, refused = [], [], 0
            while len(crowd) < 100:
                c = Conn(s.sock)
                crowd.append(c)
                c.s.settimeout(0.3) # who is not let in is not greeted
                try:
                    served.append(c.newstyle().go())
                except (AssertionError, Closed): # GO: there is no descriptor for the file
                    refused += 1
                except TimeoutError:
                    break
            assert served and len(served) < 60, f'{len(served)} of 100 are served'
            for c in [first] + served: # and all of them still are
                c.s.settimeout(rawnbd.TIMEOUT)
                same(c.read(0, 500), b'first' * 100, 'read')
                same(c.write(0, b'first' * 100, rawnbd.FUA), 0, 'write')
            until('the server tells', lambda: 'Too many open files' in s.messages() or refused)
            for c in crowd:
                c.close()
            first.lives()
            until('who comes now is served', lambda: comes_in(s))
            first.close()
            descriptors_are(s, before) # less the first client's two, and perhaps one loop's io_uring more
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def comes_in(s):
    try:
        with Conn(s.sock) as c:
            c.s.settimeout(1)
            return c.newstyle().go().lives()
    except (AssertionError, Closed, TimeoutError):
        return False


# --- memory ---

@case
def an_allocation_or_descriptor_that_fails_anywhere_is_survived():
    """Some of the points of `make torture`, which does all of them."""
    if MODE != 'plain' or REAL:
        raise Skip('a sanitizer must be the first library')
    r = run(SRC + '/tests/torture/run', 37, status=None, timeout=120)
    same(r.status, 0, r.out[-3000:])
    assert sum(int(n) for n in re.findall(r': (\d+) \w+ were not', r.out)) > 100, r.out


@case
def a_server_without_memory_refuses_and_keeps_what_it_has():
    """RLIMIT_AS just above what it uses: writes and large requests fail, each by itself, and nothing that was acknowledged
    is lost; when there is memory again all works."""
    if REAL or MODE != 'plain':
        raise Skip('the size of a sanitized program says nothing')
    with Server('memory', '4G') as s, up(s.sock) as c, up(s.sock) as other:
        same(c.write(0, b'#' * 4096), 0, 'write')
        other.lives()
        limit = (figure(s, 'VmSize') << 10) + (64 << 20)
        resource.prlimit(s.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        errors = {off: c.write(off, struct.pack('<Q', off) * 512) for off in range(16 << 20, 1 << 30, 16 << 20)}
        same(set(errors.values()) <= {0, ENOMEM, ENOSPC} and len(set(errors.values())) > 1, True, f'errors {set(errors.values())}')
        large = [up(s.sock) for _ in range(4)]
        for x in large: # these want 64 MiB each
            try:
                got = x.read(0, 64 << 20)
                assert got == ENOMEM or isinstance(got, bytes), f'errno {got}'
            except Closed:
                pass
            x.close()
        written = {off: struct.pack('<Q', off) * 512 for off, error in errors.items() if not error} | {0: b'#' * 4096}
        for x in (c, other):
            for off, data in written.items():
                got = x.read(off, 4096)
                assert got in (data, ENOMEM), f'at {off}: {short(got)}'
        resource.prlimit(s.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for x in (c, other):
            for off, data in written.items():
                same(x.read(off, 4096), data, f'what was acknowledged at {off}')
        for off in errors:
            same(other.write(off, b'again!!!' * 512), 0, 'a write when there is memory')
        up(s.sock).lives()


# --- a plug-in that is stuck ---

@case
def a_stuck_plugin_keeps_the_server_until_a_second_signal():
    """Calls that run are waited for: they may be writing.  Whoever cannot wait says so by a second signal."""
    if REAL:
        raise Skip('nbdkit waits for ever')
    if MODE == 'tsan':
        raise Skip('threads that are left behind are what it reports')
    for model in range(4):
        gate = tempfile.mkdtemp(prefix='gate-') + '/open'
        with probed(NBDKIT, '--filter=log', env={'PROBE_MODEL': str(model)}, args=[f'logfile={gate}.log']) as s:
            h = opened(s, '?' + settings(hold=gate))
            h.aio_pread(nbd.Buffer(512), 600 << 10)
            until('it is inside', lambda: s.log.count('pread count'))
            if model >= 2:
                opened(s).pread(512, 0) # others are served
            s.process.send_signal(signal.SIGTERM)
            until('it does not listen any more', lambda: not comes_in_at_all(s))
            s.process.send_signal(signal.SIGTERM) # at once: the same wish told twice
            same(s.process.poll(), None, 'it waits')
            until('a later one ends it', lambda: s.process.poll() is not None or s.process.send_signal(signal.SIGTERM) or time.sleep(0.1))
            s.ends = 128 + signal.SIGTERM


def comes_in_at_all(s):
    try:
        Conn(s.sock).close()
        return True
    except ConnectionError:
        return False


@case
def sigterm_answers_what_is_parked_and_what_it_answers_is_true():
    """Of thousands in flight each gets one answer: done, or ESHUTDOWN; and the log says the same."""
    if REAL:
        raise Skip('nbdkit waits')
    with temp_dir() as d:
        with Server('--filter=log', '--filter=delay', 'memory', SIZE, f'logfile={d}/log', 'wdelay=20ms', 'rdelay=600') as s:
            conns = [up(s.sock, structured=i % 2 > 0) for i in range(4)]
            for i in range(4000):
                conns[i % 4].request(READ if i % 8 >= 4 else WRITE, i // 8 * 512, 512, b'' if i % 8 >= 4 else b'd' * 512)
            until('all are read, and some writes are done', lambda: len(re.findall(r' (?:Read|Write) id=', read_file(d + '/log'))) == 4000
                  and read_file(d + '/log').count('...Write id=') > 500)
            s.process.send_signal(signal.SIGTERM)
            counts = {}
            for c in conns:
                for _ in range(1000):
                    error = (c.chunk().error() or 0) if c.structured else c.simple()[0]
                    counts[error] = counts.get(error, 0) + 1
                assert c.closed()
            s.stop()
        same(sum(counts.values()), 4000, 'answers')
        same(set(counts), {0, ESHUTDOWN}, 'errors')
        log = read_file(d + '/log')
        same(log.count('error=ESHUTDOWN'), counts[ESHUTDOWN], 'ESHUTDOWN in the log')
        same(len(re.findall(r'\.\.\.(?:Read|Write) id=\d+ return=0', log)), counts[0], 'done in the log')


# --- the clock ---

def set_clock(path, seconds):
    with open(path + '.new', 'w', encoding='ascii') as f:
        f.write(f'{seconds:<20}')
    with open(path + '.new', 'rb') as f, open(path, 'r+b') as to:
        to.write(f.read()) # in place: it is open already


@case
def a_clock_that_is_set_changes_no_delay():
    with temp_dir() as d:
        make(d + '/shift', 20, b'0')
        with Server('--filter=delay', 'memory', SIZE, 'rdelay=300ms', env={'LD_PRELOAD': preload(d, 'shift_clock'), 'SHIFT_CLOCK': d + '/shift'}) as s:
            with up(s.sock) as c:
                for seconds in (3600, -3600, 10 ** 9, 0):
                    start = time.monotonic()
                    c.request(READ, 0, 512)
                    set_clock(d + '/shift', seconds)
                    same(c.simple()[0], 0, 'read') # set back, it must not wait for an hour
                    c.recv(512)
                    assert time.monotonic() - start >= 0.3, f'set to {seconds}, the delay was shorter'


@case
def a_clock_that_is_set_to_and_fro_leaves_a_log_in_order():
    """Every line is there, and each request ends behind its beginning; in a file, whose requests change threads."""
    if REAL:
        raise Skip("nbdkit's lines overtake each other")
    for plugin in ('memory', 'file'):
        with temp_dir() as d:
            make(d + '/shift', 20, b'0')
            make(d + '/disk', SIZE)
            env = {'LD_PRELOAD': preload(d, 'shift_clock'), 'SHIFT_CLOCK': d + '/shift'}
            with Server('--filter=log', plugin, SIZE if plugin == 'memory' else d + '/disk', f'logfile={d}/log', env=env) as s:
                load = Load(s.sock, SIZE // BLOCK, flush=0)
                for i in range(40):
                    load.wait(load.rounds + 4)
                    set_clock(d + '/shift', (-1) ** i * i * 100)
                load.join()
                until('all is written without waiting for the old time to come again',
                      lambda: read_file(d + '/log').count('...Write id=') == load.replies)
            begun, ended = set(), 0
            for line in read_file(d + '/log').splitlines():
                if m := re.search(r'(connection=\d+) Write (id=\d+) ', line):
                    begun.add(m[1] + m[2])
                elif m := re.search(r'(connection=\d+) \.\.\.Write (id=\d+) ', line):
                    assert m[1] + m[2] in begun, f'{plugin}: it ended before it began: {line}'
                    ended += 1
            same((len(begun), ended), (load.replies, load.replies), f'{plugin}: writes in the log')


main()
