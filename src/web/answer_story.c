/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "base/json.h"
#include "web/answers.h"

#define WAIT_TURNS 600u /* for a page that is exported */
#define WAIT_US 100000u

/* What the program has told is JSON already; but a page that is exported holds it in a script, which must not end in it. */
static void put_told(struct buf *b, const char *text, size_t len)
{
	for (const char *end = text + len, *p; text < end; text = p) {
		p = memchr(text, '<', (size_t)(end - text));
		p = p ? p : end;
		buf_add(b, text, (size_t)(p - text));
		if (p < end) {
			buf_printf(b, "\\u003c"); /* a '<' can be in strings only */
			p++;
		}
	}
}

/* Its times count from the beginning of its own file. */
static bool put(struct buf *b, const struct tale *t, bool ready, bool current, uint64_t offset)
{
	buf_printf(b, "{\"ready\":%s,\"current\":%s,\"offset\":%" PRIu64 ",\"why\":", ready ? "true" : "false",
		   current ? "true" : "false", offset);
	json_string(b, ready && t->why ? t->why : "");
	buf_printf(b, ",\"story\":");
	if (ready && t->text)
		put_told(b, t->text, t->len);
	else
		buf_printf(b, "null");
	return buf_add(b, "}\n", 2);
}

void answer_story(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	bool ready, current, live, empty;

	if (!d)
		return;
	size_t n = q->query->n[Q_DISK];
	for (unsigned i = 0;; i++) {
		uint64_t start = session_start(s);
		feed_lock(d);
		uint64_t offset = feed_start(d) > start ? feed_start(d) - start : 0;
		live = feed_live(d);
		empty = !d->ahead.events;
		feed_unlock(d);
		tales_ask(&s->tales, &s->extra[n].tale, d, n == 0 ? s->disk_name : NULL, &ready, &current);
		bool enough = !q->exporting || empty || current || (live && ready) || i == WAIT_TURNS ||
			      atomic_load(&s->ending);
		if (enough && !put(&a->body, &s->extra[n].tale, ready, current, offset))
			answer_error(a, 503, "out of memory");
		tales_done(&s->tales);
		if (enough)
			return;
		usleep(WAIT_US);
	}
}
