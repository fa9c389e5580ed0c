#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 240
"""Filters of nbdkit's ABI: when each callback is called, with what, and what a filter may ask of what lies below it.
A probe filter writes it all down, here and under nbdkit, and both must have written the same."""
import difflib, functools, glob, os, re, shutil, socket, subprocess, tempfile
import nbd
from harness import *

tmp = tempfile.mkdtemp(prefix='f-')
SIZE = 1 << 20
serial = 0


def probe(name, *flags):
    path = f'{tmp}/{name}{"".join(flags).replace("/", "_")}.so'
    if not os.path.exists(path):
        run('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', f'-DNAME={name}', f'-DGLUE_debug_loud={name}_debug_loud',
            *flags, '-I', SRC + '/include', '-o', path, SRC + '/tests/plugins/probe-filter.c')
    return path


def debian(name, kind='filter'):
    path = next(iter(glob.glob(f'/usr/lib/*/nbdkit/{kind}s/nbdkit-{name}-{kind}.so')), None)
    if not path:
        raise Skip(f'needs nbdkit\'s {name} {kind}')
    other = f'{tmp}/debian-{name}-{kind}.so'
    if not os.path.exists(other):
        os.symlink(path, other)
    return other


def programs():
    return [NBDKIT] if REAL or not os.path.exists(NBDKIT_REF) else [NBDKIT, NBDKIT_REF]


def log_file():
    global serial
    serial += 1
    return f'{tmp}/log{serial}'


def connect(s, export=None, context=True):
    h = nbd.NBD()
    h.set_strict_mode(0)
    if context:
        h.add_meta_context('base:allocation')
    if export is not None:
        h.set_export_name(export)
    h.connect_unix(s.sock)
    return h


def answer(f, *args):
    try:
        return f(*args)
    except nbd.Error as e:
        return ('errno', e.errno)


def extents(h, n, off=0):
    found = []
    h.block_status(n, off, lambda c, o, e, err: found.extend(e) and 0)
    return found


def same_lines(got, want, what):
    if got != want:
        raise AssertionError(what + ':\n' + '\n'.join(difflib.unified_diff(want, got, 'nbdkit', 'ours', lineterm='', n=2)))


def written(talk, *args, one='one', below=('memory', SIZE), words=None, flags=()):
    """What the probe wrote and talk() returned, here and under nbdkit: the same.  The probe's lines come back."""
    results = []
    for program in programs():
        log = log_file()
        with Server(*flags, f'--filter={probe(one)}', *below, f'{one}-log={log}', *args,
                    program=None if program == NBDKIT else program) as s:
            got = talk(s)
            until('the connection is closed', lambda: read_file(log).count(' close\n') >= read_file(log).count(' open ')) # nbdkit's end may come first
        lines = [re.sub(r'^\S+ ', '', line) for line in read_file(log).splitlines()]
        if words:
            lines = [line for line in lines if line.split()[0] in words]
        results.append((lines, got))
    same_lines(results[0][0], results[-1][0], f'what the probe wrote with {" ".join(args)}')
    same(results[0][1], results[-1][1], 'what the client got')
    return results[0][0]


LIFE = 'config config_complete get_ready after_fork cleanup unload preconnect default_export open close prepare finalize shared twice:'.split()
DATA = 'pread pwrite flush trim zero extents cache below: full: aligned extent'.split()


@case
def the_life_of_a_filter_is_that_under_nbdkit():
    def talk(s):
        h = connect(s)
        out = [h.get_size(), bytes(h.pread(512, 0))]
        h.shutdown()
        return out
    lines = written(talk, 'size=1M', below=('memory',), words=LIFE)
    same(lines[0], 'config size=1M', 'the first line')
    same(lines[-2:], ['cleanup', 'unload'], 'the end')
    written(talk, words=LIFE, flags=['-r'])
    written(talk, 'one-can=model=1', words=LIFE)


