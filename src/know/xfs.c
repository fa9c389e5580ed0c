/* SPDX-License-Identifier: BSD-2-Clause */
/* Superblocks, and the headers of the allocation groups. */
#include <inttypes.h>
#include <stdlib.h>
#include "know/xfs.h"

enum {
	MAGIC = 0x58465342, MAGIC_AGF = 0x58414746, MAGIC_AGI = 0x58414749, MAGIC_AGFL = 0x5841464c,
	S_BLOCK = 4, S_BLOCKS = 8, S_UUID = 32, S_LOG = 48, S_ROOT = 56, S_RT_BITMAP = 64, S_RT_SUMMARY = 72, S_AG_BLOCKS = 84, S_AGS = 88,
	S_LOG_BLOCKS = 96, S_VERSION = 100, S_SECTOR = 102, S_INODE = 104, S_NAME = 108, S_BLOCK_LOG = 120, S_SECTOR_LOG = 121,
	S_INODE_LOG = 122, S_PER_BLOCK_LOG = 123, S_AG_LOG = 124, S_USER_QUOTA = 160, S_GROUP_QUOTA = 168, S_DIR_LOG = 192,
	S_FEATURES2 = 200, S_RO = 212, S_INCOMPAT = 216, S_CRC = 224, S_PROJECT_QUOTA = 232,
	S_LEN = 264,
	RO_FINOBT = 1, RO_RMAP = 2, RO_REFLINK = 4, IN_FTYPE = 1, IN_SPARSE = 2, F2_FTYPE = 0x200,
	/* AGF */
	F_LEN = 12, F_BNO = 16, F_CNT = 20, F_RMAP = 24, F_BNO_LEVELS = 28, F_CNT_LEVELS = 32, F_RMAP_LEVELS = 36, F_FIRST = 40,
	F_COUNT = 48, F_REFCOUNT = 88, F_REFCOUNT_LEVELS = 92, F_CRC = 216,
	/* AGI */
	I_ROOT = 20, I_LEVELS = 24, I_CRC = 312, I_FREE_ROOT = 328, I_FREE_LEVELS = 332,
	L_CRC = 32, L_LEN5 = 36,
};

static bool parse(struct xfs *x, const uint8_t *s)
{
	unsigned version = get_be16(s + S_VERSION) & 15, sector_log = s[S_SECTOR_LOG], dir_log = s[S_DIR_LOG];
	uint32_t ro = get_be32(s + S_RO), incompat = get_be32(s + S_INCOMPAT);

	if (get_be32(s) != MAGIC || version < 4 || version > 5)
		return false;
	x->block_log = s[S_BLOCK_LOG];
	x->inode_log = s[S_INODE_LOG];
	x->per_block_log = s[S_PER_BLOCK_LOG];
	x->ag_log = s[S_AG_LOG];
	x->block = get_be32(s + S_BLOCK);
	x->sector = get_be16(s + S_SECTOR);
	x->inode_size = get_be16(s + S_INODE);
	x->blocks = get_be64(s + S_BLOCKS);
	x->ag_blocks = get_be32(s + S_AG_BLOCKS);
	x->ags = get_be32(s + S_AGS);
	if (x->block_log < 9 || x->block_log > 16 || x->block != 1u << x->block_log || sector_log < 9 || sector_log > 15 ||
		x->sector != 1u << sector_log || x->inode_log < 8 || x->inode_log > 11 || x->inode_size != 1u << x->inode_log ||
		x->per_block_log != x->block_log - x->inode_log || dir_log > 16 - x->block_log)
		return false;
	if (x->ag_blocks < 64 || x->ag_log < 1 || x->ag_log > 31 || x->ag_blocks > 1u << x->ag_log || !x->ags || !x->blocks ||
		x->blocks > (uint64_t)x->ags * x->ag_blocks || x->blocks > UINT64_MAX >> x->block_log ||
		x->blocks <= (uint64_t)(x->ags - 1) * x->ag_blocks)
		return false;
	x->dir_block = x->block << dir_log;
	x->log_start = get_be64(s + S_LOG);
	x->log_blocks = get_be32(s + S_LOG_BLOCKS);
	x->root = get_be64(s + S_ROOT);
	x->v5 = version == 5;
	x->ftype = x->v5 ? incompat & IN_FTYPE : get_be32(s + S_FEATURES2) & F2_FTYPE;
	x->sparse = x->v5 && incompat & IN_SPARSE;
	x->finobt = x->v5 && ro & RO_FINOBT;
	x->rmap = x->v5 && ro & RO_RMAP;
	x->refcount = x->v5 && ro & RO_REFLINK;
	const unsigned at[] = { S_RT_BITMAP, S_RT_SUMMARY, S_USER_QUOTA, S_GROUP_QUOTA, S_PROJECT_QUOTA };
	for (size_t i = 0; i < ARRAY_LEN(x->system); i++)
		x->system[i] = get_be64(s + at[i]);
	return true;
}

/* One of the sectors at an AG's start, into `to`; false: it cannot be what it should be. */
static bool header(struct xfs *x, uint32_t ag, unsigned which, uint32_t magic, unsigned crc, enum know_kind kind, uint8_t *to)
{
	static const char *const names[] = { "superblock", "AGF", "AGI", "AGFL" };
	uint64_t at = xfs_at(x, ag, 0) + (uint64_t)which * x->sector;
	bool read = know_read(x->b, x->volume, at, x->sector, to) == 0, right = read && (!magic || get_be32(to) == magic),
	     sum = right && (!x->v5 || xfs_crc(to, x->sector, crc));

	if (!sum)
		xfs_complain(x, "AG %" PRIu32 ": %s of the %s is wrong", ag, right ? "the checksum" : "the content", names[which]);
	know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, kind, at, x->sector, ag,
		(kind == KNOW_SUPERBLOCK && ag ? KNOW_COPY : 0) | (sum ? 0 : KNOW_BAD));
	return right;
}

