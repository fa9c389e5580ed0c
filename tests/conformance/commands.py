# SPDX-License-Identifier: BSD-2-Clause
"""Rules of the single commands but BLOCK_STATUS, and of error values."""
import os
import rawnbd as nbd
from registry import NotOffered, must, should, untestable
from servers import SIZE
from trial import *

END = SIZE - 512


def zero_length(ident, cmd, name, flag=0):
    """A row: a request of that kind with length 0 does not end the connection."""
    def stays(t):
        for c in t.ups(meta=None if cmd != nbd.STATUS else [CONTEXT]):
            if flag:
                needs(c, flag, name)
            if cmd == nbd.STATUS and not c.structured:
                continue
            try:
                attempt(c, cmd, 0, 0)
            except nbd.Closed:
                raise AssertionError(f'{c.style} replies: the server closes the connection') from None
            lives(c, f'{c.style} replies: {name} of length 0')
    stays.__name__ = name.lower() + '_of_length_0'
    should(ident, f'Request types: {name}', f'does not disconnect on {name} with length 0')(stays)


def refusal(ident, section, text, *requests, kind='disk', want=(nbd.EINVAL,)):
    """A row (SHOULD): those requests fail with one of want, in each style of replies.
    A request: (command, offset, length, flags, the transmission flag without which it is not tried)."""
    def fails(t):
        tried = 0
        for c in t.ups(kind):
            for cmd, offset, length, flags, flag in requests:
                if flag and not c.flags & flag:
                    continue
                tried += 1
                error = attempt(c, cmd, offset, length, flags)
                check(error in want, f'{c.style} replies: command {cmd} at {offset:#x} with flags {flags} gives {error}, not {want[0]}')
            lives(c, 'refused requests')
        if not tried:
            raise NotOffered('not offered')
    fails.__name__ = 'fails_' + ident.lower().replace('-', '_')
    should(ident, section, text)(fails)


# --- READ ---


@must('C-READ-1', 'Request types: READ', 'answers READ with the bytes that are there')
def read(t):
    for c in t.ups():
        data = bytes(i & 255 for i in range(70000))
        fill(c, 12345, data)
        for offset, length in ((12345, 70000), (12346, 1), (0, 12400), (12345 + 69999, 512), (SIZE - 1, 1)):
            got = fresh(c, offset, length)
            same(len(got), length, 'length')
            want = (bytes(12345) + data + bytes(1 << 20))[offset:offset + length]
            first, last = max(offset, 12345), min(offset + length, 12345 + 70000)
            if first < last: # around it is what earlier tests left
                check(got[first - offset:last - offset] == want[first - offset:last - offset], f'{c.style} replies: read at {offset}')


zero_length('C-READ-2', nbd.READ, 'READ')

# --- WRITE ---


@must('C-WRITE-1', 'Request types: WRITE', 'writes the data before it replies')
def write(t):
    other = t.up()
    for c in t.ups():
        for n, (offset, length) in enumerate(((0, 4096), (511, 2), (1 << 20, 300000), (SIZE - 3, 3))):
            data = bytes([n + 65]) * length
            fill(c, offset, data)
            check(fresh(c, offset, length) == data, f'{c.style} replies: read back {length} bytes')
            if other.flags & nbd.MULTI:
                check(fresh(other, offset, length) == data, f'{c.style} replies: read on another connection')


@must('C-WRITE-2', 'Request types: WRITE', 'tells by an error code that a write failed')
def write_error(t):
    tried = 0
    for kind in ('disk', 'error', 'quota'):
        try:
            for c in t.ups(kind):
                check(attempt(c, nbd.WRITE, SIZE if kind == 'disk' else 0, 4096), f'{kind}: the write succeeds')
                tried += 1
        except NotOffered:
            pass
    check(tried, 'nothing tried')


@must('C-WRITE-3', 'Request types: WRITE', 'changes nothing by a write that it refuses for its range')
def refused_write_changes_nothing(t):
    for c in t.ups():
        fill(c, END, b'k' * 512)
        check(attempt(c, nbd.WRITE, END, 1024), 'a write across the end succeeds')
        same(fresh(c, END, 512), b'k' * 512, 'the last bytes')


zero_length('C-WRITE-4', nbd.WRITE, 'WRITE')

# --- TRIM, CACHE ---


