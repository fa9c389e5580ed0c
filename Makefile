# SPDX-License-Identifier: BSD-2-Clause
# The front door; meson.build is the build.
BUILD ?= build
export PATH := /usr/sbin:/sbin:$(PATH)

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@mkdir -p $(BUILD)/bin
	@for f in blkscope blkscope-serve blkscope-view; do ln -sfn ../src/$$f $(BUILD)/bin/$$f; done
	@ln -sfn blkscope-serve $(BUILD)/bin/nbdkit
	@ln -sfn blkscope-view $(BUILD)/bin/nbdview

$(BUILD)/build.ninja:
	@meson setup $(BUILD)

.PHONY: all
