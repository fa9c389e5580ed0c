/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/frame.h"
#include "base/bytes.h"
#include "view/paint.h"

#define ENTRY 4 /* bytes of a run */

/* ---- runs ---- */

void run_end(struct run *r, struct buf *b)
{
	uint8_t bytes[ENTRY] = { (uint8_t)r->count, (uint8_t)(r->count >> 8), (uint8_t)r->what, (uint8_t)(r->what >> 8) };

	if (r->count)
		buf_add(b, bytes, sizeof bytes);
	r->count = 0;
}

void run_add(struct run *r, struct buf *b, uint16_t what)
{
	if (r->count && (r->what != what || r->count == UINT16_MAX))
		run_end(r, b);
	r->what = what;
	r->count++;
}

/* ---- a unit ---- */

/* How much of a unit is in its state: 0 all, 1 half or more, 2 an eighth or more, 3 less. */
static unsigned share(uint64_t part, uint64_t all)
{
	return part == all ? 0 : part * 2 >= all ? 1 : part * 8 >= all ? 2 : 3;
}

static unsigned state_bits(const uint64_t count[STATES])
{
	enum state s = map_most(count);
	uint64_t all = 0;

	for (int i = 0; i < STATES; i++)
		all += count[i];
	return s == ST_NONE ? 0 : (unsigned)s | share(count[s], all) << 6;
}

static unsigned state_of(const struct map *m, const struct units *u, const struct cell *c, uint64_t off)
{
	uint64_t count[STATES];

	if (u->zoom) {
		uint64_t block = off / m->block;
		map_count(m, block, MIN(MAX(u->bytes / m->block, (uint64_t)1), m->blocks - block), count);
	} else {
		for (int i = 0; i < STATES; i++)
			count[i] = c->state[i];
	}
	return state_bits(count);
}

static uint16_t look_at(const struct map *m, const struct view *v, uint64_t off, uint64_t now)
{
	const struct cell *c = &m->cell[off >> m->cell_shift];
	enum class which = CL_READ;
	unsigned what = state_of(m, &v->units, c, off), strength = flash_of(c, now, m->per_cell > 1, &which);

	if (v->keep && c->last[CL_READ] && !(what & 7) && (!strength || which == CL_READ)) {
		strength = MAX(strength, EXPOSED);
		which = CL_READ;
	}
	if (strength)
		what |= ((unsigned)which + 1) << 3;
	return (uint16_t)(what | MIN(strength, 255u) << 8);
}

/* ---- the whole ---- */

static uint64_t since(const struct frame_moment *f, uint64_t t)
{
	return t > f->start ? t - f->start : 0;
}

static uint32_t in_32(uint64_t n)
{
	return (uint32_t)MIN(n, (uint64_t)UINT32_MAX);
}

static void put_head(uint8_t *p, const struct model *m, const struct view *v, const struct frame_moment *f)
{
	static const enum ev_op ops[] = { EV_READ, EV_WRITE, EV_TRIM, EV_ZERO, EV_FLUSH };

	p = put_le32(p, 0x31465342); /* BSF1 */
	p = put_le32(p, f->flags);
	p = put_le64(p, since(f, f->now));
	p = put_le64(p, m->events);
	p = put_le64(p, since(f, f->newest));
	p = put_le32(p, v->w);
	p = put_le32(p, v->h);
	p = put_le32(p, m->open.open);
	p = put_le32(p, v->units.grid.cols);
	p = put_le64(p, m->total.errors);
	p = put_le64(p, m->last_flush ? since(f, m->last_flush) : UINT64_MAX);
	p = put_le64(p, m->last_error ? since(f, m->last_error) : UINT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct count rate = model_rate(m, ops[i], MAX(f->now, m->last));
		p = put_le64(p, m->total.op[ops[i]].ops);
		p = put_le64(p, m->total.op[ops[i]].bytes);
		p = put_le32(p, in_32(rate.ops));
		p = put_le32(p, in_32(rate.bytes >> 10));
	}
}

bool frame_put(struct buf *b, const struct model *m, const struct view *v, const struct frame_moment *f)
{
	struct run run = { 0 };

	/* room for the worst, so that nothing below can fail */
	if (!buf_reserve(b, FRAME_HEAD + (size_t)v->w * v->h * ENTRY))
		return false;
	put_head((uint8_t *)b->p + b->len, m, v, f);
	b->len += FRAME_HEAD;
	for (uint64_t y = v->y; y < v->y + v->h; y++)
		for (uint64_t x = v->x; x < v->x + v->w; x++) {
			uint64_t off;
			bool inside = units_offset(&v->units, m->map.size, x, y, &off);
			run_add(&run, b, inside ? look_at(&m->map, v, off, f->now) : FRAME_OUTSIDE);
		}
	run_end(&run, b);
	return true;
}
