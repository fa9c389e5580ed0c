/* SPDX-License-Identifier: BSD-2-Clause */
/* The film strip: the map at several moments side by side, each with its caption and what
 * happened since the one before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "view/fmt.h"
#include "view/output.h"

#define FRAME 384      /* pixels a frame's map fills at most, unless it has more cells */
#define FRAME_TILES 790 /* of several disks: wide, */
#define FRAME_TILES_H 560 /* and high at most */
#define GAP 28
#define MARGIN 28
#define CAPTION_LINES 2
#define CAPTION_ROOM 240 /* bytes */
#define LEGEND 56      /* height of the legend below */
#define STRIP_W 1700   /* about as wide as it gets */
#define PIXELS_MAX (256u << 20)

struct moment {
	uint64_t at; /* ns since 1970 */
	int step;    /* -1: none */
	uint64_t said; /* ns since 1970: the time in the caption */
};

struct strip {
	struct play *p;
	const struct look_options *o;
	uint64_t start, end; /* ns since 1970: of the clock of all disks */
	struct moment *m;
	size_t n;
	struct grid grid;
	int scale, across;
	int fw, fh;   /* a frame's map, pixels */
	int cell_h;   /* a frame with its words */
	struct canvas c;
	struct totals before;
	uint64_t then;  /* ns since 1970, the frame before */
	int lines;      /* of the longest caption */
	struct shown shown;
};

static int slot_width(const struct strip *s)
{
	return MAX(s->fw, 300);
}

static void say_one(char *text, size_t room, size_t *len, uint64_t n, const char *one, const char *many)
{
	char a[FMT_ROOM];
	if (!n || *len >= room)
		return;
	int w = snprintf(text + *len, room - *len, "%s%s %s", *len ? ", " : "", fmt_count(a, n), n == 1 ? one : many);
	*len += w > 0 ? (size_t)w : 0;
}

/* "12 reads, 3 writes": what happened since the frame before. */
static void say_difference(const struct totals *t, const struct totals *b, char *text, size_t room)
{
	static const char *const words[][2] = {
		[EV_READ] = { "read", "reads" }, [EV_WRITE] = { "write", "writes" }, [EV_TRIM] = { "trim", "trims" },
		[EV_ZERO] = { "zero", "zeroes" }, [EV_FLUSH] = { "flush", "flushes" },
	};
	size_t len = 0;

	for (size_t op = 0; op < ARRAY_LEN(words); op++)
		say_one(text, room, &len, t->op[op].ops - b->op[op].ops, words[op][0], words[op][1]);
	say_one(text, room, &len, t->errors - b->errors, "error", "errors");
	if (!len)
		snprintf(text, room, "nothing reached the disk");
}

static void caption(const struct strip *s, const struct moment *m, char *text, size_t room)
{
	*text = '\0';
	if (m->step >= 0)
		snprintf(text, room, "%d  %s", m->step + 1, output_steps(s->p, s->o)->step[m->step].text);
}

static int longest_caption(const struct strip *s)
{
	struct rect room = { .w = slot_width(s) };
	int most = 0;
	for (size_t i = 0; i < s->n; i++) {
		char text[CAPTION_ROOM];
		caption(s, &s->m[i], text, sizeof text);
		int h = canvas_paragraph(NULL, &font_bold, room, CAPTION_LINES, 0, text);
		most = MAX(most, h);
	}
	return most / font_bold.line;
}

static int words_height(const struct strip *s)
{
	return s->lines * font_bold.line + font_body.line + 2 * font_small.line + 20;
}

static struct rect tiles_room(int x, int y)
{
	return (struct rect){ x, y, FRAME_TILES, FRAME_TILES_H };
}

