/* SPDX-License-Identifier: BSD-2-Clause */
/* Data that several files have in common (reflinks, snapshots): the map shows the first of them, and how many more there are. */
#include <stdlib.h>
#include "base/util.h"
#include "know/inside.h"

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static uint64_t end_of(const struct know_region *r) { return r->off + r->len; }

/* Those who claim a place, counted on the way through the disk. */
struct count {
	const struct know_map *m;
	uint64_t *end;         /* shares, sorted */
	size_t begun, ended;
};

/* How many claim the byte at `at`, which is never before that of the call before; *until: as far as that holds at most. */
static size_t claims_at(struct count *c, uint64_t at, uint64_t *until)
{
	while (c->begun < c->m->shares && c->m->share[c->begun].off <= at)
		c->begun++;
	while (c->ended < c->m->shares && c->end[c->ended] <= at)
		c->ended++;
	if (c->begun < c->m->shares)
		*until = MIN(*until, c->m->share[c->begun].off);
	if (c->ended < c->m->shares)
		*until = MIN(*until, c->end[c->ended]);
	return c->begun - c->ended;
}

void know_count_shares(struct know_build *b)
{
	struct know_map *m = b->map;
	struct know_region *to = NULL;
	struct count c = { .m = m };
	size_t n = 0, room = 0;

	if (!m->shares || b->no_memory || !(c.end = malloc(m->shares * sizeof *c.end)))
		return;
	for (size_t i = 0; i < m->shares; i++)
		c.end[i] = end_of(&m->share[i]);
	qsort(c.end, m->shares, sizeof *c.end, compare);
	for (size_t i = 0; i < m->regions && !b->no_memory; i++) {
		struct know_region r = m->region[i];
		for (uint64_t end = end_of(&r), until; r.off < end; r.off = until) {
			until = end;
			size_t claims = claims_at(&c, r.off, &until);
			if (r.kind != KNOW_FILE_DATA || !b->extra[r.volume].may_share)
				until = end;
			else
				r.number = claims > 1 ? claims - 1 : 0;
			r.len = until - r.off;
			if (n && know_continues(&to[n - 1], &r))
				to[n - 1].len += r.len;
			else if (know_room(b, &to, &room, n, SIZE_MAX / sizeof *to, sizeof *to))
				to[n++] = r;
			else
				break;
			r.home += r.home == KNOW_NOWHERE ? 0 : r.len;
		}
	}
	free(c.end);
	free(m->region);
	m->region = to;
	m->regions = n;
}

const struct know_region *know_shared(const struct know_map *m, const struct know_region *r, uint64_t off, size_t *at)
{
	for (; *at < m->shares && m->share[*at].off <= off; ++*at) {
		const struct know_region *o = &m->share[*at];
		bool same = o->file == r->file && (r->home == KNOW_NOWHERE || o->home - o->off == r->home - r->off); /* r itself */
		if (end_of(o) > off && !same && r->kind == KNOW_FILE_DATA && r->number) {
			++*at;
			return o;
		}
	}
	return NULL;
}
