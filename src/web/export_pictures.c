/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures of a disk for an exported page. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "web/export.h"
#include "web/frame.h"
#include "web/pack.h"

static uint64_t since(const struct export_disk *x, uint64_t t)
{
	return t > x->start ? t - x->start : 0;
}

static bool add_frame(const struct export_disk *x, const struct play *p, uint64_t now, struct pack *to)
{
	struct view v = { .units = units_of(&p->model.map, x->cols, false, 0) };
	struct frame_moment f = { .start = x->start, .now = now, .newest = p->end };
	struct buf b = { .limit = FRAME_LIMIT };
	uint8_t len[4];

	v.area = (struct area){ .w = v.units.w, .h = v.units.h };
	bool ok = frame_put(&b, &p->model, &v, &f);
	put_le32(len, (uint32_t)b.len);
	if (ok) {
		pack_add(to, len, sizeof len);
		pack_add(to, b.p, b.len);
	}
	buf_free(&b);
	return ok;
}

int export_frames(const struct export_disk *x, struct buf *b, struct err *e)
{
	struct play p;
	struct pack *pack = pack_new(EXPORT_MAX);
	bool ok = pack && export_player(&p, x->feed, e) == 0;

	if (!ok) {
		if (pack)
			pack_end(pack, &(struct buf){ 0 });
		return e->msg[0] ? -1 : err_set(e, "out of memory");
	}
	buf_printf(b, "{\"disk\":%zu,\"t\":[", x->number);
	for (size_t i = 0; i < x->moments && ok; i++) {
		const struct moment m = { MOMENT_TIME, x->moment[i] };
		ok = export_walk(x, &p, &m, e) == 0 && p.has_model && add_frame(x, &p, m.at, pack);
		buf_printf(b, "%s%" PRIu64, i ? "," : "", since(x, x->moment[i]));
	}
	play_close(&p);
	buf_printf(b, "],\"z\":\"");
	ok = pack_end(pack, b) && ok;
	return buf_add(b, "\"}", 2) && ok ? 0 : e->msg[0] ? -1 : err_set(e, "out of memory, or the page would be too large");
}

int export_curve(const struct export_disk *x, struct buf *b, struct err *e)
{
	struct units u = units_of(&x->shape, x->cols, true, 0);
	struct pack *pack = pack_new(EXPORT_MAX);

	if (!pack)
		return err_set(e, "out of memory");
	for (uint64_t cell = 0; cell < x->shape.cells; cell++) {
		uint32_t cx, cy;
		units_place(&u, cell << x->shape.cell_shift, &cx, &cy);
		uint8_t four[4] = { (uint8_t)cx, (uint8_t)(cx >> 8), (uint8_t)cy, (uint8_t)(cy >> 8) };
		pack_add(pack, four, sizeof four);
	}
	buf_printf(b, "{\"disk\":%zu,\"z\":\"", x->number);
	return pack_end(pack, b) && buf_add(b, "\"}", 2) ? 0 : err_set(e, "out of memory");
}
