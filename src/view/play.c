/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "view/play.h"

#define CURSOR_ROOM (4u * LOG_LINE_MAX)
/* In a scan the model goes back to walk so many events again, so that it may ride on from there; so often, as a
 * log may tell of a larger disk in every line. */
#define BOARD_EVENTS 4096
#define BOARD_TIMES 8

/* ---- cursors ---- */

static int cursor_init(struct cursor *c, struct err *e)
{
	*c = (struct cursor){ .buf = malloc(CURSOR_ROOM) };
	return c->buf ? 0 : err_set(e, "no memory to read a log");
}

static void cursor_rewind(struct cursor *c)
{
	*c = (struct cursor){ .buf = c->buf };
}

/* Go to where another has got to. */
static void cursor_follow(struct cursor *c, const struct cursor *to)
{
	*c = (struct cursor){ .buf = c->buf, .reader = to->reader, .pos = to->pos - (to->len - to->at) };
}

/* More bytes behind what is left, up to file offset stop.  Returns how many, or -1. */
static ssize_t cursor_fill(struct cursor *c, int fd, uint64_t stop)
{
	memmove(c->buf, c->buf + c->at, c->len - c->at);
	c->len -= c->at;
	c->at = 0;
	size_t want = (size_t)MIN(CURSOR_ROOM - c->len, stop - c->pos);
	if (!want)
		return 0;
	ssize_t n;
	do
		n = pread(fd, c->buf + c->len, want, (off_t)c->pos);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->len += (size_t)n;
		c->pos += (uint64_t)n;
	}
	return n;
}

/* 1: *ev is the next event; 0: none before stop for now; -1: e is set. */
static int cursor_next(struct cursor *c, int fd, uint64_t stop, struct event *ev, struct err *e)
{
	for (;;) {
		const char *at = c->buf + c->at;
		bool got = log_next(&c->reader, &at, c->buf + c->len, ev);
		c->at = (size_t)(at - c->buf);
		if (got)
			return 1;
		ssize_t n = cursor_fill(c, fd, stop);
		if (n < 0)
			return err_set(e, "cannot read the log: %s", strerror(errno));
		if (n == 0)
			return 0;
	}
}

/* ---- the file ---- */

static int open_log(struct play *p, bool wait, struct err *e)
{
	struct stat st;

	p->fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0)
		return wait && errno == ENOENT ? 0 : err_set(e, "%s: %s", p->path, strerror(errno));
	if (fstat(p->fd, &st) < 0)
		return err_set(e, "%s: %s", p->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s: not a regular file, and a log is read more than once", p->path);
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	return 0;
}

int play_open(struct play *p, const char *path, const uint64_t *size, bool wait, struct err *e)
{
	*p = (struct play){ .path = path, .fd = -1 };
	p->size_given = p->size_known = size;
	p->size = size ? *size : 0;
	if (cursor_init(&p->scan, e) < 0 || cursor_init(&p->cur, e) < 0 || open_log(p, wait, e) < 0) {
		play_close(p);
		return -1;
	}
	return 0;
}

