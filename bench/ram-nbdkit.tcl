# SPDX-License-Identifier: BSD-2-Clause
# A RAM disk for nbdkit's own Tcl plug-in, to be measured against: a list of blocks of 4 KiB, which a request of one
# block neither copies nor converts.  For whole blocks, which is all that bench-load asks for.

set size [expr {64 * 1024 * 1024}]
set disk [lrepeat [expr {$size / 4096}] [binary format x4096]]

proc plugin_open {readonly} { return ram }
proc get_size {h} { return $::size }
proc can_multi_conn {h} { return 1 }

proc pread {h count offset} {
    set first [expr {$offset >> 12}]
    if {$count == 4096} { return [lindex $::disk $first] }
    return [string cat {*}[lrange $::disk $first [expr {$first + ($count >> 12) - 1}]]]
}

proc pwrite {h buf offset} {
    set at [expr {$offset >> 12}]
    set length [string length $buf]
    if {$length == 4096} {
        lset ::disk $at $buf
        return
    }
    for {set from 0} {$from < $length} {incr from 4096} {
        lset ::disk $at [string range $buf $from [expr {$from + 4095}]]
        incr at
    }
}
