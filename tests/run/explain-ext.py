#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""blkscope explain on ext2, ext3 and ext4: every block of real file systems against debugfs and dumpe2fs."""
import os, re, shutil
from explainlib import *

SIZE = 48 << 20
KINDS = [ # name, arguments of mke2fs
    ('ext2, 1 KiB', ['-t', 'ext2', '-b', '1024']),
    ('ext2, 4 KiB, rev 0', ['-t', 'ext2', '-b', '4096', '-r', '0']),
    ('ext3, 1 KiB', ['-t', 'ext3', '-b', '1024', '-J', 'size=4']),
    ('ext3, 2 KiB, small inodes', ['-t', 'ext3', '-b', '2048', '-I', '128', '-J', 'size=4']),
    ('ext4, 1 KiB', ['-t', 'ext4', '-b', '1024']),
    ('ext4, 4 KiB', ['-t', 'ext4', '-b', '4096']),
    ('ext4, 64 KiB', ['-t', 'ext4', '-b', '65536', '-J', 'size=4']),
    ('ext4, 32 bit, gdt_csum', ['-t', 'ext4', '-b', '1024', '-O', '^64bit,^metadata_csum,uninit_bg']),
    ('ext4, no checksums', ['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^uninit_bg']),
    ('ext4, no flex_bg', ['-t', 'ext4', '-b', '1024', '-O', '^flex_bg']),
    ('ext4, meta_bg', ['-t', 'ext4', '-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode']),
    ('ext4, sparse_super2', ['-t', 'ext4', '-b', '1024', '-O', 'sparse_super2,^resize_inode']),
    ('ext4, all superblocks', ['-t', 'ext4', '-b', '1024', '-O', '^sparse_super,^resize_inode']),
    ('ext4, bigalloc 1 KiB', ['-t', 'ext4', '-b', '1024', '-C', '16384', '-O', 'bigalloc']),
    ('ext4, bigalloc 4 KiB', ['-t', 'ext4', '-b', '4096', '-C', '65536', '-O', 'bigalloc']),
    ('ext4, inline_data', ['-t', 'ext4', '-b', '4096', '-I', '512', '-O', 'inline_data,ea_inode']),
    ('ext4, quota, mmp', ['-t', 'ext4', '-b', '4096', '-O', 'quota,project,mmp', '-E', 'quotatype=usrquota:grpquota:prjquota']),
    ('ext4, orphan_file', ['-t', 'ext4', '-b', '4096', '-O', 'orphan_file,metadata_csum_seed']),
    ('ext4, no journal', ['-t', 'ext4', '-b', '4096', '-O', '^has_journal,^extent,^64bit']),
    ('ext4, largedir, casefold', ['-t', 'ext4', '-b', '4096', '-O', 'large_dir,casefold,verity,fast_commit']),
]


class Shared:
    """The tree that all images are filled with; made once."""
    top = None

    @staticmethod
    def tree():
        if not Shared.top:
            Shared.top = make_tree(os.getcwd() + '/tree')
        return Shared.top


def row(name, a):
    print(f'  {name:32} {a.used:7} used blocks, {a.agreed:7} explained and agreeing with debugfs', flush=True)


def all_agree(name, a):
    assert not a.wrong, f'{name}: {len(a.wrong)} blocks:\n' + '\n'.join(a.wrong[:20])
    same(a.agreed, a.used, f'{name}: used blocks that are explained')


def agree_on(what):
    used = agreed = 0
    for name, args in KINDS:
        if not what(args):
            continue
        image = mkfs('image', SIZE, '-N', '1536', *args, tree=Shared.tree())
        if 'bigalloc' not in args[-1]: # e2fsck makes trees of hashes of the large directory
            tool('e2fsck', '-fyD', image, status=None)
        a = Agreement(image)
        row(name, a)
        all_agree(name, a)
        same([r for r in a.map.regions if r.flags & BAD], [], f'{name}: parts told as wrong')
        same(a.map.notes, '', f'{name}: notes')
        assert check_content(a.map, image, Shared.tree()) > 2000000
        used, agreed = used + a.used, agreed + a.agreed
    return used, agreed


@case
def every_used_block_is_explained_as_debugfs_does():
    used, agreed = agree_on(lambda args: True)
    print(f'| {"all":32} {used:7} used blocks, {agreed:7} explained and agreeing with debugfs: {100 * agreed / used:.4f} %')
    same(agreed, used, 'share of used blocks explained and agreeing with debugfs')



