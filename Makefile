# SPDX-License-Identifier: BSD-2-Clause
# The front door; meson.build is the build.
#
#   make              build into build/, programs in build/bin
#   make demo         set up, build, run the main job
#   make check        set up, build, every test; make check T=delay for those whose names match
#   make bench        side by side with the installed peers
#   make fuzz         every fuzzer for FUZZ_SECONDS
#   make conformance  every rule of the protocol's specification, for this server and the installed peers
#   make torture      the server with each allocation, thread and descriptor failing in turn
#   make soak         mixed clients for SOAK_SECONDS, all data verified
#   make valgrind     the unit tests and most of tests/run under memcheck
#   make lint         format, clang-tidy, cppcheck, floors, headers compile alone
#   make tour         HACKING.md's reading list with line counts
#   make install      honours PREFIX and DESTDIR
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 300
export PATH := /usr/sbin:/sbin:$(PATH)

docdir = $(DESTDIR)$(abspath $(PREFIX))/share/doc/blkscope
compdir = $(DESTDIR)$(abspath $(PREFIX))/share/bash-completion/completions

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@tools/link-bin $(BUILD)

$(BUILD)/build.ninja:
	@tools/setup build
	@meson setup $(BUILD)

check:
	@tools/setup build check
	@tests/run-all $(T)

demo:
	@tools/setup build demo
	@$(MAKE) --no-print-directory all
	@tools/demo

bench:
	@tools/setup build bench
	@$(MAKE) --no-print-directory all
	@bench/run

fuzz:
	@tools/setup build fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(T)

conformance:
	@tools/setup build check
	@$(MAKE) --no-print-directory all
	@tests/conformance/run

torture:
	@tools/setup build
	@$(MAKE) --no-print-directory all
	@tests/torture/run

soak:
	@tools/setup build check
	@$(MAKE) --no-print-directory all
	@SRC=$(CURDIR) BUILD_BIN=$(CURDIR)/$(BUILD)/bin SOAK_SECONDS=$(SOAK_SECONDS) /usr/bin/python3 tests/run/soak.py

valgrind:
	@tools/setup build check valgrind
	@$(MAKE) --no-print-directory all
	@tests/valgrind $(T)

lint:
	@tools/setup build lint
	@tools/lint

tour:
	@tools/tour

# The prefix is compiled in (where plug-ins and manual pages are), so another one is another build.
install: $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@ninja -C $(BUILD)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild
	install -d $(docdir) $(compdir)
	install -m 644 LICENSE $(wildcard README.md SECURITY.md docs/*.md) $(docdir)
	install -m 644 tools/completion/blkscope.bash $(compdir)/blkscope
	for alias in nbdkit nbdview; do ln -sfn blkscope $(compdir)/$$alias; done

clean:
	rm -rf build build-*

.PHONY: all check demo bench fuzz conformance torture soak valgrind lint tour install clean
