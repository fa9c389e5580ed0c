# SPDX-License-Identifier: BSD-2-Clause
"""Rules of the handshake up to option haggling, of strings, and of the option messages as such."""
import struct
import rawnbd as nbd
from registry import NotOffered, must, should
from trial import *

# --- strings: "Conventions" ---


def strings_of(t):
    """All strings that this server can be made to say before transmission, as (what, bytes)."""
    c = t.conn('named')
    said = []
    for kind, data in c.ask(nbd.LIST):
        if kind == nbd.SERVER:
            n = struct.unpack('>I', data[:4])[0]
            said += [('export name', data[4:4 + n]), ('description', data[4 + n:])]
        elif kind & nbd.ERR:
            said.append(('error text', data))
    long_name = b'n' * MAX_STRING
    for option, data in ((nbd.GO, nbd.go_query(long_name)), (nbd.GO, nbd.go_query('√é\n"\\'.encode())), (77, b'unknown'),
                         (nbd.INFO, b''), (nbd.SET_META, nbd.meta_query(long_name, b'x-y:' + b'z' * 4000)), (nbd.LIST, b'data')):
        try:
            kind, data = c.ask(option, data)[-1]
        except (nbd.Closed, TimeoutError): # not what is tried here; say the others on a new one
            c = t.conn('named')
            continue
        if kind & nbd.ERR:
            said.append((f'error text of option {option}', data))
        elif option == nbd.GO: # a server that takes any name
            c = t.conn('named')
    query = nbd.go_query(t.place('named').name, nbd.INFO_NAME, nbd.INFO_DESCRIPTION)
    infos = infos_of(t.conn('named').ask(nbd.INFO, query))
    said += [('INFO_NAME', d) for d in infos.get(nbd.INFO_NAME, [])]
    said += [('INFO_DESCRIPTION', d) for d in infos.get(nbd.INFO_DESCRIPTION, [])]
    return said


@must('STR-1', 'Conventions', 'sends strings that are UTF-8 without NUL')
def strings_are_utf8(t):
    for what, data in strings_of(t):
        try:
            text_of(data[:MAX_STRING])
        except AssertionError as e:
            raise AssertionError(f'{what}: {e}') from None


@must('STR-2', 'Conventions', 'sends no string of more than 4096 bytes, whatever a client made it quote')
def strings_are_at_most_4096_bytes(t):
    for what, data in strings_of(t):
        check(len(data) <= MAX_STRING, f'{what} of {len(data)} bytes')


@should('STR-3', 'Conventions', 'sends no string of more than 256 bytes')
def strings_are_at_most_256_bytes(t):
    for what, data in strings_of(t):
        check(len(data) <= 256, f'{what} of {len(data)} bytes')


@must('STR-4', 'Conventions', 'names only exports whose names are UTF-8, even where files are called otherwise',
      'what to do with the others is not said; ours does not list them, and serves them to who knows the name')
def odd_file_names_are_not_listed(t):
    for kind, data in t.conn('odd').ask(nbd.LIST):
        if kind == nbd.SERVER:
            n = struct.unpack('>I', data[:4])[0]
            text_of(data[4:4 + n])


# --- the greeting ---


@must('H-1', 'Newstyle negotiation', 'greets with NBDMAGIC and IHAVEOPT, then 16 bits of flags')
def greeting(t):
    same(t.raw().unpack('>QQ'), (nbd.NBDMAGIC, nbd.IHAVEOPT), 'magic numbers')


@must('H-2', 'Handshake flags', 'sets FIXED_NEWSTYLE if it supports fixed newstyle')
def fixed_newstyle_is_set(t):
    c = t.conn()
    haggles(c, 'a client that says FIXED_NEWSTYLE')
    check(c.server_flags & nbd.FIXED, f'handshake flags {c.server_flags:#x}')


@must('H-3', 'Handshake flags', 'sets no handshake flag but the two defined ones')
def no_unknown_handshake_flags(t):
    for kind in ('disk', 'ro', 'named'):
        same(t.conn(kind).server_flags & ~(nbd.FIXED | nbd.NO_ZEROES), 0, 'other flags')


@must('H-4', 'Client flags', 'closes the connection on a client flag that it does not know')
def unknown_client_flags(t):
    for flags in (4, 1 << 15, 1 << 16, 1 << 31, 0xffffffff):
        got = closes(t.conn(flags=flags | nbd.FIXED), f'client flags {flags:#x}')
        same(got, b'', f'what comes after client flags {flags:#x}')


