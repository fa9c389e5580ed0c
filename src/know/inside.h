/* SPDX-License-Identifier: BSD-2-Clause */
/* inside: what a build is made of.  For build.c, flatten.c, formats.c and their like; decoders use build.h. */
#pragma once
#include "know/build.h"

enum {
	KNOW_DEPTH_MAX = 16,          /* volumes in volumes */
	KNOW_NAMES_MAX = 256 << 20,   /* bytes of names of files */
	KNOW_NOTE_MAX = 400,          /* bytes of a line */
	KNOW_PEEK = 16 << 10,         /* bytes: what know_peek() reads at a time; a power of two */
	KNOW_PEEKS = 256,             /* such blocks are kept; a power of two */
	KNOW_LAYER_SHIFT = 6,         /* a region that waits has its layer plus one above its kind; 0: the filling of its volume */
	KNOW_KIND_MASK = (1 << KNOW_LAYER_SHIFT) - 1,
};
_Static_assert((int)KNOW_KINDS <= (int)KNOW_KIND_MASK && KNOW_LAYERS + 1 <= 4, "a kind and a layer fit a byte");

struct know_key {                     /* to sort by; see know_sort() */
	uint64_t key;
	uint32_t i;
};

struct know_extra {                   /* of a volume, while it is built */
	uint8_t fill;                 /* enum know_kind: what is in no region */
	bool unread;                  /* a read failed, and a note tells of it */
	bool may_share;
	uint64_t claims;              /* regions that claim what another one has */
	struct know_region claim[2];  /* the first such pair */
};

struct know_build {
	const struct know_disk *disk;
	struct know_map *map;         /* volumes, files, names and notes grow in it */
	struct know_extra *extra;     /* of each volume */
	struct know_region *region;   /* regions of room region_room, as they were added */
	size_t regions, region_room, file_room, names, names_room, notes, notes_len;
	bool no_memory, told, full;   /* told: to stop.  full: of regions, or enough was read */
	uint64_t read_max;            /* bytes */
	bool volumes_full, files_full, names_full; /* a note was made */
	unsigned asked;               /* calls since stop() was asked */

	struct know_peek_block {
		uint64_t at;          /* of the disk; UINT64_MAX: none */
		uint8_t *bytes;       /* ours */
	} peek[KNOW_PEEKS];
	uint8_t *spill;               /* KNOW_READ_MAX bytes, for what lies in two of them */

	struct know_key *data;        /* regions of files' content, by file and place in it; datas */
	size_t datas;
	struct know_pieces {
		struct know_content content;
		struct know_piece *piece;
		size_t room;
	} told_of, asked_for;         /* a file that apps are told of; the one of know_content_of() */
	uint32_t *by_name;            /* open hash of files; by_names places, a power of two */
	size_t by_names;
};

/* Room for one more in an array of *room elements, at most max; false: there is none, and the build says so. */
bool know_room(struct know_build *b, void *array, size_t *room, size_t used, size_t max, size_t size);
/* What know_disk_map() does before the decoders, and after them; NULL: no memory, which know_end() tells. */
struct know_build *know_begin(const struct know_disk *d);
struct know_map *know_end(struct know_build *b, struct err *e);

bool know_ask(struct know_build *b); /* stop()?  Now and then */

/* Stable, by key; linear in n, whatever the keys are.  tmp: n of them. */
void know_sort(struct know_key *k, struct know_key *tmp, size_t n);

void know_look(struct know_build *b, unsigned volume); /* formats.c: who knows it? */
void know_apps(struct know_build *b);                  /* apps.c: those who look into files */
void know_flatten(struct know_build *b);               /* flatten.c: makes map->region */
/* share.c: what is shared becomes regions of its own, by map->share */
void know_count_shares(struct know_build *b);

/* May b follow a in one region? */
bool know_continues(const struct know_region *a, const struct know_region *b);
