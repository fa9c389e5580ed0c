#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
"""The handshake from raw bytes: every option, right and wrong."""
import struct
import rawnbd as nbd
from harness import *
from rawnbd import Conn, up

SIZE = 1 << 20


def started(s, structured=False, extended=False):
    c = Conn(s.sock).newstyle()
    if structured:
        same(c.answer(nbd.STRUCTURED_REPLY), nbd.ACK, 'structured replies')
    if extended:
        same(c.answer(nbd.EXTENDED), nbd.ACK, 'extended headers')
    c.structured = structured or extended
    c.extended = extended
    return c


def still_negotiates(c):
    """After a refused option the handshake goes on and leads to a usable disk."""
    c.go()
    c.lives()
    c.disconnect()


@case
def greeting_offers_fixed_newstyle_and_no_zeroes():
    with Server('memory', SIZE) as s, Conn(s.sock).newstyle() as c:
        same(c.server_flags, nbd.FIXED | nbd.NO_ZEROES, 'handshake flags')


@case
def export_name_with_and_without_zeroes():
    with Server('memory', SIZE) as s:
        for flags in (nbd.FIXED | nbd.NO_ZEROES, nbd.FIXED, nbd.NO_ZEROES, 0):
            with Conn(s.sock).newstyle(flags).export_name() as c:
                same(c.size, SIZE, 'size')
                assert c.flags & nbd.HAS_FLAGS, 'transmission flags'
                c.lives()
                c.disconnect()


@case
def transmission_flags_of_a_memory_disk():
    with Server('memory', SIZE) as s, up(s.sock, structured=True) as c:
        want = nbd.HAS_FLAGS | nbd.SEND_FLUSH | nbd.SEND_FUA | nbd.SEND_TRIM | nbd.SEND_ZERO | nbd.SEND_DF | nbd.MULTI \
            | nbd.SEND_CACHE | nbd.SEND_FAST
        same(c.flags, want, 'flags')
    with Server('-r', 'memory', SIZE) as s, up(s.sock) as c:
        assert c.flags & nbd.READ_ONLY, 'read-only is told'
        same(c.flags & (nbd.SEND_DF | nbd.ROTATIONAL), 0, 'no DF without structured replies')


@case
def mask_handshake_hides_flags():
    with Server('--mask-handshake=0', 'memory', SIZE) as s, Conn(s.sock).newstyle(0) as c:
        same(c.server_flags, 0, 'handshake flags')
        c.export_name()
        c.lives()
    with Server('--mask-handshake=1', 'memory', SIZE) as s, Conn(s.sock).newstyle(nbd.FIXED) as c:
        same(c.server_flags, nbd.FIXED, 'handshake flags')
        c.export_name()
        c.lives()


@case
def oldstyle():
    with Server('-o', 'memory', SIZE) as s, Conn(s.sock) as c:
        magic, old, size, gflags, eflags = c.unpack('>QQQHH')
        same((magic, old, size), (nbd.NBDMAGIC, nbd.OLDSTYLE, SIZE), 'greeting')
        same(gflags, 0, 'global flags')
        assert eflags & nbd.HAS_FLAGS and eflags & nbd.SEND_FLUSH, 'export flags'
        same(eflags & nbd.SEND_DF, 0, 'DF in oldstyle')
        same(c.recv(124), bytes(124), 'zeroes')
        c.lives()
        same(c.write(4096, b'old' * 100), 0, 'write')
        same(c.read(4096, 300), b'old' * 100, 'read back')
        c.disconnect()


@case
def unknown_client_flags_end_the_connection():
    with Server('memory', SIZE) as s:
        for flags in (4, 0x80000000, 0xffffffff, 7):
            with Conn(s.sock).newstyle(flags) as c:
                assert c.refused(c.option, nbd.LIST)
        up(s.sock).lives()


