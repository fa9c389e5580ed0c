/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include "base/util.h"
#include "view/timeline.h"

static void join(uint32_t *to, const uint32_t *a, const uint32_t *b)
{
	for (int c = 0; c < TL_CLASSES; c++)
		to[c] = MIN(UINT32_MAX - a[c], b[c]) + a[c];
}

static void halve(struct timeline *t)
{
	for (int i = 0; i < TIMELINE_BINS / 2; i++)
		join(t->n[i], t->n[2 * i], t->n[2 * i + 1]);
	memset(t->n[TIMELINE_BINS / 2], 0, sizeof t->n / 2);
	t->bin *= 2;
}

/* An answer's line names the operation itself, so no table of requests is needed here. */
static int class_of(const struct event *ev)
{
	static const int of[EV_OPS] = {
		[EV_READ] = TL_READ, [EV_WRITE] = TL_WRITE, [EV_TRIM] = TL_TRIM, [EV_ZERO] = TL_ZERO,
		[EV_FLUSH] = TL_FLUSH, [EV_CACHE] = -1, [EV_EXTENTS] = -1,
	};
	if (ev->kind != EV_END || ev->op >= EV_OPS)
		return -1;
	return ev->err ? TL_ERROR : of[ev->op];
}

void timeline_start(struct timeline *t, uint64_t time)
{
	t->start = time;
	t->bin = NS_PER_MS;
}

void timeline_event(struct timeline *t, const struct event *ev)
{
	int c = class_of(ev);

	if (!t->bin)
		timeline_start(t, ev->time);
	while ((ev->time - t->start) / t->bin >= TIMELINE_BINS)
		halve(t);
	if (c >= 0)
		t->n[(ev->time - t->start) / t->bin][c]++;
}
