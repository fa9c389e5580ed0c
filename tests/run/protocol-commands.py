#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The transmission phase from raw bytes: every command, every error, and the connection lives on."""
import struct
import rawnbd as nbd
from harness import *
from rawnbd import Conn, up

SIZE = 1 << 20
MAX = 64 << 20


def styles():
    """Every way to reply."""
    yield {}
    yield {'structured': True, 'meta': [b'base:allocation']}
    if not REAL:
        yield {'extended': True, 'meta': [b'base:allocation']}


def each_style(f, *args):
    """Run f(connection) for each style of replies, each time against a blank disk."""
    for style in styles():
        with Server(*args) as s, up(s.sock, **style) as c:
            try:
                f(c)
            except Exception:
                print(f'with {style or "simple replies"}:')
                raise


@case
def read_back_what_was_written():
    def go(c):
        data = bytes(range(256)) * 300
        for offset in (0, 1, 511, 4095, 40000, SIZE - len(data)):
            same(c.write(offset, data), 0, f'write at {offset}')
            same(c.read(offset, len(data)), data, f'read at {offset}')
            same(c.read(offset + 1, 5), data[1:6], 'a few bytes')
        c.disconnect()
    each_style(go, 'memory', SIZE)


@case
def the_whole_disk_in_one_request():
    def go(c):
        data = bytes(i % 251 for i in range(65536)) * (MAX >> 16)
        same(len(data), MAX)
        same(c.write(0, data), 0, 'write of 64 MiB')
        assert c.read(0, MAX) == data, 'read of 64 MiB'
        same(c.call(nbd.TRIM, 0, MAX), 0, 'trim')
        assert c.read(0, MAX, nbd.DF if c.flags & nbd.SEND_DF else 0) == bytes(MAX), 'read after trim'
    each_style(go, 'memory', MAX)


@case
def trim_and_zero_read_as_zeroes():
    def go(c):
        for cmd, flags in ((nbd.TRIM, 0), (nbd.ZERO, 0), (nbd.ZERO, nbd.NO_HOLE), (nbd.ZERO, nbd.FAST), (nbd.ZERO, nbd.FUA | nbd.NO_HOLE),
                           (nbd.TRIM, nbd.FUA), (nbd.ZERO, nbd.FAST | nbd.NO_HOLE | nbd.FUA)):
            c.write(0, b'\xaa' * 300000)
            same(c.call(cmd, 1000, 200000, flags=flags), 0, f'command {cmd} flags {flags}')
            same(c.read(0, 300000), b'\xaa' * 1000 + bytes(200000) + b'\xaa' * 99000, f'after command {cmd} flags {flags}')
    each_style(go, 'memory', SIZE)


@case
def fua_is_taken_everywhere():
    def go(c):
        same(c.write(0, b'x' * 512, nbd.FUA), 0, 'write')
        same(c.call(nbd.TRIM, 0, 512, flags=nbd.FUA), 0, 'trim')
        same(c.call(nbd.ZERO, 0, 512, flags=nbd.FUA), 0, 'zero')
        same(c.call(nbd.FLUSH), 0, 'flush')
        if not REAL: # the specification: on every command, where it means nothing it does nothing
            same(c.call(nbd.FLUSH, flags=nbd.FUA), 0, 'flush with FUA')
            same(c.call(nbd.CACHE, 0, 512, flags=nbd.FUA), 0, 'cache with FUA')
            assert isinstance(c.read(0, 512, nbd.FUA), bytes), 'read with FUA'
        c.lives()
    each_style(go, 'memory', SIZE)


@case
def flush_and_cache():
    def go(c):
        same(c.call(nbd.FLUSH), 0, 'flush')
        same(c.call(nbd.CACHE, 0, 4096), 0, 'cache')
        same(c.call(nbd.CACHE, 0, SIZE), 0, 'cache everything')
        same(c.call(nbd.CACHE, SIZE, 1), nbd.EINVAL, 'cache past the end')
        same(c.call(nbd.FLUSH, 512, 0), nbd.EINVAL, 'flush with an offset')
        same(c.call(nbd.FLUSH, 0, 512), nbd.EINVAL, 'flush with a length')
        c.lives()
    each_style(go, 'memory', SIZE)


