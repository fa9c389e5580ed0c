/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/paint.h"

enum texture texture_of(enum class c)
{
	static const enum texture of[CLASSES] = {
		[CL_READ] = TX_DOT, [CL_WRITE] = TX_SOLID, [CL_TRIM] = TX_HATCH, [CL_ZERO] = TX_HOLLOW,
		[CL_ERROR] = TX_CROSS,
	};
	return of[c];
}

/* A texture has two weights: pixels get all of the colour, 256, or this much of it. */
static const unsigned weak[] = { [TX_SOLID] = 256, [TX_HATCH] = 140, [TX_HOLLOW] = 150, [TX_DOT] = 170, [TX_CROSS] = 120 };

/* Does the pixel at (x, y) of a square get the lesser weight? */
static inline bool is_weak(enum texture t, int x, int y, int size, int diagonal)
{
	int inset = (size + 2) / 4, far = size - 1 - inset;
	bool inside = x >= inset && x <= far && y >= inset && y <= far;

	switch (t) {
	case TX_HATCH:
		return diagonal % 6 < 2;
	case TX_HOLLOW:
		return inside;
	case TX_DOT:
		return !inside;
	case TX_CROSS:
		return !(x == y || x == size - 1 - y || x == y + 1 || x + 1 == size - 1 - y);
	case TX_SOLID:
		break;
	}
	return false;
}

void paint_square(struct canvas *c, int x, int y, int size, enum texture t, rgb colour, rgb under)
{
	for (int dy = 0; dy < size; dy++) {
		for (int dx = 0; dx < size; dx++) {
			/* the hatch runs on from one square to the next */
			bool less = is_weak(t, dx, dy, size, x + dx + y + dy);
			canvas_put(c, x + dx, y + dy, less ? rgb_mix(under, colour, weak[t]) : colour);
		}
	}
}

static const enum class class_of[STATES] = { [ST_WRITE] = CL_WRITE, [ST_TRIM] = CL_TRIM, [ST_ZERO] = CL_ZERO };

/* The class with most blocks gives the hue; the more of the cell it has, the brighter.
 * Colours of classes are never mixed with each other. */
static rgb state_colour(const struct palette *p, const struct cell *c, enum state s)
{
	if (s == ST_NONE)
		return p->untouched;
	uint64_t all = 0;
	for (int i = 0; i < STATES; i++)
		all += c->state[i];
	unsigned share = (unsigned)(256ull * c->state[s] / all);
	/* one block of thousands must still be seen */
	return rgb_mix(p->untouched, p->class[class_of[s]], 104 + share * 152 / 256);
}

struct look {
	enum texture base, over;
	rgb under, colour, flash; /* below the texture; of the state; of the activity */
	unsigned strength;        /* of the flash, 0..256 */
};

static struct look look_of(const struct scene *sc, const struct cell *c, bool many)
{
	const struct palette *p = sc->palette;

	enum state s = cell_state(c);
	enum class f;
	struct look l = {
		.base = s == ST_NONE ? TX_SOLID : texture_of(class_of[s]),
		.under = p->untouched, .colour = state_colour(p, c, s),
	};

	l.strength = cell_glow(c, sc->now, sc->exposed, many, &f);
	l.over = texture_of(f);
	l.flash = p->class[f];
	return l;
}

static void paint_plain(struct canvas *c, int x, int y, int size, const struct look *l)
{
	rgb v = l->strength ? rgb_mix(l->colour, l->flash, l->strength) : l->colour;
	for (int dy = 0; dy < size; dy++)
		for (int dx = 0; dx < size; dx++)
			canvas_put(c, x + dx, y + dy, v);
}

/* Two textures of two weights each: four colours at most. */
struct mixes {
	rgb of[2][2]; /* base weak or not, over weak or not */
};

static struct mixes mixes_of(const struct look *l)
{
	struct mixes m;

	for (int base = 0; base < 2; base++) {
		rgb v = rgb_mix(l->under, l->colour, base ? weak[l->base] : 256);
		m.of[base][0] = rgb_mix(v, l->flash, l->strength);
		m.of[base][1] = rgb_mix(v, l->flash, l->strength * weak[l->over] / 256);
	}
	return m;
}

static void paint_textured(struct canvas *c, int x, int y, int size, const struct look *l)
{
	if (l->base == TX_SOLID && !l->strength) {
		paint_plain(c, x, y, size, l);
		return;
	}
	struct mixes m = mixes_of(l);
	for (int dy = 0; dy < size; dy++) {
		for (int dx = 0; dx < size; dx++) {
			int d = x + dx + y + dy;
			canvas_put(c, x + dx, y + dy, m.of[is_weak(l->base, dx, dy, size, d)][is_weak(l->over, dx, dy, size, d)]);
		}
	}
}

static unsigned importance(const struct look *l)
{
	return l->strength * 2 + (l->base != TX_SOLID || l->colour != l->under);
}

/* Of the cells that share a pixel, the one that most happens to; else one that changed.  False: there is none. */
static bool look_of_pixel(const struct model *m, const struct scene *s, const struct layout *l, int x, int y, struct look *best)
{
	unsigned w = (unsigned)l->map.w, h = (unsigned)l->map.h;
	unsigned left = (unsigned)x * l->grid.cols / w, right = ((unsigned)x + 1) * l->grid.cols / w;
	unsigned top = (unsigned)y * l->grid.rows / h, bottom = ((unsigned)y + 1) * l->grid.rows / h;
	bool any = false;
	uint32_t cell;

	for (unsigned gy = top; gy < MAX(bottom, top + 1); gy++)
		for (unsigned gx = left; gx < MAX(right, left + 1); gx++) {
			if (!grid_cell(&l->grid, gx, gy, &cell))
				continue;
			struct look k = look_of(s, &m->map.cell[cell], m->map.per_cell > 1);
			if (!any || importance(&k) > importance(best))
				*best = k;
			any = true;
		}
	return any;
}

void paint_map_fitted(struct canvas *c, const struct model *m, const struct scene *s, const struct layout *l)
{
	struct rect map = l->map;
	int cols = (int)l->grid.cols, rows = (int)l->grid.rows;
	struct look k;

	if (map.w >= cols && map.h >= rows) {
		for (uint32_t i = 0; i < m->map.cells; i++) {
			unsigned gx, gy;
			grid_place(&l->grid, i, &gx, &gy);
			int left = (int)gx * map.w / cols, right = ((int)gx + 1) * map.w / cols;
			int top = (int)gy * map.h / rows, bottom = ((int)gy + 1) * map.h / rows;
			k = look_of(s, &m->map.cell[i], m->map.per_cell > 1);
			rgb v = k.strength ? rgb_mix(k.colour, k.flash, k.strength) : k.colour;
			canvas_fill(c, (struct rect){ map.x + left, map.y + top, right - left, bottom - top }, v);
		}
		return;
	}
	for (int y = 0; y < map.h; y++)
		for (int x = 0; x < map.w; x++)
			if (look_of_pixel(m, s, l, x, y, &k))
				paint_plain(c, map.x + x, map.y + y, 1, &k);
}

void paint_map(struct canvas *c, const struct model *m, const struct scene *s, const struct grid *g, int x, int y,
	int scale)
{
	bool many = m->map.per_cell > 1, textured = !many && scale >= TEXTURE_FROM;

	for (uint32_t i = 0; i < m->map.cells; i++) {
		struct look l = look_of(s, &m->map.cell[i], many);
		unsigned gx, gy;
		grid_place(g, i, &gx, &gy);
		(textured ? paint_textured : paint_plain)(c, x + (int)gx * scale, y + (int)gy * scale, scale, &l);
	}
}
