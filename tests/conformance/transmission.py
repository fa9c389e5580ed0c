# SPDX-License-Identifier: BSD-2-Clause
"""Rules of transmission flags, of requests and replies as such, and of the end of transmission."""
import struct
import rawnbd as nbd
from registry import NotOffered, must, should, untestable
from servers import SIZE
from trial import *

# Requests that fail: past the end, unknown, with a flag of another command.
BAD = ((nbd.READ, SIZE, 512, 0), (nbd.READ, 0, 512, nbd.NO_HOLE), (nbd.WRITE, SIZE, 512, 0), (77, 0, 512, 0), (nbd.TRIM, SIZE, 512, 0))
DEFINED_FLAGS = 0x0fff & ~nbd.RESIZE | 1 << 12


def good(c):
    """Requests that this export offers: (command, offset, length)."""
    yield nbd.READ, 0, 4096
    if not c.flags & nbd.READ_ONLY:
        yield nbd.WRITE, 0, 4096
    for flag, cmd in ((nbd.SEND_TRIM, nbd.TRIM), (nbd.SEND_ZERO, nbd.ZERO), (nbd.SEND_CACHE, nbd.CACHE)):
        if c.flags & flag:
            yield cmd, 0, 4096
    if c.flags & nbd.SEND_FLUSH:
        yield nbd.FLUSH, 0, 0


def head(c, read=0):
    """(magic, cookie) of the next reply (of its first chunk); the rest is read and dropped.
    read: the length, if the request was a read."""
    magic = c.unpack('>I')[0]
    if magic == nbd.SIMPLE:
        error, cookie = c.unpack('>IQ')
        c.recv(0 if error else read)
        return magic, cookie
    same(magic, nbd.EXT_REPLY if c.extended else nbd.STRUCTURED, 'the magic of a reply')
    while True:
        flags, _, cookie, *_, length = c.unpack('>HHQQQ' if c.extended else '>HHQI')
        c.recv(length)
        if flags & nbd.DONE:
            return magic, cookie
        c.unpack('>I')


# --- transmission flags ---


@must('F-1', 'Transmission flags', 'always sets HAS_FLAGS')
def has_flags(t):
    for kind in ('disk', 'ro', 'named'):
        check(t.up(kind).flags & nbd.HAS_FLAGS, f'{kind}, GO')
        check(t.conn(kind).export_name(t.place(kind).name).flags & nbd.HAS_FLAGS, f'{kind}, EXPORT_NAME')


@must('F-2', 'Transmission flags', 'fails writes, trims and zeroes when it sets READ_ONLY')
def read_only_fails_writes(t):
    for c in t.ups('ro'):
        needs(c, nbd.READ_ONLY, 'READ_ONLY')
        for cmd in sorted(WRITES):
            check(attempt(c, cmd, 0, 4096), f'{c.style} replies: command {cmd} succeeds')
        lives(c, 'refused writes')


@must('F-3', 'Transmission flags', 'leaves SEND_DF clear unless structured replies (or extended headers) are negotiated')
def no_df_in_simple_replies(t):
    check(not t.up().flags & nbd.SEND_DF, 'GO')
    check(not t.conn().export_name(t.place().name).flags & nbd.SEND_DF, 'EXPORT_NAME')


@must('F-4', 'Transmission flags', 'sets SEND_DF when it takes reads with the DF flag')
def df_is_advertised(t):
    c = t.up(style='structured')
    if c.flags & nbd.SEND_DF:
        same(attempt(c, nbd.READ, 0, 4096, nbd.DF), 0, 'a read with DF, which is advertised')
    else:
        check(attempt(c, nbd.READ, 0, 4096, nbd.DF), 'a read with DF succeeds')


