# SPDX-License-Identifier: BSD-2-Clause
"""Rules of structured and extended replies: chunks as such, and those of READ and of errors."""
import struct
import rawnbd as nbd
from registry import NotOffered, must, should, untestable
from servers import SIZE
from trial import *

CONTENT = (nbd.DATA, nbd.HOLE)
BOTH = ('structured', 'extended')
STEP = 65536


def sparse(c):
    """Data, holes and zeroes by turns in the first MiB; returns what it reads as."""
    want = bytearray(1 << 20)
    if c.flags & nbd.SEND_TRIM:
        c.call(nbd.TRIM, 0, 1 << 20)
    if c.flags & nbd.SEND_ZERO:
        same(c.call(nbd.ZERO, 0, 1 << 20), 0, 'WRITE_ZEROES')
    else:
        fill(c, 0, bytes(1 << 20))
    for at in range(0, 1 << 20, 4 * STEP):
        want[at:at + STEP] = b'#' * STEP
        fill(c, at, b'#' * STEP)
    return bytes(want)


READS = ((0, 1 << 20, 0), (0, 4096, 0), (2 * STEP, STEP, 0), (STEP - 100, 300, 0), (STEP - 512, 3 * STEP, 0), (1 << 20, 1 << 20, 0),
         (SIZE - 1, 1, 0),
         (0, STEP, nbd.DF), (STEP // 2, STEP, nbd.DF))
FAILING = ((nbd.READ, SIZE, 512, 0), (nbd.READ, SIZE - 512, 1024, 0), (nbd.READ, 0, 512, nbd.NO_HOLE), (77, 0, 0, 0),
           (nbd.WRITE, SIZE, 512, 0),
           (nbd.READ, 0, 0xfffff000, 0), (nbd.TRIM, SIZE, 512, 0), (nbd.FLUSH, 0, 0, 1 << 14))


def read_replies(t, styles=BOTH):
    """(what, offset, length, flags, chunks) of good reads, in each style; after sparse()."""
    for c in t.ups(styles=styles):
        sparse(c)
        for offset, length, flags in READS:
            if flags & nbd.DF and not c.flags & nbd.SEND_DF:
                continue
            yield f'{c.style} replies: read {offset}+{length}', offset, length, flags, c.chunks(c.request(nbd.READ, offset, length,
                    flags=flags))


def failed_replies(t, styles=BOTH):
    """(what, request, chunks) of requests that fail."""
    for kind in ('disk', 'error'):
        try:
            for c in t.ups(kind, styles):
                for cmd, offset, length, flags in FAILING if kind == 'disk' else ((nbd.READ, 4096, 8192, 0), (nbd.WRITE, 4096, 8192, 0)):
                    data = bytes(length) if cmd == nbd.WRITE else b''
                    if c.extended and data:
                        flags |= nbd.PAYLOAD
                    what = f'{kind}, {c.style} replies: command {cmd} at {offset}, flags {flags}'
                    yield what, (cmd, offset, length, flags), c.chunks(c.request(cmd, offset, length, data, flags))
        except NotOffered:
            if kind == 'disk':
                raise


def errors_of(t):
    for what, request, chunks in failed_replies(t):
        for k in chunks:
            if k.kind & 0x8000:
                yield what, request, k


def other_replies(t, styles=BOTH):
    """(what, chunks) of the good requests that return no data."""
    for c in t.ups(styles=styles):
        for cmd, length, flag in ((nbd.WRITE, 4096, 0), (nbd.FLUSH, 0, nbd.SEND_FLUSH), (nbd.TRIM, 4096, nbd.SEND_TRIM),
                                  (nbd.ZERO, 4096, nbd.SEND_ZERO),
                                  (nbd.CACHE, 4096, nbd.SEND_CACHE)):
            if not flag or c.flags & flag:
                data = bytes(length) if cmd == nbd.WRITE else b''
                cookie = c.request(cmd, 0, length, data, nbd.PAYLOAD if c.extended and data else 0)
                yield f'{c.style} replies: command {cmd}', c.chunks(cookie)


def all_chunks(t):
    for what, *_, chunks in read_replies(t):
        yield what, chunks
    for what, _, chunks in failed_replies(t):
        yield what, chunks
    yield from other_replies(t)


def span(k):
    """(offset, length) that a content chunk describes."""
    if k.kind == nbd.DATA:
        check(len(k.data) >= 9, f'OFFSET_DATA of {len(k.data)} bytes')
        return struct.unpack('>Q', k.data[:8])[0], len(k.data) - 8
    same(len(k.data), 12, 'the length of OFFSET_HOLE')
    return struct.unpack('>QI', k.data)


# --- chunks as such ---


@must('S-1', 'Structured reply flags', 'sets DONE in the last chunk of a reply and in no other')
def done_is_last(t):
    for what, chunks in all_chunks(t): # c.chunks() reads up to DONE; what came after it would be out of step
        check(all(not k.flags & nbd.DONE for k in chunks[:-1]), what)


@must('S-2', 'Structured reply flags', 'sets no flag but DONE')
def no_other_reply_flags(t):
    for what, chunks in all_chunks(t):
        same([k.flags & ~nbd.DONE for k in chunks if k.flags & ~nbd.DONE], [], f'{what}: flags')


@must('S-3', 'Structured reply types: NONE', 'sends NONE without payload and with DONE')
def none_is_empty_and_last(t):
    for what, chunks in all_chunks(t):
        for k in chunks:
            check(k.kind != nbd.NONE or (not k.data and k.flags & nbd.DONE), f'{what}: {k}')


@must('S-4', 'Structured reply types', 'answers a request with the types of chunks that belong to it')
def chunk_types_belong(t):
    for what, *_, chunks in read_replies(t):
        check(all(k.kind in CONTENT + (nbd.NONE,) for k in chunks), f'{what}: {[k.kind for k in chunks]}')
    for what, chunks in other_replies(t):
        same([k.kind for k in chunks], [nbd.NONE], f'{what}: types')
    for what, request, chunks in failed_replies(t):
        allowed = {nbd.NONE, nbd.ERROR, nbd.ERROR_OFFSET} | (set(CONTENT) if request[0] == nbd.READ else set())
        check({k.kind for k in chunks} <= allowed, f'{what}: {[k.kind for k in chunks]}')


@must('S-5', 'Structured reply types', 'sends no chunk whose variable part is longer than the largest payload that it advertises')
def chunks_fit_the_largest_payload(t):
    for kind, length in (('block', 2 << 20), ('disk', 16 << 20)):
        try:
            c = t.conn(kind)
            t.negotiate(c, 'structured')
            t.go(c, nbd.INFO_BLOCK_SIZE)
        except NotOffered:
            if kind == 'disk':
                raise
            continue
        sizes = [d[2:] for d in c.infos if d[:2] == b'\0\3']
        if not sizes:
            continue
        largest = struct.unpack('>III', sizes[0])[2]
        for k in c.chunks(c.request(nbd.READ, 0, length)):
            check(len(k.data) <= largest + 8, f'{kind}: a chunk of {len(k.data)} bytes, with a largest payload of {largest}')


# --- READ ---


@must('S-READ-1', 'Structured reply types: OFFSET_DATA', 'sends OFFSET_DATA with at least one byte of data')
def data_chunks_have_data(t):
    for what, *_, chunks in read_replies(t):
        check(all(len(k.data) >= 9 for k in chunks if k.kind == nbd.DATA), what)


@must('S-READ-2', 'Structured reply types: OFFSET_HOLE', 'sends OFFSET_HOLE with 12 bytes, and no hole of length 0')
def hole_chunks_have_a_length(t):
    seen = 0
    for what, *_, chunks in read_replies(t):
        for k in chunks:
            if k.kind == nbd.HOLE:
                seen += 1
                check(span(k)[1] > 0, f'{what}: an empty hole')
    if not seen:
        raise NotOffered('sends no holes')


@must('S-READ-3', 'READ: structured replies', 'sends content within the range of the request only')
def content_is_in_range(t):
    for what, offset, length, _, chunks in read_replies(t):
        for k in chunks:
            if k.kind in CONTENT:
                at, n = span(k)
                check(offset <= at and at + n <= offset + length, f'{what}: a chunk {at}+{n}')


@must('S-READ-4', 'READ: structured replies', 'sends no content twice')
def content_does_not_overlap(t):
    for what, *_, chunks in read_replies(t):
        spans = sorted(span(k) for k in chunks if k.kind in CONTENT)
        check(all(a + n <= b for (a, n), (b, _) in zip(spans, spans[1:])), f'{what}: {spans}')


@must('S-READ-5', 'READ: structured replies', 'sends all of the range if it reports no error')
def content_is_complete(t):
    for what, _, length, _, chunks in read_replies(t):
        same(sum(span(k)[1] for k in chunks if k.kind in CONTENT), length, f'{what}: bytes')


@must('S-READ-6', 'READ: structured replies', 'sends holes and data that amount to what is on the disk')
def content_is_right(t):
    for c in t.ups(styles=BOTH):
        want = sparse(c)
        for offset, length, flags in READS:
            if offset + length <= len(want) and (not flags or c.flags & nbd.SEND_DF):
                check(fresh(c, offset, length) == want[offset:offset + length], f'{c.style} replies: {offset}+{length}')


@should('S-READ-7', 'READ: structured replies', 'cuts a reply at multiples of 512 bytes')
def cuts_are_aligned(t):
    for what, offset, length, _, chunks in read_replies(t):
        for at, n in (span(k) for k in chunks if k.kind in CONTENT):
            check(at == offset or at % 512 == 0, f'{what}: a chunk at {at}')
            check(at + n == offset + length or (at + n) % 512 == 0, f'{what}: a chunk up to {at + n}')


untestable('S-READ-8', 'READ: structured replies', 'MUST', 'cuts a reply to a read of almost 4 GiB or more, if it takes such reads',
           'none of these servers does')


def reads_with_df(t):
    for c in t.ups(styles=BOTH):
        needs(c, nbd.SEND_DF, 'DF')
        yield c


@must('S-DF-1', 'READ: structured replies', 'answers a read with DF with at most one chunk of content')
def df_is_one_chunk(t):
    for c in reads_with_df(t):
        sparse(c)
        for offset, length in ((0, 65536), (0, 1 << 20), (3, 300000)):
            chunks = c.chunks(c.request(nbd.READ, offset, length, flags=nbd.DF))
            check(sum(k.kind in CONTENT for k in chunks) <= 1, f'{c.style} replies: {len(chunks)} chunks')


@must('S-DF-2', 'READ: structured replies', 'answers a read with DF of data and holes with OFFSET_DATA, zeroes written out')
def df_writes_zeroes_out(t):
    for c in reads_with_df(t):
        want = sparse(c)
        for offset in (0, STEP // 2, STEP - 512, 3 * STEP + 512):
            chunks = c.chunks(c.request(nbd.READ, offset, STEP, flags=nbd.DF))
            if want[offset:offset + STEP].count(b'#') in (0, STEP):
                continue
            same([k.kind for k in chunks if k.kind != nbd.NONE], [nbd.DATA], f'{c.style} replies: types')
            check(chunks[0].data[8:] == want[offset:offset + STEP], 'content')


@must('S-DF-3', 'READ: structured replies', 'takes reads with DF up to 65536 bytes')
def df_up_to_64k(t):
    for c in reads_with_df(t):
        for offset, length in ((0, 65536), (1, 65536), (0, 1), (SIZE - 65536, 65536)):
            same(attempt(c, nbd.READ, offset, length, nbd.DF), 0, f'{c.style} replies: {length} bytes')


@must('S-DF-4', 'READ: structured replies', 'sends no content when it says EOVERFLOW to a read with DF')
def df_too_long(t):
    overflow = 0
    for c in reads_with_df(t):
        for length in (1 << 20, 32 << 20, SIZE):
            chunks = c.chunks(c.request(nbd.READ, 0, length, flags=nbd.DF))
            if nbd.EOVERFLOW in (k.error() for k in chunks):
                overflow += 1
                check(not any(k.kind in CONTENT for k in chunks), 'content, and EOVERFLOW')
    if not overflow:
        raise NotOffered('never says EOVERFLOW')


# --- errors ---


@must('S-ERR-1', 'Structured reply types: ERROR', 'sends error chunks with an error that is not 0 and a message that fits')
def error_chunks_fit(t):
    for what, _, k in errors_of(t):
        check(len(k.data) >= (14 if k.kind == nbd.ERROR_OFFSET else 6), f'{what}: {len(k.data)} bytes')
        check(k.error() != 0, f'{what}: error 0')
        n = struct.unpack('>H', k.data[4:6])[0]
        same(len(k.data), 6 + n + (8 if k.kind == nbd.ERROR_OFFSET else 0), f'{what}: length with a message of {n}')


@must('S-ERR-2', 'Structured reply types: ERROR', 'sends messages of at most 4096 bytes, in UTF-8')
def error_messages_are_strings(t):
    for what, _, k in errors_of(t):
        n = struct.unpack('>H', k.data[4:6])[0]
        text_of(k.data[6:6 + n])


@should('S-ERR-3', 'Structured reply types: ERROR', 'sends one ERROR chunk in a reply, and does not mix it with ERROR_OFFSET')
def one_error_in_a_reply(t):
    for what, _, chunks in failed_replies(t):
        kinds = [k.kind for k in chunks if k.kind & 0x8000]
        check(kinds.count(nbd.ERROR) <= 1 and len(set(kinds)) <= 1, f'{what}: {kinds}')


@must('S-ERR-4', 'READ: structured replies', 'includes an error chunk when a read fails')
def failed_reads_have_an_error(t):
    for what, request, chunks in failed_replies(t):
        if request[0] == nbd.READ and request[3] == 0:
            check(any(k.kind & 0x8000 for k in chunks), f'{what}: {[k.kind for k in chunks]}')


@must('S-ERR-5', 'Structured reply types: ERROR_OFFSET', 'sends in ERROR_OFFSET an offset within the request')
def error_offsets_are_in_range(t):
    seen = 0
    for what, (_, offset, length, _), k in errors_of(t):
        if k.kind == nbd.ERROR_OFFSET:
            seen += 1
            at = struct.unpack('>Q', k.data[-8:])[0]
            check(offset <= at < offset + length, f'{what}: offset {at}')
    if not seen:
        raise NotOffered('sends no ERROR_OFFSET')


# --- extended headers ---


@must('X-1', 'Extended reply chunk message (ext)', 'answers everything with extended replies once they are negotiated')
def replies_are_extended(t):
    def magics(c, cookie):
        while True:
            magic = c.unpack('>I')[0]
            same(magic, nbd.EXT_REPLY, 'magic')
            flags, _, got, _, length = c.unpack('>HHQQQ')
            same(got, cookie, 'cookie')
            c.recv(length)
            if flags & nbd.DONE:
                return
    c = t.up(style='extended')
    for cmd, offset, length, flags in FAILING + ((nbd.READ, 0, 512, 0), (nbd.WRITE, 0, 512, 0), (nbd.FLUSH, 0, 0, 0),
                                                 (nbd.TRIM, 0, 512, 0)):
        data = bytes(length) if cmd == nbd.WRITE else b''
        magics(c, c.request(cmd, offset, length, data, flags | (nbd.PAYLOAD if data else 0)))


@must('X-2', 'Extended reply chunk message (ext)', 'sends in each chunk the offset of the request')
def offsets_come_back(t):
    for what, offset, *_, chunks in read_replies(t, ('extended',)):
        same({k.offset for k in chunks}, {offset}, what)
    for what, request, chunks in failed_replies(t, ('extended',)):
        same({k.offset for k in chunks}, {request[1]}, what)


@must('X-3', 'Command flags (ext)', 'takes writes with PAYLOAD_LEN')
def writes_have_payload_len(t):
    c = t.up(style='extended')
    same(c.write(0, b'payload!' * 512, nbd.PAYLOAD), 0, 'a write')
    same(fresh(c, 0, 4096), b'payload!' * 512, 'what is read')


@must('X-4', 'Command flags (ext)', 'says EINVAL to PAYLOAD_LEN on a command for which it does not offer it')
def no_payload_elsewhere(t):
    c = t.up(style='extended')
    for cmd in (nbd.READ, nbd.TRIM, nbd.ZERO, nbd.CACHE):
        same(reply(c, c.request(cmd, 0, 512, b'#' * 512, nbd.PAYLOAD))[0], nbd.EINVAL, f'command {cmd}')


@should('X-5', 'Request message (ext)', 'reads over a payload that it does not want')
def unwanted_payload_is_skipped(t):
    c = t.up(style='extended')
    for size in (1, 512, 70000, 1 << 20):
        reply(c, c.request(nbd.READ, 0, size, b'\x25\x60\x95\x13' * (size // 4) + b'#' * (size % 4), nbd.PAYLOAD))
        lives(c, f'{size} bytes')


@should('X-6', 'Request message (ext)', 'disconnects a client that announces a payload over its largest one',
        'elsewhere it says that 32 MiB should be read over, though the largest payload be less; so tried with servers that take more')
def endless_payload_disconnects(t):
    c = t.conn()
    t.negotiate(c, 'extended')
    t.go(c, nbd.INFO_BLOCK_SIZE)
    sizes = [d[2:] for d in c.infos if d[:2] == b'\0\3']
    largest = struct.unpack('>III', sizes[0])[2] if sizes else 32 << 20
    for length in (largest + 1, 1 << 33):
        c = t.up(style='extended')
        closes(c, f'{length} bytes', c.request, nbd.READ, 0, length, b'', nbd.PAYLOAD)


@must('X-7', 'Request message (ext)', 'serves lengths of more than 32 bits, or fails them and stays connected')
def long_effects(t):
    for c in t.ups('huge', ('extended',), meta=[CONTEXT]):
        for cmd, flag in ((nbd.TRIM, nbd.SEND_TRIM), (nbd.ZERO, nbd.SEND_ZERO), (nbd.CACHE, nbd.SEND_CACHE), (nbd.STATUS, 0)):
            if not flag or c.flags & flag:
                error = attempt(c, cmd, 4096, 1 << 40)
                check(error in (0, nbd.EINVAL, nbd.EOVERFLOW), f'command {cmd}: error {error}')
                lives(c, f'command {cmd}')