# --- what was done to a file system by hand ---

BASE = ['-t', 'ext4', '-b', '1024', '-N', '1536']


def changed(name, args, *commands, lost=()):
    image = mkfs('image', SIZE, *args, tree=Shared.tree())
    debugfs(image, *commands, write=True)
    a = Agreement(image, lost=lost)
    row(name, a)
    all_agree(name, a)
    return a


@case
def blocks_of_deleted_files_are_told_where_they_are_free():
    image = mkfs('image', SIZE, *BASE, tree=Shared.tree())
    files = {f'/dir/{n}': n for n in ('file 6', 'file 8', 'more-holes', 'long-link')}
    before = {}
    for r in Map(image).regions:
        if r.path in files and r.kind != 'xattr':
            before[r.off] = r
    assert {r.kind for r in before.values()} == {'file-data', 'extent-node', 'symlink'}
    debugfs(image, *[f'rm "{path}"' for path in files], write=True)
    a = Agreement(image)
    all_agree('deleted files', a)
    at = {r.off: r for r in a.map.regions}
    for r in before.values():
        now = at[r.off]
        same((now.len, now.kind, now.home, now.inode, now.flags), (r.len, r.kind, r.home, r.inode, DELETED), f'of a file that was deleted: {now}')
    assert '4 deleted inodes' in a.map.notes, a.map.notes
    # What others have since is theirs, and the rest is still told.
    debugfs(image, 'write image.cmds new', 'write mke2fs.conf new2', write=True)
    a = Agreement(image)
    all_agree('deleted files, and new ones', a)
    assert [r for r in a.map.regions if r.flags & DELETED]


@case
def blocks_in_use_that_nothing_refers_to_are_lost():
    free = Map(mkfs('image', SIZE, *BASE, tree=Shared.tree())).of('free')[0] # in the first group; the later ones have no bitmap yet
    first = (free.off >> 10) + 10
    a = changed('lost', BASE, f'setb {first} 5', lost=range(first, first + 5))
    same([(r.off, r.len, r.flags) for r in a.map.regions if r.flags & LOST], [(first << 10, 5 << 10, LOST)], 'lost')


@case
def unwritten_extents_are_told():
    a = changed('unwritten', BASE, 'write /dev/null big', 'fallocate big 10 2009')
    got = [r for r in a.map.regions if r.path == '/big' and r.kind == 'file-data']
    same(sum(r.len for r in got), 2000 << 10, 'bytes')
    assert all(r.flags == UNWRITTEN for r in got) and min(r.home for r in got) == 10 << 10, got


@case
def orphans_are_told():
    image = mkfs('image', SIZE, *BASE, tree=Shared.tree())
    inode = {r.path: r.inode for r in Map(image).regions}
    first, second = inode['/dir/file 7'], inode['/dir/file 8']
    debugfs(image, f'sif <{first}> links_count 0', f'sif <{second}> links_count 0', 'unlink "/dir/file 7"', 'unlink "/dir/file 8"',
            f'sif <{first}> dtime {second}', f'sif <{second}> dtime 0', f'ssv last_orphan {first}', write=True)
    known = Map(image)
    assert '2 orphans, 2 of them without a name' in known.notes, known.notes
    same(sum(r.len for r in known.regions if r.inode in (first, second) and r.kind == 'file-data' and not r.flags), (64 << 10) + 200704, 'bytes')
    debugfs(image, f'sif <{second}> dtime {first}', write=True)
    assert 'the list of orphans is a loop' in Map(image).notes
    debugfs(image, f'sif <{second}> dtime 1500', write=True)
    assert 'the list of orphans leads to inode 1500, which is not in use' in Map(image).notes


