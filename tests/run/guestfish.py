#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: a guest is booted, and it is not the guest that is tested
# timeout: 400
"""A Linux guest makes a file system on our disk, writes, and finds it all again after a reboot."""
import datetime, hashlib, json, os, re
from harness import *

DRIVER = os.environ.get('BUILD_DIR', SRC + '/build') + '/examples/expect-guestfish'

os.environ.setdefault('LIBGUESTFS_BACKEND', 'direct')
os.environ.setdefault('LIBGUESTFS_BACKEND_SETTINGS', 'force_tcg')


def guestfish(d, sock, steps, read_only=False):
    """Step by step, at guestfish's prompt: what it printed, and the marks [(seconds, caption)]."""
    add = f"add '' format:raw protocol:nbd server:unix:{sock} " + ('readonly:true' if read_only else 'discard:enable')
    marks = f'{d}/marks'
    if os.path.exists(marks):
        os.unlink(marks)
    out = run(DRIVER, f'--marks={marks}', f'--transcript={d}/cast', '-', stdin=f'{add}\n{steps}'.encode(), timeout=180).out
    lines = [line.split(' ', 1) for line in read_file(marks).splitlines()]
    return out, [(float(at[1:]), caption) for at, caption in lines]


def need_guestfish():
    if not os.path.exists('/usr/bin/guestfish'):
        raise Skip('guestfish is not installed')


@case
def a_file_system_survives_and_its_requests_are_in_the_log():
    need_guestfish()
    with temp_dir() as d:
        content = bytes(i * 7 % 256 for i in range(256)) * 4096 # 1 MiB
        with open(d + '/in', 'wb') as f:
            f.write(content)
        with Server('--filter=log', 'memory', '64M', f'logfile={d}/log') as s:
            _, marks = guestfish(d, s.sock, '# boot\nrun\n# mkfs\npart-disk /dev/sda gpt\nmkfs ext4 /dev/sda1\n# write\nmount /dev/sda1 /\n'
                                 f'upload {d}/in /file\nsync\n# fstrim\nfstrim /\n# end\numount-all\n')
            out, _ = guestfish(d, s.sock, '# again\nrun\nmount-ro /dev/sda1 /\nchecksum sha256 /file\n', read_only=True)
            same(out.split()[-1], hashlib.sha256(content).hexdigest(), 'the file after a reboot')
            map_ = run('nbdinfo', '--map', '--totals', s.uri).out
            assert 'hole,zero' in map_ and re.search(r'\bdata\b', map_), map_
        log = read_file(d + '/log')
        for word in (' Read id=', ' Write id=', ' Flush id=', ' Trim id='):
            assert word in log, f'no{word} in the log'
        assert 'return=-1' not in log, [line for line in log.splitlines() if 'return=-1' in line][:5]
        begins, ends = len(re.findall(r' (?:Read|Write|Flush|Trim|Zero|Extents|Cache) id=', log)), log.count(' return=0\n')
        steps_are_where_they_were(marks, log)
        same(log.count('...Read') + log.count('...Write') + log.count('...Flush') + log.count('...Trim') + log.count('...Zero')
             + log.count('...Extents') + log.count('...Cache'), begins, 'ends and begins')


def steps_are_where_they_were(marks, log):
    """Each mark lies in time before what its step did, and after what the step before did."""
    same([caption for _, caption in marks], ['boot', 'mkfs', 'write', 'fstrim', 'end'], 'captions')
    times = [at for at, _ in marks]
    same(times, sorted(times), 'times')
    done = {caption: set() for _, caption in marks}
    for line in log.splitlines():
        m = re.match(r'(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)\.(\d+) connection=\d+ (Read|Write|Trim|Zero|Flush) .*\.\.\.$', line)
        if not m:
            continue
        when = datetime.datetime(*map(int, m.groups()[:7]), tzinfo=datetime.timezone.utc).timestamp()
        before = [caption for at, caption in marks if at <= when]
        assert before, f'{line} is before the first step'
        done[before[-1]].add(m[8])
    same(done['boot'], {'Read'}, 'what the boot did')
    assert {'Read', 'Write'} <= done['mkfs'], done
    assert {'Write', 'Flush'} <= done['write'] and 'Trim' not in done['write'], done
    assert 'Trim' in done['fstrim'], done


@case
def what_guestfish_complains_of_is_said_in_one_line():
    need_guestfish()
    for script, words in (('nonsense\n', 'guestfish: nonsense: nonsense: unknown command\n'),
                          ('mkfs\n', 'guestfish: mkfs: error: incorrect number of arguments\n'),
                          ('mount /dev/sda /\nversion\n', 'guestfish: mount /dev/sda /: libguestfs: error: mount: call launch before using this function\n'),
                          ('!kill -9 $PPID\n', 'guestfish: !kill -9 $PPID: it died of signal 9: \n')):
        got = run(DRIVER, '-', stdin=script.encode(), status=1)
        same((got.status, got.err, got.out), (1, words, ''), script)
    got = run(DRIVER, '/nowhere', status=1)
    same((got.status, got.err), (1, 'guestfish: /nowhere: No such file or directory\n'), 'no script')


@case
def a_session_can_be_played_again():
    need_guestfish()
    with temp_dir() as d:
        out = run(DRIVER, f'--transcript={d}/cast', '-', stdin=b'version\n').out
        first, *events = [json.loads(line) for line in read_file(d + '/cast').splitlines()]
        same((first['version'], first['width'], first['height']), (2, 80, 24), 'the first line')
        said = ''.join(e[2] for e in events if e[1] == 'o').replace('\r', '')
        assert out in said and said.count('><fs> ') == 2, (out, said)
        same([e[2] for e in events if e[1] == 'i'], ['version\n', '\x04'], 'what was sent')
        same([e[0] for e in events], sorted(e[0] for e in events), 'times')


main()
