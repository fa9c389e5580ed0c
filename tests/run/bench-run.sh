#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: it starts its servers under valgrind and strace
# timeout: 240
# `make bench` prints every kind of row, and the list of what is to be reached judges as it says.
# Figures of speed are no business of a test.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"

python3 - "$SRC/bench" >"$T/out" 2>&1 <<'EOF' || fail "$(cat "$T/out")"
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from targets import verdicts
verdicts([('4 KiB read, 4 conn. x 32', 'CPU us/request', 'less', {'blkscope': 1.25, 'loop': 1.0, 'nbdkit': 2.5}),
          ('4 KiB read, 4 conn. x 32', 'requests/s', 'more', {'blkscope': 850.0, 'loop': 1000.0, 'nbdkit': 340.0}),
          ('TCP: 4 KiB read, 4 conn. x 32', 'requests/s', 'more', {'blkscope': 750.0, 'loop': 1000.0, 'nbdkit': 100.0}),
          ('4 KiB write, depth 1', 'p50 us', 'less', {'blkscope': 10.0, 'nbdkit': 10.0, 'qemu': 20.0}),
          ('a row of no wish', 'ms', 'less', {'blkscope': 1.0})], [('growth: moss', [1.0, 9.0, 1.5])])
EOF
verdict() {
	grep -Eq "^$1 .* $2\$" "$T/out" || fail "not \"$1 ... $2\": $(cat "$T/out")"
}
verdict '4 KiB read, 4 conn. x 32 +CPU us/request +/loop +1.25 +<= +1.25' reached
verdict '4 KiB read, 4 conn. x 32 +CPU us/request +/nbdkit +0.50 +<= +0.25' 'missed by 100%'
verdict '4 KiB read, 4 conn. x 32 +requests/s +/loop +0.85 +>= +0.85' reached
verdict '4 KiB read, 4 conn. x 32 +requests/s +/nbdkit +2.50 +>= +5' 'missed by 50%'
verdict 'TCP: 4 KiB read, 4 conn. x 32 +requests/s +/loop +0.75 +>= +0.77' 'missed by 2%'
verdict 'TCP: 4 KiB read, 4 conn. x 32 +requests/s +/nbdkit +7.50 +>= +4.50' reached
verdict 'TCP: 4 KiB read, 4 conn. x 32 +requests/s +/nbdkit' '+3.00'
verdict '4 KiB write, depth 1 +p50 us +/nbdkit +1 +< +1' 'missed by 0%'
verdict '4 KiB write, depth 1 +p50 us +/qemu +0.50 +< +1' reached
verdict 'growth: moss +CPU +last/first +1.50 +<= +1.25' 'missed by 20%'
grep -q '^reached: 4 of 9; ' "$T/out" || fail "no sum: $(cat "$T/out")"
! grep -q 'no wish' "$T/out" || fail "judged what nobody wished: $(cat "$T/out")"
echo ok verdicts

PATH=$PATH:/usr/sbin:/sbin
for program in nbdkit qemu-nbd; do
	command -v $program >/dev/null || { echo "skip the_table: no $program to compare with"; exit 0; }
done
[ -x "$NBDKIT" ] || { echo "skip the_table: not built"; exit 0; }
SMALL=1 QUICK=1 SECONDS=0.02 BENCH_BUILD=${BUILD_DIR:-$SRC/build} "$SRC/bench/run" 'TCP: ' 'log cost' 'delay' 'in order' start idle status \
	structured growth recording TLS >"$T/out" 2>"$T/err" || fail "bench/run: $(cat "$T/err" "$T/out")"
[ ! -s "$T/err" ] || fail "bench/run: $(cat "$T/err")"
for row in 'TCP: 256 KiB write, depth 8' 'log cost: 4 KiB write, 4 conn. x 32' 'delay 40 ms' 'file, disk: 1 MiB write in order' \
	'start: memory, first reply' '50 idle connections' 'growth: connections' 'growth: pass-through' 'growth: disk size' \
	'growth: written already' 'growth: log file' 'TLS, PSK: 256 KiB write, depth 4' 'recording: 4 KiB write' 'recording: a moment' 'recording: events/s' 'recording: events/s  *convert: iolog to csv'; do
	grep -q "^$row" "$T/out" || fail "no row \"$row\": $(cat "$T/out")"
done
grep -q '^reached: ' "$T/out" || fail "no verdict: $(cat "$T/out")"
if command -v valgrind >/dev/null; then
	grep -Eq '^ +instr./request +[0-9]' "$T/out" || fail "no instructions: $(cat "$T/out")"
fi
if command -v strace >/dev/null; then
	grep -Eq '^block status .* sends +1\.00 ' "$T/out" || fail "a block status takes several sends: $(cat "$T/out")"
fi
echo ok the_table
