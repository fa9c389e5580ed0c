/* SPDX-License-Identifier: BSD-2-Clause */
/* From regions that were added in any order and lie over each other, to a map that tiles the disk.
 *
 * Each region has a rank: that of its volume, then its layer.  They are sorted by where they begin; a heap holds those that the sweep
 * is in, the greatest rank (of one rank, the one that was added first) at the top, which is what the map shows there. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "know/inside.h"

struct flat {
	struct know_build *b;
	struct know_key *key;         /* b->regions, by begin */
	uint32_t *heap;               /* indices of regions; beaten of them */
	size_t beaten;
	uint16_t rank[KNOW_VOLUMES_MAX];
	size_t room;                  /* of map->region */
	struct {                      /* of a rank */
		uint64_t end;         /* how far it has come */
		uint32_t i, first;    /* which region has; which one began, since when there has been no gap */
		bool kept;            /* the first one was, with those that share */
	} last[KNOW_VOLUMES_MAX * 4];
	size_t share_room;
};

static unsigned rank_of(const struct flat *f, uint32_t i)
{
	const struct know_region *r = &f->b->region[i];
	return f->rank[r->volume] * 4u + (r->kind >> KNOW_LAYER_SHIFT);
}

static bool beats(const struct flat *f, uint32_t i, uint32_t k)
{
	unsigned a = rank_of(f, i), b = rank_of(f, k);
	return a != b ? a > b : i < k;
}

static uint64_t end_of(const struct flat *f, uint32_t i)
{
	return f->b->region[i].off + f->b->region[i].len;
}

/* --- the heap --- */

static void push(struct flat *f, uint32_t i)
{
	size_t at = f->beaten++;
	for (; at && beats(f, i, f->heap[(at - 1) / 2]); at = (at - 1) / 2)
		f->heap[at] = f->heap[(at - 1) / 2];
	f->heap[at] = i;
}

static void pop(struct flat *f)
{
	uint32_t i = f->heap[--f->beaten];
	size_t at = 0, child;
	for (; (child = 2 * at + 1) < f->beaten; at = child) {
		if (child + 1 < f->beaten && beats(f, f->heap[child + 1], f->heap[child]))
			child++;
		if (beats(f, i, f->heap[child]))
			break;
		f->heap[at] = f->heap[child];
	}
	f->heap[at] = i;
}

/* --- the sweep --- */

static void emit(struct flat *f, uint32_t i, uint64_t from, uint64_t to)
{
	struct know_map *m = f->b->map;
	struct know_region r = f->b->region[i];

	r.kind &= KNOW_KIND_MASK;
	if (r.home != KNOW_NOWHERE)
		r.home += from - r.off;
	r.off = from;
	r.len = to - from;
	if (m->regions && know_continues(&m->region[m->regions - 1], &r))
		m->region[m->regions - 1].len += r.len;
	else if (know_room(f->b, &m->region, &f->room, m->regions, SIZE_MAX / sizeof r, sizeof r))
		m->region[m->regions++] = r;
}

static void keep_share(struct flat *f, uint32_t i)
{
	struct know_map *m = f->b->map;
	struct know_region r = f->b->region[i];

	r.kind &= KNOW_KIND_MASK;
	if (r.kind == KNOW_FILE_DATA && know_room(f->b, &m->share, &f->share_room, m->shares, KNOW_REGIONS_MAX, sizeof r))
		m->share[m->shares++] = r;
}

static bool may_share(const struct flat *f, const struct know_region *r, const struct know_region *o)
{
	bool inside = r->kind >> KNOW_LAYER_SHIFT == KNOW_LAYER_INSIDE + 1; /* what is in files that share */
	return f->b->extra[r->volume].may_share && (inside || (r->kind == o->kind && (r->kind & KNOW_KIND_MASK) == KNOW_FILE_DATA));
}

/* Does another of its own volume and layer claim the same byte? */
static void note_claim(struct flat *f, uint32_t i)
{
	const struct know_region *r = &f->b->region[i];
	unsigned rank = rank_of(f, i);

	if (r->off >= f->last[rank].end) {
		f->last[rank].first = i;
		f->last[rank].kept = false;
	} else {
		const struct know_region *o = &f->b->region[f->last[rank].i];
		struct know_extra *x = &f->b->extra[r->volume];
		if (may_share(f, r, o)) {
			if (!f->last[rank].kept)
				keep_share(f, f->last[rank].first);
			f->last[rank].kept = true;
			keep_share(f, i);
		} else if (!x->claims++) {
			x->claim[0] = *o;
			x->claim[1] = *r;
		}
	}
	if (end_of(f, i) > f->last[rank].end) {
		f->last[rank].end = end_of(f, i);
		f->last[rank].i = i;
	}
}

