# SPDX-License-Identifier: BSD-2-Clause
"""What `blkscope explain` says of an image, for tests that hold it against what other programs say of it."""
import bisect, json, os
from harness import *

BLKSCOPE = BIN + '/blkscope'
COPY, BAD, DELETED, UNWRITTEN, OLD, LOST, UNCOMMITTED = 1, 2, 4, 8, 16, 32, 64
FLAGS = {'copy': COPY, 'bad': BAD, 'deleted': DELETED, 'unwritten': UNWRITTEN, 'old': OLD, 'lost': LOST, 'uncommitted': UNCOMMITTED}


class Region:
    __slots__ = 'off', 'len', 'kind', 'flags', 'number', 'home', 'inode', 'path', 'words'

    def __init__(self, told):
        self.off, self.len, self.kind, self.number, self.words = (told[k] for k in ('offset', 'length', 'kind', 'number', 'words'))
        self.flags = sum(FLAGS[f] for f in told['flags'])
        self.home = told.get('home', -1)
        self.inode, self.path = told.get('file', {}).get('inode', 0), told.get('file', {}).get('path', '')

    def __repr__(self):
        return f'{self.kind} {self.off}+{self.len} flags {self.flags} number {self.number} home {self.home} inode {self.inode} {self.path}'

    def same(self):
        return self.off, self.len, self.kind, self.flags, self.number, self.home, self.inode, self.path

    def has(self, flag):
        return self.flags & flag != 0


class Map:
    """The map of an image: volumes, as they are told, notes, a text, and regions."""

    def __init__(self, image, timeout=60):
        self.image = image
        told = json.loads(run(BLKSCOPE, 'explain', '--map', '--json', image, timeout=timeout).out)
        self.notes, self.volumes = '\n'.join(told['notes']), told['volumes']
        self.regions = [Region(r) for r in told['regions']]
        at = 0
        for region in self.regions: # they tile the disk
            same(region.off, at, 'a region begins where the one before ends')
            at += region.len
        same(at, os.path.getsize(image), 'the regions end where the disk ends')
        self.starts = [r.off for r in self.regions]

    def at(self, offset):
        return self.regions[bisect.bisect_right(self.starts, offset) - 1]

    def by_block(self, size):
        """The region of each block; of one that is not whole (the first), that of its last byte."""
        found = {}
        for r in self.regions:
            for block in range(r.off // size, (r.off + r.len) // size):
                found[block] = r
        return found

    def of(self, kind, number=None):
        return [r for r in self.regions if r.kind == kind and number in (None, r.number)]

    def runs(self, *kinds):
        """Ranges of these kinds, those that touch in one."""
        out = []
        for r in self.regions:
            if r.kind in kinds:
                if out and out[-1][1] == r.off:
                    out[-1][1] += r.len
                else:
                    out.append([r.off, r.off + r.len])
        return out

    def content(self, path, size):
        """A file's bytes, put together from where the map says that they are; with databases and logs inside of them."""
        with open(self.image, 'rb') as f:
            data = bytearray(size)
            for r in self.regions:
                if r.path == path and r.kind == 'file-data' and not r.has(DELETED) and r.home < size:
                    f.seek(r.off)
                    n = min(r.len, size - r.home)
                    data[r.home:r.home + n] = f.read(n)
        return bytes(data)


def patch(image, offset, data):
    with open(image, 'r+b') as f:
        f.seek(offset)
        f.write(data)


def peek(image, offset, size):
    with open(image, 'rb') as f:
        f.seek(offset)
        return f.read(size)
