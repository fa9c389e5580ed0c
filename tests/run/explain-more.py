#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 60
"""blkscope explain: LUKS and NTFS, files that share their data, and ext whose groups somebody made smaller, held against other tools."""
import random, re, uuid
from knowlib import *


def make(image, size, *command, stdin=None):
    with open(image, 'wb') as f:
        f.truncate(size)
    run(*command, image, stdin=stdin)
    return image


def notes_of(image, *more):
    return run(BLKSCOPE, 'explain', image, *more).err


# --- LUKS ---

def luks(d, version, *more):
    image = make(f'{d}/luks{version}', 32 << 20, 'cryptsetup', 'luksFormat', '-q', '--type', f'luks{version}', '--key-file', d + '/key',
                 '--pbkdf-force-iterations', '1000', *more)
    return image, run('cryptsetup', 'luksDump', image).out


@case
def luks_agrees_with_cryptsetup():
    with temp_dir() as d:
        with open(d + '/key', 'w') as f:
            f.write('secret')
        image, dump = luks(d, 1)
        known = Map(image)
        same((known.volumes[0]['format'], known.volumes[0]['id']), ('luks1', re.search(r'^UUID:\s+(\S+)', dump, re.M)[1]), 'the volume')
        payload = int(re.search(r'^Payload offset:\s+(\d+)', dump, re.M)[1]) * 512
        same(known.runs('encrypted'), [[payload, 32 << 20]], 'what is encrypted')
        keys = int(re.search(r'^Key Slot 0.*?Key material offset:\s+(\d+)', dump, re.M | re.S)[1]) * 512
        same((known.at(keys).words, known.at(keys).off, known.at(0).words), ('room for keys', keys, 'header'), 'where keys are')

        image, dump = luks(d, 2, '--pbkdf', 'pbkdf2', '--label', 'secrets')
        known = Map(image)
        same([known.volumes[0][k] for k in ('format', 'id', 'name')], ['luks2', re.search(r'^UUID:\s+(\S+)', dump, re.M)[1], 'secrets'], 'the volume')
        payload = int(re.search(r'^Data segments:.*?offset: (\d+) \[bytes\]', dump, re.M | re.S)[1])
        same(known.runs('encrypted'), [[payload, 32 << 20]], 'what is encrypted')
        header = int(re.search(r'^Metadata area:\s+(\d+) \[bytes\]', dump, re.M)[1])
        keys = int(re.search(r'^Keyslots area:\s+(\d+) \[bytes\]', dump, re.M)[1])
        same([(r.off, r.len, r.words) for r in known.of('label')],
             [(0, header, 'header'), (header, header, 'second header'), (2 * header, keys, 'room for keys')], 'the headers')
        # either header tells it all, and what is gone is told
        for at, which in ((0, 'first'), (header, 'second')):
            was = peek(image, at, header)
            patch(image, at, bytes(header))
            torn = Map(image)
            same((torn.runs('encrypted'), torn.at(at).flags & BAD, torn.volumes[0]['id']), (known.runs('encrypted'), BAD, known.volumes[0]['id']), which)
            assert f'the {which} header of LUKS is not there' in torn.notes, torn.notes
            patch(image, at, was)


@case
def luks_that_lies_does_no_harm():
    rng = random.Random(1)
    with temp_dir() as d:
        for version in (1, 2):
            head = bytearray(1 << 20)
            head[:8] = b'LUKS\xba\xbe' + version.to_bytes(2, 'big')
            head[8:16] = (16384).to_bytes(8, 'big') if version == 2 else head[8:16]
            head[168:204] = str(uuid.UUID(int=rng.getrandbits(128))).encode()
            for json_ in (b'', b'{"segments":{"0":{"offset":"99999999999999999999999"}}}', b'"segments"' + b'"offset":"' * 900, b'"segments":"offset":"-1"'):
                head[4096:16384] = json_.ljust(12288, b'x')
                for at in range(104, 112) if version == 1 else ():
                    head[at] = 255
                head[208:592] = rng.randbytes(384)
                with open(d + '/luks', 'wb') as f:
                    f.write(head)
                same(Map(d + '/luks').volumes[0]['format'], f'luks{version}', 'the format')


# --- NTFS ---

