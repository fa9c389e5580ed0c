/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole screen: caption above, map with its ruler, panel beside, timeline below. */
#include <stdio.h>
#include "view/fmt.h"
#include "view/paint.h"

#define MARGIN 16
#define TOP 60    /* the caption's line */
#define RULER 76  /* offsets, left of the map */
#define BOTTOM 118

/* Panel and time, when the panel begins there. */
static void place_rest(struct layout *l, int w, int h, int left)
{
	l->panel = (struct rect){ left, TOP - 4, w - left - MARGIN, MAX(h - TOP - BOTTOM - 14, (int)MAP_ROWS_MAX) };
	l->panel.w = MIN(l->panel.w, 520);
	l->time = (struct rect){ RULER, h - BOTTOM + 22, w - RULER - MARGIN, BOTTOM - 22 - 8 };
}

struct layout paint_layout(int w, int h, const struct map *m, bool hilbert)
{
	struct layout l = { .grid = grid_of(m, hilbert) };
	int room_w = MAX(w - RULER - 340, (int)MAP_COLS_MAX), room_h = MAX(h - TOP - BOTTOM - 14, (int)MAP_ROWS_MAX);
	int scale = MIN(room_w / (int)l.grid.cols, room_h / (int)l.grid.rows);

	l.scale = MIN(MAX(scale, 1), PAINT_SCALE_MAX);
	l.map = (struct rect){ RULER, TOP, (int)l.grid.cols * l.scale, (int)l.grid.rows * l.scale };
	int left = l.map.x + l.map.w + 30;
	place_rest(&l, w, h, left);
	return l;
}

struct rect paint_tiles_room(int w, int h)
{
	return (struct rect){ RULER, TOP - 8, MAX(w - RULER - 30 - 340 - MARGIN, 1), MAX(h - TOP - BOTTOM - 14, 1) };
}

bool paint_cell_at(const struct layout *l, int x, int y, uint32_t *cell)
{
	x -= l->map.x;
	y -= l->map.y;
	if (x < 0 || y < 0 || x >= l->map.w || y >= l->map.h)
		return false;
	return grid_cell(&l->grid, (unsigned)x * l->grid.cols / (unsigned)l->map.w, (unsigned)y * l->grid.rows / (unsigned)l->map.h, cell);
}

/* The offset of the row's first cell, every so many rows. */
static void paint_ruler(struct canvas *c, const struct model *m, const struct scene *s, const struct layout *l)
{
	unsigned every = 1;
	char text[FMT_ROOM];

	while ((int)every * l->scale < 44)
		every *= 2;
	for (unsigned row = 0; row < l->grid.rows; row += every) {
		uint32_t cell;
		int y = l->map.y + (int)row * l->scale;
		if (!grid_cell(&l->grid, 0, row, &cell))
			continue;
		canvas_fill(c, (struct rect){ l->map.x - 8, y, 6, 1 }, s->palette->faint);
		canvas_text_right(c, &font_small, l->map.x - 11, y - font_small.line / 2, s->palette->faint,
			fmt_short(text, (uint64_t)cell << m->map.cell_shift));
	}
}

static void paint_caption(struct canvas *c, const struct model *m, const struct scene *s, int w)
{
	int step = s->steps ? steps_at(s->steps, s->now, s->start) : -1;
	const struct palette *p = s->palette;
	int right = w - MARGIN;
	char text[64], size[FMT_ROOM];

	if (s->status)
		right = right - text_width(&font_bold, s->status) - 20;
	if (s->status)
		canvas_text(c, &font_bold, right + 20, 20, p->flush, s->status);
	if (step >= 0) {
		snprintf(text, sizeof text, "%d", step + 1);
		int x = canvas_text(c, &font_big, RULER, 10, p->faint, text) + 14;
		canvas_paragraph(c, &font_big, (struct rect){ x, 10, right - x, 0 }, 1, p->ink,
			s->steps->step[step].text);
	} else {
		if (s->tiles)
			snprintf(text, sizeof text, "%zu disks", s->tiles);
		else
			snprintf(text, sizeof text, "disk of %s", fmt_size(size, m->map.size));
		canvas_text(c, &font_big, RULER, 10, p->faint, text);
	}
}

