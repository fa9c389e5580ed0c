# SPDX-License-Identifier: BSD-2-Clause
"""Rules of INFO and GO, of the options that choose the kind of replies, and of metadata contexts."""
import struct
import rawnbd as nbd
from registry import NotOffered, must, should
from servers import SIZE
from trial import *

ALL_INFOS = (nbd.INFO_EXPORT, nbd.INFO_NAME, nbd.INFO_DESCRIPTION, nbd.INFO_BLOCK_SIZE)


def info(t, c, *items, option=nbd.INFO):
    """{type: [payload]} of a successful INFO or GO."""
    replies = c.ask(option, nbd.go_query(c.name, *items))
    same(replies[-1][0], nbd.ACK, 'the last reply')
    return infos_of(replies)


def unknown_export(t, option):
    """The replies to INFO or GO for a name that this server does not have."""
    return t.conn('named').ask(option, nbd.go_query(b'no such export'))


# --- INFO and GO ---


@must('O-INFO-1', 'Option types: INFO, GO', 'tells INFO_EXPORT (12 bytes) before it acknowledges INFO or GO')
def info_export_always_comes(t):
    for option in (nbd.INFO, nbd.GO):
        for items in ((), (nbd.INFO_NAME,), ALL_INFOS):
            got = info(t, t.conn(), *items, option=option)
            check(nbd.INFO_EXPORT in got, f'option {option}: no INFO_EXPORT')
            same([len(x) for x in got[nbd.INFO_EXPORT]], [10], 'its payload')


@must('O-INFO-2', 'Option types: INFO, GO', 'stays in haggling after INFO')
def info_stays_in_haggling(t):
    c = t.conn()
    info(t, c)
    haggles(c, 'INFO')
    t.go(c)


@must('O-INFO-3', 'Option types: INFO, GO', 'ignores information requests that it does not know')
def unknown_information_is_ignored(t):
    for option in (nbd.INFO, nbd.GO):
        got = info(t, t.conn(), 0x7777, nbd.INFO_NAME, 0xffff, option=option)
        check(not {0x7777, 0xffff} & set(got), 'an answer to an unknown request')


@must('O-INFO-4', 'Option types: INFO, GO', 'tells by GO what it told by the same INFO just before')
def go_repeats_info(t):
    for kind in ('disk', 'ro', 'named'):
        for style in ('simple', 'structured'):
            c = t.conn(kind)
            try:
                t.negotiate(c, style)
            except NotOffered:
                continue
            first = info(t, c, *ALL_INFOS)
            same(info(t, c, *ALL_INFOS, option=nbd.GO), first, f'{kind}, {style} replies: GO after INFO')


@must('O-INFO-5', 'Option reply types: INFO_NAME', 'tells as INFO_NAME a name that LIST gives')
def info_name(t):
    c = t.conn('named')
    names = info(t, c, nbd.INFO_NAME).get(nbd.INFO_NAME)
    if not names:
        raise NotOffered('no INFO_NAME')
    listed = [d[4:4 + struct.unpack('>I', d[:4])[0]] for k, d in c.ask(nbd.LIST) if k == nbd.SERVER]
    check(names[0] in listed, f'{names[0]} is not in {listed}')


@must('O-INFO-6', 'Option reply types: INFO_DESCRIPTION', 'tells as INFO_DESCRIPTION a string (that of LIST, if any)')
def info_description(t):
    c = t.conn('named')
    texts = info(t, c, nbd.INFO_DESCRIPTION).get(nbd.INFO_DESCRIPTION)
    if not texts:
        raise NotOffered('no INFO_DESCRIPTION')
    text_of(texts[0])
    for kind, data in c.ask(nbd.LIST):
        n = struct.unpack('>I', data[:4])[0] if kind == nbd.SERVER else 0
        if kind == nbd.SERVER and data[4:4 + n] == c.name and len(data) > 4 + n:
            same(data[4 + n:], texts[0], 'the description that LIST gives')


@should('O-INFO-7', 'Option reply types: INFO', 'tells each type of information once')
def each_information_once(t):
    for items, data in info(t, t.conn(), *ALL_INFOS).items():
        same(len(data), 1, f'replies with information {items}')


