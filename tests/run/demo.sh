#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: boots a guest under software emulation
# timeout: 400
# The demo from end to end, a real Linux guest on our disk, and whether its numbers tell the story they should.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"

ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel in /boot to boot a guest with"
command -v guestfish >/dev/null || skip "guestfish is not installed"

D=$T/out
unset DISPLAY WAYLAND_DISPLAY
DEMO_BIN=$BUILD_BIN DEMO_DIR=$D DEMO_DELAY=2ms "$SRC/tools/demo" >"$T/said" 2>&1 || fail "tools/demo: $(cat "$T/said")"
for f in log session.rec steps.txt session.cast strip.png video.mp4 summary.txt story.txt story.html server.log; do
	[ -s "$D/$f" ] || fail "the demo left no $f"
done
echo ok leaves_all_it_promises

# said WORDS: the demo must have printed them.
said() { grep -q "$1" "$T/said" || fail "the demo did not say '$1'"; }
said 'No display here'
said ' 11. blkdiscard'
said '^total '
echo ok says_what_it_does

nbdview "$D/log" --steps="$D/steps.txt" --summary >"$T/summary" 2>"$T/complaints"
[ ! -s "$T/complaints" ] || fail "not every line of the log is understood: $(cat "$T/complaints")"
cmp -s "$T/summary" "$D/summary.txt" || fail "summary.txt is another one"
echo ok every_line_is_understood

# From the right, a line of the table is: errors, flushes, zeroes with bytes, trims with bytes, blocks written,
# writes with bytes, reads with bytes; bytes are a number and a unit.
declare -A column=([errors]=0 [flushes]=1 [zeroes]=4 [trims]=7 [blocks]=8 [writes]=11 [reads]=14)

# of STEP COLUMN: a number from the summary.
of() {
	awk -v step="$1" -v back="${column[$2]}" '
		{ rest = $0; sub(/^[^ ]+ +/, "", rest) }
		$1 == step || index(rest, step) == 1 { print $(NF - back); found = 1; exit }
		END { exit !found }' "$T/summary" || fail "no step '$1' in the summary"
}

# is STEP COLUMN TEST VALUE, as in: is "mkfs" trims -gt 0
is() {
	local n
	n=$(of "$1" "$2")
	test "$n" "$3" "$4" || fail "step '$1': $2 is $n, expected $3 $4 ($(cat "$T/summary"))"
}

is attach reads -gt 20
is attach writes -eq 0
is part-init writes -ge 2
is mkfs trims -gt 0
is mkfs writes -gt 5
is mkfs blocks -gt 20
is mount zeroes -gt 0
is "sync  " blocks -gt 100
# On a slow machine these steps take long enough for the journal's timer (5 s) to write a little of its own.
few=$(($(of "sync  " blocks) / 2))
is unpack blocks -lt $few
is "rm -rf" blocks -lt $few
is fstrim blocks -lt $few
is fstrim trims -gt 0
is blkdiscard trims -ge 1
is total errors -eq 0
echo ok each_step_does_what_it_should

# tells SENTENCE: a regular expression, in the story without its line breaks.
tr -s '\n ' ' ' <"$D/story.txt" >"$T/story"
tells() { grep -qE "$1" "$T/story" || fail "the story does not tell: $1: $(cat "$D/story.txt")"; }
tells 'wrote the GPT \(protective MBR, header and entries\) and its copy at the end of the disk'
tells 'mkfs discarded the whole of partition 1 \(62 MiB|It discarded the whole of partition 1 \(62 MiB'
tells 'zeroed the journal \(4 MiB at 17 MiB, 1 request\)'
tells 'copies of the superblock and the group descriptors in groups 1, 3, 5 and 7 '
tells 'zeroed the inode tables? of groups? [0-9].*lazy initialisation'
tells 'the data of [0-9,]+ files below /files'
tells 'blkdiscard discarded the whole of partition 1'
tells 'Partition 1 no longer holds an ext4 file system'
echo ok the_story_is_what_happened

