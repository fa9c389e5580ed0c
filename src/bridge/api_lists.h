/* SPDX-License-Identifier: BSD-2-Clause */
/* api_lists: what hides behind the opaque lists that a plug-in fills and a filter makes: core's own lists, and the
 * rules of nbdkit_add_extent(3) and nbdkit_add_export(3).  The thread that calls the plug-in or filter. */
#pragma once
#include "core/core.h"

struct nbdkit_extents {
	struct extents *x;     /* borrowed, or &own */
	struct extents own;    /* of a list that a filter made */
	uint64_t next;         /* where the next one must begin */
	bool begun;
	/* the last one that nbdkit_get_extent() told, and where it begins: lists are read from front to back */
	size_t seen;
	uint64_t seen_at;
};

struct nbdkit_exports {
	struct exports *x;     /* borrowed, or &own */
	struct exports own;    /* of a list that a filter made */
	bool use_default;      /* add default_export's answer as well */
};

/* How many bytes from offset on the list may be told of. */
uint64_t extents_room(const struct nbdkit_extents *e, uint64_t offset);