@must('C-TRIM-1', 'Request types: TRIM', 'leaves alone what lies outside the range of a trim')
def trim_keeps_to_its_range(t):
    for c in t.ups():
        needs(c, nbd.SEND_TRIM, 'TRIM')
        fill(c, 0, b't' * 262144)
        same(c.call(nbd.TRIM, 1000, 200000), 0, 'TRIM')
        same(fresh(c, 0, 1000), b't' * 1000, 'before it')
        same(fresh(c, 201000, 61144), b't' * 61144, 'behind it')


zero_length('C-TRIM-2', nbd.TRIM, 'TRIM', nbd.SEND_TRIM)


@must('C-CACHE-1', 'Request types: CACHE', 'changes nothing by CACHE but, perhaps, speed')
def cache_changes_nothing(t):
    for c in t.ups():
        needs(c, nbd.SEND_CACHE, 'CACHE')
        fill(c, 8192, b'c' * 4096)
        attempt(c, nbd.CACHE, 0, 65536)
        same(fresh(c, 8192, 4096), b'c' * 4096, 'what is read')
        fill(c, 8192, b'd' * 4096)
        same(fresh(c, 8192, 4096), b'd' * 4096, 'what is written and read')


@must('C-CACHE-2', 'Request types: CACHE', 'refuses flags of CACHE that it does not know, if it advertises CACHE')
def cache_with_flags(t):
    for c in t.ups():
        needs(c, nbd.SEND_CACHE, 'CACHE')
        for flag in (nbd.NO_HOLE, nbd.DF, 1 << 13):
            check(attempt(c, nbd.CACHE, 0, 4096, flag), f'flag {flag} is taken')


@must('C-CACHE-3', 'Request types: CACHE', 'tells by an error code that CACHE failed')
def cache_error(t):
    for c in t.ups('error'):
        needs(c, nbd.SEND_CACHE, 'CACHE')
        check(attempt(c, nbd.CACHE, 0, 65536), 'it succeeds')


# --- WRITE_ZEROES ---


@must('C-ZERO-1', 'Request types: WRITE_ZEROES', 'makes the range read as zeroes, and nothing else')
def zero(t):
    for c in t.ups():
        needs(c, nbd.SEND_ZERO, 'WRITE_ZEROES')
        for flags in (0, nbd.NO_HOLE) + ((nbd.FUA, nbd.FUA | nbd.NO_HOLE) if c.flags & nbd.SEND_FUA else ()):
            fill(c, 0, b'z' * 262144)
            same(c.call(nbd.ZERO, 1000, 200000, flags=flags), 0, f'WRITE_ZEROES with flags {flags}')
            got = fresh(c, 0, 262144)
            check(got == b'z' * 1000 + bytes(200000) + b'z' * 61144, f'{c.style} replies, flags {flags}: what is read')


@must('C-ZERO-2', 'Request types: WRITE_ZEROES', 'provisions the range when NO_HOLE is set',
      'seen by the blocks of the file that is served; a disk in memory cannot promise memory, neither ours nor that of nbdkit')
def no_hole(t):
    for c in t.ups('named'):
        needs(c, nbd.SEND_ZERO, 'WRITE_ZEROES')
        if c.flags & nbd.SEND_TRIM:
            same(c.call(nbd.TRIM, 0, SIZE), 0, 'TRIM')
        before = os.stat(c.place.image).st_blocks
        same(c.call(nbd.ZERO, 1 << 20, 8 << 20, flags=nbd.NO_HOLE), 0, 'WRITE_ZEROES with NO_HOLE')
        if c.flags & nbd.SEND_FLUSH:
            same(c.call(nbd.FLUSH), 0, 'FLUSH')
        got = (os.stat(c.place.image).st_blocks - before) * 512
        check(got >= 8 << 20, f'{c.style} replies: {got >> 10} of 8192 KiB are provisioned')


@must('C-ZERO-3', 'Request types: WRITE_ZEROES', 'does not say ENOTSUP to WRITE_ZEROES without FAST_ZERO')
def plain_zero_is_supported(t):
    for c in t.ups():
        needs(c, nbd.SEND_FAST, 'FAST_ZERO')
        for offset, length in ((0, 4096), (1, 3), (4095, 70000)):
            check(attempt(c, nbd.ZERO, offset, length) != nbd.ENOTSUP, 'ENOTSUP')


