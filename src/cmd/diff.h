/* SPDX-License-Identifier: BSD-2-Clause */
/* diff: two sessions of the same work, compared.  Main thread. */
#pragma once
#include "cmd/report.h"
#include "cmd/source.h"
#include "stats/match.h"

enum { DIFF_RANGES = 16 };

/* How the disks differ at the end: compared in 4 KiB blocks, where either recording wrote. */
struct diff_data {
	bool compared;              /* both have data */
	uint64_t blocks, differ;    /* compared; different */
	uint64_t unreadable;        /* bytes that a damaged recording no longer has */
	struct {
		uint64_t off, len;  /* bytes */
	} range[DIFF_RANGES];       /* the first that differ */
	unsigned ranges;            /* of them; more: there are more */
	bool more;
};

struct diff {
	struct source source[2];
	struct stats *stats[2];
	struct step_pair *pair;     /* pairs of them, ours */
	int pairs;
	struct diff_data data;
};

/* differs (may be NULL) is called for each block or more that differ, in order. */
int diff_data(struct diff *d, void (*differs)(void *arg, uint64_t off, uint64_t len), void *arg, struct err *e);
bool diff_text(struct buf *b, const struct diff *d);
bool diff_json(struct buf *b, const struct diff *d);

/* The picture: both maps and their difference.  Walks both files again. */
struct diff_picture;
struct diff_picture *diff_picture_new(struct diff *d, struct err *e);
void diff_picture_differs(void *picture, uint64_t off, uint64_t len); /* as diff_data() calls it */
int diff_picture_save(struct diff_picture *p, const struct diff *d, const char *file, struct err *e);
void diff_picture_free(struct diff_picture *p); /* NULL is fine */
