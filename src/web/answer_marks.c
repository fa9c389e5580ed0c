/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <unistd.h>
#include "trace/recorder.h"
#include "web/answers.h"
#include "base/json.h"

/* How long a mark that was set is waited for: 2 s. */
#define MARK_TURNS 400u
#define MARK_US 5000u

struct mark *answer_marks_of(struct session *s, struct feed *d, uint64_t start, size_t *n)
{
	feed_lock(d);
	struct mark *m = marks_list(&s->marks, &d->ahead.marks, start, n);
	feed_unlock(d);
	return m;
}

void answer_marks(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	struct buf *b = &a->body;
	size_t n;

	if (!d)
		return;
	uint64_t start = session_start(s);
	struct mark *m = answer_marks_of(s, d, start, &n);
	buf_printf(b, "[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, "%s{\"t\":%" PRIu64 ",\"text\":", i ? ",\n" : "", m[i].at > start ? m[i].at - start : 0);
		json_string(b, m[i].text);
		buf_printf(b, ",\"own\":%s}", m[i].own ? "true" : "false");
	}
	marks_give_back(m, n);
	if (!buf_add(b, "]\n", 2))
		answer_error(a, 503, "out of memory");
}

/* A mark at the end of a recording that is being made goes into the recording. */
static bool find_recorder(struct feed *d, const struct moment *m, struct recorder *r)
{
	struct stat st;

	feed_lock(d);
	bool now = d->ahead.tape.is_rec && (m->kind == MOMENT_LIVE || m->at >= d->ahead.end) && fstat(d->ahead.tape.fd, &st) == 0;
	feed_unlock(d);
	return now && recorder_find(&st, r);
}

static size_t recorded_marks(struct feed *d)
{
	feed_lock(d);
	size_t n = d->ahead.marks.n;
	feed_unlock(d);
	return n;
}

/* The recording has it when its server has written it and we have read that: some ms. */
static int mark_recording(struct feed *d, const struct recorder *r, const char *text, size_t len, struct err *e)
{
	size_t before = recorded_marks(d);

	if (recorder_mark(r, text, len, e) < 0)
		return -1;
	for (unsigned i = 0; i < MARK_TURNS && recorded_marks(d) == before; i++)
		usleep(MARK_US);
	return 0;
}

static uint64_t end_of(struct feed *d)
{
	feed_lock(d);
	uint64_t end = d->ahead.end;
	feed_unlock(d);
	return end;
}

void answer_mark(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	struct recorder r;
	struct err e = { 0 };

	if (!d)
		return;
	struct moment m = answer_moment(s, q);
	if (!q->body_len || q->body_len > RECORDER_TEXT_MAX || memchr(q->body, '\0', q->body_len)) {
		answer_error(a, 400, "a mark is a text of 1 to %d bytes", RECORDER_TEXT_MAX);
		return;
	}
	int rc = find_recorder(d, &m, &r) ? mark_recording(d, &r, q->body, q->body_len, &e)
					  : marks_set(&s->marks, m.kind == MOMENT_LIVE ? end_of(d) : m.at, q->body, q->body_len, &e);
	if (rc < 0)
		answer_error(a, 503, "%s", e.msg);
	else
		answer_marks(s, q, a);
}