@case
def flags_that_the_server_did_not_offer_end_the_connection():
    with Server('--mask-handshake=1', 'memory', SIZE) as s, Conn(s.sock).newstyle(nbd.FIXED | nbd.NO_ZEROES) as c:
        if not REAL: # nbdkit lets it pass
            assert c.refused(c.option, nbd.LIST)


@case
def a_bad_option_magic_ends_the_connection():
    with Server('memory', SIZE) as s:
        for magic in (0, nbd.IHAVEOPT + 1, nbd.NBDMAGIC, (1 << 64) - 1):
            with started(s) as c:
                assert c.refused(c.option, nbd.LIST, magic=magic)
        up(s.sock).lives()


@case
def unknown_options_are_unsupported():
    with Server('memory', SIZE) as s, started(s) as c:
        for number in (0, 4, 12, 99, 0x7fffffff, 0xffffffff):
            same(c.answer(number), nbd.ERR_UNSUP, f'option {number}')
            same(c.answer(number, b'with data'), nbd.ERR_UNSUP, f'option {number} with data')
        still_negotiates(c)


@case
def starttls_is_refused_and_the_handshake_goes_on():
    with Server('memory', SIZE) as s, started(s) as c:
        kind = c.answer(nbd.STARTTLS)
        assert kind in (nbd.ERR_UNSUP, nbd.ERR_POLICY), hex(kind)
        still_negotiates(c)


@case
def abort_is_acknowledged():
    with Server('memory', SIZE) as s, started(s) as c:
        same(c.answer(nbd.ABORT), nbd.ACK, 'ABORT')
        assert c.closed()


@case
def list_names_the_default_export():
    with Server('memory', SIZE) as s, started(s) as c:
        replies = c.ask(nbd.LIST)
        same([k for k, _ in replies], [nbd.SERVER, nbd.ACK], 'replies')
        same(replies[0][1][:4], bytes(4), 'an empty name')
        same(c.answer(nbd.LIST, b'x'), nbd.ERR_INVALID, 'LIST with data')
        if not REAL:
            same(c.ask(nbd.LIST)[-1][0], nbd.ACK, 'LIST again')
        still_negotiates(c)


@case
def structured_reply_takes_no_data():
    with Server('memory', SIZE) as s, started(s) as c:
        same(c.answer(nbd.STRUCTURED_REPLY, b'x'), nbd.ERR_INVALID, 'with data')
        c.go()
        same(c.flags & nbd.SEND_DF, 0, 'a refused option changed nothing')
        c.lives() # by a simple reply
    with Server('memory', SIZE) as s, started(s) as c:
        same(c.answer(nbd.STRUCTURED_REPLY), nbd.ACK, 'first')
        if not REAL:
            same(c.answer(nbd.STRUCTURED_REPLY), nbd.ERR_INVALID, 'asked twice')


@case
def no_sr_hides_structured_replies():
    with Server('--no-sr', 'memory', SIZE) as s, started(s) as c:
        same(c.answer(nbd.STRUCTURED_REPLY), nbd.ERR_UNSUP, 'STRUCTURED_REPLY')
        same(c.answer(nbd.EXTENDED), nbd.ERR_UNSUP, 'EXTENDED_HEADERS')
        kind = c.answer(nbd.SET_META, nbd.meta_query(b'', b'base:allocation'))
        assert kind in (nbd.ERR_UNSUP, nbd.ERR_INVALID), hex(kind)
        still_negotiates(c)


@case
def info_tells_and_stays_in_the_handshake():
    with Server('memory', SIZE) as s, started(s) as c:
        for _ in range(3):
            replies = c.ask(nbd.INFO, nbd.go_query(b''))
            same(replies[-1][0], nbd.ACK, 'INFO')
            size, flags = next(struct.unpack('>QH', d[2:]) for k, d in replies[:-1] if d[:2] == b'\0\0')
            same(size, SIZE, 'size')
            assert flags & nbd.HAS_FLAGS
        still_negotiates(c)