/* A flush makes the map's frame light up. */
void paint_frame(struct canvas *c, const struct model *m, const struct scene *s, struct rect map)
{
	unsigned lit = fade(s->now, m->last_flush);
	canvas_frame(c, map, 2, lit ? rgb_mix(s->palette->frame, s->palette->flush, lit) : s->palette->frame);
}

/* Of the disk under the pointer, else of all of them. */
static void paint_tiles_panel(struct canvas *c, const struct model *m, const struct scene *s, struct rect room)
{
	struct layout l = { 0 };
	struct scene one = *s;
	size_t i;

	if (paint_tile_at(s, room, s->pointer_x, s->pointer_y, &i)) {
		const struct tile *t = &s->tile[i];
		l = paint_tile_layout(s, room, i);
		m = t->model;
		one.outlines = t->outlines;
		one.spot = t->spot;
		one.names = t->names;
		one.tile = t;
		one.tiles = 1;
	}
	place_rest(&l, c->w, c->h, paint_tiles_right(s, room) + 30);
	paint_panel(c, m, &one, &l);
}

void paint_screen(struct canvas *c, const struct model *m, const struct scene *s)
{
	struct layout l = paint_layout(c->w, c->h, &m->map, s->hilbert);

	canvas_fill(c, (struct rect){ 0, 0, c->w, c->h }, s->palette->paper);
	paint_caption(c, m, s, c->w);
	if (s->tiles) {
		struct rect room = paint_tiles_room(c->w, c->h);
		paint_tiles(c, s, room);
		paint_tiles_panel(c, m, s, room);
	} else {
		paint_map(c, m, s, &l.grid, l.map.x, l.map.y, l.scale);
		paint_outlines(c, s, l.map);
		paint_frame(c, m, s, l.map);
	}
	paint_outlines_legend(c, s, RULER, l.time.y - font_small.line - 10, c->w - RULER - MARGIN);
	if (!s->tiles) {
		paint_ruler(c, m, s, &l);
		paint_panel(c, m, s, &l);
	}
	paint_timeline(c, s, l.time);
	if (s->help)
		paint_help(c, s);
}

void paint_waiting(struct canvas *c, const struct scene *s, const char *why)
{
	const struct palette *p = s->palette;
	int w = text_width(&font_big, why);

	canvas_fill(c, (struct rect){ 0, 0, c->w, c->h }, p->paper);
	canvas_text(c, &font_big, MAX((c->w - w) / 2, MARGIN), c->h / 2 - font_big.line, p->ink, why);
	if (s->notice)
		canvas_text(c, &font_body, MARGIN, c->h - 40, p->warn, s->notice);
	if (s->help)
		paint_help(c, s);
}

void paint_help(struct canvas *c, const struct scene *s)
{
	static const char *const keys[][2] = {
		{ "space", "pause and go on" },
		{ "r", "run backwards, forwards" },
		{ ".  ,", "next event, previous event; with shift: flush" },
		{ "PgDn  PgUp", "next mark or step, previous one" },
		{ "+  -", "faster, slower" },
		{ "←  →", "jump 1 s; with shift 10 s" },
		{ "Home", "to the beginning" },
		{ "End", "to the end, and follow the file" },
		{ "click", "on the timeline: jump there" },
		{ "h", "Hilbert order, row order" },
		{ "[  ]", "narrower, wider rows; with shift half, double" },
		{ "s  t", "the disk's parts; when and where it was used" },
		{ "p", "palette" },
		{ "f", "full screen" },
		{ "F1  ?", "this help" },
		{ "q  Esc", "quit" },
	};
	const struct palette *p = s->palette;
	int line = font_body.line + 8, h = (int)ARRAY_LEN(keys) * line + 76, w = 620;
	struct rect box = { (c->w - w) / 2, (c->h - h) / 2, w, h };

	canvas_mix(c, (struct rect){ 0, 0, c->w, c->h }, p->paper, 120);
	canvas_fill(c, box, p->untouched);
	canvas_frame(c, box, 2, p->frame);
	canvas_text(c, &font_bold, box.x + 32, box.y + 22, p->ink, "Keys");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int y = box.y + 58 + (int)i * line;
		canvas_text(c, &font_bold, box.x + 32, y, p->flush, keys[i][0]);
		canvas_text(c, &font_body, box.x + 166, y, p->ink, keys[i][1]);
	}
}
