/* SPDX-License-Identifier: BSD-2-Clause */
/* build: what decoders say, on its way to a map.  For the files of this folder only.
 *
 * A decoder looks at a volume and says false when it is none of its own, with nothing added.  Regions may be added in any order; those
 * of a deeper volume cover those above, and within a volume a later layer covers an earlier one (KNOW_LAYER...).  Two regions of one layer
 * that claim the same byte: the first stays, and a note tells of it.
 * Without memory, or when a bound is reached, adding does nothing more and the build remembers why: no decoder needs to check. */
#pragma once
#include <stdarg.h>
#include "know/know.h"

struct know_build;

enum know_layer {
	KNOW_LAYER_FREE,      /* free, gap, lost, chunk: what is said of space in general */
	KNOW_LAYER_PLAIN,     /* most things */
	KNOW_LAYER_INSIDE,    /* what is inside of them: the blocks of a journal, pages of a database */
	KNOW_LAYERS
};

const struct know_volume *know_volume(const struct know_build *b, unsigned volume);
/* To be changed by its decoder: format, name, id, block, dirty. */
struct know_volume *know_volume_set(struct know_build *b, unsigned volume);
unsigned know_volumes(const struct know_build *b); /* how many there are by now */
/* A volume in another; its decoders run later, unless it has a format by then.  What a decoder leaves empty of name and id stays as it was
 * set here.  Its number, or -1: too many, or it is not inside. */
int know_add_volume(struct know_build *b, unsigned parent, uint64_t off, uint64_t len, unsigned partition);

/* Files of it may have their data in common: what several regions of KNOW_FILE_DATA claim is no damage. */
void know_may_share(struct know_build *b, unsigned volume);

/* What is in no region of it: KNOW_UNKNOWN unless told otherwise. */
void know_fill(struct know_build *b, unsigned volume, enum know_kind kind);

/* len bytes at off within the volume, any length; 0 or an errno (EINVAL: not inside).  What cannot be read is noted once for each
 * volume. */
int know_read(struct know_build *b, unsigned volume, uint64_t off, size_t len, void *to);
/* The same through a cache of blocks, for small scattered reads: a pointer valid until the next call; NULL: cannot. */
const void *know_peek(struct know_build *b, unsigned volume, uint64_t off, size_t len);
bool know_stopped(const struct know_build *b); /* give up: no memory, a bound, or the person said so */

/* Room for one more in an array of *room elements, at most max; false: there is none. */
bool know_grow(void *array, size_t *room, size_t used, size_t max, size_t size);

/* r->off is relative to the volume; r->volume and cutting it to the volume are seen to.  r->home is taken as it is. */
void know_add(struct know_build *b, unsigned volume, enum know_layer layer, const struct know_region *r);
/* Short for most: no number, home or file. */
void know_add_plain(struct know_build *b, unsigned volume, enum know_layer layer, enum know_kind kind, uint64_t off, uint64_t len,
	uint64_t number, unsigned flags);

/* A file; its index, or KNOW_NO_FILE when there are too many.  name: bytes without NUL, may be NULL; copied.  The root directory of a file
 * system is the one whose name is "/". */
uint32_t know_add_file(struct know_build *b, const struct know_file *f, const void *name, size_t name_len);
struct know_file *know_file_set(struct know_build *b, uint32_t file); /* until the next know_add_file() */
const char *know_name(const struct know_build *b, uint32_t file); /* "" when it is not known; until the next file is added or named */
void know_file_name(struct know_build *b, uint32_t file, uint32_t parent, const void *name, size_t name_len);

__attribute__((format(printf, 3, 4))) void know_note(struct know_build *b, unsigned volume, const char *fmt, ...);
/* A note, as long as there are few of its sort, which *complaints counts; the last one says that there is more. */
__attribute__((format(printf, 4, 0))) void know_complain(struct know_build *b, unsigned volume, unsigned *complaints, const char *fmt,
	va_list args);

/* Text as it stands on a disk, for a volume's name: what is not printable becomes '?'.  utf16: little-endian, len in bytes. */
void know_text(char *to, size_t room, const void *from, size_t len, bool utf16);
void know_uuid(char to[40], const uint8_t id[16], bool mixed_endian);

typedef bool know_decoder(struct know_build *b, unsigned volume);
know_decoder know_md;         /* MD with superblock 1.x: before all others, for it may have their headers inside of it */
know_decoder know_part;       /* MBR, EBR, GPT */
know_decoder know_part_lost;  /* GPT of which only the end is left; when nobody else knew it */
know_decoder know_label;      /* LVM2, MD 0.90, swap, LUKS */
know_decoder know_ext;        /* ext2, ext3, ext4 */
know_decoder know_ext_lost;   /* the same by a copy of its superblock; when nobody else knew it */
know_decoder know_fat;        /* FAT12, FAT16, FAT32, exFAT */
know_decoder know_ntfs;       /* its own files, and what is free */
know_decoder know_xfs;
know_decoder know_btrfs;

/* A file's content, for those who look into files: its pieces in order.  Sparse places are in none.  It is made of the file's regions of
 * KNOW_FILE_DATA that have a home and none of the flags KNOW_COPY, KNOW_DELETED and KNOW_UNWRITTEN: a decoder does nothing for it. */
struct know_piece {
	uint64_t at;          /* bytes of the file */
	uint64_t off, len;    /* bytes of the volume */
};
struct know_content {
	uint32_t file;
	unsigned volume;
	uint64_t size;
	const struct know_piece *piece; /* pieces, sorted by at; they do not overlap */
	size_t pieces;
};
/* len bytes at `at`; places in no piece are zeroes.  0 or an errno; EINVAL beyond the end. */
int know_read_content(struct know_build *b, const struct know_content *c, uint64_t at, size_t len, void *to);
/* A region for [at, at + len) of the file's content, however it is scattered, in KNOW_LAYER_INSIDE; file and home (of none: KNOW_NOWHERE)
 * as in r. */
void know_add_inside(struct know_build *b, const struct know_content *c, uint64_t at, uint64_t len, const struct know_region *r);
/* The content of another file, valid until the next such call; NULL: it has none. */
const struct know_content *know_content_of(struct know_build *b, uint32_t file);
/* The file of that name in a directory; KNOW_NO_FILE: there is none.  Once the decoders are through: for apps. */
uint32_t know_find_file(struct know_build *b, unsigned volume, uint32_t parent, const void *name, size_t name_len);
/* Told of each regular file that has content; there may be millions, so the size is looked at before anything is read.  Names lead from
 * one file to others (x.db and x.db-wal). */
typedef bool know_app(struct know_build *b, const struct know_content *c);
know_app know_sqlite;
