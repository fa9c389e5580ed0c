# SPDX-License-Identifier: BSD-2-Clause
"""Rules of block size constraints and of payload limits."""
import struct
import rawnbd as nbd
from registry import NotOffered, must, should
from servers import BLOCK, SIZE
from trial import *

KINDS = ('disk', 'ro', 'named', 'block', 'huge')


def advertised(t, kind, option=nbd.GO):
    """(size of the export, least, preferred, largest) as told by that option; NotOffered when they are not."""
    c = t.conn(kind)
    replies = c.ask(option, nbd.go_query(c.name, nbd.INFO_BLOCK_SIZE))
    same(replies[-1][0], nbd.ACK, 'the last reply')
    infos = infos_of(replies)
    if nbd.INFO_BLOCK_SIZE not in infos:
        raise NotOffered('no INFO_BLOCK_SIZE')
    data = infos[nbd.INFO_BLOCK_SIZE][0]
    same(len(data), 12, 'the payload of INFO_BLOCK_SIZE')
    return struct.unpack('>Q', infos[nbd.INFO_EXPORT][0][:8]) + struct.unpack('>III', data)


def all_advertised(t):
    seen = 0
    for kind in KINDS:
        try:
            got = advertised(t, kind)
        except NotOffered:
            continue
        seen += 1
        yield kind, *got
    if not seen:
        raise NotOffered('no INFO_BLOCK_SIZE')


def power_of_two(n):
    return n and n & (n - 1) == 0


@must('B-1', 'Block size constraints', 'advertises as least block a power of two, at most 65536')
def least_block(t):
    for kind, _, least, _, _ in all_advertised(t):
        check(power_of_two(least) and least <= 65536, f'{kind}: {least}')


@must('B-2', 'Block size constraints', 'advertises as preferred block a power of two, at least 512 and the least block')
def preferred_block(t):
    for kind, _, least, preferred, _ in all_advertised(t):
        check(power_of_two(preferred) and preferred >= max(least, 512), f'{kind}: {preferred}')


@must('B-3', 'Block size constraints', 'advertises as largest payload at least the preferred block',
      'older texts: or the size of the export, if that is less; and a multiple of the least block')
def largest_payload(t):
    for kind, size, _, preferred, largest in all_advertised(t):
        check(largest >= min(preferred, size), f'{kind}: {largest}')


@should('B-4', 'Block size constraints', 'advertises as largest payload at least a MiB, if the export is that large')
def largest_payload_is_large(t):
    for kind, size, _, _, largest in all_advertised(t):
        check(largest >= min(size, 1 << 20), f'{kind}: {largest}')


@should('B-5', 'Block size constraints', 'advertises a size of the export that is a multiple of the least block')
def size_is_in_blocks(t):
    for kind, size, least, _, _ in all_advertised(t):
        same(size % least, 0, f'{kind}: rest')


@must('B-6', 'Option reply types: INFO_BLOCK_SIZE', 'tells its block sizes when asked, if they are not the default ones')
def sizes_are_told(t):
    t.place('block')
    for option in (nbd.INFO, nbd.GO):
        try:
            same(advertised(t, 'block', option)[1], BLOCK, f'option {option}: least block')
        except NotOffered:
            raise AssertionError(f'option {option}: no INFO_BLOCK_SIZE') from None


@must('B-7', 'Option reply types: INFO_BLOCK_SIZE', 'sends INFO_BLOCK_SIZE with 14 bytes')
def info_has_14_bytes(t):
    for _ in all_advertised(t): # advertised() looks at it
        pass


@should('B-8', 'Block size constraints', 'takes any offset and length of at least 1 when it told no block sizes')
def any_offset_by_default(t):
    for c in t.ups():
        for offset, length in ((0, 1), (1, 1), (511, 3), (4097, 513), (SIZE - 1, 1)):
            fill(c, offset, b'1' * length)
            same(fresh(c, offset, length), b'1' * length, f'{c.style} replies: {offset}+{length}')


@should('B-9', 'Block size constraints', 'takes reads and writes of 32 MiB')
def payload_of_32m(t):
    for c in t.ups():
        data = bytes(range(256)) * (32 << 12)
        fill(c, 4096, data)
        check(fresh(c, 4096, 32 << 20) == data, f'{c.style} replies: read back')


@must('B-10', 'Block size constraints',
      'fails what its blocks do not allow cleanly, or serves it, for clients that did not ask for the sizes')
def unaligned_and_unasked(t):
    c = t.conn('block')
    kind = c.answer(nbd.GO, nbd.go_query(c.name))
    if kind == nbd.ERR_BLOCK_SIZE:
        return # it may turn such clients away
    same(kind, nbd.ACK, 'GO')
    fill(c, 0, b'B' * 4 * BLOCK)
    for offset, length in ((1, BLOCK), (BLOCK, 512), (BLOCK - 1, 2), (0, BLOCK + 1)):
        error = attempt(c, nbd.WRITE, offset, length)
        want = b'B' * offset + (b'B' if error else b'\0') * length
        check(fresh(c, 0, 4 * BLOCK) == want + b'B' * (4 * BLOCK - len(want)),
              f'write {offset}+{length}, error {error}: something else changed')
        fill(c, 0, b'B' * 4 * BLOCK)


@should('B-11', 'Block size constraints', 'says EINVAL to requests that are not in multiples of the least block that it told')
def unaligned(t):
    c = t.go(t.conn('block'), nbd.INFO_BLOCK_SIZE)
    for cmd in (nbd.READ, nbd.WRITE):
        for offset, length in ((1, BLOCK), (0, 512), (BLOCK, BLOCK + 1)):
            same(attempt(c, cmd, offset, length), nbd.EINVAL, f'command {cmd}, {offset}+{length}')


@should('B-12', 'Block size constraints', 'does not disconnect on a write of up to 32 MiB, though its largest payload may be less')
def long_write_on_small_payload(t):
    c = t.go(t.conn('block'), nbd.INFO_BLOCK_SIZE)
    try:
        attempt(c, nbd.WRITE, 0, 32 << 20)
    except (nbd.Closed, BrokenPipeError, ConnectionResetError):
        raise AssertionError('the server closes the connection') from None
    check(isinstance(c.read(0, BLOCK), bytes), 'then a read fails')


@should('B-13', 'Block size constraints',
        'does not disconnect on trims and zeroes over its largest payload; if they fail, by EINVAL or EOVERFLOW')
def long_effects_without_payload(t):
    tried = 0
    for kind, length in (('block', 8 << 20), ('huge', 0xfffff000)):
        try:
            c = t.go(t.conn(kind), nbd.INFO_BLOCK_SIZE)
        except NotOffered:
            continue
        for cmd, flag in ((nbd.TRIM, nbd.SEND_TRIM), (nbd.ZERO, nbd.SEND_ZERO), (nbd.CACHE, nbd.SEND_CACHE)):
            if c.flags & flag:
                tried += 1
                try:
                    error = attempt(c, cmd, 0, length)
                except nbd.Closed:
                    raise AssertionError(f'{kind}: command {cmd}: the server closes the connection') from None
                check(error in (0, nbd.EINVAL, nbd.EOVERFLOW), f'{kind}: command {cmd}: error {error}')
    if not tried:
        raise NotOffered('neither trim nor zero')
