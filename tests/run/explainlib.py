# SPDX-License-Identifier: BSD-2-Clause
"""For the tests of explain on ext2, ext3 and ext4: what debugfs and dumpe2fs say of an image, held against its map."""
import os, random, re
from knowlib import *

# What mke2fs 1.47 comes with, whatever the machine's own says.
CONFIG = """[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
default_mntopts = acl,user_xattr
enable_periodic_fsck = 0
blocksize = 4096
inode_size = 256
inode_ratio = 16384
[fs_types]
ext3 = {
    features = has_journal
}
ext4 = {
    features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
"""


def tool(*argv, status=0, stdin=None):
    """A tool of e2fsprogs; it shall not ask, nor depend on the machine's settings."""
    if not os.path.exists('mke2fs.conf'):
        with open('mke2fs.conf', 'w') as f: # pylint: disable=unspecified-encoding
            f.write(CONFIG)
    return run(*argv, status=status, stdin=stdin, env=dict(os.environ, MKE2FS_CONFIG='mke2fs.conf', LC_ALL='C', TZ='UTC'), timeout=120)


def mkfs(image, size, *args, tree=None):
    if os.path.exists(image):
        os.unlink(image)
    with open(image, 'wb') as f:
        f.truncate(size)
    tool('mke2fs', '-q', '-F', *args, *(['-d', tree] if tree else []), image)
    return image


def debugfs(image, *commands, write=False):
    """The output of each command is not told apart; an error of one of them fails the test."""
    with open(image + '.cmds', 'w') as f: # pylint: disable=unspecified-encoding
        f.write('\n'.join(commands) + '\n')
    r = tool('debugfs', *(['-w'] if write else []), '-f', image + '.cmds', image)
    wrong = [line for line in r.err.splitlines() if not line.startswith('debugfs 1.') and not line.startswith('Allocated inode')]
    assert not wrong, f'debugfs {image}: {wrong}'
    return '\n'.join(line for line in r.out.splitlines() if not line.startswith('debugfs: '))


def in_parts(words, n=700):
    return [words[i:i + n] for i in range(0, len(words), n)]


def numbers(first, last):
    return range(int(first), int(last or first) + 1)


def owners(image, blocks):
    """The inode of each block, as debugfs finds it by looking at all inodes."""
    out = debugfs(image, *['icheck ' + ' '.join(map(str, part)) for part in in_parts(sorted(blocks))])
    return {int(m[1]): int(m[2]) for m in re.finditer(r'^(\d+)\t(\d+)$', out, re.M)}


def names(image, inodes):
    out = debugfs(image, *['ncheck ' + ' '.join(map(str, part)) for part in in_parts(sorted(inodes))])
    found = {}
    for m in re.finditer(r'^(\d+)\t(/.*)$', out, re.M):
        found.setdefault(int(m[1]), set()).add('/' + m[2].lstrip('/'))
    return found


