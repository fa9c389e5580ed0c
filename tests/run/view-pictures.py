#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the viewer writes without a display: pictures, strips, films, sums; and what it says when it cannot."""
import resource
from viewlib import *

ASAN = MODE != 'plain' # a sanitizer reserves terabytes of addresses


def session(d):
    """Six seconds: write, read, trim, zero, a failure."""
    log = Log(1 << 26)
    for at, op, off, count, err in ((1, 'Write', 0, 65536, None), (2, 'Read', 1 << 20, 65536, None), (3, 'Trim', 2 << 20, 1 << 20, None),
                                    (4, 'Zero', 4 << 20, 1 << 20, None), (5, 'Write', 6 << 20, 8192, 'EIO'), (6, 'Flush', 0, 0, None)):
        log.us = at * 1_000_000
        log.request(op, off, count, err)
    return log.save(d + '/log')


@case
def two_runs_give_the_same_bytes():
    with temp_dir() as d:
        log = random_log(1 << 26, 3000, 'png').save(d + '/log')
        for args in (['--png={}'], ['--png={}', '--at=2.5', '--palette=classic', '--hilbert'], ['--png={}', '--width=100'],
                     ['--strip={}', '--at=1,2,3']):
            for out in ('a', 'b'):
                run(VIEW, log, *[a.format(f'{d}/{out}.png') for a in args])
            with open(d + '/a.png', 'rb') as a, open(d + '/b.png', 'rb') as b:
                assert a.read() == b.read(), args
        same(sorted(os.listdir(d)), ['a.png', 'b.png', 'log'], 'nothing else is left')


@case
def a_picture_has_the_palettes_colours_where_the_dump_says():
    with temp_dir() as d:
        log = session(d)
        run(VIEW, log, f'--png={d}/p.png', '--at=100')
        p = Picture(d + '/p.png')
        same((p.w, p.h), (1440, 960))
        for n, colour, dx in ((0, WRITE, 3), (15, WRITE, 3), (16, UNTOUCHED, 3), (256, UNTOUCHED, 3), (1024, ZERO, 0), (1536, UNTOUCHED, 3)):
            same(p.cell(n, dx=dx), colour, f'cell {n}')
        assert TRIM in [p.cell(512, dx=i) for i in range(6)]
        run(VIEW, log, f'--png={d}/p.png', '--at=100', '--palette=classic')
        p = Picture(d + '/p.png')
        same((p.cell(0), p.cell(1024, dx=0), p.cell(9000)), (rgb('ff0000'), rgb('ffffff'), rgb('c9c9c9')))


@case
def reads_flash_and_failures_show():
    with temp_dir() as d:
        log = session(d)
        run(VIEW, log, f'--png={d}/p.png', '--at=2.0005') # in flight
        same(Picture(d + '/p.png').cell(256), READ)
        run(VIEW, log, f'--png={d}/p.png', '--at=2.001')
        same(Picture(d + '/p.png').cell(256), READ)
        run(VIEW, log, f'--png={d}/p.png', '--at=2.251')
        half = Picture(d + '/p.png').cell(256)
        assert all(u < x < r for u, x, r in zip(UNTOUCHED, half, READ)), half
        run(VIEW, log, f'--png={d}/p.png', '--at=5.001')
        p = Picture(d + '/p.png')
        same(p.cell(1536, 2, 2), ERROR)
        same(p.cell(256), UNTOUCHED)


@case
def sixteen_tib_take_bounded_memory():
    def limit():
        if not ASAN:
            resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
    with temp_dir() as d:
        log = random_log(1 << 44, 20000, 'large', longest=1 << 30).save(d + '/log')
        p = subprocess.run([VIEW, log, f'--png={d}/p.png'], preexec_fn=limit, capture_output=True, timeout=60 * SLOWER)
        same((p.returncode, p.stderr.count(b'error: '), p.stderr.count(b'beyond the disk')), (0, 1, 1), p.stderr)
        assert 'blocks_per_pixel=8192' in run(VIEW, log, '--dump').out
        Picture(d + '/p.png')


