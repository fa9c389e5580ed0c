#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Disks in Tcl: what a script may do, and what it may not do to the server.  The plug-in is a .so of nbdkit's ABI,
so most cases run under this server and under nbdkit (there only without sanitizers, which nbdkit does not have).
# timeout: 240
# tsan
"""
import os, re, socket, subprocess, tempfile, threading
import nbd
from harness import BIN, MODE, NBDKIT_REF, SRC, Server, Skip, case, main, read_file, run, same, until

SO = os.path.join(os.path.dirname(BIN), 'lang/tcl/nbdkit-tcl-plugin.so')
EXAMPLES = SRC + '/examples/tcl/'
tmp = tempfile.mkdtemp(prefix='tcl-')
HOSTS = [None] + ([NBDKIT_REF] if MODE == 'plain' and os.path.exists(NBDKIT_REF) else [])
BASE = '''
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 1048576 }
proc pread {h count offset} { return [string repeat \\0 $count] }
'''
serial = 0
# A module lives as long as the process; LeakSanitizer may not see who still has it.
with open(tmp + '/lsan', 'w') as file:
    file.write('leak:plugin_load\n')
os.environ['LSAN_OPTIONS'] = f'suppressions={tmp}/lsan:print_suppressions=0'


def script(text, base=BASE):
    global serial
    serial += 1
    path = f'{tmp}/{serial}.tcl'
    with open(path, 'wb') as f:
        f.write((base + text).encode())
    return path


def server(host, path, *args, plugin=None, env=None):
    return Server(*(['-v'] if '-v' in args else []), plugin or SO, path, *[a for a in args if a != '-v'], program=host, env=env)


def client(s, export=None, **setup):
    h = nbd.NBD()
    h.add_meta_context('base:allocation')
    if export is not None:
        h.set_export_name(export)
    h.connect_unix(s.sock)
    return h


def refused(f, *args, err=None):
    try:
        f(*args)
    except nbd.Error as e:
        if err:
            same(e.errno, err, 'errno')
        return
    raise AssertionError('was not refused')


def said(s, words):
    until(f'the server says {words!r}', lambda: words in s.messages())


def hosts(f):
    """A case that runs in each server."""
    def both():
        for host in HOSTS:
            print('# under', host or 'blkscope', flush=True)
            f(host)
    both.__name__ = f.__name__
    return case(both)


def flags_of(h):
    return {n: getattr(h, n)() for n in ('is_read_only', 'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache',
                                         'can_multi_conn', 'is_rotational')}


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
        r = run(BIN + '/nbdkit', '-U', '-', 'tcl', EXAMPLES + args[0], *args[1:], status=1)
        same(words in r.err, True, r.err)
    lines = run(BIN + '/nbdkit', 'tcl', EXAMPLES + 'file.tcl', '--dump-plugin').out.splitlines()
    same('example_tcl=1' in lines, True, 'what dump_plugin prints')
    same(any(x.startswith('tcl_version=') for x in lines), True, 'the version of Tcl')
    same(f'path={os.path.realpath(SO)}' in lines, True, f'our plug-in, by name: {lines[0]}')


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
    if len(HOSTS) < 2:
        raise Skip('no nbdkit to compare with')
    theirs = old_contract(NBDKIT_REF, 'tcl')
    for host in HOSTS:
        ours = old_contract(host, SO)
        same(ours[0], theirs[0], 'what the client saw')
        same(ours[1], theirs[1], 'how the script was called')
    same(theirs[1].count('\n') > 8, True, theirs[1])


# --- what the plug-in for nbdkit does wrong, and this one must not ---

@hosts
def a_channel_may_be_closed_by_another_request(host):
    path = script('proc config_complete {} { set ::ch [open [info nameofexecutable] r]; after 1; catch {exec true} }\n'
                  'proc get_ready {} { set ::more [open /dev/zero r] }\n'
                  'proc pread {h count offset} { if {[info exists ::ch]} { close $::ch; close $::more; unset ::ch }\n'
                  '  after 5 {set ::woken 1}; vwait ::woken; return [string repeat [exec printf x] $count] }\n')
    with server(host, path) as s:
        for _ in range(3):
            h = client(s)
            same(h.pread(10, 0), b'x' * 10, 'bytes')
            h.shutdown()


@hosts
def connections_leave_nothing_behind(host):
    def kib():
        return int(re.search(r'VmRSS:\s+(\d+)', read_file(f'/proc/{s.pid}/status'))[1])

    def connect(n):
        for _ in range(n):
            h = client(s)
            h.pread(512, 0)
            h.shutdown()
    with server(host, script('')) as s:
        connect(200)
        before = kib()
        connect(600) # 82 KiB each would be 48 MiB
        if MODE == 'plain':
            same(kib() - before < 8192, True, f'memory grew from {before} to {kib()} KiB')


@hosts
def counts_and_offsets_are_never_negative(host):
    path = script('proc get_size {h} { return 9223372036854771712 }\n'
                  'proc pwrite {h b o} {}\nproc trim {h count offset} { check $count $offset }\n'
                  'proc zero {h count offset may_trim} { check $count $offset }\n'
                  'proc check {count offset} { if {$count <= 0 || $offset < 0} { error "negative" }; incr ::total $count }\n'
                  'proc get_total {} { return $::total }\n'
                  'proc pread {h count offset} { binary format Wa* $::total [string repeat \\0 [expr {$count - 8}]] }\n')
    with server(host, path) as s:
        h = client(s)
        same(h.get_size(), 9223372036854771712, 'size')
        for n in (1 << 31, (1 << 32) - 512):
            h.trim(n, 1 << 40)
            h.zero(n, (1 << 62) + 512)
        same(int.from_bytes(h.pread(8, 0), 'big'), 2 * ((1 << 31) + (1 << 32) - 512), 'bytes trimmed and zeroed')
        h.shutdown()


@hosts
def a_character_that_is_no_byte_is_an_error(host):
    path = script('set ::n 0\nproc pread {h count offset} { if {$offset == 0} { return [string repeat \\u20ac $count] }\n'
                  'if {$offset == 512} { return [string repeat \\u0080\\u00ff\\u0000 $count] }\n'
                  'if {$offset == 1024} { set x [string repeat \\u20ac $count]; binary scan $x c y; return $x }\n'
                  'return "too short" }\n')
    with server(host, path) as s:
        h = client(s)
        refused(h.pread, 512, 0, err='EIO')
        said(s, 'U+20AC')
        same(h.pread(6, 512), b'\x80\xff\0\x80\xff\0', 'characters that are bytes')
        refused(h.pread, 512, 1024, err='EIO') # one that a command took for bytes meanwhile
        refused(h.pread, 512, 2048, err='EIO')
        said(s, '9 bytes instead of 512')
        same(h.pread(3, 512), b'\x80\xff\0', 'the connection lives')
        h.shutdown()


@hosts
def names_of_files_are_in_the_encoding_of_the_system(host):
    name = tmp + '/dïsk-€'
    with open(name, 'wb') as f:
        f.write(b'name ' * 1000)
    path = script('proc config {k v} { set ::$k $v }\nproc plugin_open {ro} { return [open $::file rb] }\n'
                  'proc get_size {h} { file size $::file }\nproc pread {h n o} { seek $h $o; read $h $n }\n'
                  'proc plugin_close {h} { close $h }\n')
    with server(host, path, 'file=' + name, env={'LC_ALL': 'C.UTF-8'}) as s:
        h = client(s)
        same(h.pread(5, 5), b'name ', 'bytes')
        h.shutdown()


@hosts
def fua_is_only_promised_when_there_is_a_flush(host):
    for text, flush, fua in (('', False, False), ('proc plugin_flush {h} {}\n', True, True),
                             ('proc plugin_flush {h} {}\nproc can_flush {h} { return no }\n', False, False),
                             ('proc can_fua {h} { return native }\n', False, True),
                             ('proc plugin_flush {h} {}\nproc can_fua {h} { return none }\n', True, False)):
        with server(host, script('proc pwrite {h b o} {}\n' + text)) as s:
            h = client(s)
            same((h.can_flush(), h.can_fua()), (flush, fua), text)
            h.shutdown()


@hosts
def a_value_of_the_wrong_kind_is_an_error(host):
    for text, words in (('proc can_write {h} { return maybe }', 'can_write: expected boolean value but got "maybe"'),
                        ('proc get_size {h} { return big }', 'get_size: expected integer but got "big"'),
                        ('proc get_size {h} { return -1 }', 'get_size: a size is not negative'),
                        ('proc pwrite {h b o} {}; proc can_fua {h} { return 3 }', 'can_fua: bad value "3": must be none, emulate, or native'),
                        ('proc block_size {h} { return 512 }', 'block_size: expected a list of three'),
                        ('proc plugin_open {r} { error "not today" }', 'plugin_open: not today')):
        with server(host, script(text)) as s:
            refused(client, s, 'x')
            said(s, words)


@hosts
def exit_ends_the_server_and_not_the_process(host):
    path = script('proc pread {h n o} { exit 3 }\nproc cleanup {} { puts stderr "cleaned up" }\n')
    with server(host, path) as s:
        h = client(s)
        refused(h.pread, 512, 0)
        s.process.wait(20)
        same(s.process.returncode, 0, 'exit status')
        said(s, 'the script called exit')
        said(s, 'cleaned up')
    r = run(*([host] if host else [BIN + '/nbdkit']), '-U', '-', SO, script('exit 0'), status=1)
    same('the script called exit' in r.err, True, r.err)


@hosts
def an_error_code_reaches_the_client(host):
    path = script('proc pwrite {h b o} { switch $o { 0 { nbd::error ENOSPC "the disk is full" }\n'
                  '512 { return -code error -errorcode {POSIX EPERM {not owner}} "not you" }\n'
                  '1024 { open /no/such/file } 1536 { nbd::error ENOMEM } 2048 { error plain } 2560 { return -code 7 }\n'
                  '3072 { nbd::error EWRONG } 3584 { proc forever {} forever; forever } } }\n')
    with server(host, path, '-v') as s:
        h = client(s)
        for off, err in ((0, 'ENOSPC'), (512, 'EPERM'), (1536, 'ENOMEM'), (2048, 'EIO'), (2560, 'EIO'), (3072, 'EIO'), (3584, 'EIO')):
            refused(h.pwrite, b'x' * 512, off, err=err)
        refused(h.pwrite, b'x' * 512, 1024)
        for words in ('pwrite: the disk is full', 'pwrite: not you', 'couldn\'t open "/no/such/file": no such file', 'pwrite: plain',
                      'code: 7', 'unknown errno "EWRONG"', 'too many nested evaluations', '(procedure "pwrite" line'):
            said(s, words)
        h.pwrite(b'x' * 512, 8192)
        h.shutdown()


@hosts
def a_bad_script_is_one_line_and_status_1(host):
    program = host or BIN + '/nbdkit'
    for text, words in (('proc a {', 'missing close-brace'), ('error oops', 'oops'), ('rename pread {}', 'missing proc: pread'),
                        ('proc config_complete {} { error "bad config" }', 'config_complete: bad config'),
                        ('proc get_ready {} { nbd::error EACCES }', 'get_ready: Permission denied'),
                        ('proc thread_model {} { return many }', 'thread_model: \'many\' is none of')):
        r = run(program, '-U', '-', SO, script(text), '--run', 'exit 42', status=1)
        same(words in r.err, True, f'{words}: {r.err}')
    for args, words in (([tmp + '/nothing.tcl'], 'nothing.tcl'), (['a=b'], 'script=FILE.tcl'),
                        ([script(''), 'a=b'], 'does not need command line configuration')):
        r = run(program, '-U', '-', SO, *args, '--run', 'exit 42', status=1)
        same(words in r.err, True, f'{words}: {r.err}')


@hosts
def in_the_background_the_script_is_read_where_it_was_started(host):
    path = script('set ::here [pwd]\nproc config {k v} { set ::$k [file normalize $v] }\nproc get_size {h} { string length $::file }\n'
                  'proc pread {h n o} { set ::x 0; after 1 {set ::x 1}; vwait ::x; string range "$::file " $o end }\n'
                  'proc cleanup {} { close [open $::file w] }\n')
    where = tempfile.mkdtemp(dir=tmp)
    pid, sock = where + '/pid', where + '/sock'
    run(host or BIN + '/nbdkit', '-P', pid, '-U', sock, SO, path, 'file=here', cwd=where)
    number = int(until('the daemon writes its pid', lambda: read_file(pid)))
    h = nbd.NBD()
    h.connect_unix(sock)
    same(h.pread(len(where) + 5, 0).decode(), where + '/here', 'where the script took itself to be')
    h.shutdown()
    os.kill(number, 15)
    until('cleanup runs', lambda: os.path.exists(where + '/here'))
    until('the daemon ends', lambda: not os.path.exists(f'/proc/{number}') or ') Z ' in read_file(f'/proc/{number}/stat'))


# --- what nbdkit's plug-in does not have ---

@hosts
def flags_go_to_those_who_take_one_more_word(host):
    path = script('proc can_fua {h} { return native }\nproc can_fast_zero {h} { return 1 }\nset ::seen {}\n'
                  'proc note {args} { append ::seen $args ";" }\n'
                  'proc pwrite {h buf offset flags} { note pwrite [string length $buf] $offset $flags }\n'
                  'proc plugin_flush {h args} { note flush $args }\n'
                  'proc trim {h count offset {flags none}} { note trim $count $offset $flags }\n'
                  'proc zero {h count offset may_trim flags} { note zero $count $offset $may_trim [lsort $flags] }\n'
                  'proc cache {h count offset flags} { note cache $count $offset $flags }\n'
                  'proc extents {h count offset flags} { note extents $count $offset $flags; return "{0 1048576}" }\n'
                  'proc pread {h count offset flags} { binary format a$count "$::seen$flags" }\n')
    with server(host, path) as s:
        h = client(s)
        same(h.can_fua() and h.can_fast_zero() and h.can_cache(), True, 'abilities')
        h.pwrite(b'x' * 512, 0, nbd.CMD_FLAG_FUA)
        h.pwrite(b'x' * 512, 512)
        h.flush()
        h.trim(512, 1024, nbd.CMD_FLAG_FUA)
        h.zero(512, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
        h.zero(512, 0, nbd.CMD_FLAG_FUA)
        h.cache(512, 2048)
        h.block_status(512, 512, lambda *a: 0, nbd.CMD_FLAG_REQ_ONE)
        seen = h.pread(512, 0).rstrip(b'\0').decode()
        h.shutdown()
    same(seen, 'pwrite 512 0 fua;pwrite 512 512 {};flush {{}};trim 512 1024 fua;zero 512 0 0 fast_zero;zero 512 0 1 {fua may_trim};'
         'cache 512 2048 {};extents 512 512 req_one;', 'calls')


@hosts
def zero_may_leave_it_to_the_server(host):
    path = script('set ::disk [string repeat x 4096]\nproc get_size {h} { return 4096 }\n'
                  'proc zero {h count offset may_trim} { nbd::error EOPNOTSUPP }\n'
                  'proc pread {h n o} { string range $::disk $o [expr {$o + $n - 1}] }\n'
                  'proc pwrite {h b o} { set ::disk [string replace $::disk $o [expr {$o + [string length $b] - 1}] $b] }\n')
    with server(host, path) as s:
        h = client(s)
        h.zero(1000, 500)
        same(h.pread(1002, 499), b'x' + bytes(1000) + b'x', 'bytes')
        h.shutdown()


@hosts
def extents_are_told(host):
    path = script('proc extents {h count offset} { return {{0 4096} {4096 8192 hole zero} {12288 4096 zero} {16384 1032192 data}} }\n')
    spans = []
    with server(host, path) as s:
        h = client(s)
        h.block_status(1048576, 0, lambda c, o, e, err: spans.extend(e) and 0)
        h.shutdown()
    same(spans, [4096, 0, 8192, 3, 4096, 2, 1032192, 0], 'extents')
    for bad, words in (('{0 4096 hollow}', 'bad extent type "hollow"'), ('{0}', "'0' is not an offset"), ('{-1 5}', "'-1 5' was refused"),
                       ('{0 x}', 'expected integer but got "x"')):
        with server(host, script('proc extents {h count offset} { return {' + bad + '} }\n')) as s:
            h = client(s)
            refused(h.block_status, 4096, 0, lambda *a: 0)
            said(s, words)
            same(h.pread(1, 0), b'\0', 'the connection lives')
            h.shutdown()


@hosts
def exports_have_names_and_descriptions(host):
    path = script('proc list_exports {readonly is_tls} { return {one {two {the second}}} }\n'
                  'proc default_export {readonly is_tls} { return one }\n'
                  'proc export_description {h} { return "this is [nbd::export_name]" }\n'
                  'proc plugin_open {readonly} { if {[nbd::export_name] ni {one two}} { nbd::error ENOENT "no such export" }\n'
                  'return [nbd::export_name] }\n'
                  'proc get_size {h} { return [dict get {one 512 two 1024} $h] }\n'
                  'proc is_rotational {h} { expr {$h eq "two"} }\nproc can_multi_conn {h} { return yes }\n'
                  'proc block_size {h} { return {512 4096 65536} }\n')
    with server(host, path) as s:
        h = nbd.NBD()
        h.set_opt_mode(True)
        h.connect_unix(s.sock)
        seen = []
        h.opt_list(lambda name, text: seen.append((name, text)) and 0)
        same(seen, [('one', ''), ('two', 'the second')], 'the list')
        h.opt_abort()
        for name, size, turns in (('', 512, False), ('one', 512, False), ('two', 1024, True)):
            h = nbd.NBD()
            h.set_full_info(True)
            h.set_export_name(name)
            h.connect_unix(s.sock)
            same((h.get_size(), h.is_rotational(), h.can_multi_conn()), (size, turns, True), name)
            same(h.get_export_description(), 'this is ' + (name or 'one'), 'description')
            same([h.get_block_size(i) for i in range(3)], [512, 4096, 65536], 'block sizes')
            h.shutdown()
        refused(client, s, 'three')
        said(s, 'no such export')


@hosts
def the_script_knows_its_client_and_its_steps(host):
    steps = tmp + '/steps'
    path = script('proc step {args} { set f [open ' + steps + ' a]; puts $f $args; close $f }\n'
                  'proc config {k v} { step config [nbd::parse_size $v] [nbd::parse_bool off] [catch {nbd::parse_size 1Q}] }\n'
                  'foreach p {config_complete get_ready after_fork cleanup} { proc $p {} [list step $p] }\n'
                  'proc preconnect {readonly} { step preconnect [nbd::peer pid]; if {[file exists ' + tmp + '/closed]} { error closed } }\n'
                  'proc plugin_close {h} { step close $h }\n'
                  'proc plugin_open {readonly} { nbd::debug "opened by a friend"; return [list [nbd::peer uid] [nbd::is_tls] [nbd::peer address]] }\n')
    with server(host, path, '-v', 'size=1M') as s:
        h = client(s)
        same(h.pread(1, 0), b'\0', 'a byte')
        h.shutdown()
        said(s, 'opened by a friend')
        until('close', lambda: 'close' in read_file(steps))
        with open(tmp + '/closed', 'w'):
            pass
        refused(client, s)
        os.unlink(tmp + '/closed')
    got = read_file(steps)
    os.unlink(steps)
    same(got.splitlines(), ['config 1048576 0 1', 'config_complete', 'get_ready', 'after_fork', f'preconnect {os.getpid()}',
                            f'close {{{os.getuid()} 0 unix:}}', f'preconnect {os.getpid()}', 'cleanup'], 'steps')


def answered_together(s, connections, each):
    """Requests that wait for one another: all must be inside the script at once."""
    hs = [client(s) for _ in range(connections)]
    cookies = []
    for h in hs:
        for _ in range(each):
            cookies.append((h, h.aio_pread(nbd.Buffer(512), 0)))
    for h, cookie in cookies:
        until('all are answered', lambda h=h, cookie=cookie: h.poll(10) >= 0 and h.aio_command_completed(cookie))
    for h in hs:
        h.shutdown()


# Each interpreter marks a byte of its own, and waits for the others'.
RENDEZVOUS = '''
nbd::buffer create met 1000000
proc plugin_open {readonly} { return [open /dev/zero rb] }
proc plugin_close {h} { close $h }
proc pread {h count offset} {
    if {![info exists ::mine]} { set ::mine [expr {int(rand() * 1000000)}] }
    nbd::buffer set met $::mine x
    while {[string length [string map {\\0 {}} [nbd::buffer get met 0 1000000]]] < %d} { after 1 }
    return [read $h $count]
}
'''


@hosts
def a_parallel_script_has_several_interpreters(host):
    path = script('proc thread_model {} { return {parallel 3} }\n' + RENDEZVOUS % 3)
    with server(host, path) as s:
        answered_together(s, 1, 3)
        answered_together(s, 4, 3)


@hosts
def a_connection_may_keep_to_one_interpreter(host):
    path = script('proc thread_model {} { return {serialize_requests 2} }\n' + RENDEZVOUS % 2)
    with server(host, path) as s:
        answered_together(s, 2, 1)


@hosts
def serialize_connections_lets_one_in_at_a_time(host):
    path = script('proc thread_model {} { return serialize_connections }\nset ::open 0\n'
                  'proc plugin_open {r} { if {[incr ::open] > 1} { error crowd }; return 1 }\nproc plugin_close {h} { incr ::open -1 }\n')
    with server(host, path) as s:
        def visit():
            h = client(s)
            h.pread(512, 0)
            h.shutdown()
        threads = [threading.Thread(target=visit) for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same('crowd' in s.messages(), False, 'two at once')


# --- the examples ---

@case
def the_first_script_of_the_guide_runs():
    text = read_file(SRC + '/docs/tcl.md').split('```tcl\n')[1].split('```')[0]
    for host in HOSTS:
        with server(host, script(text, '')) as s:
            h = client(s)
            same(h.pread(512, 0).rstrip(b'\0'), b'Hello from a disk that is a Tcl script.\n', 'the disk')
            h.shutdown()


@case
def the_ram_disk_does_everything():
    for host, *more in [(h, *m) for h in HOSTS for m in ([], ['interpreters=3'])]:
        with server(host, EXAMPLES + 'ram.tcl', 'size=5G', *more) as s:
            h = client(s)
            same(h.get_size(), 5 << 30, 'size')
            same({k for k, v in flags_of(h).items() if v}, {'can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_fast_zero', 'can_cache',
                                                           'can_multi_conn'}, 'abilities')
            data = bytes(range(256)) * 1024
            h.pwrite(data, (4 << 30) + 100, nbd.CMD_FLAG_FUA)
            same(h.pread(len(data) + 2, (4 << 30) + 99), b'\0' + data + b'\0', 'bytes')
            h.zero(100000, (4 << 30) + 1000)
            same(h.pread(len(data), (4 << 30) + 100), data[:900] + bytes(100000) + data[100900:], 'zeroed')
            h.trim(4 << 20, 4 << 30)
            same(h.pread(len(data), (4 << 30) + 100), bytes(len(data)), 'trimmed')
            h.cache(4096, 0)
            h.flush()
            h.shutdown()
            out = run('qemu-io', '-f', 'raw', '-c', 'write -P 9 1M 3M', '-c', 'read -P 9 1M 3M', '-c', 'discard 1M 1M', '-c', 'read -P 0 1M 1M',
                      '-c', 'flush', s.uri).out
            same('failed' in out, False, out)


@case
def the_living_disk_moves_on():
    def world(path):
        with open(path, 'rb') as f:
            head, bits = f.read().split(b'\n', 1)
        same((head, len(bits)), (b'P4 64 64', 512), 'a picture')
        return {(x, y) for y in range(64) for x in range(64) if bits[y * 8 + x // 8] >> (7 - x % 8) & 1}
    for host in HOSTS:
        with server(host, EXAMPLES + 'life.tcl') as s:
            for i in range(5):
                h = client(s)
                with open(f'{tmp}/life{i}', 'wb') as f:
                    f.write(h.pread(h.get_size(), 0))
                h.shutdown()
            glider = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
            same(world(tmp + '/life0'), glider, 'the first generation')
            same(world(tmp + '/life1') != glider, True, 'the next differs')
            same(world(tmp + '/life4'), {(x + 1, y + 1) for x, y in glider}, 'four later it has moved')


main()
