/* SPDX-License-Identifier: BSD-2-Clause */
/* outlines: what the parts of a disk are, made ready to be painted over a map: a class for each cell of a grid, and names.
 * Zeroed memory shows nothing.  No I/O; one thread at a time. */
#pragma once
#include "view/parts.h"

#define OUTLINES_NAMES 60

struct outlines {
	const struct know_map *know; /* borrowed; NULL: nothing is shown */
	struct units units;
	uint8_t *class;              /* units.w * units.h, ours */
	struct part part[OUTLINES_NAMES]; /* parts, with room for a name, the largest first */
	size_t parts;
};

/* For the grid of m's cells.  Nothing is done when it is as asked already.  False: no memory, and nothing is shown. */
bool outlines_make(struct outlines *o, const struct know_map *k, const struct map *m, bool hilbert);
void outlines_free(struct outlines *o);
