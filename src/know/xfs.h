/* SPDX-License-Identifier: BSD-2-Clause */
/* xfs: what the files of this decoder share.  xfs.c: superblocks and headers of the allocation groups; xfs_tree.c: btrees;
 * xfs_inode.c: inode chunks and forks; xfs_dir.c: names; xfs_log.c: was it unmounted?
 * Numbers are big-endian; an inode's or block's number is its AG's number and its place there.
 * Source: "XFS Algorithms & Data Structures", 3rd edition. */
#pragma once
#include "base/bytes.h"
#include "base/util.h"
#include "know/build.h"
#include "know/seen.h"

enum {
	XFS_LEVELS_MAX = 12,
	XFS_INODES_MAX = KNOW_FILES_MAX,
};

struct xfs_inode_file {
	uint64_t inode;
	uint32_t file;        /* index in the map */
	bool dir;
};

struct xfs {
	struct know_build *b;
	unsigned volume;
	uint32_t block, sector, inode_size, dir_block; /* bytes */
	unsigned block_log, inode_log, per_block_log, ag_log; /* ag_log: bits of a block's number within its AG */
	uint64_t blocks;
	uint32_t ag_blocks, ags;
	uint64_t log_start;   /* block; 0: the log is on another device */
	uint32_t log_blocks;
	uint64_t root, system[5]; /* inodes; 0 or ~0: none */
	bool v5, ftype, sparse;
	bool finobt, rmap, refcount;
	uint8_t *bytes;       /* ours: a block of a tree, a directory's block */
	struct seen seen;     /* blocks of trees, and first inodes of chunks */
	struct seen seen_names; /* in the second pass: blocks of trees and of directories */
	struct xfs_inode_file *inode; /* inodes, ours; sorted once all are there */
	size_t inodes, inode_room;
	unsigned complaints;
};

static inline bool xfs_valid(const struct xfs *x, uint64_t ag, uint64_t block, uint64_t count)
{
	uint64_t first = ag * x->ag_blocks;
	return ag < x->ags && block < x->ag_blocks && count <= x->ag_blocks - block && first + block + count <= x->blocks;
}
/* Bytes of the volume. */
static inline uint64_t xfs_at(const struct xfs *x, uint64_t ag, uint64_t block) { return (ag * x->ag_blocks + block) << x->block_log; }

__attribute__((format(printf, 2, 3))) void xfs_complain(struct xfs *x, const char *fmt, ...); /* a note, as long as there are few */
bool xfs_crc(const uint8_t *p, size_t n, size_t at); /* the checksum at `at` is right */

/* Walks a btree of an AG; root: block within it; levels: 1 when the root is a leaf.  leaf: gets each record, in order; may be NULL. */
struct xfs_tree {
	uint32_t magic, magic4; /* magic4: of version 4, 0: it has none */
	uint32_t key, rec;      /* bytes of a key in a node, of a record */
	void (*leaf)(struct xfs *x, uint32_t ag, const uint8_t *rec);
};
void xfs_walk(struct xfs *x, uint32_t ag, const struct xfs_tree *t, uint32_t root, uint32_t levels);
extern const struct xfs_tree xfs_bno, xfs_cnt, xfs_ino, xfs_fino, xfs_rmap, xfs_refcount;

/* A part of a fork: count blocks at block `at` of the file lie at block of the AG. */
struct xfs_extent {
	uint64_t at;
	uint32_t ag, block, count;
	bool unwritten;
};
typedef void xfs_see(struct xfs *x, const struct xfs_extent *e, void *arg);
/* The extents of an inode's data or attribute fork, in order; those that make no sense are left out.
 * node: is told of each block of the btree; may be NULL. */
void xfs_fork(struct xfs *x, const uint8_t *inode, bool attr, struct seen *seen, xfs_see *see, xfs_see *node, void *arg);

void xfs_chunk(struct xfs *x, uint32_t ag, const uint8_t *rec); /* a record of the inode btree */
void xfs_names(struct xfs *x);                                  /* once all inodes are known */
void xfs_log(struct xfs *x);                                    /* its region, and whether it is to be played */
