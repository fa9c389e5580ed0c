/* SPDX-License-Identifier: BSD-2-Clause */
/* Inodes: which there are, and what they refer to.  Tables are read in large pieces, and only as far as they were ever used. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/util.h"
#include "know/ext.h"

enum { XATTR_MAGIC = 0xea020000, XATTRS_MAX = 16 << 20, INOS_MAX = KNOW_FILES_MAX, DIRS_MAX = KNOW_FILES_MAX, DIRBLOCKS_MAX = 16 << 20,
	COMPAT_RESIZE_INODE = 0x10 };

struct inode {
	const uint8_t *raw;
	uint32_t ino;
	uint32_t file;               /* KNOW_NO_FILE: not yet one, or there are too many */
	enum know_kind kind;         /* of its content */
	enum know_file_type type;
	bool dead;                   /* deleted: its blocks may be others' by now */
	bool skip;                   /* its content is told by others */
};

static uint32_t flags_of(const uint8_t *p) { return get_le32(p + 32); }
static unsigned links_of(const uint8_t *p) { return get_le16(p + 26); }
static uint32_t dtime_of(const uint8_t *p) { return get_le32(p + 20); }
static unsigned format_of(const uint8_t *p) { return get_le16(p) >> 12; } /* 4: directory, 8: regular, 10: symbolic link */

static uint64_t xattr_of(const uint8_t *p)
{
	return get_le32(p + 104) | (uint64_t)get_le16(p + 118) << 32;
}

static uint64_t size_of(const uint8_t *p)
{
	return get_le32(p + 4) | (uint64_t)get_le32(p + 108) << 32;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* Its target stands where others have their tree. */
static bool fast_symlink(const struct ext *x, const uint8_t *p)
{
	uint32_t own = get_le32(p + 28), of_xattr = xattr_of(p) ? x->s.block * x->s.ratio / 512 : 0;
	return format_of(p) == 10 && !(flags_of(p) & (EXT_EXTENTS_FL | EXT_INLINE_DATA_FL)) && (own <= of_xattr || size_of(p) < 60);
}

static bool has_blocks(const struct ext *x, const uint8_t *p)
{
	unsigned format = format_of(p);
	return (format == 4 || format == 8 || (format == 10 && !fast_symlink(x, p))) && !(flags_of(p) & EXT_INLINE_DATA_FL);
}

/* --- what kind of file --- */

static bool is_system(const struct ext *x, uint32_t ino)
{
	const struct ext_super *s = &x->s;
	return (ino < s->first_ino && ino != EXT_ROOT_INO) || ino == s->usr_quota || ino == s->grp_quota || ino == s->prj_quota ||
		ino == s->orphan_file || ino == s->journal_inum;
}

static void classify(const struct ext *x, struct inode *in)
{
	unsigned format = format_of(in->raw);

	in->type = format == 4 ? KNOW_DIR : format == 10 ? KNOW_LINK : KNOW_REGULAR;
	in->kind = format == 4 ? KNOW_DIRECTORY : format == 10 ? KNOW_SYMLINK : KNOW_FILE_DATA;
	if (is_system(x, in->ino)) {
		in->type = KNOW_SYSTEM;
		in->kind = KNOW_SYSTEM_FILE;
		in->skip = in->ino == x->s.journal_inum;
	} else if (flags_of(in->raw) & EXT_EA_INODE_FL) {
		in->type = KNOW_SYSTEM;
		in->kind = KNOW_XATTR;
	}
}

static void name_system(struct ext *x, const struct inode *in)
{
	const struct { uint32_t ino; const char *name; } names[] = {
		{ EXT_BAD_INO, "<bad blocks>" }, { EXT_RESIZE_INO, "<resize inode>" }, { x->s.journal_inum, "<journal>" },
		{ x->s.usr_quota, "<user quota>" }, { x->s.grp_quota, "<group quota>" }, { x->s.prj_quota, "<project quota>" },
		{ x->s.orphan_file, "<orphan file>" },
	};
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].ino == in->ino)
			know_file_name(x->b, in->file, KNOW_NO_FILE, names[i].name, strlen(names[i].name));
}