@case
def unknown_commands_are_EINVAL_and_the_connection_lives():
    def go(c):
        for cmd in (8, 9, 77, 255, 256, 0xffff):
            same(c.call(cmd), nbd.EINVAL, f'command {cmd}')
            same(c.call(cmd, 0, 512), nbd.EINVAL, f'command {cmd} with a length')
            c.lives()
        c.disconnect()
    each_style(go, 'memory', SIZE)


@case
def unknown_flags_are_EINVAL_and_the_connection_lives():
    def go(c):
        for flag in (64, 1 << 12, 0x8000):
            same(c.read(0, 512, flag), nbd.EINVAL, f'read with flag {flag}')
            same(c.write(0, b'x' * 512, flag), nbd.EINVAL, f'write with flag {flag}')
            for cmd in (nbd.TRIM, nbd.ZERO, nbd.CACHE):
                same(c.call(cmd, 0, 512, flags=flag), nbd.EINVAL, f'command {cmd} with flag {flag}')
            same(c.call(nbd.FLUSH, flags=flag), nbd.EINVAL, f'flush with flag {flag}')
            c.lives()
        same(c.read(0, 512), bytes(512), 'a refused write wrote nothing')
    each_style(go, 'memory', SIZE)


@case
def flags_of_other_commands_are_EINVAL():
    def go(c):
        same(c.read(0, 512, nbd.REQ_ONE), nbd.EINVAL, 'read with REQ_ONE')
        same(c.write(0, b'x' * 512, nbd.DF), nbd.EINVAL, 'write with DF')
        same(c.write(0, b'x' * 512, nbd.NO_HOLE), nbd.EINVAL, 'write with NO_HOLE')
        same(c.call(nbd.TRIM, 0, 512, flags=nbd.NO_HOLE), nbd.EINVAL, 'trim with NO_HOLE')
        same(c.call(nbd.TRIM, 0, 512, flags=nbd.FAST), nbd.EINVAL, 'trim with FAST_ZERO')
        same(c.call(nbd.ZERO, 0, 512, flags=nbd.REQ_ONE), nbd.EINVAL, 'zero with REQ_ONE')
        same(c.call(nbd.CACHE, 0, 512, flags=nbd.DF), nbd.EINVAL, 'cache with DF')
        same(c.call(nbd.FLUSH, flags=nbd.NO_HOLE), nbd.EINVAL, 'flush with NO_HOLE')
        c.lives()
    each_style(go, 'memory', SIZE)


@case
def df_needs_structured_replies():
    with Server('memory', SIZE) as s, up(s.sock) as c:
        same(c.read(0, 512, nbd.DF), nbd.EINVAL, 'DF with simple replies')
        c.lives()


@case
def reads_past_the_end_are_EINVAL():
    def go(c):
        for offset, length in ((SIZE, 1), (SIZE - 1, 2), (0, SIZE + 1), (1 << 40, 512), ((1 << 64) - 512, 512),
                               ((1 << 64) - 1, 1), ((1 << 63), 4096), ((1 << 64) - 512, 1024)):
            same(c.read(offset, length), nbd.EINVAL, f'read {length} at {offset:#x}')
            c.lives()
        same(c.read(SIZE - 1, 1), b'\0', 'the last byte')
    each_style(go, 'memory', SIZE)


