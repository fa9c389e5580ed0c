/* SPDX-License-Identifier: BSD-2-Clause */
/* api_lists: what hides behind the opaque lists that a plug-in fills: core's own lists, and the rules of
 * nbdkit_add_extent(3) and nbdkit_add_export(3).  The thread that calls the plug-in. */
#pragma once
#include "core/core.h"

struct nbdkit_extents {
	struct extents *x;     /* borrowed */
	uint64_t next;         /* where the next one must begin */
	bool begun;
};

struct nbdkit_exports {
	struct exports *x;     /* borrowed */
	bool use_default;      /* add default_export's answer as well */
};