@must('F-5', 'Transmission flags', 'leaves SEND_FAST_ZERO clear when SEND_WRITE_ZEROES is')
def no_fast_zero_without_zero(t):
    for kind in ('disk', 'ro', 'named', 'block', 'quota'):
        try:
            c = t.conn(kind)
            flags = struct.unpack('>QH', infos_of(c.ask(nbd.INFO, nbd.go_query(c.name, nbd.INFO_BLOCK_SIZE)))[nbd.INFO_EXPORT][0])[1]
        except NotOffered:
            continue
        check(flags & nbd.SEND_ZERO or not flags & nbd.SEND_FAST, f'{kind}: flags {flags:#x}')


@must('F-6', 'Transmission flags', 'sets SEND_FAST_ZERO when it takes fast zeroes')
def fast_zero_is_advertised(t):
    c = t.up()
    needs(c, nbd.SEND_ZERO, 'WRITE_ZEROES')
    if not c.flags & nbd.SEND_FAST:
        check(attempt(c, nbd.ZERO, 0, 4096, nbd.FAST), 'a fast zero succeeds')


def advertised(ident, flag, what, *requests):
    """A row: what the flag promises is there."""
    def works(t):
        for c in t.ups():
            needs(c, flag, what)
            for cmd, offset, length, flags in requests:
                same(attempt(c, cmd, offset, length, flags), 0, f'{c.style} replies: command {cmd} with flags {flags}')
    works.__name__ = what.lower().replace(' ', '_') + '_works'
    must(ident, 'Transmission flags', f'sets the flag for {what} only if it supports it')(works)


advertised('F-7', nbd.SEND_FLUSH, 'FLUSH', (nbd.FLUSH, 0, 0, 0))
advertised('F-8', nbd.SEND_FUA, 'FUA', (nbd.WRITE, 0, 4096, nbd.FUA))
advertised('F-9', nbd.SEND_TRIM, 'TRIM', (nbd.TRIM, 0, 65536, 0))
advertised('F-10', nbd.SEND_ZERO, 'WRITE_ZEROES', (nbd.ZERO, 0, 65536, 0), (nbd.ZERO, 0, 65536, nbd.NO_HOLE))


@must('F-11', 'Transmission flags', 'with CAN_MULTI_CONN, shows on all connections what a FLUSH or FUA covered on one')
def multi_conn(t):
    one, two = t.up(), t.up()
    needs(one, nbd.MULTI, 'CAN_MULTI_CONN')
    for n in range(1, 20):
        want = bytes([n]) * 4096
        if one.flags & nbd.SEND_FUA and n % 2:
            fill(one, 4096, want, nbd.FUA)
        else:
            needs(one, nbd.SEND_FLUSH, 'FLUSH')
            fill(one, 4096, want)
            same(one.call(nbd.FLUSH), 0, 'FLUSH')
        check(fresh(two, 4096, 4096) == want, f'round {n}: the other connection reads something else')


@must('F-12', 'Transmission flags', 'sets no flag that is not defined, nor RESIZE, which was not negotiated')
def no_undefined_flags(t):
    for c in t.ups():
        same(c.flags & ~DEFINED_FLAGS, 0, f'{c.style} replies: other flags')


@must('X-FLAG-1', 'Transmission flags (ext)', 'leaves BLOCK_STATUS_PAYLOAD clear unless extended headers are negotiated')
def no_status_payload_in_compact_headers(t):
    for c in t.ups(styles=('simple', 'structured')):
        check(not c.flags & 1 << 12, f'{c.style} replies: the flag is set')


@should('X-FLAG-2', 'Transmission flags (ext)', 'leaves BLOCK_STATUS_PAYLOAD clear when no metadata context is chosen')
def no_status_payload_without_contexts(t):
    check(not t.up(style='extended').flags & 1 << 12, 'the flag is set')


# --- replies ---


@must('R-1', 'Simple reply message', 'answers every request with a simple reply when nothing else is negotiated')
def simple_replies(t):
    c = t.up()
    for cmd, offset, length in good(c):
        cookie = c.request(cmd, offset, length, bytes(length) if cmd == nbd.WRITE else b'')
        same(head(c, length * (cmd == nbd.READ)), (nbd.SIMPLE, cookie), f'command {cmd}')
    for cmd, offset, length, flags in BAD:
        cookie = c.request(cmd, offset, length, bytes(length) if cmd == nbd.WRITE else b'', flags)
        same(head(c, length * (cmd == nbd.READ)), (nbd.SIMPLE, cookie), f'command {cmd} with flags {flags}')


