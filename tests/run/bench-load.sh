#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The load generator counts what it was told to do, checks every byte, and notices a server that loses or
# invents some.  Figures of speed are no business of a test.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"
BENCH=${BUILD_DIR:-$SRC/build}/bench
LOAD=$BENCH/bench-load

# load WANT ARG...: bench-load must end well and count WANT requests.
load() {
	want=$1
	shift
	"$LOAD" --timeout=100 --warmup=0 --verify "$@" >"$T/out" 2>"$T/err" || fail "bench-load $*: $(cat "$T/err")"
	grep -q "^requests=$want " "$T/out" || fail "bench-load $*: $(cat "$T/out")"
}

# refuses WORDS ARG...: bench-load must end with status 1 and one line that has these words.
refuses() {
	words=$1
	shift
	status=0
	"$LOAD" --timeout=20 "$@" >"$T/out" 2>"$T/err" || status=$?
	[ $status -eq 1 ] || fail "bench-load $*: status $status"
	[ "$(wc -l <"$T/err")" -eq 1 ] || fail "bench-load $*: not one line: $(cat "$T/err")"
	grep -qF -e "$words" "$T/err" || fail "bench-load $*: $(cat "$T/err")"
}

# Each shape of load that bench/run uses, on the server behind $1; the rest are more options.
shapes() {
	where=$1
	shift
	load 300 --requests=300 "$@" "$where"
	load 3000 --requests=3000 --depth=32 --op=mixed --range=1M "$@" "$where"
	load 3001 --requests=3001 --depth=32 --op=write --connections=4 --range=1M "$@" "$where"
	load 2000 --requests=2000 --depth=7 --op=mixed --connections=9 --threads=2 --size=512 --range=64K "$@" "$where"
	load 99 --requests=99 --depth=8 --op=mixed --size=256K --range=4M "$@" "$where"
	load 40 --requests=40 --depth=3 --op=mixed --size=100001 --range=2M --sequential "$@" "$where"
	load 2500 --requests=2500 --depth=2000 --op=write --range=1M "$@" "$where"
}

"$BENCH/bench-loop" "$T/loop" 16M &
loop=$!
server_pids=$loop
until_true 20 test -S "$T/loop"
shapes "$T/loop"
load 200 --requests=200 --server-pid=$loop --idle=20 "$T/loop"
grep -q ' server_cpu_us=[0-9.]* .* server_threads=2[0-9] ' "$T/out" || fail "no cost of the server: $(cat "$T/out")"
grep -q ' kernel_kib=[1-9]' "$T/out" || fail "no memory of the kernel: $(cat "$T/out")"
refuses "refused option 8" --structured "$T/loop"
refuses "more than the disk's 16777216" --range=17M "$T/loop"
refuses "do not fit" --size=4k --range=1k "$T/loop"
echo ok bare_loop

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$BENCH/bench-loop" "$port" 16M &
tcp=$!
server_pids="$server_pids $tcp"
until_true 20 "$LOAD" --requests=1 --warmup=0 "127.0.0.1:$port" >"$T/out" 2>&1
shapes "127.0.0.1:$port"
kill $tcp
wait $tcp || :
! "$BENCH/bench-loop" 65536 2>"$T/err" || fail "a port of 65536"
grep -q 'PORT: ' "$T/err" || fail "$(cat "$T/err")"
echo ok bare_loop_over_tcp

refuses "one server expected"
refuses "--depth: " --depth=0 x
refuses "--colour" --colour x
refuses "neither read nor write nor mixed" --op=erase x
refuses "cannot connect" "$T/nobody"
refuses "neither a socket's path" nowhere
refuses "its CPU time" --server-pid=4194304 "$T/loop"
kill $loop # stop forgets all but its own server
wait $loop || :
echo ok one_line_errors

[ -x "$NBDKIT" ] || { echo "skip our_server: not built"; exit 0; }
serve memory 16M
shapes "$sock"
shapes "$sock" --structured
stop
echo ok our_server

serve null 16M # it forgets what is written
refuses "not 0x" --verify --requests=1000 --op=mixed --range=1M "$sock"
stop
serve -r memory 16M
refuses "failed a write" --requests=10 --op=write "$sock"
refuses "failed a write" --requests=10 --op=write --structured "$sock"
stop
echo ok lies_are_noticed
