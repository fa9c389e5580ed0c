#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Disks in Tcl: what a script may do, and what it may not do to the server.  The plug-in is a .so of nbdkit's ABI,
so most cases run under this server and under nbdkit (there only without sanitizers, which nbdkit does not have).
# timeout: 240
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
            refused(client, s)
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


main()
