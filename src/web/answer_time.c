/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened over time: heat and series. */
#include <inttypes.h>
#include "base/bytes.h"
#include "web/answers.h"

#define FLUSHES_MAX 2000u

/* Bins that the answer has: to the newest event, also where nothing happened. */
static uint32_t bins_of(const struct heat *h, uint64_t end)
{
	uint64_t n = h->bin && end >= h->start ? (end - h->start) / h->bin + 1 : 0;
	return (uint32_t)MIN(MAX(n, (uint64_t)h->bins), (uint64_t)HEAT_BINS);
}

static uint32_t heat_count(const struct heat *h, bool latency, unsigned class, unsigned row, uint32_t bin)
{
	return latency ? h->at[bin].took[class][row] : h->at[bin].at[class][row];
}

/* What an answer tells of. */
struct over {
	const struct heat *heat;
	uint64_t start, end;   /* ns since 1970: of the session; the newest event there is, or may be */
	bool behind;           /* it is not yet all */
};

static bool put_heat(struct buf *b, const struct over *o, bool latency)
{
	const struct heat *h = o->heat;
	uint32_t bins = bins_of(h, o->end), rows = latency ? HEAT_LATENCIES : heat_rows(h), classes = latency ? HEAT_CLASSES : HEAT_PLACES;
	size_t size = 48 + (size_t)4 * bins * rows * classes;

	if (!buf_reserve(b, size))
		return false;
	uint8_t *p = (uint8_t *)b->p;
	p = put_le32(p, 0x31485342); /* BSH1 */
	p = put_le32(p, o->behind);
	p = put_le64(p, h->start > o->start ? h->start - o->start : 0);
	p = put_le64(p, h->bin);
	p = put_le32(p, bins);
	p = put_le32(p, rows);
	p = put_le32(p, classes);
	p = put_le32(p, 0);
	p = put_le64(p, latency ? 0 : h->row);
	for (unsigned c = 0; c < classes; c++)
		for (unsigned r = 0; r < rows; r++)
			for (uint32_t i = 0; i < bins; i++)
				p = put_le32(p, heat_count(h, latency, c, r, i));
	b->len = size;
	return true;
}

typedef bool put_fn(struct buf *b, const struct over *o, const struct query *w);

static void put_closeup(struct session *s, const struct ask *q, struct answer *a, struct feed *d, put_fn *put)
{
	const struct query *w = q->query;
	struct over o = { .start = session_start(s) };
	struct err e = { 0 };
	bool ready;

	if (w->n[Q_FROM] >= w->n[Q_TO]) {
		answer_error(a, 400, "from: a time before to is expected");
		return;
	}
	struct closeup *c = closeups_find(&s->extra[w->n[Q_DISK]].closeups, d, w->n[Q_FILTER], o.start + w->n[Q_FROM], o.start + w->n[Q_TO],
					  &ready, &e);
	if (!c) {
		answer_error(a, 503, "%s", e.msg);
		return;
	}
	feed_lock(d);
	o.end = MIN(d->ahead.end, c->stretch.to - 1);
	feed_unlock(d);
	o.heat = &c->stretch.heat;
	o.behind = !ready;
	if (!put(&a->body, &o, w))
		answer_error(a, 503, "out of memory");
	closeups_done(c);
}

/* Of the whole session, or of a stretch of it. */
static void put_over_time(struct session *s, const struct ask *q, struct answer *a, put_fn *put)
{
	struct feed *d = answer_feed(s, q, a);

	if (!d)
		return;
	if (query_has(q->query, Q_FROM) || query_has(q->query, Q_TO)) {
		put_closeup(s, q, a, d, put);
		return;
	}
	struct over o = { .heat = &d->ahead.heat, .start = session_start(s) };
	feed_lock(d);
	o.end = d->ahead.end;
	if (!put(&a->body, &o, q->query))
		answer_error(a, 503, "out of memory");
	feed_unlock(d);
}

static bool put_heat_asked(struct buf *b, const struct over *o, const struct query *w)
{
	return put_heat(b, o, w->n[Q_WHAT] == WHAT_LATENCY);
}

void answer_heat(struct session *s, const struct ask *q, struct answer *a)
{
	put_over_time(s, q, a, put_heat_asked);
}

/* ---- series ---- */

static uint64_t ops_of(const struct heat_bin *b, unsigned class) { return b->ops[class]; }
static uint64_t bytes_of(const struct heat_bin *b, unsigned class) { return b->bytes[class]; }
static uint64_t errors_of(const struct heat_bin *b, unsigned class) { return b->errors; }
static uint64_t depth_of(const struct heat_bin *b, unsigned class) { return b->deepest; }

static void put_row(struct buf *b, const char *name, const struct heat *h, uint32_t bins, unsigned class,
		    uint64_t (*value)(const struct heat_bin *, unsigned))
{
	buf_printf(b, "\"%s\":[", name);
	for (uint32_t i = 0; i < bins; i++)
		buf_printf(b, "%s%" PRIu64, i ? "," : "", value(&h->at[i], class));
	buf_printf(b, "]");
}

static void put_rows(struct buf *b, const char *name, const struct heat *h, uint32_t bins, unsigned classes,
		     uint64_t (*value)(const struct heat_bin *, unsigned))
{
	static const char *const names[HEAT_CLASSES] = { "read", "write", "trim", "zero", "flush" };

	buf_printf(b, ",\n\"%s\":{", name);
	for (unsigned c = 0; c < classes; c++) {
		buf_printf(b, "%s", c ? "," : "");
		put_row(b, names[c], h, bins, c, value);
	}
	buf_printf(b, "}");
}

/* Where flushes were, as finely as bins tell. */
static void put_flushes(struct buf *b, const struct heat *h, uint32_t bins, uint64_t start)
{
	unsigned n = 0;

	buf_printf(b, ",\n\"flushes\":[");
	for (uint32_t i = 0; i < bins && n < FLUSHES_MAX; i++)
		if (h->at[i].ops[HEAT_FLUSH])
			buf_printf(b, "%s%" PRIu64, n++ ? "," : "", start + i * h->bin + h->bin / 2);
	buf_printf(b, "]");
}

static bool put_series(struct buf *b, const struct over *o, const struct query *w)
{
	const struct heat *h = o->heat;
	uint32_t bins = bins_of(h, o->end);
	uint64_t from = h->start > o->start ? h->start - o->start : 0;

	(void)w;
	buf_printf(b, "{\"start\":%" PRIu64 ",\"bin\":%" PRIu64 ",\"bins\":%" PRIu32, from, h->bin, bins);
	buf_printf(b, ",\"ready\":%s", o->behind ? "false" : "true");
	put_rows(b, "ops", h, bins, HEAT_CLASSES, ops_of);
	put_rows(b, "bytes", h, bins, HEAT_PLACES, bytes_of);
	buf_printf(b, ",\n");
	put_row(b, "errors", h, bins, 0, errors_of);
	buf_printf(b, ",\n");
	put_row(b, "depth", h, bins, 0, depth_of);
	put_flushes(b, h, bins, from);
	return buf_add(b, "}\n", 2);
}

void answer_series(struct session *s, const struct ask *q, struct answer *a)
{
	put_over_time(s, q, a, put_series);
}
