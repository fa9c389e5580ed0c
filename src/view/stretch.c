/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/stretch.h"

int stretch_open(struct stretch *s, int fd, struct err *e)
{
	*s = (struct stretch){ 0 };
	if (rewalk_open(&s->walk, fd, e) < 0)
		return -1;
	if (heat_init(&s->heat, e) == 0)
		return 0;
	stretch_close(s);
	return -1;
}

void stretch_close(struct stretch *s)
{
	rewalk_close(&s->walk);
	heat_free(&s->heat);
}

void stretch_go(struct stretch *s, uint64_t from, uint64_t to, uint64_t size)
{
	if (s->taken >= from) {
		cursor_rewind(&s->walk.cursor);
		inflight_drop(&s->walk.open, 0);
		s->taken = 0;
		s->has_next = false;
	}
	s->from = from;
	s->to = to;
	heat_forget(&s->heat, size);
	heat_span(&s->heat, from, to);
	s->heat.open = s->walk.open.open - s->walk.open.hidden;
}

/* The request that is answered, NULL: none that is looked at. */
static const struct event *pair(struct stretch *s, const struct filter *f, const struct event *ev, struct event *req)
{
	struct event gone;

	*req = *ev;
	if (ev->kind == EV_BEGIN) {
		if (f && !filter_passes(f, ev))
			req->flags |= EVF_HIDDEN;
		inflight_add(&s->walk.open, req, &gone);
	} else if (ev->kind == EV_END) {
		return inflight_take(&s->walk.open, ev->conn, ev->id, req) && !(req->flags & EVF_HIDDEN) ? req : NULL;
	} else if (ev->kind == EV_CONNECT || ev->kind == EV_DISCONNECT || ev->kind == EV_START) {
		inflight_drop(&s->walk.open, ev->kind == EV_START ? 0 : ev->conn);
	}
	return NULL;
}

static void take(struct stretch *s, const struct filter *f, const struct event *ev)
{
	struct event req;
	const struct event *answered = pair(s, f, ev, &req);
	uint32_t open = s->walk.open.open - s->walk.open.hidden;

	s->taken = ev->time;
	if (ev->time >= s->from)
		heat_event(&s->heat, ev, answered, open);
	else
		s->heat.open = open;
}

int stretch_walk(struct stretch *s, const struct filter *f, uint64_t max, struct err *e)
{
	int got = 1;

	if (rewalk_look(&s->walk, e) < 0)
		return -1;
	for (uint64_t n = 0; n < max; n++) {
		if (!s->has_next && (got = rewalk_next(&s->walk, &s->next, e)) <= 0)
			return got;
		s->has_next = s->next.time >= s->to;
		if (s->has_next)
			return 0;
		take(s, f, &s->next);
	}
	return 1;
}
