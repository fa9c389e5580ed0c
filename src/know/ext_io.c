/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading as after a replay; adding; the few helpers that all of them want. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/util.h"
#include "know/ext.h"

enum { JOURNAL_MAGIC = 0xc03b3998, RETRIES = 4096 };

/* --- reading --- */

/* The first one at or behind block. */
static size_t redo_from(const struct ext *x, uint64_t block)
{
	size_t low = 0, high = x->redos;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->redo[mid].home < block)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int read_redo(struct ext *x, const struct ext_redo *r, uint8_t *to)
{
	int rc = know_read(x->b, x->volume, r->at * x->s.block, x->s.block, to);
	if (rc == 0 && r->escaped)
		put_be32(to, JOURNAL_MAGIC);
	return rc;
}

/* Block by block, when not all of them can be read: zeroes for those. */
static int read_singly(struct ext *x, uint64_t block, size_t n, uint8_t *to, int rc)
{
	size_t size = x->s.block;
	bool some = false;

	for (size_t i = 0; i < n; i++, to += size)
		if (x->retries < RETRIES && know_read(x->b, x->volume, (block + i) * size, size, to) == 0) {
			some = true;
		} else {
			memset(to, 0, size);
			x->retries++;
		}
	return some ? 0 : rc;
}

int ext_read(struct ext *x, uint64_t block, size_t n, void *to)
{
	size_t size = x->s.block;
	uint8_t *p = to;

	if (block > UINT64_MAX / size - n)
		return EINVAL;
	int rc = know_read(x->b, x->volume, block * size, n * size, p);
	if (rc && n > 1)
		rc = read_singly(x, block, n, p, rc);
	for (size_t i = redo_from(x, block); i < x->redos && x->redo[i].home < block + n; i++)
		if (read_redo(x, &x->redo[i], p + (x->redo[i].home - block) * size) == 0)
			rc = 0;
	return rc;
}

const uint8_t *ext_peek(struct ext *x, uint64_t block)
{
	size_t i = redo_from(x, block);

	if (i < x->redos && x->redo[i].home == block)
		return read_redo(x, &x->redo[i], x->one) ? NULL : x->one;
	return block < x->have ? know_peek(x->b, x->volume, block * x->s.block, x->s.block) : NULL;
}

bool ext_inode_read(struct ext *x, uint32_t ino, uint8_t *to)
{
	uint64_t group = (ino - 1) / x->s.inodes_per_group, in = (uint64_t)((ino - 1) % x->s.inodes_per_group) * x->s.inode_size;

	if (!ino || ino > x->s.inodes || group >= x->groups || !x->group[group].ok)
		return false;
	const uint8_t *p = ext_peek(x, x->group[group].inode_table + in / x->s.block);
	if (p)
		memcpy(to, p + in % x->s.block, x->s.inode_size);
	return p;
}

/* --- lists --- */

bool ext_room(struct ext *x, void *array, size_t *room, size_t used, size_t max, size_t size)
{
	if (know_grow(array, room, used, max, size))
		return true;
	if (!x->full)
		know_note(x->b, x->volume, "too much to keep in mind: some of its directories, journal or deleted files is left out");
	x->full = true;
	return false;
}

uint32_t ext_file(const struct ext *x, uint32_t ino)
{
	size_t low = 0, high = x->inos;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->ino[mid] < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->inos && x->ino[low] == ino ? x->first_file + (uint32_t)low : KNOW_NO_FILE;
}

/* --- words --- */

