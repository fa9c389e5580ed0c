/* SPDX-License-Identifier: BSD-2-Clause */
/* config: from the words of a command line to stages that know their options.
 * Main thread, before anything is started. */
#pragma once
#include "base/err.h"
#include "cmd/args.h"
#include "core/core.h"

/* The filters (outermost first) and the plug-in that a names, without their options.
 * 0, or -1 with e set.  In both cases config_free() at the end. */
int config_stages(const struct args *a, struct stages *ss, struct err *e);
/* The filters alone, for --help. */
int config_filters(const struct args *a, struct stages *ss, struct err *e);
/* key=value and bare words: each to the outermost stage that knows the key. */
int config_params(const struct args *a, struct stages *ss, struct err *e);
/* stages_stop(), and the array. */
void config_free(struct stages *ss);