static void sweep(struct flat *f)
{
	size_t n = f->b->regions, k = 0;

	for (uint64_t at = 0; at < f->b->map->size && !f->b->no_memory;) {
		for (; k < n && f->key[k].key <= at; k++) {
			note_claim(f, f->key[k].i);
			push(f, f->key[k].i);
		}
		while (end_of(f, f->heap[0]) <= at) /* the filling of volume 0 ends where the disk does */
			pop(f);
		uint32_t top = f->heap[0];
		uint64_t to = end_of(f, top);
		for (; k < n && f->key[k].key < to; k++) {
			if (beats(f, f->key[k].i, top)) {
				to = f->key[k].key;
				break;
			}
			note_claim(f, f->key[k].i);
			push(f, f->key[k].i);
		}
		emit(f, top, at, to);
		at = to;
	}
}

/* --- before and after --- */

/* Deeper volumes cover those above; of two side by side, the first. */
static void rank_volumes(struct flat *f)
{
	const struct know_map *m = f->b->map;
	uint16_t rank = 0;

	for (unsigned depth = 0; depth < KNOW_DEPTH_MAX; depth++)
		for (size_t v = m->volumes; v-- > 0;)
			if (m->volume[v].depth == depth)
				f->rank[v] = rank++;
}

static bool add_filling(struct know_build *b)
{
	struct know_region *more = realloc(b->region, (b->regions + b->map->volumes) * sizeof *more);

	if (!more)
		return false;
	b->region = more;
	for (size_t v = 0; v < b->map->volumes; v++)
		b->region[b->regions++] = (struct know_region){ .off = b->map->volume[v].off, .len = b->map->volume[v].len,
			.home = KNOW_NOWHERE, .file = KNOW_NO_FILE, .volume = (uint16_t)v, .kind = b->extra[v].fill };
	return true;
}

static void note_claims(struct know_build *b)
{
	char one[160], other[160];

	b->full = false; /* a note may still be made */
	for (unsigned v = 0; v < b->map->volumes; v++) {
		struct know_extra *x = &b->extra[v];
		if (!x->claims)
			continue;
		x->claim[0].kind &= KNOW_KIND_MASK;
		x->claim[1].kind &= KNOW_KIND_MASK;
		know_words(b->map, &x->claim[0], one, sizeof one);
		know_words(b->map, &x->claim[1], other, sizeof other);
		know_note(b, v, "%" PRIu64 " place%s claimed twice, the first at byte %" PRIu64 " of the disk: %s; and %s", x->claims,
			  x->claims == 1 ? " is" : "s are", x->claim[1].off, one, other);
	}
}

void know_flatten(struct know_build *b)
{
	struct flat *f = calloc(1, sizeof *f);
	struct know_key *tmp = NULL;

	if (!f || b->no_memory || b->told || !b->map->size || !add_filling(b)) {
		b->no_memory |= !f || (!b->told && b->map->size);
		free(f);
		return;
	}
	f->b = b;
	f->key = malloc(b->regions * sizeof *f->key);
	tmp = malloc(b->regions * sizeof *tmp);
	if (f->key && tmp) {
		for (size_t i = 0; i < b->regions; i++)
			f->key[i] = (struct know_key){ .key = b->region[i].off, .i = (uint32_t)i };
		know_sort(f->key, tmp, b->regions);
	}
	free(tmp);
	f->heap = tmp && f->key ? malloc(b->regions * sizeof *f->heap) : NULL;
	if (f->heap) {
		rank_volumes(f);
		sweep(f);
		note_claims(b);
		know_count_shares(b);
	}
	b->no_memory |= !f->heap;
	free(f->heap);
	free(f->key);
	free(f);
}

const struct know_region *know_find(const struct know_map *m, uint64_t off)
{
	size_t low = 0, high = m->regions;

	if (off >= m->size)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->region[middle].off + m->region[middle].len <= off)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->regions ? &m->region[low] : NULL;
}
