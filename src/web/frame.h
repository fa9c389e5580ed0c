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
