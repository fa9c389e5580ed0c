/* SPDX-License-Identifier: BSD-2-Clause */
/* plugins: the built-in plug-ins, each a file of its own, and what they share. */
#pragma once
#include "core/core.h"

extern const struct module mod_file, mod_memory, mod_nbd, mod_null, mod_recording;

bool plugin_handshake(struct layer *l, struct req *r); /* the rest of plugin_common() */
/* What every plug-in that has one nameless export answers alike: PRECONNECT, LIST, DEFAULT, CLOSE.
 * True when r was one of these, and is gone. */
static inline bool plugin_common(struct layer *l, struct req *r)
{
	return r->op <= OP_CLOSE && plugin_handshake(l, r);
}