/* Bytes of the disk. */
static uint64_t place(const struct ext *x, uint32_t ino)
{
	uint32_t group = (ino - 1) / x->s.inodes_per_group, i = (ino - 1) % x->s.inodes_per_group;
	return x->off + x->group[group].inode_table * x->s.block + (uint64_t)i * x->s.inode_size;
}

static void add_file(struct ext *x, struct inode *in)
{
	struct know_file f = { .inode = in->ino, .size = size_of(in->raw), .parent = KNOW_NO_FILE, .volume = (uint16_t)x->volume,
		.type = (uint8_t)in->type, .inode_at = place(x, in->ino), .links = (uint16_t)links_of(in->raw), .mode = get_le16(in->raw),
		.life = get_le32(in->raw + 100) };
	bool orphan = !in->dead && links_of(in->raw) == 0 && in->type != KNOW_SYSTEM;

	f.flags = in->dead || orphan ? KNOW_DELETED : 0;
	if (!ext_room(x, &x->ino, &x->ino_room, x->inos, INOS_MAX, sizeof *x->ino))
		return;
	in->file = know_add_file(x->b, &f, in->ino == EXT_ROOT_INO ? "/" : NULL, 1);
	if (in->file == KNOW_NO_FILE)
		return;
	if (x->inos == 0)
		x->first_file = in->file;
	x->ino[x->inos++] = in->ino;
	x->orphans += orphan;
	x->deleted += in->dead;
	if (in->type == KNOW_SYSTEM)
		name_system(x, in);
}

/* --- its blocks --- */

static void add_dirblocks(struct ext *x, const struct inode *in, const struct ext_piece *p)
{
	uint64_t most = EXT_PIECE / x->s.block, len = p->block < x->have ? MIN(p->len, x->have - p->block) : 0;

	if (!x->dirs || x->dir[x->dirs - 1].ino != in->ino) { /* there was no room for it: what is in it is not looked at */
		if (len)
			ext_add_of(x, KNOW_DIRECTORY, p->block, len, in->file, KNOW_NOWHERE, 0);
		return;
	}
	if (len > x->purse) {
		ext_say(x, EXT_SAY_DIR, "its directories have more blocks than there are: some were not looked at");
		len = x->purse;
	}
	x->purse -= len;
	for (uint64_t i = 0, n; i < len; i += n) {
		n = MIN(len - i, most);
		if (ext_room(x, &x->dirblock, &x->dirblocks_room, x->dirblocks, DIRBLOCKS_MAX, sizeof *x->dirblock))
			x->dirblock[x->dirblocks++] = (struct ext_dirblock){ .block = p->block + i, .len = (uint32_t)n,
				.at = (uint32_t)(p->at + i), .dir = (uint32_t)x->dirs - 1 };
	}
}

/* Of a file that is no more: only where the space is free. */
static void dead_piece(struct ext *x, struct inode *in, const struct ext_piece *p)
{
	if (in->file == KNOW_NO_FILE)
		add_file(x, in);
	if (in->file == KNOW_NO_FILE)
		return;
	ext_claim(x, &(struct ext_claim){ .block = p->block, .len = p->len, .file = in->file, .when = dtime_of(in->raw), .on_free = true,
		.home = in->kind == KNOW_FILE_DATA && !p->node ? p->at * x->s.block : KNOW_NOWHERE,
		.kind = (uint8_t)(p->node ? KNOW_EXTENT_NODE : in->kind), .number = p->node && !(flags_of(in->raw) & EXT_EXTENTS_FL),
		.flags = (uint8_t)(KNOW_DELETED | (p->unwritten ? KNOW_UNWRITTEN : 0)) });
}

static void add_orphan_file(struct ext *x, const struct ext_walk *w, const struct inode *in, const struct ext_piece *p)
{
	for (uint64_t block = p->block; block < p->block + p->len && block < x->have; block++)
		ext_add_of(x, KNOW_SYSTEM_FILE, block, 1, in->file, KNOW_NOWHERE, ext_orphan_block(x, w->seed, block) ? 0 : KNOW_BAD);
}

