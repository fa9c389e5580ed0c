/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/cut.h"
#include <stdlib.h>
#include <string.h>

void cutter_mark(struct cutter *c, uint64_t event, uint64_t time, const char *name, size_t len)
{
	if (c->marks == CUTS_MAX) {
		c->more = true;
		return;
	}
	struct cut *m = &c->mark[c->marks++];
	*m = (struct cut){ .event = event, .time = time, .changes = c->changes, .name = strndup(name, len) };
	c->no_memory |= !m->name;
}

/* Of the longest pauses so many are kept. */
static void add_gap(struct cutter *c, uint64_t event, uint64_t time, uint64_t pause)
{
	unsigned at = c->gaps;
	if (c->gaps == CUT_PAUSES_MAX) {
		at = 0;
		for (unsigned i = 1; i < c->gaps; i++)
			if (c->gap[i].pause < c->gap[at].pause)
				at = i;
		if (c->gap[at].pause >= pause)
			return;
	} else {
		c->gaps++;
	}
	c->gap[at] = (struct cut){ .event = event, .time = time, .changes = c->changes, .pause = pause };
}

void cutter_event(struct cutter *c, const struct rec_event *e, uint64_t number)
{
	if (e->type == REC_MARK)
		cutter_mark(c, number, e->time, (const char *)e->text, e->text_len);
	if (e->type == REC_BEGIN && c->events && e->time > c->last && e->time - c->last >= c->pause)
		add_gap(c, number, e->time, e->time - c->last);
	if (e->type == REC_BEGIN && (e->op == REC_WRITE || e->op == REC_ZERO || e->op == REC_TRIM))
		c->changes++;
	c->events++;
	c->last = e->time > c->last ? e->time : c->last;
}

static int by_event(const void *a, const void *b)
{
	const struct cut *x = a, *y = b;
	return (x->event > y->event) - (x->event < y->event);
}

void cutter_end(struct cutter *c)
{
	unsigned n = 0;
	uint64_t before = 0; /* changes, where the step before began */

	qsort(c->gap, c->gaps, sizeof *c->gap, by_event);
	for (unsigned i = 0; i < c->gaps; i++) {
		uint64_t after = i + 1 < c->gaps ? c->gap[i + 1].changes : c->changes;
		if (c->gap[i].changes == before && after == before)
			continue;
		before = c->gap[i].changes;
		c->gap[n++] = c->gap[i];
	}
	c->gaps = n;
}

void cutter_free(struct cutter *c)
{
	for (unsigned i = 0; i < c->marks; i++)
		free(c->mark[i].name);
	c->marks = c->gaps = 0;
}
