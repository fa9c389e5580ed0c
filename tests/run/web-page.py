#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
# plain-only: a browser's time; the server has tests of its own in the other modes
"""The page of `blkscope view --web` in browsers: tests/web/*.mjs, each of whose cases is counted.  They need node, npm's packages of
tests/web/package-lock.json (installed under build/) and Chromium."""
import filecmp, shutil
import rawnbd
from viewlib import *

WEB = SRC + '/tests/web'
MODULES = os.path.join(SRC, 'build', 'web-tests')


def skip(why):
    print(f'skip web-page: {why}')
    sys.exit(0)


def have_packages():
    """npm ci, unless the very same packages are there."""
    lock = MODULES + '/package-lock.json'
    done = MODULES + '/node_modules/.package-lock.json'
    if os.path.exists(done) and os.path.exists(lock) and filecmp.cmp(lock, WEB + '/package-lock.json', shallow=False):
        return
    npm = shutil.which('npm')
    if not npm:
        skip('no npm')
    os.makedirs(MODULES, exist_ok=True)
    for name in ('package.json', 'package-lock.json'):
        shutil.copy(f'{WEB}/{name}', MODULES)
    r = run(npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', cwd=MODULES, status=None, timeout=120)
    if r.status:
        shutil.rmtree(MODULES)
        skip('npm cannot install: ' + (r.err.strip().splitlines() or ['it does not say why'])[-1])


def seconds(log, s):
    log.us = int(s * 1_000_000)


def make_logs(d):
    log = Log(1 << 26)
    for s, block in ((1, 0), (2, 1), (5, 300)):
        seconds(log, s)
        log.request('Write', block * 4096, 4096)
    seconds(log, 6)
    log.request('Trim', (4 * 128 + 6) * 4096, 4096)
    log.request('Zero', (6 * 128 + 8) * 4096, 4096)
    seconds(log, 7)
    log.request('Flush')
    seconds(log, 9.5)
    log.request('Read', 0, 4096)
    log.save(d + '/small.log')
    random_log(1 << 26, 2000, 'page').save(d + '/random.log')
    log = Log(1 << 34)
    seconds(log, 1)
    log.request('Write', (3 * 1024 + 5) * 32768, 4096)
    log.save(d + '/big.log')
    log = Log(1 << 50) # writes far apart, in cells of odd places
    seconds(log, 1)
    for n in range(40):
        log.request('Write', (n * 13001 + 77) << 31, 4096)
    log.save(d + '/wide.log')
    log = Log(1 << 26)
    log.save(d + '/live.log')
    log.text.clear()
    for n in range(40):
        log.request('Write', n * 4096, 4096)
    log.save(d + '/live.more')
    for name, block in (('log', 0), ('new', 128)):
        log = Log(1 << 26)
        log.request('Write', block * 4096, 4096)
        log.save(d + '/replaced.' + name)


def make_recording(d):
    """'A's, a mark, 'B's in the first block, a mark."""
    rec = d + '/marked.rec'
    with Server('--filter=record', 'memory', '64M', f'recordfile={rec}') as s, rawnbd.up(s.sock) as c:
        def mark(text):
            time.sleep(0.15)
            run(BIN + '/blkscope', 'mark', f'--recording={rec}', text)
            time.sleep(0.05)
        for n in range(50):
            same(c.write(n * 8192, b'A' * 4096), 0)
        same(c.call(rawnbd.FLUSH), 0)
        mark('the first part')
        same(c.call(rawnbd.TRIM, 1 << 20, 1 << 20), 0)
        mark('the second part')
        same(c.write(0, b'B' * 4096), 0)
        same(c.call(rawnbd.FLUSH), 0)


def main_of_node():
    node = os.environ.get('NODE') or shutil.which('node')
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if not node:
        skip('no node')
    if not chromium:
        skip('no Chromium')
    have_packages()
    with temp_dir() as d:
        make_logs(d)
        make_recording(d)
        record_file_system(d)
        env = dict(os.environ, SRC=SRC, FIXTURES=d, BIN=BIN, NODE_MODULES_OF=MODULES, CHROMIUM=chromium,
                   FIREFOX=shutil.which('firefox-esr') or '', HOME=d, SLOWER=str(SLOWER))
        sys.stdout.flush()
        script = '/measure.mjs' if '--measure' in sys.argv else '/run.mjs'
        p = subprocess.run([node, WEB + script] + sys.argv[1:], env=env, stdin=subprocess.DEVNULL, timeout=230 * SLOWER)
        sys.exit(p.returncode)


main_of_node()