@must('O-INFO-8', 'Option types: INFO, GO', 'sends no ERR_BLOCK_SIZE_REQD to a client that asked for the block sizes')
def no_block_size_reqd_when_asked(t):
    for kind in ('disk', 'block'):
        for option in (nbd.INFO, nbd.GO):
            c = t.conn(kind)
            kind_of_reply = c.answer(option, nbd.go_query(c.name, nbd.INFO_BLOCK_SIZE))
            same(kind_of_reply, nbd.ACK, f'{kind}: option {option}')


@should('O-INFO-9', 'Option types: INFO, GO', 'sends no ERR_BLOCK_SIZE_REQD when its block sizes are the default ones')
def no_block_size_reqd_by_default(t):
    for option in (nbd.INFO, nbd.GO):
        c = t.conn()
        same(c.answer(option, nbd.go_query(c.name)), nbd.ACK, f'option {option}')


@should('O-INFO-10', 'Option types: INFO, GO', 'tells the block sizes before it says ERR_BLOCK_SIZE_REQD')
def block_sizes_before_block_size_reqd(t):
    tried = 0
    for option in (nbd.INFO, nbd.GO):
        c = t.conn('block')
        replies = c.ask(option, nbd.go_query(c.name))
        if replies[-1][0] == nbd.ERR_BLOCK_SIZE:
            tried += 1
            check(nbd.INFO_BLOCK_SIZE in infos_of(replies), f'option {option}: the error comes alone')
    if not tried:
        raise NotOffered('never says ERR_BLOCK_SIZE_REQD')


@must('O-GO-1', 'Option types: INFO, GO', 'enters transmission with the ACK of GO, without padding')
def go_enters_transmission(t):
    for flags in (nbd.FIXED, nbd.FIXED | nbd.NO_ZEROES):
        c = t.go(t.conn(flags=flags))
        quiet(c, 'after the ACK')
        lives(c, 'GO')


@must('O-GO-2', 'Option types: INFO, GO', 'answers GO for an export that it does not have with an error, and goes on haggling')
def go_unknown(t):
    for option in (nbd.INFO, nbd.GO):
        c = t.conn('named')
        kind = c.answer(option, nbd.go_query(b'no such export'))
        check(kind & nbd.ERR, f'option {option} is answered with {kind:#x}')
        haggles(c, 'the error')
        t.go(c)


@should('O-GO-3', 'Option types: INFO, GO', 'says ERR_UNKNOWN for an export that it does not have, and tells nothing of it')
def go_unknown_is_err_unknown(t):
    for option in (nbd.INFO, nbd.GO):
        replies = unknown_export(t, option)
        same([option_error(k) for k, _ in replies], ['UNKNOWN'], f'option {option}')


# --- kinds of replies ---


@must('O-SR-1', 'Option types: STRUCTURED_REPLY', 'answers STRUCTURED_REPLY with ACK, and then reads with structured replies')
def structured_reply(t):
    c = t.up(style='structured')
    c.request(nbd.READ, 0, 512)
    same(c.unpack('>I')[0], nbd.STRUCTURED, 'the magic of the reply')


@should('O-SR-2', 'Option types: STRUCTURED_REPLY', 'refuses STRUCTURED_REPLY with data as ERR_INVALID')
def structured_reply_with_data(t):
    c = t.conn()
    t.negotiate(t.conn(), 'structured')
    same(option_error(c.answer(nbd.STRUCTURED_REPLY, b'x')), 'INVALID', 'with data')


@must('O-SR-3', 'Fixed newstyle negotiation', 'answers a second STRUCTURED_REPLY with ACK or ERR_INVALID')
def structured_reply_twice(t):
    c = t.conn()
    t.negotiate(c, 'structured')
    kind = c.answer(nbd.STRUCTURED_REPLY)
    check(kind in (nbd.ACK, nbd.ERR_INVALID), f'the second: {option_error(kind)}')
    lives(t.go(c), 'the second')


@should('X-OPT-1', 'Option types: EXTENDED_HEADERS (ext)', 'refuses EXTENDED_HEADERS with data as ERR_INVALID')
def extended_with_data(t):
    t.negotiate(t.conn(), 'extended')
    same(option_error(t.conn().answer(nbd.EXTENDED, b'x')), 'INVALID', 'with data')


