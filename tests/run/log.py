#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 180
"""The log filter: byte for byte what nbdkit's writes, but for the time stamps; nothing lost; there soon."""
import difflib, os, re, shutil, signal, subprocess, threading
from harness import *
try:
    import nbd
except ImportError:
    print('libnbd for Python is not installed')
    raise SystemExit(77) from None

STAMP = re.compile(r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} ')
SIZE = 1 << 20


def connect(s, name=''):
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.set_export_name(name)
    h.add_meta_context('base:allocation')
    h.connect_unix(s.sock)
    return h


def stampless(path):
    """The lines of a log; each must begin with a time stamp, which is cut off."""
    text = read_file(path)
    assert text == '' or text.endswith('\n'), f'the last line is torn: {text[-100:]!r}'
    lines = []
    for line in text.splitlines():
        assert STAMP.match(line), f'no time stamp: {line!r}'
        lines.append(STAMP.sub('', line))
    return lines


def attempt(f, *args):
    """An error is part of the conversation."""
    try:
        f(*args)
    except nbd.Error:
        pass


def compare(drive, *args, rewrite=lambda line: line):
    """drive(server) talks to nbdkit and to us; the two logs must be the same."""
    if not os.path.exists(NBDKIT_REF):
        raise Skip("Debian's nbdkit is not installed")
    logs = []
    for program in (NBDKIT_REF, NBDKIT):
        with temp_dir() as d:
            with Server('--filter=log', *args, f'logfile={d}/log', program=program) as s:
                drive(s)
            logs.append([rewrite(line) for line in stampless(d + '/log')])
    assert len(logs[0]) > 2, logs
    differ(logs, 'log')


def differ(logs, what):
    diff = list(difflib.unified_diff(logs[0], logs[1], 'nbdkit', 'ours', lineterm=''))
    assert not diff, what + ': they differ:\n' + '\n'.join(diff)


def everything(h):
    h.pread(512, 0)
    h.pwrite(b'x' * 4096, 8192)
    h.pwrite(b'x' * 512, 0, nbd.CMD_FLAG_FUA)
    h.flush()
    for flags in range(2):
        h.trim(4096, 65536, flags * nbd.CMD_FLAG_FUA)
    for flags in range(8):
        h.zero(4096, 131072, (nbd.CMD_FLAG_FUA if flags & 1 else 0) | (nbd.CMD_FLAG_NO_HOLE if flags & 2 else 0)
               | (nbd.CMD_FLAG_FAST_ZERO if flags & 4 else 0))
    h.cache(65536, 4096)
    h.pread(SIZE, 0)
    h.pread(1, SIZE - 1)


def status(h, count, offset, flags=0):
    h.block_status(count, offset, lambda *_: 0, flags)


@case
def all_commands_and_flags_are_logged_as_nbdkit_does():
    def drive(s):
        h = connect(s)
        everything(h)
        h.shutdown()
    compare(drive, 'memory', SIZE)


@case
def extents_are_logged_as_nbdkit_does():
    def drive(s):
        h = connect(s)
        status(h, SIZE, 0)
        h.pwrite(b'x' * 65536, 0)
        h.pwrite(b'x' * 65536, 4 * 65536)
        status(h, SIZE, 0)
        status(h, SIZE, 0, nbd.CMD_FLAG_REQ_ONE)
        status(h, 65536, 65536)
        status(h, 4096, 0, nbd.CMD_FLAG_REQ_ONE)
        status(h, 512, SIZE - 512)
        h.shutdown()
    compare(drive, 'memory', SIZE)


@case
def refused_requests_never_reach_the_log():
    def drive(s):
        h = connect(s)
        attempt(h.pread, 512, SIZE)
        attempt(h.pwrite, b'x' * 512, SIZE)
        attempt(h.zero, 512, SIZE)
        attempt(h.trim, 512, SIZE)
        attempt(h.cache, 512, SIZE)
        attempt(h.pread, 512, 0, 1 << 13)
        h.pread(512, 512)
        h.shutdown()
    compare(drive, 'memory', SIZE)


@case
def connections_one_after_another():
    def drive(s):
        for name in ('', 'second', 'third'):
            h = connect(s, name)
            h.pread(512, 0)
            h.pwrite(name.encode() + b'!', 0)
            h.shutdown()
            until('nbdkit noticed', lambda s=s, n=name: f'export={n or chr(34) * 2} ' in read_file(s.argv[-1][8:]))
    compare(drive, 'memory', SIZE)


