/* SPDX-License-Identifier: BSD-2-Clause */
/* former: what space that is free now was used for, by the maps of the moments before; and which files came and went from one moment
 * to another.  Bounded: what does not fit is left out, and more says so.  No I/O.  One thread. */
#pragma once
#include "know/know.h"
#include "story/spans.h"

enum { FORMER_MAX = 1 << 18, CHANGES_NAMED = 3 };

struct former_piece {
	uint64_t off, len;     /* bytes of the disk */
	uint64_t file;         /* a number for each file that ever was */
};

struct former {
	struct former_piece *at; /* n, sorted; ours */
	size_t n, room;
	uint64_t moment;       /* counts */
	bool more;
};

/* The disk went from one map to another; what lay in written or emptied is forgotten: it is not there any more. */
void former_step(struct former *f, const struct know_map *from, const struct know_map *to, const struct spans *written,
	const struct spans *emptied);
/* The piece that off lies in, or the next one behind it; NULL: none. */
const struct former_piece *former_find(const struct former *f, uint64_t off);
void former_free(struct former *f);

/* Files and directories that are in one map and not in the other. */
struct changes {
	uint64_t files, dirs;
	/* the first of the files (or directories, when there is no file): indexes in the map they are in */
	uint32_t named[CHANGES_NAMED];
	unsigned names;
	bool failed;           /* no memory: nothing is known */
};
/* Those of m that are not in other (NULL: none is). */
void changes_find(struct changes *c, const struct know_map *m, const struct know_map *other);
