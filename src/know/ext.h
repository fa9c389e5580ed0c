/* SPDX-License-Identifier: BSD-2-Clause */
/* ext: what the files ext_*.c share while they look at one ext2, ext3 or ext4.  One thread.
 *
 * Numbers and names are those of the kernel's Documentation/filesystems/ext4 and of e2fsprogs; offsets are from there, too.
 *
 * Order: superblock (or a copy), group descriptors (or copies), journal; from then on, everything is read *as after a replay*: when the
 * file system says that its journal is to be played, blocks come from the newest committed transaction that has them.  So the map tells
 * what a mount would find, which is also what is true of a disk in use.  Then inodes with what they refer to, then directories, then the
 * bitmaps: what they call free is free, and what they call used while nothing refers to it is lost.
 *
 * Hostile input: every block that leads to others (extent node, indirect block, directory block) is paid for out of `purse`, which holds
 * as many as the file system has blocks, and the blocks of inode tables out of another one; depths are at most 5 and fall by one; counts
 * are cut to the block they stand in. */
#pragma once
#include "base/bytes.h"
#include "know/build.h"
#include "know/crc32c.h"

enum {
	EXT_GROUPS_MAX = 1 << 20,    /* 128 TiB of 4 KiB blocks; what lies beyond is not looked at, and a note says so */
	EXT_CLAIMS_MAX = 4 << 20,
	EXT_DEPTH_MAX = 5,
	EXT_PIECE = 1 << 20,         /* bytes in one read */
	EXT_SAY_MAX = 8,             /* notes of one sort */
	EXT_MISSES_MAX = 4096, EXT_SUPERS_MAX = 256,

	EXT_COMPAT_JOURNAL = 4, EXT_COMPAT_SPARSE_SUPER2 = 0x200, EXT_COMPAT_ORPHAN_FILE = 0x1000,
	EXT_INCOMPAT_FILETYPE = 2, EXT_INCOMPAT_RECOVER = 4, EXT_INCOMPAT_JOURNAL_DEV = 8, EXT_INCOMPAT_META_BG = 0x10,
	EXT_INCOMPAT_EXTENTS = 0x40, EXT_INCOMPAT_64BIT = 0x80, EXT_INCOMPAT_MMP = 0x100, EXT_INCOMPAT_FLEX_BG = 0x200,
	EXT_INCOMPAT_CSUM_SEED = 0x2000,
	EXT_RO_SPARSE_SUPER = 1, EXT_RO_GDT_CSUM = 0x10, EXT_RO_BIGALLOC = 0x200, EXT_RO_METADATA_CSUM = 0x400,

	EXT_INODE_UNINIT = 1, EXT_BLOCK_UNINIT = 2, /* of a group descriptor */

	EXT_INDEX_FL = 0x1000, EXT_EXTENTS_FL = 0x80000, EXT_EA_INODE_FL = 0x200000, EXT_INLINE_DATA_FL = 0x10000000,

	EXT_ROOT_INO = 2, EXT_BAD_INO = 1, EXT_RESIZE_INO = 7,
};

/* A superblock, as it stands on the disk, understood. */
struct ext_super {
	uint64_t blocks;             /* of the file system, as it says */
	uint64_t mmp_block;
	uint32_t inodes, first_data_block, block, ratio; /* block: bytes; ratio: blocks in a cluster */
	uint32_t blocks_per_group, clusters_per_group, inodes_per_group, first_ino, inode_size, desc_size;
	uint32_t compat, incompat, ro_compat;
	uint32_t reserved_gdt, first_meta_bg, backup_bgs[2], group; /* group: in which this one lies */
	uint32_t journal_inum, journal_dev, last_orphan, usr_quota, grp_quota, prj_quota, orphan_file;
	uint32_t state, seed;        /* seed: of checksums */
	uint32_t journal_blocks[17]; /* a copy of the journal's i_block and size; all 0: none */
	uint8_t uuid[16], journal_uuid[16];
	char label[17];
	bool csum_bad;
};

struct ext_group {                   /* a descriptor */
	uint64_t block_bitmap, inode_bitmap, inode_table; /* blocks */
	uint32_t unused;             /* inodes at the table's end that were never used */
	uint32_t block_csum, inode_csum;
	uint8_t flags;               /* EXT_INODE_UNINIT ... */
	bool ok;                     /* the three above can be */
	bool csum_bad, block_bad, inode_bad; /* the descriptor, the bitmaps */
	bool copied;                 /* taken from a backup: what changes is not known */
};

