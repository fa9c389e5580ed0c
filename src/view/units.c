/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/util.h"
#include "view/glow.h"
#include "view/units.h"

static unsigned log2_of(uint64_t n) { return 63u - (unsigned)__builtin_clzll(n); }

unsigned units_zoom_max(const struct map *m)
{
	return (log2_of(m->per_cell) + 1) / 2;
}

struct units units_of(const struct map *m, unsigned cols, bool hilbert, unsigned zoom)
{
	struct map shape = *m; /* only its shape is looked at */

	if (cols)
		map_set_cols(&shape, cols);
	zoom = MIN(zoom, units_zoom_max(m));
	struct units u = { .grid = grid_of(&shape, hilbert), .zoom = zoom, .unit_shift = m->cell_shift - 2 * zoom,
		.cell_shift = m->cell_shift, .size = m->size };
	u.w = u.grid.cols << zoom;
	u.h = u.grid.rows << zoom;
	return u;
}

/* ---- single units ---- */

/* Of the Hilbert curve through a square of 2^order: the quadrants in order are (0,0), (0,1), (1,1), (1,0); in the first and the
 * last the curve is turned. */
static uint64_t curve_number(unsigned order, uint32_t x, uint32_t y)
{
	uint64_t d = 0;

	while (order-- > 0) {
		uint32_t s = (uint32_t)1 << order, right = x >> order & 1, down = y >> order & 1;
		d = d << 2 | ((3 * right) ^ down);
		x &= s - 1;
		y &= s - 1;
		if (!down) {
			uint32_t swap = right ? s - 1 - x : x;
			x = right ? s - 1 - y : y;
			y = swap;
		}
	}
	return d;
}

static void curve_place(unsigned order, uint64_t d, uint32_t *x, uint32_t *y)
{
	*x = *y = 0;
	for (unsigned i = 0; i < order; i++) {
		uint32_t s = (uint32_t)1 << i, right = d >> (2 * i + 1) & 1, down = (uint32_t)(d >> 2 * i & 1) ^ right;
		if (!down) {
			uint32_t swap = right ? s - 1 - *x : *x;
			*x = right ? s - 1 - *y : *y;
			*y = swap;
		}
		*x += s * right;
		*y += s * down;
	}
}

static unsigned order_of(const struct units *u) { return log2_of(u->grid.side) + u->zoom; }

bool units_range(const struct units *u, uint32_t x, uint32_t y, uint64_t *off, uint64_t *len)
{
	unsigned z = u->zoom;
	uint64_t n;

	if (x >= u->w || y >= u->h)
		return false;
	if (u->grid.hilbert) {
		unsigned order = order_of(u);
		uint32_t side = (uint32_t)1 << order;
		n = ((uint64_t)(x >> order) << 2 * order) + curve_number(order, x & (side - 1), y);
	} else {
		uint32_t mask = ((uint32_t)1 << z) - 1;
		n = ((uint64_t)(y >> z) * u->grid.cols + (x >> z)) << 2 * z;
		n |= (uint64_t)(y & mask) << z | (x & mask);
	}
	if (n >= (uint64_t)u->grid.cells << 2 * z || n << u->unit_shift >= u->size)
		return false;
	*off = n << u->unit_shift;
	*len = MIN((uint64_t)1 << u->unit_shift, u->size - *off);
	return true;
}

void units_place(const struct units *u, uint64_t off, uint32_t *x, uint32_t *y)
{
	uint64_t n = off >> u->unit_shift;
	unsigned z = u->zoom;

	if (u->grid.hilbert) {
		unsigned order = order_of(u);
		curve_place(order, n & (((uint64_t)1 << 2 * order) - 1), x, y);
		*x += (uint32_t)(n >> 2 * order) << order;
	} else {
		uint32_t mask = ((uint32_t)1 << z) - 1, cell = (uint32_t)(n >> 2 * z);
		*x = (cell % u->grid.cols << z) + (uint32_t)(n & mask);
		*y = (cell / u->grid.cols << z) + (uint32_t)(n >> z & mask);
	}
}

/* ---- all of an area ---- */

struct walk {
	const struct units *u;
	struct area a; /* within the picture, but for its w, which numbers units */
	uint32_t right, bottom;
	units_visit *visit;
	void *arg;
};

