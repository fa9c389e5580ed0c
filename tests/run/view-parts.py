#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""The pictures and the window show what the parts of a disk are, when and where it was used, several disks on one clock; and the window
what happened to the block under the pointer."""
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


def bottom(picture):
    """The timeline."""
    return [bytes(r) for r in picture.rows[864:928]]


def shows_in(rows, colour):
    return any(bytes(colour) in row for row in rows)


@case
def heat_replaces_the_bars_and_nothing_else():
    with recording() as d:
        for name in 'log', 'rec':
            run(VIEW, f'{d}/{name}', f'--png={d}/plain.png')
            run(VIEW, f'{d}/{name}', f'--png={d}/heat.png', '--heat')
            plain, heat = Picture(d + '/plain.png'), Picture(d + '/heat.png')
            same(heat.rows[:840], plain.rows[:840])
            assert shows_in(bottom(heat), WRITE) and shows_in(bottom(heat), UNTOUCHED) and not shows_in(bottom(plain), UNTOUCHED)


@contextlib.contextmanager
def two_logs():
    """Of two disks: the second begins 2 s after the first, and ends 1 s after it."""
    with temp_dir() as d:
        a, b = Log(64 * MIB), Log()
        a.request('Write', 0, 4096)
        a.us = 3000000
        a.request('Write', 4096, 4096)
        b.us = 2000000
        b.connect(64 * MIB)
        b.request('Trim', 4096, 4096)
        b.us = 4000000
        b.request('Zero', 0, 4096)
        yield d, a.save(d + '/a.log'), b.save(d + '/b.log')


def tile(picture, n, cell):
    """In a cell of the n-th of two disks of 64 MiB: 128 cells on 479 pixels, the maps 20 apart."""
    return picture[76 + n * (479 + 20) + cell % 128 * 479 // 128 + 1, 77 + cell // 128 * 479 // 128 + 1]


@case
def disks_side_by_side_have_one_clock():
    with two_logs() as (d, a, b):
        seen = {}
        for at in '1', '2.5', '3.5', '4':
            run(VIEW, a, f'--also={b}', f'--png={d}/p.png', f'--at={at}')
            p = Picture(d + '/p.png')
            seen[at] = [[tile(p, n, cell) == c for cell, c in enumerate(colours)] for n, colours in enumerate([(WRITE, WRITE), (ZERO, TRIM)])]
        same(seen, {'1': [[True, False], [False, False]], '2.5': [[True, False], [False, True]], '3.5': [[True, True], [False, True]],
                    '4': [[True, True], [False, True]]})
        run(VIEW, a, f'--also={b}', f'--png={d}/p.png')
        same(tile(Picture(d + '/p.png'), 1, 0), ZERO)
        run(VIEW, b, f'--also={a}', f'--png={d}/q.png', '--heat') # the clock is the same, whichever is the first
        same(tile(Picture(d + '/q.png'), 1, 1), WRITE)


@case
def a_strip_of_several_disks_has_them_side_by_side():
    with two_logs() as (d, a, b):
        for first, other, order in (a, b, 1), (b, a, -1):
            run(VIEW, first, f'--also={other}', f'--strip={d}/s.png', '--at=1,2.5,4.5')
            p = Picture(d + '/s.png')
            # three frames, two in a row; of each two maps of 385 pixels for 128 cells
            got = [[[p[28 + f % 2 * (790 + 28) + n * (385 + 20) + cell * 385 // 128 + 1, at + 1] for cell in (0, 1)] for n in (0, 1)]
                   for f, at in ((0, 54), (1, 54), (2, 571))]
            want = [[[WRITE, UNTOUCHED], [UNTOUCHED, UNTOUCHED]], [[WRITE, UNTOUCHED], [UNTOUCHED, TRIM]], [[WRITE, WRITE], [ZERO, TRIM]]]
            same(got, [w[::order] for w in want])


@case
def what_several_disks_cannot_do_is_said():
    with two_logs() as (d, a, b):
        for args, word in ((['--dump'], '--also'), (['--summary'], '--also'),
                           ([f'--png={d}/p.png', f'--also={d}/none'], 'none'), ([f'--png={d}/p.png', *[f'--also={b}'] * 15], '16')):
            r = run(VIEW, a, f'--also={b}', *args, status=1)
            assert len(r.err.splitlines()) == 1 and word in r.err, r.err
        nothing = Log()
        nothing.line('connection=1 Disconnect transactions=0')
        r = run(VIEW, a, '--also=' + nothing.save(d + '/empty.log'), f'--png={d}/p.png', status=1)
        assert 'empty.log' in r.err and 'size' in r.err, r.err
        assert not os.path.exists(d + '/p.png') and not os.path.exists(d + '/s.png')


@case
def the_window_shows_disks_side_by_side_and_time_as_a_map():
    with two_logs() as (d, a, b):
        with Window(d, a, f'--also={b}') as w:
            until('both disks', lambda: (tile(w.shot(), 0, 1), tile(w.shot(), 1, 0)) == (WRITE, ZERO))
            assert not shows_in(bottom(w.shot()), UNTOUCHED)
            w.key('t')
            until('time as a map', lambda: shows_in(bottom(w.shot()), UNTOUCHED))
            w.key('space')
            w.xdo('mousemove', '--window', w.id, str(76 + 1347 * 5 // 8), '880', 'click', '1') # at 2.5 s of 4
            until('the middle', lambda: (tile(w.shot(), 0, 1), tile(w.shot(), 1, 0)) == (UNTOUCHED, UNTOUCHED))
            same((tile(w.shot(), 0, 0), tile(w.shot(), 1, 1)), (WRITE, TRIM))
            w.key('t')
            until('bars', lambda: not shows_in(bottom(w.shot()), UNTOUCHED))
            before = [bytes(row[3 * 1090:]) for row in w.shot().rows[300:700]]
            w.xdo('mousemove', '--window', w.id, str(76 + 479 + 20 + 4), '79') # on the second disk
            until('the panel of one disk', lambda: [bytes(row[3 * 1090:]) for row in w.shot().rows[300:700]] != before)
            w.key('q')
            w.ends()


main()
