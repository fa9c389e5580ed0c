# SPDX-License-Identifier: BSD-2-Clause
"""What a test of a rule works with: connections to a server that was started one way or another ("disk", "ro", ...).

Disk contents: whatever earlier tests left.  A test writes what it wants to read.
"""
import struct
import rawnbd as nbd
from registry import NotOffered

DEFINED_ERRORS = {nbd.EPERM, nbd.EIO, nbd.ENOMEM, nbd.EINVAL, nbd.ENOSPC, nbd.EOVERFLOW, nbd.ENOTSUP, nbd.ESHUTDOWN}
MAX_STRING = 4096
WRITES = {nbd.WRITE, nbd.TRIM, nbd.ZERO}
CONTEXT = b'base:allocation'


def same(got, want, what=''):
    if got != want:
        raise AssertionError(f'{what}: got {short(got)}, not {short(want)}')


def short(x):
    text = repr(x)
    return text if len(text) < 100 else text[:80] + f'... ({len(text)})'


def check(true, what):
    if not true:
        raise AssertionError(what)


def option_error(kind):
    """An error type by name, for messages."""
    names = ('UNSUP', 'POLICY', 'INVALID', 'PLATFORM', 'TLS_REQD', 'UNKNOWN', 'SHUTDOWN', 'BLOCK_SIZE_REQD', 'TOO_BIG', 'EXT_HEADER_REQD')
    n = kind - nbd.ERR - 1
    return names[n] if 0 <= n < len(names) else hex(kind)


def infos_of(replies):
    """{type: [payload, ...]} of the REP_INFO replies."""
    out = {}
    for kind, data in replies:
        if kind == nbd.REP_INFO:
            check(len(data) >= 2, f'information of {len(data)} bytes')
            out.setdefault(struct.unpack('>H', data[:2])[0], []).append(data[2:])
    return out


def contexts_of(replies):
    """[(id, name), ...] of the REP_META_CONTEXT replies."""
    for kind, data in replies:
        check(kind != nbd.REP_META or len(data) >= 4, 'a metadata context without an id')
    return [(struct.unpack('>I', d[:4])[0], d[4:]) for k, d in replies if k == nbd.REP_META]


def text_of(data):
    """The string in data, held against the rules for strings."""
    check(len(data) <= MAX_STRING, f'a string of {len(data)} bytes')
    check(b'\0' not in data, f'a NUL in the string {short(data)}')
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise AssertionError(f'not UTF-8: {short(data)}') from None


class Trial:
    """One test against one server; ends all its connections at the end."""

    def __init__(self, server):
        self.server = server
        self.conns, self.ours = [], []

    def alone(self, kind):
        """A server of that kind for this test, which may end it."""
        self.server.forget(kind)
        self.ours.append(kind)
        return self.place(kind)

    def close(self):
        for kind in self.ours:
            self.server.forget(kind)
        for c in self.conns:
            c.close()

    def place(self, kind='disk'):
        """Where that kind of export is served; NotOffered when this server has none."""
        return self.server.place(kind)

    def raw(self, kind='disk'):
        """Connected, nothing read yet."""
        p = self.place(kind)
        c = nbd.Conn(p.where)
        c.place, c.name = p, p.name
        self.conns.append(c)
        return c

    def conn(self, kind='disk', flags=nbd.FIXED | nbd.NO_ZEROES):
        """In option haggling."""
        return self.raw(kind).newstyle(flags)

    def negotiate(self, c, style):
        """Ask for structured replies or extended headers."""
        if style == 'simple':
            return
        option = nbd.EXTENDED if style == 'extended' else nbd.STRUCTURED_REPLY
        kind = c.answer(option)
        if kind in (nbd.ERR_UNSUP, nbd.ERR_POLICY, nbd.ERR_PLATFORM):
            raise NotOffered('no extended headers' if style == 'extended' else 'no structured replies')
        same(kind, nbd.ACK, f'the answer to option {option}')
        c.structured, c.extended = True, style == 'extended'

    def set_contexts(self, c, *queries, name=None):
        """[(id, name), ...] of what SET_META_CONTEXT selected; NotOffered without metadata contexts."""
        replies = c.ask(nbd.SET_META, nbd.meta_query(c.name if name is None else name, *queries))
        if replies[-1][0] in (nbd.ERR_UNSUP, nbd.ERR_POLICY, nbd.ERR_PLATFORM):
            raise NotOffered('no metadata contexts')
        same(replies[-1][0], nbd.ACK, 'the answer to SET_META_CONTEXT')
        return contexts_of(replies)

    def go(self, c, *infos):
        """GO on a connection that haggles; to transmission."""
        c.go(c.name, infos=infos)
        return c

    def up(self, kind='disk', style='simple', meta=None):
        """In transmission.  meta: queries for SET_META_CONTEXT; c.contexts are then [(id, name), ...]."""
        c = self.conn(kind)
        self.negotiate(c, style)
        if meta is not None:
            c.contexts = self.set_contexts(c, *meta)
            if meta and not c.contexts:
                raise NotOffered('no such metadata context')
        return self.go(c)

    def ups(self, kind='disk', styles=('simple', 'structured', 'extended'), meta=None):
        """A connection of each of the styles that there are, one after the other."""
        offered = 0
        for style in styles:
            try:
                c = self.up(kind, style, None if style == 'simple' else meta)
            except NotOffered as e:
                why = e
                continue
            c.style = style
            offered += 1
            yield c
        if not offered:
            raise why


