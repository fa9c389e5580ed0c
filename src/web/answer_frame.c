/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include "web/answers.h"
#include "web/frame.h"

bool answer_grid(const struct query *w, const struct map *m, struct units *u, struct area *area, struct answer *a)
{
	*u = units_of(m, (unsigned)w->n[Q_COLS], w->n[Q_ORDER] == ORDER_HILBERT, (unsigned)w->n[Q_ZOOM]);
	*area = (struct area){ .x = (uint32_t)w->n[Q_X], .y = (uint32_t)w->n[Q_Y] };
	area->w = query_has(w, Q_W) ? (uint32_t)w->n[Q_W] : MIN(u->w, QUERY_SIDE_MAX);
	area->h = query_has(w, Q_H) ? (uint32_t)w->n[Q_H] : MIN(u->h, QUERY_SIDE_MAX);
	if ((uint64_t)area->w * area->h <= QUERY_UNITS_MAX)
		return true;
	answer_error(a, 400, "w times h: at most %u", QUERY_UNITS_MAX);
	return false;
}

static void put_frame(struct feed *d, const struct query *w, const struct moment *m, uint64_t start, struct answer *a)
{
	struct err e = { 0 };
	struct sight seen;
	const struct play *p = &d->ahead;

	if (feed_see(d, m, &seen, &e) < 0) {
		answer_error(a, 503, "%s", e.msg);
		return;
	}
	struct view v = { .keep = w->n[Q_KEEP] };
	if (!answer_grid(w, &seen.model->map, &v.units, &v.area, a))
		return;
	struct frame_moment f = { .start = start, .now = seen.now, .newest = p->end };
	f.flags = (seen.not_yet ? FRAME_NOT_YET : 0) | (feed_live(d) ? FRAME_LIVE : 0) | (play_torn(p) ? FRAME_TORN : 0)
		| (p->restarts ? FRAME_REPLACED : 0) | (p->restarts & 0xffff) << FRAME_REPLACED_SHIFT;
	if (!frame_put(&a->body, seen.model, &v, &f))
		answer_error(a, 503, "out of memory");
}

void answer_frame(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);

	if (!d)
		return;
	struct moment m = answer_moment(s, q);
	uint64_t start = session_start(s);
	feed_lock(d);
	put_frame(d, q->query, &m, start, a);
	feed_unlock(d);
}
