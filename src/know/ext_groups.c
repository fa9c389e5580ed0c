/* SPDX-License-Identifier: BSD-2-Clause */
/* Group descriptors, and what lies where by the file system's geometry: superblocks, descriptors and their copies, bitmaps. */
#include <inttypes.h>
#include "base/util.h"
#include "know/ext.h"

/* --- where descriptors lie --- */

/* The block behind which descriptors begin: of the first superblock. */
static uint64_t super_block(const struct ext *x, uint64_t group)
{
	uint64_t first = ext_group_first(x, group);
	return first == 0 && x->s.block == 1024 ? 1 : first; /* bigalloc with blocks of 1 KiB: the boot block is in group 0 */
}

static bool in_meta_group(const struct ext *x, uint64_t desc_block)
{
	return x->s.incompat & EXT_INCOMPAT_META_BG && desc_block >= x->s.first_meta_bg;
}

static uint64_t desc_block_in(const struct ext *x, uint64_t desc_block, uint64_t group)
{
	if (in_meta_group(x, desc_block))
		return super_block(x, group) + ext_has_super(&x->s, group);
	return super_block(x, group) + 1 + desc_block;
}

static uint64_t desc_block_first(const struct ext *x, uint64_t desc_block)
{
	return desc_block_in(x, desc_block, in_meta_group(x, desc_block) ? desc_block * x->descs_per_block : 0);
}

/* --- reading them --- */

static bool place_can_be(const struct ext *x, uint64_t group, uint64_t block, uint64_t len)
{
	if (!ext_inside(x, block, len))
		return false;
	uint64_t first = ext_group_first(x, group);
	return x->s.incompat & EXT_INCOMPAT_FLEX_BG || (block >= first && block + len <= first + x->s.blocks_per_group);
}

static void parse(const struct ext *x, uint64_t group, const uint8_t *d, struct ext_group *g)
{
	bool wide = x->s.desc_size >= 64;

	*g = (struct ext_group){ 0 };
	g->block_bitmap = get_le32(d) | (wide ? (uint64_t)get_le32(d + 0x20) << 32 : 0);
	g->inode_bitmap = get_le32(d + 4) | (wide ? (uint64_t)get_le32(d + 0x24) << 32 : 0);
	g->inode_table = get_le32(d + 8) | (wide ? (uint64_t)get_le32(d + 0x28) << 32 : 0);
	g->block_csum = get_le16(d + 0x18) | (wide ? (uint32_t)get_le16(d + 0x38) << 16 : 0);
	g->inode_csum = get_le16(d + 0x1a) | (wide ? (uint32_t)get_le16(d + 0x3a) << 16 : 0);
	g->csum_bad = x->desc_csum && !ext_desc_csum_ok(x, group, d);
	if (x->desc_csum && !g->csum_bad) {
		g->unused = get_le16(d + 0x1c) | (wide ? (uint32_t)get_le16(d + 0x32) << 16 : 0);
		g->flags = (uint8_t)get_le16(d + 0x12);
	}
	g->ok = place_can_be(x, group, g->block_bitmap, 1) && place_can_be(x, group, g->inode_bitmap, 1) &&
		place_can_be(x, group, g->inode_table, x->table_blocks);
}

/* A copy is as old as the file system or its last resize: it tells places, and not what is in use. */
static bool take_copy(struct ext *x, uint64_t group, uint64_t in)
{
	uint64_t desc_block = group / x->descs_per_block;
	struct ext_group g;

	if (in >= x->groups)
		return false;
	const uint8_t *p = ext_peek(x, desc_block_in(x, desc_block, in));
	if (!p)
		return false;
	parse(x, group, p + group % x->descs_per_block * x->s.desc_size, &g);
	if (!g.ok || g.csum_bad)
		return false;
	bool csum_bad = x->group[group].csum_bad;
	x->group[group] = g;
	x->group[group].csum_bad = csum_bad;
	x->group[group].copied = true;
	x->group[group].flags = 0;
	x->group[group].unused = 0;
	return true;
}

static void look_for_copy(struct ext *x, uint64_t group)
{
	uint64_t desc_block = group / x->descs_per_block, meta = desc_block * x->descs_per_block;

	if (in_meta_group(x, desc_block)) {
		if (!take_copy(x, group, meta + 1))
			take_copy(x, group, meta + x->descs_per_block - 1);
		return;
	}
	bool two = x->s.compat & EXT_COMPAT_SPARSE_SUPER2;
	for (uint64_t in = 1, last = two ? 2 : 64; in <= last; in++) {
		uint64_t candidate = two ? x->s.backup_bgs[in - 1] : in;
		if (candidate && ext_has_super(&x->s, candidate) && take_copy(x, group, candidate))
			return;
	}
}

