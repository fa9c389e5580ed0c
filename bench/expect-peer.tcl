#!/usr/bin/expect -f
# SPDX-License-Identifier: BSD-2-Clause
# What bench/expect.py measures of Tcl Expect; words and output are those of bench-expect (expect.c).  A pattern whose match
# is the whole output needs a buffer for that (match_max); otherwise Expect is as it comes.
set timeout -1
log_user 0
lassign $argv mode first second third

proc cpu_ns {} {
    set file [open /proc/self/schedstat]
    lindex [read $file][close $file] 0
}

proc start_clock {} {
    list [clock microseconds] [cpu_ns]
}

proc passed {since unit per_second things} {
    set us [expr {[clock microseconds] - [lindex $since 0]}]
    set ns [expr {[cpu_ns] - [lindex $since 1]}]
    return "$unit=[expr {$us / 1e6 * $per_second / $things}] cpu_$unit=[expr {$ns / 1e9 * $per_second / $things}]"
}

# Of a literal the buffer has only the last 2000 bytes, so it is no use to count what was before it.
proc output {mode file before length} {
    global expect_out stty_init
    set stty_init raw
    spawn -noecho cat $file
    if {$mode ne "literal"} {
        match_max [expr {$before + $length + 1000}]
    }
    set right 0
    set start [start_clock]
    switch $mode {
        literal {expect -ex END_MARKER {set right 1} eof {}}
        flat {expect -re {.*END_MARKER} {set right 1} eof {}}
        lines {expect -re {7.*END_MARKER} {set right 1} eof {}}
    }
    set figures [passed $start ms 1e3 1]
    if {$right} {
        set right [expr {[string length $expect_out(0,string)] == $length}]
    }
    puts "$figures right=$right"
}

proc spawn_many {times mib} {
    set heap [string repeat x [expr {$mib << 20}]]
    set right 1
    set start [start_clock]
    for {set i 0} {$i < $times} {incr i} {
        spawn -noecho true
        expect eof
        catch close
        if {[lrange [wait] 2 3] ne {0 0}} {
            set right 0
        }
    }
    puts "[passed $start ms 1e3 $times] right=$right"
}

proc sessions {n exchanges} {
    global expect_out stty_init
    set stty_init raw
    for {set i 0} {$i < $n} {incr i} {
        spawn -noecho cat
        lappend ids $spawn_id
        set sent($spawn_id) 1
    }
    set right 1
    set left $n
    set start [start_clock]
    foreach id $ids {
        send -i $id "session $id, line 1\n"
    }
    expect -i $ids -re {line ([0-9]+)\n} {
        set id $expect_out(spawn_id)
        if {$expect_out(1,string) != $sent($id)} {
            set right 0
        }
        if {$sent($id) < $exchanges} {
            send -i $id "session $id, line [incr sent($id)]\n"
        } else {
            incr left -1
        }
        if {$left > 0} {
            exp_continue
        }
    } eof {
        set right 0
    }
    puts "[passed $start us 1e6 [expr {$n * $exchanges}]] right=$right"
}

switch $mode {
    spawn {spawn_many $first $second}
    sessions {sessions $first $second}
    default {output $mode $first $second $third}
}
