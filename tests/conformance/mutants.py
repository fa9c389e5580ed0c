# SPDX-License-Identifier: BSD-2-Clause
"""Wrong servers: what a good one says is changed on its way to the tests, and the tests of those rules must fail.

Each mutant changes replies as rawnbd takes them apart: all replies to an option, chunks, or the error of a simple reply.
"""
import struct
import rawnbd as nbd

EXPORT, BLOCK_SIZE = b'\0\0', b'\0\3'


def infos(begins, change):
    """Change the payload of that information: None drops it."""
    def mutate(option, request, replies):
        out = []
        for kind, data in replies:
            if kind == nbd.REP_INFO and data[:2] == begins:
                data = change(data, option)
            if data is not None:
                out.append((kind, data))
        return out
    return mutate


def flags(change):
    """Change the transmission flags that INFO and GO tell."""
    return infos(EXPORT, lambda d, _: d[:10] + struct.pack('>H', change(struct.unpack('>H', d[10:])[0])))


def sizes(**new):
    def change(data, _):
        least, preferred, largest = struct.unpack('>III', data[2:])
        return BLOCK_SIZE + struct.pack('>III', new.get('least', least), new.get('preferred', preferred), new.get('largest', largest))
    return infos(BLOCK_SIZE, change)


def errors(change):
    """Change the last reply to an option, if it is an error: change(kind, text)."""
    return lambda option, request, replies: replies[:-1] + [change(*replies[-1]) if replies[-1][0] & nbd.ERR else replies[-1]]


def also(which, kind, data):
    """One more reply before the last."""
    return lambda option, request, replies: replies[:-1] + [(kind, data)] * (option in which) + replies[-1:]


def contexts(change):
    return lambda option, request, replies: [change(option, d) if k == nbd.REP_META else (k, d) for k, d in replies]


OPTIONS = (
    ('ACK with data', lambda o, r, x: x[:-1] + [(x[-1][0], x[-1][1] or b'data')], 'O-5'),
    ('a NUL in error texts', errors(lambda k, d: (k, d + b'\0')), 'STR-1'),
    ('Latin-1 in error texts', errors(lambda k, d: (k, d + b'\xe9')), 'STR-1'),
    ('endless error texts', errors(lambda k, d: (k, b'n' * 5000)), 'STR-2 STR-3'),
    ('another error', errors(lambda k, d: (nbd.ERR_PLATFORM, d)),
     'O-2 O-3 O-GO-3 O-LIST-2 O-SR-2 O-META-1 O-META-2 O-META-8 X-OPT-1 X-OPT-4'),
    ('an undefined error', errors(lambda k, d: (k + 77, d)), 'O-6'),
    ('TLS that is not there', errors(lambda k, d: (nbd.ERR_TLS_REQD, d)), 'T-NO-1 T-NO-2'),
    ('STARTTLS that is not there', lambda o, r, x: [(nbd.ACK, b'')] if o == nbd.STARTTLS else x, 'T-NO-1'),
    ('no errors', lambda o, r, x: [(nbd.ACK, b'')] if x[-1][0] & nbd.ERR else x, 'O-2 O-GO-2 O-META-1 O-META-2 X-OPT-4'),
    ('errors only', lambda o, r, x: [(nbd.ERR_INVALID, b'')], 'O-ABORT-1 O-ABORT-2 O-LIST-1 O-INFO-1 O-INFO-8 O-INFO-9 O-SR-1 X-OPT-3'),
    ('ABORT refused', lambda o, r, x: [(nbd.ERR_INVALID, b'')] if o == nbd.ABORT else x, 'O-ABORT-1 O-ABORT-2'),
    ('a name that does not fit', lambda o, r, x: [(k, struct.pack('>I', 999) + d[4:]) if k == nbd.SERVER else (k, d) for k, d in x],
     'O-LIST-3'),
    ('another reply in LIST', also((nbd.LIST,), nbd.REP_INFO, b'\0\1'), 'O-LIST-1'),
    ('a name that does not work', also((nbd.LIST,), nbd.SERVER, struct.pack('>I', 4) + b'none'), 'O-LIST-4'),
    ('no INFO_EXPORT', infos(EXPORT, lambda d, _: None), 'O-INFO-1'),
    ('a long INFO_EXPORT', infos(EXPORT, lambda d, _: d + b'\0'), 'O-INFO-1'),
    ('unknown information', also((nbd.INFO, nbd.GO), nbd.REP_INFO, b'\x77\x77'), 'O-INFO-3'),
    ('information for an export that is not there', also((nbd.INFO, nbd.GO), nbd.REP_INFO, EXPORT + bytes(10)), 'O-GO-3 O-INFO-7'),
    ('GO that differs from INFO', infos(EXPORT, lambda d, o: d[:2] + bytes(8) + d[10:] if o == nbd.INFO else d), 'O-INFO-4'),
    ('a name of its own', infos(b'\0\1', lambda d, _: d + b'x'), 'O-INFO-5'),
    ('no HAS_FLAGS', flags(lambda f: f & ~nbd.HAS_FLAGS), 'F-1 O-EXPORT-3'),
    ('DF always', flags(lambda f: f | nbd.SEND_DF), 'F-3'),
    ('DF never', flags(lambda f: f & ~nbd.SEND_DF), 'F-4'),
    ('a flag of tomorrow', flags(lambda f: f | 1 << 13), 'F-12'),
    ('RESIZE', flags(lambda f: f | nbd.RESIZE), 'F-12'),
    ('FAST_ZERO alone', flags(lambda f: f & ~nbd.SEND_ZERO), 'F-5'),
    ('FAST_ZERO not told', flags(lambda f: f & ~nbd.SEND_FAST), 'F-6'),
    ('payloads of BLOCK_STATUS', flags(lambda f: f | 1 << 12), 'X-FLAG-1 X-FLAG-2'),
    ('a least block of 3', sizes(least=3), 'B-1'),
    ('a least block of 128 KiB', sizes(least=1 << 17), 'B-1 B-2'),
    ('a preferred block of 256', sizes(preferred=256), 'B-2'),
    ('a largest payload of 100', sizes(largest=100), 'B-3 B-4'),
    ('a size that is no multiple', infos(EXPORT, lambda d, _: d[:9] + b'\1' + d[10:]), 'B-5'),
    ('a long INFO_BLOCK_SIZE', infos(BLOCK_SIZE, lambda d, _: d + b'\0'), 'B-7'),
    ('ids in LIST_META_CONTEXT', contexts(lambda o, d: (nbd.REP_META, b'\1' + d[1:])), 'O-META-7'),
    ('contexts without namespace', contexts(lambda o, d: (nbd.REP_META, d.replace(b':', b'.'))), 'O-META-15'),
    ('contexts of nobody', contexts(lambda o, d: (nbd.REP_META, d.replace(b'base', b'mine'))), 'O-META-15'),
    ('contexts told twice', lambda o, r, x: x[:-1] * 2 + x[-1:] if o == nbd.SET_META else x, 'O-META-10'),
    ('contexts not asked for', also((nbd.SET_META, nbd.LIST_META), nbd.REP_META, b'\0\0\0\x09base:more'),
     'O-META-3 O-META-4 O-META-9 O-META-12 O-META-13 O-META-14'),
)


