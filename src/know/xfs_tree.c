/* SPDX-License-Identifier: BSD-2-Clause */
/* btrees of an allocation group, and of a fork. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "know/crc32c.h"
#include "know/xfs.h"

enum {
	SHORT_LEN = 16, SHORT_LEN5 = 56, SHORT_CRC = 52, SHORT_OWNER = 48,
	LONG_LEN = 24, LONG_LEN5 = 72, LONG_CRC = 64,
	EXTENT = 16, BMAP_KEY = 8,
	I_FORMAT = 5, I_EXTENTS = 76, I_ATTR_EXTENTS = 80, I_FORK_OFF = 82, I_ATTR_FORMAT = 83, I_FLAGS2 = 120, I_BIG_EXTENTS = 24,
	I_LEN = 100, I_LEN5 = 176,
	FORMAT_EXTENTS = 2, FORMAT_BTREE = 3, FLAG2_NREXT64 = 1 << 4,
};
static const uint32_t bmap_magic = 0x424d4150, bmap_magic5 = 0x424d4133; /* "BMAP", "BMA3" */

void xfs_complain(struct xfs *x, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	know_complain(x->b, x->volume, &x->complaints, fmt, args);
	va_end(args);
}

bool xfs_crc(const uint8_t *p, size_t n, size_t at)
{
	return crc32c_holed(p, n, at) == get_le32(p + at);
}

static void add_free(struct xfs *x, uint32_t ag, const uint8_t *rec)
{
	uint32_t block = get_be32(rec), count = get_be32(rec + 4);

	if (xfs_valid(x, ag, block, count))
		know_add_plain(x->b, x->volume, KNOW_LAYER_FREE, KNOW_FREE, xfs_at(x, ag, block), (uint64_t)count << x->block_log, 0, 0);
	else
		xfs_complain(x, "AG %" PRIu32 ": free space beyond its end", ag);
}

const struct xfs_tree xfs_bno = { .magic = 0x41423342, .magic4 = 0x41425442, .key = 8, .rec = 8, .leaf = add_free };
const struct xfs_tree xfs_cnt = { .magic = 0x41423343, .magic4 = 0x41425443, .key = 8, .rec = 8 };
const struct xfs_tree xfs_ino = { .magic = 0x49414233, .magic4 = 0x49414254, .key = 4, .rec = 16, .leaf = xfs_chunk };
const struct xfs_tree xfs_fino = { .magic = 0x46494233, .key = 4, .rec = 16 };
const struct xfs_tree xfs_rmap = { .magic = 0x524d4233, .key = 40, .rec = 24 }; /* two keys of 20: the lowest and the highest below it */
const struct xfs_tree xfs_refcount = { .magic = 0x52334643, .key = 4, .rec = 12 };

void xfs_walk(struct xfs *x, uint32_t ag, const struct xfs_tree *t, uint32_t root, uint32_t levels)
{
	uint32_t head = x->v5 ? SHORT_LEN5 : SHORT_LEN, magic = x->v5 ? t->magic : t->magic4;
	struct know_todo todo = { .node = NULL };
	struct know_todo_node n;
	uint8_t *bytes = NULL;

	if (!levels || levels > XFS_LEVELS_MAX || !magic)
		return;
	todo_add(&todo, root, levels - 1);
	while (todo_take(&todo, &n) && !know_stopped(x->b)) {
		uint64_t at = xfs_at(x, ag, n.at);
		if (!xfs_valid(x, ag, n.at, 1) || !seen_add(&x->seen, at) || (!bytes && !(bytes = malloc(x->block))) ||
			know_read(x->b, x->volume, at, x->block, bytes) != 0) {
			xfs_complain(x, "AG %" PRIu32 ": a btree leads to block %" PRIu64 ", which cannot be one of it", ag, n.at);
			continue;
		}
		bool right = get_be32(bytes) == magic && get_be16(bytes + 4) == n.level;
		bool sum = !x->v5 || xfs_crc(bytes, x->block, SHORT_CRC);
		uint32_t count = get_be16(bytes + 6), max = (x->block - head) / (n.level ? t->key + 4 : t->rec);
		if (!right || !sum)
			xfs_complain(x, "AG %" PRIu32 ": block %" PRIu64 " of a btree %s", ag, n.at,
				right ? "has a wrong checksum" : "is none");
		know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_TREE_NODE, at, x->block, t->magic, right && sum ? 0 : KNOW_BAD);
		if (!right)
			continue;
		count = MIN(count, max);
		for (uint32_t i = count; n.level && i-- > 0;)
			todo_add(&todo, get_be32(bytes + head + (uint64_t)max * t->key + 4ull * i), n.level - 1);
		for (uint32_t i = 0; !n.level && t->leaf && i < count; i++)
			t->leaf(x, ag, bytes + head + (uint64_t)i * t->rec);
	}
	free(bytes);
	todo_free(&todo);
}