@must('C-ZERO-4', 'Request types: WRITE_ZEROES', 'answers FAST_ZERO with success, zeroed, or with ENOTSUP; then (SHOULD) unchanged')
def fast_zero(t):
    for c in t.ups():
        needs(c, nbd.SEND_FAST, 'FAST_ZERO')
        for offset, length in ((0, 65536), (513, 1000)):
            fill(c, 0, b'f' * 65536)
            error = attempt(c, nbd.ZERO, offset, length, nbd.FAST)
            check(error in (0, nbd.ENOTSUP), f'error {error}')
            same(fresh(c, offset, length), (b'f' if error else b'\0') * length, f'after {error}')


@should('C-ZERO-5', 'Request types: WRITE_ZEROES', 'says EINVAL to FAST_ZERO that it does not advertise')
def fast_zero_not_advertised(t):
    c = t.up()
    needs(c, nbd.SEND_ZERO, 'WRITE_ZEROES')
    if c.flags & nbd.SEND_FAST:
        raise NotOffered('FAST_ZERO is advertised')
    same(attempt(c, nbd.ZERO, 0, 4096, nbd.FAST), nbd.EINVAL, 'the error')


@must('C-ZERO-6', 'Request types: WRITE_ZEROES', 'tells by an error code that a zero failed')
def zero_error(t):
    for c in t.ups('error'):
        needs(c, nbd.SEND_ZERO, 'WRITE_ZEROES')
        check(attempt(c, nbd.ZERO, 0, 65536), 'it succeeds')


refusal('C-ZERO-7', 'Request types: WRITE_ZEROES', 'says ENOSPC to zeroes past the end', (nbd.ZERO, END, 1024, 0, nbd.SEND_ZERO),
        (nbd.ZERO, SIZE, 512, 0, nbd.SEND_ZERO), want=(nbd.ENOSPC,))
refusal('C-ZERO-8', 'Request types: WRITE_ZEROES', 'says EPERM to zeroes on a read-only export', (nbd.ZERO, 0, 512, 0, nbd.READ_ONLY),
        kind='ro',
        want=(nbd.EPERM,))
zero_length('C-ZERO-9', nbd.ZERO, 'WRITE_ZEROES', nbd.SEND_ZERO)


@should('C-ZERO-10', 'Request types: WRITE_ZEROES', 'does not say EOVERFLOW to FAST_ZERO, however long')
def fast_zero_of_any_length(t):
    for c in t.ups('huge'):
        needs(c, nbd.SEND_FAST, 'FAST_ZERO')
        for length in (1 << 31, 0xfffff000) + ((1 << 42,) if c.extended else ()):
            check(attempt(c, nbd.ZERO, 0, length, nbd.FAST) != nbd.EOVERFLOW, f'EOVERFLOW for {length} bytes')


# --- flags that all commands have ---


@must('C-FUA-1', 'Command flags', 'takes FUA on every command if it advertises SEND_FUA')
def fua_everywhere(t):
    for c in t.ups(meta=[CONTEXT] if offers_status(t) else None):
        needs(c, nbd.SEND_FUA, 'FUA')
        for cmd, length, flag in ((nbd.READ, 4096, 0), (nbd.WRITE, 4096, 0), (nbd.FLUSH, 0, nbd.SEND_FLUSH),
                                  (nbd.TRIM, 4096, nbd.SEND_TRIM),
                                  (nbd.ZERO, 4096, nbd.SEND_ZERO), (nbd.CACHE, 4096, nbd.SEND_CACHE)):
            if not flag or c.flags & flag:
                same(attempt(c, cmd, 0, length, nbd.FUA), 0, f'{c.style} replies: command {cmd}')
        if hasattr(c, 'contexts'):
            check(isinstance(c.status(0, 4096, nbd.FUA), list), f'{c.style} replies: BLOCK_STATUS')


def offers_status(t):
    try:
        t.up(style='structured', meta=[CONTEXT])
        return True
    except NotOffered:
        return False


# --- error values ---


@must('E-1', 'Error values', 'sends only error values that are defined')
def errors_are_defined(t):
    bad = ((nbd.READ, SIZE, 512, 0), (nbd.READ, 1 << 63, 512, 0), (nbd.WRITE, SIZE, 512, 0), (nbd.TRIM, SIZE, 512, 0),
           (nbd.ZERO, SIZE, 512, 0),
           (77, 0, 0, 0), (0xffff, 0, 0, 0), (nbd.READ, 0, 512, 1 << 14), (nbd.FLUSH, 0, 0, 1 << 14), (nbd.READ, 0, 0xffffffff, 0))
    for kind in ('disk', 'ro', 'error', 'quota'):
        try:
            for c in t.ups(kind):
                for request in bad + ((nbd.READ, 0, 512, 0), (nbd.WRITE, 0, 4096, 0), (nbd.ZERO, 0, 4096, 0)):
                    if kind == 'quota' and request[0] == nbd.READ:
                        continue
                    error = attempt(c, *request)
                    check(error in DEFINED_ERRORS | {0}, f'{kind}, {c.style} replies: {request} gives {error}')
        except NotOffered:
            pass


