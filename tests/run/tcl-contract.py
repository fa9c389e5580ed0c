#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Disks in Tcl: the founding example, and the words of nbdkit-tcl-plugin(3): the same scripts under nbdkit's own plug-in
for Tcl and under this one, and what they see compared.
# timeout: 240
"""
import hashlib, os, random, re
import nbd
from harness import BIN, NBDKIT_REF, Server, Skip, case, main, read_file, run, same, until
from tcllib import BASE, EXAMPLES, HOSTS, SO, client, flags_of, hosts, run_in_vain, script, server, tmp

# --- the founding example, and the words of nbdkit-tcl-plugin(3) ---

@hosts
def the_founding_example_serves_a_file(host):
    disk, copy = tmp + '/disk', bytearray((i * 7 + i // 509) & 255 for i in range(300 * 1024 + 17))
    with open(disk, 'wb') as f:
        f.write(copy)
    with server(host, EXAMPLES + 'file.tcl', 'file=' + disk) as s:
        h = client(s)
        same(h.get_size(), len(copy), 'size')
        for off, n in ((0, 1), (1, 511), (513, 70000), (len(copy) - 3, 3)):
            same(h.pread(n, off), copy[off:off + n], f'bytes at {off}')
        data = bytes(range(256)) * 300
        h.pwrite(data, 999)
        copy[999:999 + len(data)] = data
        h.zero(5000, 200000)
        copy[200000:205000] = bytes(5000)
        same(h.pread(len(copy), 0), copy, 'all bytes')
        h.shutdown()
    with open(disk, 'rb') as f:
        same(f.read(), bytes(copy), 'the file')


@case
def the_founding_example_tells_what_is_wrong():
    for args, words in ((['file.tcl'], 'file parameter missing'), (['file.tcl', 'colour=red'], 'unknown parameter colour=red')):
        r = run_in_vain(BIN + '/nbdkit', '-U', '-', 'tcl', EXAMPLES + args[0], *args[1:])
        same(words in r.err, True, r.err)
    lines = run(BIN + '/nbdkit', 'tcl', EXAMPLES + 'file.tcl', '--dump-plugin').out.splitlines()
    same('example_tcl=1' in lines, True, 'what dump_plugin prints')
    same(any(x.startswith('tcl_version=') for x in lines), True, 'the version of Tcl')
    same(f'path={os.path.realpath(SO)}' in lines, True, f'our plug-in, by name: {lines[0]}')


THEIRS = [(NBDKIT_REF, 'tcl')] * os.path.exists(NBDKIT_REF) # its own plug-in
OLD = '''
set ::log [open [file dirname [info script]]/calls a]
fconfigure $::log -buffering line
set ::disk [string repeat \\x5a 65536]
proc config {k v} { puts $::log "config $k $v"; set ::got($k) $v }
proc config_complete {} { puts $::log "config_complete [array get ::got]" }
proc plugin_open {readonly} { puts $::log "open $readonly"; return [list my handle] }
proc plugin_close {h} { puts $::log "close $h" }
proc get_size {h} { return [string length $::disk] }
proc can_write {h} { return yes }
proc can_flush {h} { return on }
proc is_rotational {h} { return true }
proc can_trim {h} { return 1 }
proc pread {h count offset} { string range $::disk $offset end }
proc pwrite {h buf offset} {
    puts $::log "pwrite [string length $buf] $offset"
    set ::disk [string replace $::disk $offset [expr {$offset + [string length $buf] - 1}] $buf]
}
proc plugin_flush {h} { puts $::log "flush $h" }
proc trim {h count offset} { puts $::log "trim $count $offset" }
proc zero {h count offset may_trim} { puts $::log "zero $count $offset $may_trim" }
'''


def old_contract(host, plugin):
    """One session; what the client saw and what the script was called with."""
    path = script(OLD, '')
    log = os.path.dirname(path) + '/calls'
    if os.path.exists(log):
        os.unlink(log)
    with server(host, path, 'b=2', 'a=1', plugin=plugin) as s:
        h = client(s)
        seen = [h.get_size(), flags_of(h), h.pread(100, 65000)]
        del seen[1]['can_fast_zero'] # of nbdkit's plug-in it only means that each fails at once
        h.pwrite(b'\0\xff\x80' * 100, 1)
        h.flush()
        h.trim(4096, 8192)
        h.zero(4096, 0)
        h.zero(512, 512, nbd.CMD_FLAG_NO_HOLE)
        seen.append(h.pread(1000, 0))
        h.shutdown()
        until('plugin_close was called', lambda: 'close' in read_file(log))
    return seen, read_file(log)


@case
def old_scripts_see_what_nbdkit_shows_them():
    if not THEIRS:
        raise Skip('no nbdkit to compare with')
    theirs = old_contract(NBDKIT_REF, 'tcl')
    for host in HOSTS:
        ours = old_contract(host, SO)
        same(ours[0], theirs[0], 'what the client saw')
        same(ours[1], theirs[1], 'how the script was called')
    same(theirs[1].count('\n') > 8, True, theirs[1])


@case
def the_founding_example_serves_what_a_c_plug_in_serves():
    """Reads, writes and zeroes of all sizes at odd offsets; nbdkit's own file plug-in in C has the last word."""
    size = 3 * 1024 * 1024 + 12345 # of no block's size
    start = random.Random(1).randbytes(size)
    ways = [(None, SO, [EXAMPLES + 'file.tcl'], 'file=')] + [(NBDKIT_REF, SO, [EXAMPLES + 'file.tcl'], 'file=')] * (len(HOSTS) > 1)
    ways.append((NBDKIT_REF, 'file', [], '') if os.path.exists(NBDKIT_REF) else (None, 'file', [], ''))
    seen = []
    for n, (host, plugin, args, key) in enumerate(ways):
        path = f'{tmp}/odd{n}'
        with open(path, 'wb') as f:
            f.write(start)
        rng, digest = random.Random(2), hashlib.sha256()
        with Server(plugin, *args, key + path, program=host) as s:
            h = client(s)
            same(h.get_size(), size, 'size')
            for _ in range(400):
                length = min(rng.choice([1, 2, 3, 511, 512, 513, 4095, 4096, 4097, 65535, 65537, 1 << 20]), size)
                off = rng.choice([0, size - length, rng.randrange(size - length + 1)])
                what = rng.randrange(5)
                if what < 3:
                    digest.update(h.pread(length, off))
                elif what == 3:
                    h.pwrite(rng.randbytes(length), off)
                else:
                    h.zero(length, off)
            h.shutdown()
        with open(path, 'rb') as f:
            digest.update(f.read())
        seen.append(digest.hexdigest())
    same(len(set(seen)), 1, f'all served the same: {seen}')


