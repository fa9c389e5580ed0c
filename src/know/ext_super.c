/* SPDX-License-Identifier: BSD-2-Clause */
/* The superblock and its copies, and the order in which all is looked at. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/util.h"
#include "know/ext.h"

enum { MAGIC = 0xef53, LOG_MAX = 6 };

static bool power_of_two(uint32_t v) { return v && !(v & (v - 1)); }

static bool power_of(uint64_t v, unsigned base)
{
	while (v % base == 0)
		v /= base;
	return v == 1;
}

static void parse_journal(struct ext_super *s, const uint8_t *p)
{
	s->journal_inum = get_le32(p + 0xe0);
	s->journal_dev = get_le32(p + 0xe4);
	memcpy(s->journal_uuid, p + 0xd0, 16);
	memset(s->journal_blocks, 0, sizeof s->journal_blocks);
	for (unsigned i = 0; i < ARRAY_LEN(s->journal_blocks) && p[0xfd] == 1; i++)
		s->journal_blocks[i] = get_le32(p + 0x10c + i * 4);
}

/* Without what later versions added, a file system has fixed values there. */
static void parse_versions(struct ext_super *s, const uint8_t *p)
{
	bool old = get_le32(p + 0x4c) == 0;
	uint32_t log = get_le32(p + 0x18), cluster = get_le32(p + 0x1c);

	s->first_ino = old ? 11 : get_le32(p + 0x54);
	s->inode_size = old ? 128 : get_le16(p + 0x58);
	s->compat = old ? 0 : get_le32(p + 0x5c);
	s->incompat = old ? 0 : get_le32(p + 0x60);
	s->ro_compat = old ? 0 : get_le32(p + 0x64);
	s->group = get_le16(p + 0x5a);
	s->ratio = 1;
	s->clusters_per_group = s->blocks_per_group;
	if (s->ro_compat & EXT_RO_BIGALLOC) {
		s->ratio = cluster >= log && cluster - log < 20 ? (uint32_t)1 << (cluster - log) : 0;
		s->clusters_per_group = get_le32(p + 0x24);
	}
	s->desc_size = 32;
	if (s->incompat & EXT_INCOMPAT_64BIT) {
		s->blocks |= (uint64_t)get_le32(p + 0x150) << 32;
		s->desc_size = get_le16(p + 0xfe);
	}
}

static bool can_be(const struct ext_super *s)
{
	if (s->incompat & EXT_INCOMPAT_JOURNAL_DEV)
		return true;
	return s->ratio && s->first_data_block <= 1 && s->blocks > s->first_data_block && s->inodes && s->inodes_per_group &&
		s->inodes_per_group <= 8 * s->block && s->clusters_per_group >= 8 && s->clusters_per_group <= 8 * s->block &&
		s->clusters_per_group % 8 == 0 && (uint64_t)s->clusters_per_group * s->ratio == s->blocks_per_group &&
		power_of_two(s->inode_size) && s->inode_size >= 128 && s->inode_size <= s->block && power_of_two(s->desc_size) &&
		s->desc_size >= (s->incompat & EXT_INCOMPAT_64BIT ? 64 : 32) && s->desc_size <= 1024;
}

bool ext_super_parse(struct ext_super *s, const uint8_t p[1024])
{
	uint32_t log = get_le32(p + 0x18);

	*s = (struct ext_super){ 0 };
	if (get_le16(p + 0x38) != MAGIC || log > LOG_MAX || get_le32(p + 0x4c) > 1)
		return false;
	s->inodes = get_le32(p);
	s->blocks = get_le32(p + 4);
	s->first_data_block = get_le32(p + 0x14);
	s->block = 1024u << log;
	s->blocks_per_group = get_le32(p + 0x20);
	s->inodes_per_group = get_le32(p + 0x28);
	s->state = get_le16(p + 0x3a);
	parse_versions(s, p);
	parse_journal(s, p);
	s->reserved_gdt = get_le16(p + 0xce);
	s->last_orphan = get_le32(p + 0xe8);
	s->first_meta_bg = get_le32(p + 0x104);
	s->mmp_block = get_le64(p + 0x168);
	s->usr_quota = get_le32(p + 0x240);
	s->grp_quota = get_le32(p + 0x244);
	s->backup_bgs[0] = get_le32(p + 0x24c);
	s->backup_bgs[1] = get_le32(p + 0x250);
	s->prj_quota = get_le32(p + 0x26c);
	s->orphan_file = s->compat & EXT_COMPAT_ORPHAN_FILE ? get_le32(p + 0x280) : 0;
	memcpy(s->uuid, p + 0x68, 16);
	memcpy(s->label, p + 0x78, 16);
	s->seed = s->incompat & EXT_INCOMPAT_CSUM_SEED ? get_le32(p + 0x270) : crc32c(~0u, s->uuid, 16);
	s->csum_bad = s->ro_compat & EXT_RO_METADATA_CSUM && !ext_super_csum_ok(p);
	return can_be(s);
}

