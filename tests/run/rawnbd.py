# SPDX-License-Identifier: BSD-2-Clause
"""A raw NBD client: says anything, right or wrong, and takes replies apart.

Nothing here is polite: lengths, magics and flags are what the test gives.  Numbers are those of the NBD
specification.  Every wait ends after a bounded time with an exception.
"""
import os, socket, struct

TIMEOUT = 20 * int(os.environ.get('SLOWER', '1'))

NBDMAGIC, IHAVEOPT, OLDSTYLE = 0x4e42444d41474943, 0x49484156454f5054, 0x00420281861253
OPT_REPLY = 0x3e889045565a9
EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO, STRUCTURED_REPLY, LIST_META, SET_META, EXTENDED = 1, 2, 3, 5, 6, 7, 8, 9, 10, 11
ACK, SERVER, REP_INFO, REP_META = 1, 2, 3, 4
ERR = 1 << 31
ERR_UNSUP, ERR_POLICY, ERR_INVALID, ERR_PLATFORM, ERR_TLS_REQD, ERR_UNKNOWN, ERR_SHUTDOWN, ERR_BLOCK_SIZE, ERR_TOO_BIG, ERR_EXT = \
    range(ERR + 1, ERR + 11)
INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE = 0, 1, 2, 3
FIXED, NO_ZEROES = 1, 2

REQUEST, SIMPLE, STRUCTURED = 0x25609513, 0x67446698, 0x668e33ef
EXT_REQUEST, EXT_REPLY = 0x21e41c71, 0x6e8a278c
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZERO, STATUS = range(8)
FUA, NO_HOLE, DF, REQ_ONE, FAST, PAYLOAD = 1, 2, 4, 8, 16, 32
DONE = 1
NONE, DATA, HOLE, BLOCKS, BLOCKS_EXT, ERROR, ERROR_OFFSET = 0, 1, 2, 5, 6, 32769, 32770
EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN = 1, 5, 12, 22, 28, 75, 95, 108
HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, ROTATIONAL, SEND_TRIM, SEND_ZERO, SEND_DF, MULTI, RESIZE, SEND_CACHE, SEND_FAST = \
    (1 << i for i in range(12))


class Closed(Exception):
    """The server closed the connection."""


class Chunk:
    def __init__(self, flags, kind, cookie, data, offset=0):
        self.flags, self.kind, self.cookie, self.data, self.offset = flags, kind, cookie, data, offset

    def error(self):
        """The errno of an error chunk; None of any other."""
        return struct.unpack('>I', self.data[:4])[0] if self.kind & 0x8000 else None

    def text(self):
        n = struct.unpack('>H', self.data[4:6])[0]
        return self.data[6:6 + n].decode()

    def __repr__(self):
        return f'Chunk(flags={self.flags} kind={self.kind} cookie={self.cookie:#x} data={self.data[:64]!r} ({len(self.data)}))'


