/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/frame.h"

unsigned units_zoom_max(const struct map *m)
{
	return ((unsigned)__builtin_ctzll(m->per_cell) + 1) / 2;
}

struct units units_of(const struct map *m, bool hilbert, uint64_t cols, uint64_t zoom)
{
	struct map shape = *m; /* a copy: the rows of the model's own stay as they are */

	if (cols)
		map_set_cols(&shape, (unsigned)MIN(cols, MAP_COLS_MAX));
	struct units u = { .grid = grid_of(&shape, hilbert), .zoom = (unsigned)MIN(zoom, units_zoom_max(m)) };
	u.bytes = (uint64_t)1 << (m->cell_shift - 2 * u.zoom);
	return u;
}

bool units_offset(const struct units *u, uint64_t size, uint64_t x, uint64_t y, uint64_t *off)
{
	const struct grid *g = &u->grid;
	uint64_t side = (uint64_t)1 << u->zoom, unit;

	if (x >= g->cols * side || y >= g->rows * side)
		return false;
	if (g->hilbert) {
		uint64_t square = g->side * side;
		unit = x / square * square * square + curve_distance((unsigned)square, (unsigned)(x % square), (unsigned)y);
	} else {
		unit = (y / side * g->cols + x / side) * side * side + y % side * side + x % side;
	}
	*off = unit * u->bytes;
	return *off < size;
}

void units_place(const struct units *u, uint64_t off, uint64_t *x, uint64_t *y)
{
	const struct grid *g = &u->grid;
	uint64_t side = (uint64_t)1 << u->zoom, unit = off / u->bytes, cell = unit / side / side;
	unsigned cx, cy;

	if (g->hilbert) {
		uint64_t square = g->side * side;
		curve_place((unsigned)square, unit % (square * square), &cx, &cy);
		*x = cx + unit / (square * square) * square;
		*y = cy;
	} else {
		*x = cell % g->cols * side + unit % side;
		*y = cell / g->cols * side + unit / side % side;
	}
}
