#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""blkscope explain: its command line, partition tables against sfdisk, labels against mdadm, pvck and swaplabel, disks behind NBD and
in recordings, and disks that are cut, torn or made up.  File systems: explain-ext, explain-others."""
import binascii, bz2, json, os, random, re, shutil, struct, subprocess
from harness import *

BLKSCOPE = BIN + '/blkscope'
IMAGES = SRC + '/tests/run/images' # made by LVM 2.03.16 and mdadm 4.2 in a guest; what lay in them was zeroed


def explain(*args, **more):
    return run(BLKSCOPE, 'explain', *args, **more)


def refuses(words, *args):
    r = explain(*args, status=1)
    same(r.out, '', 'nothing on stdout')
    lines = r.err.splitlines()
    assert lines and words in lines[-1] and len(lines) == 1, f'{args}: {r.err!r} has not {words!r}'


def told(image, *args):
    return json.loads(explain(image, '--json', *args).out)


def whole(image, size=None):
    """The map; its regions tile the disk, and each lies in its volume."""
    m = told(image, '--map')
    at = 0
    for r in m['regions']:
        v = m['volumes'][r['volume']]
        same(r['offset'], at, 'a region begins where the one before ends')
        assert r['length'] > 0 and v['offset'] <= r['offset'] and r['offset'] + r['length'] <= v['offset'] + v['length'], r
        at += r['length']
    same(at, m['size'], 'the regions end with the disk')
    same(m['size'], os.path.getsize(image) if size is None else size, 'the size')
    return m


def kinds(m, volume=None):
    """[(kind, offset, length)] but for what nobody knows."""
    return [(r['kind'], r['offset'], r['length']) for r in m['regions']
            if r['kind'] not in ('unknown', 'gap', 'free') and volume in (None, r['volume'])]


def blank(path, size):
    with open(path, 'wb') as f:
        f.truncate(size)
    return path


def patch(path, offset, data):
    with open(path, 'r+b') as f:
        f.seek(offset if offset >= 0 else os.path.getsize(path) + offset)
        f.write(data)


def peek(path, offset, size):
    with open(path, 'rb') as f:
        f.seek(offset if offset >= 0 else os.path.getsize(path) + offset)
        return f.read(size)


def table(path, size, script):
    run('sfdisk', '-q', blank(path, size), stdin=script.encode())
    return path


GPT = 'label: gpt\nsize=3M, name="first"\nsize=512K, type=21686148-6449-6E6F-744E-656564454649\nsize=1M, name="röt & \\x22, 漢"\n'
MBR = 'label: dos\nsize=2M\nsize=20M, type=5\nsize=1M, type=82\nsize=3M\nsize=2M\nsize=512K\n'


def as_sfdisk_says(image, m):
    """Partitions that hold something: number, offset, length, name, id."""
    says = json.loads(run('sfdisk', '--json', image).out)['partitiontable']
    want = [(int(re.search(r'(\d+)$', p['node'])[1]), p['start'] * 512, p['size'] * 512, p.get('name', ''), p.get('uuid', '').lower())
            for p in says['partitions']]
    got = [(v['partition'], v['offset'], v['length'], v.get('name', ''), v.get('id', '')) for v in m['volumes'] if 'partition' in v]
    same(sorted(got), sorted(want), 'partitions')
    same(m['volumes'][0]['format'], says['label'], 'table')
    same(m['volumes'][0]['id'], says['id'].lower().replace('0x', ''), "the table's id")


# --- the command line ---

@case
def a_bad_command_line_is_refused_in_one_line():
    with temp_dir() as d:
        image = blank(d + '/image', 1 << 20)
        refuses('which disk?')
        refuses('offsets, or regions', image, '5', '--map')
        refuses('there is no class "x"', image, '--class=x')
        refuses('there is no kind ""', image, '--kind=')
        refuses('there is no flag "all"', image, '--flag=bad,all')
        refuses('No such file', d + '/none')
        refuses('Is a directory', d)
        refuses('neither a file', '/dev/null')
        refuses('it is no recording', image, '--at=end')
        refuses('only a recording has moments', 'nbd://localhost:1', '--at=end')
        refuses('nbd+unix', f'nbd+unix:///?socket={d}/none')
        refuses('beyond the end', image, '1M')
        refuses('no block size is known', image, '1blk')
        refuses('there is no partition 3', image, 'p3:0')
        refuses('there is no volume 1', image, 'v1:0')
        refuses('a volume is p', image, 'x:0')
        refuses('a volume is p', image, ':0')
        refuses('a volume is p', image, '--volume=p')
        refuses('empty string', image, '')
        refuses('unknown suffix', image, '4kb')
        refuses('negative', image, '--', '-4')
        refuses('no file of that name', image, '--file=/etc/passwd')
        assert explain(image, '--nonsense', status=1).err
        patch(image, 0, b'QFI\xfb')
        refuses('a qcow2 image', image)
        with open('/dev/full', 'w') as full:
            p = subprocess.run([BLKSCOPE, 'explain', blank(d + '/other', 1 << 20)], stdout=full, stderr=subprocess.PIPE, check=False)
        same((p.returncode, b'cannot write' in p.stderr), (1, True), 'a full disk')


@case
def offsets_are_understood_in_all_their_forms():
    with temp_dir() as d:
        image = table(d + '/image', 16 << 20, GPT)
        forms = ['0', '512', '1s', '0x200', '1k', '1M', 'p1:0', 'p1:0x10', 'v1:1s', 'p3:511', '2blk', '16777215']
        m = told(image, *forms)
        first = next(v['offset'] for v in m['volumes'] if v.get('partition') == 1)
        third = next(v['offset'] for v in m['volumes'] if v.get('partition') == 3)
        same([o['asked'] for o in m['offsets']], forms, 'asked')
        same([o['at'] for o in m['offsets']],
             [0, 512, 512, 512, 1024, 1 << 20, first, first + 16, first + 512, third + 511, 1024, (16 << 20) - 1], 'places')
        for o in m['offsets']:
            r = o['region']
            assert r['offset'] <= o['at'] < r['offset'] + r['length'], o
        same([o['region']['kind'] for o in m['offsets']][:6], ['mbr', 'gpt-header', 'gpt-header', 'gpt-header', 'gpt-entries', 'unknown'])
        text = explain(image, '1s', 'p1:7').out
        assert re.search(r'^offset 512 \(0x200, sector 1\)\n  is        GPT header\n', text), text
        assert re.search(r'^  in        partition 1 \(first\): byte 7$', text, re.M), text


@case
def the_summary_adds_up_and_filters_filter():
    with temp_dir() as d:
        image = table(d + '/image', 16 << 20, GPT)
        m = told(image)
        same(sum(k['bytes'] for k in m['kinds']), m['size'], 'bytes of all kinds')
        same(m['explained'] + m['unknown'], m['size'], 'explained and not')
        every = whole(image)['regions']
        for k in m['kinds']:
            same(k['regions'], sum(r['kind'] == k['kind'] for r in every), k['kind'])
            same(k['bytes'], sum(r['length'] for r in every if r['kind'] == k['kind']), k['kind'])
        text = explain(image).out
        assert re.search(r'^disk +0 +16 MiB +gpt ', text, re.M) and re.search(r'^  p1 +1048576 +3 MiB ', text, re.M), text
        same({r['class'] for r in told(image, '--class=table')['regions']}, {'table'}, '--class')
        same([r['kind'] for r in told(image, '--kind=mbr,boot')['regions']], ['mbr', 'boot'], '--kind')
        same([r['flags'] for r in told(image, '--flag=copy')['regions']], [['copy'], ['copy']], '--flag')
        same({r['volume'] for r in told(image, '--volume=p3')['regions']}, {3}, '--volume')
        lines = explain(image, '--map').out.splitlines()
        same(len(lines), len(every) + 2, 'lines of the map')
        assert lines[0].split() == ['BEGIN', 'LENGTH', 'SIZE', 'VOLUME', 'CLASS', 'WHAT'], lines[0]
        same(len({line.index(w) for line, w in zip(lines[1:-1], (r['class'] for r in every))}), 1, 'the column of classes')


# --- partition tables ---

@case
def partitions_are_those_of_sfdisk():
    with temp_dir() as d:
        for name, script in ('gpt', GPT), ('mbr', MBR):
            image = table(d + '/' + name, 64 << 20, script)
            m = whole(image)
            same(m['notes'], [], 'notes')
            as_sfdisk_says(image, m)
        logical = [v for v in m['volumes'] if v.get('partition', 0) > 4]
        same([m['volumes'][v['parent']]['format'] for v in logical], ['extended'] * 2, 'where logical partitions lie')
        same([r['number'] for r in m['regions'] if r['kind'] == 'ebr'], [5, 6], 'EBRs')
        r = random.Random(1)
        for label, most in ('gpt', 100), ('dos', 4):
            sizes = '\n'.join(f'size={r.randrange(1, 300) * 8}' for _ in range(most))
            image = table(d + '/many', 128 << 20, f'label: {label}\n{sizes}\n')
            as_sfdisk_says(image, whole(image))
        shutil.copy(table(d + '/empty', 1 << 20, 'label: dos\n'), d + '/copy')
        same(told(d + '/copy')['volumes'][0]['format'], 'dos', 'a table without partitions')


@case
def a_gpt_is_told_by_whatever_is_left_of_it():
    with temp_dir() as d:
        image = table(d + '/image', 16 << 20, GPT)
        good = whole(image)
        whose = lambda m: [(v.get('partition'), v['offset'], v['length'], v.get('name')) for v in m['volumes']]

        def damaged(words, *damage):
            shutil.copy(image, d + '/damaged')
            for offset, data in damage:
                patch(d + '/damaged', offset, data)
            m = whole(d + '/damaged')
            same(whose(m), whose(good), words)
            assert any(words in n for n in m['notes']), m['notes']
            return m

        m = damaged('the first GPT header', (512, bytes(512)))
        m = damaged('the first GPT header, at byte 512, is damaged', (540, b'x'))
        same([r['flags'] for r in m['regions'] if r['kind'] == 'gpt-header'], [['bad'], ['copy']], 'flags')
        damaged('the first GPT entries, at byte 1024, are damaged', (1100, b'x'))
        damaged('the second GPT header is missing', (-512, bytes(512)))
        damaged('the second GPT entries', (-16000, b'x'))
        damaged('cannot be used', (0, bytes(1 << 20)))
        damaged('damaged', (1100, b'x'), (-16000, b'x')) # nothing is right: they are taken as they are
        shutil.copy(image, d + '/grown')
        os.truncate(d + '/grown', 20 << 20)
        assert any('the disk has grown' in n for n in whole(d + '/grown')['notes'])
        os.truncate(d + '/grown', 3 << 20)
        m = whole(d + '/grown')
        same([v.get('partition') for v in m['volumes']], [None, 1], 'partitions of a disk that is cut off')
        same(m['volumes'][1]['length'], 2 << 20, 'a partition that is cut off')
        assert any('beyond the end' in n for n in m['notes']) and any('longer than there is room' in n for n in m['notes']), m['notes']
        patch(d + '/damaged', 512, bytes(512)) # neither header
        patch(d + '/damaged', -512, bytes(512))
        m = whole(d + '/damaged')
        same((len(m['volumes']), m['volumes'][0]['format']), (1, 'gpt'), 'what the MBR still tells')
        patch(image, 446, bytes([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0])) # somebody made an MBR of it
        same(whose(whole(image))[1:], [(1, 1 << 20, 1 << 20, None)], 'with other partitions the MBR is right')


@case
def a_gpt_of_large_sectors_is_understood():
    with temp_dir() as d:
        image = table(d + '/small', 2 << 20, 'label: gpt\nstart=64, size=256, name=x\n') # the same table, one sector of it 4096 bytes
        header, entries = bytearray(peek(image, 512, 512)), bytearray(peek(image, 1024, 16384))
        sectors = 2048
        struct.pack_into('<QQ', entries, 32, 64, 319)
        big = blank(d + '/big', sectors * 4096)
        for at, other, where in (1, sectors - 1, 2), (sectors - 1, 1, sectors - 5):
            struct.pack_into('<IIQQ', header, 16, 0, 0, at, other)
            struct.pack_into('<Q', header, 72, where)
            struct.pack_into('<I', header, 88, binascii.crc32(entries))
            struct.pack_into('<I', header, 16, binascii.crc32(header[:92]))
            patch(big, at * 4096, header[:92])
            patch(big, where * 4096, entries)
        m = whole(big)
        same([(v['offset'], v['length'], v.get('name')) for v in m['volumes'][1:]], [(64 * 4096, 256 * 4096, 'x')], 'partitions')
        same((m['volumes'][0]['block'], m['notes']), (4096, []), 'block and notes')


@case
def tables_that_lie_end_and_are_told_of():
    with temp_dir() as d:
        image = table(d + '/image', 64 << 20, MBR)
        extended = next(v['offset'] for v in whole(image)['volumes'] if v.get('format') == 'extended')
        entry = lambda kind, start, size: struct.pack('<4xB3xII', kind, start, size)
        patch(image, extended + 446 + 16, entry(5, 0x1000, 100) + bytes(32)) # a ring of two
        patch(image, extended + 0x1000 * 512 + 446, entry(0x83, 8, 8) + entry(5, 0x1000, 100) + bytes(32) + b'\x55\xaa')
        m = whole(image)
        assert any('comes back to byte 2097152' in n for n in m['notes']), m['notes']
        patch(image, extended + 446 + 16, entry(5, 0x2000, 100) + bytes(32)) # and one that leads nowhere
        assert any('logical partition 6 is damaged or missing' in n for n in whole(image)['notes'])
        patch(image, 446, entry(0x83, 0, 5000) + entry(0x83, 2048, 4096) + entry(0x83, 4096, 8192) + entry(0x83, 1 << 30, 1 << 30))
        m = whole(image)
        same([v.get('partition') for v in m['volumes']], [None, 2, 3], 'partitions')
        for words in 'partition 1 begins at byte 0, in the partition table', 'partition 4 begins', 'partitions 2 and 3 overlap':
            assert any(words in n for n in m['notes']), (words, m['notes'])
        inner = blank(d + '/inner', 8 << 20) # a table in each partition, which begins one sector further
        for i in range(40):
            patch(inner, i * 512, bytes(446) + entry(0x83, 1, (16384 - 1 - i)) + bytes(48) + b'\x55\xaa')
        assert 10 < len(whole(inner)['volumes']) < 20, 'tables in tables'
        patch(inner, 100, b'boot code')
        same(kinds(whole(inner))[:2], [('boot', 0, 440), ('mbr', 440, 72)], 'an MBR with boot code')


# --- labels ---

def unpack(d, name):
    with open(f'{IMAGES}/{name}.bz2', 'rb') as f:
        data = bz2.decompress(f.read())
    path = blank(f'{d}/{name}', len(data))
    at = 0
    while at < len(data):
        if any(data[at:at + 65536]):
            patch(path, at, data[at:at + 65536])
        at += 65536
    return path


@case
def arrays_are_those_of_mdadm():
    with temp_dir() as d:
        for name in 'md-0.90-raid1', 'md-1.0-raid1', 'md-1.2-raid5':
            image = unpack(d, name)
            says = run('mdadm', '--examine', image).out
            field = lambda what: re.search(rf'^ *{what} : (.*?) *$', says, re.M)[1] # pylint: disable=cell-var-from-loop
            m = whole(image)
            disk, level = m['volumes'][0], field('Raid Level')
            same(m['notes'], [], f'{name}: notes')
            same(disk['format'], 'md-' + level, f'{name}: level')
            id_at = 'UUID' if '0.90' in name else 'Array UUID'
            same(disk['id'].replace('-', ''), field(id_at).split()[0].replace(':', ''), f'{name}: UUID')
            same(disk['dirty'], field('State') != 'clean', f'{name}: state')
            super_at = int(re.search(r'Super Offset : (\d+)', says)[1]) * 512 if '1.' in name else (disk['length'] & ~65535) - 65536
            assert ('label', super_at, 4096) in kinds(m), (super_at, kinds(m))
            data_at = re.search(r'Data Offset : (\d+)', says)
            data_at, used = int(data_at[1]) * 512 if data_at else 0, re.search(r'(?:Used|Avail) Dev Size : (\d+)', says)
            if level == 'raid5':
                role = int(re.search(r'Device Role : Active device (\d+)', says)[1])
                part = [(r['offset'], r['length'], r['number']) for r in m['regions'] if r['kind'] == 'member']
                same(part, [(data_at, int(used[1]) * 512, role)], f'{name}: data')
                assert f'disk {role} of md-raid5' in explain(image, str(data_at)).out
            else:
                used = re.search(r'Used Dev Size : (\d+)', says)
                length = int(used[1]) * (1024 if '0.90' in name else 512)
                same((m['volumes'][1]['offset'], m['volumes'][1]['length']), (data_at, length), f'{name}: content')
            if 'Internal Bitmap' in says:
                at = super_at + int(re.search(r'Internal Bitmap : (-?\d+) sectors', says)[1]) * 512
                assert ('write-intent bitmap', at) in [(r['words'], r['offset']) for r in m['regions']], m['regions']
            if '0.90' in name: # or else the table in it would be taken for the disk's
                patch(image, 0, bytes(65536))
            patch(image, super_at + (24 if '0.90' in name else 64), b'!!')
            assert '- correct' in says and 'expected' in run('mdadm', '--examine', image, status=None).out
            notes = whole(image)['notes']
            assert any('checksum of the MD superblock' in n for n in notes), notes
        same(whole(unpack(d, 'md-0.90-raid1'))['volumes'][1]['format'], 'gpt', 'a table in the array, not of the disk')


@case
def logical_volumes_are_those_of_pvck():
    with temp_dir() as d:
        image = unpack(d, 'lvm2-second') # a whole disk
        says = run('pvck', '--dump', 'headers', image).out
        number = lambda what: int(re.search(rf'^ *{re.escape(what)} (\d+)$', says, re.M)[1])
        text = run('pvck', '--dump', 'metadata', image).out
        m = whole(image)
        disk = m['volumes'][0]
        same((disk['format'], disk['name']), ('lvm2', 'vg0'), 'volume group')
        same(disk['id'].replace('-', ''), re.search(r'pv_header.pv_uuid (\S+)', says)[1], 'UUID')
        where = {(r['words'], r['offset'], r['length']) for r in m['regions']}
        assert ('label', number('label_header.sector') * 512, 512) in where, where
        assert ('metadata', number('pv_header.disk_locn[2].offset'), number('pv_header.disk_locn[2].size')) in where, where
        extent = int(re.search(r'extent_size = (\d+)', text)[1]) * 512
        section = re.search(r'home \{.*?segment1 \{(.*?)\}', text, re.S)[1]
        count, (name, first) = int(re.search(r'extent_count = (\d+)', section)[1]), re.search(r'"(pv\d)", (\d+)', section).groups()
        start = int(re.search(name + r' \{.*?pe_start = (\d+)', text, re.S)[1]) * 512
        same([(v['name'], v['offset'], v['length']) for v in m['volumes'][1:]],
             [('vg0/home', start + int(first) * extent, count * extent)], 'the first part of a logical volume')
        assert any('in 2 pieces' in n for n in m['notes']), m['notes']
        image = unpack(d, 'lvm2-first') # in a partition; a volume in one piece, and the beginning of another
        m = whole(image)
        same([v.get('name') for v in m['volumes']], [None, 'vg0', 'vg0/root', 'vg0/home'], 'volumes')
        same([v.get('parent') for v in m['volumes']], [None, 0, 1, 1], 'where they lie')
        same(m['volumes'][3]['format'], 'lvm2-part', 'the second part of a logical volume')
        assert any(r['words'] == 'part of logical volume vg0/home' for r in m['regions'])
        root = m['volumes'][2]
        mkfs = run('mke2fs', '-q', '-F', '-E', f'offset={root["offset"]}', '-b', '1024', image, f'{root["length"] // 1024}', status=None)
        if mkfs.status == 0:
            same(whole(image)['volumes'][2]['format'], 'ext2', 'a file system in a logical volume')
        # damage: the label, the header of the metadata, their text
        p1 = m['volumes'][1]['offset']
        for at, words in (p1 + 512 + 40, 'the LVM2 label'), (p1 + 4096 + 100, 'header of the metadata area'):
            patch(image, at, b'!')
            assert any(words in n for n in whole(image)['notes']), words
        image = unpack(d, 'lvm2-second')
        at = number('mda_header_1.raw_locn[0].offset') + 4096
        patch(image, at + 20, b'!')
        m = whole(image)
        assert any('checksum of the metadata' in n for n in m['notes']) and len(m['volumes']) == 1, m['notes']


@case
def swap_space_is_that_of_swaplabel():
    with temp_dir() as d:
        image = blank(d + '/swap', 4 << 20)
        for page in '4096', '65536':
            run('mkswap', '-p', page, '-L', 'a swap', image)
            m, says = whole(image), run('swaplabel', image, status=None).out
            disk, size = m['volumes'][0], int(page)
            same((disk['format'], disk['name'], disk['block']), ('swap', 'a swap', size), 'swap')
            assert 'UUID:' not in says or disk['id'] in says, says
            same(kinds(m), [('swap-header', 0, size), ('swap', size, (4 << 20) - size)], 'regions')
        run('mkswap', '-p', '4096', image)
        patch(image, 1024 + 8, struct.pack('<I', 2))
        patch(image, 1536, struct.pack('<II', 7, 1 << 31))
        bad = [(r['offset'], r['length']) for r in whole(image)['regions'] if r['flags'] == ['bad']]
        same(bad, [(7 * 4096, 4096)], 'bad pages')
        patch(image, 4086, b'S1SUSPEND\0')
        same(whole(image)['volumes'][0]['dirty'], True, 'a sleeping system is in it')
        os.truncate(image, 1 << 20)
        assert any('longer than there is room' in n for n in whole(image)['notes'])


# --- disks that are no files ---

def alike(a, b, what):
    for m in a, b:
        for key in 'disk', 'at', 'reads', 'bytesRead':
            m.pop(key, None)
    same(a, b, what)


def copy_to(image, uri):
    run('nbdcopy', '--', image, uri)


@case
def a_disk_behind_nbd_is_the_same_disk():
    with temp_dir() as d:
        image = table(d + '/image', 64 << 20, MBR)
        run('mkswap', '-q', blank(d + '/swap', 1 << 20), status=None)
        patch(image, next(v['offset'] for v in whole(image)['volumes'] if v.get('partition') == 1), peek(d + '/swap', 0, 1 << 20))
        want = whole(image)
        with Server('file', image) as s:
            alike(whole(s.uri, 64 << 20), dict(want), 'file')
        with Server('memory', '64M') as s:
            copy_to(image, s.uri)
            alike(whole(s.uri, 64 << 20), dict(want), 'memory')
            assert 'partition 1' in explain(s.uri, 'p1:0').out
        if os.path.exists(NBDKIT_REF): # a server that wants whole sectors of 4096 bytes
            with Server('file', image, '--filter=blocksize-policy', 'blocksize-minimum=4096', 'blocksize-error-policy=error', program=NBDKIT_REF) as s:
                alike(whole(s.uri, 64 << 20), dict(want), 'large blocks')


@case
def holes_behind_nbd_are_not_read():
    with temp_dir() as d:
        with Server('--filter=log', 'memory', '1T', f'logfile={d}/log') as s:
            m = whole(s.uri, 1 << 40)
            same([r['kind'] for r in m['regions']], ['unknown'], 'regions')
        log = read_file(d + '/log')
        same(len(re.findall(r' Read ', log)), 0, 'reads of a disk that was never written')
        assert re.search(r' Extents ', log), 'the server was asked'


@case
def bad_sectors_are_told_of_and_a_lost_server_is_an_error():
    with Server('--filter=error', 'memory', '1M', 'error-pread=EIO', 'error-pread-rate=1') as s:
        run('qemu-io', '-f', 'raw', '-c', 'write 0 1M', s.uri)
        m = whole(s.uri, 1 << 20)
        assert any('cannot be read near byte' in n for n in m['notes']), m['notes']
    with Server('--filter=delay', 'memory', '1M', 'rdelay=2') as s:
        run('qemu-io', '-f', 'raw', '-c', 'write 0 1M', s.uri)
        p = subprocess.Popen([BLKSCOPE, 'explain', s.uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE) # pylint: disable=consider-using-with
        until('it is connected', lambda: 'ESTAB' in run('ss', '-xH', 'src', s.sock).out)
        s.kill()
        out, err = p.communicate(timeout=60 * SLOWER)
        same((p.returncode, out), (1, b''), 'status and stdout')
        assert b'connection to the server is lost' in err and len(err.splitlines()) == 1, err
        s.ends = None


@case
def a_recording_has_every_moment():
    with temp_dir() as d:
        rec = d + '/x.rec'
        image = table(d + '/image', 16 << 20, GPT)
        with Server('--filter=record', 'memory', '16M', f'recordfile={rec}') as s:
            copy_to(image, s.uri)
            run(BLKSCOPE, 'mark', '--recording=' + rec, 'table')
            run('qemu-io', '-f', 'raw', '-c', 'write -z 512 512', '-c', f'write -z {(16 << 20) - 512} 512', '-c', 'write -z 0 512', s.uri)
        at_mark, at_end = told(rec, '--map', '--at=mark=table'), told(rec, '--map')
        same(at_mark['at'], 'mark=table', 'at')
        alike(at_mark, whole(image), 'at the mark')
        same([v.get('format') for v in at_end['volumes']], [None], 'the end')
        refuses('no such mark', rec, '--at=mark=none')
        refuses('there are', rec, '--at=event=100000')
        refuses('nobody had connected', rec, '--at=0')
        with open(rec, 'r+b') as f:
            f.truncate(100)
        assert explain(rec, status=1).err.count('\n') == 1
        with Server('--filter=record', 'memory', '1M', f'recordfile={d}/y.rec', 'data=no') as s:
            run('qemu-io', '-f', 'raw', '-c', 'write 0 512', s.uri)
        refuses('record with data=yes', d + '/y.rec')


# --- what is torn, cut or made up ---

@case
def any_cut_and_any_damage_leaves_a_map():
    with temp_dir() as d:
        r = random.Random(3)
        image = table(d + '/image', 8 << 20, 'label: gpt\nsize=1M\nsize=3M\n')
        run('mkswap', blank(d + '/swap', 1 << 20))
        patch(image, 1 << 20, peek(d + '/swap', 0, 1 << 20))
        sources = [image, unpack(d, 'md-1.0-raid1'), unpack(d, 'lvm2-second')]
        for _ in range(12):
            source = r.choice(sources)
            shutil.copy(source, d + '/torn')
            os.truncate(d + '/torn', r.choice([0, 1, 511, 512, 1024, 5000, r.randrange(1 << 20), os.path.getsize(source) - 512]))
            whole(d + '/torn')
        for _ in range(40):
            source = r.choice(sources)
            shutil.copy(source, d + '/torn')
            for _ in range(r.randrange(1, 6)):
                at = r.choice([0, 446, 512, 1024, 4096, 7168, (1 << 20), (1 << 20) + 1024, os.path.getsize(source) - 8192]) + r.randrange(600)
                patch(d + '/torn', at, r.choice([bytes(100), b'\xff' * 8, r.randbytes(40), b'\x01']))
            whole(d + '/torn')


main()
