/* SPDX-License-Identifier: BSD-2-Clause */
/* Chunks of 64 inodes, and what the inodes have. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "know/xfs.h"

enum {
	PER_CHUNK = 64, PER_HOLE = 4,
	I_MAGIC = 0x494e, I_MODE = 2, I_FORMAT = 5, I_LINKS = 16, I_OLD_LINKS = 6, I_VERSION = 4, I_SIZE = 56, I_FLAGS = 90,
	I_GENERATION = 92, I_CRC = 100,
	FLAG_REALTIME = 1,
	DIR_LEAF_SHIFT = 35, /* of a directory's bytes, those from here on are its index */
};

/* What one inode's extents are for. */
struct owner {
	uint32_t file;
	enum know_kind kind;
	unsigned flags;
};

static void add_extent(struct xfs *x, const struct xfs_extent *e, void *arg)
{
	const struct owner *o = arg;
	struct know_region r = { .off = xfs_at(x, e->ag, e->block), .len = (uint64_t)e->count << x->block_log,
		.home = e->at << x->block_log, .file = o->file, .kind = (uint8_t)o->kind,
		.flags = (uint8_t)(o->flags | (e->unwritten ? KNOW_UNWRITTEN : 0)) };

	if (o->kind == KNOW_DIRECTORY && e->at << x->block_log >> DIR_LEAF_SHIFT)
		r.kind = KNOW_DIR_INDEX;
	if (o->kind == KNOW_XATTR)
		r.home = KNOW_NOWHERE;
	know_add(x->b, x->volume, KNOW_LAYER_PLAIN, &r);
}

static void add_node(struct xfs *x, const struct xfs_extent *e, void *arg)
{
	const struct owner *o = arg;
	struct know_region r = { .off = xfs_at(x, e->ag, e->block), .len = x->block, .home = KNOW_NOWHERE, .file = o->file,
		.kind = KNOW_EXTENT_NODE, .flags = (uint8_t)o->flags };

	know_add(x->b, x->volume, KNOW_LAYER_PLAIN, &r);
}

static bool keep(struct xfs *x, uint64_t number, uint32_t file, bool dir)
{
	if (x->inodes == x->inode_room) {
		size_t more = x->inode_room * 2 + 256;
		void *p = more <= 2 * (size_t)XFS_INODES_MAX ? reallocarray(x->inode, more, sizeof *x->inode) : NULL;
		if (!p)
			return false;
		x->inode = p;
		x->inode_room = more;
	}
	x->inode[x->inodes++] = (struct xfs_inode_file){ .inode = number, .file = file, .dir = dir };
	return true;
}

/* Bytes of the disk. */
static uint64_t place(const struct xfs *x, uint64_t number)
{
	uint64_t block = number >> x->per_block_log, ag = block >> x->ag_log, in_block = number & ((1u << x->per_block_log) - 1);
	return know_volume(x->b, x->volume)->off + xfs_at(x, (uint32_t)ag, (uint32_t)(block & ((1ull << x->ag_log) - 1))) +
		(in_block << x->inode_log);
}

static void one_inode(struct xfs *x, uint64_t number, const uint8_t *inode)
{
	unsigned mode = get_be16(inode + I_MODE), type = mode & S_IFMT;
	uint32_t links = inode[I_VERSION] == 1 ? get_be16(inode + I_OLD_LINKS) : get_be32(inode + I_LINKS);
	struct know_file file = { .inode = number, .size = get_be64(inode + I_SIZE), .parent = KNOW_NO_FILE, .volume = (uint16_t)x->volume,
		.type = type == S_IFDIR ? KNOW_DIR : type == S_IFLNK ? KNOW_LINK : type == S_IFREG ? KNOW_REGULAR : KNOW_SYSTEM,
		.flags = links ? 0 : KNOW_DELETED, .inode_at = place(x, number), .links = (uint16_t)MIN(links, (uint32_t)UINT16_MAX),
		.mode = (uint16_t)mode, .life = get_be32(inode + I_GENERATION) };
	struct owner o = { .kind = type == S_IFDIR ? KNOW_DIRECTORY : type == S_IFLNK ? KNOW_SYMLINK : KNOW_FILE_DATA,
		.flags = links ? 0 : KNOW_DELETED };
	bool root = number == x->root;

	if (get_be16(inode) != I_MAGIC || !mode) {
		xfs_complain(x, "inode %" PRIu64 " is in use, and it is none", number);
		return;
	}
	if (x->v5 && !xfs_crc(inode, x->inode_size, I_CRC))
		xfs_complain(x, "inode %" PRIu64 " has a wrong checksum", number);
	for (size_t i = 0; i < ARRAY_LEN(x->system); i++)
		if (number == x->system[i]) {
			file.type = KNOW_SYSTEM;
			o.kind = KNOW_SYSTEM_FILE;
		}
	o.file = know_add_file(x->b, &file, root ? "/" : NULL, root);
	if (o.file == KNOW_NO_FILE || !keep(x, number, o.file, type == S_IFDIR))
		return;
	if (!(get_be16(inode + I_FLAGS) & FLAG_REALTIME)) /* whose data is on another device */
		xfs_fork(x, inode, false, &x->seen, add_extent, add_node, &o);
	o.kind = KNOW_XATTR;
	xfs_fork(x, inode, true, &x->seen, add_extent, add_node, &o);
}

void xfs_chunk(struct xfs *x, uint32_t ag, const uint8_t *rec)
{
	uint32_t first = get_be32(rec), holes = x->sparse ? get_be16(rec + 4) : 0, per = 1u << x->per_block_log;
	uint64_t free_ones = get_be64(rec + 8), base = (uint64_t)ag << (x->ag_log + x->per_block_log);
	uint32_t step = holes ? PER_HOLE : PER_CHUNK; /* inodes that are read at once */
	uint8_t *bytes;

	if (!seen_add(&x->seen, 1ull << 63 | base | first) || !(bytes = malloc((size_t)step << x->inode_log)))
		return;
	for (uint32_t i = 0; i < PER_CHUNK && !know_stopped(x->b); i += step) {
		uint64_t at = xfs_at(x, ag, 0) + (((uint64_t)first + i) << x->inode_log), len = (uint64_t)step << x->inode_log;
		uint64_t used = step < PER_CHUNK ? ~free_ones >> i & ((1ull << step) - 1) : ~free_ones;
		if (holes >> i / PER_HOLE & 1)
			continue;
		if (!xfs_valid(x, ag, (first + (uint64_t)i) / per, (len + x->block - 1) >> x->block_log)) {
			xfs_complain(x, "AG %" PRIu32 ": inodes from %" PRIu32 " on are beyond its end", ag, first);
			break;
		}
		know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_INODE_TABLE, at, len, base + first, 0);
		if (!used || know_read(x->b, x->volume, at, (size_t)len, bytes) != 0)
			continue;
		for (uint32_t j = 0; j < step; j++)
			if (used >> j & 1)
				one_inode(x, base + first + i + j, bytes + ((size_t)j << x->inode_log));
	}
	free(bytes);
}
