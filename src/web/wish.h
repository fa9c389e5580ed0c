/* SPDX-License-Identifier: BSD-2-Clause */
/* wish: which requests a page wants to see, as it told in JSON (docs/web.md).  Pure functions, any thread. */
#pragma once
#include "base/err.h"
#include "view/units.h"

#define WISH_CONNS_MAX 1000u

struct wish {
	uint32_t ops;          /* bits, 1 << enum ev_op; 0: all */
	struct {
		uint64_t disk, id;
	} conn[WISH_CONNS_MAX];
	size_t conns;
	bool has_conns;        /* maybe none at all */
	bool has_region;
	uint64_t region_disk;
	uint64_t from, to;     /* bytes of it; when to is 0: the area */
	struct area area;
	bool hilbert;
	uint64_t cols, zoom;
	char path[4096];       /* of a file; "": none */
};

/* -1: e says what is wrong with it. */
int wish_read(struct wish *w, const char *text, size_t len, struct err *e);
