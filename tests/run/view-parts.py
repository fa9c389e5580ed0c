#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""The pictures and the window show what the parts of a disk are, and the window what happened to the block under the pointer."""
import rawnbd
from windowlib import *

MIB = 1 << 20
TABLE = rgb('f0e442') # the default palette's outline of a partition table


def mbr():
    """A master boot record with one partition, from 1 MiB on."""
    entry = struct.pack('<B3sB3sII', 0, b'\0\2\0', 0x83, b'\0\0\0', 2048, 63 * 2048)
    return bytes(446) + entry + bytes(48) + b'\x55\xaa'


@contextlib.contextmanager
def recording():
    """Of a disk whose first block becomes a partition table, 100 ms after another block was written."""
    with temp_dir() as d:
        with Server('--filter=log', '--filter=record', 'memory', '64M', f'logfile={d}/log', f'recordfile={d}/rec') as s:
            with rawnbd.up(s.sock) as c:
                same(c.write(5 * 4096, b'\x41' * 4096), 0)
                same(c.write(5 * 4096, b'\x42' * 4096), 0)
                time.sleep(0.3)
                same(c.write(0, mbr()), 0)
        yield d


def edge(picture):
    """The outline of the first cell, just inside of the map's frame."""
    return picture[76 + 3, 60]


@case
def the_parts_of_a_recorded_disk_are_outlined():
    with recording() as d:
        plain, parts, early = (Picture(d + '/' + n) for n in shoot(d))
        same(edge(parts), TABLE)
        assert edge(plain) != TABLE and edge(early) != TABLE
        same(parts.rows[:58], plain.rows[:58], 'the caption')
        same([bytes(r[3 * 860:]) for r in parts.rows[:850]], [bytes(r[3 * 860:]) for r in plain.rows[:850]], 'the panel')


def shoot(d):
    run(VIEW, d + '/rec', f'--png={d}/plain.png')
    run(VIEW, d + '/rec', f'--png={d}/parts.png', '--structure')
    run(VIEW, d + '/rec', f'--png={d}/early.png', '--structure', '--at=0.1')
    return 'plain.png', 'parts.png', 'early.png'


@case
def an_image_tells_what_a_log_cannot():
    with recording() as d:
        with open(d + '/image', 'wb') as f:
            f.write(mbr())
            f.truncate(64 * MIB)
        r = run(VIEW, d + '/log', f'--png={d}/no.png', '--structure', status=1)
        assert len(r.err.splitlines()) == 1 and '--disk=IMAGE' in r.err, r.err
        assert not os.path.exists(d + '/no.png')
        run(VIEW, d + '/log', f'--png={d}/yes.png', '--structure', f'--disk={d}/image')
        same(edge(Picture(d + '/yes.png')), TABLE)
        r = run(VIEW, d + '/log', f'--png={d}/no.png', '--structure', f'--disk={d}/nothing', status=1)
        assert 'nothing' in r.err, r.err


@case
def a_strip_shows_each_moments_parts():
    with recording() as d:
        run(VIEW, d + '/rec', f'--strip={d}/strip.png', '--at=100ms,10', '--structure')
        p = Picture(d + '/strip.png') # two frames side by side, at 28 and 28 + 384 + 28
        assert p[28 + 1, 28] != TABLE
        same(p[28 + 384 + 28 + 1, 28], TABLE)


@case
def the_window_outlines_parts_when_asked():
    with recording() as d:
        with Window(d, d + '/rec') as w:
            w.shows('the write', {5: WRITE})
            assert edge(w.shot()) != TABLE
            w.key('s')
            until('the partition table', lambda: edge(w.shot()) == TABLE)
            w.key('space', 'Home') # else it goes on from there, soon past the table's write
            until('no partition table yet', lambda: edge(w.shot()) != TABLE)
            w.key('End')
            until('the partition table again', lambda: edge(w.shot()) == TABLE)
            w.key('s')
            until('no outlines', lambda: edge(w.shot()) != TABLE)
            w.key('q')
            w.ends()


@case
def the_window_tells_what_happened_to_a_block():
    with recording() as d:
        with Window(d, d + '/rec') as w:
            w.shows('the write', {5: WRITE})
            w.xdo('mousemove', '--window', w.id, '1430', '5')
            panel = lambda p: [bytes(row[3 * 880:]) for row in p.rows[540:840]]
            until('an empty place in the panel', lambda: len(set(panel(w.shot()))) == 1)
            # block 5 was written twice; the picture of it goes on with its bytes
            w.xdo('mousemove', '--window', w.id, str(76 + 5 * 6 + 3), '63')
            until('what happened to the block', lambda: len(set(panel(w.shot()))) > 20)
            twice = panel(w.shot())
            w.key('space', *['comma'] * 5) # the end of the connection, and both ends of a write elsewhere; then the second write's
            until('less had happened', lambda: panel(w.shot()) != twice)
            w.key('q')
            w.ends()


@case
def the_window_of_a_log_says_that_it_has_no_bytes():
    with recording() as d:
        with Window(d, d + '/log') as w:
            w.shows('the write', {5: WRITE})
            w.key('s')
            until('a word about it', lambda: '--disk=IMAGE' in read_file(d + '/err'))
            w.key('q')
            w.ends()


main()