@must('H-5', 'Client flags', 'closes the connection on a client flag that it did not advertise')
def client_flag_that_was_not_advertised(t):
    c = t.conn('masked')
    same(c.server_flags, nbd.FIXED, 'what is advertised')
    closes(c, 'NO_ZEROES, which was not advertised', c.option, nbd.LIST)


@must('H-6', 'Handshake flags', 'sends the 124 zeroes when the client did not say NO_ZEROES')
def zeroes_unless_negotiated(t):
    c = t.conn(flags=nbd.FIXED)
    c.option(nbd.EXPORT_NAME, c.name)
    c.recv(10)
    same(c.recv(124), bytes(124), 'the reserved bytes')
    lives(c, 'after them')


@must('H-7', 'Handshake flags', 'does not send the 124 zeroes when NO_ZEROES was negotiated')
def no_zeroes_if_negotiated(t):
    c = t.conn()
    if not c.server_flags & nbd.NO_ZEROES:
        raise NotOffered('NO_ZEROES is not advertised')
    c.option(nbd.EXPORT_NAME, c.name)
    c.recv(10)
    quiet(c, 'the answer to EXPORT_NAME')
    lives(c, 'after 10 bytes')


@must('H-8', 'Oldstyle negotiation', 'sets no handshake flag during oldstyle negotiation')
def oldstyle_has_no_handshake_flags(t):
    flags = t.raw('oldstyle').unpack('>QQQI')[3]
    same(flags >> 16, 0, 'the upper half of the flags')


@must('H-9', 'Oldstyle negotiation', 'oldstyle: magic numbers, size, flags, 124 zeroes, then transmission')
def oldstyle_greeting(t):
    c = t.raw('oldstyle')
    magic, old, _, flags = c.unpack('>QQQI')
    same((magic, old), (nbd.NBDMAGIC, nbd.OLDSTYLE), 'magic numbers')
    check(flags & nbd.HAS_FLAGS, 'HAS_FLAGS')
    same(c.recv(124), bytes(124), 'the reserved bytes')
    lives(c, 'after the greeting')


@must('H-10', 'Option types: EXPORT_NAME', 'serves a client that is not fixed newstyle, by EXPORT_NAME')
def plain_newstyle(t):
    c = t.conn(flags=0).export_name(t.place().name)
    lives(c, 'plain newstyle')


# --- options as such ---


@must('O-1', 'Fixed newstyle negotiation', 'answers each option with the reply magic and the option\'s own number')
def option_replies_are_framed(t):
    c = t.conn()
    for option in (77, nbd.LIST, nbd.INFO, nbd.STRUCTURED_REPLY, 0xfffffffe):
        c.ask(option, nbd.go_query(c.name) if option == nbd.INFO else b'') # looks at both


@must('O-2', 'Baseline', 'answers an option that it does not know with ERR_UNSUP')
def unknown_options_are_unsupported(t):
    c = t.conn()
    for option in (4, 99, 0x12345678, 0xffffffff):
        same(option_error(c.answer(option)), 'UNSUP', f'option {option}')


@must('O-3', 'Baseline', 'finds the next option after one that it does not know, and its data')
def the_option_after_an_unknown_one(t):
    c = t.conn()
    for size in (1, 15, 16, 17, 1000, 4096):
        same(option_error(c.answer(99, bytes([nbd.ABORT]) * size)), 'UNSUP', f'{size} bytes of data')
    same(c.answer(nbd.LIST), nbd.ACK, 'LIST after them')


@must('O-4', 'Termination during haggling', 'errors what it does not allow, and does not disconnect a client that keeps the rules')
def errors_do_not_end_haggling(t):
    c = t.conn('named')
    for option, data in ((nbd.GO, nbd.go_query(b'no such export')), (99, b''), (nbd.INFO, nbd.go_query(b'nor this')), (4, b'x'),
                         (nbd.LIST, b'')) * 3:
        c.answer(option, data)
    t.go(c)
    lives(c, 'a dozen errors')


@must('O-5', 'Option reply types', 'sends ACK without data')
def acks_are_empty(t):
    c = t.conn()
    for option, data in ((nbd.LIST, b''), (nbd.INFO, nbd.go_query(c.name)), (nbd.STRUCTURED_REPLY, b''), (nbd.EXTENDED, b''),
                         (nbd.SET_META, nbd.meta_query(c.name, CONTEXT))):
        kind, data = c.ask(option, data)[-1]
        check(kind & nbd.ERR or not data, f'ACK of option {option} with {len(data)} bytes')