void ext_groups_load(struct ext *x)
{
	uint32_t per = x->descs_per_block;
	uint64_t most = EXT_PIECE / x->s.block;

	for (uint64_t i = 0, n; i * per < x->groups && !know_stopped(x->b); i += n) {
		uint64_t at = desc_block_first(x, i), left = (x->groups - i * per + per - 1) / per;
		n = in_meta_group(x, i) ? 1 : MIN(left, most);
		if (!in_meta_group(x, i) && in_meta_group(x, i + n - 1))
			n = x->s.first_meta_bg - i;
		if (ext_read(x, at, n, x->piece))
			memset(x->piece, 0, n * x->s.block);
		for (uint64_t g = i * per; g < MIN((i + n) * per, x->groups); g++) {
			parse(x, g, x->piece + (g - i * per) * x->s.desc_size, &x->group[g]);
			if (!x->group[g].ok || x->group[g].csum_bad)
				look_for_copy(x, g);
		}
	}
}

void ext_groups_say(struct ext *x)
{
	uint64_t copied = 0, first = 0;

	for (uint64_t i = 0; i < x->groups; i++) {
		const struct ext_group *g = &x->group[i];
		if (g->copied && copied++ == 0)
			first = i;
		if (!g->ok && ext_group_first(x, i) < x->have)
			ext_say(x, EXT_SAY_GROUP, "the descriptor of group %" PRIu64 " is wrong, and so are its copies: its inodes are not known", i);
		else if (g->csum_bad && !g->copied)
			ext_say(x, EXT_SAY_GROUP, "the descriptor of group %" PRIu64 " has a wrong checksum", i);
	}
	if (copied)
		know_note(x->b, x->volume, "%" PRIu64 " group descriptors are wrong, of group %" PRIu64 " first: their places are told by copies",
			copied, first);
}

/* --- what lies where --- */

/* With what a cluster has left. */
static void add(struct ext *x, enum know_kind kind, uint64_t block, uint64_t len, uint64_t number, unsigned flags)
{
	ext_add(x, KNOW_LAYER_PLAIN, kind, block, len, number, flags);
	ext_claim_cluster(x, &(struct ext_claim){ .block = block, .len = len, .home = KNOW_NOWHERE, .number = number, .file = KNOW_NO_FILE,
		.kind = (uint8_t)kind, .flags = (uint8_t)(flags & KNOW_COPY) });
}

static void add_super(struct ext *x, uint64_t group)
{
	uint64_t block = super_block(x, group), at = group ? block * x->s.block : 1024;
	struct ext_super s;
	const uint8_t *p = know_peek(x->b, x->volume, at, 1024);
	bool good = p && ext_super_parse(&s, p) && !s.csum_bad && memcmp(s.uuid, x->s.uuid, 16) == 0;
	unsigned flags = (group ? KNOW_COPY : 0) | (good ? 0 : KNOW_BAD);

	if (group) {
		add(x, KNOW_SUPERBLOCK, block, 1, group, flags);
		return;
	}
	know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_BOOT, 0, 1024, 0, 0);
	know_add_plain(x->b, x->volume, KNOW_LAYER_PLAIN, KNOW_SUPERBLOCK, 1024, (block + 1) * x->s.block - 1024, 0, flags);
	ext_claim_cluster(x, &(struct ext_claim){ .block = block, .len = 1, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE, .kind = KNOW_SUPERBLOCK });
}

static bool desc_block_bad(const struct ext *x, uint64_t desc_block)
{
	uint64_t first = desc_block * x->descs_per_block;

	for (uint64_t g = first; g < MIN(first + x->descs_per_block, x->groups); g++)
		if (x->group[g].csum_bad || x->group[g].copied || !x->group[g].ok)
			return true;
	return false;
}

