#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: a script; sanitizers have nothing to look at
"""examples/tcl/nbdview.tcl on a display without a screen: each pixel has the colour of what nbdview --dump says that
its block suffered, and that changes while the log grows."""
import contextlib
from viewlib import *

for tool in ('Xvfb', 'wish', 'ffmpeg'):
    if not shutil.which(tool):
        print(f'needs {tool}')
        sys.exit(77)

SCRIPT = SRC + '/examples/tcl/nbdview.tcl'
COLOURS = {'none': b'\xc9\xc9\xc9', 'write': b'\xff\0\0', 'trim': b'\xc8\xa2\xf0', 'zero': b'\xff\xff\xff'}
W, H = 1280, 640


@contextlib.contextmanager
def display():
    r, w = os.pipe()
    x = subprocess.Popen(['Xvfb', '-displayfd', str(w), '-screen', '0', f'{W}x{H}x24', '-nolisten', 'tcp', '-noreset'], pass_fds=[w],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(w)
    try:
        with os.fdopen(r) as f:
            yield ':' + f.readline().strip()
    finally:
        x.kill()
        x.wait()


@contextlib.contextmanager
def viewer(screen, *args):
    p = subprocess.Popen(['wish', SCRIPT, *args], env=dict(os.environ, DISPLAY=screen), stdin=subprocess.DEVNULL)
    try:
        yield p
    finally:
        p.kill()
        p.wait()


def shot(screen):
    data = subprocess.run(['ffmpeg', '-v', 'error', '-f', 'x11grab', '-draw_mouse', '0', '-video_size', f'{W}x{H}', '-i', screen, '-frames:v', '1',
                           '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    same(len(data), W * H * 3, 'bytes of a screen shot')
    return data


def wanted(path, size):
    """By --dump, which leaves out what nothing happened to: the colour of each block."""
    seen = [COLOURS['none']] * ((size + 4095) // 4096)
    for line in run(VIEW, path, size, '--dump').out.splitlines():
        if line.startswith('pixel '):
            seen[int(line.split()[1])] = COLOURS[line.split()[2]]
    return seen


def painted(screen, blocks, left=0):
    """The colour of each block on the screen, at each corner of its square; None where the corners differ."""
    cols = 1
    while cols * cols < blocks:
        cols *= 2
    zoom, data, seen = max(1, 512 // cols), shot(screen), []
    for i in range(blocks):
        x, y = left + i % cols * zoom, i // cols * zoom
        corners = {data[(yy * W + xx) * 3:][:3] for xx in (x, x + zoom - 1) for yy in (y, y + zoom - 1)}
        seen.append(corners.pop() if len(corners) == 1 else None)
    return seen


def shows(p, screen, path, size, left=0):
    want = wanted(path, size)
    assert p.poll() is None, f'the viewer ended with {p.poll()}'
    until('each pixel is as --dump has it', lambda: painted(screen, len(want), left) == want)
    return set(want)


@case
def each_pixel_is_as_the_dump_has_it_while_the_log_grows():
    size = 4 << 20
    with temp_dir() as d, display() as screen:
        path = d + '/log'
        log = Log(size)
        log.request('Write', 0, 5000)
        log.save(path)
        with viewer(screen, path, str(size)) as p:
            shows(p, screen, path, size)
            log.request('Trim', 0, size)
            log.request('Write', 40960, 300000)
            log.request('Write', 8192, 4096, err='ENOSPC') # changes nothing
            log.request('Zero', 100000, 100000)
            log.request('Write', size - 100, 4096)         # reaches beyond the end
            log.request('Read', 0, size)
            log.save(path) # the same beginning, and more
            same(shows(p, screen, path, size), {COLOURS[c] for c in ('write', 'trim', 'zero')}, 'colours')


@case
def a_read_flashes_black_until_it_is_answered():
    size = 1 << 20
    with temp_dir() as d, display() as screen:
        path = d + '/log'
        log = Log(size)
        i = log.begin('Read', 8192, 8192)
        log.save(path)
        with viewer(screen, path, '1M') as p:
            black = [COLOURS['none']] * 2 + [b'\0\0\0'] * 2 + [COLOURS['none']] * 252
            until('two blocks are black', lambda: painted(screen, 256) == black)
            log.end('Read', i)
            log.save(path)
            same(shows(p, screen, path, size), {COLOURS['none']}, 'colours')


@case
def random_logs_of_two_disks_side_by_side():
    with temp_dir() as d, display() as screen:
        sizes = (64 << 20, (1 << 20) + 12345)
        paths = []
        for n, size in enumerate(sizes):
            made = random_log(size, 3000, seed=n)
            paths.append((made if isinstance(made, Log) else made[0]).save(f'{d}/log{n}'))
        with viewer(screen, paths[0], str(sizes[0]), paths[1], str(sizes[1])) as p:
            shows(p, screen, paths[0], sizes[0])
            shows(p, screen, paths[1], sizes[1], left=512 + 8)


@case
def a_log_of_2018_is_read_as_well():
    size = 16 << 20
    with temp_dir() as d, display() as screen:
        path = random_log(size, 2000, seed=3, age='2018').save(d + '/log')
        with viewer(screen, path, str(size)) as p:
            same(len(shows(p, screen, path, size)), 4, 'colours')


@case
def a_widget_that_is_destroyed_leaves_nothing_and_others_go_on():
    size = 1 << 20
    with temp_dir() as d, display() as screen:
        log = Log(size)
        log.request('Write', 0, 65536)
        log.begin('Read', 0, 65536)
        log.save(d + '/log')
        with open(d + '/mine.tcl', 'w') as f: # a program of somebody's own
            f.write(f'source {SCRIPT}\npack [diskmap::create .a 1M] [diskmap::create .b 1M] -side left\n'
                    f'diskmap::follow .a {d}/log\ndiskmap::follow .b {d}/log\n'
                    'proc bgerror {words} { puts stderr $words; exit 3 }\n'
                    'after 300 { destroy .b; after 300 { puts "[info commands .b][array names diskmap::d .b,*]'
                    '[llength [lsearch -all -inline [image names] image*]]"; flush stdout } }\n')
        p = subprocess.Popen(['wish', d + '/mine.tcl'], env=dict(os.environ, DISPLAY=screen), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            same(p.stdout.readline(), b'1\n', 'what is left of the widget, and how many images')
            log.end('Read', log.ids[1])
            log.request('Trim', 0, 4096)
            log.save(d + '/log')
            shows(p, screen, d + '/log', size)
        finally:
            p.kill()
            p.wait()


@case
def wrong_words_are_one_line():
    with display() as screen:
        for args, words in (([], 'usage:'), (['/no/such/log', '1M'], 'no such file'), (['/dev/null', 'big'], "'big' is no size")):
            r = run('wish', SCRIPT, *args, status=1, env=dict(os.environ, DISPLAY=screen))
            same((words in r.err, r.err.count('\n')), (True, 1), r.err)


main()
