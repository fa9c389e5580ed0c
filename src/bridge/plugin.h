/* SPDX-License-Identifier: BSD-2-Clause */
/* plugin: plug-ins and filters of nbdkit's ABI, loaded from files.  A plug-in is the bottom of a stack; a filter is one,
 * too, and what lies below it has stacks of its own (next.h).
 *
 * Such a plug-in blocks, so it never runs on a loop.  Each has a thread of its own, which loads it, configures
 * it, gets it ready and unloads it; what a plug-in that wants its requests one after another does with them
 * happens there, too: an interpreter may only be used by the thread that made it.  A parallel one has a pool.
 *
 *   parallel                every request is a job for the pool
 *   serialize requests      the same, but a layer lets one go at a time
 *   serialize all requests  every request is a job for the plug-in's own thread
 *   serialize connections   the same, and PRECONNECT waits until the connection before is gone
 *
 * The same for filters, but that a parallel one lets pass what it has no callback for, without a call.
 * So no lock is held across a call into a plug-in.  Facts: nbdkit-plugin(3), nbdkit-filter(3).
 * plugin_load, filter_load: main thread, once per file. */
#pragma once
#include "base/err.h"
#include "bridge/debug_flag.h"
#include "core/core.h"

/* A module that runs the plug-in in the file; NULL with e set.  It lives until the process ends. */
const struct module *plugin_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e);
const struct module *filter_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e);