# What happens to a client, and to the start, when a proc fails.  `asks` makes the server call it.
def opened(f):
    def ask(s):
        h = client(s)
        f(h)
        h.shutdown()
    return ask


FULL = '''
proc pwrite {h buf offset} {}
proc plugin_flush {h} {}
proc trim {h count offset} {}
proc zero {h count offset may_trim} {}
'''
AT_WORK = {
    'plugin_open': opened(lambda h: None),
    'get_size': opened(lambda h: None),
    'can_write': opened(lambda h: None),
    'can_flush': opened(lambda h: None),
    'is_rotational': opened(lambda h: None),
    'can_trim': opened(lambda h: None),
    'pread': opened(lambda h: h.pread(512, 0)),
    'pwrite': opened(lambda h: h.pwrite(b'x' * 512, 0)),
    'plugin_flush': opened(lambda h: h.flush()),
    'trim': opened(lambda h: h.trim(512, 0)),
    'zero': opened(lambda h: h.zero(512, 0)),
    'plugin_close': opened(lambda h: None),
}
BEYOND = {
    'can_zero': opened(lambda h: None),
    'can_fast_zero': opened(lambda h: None),
    'can_fua': opened(lambda h: None),
    'can_multi_conn': opened(lambda h: None),
    'can_cache': opened(lambda h: None),
    'can_extents': opened(lambda h: None),
    'block_size': opened(lambda h: None),
    'preconnect': opened(lambda h: None),
    'default_export': opened(lambda h: None),
    'cache': opened(lambda h: h.cache(512, 0)),
    'extents': opened(lambda h: h.block_status(512, 0, lambda *a: 0)),
}
MORE = 'proc cache {h count offset} {}\nproc extents {h count offset} { return {{0 1048576}} }\n'


def outcome(host, plugin, proc, asks, base):
    """Does the client see an error, does it know the proc's words, and does the server live on?"""
    path = script(f'proc {proc} args {{ error "no {proc} today" }}\n', base)
    with server(host, path, plugin=plugin) as s:
        try:
            asks(s)
            got = 'nothing'
        except nbd.Error as e:
            got = e.errno if 'command failed' in str(e) else 'refused'
        until(f'the server tells of {proc}', lambda: f'{proc}: no {proc} today' in s.messages())
        same(s.process.poll(), None, 'the server lives')
    return got


