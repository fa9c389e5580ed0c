/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "web/answers.h"

static const struct {
	const char *name;
	bool post;
	const char *type;
	answer_fn *fn;
	uint32_t words; /* that it may be asked with */
} asks[] = {
#define JSON "application/json"
#define BINARY "application/octet-stream"
#define W(w) (1u << Q_##w)
#define GRID (W(ORDER) | W(COLS) | W(ZOOM))
#define MOMENT (W(T) | W(EVENT) | W(LIVE))
	{ "session", false, JSON, answer_session, 0 },
	{ "frame", false, BINARY, answer_frame, W(DISK) | MOMENT | GRID | W(X) | W(Y) | W(W) | W(H) | W(KEEP) | W(FILTER) },
	{ "heat", false, BINARY, answer_heat, W(DISK) | W(WHAT) | W(FROM) | W(TO) | W(FILTER) },
	{ "series", false, JSON, answer_series, W(DISK) | W(FROM) | W(TO) | W(FILTER) },
	{ "block", false, JSON, answer_block, W(DISK) | MOMENT | GRID | W(AT) | W(PX) | W(PY) | W(FILTER) },
	{ "step", false, JSON, answer_step, W(DISK) | MOMENT | W(BY) | W(WAY) | W(FILTER) },
	{ "overlay", false, BINARY, answer_overlay, W(DISK) | MOMENT | GRID | W(X) | W(Y) | W(W) | W(H) | W(FILTER) },
	{ "structure", false, JSON, answer_structure, W(DISK) | MOMENT | GRID | W(X) | W(Y) | W(W) | W(H) | W(FILTER) },
	{ "export", false, "text/html; charset=utf-8", answer_export, W(CONTENTS) },
	{ "filter", true, JSON, answer_filter, 0 },
	{ "files", false, JSON, answer_files, W(DISK) | MOMENT | W(LIKE) },
	{ "story", false, JSON, answer_story, W(DISK) },
	{ "marks", false, JSON, answer_marks, W(DISK) },
	{ "mark", true, JSON, answer_mark, W(DISK) | MOMENT },
};

void answer_error(struct answer *a, unsigned status, const char *fmt, ...)
{
	va_list ap;

	a->status = status;
	a->type = "text/plain; charset=utf-8";
	a->body.len = 0;
	va_start(ap, fmt);
	buf_vprintf(&a->body, fmt, ap);
	va_end(ap);
	buf_add(&a->body, "\n", 1);
}

struct feed *answer_feed(struct session *s, const struct ask *q, struct answer *a)
{
	uint64_t n = q->query->n[Q_DISK];

	struct err e = { 0 };

	if (n >= s->disks) {
		answer_error(a, 404, "there is no disk %" PRIu64, n);
		return NULL;
	}
	struct feed *d = q->sieve ? sieve_feed(q->sieve, n, s->disk[n], &e) : s->disk[n];
	if (!d)
		answer_error(a, 503, "%s", e.msg);
	return d;
}

struct moment answer_moment(struct session *s, const struct ask *q)
{
	const struct query *w = q->query;

	if (query_has(w, Q_EVENT))
		return (struct moment){ MOMENT_EVENT, w->n[Q_EVENT] };
	if (query_has(w, Q_T) && !w->n[Q_LIVE])
		return (struct moment){ MOMENT_TIME, session_start(s) + w->n[Q_T] };
	return (struct moment){ MOMENT_LIVE, 0 };
}

uint64_t session_start(struct session *s)
{
	uint64_t start = 0;

	for (size_t i = 0; i < s->disks; i++) {
		feed_lock(s->disk[i]);
		uint64_t t = feed_start(s->disk[i]);
		feed_unlock(s->disk[i]);
		if (t && (!start || t < start))
			start = t;
	}
	return start;
}

int session_add(struct session *s, const char *path, const uint64_t *size, const struct know_disk *now, struct err *e)
{
	if (s->disks == SESSION_DISKS_MAX)
		return err_set(e, "at most %u disks are shown", SESSION_DISKS_MAX);
	struct feed *d = feed_open(path, size, NULL, e);
	struct extras *x = &s->extra[s->disks];
	if (!d || !(x->past = past_start(d, now, e))) {
		feed_close(d);
		return -1;
	}
	deeds_init(&x->deeds);
	closeups_init(&x->closeups);
	s->disk[s->disks++] = d;
	return 0;
}

int session_init(struct session *s, const char *steps, const char *story, struct err *e)
{
	tales_init(&s->tales, story, steps);
	sieves_init(&s->sieves);
	pthread_mutex_init(&s->exporting, NULL);
	return marks_init(&s->marks, steps, e);
}

void session_close(struct session *s)
{
	sieves_free(&s->sieves);
	tales_free(&s->tales);
	for (size_t i = 0; i < s->disks; i++) {
		past_stop(s->extra[i].past);
		deeds_free(&s->extra[i].deeds);
		closeups_free(&s->extra[i].closeups);
		tale_free(&s->extra[i].tale);
		feed_close(s->disk[i]);
	}
	marks_free(&s->marks);
	pthread_mutex_destroy(&s->exporting);
	s->disks = 0;
}

void session_answer(struct session *s, const struct ask *q, struct answer *a)
{
	*a = (struct answer){ .status = 200, .body.limit = ANSWER_MAX };
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		if (strcmp(asks[i].name, q->name) != 0 || asks[i].post != q->post)
			continue;
		if (q->query->given & ~asks[i].words) {
			answer_error(a, 400, "%s: a word in the address has no meaning here", q->name);
			return;
		}
		struct ask full = *q;
		uint64_t filter = q->query->n[Q_FILTER];
		full.sieve = filter ? sieves_find(&s->sieves, filter) : NULL;
		a->type = asks[i].type;
		if (filter && !full.sieve)
			answer_error(a, 410, "that filter is not kept any more");
		else
			asks[i].fn(s, &full, a);
		sieves_give_back(&s->sieves, full.sieve);
		return;
	}
	answer_error(a, 404, "there is nothing of that name");
}
