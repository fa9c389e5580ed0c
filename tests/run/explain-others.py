#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
"""blkscope explain: FAT, exFAT, XFS, btrfs and SQLite, on real images, held against what their own tools say."""
import random, re, sqlite3, struct
from knowlib import *


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)
    return path


def said(*command):
    return run(*command).out


def make(image, size, *command):
    with open(image, 'wb') as f:
        f.truncate(size)
    run(*command, image)
    return image


# --- FAT ---

def fat(d, bits, size, *more):
    """An image with folders, long names, a file in pieces, and one that was deleted; and its files by path."""
    image, r, files = make(f'{d}/fat{bits}', size, 'mkfs.fat', f'-F{bits}', '-n', 'LABEL', *more), random.Random(bits), {}

    def put(path, n):
        files[path] = r.randbytes(n)
        run('mcopy', '-i', image, write(d + '/x', files[path]), '::' + path)

    run('mmd', '-i', image, '::/dir', '::/dir/a folder with a long name')
    for i in range(12):
        put(f'/dir/small{i}', 5000)
    for i in range(0, 12, 2):
        run('mdel', '-i', image, f'::/dir/small{i}')
        del files[f'/dir/small{i}']
    if bits == 32: # nobody knows where the next free cluster is: look from the start
        patch(image, 512 + 492, b'\xff' * 4)
    put('/dir/a folder with a long name/In Pieces, and of some size.bin', 60000)
    put('/LAST.TXT', 3)
    put('/lower.txt', 0)
    put('/gone for ever', 9000)
    run('mdel', '-i', image, '::/gone for ever')
    gone = files.pop('/gone for ever')
    return image, files, gone


def layout(image):
    """What fsck.fat says."""
    out = said('fsck.fat', '-nv', image)
    number = lambda pattern: int(re.search(pattern, out)[1])
    return {'fat': number(r'First FAT starts at byte (\d+)'), 'len': number(r'(\d+) bytes per FAT'), 'data': number(r'Data area starts at byte (\d+)'),
            'cluster': number(r'(\d+) bytes per cluster'), 'used': number(r'files, (\d+)/'), 'clusters': number(r'(\d+) data clusters')}


def check_fat(bits, size, *more):
    with temp_dir() as d:
        image, files, gone = fat(d, bits, size, *more)
        m, say = Map(image), layout(image)
        same((m.volumes[0]['format'], m.volumes[0]['name'], m.notes), (f'fat{bits}', 'LABEL', ''), 'volume')
        same([(r.off, r.len, r.number) for r in m.of('fat')],
             [(say['fat'], say['len'], 1), (say['fat'] + say['len'], say['len'], 2)], 'FATs')
        place = lambda c: say['data'] + (c - 2) * say['cluster']
        used = set()
        for path, data in files.items():
            same(m.content(path, len(data)), data, path)
            told = said('mshowfat', '-i', image, '::' + path)
            for first, last in re.findall(r'<(\d+)(?:-(\d+))?>', told):
                for c in range(int(first), int(last or first) + 1):
                    used.add(c)
                    r = m.at(place(c))
                    same((r.kind, r.path), ('file-data', path), f'cluster {c}')
        pieces = re.findall(r'<', said('mshowfat', '-i', image, '::/dir/a folder with a long name/In Pieces, and of some size.bin'))
        same(len(pieces) > 2, True, 'a file in pieces')
        lost = [r for r in m.of('file-data') if r.path.endswith('gone for ever') and r.has(DELETED)]
        same(peek(image, lost[0].off, len(gone)), gone, 'a deleted file')
        taken = [c for c in range(2, say['clusters'] + 2) if m.at(place(c)).kind != 'free' and not m.at(place(c)).has(DELETED)]
        same(len(taken), say['used'], 'clusters in use')
        return image, m, say


@case
def fat12_agrees_with_mtools_and_fsck():
    check_fat(12, 1440 << 10)


@case
def fat16_agrees_with_mtools_and_fsck():
    check_fat(16, 20 << 20, '-s', '4')


@case
def fat32_agrees_with_mtools_and_fsck():
    check_fat(32, 40 << 20, '-s', '1')


