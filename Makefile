# SPDX-License-Identifier: BSD-2-Clause
# The front door; meson.build is the build.
#
#   make              build into build/, programs in build/bin
#   make demo         set up, build, run the main job
#   make check        set up, build, every test; make check T=delay for those whose names match
#   make bench        side by side with the installed peers
#   make fuzz         every fuzzer for FUZZ_SECONDS
#   make lint         format, clang-tidy, floors, headers compile alone
#   make tour         HACKING.md's reading list with line counts
#   make install      honours PREFIX and DESTDIR
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
export PATH := /usr/sbin:/sbin:$(PATH)

bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man
docdir = $(DESTDIR)$(PREFIX)/share/doc/blkscope
compdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

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

lint:
	@tools/setup build lint
	@tools/lint

tour:
	@tools/tour

install: all
	install -d $(bindir) $(mandir) $(docdir) $(compdir)
	install $(BUILD)/src/blkscope $(BUILD)/src/blkscope-serve $(BUILD)/src/blkscope-view $(bindir)
	ln -sfn blkscope-serve $(bindir)/nbdkit
	ln -sfn blkscope-view $(bindir)/nbdview
	for page in man/*.[1-9]; do \
		section=$(mandir)/man$${page##*.}; \
		install -d $$section && install -m 644 $$page $$section || exit 1; \
	done
	install -m 644 LICENSE README.md docs/*.md $(docdir)
	install -m 644 tools/completion/blkscope.bash $(compdir)/blkscope
	ln -sfn blkscope $(compdir)/blkscope-serve
	ln -sfn blkscope $(compdir)/blkscope-view
	ln -sfn blkscope $(compdir)/nbdview

clean:
	rm -rf build build-*

.PHONY: all check demo bench fuzz lint tour install clean