/* Blocks that are kept back so that the trees of free space can grow: a ring of their numbers. */
static void free_list(struct xfs *x, uint32_t ag, const uint8_t *agfl, uint32_t first, uint32_t count)
{
	uint32_t head = x->v5 ? L_LEN5 : 0, room = (x->sector - head) / 4;

	for (uint32_t i = 0; i < MIN(count, room) && first < room; i++) {
		uint32_t block = get_be32(agfl + head + 4ull * ((first + i) % room));
		if (xfs_valid(x, ag, block, 1))
			know_add_plain(x->b, x->volume, KNOW_LAYER_FREE, KNOW_FREE, xfs_at(x, ag, block), x->block, 0, 0);
	}
}

static void look_at_ag(struct xfs *x, uint32_t ag, uint8_t *bytes)
{
	uint32_t whole = MAX(4 * x->sector, x->block); /* the rest of the first block is nobody's */

	know_add_plain(x->b, x->volume, KNOW_LAYER_FREE, KNOW_AG_HEADER, xfs_at(x, ag, 0), whole, ag, 0);
	header(x, ag, 0, MAGIC, S_CRC, KNOW_SUPERBLOCK, bytes);
	if (header(x, ag, 1, MAGIC_AGF, F_CRC, KNOW_AG_HEADER, bytes)) {
		uint8_t *agfl = bytes + x->sector;
		xfs_walk(x, ag, &xfs_bno, get_be32(bytes + F_BNO), get_be32(bytes + F_BNO_LEVELS));
		xfs_walk(x, ag, &xfs_cnt, get_be32(bytes + F_CNT), get_be32(bytes + F_CNT_LEVELS));
		if (x->rmap)
			xfs_walk(x, ag, &xfs_rmap, get_be32(bytes + F_RMAP), get_be32(bytes + F_RMAP_LEVELS));
		if (x->refcount)
			xfs_walk(x, ag, &xfs_refcount, get_be32(bytes + F_REFCOUNT), get_be32(bytes + F_REFCOUNT_LEVELS));
		if (header(x, ag, 3, x->v5 ? MAGIC_AGFL : 0, L_CRC, KNOW_AG_HEADER, agfl))
			free_list(x, ag, agfl, get_be32(bytes + F_FIRST), get_be32(bytes + F_COUNT));
	}
	if (header(x, ag, 2, MAGIC_AGI, I_CRC, KNOW_AG_HEADER, bytes)) {
		xfs_walk(x, ag, &xfs_ino, get_be32(bytes + I_ROOT), get_be32(bytes + I_LEVELS));
		if (x->finobt)
			xfs_walk(x, ag, &xfs_fino, get_be32(bytes + I_FREE_ROOT), get_be32(bytes + I_FREE_LEVELS));
	}
}

/* The first superblock, or one of those in the other AGs: a disk is cut into four of them unless somebody wanted it otherwise. */
static bool find_super(struct xfs *x, uint8_t *s)
{
	uint64_t len = know_volume(x->b, x->volume)->len;

	if (know_read(x->b, x->volume, 0, S_LEN, s) == 0 && parse(x, s))
		return true;
	for (unsigned parts = 4; parts <= 32; parts++)
		for (unsigned log = 12; log <= 16; log++) {
			uint64_t at = (len / parts + (1u << log) - 1) >> log << log;
			const uint8_t *p = at + S_LEN <= len ? know_peek(x->b, x->volume, at, S_LEN) : NULL;
			if (p && get_be32(p) == MAGIC && parse(x, memcpy(s, p, S_LEN)) && xfs_at(x, 1, 0) == at) {
				know_note(x->b, x->volume, "the first superblock is not one of XFS: a later one is");
				return true;
			}
		}
	return false;
}

bool know_xfs(struct know_build *b, unsigned volume)
{
	struct know_volume *v = know_volume_set(b, volume);
	struct xfs x = { .b = b, .volume = volume };
	uint8_t s[S_LEN], *bytes;

	if (v->len < 4096 || !find_super(&x, s))
		return false;
	v->format = "xfs";
	v->block = x.block;
	if (x.refcount)
		know_may_share(b, volume);
	know_text(v->name, sizeof v->name, s + S_NAME, 12, false);
	know_uuid(v->id, s + S_UUID, false);
	if (x.blocks << x.block_log > v->len) {
		know_note(b, volume, "the file system has %" PRIu64 " bytes, and there are %" PRIu64, x.blocks << x.block_log, v->len);
		x.blocks = v->len >> x.block_log;
		x.ags = (uint32_t)((x.blocks + x.ag_blocks - 1) / x.ag_blocks);
	}
	if ((bytes = malloc(2 * (size_t)x.sector))) {
		xfs_log(&x);
		for (uint32_t ag = 0; ag < x.ags && !know_stopped(b); ag++)
			look_at_ag(&x, ag, bytes);
		xfs_names(&x);
	}
	free(bytes);
	free(x.bytes);
	free(x.inode);
	seen_free(&x.seen);
	seen_free(&x.seen_names);
	return true;
}