class Groups:
    """What dumpe2fs says: for each block that has a place by geometry its kind and number; and the blocks that are free."""

    def __init__(self, image):
        out = tool('dumpe2fs', image).out
        head, _, groups = out.partition('\n\n\n')
        self.head = dict(re.findall(r'^([^:\n]+):\s*(.*)$', head, re.M))
        self.block = int(self.head['Block size'])
        self.cluster = int(self.head.get('Cluster size', self.block)) // self.block
        self.first, self.blocks = int(self.head['First block']), int(self.head['Block count'])
        self.used, self.free, self.unused, self.table = {}, set(), {}, {}
        if 'MMP block number' in self.head:
            self.used[int(self.head['MMP block number'])] = ('mmp', 0, 0)
        for text in re.split(r'^(?=Group \d+:)', groups, flags=re.M):
            m = re.match(r'Group (\d+): \(Blocks (\d+)-(\d+)\)(.*)', text)
            if m:
                self.group(int(m[1]), m[4], text)

    def group(self, number, flags, text):
        def put(kind, first, last, extra=0):
            for b in numbers(first, last):
                self.used[b] = (kind, number, extra)
        m = re.search(r'(Primary|Backup) superblock at (\d+)', text)
        if m:
            put('superblock', m[2], None, COPY if m[1] == 'Backup' else 0)
        for m in re.finditer(r'Group descriptors? at (\d+)(?:-(\d+))?', text):
            put('group-descriptors', m[1], m[2])
        for m in re.finditer(r'Reserved GDT blocks at (\d+)(?:-(\d+))?', text):
            put('reserved-gdt', m[1], m[2])
        put('block-bitmap', re.search(r'Block bitmap at (\d+)', text)[1], None, UNWRITTEN if 'BLOCK_UNINIT' in flags else 0)
        put('inode-bitmap', re.search(r'Inode bitmap at (\d+)', text)[1], None, UNWRITTEN if 'INODE_UNINIT' in flags else 0)
        m = re.search(r'Inode table at (\d+)-(\d+)', text)
        put('inode-table', m[1], m[2])
        self.table[number] = int(m[1])
        unused = re.search(r'(\d+) unused inodes', text)
        self.unused[number] = int(self.head['Inodes per group']) if 'INODE_UNINIT' in flags else int(unused[1]) if unused else 0
        m = re.search(r'Free blocks: (.*)', text)
        for part in m[1].split(', ') if m and m[1].strip() else []:
            m = re.match(r'(\d+)(?:-(\d+))?', part)
            # Of the last cluster it names the first block.
            self.free.update(range(int(m[1]), min(int(m[2] or m[1]) // self.cluster * self.cluster + self.cluster, self.blocks)))


JOURNAL = {'journal-superblock', 'journal-descriptor', 'journal-data', 'journal-commit', 'journal-revoke', 'journal-rest'}


class Agreement:
    """A map held against debugfs, block by block: used = agreed is what we want."""

    def __init__(self, image, known=None, truth=None, lost=(), orphans=()):
        """truth: another image to ask (the same one after its journal was played).  orphans: inodes that icheck passes over."""
        self.map, self.groups = known or Map(image), Groups(truth or image)
        g = self.groups
        self.at = self.map.by_block(g.block)
        self.cluster = g.cluster
        self.lost = set(lost)
        used = [b for b in range(g.first, g.blocks) if b not in g.free]
        self.used, self.agreed, self.wrong = len(used), 0, []
        self.owner = owners(truth or image, [b for b in used if b not in g.used or g.used[b][0] == 'reserved-gdt'])
        for inode in set(orphans):
            self.owner.update((int(b), inode) for b in debugfs(truth or image, f'blocks <{inode}>').split())
        self.names = names(truth or image, set(self.owner.values()))
        for b in used:
            why = self.judge(b, self.at[b])
            if why:
                self.wrong.append(f'block {b}: {why}; told as {self.at[b]}')
            else:
                self.agreed += 1
        for b in g.free:
            r = self.at[b]
            if r.kind != 'free' and not r.flags & DELETED:
                self.wrong.append(f'block {b} is free; told as {r}')

    def judge(self, b, r):
        """None: right."""
        if b in self.groups.used:
            kind, number, flags = self.groups.used[b]
            if (r.kind, r.number) != (kind, number):
                return f'dumpe2fs: {kind} of group {number}'
            want = self.table_flags(b, number) if kind == 'inode-table' else flags
            return f'dumpe2fs: flags {want}' if r.flags & UNWRITTEN != want & UNWRITTEN else None
        if b not in self.owner:
            return self.judge_lost(b, r)
        inode = self.owner[b]
        if r.kind in JOURNAL:
            return None if inode == int(self.groups.head.get('Journal inode', 0)) else f'icheck: inode {inode}'
        if r.inode != inode:
            # Inodes may share a block of attributes.
            return None if r.kind == 'xattr' and r.inode in self.owner.values() else f'icheck: inode {inode}'
        if r.path.startswith(('<', 'inode')):
            return f'ncheck: {self.names[inode]}' if inode in self.names else None
        return None if inode == 2 or r.path in self.names.get(inode, ()) else f'ncheck: {self.names.get(inode)}'

    def judge_lost(self, b, r):
        """Used, and of nobody: lost, or the rest of a cluster."""
        if b in self.lost:
            return None if r.flags & LOST else 'of no inode: lost'
        first = b - b % self.cluster
        others = [c for c in range(first, first + self.cluster) if c in self.owner or c in self.groups.used]
        if self.cluster > 1 and b == 0:
            return None if r.kind == 'boot' else 'boot block'
        if self.cluster > 1 and others:
            return None if r.flags & UNWRITTEN and not r.flags & LOST else 'the rest of a cluster'
        return 'of no inode'

    def table_flags(self, b, number):
        g = self.groups
        first = g.table[number]
        per = g.block // int(g.head.get('Inode size', 128))
        inodes = int(g.head['Inodes per group']) - g.unused[number]
        return UNWRITTEN if b - first >= -(-inodes // per) else 0


# --- content ---

def sparse(path, pieces):
    """A file of single blocks with holes between: each is an extent of its own."""
    rng = random.Random(path)
    with open(path, 'wb') as f:
        for i in range(pieces):
            f.seek(i * 131072)
            f.write(rng.randbytes(4096))


def make_tree(top):
    rng = random.Random(8)
    os.makedirs(top + '/dir/deep/er')
    os.makedirs(top + '/many')
    for i, size in enumerate([0, 1, 100, 4095, 4096, 4097, 30000, 65536, 200000, 700000]):
        with open(f'{top}/dir/file {i}', 'wb') as f:
            f.write(rng.randbytes(size))
    for i in range(400):
        with open(f'{top}/many/{i:03}-{"long-name-" * (i % 9)}', 'wb') as f:
            f.write(rng.randbytes(i % 7 * 500))
    sparse(top + '/dir/deep/er/holes', 120)
    sparse(top + '/dir/more-holes', 30)
    os.symlink('short', top + '/dir/short-link')
    os.symlink('x' * 300, top + '/dir/long-link')
    os.link(top + '/dir/file 9', top + '/dir/deep/hard link')
    os.mkfifo(top + '/dir/fifo')
    with open(top + '/dir/größe', 'w') as f: # pylint: disable=unspecified-encoding
        f.write('x' * 5000)
    for i, size in enumerate([30, 800]):
        path = f'{top}/dir/with-attr-{i}'
        with open(path, 'wb') as f:
            f.write(b'data' * 999)
        try:
            os.setxattr(path, 'user.some', b'v' * size)
        except OSError:
            pass # the folder's file system has none: such blocks come from debugfs, too
    return top


def check_content(known, image, tree):
    """What the map calls data of a file at an offset is just that."""
    bytes_seen = 0
    with open(image, 'rb') as f:
        for r in known.of('file-data'):
            if r.flags or not r.path.startswith('/') or not os.path.isfile(tree + r.path):
                continue
            f.seek(r.off)
            got = f.read(r.len)
            with open(tree + r.path, 'rb') as t:
                t.seek(r.home)
                want = t.read(r.len)
            assert got[:len(want)] == want and not any(got[len(want):]), f'{r}: its bytes are not those of the file'
            bytes_seen += len(want)
    return bytes_seen
