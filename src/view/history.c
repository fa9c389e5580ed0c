/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/history.h"

int history_open(struct history *h, int fd, uint64_t off, uint64_t len, uint64_t time, uint64_t events, struct err *e)
{
	*h = (struct history){ .off = off, .len = len, .time = time, .events = events };
	return rewalk_open(&h->walk, fd, e);
}

void history_close(struct history *h)
{
	if (h)
		rewalk_close(&h->walk);
}

static uint64_t end_of(uint64_t off, uint64_t len)
{
	return len > UINT64_MAX - off ? UINT64_MAX : off + len;
}

static bool touches(const struct history *h, const struct event *ev)
{
	if (ev->op == EV_FLUSH || ev->op == EV_EXTENTS)
		return false;
	return MAX(ev->off, h->off) < MIN(end_of(ev->off, ev->len), end_of(h->off, h->len));
}

static void answered(struct history *h, const struct event *req, const struct event *ev)
{
	struct touch t = { .begun = req->time, .time = ev->time, .event = h->taken, .conn = req->conn, .id = req->id, .off = req->off,
		.len = req->len, .op = req->op, .flags = req->flags, .err = ev->err };

	if (h->taken > h->events || ev->time > h->time) {
		h->next = t;
		h->has_next = true;
		return;
	}
	h->at[h->count++ % HISTORY_MAX] = t;
	if (!ev->err && (req->op == EV_WRITE || req->op == EV_TRIM || req->op == EV_ZERO)) {
		h->writer = t;
		h->has_writer = true;
	}
}

static void take(struct history *h, const struct event *ev)
{
	struct event req;

	h->taken++;
	switch ((enum ev_kind)ev->kind) {
	case EV_BEGIN:
		if (touches(h, ev))
			inflight_add(&h->walk.open, ev, &req);
		else if (h->walk.open.open)
			inflight_take(&h->walk.open, ev->conn, ev->id, &req); /* the number means another request now */
		break;
	case EV_END:
		if (h->walk.open.open && inflight_take(&h->walk.open, ev->conn, ev->id, &req))
			answered(h, &req, ev);
		break;
	case EV_CONNECT:
	case EV_DISCONNECT:
	case EV_START:
		inflight_drop(&h->walk.open, ev->kind == EV_START ? 0 : ev->conn);
		break;
	case EV_LOST:
	case EV_MARK:
	case EV_NOTE:
		break;
	}
}

int history_walk(struct history *h, uint64_t max, struct err *e)
{
	struct event ev;
	int got = 1;

	if (h->has_next)
		return 0;
	if (rewalk_look(&h->walk, e) < 0)
		return -1;
	for (uint64_t n = 0; n < max && !h->has_next && (got = rewalk_next(&h->walk, &ev, e)) > 0; n++)
		take(h, &ev);
	return h->has_next ? 0 : got;
}
