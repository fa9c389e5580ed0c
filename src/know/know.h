/* SPDX-License-Identifier: BSD-2-Clause */
/* know: what each byte of a disk is for, told by the bytes themselves.
 *
 * A disk is cut into volumes: volume 0 is the whole disk, partitions are volumes in it.  The decoders (build.h) look at each volume
 * in turn, and the one that knows it says what its parts are: regions.  The map that comes of it has a region for every byte; what
 * lies deeper (a page of a database in a file in a file system) covers what lies above.
 *
 * The bytes are hostile, and may be half written: a decoder believes no count, follows no loop, and says what it can where a
 * checksum or a pointer is wrong (KNOW_BAD).  Memory is bounded by KNOW_REGIONS_MAX and its like; what was left out for that is
 * said in a note, never silently.
 * No I/O but through the disk's read().  One thread at a time; a finished map is constant and may be read by several. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum {
	KNOW_READ_MAX = 1 << 20,     /* bytes in one read */
	KNOW_VOLUMES_MAX = 1024,
	KNOW_NOTES_MAX = 1000,
	KNOW_REGIONS_MAX = 8 << 20,  /* as decoders add them; in a map there may be twice as many */
	KNOW_FILES_MAX = 4 << 20,
};

/* Where the bytes come from: an export, an image, a past point of a recording. */
struct know_disk {
	uint64_t size; /* bytes */
	/* off + len <= size, len <= KNOW_READ_MAX; 0 or an errno. */
	int (*read)(void *arg, uint64_t off, uint32_t len, void *to);
	/* NULL, or: is it time to give up?  Asked now and then. */
	bool (*stop)(void *arg);
	void *arg;
};

/* What a region is.  know_kinds[] has a name, words and a class for each. */
enum know_kind {
	KNOW_UNKNOWN,         /* nothing is known of it */
	KNOW_FREE,            /* the volume's owner says that it is not in use */
	KNOW_GAP,             /* of the disk, in no partition */
	KNOW_BOOT,            /* boot code, boot sector, reserved for a boot loader */
	/* partition tables; KNOW_COPY marks GPT's second ones */
	KNOW_MBR,             /* number 1: a protective one */
	KNOW_EBR,             /* of a logical partition: number counts them */
	KNOW_GPT_HEADER,
	KNOW_GPT_ENTRIES,
	/* file systems in general */
	KNOW_SUPERBLOCK,      /* number: group, AG or mirror; KNOW_COPY: a backup */
	KNOW_GROUP_DESC,      /* ext: number is the group that it lies in */
	KNOW_RESERVED_GDT,    /* ext: room for descriptors to come */
	KNOW_BLOCK_BITMAP,    /* number: group */
	KNOW_INODE_BITMAP,
	KNOW_INODE_TABLE,     /* number: group; XFS: inode chunk's first inode */
	KNOW_DIRECTORY,       /* file */
	KNOW_DIR_INDEX,       /* file: hash tree nodes */
	KNOW_EXTENT_NODE,     /* file; number 1: an indirect block (ext2, ext3) */
	KNOW_XATTR,           /* file: extended attributes outside the inode */
	KNOW_SYMLINK,         /* file: a target that does not fit its inode */
	KNOW_FILE_DATA,       /* file; home is the offset within the file; number: so many other places of files share it (reflinks) */
	KNOW_SYSTEM_FILE,     /* file: quota, orphan file, resize inode and other content that is not a person's */
	KNOW_MMP,             /* ext: multi-mount protection */
	/* journals and logs */
	KNOW_JOURNAL_SUPER,
	KNOW_JOURNAL_DESC,    /* number: transaction */
	KNOW_JOURNAL_DATA,    /* number: transaction; home: where the block belongs */
	KNOW_JOURNAL_COMMIT,
	KNOW_JOURNAL_REVOKE,
	KNOW_JOURNAL_REST,    /* in the journal and none of these: old or never written */
	KNOW_LOG,             /* XFS, btrfs: a log */
	/* FAT, XFS, btrfs */
	KNOW_FAT,             /* number: which of the copies */
	KNOW_FAT_INFO,        /* FSInfo sector; exFAT: allocation bitmap and up-case table are KNOW_SYSTEM_FILE */
	KNOW_AG_HEADER,       /* XFS AGF, AGI, AGFL: number is the AG */
	KNOW_TREE_NODE,       /* btree block: number is the tree's id (btrfs) or a magic (XFS) */
	KNOW_CHUNK,           /* btrfs: a chunk of which no more is known; number: its type */
	/* others */
	KNOW_LABEL,           /* LVM2, MD, LUKS: label, superblock, header, metadata area; number: enum know_label_part */
	KNOW_MEMBER,          /* LVM2, MD: content of which only a part lies on this disk, or not in one piece */
	KNOW_ENCRYPTED,       /* LUKS: what only who has a key can read */
	KNOW_SWAP_HEADER,
	KNOW_SWAP,
	KNOW_DB_HEADER,       /* SQLite, in file */
	KNOW_DB_PAGE,         /* number: page; from 1: of a kind that is not known */
	KNOW_DB_TABLE,        /* the same, and a node of a table; of an index; more of a long row; on the list of free pages */
	KNOW_DB_INDEX,
	KNOW_DB_OVERFLOW,
	KNOW_DB_FREE,
	KNOW_WAL_HEADER,
	KNOW_WAL_FRAME,       /* number: page that it holds; home: its place on the disk, KNOW_NOWHERE: beyond the database */
	KNOW_ROLLBACK_HEADER, /* SQLite's other journal; its pages are as they were before the transaction */
	KNOW_ROLLBACK_PAGE,   /* number and home as those of KNOW_WAL_FRAME */
	KNOW_KINDS
};

