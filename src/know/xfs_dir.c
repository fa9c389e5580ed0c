/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories give inodes their names.  Read when all inodes are known, since a name may lead to any of them. */
#include <inttypes.h>
#include <stdlib.h>
#include "know/xfs.h"

enum {
	I_FORMAT = 5, I_FORK_OFF = 82, I_LEN = 100, I_LEN5 = 176,
	FORMAT_LOCAL = 1,
	D_LEN = 16, D_LEN5 = 64, D_CRC = 4, UNUSED = 0xffff, TAIL = 8, LEAF_ENTRY = 8,
	DIR_LEAF_SHIFT = 35,
};
static const uint32_t block_magic = 0x58443242, data_magic = 0x58443244, block_magic5 = 0x58444233, data_magic5 = 0x58444433;

/* The directory that is read. */
struct dir {
	uint32_t file;
	uint32_t have; /* bytes of x->bytes that were gathered, of the block at `from` */
	uint64_t from;
};

static int by_number(const void *a, const void *b)
{
	const struct xfs_inode_file *l = a, *r = b;
	return (l->inode > r->inode) - (l->inode < r->inode);
}

/* A file with several names has the first that is met. */
static void name(struct xfs *x, uint32_t parent, uint64_t inode, const uint8_t *bytes, size_t len)
{
	const struct xfs_inode_file wanted = { .inode = inode }, *found = bsearch(&wanted, x->inode, x->inodes, sizeof wanted, by_number);

	if ((len == 1 && bytes[0] == '.') || (len == 2 && bytes[0] == '.' && bytes[1] == '.'))
		return;
	if (found && inode != x->root && !know_name(x->b, found->file)[0])
		know_file_name(x->b, found->file, parent, bytes, len);
}

/* Entries begin at `at`; each ends in padding to 8 bytes and its own place. */
static void read_block(struct xfs *x, const struct dir *d, const uint8_t *p)
{
	uint32_t magic = get_be32(p), at = x->v5 ? D_LEN5 : D_LEN, end = x->dir_block, type = x->ftype;
	bool one = magic == (x->v5 ? block_magic5 : block_magic);

	if (!one && magic != (x->v5 ? data_magic5 : data_magic)) {
		xfs_complain(x, "a directory's block is none");
		return;
	}
	if (x->v5 && !xfs_crc(p, x->dir_block, D_CRC))
		xfs_complain(x, "a directory's block has a wrong checksum");
	if (one) { /* its index is at the end */
		uint64_t index = TAIL + (uint64_t)get_be32(p + end - TAIL) * LEAF_ENTRY;
		end = index < end ? end - (uint32_t)index : 0;
	}
	while (at + 16 <= end) {
		uint32_t len = p[at + 8], step;
		if (get_be16(p + at) == UNUSED) {
			step = get_be16(p + at + 2);
		} else {
			step = (8 + 1 + len + type + 2 + 7) & ~7u;
			if (step <= end - at)
				name(x, d->file, get_be64(p + at), p + at + 9, len);
		}
		if (step < 8 || step & 7 || step > end - at)
			return;
		at += step;
	}
}

/* A directory's block may be larger than the file system's, and lie in pieces. */
static void gather(struct xfs *x, const struct xfs_extent *e, void *arg)
{
	struct dir *d = arg;

	for (uint32_t i = 0; i < e->count && !know_stopped(x->b); i++) {
		uint64_t at = (e->at + i) << x->block_log, in = at % x->dir_block;
		if (at >> DIR_LEAF_SHIFT)
			return;
		if (in != d->have || at - in != d->from) {
			d->have = 0;
			d->from = at - in;
		}
		const uint8_t *p = in == d->have ? know_peek(x->b, x->volume, xfs_at(x, e->ag, e->block + i), x->block) : NULL;
		if (!p)
			continue;
		memcpy(x->bytes + in, p, x->block);
		d->have += x->block;
		if (d->have == x->dir_block) {
			read_block(x, d, x->bytes);
			d->have = 0;
		}
	}
}

/* In the inode itself: a count, whether inodes have 8 bytes, the parent, entries. */
static void read_short(struct xfs *x, const struct dir *d, const uint8_t *inode)
{
	uint32_t start = x->v5 ? I_LEN5 : I_LEN, len = x->inode_size - start, split = inode[I_FORK_OFF] * 8u, at;
	const uint8_t *p = inode + start;
	uint32_t count = p[0] ? p[0] : p[1], wide = p[1] ? 8 : 4, type = x->ftype;

	if (split && split < len)
		len = split;
	at = 2 + wide;
	for (uint32_t i = 0; i < count && at + 3 <= len; i++) {
		uint32_t n = p[at], next = at + 3 + n + type + wide;
		if (next > len)
			return;
		const uint8_t *number = p + next - wide;
		name(x, d->file, wide == 8 ? get_be64(number) : get_be32(number), p + at + 3, n);
		at = next;
	}
}

static void read_dir(struct xfs *x, const struct xfs_inode_file *i, uint8_t *inode)
{
	uint64_t ag = i->inode >> (x->ag_log + x->per_block_log), in = i->inode & ((1ull << (x->ag_log + x->per_block_log)) - 1);
	struct dir d = { .file = i->file };

	const uint8_t *p = know_peek(x->b, x->volume, xfs_at(x, ag, 0) + (in << x->inode_log), x->inode_size);
	if (!p)
		return;
	memcpy(inode, p, x->inode_size);
	if (inode[I_FORMAT] == FORMAT_LOCAL)
		read_short(x, &d, inode);
	else
		xfs_fork(x, inode, false, &x->seen_names, gather, NULL, &d);
}

void xfs_names(struct xfs *x)
{
	uint8_t *inode = malloc(x->inode_size);

	x->bytes = malloc(x->dir_block);
	if (x->inodes)
		qsort(x->inode, x->inodes, sizeof *x->inode, by_number);
	for (size_t i = 0; inode && x->bytes && i < x->inodes && !know_stopped(x->b); i++)
		if (x->inode[i].dir)
			read_dir(x, x->inode + i, inode);
	free(inode);
}