@case
def writes_past_the_end_are_ENOSPC_and_the_payload_is_thrown_away():
    def go(c):
        for offset, length in ((SIZE, 1), (SIZE - 1, 2), (SIZE - 511, 512), (1 << 40, 4096), ((1 << 64) - 512, 512),
                               ((1 << 64) - 512, 1024), (0, SIZE + 1), (1, SIZE)):
            # A payload that looks like requests must not be taken for any.
            fake = struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.DISC, 1, 0, 0) * (length // 28 + 1)
            want = nbd.EINVAL if REAL and offset > SIZE else nbd.ENOSPC
            got = c.write(offset, fake[:length])
            assert got == want or REAL, f'write {length} at {offset:#x}: errno {got}, expected {want}'
            c.lives()
        same(c.read(SIZE - 4096, 4096), bytes(4096), 'nothing was written')
        same(c.write(SIZE - 1, b'!'), 0, 'the last byte')
    each_style(go, 'memory', SIZE)


@case
def trim_zero_and_status_past_the_end():
    def go(c):
        for offset, length in ((SIZE, 1), (SIZE - 1, 2), ((1 << 64) - 512, 1024), (1 << 50, 512)):
            got = c.call(nbd.ZERO, offset, length)
            assert got == nbd.ENOSPC or REAL, f'zero {length} at {offset:#x}: errno {got}'
            got = c.call(nbd.TRIM, offset, length)
            assert got in (nbd.EINVAL, nbd.ENOSPC), f'trim {length} at {offset:#x}: errno {got}'
            if c.structured:
                same(c.status(offset, length), nbd.EINVAL, f'status {length} at {offset:#x}')
            c.lives()
    each_style(go, 'memory', SIZE)


@case
def zero_length_requests_answer_and_the_connection_lives():
    """What they do is undefined; that they answer is not."""
    def go(c):
        for cmd in (nbd.TRIM, nbd.ZERO, nbd.CACHE, nbd.WRITE):
            got = c.call(cmd, 0, 0)
            assert got in (0, nbd.EINVAL, nbd.ENOSPC), f'command {cmd}: {got}'
            c.lives()
        assert c.read(0, 0) in (b'', nbd.EINVAL), 'read'
        if c.structured:
            got = c.status(0, 0)
            assert got in ([], nbd.EINVAL), f'status: {got}'
        c.lives()
    each_style(go, 'memory', SIZE)


@case
def reads_over_the_maximum_are_refused():
    def go(c):
        for length in (MAX + 1, MAX * 2, 0xffffffff):
            got = c.read(0, length)
            assert got in (nbd.EINVAL, nbd.ENOMEM, nbd.EOVERFLOW), f'read of {length}: errno {got}'
            c.lives()
    each_style(go, 'memory', '1T')


@case
def writes_over_the_maximum_are_skipped_or_end_the_connection():
    def go(c):
        cookie = c.request(nbd.WRITE, 0, MAX + 1)
        try:
            for _ in range(MAX >> 20):
                c.send(b'\xff' * (1 << 20))
            c.send(b'\xff')
            if c.structured:
                error = c.chunks(cookie)[-1].error()
            else:
                error = c.simple()[0]
            assert error in (nbd.EINVAL, nbd.ENOMEM), f'errno {error}'
            same(c.read(0, 512), bytes(512), 'nothing was written')
        except (nbd.Closed, BrokenPipeError, ConnectionResetError):
            assert not REAL, 'nbdkit skips up to twice its maximum'
    each_style(go, 'memory', '1T')


@case
def a_write_of_4_GiB_is_not_believed():
    with Server('memory', '1T') as s:
        with up(s.sock) as c:
            c.request(nbd.WRITE, 0, 0xffffffff)
            def some():
                c.send(bytes(1 << 16))
                c.s.shutdown(1)
            assert c.refused(some)
        up(s.sock).lives()


@case
def a_read_only_export_refuses_writes():
    def go(c):
        assert c.flags & nbd.READ_ONLY
        fake = struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.DISC, 1, 0, 0) * 20
        same(c.write(0, fake), nbd.EPERM, 'write')
        c.lives()
        same(c.write(0, bytes(300000)), nbd.EPERM, 'a large write')
        c.lives()
        got = c.call(nbd.TRIM, 0, 512)
        assert got == nbd.EPERM or REAL and got == nbd.EINVAL, f'trim: {got}'
        got = c.call(nbd.ZERO, 0, 512)
        assert got == nbd.EPERM or REAL and got == nbd.EINVAL, f'zero: {got}'
        same(c.read(0, 512), bytes(512), 'nothing changed')
        c.disconnect()
    each_style(go, '-r', 'memory', SIZE)