@case
def export_names_with_odd_characters():
    for name in ('a b', 'with"quote', "with'quote", 'back\\slash', '$HOME', '`id`', '*?[]{}', '~', '#', 'a=b,c:d/e', 'é√', 'tab\there',
                 'new\nline', '-_.', '%', '!', 'a;b', '<>|&', '@', '+', '^'):
        def drive(s, name=name):
            h = connect(s, name)
            h.pread(512, 0)
            h.shutdown()
        try:
            compare_raw(drive, 'memory', SIZE)
        except AssertionError as e:
            raise AssertionError(f'export name {name!r}: {e}') from None


def compare_raw(drive, *args):
    """As compare(), but names may hold newlines: only the stamps at line starts are cut."""
    texts = []
    for program in (NBDKIT_REF, NBDKIT):
        with temp_dir() as d:
            with Server('--filter=log', *args, f'logfile={d}/log', program=program) as s:
                drive(s)
            texts.append(re.sub(STAMP.pattern, '', read_file(d + '/log'), flags=re.M))
    assert texts[0] == texts[1], f'the logs differ:\n{texts[0]!r}\n{texts[1]!r}'


@case
def listing_exports_is_logged():
    def drive(s):
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.connect_unix(s.sock)
        h.opt_list(lambda *_: 0)
        h.opt_abort()
    compare(drive, 'memory', SIZE)


@case
def info_then_go():
    def drive(s):
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.connect_unix(s.sock)
        h.opt_info()
        h.opt_go()
        h.pread(512, 0)
        h.shutdown()
    compare(drive, 'memory', SIZE)


@case
def read_only_and_null():
    def drive(s):
        h = connect(s)
        h.pread(512, 0)
        attempt(h.pwrite, b'x' * 512, 0)
        h.shutdown()
    compare(drive, '-r', 'memory', SIZE)
    compare(drive, 'null', SIZE)


@case
def delay_before_and_after_the_log():
    def drive(s):
        h = connect(s)
        everything(h)
        h.shutdown()
    compare(drive, '--filter=delay', 'memory', SIZE, 'rdelay=1ms', 'wdelay=1ms')
    if not os.path.exists(NBDKIT_REF):
        raise Skip("Debian's nbdkit is not installed")
    logs = []
    for program in (NBDKIT_REF, NBDKIT):
        with temp_dir() as d:
            with Server('--filter=delay', '--filter=log', 'memory', SIZE, 'delay-fast-zero=false', 'rdelay=1ms', 'wdelay=1ms', f'logfile={d}/log',
                        program=program) as s:
                h = connect(s)
                h.pread(4096, 0)
                attempt(h.zero, 512, 0, nbd.CMD_FLAG_FAST_ZERO)
                h.shutdown()
            lines = stampless(d + '/log')
            logs.append([line for i, line in enumerate(lines) if lines[i - 1:i] != [line]]) # nbdkit tells this Disconnect twice
    differ(logs, 'log below delay')


@case
def failed_requests_tell_the_error():
    """Fast zero refused by the delay filter below the log."""
    def drive(s):
        h = connect(s)
        attempt(h.zero, 512, 0, nbd.CMD_FLAG_FAST_ZERO)
        h.zero(512, 0)
        h.shutdown()
    compare(drive, '--filter=delay', 'memory', SIZE, 'wdelay=1ms', 'delay-fast-zero=false')


@case
def oldstyle_and_no_structured_replies():
    def drive(s):
        h = connect(s)
        h.pread(512, 0)
        h.shutdown()
    compare(drive, '-o', 'memory', SIZE)
    compare(drive, '--no-sr', 'memory', SIZE)


@case
def a_client_that_just_goes_away_is_logged():
    def drive(s):
        log = s.argv[-1][8:]
        h = connect(s)
        h.pread(512, 0)
        del h # closes the socket without NBD_CMD_DISC
        until('Disconnect is in the log', lambda: 'Disconnect' in read_file(log))
    compare(drive, 'memory', SIZE)


@case
def logappend_keeps_what_was_there():
    with temp_dir() as d:
        for append, want in (('true', 1), ('true', 2), ('1', 3), ('false', 1), ('no', 1)):
            with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log', f'logappend={append}') as s:
                h = connect(s)
                h.pread(512, 0)
                h.shutdown()
            got = sum(line.endswith('Read id=1 return=0') for line in stampless(d + '/log'))
            same(got, want, f'sessions in the log after logappend={append}')
        with open(d + '/log', 'w') as f: # a disk was full
            f.write('2026-11-26 10:58:51.123456 connection=1 Rea')
        with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log', 'logappend=true') as s:
            connect(s).shutdown()
        assert REAL or STAMP.match(read_file(d + '/log').splitlines()[1]), read_file(d + '/log')