static void visit(const struct walk *w, uint32_t x, uint32_t y, uint64_t number)
{
	const struct units *u = w->u;
	uint64_t off = number << u->unit_shift;

	if (number < (uint64_t)u->grid.cells << 2 * u->zoom && off < u->size)
		w->visit(w->arg, (size_t)(y - w->a.y) * w->a.w + (x - w->a.x), off, MIN((uint64_t)1 << u->unit_shift, u->size - off));
}

static void walk_rows(const struct walk *w)
{
	unsigned z = w->u->zoom;
	uint32_t cut = (uint32_t)1 << z;

	for (uint32_t cy = w->a.y >> z; cy << z < w->bottom; cy++)
		for (uint32_t cx = w->a.x >> z; cx << z < w->right; cx++) {
			uint64_t first = ((uint64_t)cy * w->u->grid.cols + cx) << 2 * z;
			uint32_t left = MAX(w->a.x, cx << z), right = MIN(w->right, (cx << z) + cut);
			for (uint32_t y = MAX(w->a.y, cy << z); y < MIN(w->bottom, (cy << z) + cut); y++)
				for (uint32_t x = left; x < right; x++)
					visit(w, x, y, first + ((uint64_t)(y - (cy << z)) << z) + (x - (cx << z)));
		}
}

/* A square of 2^order and how the curve lies in it: the curve's own (x, y) is at x0 + x * ux + y * vx, y0 + x * uy + y * vy. */
struct square {
	unsigned order, next; /* next: quadrant to go into, 4: done */
	int64_t x0, y0;
	int ux, uy, vx, vy;
	uint64_t first; /* number of its first unit */
};

static bool apart(const struct walk *w, const struct square *q)
{
	int64_t far = ((int64_t)1 << q->order) - 1, x1 = q->x0 + far * (q->ux + q->vx), y1 = q->y0 + far * (q->uy + q->vy);
	return MAX(q->x0, x1) < w->a.x || MIN(q->x0, x1) >= w->right || MAX(q->y0, y1) < w->a.y || MIN(q->y0, y1) >= w->bottom;
}

static struct square quadrant(const struct square *q, unsigned i)
{
	unsigned order = q->order - 1;
	int64_t s = (int64_t)1 << order;
	struct square c = *q;

	c.order = order;
	c.next = 0;
	c.first = q->first + ((uint64_t)i << 2 * order);
	switch (i) {
	case 0: /* turned: x and y change places */
		c.ux = q->vx, c.uy = q->vy, c.vx = q->ux, c.vy = q->uy;
		break;
	case 1:
		c.x0 += s * q->vx;
		c.y0 += s * q->vy;
		break;
	case 2:
		c.x0 += s * (q->ux + q->vx);
		c.y0 += s * (q->uy + q->vy);
		break;
	default: /* turned the other way */
		c.x0 += (2 * s - 1) * q->ux + (s - 1) * q->vx;
		c.y0 += (2 * s - 1) * q->uy + (s - 1) * q->vy;
		c.ux = -q->vx, c.uy = -q->vy, c.vx = -q->ux, c.vy = -q->uy;
		break;
	}
	return c;
}

#define ORDER_MAX 20 /* 512 cells, cut in 2^7 */

static void walk_curve(const struct walk *w, struct square whole)
{
	struct square at[ORDER_MAX];
	unsigned n = 1;

	at[0] = whole;
	while (n) {
		struct square *q = &at[n - 1];
		if (q->next == 0 && apart(w, q)) {
			n--;
		} else if (q->order == 0) {
			visit(w, (uint32_t)q->x0, (uint32_t)q->y0, q->first);
			n--;
		} else if (q->next == 4) {
			n--;
		} else {
			at[n++] = quadrant(q, q->next++);
		}
	}
}

void units_walk(const struct units *u, struct area a, units_visit *visit_one, void *arg)
{
	struct walk w = { u, a, (uint32_t)MIN((uint64_t)a.x + a.w, u->w), (uint32_t)MIN((uint64_t)a.y + a.h, u->h), visit_one, arg };
	unsigned order = order_of(u);

	if (a.x >= w.right || a.y >= w.bottom)
		return;
	if (!u->grid.hilbert) {
		walk_rows(&w);
		return;
	}
	for (uint32_t i = 0; i < u->w >> order; i++)
		walk_curve(&w, (struct square){ .order = order, .x0 = (int64_t)i << order, .ux = 1, .vy = 1,
			.first = (uint64_t)i << 2 * order });
}

