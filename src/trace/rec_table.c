/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec_table.h"
#include <stdlib.h>
#include "base/bytes.h"
#include "trace/rec.h"

static uint64_t end_of(const struct rec_extent *x)
{
	return x->off + x->len;
}

static int by_offset(const void *a, const void *b)
{
	const struct rec_extent *x = a, *y = b;
	return x->off != y->off ? (x->off > y->off) - (x->off < y->off) : (x->event > y->event) - (x->event < y->event);
}

/* A heap of those that reach beyond the place we are at, the latest on top. */
struct heap {
	const struct rec_extent **at;
	size_t n;
};

static void push(struct heap *h, const struct rec_extent *x)
{
	size_t i = h->n++;
	for (; i && h->at[(i - 1) / 2]->event < x->event; i = (i - 1) / 2)
		h->at[i] = h->at[(i - 1) / 2];
	h->at[i] = x;
}

static void pop(struct heap *h)
{
	const struct rec_extent *x = h->at[--h->n];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && h->at[child + 1]->event > h->at[child]->event)
			child++;
		if (h->at[child]->event <= x->event)
			break;
		h->at[i] = h->at[child];
		i = child;
	}
	h->at[i] = x;
}

/* The part of x from off to end; one with the piece before it when they are of one write. */
static bool emit(struct buf *out, const struct rec_extent *x, uint64_t off, uint64_t end)
{
	uint64_t addr = x->addr == REC_ZEROES ? REC_ZEROES : x->addr + (off - x->off);
	struct rec_extent *last = out->len ? (void *)(out->p + out->len - sizeof *last) : NULL;
	if (last && last->event == x->event && end_of(last) == off
	    && (addr == REC_ZEROES ? last->addr == addr : last->addr != REC_ZEROES && last->addr + last->len == addr)) {
		last->len += end - off;
		return true;
	}
	struct rec_extent piece = { off, end - off, addr, x->event };
	return buf_add(out, &piece, sizeof piece);
}

bool rec_cover(struct rec_extent *in, size_t n, struct buf *out)
{
	struct heap h = { .at = malloc((n ? n : 1) * sizeof *h.at) };
	size_t before = out->len;
	bool ok = h.at;
	struct buf mine = { .limit = out->limit };

	if (n)
		qsort(in, n, sizeof *in, by_offset);
	for (size_t i = 0; ok && (i < n || h.n);) {
		uint64_t pos = h.n ? 0 : in[i].off;
		if (h.n) { /* go on where the last piece ended */
			const struct rec_extent *last = (void *)(mine.p + mine.len - sizeof *last);
			pos = end_of(last);
			while (h.n && end_of(h.at[0]) <= pos)
				pop(&h);
			if (!h.n)
				continue;
		}
		for (; i < n && in[i].off <= pos; i++)
			if (in[i].len)
				push(&h, &in[i]);
		if (!h.n)
			continue;
		uint64_t end = end_of(h.at[0]);
		if (i < n)
			end = MIN(end, in[i].off);
		ok = emit(&mine, h.at[0], pos, end);
	}
	ok = ok && buf_add(out, mine.p, mine.len);
	if (!ok)
		out->len = before;
	buf_free(&mine);
	free(h.at);
	return ok;
}

void rec_put_extents(uint8_t *p, const struct rec_extent *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p = put_le64(put_le64(put_le64(put_le64(p, x[i].off), x[i].len), x[i].addr), x[i].event);
}

bool rec_get_extents(const uint8_t *p, size_t n, struct rec_extent *x)
{
	uint64_t end = 0;
	for (size_t i = 0; i < n; i++, p += REC_EXTENT_SIZE) {
		x[i] = (struct rec_extent){ get_le64(p), get_le64(p + 8), get_le64(p + 16), get_le64(p + 24) };
		if (x[i].off < end || !x[i].len || x[i].off > INT64_MAX || x[i].len > INT64_MAX - x[i].off)
			return false;
		if (x[i].addr != REC_ZEROES && x[i].addr > INT64_MAX - x[i].len)
			return false;
		end = end_of(&x[i]);
	}
	return true;
}

size_t rec_find_extent(const struct rec_extent *x, size_t n, uint64_t off)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (end_of(&x[mid]) <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