static void piece(struct ext_walk *w, const struct ext_piece *p)
{
	struct inode *in = w->arg;
	struct ext *x = w->x;

	if (in->dead)
		dead_piece(x, in, p);
	else if (p->node)
		ext_add_node(x, p->block, in->file, !(flags_of(in->raw) & EXT_EXTENTS_FL), p->bad ? KNOW_BAD : 0);
	else if (in->skip)
		return;
	else if (in->kind == KNOW_DIRECTORY)
		add_dirblocks(x, in, p);
	else if (in->ino == x->s.orphan_file)
		add_orphan_file(x, w, in, p);
	else
		ext_add_of(x, in->kind, p->block, p->len, in->file, in->kind == KNOW_FILE_DATA ? p->at * x->s.block : KNOW_NOWHERE,
			p->unwritten ? KNOW_UNWRITTEN : 0);
}

/* Its tree is the room that is reserved for descriptors, which is told by where that lies; but for the block at the top. */
static void resize_inode(struct ext *x, const struct inode *in)
{
	uint32_t top = get_le32(in->raw + 40 + 13 * 4);

	if (ext_inside(x, top, 1))
		ext_add_node(x, top, in->file, true, 0);
}

static void add_dir(struct ext *x, const struct inode *in, uint32_t seed)
{
	uint32_t flags = flags_of(in->raw);

	if (ext_room(x, &x->dir, &x->dirs_room, x->dirs, DIRS_MAX, sizeof *x->dir))
		x->dir[x->dirs++] = (struct ext_dir){ .file = in->file, .ino = in->ino, .seed = seed, .indexed = flags & EXT_INDEX_FL,
			.inlined = flags & EXT_INLINE_DATA_FL };
}

static void add_xattr(struct ext *x, const struct inode *in)
{
	uint64_t block = xattr_of(in->raw);

	if (!block)
		return;
	if (!ext_inside(x, block, 1))
		ext_say(x, EXT_SAY_RANGE, "inode %" PRIu32 " claims block %" PRIu64 " for attributes, which cannot be", in->ino, block);
	else if (ext_room(x, &x->xattr, &x->xattrs_room, x->xattrs, XATTRS_MAX, sizeof *x->xattr))
		x->xattr[x->xattrs++] = (struct ext_xattr){ .block = block, .file = in->file };
}

static void live(struct ext *x, struct inode *in)
{
	if (get_le16(in->raw) == 0 && all_zero(in->raw + 40, 60) && !xattr_of(in->raw))
		return; /* reserved, and not used */
	struct ext_walk w = { .x = x, .ino = in->ino, .piece = piece, .arg = in };

	classify(x, in);
	add_file(x, in);
	w.seed = x->csum ? ext_ino_seed(x, in->ino, in->raw) : 0;
	if (in->kind == KNOW_DIRECTORY)
		add_dir(x, in, w.seed);
	if (in->ino == EXT_RESIZE_INO && x->s.compat & COMPAT_RESIZE_INODE)
		resize_inode(x, in);
	else if (has_blocks(x, in->raw) || in->ino == EXT_BAD_INO)
		ext_walk(&w, in->raw);
	add_xattr(x, in);
}

static void dead(struct ext *x, struct inode *in)
{
	struct ext_walk w = { .x = x, .ino = in->ino, .piece = piece, .arg = in, .quiet = true };

	if (in->ino < x->s.first_ino || !has_blocks(x, in->raw) || (x->csum && !ext_inode_csum_ok(x, in->ino, in->raw)))
		return;
	classify(x, in);
	in->dead = true;
	w.seed = x->csum ? ext_ino_seed(x, in->ino, in->raw) : 0;
	ext_walk(&w, in->raw);
}

/* --- tables --- */

/* bits: NULL when they cannot be believed.  False: the inode is wrong. */
static bool inode(struct ext *x, uint32_t ino, const uint8_t *raw, const uint8_t *bits, uint32_t i)
{
	bool used = bits ? bits[i / 8] >> (i % 8) & 1 : links_of(raw) && !dtime_of(raw);
	struct inode in = { .raw = raw, .ino = ino, .file = KNOW_NO_FILE };

	if (!used) {
		if (dtime_of(raw))
			dead(x, &in);
		return true;
	}
	bool good = !x->csum || ext_inode_csum_ok(x, ino, raw) || all_zero(raw, x->s.inode_size);
	if (!good && !bits)
		return true; /* never one, most likely */
	if (!good)
		ext_say(x, EXT_SAY_INODE, "inode %" PRIu32 " has a wrong checksum", ino);
	live(x, &in);
	return good;
}

