/* SPDX-License-Identifier: BSD-2-Clause */
/* The timeline: the recording's own picture, with a hand where we are. */
#include <stdio.h>
#include "view/fmt.h"
#include "view/paint.h"

#define AXIS 24 /* pixels below the bars, for the times */

static rgb colour_of(const struct palette *p, int c)
{
	static const enum class of[] = {
		[TL_READ] = CL_READ, [TL_WRITE] = CL_WRITE, [TL_TRIM] = CL_TRIM, [TL_ZERO] = CL_ZERO,
		[TL_ERROR] = CL_ERROR,
	};
	return c == TL_FLUSH ? p->flush : p->class[of[c]];
}

bool scene_bins(const struct scene *s, int w, int x, uint64_t start, uint64_t bin, uint64_t *from, uint64_t *to)
{
	uint64_t before = start - MIN(s->start, start); /* several disks on one clock need not begin at once */
	uint64_t begin = (uint64_t)((unsigned __int128)scene_length(s) * (unsigned)x / (unsigned)w);
	uint64_t end = (uint64_t)((unsigned __int128)scene_length(s) * (unsigned)(x + 1) / (unsigned)w);

	if (!bin || end < before || (begin < before && end == before))
		return false;
	*from = (begin - MIN(before, begin)) / bin;
	*to = MAX((end - before) / bin, *from + 1); /* a bin wider than a column is drawn in each, so there are no gaps */
	return true;
}

static int x_of(const struct scene *s, struct rect r, uint64_t t)
{
	return r.x + (int)((unsigned __int128)(t - s->start) * (unsigned)(r.w - 1) / scene_length(s));
}

static unsigned root(uint64_t n)
{
	unsigned r = 0;
	for (unsigned bit = 1u << 31; bit; bit >>= 1)
		if ((uint64_t)(r | bit) * (r | bit) <= n)
			r |= bit;
	return r;
}

static uint64_t add_column(const struct scene *s, const struct timeline *t, struct rect r, int x, uint64_t n[TL_CLASSES])
{
	uint64_t from, to, sum = 0;

	if (!scene_bins(s, r.w, x, t->start, t->bin, &from, &to))
		return 0;
	for (uint64_t b = from; b < MIN(to, (uint64_t)TIMELINE_BINS); b++)
		for (int c = 0; c < TL_CLASSES; c++) {
			n[c] += t->n[b][c];
			sum += t->n[b][c];
		}
	return sum;
}

/* What ended while the hand would be on one column of pixels. */
static uint64_t column(const struct scene *s, struct rect r, int x, uint64_t n[TL_CLASSES])
{
	uint64_t sum = 0;

	for (int c = 0; c < TL_CLASSES; c++)
		n[c] = 0;
	if (s->tiles < 2)
		return add_column(s, s->timeline, r, x, n);
	for (size_t i = 0; i < s->tiles; i++)
		sum += add_column(s, s->tile[i].timeline, r, x, n);
	return sum;
}

/* Bars grow with the square root: one request among thousands stays visible. */
static void paint_bars(struct canvas *c, const struct scene *s, struct rect r)
{
	static const int order[] = { TL_READ, TL_WRITE, TL_TRIM, TL_ZERO, TL_FLUSH, TL_ERROR };
	uint64_t n[TL_CLASSES], most = 1;
	int hand = x_of(s, r, s->now) - r.x;

	for (int x = 0; x < r.w; x++)
		most = MAX(most, column(s, r, x, n));
	unsigned top = root(most << 16);
	for (int x = 0; x < r.w; x++) {
		uint64_t sum = column(s, r, x, n), below = 0;
		int height = (int)((uint64_t)root(sum << 16) * (unsigned)r.h / top), from = 0;

		if (!sum)
			continue;
		height = MAX(height, 3);
		for (size_t i = 0; i < ARRAY_LEN(order); i++) {
			below += n[order[i]];
			int to = (int)((uint64_t)height * below / sum);
			rgb v = colour_of(s->palette, order[i]);
			if (x > hand)
				v = rgb_mix(s->palette->paper, v, 100); /* yet to come */
			canvas_fill(c, (struct rect){ r.x + x, r.y + r.h - to, 1, to - from }, v);
			from = to;
		}
	}
}