@should('X-OPT-2', 'Option types: EXTENDED_HEADERS (ext)', 'takes EXTENDED_HEADERS whether or not structured replies were negotiated')
def extended_alone(t):
    lives(t.up(style='extended'), 'extended headers alone')
    c = t.conn()
    t.negotiate(c, 'structured')
    t.negotiate(c, 'extended')
    lives(t.go(c), 'extended headers after structured replies')


@must('X-OPT-3', 'Option types: EXTENDED_HEADERS (ext)', 'does not answer GO with ERR_UNSUP once extended headers are negotiated')
def extended_and_go(t):
    c = t.conn()
    t.negotiate(c, 'extended')
    same(c.answer(nbd.GO, nbd.go_query(c.name)), nbd.ACK, 'GO')


@must('X-OPT-4', 'Option types: STRUCTURED_REPLY (ext)', 'answers STRUCTURED_REPLY after EXTENDED_HEADERS with ERR_EXT_HEADER_REQD')
def structured_after_extended(t):
    c = t.conn()
    t.negotiate(c, 'extended')
    same(option_error(c.answer(nbd.STRUCTURED_REPLY)), 'EXT_HEADER_REQD', 'STRUCTURED_REPLY')
    lives(t.go(c), 'it')


# --- metadata contexts ---


def meta_conn(t, kind='disk'):
    """Haggling, with structured replies, and it has metadata contexts."""
    c = t.conn(kind)
    t.negotiate(c, 'structured')
    t.set_contexts(c)
    return c


def listed(t, *queries, kind='disk'):
    c = meta_conn(t, kind)
    replies = c.ask(nbd.LIST_META, nbd.meta_query(c.name, *queries))
    same(replies[-1][0], nbd.ACK, f'LIST_META_CONTEXT {queries}: the last reply')
    return contexts_of(replies)


def chosen(t, *queries, kind='disk'):
    return t.set_contexts(meta_conn(t, kind), *queries)


def names(contexts):
    return sorted(name for _, name in contexts)


LIES = (('no data', b''), ('half a length', b'\0\0'), ('no count', bytes(4)),
        ('a name longer than the data', struct.pack('>I', 1000) + bytes(8)),
        ('a name of 4 GiB', struct.pack('>II', 0xffffffff, 0)), ('a query missing', struct.pack('>II', 0, 1)),
        ('a query longer than the data', struct.pack('>III', 0, 1, 50) + b'base:'))


@must('O-META-1', 'Option types: LIST_META_CONTEXT', 'answers LIST_META_CONTEXT whose lengths do not fit with ERR_INVALID')
def list_meta_lies(t):
    c = meta_conn(t)
    for what, data in LIES:
        same(option_error(c.answer(nbd.LIST_META, data)), 'INVALID', what)


@must('O-META-2', 'Option types: SET_META_CONTEXT', 'answers SET_META_CONTEXT whose lengths do not fit with ERR_INVALID',
      'the rule stands at LIST_META_CONTEXT; the two have one format')
def set_meta_lies(t):
    c = meta_conn(t)
    for what, data in LIES:
        same(option_error(c.answer(nbd.SET_META, data)), 'INVALID', what)


@must('O-META-3', 'Option types: LIST_META_CONTEXT', 'ignores queries of namespaces that it does not know')
def unknown_namespaces(t):
    same(names(listed(t, b'x-unknown:thing')), [], 'LIST, an unknown one')
    same(names(listed(t, b'x-unknown:thing', CONTEXT)), [CONTEXT], 'LIST, with a known one')
    same(names(chosen(t, b'x-unknown:thing', CONTEXT)), [CONTEXT], 'SET, with a known one')


@must('O-META-4', 'Option types: LIST_META_CONTEXT', 'answers LIST_META_CONTEXT with one ACK when no query finds anything')
def nothing_found(t):
    c = meta_conn(t)
    same([k for k, _ in c.ask(nbd.LIST_META, nbd.meta_query(c.name, b'x-none:of', b'x-these:'))], [nbd.ACK], 'the replies')


@must('O-META-5', 'Option types: LIST_META_CONTEXT', 'lists all that can be chosen when there is no query')
def no_query_lists_all(t):
    for kind in ('disk', 'bitmap'):
        try:
            all_of_it = names(listed(t, kind=kind))
        except NotOffered:
            if kind == 'disk':
                raise
            continue
        for query in (CONTEXT, b'qemu:dirty-bitmap:marks', b'qemu:allocation-depth'):
            if chosen(t, query, kind=kind):
                check(query in all_of_it, f'{query} can be chosen, but is not in {all_of_it}')


