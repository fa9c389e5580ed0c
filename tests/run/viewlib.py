# SPDX-License-Identifier: BSD-2-Clause
"""For the viewer's tests: logs written by hand or at random, a second and plain implementation of the model
to compare --dump with, and pictures as pixels."""
import datetime, random, struct, subprocess, zlib
import rawnbd
from harness import *

VIEW = os.environ.get('NBDVIEW') or BIN + '/nbdview'
SHARED = os.path.join(SRC, '..', 'shared', 'data')
EPOCH = datetime.datetime(2026, 1, 1)


class Log:
    """Text of a log; age 'now' or '2018'."""

    def __init__(self, size=None, age='now', conn=1):
        self.text, self.us, self.age, self.ids = [], 0, age, {}
        if size is not None:
            self.connect(size, conn)

    def line(self, text, us=None):
        t = EPOCH + datetime.timedelta(microseconds=self.us if us is None else us)
        self.text.append(f'{t:%Y-%m-%d %H:%M:%S.%f} {text}\n')

    def connect(self, size, conn=1):
        if self.age == '2018':
            self.line(f'connection={conn} Connect size={size:#x} write=1 flush=1 rotational=0 trim=1 zero=1 fua=1')
        else:
            self.line(f'connection={conn} Connect export="" tls=0 size={size:#x} minsize=0x0 prefsize=0x0 maxsize=0x0 write=1 '
                      'flush=1 rotational=0 trim=1 zero=2 fua=2 extents=1 cache=2 fast_zero=1')

    def begin(self, op, off=0, count=0, conn=1):
        self.ids[conn] = i = self.ids.get(conn, 0) + 1
        more = {'Write': ' fua=0', 'Trim': ' fua=0', 'Zero': ' trim=1 fua=0' + (' fast=0' if self.age == 'now' else ''),
                'Extents': ' req_one=0'}.get(op, '')
        where = '' if op == 'Flush' else f' offset={off:#x} count={count:#x}'
        self.line(f'connection={conn} {op} id={i}{where}{more} ...')
        return i

    def end(self, op, i, err=None, conn=1):
        if self.age == '2018':
            how = 'return=0 (Success)' if not err else f'return=-1 ({err})'
        else:
            how = 'return=0' if not err else f'return=-1 error={err}'
        if op == 'Extents' and not err:
            how = 'extents=(0x0 0x8000 "hole,zero" 0x8000 0x8000 "") ' + how
        self.line(f'connection={conn} ...{op} id={i} {how}')

    def request(self, op, off=0, count=0, err=None, conn=1, us=1000):
        i = self.begin(op, off, count, conn)
        self.us += us
        self.end(op, i, err, conn)

    def save(self, path):
        with open(path, 'w') as f:
            f.writelines(self.text)
        return path


def record_file_system(d):
    """ext4.rec: an ext4 with two files, written in the order of its blocks, then one of the files again; the disk is in fs."""
    os.mkdir(d + '/tree')
    for name, byte in (('one', b'1'), ('two', b'2')):
        with open(f'{d}/tree/{name}', 'wb') as f:
            f.write(byte * 200000)
    run('mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-d', d + '/tree', d + '/fs', '16M')
    with open(d + '/fs', 'rb') as f:
        image = f.read()
    with Server('--filter=record', 'memory', '16M', f'recordfile={d}/ext4.rec') as s, rawnbd.up(s.sock) as c:
        for twice in range(2):
            for at in range(0, len(image), 4096):
                block = image[at:at + 4096]
                if block.strip(b'\0') and (not twice or block == b'2' * 4096):
                    same(c.write(at, block), 0)
            same(c.call(rawnbd.FLUSH), 0)
    return d + '/ext4.rec'