@case
def a_bad_request_magic_ends_the_connection():
    with Server('memory', SIZE) as s:
        for style in styles():
            for magic in (1, nbd.SIMPLE, nbd.REQUEST ^ 1, 0xffffffff, nbd.EXT_REPLY):
                with up(s.sock, **style) as c:
                    c.lives()
                    assert c.refused(c.request, nbd.READ, 0, 512, magic=magic)
        if not REAL: # the magic of the other kind of header
            with up(s.sock) as c:
                assert c.refused(c.request, nbd.READ, 0, 512, magic=nbd.EXT_REQUEST)
            with up(s.sock, extended=True) as c:
                assert c.refused(c.request, nbd.READ, 0, 512, magic=nbd.REQUEST)
        up(s.sock).lives()


@case
def disconnect_answers_what_came_before_it():
    if REAL:
        raise Skip('nbdkit breaks the delay off')
    with Server('--filter=delay', 'memory', SIZE, 'rdelay=100ms') as s:
        for style in styles():
            with up(s.sock, **style) as c:
                cookies = {c.request(nbd.READ, i * 512, 512, flags=0) for i in range(5)}
                c.request(nbd.DISC)
                for _ in range(5):
                    if c.structured:
                        chunk = c.chunk()
                        assert chunk.flags & nbd.DONE and chunk.error() is None, chunk
                        cookies.remove(chunk.cookie)
                    else:
                        error, cookie = c.simple()
                        same(error, 0, 'read')
                        c.recv(512)
                        cookies.remove(cookie)
                assert c.closed()


@case
def any_cookie_comes_back():
    with Server('memory', SIZE) as s, up(s.sock) as c:
        for cookie in (0, 1, (1 << 64) - 1, 0x8000000000000000, 0x0102030405060708):
            c.cookie = cookie - 1
            c.send(struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.READ, cookie, 0, 1))
            same(c.simple(), (0, cookie), 'cookie')
            c.recv(1)


@case
def structured_reads_tell_holes_unless_DF():
    if REAL:
        raise Skip('nbdkit 1.32 sends no holes')
    with Server('memory', SIZE) as s:
        for style in list(styles())[1:]:
            with up(s.sock, **style) as c:
                c.call(nbd.TRIM, 0, SIZE)
                chunks = c.chunks(c.request(nbd.READ, 0, SIZE))
                assert all(k.kind == nbd.HOLE for k in chunks if k.kind != nbd.NONE), chunks
                same(sum(struct.unpack('>QI', k.data)[1] for k in chunks if k.kind == nbd.HOLE), SIZE, 'holes')
                c.write(512 << 10, b'data' * 16384)
                chunks = c.chunks(c.request(nbd.READ, 0, SIZE))
                kinds = {k.kind for k in chunks if k.kind != nbd.NONE}
                same(kinds, {nbd.HOLE, nbd.DATA}, 'kinds of chunks')
                assert all(k.flags & nbd.DONE == 0 for k in chunks[:-1]), 'only the last is the last'
                want = bytes(512 << 10) + b'data' * 16384 + bytes((512 << 10) - 65536)
                same(c.read(0, SIZE), want, 'what it amounts to')
                chunks = c.chunks(c.request(nbd.READ, 0, SIZE, flags=nbd.DF))
                same([k.kind for k in chunks if k.kind != nbd.NONE], [nbd.DATA], 'with DF')
                assert chunks[0].data[8:] == want, 'with DF'


