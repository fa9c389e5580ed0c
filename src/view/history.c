/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "view/history.h"

int history_open(struct history *h, int fd, uint64_t off, uint64_t len, uint64_t time, uint64_t events, struct err *e)
{
	*h = (struct history){ .off = off, .len = len, .time = time, .events = events, .tape.fd = -1 };
	if (cursor_init(&h->cursor, e) < 0)
		return -1;
	if (!inflight_init(&h->open)) {
		history_close(h);
		return err_set(e, "no memory for the table of requests");
	}
	if ((h->tape.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		history_close(h);
		return err_set(e, "cannot open the file again: %s", strerror(errno));
	}
	return 0;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	cursor_free(&h->cursor);
	inflight_free(&h->open);
	tape_forget(&h->tape);
	if (h->tape.fd >= 0)
		close(h->tape.fd);
	h->tape.fd = -1;
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
			inflight_add(&h->open, ev, &req);
		else if (h->open.open)
			inflight_take(&h->open, ev->conn, ev->id, &req); /* the number means another request now */
		break;
	case EV_END:
		if (h->open.open && inflight_take(&h->open, ev->conn, ev->id, &req))
			answered(h, &req, ev);
		break;
	case EV_CONNECT:
	case EV_DISCONNECT:
	case EV_START:
		while (h->open.open && inflight_take_any(&h->open, ev->kind == EV_START ? 0 : ev->conn, &req))
			;
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
	uint64_t size = 0;
	int got = 1;

	if (h->has_next)
		return 0;
	if (tape_look(&h->tape, &size, e) < 0)
		return -1;
	for (uint64_t n = 0; n < max && !h->has_next && (got = cursor_next(&h->cursor, &h->tape, size, &ev, e)) > 0; n++)
		take(h, &ev);
	return h->has_next ? 0 : got;
}