/* 1, 2, 5, 10, 15, 30 of something, so that labels stand at least 90 pixels apart. */
static uint64_t tick_of(const struct scene *s, struct rect r)
{
	static const uint64_t nice[] = {
		1 * NS_PER_MS, 2 * NS_PER_MS, 5 * NS_PER_MS, 10 * NS_PER_MS, 20 * NS_PER_MS, 50 * NS_PER_MS,
		100 * NS_PER_MS, 200 * NS_PER_MS, 500 * NS_PER_MS, NS_PER_S, 2 * NS_PER_S, 5 * NS_PER_S, 10 * NS_PER_S,
		15 * NS_PER_S, 30 * NS_PER_S, 60 * NS_PER_S, 120 * NS_PER_S, 300 * NS_PER_S, 600 * NS_PER_S,
		900 * NS_PER_S, 1800 * NS_PER_S, 3600 * NS_PER_S,
	};
	uint64_t least = scene_length(s) / (unsigned)MAX(r.w / 90, 1);

	for (size_t i = 0; i < ARRAY_LEN(nice); i++)
		if (nice[i] >= least)
			return nice[i];
	return (least / (3600 * NS_PER_S) + 1) * 3600 * NS_PER_S;
}

static void paint_axis(struct canvas *c, const struct scene *s, struct rect r)
{
	uint64_t tick = tick_of(s, r);
	char text[FMT_ROOM];

	canvas_fill(c, (struct rect){ r.x, r.y + r.h, r.w, 1 }, s->palette->frame);
	for (uint64_t t = 0; t <= scene_length(s); t += tick) {
		int x = x_of(s, r, s->start + t), w = text_width(&font_small, fmt_tick(text, t));
		int left = MIN(MAX(x - w / 2, r.x), r.x + r.w - w);
		canvas_fill(c, (struct rect){ x, r.y + r.h, 1, 5 }, s->palette->faint);
		canvas_text(c, &font_small, left, r.y + r.h + 5, s->palette->faint, text);
		if (t > UINT64_MAX - tick)
			break;
	}
}

static void paint_steps(struct canvas *c, const struct scene *s, struct rect r)
{
	int last_right = r.x;

	for (size_t i = 0; s->steps && i < s->steps->n; i++) {
		char number[24];
		uint64_t t = steps_begin(s->steps, i, s->start);
		if (t > s->start + scene_length(s))
			break;
		int x = x_of(s, r, t);
		snprintf(number, sizeof number, "%zu", i + 1);
		for (int y = r.y; y < r.y + r.h; y += 4)
			canvas_fill(c, (struct rect){ x, y, 1, 2 }, s->palette->frame);
		if (x + 3 < last_right)
			continue;
		last_right = canvas_text(c, &font_small, x + 3, r.y - 2, s->palette->faint, number) + 4;
	}
}

static void paint_hand(struct canvas *c, const struct scene *s, struct rect r)
{
	int x = x_of(s, r, s->now);

	canvas_fill(c, (struct rect){ x - 1, r.y - 6, 3, r.h + 12 }, s->palette->ink);
	for (int i = 0; i < 8; i++)
		canvas_fill(c, (struct rect){ x - 7 + i, r.y - 6 + i, 15 - 2 * i, 1 }, s->palette->ink);
}

/* Several disks lie below each other, in the order of their maps. */
static void paint_heats(struct canvas *c, const struct scene *s, struct rect r)
{
	int n = MAX((int)s->tiles, 1), hand = x_of(s, r, s->now) - r.x;

	for (int i = 0; i < n; i++) {
		int top = r.h * i / n, bottom = r.h * (i + 1) / n;
		const struct heat *h = s->tiles ? s->tile[i].heat : s->heat;
		if (h)
			paint_heat(c, s, h, (struct rect){ r.x, r.y + top, r.w, bottom - top }, hand);
	}
}

void paint_timeline(struct canvas *c, const struct scene *s, struct rect r)
{
	r.h -= AXIS;
	if (s->heat)
		paint_heats(c, s, r);
	paint_steps(c, s, r);
	if (!s->heat)
		paint_bars(c, s, r);
	paint_axis(c, s, r);
	paint_hand(c, s, r);
}

bool paint_time_at(const struct scene *s, const struct layout *l, int x, int y, uint64_t *t)
{
	struct rect r = l->time;

	if (x < r.x - 8 || x >= r.x + r.w + 8 || y < r.y - 8 || y >= r.y + r.h)
		return false;
	x = MIN(MAX(x - r.x, 0), r.w - 1);
	*t = s->start + (uint64_t)((unsigned __int128)scene_length(s) * (unsigned)x / (unsigned)MAX(r.w - 1, 1));
	return true;
}