@case
def fat_that_is_torn():
    with temp_dir() as d:
        image, files, _ = fat(d, 32, 40 << 20, '-s', '1')
        say, path = layout(image), '/dir/a folder with a long name/In Pieces, and of some size.bin'
        told = said('mshowfat', '-i', image, '::' + path)
        first, last = re.search(r'<(\d+)-(\d+)>', told).groups()
        entry = lambda fat, c: say['fat'] + fat * say['len'] + 4 * int(c)
        for fat_number in 0, 1: # a chain that bites its tail; and one that nobody has
            patch(image, entry(fat_number, last), struct.pack('<I', int(first)))
            for c in range(30000, 30010):
                patch(image, entry(fat_number, c), struct.pack('<I', c + 1 if c < 30009 else 0x0fffffff))
        patch(image, entry(1, 40000), b'\1') # the copies differ
        m = Map(image)
        same(len([n for n in m.notes.splitlines() if 'runs into cluster' in n]), 1, m.notes)
        same(len([n for n in m.notes.splitlines() if 'FAT 2 is not the same' in n]), 1, m.notes)
        same([r.has(BAD) for r in m.of('fat')], [False, True], 'the second FAT')
        r = m.at(say['data'] + (30000 - 2) * say['cluster'])
        same((r.off, r.len, r.has(LOST)), (say['data'] + 29998 * say['cluster'], 10 * say['cluster'], True), 'lost')
        patch(image, 0, bytes(512)) # no boot sector: its backup is at sector 6
        m = Map(image)
        same(m.volumes[0]['format'], 'fat32', 'by the backup')
        same(m.content('/LAST.TXT', 3), files['/LAST.TXT'], 'by the backup')


# --- exFAT ---