@case
def ntfs_agrees_with_its_tools():
    with temp_dir() as d:
        image = make(d + '/ntfs', 24 << 20, 'mkntfs', '-q', '-F', '-Q', '-L', 'Über')
        known = Map(image)
        same((known.volumes[0]['format'], known.volumes[0]['name'], known.volumes[0]['dirty']), ('ntfs', 'Über', False), 'the volume')
        cluster = known.volumes[0]['block']
        same(cluster, int(re.search(r'Cluster Size: (\d+)', run('ntfsinfo', '-m', image).out)[1]), 'bytes of a cluster')
        free = int(re.search(r'Free Clusters: (\d+)', run('ntfsinfo', '-m', image).out)[1])
        same(sum(r.len for r in known.of('free')) // cluster, free, 'free clusters')
        for inode, kind in ((0, 'system-file'), (1, 'system-file'), (2, 'log'), (4, 'system-file'), (6, 'system-file'), (10, 'system-file')):
            out = run('ntfsinfo', '-v', '-i', str(inode), image).out
            data = out[out.index('Dumping attribute $DATA'):]
            runs = [(int(vcn, 16), int(lcn, 16), int(n, 16)) for vcn, lcn, n in re.findall(r'^\s+(0x\w+)\s+(0x\w+)\s+(0x\w+)$', data.split('Dumping attribute $')[1], re.M)]
            assert runs, f'no runs of inode {inode} in what ntfsinfo says:\n{data}'
            for _, lcn, n in runs:
                for c in (lcn, lcn + n - 1):
                    same(known.at(c * cluster).kind, kind, f'cluster {c} of inode {inode}')
        last = known.regions[-1]
        same((last.kind, last.flags, last.off), ('boot', COPY, (24 << 20) - 512), 'the copy of the boot sector')
        patch(image, last.off + 3, b'x')
        same(Map(image).regions[-1].flags, COPY | BAD, 'a copy that is none')
        # records that are torn, and runs that lead anywhere
        mft = int.from_bytes(peek(image, 48, 8), 'little') * cluster
        rng = random.Random(2)
        for _ in range(60):
            at = mft + rng.randrange(12 * 1024)
            was = peek(image, at, 2)
            patch(image, at, rng.choice((b'\xff\xff', b'\0\0', rng.randbytes(2))))
            Map(image)
            patch(image, at, was)


# --- files that share ---

def shared(kind, *mkfs):
    if os.geteuid() != 0:
        raise Skip('only root mounts')
    with temp_dir() as d:
        image = make(d + '/disk', 320 << 20, *mkfs)
        os.mkdir(d + '/mnt')
        if run('mount', '-o', 'loop', image, d + '/mnt', status=None).status:
            raise Skip(f'{kind} cannot be mounted here')
        rng = random.Random(3)
        try:
            with open(d + '/mnt/one', 'wb') as f:
                f.write(rng.randbytes(1 << 20))
            for name in ('two', 'three'):
                run('cp', '--reflink=always', d + '/mnt/one', d + '/mnt/' + name)
            run('sync')
            with open(d + '/mnt/two', 'r+b') as f: # its own from here on
                f.seek(40 << 10)
                f.write(rng.randbytes(20 << 10))
            content = {name: read_bytes(f'{d}/mnt/{name}') for name in ('one', 'two', 'three')}
        finally:
            run('umount', d + '/mnt')
        known = Map(image)
        assert 'claimed twice' not in known.notes, known.notes
        data = [r for r in known.of('file-data') if r.path == '/one']
        same([(r.home, r.len, r.number) for r in data],
             [(0, 40 << 10, 2), (40 << 10, 20 << 10, 1), (60 << 10, (1 << 20) - (60 << 10), 2)], 'who shares what of the first file')
        assert data[1].words.endswith('shared with 1 other') and data[0].words.endswith('shared with 2 others')
        # each byte of each file is where it is told to be
        for name, want in content.items():
            told = json.loads(run(BLKSCOPE, 'explain', '--json', image, '--file=/' + name).out)['regions']
            same(sum(r['length'] for r in told), 1 << 20, f'bytes of {name}')
            for r in told:
                ask = json.loads(run(BLKSCOPE, 'explain', '--json', image, str(r['offset'])).out)['offsets'][0]
                homes = {ask['region']['file']['path']: r['home']} | {o['file']['path']: o['byte'] for o in ask.get('shared', [])}
                same(len(homes), r['number'] + 1, 'files that have it')
                assert peek(image, r['offset'], r['length']) == want[homes['/' + name]:][:r['length']], f'{name}: {r}'


def read_bytes(path):
    with open(path, 'rb') as f:
        return f.read()


@case
def reflinks_of_xfs_are_told():
    shared('xfs', 'mkfs.xfs', '-q', '-m', 'reflink=1')


@case
def reflinks_of_btrfs_are_told():
    shared('btrfs', 'mkfs.btrfs', '-q')


# --- ext ---

@case
def ext_with_smaller_groups_is_found_by_its_copy():
    for size, block, per in ((64 << 20, 1024, 4096), (64 << 20, 1024, 256), (12 << 20, 1024, 1000), (100 << 20, 4096, 2048), (40 << 20, 2048, 8 * 256)):
        with temp_dir() as d:
            image = make(d + '/disk', size, 'mke2fs', '-q', '-F', '-t', 'ext4', '-b', str(block), '-g', str(per))
            known = Map(image)
            patch(image, 1024, bytes(1024))
            found = Map(image)
            assert 'told by the copy in group 1' in found.notes, f'{block} {per}: {found.notes}'
            same([(r.off, r.len, r.kind) for r in found.regions], [(r.off, r.len, r.kind) for r in known.regions], f'{block} {per}: the map')


main()
