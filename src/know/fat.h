/* SPDX-License-Identifier: BSD-2-Clause */
/* fat: what FAT12, FAT16, FAT32 and exFAT have in common: clusters, chains of them, and directories to walk.
 * fat.c and exfat.c find out where things are; fat_tree.c walks; fat_dir.c and exfat_dir.c read the entries of a directory.
 * Sources: Microsoft's FAT32 File System Specification 1.03, and its exFAT file system specification. */
#pragma once
#include "know/build.h"

enum {
	FAT_CLUSTERS_MAX = 1 << 29, /* two bitmaps of 64 MiB */
	FAT_CHUNK = 64 << 10,       /* bytes of a FAT or of a directory that are read at once */
};

/* A directory whose entries are to be read. */
struct fat_dir {
	uint32_t file;    /* index in the map */
	uint32_t first;   /* cluster; 0: the root directory of FAT12 and FAT16 */
	uint64_t len;     /* bytes; 0: as long as its chain */
	bool unchained;   /* exFAT: its clusters follow each other, and the FAT says nothing */
	bool root;
};

/* Of a file that was deleted: known again when all that is in use is known. */
struct fat_gone {
	uint32_t file, first;
	uint64_t len;
	bool dir;
};

struct fat {
	struct know_build *b;
	unsigned volume;
	unsigned bits;    /* of an entry of the FAT: 12, 16, 32; exFAT: 64 */
	uint32_t cluster; /* bytes */
	uint32_t clusters; /* numbered from 2 */
	uint64_t table;   /* of the FAT in use: bytes of the volume */
	uint64_t heap;    /* where cluster 2 begins */
	uint64_t end;     /* where the file system ends */
	uint64_t root, root_len; /* FAT12, FAT16: bytes of the volume */
	uint8_t *taken;   /* bits: not free, says the FAT or the bitmap; ours */
	uint8_t *reached; /* bits: something refers to it; ours */
	bool loaded;      /* taken is known */
	struct fat_dir *dir; /* dirs, ours: a queue */
	size_t dirs, dir_room;
	struct fat_gone *gone; /* ours */
	size_t gones, gone_room;
	unsigned complaints; /* notes about chains */
};

/* A chain: where it begins, and what its clusters are for. */
struct fat_chain {
	uint32_t first;
	uint64_t len;     /* bytes that are wanted; 0: all there is */
	uint64_t valid;   /* exFAT: bytes that were written */
	uint32_t file;
	enum know_kind kind;
	bool unchained;
};

/* Bits are numbered as exFAT's bitmap has them: cluster 2 is bit 0. */
static inline bool fat_bit(const uint8_t *bits, uint32_t c) { return bits[(c - 2) / 8] >> (c - 2) % 8 & 1; }
static inline void fat_set(uint8_t *bits, uint32_t c) { bits[(c - 2) / 8] |= (uint8_t)(1u << (c - 2) % 8); }
static inline bool fat_is_cluster(const struct fat *f, uint32_t c) { return c >= 2 && c - 2 < f->clusters; }
static inline uint64_t fat_at(const struct fat *f, uint32_t c) { return f->heap + (uint64_t)(c - 2) * f->cluster; }

/* fat_tree.c */
/* Bitmaps for f->clusters; false: no memory, or too many, which is noted. */
bool fat_begin(struct fat *f);
void fat_end(struct fat *f); /* frees what f owns */
/* What the FAT holds for a cluster of the heap.  No cluster (fat_is_cluster): free, bad, the last one, or it could not be read. */
uint32_t fat_next(struct fat *f, uint32_t cluster);
/* Marks the clusters of a chain as reached and adds regions for them.  How many there are: those are safe to be followed again. */
uint32_t fat_claim(struct fat *f, const struct fat_chain *chain);
/* The cluster behind c, one of those that fat_claim() counted and not the last of them. */
uint32_t fat_follow(struct fat *f, const struct fat_chain *chain, uint32_t c);
/* A file or directory that a directory tells of: added; its chain is claimed or, of a directory, queued. */
void fat_entry(struct fat *f, const struct know_file *file, const char *name, const struct fat_chain *chain);
/* The root directory, and then all that is below it. */
void fat_walk(struct fat *f, const struct fat_dir *root);
/* At last: free clusters, lost ones, deleted files. */
void fat_rest(struct fat *f);
/* A note, as long as there are few. */
__attribute__((format(printf, 2, 3))) void fat_complain(struct fat *f, const char *fmt, ...);
void fat_label(struct fat *f, const uint8_t *text, size_t len, bool utf16); /* the volume's name, without blanks at its end */
/* UTF-16 (little-endian, count units) as UTF-8 into to, of room bytes with the NUL; ends at a NUL.  Returns to. */
char *fat_utf8(char *to, size_t room, const uint8_t *utf16, size_t count);

/* What came before in a directory: the pieces of a name. */
struct fat_names {
	uint8_t utf16[2 * 260]; /* FAT: filled from its end; exFAT: from its start */
	unsigned units;
	bool gone;        /* the entries are deleted ones */
	uint8_t sum;      /* FAT: of the short name that is to follow */
	uint8_t wanted;   /* exFAT: secondary entries that are to come */
	uint16_t set_sum; /* exFAT: of those that came */
	uint8_t file[32], stream[32]; /* exFAT: the set's first two */
};
/* The entries of a directory in order; p: n bytes, n a multiple of 32.  False: the directory ends here. */
bool fat_entries(struct fat *f, const struct fat_dir *d, struct fat_names *names, const uint8_t *p, size_t n);   /* fat_dir.c */
bool exfat_entries(struct fat *f, const struct fat_dir *d, struct fat_names *names, const uint8_t *p, size_t n); /* exfat_dir.c */

bool know_exfat(struct know_build *b, unsigned volume); /* exfat.c; as a know_decoder, called by know_fat */