enum know_label_part {
	KNOW_LABEL_ITSELF, KNOW_LABEL_METADATA, KNOW_LABEL_WRITE_BITMAP, KNOW_LABEL_BAD_BLOCKS, KNOW_LABEL_RESERVED, KNOW_LABEL_HEADER,
	KNOW_LABEL_KEYS
};

/* For colours, outlines and sentences: few. */
enum know_class {
	KC_NOTHING,           /* unknown, free, gap */
	KC_TABLE,             /* partition tables, boot sectors, labels */
	KC_SUPER,             /* superblocks and group descriptors */
	KC_BITMAP,            /* what is in use: bitmaps, FATs, AG headers */
	KC_INODES,
	KC_JOURNAL,
	KC_DIRECTORY,
	KC_TREE,              /* extent nodes, tree nodes, attributes */
	KC_DATA,
	KC_DATABASE,
	KC_CLASSES
};

struct know_kind_info {
	const char *name;     /* for JSON: "block-bitmap" */
	const char *words;    /* for a person: "block bitmap" */
	enum know_class class;
};
extern const struct know_kind_info know_kinds[KNOW_KINDS];
extern const char *const know_class_names[KC_CLASSES];

enum {                        /* flags of a region */
	KNOW_COPY = 1,        /* a backup */
	KNOW_BAD = 2,         /* its checksum or content is wrong */
	KNOW_DELETED = 4,     /* of a file that is no more: what it says may be out of date */
	KNOW_UNWRITTEN = 8,   /* allocated, and not initialised: reads as zeroes, or lazily zeroed */
	KNOW_OLD = 16,        /* of a transaction or frame that was checkpointed */
	KNOW_LOST = 32,       /* in use, says the bitmap, and nothing refers to it */
	KNOW_UNCOMMITTED = 64, /* of a transaction that is not committed: after a crash it would not be played */
};

#define KNOW_NOWHERE UINT64_MAX
#define KNOW_NO_FILE UINT32_MAX

struct know_region {
	uint64_t off, len;    /* bytes of the disk, len > 0 */
	uint64_t number;      /* see enum know_kind; else 0 */
	uint64_t home;        /* see enum know_kind: bytes of the disk, or of the file; else KNOW_NOWHERE */
	uint32_t file;        /* index in the map's files, or KNOW_NO_FILE */
	uint16_t volume;
	uint8_t kind;         /* enum know_kind */
	uint8_t flags;
};

