#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 240
"""Plug-ins that block: which calls overlap under which thread model, and that one client's calls hold up nobody else
further than the model says.  A read at or behind 512 KiB waits until a file exists (tests/plugins/probe.h), so nothing
here depends on time.
"""
import os, resource, signal, tempfile
import nbd
import rawnbd
from harness import MODE, REAL, Skip, case, main, same, until
from probe import OURS, THEIRS, opened, probed, settings, so, visit

HELD = 600 << 10 # bytes
MODELS = ['serialize_connections', 'serialize_all_requests', 'serialize_requests', 'parallel']
AT_ONCE = [1, 1, 2, 8] # of two connections with four requests each; the first model has one connection


class Gate:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix='gate-') + '/open'
        self.export = '?' + settings(hold=self.path)

    def open(self):
        with open(self.path, 'w', encoding='ascii'):
            pass


class Client:
    """One connection with requests in flight."""

    def __init__(self, s, export):
        self.h, self.cookies, self.buffers = opened(s, export), [], []

    def send(self, count=1, offset=HELD):
        for i in range(count):
            b = nbd.Buffer(512)
            self.buffers.append(b)
            self.cookies.append(self.h.aio_pread(b, offset + 512 * i))

    def wait(self):
        for c in self.cookies:
            until('an answer', lambda: self.h.aio_command_completed(c) or self.h.poll(10) and False) # pylint: disable=cell-var-from-loop
        self.cookies = []


def overlaps(lines):
    """The most preads that ran at once."""
    now = most = 0
    for line in lines:
        now += line.startswith('pread count')
        now -= line.startswith('pread ends')
        most = max(most, now)
    return most


def run_model(program, model, lowered):
    gate = Gate()
    # THREAD_MODEL is the most, thread_model() may ask for less
    env = {'PROBE_MODEL': '3' if lowered else str(model)}
    with probed(program, env=env, with_=settings(thread_model=model) if lowered else '') as s:
        clients = [Client(s, gate.export) for _ in range(2 if model else 1)]
        for c in clients:
            c.send(4)
        until('calls are inside', lambda: s.log.count('pread count') == AT_ONCE[model])
        gate.open()
        for c in clients:
            c.wait()
            c.h.shutdown()
        until('all are closed', lambda: s.log.count('close') == len(clients))
    tids = {tid for tid, line in s.log.raw if line.startswith(('load', 'config', 'get_ready', 'open', 'pread', 'close', 'unload'))}
    return overlaps(s.log.lines), len(tids)


@case
def calls_overlap_as_the_thread_model_says():
    for model, name in enumerate(MODELS):
        for lowered in False, True:
            most, threads = run_model(OURS, model, lowered)
            same(most, AT_ONCE[model], name)
            if model < 2:
                same(threads, 1, name + ': an interpreter is used by the thread that made it')
            if not REAL:
                same(run_model(THEIRS, model, lowered)[0], most, name + ' under nbdkit')


@case
def a_looser_model_than_the_macro_is_not_granted():
    gate = Gate()
    with probed(OURS, env={'PROBE_MODEL': '2'}, with_='thread_model=3') as s:
        a = Client(s, gate.export)
        a.send(3)
        until('one is inside', lambda: s.log.count('pread count') == 1)
        gate.open()
        a.wait()
    same(overlaps(s.log.lines), 1, 'overlaps')


@case
def with_serialized_connections_the_next_client_waits_for_the_last_to_go():
    with probed(OURS, env={'PROBE_MODEL': '0'}) as s:
        a, b = Client(s, ''), nbd.NBD()
        b.aio_connect_unix(s.sock) # its greeting waits
        a.send(1, 0)
        a.wait()
        same(s.log.count('preconnect'), 1, 'connections')
        a.h.shutdown()
        while b.aio_is_connecting():
            b.poll(-1)
        same(b.get_size(), 1 << 20, 'the size that the second client sees')
        b.shutdown()
        until('both are closed', lambda: s.log.count('close') == 2)
    calls = [line.split()[0] for line in s.log.lines if line.split()[0] in ('preconnect', 'open', 'close')]
    same(calls, ['preconnect', 'open', 'close'] * 2, 'the order')


