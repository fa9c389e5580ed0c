/* SPDX-License-Identifier: BSD-2-Clause */
/* Time as a map: when and where on the disk something happened, and below it the flushes and what failed. */
#include "view/fmt.h"
#include "view/paint.h"

#define SQUARE 4 /* canvas pixels, about */
#define TICKS 7  /* canvas pixels below the map, for flushes and errors */

/* 16 times the binary logarithm, about; n > 0. */
static unsigned scaled_log(uint64_t n)
{
	unsigned whole = 63u - (unsigned)__builtin_clzll(n);
	uint64_t rest = whole >= 4 ? n >> (whole - 4) : n << (4 - whole);
	return whole * 16 + (unsigned)(rest & 15);
}

/* What the map is made of: squares that are seen from the last row. */
static int columns(struct rect r) { return MAX(r.w / SQUARE, 1); }
static int lines(struct rect r) { return MAX((r.h - TICKS) / SQUARE, 1); }

/* The bins of a column, at least one; false: it lies before all of them or behind. */
static bool bins_of(const struct scene *s, const struct heat *h, struct rect r, int x, uint64_t *from, uint64_t *to)
{
	if (!scene_bins(s, columns(r), x, h->start, h->bin, from, to))
		return false;
	*to = MIN(*to, h->bins);
	return *from < h->bins;
}

/* The class that most requests were of in a square, and how many; 0: there was none. */
static uint64_t count(const struct heat *h, struct rect r, uint64_t from, uint64_t to, int y, unsigned *class)
{
	unsigned rows = heat_rows(h), n = (unsigned)lines(r);
	unsigned row = rows * (unsigned)y / n, end = rows * (unsigned)(y + 1) / n;
	uint64_t sum[HEAT_PLACES] = { 0 };

	end = MAX(end, row + 1);
	for (uint64_t b = from; b < to; b++)
		for (unsigned c = 0; c < HEAT_PLACES; c++)
			for (unsigned i = row; i < end; i++)
				sum[c] += h->at[b].at[c][i];
	*class = 0;
	for (unsigned c = 1; c < HEAT_PLACES; c++)
		if (sum[c] > sum[*class])
			*class = c;
	return sum[*class];
}

static uint64_t fullest(const struct scene *s, const struct heat *h, struct rect r)
{
	uint64_t most = 1, from, to;
	unsigned class;

	for (int x = 0; x < columns(r); x++)
		for (int y = 0; bins_of(s, h, r, x, &from, &to) && y < lines(r); y++) {
			uint64_t n = count(h, r, from, to, y, &class);
			most = MAX(most, n);
		}
	return most;
}

/* The more requests, the brighter. */
static rgb colour_of(const struct palette *p, unsigned class, uint64_t n, uint64_t most)
{
	static const enum class of[HEAT_PLACES] = {
		[HEAT_READ] = CL_READ, [HEAT_WRITE] = CL_WRITE, [HEAT_TRIM] = CL_TRIM, [HEAT_ZERO] = CL_ZERO,
	};
	unsigned lit = 150 + 106 * scaled_log(n) / MAX(scaled_log(most), 1u);
	return rgb_mix(p->untouched, p->class[of[class]], most == 1 ? 256 : MIN(lit, 256u));
}

static void paint_tick(struct canvas *c, const struct palette *p, const struct heat *h, uint64_t from, uint64_t to, struct rect r)
{
	bool flushed = false, failed = false;

	for (uint64_t b = from; b < to; b++) {
		flushed |= h->at[b].ops[HEAT_FLUSH] > 0;
		failed |= h->at[b].errors > 0;
	}
	if (flushed || failed)
		canvas_fill(c, r, failed ? p->class[CL_ERROR] : p->flush);
}

void paint_heat(struct canvas *c, const struct scene *s, const struct heat *h, struct rect r, int hand)
{
	const struct palette *p = s->palette;
	uint64_t most = fullest(s, h, r), from, to, n;
	int high = r.h - TICKS;
	unsigned class;
	char text[FMT_ROOM];

	canvas_fill(c, (struct rect){ r.x, r.y, r.w, high }, p->untouched);
	for (int x = 0; heat_rows(h) && x < columns(r); x++) {
		int left = r.w * x / columns(r), right = r.w * (x + 1) / columns(r);
		if (!bins_of(s, h, r, x, &from, &to))
			continue;
		for (int y = 0; y < lines(r); y++) {
			int top = high * y / lines(r), bottom = high * (y + 1) / lines(r);
			if (!(n = count(h, r, from, to, y, &class)))
				continue;
			rgb v = colour_of(p, class, n, most);
			if (left > hand)
				v = rgb_mix(p->untouched, v, 130); /* yet to come */
			canvas_fill(c, (struct rect){ r.x + left, r.y + top, right - left, bottom - top }, v);
		}
		paint_tick(c, p, h, from, to, (struct rect){ r.x + left, r.y + high + 2, right - left, TICKS - 2 });
	}
	if (high < 2 * font_small.line) /* one of several disks: their names are above */
		return;
	canvas_text_right(c, &font_small, r.x - 8, r.y - 4, p->faint, "0");
	canvas_text_right(c, &font_small, r.x - 8, r.y + high - font_small.line, p->faint, fmt_short(text, h->size));
}
