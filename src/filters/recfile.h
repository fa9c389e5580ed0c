/* SPDX-License-Identifier: BSD-2-Clause */
/* recfile: the file of a recording, as a row of chunks (docs/recording-format.md).
 * Appends only.  A chunk is written whole or, when writing fails, tried again until it is: on a full disk, until there is room or
 * the owner gives up.  One thread at a time. */
#pragma once
#include <stdatomic.h>
#include "base/buf.h"
#include "base/err.h"
#include "trace/rec.h"

struct recfile {
	const char *path;        /* borrowed */
	int fd;
	uint64_t at;             /* bytes written */
	uint64_t segment;        /* number of the one being written */
	enum rec_data data;
	struct buf heads;        /* of the chunks in this segment */
	struct buf packed;       /* scratch */
	void *zstd;              /* context, ours */
	bool (*give_up)(void *); /* asked while writing fails, every 200 ms */
	void *owner;
	bool foreign;            /* of another time: SEGMENTs say that it is 0 by CLOCK_MONOTONIC, and then wall since 1970 (ns) */
	uint64_t wall;
	bool failing;            /* told once */
	bool drop;               /* requests go on meanwhile: for the words */
	uint64_t fails;          /* chunks given up: they are not in the file */
};

/* Creates or empties the file.  -1 with e set. */
int recfile_open(struct recfile *f, const char *path, enum rec_data data, struct err *e);
/* Write the first SEGMENT, so that it is a recording from the start; owner and give_up are set.  -1 with e set. */
int recfile_begin(struct recfile *f, struct err *e);
/* Append a chunk with this body of h->raw bytes, packed when that pays; h->at and the sizes are filled in.
 * False: given up, nothing was written. */
bool recfile_append(struct recfile *f, struct rec_head *h, const void *body, bool pack);
/* -1: what close(2) tells, in e. */
int recfile_close(struct recfile *f, struct err *e);
