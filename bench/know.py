# SPDX-License-Identifier: BSD-2-Clause
"""The map of a file system, beside e2fsprogs reading the same one: debugfs, which looks at all inodes for the owners of all blocks, and
e2fsck, which checks all.  None of them says what the map says: debugfs knows no path of a block, e2fsck says only whether all is well."""
import os, random, shutil, statistics, subprocess, time
from servers import BUILD, Failed, die_with_us, ninja
from table import ROUNDS

SMALL = os.environ.get('SMALL')  # for a test of this: does it all run?
SIZES = {'64 MiB': 64 << 20} if SMALL else {'1 GiB': 1 << 30, '1 TiB': 1 << 40}
FILES = 500 if SMALL else 20000
ICHECK = 700 # blocks in a line that debugfs takes
NAME = 'know: map of '


class Maps:
    def __init__(self, folder, samples):
        self.folder, self.samples, self.rows = folder, samples, 0
        self.explain = os.environ.get('BENCH_EXPLAIN')
        if not self.explain:
            self.explain = BUILD + '/src/blkscope-explain'
            ninja('src/blkscope-explain')
        if not os.access(self.explain, os.X_OK):
            raise Failed(f'{self.explain}: no such program')

    def image(self, name, size):
        """With files in the smaller one; the large one is as mkfs leaves it."""
        path, tree = f'{self.folder}/image', f'{self.folder}/tree'
        with open(path, 'wb') as f:
            f.truncate(size)
        argv = ['mke2fs', '-q', '-F', '-t', 'ext4', path]
        if size <= 1 << 30:
            rng = random.Random(8)
            for i in range(FILES):
                if i % 100 == 0:
                    os.makedirs(f'{tree}/{i // 100:03}')
                with open(f'{tree}/{i // 100:03}/{i}', 'wb') as f:
                    f.write(rng.randbytes(rng.choice((0, 100, 5000, 20000, 60000))))
            argv[-1:-1] = ['-d', tree]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        shutil.rmtree(tree, ignore_errors=True)
        if done.returncode:
            raise Failed(f'{name}: {" ".join(argv)}: {done.stdout.strip()[-300:]}')
        return path

    def used(self, image):
        """A command file that asks debugfs for the owner of each block in use; how many these are."""
        out = subprocess.run(['dumpe2fs', image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        blocks = int(next(line.split(':')[1] for line in out.splitlines() if line.startswith('Block count:')))
        free = set()
        for line in out.splitlines():
            if line.startswith('  Free blocks: '):
                for part in line.split(':')[1].split(', '):
                    first, _, last = part.strip().partition('-')
                    free.update(range(int(first), int(last or first) + 1) if first else ())
        asked = [b for b in range(blocks) if b not in free]
        with open(self.folder + '/icheck', 'w') as f: # pylint: disable=unspecified-encoding
            for i in range(0, len(asked), ICHECK):
                f.write('icheck ' + ' '.join(map(str, asked[i:i + ICHECK])) + '\n')
        return len(asked)

    def sample(self, row, argv, cold):
        if cold: # out of the page cache
            with open(cold, 'rb') as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with open(os.devnull, 'wb') as out:
            start = time.monotonic()
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, preexec_fn=die_with_us)
            _, status, use = os.wait4(p.pid, 0)
            took = time.monotonic() - start
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            raise Failed(f'{row}: {" ".join(argv)}: exit status {p.returncode}')
        figures = {'s': took, 'cpu_s': use.ru_utime + use.ru_stime}
        self.samples.append({'row': row, 'args': argv, **figures})
        return figures

    def table(self, name, image):
        ours = 'blkscope explain' # makes the whole map, and prints a summary of it
        programs = {ours: [self.explain, image], 'blkscope explain --map': [self.explain, '--map', image],
                    'debugfs stats': ['debugfs', '-R', 'stats', image], 'debugfs icheck of one block': ['debugfs', '-R', 'icheck 1', image]}
        blocks = 0
        if os.path.getsize(image) <= 1 << 30: # of the large one it takes minutes
            blocks = self.used(image)
            programs[f'debugfs icheck of {blocks:,} blocks'] = ['debugfs', '-f', self.folder + '/icheck', image]
        programs['e2fsck -fn'] = ['e2fsck', '-fn', image]
        for cold in (False, True):
            taken = {n: [] for n in programs}
            for _ in range(1 if SMALL else max(ROUNDS, 3)):
                for n, argv in programs.items():
                    taken[n].append(self.sample(f'{NAME}{name}, {n}', argv, image if cold else None))
            m = {n: {k: statistics.median(f[k] for f in t) for k in t[0]} for n, t in taken.items()}
            title = NAME + name + (', from the disk' if cold else ', from the page cache')
            print(f'{title:52}{"ms":>10}{"CPU ms":>9}{"ours/it":>9}')
            for n, f in m.items():
                self.rows += 1
                print(f'    {n:48}{f["s"] * 1e3:10.1f}{f["cpu_s"] * 1e3:9.1f}{m[ours]["s"] / f["s"]:9.3f}', flush=True)
            print()


def measure_know(folder, wanted, samples):
    """How many rows."""
    sizes = {n: s for n, s in SIZES.items() if wanted(NAME + n)}
    if not sizes:
        return 0
    missing = [t for t in ('mke2fs', 'debugfs', 'dumpe2fs', 'e2fsck') if not shutil.which(t)]
    if missing:
        print(f'{NAME}file systems: needs {", ".join(missing)} (e2fsprogs)\n')
        return 0
    maps = Maps(folder, samples)
    for name, size in sizes.items():
        image = maps.image(name, size)
        maps.table(name, image)
        os.unlink(image)
    return maps.rows
