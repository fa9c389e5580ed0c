/* SPDX-License-Identifier: BSD-2-Clause */
/* modules: which plug-ins and filters are linked in, and how a word of the command line names one.
 * Constant tables; any thread. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "bridge/plugin.h"
#include "core/core.h"

/* The built-in modules, plug-ins first, each kind in alphabetical order; NULL behind the last. */
extern const struct module *const modules[];

/* The module that word means.  A name is looked for among the built-in ones, then (a plug-in) as
 * nbdkit-NAME-plugin.so in our folder and in those where distributions keep nbdkit's.  A path (with '/' or '.')
 * is loaded; one that ends in nbdkit-NAME-plugin.so (-filter.so) of a built-in name means the built-in one.
 * flags: -D, for a plug-in that is loaded.  NULL with e set: none such, or it would not be loaded. */
const struct module *module_find(const char *word, bool filter, const struct debug_flag *flags, unsigned count, struct err *e);
/* Whether the plug-in of that name is neither built in nor a .so but a script, nbdkit-NAME-plugin, in one of those
 * folders; its path. */
bool module_script(const char *name, char *path, size_t room);
/* What --dump-plugin tells beyond the option table: space-separated has_* names, never NULL. */
const char *module_abilities(const struct module *m);
