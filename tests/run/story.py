#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""blkscope story: what it says of a real ext4, from mkfs to fstrim, against debugfs and dumpe2fs on the same moments and against the requests
themselves; logs, with and without a disk; damaged and hostile files; the forms."""
import json, random, re
from html.parser import HTMLParser
from harness import *
import rawnbd as N
from rawnbd import Conn

BLKSCOPE = BIN + '/blkscope'
FILES = 41
SIZE = 32 << 20

# What happens to the disk: $1 the directory, $2 `mount' or `write' (with debugfs, where nothing can be mounted).
SESSION = r'''
set -e
cd "$1"
nbdfuse m --unix sock >/dev/null 2>&1 & fuse=$!
finish() {
	umount mnt 2>/dev/null || :
	for i in $(seq 100); do fusermount3 -u m 2>/dev/null && break; sleep 0.1; done # the loop device may be there a little longer
	kill $fuse 2>/dev/null || :
}
trap finish EXIT
for i in $(seq 100); do [ -e m/nbd ] && break; sleep 0.1; done
mark() { blkscope mark --recording="$1" "$2"; }
mark "$PWD/rec" "mkfs.ext4"
mkfs.ext4 -q -F -b 1024 -O has_journal m/nbd
if [ "$2" = write ]; then
	mark "$PWD/rec" "debugfs"
	debugfs -w -R "write rec.txt one" m/nbd
	exit
fi
mark "$PWD/rec" "mount"
mount -o loop m/nbd mnt
sync -f mnt
mark "$PWD/rec" "cp"
cp -r files mnt/files
mark "$PWD/rec" "sync"
sync -f mnt
mark "$PWD/rec" "rm -rf"
rm -rf mnt/files
mark "$PWD/rec" "sync again"
sync -f mnt
mark "$PWD/rec" "fstrim"
fstrim mnt
mark "$PWD/rec" "umount"
umount mnt
'''


def story(path, *more, status=0):
    r = run(BLKSCOPE, 'story', '--json', path, *more, status=status)
    return json.loads(r.out) if status == 0 else r


def can_mount():
    """Whether a file can be mounted here by way of nbdfuse and a loop device; else why not."""
    if os.geteuid() != 0:
        return 'only root mounts'
    with temp_dir() as d:
        run('truncate', '-s', '8M', d + '/disk')
        run('mkfs.ext4', '-q', d + '/disk')
        r = run('mount', '-o', 'loop', d + '/disk', d, status=None)
        if r.status == 0:
            run('umount', d)
        return '' if r.status == 0 else 'no loop devices: ' + r.err.strip()


def record(d, how, session=SESSION):
    if not shutil.which('nbdfuse') or not os.access('/dev/fuse', os.R_OK | os.W_OK):
        raise Skip('no nbdfuse, or no /dev/fuse')
    for name in ('m', 'mnt', 'files', 'files/sub'):
        os.mkdir(f'{d}/{name}')
    for i in range(FILES):
        with open(f'{d}/files/{"sub/" if i % 3 == 0 else ""}file{i}', 'w') as f:
            f.write(f'{i}\n' * 300)
    with open(d + '/rec.txt', 'w') as f:
        f.write('one\n')
    with open(d + '/session', 'w') as f:
        f.write(session)
    with Server('--filter=record', 'memory', SIZE, f'recordfile={d}/rec') as s:
        os.symlink(s.sock, d + '/sock')
        run('bash', d + '/session', d, how)
    return d + '/rec'


def image(d, rec, moment):
    """The disk at that moment, as a file."""
    path = f'{d}/image-{moment}'
    run('nbdcopy', '--', '[', BLKSCOPE, 'at', rec, moment, ']', path)
    return path


def requests(rec):
    rows = run(BLKSCOPE, 'convert', rec, '--to=csv').out.splitlines()
    keys = rows[0].split(',')
    rows = [dict(zip(keys, row.split(','))) for row in rows[1:]]
    return [{k: v if k == 'operation' else int(v) for k, v in row.items()} for row in rows]


def sentence(step, words):
    """The one sentence of a step that has these words."""
    found = [s for s in step['sentences'] if re.search(words, s['text'])]
    assert len(found) == 1, f'{len(found)} sentences have {words!r}:\n' + '\n'.join(s['text'] for s in step['sentences'])
    return found[0]


def links_hold(told, rows):
    """Each sentence begins with a request of its kind, ends with an answer, and lies in its step and in the file."""
    ops = {'read': 'read', 'write': 'write', 'zero': 'zero', 'trim': 'trim'}
    n = 0
    for step in told['steps']:
        for s in step['sentences']:
            assert s['first_event'] <= s['last_event'] < told['events'] + 100 and s['begin_ns'] <= s['end_ns'] <= told['duration_ns'], s
            if s['says'] in ops:
                mine = [r for r in rows if r['operation'] == ops[s['says']]]
                assert any(r['begin_ns'] == s['begin_ns'] for r in mine), f'no {s["says"]} begins there: {s}'
                assert any(r['end_ns'] == s['end_ns'] for r in rows), f'nothing ends there: {s}'
                n += 1
    assert n > 5, f'{n} sentences of requests'


@case
def a_file_systems_life_is_told_as_it_was():
    why = can_mount()
    if why:
        raise Skip(why)
    with temp_dir() as d:
        rec = record(d, 'mount')
        told, rows = story(rec), requests(rec)
        same(told['trouble'], [], 'trouble')
        same(told['cut'], 'marks', 'the cut')
        links_hold(told, rows)
        steps = {s['name']: s for s in told['steps']}
        end = {name: image(d, rec, f'event={s["last_event"]}') for name, s in steps.items() if name in ('mkfs.ext4', 'sync', 'sync again', 'umount')}

        # mkfs: what dumpe2fs says of that moment
        dump = run('dumpe2fs', end['mkfs.ext4']).out
        groups = [int(g) for g, body in re.findall(r'^Group (\d+):(.*?)(?=^Group|\Z)', dump, re.S | re.M) if 'Backup superblock' in body]
        words = ', '.join(map(str, groups[:-1])) + f' and {groups[-1]}' if len(groups) > 1 else str(groups[0])
        sentence(steps['mkfs.ext4'], rf'copies of the superblock and the group descriptors in groups? {words} ')
        sentence(steps['mkfs.ext4'], r'discarded the whole of the disk \(32 MiB')
        first, length = re.search(r'\(0-(\d+)\):(\d+)-', run('debugfs', '-R', 'stat <8>', end['mkfs.ext4']).out).groups()[::-1]
        mib = (int(length) + 1) >> 10
        sentence(steps['mkfs.ext4'], rf'zeroed the journal \({mib} MiB at {int(first) >> 10}(\.\d+)? MiB, 1 request\)')
        sentence(steps['mkfs.ext4'], r'The disk now holds an ext4 file system with blocks of 1 KiB')

        # the copy stayed in memory, and sync wrote it, data first
        sentence(steps['cp'], r'^Nothing (was written|reached the disk)')
        data = sentence(steps['sync'], rf'sync wrote the data of {FILES} files below /files')
        sentence(steps['sync'], rf'^{FILES} files and 2 directories are new, among them /files/')
        commit = sentence(steps['sync'], r'commit block of journal transaction \d+ ')
        number = re.search(r'transaction (\d+)', commit['text'])[1]
        assert re.search(rf'sequence {number}, type 2', run('debugfs', '-R', 'logdump -a', end['sync']).out), f'no commit of {number}'
        assert data['end_ns'] <= commit['begin_ns'] and sentence(steps['sync'], 'That order is no chance')
        sentence(steps['sync'], r'Until now nothing of that had reached the disk: the step before, "cp"')
        flushes = [r for r in rows if r['operation'] == 'flush' and data['end_ns'] <= r['begin_ns'] and r['end_ns'] <= commit['begin_ns']]
        assert flushes, 'no flush between data and commit'
        listed = run('debugfs', '-R', 'ls -p /files', end['sync']).out + run('debugfs', '-R', 'ls -p /files/sub', end['sync']).out
        same(len(re.findall(r'/100\d+/', listed)), FILES, 'files, says debugfs')

        # deleted, and discarded
        sentence(steps['rm -rf'], r'^Nothing reached the disk')
        sentence(steps['sync again'], rf'^{FILES} files and 2 directories are gone')
        trim = sentence(steps['fstrim'], rf'fstrim discarded .* of free space .* had held the data of {FILES} files that are gone')
        mine = [r for r in rows if r['operation'] == 'trim' and trim['begin_ns'] <= r['begin_ns'] and r['end_ns'] <= trim['end_ns']]
        same(int(re.search(r'\((\d+) requests', trim['text'])[1]), len(mine), 'trims')
        assert abs(float(re.search(r'discarded ([\d.]+) MiB', trim['text'])[1]) - sum(r['length'] for r in mine) / 1048576) < 0.11, trim
        sentence(steps['umount'], r'^The file system is marked clean')
        run('e2fsck', '-fn', end['umount'])
        sentence(told['steps'][-1], r'^All that was written is covered by a flush')

        # the event of a sentence is that event: before the first trim the files' bytes are there, after the last they are not
        with open(image(d, rec, f'event={trim["first_event"] - 1}'), 'rb') as f, open(image(d, rec, f'event={trim["last_event"]}'), 'rb') as g:
            same((b'7\n' * 300 in f.read(), b'7\n' * 300 in g.read()), (True, False), 'the data of a deleted file')


@case
def what_debugfs_writes_is_told():
    with temp_dir() as d:
        rec = record(d, 'write')
        told = story(rec)
        links_hold(told, requests(rec))
        steps = {s['name']: s for s in told['steps']}
        sentence(steps['debugfs'], r'wrote the data of /one \(')
        sentence(steps['debugfs'], r'^1 file is new: /one')

        # the log of the same session, told with the disk at its end, names the same things
        same_end = image(d, rec, 'end')
        run(BLKSCOPE, 'convert', '--to=recording', rec, d + '/again')
        log = story(d + '/again', '--disk=' + same_end, '--pause=1h')
        assert any('the data of /one (' in s['text'] for step in log['steps'] for s in step['sentences'])


CHANGES = {
    'mv': ('mv mnt/a/one mnt/b/two', '1 file was renamed: /a/one to /b/two.'),
    'move a directory': ('mv mnt/b mnt/a/sub', '1 directory was renamed: /b to /a/sub.'),
    'append': ('seq 1000 >> mnt/a/three', r'1 file grew: /a/three \(4 KiB to \d'),
    'cut': ('truncate -s 1k mnt/a/three', r'1 file shrank: /a/three \(\S+ KiB to 1 KiB\)'),
    'replace': ('seq 99 > mnt/a/x; sync -f mnt; mv mnt/a/x mnt/a/three', '1 file was replaced by another of that name: /a/three'),
    'ln': ('ln mnt/a/three mnt/four', r'1 file has more or fewer names \(hard links\): /\S+ \(1 to 2\)'),
    'ln -s': ('ln -s three mnt/five', '1 symbolic link is new: /five'),
    'chmod': ('chmod 600 mnt/a/sub/two', r'1 file has other permissions: /a/sub/two \(0644 to 0600\)'),
    'punch': ('fallocate -p -o 64k -l 64k mnt/a/sub/two', r'1 file kept its length, but not its space on the disk: /a/sub/two \(256 KiB to 192 KiB\)'),
}


@case
def what_becomes_of_files_is_told():
    why = can_mount()
    if why:
        raise Skip(why)
    session = SESSION[:SESSION.index('mark "$PWD/rec" "cp"')] + 'umask 022\nmkdir mnt/a mnt/b\nhead -c 256k /dev/urandom > mnt/a/one\n' \
        'head -c 4096 /dev/urandom > mnt/a/three\nsync -f mnt\n'
    for name, (command, _) in CHANGES.items():
        session += f'mark "$PWD/rec" "{name}"\n{command}\nsync -f mnt\n'
    session += 'mark "$PWD/rec" "trim"\nfstrim mnt\numount mnt\n'
    with temp_dir() as d:
        told = story(record(d, 'mount', session))
        steps = {s['name']: s for s in told['steps']}
        for name, (_, words) in CHANGES.items():
            sentence(steps[name], '^' + words)
            same([s['text'] for s in steps[name]['sentences'] if re.search(r'is (new|gone)', s['text'])][name == 'ln -s':], [], name)
        # space that a file gave back while it stayed is none of a file that is gone
        sentence(steps['trim'], 'had held the data of 2 files that are gone or were cut')


@case
def what_is_no_log_is_no_story():
    with temp_dir() as d:
        with open(d + '/image', 'wb') as f:
            f.write(random.Random(1).randbytes(100000))
        r = run(BLKSCOPE, 'story', d + '/image', status=1)
        same((r.out, r.err), ('', f'blkscope story: error: {d}/image: neither a recording nor a log\n'), 'what is said')


def talk(sock, *requests_):
    with Conn(sock) as c:
        c.newstyle()
        c.go(b'')
        for kind, off, n in requests_:
            if kind == N.READ:
                c.read(off, n)
            else:
                c.call(kind, off, n, bytes(n) if kind == N.WRITE else b'', 0)


@case
def what_no_flush_covers_and_what_failed_is_told():
    with temp_dir() as d:
        with Server('--filter=record', '--filter=error', 'memory', '1M', f'recordfile={d}/rec', 'error-pwrite=EIO',
                    f'error-pwrite-file={d}/fail', 'error-pwrite-rate=100%') as s:
            talk(s.sock, (N.WRITE, 0, 4096), (N.FLUSH, 0, 0), (N.WRITE, 8192, 512), (N.WRITE, 16384, 1024))
            open(d + '/fail', 'w').close()
            talk(s.sock, (N.WRITE, 0, 4096))
        told = story(d + '/rec')
        left = sentence(told['steps'][-1], r'^1.5 KiB that had been written are not covered by a flush')
        rows = requests(d + '/rec')
        flush = [r for r in rows if r['operation'] == 'flush'][-1]
        same(left['begin_ns'], flush['end_ns'], 'where what may be lost begins')
        failed = sentence(told['steps'][0], r'^1 write failed, with EIO')
        bad = [r for r in rows if r['error']]
        same((failed['begin_ns'], failed['end_ns']), (bad[0]['begin_ns'], bad[0]['end_ns']), 'where it failed')


HEAD = '2026-11-26 10:00:00.000000 connection=1 Connect export="" tls=0 size=0x4000000 minsize=0x0 prefsize=0x0 maxsize=0x0 write=1\n'


def log_of(path, *rows):
    """Rows of (milliseconds, operation, offset, length); each takes a millisecond."""
    with open(path, 'w') as f:
        f.write(HEAD)
        for i, (ms, op, off, n) in enumerate(rows):
            at = lambda t: f'2026-11-26 10:00:{t // 1000:02}.{t % 1000:03}000'
            where = '' if op == 'Flush' else f'offset={off:#x} count={n:#x} '
            f.write(f'{at(ms)} connection=1 {op} id={i} {where}...\n{at(ms + 1)} connection=1 ...{op} id={i} return=0\n')
    return path


@case
def a_log_is_told_by_place_and_cut_at_pauses_or_steps():
    with temp_dir() as d:
        log = log_of(d + '/log', *[(10 * i, 'Read', (i % 2) * ((64 << 20) - 4096), 4096) for i in range(10)],
                     (1000, 'Write', 0, 20480), (1002, 'Write', (64 << 20) - 20480, 20480), (1004, 'Flush', 0, 0),
                     (2000, 'Trim', 1 << 20, 62 << 20), (2010, 'Read', 5 << 20, 4096))
        told = story(log)
        same((told['kind'], told['cut'], len(told['steps'])), ('log', 'pauses', 4), 'the steps, and the end')
        s = sentence(told['steps'][0], r'looked for signatures: 10 reads at 2 places .*all before anything had been written')
        same((s['first_event'], s['last_event']), (1, 20), 'the events of the reads')
        s = sentence(told['steps'][1], r'wrote 40 KiB \(2 requests\): 20 KiB each at the very start of the disk and at its very end; then came a flush')
        same((s['first_event'], s['last_event'], s['begin_ns'], s['end_ns']), (21, 26, 1_000_000_000, 1_005_000_000), 'the events of the writes')
        sentence(told['steps'][2], r'discarded 62 MiB at 1 MiB \(1 request, 97 % of the disk\)')
        with open(d + '/steps', 'w') as f:
            f.write('0 look\n900ms sgdisk -o\n1.9 mkfs\n50s later\n')
        told = story(log, '--steps=' + d + '/steps')
        same([s['name'] for s in told['steps']], ['look', 'sgdisk -o', 'mkfs', 'later', None], 'names')
        same(told['cut'], 'steps', 'the cut')
        sentence(told['steps'][1], r'^sgdisk wrote 40 KiB')
        sentence(told['steps'][2], r'^mkfs discarded')
        sentence(told['steps'][3], r'^Nothing reached the disk')
        same(len(story(log, '--pause=10s')['steps']), 2, 'steps with a long pause')


@case
def the_forms_say_the_same():
    with temp_dir() as d:
        name = d + '/<b>&"x*y'
        log = log_of(name, (1000, 'Write', 0, 20480), (1004, 'Flush', 0, 0))
        with open(d + '/steps', 'w') as f:
            f.write('0 <i>step\x1b[31m_*one*\n')
        text = run(BLKSCOPE, 'story', log, '--steps=' + d + '/steps', '--html=' + d + '/page', '--text').out
        told = story(log, '--steps=' + d + '/steps')
        mark = run(BLKSCOPE, 'story', log, '--steps=' + d + '/steps', '--markdown').out
        page = read_file(d + '/page')
        assert '\x1b' not in text + mark + page, 'a control character of the file is printed'
        assert '<i>' not in page and '<b>' not in page and '\\<i\\>' in mark, 'markup of the file is taken for ours'
        flat = ' '.join(text.split())
        plain = []
        parser = HTMLParser()
        parser.handle_data = plain.append
        parser.feed(page)
        sentences = [s for step in told['steps'] for s in step['sentences']]
        assert len(sentences) >= 2
        for s in sentences:
            assert s['text'] in flat and s['text'] in ''.join(plain), s
            assert f'data-first="{s["first_event"]}" data-last="{s["last_event"]}"' in page, s
            assert f'events {s["first_event"]}–{s["last_event"]}' in flat or s['first_event'] == s['last_event'], s
        assert all(len(line) <= 80 for line in text.splitlines()[1:]), 'a line is too long'
        assert not [line for line in text.splitlines() if line.endswith(' ')], 'blanks at the end of a line'


@case
def damaged_files_do_no_harm():
    r = random.Random(5)
    with temp_dir() as d:
        with Server('--filter=record', 'memory', '1M', f'recordfile={d}/rec') as s:
            talk(s.sock, *[(N.FLUSH, 0, 0) if i % 9 == 0 else
                           (r.choice((N.WRITE, N.WRITE, N.READ, N.TRIM)), r.randrange(200) * 4096, 4096) for i in range(200)])
        with open(d + '/rec', 'rb') as f:
            good = f.read()
        log = log_of(d + '/log', *[(i, r.choice(('Read', 'Write', 'Trim', 'Zero', 'Flush')), r.randrange(1 << 63), r.randrange(1 << 63))
                                   for i in range(200)])
        with open(log, 'rb') as f:
            text = f.read()
        assert story(d + '/log')['steps'], 'offsets beyond all disks'
        for i in range(24):
            bad = bytearray(good if i % 2 else text)
            for _ in range(r.choice((1, 5, 50))):
                bad[r.randrange(len(bad))] = r.randrange(256)
            if i % 3 == 0:
                del bad[r.randrange(len(bad)):]
            with open(d + '/bad', 'wb') as f:
                f.write(bad)
            got = run(BLKSCOPE, 'story', '--json', d + '/bad', status=None)
            assert got.status in (0, 1), f'exit status {got.status}: {got.err}'
            if got.status == 0:
                json.loads(got.out)
            else:
                same(len(got.err.splitlines()), 1, 'lines of words')


@case
def a_bad_command_line_is_told_in_one_line():
    with temp_dir() as d:
        log = log_of(d + '/log', (0, 'Read', 0, 512))
        os.mkfifo(d + '/fifo')
        for args, words in (((), 'no file given'), ((log, log), 'too many'), ((log, '--json', '--text'), 'which one'),
                            ((log, '--pause=soon'), 'soon'), ((d + '/none',), 'No such file'), ((d,), 'directory'),
                            (('/dev/null',), 'must be a file'), ((log, '--disk=' + d + '/none'), 'No such file'),
                            ((log, '--steps=' + d + '/none'), 'No such file'), ((log, '--what'), '--what')):
            r = run(BLKSCOPE, 'story', *args, status=1)
            same((r.out, len(r.err.splitlines())), ('', 1), f'{args}: {r.err}')
            assert words in r.err, f'{args}: {r.err}'


main()