@must('O-6', 'Option reply types', 'marks each error reply by bit 31, with a defined number')
def error_replies_are_defined(t):
    c = t.conn('named')
    for option, data in ((nbd.GO, nbd.go_query(b'no such export')), (99, b''), (nbd.STRUCTURED_REPLY, b'x')):
        kind = c.answer(option, data)
        check(not kind & nbd.ERR or nbd.ERR < kind <= nbd.ERR_EXT, f'error {kind:#x} for option {option}')
        if kind == nbd.ACK and option == nbd.GO:
            return # any name is served


@should('O-7', 'Termination during haggling', 'answers options with ERR_SHUTDOWN while it shuts down',
        'ours does while others have requests under way; its end does not wait for clients that only talk')
def options_at_shutdown(t):
    place = t.alone('slow')
    busy = t.up('slow')
    for _ in range(32):
        busy.request(nbd.READ, 0, 1 << 20)
    busy.recv(16) # replies have begun; that they are not read keeps the server alive for a while
    c = t.conn('slow')
    haggles(c, 'before the signal')
    place.process.terminate()
    try:
        while True:
            kind = c.answer(99)
            if kind != nbd.ERR_UNSUP: # the signal may not have been seen yet
                break
    except (nbd.Closed, BrokenPipeError, ConnectionResetError):
        raise AssertionError('the connection is closed without a word') from None
    same(option_error(kind), 'SHUTDOWN', 'the answer')


# --- EXPORT_NAME, ABORT, LIST ---


@must('O-EXPORT-1', 'Newstyle negotiation', 'answers EXPORT_NAME with size and flags, and enters transmission')
def export_name(t):
    c = t.conn().export_name(t.place().name)
    check(c.size > 0, 'size 0')
    lives(c, 'EXPORT_NAME')


@must('O-EXPORT-2', 'Newstyle negotiation', 'ends the session when EXPORT_NAME names no export of its own')
def export_name_unknown(t):
    c = t.conn('named')
    same(closes(c, 'an unknown export', c.option, nbd.EXPORT_NAME, b'no such export'), b'', 'what is sent')


@must('O-EXPORT-3', 'Option reply types: INFO_EXPORT', 'tells by EXPORT_NAME the size that GO tells, and its flags')
def export_name_and_go_agree(t):
    for kind in ('disk', 'ro'):
        old, new = t.conn(kind).export_name(t.place(kind).name), t.up(kind)
        same((old.size, old.flags), (new.size, new.flags), f'{kind}: size and flags')


@must('O-ABORT-1', 'Option types: ABORT', 'answers ABORT with ACK')
def abort(t):
    same(t.conn().answer(nbd.ABORT), nbd.ACK, 'ABORT')


@should('O-ABORT-2', 'Option types: ABORT', 'ignores data that comes with ABORT')
def abort_with_data(t):
    same(t.conn().answer(nbd.ABORT, b'with data'), nbd.ACK, 'ABORT')


@should('O-ABORT-3', 'Option types: ABORT', 'copes with a client that is gone after ABORT without reading the reply')
def abort_and_gone(t):
    for _ in range(20):
        c = t.conn()
        c.option(nbd.ABORT)
        c.close()
    lives(t.up(), 'others')


@must('O-LIST-1', 'Option types: LIST', 'answers LIST with a SERVER reply for each export, then ACK')
def list_of_exports(t):
    replies = t.conn('named').ask(nbd.LIST)
    same([k for k, _ in replies[:-1] if k != nbd.SERVER], [], 'other replies')
    same(replies[-1][0], nbd.ACK, 'the last reply')


@should('O-LIST-2', 'Option types: LIST', 'refuses LIST with data as ERR_INVALID')
def list_with_data(t):
    c = t.conn()
    same(option_error(c.answer(nbd.LIST, b'data')), 'INVALID', 'LIST with data')
    haggles(c, 'the error')


@must('O-LIST-3', 'Option reply types: SERVER', 'sends in SERVER a name that fits the reply')
def listed_names_fit(t):
    for kind, data in t.conn('named').ask(nbd.LIST)[:-1]:
        check(len(data) >= 4 and struct.unpack('>I', data[:4])[0] <= len(data) - 4, f'SERVER reply {short(data)}')


@must('O-LIST-4', 'Option reply types: SERVER', 'lists names that GO takes')
def listed_names_work(t):
    names = [d[4:4 + struct.unpack('>I', d[:4])[0]] for k, d in t.conn('named').ask(nbd.LIST) if k == nbd.SERVER]
    if not names:
        raise NotOffered('lists nothing')
    for name in names:
        same(t.conn('named').answer(nbd.GO, nbd.go_query(name)), nbd.ACK, f'GO {name}')
