/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include "web/answers.h"
#include "web/frame.h"

static void put_frame(struct disk *d, const struct query *w, const struct moment *m, uint64_t start, struct answer *a)
{
	struct err e = { 0 };
	struct seen seen;
	const struct play *p = &d->ahead;

	if (disk_see(d, m, &seen, &e) < 0) {
		answer_error(a, 503, "%s", e.msg);
		return;
	}
	const struct map *map = &seen.model->map;
	struct view v = { .units = units_of(map, w->n[Q_ORDER] == ORDER_HILBERT, w->n[Q_COLS], w->n[Q_ZOOM]), .x = w->n[Q_X], .y = w->n[Q_Y],
			  .keep = w->n[Q_KEEP] };
	v.w = (uint32_t)(query_has(w, Q_W) ? w->n[Q_W] : MIN((uint64_t)v.units.grid.cols << v.units.zoom, (uint64_t)QUERY_SIDE_MAX));
	v.h = (uint32_t)(query_has(w, Q_H) ? w->n[Q_H] : MIN((uint64_t)v.units.grid.rows << v.units.zoom, (uint64_t)QUERY_SIDE_MAX));
	if ((uint64_t)v.w * v.h > QUERY_UNITS_MAX) {
		answer_error(a, 400, "w times h: at most %u", QUERY_UNITS_MAX);
		return;
	}
	struct frame_moment f = { .start = start, .now = seen.now, .newest = p->end };
	f.flags = (seen.not_yet ? FRAME_NOT_YET : 0) | (disk_live(d) ? FRAME_LIVE : 0) | (play_torn(p) ? FRAME_TORN : 0)
		| (p->restarts ? FRAME_REPLACED : 0) | (p->restarts & 0xffff) << FRAME_REPLACED_SHIFT;
	if (!frame_put(&a->body, seen.model, &v, &f))
		answer_error(a, 503, "out of memory");
}

void answer_frame(struct session *s, const struct ask *q, struct answer *a)
{
	struct disk *d = answer_disk(s, q, a);

	if (!d)
		return;
	struct moment m = answer_moment(s, q);
	uint64_t start = session_start(s);
	disk_lock(d);
	put_frame(d, q->query, &m, start, a);
	disk_unlock(d);
}