def chunk(kind, change):
    """Change the payload of chunks of that kind."""
    def mutate(k):
        if k.kind == kind:
            k.data = change(k.data)
    return mutate


def field(**new):
    """Change fields of all chunks."""
    def mutate(k):
        for name, change in new.items():
            setattr(k, name, change(getattr(k, name)))
    return mutate


def error(code):
    """Change the error of error chunks."""
    def mutate(k):
        if k.kind & 0x8000:
            k.data = struct.pack('>I', code) + k.data[4:]
    return mutate


def text(add):
    """Lengthen the message of error chunks."""
    def mutate(k):
        if k.kind & 0x8000:
            n = struct.unpack('>H', k.data[4:6])[0]
            k.data = k.data[:4] + struct.pack('>H', n + len(add)) + k.data[6:6 + n] + add + k.data[6 + n:]
    return mutate


def extents(change):
    """Change the list of extents of status chunks."""
    def mutate(k):
        if k.kind == nbd.BLOCKS:
            k.data = k.data[:4] + b''.join(struct.pack('>II', *e) for e in change(list(struct.iter_unpack('>II', k.data[4:]))))
        elif k.kind == nbd.BLOCKS_EXT:
            new = change(list(struct.iter_unpack('>QQ', k.data[8:])))
            k.data = k.data[:4] + struct.pack('>I', len(new)) + b''.join(struct.pack('>QQ', *e) for e in new)
    return mutate


def kind(old, new):
    def mutate(k):
        if k.kind == old:
            k.kind = new
    return mutate


