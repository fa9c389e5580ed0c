#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 120
"""Who may come in, how many at a time, for how long, and how much they may hold."""
import fcntl, os, re, resource, socket, struct, termios, threading, time
import rawnbd
from harness import *
from rawnbd import Conn, Closed, up

SIZE = 1 << 20
MiB = 1 << 20


class Tcp(Server):
    """On every address of this machine, at a free port."""
    def __init__(self, *args, **kw):
        super().__init__('-p', '0', '--print-uri', *args, unix=False, **kw)
        self.port = int(re.search(r'nbd://[^/]*:(\d+)', self.messages())[1])

    def at(self, host):
        return f'nbd://{host}:{self.port}'


def enters(uri, **kw):
    """Whether a real client gets in."""
    p = subprocess.run(['nbdinfo', '--size', uri], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=60 * SLOWER, **kw)
    return p.returncode == 0


def another_user_enters(s):
    """The folders above the socket are closed to others, so it is reached from within."""
    os.chmod(s.dir, 0o755)
    os.chmod(s.sock, 0o777)
    return enters('nbd+unix:///?socket=sock', cwd=s.dir, user=65534)


def refused_at_the_door(where):
    try:
        with Conn(where) as c:
            c.recv(1)
    except Closed:
        return True
    return False


# --- the ip filter ---

def needs_ours():
    if REAL:
        raise Skip('an option of ours')


@case
def addresses_of_tcp_clients():
    if REAL:
        raise Skip('Debian 12 has one that knows no addresses')
    for rules, v4, v6 in ((['allow=127.0.0.1', 'deny=all'], True, False), (['allow=::1', 'deny=any'], False, True),
                          (['deny=127.0.0.0/8'], False, True), (['allow=0.0.0.0/0,::/0', 'deny=all'], True, True),
                          (['deny=anyipv6,127.0.0.10'], True, False)):
        with Tcp('--filter=ip', 'memory', SIZE, *rules) as s:
            same((enters(s.at('127.0.0.1')), enters(s.at('[::1]'))), (v4, v6), rules)
            for host, inside in (('127.0.0.1', v4), ('::1', v6)):
                same(f'from {host} is not permitted' in s.messages(), not inside, f'a line about {host}')


@case
def users_of_a_unix_socket():
    me, group = os.getuid(), os.getgid()
    with Server('--filter=ip', 'memory', SIZE, f'allow=uid:{me}', 'deny=all') as s:
        assert enters(s.uri)
        if me == 0:
            assert not another_user_enters(s)
            assert 'uid 65534' in s.messages()
    with Server('--filter=ip', 'memory', SIZE, f'deny=uid:{me}') as s:
        assert not enters(s.uri)
        if me == 0:
            assert another_user_enters(s)
    with Server('--filter=ip', 'memory', SIZE, f'allow=pid:{os.getpid()}', f'deny=gid:{group}') as s:
        with up(s.sock) as c:
            assert not enters(s.uri)
            c.lives()


@case
def verdicts_are_those_of_nbdkits_filter():
    """The rules that Debian's understands, on both kinds of socket."""
    if REAL or MODE != 'plain':
        raise Skip('compares with nbdkit, once')
    me = os.getuid()
    rules = [['deny=all'], ['deny=anyunix'], ['deny=allvsock'], ['deny=anyipv4'], ['deny=AllIPv6'], ['allow=any', 'deny=any'],
             ['allow=anyipv4', 'deny=any'], ['deny=any', 'allow=anyunix'], ['deny=pid:1'], [f'deny=uid:{me}'], [f'deny=gid:{me + 1}'],
             [f'allow=uid:{me}', 'deny=any'], [f'allow=uid:{me + 1}', f'allow=gid:{me}', 'deny=any'], ['allow=', 'deny=any'],
             ['deny=all', 'deny=pid:1'], ['allow=pid:1', 'allow=any,', 'deny=all'], ['allow=vsock-cid:2', 'deny=all']]
    for r in rules:
        got = []
        for program in (None, NBDKIT_REF):
            with Server('--filter=ip', 'null', *r, program=program) as s:
                got.append(not refused_at_the_door(s.sock))
        same(got[0], got[1], f'Unix, {r}')


