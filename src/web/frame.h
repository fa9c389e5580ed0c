/* SPDX-License-Identifier: BSD-2-Clause */
/* frame: a model at a moment becomes the bytes that docs/web.md calls a frame.  The same model, view and moment give the same bytes.
 * No I/O; one thread at a time. */
#pragma once
#include "base/buf.h"
#include "view/curve.h"
#include "view/model.h"

/* The grid that a page draws: each cell of the map cut into 2^zoom times 2^zoom units, in the order of the bytes. */
struct units {
	struct grid grid;  /* of cells */
	unsigned zoom;
	uint64_t bytes;    /* in a unit */
};

/* The deepest zoom: a unit is one block, or half a one. */
unsigned units_zoom_max(const struct map *m);
/* cols 0: the map's choice; both are brought within bounds. */
struct units units_of(const struct map *m, bool hilbert, uint64_t cols, uint64_t zoom);
/* Where on the disk a unit lies; false: outside. */
bool units_offset(const struct units *u, uint64_t size, uint64_t x, uint64_t y, uint64_t *off);
/* The unit that a byte of the disk lies in. */
void units_place(const struct units *u, uint64_t off, uint64_t *x, uint64_t *y);

struct view {
	struct units units;
	uint64_t x, y;     /* of the first unit */
	uint32_t w, h;     /* units; w * h <= QUERY_UNITS_MAX */
	bool keep;         /* reads stay lit */
};

enum { FRAME_NOT_YET = 1, FRAME_LIVE = 2, FRAME_TORN = 4, FRAME_REPLACED = 8, FRAME_REPLACED_SHIFT = 16 };
enum { FRAME_HEAD = 192, FRAME_LIMIT = 1 << 24, FRAME_OUTSIDE = 7 };

struct frame_moment {
	uint32_t flags;
	uint64_t start;       /* ns since 1970: of the session */
	uint64_t now, newest; /* ns since 1970: of the picture, of the newest event there is */
};

/* False: no memory. */
bool frame_put(struct buf *b, const struct model *m, const struct view *v, const struct frame_moment *f);

/* Rows of equal units become runs.  The one at hand is kept back until another comes, or run_end(). */
struct run {
	uint32_t count;
	uint16_t what;
};
void run_add(struct run *r, struct buf *b, uint16_t what);
void run_end(struct run *r, struct buf *b);