@case
def two_filters_begin_from_the_inside_and_end_from_the_outside():
    logs = []
    for program in programs():
        log = log_file()
        with Server(f'--filter={probe("one")}', f'--filter={probe("two")}', 'memory', SIZE, f'one-log={log}', f'two-log={log}', 'two-can=model=2',
                    program=None if program == NBDKIT else program) as s:
            h = connect(s)
            h.pread(512, 0)
            h.shutdown()
            until('the connection is closed', lambda: read_file(log).count(' close\n') == 2)
        lines = [line for line in read_file(log).splitlines() if line.split()[1] in ('get_ready', 'after_fork', 'cleanup', 'unload', 'pread', 'close')]
        logs.append(lines)
    same_lines(logs[0], logs[-1], 'the order')
    same([line for line in logs[0] if 'get_ready' in line], ['two get_ready thread_model=2', 'one get_ready thread_model=2'], 'get_ready')


@case
def each_request_reaches_the_filter_as_under_nbdkit():
    def talk(s):
        h = connect(s)
        out = [answer(h.pwrite, b'a' * 5000, 100), answer(h.pwrite, b'b' * 512, 0, nbd.CMD_FLAG_FUA), answer(h.zero, 4096, 8192),
               answer(h.zero, 4096, 0, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA), answer(h.zero, 4096, 0, nbd.CMD_FLAG_FAST_ZERO),
               answer(h.trim, 65536, 65536), answer(h.trim, 4096, 0, nbd.CMD_FLAG_FUA), answer(h.flush), answer(h.cache, 8192, 0),
               answer(lambda: bytes(h.pread(8192, 0))), h.can_zero(), h.can_fua(), h.can_cache(), h.can_fast_zero()]
        out.append(answer(extents, h, 65536))
        out.append(answer(lambda: h.block_status(65536, 0, lambda *a: 0, nbd.CMD_FLAG_REQ_ONE)))
        h.shutdown()
        return out
    for can in ('', 'zero=0', 'zero=1', 'zero=2', 'fua=0', 'fua=1', 'fua=2', 'cache=0', 'cache=1', 'cache=2', 'extents=0', 'write=0',
                'zero=1 fua=1 cache=1', 'model=0', 'model=1', 'model=2', 'fail=pread'):
        lines = written(talk, *([f'one-can={can}'] if can else []), words=DATA)
        assert len(lines) >= 5, lines
    log = log_file() # which nbdkit only takes from plug-ins, and fails an assertion
    with Server(f'--filter={probe("one")}', 'memory', SIZE, f'one-log={log}', 'one-do=eopnotsupp') as s:
        talk(s)
    assert 'pwrite count=4096 offset=8192' in read_file(log), read_file(log)


@case
def an_emulated_zero_is_written_by_the_filter_itself():
    def talk(s):
        h = connect(s)
        h.zero(3 << 20, 4096)
        h.shutdown()
    log = log_file()
    with Server(f'--filter={probe("one")}', 'memory', '8M', f'one-log={log}', 'one-can=zero=1') as s:
        talk(s)
    spans = [tuple(int(n) for n in re.findall(r'=(\d+)', line)[:2]) for line in read_file(log).splitlines() if ' pwrite ' in line]
    same(sum(n for n, off in spans), 3 << 20, 'bytes')
    same(spans[0][1], 4096, 'the first offset')
    assert all(a[1] + a[0] == b[1] for a, b in zip(spans, spans[1:])), spans


@case
def what_lies_below_is_told_as_under_nbdkit():
    def talk(s):
        h = connect(s)
        h.pread(1, 0)
        h.shutdown()
    for below in (('memory', SIZE), (debian('pattern', 'plugin'), SIZE), (debian('full', 'plugin'), SIZE), (debian('info', 'plugin'), 'address')):
        written(talk, 'one-do=look', below=below, words=DATA)
    written(talk, 'one-do=look', flags=['-r'], words=DATA)


