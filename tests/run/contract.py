#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# tsan
# timeout: 300
"""nbdkit's contract with a plug-in: a plug-in that writes down every call (tests/plugins/probe.h) runs under this server
and under nbdkit, with the same clients, and the two records and what the clients saw must be the same.

What differs on purpose is taken out by the functions `but_*` here, and told in docs/plugins.md.
"""
import itertools, os, random, signal, tempfile
import nbd
from harness import REAL, Skip, case, main, read_file, same, until
from probe import (OURS, THEIRS, differences, encoded, every_request, opened, probed, ran, settings, so, spans, tried, visit)

DATA = 'pwrite flush trim zero extents cache'.split()
ASKS = ('can_write can_flush is_rotational can_trim can_zero can_fast_zero can_fua can_multi_conn can_extents '
        'can_cache').split()
BEFORE = 'load config config_complete thread_model get_ready after_fork preconnect default_export open close cleanup unload'


def both(f):
    if REAL:
        raise Skip('nbdkit itself is under test')
    return f(OURS), f(THEIRS)


def but_default_export_again(lines):
    """nbdkit asks once a connection, this server with every INFO and GO."""
    kept, told = [], False
    for line in lines:
        told &= not line.startswith('preconnect')
        if not (told and line.startswith('default_export')):
            kept.append(line)
        told |= line.startswith('default_export')
    return kept


def but_export_description(lines):
    """nbdkit asks when the client wants to know, this server always."""
    return [line for line in lines if line != 'export_description']


def compare(where, f):
    """f(program) gives the lines of the record and what was seen."""
    (ours, saw), (theirs, they_saw) = both(f)
    differences(but_default_export_again(but_export_description(ours)), but_default_export_again(but_export_description(theirs)), where)
    if isinstance(saw, list) and len(saw) == len(they_saw):
        for i, (a, b) in enumerate(zip(saw, they_saw)):
            same(a, b, f'{where}, number {i}')
    same(saw, they_saw, where)


# --- the life ---

def life(where, *argv, **kw):
    def f(program):
        r = ran(program, *argv, **kw)
        # When the command of --run has ended, nbdkit does not wait for connections to close.
        return [line for line in r.log.lines if line != 'close' or '--run' not in argv], r.status
    compare(where, f)


@case
def the_life_of_a_plugin_has_its_order():
    visit_it = 'nbdinfo --size "$uri"; nbdinfo --list "$uri" >/dev/null'
    life('--run', '-U', '-', so(), 'a=1', 'b=2', '--run', visit_it)
    life('--run, first API', '-U', '-', so(1), 'a=1', '--run', visit_it)
    life('oldstyle', '-o', '-U', '-', so(), '--run', 'nbdsh -u "$uri" -c pass', have=BEFORE + ' pread')
    life('--dump-plugin', so(), 'a=1', '--dump-plugin')
    life('--help', so(), 'a=1', '--help')
    life('--version', so(), 'a=1', '--version')
    life('nothing but what must be', '-U', '-', so(), '--run', visit_it, have='pread')


@case
def the_same_in_the_foreground_and_in_the_background():
    def foreground(program):
        with probed(program) as s:
            visit(s)
        return s.log.lines, None

    def background(program):
        r = ran(program, '-U', '@/sock', '-P', '@/pid', so())
        pid = int(until('the pid file', lambda: (read_file(r.dir + '/pid').endswith('\n') and read_file(r.dir + '/pid'))))
        h = nbd.NBD()
        h.connect_unix(r.dir + '/sock')
        h.shutdown()
        until('the connection is closed', lambda: r.log.count('close'))
        os.kill(pid, signal.SIGTERM)
        until('it unloads', lambda: r.log.count('unload'))
        return r.log.lines, r.status
    compare('-f', foreground)
    compare('daemon', background)


