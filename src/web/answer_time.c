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

static bool put_heat(struct buf *b, const struct heat *h, uint64_t start, uint64_t end, bool latency)
{
	uint32_t bins = bins_of(h, end), rows = latency ? HEAT_LATENCIES : heat_rows(h), classes = latency ? HEAT_CLASSES : HEAT_PLACES;
	size_t size = 48 + (size_t)4 * bins * rows * classes;

	if (!buf_reserve(b, size))
		return false;
	uint8_t *p = (uint8_t *)b->p;
	p = put_le32(p, 0x31485342); /* BSH1 */
	p = put_le32(p, 0);
	p = put_le64(p, h->start > start ? h->start - start : 0);
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

void answer_heat(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	uint64_t start = d ? session_start(s) : 0;

	if (!d)
		return;
	feed_lock(d);
	if (!put_heat(&a->body, &d->ahead.heat, start, d->ahead.end, q->query->n[Q_WHAT] == WHAT_LATENCY))
		answer_error(a, 503, "out of memory");
	feed_unlock(d);
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

void answer_series(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	struct buf *b = &a->body;

	if (!d)
		return;
	uint64_t start = session_start(s);
	feed_lock(d);
	const struct heat *h = &d->ahead.heat;
	uint32_t bins = bins_of(h, d->ahead.end);
	uint64_t from = h->start > start ? h->start - start : 0;
	buf_printf(b, "{\"start\":%" PRIu64 ",\"bin\":%" PRIu64 ",\"bins\":%" PRIu32, from, h->bin, bins);
	put_rows(b, "ops", h, bins, HEAT_CLASSES, ops_of);
	put_rows(b, "bytes", h, bins, HEAT_PLACES, bytes_of);
	buf_printf(b, ",\n");
	put_row(b, "errors", h, bins, 0, errors_of);
	buf_printf(b, ",\n");
	put_row(b, "depth", h, bins, 0, depth_of);
	put_flushes(b, h, bins, from);
	feed_unlock(d);
	if (!buf_add(b, "}\n", 2))
		answer_error(a, 503, "out of memory");
}
