/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/curve.h"

#define SIDE_MAX 512u /* two squares of this hold MAP_CELLS_MAX */

struct grid grid_of(const struct map *m, bool hilbert)
{
	struct grid g = { .hilbert = hilbert, .cols = m->cols, .rows = m->rows, .side = 1, .cells = m->cells };

	if (!hilbert)
		return g;
	while (g.side < SIDE_MAX && g.side * g.side < m->cells)
		g.side *= 2;
	unsigned squares = MAX((m->cells + g.side * g.side - 1) / (g.side * g.side), 1);
	g.cols = g.side * squares;
	g.rows = g.side;
	return g;
}

/* Within a quadrant of side s the curve is the whole one, turned. */
static void turn(unsigned s, unsigned *x, unsigned *y, unsigned right, unsigned down)
{
	if (down)
		return;
	if (right) {
		*x = s - 1 - *x;
		*y = s - 1 - *y;
	}
	unsigned swap = *x;
	*x = *y;
	*y = swap;
}

void grid_place(const struct grid *g, uint32_t cell, unsigned *x, unsigned *y)
{
	if (!g->hilbert) {
		*x = cell % g->cols;
		*y = cell / g->cols;
		return;
	}
	unsigned area = g->side * g->side, d = cell % area;
	*x = *y = 0;
	for (unsigned s = 1; s < g->side; s *= 2, d /= 4) {
		unsigned right = d / 2 & 1, down = (d ^ right) & 1;
		turn(s, x, y, right, down);
		*x += s * right;
		*y += s * down;
	}
	*x += cell / area * g->side;
}

bool grid_cell(const struct grid *g, unsigned x, unsigned y, uint32_t *cell)
{
	if (x >= g->cols || y >= g->rows)
		return false;
	if (!g->hilbert) {
		*cell = y * g->cols + x;
		return *cell < g->cells;
	}
	unsigned d = x / g->side * g->side * g->side;
	x %= g->side;
	for (unsigned s = g->side / 2; s; s /= 2) {
		unsigned right = !!(x & s), down = !!(y & s);
		d += s * s * (3 * right ^ down);
		x &= s - 1;
		y &= s - 1;
		turn(s, &x, &y, right, down);
	}
	*cell = d;
	return d < g->cells;
}
