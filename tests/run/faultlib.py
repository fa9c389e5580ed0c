# SPDX-License-Identifier: BSD-2-Clause
"""For the fault tests: clients that know what each sector of their disk may hold, libraries to preload, a server's figures.

Every sector that a Load writes holds 32 times its own number and how often it was written, so that old, new and garbage
can be told apart whatever happened meanwhile.
"""
import contextlib, os, random, re, socket, struct, threading
import rawnbd
from harness import MODE, SRC, Skip, read_file, run, same, until
from rawnbd import FLUSH, FUA, GO, IHAVEOPT, READ, WRITE, Closed, Conn, up

SECTOR, BLOCK = 512, 4096
ALL_PER_BLOCK = BLOCK // SECTOR


def stamp(block, seq):
    """The bytes of a block written for the seq'th time."""
    return b''.join(struct.pack('<QQ', block * ALL_PER_BLOCK + i, seq) * (SECTOR // 16) for i in range(ALL_PER_BLOCK))


class Load:
    """Clients that write blocks of their own, some with FUA, and flush; 16 requests at a time.  What was acknowledged, and
    what of it is durable (FUA, or a flush that was sent when it had been acknowledged, on whichever connection)."""

    def __init__(self, sock, blocks, clients=4, flush=0.3, fua=0.1, seed=0, most=1, life=None, reads=0, up_args=None):
        """most: blocks of a write; life: rounds of a connection, then another one; reads: blocks looked at after each round."""
        self.sock, self.blocks, self.flush, self.fua, self.most = sock, blocks, flush, fua, most
        self.life, self.reads, self.up_args, self.verified = life or 1 << 30, reads, up_args or {}, 0
        self.sent, self.acked, self.durable = [0] * blocks, [0] * blocks, [0] * blocks
        self.rounds, self.replies, self.refused, self.stopping, self.trouble = 0, 0, 0, False, []
        self.threads = [threading.Thread(target=self.run, args=(k, clients, seed)) for k in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, k, clients, seed):
        try:
            rng = random.Random(seed * 1000 + k)
            mine = range(k * self.blocks // clients, (k + 1) * self.blocks // clients)
            while not self.stopping:
                with up(self.sock, **self.up_args) as c:
                    for _ in range(self.life):
                        self.one_round(c, rng, mine)
                        self.rounds += 1
                        for b in rng.sample(mine, self.reads):
                            self.look(c, b)
                        if self.stopping:
                            break
        except (Closed, ConnectionError):
            pass
        except Exception as e: # pylint: disable=broad-except
            self.trouble.append(repr(e))

    def one_round(self, c, rng, mine):
        flying, out = {}, []
        for first in rng.sample(range(mine.start, mine.stop, self.most), 16):
            n = min(rng.randint(1, self.most), mine.stop - first)
            flags = FUA if rng.random() < self.fua else 0
            data = b''
            for b in range(first, first + n):
                self.sent[b] += 1
                data += stamp(b, self.sent[b])
            flying[self.add(c, out, WRITE, first * BLOCK, data, flags)] = (flags, first, n)
        if rng.random() < self.flush:
            flying[self.add(c, out, FLUSH)] = ('flush', self.acked[:], 0)
        c.send(b''.join(out))
        while flying:
            error, cookie = c.simple()
            self.replies += 1
            self.came(error, *flying.pop(cookie))

    def look(self, c, block):
        seq = self.acked[block]
        same(c.read(block * BLOCK, BLOCK), stamp(block, seq) if seq else bytes(BLOCK), f'block {block}')
        self.verified += BLOCK

    @staticmethod
    def add(c, out, cmd, off=0, data=b'', flags=0):
        c.cookie += 1
        out.append(struct.pack('>IHHQQI', rawnbd.REQUEST, flags, cmd, c.cookie, off, len(data)) + data)
        return c.cookie

    def came(self, error, what, first, n):
        if error:
            self.refused += 1
        elif what == 'flush':
            for b, seq in enumerate(first):
                if seq > self.durable[b]:
                    self.durable[b] = seq
        else:
            for b in range(first, first + n):
                self.acked[b] = self.sent[b]
                if what == FUA:
                    self.durable[b] = max(self.durable[b], self.sent[b])

    def wait(self, rounds):
        until('the clients made progress', lambda: self.trouble or self.rounds >= rounds or not any(t.is_alive() for t in self.threads), 60)

    def join(self):
        self.stopping = True
        for t in self.threads:
            t.join()
        same(self.trouble, [], 'clients')
        return self

    def check(self, disk, least):
        """Each sector on the disk (an open file) holds what was sent for it, and nothing older than `least` says."""
        for b in range(self.blocks):
            disk.seek(b * BLOCK)
            data = disk.read(BLOCK)
            for i in range(ALL_PER_BLOCK):
                sector = data[i * SECTOR:(i + 1) * SECTOR]
                number, seq = struct.unpack('<QQ', sector[:16])
                if not any(sector):
                    seq = 0
                else:
                    assert sector == struct.pack('<QQ', b * ALL_PER_BLOCK + i, seq) * (SECTOR // 16), f'garbage in sector {i} of block {b}: {sector[:48]}'
                assert least[b] <= seq <= self.sent[b], f'sector {i} of block {b}: write {seq}, was to be {least[b]} to {self.sent[b]}'


# --- clients that leave at any point ---

def stages(c, name=b'', at=0):
    """A life of a client that writes at `at`, to be left at any point."""
    query = rawnbd.go_query(name)
    c.s.setblocking(True)
    yield
    c.newstyle()
    yield
    c.send(struct.pack('>QI', IHAVEOPT, GO)) # half a header
    yield
    c.send(struct.pack('>I', len(query)) + query[:2]) # the rest, and a part of the data
    yield
    c.send(query[2:])
    yield
    magic, opt, kind, length = c.unpack('>QIII')
    c.recv(length)
    if kind != rawnbd.ACK:
        c.unpack('>QIII')
    yield
    c.request(READ, 0, 4096)
    yield
    c.send(struct.pack('>IHH', rawnbd.REQUEST, 0, WRITE)) # half a request
    yield
    c.send(struct.pack('>QQI', 1, at, 4096) + b'half') # a part of its payload
    yield
    c.send(b'-' * 4092)
    yield
    c.request(WRITE, at, 300000, b'a large one') # a part of it
    yield
    c.request(READ, 0, 1 << 20)
    c.recv(100) # and only a part is read


STAGES = 12


def live(where, stage, reset, **kw):
    """As far as the stage, and gone."""
    with Conn(where) as c:
        for i, _ in enumerate(stages(c, **kw)):
            if i == stage:
                break
        if reset: # TCP: RST
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


# --- libraries to preload ---

def preload(d, name):
    """tests/faults/NAME.c, compiled into d: its path for LD_PRELOAD."""
    if MODE != 'plain':
        raise Skip('a sanitizer must be the first library')
    run('cc', '-O1', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', f'{d}/{name}.so', f'{SRC}/tests/faults/{name}.c')
    return f'{d}/{name}.so'


# --- a server's figures ---

def fds(s):
    return len(os.listdir(f'/proc/{s.pid}/fd'))


def sockets(s):
    n = 0
    for fd in os.listdir(f'/proc/{s.pid}/fd'):
        with contextlib.suppress(FileNotFoundError): # closed meanwhile
            n += os.readlink(f'/proc/{s.pid}/fd/{fd}').startswith('socket:')
    return n


def fds_at_rest(s, **kw):
    """Once every loop has served a client, has made what it makes once (the pid file comes earlier), and all have left."""
    several = [rawnbd.up(s.sock, **kw) for _ in range(8)]
    for c in several:
        c.read(0, 512)
    for c in several:
        c.close()
    until('those have left', lambda: sockets(s) <= 1)
    return fds(s)


def figure(s, name):
    """A number of /proc/PID/status; sizes in KiB."""
    return int(re.search(name + r':\s+(\d+)', read_file(f'/proc/{s.pid}/status'))[1])


def descriptors_are(s, n):
    until(f'the server has {n} descriptors again', lambda: fds(s) <= n)