@must('R-2', 'Structured reply chunk message', 'sends no structured reply to a client that was refused them, or changed its mind')
def no_structured_reply_unasked(t):
    c = t.conn()
    if c.answer(nbd.STRUCTURED_REPLY, b'data') == nbd.ACK:
        raise NotOffered('takes STRUCTURED_REPLY with data')
    t.go(c).request(nbd.READ, 0, 512)
    same(head(c, 512)[0], nbd.SIMPLE, 'the magic of the reply to a read')


@must('R-3', 'Transmission', 'sends back the cookie (handle) of the request, whatever it is')
def cookies(t):
    for c in t.ups():
        for cookie in (0, 1, 0x0102030405060708, 1 << 63, (1 << 64) - 1):
            c.cookie = cookie - 1
            fmt, magic = ('>IHHQQQ', nbd.EXT_REQUEST) if c.extended else ('>IHHQQI', nbd.REQUEST)
            c.send(struct.pack(fmt, magic, 0, nbd.READ, cookie, 0, 512))
            if c.structured:
                same({k.cookie for k in c.chunks(cookie)}, {cookie}, 'cookies')
            else:
                same(head(c, 512)[1], cookie, 'cookie')


@must('R-4', 'Transmission', 'answers each of many requests under way once, and completely')
def many_under_way(t):
    c = t.up()
    for i in range(32):
        fill(c, i * 512, bytes([i + 1]) * 512)
    packet, want = b'', {}
    for i in range(32):
        packet += struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.READ, 1000 + i, i * 512, 512)
        want[1000 + i] = bytes([i + 1]) * 512
    c.send(packet)
    for _ in range(32):
        error, cookie = c.simple()
        same(error, 0, 'a read')
        check(cookie in want, f'a reply to {cookie} too many')
        same(c.recv(512), want.pop(cookie), f'read {cookie}')
    quiet(c, 'after the replies')


@must('R-5', 'Structured reply chunk message',
      'never answers READ with a simple reply once structured replies are negotiated, nor its errors')
def reads_are_structured(t):
    c = t.up(style='structured')
    for what, args, flags in (('a good read', (0, 512), 0), ('a read past the end', (SIZE, 512), 0),
                              ('a read across the end', (SIZE - 512, 1024), 0),
                              ('a read with an unknown flag', (0, 512), 1 << 14), ('a read with a flag of writes', (0, 512), nbd.NO_HOLE),
                              ('a read that is too long', (0, 0xfffff000), 0), ('a read far away', (1 << 63, 512), 0)):
        cookie = c.request(nbd.READ, *args, flags=flags)
        magic = c.unpack('>I')[0]
        check(magic == nbd.STRUCTURED, f'{what} is answered with magic {magic:#x}')
        flags, _, got, length = c.unpack('>HHQI')
        same(got, cookie, what)
        c.recv(length)
        while not flags & nbd.DONE:
            _, flags, _, _, length = c.unpack('>IHHQI')
            c.recv(length)


@should('R-6', 'Structured reply chunk message', 'sends errors in structured replies when they are negotiated')
def errors_are_structured(t):
    c = t.up(style='structured')
    for cmd, offset, length, flags in BAD:
        c.request(cmd, offset, length, bytes(length) if cmd == nbd.WRITE else b'', flags)
        same(head(c)[0], nbd.STRUCTURED, f'command {cmd}: magic')


@must('R-7', 'READ: simple replies', 'sends no data with a simple reply that tells an error')
def no_data_after_errors(t):
    for kind in ('disk', 'error'):
        try:
            c = t.up(kind)
        except NotOffered:
            continue
        c.request(nbd.READ, SIZE if kind == 'disk' else 0, 4096)
        check(c.simple()[0], f'{kind}: the read succeeds')
        quiet(c, 'after the error')
        lives(c, 'the error')


