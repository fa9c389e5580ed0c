/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/frame.h"
#include <stdlib.h>
#include "web/cells.h"

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

	p = put_le32(p, 0x32465342); /* BSF2 */
	p = put_le32(p, f->flags);
	p = put_le64(p, since(f, f->now));
	p = put_le64(p, m->events);
	p = put_le64(p, since(f, f->newest));
	p = put_le32(p, v->area.w);
	p = put_le32(p, v->area.h);
	p = put_le32(p, model_in_flight(m));
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

static uint16_t bits_of(struct unit u)
{
	return (uint16_t)(u.state | u.class << 3 | u.share << 6 | u.glow << 8);
}

bool frame_put(struct buf *b, const struct model *m, const struct view *v, const struct frame_moment *f)
{
	size_t n = (size_t)v->area.w * v->area.h;
	struct unit *unit = malloc(MAX(n, (size_t)1) * sizeof *unit);
	uint16_t *cell = malloc(MAX(n, (size_t)1) * sizeof *cell);

	/* room for the worst, so that nothing below can fail */
	if (!unit || !cell || !buf_reserve(b, FRAME_HEAD + cells_room(n))) {
		free(unit);
		free(cell);
		return false;
	}
	put_head((uint8_t *)b->p + b->len, m, v, f);
	units_fill(&v->units, &m->map, v->area, f->now, v->keep, unit);
	for (size_t i = 0; i < n; i++)
		cell[i] = bits_of(unit[i]);
	b->len = (size_t)(cells_put((uint8_t *)b->p + b->len + FRAME_HEAD, cell, n) - (uint8_t *)b->p);
	free(unit);
	free(cell);
	return true;
}