@case
def the_log_path_may_be_relative():
    """A daemon changes its directory; the path was meant where it was typed."""
    with temp_dir() as d:
        with Server('--filter=log', 'memory', SIZE, 'logfile=log', popen={'cwd': d}) as s:
            connect(s).shutdown()
        assert 'Connect' in read_file(d + '/log')


@case
def logscript_gets_each_entry_in_variables():
    want = []
    for program in (NBDKIT_REF, NBDKIT):
        if not os.path.exists(program):
            raise Skip("Debian's nbdkit is not installed")
        with temp_dir() as d:
            script = f'printf "%s|%s|%s|%s|%s|%s|%s\\n" "$act" "$type" "$connection" "$id" "$offset" "$count" "$return" >> {d}/out'
            with Server('--filter=log', 'memory', SIZE, f'logscript={script}', program=program) as s:
                h = connect(s, 'na me')
                h.pread(512, 1024)
                h.pwrite(b'x' * 512, 0)
                h.flush()
                h.shutdown()
                # Ready, Connect, Disconnect; both ends of Preconnect, Read, Write, Flush: nbdkit's scripts take their time
                until('all were told', lambda: read_file(d + '/out').count('\n') >= 11)
            want.append(sorted(read_file(d + '/out').splitlines())) # nbdkit's scripts overtake each other
    assert any(line.startswith('Read|ENTER|1|1|0x400|0x200|') for line in want[0]), want[0]
    differ(want, 'what the script was told')


@case
def logscript_sees_strings_and_lists():
    got = []
    for program in (NBDKIT_REF, NBDKIT):
        if not os.path.exists(program):
            raise Skip("Debian's nbdkit is not installed")
        with temp_dir() as d:
            with open(d + '/script', 'w') as f:
                f.write(f'#!/bin/bash\n')
            script = f'echo "$act $type <$export> <$extents> <$exports> <$error>" >> {d}/out'
            with Server('--filter=log', 'memory', SIZE, f'logscript={script}', program=program) as s:
                h = connect(s, 'two words')
                status(h, SIZE, 0)
                h.shutdown()
                until('the client is gone', lambda: 'Disconnect' in read_file(d + '/out'))
            got.append([line for line in read_file(d + '/out').splitlines() if 'Connect' in line])
    assert '<two words>' in got[0][0], got[0]
    same(got[1], got[0], 'what the script was told')


@case
def a_line_is_in_the_file_soon_while_the_server_runs():
    with temp_dir() as d, Server('--filter=log', 'memory', SIZE, f'logfile={d}/log') as s:
        until('Ready is there before any client', lambda: 'Ready' in read_file(d + '/log'))
        h = connect(s)
        until('Connect is there', lambda: ' Connect ' in read_file(d + '/log'))
        for i in range(1, 20):
            h.pread(512, 0)
            until(f'both lines of read {i} are there', lambda i=i: f'...Read id={i} return=0\n' in read_file(d + '/log'))
        h.shutdown()
        until('Disconnect is there', lambda: 'Disconnect transactions=19\n' in read_file(d + '/log'))


@case
def a_request_in_progress_is_already_in_the_file():
    with temp_dir() as d, Server('--filter=log', '--filter=delay', 'memory', SIZE, f'logfile={d}/log', 'rdelay=100') as s:
        h = connect(s)
        h.aio_pread(nbd.Buffer(512), 4096)
        h.poll(0)
        until('its first line is there', lambda: 'Read id=1 offset=0x1000 count=0x200 ...\n' in read_file(d + '/log'))
        assert '...Read id=1' not in read_file(d + '/log')
        del h
        until('the client is gone', lambda: 'Disconnect' in read_file(d + '/log'))


@case
def nothing_is_lost_when_eight_connections_log_at_once():
    """10,000 requests, then SIGTERM: every id of every connection has its two lines, in order."""
    if REAL:
        raise Skip('nbdkit waits for its clients')
    per = 1250
    with temp_dir() as d:
        with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log') as s:
            trouble = []

            def work(k):
                try:
                    h = connect(s, f'c{k}')
                    b = nbd.Buffer.from_bytearray(bytearray(512))
                    for i in range(per):
                        h.aio_pwrite(b, (i * 512) % SIZE) if i % 2 else h.aio_pread(nbd.Buffer(512), (i * 512) % SIZE)
                        while h.aio_in_flight() >= 64:
                            h.poll(-1)
                    while h.aio_in_flight():
                        h.poll(-1)
                    handles.append(h) # still connected when the server is told to end
                except Exception as e: # pylint: disable=broad-except
                    trouble.append(e)
            handles = []
            threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            same(trouble, [], 'clients')
            s.stop()
        open_now, ended, exports = {}, {}, set()
        for line in stampless(d + '/log'):
            if m := re.match(r'connection=(\d+) Connect export=c(\d)', line):
                exports.add(m[2])
                ended[m[1]] = set()
            elif m := re.match(r'connection=(\d+) (Read|Write) id=(\d+) .*\.\.\.$', line):
                assert (m[1], m[3]) not in open_now, f'twice: {line}'
                open_now[m[1], m[3]] = m[2]
            elif m := re.match(r'connection=(\d+) \.\.\.(Read|Write) id=(\d+) return=0$', line):
                same(open_now.pop((m[1], m[3]), None), m[2], f'what {line!r} ends')
                ended[m[1]].add(int(m[3]))
        same(len(exports), 8, 'connections')
        same(open_now, {}, 'requests without an end')
        same({k: len(v) for k, v in ended.items()}, {k: per for k in ended}, 'requests by connection')
        assert all(v == set(range(1, per + 1)) for v in ended.values()), 'ids are 1 to the number of requests'


