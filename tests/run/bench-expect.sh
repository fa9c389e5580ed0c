#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
# The programs that `make bench` compares expect libraries with: each does its work, counts what it found, and says so when the
# answer is not the one that it was told.  Figures of speed are no business of a test.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"
OURS=${BUILD_DIR:-$SRC/build}/bench/bench-expect

# says RIGHT PROGRAM ARG...: it must end well, with right=RIGHT.
says() {
	right=$1
	shift
	"$@" >"$T/out" 2>"$T/err" || fail "$*: status $?: $(cat "$T/err")"
	grep -Eq "(^| )right=$right\$" "$T/out" || fail "$*: $(cat "$T/out")"
}

# works PROGRAM...
works() {
	says 1 "$@" literal "$T/lines" 5000 10
	says 1 "$@" flat "$T/flat" 0 5010
	says 1 "$@" lines "$T/lines" 7 5003
	says 0 "$@" flat "$T/flat" 0 5009
	says 0 "$@" lines "$T/lines" 7 5004
	says 0 "$@" literal "$T/none" 10 10
	says 1 "$@" spawn 2 1
	says 1 "$@" sessions 3 5
}

printf 'a line\n7' >"$T/lines"
yes 'another line of no interest' | head -c 4992 >>"$T/lines"
head -c 5000 /dev/zero | tr '\0' x >"$T/flat"
printf END_MARKER | tee -a "$T/flat" >>"$T/lines"
printf 'END_MARKE of no use' >"$T/none"

works "$OURS"
says 1 "$OURS" loop "$T/lines" 5010
says 0 "$OURS" loop "$T/lines" 5011
echo ok ours
! "$OURS" literal "$T/lines" x 1 2>"$T/err" || fail "x is no number"
[ "$(cat "$T/err")" = "bench-expect: 'x' is no number" ] || fail "$(cat "$T/err")"
echo ok one_line_errors

if /usr/bin/python3 -c 'import pexpect' 2>/dev/null; then
	works "$SRC/bench/pexpect-peer.py"
	works "$SRC/bench/pexpect-peer.py" --tuned
	echo ok pexpect
else
	echo "skip pexpect: apt-get install python3-pexpect"
fi
if [ -x /usr/bin/expect ]; then
	works "$SRC/bench/expect-peer.tcl"
	echo ok tcl_expect
else
	echo "skip tcl_expect: apt-get install expect"
fi

if [ -x /usr/bin/expect ] && /usr/bin/python3 -c 'import pexpect' 2>/dev/null; then
	SMALL=1 QUICK=1 BENCH_EXPECT=$OURS "$SRC/bench/run" expect >"$T/out" 2>"$T/err" || fail "bench/run expect: $(cat "$T/err")"
	[ "$(grep -c '^expect: ' "$T/out")" -eq 12 ] || fail "bench/run expect: $(cat "$T/out")"
	! grep -q wrong "$T/out" || fail "bench/run expect: $(cat "$T/out")"
	echo ok the_table
else
	echo "skip the_table: it needs both"
fi