/* Several disks: as much room as their maps take of it. */
static void shape_tiles(struct strip *s)
{
	struct scene sc = output_scene(s->p, s->o, &s->shown, s->start);

	s->fw = s->fh = 0;
	for (size_t i = 0; i < sc.tiles; i++) {
		struct rect map = paint_tile_layout(&sc, tiles_room(0, 0), i).map;
		s->fw = MAX(s->fw, map.x + map.w);
		s->fh = MAX(s->fh, map.y + map.h);
	}
}

static void shape(struct strip *s)
{
	int want = MIN(FRAME / (int)s->grid.cols, FRAME * 3 / 2 / (int)s->grid.rows);

	s->scale = MIN(MAX(want, 1), 48);
	s->fw = (int)s->grid.cols * s->scale;
	s->fh = (int)s->grid.rows * s->scale;
	if (s->o->others)
		shape_tiles(s);
	s->across = MAX((STRIP_W - 2 * MARGIN + GAP) / (slot_width(s) + GAP), 1);
	s->across = (int)MIN((size_t)s->across, s->n);
	s->lines = longest_caption(s);
	s->cell_h = s->fh + words_height(s) + GAP;
}

/* What was done to all disks; those that are not there yet had nothing done. */
static struct totals sum_of_disks(const struct strip *s)
{
	struct totals all = { 0 };

	for (size_t i = 0; i <= s->o->others; i++) {
		const struct play *p = output_disk(s->p, s->o, i);
		for (unsigned op = 0; op < EV_OPS && p->has_model; op++)
			all.op[op].ops += p->model.total.op[op].ops;
		all.errors += p->has_model ? p->model.total.errors : 0;
	}
	return all;
}

static void words(struct strip *s, const struct moment *m, int x, int y)
{
	const struct palette *p = s->o->palette;
	const struct totals now = sum_of_disks(s), *t = &now;
	int w = slot_width(s);
	char text[CAPTION_ROOM], clock[FMT_ROOM];

	caption(s, m, text, sizeof text);
	y = canvas_paragraph(&s->c, &font_bold, (struct rect){ x, y, w, 0 }, CAPTION_LINES, p->ink, text);
	canvas_text(&s->c, &font_body, x, y, p->flush, fmt_clock(clock, m->said - s->start));
	y += font_body.line + 2;
	say_difference(t, &s->before, text, sizeof text);
	canvas_paragraph(&s->c, &font_small, (struct rect){ x, y, w, 0 }, 2, p->faint, text);
	s->before = *t;
}

static int frame(struct strip *s, size_t i, struct err *e)
{
	uint64_t now = s->m[i].at, skipped;
	int x = MARGIN + (int)(i % (size_t)s->across) * (slot_width(s) + GAP);
	int y = MARGIN + (int)(i / (size_t)s->across) * s->cell_h;
	const struct palette *p = s->o->palette;

	if (output_seek(s->p, s->o, now - s->start, &skipped, e) < 0)
		return -1;
	struct scene sc = output_scene(s->p, s->o, &s->shown, now);
	sc.exposed = s->then;
	s->then = now;
	if (output_structures(s->p, s->o, &s->shown, e) < 0)
		return -1;
	if (s->o->others) {
		paint_tiles(&s->c, &sc, tiles_room(x, y));
	} else {
		paint_map(&s->c, &s->p->model, &sc, &s->grid, x, y, s->scale);
		paint_outlines(&s->c, &sc, (struct rect){ x, y, s->fw, s->fh });
		canvas_frame(&s->c, (struct rect){ x, y, s->fw, s->fh }, 2, p->frame);
	}
	words(s, &s->m[i], x, y + s->fh + 8);
	return 0;
}

