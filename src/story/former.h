/* SPDX-License-Identifier: BSD-2-Clause */
/* former: what space that is free now was used for, by the maps of the moments before.  Bounded: what does not fit is left out, and more
 * says so.  No I/O.  One thread. */
#pragma once
#include "know/know.h"
#include "story/spans.h"

enum { FORMER_MAX = 1 << 18 };

struct former_piece {
	uint64_t off, len;     /* bytes of the disk */
	uint64_t file;         /* a number for each file that ever was (a hash of what it is called) */
	bool cut;              /* the file was still there when the space was not its any more */
};

struct former {
	struct former_piece *at; /* n, sorted; ours */
	size_t n, room;
	bool more;
};

/* The disk went from one map to another; what lay in written or emptied is forgotten: it is not there any more. */
void former_step(struct former *f, const struct know_map *from, const struct know_map *to, const struct spans *written,
	const struct spans *emptied);
/* The piece that off lies in, or the next one behind it; NULL: none. */
const struct former_piece *former_find(const struct former *f, uint64_t off);
void former_free(struct former *f);