@case
def a_request_that_is_endless_calls_ends_with_its_client():
    """A zero of 64 bits, and a plug-in that can only write."""
    with probed(OURS, have='open get_size pread close pwrite', with_=f'size={1 << 60}') as s:
        c = rawnbd.Conn(s.sock).newstyle()
        c.go(extended=True)
        c.request(rawnbd.ZERO, 0, 1 << 60)
        until('it is being written', lambda: s.log.count('pwrite') > 2)
        c.close()
        until('the export is closed', lambda: s.log.count('close') == 1)


# --- isolation ---

def goes_on(s, what):
    """Another client comes, is served, and leaves."""
    c = Client(s, '')
    c.send(3, 0)
    c.wait()
    c.h.shutdown()
    assert what


def quick_at_first(c):
    """So many quick calls that the server believes they all are."""
    for _ in range(300):
        c.h.pread(512, 0)


@case
def more_held_calls_than_a_connection_may_have_hold_up_nobody_else():
    for model in 2, 3:
        gate = Gate()
        with probed(OURS, env={'PROBE_MODEL': str(model)}) as s:
            a = Client(s, gate.export)
            a.send(60)
            until('calls are inside', lambda: s.log.count('pread count') >= (1 if model == 2 else 16))
            goes_on(s, MODELS[model])
            gate.open()
            a.wait()
        same(overlaps(s.log.lines) <= 16 + 3, True, 'a connection has 16 threads, as with nbdkit')


@case
def clients_that_were_quick_and_then_block_hold_up_nobody_else():
    for model in 2, 3:
        gate = Gate()
        with probed(OURS, env={'PROBE_MODEL': str(model)}) as s:
            clients = []
            for i in range(24): # more than there are event loops
                c = Client(s, gate.export)
                quick_at_first(c)
                c.send()
                clients.append(c)
                if i in (0, 1, 7, 23):
                    until('they are inside', lambda: s.log.count(f'pread count=512 offset={HELD}') == i + 1)
                    goes_on(s, 'another client')
            gate.open()
            for c in clients:
                c.wait()


@case
def a_hundred_clients_that_all_block_leave_room_for_the_next():
    if MODE != 'plain':
        raise Skip('a thousand threads are too many for a sanitizer')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    gate = Gate()
    with probed(OURS) as s:
        clients = [Client(s, gate.export) for _ in range(100)]
        for c in clients:
            c.send(32)
        until('everyone has something inside', lambda: s.log.count('pread count') >= 1000)
        goes_on(s, 'another client')
        gate.open()
        for c in clients:
            c.wait()
    same(overlaps(s.log.lines) <= 16 * 101, True, 'calls at once: 16 for each connection')
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@case
def a_blocking_open_or_preconnect_holds_up_only_its_client():
    # open sleeps until its client is gone
    with probed(OURS) as s:
        late = nbd.NBD()
        late.set_export_name('?do.open=nanosleep:3600')
        late.aio_connect_unix(s.sock)
        until('it sleeps', lambda: late.poll(0) is None or s.log.count('  nanosleep(3600) begins'))
        goes_on(s, 'another client')
        del late
        until('the sleep is over', lambda: s.log.count('  nanosleep(3600) = -1'))
        goes_on(s, 'another client')


# --- ends ---

@case
def a_sleep_ends_when_its_client_goes():
    for quick in False, True:
        for model in 0, 1, 2, 3:
            if quick and model < 2:
                continue
            with probed(OURS, env={'PROBE_MODEL': str(model)}) as s:
                c = Client(s, '?do.pwrite=nanosleep:3600')
                if quick:
                    quick_at_first(c)
                c.cookies.append(c.h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b'x' * 512)), 0))
                until('it sleeps', lambda: s.log.count('  nanosleep(3600) begins'))
                c.h = None
                until('the sleep is over', lambda: s.log.count('  nanosleep(3600) = -1'))
                until('it is closed', lambda: s.log.count('close'))
                visit(s)


@case
def a_sleep_ends_when_the_server_ends():
    for model, quick in (0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (3, 1):
        with probed(OURS, env={'PROBE_MODEL': str(model)}) as s:
            c = Client(s, '?do.pwrite=nanosleep:3600')
            if quick:
                quick_at_first(c)
            c.cookies.append(c.h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b'x' * 512)), 0))
            until('it sleeps', lambda: s.log.count('  nanosleep(3600) begins'))
            s.stop()
        same(s.log.lines[-4:], ['  nanosleep(3600) = -1', 'close', 'cleanup', 'unload'], MODELS[model])