/* ---- what there is to see ---- */

struct fill {
	const struct map *m;
	uint64_t now, exposed;
	uint32_t cell;   /* whose glow is in look */
	struct unit look;
	struct unit *to;
};

static uint8_t share_of(uint64_t n, uint64_t all)
{
	return n == all ? 0 : 2 * n >= all ? 1 : 8 * n >= all ? 2 : 3;
}

/* As cell_state(): the most common one of those that something happened to. */
static void set_state(struct unit *u, const uint64_t count[STATES])
{
	uint64_t all = count[ST_NONE];
	unsigned best = ST_NONE;

	for (unsigned s = ST_WRITE; s < STATES; s++) {
		all += count[s];
		if (count[s] && (best == ST_NONE || count[s] > count[best]))
			best = s;
	}
	u->state = (uint8_t)best;
	u->share = share_of(count[best], all);
}

static struct unit glow_of(const struct fill *f, const struct cell *c)
{
	enum class which;
	unsigned glow = MIN(cell_glow(c, f->now, f->exposed, f->m->per_cell > 1, &which), 255u);
	return (struct unit){ .class = glow ? (uint8_t)(which + 1) : 0, .glow = (uint8_t)glow };
}

/* A whole cell. */
static void fill_cell(const struct fill *f, const struct cell *c, struct unit *to)
{
	const uint32_t *n = c->state;

	*to = glow_of(f, c);
	if (f->m->per_cell == 1) {
		to->state = (uint8_t)(n[ST_WRITE] * ST_WRITE + n[ST_TRIM] * ST_TRIM + n[ST_ZERO] * ST_ZERO); /* one of them is 1, or none */
	} else if (n[ST_WRITE] | n[ST_TRIM] | n[ST_ZERO]) {
		const uint64_t count[STATES] = { n[0], n[1], n[2], n[3] };
		set_state(to, count);
	}
}

/* Cells row by row, as they lie in memory. */
static void fill_rows(const struct fill *f, const struct units *u, struct area a)
{
	uint32_t n = a.x < u->w ? MIN(a.w, u->w - a.x) : 0;

	for (uint32_t y = a.y; n && y < u->h && y - a.y < a.h; y++) {
		uint64_t first = (uint64_t)y * u->grid.cols + a.x;
		struct unit *to = f->to + (size_t)(y - a.y) * a.w;
		for (uint32_t i = 0; i < n && first + i < u->grid.cells; i++)
			fill_cell(f, &f->m->cell[first + i], to + i);
	}
}

static void fill_one(void *arg, size_t i, uint64_t off, uint64_t len)
{
	struct fill *f = arg;
	uint32_t cell = (uint32_t)(off >> f->m->cell_shift);
	const struct cell *c = &f->m->cell[cell];
	uint64_t count[STATES];

	if (cell != f->cell) {
		f->look = glow_of(f, c);
		f->cell = cell;
	}
	if (off << (64 - f->m->cell_shift) == 0 && len >= MIN(f->m->block * f->m->per_cell, f->m->size - off)) {
		for (unsigned s = 0; s < STATES; s++)
			count[s] = c->state[s];
	} else {
		uint64_t first = off / f->m->block;
		map_count(f->m, first, (off + len - 1) / f->m->block - first + 1, count);
	}
	f->to[i] = f->look;
	set_state(&f->to[i], count);
}

void units_fill(const struct units *u, const struct map *m, struct area a, uint64_t now, uint64_t exposed, struct unit *to)
{
	struct fill f = { .m = m, .now = now, .exposed = exposed, .cell = UINT32_MAX, .to = to };

	for (size_t i = 0; i < (size_t)a.w * a.h; i++)
		to[i] = (struct unit){ .state = UNIT_OUTSIDE };
	if (!u->zoom && !u->grid.hilbert)
		fill_rows(&f, u, a);
	else
		units_walk(u, a, fill_one, &f);
}