@case
def time_stamps_never_go_back_within_a_connection():
    with temp_dir() as d:
        with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log') as s:
            h = connect(s)
            for i in range(500):
                h.pread(512, i * 512)
            h.shutdown()
        stamps = [line[:26] for line in read_file(d + '/log').splitlines() if ' connection=1 ' in line]
        assert len(stamps) > 1000
        same(stamps, sorted(stamps), 'time stamps')


@case
def sigterm_with_requests_parked_leaves_a_whole_log():
    if REAL:
        raise Skip('nbdkit has 16 at once')
    with temp_dir() as d:
        with Server('--filter=log', '--filter=delay', 'memory', SIZE, f'logfile={d}/log', 'rdelay=100') as s:
            h = connect(s)
            for i in range(50):
                h.aio_pread(nbd.Buffer(512), i * 512)
            h.poll(0)
            until('all are in the log', lambda: read_file(d + '/log').count(' Read id=') == 50)
            s.stop()
        lines = stampless(d + '/log')
        same(sum('...Read id=' in line for line in lines), 50, 'requests that were ended')
        assert all('return=0' in line or 'return=-1 error=ESHUTDOWN' in line for line in lines if '...Read' in line), lines[-60:]
        assert any('Disconnect transactions=50' in line for line in lines), lines[-5:]


@case
def an_unwritable_log_path_is_one_clear_line():
    for path in ('/nonexistent-directory/log', '/', '/proc/version/log'):
        r = run(NBDKIT, '-f', '-U', '-', '--filter=log', 'memory', SIZE, f'logfile={path}', status=1, timeout=20)
        assert path in r.err, r.err
        same(len(r.err.splitlines()), 1, f'lines of {r.err!r}')
        same(r.out, '', 'stdout')


@case
def a_full_disk_under_the_log_is_told_and_survived():
    with temp_dir() as d:
        r = run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', d, status=None)
        if r.status != 0:
            raise Skip('cannot mount a small tmpfs: ' + r.err.strip())
        try:
            with Server('--filter=log', 'memory', SIZE, f'logfile={d}/log') as s:
                h = connect(s)
                for i in range(2000):
                    h.pwrite(bytes([i % 251]) * 512, i * 512)
                assert bytes(h.pread(512, 512 * 1999)) == bytes([1999 % 251]) * 512, 'the disk still works'
                if not REAL: # nbdkit says nothing
                    until('the server says so', lambda: re.search(r'log.*No space left on device', s.messages()))
                    assert len(s.messages().splitlines()) < 20, 'it does not say so for every line'
                os.truncate(d + '/log', 0) # somebody makes room
                h.pread(512, 0)
                h.shutdown()
                connect(s).shutdown() # others are served too
        finally:
            run('umount', d)


@case
def dev_full_under_the_log():
    with Server('--filter=log', 'memory', SIZE, 'logfile=/dev/full') as s:
        h = connect(s)
        for i in range(500):
            h.pwrite(b'x' * 512, i * 512)
        h.shutdown()
        if not REAL:
            until('the server says so', lambda: 'No space left on device' in s.messages())


@case
def a_log_into_a_pipe_that_is_read_slowly_loses_nothing():
    with temp_dir() as d:
        os.mkfifo(d + '/fifo')
        got = []

        def reader():
            with open(d + '/fifo') as f:
                for line in f:
                    got.append(line)
        t = threading.Thread(target=reader)
        t.start()
        with Server('--filter=log', 'memory', SIZE, f'logfile={d}/fifo') as s:
            h = connect(s)
            for i in range(3000):
                h.pread(512, 0)
            h.shutdown()
        t.join(60)
        same(sum('...Read' in line for line in got), 3000, 'reads in the log')


main()
