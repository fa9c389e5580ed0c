#!/usr/bin/env -S nbdkit tcl
# SPDX-License-Identifier: BSD-2-Clause
# A folder as a disk: each connection finds a fresh ext2, or FAT, with what is in the folder just then.
#
#     nbdkit tcl dir.tcl dir=photos
#     nbdkit tcl dir.tcl dir=photos fs=fat label=PHOTOS
#
# Made by mke2fs, or by mkfs.fat and mcopy (Debian: e2fsprogs; dosfstools, mtools); nobody has to be root. The disk can
# only be read: writes would have nowhere to go.

set fs ext2
set label ""

proc config {key value} {
    if {$key ni {dir fs label}} { error "unknown parameter $key=$value" }
    set ::$key $value
}

proc config_complete {} {
    if {![info exists ::dir]} { error "dir=FOLDER is missing" }
    set ::dir [file normalize $::dir]
    if {![file isdirectory $::dir]} { error "$::dir is no folder" }
    if {$::fs ni {ext2 fat}} { error "fs=$::fs is neither ext2 nor fat" }
    append ::env(PATH) :/usr/sbin:/sbin
}

# Room for all files, in whole blocks, for a bit about each, and a tenth for the file system itself. KiB, and how many.
proc room {} {
    set kib 0
    set sizes [exec find $::dir -printf "%s\n"]
    foreach size $sizes { incr kib [expr {($size + 4095) / 4096 * 4 + 1}] }
    return [list [expr {$kib + $kib / 10 + 4096}] [llength $sizes]]
}

proc make_ext2 {image} {
    lassign [room] kib files
    exec mke2fs -q -F -t ext2 -b 4096 -N [expr {$files + 64}] -m 0 -L $::label -d $::dir $image ${kib}k 2>@1
}

proc make_fat {image} {
    lassign [room] kib
    set f [open $image r+b]
    chan truncate $f [expr {$kib * 1024}]
    close $f
    exec mkfs.fat {*}[expr {$::label eq "" ? {} : [list -n $::label]}] $image 2>@1
    set names [glob -nocomplain -directory $::dir -- * .?*]
    set names [lmap n $names { if {[file tail $n] in {. ..}} continue; set n }]
    if {[llength $names]} { exec mcopy -s -Q -i $image {*}$names :: 2>@1 }
}

# The image has no name any more: it is gone when the last who has it open is.
proc plugin_open {readonly} {
    set image [file tempfile name nbd-dir]
    try {
        make_$::fs $name
    } on error {words options} {
        close $image
        return -options $options $words
    } finally {
        file delete $name
    }
    fconfigure $image -translation binary
    return $image
}

proc plugin_close {image} { close $image }

proc get_size {image} {
    seek $image 0 end
    return [tell $image]
}

proc pread {image count offset} {
    seek $image $offset
    return [read $image $count]
}