CHUNKS = (
    ('an unknown reply flag', field(flags=lambda f: f | 4), 'S-2'),
    ('NONE with payload', chunk(nbd.NONE, lambda d: b'x'), 'S-3'),
    ('status for everything', kind(nbd.NONE, nbd.BLOCKS), 'S-4'),
    ('content for everything', kind(nbd.NONE, nbd.DATA), 'S-4'),
    ('another offset in the header', field(offset=lambda o: o + 1), 'X-2'),
    ('data without data', chunk(nbd.DATA, lambda d: d[:8]), 'S-READ-1 S-READ-5'),
    ('data before the request', chunk(nbd.DATA, lambda d: b'\xff' * 8 + d[8:]), 'S-READ-3'),
    ('data at the beginning always', chunk(nbd.DATA, lambda d: bytes(8) + d[8:]), 'S-READ-3 S-READ-4'),
    ('other data', chunk(nbd.DATA, lambda d: d[:8] + bytes(len(d) - 8)), 'S-READ-6 S-DF-2 C-READ-1 C-WRITE-1'),
    ('crooked data', chunk(nbd.DATA, lambda d: d[:-1]), 'S-READ-5'),
    ('empty holes', chunk(nbd.HOLE, lambda d: d[:8] + bytes(4)), 'S-READ-2'),
    ('short holes', chunk(nbd.HOLE, lambda d: d[:11]), 'S-READ-2'),
    ('crooked holes', chunk(nbd.HOLE, lambda d: d[:7] + b'\1' + d[8:]), 'S-READ-7'),
    ('no error', error(0), 'S-ERR-1'),
    ('an undefined error', error(11), 'E-1'),
    ('ENOTSUP', error(nbd.ENOTSUP), 'E-11 E-3'),
    ('EOVERFLOW', error(nbd.EOVERFLOW), 'E-10 E-2 C-STATUS-10 C-STATUS-12'),
    ('ENOMEM', error(nbd.ENOMEM), 'E-13 E-12'),
    ('a message that is not there', lambda k: k.kind & 0x8000 and setattr(k, 'data', k.data[:4] + b'\1' + k.data[5:]), 'S-ERR-1'),
    ('a message in Latin-1', text(b'\xe9'), 'S-ERR-2'),
    ('a message of 5000 bytes', text(b'n' * 5000), 'S-ERR-2'),
    ('an error far away', chunk(nbd.ERROR_OFFSET, lambda d: d[:-8] + b'\x7f' * 8), 'S-ERR-5'),
    ('extents of nothing', extents(lambda e: [(0, 0)]), 'C-STATUS-2'),
    ('no extents', extents(lambda e: []), 'C-STATUS-2'),
    ('extents in two', extents(lambda e: [(e[0][0] // 2, e[0][1])] * 2 + e[1:]), 'C-STATUS-3 C-STATUS-7'),
    ('long extents', extents(lambda e: [(n + (1 << 30), f) for n, f in e]), 'C-STATUS-3 C-STATUS-4'),
    ('zero everywhere', extents(lambda e: [(n, 3) for n, _ in e]), 'C-STATUS-5'),
    ('unknown status', extents(lambda e: [(n, f | 16) for n, f in e]), 'C-STATUS-6'),
    ('crooked extents', extents(lambda e: [(e[0][0] - 3, 0), (3, 3)] + e[1:]), 'C-STATUS-8 C-STATUS-9'),
    ('another context', lambda k: k.kind in (nbd.BLOCKS, nbd.BLOCKS_EXT) and setattr(k, 'data', b'\7' + k.data[1:]), 'C-STATUS-1'),
    ('wide extents', kind(nbd.BLOCKS, nbd.BLOCKS_EXT), 'X-STATUS-1'),
    ('a wrong count', chunk(nbd.BLOCKS_EXT, lambda d: d[:4] + b'\1' + d[5:]), 'X-STATUS-2'),
    ('a wide status', chunk(nbd.BLOCKS_EXT, lambda d: d[:16] + b'\1' + d[17:]), 'X-STATUS-3'),
)

# the errno of simple replies to requests that carry no data back
SIMPLE = (
    ('an undefined error', lambda e: e and 11, 'E-1'),
    ('no error', lambda e: 0, 'F-2 C-WRITE-2 C-WRITE-3 C-ZERO-6 E-2 E-4 E-5 E-6 E-7 C-ZERO-7 C-ZERO-8 C-CACHE-2'),
    ('always an error', lambda e: e or nbd.EIO, 'F-7 F-8 F-9 F-10 C-ZERO-1 C-ZERO-4 C-FUA-1 B-13'),
    ('EINVAL for all', lambda e: e and nbd.EINVAL, 'E-2 E-5 E-6 C-ZERO-7 C-ZERO-8 E-12'),
    ('ENOTSUP for all', lambda e: e and nbd.ENOTSUP, 'E-7 E-8 E-9 E-11'),
)


class Changed:
    """While it lasts, rawnbd hears what the mutant says."""

    def __init__(self, which, mutate):
        self.which, self.mutate = which, mutate

    def __enter__(self):
        name = {'option': 'ask', 'chunk': 'chunk', 'simple': 'simple'}[self.which]
        self.name, self.real = name, getattr(nbd.Conn, name)
        real, mutate = self.real, self.mutate

        def ask(c, number, data=b'', length=None):
            return mutate(number, data, real(c, number, data, length))

        def a_chunk(c):
            k = real(c)
            mutate(k)
            return k

        def simple(c):
            error_code, cookie = real(c)
            return mutate(error_code), cookie
        setattr(nbd.Conn, name, {'ask': ask, 'chunk': a_chunk, 'simple': simple}[name])

    def __exit__(self, *_):
        setattr(nbd.Conn, self.name, self.real)


def all_of_them():
    """(what, the change as a context manager, the rules that it breaks)."""
    for which, some in (('option', OPTIONS), ('chunk', CHUNKS), ('simple', SIMPLE)):
        for what, mutate, idents in some:
            yield f'{which}: {what}', Changed(which, mutate), idents.split()