void play_close(struct play *p)
{
	if (p->has_model)
		model_free(&p->model);
	p->has_model = false;
	free(p->scan.buf);
	free(p->cur.buf);
	p->scan.buf = p->cur.buf = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void drop_model(struct play *p)
{
	if (p->has_model)
		model_free(&p->model);
	p->has_model = p->has_next = false;
	cursor_rewind(&p->cur);
}

void play_rewind(struct play *p)
{
	drop_model(p);
}

static void start_over(struct play *p)
{
	drop_model(p);
	cursor_rewind(&p->scan);
	p->events = p->start = p->end = p->boarded = 0;
	p->head_len = 0;
	p->timeline = (struct timeline){ 0 };
	if (!p->size_given)
		p->size = p->size_known = 0;
}

/* A log that was emptied and has outgrown us since looks longer, but its first stamps differ. */
static bool head_changed(struct play *p)
{
	char now[PLAY_HEAD];
	ssize_t n = pread(p->fd, now, sizeof now, 0);

	if (n < 0)
		return false;
	if ((size_t)n < p->head_len || memcmp(now, p->head, p->head_len))
		return true;
	memcpy(p->head, now, (size_t)n);
	p->head_len = (size_t)n;
	return false;
}

int play_check(struct play *p, struct err *e)
{
	struct stat st, named;

	if (p->fd < 0)
		return open_log(p, true, e);
	if (!stat(p->path, &named) && (named.st_ino != p->ino || named.st_dev != p->dev)) {
		close(p->fd);
		if (open_log(p, true, e) < 0)
			return -1;
	} else if (fstat(p->fd, &st) < 0 || ((uint64_t)st.st_size >= p->scan.pos && !head_changed(p))) {
		return 0;
	}
	start_over(p);
	p->restarts++;
	return 1;
}

/* ---- scanning ---- */

static void scan_event(struct play *p, const struct event *ev)
{
	if (!p->events++)
		p->start = ev->time;
	p->end = ev->time;
	timeline_event(&p->timeline, ev);
	if (ev->kind != EV_CONNECT || !ev->sized || p->size_given)
		return;
	if (!p->size_known || ev->len > p->size)
		p->size = MIN(ev->len, INT64_MAX);
	p->size_known = true;
}

/* ---- the model ---- */

/* A model for the disk as it is known now. */
static int ready(struct play *p, struct err *e)
{
	if (p->has_model && p->model.map.size != p->size)
		drop_model(p); /* a later Connect told of a larger disk */
	if (p->has_model)
		return 0;
	if (model_init(&p->model, p->size, e) < 0)
		return -1;
	p->has_model = true;
	return 0;
}

/* The model walks no further than the scan has. */
static int peek(struct play *p, struct err *e)
{
	if (p->has_next)
		return 1;
	if (p->model.events >= p->events)
		return 0;
	int got = cursor_next(&p->cur, p->fd, p->scan.pos, &p->next, e);
	p->has_next = got > 0;
	return got;
}

static void apply(struct play *p, const struct event *ev)
{
	struct outcome out;

	model_event(&p->model, ev, &out);
	if (p->watch)
		p->watch(p->watch_arg, ev, &out);
}

static int play_until(struct play *p, uint64_t t, uint64_t n, uint64_t max, struct err *e)
{
	int got;

	if (!p->size_known || p->fd < 0)
		return 0;
	if (p->has_model && p->model.events && (p->model.last > t || p->model.events > n))
		drop_model(p);
	if (ready(p, e) < 0)
		return -1;
	for (uint64_t done = 0; (got = peek(p, e)) > 0; done++) {
		if (p->next.time > t || p->model.events >= n)
			return 0;
		if (done >= max)
			return 1;
		p->has_next = false;
		apply(p, &p->next);
	}
	return got;
}

int play_to(struct play *p, uint64_t t, uint64_t max, struct err *e)
{
	return play_until(p, t, PLAY_ALL, max, e);
}

int play_to_event(struct play *p, uint64_t n, uint64_t max, struct err *e)
{
	return play_until(p, UINT64_MAX, n, max, e);
}

/* ---- the model rides with the scan ---- */

/* Has the model all events that the scan found, but the last n? */
static bool lacks(const struct play *p, uint64_t n)
{
	return p->has_model && p->model.map.size == p->size && p->model.events + n == p->events;
}

/* The model takes what the scan has just found, and at the log's beginning, where the size is
 * told, what was before that.  One that is far behind stays where it is, for play_to(). */
static int ride(struct play *p, const struct event *ev, struct err *e)
{
	if (likely(lacks(p, 1))) {
		apply(p, ev);
		return 0;
	}
	uint64_t from = p->has_model && p->model.map.size == p->size ? p->model.events : 0;
	if (!p->size_known || p->events - from > BOARD_EVENTS || p->boarded == BOARD_TIMES)
		return 0;
	p->boarded++;
	return play_to_event(p, p->events, PLAY_ALL, e);
}

static int scan_to(struct play *p, uint64_t stop, struct err *e)
{
	struct event ev;

	while (p->scan.pos < stop) {
		int got = cursor_next(&p->scan, p->fd, UINT64_MAX, &ev, e);
		if (got <= 0)
			return got;
		scan_event(p, &ev);
		if (p->ride && ride(p, &ev, e) < 0)
			return -1;
	}
	return 1;
}

int play_scan(struct play *p, uint64_t max, struct err *e)
{
	if (p->fd < 0)
		return 0;
	if (p->head_len < PLAY_HEAD)
		head_changed(p); /* remember it before we read on */
	int more = scan_to(p, MIN(p->scan.pos, UINT64_MAX - max) + max, e);
	if (p->ride && lacks(p, 0))
		cursor_follow(&p->cur, &p->scan);
	return more;
}

int play_scan_all(struct play *p, struct err *e)
{
	return play_scan(p, PLAY_ALL, e);
}

uint64_t play_behind(const struct play *p)
{
	const struct cursor *c = lacks(p, 0) ? &p->scan : &p->cur;
	uint64_t taken = c->pos - (c->len - c->at);
	struct stat st;

	if (p->fd < 0 || fstat(p->fd, &st) < 0 || (uint64_t)st.st_size < taken)
		return 0;
	return (uint64_t)st.st_size - taken;
}