void ext_say(struct ext *x, enum ext_sort sort, const char *fmt, ...)
{
	char line[300];
	va_list ap;

	if (x->said[sort]++ >= EXT_SAY_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	know_note(x->b, x->volume, "%s", line);
}

void ext_said(struct ext *x)
{
	static const char *const sorts[EXT_SORTS] = {
		[EXT_SAY_NODE] = "extent nodes or indirect blocks that are wrong",
		[EXT_SAY_RANGE] = "files with blocks that cannot be theirs",
		[EXT_SAY_INODE] = "inodes whose checksum is wrong",
		[EXT_SAY_DIR] = "directory blocks that are wrong",
		[EXT_SAY_ENTRY] = "directory entries of inodes that are not in use",
		[EXT_SAY_GROUP] = "group descriptors that are wrong",
		[EXT_SAY_XATTR] = "blocks of extended attributes that are wrong",
		[EXT_SAY_BITMAP] = "bitmaps that are wrong",
	};
	for (unsigned i = 0; i < EXT_SORTS; i++)
		if (x->said[i] > EXT_SAY_MAX)
			know_note(x->b, x->volume, "and %u more %s", x->said[i] - EXT_SAY_MAX, sorts[i]);
}

/* --- regions --- */

bool ext_inside(const struct ext *x, uint64_t block, uint64_t len)
{
	return block >= MAX(x->s.first_data_block, 1u) && len && block < x->s.blocks && len <= x->s.blocks - block;
}

static void add(struct ext *x, enum know_layer layer, struct know_region *r, uint64_t block, uint64_t len)
{
	if (block >= x->have || !len)
		return;
	r->off = block * x->s.block;
	r->len = MIN(len, x->have - block) * x->s.block;
	know_add(x->b, x->volume, layer, r);
}

void ext_add(struct ext *x, enum know_layer layer, enum know_kind kind, uint64_t block, uint64_t len, uint64_t number, unsigned flags)
{
	struct know_region r = { .number = number, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE, .kind = (uint8_t)kind,
		.flags = (uint8_t)flags };

	add(x, layer, &r, block, len);
}

void ext_add_of(struct ext *x, enum know_kind kind, uint64_t block, uint64_t len, uint32_t file, uint64_t home, unsigned flags)
{
	struct know_region r = { .home = home, .file = file, .kind = (uint8_t)kind, .flags = (uint8_t)flags };

	add(x, KNOW_LAYER_PLAIN, &r, block, len);
	if (x->s.ratio > 1)
		ext_claim_cluster(x, &(struct ext_claim){ .block = block, .len = len, .home = home, .file = file, .kind = (uint8_t)kind });
}

void ext_add_node(struct ext *x, uint64_t block, uint32_t file, bool indirect, unsigned flags)
{
	struct know_region r = { .number = indirect, .home = KNOW_NOWHERE, .file = file, .kind = KNOW_EXTENT_NODE,
		.flags = (uint8_t)flags };

	add(x, KNOW_LAYER_PLAIN, &r, block, 1);
	if (x->s.ratio > 1)
		ext_claim_cluster(x, &(struct ext_claim){ .block = block, .len = 1, .home = KNOW_NOWHERE, .file = file,
			.kind = KNOW_EXTENT_NODE, .number = indirect });
}

void ext_claim(struct ext *x, const struct ext_claim *c)
{
	if (c->block < x->have && ext_room(x, &x->claim, &x->claims_room, x->claims, EXT_CLAIMS_MAX, sizeof *x->claim))
		x->claim[x->claims++] = *c;
}

void ext_add_claim(struct ext *x, const struct ext_claim *c, uint64_t len)
{
	struct know_region r = { .home = c->home, .number = c->number, .file = c->file, .kind = c->kind, .flags = c->flags };
	add(x, KNOW_LAYER_FREE, &r, c->block, len);
}

void ext_claim_cluster(struct ext *x, const struct ext_claim *c)
{
	uint64_t ratio = x->s.ratio, before = c->block % ratio, end = c->block + c->len, after = (ratio - end % ratio) % ratio;
	struct ext_claim rest = *c;

	if (ratio == 1 || !c->len)
		return;
	rest.flags |= KNOW_UNWRITTEN;
	if (before) {
		uint64_t in_file = before * x->s.block;
		rest.block = c->block - before;
		rest.len = before;
		/* A cluster of the file lies in a cluster of the disk as it does in the file. */
		rest.home = c->home != KNOW_NOWHERE && c->home >= in_file ? c->home - in_file : KNOW_NOWHERE;
		ext_claim(x, &rest);
	}
	if (after) {
		rest.block = end;
		rest.len = after;
		rest.home = c->home == KNOW_NOWHERE ? KNOW_NOWHERE : c->home + c->len * x->s.block;
		ext_claim(x, &rest);
	}
}