bool ext_has_super(const struct ext_super *s, uint64_t group)
{
	if (group == 0)
		return true;
	if (s->compat & EXT_COMPAT_SPARSE_SUPER2)
		return group == s->backup_bgs[0] || group == s->backup_bgs[1];
	return group == 1 || !(s->ro_compat & EXT_RO_SPARSE_SUPER) || power_of(group, 3) || power_of(group, 5) || power_of(group, 7);
}

uint64_t ext_group_first(const struct ext *x, uint64_t group)
{
	return x->s.first_data_block + group * x->s.blocks_per_group;
}

uint64_t ext_group_blocks(const struct ext *x, uint64_t group)
{
	uint64_t first = ext_group_first(x, group);
	return first < x->s.blocks ? MIN((uint64_t)x->s.blocks_per_group, x->s.blocks - first) : 0;
}

/* --- a copy, when the first one is gone --- */

static bool copy_at(struct know_build *b, unsigned volume, uint32_t block, uint64_t at, uint64_t group, struct ext_super *s)
{
	const uint8_t *p = know_peek(b, volume, at * block, 1024);

	return p && ext_super_parse(s, p) && !s->csum_bad && !(s->incompat & EXT_INCOMPAT_JOURNAL_DEV) && s->block == block &&
		s->group == (uint16_t)group && s->first_data_block + group * s->blocks_per_group == at;
}

/* Groups that somebody made smaller (mke2fs -g): the copy in group 1, for sizes of groups that a person would choose; in a small volume,
 * for all.  Some 220 reads, of a small volume at most twice its size. */
static bool find_copy_1(struct know_build *b, unsigned volume, struct ext_super *s)
{
	uint64_t len = know_volume(b, volume)->len;
	uint32_t step = len <= MIB(16) ? 8 : 256;

	for (uint32_t block = 1024; block <= 4096; block *= 2)
		for (uint32_t per = step; per <= 8 * block && per < len / block; per += step)
			if (copy_at(b, volume, block, (block == 1024) + (uint64_t)per, 1, s))
				return true;
	return false;
}

/* Where mkfs puts them: groups as large as a bitmap allows, the first few, and the last one (sparse_super2). */
static bool find_copy(struct know_build *b, unsigned volume, struct ext_super *s)
{
	static const uint8_t groups[] = { 1, 3, 5, 7, 9, 25, 27, 49 };
	uint64_t len = know_volume(b, volume)->len;

	for (uint32_t ratio = 1; ratio <= 64; ratio *= 2)
		for (uint32_t block = 1024; block <= 1024u << LOG_MAX; block *= 2) {
			uint64_t first = block == 1024 && ratio == 1, per = (uint64_t)MIN(8 * block, 65528u) * ratio;
			uint64_t last = len / block > first ? (len / block - first - 1) / per : 0;
			for (unsigned i = 0; i < ARRAY_LEN(groups) && groups[i] <= last; i++)
				if (copy_at(b, volume, block, first + groups[i] * per, groups[i], s))
					return true;
			if (last && copy_at(b, volume, block, first + last * per, last, s))
				return true;
		}
	return find_copy_1(b, volume, s);
}

/* --- all of it --- */

static const char *format_of(const struct ext_super *s)
{
	const uint32_t incompat3 = EXT_INCOMPAT_FILETYPE | EXT_INCOMPAT_RECOVER | EXT_INCOMPAT_META_BG, ro3 = 1 | 2 | 4;

	if (s->incompat & EXT_INCOMPAT_JOURNAL_DEV)
		return "jbd2";
	if (s->incompat & ~incompat3 || s->ro_compat & ~ro3)
		return "ext4";
	return s->compat & EXT_COMPAT_JOURNAL ? "ext3" : "ext2";
}

static void tell_volume(struct ext *x)
{
	struct know_volume *v = know_volume_set(x->b, x->volume);

	v->format = format_of(&x->s);
	v->block = x->s.block;
	v->dirty = !(x->s.state & 1) && !x->from_copy && !(x->s.compat & EXT_COMPAT_JOURNAL);
	know_text(v->name, sizeof v->name, x->s.label, strlen(x->s.label), false);
	know_uuid(v->id, x->s.uuid, false);
	if (x->s.csum_bad)
		know_note(x->b, x->volume, "the superblock's checksum is wrong");
}

static bool have_room(struct ext *x)
{
	x->group = calloc(x->groups, sizeof *x->group);
	x->one = malloc(x->s.block);
	x->piece = malloc(EXT_PIECE);
	x->window[0].bytes = malloc(EXT_PIECE);
	x->window[1].bytes = malloc(EXT_PIECE);
	for (unsigned i = 0; i < EXT_DEPTH_MAX; i++)
		if (!(x->node[i] = malloc(x->s.block)))
			return false;
	return x->group && x->one && x->piece && x->window[0].bytes && x->window[1].bytes;
}

