#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""The viewer's window, on a display without a screen: it follows a growing log, obeys its keys, survives a log
that is truncated or replaced, and paints what --png paints."""
from windowlib import *

def append(path, log):
    """Write what the log has got since the last call."""
    with open(path, 'a') as f:
        f.writelines(log.text)
    log.text.clear()


@case
def a_growing_log_is_followed_from_its_beginning():
    with temp_dir() as d:
        path = d + '/log'
        with Window(d, path) as w: # the log is not there yet
            log = Log(1 << 26)
            log.request('Write', 0, 4096)
            append(path, log)
            w.shows('the first write', {0: WRITE, 1: UNTOUCHED})
            i = log.begin('Read', 4096, 4096)
            append(path, log)
            w.shows('a read in flight', {0: WRITE, 1: READ})
            log.us += 40000
            log.end('Read', i)
            append(path, log)
            w.shows('the read has faded', {0: WRITE, 1: UNTOUCHED})
            # torn between two writes, as a writer's buffer may be
            log.request('Write', 8192, 4096)
            text = ''.join(log.text)
            log.text = [text[:100]]
            append(path, log)
            log.text = [text[100:]]
            append(path, log)
            w.shows('a write that came in pieces', {2: WRITE})
            for n in range(20000): # faster than anybody can watch
                log.request('Write', n % 16000 * 4096, 4096, us=10)
            append(path, log)
            w.shows('all of a burst', {n: WRITE for n in (0, 1, 5000, 15999)} | {16001: UNTOUCHED})
            w.key('q')
            w.ends()
            same(read_file(d + '/err'), '')


@case
def what_the_window_shows_is_what_png_paints():
    with temp_dir() as d:
        path = random_log(1 << 26, 2000, 'same').save(d + '/log')
        with Window(d, path, '--replay=0.001') as w:
            w.xdo('mousemove', '--window', w.id, '1430', '5')
            w.key('space', 'Home', 'Right') # paused, one second from the beginning
            run(VIEW, path, f'--png={d}/p.png', '--at=1')
            want = Picture(d + '/p.png')
            # only the caption's line differs: the window says there that it is paused
            until('the picture of one second', lambda: w.shot().rows[56:] == want.rows[56:])
            w.key('q')
            w.ends()


@case
def keys_do_what_the_help_says():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.us = 1_000_000
        for n in (0, 1, 300):
            log.request('Write', n * 4096, 4096)
            log.us += 1_000_000
        path = log.save(d + '/log')
        with Window(d, path) as w:
            w.shows('everything', {0: WRITE, 1: WRITE, 300: WRITE})
            w.key('comma')
            w.shows('one event back', {0: WRITE, 1: WRITE, 300: UNTOUCHED})
            w.key('r') # to the beginning, and there it stays
            w.shows('backwards', {0: UNTOUCHED, 300: UNTOUCHED})
            w.key('r', 'End')
            w.shows('everything again', {0: WRITE, 1: WRITE, 300: WRITE})
            w.key('comma')
            w.shows('one event back, again', {0: WRITE, 1: WRITE, 300: UNTOUCHED})
            w.key('period')
            w.shows('one event on', {0: WRITE, 1: WRITE, 300: WRITE})
            w.key('Home')
            w.shows('the beginning', {0: UNTOUCHED, 1: UNTOUCHED, 300: UNTOUCHED})
            w.key('Right', 'Right')
            w.shows('two seconds on', {0: WRITE, 1: UNTOUCHED, 300: UNTOUCHED})
            w.key('shift+Right')
            w.shows('ten seconds on', {0: WRITE, 1: WRITE, 300: WRITE})
            w.key('shift+Left')
            w.shows('ten seconds back', {0: UNTOUCHED})
            w.key('End')
            w.shows('the end', {0: WRITE, 1: WRITE, 300: WRITE})
            w.key('p')
            w.shows('the light palette', {0: WRITE, 300: WRITE, 2: rgb('e8e8ec')})
            w.key('p')
            w.shows('the classic palette', {0: rgb('ff0000'), 300: rgb('ff0000'), 2: rgb('c9c9c9')})
            w.key('p', 'h') # along a Hilbert curve block 300 lies elsewhere
            w.shows('Hilbert order', {0: WRITE, 300: UNTOUCHED})
            w.key('h', 'bracketright') # rows of 129: block 300 is in row 2, column 42
            until('wider rows', lambda: w.shot()[76 + 42 * 6 + 3, 60 + 2 * 6 + 3] == WRITE)
            w.key('bracketleft')
            w.shows('the old width', {0: WRITE, 300: WRITE})
            before = w.shot()
            w.key('F1')
            until('the help', lambda: w.shot()[720, 190] != before[720, 190])
            w.key('F1')
            w.shows('no help', {300: WRITE})
            w.key('space') # or the replay would go on from where we click
            # a click on the first pixel of the timeline
            w.xdo('mousemove', '--window', w.id, '76', '900', 'click', '1')
            w.shows('the clicked moment', {0: UNTOUCHED})
            w.key('Escape')
            w.ends()


@case
def the_block_under_the_pointer_is_told():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 0, 4096)
        with Window(d, log.save(d + '/log')) as w:
            w.shows('the write', {0: WRITE})
            w.xdo('mousemove', '--window', w.id, '1430', '5')
            panel = lambda p: [bytes(row[3 * 880:]) for row in p.rows[430:560]]
            until('an empty place in the panel', lambda: len(set(panel(w.shot()))) == 1)
            w.xdo('mousemove', '--window', w.id, '79', '63')
            until('words about the block', lambda: len(set(panel(w.shot()))) > 30)
            w.key('q')
            w.ends()


@case
def a_replay_has_its_own_time_and_speed():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.us = 1_000_000_000 # after a thousand seconds
        log.request('Write', 0, 4096)
        path = log.save(d + '/log')
        with Window(d, path, '--replay=0.5') as w:
            w.shows('nothing yet', {0: UNTOUCHED})
            w.key(*['plus'] * 12) # now a second takes half a millisecond
            w.shows('the write', {0: WRITE})
            w.key('q')
            w.ends()


@case
def a_log_that_is_truncated_or_replaced_is_started_over():
    with temp_dir() as d:
        path = d + '/log'
        log = Log(1 << 26)
        for n in range(100):
            log.request('Write', n * 4096, 4096)
        append(path, log)
        with Window(d, path) as w:
            w.shows('the old log', {0: WRITE, 99: WRITE, 128: UNTOUCHED})
            log = Log(1 << 26)
            log.request('Write', 128 * 4096, 4096)
            with open(path, 'w') as f: # truncated in place
                f.writelines(log.text)
            w.shows('the truncated log', {0: UNTOUCHED, 99: UNTOUCHED, 128: WRITE})
            log = Log(1 << 26)
            for n in range(200):
                log.request('Write', (256 + n) * 4096, 4096)
            os.rename(log.save(d + '/new'), path)
            w.shows('the replaced log', {128: UNTOUCHED, 256: WRITE, 455: WRITE})
            os.unlink(path)
            w.shows('the deleted log stays', {256: WRITE})
            w.key('q')
            w.ends()
            same(read_file(d + '/err').count('started over'), 2)


@case
def captions_may_be_written_while_we_watch():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 0, 4096)
        with Window(d, log.save(d + '/log'), f'--steps={d}/steps') as w:
            w.shows('the write', {0: WRITE})
            caption = lambda: [bytes(row[3 * 76:3 * 700]) for row in w.shot().rows[12:48]]
            before = caption()
            with open(d + '/steps', 'w') as f:
                f.write('0 a caption that appears\n')
            until('the caption', lambda: caption() != before)
            w.key('q')
            w.ends()


@case
def asked_for_it_tells_how_it_kept_up():
    with temp_dir() as d:
        log = Log(1 << 26)
        log.request('Write', 0, 4096)
        with open(d + '/out', 'w') as out, Window(d, log.save(d + '/log'), '--stats', stdout=out) as w:
            w.shows('the write', {0: WRITE})
            w.p.terminate() # which is as good as closing it
            w.ends()
        words = read_file(d + '/out').split()
        keys = [w.split('=')[0] for w in words]
        want = ['frames', 'seconds', 'fps'] + [f'{k}_ms_{p}' for k in ('interval', 'work', 'paint', 'age') for p in ('p50', 'p99', 'max')]
        same(keys, want + [f'behind_bytes_{p}' for p in ('p50', 'p99', 'max')])
        assert int(words[0].split('=')[1]) > 0 and words[-1] == 'behind_bytes_max=0', words


@case
def without_a_display_there_is_one_clear_line():
    with temp_dir() as d:
        path = Log(1 << 26).save(d + '/log')
        env = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'WAYLAND_DISPLAY')}
        env.pop('SDL_VIDEODRIVER', None)
        env['ASAN_OPTIONS'] = env.get('ASAN_OPTIONS', '') + ':detect_leaks=0' # SDL's and libdbus's own
        for more in ({'SDL_VIDEODRIVER': 'x11'}, {}, {'DISPLAY': ':77'}):
            r = run(VIEW, path, status=1, env=dict(env, **more))
            assert len(r.err.splitlines()) == 1 and 'cannot open a window' in r.err, (more, r.err)


main()
