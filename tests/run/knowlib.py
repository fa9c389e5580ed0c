# SPDX-License-Identifier: BSD-2-Clause
"""What `blkscope explain` says of an image, for tests that hold it against what other programs say of it."""
import bisect, json, os
from harness import *

BLKSCOPE = BIN + '/blkscope'


class Map:
    """The map of an image: volumes, notes, and regions, each with offset, length, kind, number, home, flags, path, inode."""

    def __init__(self, image):
        self.image = image
        said = json.loads(run(BLKSCOPE, 'explain', '--json', '--map', image).out)
        self.volumes, self.notes = said['volumes'], said['notes']
        self.regions = []
        for r in said['regions']:
            r.update({'path': None, 'inode': None, 'home': None, **r.pop('file', {}), **r})
            self.regions.append(r)
        at = 0
        for r in self.regions: # they tile the disk
            same(r['offset'], at, 'offset of a region')
            at += r['length']
        same(at, os.path.getsize(image), 'end of the map')
        self.starts = [r['offset'] for r in self.regions]

    def at(self, offset):
        return self.regions[bisect.bisect_right(self.starts, offset) - 1]

    def of(self, kind, **more):
        return [r for r in self.regions if r['kind'] == kind and all(r.get(k) == v for k, v in more.items())]

    def total(self, kind, flags=None):
        return sum(r['length'] for r in self.of(kind) if flags is None or flags in r['flags'])

    def runs(self, *kinds):
        """Ranges of these kinds, those that touch in one."""
        out = []
        for r in self.regions:
            if r['kind'] in kinds:
                if out and out[-1][1] == r['offset']:
                    out[-1][1] += r['length']
                else:
                    out.append([r['offset'], r['offset'] + r['length']])
        return out

    def content(self, path, size):
        """A file's bytes, put together from where the map says that they are; with databases and logs inside of them."""
        with open(self.image, 'rb') as f:
            data = bytearray(size)
            for r in self.regions:
                if r['path'] == path and r['kind'] == 'file-data' and 'deleted' not in r['flags'] and r['home'] < size:
                    f.seek(r['offset'])
                    n = min(r['length'], size - r['home'])
                    data[r['home']:r['home'] + n] = f.read(n)
        return bytes(data)


def patch(image, offset, data):
    with open(image, 'r+b') as f:
        f.seek(offset)
        f.write(data)


def peek(image, offset, size):
    with open(image, 'rb') as f:
        f.seek(offset)
        return f.read(size)
