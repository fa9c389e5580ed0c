/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the disk are, over the map: an outline around each, names where there is room, and which colour is what. */
#include "view/paint.h"

#define CASED 5 /* canvas pixels per cell: from here on a dark line goes along each outline */

static uint8_t class_at(const struct outlines *o, int64_t x, int64_t y)
{
	bool on = x >= 0 && y >= 0 && x < o->units.w && y < o->units.h;
	return on ? o->class[(size_t)y * o->units.w + (size_t)x] : KC_NOTHING;
}

/* The edges of a cell where another part begins. */
static void paint_edges(struct canvas *c, const struct outlines *o, int64_t x, int64_t y, struct rect r, int in, int thick, rgb colour)
{
	uint8_t mine = class_at(o, x, y);

	if (class_at(o, x, y - 1) != mine)
		canvas_fill(c, (struct rect){ r.x, r.y + in, r.w, thick }, colour);
	if (class_at(o, x, y + 1) != mine)
		canvas_fill(c, (struct rect){ r.x, r.y + r.h - in - thick, r.w, thick }, colour);
	if (class_at(o, x - 1, y) != mine)
		canvas_fill(c, (struct rect){ r.x + in, r.y, thick, r.h }, colour);
	if (class_at(o, x + 1, y) != mine)
		canvas_fill(c, (struct rect){ r.x + r.w - in - thick, r.y, thick, r.h }, colour);
}

/* A cell of one or two pixels has no room for an edge: it is tinted. */
static void paint_tint(struct canvas *c, const struct outlines *o, int64_t x, int64_t y, struct rect r, rgb colour)
{
	uint8_t mine = class_at(o, x, y);
	bool edge = class_at(o, x, y - 1) != mine || class_at(o, x, y + 1) != mine || class_at(o, x - 1, y) != mine ||
		    class_at(o, x + 1, y) != mine;

	if (edge)
		canvas_mix(c, r, colour, 200);
}

/* Where an area of cells lies on the canvas. */
static struct rect place(const struct outlines *o, struct rect map, struct area a)
{
	unsigned w = (unsigned)map.w, h = (unsigned)map.h;
	int left = (int)(a.x * w / o->units.w), top = (int)(a.y * h / o->units.h);
	int right = (int)((a.x + a.w) * w / o->units.w), bottom = (int)((a.y + a.h) * h / o->units.h);
	return (struct rect){ map.x + left, map.y + top, MAX(right - left, 1), MAX(bottom - top, 1) };
}

static void paint_names(struct canvas *c, const struct palette *p, const struct outlines *o, struct rect map)
{
	char text[160];

	for (size_t i = 0; i < o->parts; i++) {
		const struct part *part = &o->part[i];
		struct rect box = place(o, map, part->box);
		const char *name = part_words(o->know, part, text, sizeof text);
		int w = text_width(&font_small, name), h = font_small.line;
		if (w + 12 > box.w)
			w = text_width(&font_small, name = part_class_words(part->class));
		if (w + 12 > box.w || h + 4 > box.h)
			continue;
		struct rect under = { box.x + 3, box.y + 3, w + 6, h };
		canvas_mix(c, under, p->paper, 225);
		canvas_text(c, &font_small, under.x + 3, under.y, p->structure[part->class], name);
	}
}

void paint_outlines(struct canvas *c, const struct scene *s, struct rect map)
{
	const struct outlines *o = s->outlines;

	if (!o || !o->know || !o->units.w || !o->units.h)
		return;
	int scale = map.w / (int)o->units.w, thick = scale >= 9 ? 2 : 1;
	for (uint32_t y = 0; y < o->units.h; y++)
		for (uint32_t x = 0; x < o->units.w; x++) {
			uint8_t class = o->class[(size_t)y * o->units.w + x];
			struct rect r = place(o, map, (struct area){ x, y, 1, 1 });
			if (class == KC_NOTHING)
				continue;
			if (scale >= CASED) /* so that it is seen on any colour */
				paint_edges(c, o, x, y, r, thick, 1, s->palette->paper);
			if (scale > 2)
				paint_edges(c, o, x, y, r, 0, thick, s->palette->structure[class]);
			else
				paint_tint(c, o, x, y, r, s->palette->structure[class]);
		}
	paint_names(c, s->palette, o, map);
}

static void note_classes(const struct outlines *o, bool there[KC_CLASSES])
{
	if (!o || !o->know)
		return;
	for (size_t i = 0; i < (size_t)o->units.w * o->units.h; i++)
		there[o->class[i]] = true;
}

/* In a line of w pixels, those that are on the map. */
void paint_outlines_legend(struct canvas *c, const struct scene *s, int x, int y, int w)
{
	bool there[KC_CLASSES] = { false };
	int right = x + w;

	if (!s->tiles)
		note_classes(s->outlines, there);
	for (size_t i = 0; i < s->tiles; i++)
		note_classes(s->tile[i].outlines, there);
	for (unsigned i = KC_TABLE; i < KC_CLASSES; i++) {
		const char *name = part_class_words((enum know_class)i);
		if (!there[i] || x + 14 + text_width(&font_small, name) > right)
			continue;
		canvas_frame(c, (struct rect){ x + 2, y + 5, 8, 8 }, 2, s->palette->structure[i]);
		x = canvas_text(c, &font_small, x + 16, y, s->palette->ink, name) + 14;
	}
}