@case
def info_items_come_when_asked_for():
    with Server('memory', SIZE) as s, started(s) as c:
        query = nbd.go_query(b'', nbd.INFO_NAME, nbd.INFO_DESCRIPTION, nbd.INFO_BLOCK_SIZE, 77)
        infos = {struct.unpack('>H', d[:2])[0]: d[2:] for k, d in c.ask(nbd.GO, query) if k == nbd.REP_INFO}
        assert nbd.INFO_EXPORT in infos, 'EXPORT always comes'
        same(infos.get(nbd.INFO_NAME), b'', 'the canonical name')
        assert 77 not in infos, 'an unknown item is ignored'
        if nbd.INFO_BLOCK_SIZE in infos:
            low, preferred, high = struct.unpack('>III', infos[nbd.INFO_BLOCK_SIZE])
            assert low >= 1 and low & (low - 1) == 0 and low <= 65536, low
            assert preferred >= 512 and preferred & (preferred - 1) == 0 and preferred >= low, preferred
            assert high == 0xffffffff or high % low == 0 and high >= preferred, high
        else:
            assert REAL, 'no block sizes'
        c.lives()


@case
def go_and_info_refuse_lying_lengths():
    good = nbd.go_query(b'disk', nbd.INFO_NAME)
    with Server('memory', SIZE) as s, started(s) as c:
        for option in (nbd.INFO, nbd.GO):
            for lie, data in (
                    ('no data', b''),
                    ('half a length', b'\0\0'),
                    ('only a length', bytes(4)),
                    ('name longer than the data', struct.pack('>I', 100) + b'disk' + bytes(2)),
                    ('name of 4 GiB', struct.pack('>I', 0xffffffff) + bytes(2)),
                    ('name whose length wraps', struct.pack('>I', 0xfffffffa) + bytes(20)),
                    ('count without items', struct.pack('>I', 0) + struct.pack('>H', 1)),
                    ('count of 65535', struct.pack('>I', 0) + struct.pack('>H', 65535) + bytes(20)),
                    ('too many bytes', good + b'x'),
                    ('an odd byte', good[:-1])):
                same(c.answer(option, data), nbd.ERR_INVALID, f'option {option}, {lie}')
        still_negotiates(c)


@case
def names_over_4096_bytes_are_refused():
    with Server('memory', SIZE) as s:
        with started(s) as c:
            replies = c.ask(nbd.INFO, nbd.go_query(b'n' * 4096))
            same(replies[-1][0], nbd.ACK, 'a name of 4096 bytes')
            kind = c.answer(nbd.INFO, nbd.go_query(b'n' * 4097))
            assert kind in (nbd.ERR_INVALID, nbd.ERR_TOO_BIG), hex(kind)
            still_negotiates(c)
        with started(s) as c:
            assert c.refused(c.option, nbd.EXPORT_NAME, b'n' * 4097) # EXPORT_NAME has no error reply
        with started(s) as c:
            c.export_name(b'n' * 4096)
            c.lives()


@case
def names_with_any_bytes_are_served():
    with Server('memory', SIZE) as s:
        for name in (b'a b', b'"quoted"', 'é√'.encode(), b'/../x', b'%s%n'):
            with up(s.sock, name=name) as c:
                c.lives()


@case
def names_with_nul_are_refused():
    with Server('memory', SIZE) as s, started(s) as c:
        kind = c.answer(nbd.INFO, nbd.go_query(b'a\0b'))
        if not REAL:
            assert kind & nbd.ERR, hex(kind)
            still_negotiates(c)


@case
def too_much_option_data_is_refused_and_skipped():
    with Server('memory', SIZE) as s, started(s) as c:
        kind = c.answer(77, bytes(65536))
        assert kind in (nbd.ERR_TOO_BIG, nbd.ERR_UNSUP), hex(kind)
        kind = c.answer(nbd.GO, bytes(60000))
        assert kind in (nbd.ERR_TOO_BIG, nbd.ERR_INVALID), hex(kind)
        still_negotiates(c)


