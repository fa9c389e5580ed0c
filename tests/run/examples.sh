#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every example runs as a reader would run it and shows what its first lines promise.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"

# example NAME: runs it; what it leaves is in $OUT, what it said in $OUT/said.
example() {
	OUT=$T/$1
	export OUT
	mkdir "$OUT"
	"$SRC/examples/$1.sh" >"$OUT/said" 2>&1 || fail "examples/$1.sh: $(cat "$OUT/said")"
	tested="$tested $1"
}
tested=

# count WORDS LOG: how often a request of this kind began.
count() { grep -c "$1.* \.\.\.\$" "$2" || :; }

is() { test "$2" "$3" "$4" || fail "$1: $2 $3 $4 is not so"; }

picture() {
	[ -s "$1" ] || fail "$1 is missing"
	ffmpeg -v error -xerror -i "$1" -f null - </dev/null || fail "$1 is no picture"
	sed 1q <"$1" | grep -qa PNG || fail "$1 is no PNG"
}

# The most requests that a log has in flight at once.
deepest() {
	awk '/ \.\.\.$/ { if (++n > most) most = n } / \.\.\.[A-Z]/ { n-- } END { print most + 0 }' "$1"
}

example captive
grep -q 'export-size: 1099511627776' "$OUT/said" || fail "captive.sh shows no terabyte"
[ "$(tail -n 1 "$OUT/said")" = "the same" ] || fail "captive.sh did not compare"
echo ok captive

example slow-disk
is "reads one at a time" "$(count Read "$OUT/log-1")" -ge 16
is "in flight at depth 1" "$(deepest "$OUT/log-1")" -eq 1
is "in flight at depth 16" "$(deepest "$OUT/log-16")" -gt 8
echo ok slow_disk

example watch-convert
is "zeroes of a plain convert" "$(count Zero "$OUT/log")" -gt 0
is "writes of two converts" "$(count Write "$OUT/log")" -ge 2
picture "$OUT/convert.png"
echo ok watch_convert

example fio-picture
is "fio's 4 KiB requests" "$(count 'count=0x1000' "$OUT/log")" -ge 2048
picture "$OUT/fio.png"
echo ok fio_picture

example two-writers
is "writes upwards" "$(count 'Write.*count=0x80000 ' "$OUT/log")" -eq 16
is "writes downwards" "$(count 'Write.*count=0x10000 ' "$OUT/log")" -eq 24
is "connections" "$(grep -o 'connection=[0-9]* Write' "$OUT/log" | sort -u | wc -l)" -eq 2
picture "$OUT/two.png"
echo ok two_writers

if [ -w /dev/fuse ] && command -v fusermount3 >/dev/null; then
	example watch-mkfs
	is "trims of the whole disk" "$(count 'Trim.*offset=0x0 count=0x4000000 ' "$OUT/log")" -ge 1
	is "writes of mkfs" "$(count Write "$OUT/log")" -gt 5
	picture "$OUT/mkfs.png"
	echo ok watch_mkfs
else
	echo "skip watch_mkfs: no FUSE on this machine"
	tested="$tested watch-mkfs"
fi

for e in "$SRC"/examples/*.sh; do
	name=$(basename "$e" .sh)
	case " $tested " in *" $name "*) ;; *) fail "no test here for examples/$name.sh" ;; esac
done
echo ok every_example_has_its_test