enum know_file_type { KNOW_REGULAR, KNOW_DIR, KNOW_LINK, KNOW_SYSTEM };

struct know_file {
	uint64_t inode;       /* or what stands for it; 0: has none */
	uint64_t size;        /* bytes */
	uint64_t inode_at;    /* bytes of the disk: where its inode is; 0: has none, or it is not known */
	uint32_t parent;      /* index of a directory, or KNOW_NO_FILE: the root, or not known */
	uint32_t name;        /* place in the map's names; 0: not known; the root's is "/".  Bytes as on the disk, not always UTF-8 */
	uint16_t volume;
	uint8_t type;         /* enum know_file_type */
	uint8_t flags;        /* KNOW_DELETED: deleted, or an orphan */
	uint16_t links;       /* names that it has, says its inode, of which the map knows one; 0: not known; 65535: as many or more */
	uint16_t mode;        /* type and permissions as stat(2) has them; 0: not known */
	uint32_t life;        /* another one when the inode was given to another file since; 0: not known */
};

struct know_volume {
	uint64_t off, len;    /* bytes of the disk */
	uint32_t block;       /* bytes of its allocation unit; 0: not known */
	uint16_t parent;      /* volume 0 is its own */
	uint16_t depth;       /* 0: the disk */
	uint16_t partition;   /* number in the parent's table, from 1; 0: none */
	bool dirty;           /* was not unmounted cleanly: a journal or log is to be played */
	const char *format;   /* "gpt", "ext4", "xfs", "swap" ...; NULL: not known; static */
	char name[80];        /* label, or partition's name; printable UTF-8; may be empty */
	char id[40];          /* UUID or serial number; may be empty */
};

struct know_map {
	struct know_region *region; /* regions, sorted, without holes or overlaps; they tile the disk; ours */
	size_t regions;
	struct know_region *share;  /* shares, by off: all that claim what others claim as well, where files may share; ours */
	size_t shares;
	struct know_volume *volume; /* volumes, ours */
	size_t volumes;
	struct know_file *file;     /* files, ours */
	size_t files;
	char *names;                /* NUL-terminated each, ours */
	char *notes;                /* lines for a person, each ends in a newline; "" when all was well; ours */
	uint64_t size;              /* bytes of the disk */
	uint64_t reads, bytes;      /* of the disk: how much was read */
};

/* What the disk is now.  NULL with e set: no memory, or told to stop; what could not be read or understood is in the notes. */
struct know_map *know_disk_map(const struct know_disk *d, struct err *e);
void know_free(struct know_map *m); /* NULL is fine */

/* The region that off lies in; off < m->size.  NULL beyond the end.  The next one is behind it in m->region. */
const struct know_region *know_find(const struct know_map *m, uint64_t off);

/* Another place of a file that the byte at off belongs to than what r, the region that it lies in, tells: the next one behind *at in
 * m->share, which begins with 0; NULL: no more.  Linear in m->shares. */
const struct know_region *know_shared(const struct know_map *m, const struct know_region *r, uint64_t off, size_t *at);

/* One line for a person: "block bitmap of group 3", "data of /etc/passwd (inode 14), bytes 4096 to 8191".  What room does not hold is cut;
 * what is not printable is quoted.  Returns to. */
char *know_words(const struct know_map *m, const struct know_region *r, char *to, size_t room);
/* "/dir/name"; "<inode 12>/name" as far as it is known, "inode 12" when nothing is.  What is not printable is quoted: \x0a.  Bounded, also
 * when directories form a loop.  Returns to. */
char *know_path(const struct know_map *m, uint32_t file, char *to, size_t room);
/* "the disk", "partition 2", "volume root of partition 2".  Returns to. */
char *know_volume_words(const struct know_map *m, unsigned volume, char *to, size_t room);
