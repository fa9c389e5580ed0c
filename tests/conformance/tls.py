# SPDX-License-Identifier: BSD-2-Clause
"""Rules of TLS: servers without it, servers that require it (FORCEDTLS), and servers that offer it (SELECTIVETLS)."""
import ssl, struct, warnings
import rawnbd as nbd
from registry import NotOffered, must, should
from servers import SIZE, certificates
from trial import *

OTHERS = ((nbd.LIST, b''), (nbd.STRUCTURED_REPLY, b''), (nbd.EXTENDED, b''), (nbd.SET_META, nbd.meta_query(b'', CONTEXT)),
          (nbd.LIST_META, nbd.meta_query(b'')), (77, b''), (nbd.INFO, None), (nbd.GO, None))


def option_data(c, data):
    return nbd.go_query(c.name) if data is None else data


def context(t, version=None):
    d = certificates(t.server.tmp)
    ctx = ssl.create_default_context(cafile=d + '/ca-cert.pem')
    ctx.load_cert_chain(d + '/client-cert.pem', d + '/client-key.pem')
    if version:
        with warnings.catch_warnings(): # the old ones are deprecated
            warnings.simplefilter('ignore')
            ctx.minimum_version = ctx.maximum_version = version
    return ctx


def upgrade(t, c, version=None):
    """Speak TLS from now on, as a client that checks the certificate."""
    c.s = context(t, version).wrap_socket(c.s, server_hostname='localhost', suppress_ragged_eofs=False)
    return c


def secured(t, kind, version=None, before=()):
    """In option haggling, over TLS; before: options sent before STARTTLS."""
    c = t.conn(kind)
    for option, data in before:
        c.answer(option, option_data(c, data))
    same(c.answer(nbd.STARTTLS), nbd.ACK, 'the answer to STARTTLS')
    return upgrade(t, c, version)


# --- no TLS ---


@must('T-NO-1', 'TLS support: NOTLS', 'answers STARTTLS with an error when it has no TLS')
def starttls_without_tls(t):
    c = t.conn()
    kind = c.answer(nbd.STARTTLS)
    check(kind & nbd.ERR and kind != nbd.ERR_TLS_REQD, f'the answer is {kind:#x}')
    haggles(c, 'STARTTLS')


@must('T-NO-2', 'TLS support: NOTLS', 'never says ERR_TLS_REQD when it has no TLS')
def never_tls_reqd_without_tls(t):
    for option, data in OTHERS:
        c = t.conn('named')
        check(c.answer(option, option_data(c, data)) != nbd.ERR_TLS_REQD, f'option {option}')
    check(unknown(t.conn('named')) != nbd.ERR_TLS_REQD, 'GO for an unknown export')


def unknown(c):
    return c.answer(nbd.GO, nbd.go_query(b'no such export'))


# --- TLS required ---


@must('T-REQ-1', 'TLS support: FORCEDTLS', 'answers STARTTLS with ACK, and then speaks TLS')
def starttls(t):
    c = t.go(secured(t, 'tls'))
    fill(c, 0, b'secret' * 100)
    same(fresh(c, 0, 600), b'secret' * 100, 'what is read')


@must('T-REQ-2', 'TLS support: FORCEDTLS', 'answers STARTTLS within TLS with ERR_INVALID')
def starttls_twice(t):
    same(option_error(secured(t, 'tls').answer(nbd.STARTTLS)), 'INVALID', 'the second STARTTLS')


@must('T-REQ-3', 'TLS support: FORCEDTLS', 'answers all other options before TLS with ERR_TLS_REQD, unknown ones, too')
def other_options_need_tls(t):
    c = t.conn('tls')
    for option, data in OTHERS:
        same(option_error(c.answer(option, option_data(c, data))), 'TLS_REQD', f'option {option}')


@must('T-REQ-4', 'TLS support: FORCEDTLS', 'ends the session on EXPORT_NAME before TLS')
def export_name_needs_tls(t):
    c = t.conn('tls')
    same(closes(c, 'EXPORT_NAME', c.option, nbd.EXPORT_NAME, c.name), b'', 'what is sent')


@must('T-REQ-5', 'Option types: INFO, GO', 'tells nothing of an export before TLS')
def no_infos_before_tls(t):
    for option in (nbd.INFO, nbd.GO):
        c = t.conn('tls')
        replies = c.ask(option, nbd.go_query(c.name, nbd.INFO_NAME, nbd.INFO_DESCRIPTION))
        same([option_error(k) for k, _ in replies], ['TLS_REQD'], f'option {option}: replies')