def random_log(size, n, seed, age='now', conns=3, longest=200000):
    """Interleaved connections, failures, unaligned and overhanging ranges, answers that never come."""
    rng, log, flying = random.Random(seed), Log(age=age), []
    for c in range(1, conns + 1):
        log.connect(size, c)
    for _ in range(n):
        log.us += rng.randrange(0, 3000)
        if flying and rng.random() < 0.55:
            op, i, c = flying.pop(rng.randrange(len(flying)))
            log.end(op, i, rng.choice(['EIO', 'ENOSPC', 'EPERM']) if rng.random() < 0.1 else None, c)
        else:
            op = rng.choice(['Read', 'Read', 'Write', 'Write', 'Trim', 'Zero', 'Flush'] + (['Extents', 'Cache'] if age == 'now' else []))
            c = rng.randrange(1, conns + 1)
            off = rng.randrange(0, size + (size // 50 if rng.random() < 0.1 else 0))
            flying.append((op, log.begin(op, off, rng.randrange(1, longest), c), c))
    return log


# --- the model once more, as plainly as possible: a list with one entry a block ---

def model(text, at_us=None):
    """What --dump should say of this log: totals and pixels, as the lines of a dump."""
    size = max(int(w[5:], 16) for line in text for w in line.split() if w.startswith('size=') and ' Connect ' in line)
    blocks = -(-size // 4096)
    per_cell = 1
    while -(-blocks // per_cell) > 1 << 19:
        per_cell *= 2
    state, cells, flying, total = {}, {}, {}, {}
    counts = {'errors': 0}
    for line in text:
        when = datetime.datetime.strptime(line[:26], '%Y-%m-%d %H:%M:%S.%f')
        if at_us is not None and (when - EPOCH) // datetime.timedelta(microseconds=1) > at_us:
            break
        words = dict(w.split('=', 1) for w in line[27:].split() if '=' in w)
        name = line[27:].split()[1]
        if name in ('Connect', 'Disconnect'):
            continue
        key = (words['connection'], words['id'])
        if not name.startswith('...'):
            off, count = int(words.get('offset', '0'), 16), int(words.get('count', '0'), 16)
            flying[key] = (name, off, max(0, min(count, size - off)))
            continue
        op, off, count = flying.pop(key)
        good = words['return'] == '0'
        touched = range(off // 4096, (off + count - 1) // 4096 + 1) if count else range(0)
        for c in {b // per_cell for b in touched}:
            what = op if good else 'error'
            mine = cells.setdefault(c, {})
            mine[what] = mine.get(what, 0) + 1
        if not good:
            counts['errors'] += 1
            continue
        n, b = total.get(op, (0, 0))
        total[op] = (n + 1, b + count)
        if op in ('Write', 'Trim', 'Zero'):
            for b in touched:
                state[b] = op
    reading = {}
    for op, off, count in flying.values():
        if op == 'Read' and count:
            for c in range(off // 4096 // per_cell, (off + count - 1) // 4096 // per_cell + 1):
                reading[c] = reading.get(c, 0) + 1
    in_cell = {}
    for b, s in state.items():
        mine = in_cell.setdefault(b // per_cell, {})
        mine[s] = mine.get(s, 0) + 1
    lines = []
    for op in ('Read', 'Write', 'Trim', 'Zero', 'Flush', 'Cache', 'Extents'):
        n, b = total.get(op, (0, 0))
        lines.append(f'total {op.lower()} requests={n} bytes={b}')
    for c in sorted(set(cells) | set(reading)):
        ops = cells.get(c, {})
        if not reading.get(c) and not any(ops.get(k) for k in ('Read', 'Write', 'Trim', 'Zero', 'error')):
            continue
        st = in_cell.get(c, {})
        w, t, z = (st.get(k, 0) for k in ('Write', 'Trim', 'Zero'))
        whole = min(per_cell, blocks - c * per_cell)
        most = max((w, 3, 'write'), (t, 2, 'trim'), (z, 1, 'zero'))
        lines.append(f'pixel {c} {most[2] if most[0] else "none"} none={whole - w - t - z} write={w} trim={t} zero={z} '
                     f'reads={ops.get("Read", 0)} writes={ops.get("Write", 0)} trims={ops.get("Trim", 0)} '
                     f'zeroes={ops.get("Zero", 0)} errors={ops.get("error", 0)} reading={reading.get(c, 0)}')
    return lines, counts['errors'], len(flying)


# --- pictures ---

class Picture:
    """8-bit RGB PNG, as libpng and ffmpeg write it; p[x, y] is (r, g, b)."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            data = f.read()
        assert data[:8] == b'\x89PNG\r\n\x1a\n', f'{path} is no PNG'
        at, packed = 8, b''
        while at < len(data):
            n, kind = struct.unpack('>I4s', data[at:at + 8])
            if kind == b'IHDR':
                self.w, self.h, depth, colour = struct.unpack('>IIBB', data[at + 8:at + 18])
                assert (depth, colour) == (8, 2), f'{path}: not RGB'
            elif kind == b'IDAT':
                packed += data[at + 8:at + 8 + n]
            at += 12 + n
        raw, self.rows, before, stride = zlib.decompress(packed), [], bytes(self.w * 3), self.w * 3
        for y in range(self.h):
            before = self.unfilter(raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)]), before)
            self.rows.append(before)

    @staticmethod
    def unfilter(kind, line, up):
        if kind == 0:
            return line
        for i in range(len(line)):
            a, b, c = line[i - 3] if i >= 3 else 0, up[i], up[i - 3] if i >= 3 else 0
            if kind == 4:
                p = a + b - c
                pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                add = a if pa <= pb and pa <= pc else b if pb <= pc else c
            else:
                add = {1: a, 2: b, 3: (a + b) // 2}[kind]
            line[i] = (line[i] + add) & 255
        return line

    def __getitem__(self, xy):
        x, y = xy
        return tuple(self.rows[y][3 * x:3 * x + 3])

    def cell(self, n, dx=3, dy=3, x0=76, y0=60, scale=6, cols=128):
        """The middle of a cell of a 64 MiB disk."""
        return self[x0 + n % cols * scale + dx, y0 + n // cols * scale + dy]


def rgb(text):
    return tuple(bytes.fromhex(text))


WRITE, READ, TRIM, ZERO, ERROR, UNTOUCHED = (rgb(c) for c in ('d55e00', '56b4e9', '009e73', 'f5f5f5', 'c030ff', '1b1b1f'))