@case
def extents_in_whole_and_in_blocks():
    def talk(s):
        h = connect(s)
        h.pread(512, 0)
        h.shutdown()
    data = [debian('data', 'plugin'), 'data=@0x100 1 @0x8000 1*40000 @0x30000 1*100 @0x31000 1 @0x7fff0 1*32', 'size=1M']
    whole = [tuple(map(int, re.findall(r'\d+', line))) for line in written(talk, 'one-do=extents', below=data, words=DATA) if 'extent ' in line]
    assert len(whole) > 4 and whole[-1][0] + whole[-1][1] == SIZE, whole

    # nbdkit may tell less than all of a range at once; so this is held against what it must be
    log = log_file()
    with Server(f'--filter={probe("one")}', *data, f'one-log={log}', 'one-do=aligned') as s:
        talk(s)
    align = 0
    for line in read_file(log).splitlines():
        numbers = [int(n) for n in re.findall(r'\d+', line)]
        if 'aligned' in line:
            align, at = numbers[0], 0
            same(numbers[1:], [0, 0], line)
        elif 'extent ' in line:
            off, n, kind = numbers
            same((off, off % align, n % align), (at, 0, 0), f'{line}, in blocks of {align}')
            at = off + n
            for block in range(off, at, align):
                kinds = [k for o, m, k in whole if o < block + align and o + m > block]
                same(kind, functools.reduce(lambda a, b: a & b, kinds), f'{line}: the block at {block}')


@case
def exports_are_listed_and_named_through_the_filter():
    def talk(s):
        names = []
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.connect_unix(s.sock)
        h.opt_list(lambda name, description: names.append((name, description)) and 0)
        h.opt_abort()
        h = connect(s, 'cat')
        h.pread(3, 0)
        h.shutdown()
        return names
    script = f'{tmp}/exports.sh'
    with open(script, 'w') as f:
        f.write('#!/bin/sh\ncase $1 in list_exports) echo INTERLEAVED; echo cat; echo a cat; echo dog; echo a dog;;\n'
                'default_export) echo cat;; open) echo "$3";; get_size) echo 512;; pread) printf "%s" "$2" | dd bs=$3 count=1 conv=sync 2>/dev/null;;\n*) exit 2;; esac\n')
    os.chmod(script, 0o755)
    lines = written(talk, below=[debian('sh', 'plugin'), script])
    assert any('count=2' in line for line in lines), lines
    assert "export 'cat' 'a cat'" in lines, lines

    def default(s):
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.set_full_info(True)
        h.connect_unix(s.sock)
        h.opt_info()
        out = [h.get_canonical_export_name(), h.get_size()]
        h.opt_go()
        out.append(bytes(h.pread(3, 0)))
        h.shutdown()
        return out
    written(default, below=[debian('sh', 'plugin'), script], words=LIFE)
    written(default, below=[debian('exportname', 'filter')] and [debian('sh', 'plugin'), script], words=LIFE, flags=['--filter=' + debian('exportname'), '--filter=' + debian('nofilter')])


@case
def a_filter_opens_what_lies_below_a_second_time():
    def talk(s):
        h = connect(s)
        out = [answer(h.pwrite, b'x' * 512, 0), bytes(h.pread(512, 0))]
        h.shutdown()
        h = connect(s)
        out.append(bytes(h.pread(512, 0)))
        h.shutdown()
        return out
    log, below = log_file(), log_file()  # nbdkit 1.32.5 fails an assertion here
    with Server(f'--filter={probe("one")}', '--filter=log', 'memory', SIZE, f'one-log={log}', 'one-do=twice', f'logfile={below}') as s:
        same(talk(s), [None, b'x' * 512, b'x' * 512], 'answers')
    same(read_file(log).count('twice: opened replaced'), 2, 'contexts')
    same(read_file(below).count('Connect export'), 4, 'opens below')
    same(read_file(below).count(' Disconnect '), 4, 'closes below')


