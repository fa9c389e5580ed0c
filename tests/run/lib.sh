# SPDX-License-Identifier: BSD-2-Clause
# For the shell tests: . "$SRC/tests/run/lib.sh".  Works by hand too: tests/run/NAME.sh from a checkout.
# Everything a test makes lies in $T, and every server it starts ends with it.
set -eu

SRC=${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD_BIN=${BUILD_BIN:-$SRC/build/bin}
NBDKIT=${NBDKIT:-$BUILD_BIN/nbdkit}
NBDVIEW=${NBDVIEW:-$BUILD_BIN/nbdview}
SLOWER=${SLOWER:-1}
PATH=$BUILD_BIN:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
T=$(mktemp -d)
server_pids=

on_exit() {
	for p in $server_pids; do
		kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || :
	done
	rm -rf "$T"
}
trap on_exit EXIT
trap 'exit 143' TERM

fail() {
	echo "FAILED: $*" >&2
	[ ! -s "$T/server.err" ] || sed 's/^/server: /' "$T/server.err" >&2
	exit 1
}

# skip WHY: the whole test cannot run here.
skip() {
	echo "$*"
	exit 77
}

# until_true SECONDS COMMAND...: poll, since nobody promised a time; fail when it never comes true.
until_true() {
	local tries=$(($1 * 20 * SLOWER))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || fail "never became true: $*"
		sleep 0.05
	done
}

# serve ARG...: our nbdkit on the Unix socket $sock; returns when it listens.  $server is its pid.
serve() {
	sock=$T/sock
	rm -f "$sock" "$T/pid"
	"$NBDKIT" -f -U "$sock" -P "$T/pid" "$@" 2>>"$T/server.err" &
	server=$!
	server_pids="$server_pids $server"
	until_true 20 server_is_up
	uri="nbd+unix:///?socket=$sock"
}

server_is_up() {
	kill -0 "$server" 2>/dev/null || fail "the server ended at once"
	[ -s "$T/pid" ]
}

# stop: SIGTERM, and the server must end with status 0.
stop() {
	local status=0
	kill "$server"
	wait "$server" || status=$?
	server_pids=
	[ $status -eq 0 ] || fail "the server ended with status $status after SIGTERM"
}