@must('T-REQ-6', 'TLS support: FORCEDTLS', 'never says ERR_TLS_REQD within TLS')
def never_tls_reqd_within_tls(t):
    for option, data in OTHERS:
        c = secured(t, 'tls')
        check(c.answer(option, option_data(c, data)) != nbd.ERR_TLS_REQD, f'option {option}')


@must('T-REQ-7', 'TLS support: server-side requirements', 'acknowledges ABORT before TLS')
def abort_before_tls(t):
    same(t.conn('tls').answer(nbd.ABORT), nbd.ACK, 'ABORT')


@must('T-REQ-8', 'TLS support: FORCEDTLS', 'ends the session when the TLS handshake fails')
def failed_handshake(t):
    c = t.conn('tls')
    same(c.answer(nbd.STARTTLS), nbd.ACK, 'STARTTLS')
    got = closes(c, 'a plain option instead of a handshake', c.option, nbd.LIST)
    check(struct.pack('>Q', nbd.OPT_REPLY) not in got, 'the option is answered in the clear')


@must('T-REQ-9', 'TLS support: FORCEDTLS', 'does not act on what came in the clear behind STARTTLS')
def injected_option(t):
    for kind in ('tls', 'tls-on'):
        try:
            c = t.conn(kind)
        except NotOffered:
            if kind == 'tls':
                raise
            continue
        plain = struct.pack('>QII', nbd.IHAVEOPT, nbd.STRUCTURED_REPLY, 0)
        c.send(struct.pack('>QII', nbd.IHAVEOPT, nbd.STARTTLS, 0) + plain)
        try:
            kind_of_reply = c.option_reply(nbd.STARTTLS)[0]
            if kind_of_reply != nbd.ACK:
                continue
            upgrade(t, c)
            c.option(nbd.LIST)
            c.option_reply(nbd.LIST) # checks that it is this option that is answered
        except (nbd.Closed, OSError): # the handshake fails, as it read the option
            continue


@should('T-REQ-10', 'Option types: STARTTLS', 'refuses STARTTLS with data as ERR_INVALID')
def starttls_with_data(t):
    same(option_error(t.conn('tls').answer(nbd.STARTTLS, b'data')), 'INVALID', 'STARTTLS')


@must('T-REQ-11', 'TLS support: server-side requirements', 'does not start TLS with a client that is not fixed newstyle',
      'what a server that requires TLS does with such a client instead, is not said')
def no_tls_without_fixed_newstyle(t):
    c = t.conn('tls', flags=0)
    try:
        c.option(nbd.STARTTLS)
        kind = c.option_reply(nbd.STARTTLS)[0]
    except (nbd.Closed, BrokenPipeError, ConnectionResetError):
        return
    check(kind & nbd.ERR, f'STARTTLS is answered with {kind:#x}')


@must('T-REQ-12', 'TLS versions', 'speaks TLS 1.2')
def tls_12(t):
    lives(t.go(secured(t, 'tls', ssl.TLSVersion.TLSv1_2)), 'TLS 1.2')


@should('T-REQ-13', 'TLS versions', 'speaks TLS 1.3')
def tls_13(t):
    lives(t.go(secured(t, 'tls', ssl.TLSVersion.TLSv1_3)), 'TLS 1.3')


@should('T-REQ-14', 'TLS versions', 'does not speak TLS 1.0 or 1.1 by default')
def no_old_tls(t):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        c = t.conn('tls')
        same(c.answer(nbd.STARTTLS), nbd.ACK, 'STARTTLS')
        ctx = context(t, version)
        ctx.set_ciphers('ALL:@SECLEVEL=0')
        try:
            ctx.wrap_socket(c.s, server_hostname='localhost')
        except OSError:
            continue
        raise AssertionError(f'{version.name} works')


@must('T-REQ-15', 'Terminating the transmission phase', 'shuts TLS down before it closes the connection on DISC')
def disc_shuts_tls_down(t):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c = t.go(secured(t, 'tls', version))
        lives(c, 'TLS')
        c.request(nbd.DISC)
        try:
            same(c.s.recv(1), b'', 'what comes after DISC')
        except ssl.SSLEOFError:
            raise AssertionError(f'{version.name}: the connection ends without close_notify') from None


@should('T-REQ-18', 'Terminating the transmission phase', 'shuts TLS down before it hangs up on a client that breaks the rules')
def hanging_up_shuts_tls_down(t):
    c = t.go(secured(t, 'tls'))
    lives(c, 'TLS')
    try:
        c.request(nbd.READ, 0, 512, magic=1)
        while c.s.recv(4096): # an error reply, perhaps
            pass
    except TimeoutError:
        raise NotOffered('does not hang up') from None
    except OSError: # also ssl.SSLEOFError
        raise AssertionError('the connection ends without close_notify') from None


