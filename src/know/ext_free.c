/* SPDX-License-Identifier: BSD-2-Clause */
/* What the block bitmaps say: free, or in use.  Both lie below all that is referred to, so that what is in use and shows through is lost.
 * Space of deleted files is told where it is free, the rest of a cluster where it is in use. */
#include <stdlib.h>
#include "base/util.h"
#include "know/ext.h"

struct run {
	struct ext *x;
	uint64_t block, len;         /* blocks */
	bool free;
	size_t next[2];              /* claims in use, on free space: those before this one end before the run */
	size_t end[2];
};

/* --- claims that do not overlap --- */

static int by_block(const void *a, const void *b)
{
	const struct ext_claim *p = a, *q = b;

	if (p->on_free != q->on_free)
		return p->on_free - q->on_free;
	if (p->block != q->block)
		return p->block < q->block ? -1 : 1;
	return p->when != q->when ? (p->when > q->when ? -1 : 1) : p->file < q->file ? -1 : p->file > q->file;
}

static void cut_head(const struct ext *x, struct ext_claim *c, uint64_t block)
{
	uint64_t n = block - c->block;

	c->block = block;
	c->len -= MIN(n, c->len);
	if (c->home != KNOW_NOWHERE)
		c->home += n * x->s.block;
}

/* The one of the newest deletion has what two of them claim. */
static void settle(struct ext *x)
{
	size_t kept = 0;

	if (x->claims)
		qsort(x->claim, x->claims, sizeof *x->claim, by_block);
	for (size_t i = 0; i < x->claims; i++) {
		struct ext_claim c = x->claim[i], *last = kept ? &x->claim[kept - 1] : NULL;
		uint64_t end = last && last->on_free == c.on_free ? last->block + last->len : 0;
		if (c.block < end && c.when > last->when)
			last->len = c.block - last->block;
		else if (c.block < end)
			cut_head(x, &c, end);
		if (c.len)
			x->claim[kept++] = c;
	}
	x->claims = kept;
}

/* --- runs --- */

static void say(const struct run *r, uint64_t block, uint64_t end)
{
	if (block < end)
		ext_add(r->x, KNOW_LAYER_FREE, r->free ? KNOW_FREE : KNOW_UNKNOWN, block, end - block, 0, r->free ? 0 : KNOW_LOST);
}

static void flush(struct run *r)
{
	uint64_t at = r->block, end = r->block + r->len;
	size_t *next = &r->next[r->free];

	for (; *next < r->end[r->free] && at < end; ++*next) {
		const struct ext_claim *c = &r->x->claim[*next];
		uint64_t to = MIN(c->block + c->len, end);
		if (c->block >= end)
			break;
		if (to > at) {
			struct ext_claim part = *c;
			if (part.block < at)
				cut_head(r->x, &part, at);
			say(r, at, part.block);
			ext_add_claim(r->x, &part, to - part.block);
			at = to;
		}
		if (c->block + c->len > end)
			break; /* goes on in the next run */
	}
	say(r, at, end);
	r->len = 0;
}

static void extend(struct run *r, bool is_free, uint64_t block, uint64_t len)
{
	if (r->len && (r->free != is_free || r->block + r->len != block))
		flush(r);
	if (!r->len) {
		r->block = block;
		r->free = is_free;
	}
	r->len += len;
}

/* n bits, a cluster each, as runs. */
static void bits(struct run *r, const uint8_t *p, uint64_t n, uint64_t first, uint64_t end)
{
	uint64_t ratio = r->x->s.ratio;

	for (uint64_t i = 0, from; i < n;) {
		bool used = p[i / 8] >> (i % 8) & 1;
		uint8_t all = used ? 0xff : 0;
		for (from = i; i < n && (p[i / 8] >> (i % 8) & 1) == used;) {
			if (i % 64 == 0 && i + 64 <= n && get_le64(p + i / 8) == (used ? UINT64_MAX : 0))
				i += 64;
			else if (i % 8 == 0 && i + 8 <= n && p[i / 8] == all)
				i += 8;
			else
				i++;
		}
		extend(r, !used, first + from * ratio, MIN(first + i * ratio, end) - (first + from * ratio));
	}
}

static void group(struct run *r, uint64_t g)
{
	struct ext *x = r->x;
	uint64_t first = ext_group_first(x, g), blocks = ext_group_blocks(x, g), n = (blocks + x->s.ratio - 1) / x->s.ratio;
	bool uninit = ext_bitmap_uninit(x, 0, g), here = first < x->have;
	const uint8_t *p = uninit || !here ? NULL : ext_bitmap(x, 0, g);

	if (uninit && here)
		extend(r, true, first, blocks); /* but for what lies in it by geometry, which covers this */
	else if (p)
		bits(r, p, n, first, first + blocks);
	ext_add(x, KNOW_LAYER_PLAIN, KNOW_BLOCK_BITMAP, x->group[g].block_bitmap, 1, g,
		(uninit ? KNOW_UNWRITTEN : 0) | (x->group[g].block_bad ? KNOW_BAD : 0));
}

void ext_free_space(struct ext *x)
{
	struct run r = { .x = x };

	settle(x);
	for (size_t i = 0; i < x->claims; i++)
		r.end[x->claim[i].on_free] = i + 1;
	r.next[1] = r.end[0];
	r.end[1] = MAX(r.end[1], r.end[0]);
	for (uint64_t g = 0; g < x->groups && !know_stopped(x->b); g++)
		if (x->group[g].ok)
			group(&r, g);
	flush(&r);
}