@case
def the_same_with_one_client_on_stdin():
    def f(program):
        d = os.environ['PROBE_LOG'] = tempfile.mkdtemp(prefix='single-') + '/log'
        h = nbd.NBD()
        h.connect_command([program, '-s', so(), 'a=1'])
        h.pread(512, 0)
        h.shutdown()
        until('it unloads', lambda: ' unload\n' in read_file(d))
        # close may come too late in nbdkit
        return [line.split(' ', 1)[1] for line in read_file(d).splitlines() if not line.endswith(' close')], None
    compare('-s', f)


@case
def when_a_step_fails_nothing_follows():
    for step in 'config', 'config_complete', 'thread_model', 'get_ready':
        life(step, '-U', '-', so(), 'a=1', 'b=2', '--run', 'true', with_=settings(**{step: -1}))
        life(step + ' in the background', '-U', '@/sock', so(), 'a=1', with_=settings(**{step: -1}))
    # nbdkit's starter has gone home by then, and its status is 0: ours waits
    r = ran(OURS, '-U', '@/sock', so(), with_=settings(after_fork=-1))
    same((r.status, r.log.lines[-1]), (1, 'after_fork in /'), 'after_fork')
    for step in 'preconnect', 'open', 'list_exports':
        life(step, '-U', '-', so(), '--run', 'nbdinfo --size "$uri"; nbdinfo --list "$uri"', with_=settings(**{step: -1}))


@case
def a_plugin_may_exit_in_its_configuration():
    for step in 'config', 'config_complete', 'get_ready':
        for how in ['-U', '-'], ['-U', '@/sock']:
            words = ['--run', 'true'] if how[1] == '-' else []
            life(f'exit in {step} {how}', *how, so(), 'a=1', *words, with_=settings(**{'do_' + step: 'exit:7'}))


@case
def words_of_the_command_line_become_keys_and_values():
    for words in (['a=1', 'b='], ['a=b=c'], ['a.b_c-d=1'], ['word'], ['1a=2'], ['a b=1'], ['é=1'], ['a=é\n'], ['=x'], [''], ['-=1'],
                  ['_a=1'], ['script=x', 'y=z'], ['a=1', 'word'], ['word', 'word'], ['a=1', '=x'], ['a=' + 'x' * 8000]):
        for env in {}, {'PROBE_MAGIC': 'magic'}:
            for have in None, 'pread load config_complete':
                def f(program):
                    r = ran(program, '-U', '-', so(), *words, '--run', 'true', env=env, have=have)
                    return [line for line in r.log.lines if line.startswith('config')], r.status
                compare(f'{words} {env} {have}', f)


@case
def a_struct_of_another_size_or_age_is_understood():
    for env in [{'PROBE_SIZE': n} for n in '0 8 100 200 264 320 376 384 448 100000'.split() if n != '100000'] \
            + [{'PROBE_API': n} for n in ('-1', '3', '99')] + [{'PROBE_NAME': n} for n in ('', '-a', 'a_b', 'a b', 'é', 'A-9')]:
        for api in 1, 2:
            life(f'{env} API {api}', '-U', '-', so(api), '--run', 'nbdinfo --size "$uri"', env=env)
    for model in '-1', '4': # nbdkit takes 4 for parallel, and ends by an assertion at -1
        same(ran(OURS, '-U', '-', so(), '--run', 'true', env={'PROBE_MODEL': model}).status, 1, model)


@case
def debug_flags_are_set_before_load():
    for flag in ('probe.flag=7', 'probe.flag=-7', 'probe.two.words=3', 'probe.two_words=3', 'probe.none=1', 'other.flag=1', 'probe.flag=x',
                 'probe.flag', '.flag=1', 'probe.=1', 'probe.flag=', 'probe.flag=0x10', 'probe.flag=99999999999',
                 'nbdkit.backend.controlpath=0', 'nbdkit.backend.datapath=0', 'nbdkit.tls.log=1', 'nbdkit.tls.session=1'):
        life(flag, '-U', '-', '-D', flag, so(), '--run', 'true')