@case
def errors_come_with_words():
    if REAL:
        raise Skip('nbdkit 1.32 sends no text')
    with Server('memory', SIZE) as s, up(s.sock, structured=True) as c:
        for what, args in (('read past the end', (nbd.READ, SIZE, 512)), ('unknown command', (77, 0, 0))):
            chunk = c.chunks(c.request(*args))[-1]
            same(chunk.error(), nbd.EINVAL, what)
            assert chunk.text().isprintable() and chunk.text(), f'{what}: {chunk.data!r}'
            n = struct.unpack('>H', chunk.data[4:6])[0]
            extra = 8 if chunk.kind == nbd.ERROR_OFFSET else 0
            same(len(chunk.data), 6 + n + extra, 'length of the chunk')


@case
def block_status_tells_holes_and_data():
    with Server('memory', SIZE) as s:
        for style in list(styles())[1:]:
            with up(s.sock, **style) as c:
                c.call(nbd.TRIM, 0, SIZE)
                same(sum(n for n, _ in c.status(0, SIZE)), SIZE, 'covered')
                assert all(f == 3 for _, f in c.status(0, SIZE)), 'an empty disk is hole and zero'
                c.write(256 << 10, b'x' * 65536)
                extents = c.status(0, SIZE)
                assert {f for _, f in extents} == {0, 3}, extents
                at = 0
                for n, f in extents:
                    if at <= 256 << 10 < at + n:
                        same(f, 0, 'the written block')
                    at += n
                same(at, SIZE, 'covered')
                one = c.status(0, SIZE, nbd.REQ_ONE)
                same(len(one), 1, 'extents with REQ_ONE')
                assert one[0][0] <= SIZE, 'REQ_ONE stays within the request'
                same(c.status(300 << 10, 512)[0][1], 0, 'in the middle')
                c.lives()


@case
def block_status_of_a_chess_board():
    """Thousands of extents in one chunk."""
    step, n = 65536, 1000
    with Server('memory', step * 2 * n) as s:
        for style in list(styles())[1:]:
            with up(s.sock, **style) as c:
                for i in range(n):
                    same(c.write(i * 2 * step, b'#' * step), 0)
                extents = c.status(0, step * 2 * n)
                same(len(extents), 2 * n, 'extents')
                same({(e, f) for e, f in extents}, {(step, 0), (step, 3)}, 'their kinds')
                same([f for _, f in extents[:4]], [0, 3, 0, 3], 'their order')


@case
def block_status_without_negotiation_is_EINVAL():
    with Server('memory', SIZE) as s:
        with up(s.sock) as c:
            same(c.call(nbd.STATUS, 0, 512), nbd.EINVAL, 'simple replies')
            c.lives()
        with up(s.sock, structured=True) as c:
            same(c.status(0, 512), nbd.EINVAL, 'no context')
            c.lives()


@case
def extended_lengths_have_64_bits():
    if REAL:
        raise Skip('nbdkit 1.32 has no extended headers')
    size = 1 << 50
    with Server('memory', size) as s, up(s.sock, extended=True, meta=[b'base:allocation']) as c:
        same(c.size, size, 'size')
        same(c.write(size - 4096, b'z' * 4096), 0, 'write at the end')
        extents = c.status(0, size)
        same(sum(n for n, _ in extents), size, 'block status of a petabyte')
        assert max(n for n, _ in extents) > 1 << 32, 'an extent over 4 GiB'
        same(c.call(nbd.ZERO, 0, size), 0, 'zero a petabyte')
        same(c.read(size - 4096, 4096), bytes(4096), 'it is zero')
        c.write(size - 4096, b'z' * 4096)
        same(c.call(nbd.TRIM, 0, size), 0, 'trim a petabyte')
        same(c.status(0, size), [(size, 3)], 'all a hole again')
        same(c.call(nbd.CACHE, 0, size), 0, 'cache a petabyte')
        same(c.call(nbd.READ, 0, 1 << 40), nbd.EINVAL, 'a read of a terabyte')
        same(c.call(nbd.TRIM, 1, size), nbd.EINVAL, 'trim past the end')
        same(c.call(nbd.ZERO, 1, size), nbd.ENOSPC, 'zero past the end')
        same(c.call(nbd.TRIM, 4096, (1 << 64) - 4096), nbd.EINVAL, 'a length that wraps')
        c.lives()