static void add_descs(struct ext *x, uint64_t group)
{
	uint64_t in = group / x->descs_per_block, place = group % x->descs_per_block, block = super_block(x, group);
	bool meta = x->s.incompat & EXT_INCOMPAT_META_BG;

	if (in_meta_group(x, in)) {
		if (place <= 1 || place == x->descs_per_block - 1)
			add(x, KNOW_GROUP_DESC, desc_block_in(x, in, group), 1, group, place ? KNOW_COPY : desc_block_bad(x, in) ? KNOW_BAD : 0);
		return;
	}
	if (!ext_has_super(&x->s, group))
		return;
	uint64_t n = meta ? x->s.first_meta_bg : x->desc_blocks;
	if (group) {
		add(x, KNOW_GROUP_DESC, block + 1, n, group, KNOW_COPY);
	} else {
		for (uint64_t i = 0; i < n && block + 1 + i < x->have; i++)
			add(x, KNOW_GROUP_DESC, block + 1 + i, 1, 0, desc_block_bad(x, i) ? KNOW_BAD : 0);
	}
	if (!meta && x->s.reserved_gdt)
		add(x, KNOW_RESERVED_GDT, block + 1 + n, x->s.reserved_gdt, group, group ? KNOW_COPY : 0);
}

static void add_mmp(struct ext *x)
{
	uint64_t block = x->s.mmp_block;

	if (!(x->s.incompat & EXT_INCOMPAT_MMP) || !ext_inside(x, block, 1))
		return;
	const uint8_t *p = ext_peek(x, block);
	bool good = p && get_le32(p) == 0x4d4d50 && (!x->csum || ext_mmp_csum_ok(x, p));
	add(x, KNOW_MMP, block, 1, 0, good ? 0 : KNOW_BAD);
}

void ext_groups_add(struct ext *x)
{
	for (uint64_t i = 0; i < x->groups && !know_stopped(x->b); i++) {
		const struct ext_group *g = &x->group[i];
		if (ext_has_super(&x->s, i) && ext_group_first(x, i) < x->have)
			add_super(x, i);
		add_descs(x, i);
		if (!g->ok || x->s.ratio == 1)
			continue;
		struct ext_claim c = { .block = g->block_bitmap, .len = 1, .home = KNOW_NOWHERE, .number = i, .file = KNOW_NO_FILE,
			.kind = KNOW_BLOCK_BITMAP };
		ext_claim_cluster(x, &c);
		c.block = g->inode_bitmap;
		c.kind = KNOW_INODE_BITMAP;
		ext_claim_cluster(x, &c);
		c.block = g->inode_table;
		c.len = x->table_blocks;
		c.kind = KNOW_INODE_TABLE;
		ext_claim_cluster(x, &c);
	}
	add_mmp(x);
}

/* --- bitmaps --- */

bool ext_bitmap_uninit(const struct ext *x, unsigned which, uint64_t group)
{
	return x->group[group].flags & (which ? EXT_INODE_UNINIT : EXT_BLOCK_UNINIT);
}

static uint64_t place(const struct ext *x, unsigned which, uint64_t group)
{
	return which ? x->group[group].inode_bitmap : x->group[group].block_bitmap;
}

static void check(struct ext *x, unsigned which, uint64_t group, const uint8_t *bits)
{
	struct ext_group *g = &x->group[group];
	bool bad = x->csum && !g->copied && !g->csum_bad && !ext_bitmap_csum_ok(x, bits, (which ? x->s.inodes_per_group : x->s.clusters_per_group) / 8,
		which ? g->inode_csum : g->block_csum);

	if (bad)
		ext_say(x, EXT_SAY_BITMAP, "the %s bitmap of group %" PRIu64 " has a wrong checksum", which ? "inode" : "block", group);
	*(which ? &g->inode_bad : &g->block_bad) = bad;
}

const uint8_t *ext_bitmap(struct ext *x, unsigned which, uint64_t group)
{
	struct ext_window *w = &x->window[which];

	if (!w->count || group < w->first || group - w->first >= w->count) {
		uint64_t at = place(x, which, group), n = 1, most = EXT_PIECE / x->s.block;
		while (n < most && group + n < x->groups && x->group[group + n].ok && !ext_bitmap_uninit(x, which, group + n) &&
			place(x, which, group + n) == at + n)
			n++;
		w->first = group;
		w->count = n;
		w->failed = ext_read(x, at, n, w->bytes);
		for (uint64_t i = 0; i < n && !w->failed; i++)
			check(x, which, group + i, w->bytes + i * x->s.block);
	}
	return w->failed ? NULL : w->bytes + (group - w->first) * x->s.block;
}
