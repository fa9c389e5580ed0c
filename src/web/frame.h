/* SPDX-License-Identifier: BSD-2-Clause */
/* frame: a model at a moment becomes the bytes that docs/web.md calls a frame.  The same model, view and moment give the same bytes.
 * No I/O; one thread at a time. */
#pragma once
#include "base/buf.h"
#include "base/bytes.h"
#include "view/model.h"
#include "view/units.h"

struct view {
	struct units units;
	struct area area;  /* w * h <= QUERY_UNITS_MAX */
	bool keep;         /* reads stay lit */
};

enum { FRAME_NOT_YET = 1, FRAME_LIVE = 2, FRAME_TORN = 4, FRAME_REPLACED = 8, FRAME_REPLACED_SHIFT = 16 };
enum { FRAME_HEAD = 192, FRAME_LIMIT = 1 << 24 };

struct frame_moment {
	uint32_t flags;
	uint64_t start;       /* ns since 1970: of the session */
	uint64_t now, newest; /* ns since 1970: of the picture, of the newest event there is */
};

/* False: no memory. */
bool frame_put(struct buf *b, const struct model *m, const struct view *v, const struct frame_moment *f);

/* Rows of equal units become runs.  The one at hand is kept back until another comes, or run_end(). */
enum { RUN = 4 }; /* bytes */
struct run {
	uint8_t *to;       /* RUN bytes for each unit, the caller's; behind what was written */
	uint32_t count;
	uint16_t what;
};

static inline void run_end(struct run *r)
{
	if (r->count)
		r->to = put_le32(r->to, r->count | (uint32_t)r->what << 16);
	r->count = 0;
}

static inline void run_add(struct run *r, uint16_t what)
{
	if (r->what != what || r->count == UINT16_MAX)
		run_end(r);
	r->what = what;
	r->count++;
}