@case
def extended_payload_flag_rules():
    if REAL:
        raise Skip('nbdkit 1.32 has no extended headers')
    with Server('memory', SIZE) as s:
        with up(s.sock, extended=True) as c:
            same(c.write(0, b'p' * 512, nbd.PAYLOAD), 0, 'write with the flag')
            same(c.write(512, b'q' * 512), 0, 'write without it')
            same(c.read(0, 1024), b'p' * 512 + b'q' * 512, 'read back')
            # With the flag, the length is that of a payload that must be skipped.
            cookie = c.request(nbd.READ, 0, 512, b'#' * 512, nbd.PAYLOAD)
            same(c.chunks(cookie)[-1].error(), nbd.EINVAL, 'read with a payload')
            c.lives()
            cookie = c.request(nbd.TRIM, 0, 4096, b'#' * 4096, nbd.PAYLOAD)
            same(c.chunks(cookie)[-1].error(), nbd.EINVAL, 'trim with a payload')
            c.lives()
        with up(s.sock, structured=True) as c:
            same(c.write(0, b'x' * 512, nbd.PAYLOAD), nbd.EINVAL, 'the flag without extended headers')
            c.lives()
        with up(s.sock, extended=True) as c: # a payload without end
            assert c.refused(c.request, nbd.READ, 0, (1 << 62), b'#' * 512, nbd.PAYLOAD)
        up(s.sock).lives()


@case
def extended_replies_carry_the_offset_of_the_request():
    if REAL:
        raise Skip('nbdkit 1.32 has no extended headers')
    with Server('memory', SIZE) as s, up(s.sock, extended=True, meta=[b'base:allocation']) as c:
        for cmd in (nbd.READ, nbd.TRIM, nbd.ZERO, nbd.CACHE, nbd.STATUS):
            for chunk in c.chunks(c.request(cmd, 4096, 512)):
                same(chunk.offset, 4096, f'command {cmd}')
        same(c.chunks(c.request(nbd.READ, SIZE, 512))[-1].offset, SIZE, 'of an error')


@case
def many_requests_in_one_packet():
    """All are answered, each with its own data; split anywhere."""
    with Server('memory', SIZE) as s, up(s.sock) as c:
        for i in range(64):
            same(c.write(i * 512, bytes([i]) * 512), 0)
        packet = b''.join(struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.READ, i, i * 512, 512) for i in range(64))
        for cut in (len(packet), 1, 27, 28, 29, 1000):
            for at in range(0, len(packet), cut):
                c.send(packet[at:at + cut])
            seen = set()
            for _ in range(64):
                error, cookie = c.simple()
                same(error, 0)
                same(c.recv(512), bytes([cookie]) * 512, f'read {cookie}')
                seen.add(cookie)
            same(len(seen), 64)


@case
def writes_of_all_sizes_in_one_stream():
    """Payloads that do and do not fit the receive buffer, back to back, then compared."""
    with Server('memory', 8 << 20) as s, up(s.sock) as c:
        image, packet, n, at = bytearray(8 << 20), bytearray(), 0, 0
        for length in (1, 511, 512, 4096, 28, 65535, 65536, 65537, 131072, 3, 262144, 1 << 20, 7, 300000, 4095, 4097):
            data = bytes((n + i) & 0xff for i in range(256)) * (length // 256 + 1)
            image[at:at + length] = data[:length]
            packet += struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.WRITE, n, at, length) + data[:length]
            at, n = at + length, n + 1
        for i in range(0, len(packet), 77777):
            c.send(packet[i:i + 77777])
        same(sorted(c.simple() for _ in range(n)), [(0, i) for i in range(n)], 'replies')
        assert c.read(0, 8 << 20) == bytes(image), 'read back'


main()