@case
def index_blocks_of_large_directories_are_told_apart():
    tree = os.getcwd() + '/tree2'
    os.mkdir(tree)
    os.mkdir(tree + '/large')
    for i in range(3000):
        open(f'{tree}/large/{i:05}-{"n" * 150}', 'wb').close()
    for name, block, levels in [('one level', '4096', 0), ('two levels', '1024', 1)]:
        image = mkfs('image', SIZE, '-t', 'ext4', '-b', block, '-N', '4000', tree=tree)
        tool('e2fsck', '-fyD', image, status=None)
        out = debugfs(image, 'htree_dump /large')
        depth, entries = int(re.search(r'Indirect levels: (\d+)', out)[1]), int(re.search(r'Number of entries \(count\): (\d+)', out)[1])
        same(depth, levels, 'levels of the tree')
        a = Agreement(image)
        all_agree(name, a)
        index = [r for r in a.map.of('directory-index') if r.path == '/large']
        same(sum(r.len for r in index) // int(block), 1 + (entries if depth else 0), f'{name}: blocks of the index')
        row('directory index, ' + name, a)
    shutil.rmtree(tree)


# --- checksums ---

def flip(image, at):
    with open(image, 'r+b') as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


# A place in the first part of each kind where one bit makes it wrong and leaves it what it is.
PLACES = {'superblock': 0x88, 'group-descriptors': 0x0c, 'block-bitmap': 0, 'inode-bitmap': 20, 'inode-table': 8, 'directory': 8 + 0, 'extent-node': 12 + 9,
          'directory-index': 40, 'xattr': 40, 'mmp': 100}


@case
def wrong_checksums_are_told():
    image = mkfs('image', SIZE, '-t', 'ext4', '-b', '1024', '-N', '1536', '-O', 'mmp,orphan_file', tree=Shared.tree())
    tool('e2fsck', '-fyD', image, status=None)
    parts = Map(image).regions
    same([r for r in parts if r.flags & BAD], [], 'wrong parts of a good image')
    for kind, place in PLACES.items():
        tried = 0
        for part in [r for r in parts if r.kind == kind and not r.flags & UNWRITTEN and not (r.kind == 'group-descriptors' and r.flags & COPY) and r.inode != 7]:
            at = part.off + place
            flip(image, at)
            wrong = [r for r in Map(image).regions if r.flags & BAD]
            flip(image, at)
            assert any(r.kind == kind and r.off <= at < r.off + r.len for r in wrong), f'{part}: not told as wrong; these are: {wrong}'
            tried += 1
            if tried == 3:
                break
        assert tried or kind in ('xattr',), f'{kind}: there is none'
    part = [r for r in parts if r.path == '<orphan file>' and r.kind == 'system-file'][0]
    flip(image, part.off + 4)
    assert [r for r in Map(image).regions if r.flags & BAD and r.path == '<orphan file>' and r.off == part.off]
    flip(image, part.off + 4)
    same(Map(image).notes, '', 'notes of the image as it was')


# --- torn ---

def patch(image, at, data):
    with open(image, 'r+b') as f:
        f.seek(at)
        f.write(data)


@case
def without_its_superblock_a_copy_tells_the_same():
    for args in (['-b', '1024'], ['-b', '1024', '-O', 'sparse_super2,^resize_inode', '-E', 'num_backup_sb=1'], ['-b', '2048'],
                 ['-b', '1024', '-C', '16384', '-O', 'bigalloc'], ['-b', '4096']):
        size = (300 if args[1] == '4096' or len(args) > 4 and '-C' in args else 80) << 20
        image = mkfs('image', size, '-t', 'ext4', '-N', '1536', *args, tree=Shared.tree())
        before = Map(image)
        patch(image, 1024, bytes(1024))
        after = Map(image)
        assert 'the superblock is gone: all is told by the copy in group ' in after.notes, f'{args}: {after.notes}'
        same([r.same() for r in after.regions if r.kind != 'superblock'], [r.same() for r in before.regions if r.kind != 'superblock'], f'{args}: parts')


@case
def without_its_group_descriptors_copies_tell_where_things_are():
    for more in (['-O', '^resize_inode'], ['-g', '1024', '-O', 'meta_bg,^resize_inode']):
        image = mkfs('image', SIZE, *BASE, *more, tree=Shared.tree())
        before = Map(image)
        for r in before.of('group-descriptors'):
            if not r.flags & COPY:
                patch(image, r.off, bytes(r.len))
        after = Map(image)
        assert ' group descriptors are wrong, of group 0 first: their places are told by copies' in after.notes, after.notes
        wanted = {r.same() for r in before.regions if r.path.startswith('/')}
        same({r.same() for r in after.regions if r.path.startswith('/')}, wanted, 'parts of files')
        assert any(r.kind == 'group-descriptors' and r.flags & BAD for r in after.regions)


@case
def half_a_disk_is_told_as_far_as_it_goes():
    image = mkfs('image', SIZE, *BASE, tree=Shared.tree())
    before = Map(image)
    os.truncate(image, SIZE // 2 + 777)
    after = Map(image)
    assert 'the rest was cut off' in after.notes, after.notes
    end = SIZE // 2
    same([r.same() for r in after.regions if r.off + r.len < end], [r.same() for r in before.regions if r.off + r.len < end], 'parts before the cut')
    for end in (0, 1, 1023, 1024, 2047, 2048, 3000, 10000, 300000):
        os.truncate(image, end)
        Map(image)


# --- lies ---

def le(value, size):
    return (value & (1 << 8 * size) - 1).to_bytes(size, 'little')


@case
def lies_are_seen_through_in_bounded_time():
    image = mkfs('image', 8 << 20, '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^uninit_bg', '-N', '256', tree=Shared.tree() + '/dir')
    with open(image, 'rb') as f:
        good = f.read()
    parts = Map(image).regions
    fields = [(0x00, 4), (0x04, 4), (0x14, 4), (0x18, 4), (0x1c, 4), (0x20, 4), (0x24, 4), (0x28, 4), (0x4c, 4), (0x54, 4), (0x58, 2), (0x5c, 4), (0x60, 4),
              (0x64, 4), (0xce, 2), (0xe0, 4), (0xe8, 4), (0xfe, 2), (0x104, 4), (0x150, 4), (0x168, 8), (0x24c, 4)]
    table = [r for r in parts if r.kind == 'inode-table'][0].off
    journal = [r for r in parts if r.kind == 'journal-superblock'][0].off
    node = [r for r in parts if r.kind == 'extent-node' and r.path.startswith('/')][0].off
    folder = [r for r in parts if r.kind == 'directory' and r.path == '/'][0].off
    places = [(1024 + at, n) for at, n in fields] + [(2048 + at, 4) for at in (0, 4, 8, 0x12, 0x1c)] + [(table + 256 + 40 + at, 2) for at in range(0, 60, 2)] + \
        [(table + 7 * 256 + 40 + at, 2) for at in range(0, 60, 2)] + [(journal + at, 4) for at in range(8, 92, 4)] + [(node + at, 2) for at in range(0, 40, 2)] + \
        [(folder + at, 2) for at in range(0, 40, 2)]
    tried = 0
    for at, size in places:
        for value in (0, 1, -1, 1 << 8 * size - 1, 0x7fff, node >> 10, 5, 65537)[tried % 4::4]:
            patch(image, at, le(value, size))
            Map(image, timeout=20)
            patch(image, at, good[at:at + size])
            tried += 1
    print(f'  {tried} lies told')


@case
def trees_and_directories_that_are_loops_end():
    image = mkfs('image', 8 << 20, '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^uninit_bg', '-N', '256', tree=Shared.tree() + '/dir')
    parts = Map(image).regions
    node = [r for r in parts if r.kind == 'extent-node' and r.path.startswith('/')][0]
    table = [r for r in parts if r.kind == 'inode-table'][0].off
    # All entries of a node lead to the node itself, and its root says that it is the deepest there may be.
    def tree(depth):
        return le(0xf30a, 2) + le(84, 2) + le(84, 2) + le(depth, 2) + bytes(4) + b''.join(le(i, 4) + le(node.off >> 10, 4) + bytes(4) for i in range(84))
    patch(image, node.off, tree(4))
    patch(image, table + (node.inode - 1) * 256 + 40, (le(0xf30a, 2) + le(1, 2) + le(4, 2) + le(5, 2) + bytes(4) + le(0, 4) + le(node.off >> 10, 4) + bytes(4)))
    assert 'is no extent node' in Map(image, timeout=20).notes
    # A file of indirect blocks that are all the same one.
    patch(image, table + (node.inode - 1) * 256 + 32, le(0, 4))
    patch(image, table + (node.inode - 1) * 256 + 40, le(node.off >> 10, 4) * 15)
    patch(image, node.off, le(node.off >> 10, 4) * 256)
    assert 'one more than the file system has blocks' in Map(image, timeout=20).notes
    # The root is in itself, and so is a folder in its own child.
    debugfs(image, 'mkdir /a', 'mkdir /a/b', 'ln <2> /a/b/root', 'ln /a /a/b/a', write=True)
    Map(image, timeout=20)


# --- the journal ---

MAGIC = bytes.fromhex('c03b3998')
KIND_OF = {'1': 'journal-descriptor', '2': 'journal-commit', '5': 'journal-revoke'}


def logdump(image, *options):
    """What each block of the log is, as debugfs sees it: its kind, its transaction and, of a copy, where it belongs."""
    out = debugfs(image, 'logdump -a ' + ' '.join(options))
    found, seq = {}, 0
    for line in out.splitlines():
        if m := re.search(r'sequence (\d+), type (\d+) .* at block (\d+)', line):
            seq = int(m[1])
            found[int(m[3])] = (KIND_OF[m[2]], seq, -1)
        elif m := re.match(r' *FS block (\d+) logged at (?:sequence \d+, )?journal block (\d+)', line):
            found[int(m[2])] = ('journal-data', seq, int(m[1]))
    assert found, out
    return found


def check_journal(image, known, flags, *options):
    """Each block of the log that debugfs speaks of, and no other, is told as it does."""
    block = Groups(image).block
    want = logdump(image, *options)
    where = dict(zip(want, map(int, debugfs(image, *[f'bmap <8> {i}' for i in want]).split())))
    at = known.by_block(block)
    for i, (kind, seq, home) in want.items():
        r = at[where[i]]
        place = r.home + (where[i] * block - r.off) if r.home >= 0 else -1
        same((r.kind, r.number, place, r.flags), (kind, seq, home * block if home >= 0 else -1, flags), f'block {i} of the journal')
    told = sum(r.len for r in known.regions if r.kind in JOURNAL and r.kind not in ('journal-rest', 'journal-superblock') and r.flags == flags)
    same(told // block, len(want), 'blocks of the log that are told')
    return len(want)


def differing(a, b, block):
    with open(a, 'rb') as f, open(b, 'rb') as g:
        old, new = f.read(), g.read()
    return [i for i in range(len(new) // block) if old[i * block:(i + 1) * block] != new[i * block:(i + 1) * block]], new


def parts_of(known):
    return [r.same() for r in known.regions if r.kind not in JOURNAL and r.kind not in ('superblock', 'boot')]


TAGS = [ # name, arguments of mke2fs, of debugfs's jo
    ('ext3', ['-t', 'ext3', '-b', '1024', '-J', 'size=1'], ''),
    ('32 bit, v2', ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', '^64bit'], '-c -v 2'),
    ('32 bit, v3', ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', '^64bit'], '-c -v 3'),
    ('64 bit', ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', '^metadata_csum'], ''),
    ('64 bit, v2', ['-t', 'ext4', '-b', '1024', '-J', 'size=1'], '-c -v 2'),
    ('64 bit, v3', ['-t', 'ext4', '-b', '4096', '-J', 'size=4'], '-c -v 3'),
]


@case
def a_journal_to_be_played_is_told_and_taken_into_account():
    for name, args, opened in TAGS:
        journal_case(name, args, opened)


def journal_case(name, args, opened):
    """What a change of the file system wrote is put into the journal of the unchanged one: the map must be that of the changed one."""
    size, block = 16 << 20, int(args[3])
    image = mkfs('image', size, '-N', '256', *args, tree=Shared.tree() + '/dir')
    shutil.copy(image, 'changed')
    with open('escaped', 'wb') as f: # a block that begins like the journal's own: as a file's data it has to be escaped
        f.write(MAGIC + b'e' * (block - 4) + b'f' * block)
    debugfs('changed', 'mkdir new', 'write escaped new/escaped', 'symlink new/link ' + 'l' * 200, 'rm "/file 7"', 'mkdir new/deeper', write=True)
    blocks, content = differing(image, 'changed', block)
    blocks = [b for b in blocks if b != (1 if block == 1024 else 0)] # not the superblock: debugfs keeps that one itself
    with open('content', 'wb') as f:
        f.write(b''.join(content[b * block:(b + 1) * block] for b in blocks))
    with open('rubbish', 'wb') as f:
        f.write(b'\x5a' * block * len(blocks))
    where = ','.join(map(str, blocks))
    # The first transaction is bad, and revoked by the third; the fourth has the truth.
    debugfs(image, f'jo {opened}', f'jw -b {where} rubbish', f'jw -b {size // block - 20},{size // block - 19} escaped', f'jw -r {where}', f'jw -b {where} content', 'jc', write=True)
    known, want = Map(image), Map('changed')
    assert 'the journal is to be played, 4 transactions' in known.notes, f'{name}: {known.notes}'
    same(parts_of(known), parts_of(want), f'{name}: parts')
    n = check_journal(image, known, 0)
    shutil.copy(image, 'played')
    debugfs('played', 'jr', write=True)
    a = Agreement(image, known=known, truth='played')
    all_agree(name, a)
    row('journal: ' + name, a)
    # Played, it is old.
    after = Map('played')
    same([r.flags for r in after.regions if r.kind in ('journal-descriptor', 'journal-commit', 'journal-revoke', 'journal-data') and r.flags & ~BAD != OLD], [], name)
    same(sum(r.len for r in after.regions if r.kind in JOURNAL and r.flags & OLD) // block, n, f'{name}: old blocks')
    torn_journal(name, image, known, block)


def torn_journal(name, image, known, block):
    last = known.of('journal-commit')[-1]
    with open(image, 'rb') as f:
        f.seek(last.off)
        commit = f.read(block)
    patch(image, last.off, bytes(block))
    torn = Map(image)
    assert 'transaction 4 of the journal has no commit block: it would not be played' in torn.notes, f'{name}: {torn.notes}'
    assert 'the journal is to be played, 3 transactions' in torn.notes, f'{name}: {torn.notes}'
    same({r.flags for r in torn.regions if r.kind.startswith('journal-d') and r.number == 4}, {UNCOMMITTED}, f'{name}: a torn transaction')
    if 'v' in name: # a copy that is still to come
        copy = [r for r in torn.of('journal-data') if r.number == 4][0]
        flip(image, copy.off + 100)
        same(Map(image).at(copy.off).flags, UNCOMMITTED | UNWRITTEN, f'{name}: a copy that is to come')
        flip(image, copy.off + 100)
    patch(image, last.off, commit)
    if 'v' in name: # checksums: a block of data, and the superblock
        copy = [r for r in known.of('journal-data') if r.number == 4][0]
        flip(image, copy.off + 100)
        at = Map(image).by_block(block)[copy.off // block]
        same((at.kind, at.flags), ('journal-data', BAD), f'{name}: a copy that is wrong')
        flip(image, copy.off + 100)
        flip(image, known.of('journal-superblock')[0].off + 500)
        same(Map(image).of('journal-superblock')[0].flags, BAD, f'{name}: a superblock that is wrong')


@case
def in_a_partition_all_is_where_the_partition_is():
    start = 3 << 20
    image = mkfs('image', 16 << 20, '-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=1', tree=Shared.tree() + '/dir')
    with open('blocks', 'wb') as f:
        f.write(b'x' * 2048)
    debugfs(image, 'jo -c -v 3', 'jw -b 9000,9001 blocks', 'jc', write=True)
    with open('disk', 'wb') as f:
        f.truncate(start + (16 << 20) + (1 << 20))
    run('sfdisk', '-q', 'disk', stdin=b'label: gpt\nstart=6144, size=32768, type=linux\n')
    with open(image, 'rb') as f:
        patch('disk', start, f.read())
    alone, within = Map(image), Map('disk')
    same(within.volumes[1]['format'], 'ext4', 'format')
    def moved(r, by):
        return r.off + by, r.len, r.kind, r.flags, r.number, r.home + by if r.kind == 'journal-data' else r.home, r.inode, r.path
    inside = [r for r in within.regions if start <= r.off < start + (16 << 20)]
    same([moved(r, 0) for r in inside], [moved(r, start) for r in alone.regions], 'parts')
    same([r.home for r in inside if r.kind == 'journal-data'], [start + 9000 * 1024], 'home of a copy, in bytes of the disk')


@case
def a_journal_whose_inode_is_gone_is_found_by_the_superblocks_copy():
    image = mkfs('image', SIZE, *BASE, tree=Shared.tree())
    before = Map(image)
    table = before.of('inode-table')[0].off
    patch(image, table + 7 * 256, bytes(256))
    after = Map(image)
    assert "the superblock's copy of it tells where it lies" in after.notes, after.notes
    same([(r.off, r.len, r.kind) for r in after.regions if r.kind in JOURNAL], [(r.off, r.len, r.kind) for r in before.regions if r.kind in JOURNAL], 'journal')


@case
def a_device_that_is_a_journal_is_told():
    for block in ('1024', '4096'):
        image = mkfs('image', 8 << 20, '-O', 'journal_dev', '-b', block)
        start = 2 if block == '1024' else 1
        same([(r.off // int(block), r.kind) for r in Map(image).regions],
             ([(0, 'boot'), (1, 'superblock')] if start == 2 else [(0, 'boot'), (0, 'superblock')]) + [(start, 'journal-superblock'), (start + 1, 'journal-rest')], block)


# --- the kernel's own work ---

class Mounted:
    """An image, mounted; skips where that is not allowed."""

    def __init__(self, image, *options):
        os.makedirs('mnt', exist_ok=True)
        r = run('mount', '-o', ','.join(('loop',) + options), image, 'mnt', status=None)
        if r.status:
            raise Skip('cannot mount an image here: ' + r.err.strip().splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.sync()
        run('umount', 'mnt')


@case
def what_the_kernel_leaves_is_told_mounted_and_unmounted():
    for name, args in [('1 KiB', ['-b', '1024', '-J', 'size=2']), ('4 KiB', ['-b', '4096']), ('ordered by inode', ['-b', '4096', '-O', '^extent,^64bit'])]:
        image = mkfs('image', SIZE, '-t', 'ext4', '-N', '3000', *args, tree=Shared.tree())
        with Mounted(image):
            busy()
            held = open('mnt/held', 'wb') # deleted while it is open: an orphan
            held.write(b'h' * 100000)
            held.flush()
            os.fsync(held.fileno())
            os.unlink('mnt/held')
            os.sync()
            shutil.copy(image, 'live')
            held.close()
        shutil.copy('live', 'played')
        debugfs('played', 'jr', write=True)
        known = Map('live')
        orphan = [r.inode for r in known.of('file-data') if r.path.startswith('inode')]
        a = Agreement('live', known=known, truth='played', orphans=orphan)
        row(f'mounted, {name}', a)
        all_agree(f'mounted, {name}', a)
        assert '1 orphans, 1 of them without a name' in known.notes, known.notes
        same([r for r in known.regions if r.flags & BAD and not r.flags & OLD], [], f'{name}: wrong parts')
        print(f'  {check_journal("live", known, 0)} blocks of its log as logdump tells them')
        a = Agreement(image)
        row(f'unmounted, {name}', a)
        all_agree(f'unmounted, {name}', a)
        assert [r for r in a.map.of('journal-commit') if r.flags == OLD]


@case
def a_journal_on_another_device_is_told_on_both():
    """Only a block device can be one, and only a real mount writes it."""
    devices = []
    try:
        for name, args in (('log', ['-O', 'journal_dev', '-b', '4096']), ('image', None)):
            with open(name, 'wb') as f:
                f.truncate(16 << 20)
            r = run('losetup', '--find', '--show', name, status=None)
            if r.status:
                raise Skip('no loop devices here: ' + r.err.strip())
            devices.append(r.out.strip())
            tool('mke2fs', '-q', '-F', *(args or ['-t', 'ext4', '-b', '4096', '-N', '1536', '-J', 'device=' + devices[0]]), devices[-1])
        os.makedirs('mnt', exist_ok=True)
        r = run('mount', devices[1], 'mnt', status=None)
        if r.status:
            raise Skip('cannot mount here: ' + r.err.strip())
        with open('mnt/file', 'wb') as f:
            f.write(b'x' * 10000)
        os.sync()
        shutil.copy('image', 'live')
        shutil.copy('log', 'live-log')
        run('umount', 'mnt')
    finally:
        for d in devices:
            run('losetup', '--detach', d, status=None)
    known = Map('live')
    assert 'its journal is on another device' in known.notes and 'to be played' in known.notes, known.notes
    log = Map('live-log')
    same({(r.flags, r.home) for r in log.of('journal-data')}, {(0, -1)}, 'copies')
    assert log.of('journal-descriptor') and log.of('journal-commit') and 'the journal holds ' in log.notes, log.notes
    a = Agreement('image')
    all_agree('after it', a)


def busy():
    """Enough for the log to go round, with directories that grow and shrink."""
    for turn in range(6):
        os.makedirs(f'mnt/busy/{turn}')
        for i in range(300):
            with open(f'mnt/busy/{turn}/{"name" * 20}-{i}', 'wb') as f:
                f.write(b'%d' % i * 300)
        os.sync()
        for i in range(0, 300, 2):
            os.unlink(f'mnt/busy/{turn}/{"name" * 20}-{i}')
        os.symlink('y' * 1000, f'mnt/busy/{turn}/link')
        os.sync()


main()
