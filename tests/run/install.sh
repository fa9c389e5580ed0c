#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# plain-only: what is installed is the same
# timeout: 300
# `make install` puts everything under DESTDIR and PREFIX, and what is there works from there.
. "$(dirname "$0")/lib.sh"

# A build of its own, quick rather than fast: the prefix is compiled in.
meson setup -Doptimization=0 "$T/build" "$SRC" >"$T/out" 2>&1 || { cat "$T/out"; fail "meson setup"; }

mkdir "$T/usr"
make -C "$SRC" install BUILD="$T/build" PREFIX="$T/usr" >"$T/out" 2>&1 || { cat "$T/out"; fail "make install"; }
for f in bin/blkscope bin/nbdkit bin/nbdview share/doc/blkscope/LICENSE share/bash-completion/completions/blkscope \
	share/man/man1/blkscope-serve.1 lib/systemd/system/blkscope@.service lib/systemd/system/blkscope@.socket; do
	[ -e "$T/usr/$f" ] || fail "$f was not installed"
done
export PATH=$T/usr/bin:/usr/bin:/bin
[ "$("$T/usr/bin/nbdkit" -U - memory 1M --run 'nbdinfo --size "$uri"')" = 1048576 ] || fail "the installed nbdkit"
[ "$("$T/usr/bin/blkscope" serve -U - memory 2M --run 'nbdinfo --size "$uri"')" = 2097152 ] || fail "the installed blkscope serve"
"$T/usr/bin/nbdkit" --dump-config | grep -qx "bindir=$T/usr/bin" || fail "the installed program does not know where it is"
"$T/usr/bin/nbdview" --help >/dev/null || fail "the installed nbdview"
"$T/usr/bin/blkscope" view --help >/dev/null || fail "the installed blkscope view"
echo "ok make_install_honours_PREFIX"

# A plug-in is built outside of the tree by pkg-config, and runs here and under Debian's nbdkit.
pc=$(find "$T/usr" -name blkscope.pc)
[ -n "$pc" ] || fail "no blkscope.pc was installed"
cp "$SRC/examples/c/stripes.c" "$T"
(cd "$T" && cc -Wall -Wextra -Werror -shared -fPIC $(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags blkscope) stripes.c -o stripes.so) ||
	fail "the example plug-in does not build"
for server in "$T/usr/bin/nbdkit" /usr/bin/nbdkit; do
	"$server" -U - "$T/stripes.so" 64K --run 'nbdcopy "$uri" -' | sed -n '42p' | grep -q '^sector 41 *$' || fail "the example plug-in under $server"
	! "$server" -U - "$T/stripes.so" colour=red --run true 2>"$T/err" || fail "$server took colour=red"
	grep -q "unknown parameter 'colour'" "$T/err" || fail "$server does not say what is wrong: $(cat "$T/err")"
done
[ "$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --variable=plugindir blkscope)" = "$("$T/usr/bin/nbdkit" --dump-config | sed -n 's/^plugindir=//p')" ] ||
	fail "pkg-config and --dump-config know different plug-in folders"
echo "ok a_plugin_is_built_outside_the_tree"

