/* SPDX-License-Identifier: BSD-2-Clause */
/* inform: what the server tells about itself on stdout and then exits: --help, --version,
 * --dump-config, --dump-plugin, in the form that scripts probing nbdkit parse. */
#pragma once
#include "cmd/args.h"
#include "core/core.h"

/* ss: the stages of the command line; count is 0 when it names no plug-in. */
void inform_help(const struct stages *ss);
void inform_version(const struct stages *ss);
void inform_config(void);
void inform_plugin(const struct stages *ss);
