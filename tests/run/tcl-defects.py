#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Disks in Tcl: what nbdkit's own plug-in for Tcl does wrong and this one must not, and what a script may not do to
the server.
# timeout: 300
# tsan
"""
import os, re, tempfile
import nbd
from harness import BIN, MODE, main, read_file, run, same, until
from tcllib import SO, client, hosts, refused, run_in_vain, said, script, server, tmp

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
        connect(3000) # 82 KiB each would be 240 MiB
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
        for n in (1 << 31, (1 << 32) - 512, (1 << 32) - 1):
            h.trim(n, 1 << 40)
            h.zero(n, (1 << 62) + 512)
        same(int.from_bytes(h.pread(8, 0), 'big'), 2 * ((1 << 31) + (1 << 32) - 512 + (1 << 32) - 1), 'bytes trimmed and zeroed')
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
    path = tmp + '/scrïpt-€.tcl'
    os.rename(script('proc config {k v} { set ::$k $v }\nproc plugin_open {ro} { return [open $::file rb] }\n'
                     'proc get_size {h} { file size $::file }\nproc plugin_close {h} { close $h }\n'
                     'proc pread {h n o} { if {$o == 0} { open $::file-ä }; seek $h $o; read $h $n }\n'), path)
    for locale in ('C.UTF-8', 'C'): # servers that an init system starts have no locale
        with server(host, path, 'file=' + name, env={'LC_ALL': locale}) as s:
            h = client(s)
            same(h.pread(5, 5), b'name ', f'bytes in the locale {locale}')
            refused(h.pread, 5, 0)
            said(s, f'couldn\'t open "{name}-ä": no such file')
            h.shutdown()


@hosts
def names_of_exports_are_utf_8_in_any_locale(host):
    path = script('proc list_exports {ro tls} { return [list \\ud83d\\ude00 [list \\u00e4 \\u20ac]] }\n'
                  'proc export_description {h} { return <[nbd::export_name]> }\n')
    for locale in ('C.UTF-8', 'C'):
        with server(host, path, env={'LC_ALL': locale}) as s:
            h = nbd.NBD()
            h.set_opt_mode(True)
            h.connect_unix(s.sock)
            seen = []
            h.opt_list(lambda name, text: seen.append((name, text)) and 0)
            same(seen, [('\U0001f600', ''), ('ä', '€')], f'the list in the locale {locale}')
            h.opt_abort()
            h = nbd.NBD()
            h.set_full_info(True)
            h.set_export_name('\U0001f600€')
            h.connect_unix(s.sock)
            same(h.get_export_description(), '<\U0001f600€>', 'description')
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


FUA = 'set ::seen {}\nproc note {args} { lappend ::seen $args }\nproc pread {h n o} { binary format a$n [join $::seen {;}] }\n'
FUA_WAYS = (('proc pwrite {h b o} { note w }\nproc plugin_flush {h} { note f }\n', 'w;f'),                 # emulate is the default
            ('proc pwrite {h b o flags} { note w {*}$flags }\nproc plugin_flush {h} { note f }\n', 'w;f'),
            ('proc pwrite {h b o flags} { note w {*}$flags }\nproc plugin_flush {h} { note f }\nproc can_fua {h} { return native }\n', 'w fua'),
            ('proc pwrite {h b o} { note w }\nproc plugin_flush {h} { note f; nbd::error ENOSPC }\n', None)) # a lost flush is told


@hosts
def a_write_with_fua_is_flushed_before_it_is_answered(host):
    for text, calls in FUA_WAYS:
        with server(host, script(FUA + text)) as s:
            h = client(s)
            if calls is None:
                refused(h.pwrite, b'x' * 512, 0, nbd.CMD_FLAG_FUA, err='ENOSPC')
            else:
                h.pwrite(b'x' * 512, 0, nbd.CMD_FLAG_FUA)
                same(h.pread(512, 0).rstrip(b'\0').decode(), calls, text)
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
    r = run_in_vain(*([host] if host else [BIN + '/nbdkit']), '-U', '-', SO, script('exit 0'))
    same('the script called exit' in r.err, True, r.err)


@hosts
def an_error_code_reaches_the_client(host):
    path = script('proc pwrite {h b o} { switch $o { 0 { nbd::error ENOSPC "the disk is full" }\n'
                  '512 { return -code error -errorcode {POSIX EPERM {not owner}} "not you" }\n'
                  '1024 { open /no/such/file } 1536 { nbd::error ENOMEM } 2048 { error plain } 2560 { return -code 7 }\n'
                  '3072 { nbd::error EWRONG } 3584 { proc forever {} forever; forever }\n'
                  '4096 { error short {at the pump\nline 2} } 4608 { error {} } 5120 { error [string repeat long\\n 100000] } } }\n')
    with server(host, path, '-v') as s:
        h = client(s)
        for off, err in ((0, 'ENOSPC'), (512, 'EPERM'), (1536, 'ENOMEM'), (2048, 'EIO'), (2560, 'EIO'), (3072, 'EIO'), (3584, 'EIO'),
                         (4096, 'EIO'), (4608, 'EIO'), (5120, 'EIO')):
            refused(h.pwrite, b'x' * 512, off, err=err)
        refused(h.pwrite, b'x' * 512, 1024)
        for words in ('pwrite: the disk is full', 'pwrite: not you', 'couldn\'t open "/no/such/file": no such file', 'pwrite: plain\n', 'pwrite: short (at the pump)\n', 'pwrite: long\n',
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
        r = run_in_vain(program, '-U', '-', SO, script(text), '--run', 'exit 42')
        same(words in r.err, True, f'{words}: {r.err}')
    for args, words in (([tmp + '/nothing.tcl'], 'nothing.tcl'), (['a=b'], 'script=FILE.tcl'),
                        ([script(''), 'a=b'], 'does not need command line configuration')):
        r = run_in_vain(program, '-U', '-', SO, *args, '--run', 'exit 42')
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


# --- what Tcl itself offers ---

EVENTS = {
    'after': 'after 1 {set ::x 1}; vwait ::x',
    'exec': 'set ::x [exec echo 1]',
    'a pipe and its events': 'set p [open {|sh -c {sleep 0.05; echo 1}}]; fileevent $p readable "gets $p ::x"; vwait ::x; close $p',
    'a socket': 'set s [socket -server {apply {{c a p} { puts $c 1; close $c }}} -myaddr 127.0.0.1 0]\n'
                'set c [socket 127.0.0.1 [lindex [fconfigure $s -sockname] 2]]; fileevent $c readable "gets $c ::x"; vwait ::x\n'
                'close $c; close $s',
    'clock': 'set ::x [expr {[clock format 0 -gmt 1 -format %Y] == 1970}]',
    'a thread': 'package require Thread; set t [thread::create]; set ::x [thread::send $t {expr 1}]; thread::release $t',
    'a child interpreter': 'set i [interp create]; set ::x [$i eval {expr 1}]; interp delete $i',
    'a coroutine': 'coroutine c apply {{} { yield; set ::x 1 }}; c',
}

if MODE == 'tsan': # Tcl is not built with it, and so it can't see how Tcl's own threads keep out of each other's way
    del EVENTS['a thread']


def each_event(s):
    h = client(s)
    for i, what in enumerate(EVENTS):
        same(h.pread(512, i * 512), b'1' * 512, what)
    h.shutdown()


@hosts
def events_programs_sockets_and_threads_work_in_a_request(host):
    path = script('proc pread {h n o} { unset -nocomplain ::x; switch [expr {$o / 512}] {' +
                  ''.join(f'{i} {{ {code} }}\n' for i, code in enumerate(EVENTS.values())) + '}; string repeat $::x $n }\n')
    with server(host, path) as s:
        each_event(s)
        each_event(s)
    where = tempfile.mkdtemp(dir=tmp)
    pid, sock = where + '/pid', where + '/sock'
    run(host or BIN + '/nbdkit', '-P', pid, '-U', sock, SO, path) # in the background
    number = int(until('the daemon writes its pid', lambda: read_file(pid)))

    class Daemon:
        pass
    Daemon.sock = sock
    try:
        each_event(Daemon)
    finally:
        os.kill(number, 15)
    until('the daemon ends', lambda: not os.path.exists(f'/proc/{number}') or ') Z ' in read_file(f'/proc/{number}/stat'))


@hosts
def what_a_script_prints_is_not_lost(host):
    path = script('puts hello\nproc pread {h n o} { puts "at $o"; puts stderr "err $o"; string repeat x $n }\nproc cleanup {} { puts bye }\n')
    with server(host, path) as s:
        h = client(s)
        h.pread(1, 0)
        h.pread(1, 512)
        h.shutdown()
        s.stop()
        lines = s.messages().splitlines()
    said_so = [x for x in lines if x in ('hello', 'at 0', 'at 512', 'bye')]
    same(said_so, ['hello', 'at 0', 'at 512', 'bye'] if not host else ['hello'], 'stdout') # nbdkit closes it when it serves
    same([x for x in lines if x.startswith('err')], ['err 0', 'err 512'], 'stderr')


@hosts
def a_runaway_script_only_fails_its_request(host):
    path = script('proc forever {} forever\nproc pread {h n o} { switch [expr {$o / 512}] {\n'
                  '0 forever\n 1 { while 1 { append ::much [string repeat x 1000000]; if {[string length $::much] > 5000000} break }; error full }\n'
                  '2 { return [lrepeat 10 {}] }\n 3 { break }\n 4 { continue }\n 5 { return -level 0 -code return x }\n'
                  '6 { rename pread {} ; error gone }\n default { string repeat x $n } } }\n')
    with server(host, path) as s:
        h = client(s)
        same(h.pread(2, 4096), b'xx', 'bytes')
        for i in range(6):
            refused(h.pread, 512, i * 512, err='EIO')
        same(h.pread(2, 4096), b'xx', 'the connection lives')
        refused(h.pread, 512, 6 * 512, err='EIO') # it deletes itself
        refused(h.pread, 2, 4096, err='EIO')
        said(s, 'invalid command name "pread"')
        h.shutdown()


main()
