/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories: who is called what.  Their blocks are read in the order of the disk, many in one go; so of a file's several names, the one that
 * lies first on the disk is kept. */
#include <inttypes.h>
#include <stdlib.h>
#include "base/util.h"
#include "know/ext.h"

enum { HEAD = 8, DX_INFO = 24, GAP = 16, XATTR_MAGIC = 0xea020000, INDEX_SYSTEM = 7 };

/* In a block of 64 KiB, a length does not fit 16 bits. */
static uint32_t rec_len(const struct ext *x, const uint8_t *e)
{
	uint32_t len = get_le16(e + 4);
	if (x->s.block < 65536)
		return len;
	return len == 65535 || len == 0 ? x->s.block : (len & 65532) | (len & 3) << 16;
}

static void name(struct ext *x, uint32_t dir, uint32_t ino, const uint8_t *p, unsigned len)
{
	if (!ino || !len || (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.'))))
		return;
	uint32_t file = ext_file(x, ino);
	if (file == KNOW_NO_FILE)
		ext_say(x, EXT_SAY_ENTRY, "a directory has an entry of inode %" PRIu32 ", which is not in use", ino);
	else if (file != dir && ino != EXT_ROOT_INO && !know_file_set(x->b, file)->name)
		know_file_name(x->b, file, dir, p, len);
}

/* False: they are not as they should be; those before are taken. */
static bool entries(struct ext *x, uint32_t dir, const uint8_t *p, size_t size)
{
	for (size_t at = 0, len; at + HEAD <= size; at += len) {
		const uint8_t *e = p + at;
		len = rec_len(x, e);
		if (len < HEAD || len % 4 || len > size - at || len < HEAD + (size_t)e[6])
			return false;
		name(x, dir, get_le32(e), e + HEAD, e[6]);
	}
	return true;
}

/* Where the hashes of an index block begin; 0: it is none. */
static unsigned index_at(const struct ext *x, const struct ext_dir *d, uint32_t at, const uint8_t *p)
{
	unsigned from = at ? HEAD : DX_INFO + HEAD, tail = x->csum ? 1 : 0;

	if (!d->indexed)
		return 0;
	if (at ? get_le32(p) || rec_len(x, p) != x->s.block : rec_len(x, p) != 12 || rec_len(x, p + 12) != x->s.block - 12 || p[DX_INFO + 5] != HEAD)
		return 0;
	unsigned limit = get_le16(p + from), count = get_le16(p + from + 2);
	return limit == (x->s.block - from) / 8 - tail && count >= 1 && count <= limit ? from : 0;
}

static void dir_block(struct ext *x, const struct ext_dir *d, uint64_t block, uint32_t at, const uint8_t *p)
{
	unsigned index = index_at(x, d, at, p);
	bool good;

	if (index)
		good = !x->csum || ext_dx_csum_ok(x, d->seed, p, index);
	else
		good = entries(x, d->file, p, x->s.block) && (!x->csum || ext_dirblock_csum_ok(x, d->seed, p));
	if (!good)
		ext_say(x, EXT_SAY_DIR, "block %" PRIu64 " of the directory with inode %" PRIu32 " is wrong", block, d->ino);
	ext_add_of(x, index ? KNOW_DIR_INDEX : KNOW_DIRECTORY, block, 1, d->file, KNOW_NOWHERE, good ? 0 : KNOW_BAD);
}

/* --- of directories that lie in their inodes --- */

/* The value of system.data among the attributes in an inode; its length. */
static size_t inline_more(const struct ext *x, const uint8_t *inode, const uint8_t **value)
{
	size_t from = 128u + (x->s.inode_size > 128 ? get_le16(inode + 128) : 0) + 4, end = x->s.inode_size;

	if (from + 4 > end || get_le32(inode + from - 4) != XATTR_MAGIC)
		return 0;
	for (size_t at = from; at + 16 <= end && get_le32(inode + at); at += 16 + (((size_t)inode[at] + 3) & ~(size_t)3)) {
		const uint8_t *e = inode + at;
		size_t offs = from + get_le16(e + 2), size = get_le32(e + 8);
		if (e[1] != INDEX_SYSTEM || e[0] != 4 || at + 20 > end || memcmp(e + 16, "data", 4) != 0)
			continue;
		if (get_le32(e + 4) || offs > end || size > end - offs)
			return 0;
		*value = inode + offs;
		return size;
	}
	return 0;
}

static void dir_inline(struct ext *x, const struct ext_dir *d)
{
	uint8_t *inode = x->piece;
	const uint8_t *more = NULL;

	if (!ext_inode_read(x, d->ino, inode))
		return;
	size_t n = inline_more(x, inode, &more);
	/* i_block begins with the parent's inode number, which has no name here. */
	if (!entries(x, d->file, inode + 40 + 4, 60 - 4) || !entries(x, d->file, more, n))
		ext_say(x, EXT_SAY_DIR, "the directory in inode %" PRIu32 " is wrong", d->ino);
}

/* --- all --- */

static int by_block(const void *a, const void *b)
{
	const struct ext_dirblock *p = a, *q = b;
	return p->block < q->block ? -1 : p->block > q->block;
}

static void dir_blocks(struct ext *x, const struct ext_dirblock *d, uint64_t from, bool readable)
{
	for (uint32_t i = 0; i < d->len; i++) {
		if (readable)
			dir_block(x, &x->dir[d->dir], d->block + i, d->at + i, x->piece + (d->block + i - from) * x->s.block);
		else
			ext_add_of(x, KNOW_DIRECTORY, d->block + i, 1, x->dir[d->dir].file, KNOW_NOWHERE, 0);
	}
}

void ext_dirs(struct ext *x)
{
	uint64_t most = EXT_PIECE / x->s.block;
	const struct ext_dirblock *d = x->dirblock;

	if (x->dirblocks)
		qsort(x->dirblock, x->dirblocks, sizeof *x->dirblock, by_block);
	for (size_t i = 0, j; i < x->dirblocks && !know_stopped(x->b); i = j) {
		uint64_t from = d[i].block, end = from + d[i].len;
		for (j = i + 1; j < x->dirblocks && d[j].block <= end + GAP && d[j].block + d[j].len - from <= most; j++)
			end = MAX(end, d[j].block + d[j].len);
		bool readable = ext_read(x, from, end - from, x->piece) == 0;
		for (size_t k = i; k < j; k++)
			dir_blocks(x, &d[k], from, readable);
	}
	for (size_t i = 0; i < x->dirs && !know_stopped(x->b); i++)
		if (x->dir[i].inlined)
			dir_inline(x, &x->dir[i]);
}
