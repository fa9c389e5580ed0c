# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What the person sees while the guest works: each caption as it comes, and under it a clock with
# the requests so far.  The guest's driver writes steps.txt and the server writes log; this only reads.

say() { printf '%s\n' "$*"; }

[ -t 1 ] && terminal=yes || terminal=

# Requests begun so far, as " 449 reads  52 writes  16 trims  6 zeroes".
counts() {
	awk '$NF == "..." && $4 ~ /^[RWTZ]/ { n[$4]++ }
	     END { printf "%5d reads %4d writes %4d trims %4d zeroes", n["Read"], n["Write"], n["Trim"], n["Zero"] }' \
		log 2>/dev/null
}

# On a terminal one line is rewritten; elsewhere (CI) one line every ten seconds is enough.
show_clock() {
	local now=$1
	if [ "$terminal" ]; then
		printf '\r\e[K%4d s %s' "$now" "$(counts)"
	elif ((now >= next_line)); then
		printf '       %4d s %s\n' "$now" "$(counts)"
		next_line=$((now + 10))
	fi
}

show_new_captions() {
	local captions
	mapfile -t captions <steps.txt
	for (( ; shown < ${#captions[@]}; shown++)); do
		[ -z "$terminal" ] || printf '\r\e[K'
		printf '%4d s  %2d. %s\n' "$1" $((shown + 1)) "${captions[shown]#* }"
		next_line=$(($1 + 10))
	done
}

# Until the guest has ended; its exit status.
watch_session() {
	local began=$SECONDS shown=0 next_line=10 status=0
	while running guest; do
		show_new_captions $((SECONDS - began))
		show_clock $((SECONDS - began))
		sleep 0.3
	done
	show_new_captions $((SECONDS - began))
	[ -z "$terminal" ] || printf '\r\e[K'
	wait_for guest || status=$?
	((status)) || say "$(printf '%4d s  done: %s' $((SECONDS - began)) "$(counts)")"
	return $status
}