@case
def absurd_option_lengths_end_the_connection():
    with Server('memory', SIZE) as s:
        for number in (nbd.EXPORT_NAME, nbd.LIST, nbd.INFO, nbd.GO, nbd.SET_META, nbd.STRUCTURED_REPLY, nbd.ABORT, 77):
            for length in (0xffffffff, 0x80000000, 0x10000000):
                with started(s) as c:
                    def lie(c=c, number=number, length=length):
                        c.option(number, b'just a few bytes', length=length)
                        c.s.shutdown(1) # the rest will never come: an error first, or at once the end
                    assert c.refused(lie)
        up(s.sock).lives()


@case
def thousands_of_options_are_not_for_ever():
    """A client that never gets to the point is cut off, or served; either way others are."""
    with Server('memory', SIZE) as s, started(s) as c:
        try:
            for _ in range(20000):
                if c.answer(77) != nbd.ERR_UNSUP:
                    break
        except (nbd.Closed, BrokenPipeError, ConnectionResetError):
            pass
        up(s.sock).lives()


@case
def meta_contexts_need_structured_replies():
    query = nbd.meta_query(b'', b'base:allocation')
    with Server('memory', SIZE) as s, started(s) as c:
        kind = c.answer(nbd.LIST_META, query)
        assert kind in (nbd.ERR_INVALID, nbd.ACK), f'LIST_META_CONTEXT (a server may refuse): {kind:#x}'
        same(c.answer(nbd.SET_META, query), nbd.ERR_INVALID, 'SET_META_CONTEXT')
        still_negotiates(c)


@case
def meta_contexts_are_listed_and_set():
    def names(replies):
        same(replies[-1][0], nbd.ACK, 'last reply')
        return [d[4:] for k, d in replies if k == nbd.REP_META]

    with Server('memory', SIZE) as s, started(s, structured=True) as c:
        for what, queries, want in (
                ('no query', [], [b'base:allocation']), ('base:', [b'base:'], [b'base:allocation']),
                ('exact', [b'base:allocation'], [b'base:allocation']), ('unknown leaf', [b'base:other'], []),
                ('unknown namespace', [b'x:y'], []), ('two', [b'x:y', b'base:allocation'], [b'base:allocation'])):
            same(names(c.ask(nbd.LIST_META, nbd.meta_query(b'', *queries))), want, 'LIST, ' + what)
        for what, queries, want in (
                ('no query', [], []), ('base: sets nothing', [b'base:'], []), ('exact', [b'base:allocation'], [b'base:allocation']),
                ('unknown', [b'x:y'], []), ('no colon', [b'nonsense'], [])):
            replies = c.ask(nbd.SET_META, nbd.meta_query(b'', *queries))
            if what == 'no colon' and replies[-1][0] == nbd.ERR_INVALID:
                continue # a query must have a namespace: both readings are fine
            same(names(replies), want, 'SET, ' + what)
        still_negotiates(c)


@case
def meta_contexts_refuse_lying_lengths():
    with Server('memory', SIZE) as s, started(s, structured=True) as c:
        for option in (nbd.LIST_META, nbd.SET_META):
            for lie, data in (
                    ('no data', b''), ('half a length', b'\0\0\0'), ('no count', bytes(4)),
                    ('name longer than the data', struct.pack('>I', 1000) + bytes(8)),
                    ('name of 4 GiB', struct.pack('>II', 0xffffffff, 0)),
                    ('a query missing', struct.pack('>II', 0, 1)),
                    ('4 billion queries', struct.pack('>II', 0, 0xffffffff)),
                    ('query longer than the data', struct.pack('>III', 0, 1, 50) + b'base:'),
                    ('query of 4 GiB', struct.pack('>III', 0, 1, 0xffffffff) + b'base:allocation'),
                    ('bytes left over', nbd.meta_query(b'', b'base:allocation') + b'x')):
                if not (REAL and lie == 'bytes left over'):
                    same(c.answer(option, data), nbd.ERR_INVALID, f'option {option}, {lie}')
        still_negotiates(c)