untestable('R-8', 'READ: simple replies', 'MUST', 'disconnects when a read fails after its reply began, and sends nothing more',
           'needs a fault between two bytes of a reply')
untestable('R-9', 'Structured reply chunk message', 'MUST', 'marks no chunk as final while it may still detect an error',
           'needs a fault while a chunk is sent')
untestable('R-10', 'READ: structured replies', 'MUST', 'completes the chunk in which it detects an error',
           'needs a fault while a chunk is sent')


# --- order, and the end ---

untestable('ORD-1', 'Ordering of messages and writes', 'MUST', 'replies to FLUSH when all that it had replied to is on stable storage',
           'needs the power to fail; that ours calls fdatasync() or writes with RWF_DSYNC is tested in tests/run/file.py')
untestable('ORD-2', 'Ordering of messages and writes', 'MUST', 'replies to a request with FUA when its data is on stable storage',
           'needs the power to fail; that ours calls fdatasync() or writes with RWF_DSYNC is tested in tests/run/file.py')


@must('D-1', 'Terminating the transmission phase', 'closes the connection on DISC, and sends no reply to it')
def disc(t):
    for c in t.ups():
        same(closes(c, f'{c.style} replies: DISC', c.request, nbd.DISC), b'', 'what comes after DISC')


@must('D-2', 'Request types: DISC', 'answers all outstanding requests before it acts on DISC')
def disc_waits_for_the_others(t):
    c = t.up()
    want, n = {}, 16
    for i in range(n):
        cookie = c.request(nbd.READ, i << 20, 1 << 18)
        want[cookie] = 1 << 18
    c.request(nbd.DISC)
    for i in range(n):
        try:
            error, cookie = c.simple()
            c.recv(0 if error else want.pop(cookie))
        except nbd.Closed:
            raise AssertionError(f'{i} of {n} replies come') from None
    closes(c, 'DISC')


@must('D-3', 'Request types: DISC', 'answers outstanding slow requests, too, before it acts on DISC')
def disc_waits_for_slow_ones(t):
    c = t.up('slow')
    for i in range(3):
        c.request(nbd.READ, i * 512, 512)
    c.request(nbd.DISC)
    for i in range(3):
        try:
            error, _ = c.simple()
        except nbd.Closed:
            raise AssertionError(f'{i} of 3 replies come') from None
        c.recv(512 if not error else 0)
    closes(c, 'DISC')


@should('D-4', 'Terminating the transmission phase', 'answers what is in flight before it disconnects at its shutdown')
def shutdown_waits(t):
    place = t.alone('slow')
    c = t.up('slow')
    lives(c, 'before')
    cookie = c.request(nbd.READ, 0, 512)
    quiet(c, 'the read is slow', 0.1)
    place.process.terminate()
    try:
        same(head(c, 512)[1], cookie, 'the reply')
    except nbd.Closed:
        raise AssertionError('the connection is closed without an answer') from None


@should('D-5', 'Terminating the transmission phase', 'fails requests with ESHUTDOWN, if at all, while it shuts down')
def shutdown_error(t):
    place = t.alone('slow')
    c = t.up('slow')
    c.request(nbd.READ, 0, 512)
    quiet(c, 'the read is slow', 0.1)
    place.process.terminate()
    try:
        error = c.simple()[0]
    except nbd.Closed:
        raise AssertionError('the connection is closed without an answer') from None
    check(error in (0, nbd.ESHUTDOWN), f'error {error}')


@must('D-6', 'Terminating the transmission phase', 'does not disconnect a client that keeps the rules')
def a_good_client_stays(t):
    for c in t.ups():
        for _ in range(20):
            for cmd, offset, length in good(c):
                same(attempt(c, cmd, offset, length), 0, f'{c.style} replies: command {cmd}')
        quiet(c, 'while the client is silent')
        lives(c, 'a while')


untestable('TCP-1', 'Protocol phases', 'SHOULD', 'sets TCP_NODELAY on its connections',
           'an option of its own socket; ours: src/server/transport.c')