@should('T-REQ-16', 'Block size constraints', 'keeps the connection over TLS when it refuses a write, and reads over its data')
def refused_write_over_tls(t):
    c = t.go(secured(t, 'tls'))
    for size in (512, 70000, 1 << 20):
        try:
            check(attempt(c, nbd.WRITE, SIZE, size), 'the write succeeds')
        except (nbd.Closed, OSError):
            raise AssertionError(f'{size} bytes: the server closes the connection') from None
        lives(c, f'a refused write of {size} bytes')


@must('T-REQ-17', 'Conventions', 'sends large replies over TLS whole, and in step')
def much_data_over_tls(t):
    c = t.go(secured(t, 'tls'))
    data = bytes(range(256)) * 8192
    fill(c, 1 << 20, data)
    check(fresh(c, 1 << 20, len(data)) == data, 'what is read')
    lives(c, 'it')


# --- TLS offered ---


@must('T-SEL-1', 'TLS support: SELECTIVETLS', 'answers STARTTLS with ACK, and then speaks TLS')
def selective_starttls(t):
    lives(t.go(secured(t, 'tls-on')), 'STARTTLS')
    lives(t.up('tls-on'), 'no TLS')


@must('T-SEL-2', 'TLS support: SELECTIVETLS', 'answers STARTTLS within TLS with ERR_INVALID')
def selective_starttls_twice(t):
    same(option_error(secured(t, 'tls-on').answer(nbd.STARTTLS)), 'INVALID', 'the second STARTTLS')


@must('T-SEL-3', 'TLS support: SELECTIVETLS', 'says ERR_TLS_REQD to INFO and GO at most, and of an export that needs TLS')
def selective_needs_no_tls(t):
    for option, data in OTHERS:
        c = t.conn('tls-on')
        check(c.answer(option, option_data(c, data)) != nbd.ERR_TLS_REQD, f'option {option}')


@must('T-SEL-4', 'TLS support: SELECTIVETLS', 'never says ERR_TLS_REQD within TLS')
def selective_never_tls_reqd_within_tls(t):
    for option, data in OTHERS:
        c = secured(t, 'tls-on')
        check(c.answer(option, option_data(c, data)) != nbd.ERR_TLS_REQD, f'option {option}')


@must('T-SEL-5', 'TLS support: SELECTIVETLS', 'answers INFO and GO for an export that needs TLS with ERR_TLS_REQD')
def tls_only_export(t):
    for option in (nbd.INFO, nbd.GO):
        c = t.conn('tls-only')
        same(option_error(c.answer(option, nbd.go_query(c.name))), 'TLS_REQD', f'option {option}')
    lives(t.go(secured(t, 'tls-only')), 'with TLS')


@must('T-SEL-6', 'TLS support: SELECTIVETLS', 'ends the session on EXPORT_NAME for an export that needs TLS')
def tls_only_export_name(t):
    c = t.conn('tls-only')
    same(closes(c, 'EXPORT_NAME', c.option, nbd.EXPORT_NAME, c.name), b'', 'what is sent')


@must('T-SEL-7', 'Option types: STARTTLS', 'forgets at STARTTLS that structured replies or extended headers were negotiated')
def starttls_forgets_replies(t):
    for option in (nbd.STRUCTURED_REPLY, nbd.EXTENDED):
        if t.conn('tls-on').answer(option) != nbd.ACK:
            if option == nbd.STRUCTURED_REPLY:
                raise NotOffered('no structured replies')
            continue
        c = t.go(secured(t, 'tls-on', before=((option, b''),)))
        check(not c.flags & nbd.SEND_DF, f'option {option}: DF is advertised')
        c.request(nbd.READ, 0, 512)
        same(c.unpack('>I')[0], nbd.SIMPLE, f'option {option}: the magic of the reply')


@must('T-SEL-8', 'Option types: STARTTLS', 'forgets at STARTTLS the metadata contexts that were chosen')
def starttls_forgets_contexts(t):
    c = t.conn('tls-on')
    t.negotiate(c, 'structured')
    if not t.set_contexts(c, CONTEXT):
        raise NotOffered('no metadata contexts')
    same(c.answer(nbd.STARTTLS), nbd.ACK, 'the answer to STARTTLS')
    c.structured = False
    upgrade(t, c)
    t.negotiate(c, 'structured')
    t.go(c)
    check(isinstance(c.status(0, 4096), int), 'BLOCK_STATUS works')
