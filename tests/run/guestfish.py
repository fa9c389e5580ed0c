#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: a guest is booted, and it is not the guest that is tested
# timeout: 400
"""A Linux guest makes a file system on our disk, writes, and finds it all again after a reboot.
It is driven step by step at guestfish's prompt by examples/expect/guestfish.c, whose own promises are looked at, too."""
import datetime, hashlib, json, os, re, signal, subprocess
from harness import *

os.environ.setdefault('LIBGUESTFS_BACKEND', 'direct')
os.environ.setdefault('LIBGUESTFS_BACKEND_SETTINGS', 'force_tcg')
DRIVER = os.path.dirname(BIN) + '/examples/expect-guestfish'


def driver(d, script, *options):
    """The command that drives guestfish by this script."""
    if not os.path.exists('/usr/bin/guestfish'):
        raise Skip('guestfish is not installed')
    with open(d + '/script', 'w') as f:
        f.write(script)
    return [DRIVER, *options, d + '/script']


def add(sock, how):
    return f"add '' format:raw protocol:nbd server:unix:{sock} {how}\n"


def marks(path):
    """[(seconds since 1970, caption)], all of the file."""
    text = read_file(path)
    found = [(float(t), caption) for t, caption in re.findall(r'^@(\d+\.\d{9}) (.*)\n', text, re.M)]
    same(len(found), text.count('\n'), 'lines that are marks')
    same(found, sorted(found), 'the order of the marks')
    return found


def begins(log):
    """[(seconds since 1970, kind, offset, bytes)] of the requests that begin."""
    return [(datetime.datetime.fromisoformat(when).timestamp(), kind, int(offset or '0', 16), int(count or '0', 16))
            for when, kind, offset, count in
            re.findall(r'^(\S+ \S+) connection=\d+ (\w+) id=\d+(?: offset=(\S+) count=(\S+))?.* \.\.\.$', log, re.M)]


@case
def a_file_system_survives_and_its_requests_are_in_the_log():
    with temp_dir() as d:
        content = bytes(i * 7 % 256 for i in range(256)) * 4096 # 1 MiB
        with open(d + '/in', 'wb') as f:
            f.write(content)
        with Server('--filter=log', 'memory', '64M', f'logfile={d}/log') as s:
            same(run(*driver(d, f"""
                step boot
                {add(s.sock, 'discard:enable')}
                run
                step partition
                part-disk /dev/sda gpt
                step make: ext4
                mkfs ext4 /dev/sda1
                step write
                mount /dev/sda1 /
                upload {d}/in /file
                sync
                step trim
                fstrim /
                step end
                umount-all
                """, '-m', d + '/marks', '-c', d + '/cast'), timeout=180).out, '', 'what the commands print')
            out = run(*driver(d, add(s.sock, 'readonly:true') + 'run\nmount-ro /dev/sda1 /\nchecksum sha256 /file\n'), timeout=180).out
            same(out, hashlib.sha256(content).hexdigest() + '\n', 'the file after a reboot')
            map_ = run('nbdinfo', '--map', '--totals', s.uri).out
            assert 'hole,zero' in map_ and re.search(r'\bdata\b', map_), map_
        log = read_file(d + '/log')
        for word in (' Read id=', ' Write id=', ' Flush id=', ' Trim id='):
            assert word in log, f'no{word} in the log'
        assert 'return=-1' not in log, [line for line in log.splitlines() if 'return=-1' in line][:5]
        kinds = 'Read|Write|Flush|Trim|Zero|Extents|Cache'
        same(len(re.findall(rf' \.\.\.(?:{kinds}) ', log)), len(re.findall(rf' (?:{kinds}) id=', log)), 'ends and begins')
        steps_hold_their_requests(marks(d + '/marks'), begins(log))
        the_recording_is_whole(d + '/cast')


