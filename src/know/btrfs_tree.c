/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes of trees. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "know/btrfs.h"
#include "know/crc32c.h"

enum {
	N_FSID = 32, N_AT = 48, N_ITEMS = 96, N_LEVEL = 100, N_LEN = 101, SUM_LEN = 32,
	KEY = 17, ITEM = 25, I_OFFSET = 17, I_SIZE = 21, POINTER = 33, P_AT = 17,
};

void btrfs_complain(struct btrfs *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	know_complain(f->b, f->volume, &f->complaints, fmt, args);
	va_end(args);
}

struct btrfs_key btrfs_key(const uint8_t *p)
{
	return (struct btrfs_key){ .id = get_le64(p), .type = p[8], .offset = get_le64(p + 9) };
}

bool btrfs_room(void *array, size_t size, size_t used, size_t *room, size_t max)
{
	size_t n = *room * 2 + 64;
	void *more, **p = array;

	if (used < *room)
		return true;
	if (used >= max || !(more = reallocarray(*p, n, size)))
		return false;
	*p = more;
	*room = n;
	return true;
}

static bool is_node(const struct btrfs *f, const uint8_t *p, uint64_t at, unsigned level)
{
	return get_le64(p + N_AT) == at && p[N_LEVEL] == level && memcmp(p + N_FSID, f->fsid, 16) == 0 &&
		(!f->sums || ~crc32c(~0u, p + SUM_LEN, f->node - SUM_LEN) == get_le32(p));
}

/* The first copy that is right.  All are added; those that were found to be wrong are said to be. */
static bool read_node(struct btrfs *f, uint64_t at, unsigned level, const struct know_region *r, uint8_t *to)
{
	bool found = false, here = false;

	for (unsigned copy = 0; copy < BTRFS_COPIES; copy++) {
		struct know_region mine = *r;
		uint64_t run;
		if (!btrfs_place(f, at, f->node, copy, &mine.off, &run))
			continue;
		here = true;
		bool right = found || (run == f->node && know_read(f->b, f->volume, mine.off, f->node, to) == 0 &&
			is_node(f, to, at, level));
		mine.len = run;
		mine.flags = (uint8_t)((copy ? KNOW_COPY : 0) | (right ? 0 : KNOW_BAD));
		know_add(f->b, f->volume, KNOW_LAYER_PLAIN, &mine);
		found |= right;
	}
	if (!found)
		btrfs_complain(f, here ? "the node at %" PRIu64 " of tree %" PRIu64 " is wrong in every copy" :
			"the node at %" PRIu64 " of tree %" PRIu64 " is not on this device", at, r->number);
	return found;
}

void btrfs_walk(struct btrfs *f, uint64_t at, unsigned level, uint64_t tree, bool log, btrfs_item *item)
{
	const struct know_region r = { .number = tree, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE,
		.kind = log ? KNOW_LOG : KNOW_TREE_NODE };
	struct know_todo todo = { .node = NULL };
	struct know_todo_node n;
	uint8_t *p = malloc(f->node);

	f->whole = p && level < BTRFS_LEVELS && todo_add(&todo, at, level);
	while (p && todo_take(&todo, &n) && !know_stopped(f->b)) {
		if (!seen_add(&f->nodes, n.at)) { /* shared with a snapshot; or a loop */
			f->whole = false;
			continue;
		}
		if (!read_node(f, n.at, n.level, &r, p)) {
			f->whole = false;
			continue;
		}
		uint32_t count = MIN(get_le32(p + N_ITEMS), (f->node - N_LEN) / (n.level ? POINTER : ITEM));
		for (uint32_t i = count; n.level && i-- > 0;)
			f->whole &= todo_add(&todo, get_le64(p + N_LEN + (size_t)i * POINTER + P_AT), n.level - 1);
		for (uint32_t i = 0; !n.level && item && i < count; i++) {
			const uint8_t *e = p + N_LEN + (size_t)i * ITEM;
			struct btrfs_key k = btrfs_key(e);
			uint32_t offset = get_le32(e + I_OFFSET), size = get_le32(e + I_SIZE), room = f->node - N_LEN;
			if (offset <= room && size <= room - offset)
				item(f, tree, &k, p + N_LEN + offset, size);
		}
	}
	free(p);
	todo_free(&todo);
}