# Names: what is built in, then our folder, then nbdkit's.
plugindir=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --variable=plugindir blkscope)
mkdir -p "$plugindir"
for name in stripes pattern memory; do cp "$T/stripes.so" "$plugindir/nbdkit-$name-plugin.so"; done
is_stripes() { "$T/usr/bin/nbdkit" "$1" --dump-plugin | grep -qx name=stripes; }
is_stripes stripes || fail "a plug-in in our folder is not found by its name"
is_stripes pattern || fail "nbdkit's folder comes before ours"
! is_stripes memory || fail "our folder comes before what is built in"
"$T/usr/bin/nbdkit" -U - stripes 64K --run 'nbdinfo --size "$uri"' | grep -qx 65536 || fail "the plug-in in our folder does not run"
rm "$plugindir"/nbdkit-*-plugin.so
[ ! -e /usr/lib/*/nbdkit/plugins/nbdkit-pattern-plugin.so ] || "$T/usr/bin/nbdkit" pattern --dump-plugin | grep -qx name=pattern ||
	fail "a plug-in in nbdkit's folder is not found by its name"
echo "ok names_are_looked_up_here_then_there"

# The completion offers options, commands, plug-ins and filters.
complete_words() {
	bash -c '
		. "$1/usr/share/bash-completion/completions/blkscope"
		shift
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		COMPREPLY=()
		COMP_WORDBREAKS=" "
		_blkscope "$1"
		printf "%s\n" "${COMPREPLY[@]}"' - "$T" "$@"
}
offers() { # WORD COMMAND LINE...
	local word=$1
	shift
	complete_words "$@" | grep -qxF -e "$word" || fail "completion of '$*' does not offer $word: $(complete_words "$@" | tr '\n' ' ')"
}
offers serve blkscope ''
offers --filter= blkscope serve --filt
offers --filter=delay blkscope serve --filter=de
offers memory blkscope serve mem
offers memory nbdkit m
offers size= nbdkit memory ''
offers rdelay= nbdkit --filter=delay memory rd
offers --palette= nbdview --pal
! complete_words blkscope serve '' | grep -qx delay || fail "completion offers a filter for a plug-in"
echo "ok completion_offers_what_the_programs_know"

# A program on the expect library, outside of the tree: shared, static, strict C99 and C++.
for f in include/miniexpect.h share/man/man3/miniexpect.3 share/man/man3/mexp_expect.3; do
	[ -e "$T/usr/$f" ] || fail "$f was not installed"
done
PKG_CONFIG_PATH=$(dirname "$(find "$T/usr" -name miniexpect.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir miniexpect)
cp "$SRC/examples/expect/shell.c" "$T"
expect_shell() { # NAME COMMAND: builds and runs it
	(cd "$T" && eval "$2") || fail "shell.c does not build: $2"
	[ "$(LD_LIBRARY_PATH=$libdir "$T/$1" 'echo hello')" = "hello
[0]" ] || fail "shell.c does not run: $2"
}
expect_shell shared 'cc -Wall -Wextra -Werror shell.c $(pkg-config --cflags --libs miniexpect) -o shared'
ldd "$T/shared" >"$T/out"
grep -q 'libminiexpect\.so\.1 ' "$T/out" || fail "the shared one does not use libminiexpect.so.1: $(cat "$T/out")"
expect_shell static 'cc -Wall -Wextra -Werror -static shell.c $(pkg-config --static --cflags --libs miniexpect) -o static'
! readelf -d "$T/static" | grep -q NEEDED || fail "the static one is not static"
printf '#include <miniexpect.h>\nint main(void) { mexp_regexp x[] = { { 100, 0, 0 }, { 0, 0, 0 } }; return x[1].r + mexp_close(0); }\n' >"$T/x.c"
cp "$T/x.c" "$T/x.cc"
for strict in 'gcc -std=c99 x.c' 'clang -std=c11 x.c' 'g++ -std=c++11 x.cc'; do
	(cd "$T" && ${strict} -Wall -Wextra -pedantic-errors -Werror $(pkg-config --cflags --libs miniexpect) -o x &&
		LD_LIBRARY_PATH=$libdir ./x) || fail "miniexpect.h does not do for $strict"
done
! nm "$libdir/libminiexpect.a" | grep ' [BbDdC] ' || fail "the expect library has variables"
echo "ok a_program_on_the_installed_expect_library"

# Under DESTDIR nothing escapes.
make -C "$SRC" install BUILD="$T/build" PREFIX="$T/usr" DESTDIR="$T/dest" >"$T/out" 2>&1 || { cat "$T/out"; fail "make install with DESTDIR"; }
[ -e "$T/dest$T/usr/bin/blkscope" ] || fail "DESTDIR was not honoured"
[ -e "$T/dest$T/usr/share/bash-completion/completions/blkscope" ] || fail "DESTDIR was not honoured by the completion"
echo "ok make_install_honours_DESTDIR"