refusal('E-2', 'Error values', 'says ENOSPC to a write past the end', (nbd.WRITE, END, 1024, 0, 0), (nbd.WRITE, SIZE, 512, 0, 0),
        (nbd.WRITE, 1 << 63, 512, 0, 0), want=(nbd.ENOSPC,))
refusal('E-3', 'Error values', 'says EINVAL to a read past the end', (nbd.READ, END, 1024, 0, 0), (nbd.READ, SIZE, 512, 0, 0),
        (nbd.READ, (1 << 64) - 512, 512, 0, 0))
refusal('E-4', 'Error values', 'says EINVAL to a trim past the end', (nbd.TRIM, END, 1024, 0, nbd.SEND_TRIM),
        (nbd.TRIM, SIZE, 512, 0, nbd.SEND_TRIM))
refusal('E-5', 'Error values', 'says EPERM to a write on a read-only export', (nbd.WRITE, 0, 512, 0, nbd.READ_ONLY), kind='ro',
        want=(nbd.EPERM,))
refusal('E-6', 'Error values', 'says EPERM to a trim on a read-only export', (nbd.TRIM, 0, 512, 0, nbd.READ_ONLY), kind='ro',
        want=(nbd.EPERM,))
refusal('E-7', 'Error values', 'says EINVAL to an unknown command', (77, 0, 0, 0, 0), (0xffff, 0, 512, 0, 0), (8, 0, 0, 0, 0))
refusal('E-8', 'Error values', 'says EINVAL to an unknown command flag', (nbd.READ, 0, 512, 1 << 6, 0), (nbd.READ, 0, 512, 1 << 15, 0),
        (nbd.WRITE, 0, 512, 1 << 12, 0), (nbd.FLUSH, 0, 0, 1 << 7, nbd.SEND_FLUSH))
refusal('E-9', 'Error values', 'says EINVAL to a flag that does not belong to the command', (nbd.READ, 0, 512, nbd.NO_HOLE, 0),
        (nbd.WRITE, 0, 512, nbd.DF, 0), (nbd.READ, 0, 512, nbd.REQ_ONE, 0), (nbd.TRIM, 0, 512, nbd.FAST, nbd.SEND_TRIM))


@should('E-10', 'Error values', 'says EOVERFLOW only to reads with DF, and to lengths over its largest payload')
def no_other_eoverflow(t):
    for c in t.ups():
        for cmd, offset, length, flags in ((nbd.READ, SIZE, 512, 0), (nbd.WRITE, SIZE, 512, 0), (nbd.READ, (1 << 64) - 1, 2, 0),
                                           (nbd.TRIM, (1 << 64) - 512, 1024, 0), (77, 0, 0, 0)):
            check(attempt(c, cmd, offset, length, flags) != nbd.EOVERFLOW, f'command {cmd}: EOVERFLOW')


@should('E-11', 'Error values', 'says ENOTSUP only to WRITE_ZEROES with FAST_ZERO')
def no_other_enotsup(t):
    for kind in ('disk', 'ro', 'error'):
        try:
            for c in t.ups(kind):
                for cmd in (nbd.READ, nbd.WRITE, nbd.TRIM, nbd.CACHE, nbd.ZERO, 77):
                    check(attempt(c, cmd, 0, 4096) != nbd.ENOTSUP, f'{kind}: command {cmd}: ENOTSUP')
        except NotOffered:
            pass


@should('E-12', 'Error values', 'says ENOSPC when the disk below says EDQUOT')
def quota_is_enospc(t):
    for c in t.ups('quota'):
        same(attempt(c, nbd.WRITE, 0, 4096), nbd.ENOSPC, f'{c.style} replies: a write')


@should('E-13', 'Error values', 'does not say ENOMEM to a read that is only too long')
def no_enomem(t):
    for c in t.ups('huge'):
        try:
            check(attempt(c, nbd.READ, 0, (64 << 20) + 4096) != nbd.ENOMEM, f'{c.style} replies: ENOMEM')
        except nbd.Closed:
            pass # allowed
