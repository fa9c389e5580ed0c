/* SPDX-License-Identifier: BSD-2-Clause */
/* explain: what was asked, and the two ways to say the answer.  Main thread. */
#pragma once
#include <stdio.h>
#include "cmd/disk.h"

struct explain {
	const char *name, *at;     /* at: NULL, or the moment of a recording */
	char **offset;             /* offsets words, as they were given; borrowed from argv */
	unsigned offsets;
	bool whole, json;          /* whole: all regions, or those that are wanted */
	unsigned classes;          /* wanted: a bit each; 0: all */
	uint64_t kinds;            /* the same of kinds */
	unsigned flags;            /* wanted: regions that have one of them; 0: all */
	const char *volume, *file; /* wanted; NULL: all */
	const struct know_map *map;
	unsigned chosen_volume;    /* KNOW_VOLUMES_MAX: all */
	uint8_t *chosen;           /* a byte for each file, ours; NULL: all regions */
	uint8_t *also;             /* a byte for each region: chosen files share it; ours */
	uint64_t *place;           /* offsets in bytes, ours */
};

extern const struct explain_flag {
	unsigned flag;
	const char *name;
} explain_flags[];             /* ends with { 0 } */

bool explain_wants(const struct explain *x, const struct know_region *r);
/* "p2", "v3"; "disk" for the disk.  Returns to. */
char *explain_volume(const struct know_map *m, unsigned volume, char to[16]);

/* How much of the disk is what. */
struct explain_sum {
	uint64_t bytes[KNOW_KINDS], regions[KNOW_KINDS];
	uint64_t unknown, unused;  /* bytes: of which nothing is known; not in use: free, or in no partition */
};
void explain_count(const struct know_map *m, struct explain_sum *s);

/* To out; whoever called looks whether writing went well. */
void explain_text(const struct explain *x, FILE *out);
void explain_json(const struct explain *x, FILE *out);