@must('O-META-6', 'Option types: LIST_META_CONTEXT', 'lists what can be chosen and a query matches')
def a_query_lists_its_context(t):
    same(names(listed(t, CONTEXT)), names(chosen(t, CONTEXT)), CONTEXT)


@should('O-META-7', 'Option types: LIST_META_CONTEXT', 'sends id 0 in answers to LIST_META_CONTEXT')
def listed_ids_are_zero(t):
    same({i for i, _ in listed(t) + listed(t, CONTEXT)}, {0}, 'ids')


@should('O-META-8', 'Option types: SET_META_CONTEXT', 'refuses SET_META_CONTEXT before structured replies with ERR_INVALID')
def set_meta_needs_structured_replies(t):
    meta_conn(t)
    c = t.conn()
    kind = c.answer(nbd.SET_META, nbd.meta_query(c.name, CONTEXT))
    check(kind in (nbd.ERR_INVALID, nbd.ERR_EXT), f'the answer is {option_error(kind)}')


@must('O-META-9', 'Option types: SET_META_CONTEXT', 'chooses nothing when there is no query')
def no_query_chooses_nothing(t):
    same(chosen(t), [], 'contexts')


@must('O-META-10', 'Option types: SET_META_CONTEXT', 'gives each chosen context one reply and an id of its own')
def chosen_ids_are_unique(t):
    for kind, queries in (('disk', (CONTEXT, CONTEXT)), ('bitmap', (CONTEXT, b'qemu:dirty-bitmap:marks', b'qemu:allocation-depth'))):
        try:
            got = chosen(t, *queries, kind=kind)
        except NotOffered:
            if kind == 'disk':
                raise
            continue
        same(len({i for i, _ in got}), len(got), 'different ids')
        same(names(got), sorted(set(queries)), 'contexts')


@must('O-META-11', 'Option types: SET_META_CONTEXT', 'forgets what was chosen before, also when the new request fails')
def the_last_choice_counts(t):
    for what, data in (('nothing chosen', nbd.meta_query(t.place().name)), ('an invalid request', LIES[-1][1])):
        c = meta_conn(t)
        t.set_contexts(c, CONTEXT)
        kind = c.answer(nbd.SET_META, data)
        check(what == 'nothing chosen' or kind & nbd.ERR, f'a query longer than the data is answered with {kind:#x}')
        t.go(c)
        check(isinstance(c.status(0, 65536), int), f'{what}: the old choice is still in force')


@must('O-META-12', 'The base: namespace', 'takes base: for nothing in SET_META_CONTEXT')
def base_alone_chooses_nothing(t):
    same(chosen(t, b'base:'), [], 'contexts')


@must('O-META-13', 'The base: namespace', 'takes base: for all of base in LIST_META_CONTEXT')
def base_alone_lists_base(t):
    same(names(listed(t, b'base:')), [CONTEXT], 'contexts')


@must('O-META-14', 'The base: namespace', 'ignores names in base: that it does not know')
def unknown_names_in_base(t):
    for query in (b'base:unknown', b'base:allocation2', b'base:alloc'):
        same(names(listed(t, query)), [], f'LIST {query}')
        same(chosen(t, query), [], f'SET {query}')


@must('O-META-15', 'Metadata querying', 'names contexts namespace:leaf, in a namespace that is registered')
def names_have_a_namespace(t):
    for kind in ('disk', 'bitmap'):
        try:
            got = names(listed(t, kind=kind))
        except NotOffered:
            if kind == 'disk':
                raise
            continue
        for name in got:
            space, colon, _ = text_of(name).partition(':')
            check(colon and space and space.isprintable() and ' ' not in space, f'the name {name}')
            check(space in ('base', 'nbd-server', 'qemu') or space.startswith('x-'), f'the namespace {space}')


@should('O-META-16', 'Metadata querying', 'chooses nothing by a namespace alone')
def a_namespace_alone_chooses_nothing(t):
    same(chosen(t, b'qemu:', kind='bitmap'), [], 'qemu:')


@should('O-META-17', 'Option types: LIST_META_CONTEXT', 'does not fail with ERR_TOO_BIG when there is no query')
def no_query_is_not_too_big(t):
    listed(t)
