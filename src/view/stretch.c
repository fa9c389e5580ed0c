/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/stretch.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int stretch_open(struct stretch *s, int fd, struct err *e)
{
	*s = (struct stretch){ .tape.fd = -1 };
	if (cursor_init(&s->cursor, e) < 0)
		return -1;
	if (!inflight_init(&s->open))
		err_set(e, "no memory for the table of requests");
	else if (heat_init(&s->heat, e) == 0 && (s->tape.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
		err_set(e, "cannot open the file again: %s", strerror(errno));
	if (s->tape.fd >= 0)
		return 0;
	stretch_close(s);
	return -1;
}

void stretch_close(struct stretch *s)
{
	cursor_free(&s->cursor);
	inflight_free(&s->open);
	heat_free(&s->heat);
	tape_forget(&s->tape);
	if (s->tape.fd >= 0)
		close(s->tape.fd);
	s->tape.fd = -1;
}

void stretch_go(struct stretch *s, uint64_t from, uint64_t to, uint64_t size)
{
	struct event gone;

	if (s->taken >= from) {
		cursor_rewind(&s->cursor);
		while (inflight_take_any(&s->open, 0, &gone))
			;
		s->taken = 0;
		s->has_next = false;
	}
	s->from = from;
	s->to = to;
	heat_forget(&s->heat, size);
	heat_span(&s->heat, from, to);
	s->heat.open = s->open.open - s->open.hidden;
}

/* The request that is answered, NULL: none that is looked at. */
static const struct event *pair(struct stretch *s, const struct filter *f, const struct event *ev, struct event *req)
{
	struct event gone;

	*req = *ev;
	if (ev->kind == EV_BEGIN) {
		if (f && !filter_passes(f, ev))
			req->flags |= EVF_HIDDEN;
		inflight_add(&s->open, req, &gone);
	} else if (ev->kind == EV_END) {
		return inflight_take(&s->open, ev->conn, ev->id, req) && !(req->flags & EVF_HIDDEN) ? req : NULL;
	} else if (ev->kind == EV_CONNECT || ev->kind == EV_DISCONNECT || ev->kind == EV_START) {
		while (inflight_take_any(&s->open, ev->kind == EV_START ? 0 : ev->conn, &gone))
			;
	}
	return NULL;
}

static void take(struct stretch *s, const struct filter *f, const struct event *ev)
{
	struct event req;
	const struct event *answered = pair(s, f, ev, &req);
	uint32_t open = s->open.open - s->open.hidden;

	s->taken = ev->time;
	if (ev->time >= s->from)
		heat_event(&s->heat, ev, answered, open);
	else
		s->heat.open = open;
}

int stretch_walk(struct stretch *s, const struct filter *f, uint64_t max, struct err *e)
{
	uint64_t size = 0;
	int got = 1;

	if (tape_look(&s->tape, &size, e) < 0)
		return -1;
	for (uint64_t n = 0; n < max; n++) {
		if (!s->has_next && (got = cursor_next(&s->cursor, &s->tape, size, &s->next, e)) <= 0)
			return got;
		s->has_next = s->next.time >= s->to;
		if (s->has_next)
			return 0;
		take(s, f, &s->next);
	}
	return 1;
}