static void let_go(struct ext *x)
{
	for (unsigned i = 0; i < EXT_DEPTH_MAX; i++)
		free(x->node[i]);
	free(x->window[0].bytes);
	free(x->window[1].bytes);
	free(x->group);
	free(x->one);
	free(x->piece);
	free(x->redo);
	free(x->claim);
	free(x->dir);
	free(x->dirblock);
	free(x->xattr);
	free(x->ino);
	free(x);
}

static void measure(struct ext *x)
{
	uint64_t in_volume = know_volume(x->b, x->volume)->len / x->s.block;

	x->off = know_volume(x->b, x->volume)->off;
	x->have = MIN(x->s.blocks, in_volume);
	x->purse = x->table_purse = x->have;
	x->csum = x->s.ro_compat & EXT_RO_METADATA_CSUM;
	x->desc_csum = x->csum || x->s.ro_compat & EXT_RO_GDT_CSUM;
	x->descs_per_block = x->s.block / x->s.desc_size;
	x->table_blocks = (uint32_t)(((uint64_t)x->s.inodes_per_group * x->s.inode_size + x->s.block - 1) / x->s.block);
	uint64_t all = (x->s.blocks - x->s.first_data_block - 1) / x->s.blocks_per_group + 1;
	/* Of a file system that was cut, a few groups more: their tables may lie before the end. */
	uint64_t here = x->have / x->s.blocks_per_group + 64;
	here = MIN(here, (uint64_t)EXT_GROUPS_MAX);
	x->groups = MIN(all, here);
	if (x->s.blocks > in_volume)
		know_note(x->b, x->volume,
			"has %" PRIu64 " blocks of %" PRIu32 " bytes, and there is room for %" PRIu64 ": the rest was cut off",
			x->s.blocks, x->s.block, in_volume);
	if (x->groups == EXT_GROUPS_MAX && all > x->groups)
		know_note(x->b, x->volume, "has %" PRIu64 " block groups: the first %d are looked at", all, EXT_GROUPS_MAX);
	x->desc_blocks = (uint32_t)MIN((all + x->descs_per_block - 1) / x->descs_per_block, (uint64_t)UINT32_MAX);
}

static void look_at_all(struct ext *x)
{
	measure(x);
	if (!have_room(x))
		return;
	ext_groups_load(x);
	ext_journal(x);
	ext_groups_say(x);
	ext_groups_add(x);
	ext_inodes(x);
	ext_dirs(x);
	ext_orphans(x);
	ext_free_space(x);
	ext_said(x);
}

static void look_at_journal(struct ext *x)
{
	x->s.ratio = 1;
	x->have = MIN(x->s.blocks, know_volume(x->b, x->volume)->len / x->s.block);
	x->groups = 1;
	if (have_room(x))
		ext_journal_device(x);
}

static bool look(struct know_build *b, unsigned volume, const struct ext_super *s, bool from_copy)
{
	struct ext *x = calloc(1, sizeof *x);

	if (!x) {
		know_note(b, volume, "out of memory: its file system was not looked at");
		return true;
	}
	*x = (struct ext){ .b = b, .volume = volume, .s = *s, .from_copy = from_copy };
	tell_volume(x);
	if (from_copy)
		know_note(b, volume, "the superblock is gone: all is told by the copy in group %" PRIu32, s->group);
	if (s->incompat & EXT_INCOMPAT_JOURNAL_DEV)
		look_at_journal(x);
	else
		look_at_all(x);
	let_go(x);
	return true;
}

bool know_ext(struct know_build *b, unsigned volume)
{
	struct ext_super s;
	const uint8_t *p = know_volume(b, volume)->len >= 2048 ? know_peek(b, volume, 1024, 1024) : NULL;

	if (!p || get_le16(p + 0x38) != MAGIC)
		return false;
	if (ext_super_parse(&s, p))
		return look(b, volume, &s, false);
	if (s.block == 0) /* no more than two bytes that are as they should be */
		return false;
	uint32_t per_group = s.blocks_per_group, inodes = s.inodes_per_group;
	if (find_copy(b, volume, &s))
		return look(b, volume, &s, true);
	know_note(b, volume,
		"a superblock of ext that cannot be true (%" PRIu32 " blocks and %" PRIu32 " inodes in a group), and no copy was found",
		per_group, inodes);
	know_volume_set(b, volume)->format = "ext2";
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_SUPERBLOCK, 1024, 1024, 0, KNOW_BAD);
	return true;
}

bool know_ext_lost(struct know_build *b, unsigned volume)
{
	struct ext_super s;

	return find_copy(b, volume, &s) && look(b, volume, &s, true);
}