def needs(c, flag, what):
    if not c.flags & flag:
        raise NotOffered(f'{what} is not offered')


def reply(c, cookie, length=0):
    """(errno, data) of one request, whatever the kind of reply; data of a read only."""
    if c.structured:
        chunks = c.chunks(cookie)
        errors = [e for e in (k.error() for k in chunks) if e is not None]
        return (errors[0] if errors else 0), b''
    error, got = c.simple()
    same(got, cookie, 'cookie')
    return error, (c.recv(length) if not error else b'')


def attempt(c, cmd, offset=0, length=0, flags=0):
    """The errno of a request; a write writes zeroes, a read's data is dropped."""
    data = bytes(length) if cmd == nbd.WRITE else b''
    if c.extended and cmd == nbd.WRITE:
        flags |= nbd.PAYLOAD
    return reply(c, c.request(cmd, offset, length, data, flags), length if cmd == nbd.READ else 0)[0]


def fill(c, offset, data, flags=0):
    """Write, and it must work."""
    if c.extended:
        flags |= nbd.PAYLOAD
    same(c.write(offset, data, flags), 0, 'a write')


def fresh(c, offset, length):
    """c.read(), which must work."""
    got = c.read(offset, length)
    check(isinstance(got, bytes), f'a read fails with {got}')
    return got


def quiet(c, what, seconds=0.15):
    """Nothing comes: the server has said all that it had to say.  A server that says more at once is caught."""
    c.s.settimeout(seconds)
    try:
        more = c.s.recv(1)
        check(more == b'' , f'{what}: a byte too many')
    except TimeoutError:
        pass
    finally:
        c.s.settimeout(nbd.TIMEOUT)


def closes(c, what, say=None, *args, **kw):
    """The server closes the connection, after say(*args) if given; the bytes that it still sent."""
    got = b''
    try:
        if say:
            say(*args, **kw)
        while more := c.s.recv(1 << 16):
            got += more
    except (ConnectionResetError, BrokenPipeError):
        pass
    except TimeoutError:
        raise AssertionError(f'{what}: the connection stays open' + (f', and {short(got)} comes' if got else '')) from None
    return got


def lives(c, what):
    """The connection is there, and in step."""
    try:
        got = c.read(0, 512)
    except nbd.Closed:
        raise AssertionError(f'{what}: the server closes the connection') from None
    check(isinstance(got, bytes) or c.place.kind == 'error', f'{what}: then a read fails with {got}')


def haggles(c, what):
    """The connection is there, and answers options."""
    try:
        kind = c.answer(0x7ffffffe)
    except (nbd.Closed, BrokenPipeError, ConnectionResetError):
        raise AssertionError(f'{what}: the server closes the connection') from None
    check(kind & nbd.ERR, f'{what}: an unknown option is then answered with {kind:#x}')
