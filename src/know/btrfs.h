/* SPDX-License-Identifier: BSD-2-Clause */
/* btrfs: what the files of this decoder share.  btrfs.c: superblocks, and in which order things are looked at; btrfs_chunk.c: from
 * logical addresses, which all pointers are, to bytes of this device; btrfs_tree.c: nodes; btrfs_files.c, btrfs_space.c: items.
 * Of a file system on several devices only this one is looked at.
 * Source: the on-disk format in the documentation of btrfs (btrfs.readthedocs.io, "On-disk format"). */
#pragma once
#include "base/bytes.h"
#include "base/util.h"
#include "know/build.h"
#include "know/seen.h"

enum {
	BTRFS_LEVELS = 8,
	BTRFS_CHUNKS_MAX = 1 << 20,
	BTRFS_TREES_MAX = 1 << 20,
	BTRFS_COPIES = 8,     /* of a chunk on one device that are looked at */
	/* types of items */
	BTRFS_INODE = 1, BTRFS_INODE_REF = 12, BTRFS_EXTENT_DATA = 108, BTRFS_ROOT = 132, BTRFS_ROOT_REF = 156, BTRFS_EXTENT = 168,
	BTRFS_METADATA = 169, BTRFS_CHUNK = 228,
	/* trees */
	BTRFS_ROOT_TREE = 1, BTRFS_EXTENT_TREE = 2, BTRFS_CHUNK_TREE = 3, BTRFS_FS_TREE = 5, BTRFS_FIRST_SUBVOLUME = 256,
};

struct btrfs_key {
	uint64_t id;
	uint8_t type;
	uint64_t offset;
};

struct btrfs_chunk {
	uint64_t logical, len, type;
	uint64_t stripe_len;
	uint32_t stripes, sub; /* sub: stripes with the same content, of RAID10 */
	uint64_t *place;      /* stripes, ours: bytes of this device, UINT64_MAX: it is on another */
};

/* A tree, as the root tree tells of it. */
struct btrfs_root {
	uint64_t id, at;
	uint8_t level;
	bool log;
};

/* Inodes of all trees of files; what they are called is found when all are known. */
struct btrfs_file {
	uint64_t tree, inode, parent;
	uint32_t file;        /* index in the map */
};

/* A subvolume's place in the directory of another. */
struct btrfs_link {
	uint64_t child, tree, dir;
	char *name;           /* ours */
};

struct btrfs {
	struct know_build *b;
	unsigned volume;
	uint32_t node;        /* bytes */
	uint64_t device, generation;
	bool sums;            /* they are CRC32C, which is known here */
	const uint8_t *fsid;  /* as nodes have it: of the superblock that is used */
	struct btrfs_chunk *chunk; /* chunks, ours; sorted */
	size_t chunks, chunk_room;
	struct btrfs_root *root; /* ours */
	size_t roots, root_room;
	struct btrfs_file *file; /* ours */
	size_t files, file_room;
	struct btrfs_link *link; /* ours */
	size_t links, link_room;
	uint64_t inode;       /* the one whose items come now, and its file */
	uint64_t inode_tree;
	uint32_t inode_file;
	bool inode_system;
	uint64_t cursor;      /* space: all below it is told */
	bool whole;           /* no node of the tree that is walked was missing */
	struct seen nodes, extents;
	unsigned complaints;
};

__attribute__((format(printf, 2, 3))) void btrfs_complain(struct btrfs *f, const char *fmt, ...); /* a note, as long as there are few */
struct btrfs_key btrfs_key(const uint8_t *p); /* 17 bytes */
/* Room for one more; false: no memory, or max are there. */
bool btrfs_room(void *array, size_t size, size_t used, size_t *room, size_t max);

/* --- btrfs_chunk.c --- */
/* A chunk item; what makes no sense is left out. */
void btrfs_add_chunk(struct btrfs *f, uint64_t logical, const uint8_t *item, size_t size);
size_t btrfs_find(const struct btrfs *f, uint64_t logical); /* the first chunk that ends behind it; f->chunks: none does */
/* Where a copy of a logical address is on this device, and how many bytes follow each other there, at most len.
 * False: there is no such copy. */
bool btrfs_place(const struct btrfs *f, uint64_t logical, uint64_t len, unsigned copy, uint64_t *at, uint64_t *run);
/* Regions for a logical range, of each copy; r: off and len are set here, home (of none: KNOW_NOWHERE) goes along. */
void btrfs_add(struct btrfs *f, enum know_layer layer, uint64_t logical, uint64_t len, const struct know_region *r);
/* What of the device is in no chunk.  end: bytes of the device that are the file system's. */
void btrfs_add_rest(struct btrfs *f, uint64_t end);
void btrfs_free_chunks(struct btrfs *f);

/* --- btrfs_tree.c --- */
typedef void btrfs_item(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data, size_t size);
/* Walks a tree and adds its nodes as regions; item, may be NULL, is told of each item, in order.  f->whole: nothing was missing. */
void btrfs_walk(struct btrfs *f, uint64_t at, unsigned level, uint64_t tree, bool log, btrfs_item *item);

/* --- btrfs_files.c, btrfs_space.c --- */
btrfs_item btrfs_see_file, btrfs_see_space;
void btrfs_end_space(struct btrfs *f); /* behind the last extent */
void btrfs_see_link(struct btrfs *f, const struct btrfs_key *k, const uint8_t *data, size_t size); /* BTRFS_ROOT_REF */
void btrfs_names(struct btrfs *f);
void btrfs_free_files(struct btrfs *f);
