/* SPDX-License-Identifier: BSD-2-Clause */
/* Several disks: a map of each, as large as they fit side by side, with its name above. */
#include <stdio.h>
#include "view/fmt.h"
#include "view/paint.h"

#define GAP 20    /* canvas pixels between two maps */
#define LEAST 240 /* of one that is awaited */
#define WHOLE 4   /* a cell of so many is not cut finer */

struct spread {
	int across;      /* tiles side by side */
	int w, h;        /* canvas pixels of a tile's map */
	struct rect fit; /* that it could have */
};

static int name_height(void) { return font_bold.line + 4; }

/* A tile's map can have so many pixels, when so many tiles lie side by side. */
static struct rect slot(struct rect room, int n, int across)
{
	int down = (n + across - 1) / across;
	int w = (room.w - (across - 1) * GAP) / across, h = (room.h - (down - 1) * GAP) / down - name_height();
	return (struct rect){ 0, 0, MAX(w, 1), MAX(h, 1) };
}

/* The number side by side that gives a square the most room. */
static int best_across(struct rect room, int n)
{
	int best = 1, most = 0;

	for (int across = 1; across <= n; across++) {
		struct rect s = slot(room, n, across);
		if (MIN(s.w, s.h) > most) {
			most = MIN(s.w, s.h);
			best = across;
		}
	}
	return best;
}

/* A map of the i-th disk that fits there; where it lies is not told yet.  Cells are squares of a whole number of pixels when that costs
 * little room. */
static struct layout shape(const struct scene *s, struct rect fit, size_t i)
{
	struct layout l = { .map = { 0, 0, MIN(fit.w, LEAST), MIN(fit.h, LEAST) } };

	if (!s->tile[i].model)
		return l;
	l.grid = grid_of(&s->tile[i].model->map, s->hilbert);
	int cols = MAX((int)l.grid.cols, 1), rows = MAX((int)l.grid.rows, 1), scale = MIN(fit.w / cols, fit.h / rows);
	l.map.w = MIN(fit.w, fit.h * cols / rows);
	if (scale >= WHOLE)
		l.map.w = cols * MIN(scale, PAINT_SCALE_MAX);
	l.map.w = MAX(l.map.w, 1);
	l.map.h = MAX(l.map.w * rows / cols, 1);
	return l;
}

/* All tiles have the size of the largest. */
static struct spread spread_of(const struct scene *s, struct rect room)
{
	int n = (int)s->tiles, across = best_across(room, n);
	struct spread d = { .across = across, .fit = slot(room, n, across) };

	for (size_t i = 0; i < s->tiles; i++) {
		struct layout l = shape(s, d.fit, i);
		d.w = MAX(d.w, l.map.w);
		d.h = MAX(d.h, l.map.h);
	}
	return d;
}

struct layout paint_tile_layout(const struct scene *s, struct rect room, size_t i)
{
	struct spread d = spread_of(s, room);
	struct layout l = shape(s, d.fit, i);

	l.map.x = room.x + (int)i % d.across * (d.w + GAP);
	l.map.y = room.y + (int)i / d.across * (d.h + name_height() + GAP) + name_height();
	return l;
}

int paint_tiles_right(const struct scene *s, struct rect room)
{
	struct spread d = spread_of(s, room);
	return room.x + d.across * (d.w + GAP) - GAP;
}

static void paint_name(struct canvas *c, const struct scene *s, const struct tile *t, struct rect map, int room)
{
	char text[300], size[FMT_ROOM];

	snprintf(text, sizeof text, "%s  %s", t->name, t->model ? fmt_size(size, t->model->map.size) : "is awaited");
	canvas_paragraph(c, &font_bold, (struct rect){ map.x, map.y - name_height(), room, 0 }, 1, s->palette->ink, text);
}

void paint_tiles(struct canvas *c, const struct scene *s, struct rect room)
{
	int width = spread_of(s, room).w;

	for (size_t i = 0; i < s->tiles; i++) {
		const struct tile *t = &s->tile[i];
		struct layout l = paint_tile_layout(s, room, i);
		struct scene one = *s;

		one.outlines = t->outlines;
		paint_name(c, s, t, l.map, width);
		if (!t->model) {
			canvas_frame(c, l.map, 2, s->palette->frame);
			continue;
		}
		paint_map_fitted(c, t->model, &one, &l);
		paint_outlines(c, &one, l.map);
		paint_frame(c, t->model, s, l.map);
	}
}

bool paint_tile_at(const struct scene *s, struct rect room, int x, int y, size_t *i)
{
	uint32_t cell;

	for (*i = 0; *i < s->tiles; ++*i) {
		struct layout l = paint_tile_layout(s, room, *i);
		if (s->tile[*i].model && paint_cell_at(&l, x, y, &cell))
			return true;
	}
	return false;
}