class Conn:
    """One connection.  Conn(path) is connected and nothing more; newstyle() and go() bring it up."""

    def __init__(self, where):
        self.s = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self.s.settimeout(TIMEOUT)
        self.s.connect(where)
        self.structured = self.extended = False
        self.cookie = 0x1122334455660000

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- bytes ---

    def send(self, data):
        self.s.sendall(data)

    def recv(self, n):
        got = bytearray()
        while len(got) < n:
            try:
                more = self.s.recv(min(n - len(got), 1 << 20))
            except ConnectionResetError:
                more = b''
            if not more:
                raise Closed(f'after {len(got)} of {n} bytes')
            got += more
        return bytes(got)

    def unpack(self, fmt):
        return struct.unpack(fmt, self.recv(struct.calcsize(fmt)))

    def refused(self, say, *args, **kw):
        """Say it, and the server closes: perhaps before all of it was said."""
        try:
            say(*args, **kw)
        except (ConnectionResetError, BrokenPipeError):
            pass
        return self.closed()

    def closed(self):
        """Read (and drop) until the server has closed; True, or TimeoutError."""
        try:
            while self.s.recv(1 << 16):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        return True

    # --- handshake ---

    def newstyle(self, flags=FIXED | NO_ZEROES):
        magic, opt, self.server_flags = self.unpack('>QQH')
        assert (magic, opt) == (NBDMAGIC, IHAVEOPT), f'greeting {magic:#x} {opt:#x}'
        self.no_zeroes = bool(flags & self.server_flags & NO_ZEROES)
        self.send(struct.pack('>I', flags))
        return self

    def option(self, number, data=b'', length=None, magic=IHAVEOPT):
        self.send(struct.pack('>QII', magic, number, len(data) if length is None else length) + data)

    def option_reply(self, number):
        """(type, data) of one reply to that option."""
        magic, opt, kind, length = self.unpack('>QIII')
        assert magic == OPT_REPLY, f'option reply magic {magic:#x}'
        assert opt == number, f'reply to option {opt}, not {number}'
        assert length <= 1 << 20, f'option reply of {length} bytes'
        return kind, self.recv(length)

    def ask(self, number, data=b'', length=None):
        """Send an option; all replies, the last of which is an ACK or an error."""
        self.option(number, data, length)
        replies = []
        while True:
            replies.append(self.option_reply(number))
            if replies[-1][0] == ACK or replies[-1][0] & ERR:
                return replies

    def answer(self, number, data=b'', length=None):
        """The type of the last reply to an option."""
        return self.ask(number, data, length)[-1][0]

    def export_name(self, name=b''):
        self.option(EXPORT_NAME, name)
        self.size, self.flags = self.unpack('>QH')
        if not self.no_zeroes:
            assert self.recv(124) == bytes(124)
        return self

    def go(self, name=b'', structured=False, extended=False, meta=(), infos=()):
        """To transmission by NBD_OPT_GO."""
        if extended:
            assert self.answer(EXTENDED) == ACK
            self.extended = self.structured = True
        elif structured or meta:
            assert self.answer(STRUCTURED_REPLY) == ACK
            self.structured = True
        if meta:
            self.contexts = [struct.unpack('>I', d[:4])[0] for k, d in self.ask(SET_META, meta_query(name, *meta)) if k == REP_META]
        replies = self.ask(GO, go_query(name, *infos))
        assert replies[-1][0] == ACK, f'GO refused: {replies[-1]}'
        for kind, data in replies[:-1]:
            if data[:2] == b'\0\0':
                self.size, self.flags = struct.unpack('>QH', data[2:])
        self.infos = [d for _, d in replies[:-1]]
        return self

    # --- transmission ---

    def request(self, cmd, offset=0, length=0, data=b'', flags=0, magic=None):
        """Send a request; its cookie."""
        self.cookie += 1
        if self.extended:
            head = struct.pack('>IHHQQQ', magic or EXT_REQUEST, flags, cmd, self.cookie, offset, length)
        else:
            head = struct.pack('>IHHQQI', magic or REQUEST, flags, cmd, self.cookie, offset, length)
        self.send(head + data)
        return self.cookie

    def simple(self):
        """(errno, cookie) of a simple reply's header."""
        magic, error, cookie = self.unpack('>IIQ')
        assert magic == SIMPLE, f'simple reply magic {magic:#x}'
        return error, cookie

    def chunk(self):
        magic = self.unpack('>I')[0]
        if magic == SIMPLE: # still allowed for what carries no data
            error, cookie = self.unpack('>IQ')
            return Chunk(DONE, ERROR if error else NONE, cookie, struct.pack('>IH', error, 0) if error else b'')
        if magic == EXT_REPLY:
            assert self.extended, 'extended reply was not negotiated'
            flags, kind, cookie, offset, length = self.unpack('>HHQQQ')
        else:
            assert magic == STRUCTURED and not self.extended, f'reply magic {magic:#x}'
            flags, kind, cookie, length = self.unpack('>HHQI')
            offset = 0
        assert length <= (64 << 20) + 8, f'chunk of {length} bytes'
        return Chunk(flags, kind, cookie, self.recv(length), offset)

    def chunks(self, cookie):
        """All chunks of one request (nothing else may be under way)."""
        got = []
        while True:
            got.append(self.chunk())
            assert got[-1].cookie == cookie, f'reply to {got[-1].cookie:#x}, not {cookie:#x}'
            if got[-1].flags & DONE:
                return got

    def call(self, cmd, offset=0, length=0, data=b'', flags=0):
        """Do a request that returns no data; its errno, 0 when it worked."""
        cookie = self.request(cmd, offset, length, data, flags)
        if self.structured:
            return next((e for e in (c.error() for c in self.chunks(cookie)) if e is not None), 0)
        error, got = self.simple()
        assert got == cookie, f'reply to {got:#x}, not {cookie:#x}'
        return error

    def read(self, offset, length, flags=0):
        """The bytes read, or the errno."""
        cookie = self.request(READ, offset, length, flags=flags)
        if not self.structured:
            error, got = self.simple()
            assert got == cookie
            return error if error else self.recv(length)
        out, covered, error = bytearray(length), 0, 0
        for c in self.chunks(cookie):
            if c.kind == DATA:
                at = struct.unpack('>Q', c.data[:8])[0] - offset
                assert 0 <= at and at + len(c.data) - 8 <= length, 'data chunk outside the request'
                out[at:at + len(c.data) - 8] = c.data[8:]
                covered += len(c.data) - 8
            elif c.kind == HOLE:
                at, n = struct.unpack('>QI', c.data)
                assert offset <= at and at + n <= offset + length, 'hole chunk outside the request'
                covered += n
            elif c.error() is not None:
                error = c.error()
            else:
                assert c.kind == NONE, c
        assert error or covered == length, f'{covered} of {length} bytes came'
        return error if error else bytes(out)

    def write(self, offset, data, flags=0):
        return self.call(WRITE, offset, len(data), data, flags)

    def status(self, offset, length, flags=0):
        """[(length, flags)...] of the block status, or the errno."""
        extents = []
        for c in self.chunks(self.request(STATUS, offset, length, flags=flags)):
            if c.error() is not None:
                return c.error()
            if c.kind == BLOCKS:
                extents += list(struct.iter_unpack('>II', c.data[4:]))
            elif c.kind == BLOCKS_EXT:
                assert struct.unpack('>I', c.data[4:8])[0] == len(c.data[8:]) // 16, 'count of extents'
                extents += list(struct.iter_unpack('>QQ', c.data[8:]))
        return extents

    def lives(self):
        """The connection still answers, and in step: a read of the first 512 bytes works."""
        got = self.read(0, 512)
        assert isinstance(got, bytes), f'read after it: errno {got}'
        return True

    def disconnect(self):
        self.request(DISC)
        return self.closed()


def go_query(name=b'', *infos):
    return struct.pack('>I', len(name)) + name + struct.pack('>H', len(infos)) + b''.join(struct.pack('>H', i) for i in infos)


def meta_query(name=b'', *queries):
    out = struct.pack('>I', len(name)) + name + struct.pack('>I', len(queries))
    for q in queries:
        out += struct.pack('>I', len(q)) + q
    return out


def up(where, **kw):
    """A connection in transmission."""
    return Conn(where).newstyle().go(**kw)