/* A block of the journal that is to be written home. */
struct ext_redo {
	uint64_t home;               /* block */
	uint64_t at;                 /* block that holds the copy */
	uint32_t seq;
	bool escaped;                /* begins with the journal's magic number, which the copy has not */
};

/* What lies below the files, on space that the bitmap speaks of: blocks of deleted files, the rest of a cluster. */
struct ext_claim {
	uint64_t block, len;         /* blocks */
	uint64_t home;               /* bytes of the file, or KNOW_NOWHERE */
	uint64_t number;
	uint32_t file;
	uint32_t when;               /* of deletion: the newest is the likeliest */
	uint8_t kind, flags;
	bool on_free;                /* only where the bitmap says free; else only where it says used */
};

struct ext_dir {                     /* a directory that was found */
	uint32_t file, ino, seed;
	bool indexed, inlined;
};

struct ext_dirblock {                /* blocks of one */
	uint64_t block;
	uint32_t len, at;            /* at: the first one's place in the directory */
	uint32_t dir;                /* index */
};

struct ext_xattr {
	uint64_t block;
	uint32_t file;
};

enum ext_sort {
	EXT_SAY_NODE, EXT_SAY_RANGE, EXT_SAY_INODE, EXT_SAY_DIR, EXT_SAY_ENTRY, EXT_SAY_GROUP, EXT_SAY_XATTR, EXT_SAY_BITMAP, EXT_SORTS
};

struct ext {
	struct know_build *b;
	unsigned volume;
	struct ext_super s;
	uint64_t off;                /* of the volume on the disk, bytes */
	uint64_t have;               /* blocks that are in the file system and in the volume */
	uint64_t groups;             /* that are looked at */
	uint32_t descs_per_block, desc_blocks, table_blocks; /* table_blocks: of each group */
	bool csum, desc_csum, from_copy;
	struct ext_group *group;     /* groups, ours */
	uint64_t purse;              /* blocks that may still be followed */
	uint64_t table_purse;        /* blocks of inode tables that may still be read */
	unsigned misses, supers;     /* copies of descriptors that were no good; copies of the superblock that were looked at */

	struct ext_redo *redo;       /* redos, by home, ours */
	size_t redos;
	struct ext_claim *claim;
	size_t claims, claims_room;
	struct ext_dir *dir;
	size_t dirs, dirs_room;
	struct ext_dirblock *dirblock;
	size_t dirblocks, dirblocks_room;
	struct ext_xattr *xattr;     /* blocks of attributes that were seen: inodes may share them */
	size_t xattrs, xattrs_room;
	uint32_t *ino;               /* inos, ascending: inode of file first_file + i; ours */
	size_t inos, ino_room;
	uint32_t first_file;
	uint32_t orphans, in_orphan_file, deleted;

	uint8_t *node[EXT_DEPTH_MAX]; /* a block for each level of a tree */
	uint8_t *one;                /* a block, for ext_peek() */
	uint8_t *piece;              /* EXT_PIECE bytes; for loops over much */
	struct ext_window {          /* bitmaps of groups that follow each other, read in one go */
		uint64_t first, count;
		uint8_t *bytes;      /* EXT_PIECE */
		bool failed;
	} window[2];                 /* of blocks, of inodes */
	unsigned said[EXT_SORTS];
	unsigned retries;
	bool full;                   /* a note told so */
};

/* ext_super.c */
bool ext_super_parse(struct ext_super *s, const uint8_t raw[1024]); /* false: it cannot be one */
bool ext_has_super(const struct ext_super *s, uint64_t group);
uint64_t ext_group_first(const struct ext *x, uint64_t group);      /* its first block */
uint64_t ext_group_blocks(const struct ext *x, uint64_t group);     /* how many it has */

