#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manual pages name every option and parameter there is, and none that is not; they format without a warning.
. "$(dirname "$0")/lib.sh"
pages=$SRC/man

# text PAGE: as a person reads it, on lines that are not broken.
text() {
	LC_ALL=C.UTF-8 MANWIDTH=1000 man -E ascii -l -Tascii "$pages/$1" 2>/dev/null | col -bx
}

lint() {
	for page in "$pages"/*.1; do
		! head -n 1 "$page" | grep -q '^\.so ' || continue
		LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null | sed "s|^|${page##*/}: |" >>"$T/warnings"
		[ -z "$(command -v mandoc)" ] || mandoc -T lint -W warning "$page" >>"$T/warnings" || :
	done
	[ ! -s "$T/warnings" ] || { cat "$T/warnings"; fail "pages with warnings"; }
}

# Both ways: what there is is written, what is written there is.
options_match() {
	text blkscope-serve.1 | sed -n '/^OPTIONS/,/^[A-Z].*BACKGROUND/p' >"$T/options"
	{ "$NBDKIT" --long-options; "$NBDKIT" --short-options; printf -- '--long-options\n--short-options\n'; } | sort -u >"$T/known"
	[ "$(wc -l <"$T/known")" -gt 40 ] || fail "--long-options and --short-options list too few: $(cat "$T/known")"
	while read -r o; do
		grep -qE -e "(^|[ (])$o([ =,.;)]|\$)" "$T/options" || fail "$o is not in blkscope-serve.1"
	done <"$T/known"
	grep -oE -e '(^|[ (])--?[a-zA-Z0-9][a-z0-9-]*' "$T/options" | tr -d ' (' | sort -u >"$T/written"
	while read -r o; do
		grep -qx -e "$o" "$T/known" || fail "blkscope-serve.1 tells of $o, which does not exist"
	done <"$T/written"
	# --help shows a name of each
	"$NBDKIT" --help | grep -oE -e '^ +(-[a-zA-Z0-9], )?--[a-z0-9-]+' | grep -oE -e '--[a-z0-9-]+' >"$T/shown"
	[ "$(wc -l <"$T/shown")" -gt 30 ] || fail "--help shows too few options"
	while read -r o; do
		grep -qx -e "$o" "$T/known" || fail "--help shows $o, which --long-options does not"
	done <"$T/shown"
}

# parameters_match KIND NAME HELP-ARGUMENT...: both ways, as above.
parameters_match() {
	page=blkscope-$2-$1.1
	"$NBDKIT" --help $3 | sed -n "/^$1: $2/,/^\$/p" | sed -nE 's/^\[?([a-z-]+)=.*/\1/p' >"$T/keys"
	[ -s "$T/keys" ] || fail "--help shows no parameter of $2"
	text "$page" | sed -n '/^PARAMETERS/,/^\(EXAMPLES\|FORMAT\)/p' | sed -nE 's/^ +\[?([a-z-]+)=.*/\1/p' >"$T/entries"
	sort "$T/keys" >"$T/keys.sorted"
	sort -u "$T/entries" | diff "$T/keys.sorted" - >&2 || fail "$page does not have the parameters of $2"
}

[ -n "$(command -v man)" ] && [ -n "$(command -v col)" ] || skip "needs man and col"
lint
options_match
parameters_match filter blocksize "--filter=blocksize null"
parameters_match filter cow "--filter=cow null"
parameters_match filter delay "--filter=delay null"
parameters_match filter error "--filter=error null"
parameters_match filter log "--filter=log null"
parameters_match filter offset "--filter=offset null"
parameters_match filter partition "--filter=partition null"
parameters_match filter passthrough "--filter=passthrough null"
parameters_match plugin memory memory
parameters_match plugin nbd nbd
parameters_match plugin null null
