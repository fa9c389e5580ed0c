#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A program for miniexpect compiles as it is and works; the header is good for C99 and C++; the library shows its own names only,
# and keeps nothing outside of its handles.
. "${SRC:-$(cd "$(dirname "$0")/../.." && pwd)}/tests/run/lib.sh"

lib=${BUILD_DIR:-$BUILD_BIN/..}/src
warnings='-Wall -Wextra -Wshadow -Werror'
sanitize=
include=-I
[ "${MODE:-plain}" != asan ] || sanitize='-fsanitize=address,undefined'

# as_it_is SAYS FILE COMPILER...: the program compiles without a word, and says that all is well.
as_it_is() {
	local says=$1 program=$SRC/tests/compat/$2 said
	shift 2
	"$@" $warnings $sanitize $include "$SRC/include" -o "$T/program" "$program" "$lib/libminiexpect.a" -lpcre2-8 2>"$T/said" || fail "$*: $(cat "$T/said")"
	[ ! -s "$T/said" ] || fail "$* warns: $(cat "$T/said")"
	said=$("$T/program" 2>&1) || fail "$*: $said"
	[ "$said" = "$says" ] || fail "$*: it said $said"
}

# The library of the asan build wants clang's runtime.
compilers='gcc clang'
[ -z "$sanitize" ] || compilers=clang
for cc in $compilers; do
	for std in gnu17 c99 c11; do
		pedantic=
		[ $std = gnu17 ] || pedantic=-pedantic-errors
		as_it_is 'as documented' p2v.c $cc -std=$std $pedantic
	done
done
echo ok a_program_for_miniexpect_compiles_unchanged_and_works

# As it is included when it is installed: g++ -Wshadow says of a struct and a function of one name, which C++ allows, too, that one
# hides the other.
include=-isystem
for cxx in $(echo $compilers | sed 's/gcc/g++/; s/clang/clang++/'); do
	for std in c++11 c++17; do
		as_it_is 'as in C' plus.cc $cxx -std=$std -pedantic
	done
done
echo ok the_header_is_good_for_cplusplus

# A sanitizer adds names and variables of its own: the rest is for the plain build.
[ -z "$sanitize" ] || exit 0

nm -D --defined-only "$lib/libminiexpect.so" | awk '$2 != "A" { print $2, $3 }' >"$T/names"
grep -q '^T mexp_expect@*' "$T/names" || fail "the shared library does not export mexp_expect()"
! grep -vE '^T mexp_[a-z_]+(@@?MINIEXPECT_[0-9]+)?$' "$T/names" || fail "the shared library exports more than its functions"
echo ok the_shared_library_exports_its_functions_only

# In its own objects nothing lies where it can be written to: no variable, static and thread-local ones included.
nm -A "$lib/libminiexpect.a" >"$T/symbols"
grep -q ' T mexp_expect$' "$T/symbols" || fail "nm does not show the library"
! grep -E ' [BbCDdGgSs] ' "$T/symbols" || fail "the library has variables"
echo ok the_library_has_no_variables
