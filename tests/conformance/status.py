# SPDX-License-Identifier: BSD-2-Clause
"""Rules of BLOCK_STATUS and of base:allocation."""
import struct
import rawnbd as nbd
from chunks import BOTH, STEP, sparse
from commands import refusal, zero_length
from registry import NotOffered, must, should, untestable
from servers import BLOCK, SIZE
from trial import *

BITMAP = (CONTEXT, b'qemu:dirty-bitmap:marks', b'qemu:allocation-depth')
ASKED = ((0, 1 << 20), (0, 512), (STEP // 2, STEP), (STEP + 512, 512), (0, SIZE), (SIZE - 4096, 4096))


class Extents:
    """A status chunk, taken apart."""

    def __init__(self, k):
        self.chunk = k
        if k.kind == nbd.BLOCKS:
            check(len(k.data) >= 12 and (len(k.data) - 4) % 8 == 0, f'BLOCK_STATUS of {len(k.data)} bytes')
            self.count, self.list = None, list(struct.iter_unpack('>II', k.data[4:]))
        else:
            same(k.kind, nbd.BLOCKS_EXT, 'the type of the chunk')
            check(len(k.data) >= 24 and (len(k.data) - 8) % 16 == 0, f'BLOCK_STATUS_EXT of {len(k.data)} bytes')
            self.count, self.list = struct.unpack('>I', k.data[4:8])[0], list(struct.iter_unpack('>QQ', k.data[8:]))
        self.id = struct.unpack('>I', k.data[:4])[0]


def connections(t, styles=BOTH):
    for kind, queries in (('disk', (CONTEXT,)), ('bitmap', BITMAP)):
        try:
            for c in t.ups(kind, styles, meta=queries):
                sparse(c)
                yield c
        except NotOffered:
            if kind == 'disk':
                raise


def status_replies(t, flags=0, styles=BOTH):
    """(what, connection, offset, length, status chunks as Extents) of good requests."""
    for c in connections(t, styles):
        for offset, length in ASKED:
            chunks = c.chunks(c.request(nbd.STATUS, offset, length, flags=flags))
            check(not any(k.kind & 0x8000 for k in chunks), f'an error: {chunks}')
            what = f'{c.place.kind}, {c.style} replies, {offset}+{length}'
            yield what, c, offset, length, [Extents(k) for k in chunks if k.kind != nbd.NONE]


@must('C-STATUS-1', 'Request types: BLOCK_STATUS', 'answers with one status chunk for each chosen context, by its id')
def one_chunk_for_each_context(t):
    for what, c, *_, chunks in status_replies(t):
        same(sorted(x.id for x in chunks), sorted(i for i, _ in c.contexts), f'{what}: ids')


@must('C-STATUS-2', 'Structured reply types: BLOCK_STATUS', 'sends at least one extent, and none of length 0')
def extents_have_lengths(t):
    for what, *_, chunks in status_replies(t): # Extents() looks at the length of the chunk
        check(all(n > 0 for x in chunks for n, _ in x.list), f'{what}: an empty extent')


@must('C-STATUS-3', 'Command flags: REQ_ONE', 'sends with REQ_ONE one extent, not longer than the request')
def req_one(t):
    for what, _, _, length, chunks in status_replies(t, nbd.REQ_ONE):
        for x in chunks:
            same(len(x.list), 1, f'{what}: extents')
            check(x.list[0][0] <= length, f'{what}: an extent of {x.list[0][0]} bytes')


@must('C-STATUS-4', 'Structured reply types: BLOCK_STATUS', 'sends no extent that begins behind the range of the request')
def only_the_last_reaches_beyond(t):
    for what, _, _, length, chunks in status_replies(t):
        for x in chunks:
            check(sum(n for n, _ in x.list[:-1]) < length, f'{what}: {len(x.list)} extents')


@must('C-STATUS-5', 'Request types: BLOCK_STATUS', 'marks as zero (base:allocation) only what reads as zeroes')
def zeroes_are_zeroes(t):
    for c in connections(t):
        allocation = next(i for i, name in c.contexts if name == CONTEXT)
        for offset, length in ASKED[:4]:
            for x in map(Extents, c.chunks(c.request(nbd.STATUS, offset, length))):
                at = offset
                for n, flags in x.list if x.id == allocation else ():
                    if flags & 2 and at < 1 << 20:
                        size = min(n, (1 << 20) - at)
                        check(not any(fresh(c, at, size)), f'{c.style} replies: {at}+{size} is not zero')
                    at += n


@should('C-STATUS-6', 'base:allocation', 'sets no status flag of base:allocation that is not defined')
def no_unknown_status_flags(t):
    for what, c, *_, chunks in status_replies(t):
        allocation = next(i for i, name in c.contexts if name == CONTEXT)
        for x in chunks:
            check(x.id != allocation or all(flags & ~3 == 0 for _, flags in x.list), f'{what}: {short(x.list)}')


@should('C-STATUS-7', 'Request types: BLOCK_STATUS', 'joins neighbours of the same status')
def neighbours_differ(t):
    for what, *_, chunks in status_replies(t):
        for x in chunks:
            check(all(a[1] != b[1] for a, b in zip(x.list, x.list[1:])), f'{what}: {short(x.list)}')


@should('C-STATUS-8', 'Request types: BLOCK_STATUS', 'cuts extents at multiples of 512 bytes')
def extents_are_aligned(t):
    for what, _, offset, length, chunks in status_replies(t):
        for x in chunks:
            at = offset
            for n, _ in x.list:
                at += n
                check(at % 512 == 0 or at >= offset + length, f'{what}: an extent ends at {at}')


@should('C-STATUS-9', 'Request types: BLOCK_STATUS', 'tells extents in multiples of the least block that it advertises',
        'a MUST until 2025')
def extents_are_blocks(t):
    for style in BOTH:
        c = t.conn('block')
        t.negotiate(c, style)
        c.contexts = t.set_contexts(c, CONTEXT)
        if not c.contexts:
            raise NotOffered('no metadata contexts')
        t.go(c, nbd.INFO_BLOCK_SIZE)
        fill(c, 3 * BLOCK, b'b' * BLOCK)
        for x in map(Extents, c.chunks(c.request(nbd.STATUS, 0, 64 * BLOCK))):
            check(all(n % BLOCK == 0 for n, _ in x.list), short(x.list))
        if style == 'structured':
            try:
                t.negotiate(t.conn('block'), 'extended')
            except NotOffered:
                return


refusal('C-STATUS-10', 'Metadata querying', 'says EINVAL to BLOCK_STATUS when no context is chosen', (nbd.STATUS, 0, 4096, 0, 0))


@should('C-STATUS-11', 'Metadata querying', 'says EINVAL to BLOCK_STATUS when the contexts were chosen for another export')
def contexts_of_another_export(t):
    c = t.conn('named')
    t.negotiate(c, 'structured')
    try:
        contexts = t.set_contexts(c, CONTEXT, name=b'two')
    except AssertionError: # there is no other one here
        raise NotOffered('one export only') from None
    if not contexts:
        raise NotOffered('no metadata contexts')
    t.go(c)
    same(c.status(0, 4096), nbd.EINVAL, 'the answer')


@should('C-STATUS-12', 'Request types: BLOCK_STATUS', 'says EINVAL to BLOCK_STATUS past the end')
def status_past_the_end(t):
    for c in t.ups(styles=BOTH, meta=[CONTEXT]):
        for offset, length in ((SIZE, 512), (SIZE - 512, 1024), (1 << 63, 512)):
            same(c.status(offset, length), nbd.EINVAL, f'{c.style} replies: {offset}+{length}')


zero_length('C-STATUS-13', nbd.STATUS, 'BLOCK_STATUS')


@must('C-STATUS-14', 'Request types: BLOCK_STATUS', 'tells an error, or one extent that says nothing, when the status cannot be had')
def status_error(t):
    for c in t.ups('error', BOTH, meta=[CONTEXT]):
        got = c.status(4096, 65536)
        check(isinstance(got, int) or sum(n for n, _ in got) <= 65536 and all(f == 0 for _, f in got), f'{c.style} replies: {got}')


untestable('C-STATUS-15', 'Request types: BLOCK_STATUS', 'SHOULD', 'sends at most 2^20 extents in a chunk',
           'needs two million extents; ours stops at EXTENTS_MAX (src/core/core.h)')
untestable('C-STATUS-16', 'base:allocation', 'MUST', 'does not say ENOSPC to a write where it said that there is no hole',
           'needs a full file system under the export')


# --- with extended headers ---


@must('X-STATUS-1', 'Structured reply types: BLOCK_STATUS_EXT (ext)', 'sends BLOCK_STATUS_EXT only with extended headers')
def compact_status_in_structured_replies(t):
    for what, *_, chunks in status_replies(t, styles=('structured',)):
        same({x.chunk.kind for x in chunks}, {nbd.BLOCKS}, f'{what}: types')


@must('X-STATUS-2', 'Structured reply types: BLOCK_STATUS_EXT (ext)', 'sends as count of extents 0, or their number')
def count_of_extents(t):
    for what, *_, chunks in status_replies(t, styles=('extended',)):
        for x in chunks:
            check(x.count in (None, 0, len(x.list)), f'{what}: {x.count} for {len(x.list)}')


@must('X-STATUS-3', 'Structured reply types: BLOCK_STATUS_EXT (ext)', 'leaves the upper half of a status of 32 bits zero')
def status_padding(t):
    for what, *_, chunks in status_replies(t, styles=('extended',)):
        check(all(flags < 1 << 32 for x in chunks for _, flags in x.list), what)