partition=$((64 * 1024 * 1024 - 2048 * 512 - 2047 * 512)) # parted's end, -2048s, is the partition's last sector
grep -q "Trim.* offset=0x100000 count=$(printf '%#x' $partition) " "$D/log" || fail "no trim of the whole partition"
echo ok blkdiscard_trims_the_partition

ends_with() { tail -n 1 "$1" | grep -q "$2" || fail "$1 ends with: $(tail -n 1 "$1")"; }
ends_with "$D/log" 'Disconnect transactions='
[ "$(grep -c ' \.\.\.$' "$D/log")" -eq "$(grep -c ' \.\.\.[A-Z]' "$D/log")" ] || fail "a request has no end in the log"
grep -q 'debug: ' "$D/server.log" || fail "server.log is not what -v says"
echo ok nothing_is_lost_at_the_end

probe() { ffprobe -v error -show_entries "stream=codec_name,width,height,nb_frames" -of csv=p=0 "$1"; }
ffmpeg -v error -xerror -i "$D/strip.png" -f null - </dev/null || fail "strip.png is no picture"
ffmpeg -v error -xerror -i "$D/video.mp4" -f null - </dev/null || fail "video.mp4 is no film"
probe "$D/strip.png" | grep -q '^png,' || fail "strip.png is no PNG"
probe "$D/video.mp4" | grep -q '^h264,' || fail "video.mp4 is not H.264: $(probe "$D/video.mp4")"
seconds=$(awk -F'[@. ]' 'NR == 1 { first = $2 } { last = $2 } END { print last - first }' "$D/steps.txt")
frames=$(probe "$D/video.mp4" | cut -d, -f4)
[ "$frames" -ge $((seconds * 10)) ] || fail "$frames pictures are too few for $seconds seconds"
echo ok pictures_are_pictures

# begin_demo NAME: in the background ($demo), until the guest has read something; all it makes is in $T/NAME.
begin_demo() {
	mkdir "$T/$1"
	: >"$T/$1/log"
	TMPDIR=$T/$1 DEMO_BIN=$BUILD_BIN DEMO_DIR=$T/$1 DEMO_DELAY=2ms "$SRC/tools/demo" >"$T/said" 2>&1 &
	demo=$!
	until_true 60 grep -qs ' Read ' "$T/$1/log"
	pgrep -f "nbdkit .*$T/$1/blkscope-demo" >/dev/null || fail "the test does not find the demo's server"
	pgrep -f "qemu-.*$T/$1/blkscope-demo" >/dev/null || fail "the test does not find the demo's guest"
	driver=$(pgrep -f "expect-guestfish .*$T/$1/blkscope-demo") || fail "the test does not find the guest's driver"
}

# ended_demo NAME STATUS: it must leave nothing: no process, no directory of the socket.
ended_demo() {
	local status=0
	wait "$demo" || status=$?
	[ "$status" -eq "$2" ] || fail "the demo's status is $status, expected $2: $(cat "$T/said")"
	! pgrep -af "$T/$1/blkscope-demo" || fail "the demo left processes behind"
	[ -z "$(find "$T/$1" -maxdepth 1 -name 'blkscope-demo.*')" ] || fail "the demo left its directory behind"
}

begin_demo stopped
kill "$demo"
ended_demo stopped 143
echo ok stops_when_told

begin_demo failed
pkill -KILL -P "$driver" -x guestfish || fail "the test does not find guestfish"
ended_demo failed 1
said 'the guest failed: tools/demo.d/session:6: guestfish was killed by signal 9; it printed last: run$'
echo ok says_why_the_guest_failed

status=0
DEMO_BIN=$T/nowhere "$SRC/tools/demo" >"$T/said" 2>&1 || status=$?
[ "$status" -eq 1 ] || fail "without a build the demo's status is $status"
said 'run make first'
[ "$(wc -l <"$T/said")" -eq 1 ] || fail "without a build the demo says: $(cat "$T/said")"
echo ok says_in_one_line_what_is_missing
