# SPDX-License-Identifier: BSD-2-Clause
"""For the tests of the viewer's window: one on a display without a screen.  Without the programs for that the test is skipped."""
from viewlib import *

for tool in ('Xvfb', 'xdotool', 'ffmpeg'):
    if not shutil.which(tool):
        print(f'needs {tool}')
        sys.exit(77)


class Window:
    """Xvfb with one nbdview in it that fills the screen."""

    def __init__(self, d, *args, stdout=None):
        self.d = d
        r, w = os.pipe()
        self.x = subprocess.Popen(['Xvfb', '-displayfd', str(w), '-screen', '0', '1440x960x24', '-nolisten', 'tcp', '-noreset'], pass_fds=[w],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(w)
        with os.fdopen(r) as f:
            self.display = ':' + f.readline().strip()
        # what SDL and the X libraries keep to the end is not ours to free
        env = dict(os.environ, DISPLAY=self.display, SDL_VIDEODRIVER='x11', LIBGL_ALWAYS_SOFTWARE='1', SDL_RENDER_DRIVER='software',
                   ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0')
        self.p = None
        try:
            with open(d + '/err', 'wb') as err:
                self.p = subprocess.Popen([VIEW, *args], env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=err)
            self.id = until('there is a window', self.find)
            until('it has the keyboard', self.focus)
            until('it has painted', lambda: len(set(bytes(row) for row in self.shot().rows)) > 1)
        except BaseException:
            print(read_file(d + '/err'))
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        if kind:
            print('viewer:', read_file(self.d + '/err'))
        self.close()

    def close(self):
        for p in (self.p, self.x):
            if p and p.poll() is None:
                p.kill()
            if p:
                p.wait()

    def xdo(self, *args):
        return subprocess.run(['xdotool', *args], env=dict(os.environ, DISPLAY=self.display), capture_output=True, text=True,
                              timeout=20 * SLOWER).stdout

    def find(self):
        assert self.p.poll() is None, f'the viewer ended with {self.p.poll()}'
        return self.xdo('search', '--onlyvisible', '--name', 'nbdview').split('\n')[0]

    def focus(self):
        self.xdo('windowfocus', self.id)
        return self.xdo('getwindowfocus').strip() == self.id

    def key(self, *keys):
        for k in keys:
            self.xdo('key', k)

    def shot(self):
        path = self.d + '/shot.png'
        run('ffmpeg', '-v', 'error', '-y', '-f', 'x11grab', '-draw_mouse', '0', '-video_size', '1440x960', '-i', self.display,
            '-frames:v', '1', '-pix_fmt', 'rgb24', path)
        return Picture(path)

    def shows(self, what, cells):
        """Wait until each cell has its colour."""
        seen = []
        def true():
            p = self.shot()
            seen[:] = [p.cell(n) for n in cells]
            return seen == list(cells.values())
        try:
            until(what, true)
        except AssertionError:
            print('cells', list(cells), 'are', seen, 'and should be', list(cells.values()))
            raise

    def ends(self):
        same(self.p.wait(20 * SLOWER), 0, 'exit status')