def steps_hold_their_requests(steps, requests):
    same([caption for _, caption in steps], ['boot', 'partition', 'make: ext4', 'write', 'trim', 'end'], 'captions')
    assert requests[0][0] < steps[-1][0] < requests[-1][0], (steps, requests[0], requests[-1])
    of = {name: {} for _, name in steps} # bytes by kind
    for when, kind, _, count in requests:
        name = ([caption for at, caption in steps if at <= when] or [None])[-1]
        assert name, f'a {kind} at {when} is before the first step at {steps[0][0]}'
        of[name].setdefault(kind, []).append(count)
    assert 'Read' in of['boot'] and not {'Write', 'Trim', 'Zero'} & set(of['boot']), of['boot'].keys()
    assert 'Write' in of['partition'] and not {'Trim', 'Zero'} & set(of['partition']), of['partition'].keys()
    assert 'Trim' in of['make: ext4'], of['make: ext4'].keys()
    assert sum(of['write']['Write']) >= 1 << 20, of['write']['Write']
    assert 'Trim' not in of['write'], of['write'].keys()
    assert sum(of['trim']['Trim']) > 32 << 20, of['trim']['Trim']


def the_recording_is_whole(path):
    header, *events = [json.loads(line) for line in read_file(path).splitlines()]
    same(header['version'], 2, 'version of the asciicast')
    typed = ''.join(e[2] for e in events if e[1] == 'i')
    assert typed.startswith("add '' ") and typed.endswith('umount-all\n\x04'), typed
    shown = ''.join(e[2] for e in events if e[1] == 'o')
    same(shown.count('><fs> '), typed.count('\n') + 1, 'prompts')
    assert '\x1b' not in shown, 'readline sent an escape sequence'


@case
def the_first_error_ends_the_session_and_is_told_in_one_line():
    for line, complaint in (('frobnicate /dev/sda', 'frobnicate: unknown command'),
                            ('run', 'libguestfs: error: you must call guestfs_add_drive before guestfs_launch'),
                            ('run now', 'error: incorrect number of arguments'),
                            ("add 'x", 'guestfish: unterminated single quote'),
                            ('add x y:z', 'add: unknown optional argument "y:z"'),
                            ('pause', 'pause: unknown command'),
                            ('part-add /dev/sda p 1x 2', 'part-add: startsect: invalid integer parameter (xstrtoll returned 2)'),
                            ('set-memsize 9999999999', 'set-memsize: memsize: integer out of range'),
                            ('help frobnicate', "frobnicate: command not known: use 'help --list' to list all commands"),
                            ('event x frobnicate y', 'unknown event name: frobnicate'),
                            ('delete-event x', 'delete-event: x: no such event handler'),
                            ('!kill -9 $PPID', 'guestfish was killed by signal 9; it printed last: !kill -9 $PPID'),
                            ('!sleep 100', 'no prompt for 2 s; it printed last: !sleep 100'),
                            ('settle nowhere 1 2', 'nowhere: No such file or directory')):
        with temp_dir() as d:
            r = run(*driver(d, f'# one\n\n!echo hello\n{line}\n!echo never\n', '-t', 2 * SLOWER), status=1)
            same(r.out, 'hello\n', f'{line}: output')
            same(r.err, f'expect-guestfish: {d}/script:4: {complaint}\n'.replace('2 s', f'{2 * SLOWER} s'), f'{line}: message')


@case
def a_signal_ends_guestfish_and_the_driver():
    for line in ('!echo $PPID >pid; sleep 100', '!echo $PPID >pid\npause 100', '!echo $PPID >pid\nsettle script 100 100'):
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with temp_dir() as d:
                p = subprocess.Popen(driver(d, line + '\n'), cwd=d, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
                pid = int(until('guestfish runs the command', lambda: read_file(d + '/pid').strip()))
                p.send_signal(sig)
                same(p.communicate(timeout=20 * SLOWER)[1], b'', 'what the driver says')
                same(p.returncode, -sig, 'its status')
                assert not os.path.exists(f'/proc/{pid}'), 'guestfish is still there'


@case
def the_persons_settings_change_nothing():
    with temp_dir() as d:
        with open(d + '/.inputrc', 'w') as f:
            f.write('set editing-mode vi\nset show-mode-in-prompt on\n')
        env = dict(os.environ, HOME=d, GUESTFISH_PS1='? ', GUESTFISH_INIT='Hello', TERM='xterm-256color', LANGUAGE='de', LC_ALL='de_DE.UTF-8')
        same(run(*driver(d, '!echo a\tb\n'), env=env).out, 'a b\n', 'output')
        assert not os.path.exists(d + '/.guestfish'), 'the history was written'


main()