/* The inodes of one block of a table. */
static bool table_block(struct ext *x, uint64_t group, const uint8_t *p, uint64_t first, uint64_t end, const uint8_t *bits)
{
	bool good = true;

	for (uint64_t i = first; i < end; i++, p += x->s.inode_size) {
		uint64_t ino = group * x->s.inodes_per_group + i + 1;
		if (ino <= x->s.inodes)
			good &= inode(x, (uint32_t)ino, p, bits, (uint32_t)i);
	}
	return good;
}

static void table(struct ext *x, uint64_t group, uint64_t inodes, const uint8_t *bits)
{
	uint64_t at = x->group[group].inode_table, per = x->s.block / x->s.inode_size, blocks = (inodes + per - 1) / per, from = 0;
	bool good = true;

	if (blocks > x->table_purse) {
		ext_say(x, EXT_SAY_GROUP, "the inode table of group %" PRIu64 " is one too many: not all of it was looked at", group);
		blocks = x->table_purse;
	}
	x->table_purse -= blocks;
	for (uint64_t i = 0, n; i < blocks && !know_stopped(x->b); i += n) {
		n = MIN(blocks - i, (uint64_t)EXT_PIECE / x->s.block);
		if (ext_read(x, at + i, n, x->piece))
			continue;
		for (uint64_t k = 0; k < n; k++) {
			bool was = good;
			good = table_block(x, group, x->piece + k * x->s.block, (i + k) * per, MIN((i + k + 1) * per, inodes), bits);
			if (good == was)
				continue;
			ext_add(x, KNOW_LAYER_PLAIN, KNOW_INODE_TABLE, at + from, i + k - from, group, was ? 0 : KNOW_BAD);
			from = i + k;
		}
	}
	ext_add(x, KNOW_LAYER_PLAIN, KNOW_INODE_TABLE, at + from, blocks - from, group, good ? 0 : KNOW_BAD);
	ext_add(x, KNOW_LAYER_PLAIN, KNOW_INODE_TABLE, at + blocks, x->table_blocks - blocks, group, KNOW_UNWRITTEN);
}

static void group_inodes(struct ext *x, uint64_t group)
{
	const struct ext_group *g = &x->group[group];
	bool uninit = ext_bitmap_uninit(x, 1, group);
	const uint8_t *bits = uninit ? NULL : ext_bitmap(x, 1, group);
	uint64_t inodes = uninit ? 0 : x->s.inodes_per_group - MIN(g->unused, x->s.inodes_per_group);

	ext_add(x, KNOW_LAYER_PLAIN, KNOW_INODE_BITMAP, g->inode_bitmap, 1, group,
		(uninit ? KNOW_UNWRITTEN : 0) | (g->inode_bad ? KNOW_BAD : 0));
	table(x, group, inodes, g->inode_bad || g->copied ? NULL : bits);
}

/* Several inodes may share one. */
static int by_block(const void *a, const void *b)
{
	const struct ext_xattr *p = a, *q = b;
	return p->block != q->block ? (p->block < q->block ? -1 : 1) : p->file < q->file ? -1 : p->file > q->file;
}

static void xattrs(struct ext *x)
{
	if (x->xattrs)
		qsort(x->xattr, x->xattrs, sizeof *x->xattr, by_block);
	for (size_t i = 0; i < x->xattrs && !know_stopped(x->b); i++) {
		const struct ext_xattr *a = &x->xattr[i];
		if (i && a->block == a[-1].block)
			continue;
		const uint8_t *p = ext_peek(x, a->block);
		bool good = p && get_le32(p) == XATTR_MAGIC && (!x->csum || ext_xattr_csum_ok(x, a->block, p));
		if (!good)
			ext_say(x, EXT_SAY_XATTR, "block %" PRIu64 " of extended attributes is wrong", a->block);
		ext_add_of(x, KNOW_XATTR, a->block, 1, a->file, KNOW_NOWHERE, good ? 0 : KNOW_BAD);
	}
}

void ext_inodes(struct ext *x)
{
	for (uint64_t g = 0; g < x->groups && !know_stopped(x->b); g++)
		if (x->group[g].ok)
			group_inodes(x, g);
	xattrs(x);
}
