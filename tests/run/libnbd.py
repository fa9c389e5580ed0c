#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""libnbd's own view: every command and flag, option mode, many connections."""
import errno, threading
from harness import *
try:
    import nbd
except ImportError:
    print('libnbd for Python is not installed')
    raise SystemExit(77) from None

SIZE = 64 << 20


def connect(s, name='', prepare=None):
    h = nbd.NBD()
    h.set_export_name(name)
    h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    if prepare:
        prepare(h)
    h.connect_unix(s.sock)
    return h


def fails(what, number, f, *args, **kw):
    try:
        f(*args, **kw)
    except nbd.Error as e:
        same(e.errnum, number, what)
        return
    raise AssertionError(f'{what} worked')


def extents(h, count, offset, flags=0):
    got = []

    def add(context, at, entries, err):
        same(context, nbd.CONTEXT_BASE_ALLOCATION, 'context')
        got.extend(zip(entries[::2], entries[1::2]))
    h.block_status(count, offset, add, flags)
    return got


@case
def every_command_and_flag():
    with Server('memory', SIZE) as s:
        h = connect(s)
        same(h.get_size(), SIZE, 'size')
        for can in ('flush', 'fua', 'trim', 'zero', 'fast_zero', 'cache', 'df', 'multi_conn'):
            assert getattr(h, 'can_' + can)(), can
        assert not h.is_read_only() and not h.is_rotational()
        assert h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION) and h.get_structured_replies_negotiated()

        h.pwrite(b'a' * 4096, 0)
        h.pwrite(b'b' * 4096, 4096, nbd.CMD_FLAG_FUA)
        same(h.pread(8192, 0), bytearray(b'a' * 4096 + b'b' * 4096), 'read')
        h.zero(4096, 0)
        h.zero(1024, 4096, nbd.CMD_FLAG_NO_HOLE)
        h.zero(1024, 5120, nbd.CMD_FLAG_FUA)
        h.zero(1024, 6144, nbd.CMD_FLAG_FAST_ZERO)
        same(h.pread(8192, 0), bytearray(bytes(7168) + b'b' * 1024), 'after zero')
        h.trim(512, 7168)
        h.trim(512, 7680, nbd.CMD_FLAG_FUA)
        same(h.pread(8192, 0), bytearray(8192), 'after trim')
        h.flush()
        h.cache(SIZE, 0)
        same(sum(n for n, _ in extents(h, SIZE, 0)), SIZE, 'extents')
        h.pwrite(b'c' * 65536, 1 << 20)
        same([f for _, f in extents(h, 65536, 1 << 20)], [0], 'data')
        same(len(extents(h, SIZE, 0, nbd.CMD_FLAG_REQ_ONE)), 1, 'REQ_ONE')
        h.shutdown()


@case
def chunks_of_a_structured_read():
    with Server('memory', SIZE) as s:
        h = connect(s)
        h.pwrite(b'd' * 65536, 1 << 20)
        seen = []
        h.pread_structured(4 << 20, 0, lambda data, at, status, err: seen.append((status, at, len(data))))
        kinds = {k for k, _, _ in seen}
        assert nbd.READ_DATA in kinds, seen
        if not REAL:
            assert nbd.READ_HOLE in kinds, seen
        seen.clear()
        h.pread_structured(4 << 20, 0, lambda data, at, status, err: seen.append(status), nbd.CMD_FLAG_DF)
        same(seen, [nbd.READ_DATA], 'with DF')
        h.shutdown()


@case
def errors_are_the_specification_s():
    def sloppy(h):
        h.set_strict_mode(0)
    with Server('memory', SIZE) as s:
        h = connect(s, prepare=sloppy)
        fails('read past the end', errno.EINVAL, h.pread, 512, SIZE)
        fails('write past the end', errno.ENOSPC, h.pwrite, b'x' * 512, SIZE)
        fails('zero past the end', errno.ENOSPC, h.zero, 512, SIZE)
        fails('status past the end', errno.EINVAL, extents, h, 512, SIZE)
        fails('unknown flag', errno.EINVAL, h.pread, 512, 0, 1 << 13)
        same(h.pread(512, 0), bytearray(512), 'the connection lives')
        h.shutdown()
    with Server('-r', 'memory', SIZE) as s:
        h = connect(s, prepare=sloppy)
        assert h.is_read_only()
        fails('write', errno.EPERM, h.pwrite, b'x' * 512, 0)
        same(h.pread(512, 0), bytearray(512), 'the connection lives')
        h.shutdown()