@case
def dump_plugin_prints_what_nbdkit_prints():
    rng = random.Random(2)
    names = BEFORE.split() + DATA + ASKS + 'dump_plugin list_exports export_description block_size'.split()
    for api, have in itertools.product((1, 2), [None, 'pread'] + [' '.join(['pread'] + rng.sample(names, 12)) for _ in range(8)]):
        for model in range(4):
            def f(program):
                r = ran(program, so(api), '--dump-plugin', have=have, env={'PROBE_MODEL': str(model), 'PROBE_PRESERVED': '1',
                                                                          'PROBE_MAGIC': 'm'}, with_='thread_model=2')
                return r.out.splitlines(), r.status
            compare(f'API {api}: {have}', f)


# --- what an export can do ---

def exports(where, names, **kw):
    """One server of each kind, and a visit to each of these exports."""
    def f(program):
        with probed(program, **kw) as s:
            seen = [visit(s, name) for name in names]
        return s.log.lines, seen
    compare(where, f)


def option_of(readonly):
    return ['-r'] if readonly else []


@case
def a_callback_that_is_missing_has_its_default():
    rng = random.Random(1)
    names = DATA + ASKS
    masks = [[], names] + [[n] for n in names] + [[n for n in names if n != gone] for gone in names] \
        + [[n for n in names if rng.random() < .5] for _ in range(12)]
    for api, mask in itertools.product((1, 2), masks):
        if 'can_extents' in mask and 'extents' not in mask:
            continue # nbdkit then fails every question, this server knows that all is allocated
        def f(program):
            with probed(program, api=api, have=' '.join(['pread', 'close'] + mask)) as s:
                seen = visit(s)
            return s.log.lines, seen
        compare(f'API {api} with {mask}', f)


@case
def extents_that_are_promised_but_missing_are_all_data():
    with probed(OURS, have='pread close can_extents') as s:
        same(visit(s, ask=lambda h: spans(h, 4096, 512))['asked'], ('ok', [(4096, 0)]), 'extents')


@case
def each_answer_has_its_meaning():
    names = [f'?{a}={n}' for a in ASKS for n in (0, 1, 2, -1, 3) if not (n == 3 and a in ('can_fua', 'can_cache'))]
    names += ['?' + settings(**kv) for kv in (
        dict(can_fua=1, can_flush=0), dict(can_zero=0, can_fast_zero=1), dict(can_zero=0, can_fast_zero=0), dict(can_write=0, can_trim=-1),
        dict(can_write=0, can_fua=-1, can_zero=-1, can_fast_zero=-1), dict(size=0), dict(size=-1), dict(size=1),
        dict(size=2 ** 63 - 1), dict(size=2 ** 20 + 1))]
    for api in 1, 2:
        exports(f'API {api}', names, api=api)
        exports(f'API {api} read-only', names, api=api, with_='', env={}, **{})
    with probed(OURS) as s: # nbdkit takes any number there
        for name in '?can_fua=3', '?can_cache=3':
            same(visit(s, name), 'refused', name)


@case
def a_readonly_export_is_asked_less():
    def f(program):
        with probed(program, '-r') as s:
            seen = [visit(s, name) for name in [''] + [f'?{a}={n}' for a in ASKS for n in (0, -1)]]
        return s.log.lines, seen
    compare('-r', f)


@case
def block_sizes_must_make_sense():
    good = ['1:512:65536', '512:4096:4294967295', '65536:65536:65536', '512:512:1024', '1:33554432:33554432']
    bad = ['0:512:4096', '3:512:4096', '1:256:4096', '1:512:511', '131072:131072:131072', '1:67108864:4294967295', '512:512:1000',
           '4096:512:8192', '1:1:1', '1:512:0', '1:700:7000', '-1']
    exports('block sizes', [f'?block_size={b}' for b in good + bad])
    ask = lambda h: [h.get_block_size(i) for i in range(3)]
    with probed(OURS) as s:
        for b in good:
            minimum, preferred, maximum = map(int, b.split(':'))
            same(visit(s, f'?block_size={b}', ask)['asked'], [minimum, preferred, min(maximum, 64 << 20)], b)


# --- errors ---

