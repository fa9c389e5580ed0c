/* SPDX-License-Identifier: BSD-2-Clause */
/* Both maps and their difference in one picture. */
#include <stdio.h>
#include <stdlib.h>
#include "cmd/diff.h"
#include "view/fmt.h"
#include "view/output.h"

enum { PANEL = 600, MARGIN_ = 28, GAP = 36, TOP_ = 112, LEGEND = 84 };

enum kind { NEITHER, SAME, ONLY_A, ONLY_B, OTHERWISE, CONTENTS, KINDS };
static const struct {
	rgb colour;
	const char *name;
} kinds[KINDS] = {
	[NEITHER] = { 0x1b1b1f, "touched by neither" },       [SAME] = { 0x62626e, "the same in both" },
	[ONLY_A] = { 0x56b4e9, "changed only in A" },         [ONLY_B] = { 0xd55e00, "changed only in B" },
	[OTHERWISE] = { 0xf5f5f5, "changed in another way" }, [CONTENTS] = { 0xf0e442, "changed in both, contents differ" },
};

struct diff_picture {
	uint64_t size;
	struct model model[2];
	bool made[2];
	uint8_t *differs;      /* by cell, ours */
};

static bool see(void *arg, const struct rec_event *rec, const struct event *log)
{
	static const uint8_t kind_of[] = { [REC_BEGIN] = EV_BEGIN, [REC_CARRY] = EV_BEGIN, [REC_END] = EV_END, [REC_CONNECT] = EV_CONNECT,
					   [REC_DISCONNECT] = EV_DISCONNECT, [REC_MARK] = EV_NOTE, [REC_LOSS] = EV_NOTE };
	struct event ev;

	if (rec)
		ev = (struct event){ .time = rec->time, .conn = rec->conn, .id = rec->id, .off = rec->off, .len = rec->len,
				     .kind = kind_of[rec->type], .op = rec->op, .err = (int)rec->err };
	model_event(arg, rec ? &ev : log, NULL);
	return true;
}

static uint64_t disk_size(const struct stats *s)
{
	uint64_t size = 0;
	for (unsigned i = 0; i < s->conns; i++)
		size = MAX(size, s->conn[i].size);
	return size ? size : section_regions(s->whole) * s->whole->region_size;
}

void diff_picture_free(struct diff_picture *p)
{
	if (!p)
		return;
	for (unsigned k = 0; k < 2; k++)
		if (p->made[k])
			model_free(&p->model[k]);
	free(p->differs);
	free(p);
}

struct diff_picture *diff_picture_new(struct diff *d, struct err *e)
{
	struct diff_picture *p = calloc(1, sizeof *p);
	if (!p) {
		err_set(e, "out of memory");
		return NULL;
	}
	uint64_t a = disk_size(d->stats[0]), b = disk_size(d->stats[1]);
	p->size = MAX(a, b);
	for (unsigned k = 0; k < 2; k++) {
		struct source again;
		p->made[k] = model_init(&p->model[k], p->size, e) == 0;
		/* what is wrong with the file was told the first time */
		if (!p->made[k] || source_open(&again, d->source[k].path, e) < 0)
			goto fail;
		int rc = source_walk(&again, see, &p->model[k], e);
		source_close(&again);
		if (rc < 0)
			goto fail;
	}
	p->differs = calloc(MAX(p->model[0].map.cells, 1u), 1);
	if (p->differs)
		return p;
	err_set(e, "out of memory");
fail:
	diff_picture_free(p);
	return NULL;
}

void diff_picture_differs(void *picture, uint64_t off, uint64_t len)
{
	struct diff_picture *p = picture;
	uint64_t first = off >> p->model[0].map.cell_shift, last = (off + len - 1) >> p->model[0].map.cell_shift;
	for (; first <= last && first < p->model[0].map.cells; first++)
		p->differs[first] = 1;
}

static enum kind kind_of_cell(const struct diff_picture *p, uint32_t cell)
{
	const struct cell *a = &p->model[0].map.cell[cell], *b = &p->model[1].map.cell[cell];
	bool in_a = cell_state(a) != ST_NONE, in_b = cell_state(b) != ST_NONE, same = true;

	if (!in_a || !in_b)
		return in_a ? ONLY_A : in_b ? ONLY_B : NEITHER;
	for (unsigned s = 0; s < STATES; s++)
		same &= a->state[s] == b->state[s];
	return p->differs[cell] ? CONTENTS : same ? SAME : OTHERWISE;
}

/* Cells in a row, and pixels of one, so that a map is about PANEL wide and no higher than wide. */
static int shape(struct diff_picture *p, struct grid *g)
{
	unsigned cols = 1;
	while ((uint64_t)cols * cols < p->model[0].map.cells)
		cols *= 2;
	for (unsigned k = 0; k < 2; k++)
		map_set_cols(&p->model[k].map, cols);
	*g = grid_of(&p->model[0].map, false);
	return (int)MAX((unsigned)PANEL / g->cols, 1u);
}

