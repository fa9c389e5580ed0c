/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/read_fd.h"
#include "view/cursor.h"

#define CURSOR_ROOM (4u * LOG_LINE_MAX)

/* ---- the file ---- */

bool tape_is_recording(const void *head, size_t n)
{
	return n >= sizeof(uint32_t) && get_le32(head) == REC_MAGIC;
}

int tape_follow(struct tape *t, uint64_t size, struct err *e)
{
	struct rec_source s = { .read = read_fd, .owner = &t->fd, .size = size };

	if (t->is_rec)
		return rec_more(&t->rec, size, e);
	if (rec_open(&t->rec, &s, e) < 0)
		return -1;
	t->is_rec = true;
	return 0;
}

int tape_look(struct tape *t, uint64_t *size, struct err *e)
{
	uint8_t head[4];
	struct stat st;

	if (fstat(t->fd, &st) < 0)
		return err_set(e, "cannot read the file again: %s", strerror(errno));
	*size = (uint64_t)st.st_size;
	if (t->is_rec || (pread(t->fd, head, sizeof head, 0) == sizeof head && tape_is_recording(head, sizeof head)))
		return tape_follow(t, *size, e);
	return 0;
}

void tape_forget(struct tape *t)
{
	if (t->is_rec)
		rec_close(&t->rec);
	t->is_rec = false;
}

/* ---- cursors ---- */

int cursor_init(struct cursor *c, struct err *e)
{
	*c = (struct cursor){ .buf = malloc(CURSOR_ROOM) };
	return c->buf ? 0 : err_set(e, "no memory to read a log");
}

void cursor_free(struct cursor *c)
{
	rec_events_end(&c->rec);
	free(c->buf);
	c->buf = NULL;
}

void cursor_rewind(struct cursor *c)
{
	rec_events_end(&c->rec);
	*c = (struct cursor){ .buf = c->buf };
}

struct place cursor_place(const struct cursor *c)
{
	return (struct place){ .pos = c->pos - (c->len - c->at), .reader = c->reader, .rec = c->rec.place };
}

void cursor_go(struct cursor *c, const struct place *to)
{
	cursor_rewind(c);
	c->pos = to->pos;
	c->reader = to->reader;
	c->rec.place = to->rec;
}

uint64_t cursor_work(const struct cursor *c, const struct tape *t)
{
	return t->is_rec ? c->rec.bytes : c->pos;
}

/* More bytes of a log behind what is left, up to file offset stop.  Returns how many, or -1. */
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

static int next_recorded(struct cursor *c, const struct tape *t, struct event *ev)
{
	c->rec.file = &t->rec;
	bool got = rec_events_next(&c->rec, ev);
	c->reader.lines = c->rec.place.events;
	c->reader.bad = c->rec.place.bad;
	c->reader.lost = c->rec.place.lost;
	return got;
}

int cursor_next(struct cursor *c, const struct tape *t, uint64_t stop, struct event *ev, struct err *e)
{
	if (t->is_rec)
		return next_recorded(c, t, ev);
	for (;;) {
		const char *at = c->buf + c->at;
		bool got = log_next(&c->reader, &at, c->buf + c->len, ev);
		c->at = (size_t)(at - c->buf);
		if (got)
			return 1;
		ssize_t n = cursor_fill(c, t->fd, stop);
		if (n < 0)
			return err_set(e, "cannot read the log: %s", strerror(errno));
		if (n == 0)
			return 0;
	}
}