static void legend(struct strip *s)
{
	const struct palette *p = s->o->palette;
	const struct map *m = &s->p->model.map;
	static const struct {
		const char *name;
		enum class c;
	} rows[] = {
		{ "write", CL_WRITE }, { "read", CL_READ }, { "trim", CL_TRIM }, { "zero", CL_ZERO },
		{ "error", CL_ERROR },
	};
	int x = MARGIN, y = s->c.h - LEGEND + 10;
	char text[160], a[FMT_ROOM], b[FMT_ROOM];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum texture t = s->scale < TEXTURE_FROM ? TX_SOLID : texture_of(rows[i].c);
		paint_square(&s->c, x, y + 1, 20, t, p->class[rows[i].c], p->untouched);
		canvas_frame(&s->c, (struct rect){ x, y + 1, 20, 20 }, 1, p->frame);
		x = canvas_text(&s->c, &font_body, x + 28, y, p->ink, rows[i].name) + 24;
	}
	if (s->o->others)
		snprintf(text, sizeof text, "%zu disks on one clock", s->o->others + 1);
	else
		snprintf(text, sizeof text, "1 pixel = %s, disk %s", fmt_size(a, m->block * m->per_cell), fmt_size(b, m->size));
	if (x + text_width(&font_body, text) < s->c.w - MARGIN)
		canvas_text_right(&s->c, &font_body, s->c.w - MARGIN, y, p->faint, text);
}

/* The moment a step ends is just before the next begins. */
static struct moment end_of_step(const struct strip *s, const struct steps *st, size_t i)
{
	uint64_t next = i + 1 < st->n ? steps_begin(st, i + 1, s->start) : s->end;
	uint64_t at = i + 1 < st->n && next > s->start ? next - 1 : next;
	return (struct moment){ MIN(at, s->end), (int)i, MIN(next, s->end) };
}

static struct moment asked_for(const struct strip *s, const struct steps *st, uint64_t at)
{
	uint64_t t = s->start + MIN(at, INT64_MAX);
	return (struct moment){ t, st ? steps_at(st, t, s->start) : -1, t };
}

static int moments(struct strip *s, const uint64_t *at, size_t n, struct err *e)
{
	const struct steps *st = output_steps(s->p, s->o);

	s->n = n ? n : st ? st->n : 0;
	if (!s->n)
		return err_set(e, "no moments for a strip: --at=T1,T2,..., steps in --steps=FILE, or marks in a recording");
	if (!(s->m = calloc(s->n, sizeof *s->m)))
		return err_set(e, "no memory for a strip of %zu frames", s->n);
	for (size_t i = 0; i < s->n; i++)
		s->m[i] = n ? asked_for(s, st, at[i]) : end_of_step(s, st, i);
	return 0;
}

static int draw(struct strip *s, struct err *e)
{
	int rows = (int)((s->n + (size_t)s->across - 1) / (size_t)s->across);
	int64_t w = 2 * MARGIN + (int64_t)s->across * (slot_width(s) + GAP) - GAP;
	int64_t h = MARGIN + (int64_t)rows * s->cell_h + LEGEND;

	if (w * h > PIXELS_MAX)
		return err_set(e, "a strip of %zu frames is too large: %ld by %ld pixels", s->n, (long)w, (long)h);
	if (canvas_init(&s->c, (int)w, (int)h, e) < 0)
		return -1;
	canvas_fill(&s->c, (struct rect){ 0, 0, s->c.w, s->c.h }, s->o->palette->paper);
	for (size_t i = 0; i < s->n; i++)
		if (frame(s, i, e) < 0)
			return -1;
	legend(s);
	return 0;
}

int output_strip(struct play *p, const struct look_options *o, const uint64_t *at, size_t n, const char *file,
	struct err *e)
{
	struct strip s = { .p = p, .o = o, .start = output_start(p, o), .end = output_end(p, o) };
	uint64_t now;
	int r = -1;

	s.then = s.start;
	if (output_seek(p, o, 0, &now, e) == 0 && moments(&s, at, n, e) == 0) {
		s.grid = grid_of(&p->model.map, o->hilbert);
		shape(&s);
		r = draw(&s, e);
		if (!r)
			r = png_save(&s.c, file, e);
	}
	canvas_free(&s.c);
	output_shown_free(&s.shown);
	free(s.m);
	return r;
}
