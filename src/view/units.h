/* SPDX-License-Identifier: BSD-2-Clause */
/* units: the map as a picture of any fineness: zoom Z cuts each cell into 2^Z by 2^Z units, down to single blocks (or halves of
 * one, when a cell's blocks are an odd power of two).
 *
 * Row by row, a cell's units are laid row by row inside of its square; along a Hilbert curve the curve goes on inside.  A unit's
 * state is exact for its blocks; its glow is the cell's.
 * Nothing here is kept: a value and functions of it.  No I/O; one thread at a time as for the map. */
#pragma once
#include "view/curve.h"

struct units {
	struct grid grid;    /* of the cells */
	unsigned zoom;
	uint32_t w, h;       /* units of the whole picture */
	unsigned unit_shift; /* log2 of bytes in a unit */
	unsigned cell_shift;
	uint64_t size;       /* bytes of the disk */
};

struct unit {
	uint8_t state;  /* enum state, or UNIT_OUTSIDE: not on the disk, and the rest is 0 */
	uint8_t share;  /* of its blocks that are in that state: 0 all, 1 at least half, 2 at least an eighth, 3 fewer */
	uint8_t class;  /* of the newest activity, enum class plus 1; 0: none that can still be seen */
	uint8_t glow;   /* its strength */
};
#define UNIT_OUTSIDE 7

struct area {
	uint32_t x, y, w, h; /* units; may reach beyond the picture */
};

unsigned units_zoom_max(const struct map *m);
/* cols: cells in a row, 0: as the map has them; that and zoom are clamped. */
struct units units_of(const struct map *m, unsigned cols, bool hilbert, unsigned zoom);
/* The bytes of the unit at (x, y); false: it is not on the disk. */
bool units_range(const struct units *u, uint32_t x, uint32_t y, uint64_t *off, uint64_t *len);
/* Where the byte at off lies; off < size. */
void units_place(const struct units *u, uint64_t off, uint32_t *x, uint32_t *y);

/* Calls visit for each unit of the area that lies on the disk, in the order of offsets; i: its number within the area, row by row. */
typedef void units_visit(void *arg, size_t i, uint64_t off, uint64_t len);
void units_walk(const struct units *u, struct area a, units_visit *visit, void *arg);

/* What there is to see at a moment: a->w * a->h units, row by row.  m: the map that u is of; exposed: see cell_glow(). */
void units_fill(const struct units *u, const struct map *m, struct area a, uint64_t now, uint64_t exposed, struct unit *to);
