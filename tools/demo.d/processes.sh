# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The demo's processes, by name: all of them end when the demo does, however it ends.
# Set and used here: pids, scratch (a directory to delete).

declare -A pids=()
scratch=

# start NAME COMMAND...: in the background; stdout and stderr are the caller's.
start() {
	local name=$1
	shift
	"$@" </dev/null &
	pids[$name]=$!
}

running() {
	[ -n "${pids[$1]:-}" ] && kill -0 "${pids[$1]}" 2>/dev/null
}

# wait_for NAME: until it ends; its exit status.
wait_for() {
	local pid=${pids[$1]}
	unset "pids[$1]"
	wait "$pid"
}

stop() {
	[ -n "${pids[$1]:-}" ] || return 0
	kill "${pids[$1]}" 2>/dev/null || true
	wait_for "$1" || true
}

stop_all() {
	local name
	trap '' INT TERM HUP            # a second ^C must not leave half of it running
	for name in guest window server; do     # the guest's driver waits for its emulator
		stop "$name"
	done
	[ -z "$scratch" ] || rm -rf "$scratch"
}

trap stop_all EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