@case
def the_limit_filter_counts_who_has_the_disk_open():
    with Server('--filter=limit', 'memory', SIZE, 'limit=1') as s:
        early = Conn(s.sock).newstyle()
        with up(s.sock) as first:
            assert early.ask(rawnbd.GO, rawnbd.go_query())[-1][0] & rawnbd.ERR
            assert refused_at_the_door(s.sock)
            first.lives()
            first.disconnect()
        until('another one gets in', lambda: not refused_at_the_door(s.sock))
        until('it has the disk', lambda: early.ask(rawnbd.GO, rawnbd.go_query())[-1][0] == rawnbd.ACK)
        assert refused_at_the_door(s.sock)
        early.close()


# --- how many ---

@case
def no_more_connections_than_allowed():
    needs_ours()
    with Server('--max-connections=3', 'memory', SIZE) as s:
        crowd = [up(s.sock), up(s.sock), Conn(s.sock).newstyle()] # who only talks counts, too
        for _ in range(5):
            assert refused_at_the_door(s.sock)
        assert 'connection refused: there are 3 (--max-connections)' in s.messages()
        for c in crowd[:2]:
            c.lives()
        crowd.pop(0).disconnect()
        until('there is room for one', lambda: not refused_at_the_door(s.sock))
        for c in crowd:
            c.close()


@case
def no_more_connections_of_one_peer_than_allowed():
    needs_ours()
    with Tcp('--max-connections-per-peer=2', 'memory', SIZE) as s:
        here = ('127.0.0.1', s.port)
        crowd = [up(here), up(here)]
        assert refused_at_the_door(here)
        assert enters(s.at('[::1]'))
        other = socket.create_connection(here, source_address=('127.0.0.2', 0), timeout=rawnbd.TIMEOUT)
        same(len(other.recv(18, socket.MSG_WAITALL)), 18, 'greeting of another address')
        other.close()
        for c in crowd:
            c.lives()
            c.close()
        assert '127.0.0.1 has 2 (--max-connections-per-peer)' in s.messages()
        until('there is room for two', lambda: enters(s.at('127.0.0.1')))
    with Server('--max-connections-per-peer=1', 'memory', SIZE) as s:
        with up(s.sock) as c:
            assert refused_at_the_door(s.sock)
            c.lives()
        assert f'user {os.getuid()} has 1' in s.messages()


# --- how long ---

@case
def who_takes_too_long_for_the_handshake_is_cut_off():
    needs_ours()
    with Server(f'--timeout={2 * SLOWER}', 'memory', SIZE) as s:
        others = [up(s.sock), up(s.sock)] # one works on, one is idle
        mean = [Conn(s.sock) for _ in range(4)] # the first says nothing
        mean[1].newstyle()
        mean[2].newstyle().option(rawnbd.SET_META, b'half', length=60000)
        mean[3].newstyle()
        cut = threading.Event()

        def trickle():
            """Always the next byte of an option, in time; until the server has closed."""
            head, i = struct.pack('>QII', rawnbd.IHAVEOPT, rawnbd.SET_META, 60000), 0
            try:
                while not cut.is_set():
                    mean[3].send(head[i:i + 1] or b'x')
                    i += 1
                    time.sleep(0.02)
            except OSError:
                cut.set()
        t = threading.Thread(target=trickle)
        t.start()
        try:
            for c in mean[:3]:
                c.closed()
                others[0].lives()
            until('the one that trickles is cut off, too', cut.is_set)
        finally:
            cut.set()
            t.join()
        for c in others:
            c.lives()
            c.close()
        for c in mean:
            c.close()


@case
def who_is_idle_for_too_long_is_cut_off_when_asked_for():
    needs_ours()
    with Server(f'--idle-timeout={2 * SLOWER}', 'memory', SIZE) as s:
        with up(s.sock) as idle, up(s.sock) as busy:
            idle.s.setblocking(False)

            def gone():
                busy.lives()
                try:
                    return idle.s.recv(1) == b''
                except BlockingIOError:
                    return False
            until('the idle one is cut off', gone)
            busy.lives()


# --- how much ---

def rss(pid):
    with open(f'/proc/{pid}/statm') as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def taken(c):
    """The server has read all that was sent."""
    return struct.unpack('i', fcntl.ioctl(c.s, termios.TIOCOUTQ, b'\0' * 4))[0] == 0


def half_option(n, length=60000):
    return lambda c: c.newstyle().send((struct.pack('>QII', rawnbd.IHAVEOPT, rawnbd.SET_META, length) + bytes(4000))[:n])


