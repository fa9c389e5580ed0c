#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""The viewer on recordings: the same picture as of the log of the same session, captions from marks; torn, damaged and
growing ones."""
import re
import rawnbd
from windowlib import *

MIB = 1 << 20


def mark(path, text):
    run(BIN + '/blkscope', 'mark', f'--recording={path}', text)


FIRST_PART = 2 + 1 + 200 * 2 + 2 # events: connections, a mark, writes begun and ended, a flush


class Session:
    """One server with both filters; three parts with pauses between them.  pause[i]: a moment in the one behind part i."""

    def __init__(self, d):
        self.log, self.rec, self.pause = d + '/log', d + '/rec', []
        with Server('--filter=log', '--filter=record', '--filter=error', '--filter=delay', 'memory', '64M', f'logfile={self.log}',
                    f'recordfile={self.rec}', 'error-cache-rate=100%', 'rdelay=1200ms') as s:
            with rawnbd.up(s.sock) as a, rawnbd.up(s.sock) as b:
                mark(self.rec, 'the first part')
                for n in range(200):
                    same((a if n % 3 else b).write(n * 12288, bytes([n]) * 8000), 0)
                same(a.call(rawnbd.FLUSH), 0)
                self.rest()
                mark(self.rec, 'a read and a failure')
                reading = b.request(rawnbd.READ, 32 * MIB, 65536)
                same(a.call(rawnbd.CACHE, 33 * MIB, 8192), rawnbd.EIO)
                self.rest()
                same(b.simple(), (0, reading))
                b.recv(65536)
                mark(self.rec, 'trim and zero')
                same(a.call(rawnbd.TRIM, 0, MIB), 0)
                same(a.call(rawnbd.ZERO, MIB // 2, 64 * 1024), 0)
                same(a.write(40 * MIB, b'x' * 4096, rawnbd.FUA), 0)
                self.rest()

    def rest(self):
        time.sleep(0.25) # longer than the recorder collects: the next part is in another chunk
        self.pause.append(time.time_ns())
        time.sleep(0.05)


@contextlib.contextmanager
def session():
    with temp_dir() as d:
        yield d, Session(d)


def start_of(dump):
    return int(dump.split(' start=')[1].split()[0].replace('.', ''))


def dump(path, *args, **kw):
    return run(VIEW, path, '--dump', *args, **kw).out


def shown(dump):
    """What is there to be seen: without times, and counts of lines that are in a log only."""
    return [line for line in dump.split('\n') if line.startswith(('disk', 'total', 'pixel', 'requests'))]


@case
def a_recording_looks_as_the_log_of_the_session_does():
    with session() as (d, s):
        whole = [dump(f) for f in (s.log, s.rec)]
        same(shown(whole[1]), shown(whole[0]))
        assert any(' in_flight=0 ' in line for line in shown(whole[0])) and ' errors=1 ' in whole[0]
        for i, then in enumerate(s.pause):
            at = [dump(f, f'--at={(then - start_of(w)) / 1e9:.9f}') for f, w in zip((s.log, s.rec), whole)]
            same(shown(at[1]), shown(at[0]), f'in pause {i}')
            same(' in_flight=1 ' in at[1], i == 1, 'the read that takes its time')
        for more in ([], ['--hilbert', '--palette=classic']):
            for f in (s.log, s.rec):
                run(VIEW, f, f'--png={f}.png', '--at=100', '--steps=/dev/null', *more)
            log, rec = Picture(s.log + '.png'), Picture(s.rec + '.png')
            # to the right of x = 860 and above y = 100 it says how long it all took; the timeline is below y = 850
            same([row[:3 * 860] for row in rec.rows[:850]] + rec.rows[100:850], [row[:3 * 860] for row in log.rows[:850]] + log.rows[100:850])


@case
def marks_are_captions():
    with session() as (d, s):
        lines = run(VIEW, s.rec, '--summary').out.split('\n')
        same([line[:29].split() for line in lines[1:4]], [['1', 'the', 'first', 'part'], ['2', 'a', 'read', 'and', 'a', 'failure'],
                                                         ['3', 'trim', 'and', 'zero']])
        counts = [line[56:].split() for line in lines[1:5]]
        same([(c[0], c[3]) for c in counts], [('0', '200'), ('1', '0'), ('0', '1'), ('1', '201')], 'reads and writes')
        # a file of steps is taken instead, and the log's table is the same
        with open(d + '/steps', 'w') as f:
            for i, then in enumerate([0] + s.pause[:-1]):
                f.write(f'@{then // 10**9}.{then % 10**9:09} part {i}\n')
        tables = [run(VIEW, f, '--summary', f'--steps={d}/steps').out.split('\n') for f in (s.log, s.rec)]
        cut = lambda table: [line[:46] + line[56:] for line in table] # how long it took
        same(cut(tables[1]), cut(tables[0]))
        assert 'part 2' in tables[1][3], tables[1]
        run(VIEW, s.rec, f'--strip={d}/strip.png')
        p = Picture(d + '/strip.png')
        assert p.w > 1000 and WRITE in {p[x, 32] for x in range(24, 440)}, 'three frames, and the writes'
        r = run(VIEW, s.log, f'--strip={d}/no.png', status=1)
        assert len(r.err.splitlines()) == 1 and 'no moments' in r.err, r.err
        r = run(VIEW, s.rec, '--summary', '--steps=/dev/null')
        same(len(r.out.splitlines()), 2, 'an empty file of steps: no captions')


def differ(a, b):
    """How many of some thousand pixels of the map are clearly of another colour."""
    return sum(any(abs(p - q) > 60 for p, q in zip(a[x, y], b[x, y])) for x in range(24, 1400, 9) for y in range(110, 840, 9))


@case
def a_film_of_a_recording_shows_each_moment():
    if not shutil.which('ffmpeg') or not shutil.which('ffprobe'):
        raise Skip('needs ffmpeg')
    with session() as (d, s):
        r = run(VIEW, s.rec, f'--video={d}/v.mp4', '--fps=4', '--speed=0.5', timeout=100) # a picture for each eighth of a second
        count = int(re.search(r'(\d+) of (\d+) pictures', r.err)[2])
        r = run('ffprobe', '-v', 'error', '-count_frames', '-select_streams', 'v', '-of', 'csv=p=0', '-show_entries',
                'stream=r_frame_rate,nb_read_frames', d + '/v.mp4')
        same(r.out.strip().split(','), ['4/1', str(count)])
        start = start_of(dump(s.rec))
        frames = [round((then - start) / 125e6) for then in s.pause] # nothing changes there: a picture fits exactly
        for n in frames:
            run('ffmpeg', '-v', 'error', '-y', '-i', d + '/v.mp4', '-vf', f'select=eq(n\\,{n})', '-frames:v', '1', '-pix_fmt', 'rgb24', f'{d}/{n}.png')
            run(VIEW, s.rec, f'--png={d}/at-{n}.png', f'--at={n / 8}')
        films, stills = ([Picture(f'{d}/{p}{n}.png') for n in frames] for p in ('', 'at-'))
        for i, film in enumerate(films):
            away = [differ(film, still) for still in stills]
            assert away[i] < 12 and sorted(away)[1] > 20, f'picture {frames[i]}: {away}'


@case
def a_torn_recording_shows_what_is_whole():
    with session() as (d, s):
        with open(s.rec, 'rb') as f:
            data = f.read()
        rng, full, before = random.Random(7), dump(s.rec), -1
        for n in sorted({*range(0, 200, 7), *(rng.randrange(len(data)) for _ in range(25)), len(data) - 1}):
            with open(d + '/torn', 'wb') as f:
                f.write(data[:n])
            r = run(VIEW, d + '/torn', '64M', '--dump', status=None)
            assert r.status in (0, 1) and (r.status == 0 or len(r.err.splitlines()) == 1), (n, r.status, r.err)
            same(r.status == 1, 0 < n < 96 and n >= 4, f'{n} bytes: {r.err}')
            if r.status == 0 and n >= 96:
                events = int(r.out.split('events=')[1].split()[0])
                assert events >= before, (n, events, before)
                before = events
                if events == int(full.split('events=')[1].split()[0]):
                    same(shown(r.out), shown(full))
        assert before > 400, before


def chunks(data):
    """(offset, kind, number of its first event) of each."""
    at = 0
    while at + 64 <= len(data):
        magic, kind, stored = data[at:at + 4], data[at + 4], struct.unpack('<I', data[at + 8:at + 12])[0]
        same(magic, b'REC1')
        yield at, kind, struct.unpack('<Q', data[at + 24:at + 32])[0]
        at += 64 + (stored + 7 & ~7)


@case
def a_damaged_chunk_is_a_gap():
    with session() as (d, s):
        with open(s.rec, 'rb') as f:
            data = bytearray(f.read())
        full, events = dump(s.rec), [c for c in chunks(data) if c[1] == 3]
        first = [c for c in events if c[2] < FIRST_PART] # one, but on a slow machine
        assert len(events) - len(first) >= 2, events
        for what in (70, 20): # of its body, and of its head
            bad = data[:]
            for c in first:
                bad[c[0] + what] ^= 1
            with open(d + '/bad', 'wb') as f:
                f.write(bad)
            r = run(VIEW, d + '/bad', '64M', '--dump')
            assert ' events are missing' in r.err, r.err
            lines = shown(r.out)
            assert 'total trim requests=1 bytes=1048576' in lines and 'total write requests=1 bytes=4096' in lines, lines[:8]
            assert lines[-1].startswith('pixel 10240 write') and ' lost=0 ' not in r.out
        # the next one: the read began in it, and was under way when the next began
        bad = data[:]
        bad[events[len(first)][0] + 70] ^= 1
        with open(d + '/bad', 'wb') as f:
            f.write(bad)
        r = run(VIEW, d + '/bad', '--dump')
        same([line for line in shown(r.out) if 'total' in line], [line for line in shown(full) if 'total' in line])
        # bits anywhere
        rng = random.Random(8)
        for _ in range(25):
            bad = data[:]
            bad[rng.randrange(4, len(bad))] ^= 1 << rng.randrange(8)
            with open(d + '/bad', 'wb') as f:
                f.write(bad)
            r = run(VIEW, d + '/bad', '64M', '--dump', status=None)
            assert r.status in (0, 1), (r.status, r.err)


@case
def a_growing_recording_is_followed_and_gone_through():
    with temp_dir() as d:
        rec = d + '/rec'
        with Window(d, rec) as w, Server('--filter=record', 'memory', '64M', f'recordfile={rec}') as s, rawnbd.up(s.sock) as c:
            same(c.write(0, bytes(4096)), 0)
            w.shows('the first write', {0: WRITE, 1: UNTOUCHED})
            caption = lambda: [bytes(row[3 * 76:3 * 700]) for row in w.shot().rows[12:48]]
            before = caption()
            mark(rec, 'a mark')
            until('the mark', lambda: caption() != before)
            same(c.write(4096, bytes(4096)), 0)
            same(c.call(rawnbd.FLUSH), 0)
            same(c.write(8192, bytes(4096)), 0)
            mark(rec, 'the second mark')
            same(c.write(12288, bytes(4096)), 0)
            w.shows('all', {0: WRITE, 1: WRITE, 2: WRITE, 3: WRITE})
            w.key('Prior')
            w.shows('the second mark', {2: WRITE, 3: UNTOUCHED})
            w.key('Prior')
            w.shows('the first mark', {0: WRITE, 1: UNTOUCHED})
            w.key('Next')
            w.shows('the second mark again', {2: WRITE, 3: UNTOUCHED})
            w.key('shift+comma')
            w.shows('the flush', {1: WRITE, 2: UNTOUCHED})
            w.key('Home', 'shift+period')
            w.shows('the flush again', {1: WRITE, 2: UNTOUCHED})
            w.key('End')
            w.shows('the end', {3: WRITE})
            w.key('r')
            w.shows('the beginning, backwards', {0: UNTOUCHED, 1: UNTOUCHED, 3: UNTOUCHED})
            w.key('r')
            w.shows('the end, forwards', {0: WRITE, 1: WRITE, 3: WRITE})
            w.key('q')
            w.ends()


main()
