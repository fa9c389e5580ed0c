/* SPDX-License-Identifier: BSD-2-Clause */
/* Chunks: from logical addresses to this device. */
#include <inttypes.h>
#include <stdlib.h>
#include "know/btrfs.h"

enum {
	C_LEN = 0, C_STRIPE_LEN = 16, C_TYPE = 24, C_STRIPES = 44, C_SUB = 46, C_STRIPE = 48, STRIPE_LEN = 32,
	RAID0 = 0x08, RAID10 = 0x40, RAID5 = 0x80, RAID6 = 0x100,
	RESERVED = 1 << 20, /* of the device's start: for a boot loader, and the first superblock */
};

size_t btrfs_find(const struct btrfs *f, uint64_t logical)
{
	size_t low = 0, high = f->chunks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (f->chunk[middle].logical + f->chunk[middle].len <= logical)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many stripes' worth of content a chunk has; 0: it cannot be. */
static uint32_t data_stripes(const struct btrfs_chunk *c)
{
	if (c->type & RAID10)
		return c->sub && c->stripes % c->sub == 0 ? c->stripes / c->sub : 0;
	if (c->type & (RAID5 | RAID6)) {
		uint32_t parity = c->type & RAID5 ? 1 : 2;
		return c->stripes > parity ? c->stripes - parity : 0;
	}
	return c->type & RAID0 ? c->stripes : 1;
}

static uint32_t copies_of(const struct btrfs_chunk *c)
{
	return c->type & (RAID0 | RAID5 | RAID6) ? 1 : c->type & RAID10 ? c->sub : c->stripes;
}

void btrfs_add_chunk(struct btrfs *f, uint64_t logical, const uint8_t *item, size_t size)
{
	struct btrfs_chunk c = { .logical = logical };
	size_t at = btrfs_find(f, logical);

	if (size < C_STRIPE)
		return;
	c.len = get_le64(item + C_LEN);
	c.type = get_le64(item + C_TYPE);
	c.stripe_len = get_le64(item + C_STRIPE_LEN);
	c.stripes = get_le16(item + C_STRIPES);
	c.sub = get_le16(item + C_SUB);
	if (at < f->chunks && f->chunk[at].logical == logical && f->chunk[at].len == c.len)
		return; /* the superblock has some of them, too */
	bool overlap = at < f->chunks && f->chunk[at].logical < logical + c.len;
	if (!c.len || c.len > UINT64_MAX - logical || overlap || !c.stripes || c.stripes > (size - C_STRIPE) / STRIPE_LEN ||
		!data_stripes(&c) ||
		(data_stripes(&c) > 1 && (c.stripe_len < 512 || c.stripe_len > UINT32_MAX || c.stripe_len & (c.stripe_len - 1)))) {
		btrfs_complain(f, "the chunk at %" PRIu64 " makes no sense", logical);
		return;
	}
	if (!btrfs_room(&f->chunk, sizeof *f->chunk, f->chunks, &f->chunk_room, BTRFS_CHUNKS_MAX) ||
		!(c.place = malloc(c.stripes * sizeof *c.place)))
		return;
	for (uint32_t i = 0; i < c.stripes; i++) {
		const uint8_t *s = item + C_STRIPE + (size_t)i * STRIPE_LEN;
		c.place[i] = get_le64(s) == f->device ? get_le64(s + 8) : UINT64_MAX;
	}
	if (at < f->chunks)
		memmove(f->chunk + at + 1, f->chunk + at, (f->chunks - at) * sizeof *f->chunk);
	f->chunk[at] = c;
	f->chunks++;
}

/* Of RAID0 and its like: which stripe, and where in it. */
static uint32_t striped(const struct btrfs_chunk *c, uint64_t in, unsigned copy, uint64_t *at)
{
	uint64_t number = in / c->stripe_len, data = data_stripes(c), row = number / data, which = number % data;

	*at = row * c->stripe_len + in % c->stripe_len;
	if (c->type & RAID10)
		return copy < c->sub ? (uint32_t)(which * c->sub + copy) : UINT32_MAX;
	if (copy)
		return UINT32_MAX;
	return (uint32_t)(c->type & (RAID5 | RAID6) ? (which + row) % c->stripes : which);
}

bool btrfs_place(const struct btrfs *f, uint64_t logical, uint64_t len, unsigned copy, uint64_t *at, uint64_t *run)
{
	size_t i = btrfs_find(f, logical);
	uint64_t in, inside;
	uint32_t stripe;

	if (i == f->chunks || logical < f->chunk[i].logical)
		return false;
	const struct btrfs_chunk *c = f->chunk + i;
	in = logical - c->logical;
	*run = MIN(len, c->len - in);
	if (c->type & (RAID0 | RAID10 | RAID5 | RAID6)) {
		*run = MIN(*run, c->stripe_len - in % c->stripe_len);
		stripe = striped(c, in, copy, &inside);
		if (stripe >= c->stripes || c->place[stripe] == UINT64_MAX)
			return false;
		return !__builtin_add_overflow(c->place[stripe], inside, at);
	}
	for (stripe = 0; stripe < c->stripes; stripe++)
		if (c->place[stripe] != UINT64_MAX && copy-- == 0)
			return !__builtin_add_overflow(c->place[stripe], in, at);
	return false;
}

/* Of one copy.  A piece of a striped chunk that lies on another device is left out. */
static void add_copy(struct btrfs *f, enum know_layer layer, uint64_t logical, uint64_t len, unsigned copy, struct know_region r)
{
	for (uint64_t done = 0, run; done < len && !know_stopped(f->b); done += run) {
		run = 0;
		r.len = len - done;
		if (btrfs_place(f, logical + done, len - done, copy, &r.off, &run)) {
			r.len = run;
			know_add(f->b, f->volume, layer, &r);
		}
		if (!run) /* in no chunk */
			return;
		if (r.home != KNOW_NOWHERE)
			r.home += run;
	}
}

void btrfs_add(struct btrfs *f, enum know_layer layer, uint64_t logical, uint64_t len, const struct know_region *r)
{
	struct know_region mine = *r;
	size_t i = btrfs_find(f, logical);
	unsigned copies = i < f->chunks ? MIN(copies_of(f->chunk + i), (uint32_t)BTRFS_COPIES) : 0;

	for (unsigned copy = 0; copy < copies; copy++) {
		add_copy(f, layer, logical, len, copy, mine);
		mine.flags |= r->kind == KNOW_FREE ? 0 : KNOW_COPY;
	}
}

/* --- the device --- */

struct part {
	uint64_t at, len;
};

static int by_place(const void *a, const void *b)
{
	const struct part *l = a, *r = b;
	return (l->at > r->at) - (l->at < r->at);
}

static void add_gap(struct btrfs *f, uint64_t from, uint64_t to)
{
	if (from < RESERVED && from < to)
		know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_BOOT, from, MIN(to, (uint64_t)RESERVED) - from, 0, 0);
	from = MAX(from, (uint64_t)RESERVED);
	if (from < to)
		know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_FREE, from, to - from, 0, 0);
}

void btrfs_add_rest(struct btrfs *f, uint64_t end)
{
	size_t n = 0, all = 0;
	uint64_t done = 0;

	for (size_t i = 0; i < f->chunks; i++)
		all += f->chunk[i].stripes;
	struct part *part = calloc(all + 1, sizeof *part);
	if (!part)
		return;
	for (size_t i = 0; i < f->chunks; i++)
		for (uint32_t s = 0; s < f->chunk[i].stripes; s++)
			if (f->chunk[i].place[s] != UINT64_MAX)
				part[n++] = (struct part){ .at = f->chunk[i].place[s],
					.len = f->chunk[i].len / data_stripes(f->chunk + i) };
	qsort(part, n, sizeof *part, by_place);
	for (size_t i = 0; i < n && done < end; i++) {
		add_gap(f, done, MIN(part[i].at, end));
		done = MAX(done, part[i].len > UINT64_MAX - part[i].at ? UINT64_MAX : part[i].at + part[i].len);
	}
	add_gap(f, done, end);
	free(part);
}

void btrfs_free_chunks(struct btrfs *f)
{
	for (size_t i = 0; i < f->chunks; i++)
		free(f->chunk[i].place);
	free(f->chunk);
}
