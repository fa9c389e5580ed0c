/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the next or the last event, flush or mark is. */
#include <inttypes.h>
#include "web/answers.h"

#define STEP_NS (3 * NS_PER_S) /* a step waits no longer for a model */

/* The model's events and time at a moment, however long the way is; other threads get their turns on it. */
static bool find_moment(struct feed *d, const struct moment *m, uint64_t *events, uint64_t *time, struct answer *a)
{
	uint64_t began = monotonic_ns();
	struct err e = { 0 };
	struct sight seen;
	int rc;

	do {
		feed_lock(d);
		rc = feed_see(d, m, &seen, &e);
		*events = rc < 0 ? 0 : seen.model->events;
		*time = rc < 0 ? 0 : m->kind == MOMENT_TIME ? m->at : seen.model->last;
		feed_unlock(d);
	} while (rc == 0 && seen.not_yet && monotonic_ns() - began < STEP_NS);
	if (rc < 0)
		answer_error(a, 503, "%s", e.msg);
	else if (seen.not_yet)
		answer_error(a, 503, "not yet read so far");
	return rc == 0 && !seen.not_yet;
}

static bool find_mark(struct session *s, struct feed *d, uint64_t now, bool next, uint64_t *found)
{
	size_t n;
	struct mark *m = answer_marks_of(s, d, session_start(s), &n);
	bool any = false;

	for (size_t i = 0; i < n && !(any && next); i++)
		if (next ? m[i].at > now : m[i].at < now) {
			*found = m[i].at;
			any = true;
		}
	marks_give_back(m, n);
	return any;
}

static uint64_t find_event(struct feed *d, uint64_t n, bool flush, bool next)
{
	feed_lock(d);
	const struct play *p = &d->ahead;
	uint64_t other;
	if (flush)
		other = next ? flushes_next(&p->flushes, n) : flushes_last(&p->flushes, n);
	else
		other = next ? MIN(n + 1, p->events) : n - (n > 0);
	feed_unlock(d);
	return flush && !other ? n : other;
}

void answer_step(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	bool next = q->query->n[Q_WAY] == WAY_NEXT;
	uint64_t events, time, mark = 0, start;

	if (!d)
		return;
	struct moment m = answer_moment(s, q);
	if (!find_moment(d, &m, &events, &time, a))
		return;
	if (q->query->n[Q_BY] != BY_MARK)
		m = (struct moment){ MOMENT_EVENT, find_event(d, events, q->query->n[Q_BY] == BY_FLUSH, next) };
	else if (find_mark(s, d, time, next, &mark))
		m = (struct moment){ MOMENT_TIME, mark };
	if (!find_moment(d, &m, &events, &time, a))
		return;
	start = session_start(s);
	buf_printf(&a->body, "{\"t\":%" PRIu64 ",\"event\":%" PRIu64 "}\n", time > start ? time - start : 0, events);
}