@case
def every_size_that_a_disk_can_have():
    with temp_dir() as d:
        for size in (0, 1, 512, (1 << 62), (1 << 63) - 1):
            log = Log(size)
            log.request('Write', max(0, size - 512), 512)
            log.request('Trim', 0, size)
            path = log.save(d + '/log')
            assert f'disk size={size} ' in run(VIEW, path, '--dump').out
            run(VIEW, path, f'--png={d}/p.png')
            run(VIEW, path, f'--strip={d}/s.png', '--at=0,1', '--hilbert')


@case
def gigabytes_of_one_line_are_skipped():
    with temp_dir() as d:
        path = d + '/log'
        with open(path, 'w') as f: # a hole reads as bytes without a newline
            f.truncate(2 << 30)
            f.seek(0, 2)
            log = Log(1 << 26)
            log.request('Write', 0, 4096)
            f.write('\n' + ''.join(log.text))
        def limit():
            if not ASAN:
                resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
        p = subprocess.run([VIEW, path, '--dump'], preexec_fn=limit, capture_output=True, text=True, timeout=100 * SLOWER)
        same(p.returncode, 0, p.stderr)
        assert 'lines=4 bad=0 overlong=1' in p.stdout and 'pixel 0 write' in p.stdout, p.stdout


@case
def the_strip_has_a_frame_a_step():
    with temp_dir() as d:
        log = session(d)
        with open(d + '/steps', 'w') as f:
            f.write('# what was done\n0 write something\n1.5 read it\n@1767225602.5 trim\n3500ms zero and fail\n')
        run(VIEW, log, f'--strip={d}/s.png', f'--steps={d}/steps')
        p = Picture(d + '/s.png')
        at = [(28 + i * (384 + 28), 28) for i in range(4)]
        same([p[x + 1, y + 1] for x, y in at], [WRITE] * 4)               # block 0, from the first step on
        trim = [p[x + 1, y + 4 * 3 + 1] for x, y in at]                   # block 512 is in row 4
        same(trim, [UNTOUCHED, UNTOUCHED, TRIM, TRIM])
        same(p[at[3][0] + 1, 28 + 8 * 3 + 1], ZERO)
        lit = p[at[1][0] + 1, 28 + 2 * 3 + 1]                             # where step 2 read
        assert lit[2] > 2 * UNTOUCHED[2], lit
        same(p[at[0][0] + 1, 28 + 2 * 3 + 1], UNTOUCHED)


@case
def the_summary_adds_up():
    with temp_dir() as d:
        log = session(d)
        with open(d + '/steps', 'w') as f:
            f.write('1.5 read\n2.5 trim, zero\n4.5 fail\n')
        text = run(VIEW, log, f'--steps={d}/steps', '--summary').out.splitlines()
        rows = {x.split()[0]: x for x in text[1:]}
        same(list(rows), ['-', '1', '2', '3', 'total'])
        same(rows['-'][46:].split(), '0:01.500 0 0 B 1 64 KiB 16 0 0 B 0 0 B 0 0'.split())
        same(rows['1'][46:].split(), '0:01.000 1 64 KiB 0 0 B 0 0 0 B 0 0 B 0 0'.split())
        same(rows['2'][46:].split(), '0:02.000 0 0 B 0 0 B 0 1 1 MiB 1 1 MiB 0 0'.split())
        same(rows['3'][46:].split(), '0:01.501 0 0 B 0 0 B 0 0 0 B 0 0 B 1 1'.split())
        same(rows['total'][46:].split(), '0:06.001 1 64 KiB 1 64 KiB 16 1 1 MiB 1 1 MiB 1 1'.split())


@case
def distinct_blocks_are_counted_once():
    with temp_dir() as d:
        log = Log(1 << 26)
        for _ in range(5):
            log.request('Write', 4096, 8192)
        log.request('Trim', 0, 1 << 20)
        log.request('Write', 4096, 1)
        row = run(VIEW, log.save(d + '/log'), '--summary').out.splitlines()[-1]
        same(row[46:].split()[4:8], ['6', '40', 'KiB', '2'])