static void put_title(struct canvas *c, int x, int w, const char *title, const char *below)
{
	const struct palette *p = &palette_default;
	canvas_paragraph(c, &font_bold, (struct rect){ x, TOP_ - 56, w, 0 }, 1, p->ink, title);
	canvas_paragraph(c, &font_small, (struct rect){ x, TOP_ - 30, w, 0 }, 1, p->faint, below);
}

static void put_map(struct canvas *c, const struct diff_picture *p, const struct diff *d, unsigned k, const struct grid *g, int x,
		    int scale)
{
	const struct stats *s = d->stats[k];
	/* long after everything: nothing flashes */
	struct scene sc = { .palette = &palette_default, .now = UINT64_MAX };
	char title[128], below[160], a[FMT_ROOM], b[FMT_ROOM], f[FMT_ROOM];
	const char *path = d->source[k].path, *name = path;

	for (const char *q = path; *q; q++)
		name = *q == '/' && q[1] ? q + 1 : name;
	snprintf(title, sizeof title, "%c: %.100s", "AB"[k], name);
	snprintf(below, sizeof below, "%s written, %s blocks, %s flushes", fmt_size(a, s->whole->op[REC_WRITE].bytes),
		 fmt_count(b, s->whole->distinct), fmt_count(f, s->whole->op[REC_FLUSH].ops));
	put_title(c, x, (int)g->cols * scale, title, below);
	paint_map(c, &p->model[k], &sc, g, x, TOP_, scale);
}

static int put_swatch(struct canvas *c, int x, int y, enum texture t, rgb colour, const char *name)
{
	const struct palette *p = &palette_default;
	struct rect box = { x, y, 18, 18 };
	paint_square(c, x, y, 18, t, colour, p->untouched);
	canvas_frame(c, box, 1, p->frame);
	return canvas_text(c, &font_body, x + 27, y - 3, p->ink, name) + 30;
}

int diff_picture_save(struct diff_picture *p, const struct diff *d, const char *file, struct err *e)
{
	const struct palette *pal = &palette_default;
	struct grid g;
	struct canvas c;
	char text[160], a[FMT_ROOM], b[FMT_ROOM];
	uint64_t count[KINDS] = { 0 };
	int scale = shape(p, &g), w = (int)g.cols * scale, h = (int)g.rows * scale;

	if (canvas_init(&c, 2 * MARGIN_ + 3 * MAX(w, 380) + 2 * GAP, TOP_ + h + LEGEND, e) < 0)
		return -1;
	canvas_fill(&c, (struct rect){ 0, 0, c.w, c.h }, pal->paper);
	snprintf(text, sizeof text, "Two sessions on a disk of %s, and what differs at the end", fmt_size(a, p->size));
	canvas_text(&c, &font_big, MARGIN_, 10, pal->ink, text);
	int step = MAX(w, 380) + GAP, x = MARGIN_ + 2 * step;
	for (unsigned k = 0; k < 2; k++) {
		put_map(&c, p, d, k, &g, MARGIN_ + (int)k * step, scale);
		canvas_frame(&c, (struct rect){ MARGIN_ + (int)k * step, TOP_, w, h }, 1, pal->frame);
	}
	for (uint32_t i = 0; i < p->model[0].map.cells; i++) {
		unsigned gx, gy;
		enum kind kind = kind_of_cell(p, i);
		grid_place(&g, i, &gx, &gy);
		canvas_fill(&c, (struct rect){ x + (int)gx * scale, TOP_ + (int)gy * scale, scale, scale }, kinds[kind].colour);
		count[kind]++;
	}
	canvas_frame(&c, (struct rect){ x, TOP_, w, h }, 1, pal->frame);
	if (d->data.compared)
		snprintf(text, sizeof text, "%s of %s blocks differ in what they hold", fmt_count(a, d->data.differ),
			 fmt_count(b, d->data.blocks));
	else
		snprintf(text, sizeof text, "what they hold was not compared: not both recordings have data");
	put_title(&c, x, w, "Difference", text);

	int y = TOP_ + h + 14, at = MARGIN_;
	bool textured = p->model[0].map.per_cell == 1 && scale >= TEXTURE_FROM;
	at = put_swatch(&c, at, y, TX_SOLID, pal->untouched, "untouched");
	at = put_swatch(&c, at, y, TX_SOLID, pal->class[CL_WRITE], "written");
	at = put_swatch(&c, at, y, textured ? texture_of(CL_TRIM) : TX_SOLID, pal->class[CL_TRIM], "trimmed");
	at = put_swatch(&c, at, y, textured ? texture_of(CL_ZERO) : TX_SOLID, pal->class[CL_ZERO], "zeroed");
	snprintf(text, sizeof text, "a pixel of the map: %s", fmt_size(a, 1ull << p->model[0].map.cell_shift));
	canvas_text(&c, &font_small, at + 8, y, pal->faint, text);
	y += 32;
	at = MARGIN_;
	canvas_text(&c, &font_body, at, y - 3, pal->faint, "Difference:");
	at += 120;
	for (unsigned i = 0; i < KINDS; i++)
		if (count[i] || i == SAME)
			at = put_swatch(&c, at, y, TX_SOLID, kinds[i].colour, kinds[i].name);
	int rc = png_save(&c, file, e);
	canvas_free(&c);
	return rc;
}