@case
def the_errno_of_a_call_reaches_the_client():
    errnos = [1, 5, 12, 22, 27, 28, 30, 75, 95, 108, 122, 9999, 0]
    names = [f'?{c}={how}{n}' for c in 'pread pwrite trim zero cache extents_call'.split() for how in 'ES' for n in errnos]
    names += [f'?flush={how}{n}' for how in 'ES' for n in errnos if n != 95] # nbdkit: an assertion
    names += [f'?{c}=-1' for c in 'pread pwrite flush trim zero cache extents_call'.split()]
    names += ['?' + settings(**kv) for kv in (
        {'zero': 'E95', 'pwrite zeroes': 'E5'}, {'zero': 'S95', 'can_fua': 1}, {'can_fua': 1, 'flush': 'S5'}, {'can_cache': 1, 'pread': 'S5'},
        {'zero': 'S95', 'can_fast_zero': 1}, {'zero': 'S28', 'can_fast_zero': 1})]
    for api, env in itertools.product((1, 2), ({}, {'PROBE_PRESERVED': '1'})):
        exports(f'API {api} {env}', names, api=api, env=env)
    with probed(OURS, env={'PROBE_PRESERVED': '1'}) as s: # of these nbdkit dies
        for name in '?pread=E-5', '?pread=S-5', '?flush=S95':
            visit(s, name)


@case
def large_zeroes_and_caches_are_done_in_pieces():
    """The pieces are of another size than nbdkit's; together they are what was asked for."""
    def ask(h):
        return [tried(h.zero, 100 << 20, 4096), tried(h.cache, 100 << 20, 4096), tried(h.trim, 3 << 30, 0)]

    def f(program):
        with probed(program, have='pread pwrite close can_cache trim') as s:
            seen = visit(s, '?size=0x100000000;can_cache=1', ask)
        todo = {'pwrite zeroes': [], 'pread': [], 'trim': []}
        for line in s.log.lines:
            if ' count=' in line:
                what, count, offset, _ = line.rsplit(' ', 3)
                todo[what].append((int(offset[7:]), int(count[6:])))
        ranges = {}
        for what, parts in todo.items():
            same([at for at, _ in parts[1:]], [at + n for at, n in parts[:-1]], what + ': each piece begins where the last ended')
            ranges[what] = (parts[0][0], sum(n for _, n in parts)) if parts else None
        return [], (seen, ranges)
    compare('in pieces', f)


# --- extents ---

def cut(answer, length):
    rc, runs = answer
    out = []
    for n, kind in runs:
        if length > 0:
            out.append((min(n, length), kind))
        length -= n
    return rc, out


@case
def extents_follow_their_rules():
    told = ['', '+0,0,0', '+0,512,0', '+0,1048576,3', '+0,4096,0/+4096,4096,3/+8192,1040384,1', '0,1048576,2', '0,256,0/256,256,3/512,4096,0',
            '0,100,0/100,100,0', '+1,512,0', '+512,512,0', '+0,512,0/+1024,512,0', '+0,512,0/+256,512,0', '+0,512,0/+0,512,0',
            '+0,9223372036854775807,3', '+0,512,3/+512,512,3/+1024,512,0', '+0,1,0/+1,1,3/+2,1,0',
            '+0,4096,3/+4096,9223372036854775807,0', '+0,100,0/+100,0,3/+100,100,3', '1048576,512,0', '+512,512,0/+0,512,0', '+0,2097152,3']
    for go_on in False, True:
        def ask(h): # nbdkit lets the last run reach further than was asked
            return [cut(spans(h, n, at, flags), n) for n, at in ((4096, 0), (4096, 512), (512, 1048576 - 512), (65536, 100))
                    for flags in (0, nbd.CMD_FLAG_REQ_ONE)]

        def f(program):
            with probed(program) as s:
                seen = [visit(s, '?' + settings(extents=t, **({'go_on': 1} if go_on else {})), ask) for t in told]
            return s.log.lines, [v['asked'] for v in seen]
        compare(f'extents, going on {go_on}', f)


    with probed(OURS) as s: # nbdkit passes any bits on to the client
        same(visit(s, '?extents=+0,512,4', ask)['asked'][0][0], 'EIO', 'a type that is none')


main()
