/* SPDX-License-Identifier: BSD-2-Clause */
/* script: plug-ins that the distribution ships as scripts for another plug-in, like nbdkit-example4-plugin, whose first
 * line is `#!/usr/bin/nbdkit perl`.  Main thread, before anything is loaded. */
#pragma once
#include "cmd/args.h"

/* Where the plug-in of a's command line is such a script, put what its first line names in its place, and its path behind
 * it as the first parameter.  0, or -1 with e set. */
int script_expand(struct args *a, struct err *e);