/* --- forks --- */

static void see_extent(struct xfs *x, const uint8_t *p, xfs_see *see, void *arg)
{
	uint64_t a = get_be64(p), c = get_be64(p + 8), block = (a & 0x1ff) << 43 | c >> 21;
	struct xfs_extent e = { .at = a >> 9 & ((1ull << 54) - 1), .count = (uint32_t)(c & 0x1fffff), .unwritten = a >> 63,
		.ag = (uint32_t)MIN(block >> x->ag_log, (uint64_t)UINT32_MAX), .block = (uint32_t)(block & ((1ull << x->ag_log) - 1)) };

	if (!e.count || !xfs_valid(x, e.ag, e.block, e.count))
		xfs_complain(x, "an extent of %" PRIu32 " blocks at block %" PRIu32 " of AG %" PRIu32 " is not possible",
			e.count, e.block, e.ag);
	else
		see(x, &e, arg);
}

/* A tree of extents whose root was in the inode: pointers are to be found in todo, with their levels. */
static void walk_fork(struct xfs *x, struct know_todo *todo, struct seen *seen, xfs_see *see, xfs_see *node, void *arg)
{
	uint32_t head = x->v5 ? LONG_LEN5 : LONG_LEN;
	struct know_todo_node n;
	uint8_t *bytes = malloc(x->block);

	while (bytes && todo_take(todo, &n) && !know_stopped(x->b)) {
		struct xfs_extent e = { .ag = (uint32_t)MIN(n.at >> x->ag_log, (uint64_t)UINT32_MAX),
			.block = (uint32_t)(n.at & ((1ull << x->ag_log) - 1)), .count = 1 };
		if (!xfs_valid(x, e.ag, e.block, 1) || !seen_add(seen, xfs_at(x, e.ag, e.block)) ||
			know_read(x->b, x->volume, xfs_at(x, e.ag, e.block), x->block, bytes) != 0 ||
			get_be32(bytes) != (x->v5 ? bmap_magic5 : bmap_magic) || get_be16(bytes + 4) != n.level) {
			xfs_complain(x, "a file's extents lead to block %" PRIu32 " of AG %" PRIu32 ", which holds none", e.block, e.ag);
			continue;
		}
		uint32_t count = get_be16(bytes + 6), max = (x->block - head) / EXTENT; /* a key and a pointer are as long as an extent */
		if (x->v5 && !xfs_crc(bytes, x->block, LONG_CRC))
			xfs_complain(x, "block %" PRIu32 " of AG %" PRIu32 ", of a file's extents, has a wrong checksum", e.block, e.ag);
		if (node)
			node(x, &e, arg);
		count = MIN(count, max);
		for (uint32_t i = count; n.level && i-- > 0;)
			todo_add(todo, get_be64(bytes + head + (uint64_t)max * BMAP_KEY + 8ull * i), n.level - 1);
		for (uint32_t i = 0; !n.level && i < count; i++)
			see_extent(x, bytes + head + (uint64_t)i * EXTENT, see, arg);
	}
	free(bytes);
}

void xfs_fork(struct xfs *x, const uint8_t *inode, bool attr, struct seen *seen, xfs_see *see, xfs_see *node, void *arg)
{
	uint32_t start = x->v5 ? I_LEN5 : I_LEN, split = inode[I_FORK_OFF] * 8u, all = x->inode_size - start;
	bool big = x->v5 && get_be64(inode + I_FLAGS2) & FLAG2_NREXT64;
	unsigned format = inode[attr ? I_ATTR_FORMAT : I_FORMAT];
	uint64_t count = attr ? big ? get_be32(inode + I_EXTENTS) : get_be16(inode + I_ATTR_EXTENTS) :
			 big ? get_be64(inode + I_BIG_EXTENTS) : get_be32(inode + I_EXTENTS);
	struct know_todo todo = { .node = NULL };

	if (split > all || (attr && !split))
		return;
	const uint8_t *p = inode + start + (attr ? split : 0);
	uint32_t len = attr ? all - split : split ? split : all;
	for (uint64_t i = 0; format == FORMAT_EXTENTS && i < MIN(count, (uint64_t)len / EXTENT); i++)
		see_extent(x, p + i * EXTENT, see, arg);
	if (format != FORMAT_BTREE || len < 4 + EXTENT)
		return;
	uint32_t level = get_be16(p), max = (len - 4) / EXTENT, used = MIN((uint32_t)get_be16(p + 2), max);
	if (!level || level > XFS_LEVELS_MAX)
		return;
	for (uint32_t i = used; i-- > 0;)
		todo_add(&todo, get_be64(p + 4 + (uint64_t)max * BMAP_KEY + 8ull * i), level - 1);
	walk_fork(x, &todo, seen, see, node, arg);
	todo_free(&todo);
}
