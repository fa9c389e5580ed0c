/* SPDX-License-Identifier: BSD-2-Clause */
/* curve: where on the picture a cell lies: row by row, or along a Hilbert curve.
 * Row by row an offset can be read off; along the curve neighbours stay neighbours at
 * every zoom.  Pure functions. */
#pragma once
#include <stdbool.h>
#include "view/map.h"

struct grid {
	bool hilbert;
	unsigned cols, rows; /* places on the picture */
	unsigned side;       /* of one Hilbert square; squares stand side by side */
	uint32_t cells;      /* places beyond these stay empty */
};

struct grid grid_of(const struct map *m, bool hilbert);
void grid_place(const struct grid *g, uint32_t cell, unsigned *x, unsigned *y);
bool grid_cell(const struct grid *g, unsigned x, unsigned y, uint32_t *cell); /* false: nothing there */
