/* SPDX-License-Identifier: BSD-2-Clause */
/* modules: which plug-ins and filters are linked in, and how a word of the command line names one.
 * Constant tables; any thread. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "core/core.h"

/* The built-in modules, plug-ins first, each kind in alphabetical order; NULL behind the last. */
extern const struct module *const modules[];

/* The module that word means: a name, or a path that ends in nbdkit-NAME-plugin.so (-filter.so).
 * NULL with e set: no such module, or a file that would have to be loaded. */
const struct module *module_find(const char *word, bool filter, struct err *e);
/* What --dump-plugin tells beyond the option table: space-separated has_* names, never NULL. */
const char *module_abilities(const struct module *m);
