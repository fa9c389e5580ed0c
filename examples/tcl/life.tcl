#!/usr/bin/env -S nbdkit tcl
# SPDX-License-Identifier: BSD-2-Clause
# A disk that is alive: Conway's Game of Life.  Its bytes are a picture (PBM), and whoever opens it sees the
# next generation:
#
#     nbdkit -U /tmp/life tcl life.tcl
#     nbdcopy 'nbd+unix:///?socket=/tmp/life' life.pbm      # again, and again
#
# Without pattern=FILE (lines of dots and letters O) a glider sets out to the lower right.

set side 64
set pattern { .O. ..O OOO }

proc config {key value} {
    if {$key ne "pattern"} { error "unknown parameter $key=$value" }
    set f [open $value]
    set ::pattern [read $f]
    close $f
}

# A cell is alive when ::world($x,$y) exists.  The edges of the world meet.
proc config_complete {} {
    set y 0
    foreach line $::pattern {
        for {set x 0} {$x < [string length $line]} {incr x} {
            if {[string index $line $x] eq "O"} { set ::world($x,$y) 1 }
        }
        incr y
    }
}

proc next_generation {} {
    global world side
    foreach cell [array names world] {
        lassign [split $cell ,] x y
        foreach dx {-1 0 1} {
            foreach dy {-1 0 1} {
                if {$dx || $dy} { incr near([expr {($x + $dx) % $side}],[expr {($y + $dy) % $side}]) }
            }
        }
    }
    foreach cell [array names near] {
        if {$near($cell) == 3 || ($near($cell) == 2 && [info exists world($cell)])} { set next($cell) 1 }
    }
    unset -nocomplain world
    array set world [array get next]
}

proc picture {} {
    global world side
    set bits ""
    for {set y 0} {$y < $side} {incr y} {
        for {set x 0} {$x < $side} {incr x} { append bits [info exists world($x,$y)] }
    }
    return [binary format a*B* "P4 $side $side\n" $bits]
}

# The handle of a connection is the picture that it sees: nobody's generation changes while it is read.
proc plugin_open {readonly} {
    set seen [picture]
    next_generation
    return $seen
}

proc get_size {seen} { string length $seen }
proc pread {seen count offset} { string range $seen $offset [expr {$offset + $count - 1}] }
