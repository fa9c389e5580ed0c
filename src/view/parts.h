/* SPDX-License-Identifier: BSD-2-Clause */
/* parts: what the units of a picture are for, and where the names of the larger parts of a disk fit on it.
 * Pure functions of a map of the disk (know/know.h) and the shape of the picture; any thread. */
#pragma once
#include "know/know.h"
#include "view/units.h"

/* The enum know_class of each unit of an area, row by row; KC_NOTHING outside of the disk as well.  One that holds several parts is the
 * rarest of them: table, superblock, bitmap, inodes, journal; else what has most of its bytes. */
void parts_fill(const struct units *u, const struct know_map *k, struct area a, uint8_t *to);

/* A part: a run of neighbours of the same class in the same volume. */
struct part {
	uint64_t off, len;               /* bytes of the disk */
	enum know_class class;
	const struct know_region *first; /* regions that make it, in a row; the map's */
	size_t regions;
	struct area box;                 /* the largest rectangle of it, cut to the area: a place for its name; units of the whole picture */
};

/* The parts with a box of at least so many units, the largest box first, at most max.  Returns how many. */
size_t parts_find(const struct units *u, const struct know_map *k, struct area a, uint64_t least, struct part *to, size_t max);
/* The largest rectangle that the bytes fill, about; len > 0, and inside of the disk. */
struct area parts_box(const struct units *u, uint64_t off, uint64_t len);
/* A line for a person: what it is, a file's path, or, of a mixture, its class.  Returns to. */
char *part_words(const struct know_map *k, const struct part *p, char *to, size_t room);
/* The same in a word or two, for where there is little room. */
const char *part_class_words(enum know_class c);