@case
def a_filter_shares_what_it_opened_with_all_connections():
    log, below = log_file(), log_file()
    with Server(f'--filter={probe("one")}', '--filter=log', 'memory', SIZE, f'one-log={log}', 'one-do=shared', f'logfile={below}') as s:
        handles = [connect(s) for _ in range(4)]
        for i, h in enumerate(handles):
            h.pwrite(bytes([i]) * 512, i * 512)
        for h in handles:
            same([h.pread(1, i * 512)[0] for i in range(4)], [0, 1, 2, 3], 'bytes')
            h.shutdown()
    text = read_file(below)
    same(text.count('Connect export'), 1, 'opens below')
    same(text.count(' Disconnect '), 1, 'closes below')
    assert 'shared size=1048576' in read_file(log)


@case
def callbacks_that_fail_refuse_what_they_should():
    for program in programs():
        p = None if program == NBDKIT else program
        for callback in ('config_complete', 'get_ready'):
            r = run(program, '-U', '-', f'--filter={probe("one")}', 'memory', '1M', f'one-can=fail={callback}', '--run', 'true', status=1)
            assert f'{callback} fails, as it was told' in r.err, r.err
        for callback in ('preconnect', 'open', 'prepare', 'get_size', 'can_write'):
            log = log_file()
            with Server(f'--filter={probe("one")}', 'memory', SIZE, f'one-log={log}', f'one-can=fail={callback}', program=p) as s:
                for _ in range(3): # and it lives
                    same(answer(connect, s)[0] if isinstance(answer(connect, s), tuple) else 'opened', 'errno', callback)
            text = read_file(log)
            same(text.count(' close'), 0 if callback in ('preconnect', 'open') else text.count(' open '), f'{callback}: closes')


@case
def ours_and_theirs_in_any_order():
    data = os.urandom(200000)
    results = set()
    for order in (['log', 'DEBIAN cow', 'delay'], ['DEBIAN cow', 'log', 'DEBIAN nofilter', 'delay'], ['delay', 'DEBIAN blocksize', 'cow', 'log'],
                  ['DEBIAN truncate', 'offset', 'DEBIAN noparallel', 'log', 'DEBIAN cacheextents', 'delay']):
        log = log_file()
        filters = ['--filter=' + (debian(f.split()[1]) if ' ' in f else f) for f in order]
        with Server(*filters, 'memory', '8M', f'logfile={log}', 'rdelay=1ms') as s:
            h = connect(s)
            h.pwrite(data, 4096)
            h.pwrite(bytes(4096), 8192)
            h.flush()
            results.add(bytes(h.pread(300000, 0)))
            extents(h, 1 << 20)
            h.shutdown()
        text = read_file(log)
        assert 'Connect' in text and text.count('return=0') > 3, text
    same(len(results), 1, 'different contents')


@case
def many_requests_through_a_filter_at_once():
    with Server(f'--filter={probe("one")}', '--filter=delay', 'memory', '16M', 'rdelay=1ms') as s:
        run('nbdcopy', '--connections=4', '--requests=16', '--', '[', NBDKIT, '--exit-with-parent', debian('pattern', 'plugin'), '16M', ']', s.uri)
        h = connect(s)
        for at in range(0, 16 << 20, 1 << 20):
            same(int.from_bytes(h.pread(8, at), 'big'), at, 'the pattern')
        h.shutdown()


@case
def a_client_that_dies_ends_what_its_filter_waits_for():
    for do, filters in (('sleep', []), ('look', ['--filter=delay'])):
        log = log_file()
        with Server(f'--filter={probe("one")}', *filters, 'memory', SIZE, f'one-log={log}', f'one-do={do}', *(['rdelay=3600'] if filters else [])) as s:
            h = connect(s)
            h.aio_pread(nbd.Buffer(512), 0)
            while 'pread' not in read_file(log):
                h.poll(10)
            s2 = connect(s) # somebody else meanwhile
            same(s2.get_size(), SIZE, 'size')
            s2.shutdown()
            os.close(os.dup(h.aio_get_fd()))
            socket.socket(fileno=os.dup(h.aio_get_fd())).shutdown(socket.SHUT_RDWR)
            until('the filter is told', lambda: read_file(log).count(' close') == 2)


