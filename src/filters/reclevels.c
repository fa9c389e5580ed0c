/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/reclevels.h"
#include <stdlib.h>

#define EXTENTS_BYTES (4 * (size_t)REC_TABLE_MAX * sizeof(struct rec_extent))

void reclevels_init(struct reclevels *l, struct recfile *f)
{
	*l = (struct reclevels){ .file = f };
	buf_init(&l->changes, EXTENTS_BYTES);
	for (unsigned i = 0; i < REC_LEVELS; i++)
		buf_init(&l->level[i].extents, EXTENTS_BYTES);
}

void reclevels_free(struct reclevels *l)
{
	buf_free(&l->changes);
	for (unsigned i = 0; i < REC_LEVELS; i++)
		buf_free(&l->level[i].extents);
}

/* A chunk without a table is read event by event. */
static void add(struct reclevels *l, const struct rec_extent *x)
{
	l->broken |= !buf_add(&l->changes, x, sizeof *x);
}

void reclevels_add(struct reclevels *l, const struct rec_open *o, uint64_t number)
{
	const struct rec_event *e = &o->event;
	struct rec_extent x = { e->off, e->len, REC_ZEROES, number };

	if (e->op == REC_TRIM || e->op == REC_ZERO)
		add(l, &x);
	for (size_t i = 0; i < o->count; i++) {
		x = (struct rec_extent){ o->runs[i].off, o->runs[i].len, o->runs[i].addr, number };
		add(l, &x);
	}
}

static void forget(struct reclevel *v)
{
	v->extents.len = 0;
	v->tables = 0;
}

/* It waits at its level for fifteen others, if it comes right behind those that wait already. */
static void keep(struct reclevel *v, const struct buf *cover, uint64_t first, uint64_t end)
{
	if (v->tables && v->end != first)
		forget(v);
	if (!v->tables)
		v->first = first;
	v->end = end;
	v->tables++;
	if (cover->len && !buf_add(&v->extents, cover->p, cover->len))
		forget(v); /* never mind: they are not merged */
}

/* What the later of the changes left of the earlier ones: a table of this level.  None is made of too many. */
static void make_table(struct reclevels *l, struct buf *changes, uint64_t first, uint64_t end, unsigned level)
{
	struct buf cover = { .limit = EXTENTS_BYTES };
	uint8_t *body = NULL;
	bool ok = rec_cover((void *)changes->p, changes->len / sizeof(struct rec_extent), &cover);
	size_t n = cover.len / sizeof(struct rec_extent);

	if (ok && n <= REC_TABLE_MAX && (body = malloc(MAX(n * REC_EXTENT_SIZE, (size_t)1)))) {
		struct rec_head h = { .kind = REC_TABLE, .level = (uint8_t)level, .raw = (uint32_t)(n * REC_EXTENT_SIZE), .first = first,
				      .count = end - first, .time = monotonic_ns() };
		rec_put_extents(body, (void *)cover.p, n);
		if (recfile_append(l->file, &h, body, true))
			keep(&l->level[level], &cover, first, end);
		free(body);
	}
	buf_free(&cover);
}

void reclevels_forget(struct reclevels *l)
{
	l->changes.len = 0;
	l->broken = false;
}

void reclevels_end_chunk(struct reclevels *l, uint64_t first, uint64_t end)
{
	if (!l->broken)
		make_table(l, &l->changes, first, end, 0);
	reclevels_forget(l);
	for (unsigned i = 0; i + 1 < REC_LEVELS && l->level[i].tables == REC_FANOUT; i++) {
		struct reclevel *v = &l->level[i];
		if (v->extents.len / sizeof(struct rec_extent) <= 2 * (size_t)REC_TABLE_MAX)
			make_table(l, &v->extents, v->first, v->end, i + 1);
		forget(v);
	}
}