@case
def a_proc_that_fails_fails_as_it_does_under_nbdkit():
    targets = [(h, SO) for h in HOSTS] + THEIRS
    for proc, asks in AT_WORK.items():
        seen = {str(t): outcome(*t, proc, asks, BASE + FULL) for t in targets}
        same(len(set(seen.values())), 1, f'{proc}: {seen}')
        same(seen[str(targets[0])], 'nothing' if proc == 'plugin_close' else 'refused' if asks_nothing(proc) else 'EIO', proc)
    for proc, asks in BEYOND.items():
        for t in targets[:len(HOSTS)]:
            same(outcome(*t, proc, asks, BASE + FULL + MORE), 'EIO' if proc in ('cache', 'extents') else 'refused', f'{proc} {t}')


def asks_nothing(proc):
    return proc in ('plugin_open', 'get_size') or proc.startswith(('can_', 'is_'))


@case
def at_the_start_a_proc_that_fails_or_is_missing_ends_it_as_under_nbdkit():
    targets = [(h, SO) for h in HOSTS] + THEIRS
    cases = {f'without {p}': (f'rename {p} {{}}', [], p) for p in ('plugin_open', 'get_size', 'pread')}
    cases |= {'config': ('proc config {k v} { error "no config today" }', ['a=b'], 'config: no config today'),
              'config_complete': ('proc config_complete {} { error "not complete" }', [], 'config_complete: not complete'),
              'no config': ('', ['a=b'], 'this plugin does not need command line configuration'),
              'no script': (None, [], 'script'),
              'top level': ('error "top level"', [], 'top level'),
              'too few words': ('proc config {k} {}', ['a=b'], 'wrong # args')}
    for what, (text, args, words) in cases.items():
        for host, plugin in targets[:len(HOSTS)] if text is None else targets: # nbdkit's starts without a script, and fails later
            r = run_in_vain(host or BIN + '/nbdkit', '-U', '-', plugin, *([script(text)] if text is not None else []), *args, '--run', 'exit 42')
            same(words in r.err, True, f'{what}, {host}, {plugin}: {r.err}')
    for proc in ('get_ready', 'after_fork', 'thread_model'):
        for host, plugin in targets[:len(HOSTS)]:
            run_it = ['--run', 'exit 42'] if proc != 'after_fork' else ['-f'] # where nbdkit runs the command all the same
            r = run_in_vain(host or BIN + '/nbdkit', '-U', '-', plugin, script(f'proc {proc} {{}} {{ error "no {proc} today" }}'), *run_it)
            same(f'{proc}: no {proc} today' in r.err, True, r.err)
    for proc in ('list_exports', 'export_description', 'cleanup'): # a client can do without what they tell
        for host, plugin in targets[:len(HOSTS)]:
            with server(host, script(f'proc {proc} args {{ error "no {proc} today" }}'), plugin=plugin) as s:
                h = nbd.NBD()
                h.set_opt_mode(True)
                h.set_full_info(True)
                h.connect_unix(s.sock)
                try:
                    h.opt_list(lambda *a: 0)
                except nbd.Error:
                    same(proc, 'list_exports', 'who fails')
                h.opt_go()
                same(h.pread(1, 0), b'\0', 'bytes')
                h.shutdown()
                s.stop()
                same(f'{proc}: no {proc} today' in s.messages(), True, s.messages())


@case
def a_wrong_value_of_any_can_is_told():
    """Where nbdkit's own plug-in took it for false."""
    for proc in [p for p in AT_WORK | BEYOND if asks_nothing(p) and p != 'plugin_open']: # a handle is any value
        for host in HOSTS:
            with server(host, script(f'proc {proc} args {{ return maybe }}', BASE + FULL + MORE)) as s:
                try:
                    client(s)
                    raise AssertionError(f'{proc} {host}: was not refused')
                except nbd.Error:
                    pass
                until(proc, lambda: re.search(f'{proc}: (expected (boolean|integer)|bad value)', s.messages()))


@case
def a_script_is_a_program():
    """Its first line finds the server."""
    env = dict(os.environ, PATH=BIN + ':' + os.environ['PATH'])
    r = run(EXAMPLES + 'file.tcl', 'file=/dev/null', '-U', '-', '--run', 'echo served', env=env)
    same(r.out, 'served\n', r.err)


main()