@case
def retry_opens_anew_what_failed():
    script = f'{tmp}/fails.sh'
    for program in programs():
        count = log_file()
        with open(script, 'w') as f:
            f.write(f'#!/bin/sh\ncase $1 in open) echo open >> {count};; get_size) echo 1M;; pread) if [ $(grep -c pread {count}) -lt 2 ]; then echo pread >> {count};'
                    ' echo EIO bad luck >&2; exit 1; fi; dd if=/dev/zero count=$3 iflag=count_bytes 2>/dev/null;; *) exit 2;; esac\n')
        os.chmod(script, 0o755)
        with Server('--filter=' + debian('retry'), debian('sh', 'plugin'), script, 'retries=5', 'retry-delay=1', 'retry-exponential=no',
                    program=None if program == NBDKIT else program) as s:
            h = connect(s, context=False)
            same(bytes(h.pread(512, 0)), bytes(512), 'bytes')
            h.shutdown()
        same(read_file(count).split(), ['open', 'pread', 'open', 'pread', 'open'], program)


@case
def a_filter_of_a_later_layout_loads_and_one_of_an_unknown_does_not():
    log = log_file()
    for version in ('1.36.0', '1.37.9', '1.39.7'):
        later = probe('later', f'-DVERSION_SAID="{version}"')
        with Server(f'--filter={later}', 'memory', SIZE, f'later-log={log}') as s:
            h = connect(s)
            h.pwrite(b'z' * 512, 512)
            same(bytes(h.pread(512, 512)), b'z' * 512, 'bytes')
            h.shutdown()
        assert 'later get_ready thread_model=3' in read_file(log)
        out = run(NBDKIT, f'--filter={later}', 'memory', '--dump-plugin').out
        assert 'probe_filter=later\n' in out and 'name=memory\n' in out, out
    for version in ('1.28.0', '1.34.3', '2.0.0', 'x', ''):
        r = run(NBDKIT, '-U', '-', '--filter=' + probe('odd', f'-DVERSION_SAID="{version}"'), 'memory', '1M', '--run', 'true', status=1)
        assert r.err.count('\n') == 1 and 'incompatible' in r.err, r.err


@case
def names_flags_and_help():
    r = run(NBDKIT, '-U', '-', '--filter=nosuch', 'memory', '1M', '--run', 'true', status=1)
    assert r.err.count('\n') == 1 and 'nosuch' in r.err and 'cow' in r.err, r.err
    r = run(NBDKIT, '-U', '-', '--filter=' + debian('pattern', 'plugin'), 'memory', '1M', '--run', 'true', status=1)
    assert r.err.count('\n') == 1 and 'filter_init' in r.err, r.err
    assert 'one-log=FILE' in run(NBDKIT, '--help', '--filter=' + probe('one'), 'memory').out
    same(run(NBDKIT, '-U', '-', '--filter=swab', 'memory', '1M', '--run', 'nbdinfo --size $uri').out, '1048576\n', 'a name in the distribution\'s folder')
    log = log_file()
    run(NBDKIT, '-U', '-', '-D', 'one.loud=7', '--filter=' + probe('one'), 'memory', '1M', 'one-log=' + log, '--run', 'true')
    assert 'config_complete loud=7' in read_file(log), read_file(log)


@case
def log_above_a_filter_tells_the_thread_model():
    log = log_file()
    with Server('--filter=log', '--filter=' + debian('noparallel'), 'memory', SIZE, f'logfile={log}', 'serialize=requests') as s:
        connect(s).shutdown()
    assert 'Ready thread_model=2' in read_file(log), read_file(log)


try:
    main()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