@case
def the_last_set_meta_context_counts():
    with Server('memory', SIZE) as s, started(s, structured=True) as c:
        same(c.answer(nbd.SET_META, nbd.meta_query(b'', b'base:allocation')), nbd.ACK, 'set')
        same(c.answer(nbd.SET_META, nbd.meta_query(b'')), nbd.ACK, 'set nothing')
        same(c.answer(nbd.GO, nbd.go_query(b'')), nbd.ACK, 'GO')
        same(c.status(0, 4096), nbd.EINVAL, 'block status without a context')
        c.lives()


@case
def contexts_set_for_another_name_do_not_count():
    with Server('memory', SIZE) as s, started(s, structured=True) as c:
        same(c.answer(nbd.SET_META, nbd.meta_query(b'one', b'base:allocation')), nbd.ACK, 'set')
        same(c.answer(nbd.GO, nbd.go_query(b'two')), nbd.ACK, 'GO')
        same(c.status(0, 4096), nbd.EINVAL, 'block status for another export')
        c.lives()


@case
def extended_headers_are_negotiated_once():
    if REAL:
        raise Skip('nbdkit 1.32 has no extended headers')
    with Server('memory', SIZE) as s:
        with started(s) as c:
            same(c.answer(nbd.EXTENDED, b'x'), nbd.ERR_INVALID, 'with data')
            same(c.answer(nbd.EXTENDED), nbd.ACK, 'alone')
            same(c.answer(nbd.EXTENDED), nbd.ERR_INVALID, 'twice')
            kind = c.answer(nbd.STRUCTURED_REPLY)
            assert kind in (nbd.ERR_EXT, nbd.ERR_INVALID), f'structured replies after extended headers: {kind:#x}'
            c.extended = c.structured = True
            same(c.answer(nbd.GO, nbd.go_query(b'')), nbd.ACK, 'GO')
            c.lives()
        with started(s, structured=True) as c:
            kind = c.answer(nbd.EXTENDED)
            assert kind == nbd.ACK, f'extended headers after structured replies: {kind:#x}'
            c.extended = True
            same(c.answer(nbd.GO, nbd.go_query(b'')), nbd.ACK, 'GO')
            c.lives()


@case
def options_and_first_request_in_one_packet():
    with Server('memory', SIZE) as s, Conn(s.sock) as c:
        query = nbd.go_query(b'')
        c.send(struct.pack('>I', 3) + struct.pack('>QII', nbd.IHAVEOPT, nbd.LIST, 0)
               + struct.pack('>QII', nbd.IHAVEOPT, nbd.GO, len(query)) + query
               + struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.READ, 7, 0, 512))
        c.unpack('>QQH')
        same([c.option_reply(nbd.LIST)[0] for _ in range(2)], [nbd.SERVER, nbd.ACK], 'LIST')
        while c.option_reply(nbd.GO)[0] != nbd.ACK:
            pass
        same(c.simple(), (0, 7), 'the read')
        same(c.recv(512), bytes(512), 'data')


@case
def a_handshake_byte_by_byte():
    with Server('memory', SIZE) as s, Conn(s.sock) as c:
        c.unpack('>QQH')
        query = nbd.go_query(b'slow', nbd.INFO_NAME)
        for b in struct.pack('>I', 3) + struct.pack('>QII', nbd.IHAVEOPT, nbd.GO, len(query)) + query \
                + struct.pack('>IHHQQI', nbd.REQUEST, 0, nbd.READ, 7, 0, 512):
            c.send(bytes([b]))
        while c.option_reply(nbd.GO)[0] != nbd.ACK:
            pass
        same(c.simple(), (0, 7), 'the read')


main()