@case
def option_mode():
    with Server('memory', SIZE) as s:
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.connect_unix(s.sock)
        names = []
        h.opt_list(lambda name, text: names.append(name))
        same(names, [''], 'list')
        for _ in range(2):
            h.opt_info()
            same(h.get_size(), SIZE, 'info')
        contexts = []
        h.add_meta_context('base:')
        h.opt_list_meta_context(contexts.append)
        same(contexts, ['base:allocation'], 'contexts')
        h.clear_meta_contexts()
        h.add_meta_context('base:allocation')
        h.set_full_info(True)
        h.set_export_name('any name')
        h.opt_go()
        same(h.get_canonical_export_name(), 'any name' if not REAL else h.get_canonical_export_name(), 'canonical name')
        if not REAL:
            same(h.get_block_size(nbd.SIZE_MAXIMUM), 64 << 20, 'maximum block size')
        same(h.pread(512, 0), bytearray(512), 'read')
        h.shutdown()
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.connect_unix(s.sock)
        h.opt_abort()


@case
def without_structured_replies_too():
    def plain(h):
        h.set_request_structured_replies(False)
    with Server('memory', SIZE) as s:
        h = connect(s, prepare=plain)
        assert not h.get_structured_replies_negotiated() and not h.can_df()
        h.pwrite(b'x' * 100000, 333)
        same(h.pread(100000, 333), bytearray(b'x' * 100000), 'read back')
        h.shutdown()
    for args in (['-o'], ['--no-sr'], ['--mask-handshake=0']):
        with Server(*args, 'memory', SIZE) as s:
            h = connect(s)
            h.pwrite(b'y' * 512, 512)
            same(h.pread(512, 512), bytearray(b'y' * 512), f'read back with {args}')
            h.shutdown()


@case
def hundreds_of_requests_in_flight():
    with Server('memory', SIZE) as s:
        h = connect(s)
        buffers = [(nbd.Buffer(64 * 1024), i) for i in range(512)]
        for _, i in buffers:
            b = nbd.Buffer.from_bytearray(bytearray(bytes([i % 251]) * 65536))
            h.aio_pwrite(b, i * 65536)
        while h.aio_in_flight():
            h.poll(-1)
        cookies = [h.aio_pread(b, i * 65536) for b, i in buffers]
        while h.aio_in_flight():
            h.poll(-1)
        for c in cookies:
            assert h.aio_command_completed(c)
        for b, i in buffers:
            assert b.to_bytearray() == bytes([i % 251]) * 65536, f'block {i}'
        h.shutdown()


@case
def eight_connections_at_once():
    n = 2000 if MODE == 'plain' else 300
    with Server('memory', SIZE) as s:
        bad = []

        def work(k):
            try:
                h = connect(s)
                at = k * (SIZE // 8)
                for i in range(n):
                    data = bytes([k * 16 + i % 16]) * 4096
                    h.pwrite(data, at + i % 100 * 4096)
                    if bytes(h.pread(4096, at + i % 100 * 4096)) != data:
                        bad.append((k, i))
                h.shutdown()
            except Exception as e: # pylint: disable=broad-except
                bad.append((k, e))
        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(bad, [], 'reads that differ')


@case
def all_connections_see_one_disk():
    with Server('memory', SIZE) as s:
        handles = [connect(s) for _ in range(8)]
        for i, h in enumerate(handles):
            h.pwrite(bytes([i + 1]) * 4096, i * 4096)
            h.flush()
            for j, other in enumerate(handles):
                same(other.pread(4096, i * 4096), bytearray(bytes([i + 1]) * 4096), f'written by {i}, read by {j}')
        for h in handles:
            h.shutdown()


main()
