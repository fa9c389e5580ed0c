/* SPDX-License-Identifier: BSD-2-Clause */
/* The extent tree lists what is in use, in order: what lies between is free. */
#include "know/btrfs.h"

enum { E_FLAGS = 16, FLAG_DATA = 1 };

static void add_free(struct btrfs *f, uint64_t from, uint64_t to)
{
	const struct know_region r = { .home = KNOW_NOWHERE, .file = KNOW_NO_FILE, .kind = KNOW_FREE };

	for (size_t i = btrfs_find(f, from); i < f->chunks && f->chunk[i].logical < to; i++) {
		uint64_t a = MAX(from, f->chunk[i].logical), b = MIN(to, f->chunk[i].logical + f->chunk[i].len);
		if (a < b)
			btrfs_add(f, KNOW_LAYER_FREE, a, b - a, &r);
	}
}

void btrfs_see_space(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	(void)tree;
	if ((k->type != BTRFS_EXTENT && k->type != BTRFS_METADATA) || size < E_FLAGS + 8)
		return;
	uint64_t len = k->type == BTRFS_METADATA ? f->node : k->offset;
	bool content = get_le64(data + E_FLAGS) & FLAG_DATA;
	const struct know_region r = { .home = KNOW_NOWHERE, .file = KNOW_NO_FILE, .kind = content ? KNOW_FILE_DATA : KNOW_TREE_NODE };
	if (k->id < f->cursor || len > UINT64_MAX - k->id) {
		btrfs_complain(f, "the extent tree is not in order");
		return;
	}
	add_free(f, f->cursor, k->id);
	btrfs_add(f, KNOW_LAYER_FREE, k->id, len, &r); /* whoever refers to it says more */
	f->cursor = k->id + len;
}

void btrfs_end_space(struct btrfs *f)
{
	add_free(f, f->cursor, UINT64_MAX);
}
