/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a log: reader, model of a disk, and painter.
 * The first byte chooses disk and order, the second the piece size the bytes arrive in. */
/* Aims at src: trace/read_log view/model view/map view/inflight view/timeline view/paint.* */
#include <stdlib.h>
#include <string.h>
#include "trace/read_log.h"
#include "view/paint.h"

enum { PAINT = ' ', LARGE_DISK = '@' };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* As a player does: hand out whole lines, keep the rest, never more than a line of it. */
static void feed(struct model *m, struct timeline *t, struct log_reader *r, const char *p, size_t n, size_t piece)
{
	const char *from = p;
	struct event ev;

	for (size_t have = 0; have < n;) {
		have += piece < n - have ? piece : n - have;
		while (log_next(r, &from, p + have, &ev)) {
			model_event(m, &ev, NULL);
			timeline_event(t, &ev);
		}
		if ((size_t)(p + have - from) > LOG_LINE_MAX)
			abort();
	}
}

static void check(const struct map *m)
{
	for (uint32_t i = 0; i < m->cells; i++) {
		uint64_t sum = 0;
		for (int s = 0; s < STATES; s++)
			sum += m->cell[i].state[s];
		if (sum != map_cell_blocks(m, i))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint64_t sizes[] = { 0, 1, 4097, 300000, MIB(1) - 1, MIB(1), MIB(64) - 1, MIB(2048) + 1 };
	static struct model m;
	static struct timeline t;
	struct log_reader r = { 0 };
	struct canvas c;
	struct err e;

	if (n < 2)
		return 0;
	uint64_t size = sizes[data[0] & 7];
	if (data[1] != LARGE_DISK) /* slow, so seldom */
		size = MIN(size, MIB(1));
	if (model_init(&m, size, &e) < 0)
		return 0;
	t = (struct timeline){ 0 };
	feed(&m, &t, &r, (const char *)data + 2, n - 2, 1u + data[1] * 16u);
	check(&m.map);
	uint64_t now = MAX(m.last, t.start);
	struct scene s = {
		.palette = data[0] & 0x20 ? &palette_classic : &palette_default, .hilbert = data[0] & 0x40,
		.help = data[0] & 0x80,
		.start = t.start, .now = now, .end = now,
		.timeline = &t, .pointer_x = 200, .pointer_y = 200, .bad = r.bad, .overlong = r.overlong,
		.lost = r.lost,
	};
	if (data[1] == PAINT && canvas_init(&c, PAINT_W, PAINT_H, &e) == 0) {
		paint_screen(&c, &m, &s);
		canvas_free(&c);
	}
	model_free(&m);
	return 0;
}