@case
def a_client_that_dies_in_a_request_is_closed_after_it():
    for model in 0, 1, 2, 3:
        gate = Gate()
        with probed(OURS, env={'PROBE_MODEL': str(model)}) as s:
            c = Client(s, gate.export)
            c.send(3)
            until('one is inside', lambda: s.log.count('pread count'))
            c.h = None
            if model > 1:
                goes_on(s, 'another client')
            gate.open()
            until('it is closed', lambda: s.log.count('close') == s.log.count('open'))
            goes_on(s, 'another client')
        lines = s.log.lines
        last = max(i for i, line in enumerate(lines) if f'offset={HELD}' in line)
        same('close' in lines[last:], True, MODELS[model] + ': closed behind its last call')


@case
def the_server_waits_for_calls_that_run():
    for model in 0, 1, 2, 3:
        gate = Gate()
        with probed(OURS, env={'PROBE_MODEL': str(model)}) as s:
            c = Client(s, gate.export)
            c.send(2)
            until('one is inside', lambda: s.log.count('pread count'))
            os.kill(s.pid, signal.SIGTERM)
            until('it does not listen any more', lambda: not can_connect(s.sock))
            same(s.process.poll(), None, 'it waits')
            gate.open()
            s.stop()
        same(s.log.lines[-3:], ['close', 'cleanup', 'unload'], MODELS[model])


def can_connect(path):
    import socket
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@case
def a_plugin_may_shut_the_server_down_from_anywhere():
    places = 'preconnect default_export list_exports open get_size can_write pread pwrite flush close'.split()
    for place in places:
        with probed(OURS) as s:
            try:
                h = nbd.NBD()
                h.set_export_name(f'?do.{place}=shutdown' if place not in ('preconnect', 'default_export', 'list_exports') else '')
                h.set_opt_mode(True)
                h.connect_unix(s.sock)
                if place == 'list_exports':
                    h.opt_list(lambda name, text: 0)
                h.opt_go()
                h.pread(512, 0)
                h.pwrite(b'x' * 512, 0)
                h.flush()
                h.shutdown()
            except nbd.Error:
                pass
            if place in ('preconnect', 'default_export', 'list_exports'):
                continue
            s.process.wait(60)
            s.stop()
        same(s.log.lines[-2:], ['cleanup', 'unload'], place)
    for place in 'preconnect', 'default_export', 'list_exports', 'after_fork':
        with probed(OURS, with_=f'do.{place}=shutdown') as s:
            try:
                h = nbd.NBD()
                h.set_opt_mode(True)
                h.connect_unix(s.sock)
                h.opt_list(lambda name, text: 0)
                h.opt_go()
                h.shutdown()
            except nbd.Error:
                pass
            if place != 'after_fork': # nobody serves yet
                s.process.wait(60)
            s.stop()
        same(s.log.lines[-2:], ['cleanup', 'unload'], place)


@case
def a_plugin_may_send_its_client_away():
    for force in 0, 1:
        with probed(OURS) as s:
            c = Client(s, f'?do.pread=disconnect:{force}')
            other = Client(s, '')
            answer = 'none'
            try:
                c.h.pread(512, 0)
                answer = 'came'
            except nbd.Error:
                pass
            same(answer, 'none' if force else 'came', f'the answer to a disconnect with force {force}')
            until('it is closed', lambda: s.log.count('close') == 1)
            other.send(1, 0)
            other.wait()


@case
def a_plugin_that_crashes_takes_the_log_with_it_to_the_disk():
    path = tempfile.mkdtemp(prefix='log-') + '/log'
    with probed(OURS, '--filter=log', args=['logfile=' + path]) as s:
        c = Client(s, '?do.pwrite=crash')
        c.send(3, 0)
        c.wait()
        try:
            c.h.pwrite(b'x' * 512, 0)
        except nbd.Error:
            pass
        s.process.wait(60)
        s.ends = -signal.SIGABRT
    with open(path, encoding='ascii') as f:
        text = f.read()
    same((text.count(' Read '), text.count('...Read '), text.count(' Write '), text.count('...Write ')), (3, 3, 1, 0), text)


main()
