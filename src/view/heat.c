/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "view/heat.h"

int heat_init(struct heat *h, struct err *e)
{
	*h = (struct heat){ .row = HEAT_ROW_MIN, .at = calloc(HEAT_BINS, sizeof *h->at) }; /* touched as it is used */
	return h->at ? 0 : err_set(e, "no memory for counts over time");
}

void heat_free(struct heat *h)
{
	free(h->at);
	*h = (struct heat){ 0 };
}

void heat_forget(struct heat *h, uint64_t size)
{
	memset(h->at, 0, HEAT_BINS * sizeof *h->at);
	*h = (struct heat){ .row = HEAT_ROW_MIN, .at = h->at };
	heat_size(h, size);
}

void heat_start(struct heat *h, uint64_t time)
{
	h->start = time;
	h->bin = NS_PER_MS;
}

void heat_span(struct heat *h, uint64_t from, uint64_t to)
{
	h->start = from;
	h->bin = (to - from - 1) / HEAT_BINS + 1;
}

static uint32_t add(uint32_t a, uint32_t b) { return MIN(UINT32_MAX - a, b) + a; }

static void count_up(uint32_t *n) { *n += *n != UINT32_MAX; }

/* ---- time ---- */

static void join(struct heat_bin *to, const struct heat_bin *a, const struct heat_bin *b)
{
	for (unsigned c = 0; c < HEAT_PLACES; c++)
		for (unsigned r = 0; r < HEAT_ROWS; r++)
			to->at[c][r] = add(a->at[c][r], b->at[c][r]);
	for (unsigned c = 0; c < HEAT_CLASSES; c++) {
		for (unsigned r = 0; r < HEAT_LATENCIES; r++)
			to->took[c][r] = add(a->took[c][r], b->took[c][r]);
		to->bytes[c] = MIN(UINT64_MAX - a->bytes[c], b->bytes[c]) + a->bytes[c];
		to->ops[c] = add(a->ops[c], b->ops[c]);
	}
	to->errors = add(a->errors, b->errors);
	to->deepest = MAX(a->deepest, b->deepest);
}

static void halve(struct heat *h)
{
	uint32_t left = (h->bins + 1) / 2;

	for (uint32_t i = 0; i < left; i++)
		join(&h->at[i], &h->at[2 * i], &h->at[2 * i + 1]);
	memset(&h->at[left], 0, (h->bins - left) * sizeof *h->at);
	h->bins = left;
	h->bin *= 2;
}

/* The bin of a moment.  What was in flight was so in those that nothing happened in, too. */
static struct heat_bin *bin_of(struct heat *h, uint64_t time)
{
	if (!h->bin)
		heat_start(h, time);
	while ((time - h->start) / h->bin >= HEAT_BINS)
		halve(h);
	uint32_t i = (uint32_t)((time - h->start) / h->bin);
	for (; h->bins <= i; h->bins++)
		h->at[h->bins].deepest = h->open;
	return &h->at[i];
}

/* ---- place ---- */

static void join_rows(struct heat *h)
{
	for (uint32_t i = 0; i < h->bins; i++)
		for (unsigned c = 0; c < HEAT_PLACES; c++) {
			uint32_t *n = h->at[i].at[c];
			for (unsigned r = 0; r < HEAT_ROWS / 2; r++)
				n[r] = add(n[2 * r], n[2 * r + 1]);
			memset(n + HEAT_ROWS / 2, 0, HEAT_ROWS / 2 * sizeof *n);
		}
	h->row *= 2;
}

static void reach(struct heat *h, uint64_t last)
{
	while (last / h->row >= HEAT_ROWS)
		join_rows(h);
}

void heat_size(struct heat *h, uint64_t size)
{
	h->size = MAX(h->size, size);
	if (size)
		reach(h, size - 1);
}

uint32_t heat_rows(const struct heat *h)
{
	return h->size ? (uint32_t)((h->size - 1) / h->row + 1) : 0;
}

/* Until the size is known, what is asked for tells it. */
static void count_place(struct heat *h, struct heat_bin *b, unsigned c, const struct event *req)
{
	uint64_t size = h->size ? h->size : (uint64_t)INT64_MAX;

	if (!req->len || req->off >= size)
		return;
	uint64_t last = req->off + MIN(req->len, size - req->off) - 1;
	reach(h, last);
	for (uint64_t r = req->off / h->row; r <= last / h->row; r++)
		count_up(&b->at[c][r]);
}

/* ---- events ---- */

static void answered(struct heat *h, struct heat_bin *b, const struct event *ev, const struct event *req)
{
	static const int of[EV_OPS + 1] = {
		[EV_READ] = HEAT_READ, [EV_WRITE] = HEAT_WRITE, [EV_TRIM] = HEAT_TRIM, [EV_ZERO] = HEAT_ZERO,
		[EV_FLUSH] = HEAT_FLUSH, [EV_CACHE] = -1, [EV_EXTENTS] = -1, [EV_OPS] = -1,
	};
	int c = of[MIN(req->op, EV_OPS)];

	if (ev->err) {
		count_up(&b->errors);
		return;
	}
	if (c < 0)
		return;
	uint64_t took = ev->time - MIN(req->time, ev->time);
	unsigned row = 63u - (unsigned)__builtin_clzll(took | 1);
	count_up(&b->took[c][MIN(row, HEAT_LATENCIES - 1u)]);
	count_up(&b->ops[c]);
	if (c < HEAT_PLACES) {
		b->bytes[c] += MIN(req->len, UINT64_MAX - b->bytes[c]);
		count_place(h, b, (unsigned)c, req);
	}
}

void heat_event(struct heat *h, const struct event *ev, const struct event *req, uint32_t open)
{
	struct heat_bin *b = bin_of(h, ev->time);

	h->open = open;
	b->deepest = MAX(b->deepest, open);
	if (ev->kind == EV_END && req)
		answered(h, b, ev, req);
}
