#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Disks in Tcl: what a script may do, beyond what nbdkit's own plug-in for Tcl lets it.
# timeout: 240
# tsan
"""
import os, threading
import nbd
from harness import BIN, main, read_file, run, same, until
from tcllib import EXAMPLES, client, hosts, refused, said, script, server, tmp

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
def a_flush_may_reach_the_disk(host):
    disk = tmp + '/sync'
    with open(disk, 'wb') as f:
        f.truncate(1 << 20)
    path = script('proc config {k v} { set ::$k $v }\nproc plugin_open {r} { list [open $::disk r+b] [open |cat wb] }\n'
                  'proc plugin_close {h} { close [lindex $h 0]; close [lindex $h 1] }\n'
                  'proc pread {h n o} { seek [lindex $h 0] $o; read [lindex $h 0] $n }\n'
                  'proc pwrite {h b o} { set ::at $o; seek [lindex $h 0] $o; puts -nonewline [lindex $h 0] $b }\n'
                  'proc plugin_flush {h} { switch $::at { 0 { nbd::sync [lindex $h 0] } 512 { nbd::sync [lindex $h 1] }\n'
                  '1024 { nbd::sync stdin } 1536 { nbd::sync nothing } } }\n')
    with server(host, path, 'disk=' + disk) as s:
        h = client(s)
        h.pwrite(b'y' * 512, 0)
        h.flush()
        with open(disk, 'rb') as f:
            same(f.read(512), b'y' * 512, 'what another process sees behind a flush')
        for at, err, words in ((512, 'EINVAL', 'invalid argument'), # a pipe is no disk: the kernel was asked
                               (1024, 'EIO', 'not a file that is open for writing'), (1536, 'EIO', 'can not find channel')):
            h.pwrite(b'z' * 512, at)
            refused(h.flush, err=err)
            said(s, words)
        h.shutdown()


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
def many_requests_on_many_connections_keep_their_bytes(host):
    load = os.path.dirname(BIN) + '/bench/bench-load'
    for interpreters in (1, 3):
        for size in ('512', '256k'):
            with server(host, EXAMPLES + 'ram.tcl', 'size=8M', f'interpreters={interpreters}') as s:
                run(load, '--verify', '--op=mixed', '--connections=3', '--depth=16', '--requests=3000', '--warmup=0', '--size=' + size, s.sock)


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


main()