@case
def a_film_has_the_pictures_it_should():
    if not shutil.which('ffmpeg') or not shutil.which('ffprobe'):
        raise Skip('needs ffmpeg')
    with temp_dir() as d:
        log = session(d)
        r = run(VIEW, log, f'--video={d}/v.mp4', '--fps=5', '--speed=3', timeout=100)
        assert '21 of 21 pictures' in r.err and '\r' not in r.err, r.err # 6 s at 3, 2 s to fade, at 5 a second, and the first
        r = run('ffprobe', '-v', 'error', '-count_frames', '-select_streams', 'v', '-of', 'csv=p=0', '-show_entries',
                'stream=width,height,r_frame_rate,nb_read_frames', d + '/v.mp4')
        same(r.out.strip().split(','), ['1440', '960', '5/1', '21'])
        run('ffmpeg', '-v', 'error', '-i', d + '/v.mp4', '-vf', 'select=eq(n\\,20)', '-frames:v', '1', '-pix_fmt', 'rgb24', d + '/last.png')
        got = Picture(d + '/last.png').cell(1)
        assert all(abs(a - b) < 24 for a, b in zip(got, WRITE)), got


@case
def without_a_working_ffmpeg_there_is_one_clear_line():
    if os.environ.get('UNDER'):
        raise Skip('posix_spawn() cannot tell there of a program that is missing')
    with temp_dir() as d:
        log = session(d)
        os.mkdir(d + '/bin')
        r = run(VIEW, log, f'--video={d}/v.mp4', status=1, env={'PATH': d + '/bin'})
        same(r.err.strip(), 'nbdview: error: --video needs the program ffmpeg: No such file or directory')
        for script, words in (('exit 3', 'ffmpeg failed with status 3'), ('kill -9 $$', 'ffmpeg was ended by signal 9')):
            with open(d + '/bin/ffmpeg', 'w') as f:
                f.write(f'#!/bin/sh\n{script}\n')
            os.chmod(d + '/bin/ffmpeg', 0o755)
            r = run(VIEW, log, f'--video={d}/v.mp4', status=1, env={'PATH': d + '/bin'})
            assert r.err.splitlines()[-1] == f'nbdview: error: {words}', r.err


@case
def a_bad_command_line_is_one_line_and_status_1():
    with temp_dir() as d:
        log = session(d)
        empty = d + '/empty'
        open(empty, 'w').close()
        with open(d + '/steps', 'w') as f:
            f.write('soon something\n')
        for args in ([], [log, '64M', 'more'], [log, '1.5', '--dump'], [log, '--palette=grey', '--dump'], [log, '--at=soon', '--dump'],
                     [log, '--at=1,2', '--dump'], [log, '--at=1'], [log, '--strip=x.png'], [log, '--width=5', '--dump'],
                     [log, '--width=0', '--dump'], [log, '--fps=0', '--video=x'], [log, '--speed=0', '--video=x'], [log, '--replay=fast'],
                     [log, '--what'], [log, '--png'], [log, '--png=/no/such/dir/x.png'], ['/no/such/log', '--dump'], [d, '--dump'],
                     [empty, '--dump'], [log, f'--steps={d}/steps'], [log, '--dump', '--steps=/no/such/steps'], ['/dev/null', '--dump']):
            r = run(VIEW, *args, status=1)
            assert len(r.err.splitlines()) == 1 and r.out == '', (args, r.err, r.out)
        same(sorted(os.listdir(d)), ['empty', 'log', 'steps'], 'nothing half written is left')
        same(run(VIEW, log, '--png=' + d + '/full/x', status=1).out, '')
        assert 'usage' in run(VIEW, '--help').out and 'blkscope' in run(VIEW, '--version').out


@case
def an_empty_log_with_a_size_is_an_untouched_disk():
    with temp_dir() as d:
        open(d + '/log', 'w').close()
        same(len([x for x in run(VIEW, d + '/log', '64M', '--dump').out.splitlines() if x.startswith('pixel')]), 0)
        run(VIEW, d + '/log', '64M', f'--png={d}/p.png')
        run(VIEW, d + '/log', '64M', '--summary')


@case
def a_full_disk_under_the_output_is_an_error():
    with temp_dir() as d:
        log = session(d)
        for option in ('--dump', '--summary'):
            with open('/dev/full', 'w') as full:
                p = subprocess.run([VIEW, log, option], stdout=full, stderr=subprocess.PIPE, text=True)
            same((p.returncode, p.stderr.strip()), (1, 'nbdview: error: cannot write to stdout'), option)


main()