def many_lists(c):
    c.newstyle()
    c.send(struct.pack('>QII', rawnbd.IHAVEOPT, rawnbd.LIST, 0) * 1000)


def names_unread(c):
    c.newstyle()
    c.s.setblocking(False)
    query = rawnbd.go_query(b'n' * 4000, rawnbd.INFO_NAME)
    try: # until nothing more fits anywhere
        for _ in range(900):
            c.option(rawnbd.INFO, query)
    except BlockingIOError:
        pass


# where clients stop, how many there are, whether all they said is read
STOPS = [
    ('after the greeting', lambda c: c.recv(18), 1000, True),
    ('in the client flags', lambda c: c.send(b'\0\0'), 1000, True),
    ('in the head of an option', half_option(15), 1000, True),
    ('60,000 bytes announced', half_option(16), 1000, True),
    ('and 1,000 sent', half_option(1016), 1000, True),
    ('and 4,000 sent', half_option(4016), 1000, True),
    ('1,000 answers unread', many_lists, 1000, True),
    ('no answers read at all', names_unread, 50, False),
]
BOUND = 16 << 10


@case
def a_client_that_is_not_let_in_yet_holds_little():
    needs_ours()
    if MODE != 'plain':
        raise Skip('sanitizers take memory themselves')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2000, hard)), hard))
    print('| where 1,000 clients stop  | KiB for each')
    for name, stop, n, all_read in STOPS:
        with Server('memory', SIZE, '--timeout=0') as s:
            for c in [up(s.sock) for _ in range(16)]: # every thread has worked
                c.lives()
                c.close()
            crowd = []
            before = rss(s.pid)
            for _ in range(n):
                crowd.append(Conn(s.sock))
                stop(crowd[-1])
            if all_read:
                until('all is read', lambda: all(taken(c) for c in crowd))
            with up(s.sock) as c:
                c.lives()
            each = (rss(s.pid) - before) / n
            print(f'| {name:26}| {each / 1024:.1f}')
            assert each < BOUND, f'{each:.0f} bytes for each client that stops {name}'
            for c in crowd:
                c.close()


@case
def a_large_option_of_an_honest_client_works():
    queries = [b'nobody:knows-this-%d' % i for i in range(2300)] + [b'base:allocation']
    query = rawnbd.meta_query(b'n' * 4096, *queries)
    assert 60000 < len(query) <= 65536 or REAL
    with Server('memory', SIZE) as s:
        with Conn(s.sock) as c:
            c.newstyle()
            same(c.answer(rawnbd.STRUCTURED_REPLY), rawnbd.ACK, 'structured replies')
            c.structured = True
            same([k for k, _ in c.ask(rawnbd.SET_META, query)], [rawnbd.REP_META, rawnbd.ACK], 'contexts')
            c.go(b'n' * 4096, infos=[rawnbd.INFO_NAME])
            c.lives()


@case
def readers_that_are_slow_hold_up_each_other_at_most():
    """Ten ask for 160 MiB and take nothing, 8 MiB is allowed; small requests go on, and everything comes in the end."""
    needs_ours()
    with Server('--max-bytes=8M', '--max-bytes-per-connection=4M', 'memory', '16M') as s:
        slow = [up(s.sock) for _ in range(10)]
        with up(s.sock) as quick:
            quick.write(0, b'd' * MiB)
            for c in slow:
                for i in range(16):
                    c.request(rawnbd.READ, 0, MiB)
            for _ in range(20):
                same(quick.read(MiB - 4096, 4096), b'd' * 4096, 'a small read')
                same(quick.write(2 * MiB, bytes(4096)), 0, 'a small write')
            same(quick.read(0, MiB), b'd' * MiB, 'a large read')
        for c in slow:
            for i in range(16):
                same(c.simple()[0], 0, 'a read')
                same(c.recv(MiB) == b'd' * MiB, True, 'its data')
            c.close()


@case
def bad_limits_are_one_line():
    needs_ours()
    for bad in ('--max-connections=-1', '--max-connections=many', '--max-connections-per-peer=4294967296', '--max-bytes=1x',
                '--max-bytes-per-connection=', '--timeout=soon', '--timeout=-1', '--idle-timeout=1y'):
        r = run(NBDKIT, '-f', bad, 'null', status=1)
        same(len(r.err.splitlines()), 1, f'{bad}: {r.err}')


main()