def entry_set(name, first, size, flags, attr=0x20, valid=None):
    units = name.encode('utf-16-le')
    pieces = [units[i:i + 30].ljust(30, b'\0') for i in range(0, len(units), 30)]
    upper, digest = name.upper().encode('utf-16-le'), 0
    for b in upper:
        digest = ((digest << 15 | digest >> 1) & 0xffff) + b & 0xffff
    head = struct.pack('<BBHH26x', 0x85, 1 + len(pieces), 0, attr)
    stream = struct.pack('<BBBBHHQIIQ', 0xc0, flags, 0, len(units) // 2, digest, 0, size if valid is None else valid, 0, first, size)
    entries, total = head + stream + b''.join(b'\xc1\0' + p for p in pieces), 0
    for i, b in enumerate(entries):
        if i not in (2, 3):
            total = ((total << 15 | total >> 1) & 0xffff) + b & 0xffff
    return entries[:2] + struct.pack('<H', total) + entries[4:]


def exfat(d):
    """There is no tool that copies files into one without a mount, so they are written here, and fsck.exfat looks at it."""
    image, r = make(d + '/exfat', 8 << 20, 'mkfs.exfat', '-L', 'Ärger', '-c', '4K'), random.Random(4)
    told = said('dump.exfat', image)
    value = lambda name: int(re.search(name + r'.*:\s*(\S+)', told)[1], 0)
    fat_at, heap, root, bitmap = value('FAT Offset') * 512, value('Cluster Heap Offset') * 512, value('Root Cluster'), value('Bitmap start cluster')
    place = lambda c: heap + (c - 2) * 4096
    files = {'/chained file.bin': r.randbytes(10000), '/sub/in a row, with ünusual name.bin': r.randbytes(8192), '/sub/half': r.randbytes(6000)}
    chained, row, half, gone, sub = (100, 103, 101), (200, 201), (210, 211), 300, 90
    for c, nxt in (100, 103), (103, 101), (101, 0xffffffff), (sub, 0xffffffff):
        patch(image, fat_at + 4 * c, struct.pack('<I', nxt))
    for path, clusters in zip(files, (chained, row, half)):
        for i, c in enumerate(clusters):
            patch(image, place(c), files[path][4096 * i:4096 * i + 4096])
    bits = bytearray(peek(image, place(bitmap), 256))
    for c in chained + row + half + (sub,):
        bits[(c - 2) // 8] |= 1 << (c - 2) % 8
    patch(image, place(bitmap), bits)
    dead = entry_set('deleted', gone, 4096, 3)
    dead = b''.join(bytes([dead[i] & 0x7f]) + dead[i + 1:i + 32] for i in range(0, len(dead), 32))
    used = peek(image, place(root), 4096).rstrip(b'\0')
    at = place(root) + (len(used) + 31) // 32 * 32
    patch(image, at, entry_set('chained file.bin', 100, 10000, 1) + dead + entry_set('sub', sub, 4096, 1, attr=0x10))
    patch(image, place(sub), entry_set('in a row, with ünusual name.bin', 200, 8192, 3) + entry_set('half', 210, 6000, 3, valid=4000))
    return image, files, place, {'chained': chained, 'sub': sub, 'gone': gone, 'fat': fat_at, 'root': root}


@case
def exfat_agrees_with_its_tools():
    with temp_dir() as d:
        image, files, place, at = exfat(d)
        told = said('fsck.exfat', '-n', image)
        same('clean' in told and 'directories 2, files 3' in told, True, told)
        m, told = Map(image), said('dump.exfat', image)
        same((m.volumes[0]['format'], m.volumes[0]['name'], m.volumes[0]['block'], m.notes), ('exfat', 'Ärger', 4096, ''), 'volume')
        for path, data in files.items():
            same(m.content(path, len(data)), data, path)
        same((m.at(place(210)).flags, m.at(place(211)).has(UNWRITTEN)), (0, True), 'valid and not')
        same((m.at(place(at['gone'])).path, m.at(place(at['gone'])).flags), ('/deleted', DELETED), 'deleted')
        same(m.at(place(at['sub'])).kind, 'directory', 'directory')
        same([r.off for r in m.of('fat')], [at['fat']], 'FAT')
        total, free = (int(re.search(w + r' Clusters:\s*(\d+)', told)[1]) for w in ('Total', 'Free'))
        ours = [c for c in range(2, total + 2) if m.at(place(c)).kind == 'free' or m.at(place(c)).has(DELETED)]
        same(len(ours), free, 'free clusters')
        patch(image, 106 + 512, b'x') # in the boot region: its checksum is wrong, and the second one's is not
        patch(image, 0, bytes(512))
        m = Map(image)
        same((m.volumes[0]['format'], m.content('/sub/half', 6000)), ('exfat', files['/sub/half']), 'by the second boot region')
        same([r.has(BAD) for r in m.of('boot') if r.len == 6144], [True, False], 'boot regions')


# --- SQLite ---

def database(d):
    """A database with free and overflow pages and a log that is in use, over one that was checkpointed; and who has its pages."""
    path = d + '/x.db'
    c = sqlite3.connect(path, isolation_level=None)
    for line in ('pragma page_size=1024', 'pragma journal_mode=wal', 'pragma wal_autocheckpoint=0', 'create table t(a integer primary key, b text)',
                 'create index i on t(b)', 'begin'):
        c.execute(line)
    for i in range(300):
        c.execute('insert into t values (?, ?)', (i, f'v{i}' * 20))
    c.execute('insert into t values (1000, ?)', ('L' * 9000,))
    c.execute('commit')
    c.execute('delete from t where a < 100')
    c.execute('pragma wal_checkpoint(truncate)')
    for i in range(5):
        c.execute('insert into t values (?, "q")', (2000 + i,))
    c.execute('pragma wal_checkpoint(restart)')
    c.execute('insert into t values (3000, "z")')
    kinds = {n: ('overflow' if kind == 'overflow' else 'index' if name == 'i' else 'table')
             for name, n, kind in c.execute('select name, pageno, pagetype from dbstat')}
    count = c.execute('pragma page_count').fetchone()[0]
    data = [open(path + end, 'rb').read() for end in ('', '-wal')]
    c.close()
    return data, {n: kinds.get(n, 'free') for n in range(1, count + 1)}


@case
def sqlite_agrees_with_dbstat():
    with temp_dir() as d:
        (db, wal), kinds = database(d)
        image = make(d + '/fat', 20 << 20, 'mkfs.fat', '-F16')
        run('mmd', '-i', image, '::/a')
        for name, data in ('y.db', db), ('filler', bytes(3000)), ('y.db-wal', wal):
            run('mcopy', '-i', image, write(d + '/x', data), '::/a/' + name)
        m = Map(image)
        whole = peek(image, 0, 20 << 20)
        same(m.of('database-header')[0].len, 100, 'header')
        pages = {}
        for r in m.regions:
            if r.path == '/a/y.db' and r.kind.startswith('database-') and r.kind != 'database-header':
                pages[r.number] = r
                at = (r.number - 1) * 1024 + (100 if r.number == 1 else 0)
                same(whole[r.off:r.off + r.len], db[at:at + r.len], f'page {r.number}')
        same({n: r.kind for n, r in pages.items()}, {n: 'database-' + k for n, k in kinds.items()}, 'kinds of pages')
        frames = m.of('wal-frame')
        same(len(frames), (len(wal) - 32) // 1048, 'frames')
        for i, r in enumerate(frames):
            frame = wal[32 + 1048 * i:32 + 1048 * (i + 1)]
            number, old = struct.unpack('>I', frame[:4])[0], frame[8:16] != wal[16:24]
            same((r.number, r.has(OLD), r.has(BAD)), (number, old, False), f'frame {i}')
            same(m.at(r.home).number if number <= len(kinds) else None, number, f'home of frame {i}')
        same(any(r.has(OLD) for r in frames) and not all(r.has(OLD) for r in frames), True, 'frames of both')
        patch(image, frames[0].off + 500, b'??') # one byte of a page: this frame and those behind it do not count
        same(Map(image).of('wal-frame')[0].has(BAD), True, 'a torn frame')


@case
def sqlite_in_a_partition_of_ext4():
    """The home of a frame is a place on the disk, and not one of the partition."""
    with temp_dir() as d:
        (db, wal), _ = database(d)
        os.mkdir(d + '/tree')
        for name, data in ('z.db', db), ('z.db-wal', wal):
            write(f'{d}/tree/{name}', data)
        part = make(d + '/part', 8 << 20, 'mkfs.ext4', '-q', '-d', d + '/tree')
        image = write(d + '/disk', bytes(1 << 20) + open(part, 'rb').read())
        run('sfdisk', '-q', image, stdin=b'2048,16384,L\n')
        m = Map(image)
        frames = m.of('wal-frame')
        same(len(frames), (len(wal) - 32) // 1048, 'frames')
        for r in frames:
            home = m.at(r.home)
            same((home.number, home.path), (r.number, '/z.db'), 'home')
            same(peek(image, r.home, 100), db[(r.number - 1) * 1024:][:100], 'what is there')


@case
def sqlite_rollback_journal():
    with temp_dir() as d:
        path = d + '/x.db'
        c = sqlite3.connect(path, isolation_level=None)
        c.execute('create table t(a)')
        c.execute('insert into t values (zeroblob(100000))')
        before = open(path, 'rb').read()
        c.execute('pragma cache_size=2')
        c.execute('pragma cache_spill=1')
        c.execute('begin')
        c.execute('update t set a = randomblob(100000)')
        journal = open(path + '-journal', 'rb').read()
        c.execute('rollback')
        c.close()
        image = make(d + '/fat', 20 << 20, 'mkfs.fat', '-F16')
        for name, data in ('x.db', before), ('x.db-journal', journal):
            run('mcopy', '-i', image, write(d + '/x', data), '::/' + name)
        m = Map(image)
        pages = m.of('rollback-page')
        same(len(pages) > 5, True, 'pages in the journal')
        for r in pages:
            same(peek(image, r.off + 4, 4096), before[(r.number - 1) * 4096:r.number * 4096], f'page {r.number}')
            same(m.at(r.home).number, r.number, f'home of page {r.number}')


# --- XFS ---

def xfs(d, *more):
    """An image with files in folders of every kind: in the inode, in one block, in several with an index."""
    r, files, proto = random.Random(1), {}, ['/none', '0 0', 'd--755 0 0']

    def put(path, n):
        files[path] = r.randbytes(n)
        proto.append(f'{path.rsplit("/", 1)[1]} ---644 0 0 {write(d + "/file%d" % len(files), files[path])}')

    put('/one', 100000)
    put('/empty', 0)
    for name, count in ('few', 3), ('block', 40), ('many', 400):
        proto.append(name + ' d--755 0 0')
        for i in range(count):
            put(f'/{name}/{"with a name of some length " if name != "few" else ""}{i}'.replace(' ', '_'), r.choice((1, 4096, 9000)))
        proto.append('$')
    proto += ['link l--777 0 0 ' + 'x' * 600, '$']
    image = d + '/xfs'
    with open(image, 'wb') as f:
        f.truncate(320 << 20)
    write(d + '/proto', '\n'.join(proto).encode() + b'\n')
    run('mkfs.xfs', '-q', '-L', 'label', '-p', d + '/proto', *more, image)
    return image, files


def check_xfs(*more):
    with temp_dir() as d:
        image, files = xfs(d, *more)
        m = Map(image)
        same((m.volumes[0]['format'], m.volumes[0]['name'], m.volumes[0]['dirty'], m.notes), ('xfs', 'label', False, ''), 'volume')
        for path, data in files.items():
            same(m.content(path, len(data)), data, path)
        db = lambda *words: said('xfs_db', '-r', *[w for x in words for w in ('-c', x)], image)
        ag = int(re.search(r'agblocks = (\d+)', db('sb 0', 'p agblocks'))[1]) * 4096
        for i in range(4):
            same((m.at(i * ag).kind, m.at(i * ag).number, m.at(i * ag).has(COPY)), ('superblock', i, i > 0), f'superblock {i}')
        free = set()
        for line in db('freesp -d').splitlines():
            w = line.split()
            if len(w) == 3 and w[0].isdigit():
                free |= {int(w[0]) * ag + 4096 * b for b in range(int(w[1]), int(w[1]) + int(w[2]))}
            elif len(w) == 5 and w[0] == 'from':
                break
        same({b for a, e in m.runs('free') for b in range(a, e, 4096)}, free, 'free blocks')
        log, length = (int(re.search(w + r' = (\d+)', db('sb 0', 'p ' + w))[1]) for w in ('logstart', 'logblocks'))
        r = m.of('log')[0]
        same(r.len, length * 4096, 'log')
        same(m.of('unknown'), [], 'everything is known')
        return m, db, ag


@case
def xfs_agrees_with_xfs_db():
    m, _, _ = check_xfs()
    same(len(m.of('directory-index')) > 0 and len(m.of('symlink')) > 0, True, 'an index and a long link')


@case
def xfs_4_agrees_with_xfs_db():
    check_xfs('-m', 'crc=0', '-n', 'size=8192')


@case
def xfs_agrees_with_its_map_of_owners():
    """fsmap, with the tree of owners, knows of each block whose it is."""
    with temp_dir() as d:
        image, _ = xfs(d, '-m', 'rmapbt=1')
        m = Map(image)
        told = said('xfs_db', '-r', '-c', 'fsmap', image)
        ag = int(re.search(r'agblocks = (\d+)', said('xfs_db', '-r', '-c', 'sb 0', '-c', 'p agblocks', image))[1])
        trees = {'-5': (0x41423342, 0x41423343, 0x524d4233), '-6': (0x49414233, 0x46494233), '-8': (0x52334643,)}
        kinds = {'-3': ('superblock', 'ag-header'), '-4': ('log',), '-5': ('tree-node', 'free'), '-6': ('tree-node',), '-7': ('inode-table',), '-8': ('tree-node',)}
        blocks = 0
        for group, block, count, owner in re.findall(r': (\d+)/(\d+) len (\d+) owner (-?\d+)', told):
            for i in range(int(count)):
                r = m.at((int(group) * ag + int(block) + i) * 4096)
                if owner in kinds:
                    same(r.kind in kinds[owner] and (r.kind != 'tree-node' or r.number in trees[owner]), True, f'{group}/{block} of {owner}: {r}')
                else:
                    same((r.kind in ('file-data', 'directory', 'directory-index', 'symlink', 'system-file'), r.inode), (True, int(owner)), f'{group}/{block}')
                blocks += 1
        mine = sum(r.len for r in m.regions if r.kind != 'free') // 4096
        same(mine <= blocks <= mine + 64, True, f'blocks in use: {mine}, and {blocks} with those kept for trees')


@case
def xfs_that_is_torn():
    with temp_dir() as d:
        image, files = xfs(d)
        m = Map(image)
        node = m.of('tree-node', number=0x49414233)[0]
        patch(image, node.off + 52, b'\0\0\0\0') # a checksum
        patch(image, 0, bytes(512))
        m = Map(image)
        same(m.volumes[0]['format'], 'xfs', 'by a later superblock')
        same(m.at(0).has(BAD) and m.at(node.off).has(BAD), True, 'what is bad')
        same(m.content('/one', 100000), files['/one'], 'what is in a tree with a wrong checksum')


# --- btrfs ---

def btrfs(d, *more):
    r, files, root = random.Random(2), {}, d + '/root'
    os.makedirs(root + '/dir/sub')
    for path, n in [('/dir/large', 3000000), ('/tiny', 10)] + [(f'/dir/sub/{i}', r.choice((100, 5000, 20000))) for i in range(300)]:
        files[path] = r.randbytes(n)
        write(root + path, files[path])
    image = d + '/btrfs'
    with open(image, 'wb') as f:
        f.truncate(140 << 20)
    run('mkfs.btrfs', '-q', '-L', 'label', '-r', root, *more, image)
    return image, files


def chunks(image):
    """(logical, length, places) of each chunk."""
    told = said('btrfs', 'inspect-internal', 'dump-tree', '-t', 'chunk', image)
    return [(int(a), int(n), [int(p) for p in re.findall(r'devid 1 offset (\d+)', rest)])
            for a, n, rest in re.findall(r'CHUNK_ITEM (\d+)\).*\n\s+length (\d+) ((?:.*\n(?!\s+item))*)', told)]


def check_btrfs(*more):
    with temp_dir() as d:
        image, files = btrfs(d, *more)
        m, there = Map(image), chunks(image)
        same((m.volumes[0]['format'], m.volumes[0]['name'], m.notes), ('btrfs', 'label', ''), 'volume')
        for path, data in files.items():
            if len(data) > 2048: # else it is in its inode
                same(m.content(path, len(data)), data, path)
        same([(r.off, r.len) for r in m.of('superblock')], [(65536, 4096), (64 << 20, 4096)], 'superblocks')

        def places(logical):
            return [p + logical - a for a, n, all_of in there if a <= logical < a + n for p in all_of]
        told, nodes = said('btrfs', 'inspect-internal', 'dump-tree', image), set()
        names = {'ROOT_TREE': 1, 'EXTENT_TREE': 2, 'CHUNK_TREE': 3, 'DEV_TREE': 4, 'FS_TREE': 5, 'CSUM_TREE': 7, 'UUID_TREE': 9, 'FREE_SPACE_TREE': 10,
                 'DATA_RELOC_TREE': 2**64 - 9}
        for at, owner in re.findall(r'^(?:leaf|node) (\d+) .*owner (\w+)$', told, re.M):
            nodes |= {(p, names[owner]) for p in places(int(at))}
        ours = {(r.off + i, r.number) for r in m.of('tree-node') for i in range(0, r.len, 16384)}
        same(ours, nodes, 'nodes')
        free = set()
        if 'FREE_SPACE_EXTENT' in told:
            for at, n in re.findall(r'key \((\d+) FREE_SPACE_EXTENT (\d+)\)', told):
                free |= {p + i for p in places(int(at)) for i in range(0, int(n), 4096)}
            inside = {b for _, n, all_of in there for p in all_of for b in range(p, p + n, 4096)}
            mine = {b for a, e in m.runs('free') for b in range(a, e, 4096)}
            same(mine & inside, free - {65536, 64 << 20}, 'free blocks in chunks')
            same(mine - inside, set(range(1 << 20, 140 << 20, 4096)) - inside - {64 << 20}, 'free blocks in none')
        same(m.of('unknown') + m.of('chunk'), [], 'everything is known')


@case
def btrfs_agrees_with_its_tools():
    check_btrfs()


@case
def btrfs_single_agrees_with_its_tools():
    check_btrfs('-m', 'single')


@case
def btrfs_that_is_torn():
    with temp_dir() as d:
        image, files = btrfs(d)
        m = Map(image)
        node = [r for r in m.of('tree-node', number=5) if not r.has(COPY)][0]
        patch(image, node.off + 8000, b'x') # one copy of two
        patch(image, 65536, bytes(4096))
        m = Map(image)
        same(m.volumes[0]['format'], 'btrfs', 'by the second superblock')
        same(m.at(65536).has(BAD) and m.at(node.off).has(BAD), True, 'what is bad')
        for path, data in files.items():
            if len(data) > 2048:
                same(m.content(path, len(data)), data, path)


if __name__ == '__main__':
    main()
