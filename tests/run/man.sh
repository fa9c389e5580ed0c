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
	for page in "$pages"/*.[13]; do
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

# command_options COMMAND [PAGE]: both ways, its --help and its page.
command_options() {
	"$BUILD_BIN/blkscope" "$1" --help | grep -oE -e '--[a-z]+' | sort -u >"$T/known"
	[ -s "$T/known" ] || fail "blkscope $1 --help shows no option"
	text "${2-blkscope-$1}.1" | sed -n '/^OPTIONS/,/^[A-Z]* [A-Z]/p' | grep -oE -e '--[a-z]+' | sort -u | diff "$T/known" - >&2 ||
		fail "${2-blkscope-$1}.1 does not have the options of --help"
}

# The expect library's page against its header, both ways.
declares() { "$SRC/tools/header-names" "$SRC/include/miniexpect.h" "$1"; }

library_match() {
	page=$pages/miniexpect.3
	for kind in functions types constants fields; do
		declares $kind >"$T/$kind"
		[ -s "$T/$kind" ] || fail "header-names finds no $kind"
	done
	[ "$(wc -l <"$T/functions")" -gt 40 ] && [ "$(wc -l <"$T/constants")" -gt 20 ] || fail "header-names finds too little"
	while read -r f; do
		grep -qE "^\.It .*Fn $f( |\$)" "$page" || fail "miniexpect.3 has no entry for $f()"
	done <"$T/functions"
	while read -r c; do
		grep -qE "^\.It Dv $c\$" "$page" || fail "miniexpect.3 has no entry for $c"
	done <"$T/constants"
	sort -u "$T/functions" "$T/types" "$T/constants" >"$T/declared"
	grep -oiwE 'mexp_[a-z0-9_]+' "$page" | sort -u | comm -23 - "$T/declared" >"$T/unknown"
	[ ! -s "$T/unknown" ] || fail "miniexpect.3 tells of what the header does not have: $(cat "$T/unknown")"
	sed -n 's/^\.It Va //p' "$page" | tr ',' '\n' | sed -E 's/ +$//; s/.*[ *]//' | sort -u | diff "$T/fields" - >&2 ||
		fail "miniexpect.3 does not have the fields of the header"
	text miniexpect.3 | tr -s ' \n' '  ' >"$T/words"
	declares prototypes >"$T/prototypes"
	while read -r p; do
		grep -qF -e " $p " "$T/words" || fail "miniexpect.3 does not have: $p"
	done <"$T/prototypes"
	# what the library exports is in the header
	nm -D --defined-only "$BUILD_BIN/../src/libminiexpect.so" | sed -nE 's/.* T (mexp_[a-z_]+).*/\1/p' | sort >"$T/exports"
	[ -s "$T/exports" ] || fail "the library exports nothing"
	[ -z "$(comm -23 "$T/exports" "$T/functions")" ] || fail "not in the header: $(comm -23 "$T/exports" "$T/functions")"
}

# The example as a person copies it from the page, on a terminal that knows UTF-8.
example_runs() {
	LC_ALL=C.UTF-8 MANWIDTH=120 man -E UTF-8 -l -Tutf8 "$pages/miniexpect.3" 2>/dev/null | col -bx |
		sed -n '/^A COMPLETE EXAMPLE/,/^STARTING/p' | sed '1d;$d' >"$T/example.c"
	cc -Wall -Wextra -Werror -I"$SRC/include" "$T/example.c" "$BUILD_BIN/../src/libminiexpect.a" -lpcre2-8 -o "$T/example" ||
		fail "the example of miniexpect.3 does not compile"
	"$T/example" >"$T/said" || fail "the example of miniexpect.3 failed: $(cat "$T/said")"
	[ "$(cat "$T/said")" = "It greets Ada." ] || fail "the example of miniexpect.3 said: $(cat "$T/said")"
}

# man finds the page by the name of each function.
aliases_are_made() {
	declares functions >"$T/functions"
	while read -r f; do
		[ "$(cat "$BUILD_BIN/../man/$f.3")" = ".so man3/miniexpect.3" ] || fail "no page $f.3"
	done <"$T/functions"
}

[ -n "$(command -v man)" ] && [ -n "$(command -v col)" ] || skip "needs man and col"
lint
options_match
parameters_match filter blocksize "--filter=blocksize null"
parameters_match filter cow "--filter=cow null"
parameters_match filter delay "--filter=delay null"
parameters_match filter error "--filter=error null"
parameters_match filter ip "--filter=ip null"
parameters_match filter limit "--filter=limit null"
parameters_match filter log "--filter=log null"
parameters_match filter offset "--filter=offset null"
parameters_match filter partition "--filter=partition null"
parameters_match filter passthrough "--filter=passthrough null"
parameters_match filter record "--filter=record null"
parameters_match plugin memory memory
parameters_match plugin nbd nbd
parameters_match plugin null null
parameters_match plugin recording recording
command_options report
command_options diff
command_options convert
command_options explain
command_options replay
command_options story
command_options view nbdview
library_match
[ "${MODE:-plain}" != plain ] || example_runs # the library of the others needs their sanitizer
aliases_are_made