/* ext_io.c */
int ext_read(struct ext *x, uint64_t block, size_t n, void *to);    /* n blocks, as after a replay */
const uint8_t *ext_peek(struct ext *x, uint64_t block);             /* valid until the next call; NULL: cannot */
/* An inode, copied to `to`, which has room for inode_size bytes. */
bool ext_inode_read(struct ext *x, uint32_t ino, uint8_t *to);
/* One more in an array of theirs; false: no memory or too many. */
bool ext_room(struct ext *x, void *array, size_t *room, size_t used, size_t max, size_t size);
/* A note, unless there were EXT_SAY_MAX of that sort; those are counted. */
__attribute__((format(printf, 3, 4))) void ext_say(struct ext *x, enum ext_sort sort, const char *fmt, ...);
void ext_said(struct ext *x); /* how many were not noted */
/* len blocks from block on. */
void ext_add(struct ext *x, enum know_layer layer, enum know_kind kind, uint64_t block, uint64_t len, uint64_t number, unsigned flags);
void ext_add_of(struct ext *x, enum know_kind kind, uint64_t block, uint64_t len, uint32_t file, uint64_t home, unsigned flags);
void ext_add_node(struct ext *x, uint64_t block, uint32_t file, bool indirect, unsigned flags); /* KNOW_EXTENT_NODE */
void ext_claim(struct ext *x, const struct ext_claim *c);
void ext_add_claim(struct ext *x, const struct ext_claim *c, uint64_t len); /* as a region of KNOW_LAYER_FREE */
/* In a file system with clusters: what is left of the first and the last one of these blocks belongs to them. */
void ext_claim_cluster(struct ext *x, const struct ext_claim *c);
bool ext_inside(const struct ext *x, uint64_t block, uint64_t len); /* blocks that a file may have */
/* The file of an inode; KNOW_NO_FILE: it is not in use. */
uint32_t ext_file(const struct ext *x, uint32_t ino);

/* ext_csum.c: what each structure's checksum should be, or whether it is right */
uint16_t ext_crc16(uint16_t crc, const void *p, size_t n);
bool ext_super_csum_ok(const uint8_t raw[1024]);
bool ext_desc_csum_ok(const struct ext *x, uint64_t group, const uint8_t *desc);
uint32_t ext_ino_seed(const struct ext *x, uint32_t ino, const uint8_t *inode);
bool ext_inode_csum_ok(const struct ext *x, uint32_t ino, const uint8_t *inode);
bool ext_bitmap_csum_ok(const struct ext *x, const uint8_t *bitmap, uint32_t bytes, uint32_t csum);
bool ext_node_csum_ok(const struct ext *x, uint32_t seed, const uint8_t *node);
bool ext_dirblock_csum_ok(const struct ext *x, uint32_t seed, const uint8_t *block);
bool ext_dx_csum_ok(const struct ext *x, uint32_t seed, const uint8_t *block, unsigned countlimit);
bool ext_xattr_csum_ok(const struct ext *x, uint64_t at, const uint8_t *block);
bool ext_orphan_csum_ok(const struct ext *x, uint32_t seed, uint64_t at, const uint8_t *block);
bool ext_mmp_csum_ok(const struct ext *x, const uint8_t *block);

/* ext_groups.c */
void ext_groups_load(struct ext *x); /* again once the journal is known */
void ext_groups_say(struct ext *x);  /* what is wrong with them */
void ext_groups_add(struct ext *x);
/* The bitmap of a group (0: of blocks, 1: of inodes); NULL: it cannot be had.  Valid until the next call of the same sort. */
const uint8_t *ext_bitmap(struct ext *x, unsigned which, uint64_t group);
bool ext_bitmap_uninit(const struct ext *x, unsigned which, uint64_t group);

/* ext_extent.c: where an inode's content lies.  Told in order of the file. */
struct ext_piece {
	uint64_t block, len;         /* blocks */
	uint64_t at;                 /* the first one's place in the file */
	bool node;                   /* not content, but what leads to it */
	bool unwritten, bad;
};
struct ext_walk {
	struct ext *x;
	uint32_t ino, seed;
	bool quiet;                  /* of a deleted file: what is wrong is expected */
	void (*piece)(struct ext_walk *w, const struct ext_piece *p);
	void *arg;
};
void ext_walk(struct ext_walk *w, const uint8_t *inode);

/* ext_inode.c */
void ext_inodes(struct ext *x);

/* ext_dir.c */
void ext_dirs(struct ext *x);

/* ext_orphan.c */
void ext_orphans(struct ext *x);
bool ext_orphan_block(struct ext *x, uint32_t seed, uint64_t block); /* of the orphan file; false: it is wrong */

/* ext_free.c: what the block bitmaps say */
void ext_free_space(struct ext *x);

/* ext_journal.c */
void ext_journal(struct ext *x);
void ext_journal_device(struct ext *x); /* the volume is nothing but a journal */
