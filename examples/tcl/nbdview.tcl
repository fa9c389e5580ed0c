#!/usr/bin/env wish
# SPDX-License-Identifier: BSD-2-Clause
# The viewer as it was in 2018: a picture of a disk, drawn from the log while the log grows.
#
#     nbdview.tcl LOG SIZE ?LOG SIZE ...?
#
# A pixel is a block of 4 KiB, larger on disks beyond 1 GiB. Red is written, light purple trimmed, white zeroed; reads
# flash black. Several disks stand side by side in one window.
#
# The widget may be used alone, in a program of yours:
#
#     source nbdview.tcl
#     pack [diskmap::create .disk 64M]
#     diskmap::follow .disk /tmp/log

package require Tk

namespace eval diskmap {
    variable colours {none #c9c9c9 write #ff0000 trim #c8a2f0 zero #ffffff}
    variable flash #000000
    variable flash_ms 100
    variable poll_ms 50
    variable most_blocks 262144
    variable d                 ;# d(PATH,what): all that a widget knows
}

proc diskmap::bytes {size} {
    if {[regexp {^(\d+)([KMGT]?)$} [string toupper $size] - n unit]} {
        return [expr {$n * (1 << 10 * [string first "$unit" " KMGT"] * ($unit ne ""))}]
    }
    error "'$size' is no size: use bytes, or 64M, 1G ..."
}

# A canvas with the map of a disk of this size.
proc diskmap::create {path size} {
    variable d
    variable most_blocks
    variable colours

    set size [bytes $size]
    set block 4096
    while {$size > $block * $most_blocks} { set block [expr {$block * 2}] }
    set blocks [expr {max(1, ($size + $block - 1) / $block)}]
    set cols 1
    while {$cols * $cols < $blocks} { set cols [expr {$cols * 2}] }
    set rows [expr {($blocks + $cols - 1) / $cols}]
    set zoom [expr {max(1, 512 / $cols)}]
    set image [image create photo -width [expr {$cols * $zoom}] -height [expr {$rows * $zoom}]]
    $image put [dict get $colours none] -to 0 0 [expr {$cols * $zoom}] [expr {$rows * $zoom}]
    foreach name {size block blocks cols zoom image} { set d($path,$name) [set $name] }
    set d($path,state) [lrepeat $blocks none]

    canvas $path -width [image width $image] -height [image height $image] -highlightthickness 0 -borderwidth 0
    $path create image 0 0 -anchor nw -image $image
    bind $path <Destroy> [list diskmap::forget $path]
    return $path
}

proc diskmap::forget {path} {
    variable d
    if {[info exists d($path,timer)]} { after cancel $d($path,timer) }
    if {[info exists d($path,log)]} { close $d($path,log) }
    image delete $d($path,image)
    array unset d $path,*
}

# Read the log now, and what is added to it from time to time.
proc diskmap::follow {path log} {
    variable d
    set d($path,log) [open $log rb]
    set d($path,rest) ""
    poll $path
}

proc diskmap::poll {path} {
    variable d
    variable poll_ms
    set text $d($path,rest)[read $d($path,log) 1000000]
    set end [string last \n $text]
    set d($path,rest) [string range $text [expr {$end + 1}] end]
    set lines [split [string range $text 0 [expr {$end - 1}]] \n]
    # what is long past does not flash
    set live [expr {[llength $lines] < 500}]
    if {$end >= 0} {
        foreach line $lines { line $path $line $live }
    }
    set d($path,timer) [after [expr {$live ? $poll_ms : 1}] [list diskmap::poll $path]]
}

# "TIME connection=1 Write id=2 offset=0x0 count=0x1000 ..." begins a request,
# "TIME connection=1 ...Write id=2 return=0" ends it: only then it has changed the disk.
proc diskmap::line {path line live} {
    variable d
    if {[regexp { connection=(\d+) (Read|Write|Trim|Zero) id=(\d+) offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+).*\.\.\.$} $line \
            - connection op id offset count]} {
        set lit [expr {$op eq "Read" && $live}]
        set d($path,open,$connection,$id) [list $op [blocks_of $path $offset $count] $lit]
        if {$lit} { light $path [blocks_of $path $offset $count] 1 }
    } elseif {[regexp { connection=(\d+) \.\.\.(Read|Write|Trim|Zero) id=(\d+) return=(-?\d+)} $line - connection op id result]} {
        if {![info exists d($path,open,$connection,$id)]} return
        lassign $d($path,open,$connection,$id) op range lit
        unset d($path,open,$connection,$id)
        if {$lit} {
            variable flash_ms
            after $flash_ms [list diskmap::light $path $range -1]
        } elseif {$op ne "Read" && $result == 0} {
            suffer $path $range [string tolower $op]
        }
    }
}

# The first and the last block, or nothing beyond the end of the disk.
proc diskmap::blocks_of {path offset count} {
    variable d
    set end [expr {min($offset + $count, $d($path,size))}]
    if {$end <= $offset} { return {} }
    return [list [expr {$offset / $d($path,block)}] [expr {($end - 1) / $d($path,block)}]]
}

proc diskmap::suffer {path range state} {
    variable d
    if {$range eq ""} return
    lassign $range first last
    for {set i $first} {$i <= $last} {incr i} { lset d($path,state) $i $state }
    repaint $path $first $last
}

# Reads that are there now, or were a moment ago.
proc diskmap::light {path range more} {
    variable d
    if {$range eq "" || ![info exists d($path,state)]} return
    lassign $range first last
    for {set i $first} {$i <= $last} {incr i} {
        if {[incr d($path,lit,$i) $more] <= 0} { unset d($path,lit,$i) }
    }
    repaint $path $first $last
}

# Runs of one colour in one row are one rectangle.
proc diskmap::repaint {path first last} {
    variable d
    set cols $d($path,cols)
    set from $first
    set colour [colour_of $path $first]
    for {set i [expr {$first + 1}]} {$i <= $last} {incr i} {
        set next [colour_of $path $i]
        if {$next ne $colour || $i % $cols == 0} {
            rectangle $path $from $i $colour
            set from $i
            set colour $next
        }
    }
    rectangle $path $from $i $colour
}

proc diskmap::colour_of {path block} {
    variable d
    variable colours
    variable flash
    if {[info exists d($path,lit,$block)]} { return $flash }
    return [dict get $colours [lindex $d($path,state) $block]]
}

proc diskmap::rectangle {path from to colour} {
    variable d
    set zoom $d($path,zoom)
    set x [expr {$from % $d($path,cols) * $zoom}]
    set y [expr {$from / $d($path,cols) * $zoom}]
    $d($path,image) put $colour -to $x $y [expr {$x + ($to - $from) * $zoom}] [expr {$y + $zoom}]
}

# The program: only when this file is not part of another one.
if {[info exists argv0] && [file normalize $argv0] eq [file normalize [info script]]} {
    if {[llength $argv] == 0 || [llength $argv] % 2} {
        puts stderr "usage: nbdview.tcl LOG SIZE ?LOG SIZE ...?"
        exit 1
    }
    set n 0
    foreach {log size} $argv {
        if {[catch {
            grid [diskmap::create .disk$n $size] -row 0 -column $n -padx [list [expr {$n ? 8 : 0}] 0] -sticky nw
            diskmap::follow .disk$n $log
        } words]} {
            puts stderr "nbdview.tcl: $words"
            exit 1
        }
        incr n
    }
    wm title . "nbdview: [file tail [lindex $argv 0]]"
    wm resizable . 0 0
}
