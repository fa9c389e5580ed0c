#!/usr/bin/env -S nbdkit tcl
# SPDX-License-Identifier: BSD-2-Clause
# A disk in memory, with everything that a disk can do.
#
#     nbdkit tcl ram.tcl size=1G
#
# With interpreters=N that many serve it at once. That pays for scripts that wait for something; copying does not.

set interpreters 1

proc config {key value} {
    switch $key {
        size { set ::size [nbd::parse_size $value] }
        interpreters { set ::interpreters $value }
        default { error "unknown parameter $key=$value" }
    }
}

# All interpreters share the buffer: the first makes it, the others find it.
proc config_complete {} {
    if {![info exists ::size]} { error "size=SIZE is missing" }
    nbd::buffer create disk $::size
}

proc thread_model {} {
    if {$::interpreters == 1} { return serialize_all_requests }
    return [list parallel $::interpreters]
}

proc plugin_open {readonly} { return ram }
proc get_size {h} { return $::size }
proc export_description {h} { return "A disk in memory, in Tcl" }
proc block_size {h} { return {1 4096 67108864} }
proc can_multi_conn {h} { return true }

proc pread {h count offset} { nbd::buffer get disk $offset $count }
proc pwrite {h buf offset flags} { nbd::buffer set disk $offset $buf }
proc zero {h count offset may_trim flags} { nbd::buffer zero disk $offset $count }
proc trim {h count offset flags} { nbd::buffer zero disk $offset $count }

# There is nothing that a flush could lose, and zeroing is quick.
proc can_flush {h} { return true }
proc can_fua {h} { return native }
proc can_fast_zero {h} { return true }
proc cache {h count offset} {}
