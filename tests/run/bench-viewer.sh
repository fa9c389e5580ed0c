#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The generator of logs writes what our log filter would, always the same; the viewer's rows of bench/run all run.
# Figures of speed are no business of a test.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"
BUILD_DIR=${BUILD_DIR:-$SRC/build}
GENLOG=$BUILD_DIR/bench/bench-genlog
VIEW=$BUILD_DIR/src/blkscope-view

for size in 4096 64M 1024T; do
	"$GENLOG" --lines=5000 --size=$size --connections=3 --depth=8 >"$T/log"
	[ "$(wc -l <"$T/log")" -eq 5000 ] || fail "not 5000 lines: $(wc -l <"$T/log")"
	"$VIEW" "$T/log" --dump >"$T/dump"
	grep -q ' bad=0 overlong=0 lost=0 set_back=0 torn=0 ' "$T/dump" || fail "$size: $(head -n 12 "$T/dump")"
	grep -q 'errors=0 in_flight=2[34] abandoned=0 unmatched=0 clipped=0' "$T/dump" || fail "$size: $(head -n 12 "$T/dump")"
	"$GENLOG" --lines=5000 --size=$size --connections=3 --depth=8 | cmp - "$T/log" || fail "not the same again"
done
"$GENLOG" --lines=2000 --rate=20000 --live >"$T/log" 2>"$T/err"
grep -q '^late_ms=' "$T/err" || fail "$(cat "$T/err")"
[ "$(wc -l <"$T/log")" -eq 2000 ] || fail "not 2000 lines: $(wc -l <"$T/log")"
for wrong in --lines=0 --size=1 --depth=40000 --colour x; do
	! "$GENLOG" $wrong >/dev/null 2>"$T/err" || fail "$wrong was taken"
	[ -s "$T/err" ] || fail "$wrong: not a word"
done
echo ok logs_as_the_filter_writes_them

# A line has the shape of one that the filter wrote, number by number.
if [ -x "$NBDKIT" ] && [ -n "$(command -v qemu-io)" ]; then
	shape() { sed 's/^.\{26\}/STAMP/; s/[0-9a-f]*\([0-9]\)/\1/g; s/0x[0-9a-f]*/0xN/g; s/=[0-9][0-9]*/=N/g' "$1" | sort -u; }
	serve --filter=log memory 64M logfile="$T/real"
	qemu-io -f raw "nbd+unix:///?socket=$sock" -c 'write 0 4k' -c 'read 0 4k' -c 'discard 0 64k' -c 'write -z 0 4k' -c 'flush' >/dev/null
	stop
	"$GENLOG" --lines=500 >"$T/log"
	shape "$T/log" >"$T/made"
	shape "$T/real" >"$T/written"
	comm -23 "$T/made" "$T/written" >"$T/odd"
	[ ! -s "$T/odd" ] || fail "the filter writes no such lines: $(cat "$T/odd")"
	echo ok the_filter_writes_such_lines
else
	echo skip the_filter_writes_such_lines: no server or no qemu-io
fi

if [ -n "$(command -v Xvfb)" ]; then
	# what SDL and the X libraries keep to the end is not ours to free
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 SMALL=1 QUICK=1 BENCH_VIEWER=$VIEW "$SRC/bench/run" viewer >"$T/out" 2>"$T/err" || fail "bench/run viewer: $(cat "$T/err")"
	[ "$(grep -c '^viewer: ' "$T/out")" -eq 3 ] || fail "bench/run viewer: $(cat "$T/out")"
	grep -q ' frames/s ' "$T/out" || fail "bench/run viewer: $(cat "$T/out")"
	echo ok bench_run
else
	echo skip bench_run: needs Xvfb
fi
