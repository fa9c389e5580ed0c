/* SPDX-License-Identifier: BSD-2-Clause */
/* reclevels: makes the TABLE chunks of a recording while it is written.
 * Each EVENTS chunk is followed by a table of what it changed; sixteen tables of a level are merged into one of the next.  So any
 * moment is told by a few tables: those that tile the chunks before it.  One thread at a time. */
#pragma once
#include "filters/recfile.h"
#include "trace/rec_flight.h"
#include "trace/rec_table.h"

enum { REC_LEVELS = 8, REC_FANOUT = 16, REC_TABLE_MAX = REC_BODY_MAX / REC_EXTENT_SIZE };

struct reclevels {
	struct recfile *file;
	struct buf changes;         /* struct rec_extent, of the chunk being made, in order */
	bool broken;                /* changes are missing: no table for this chunk */
	struct reclevel {
		struct buf extents; /* of tables that wait to be merged; the later ones behind */
		unsigned tables;
		uint64_t first, end; /* events that they cover */
	} level[REC_LEVELS];
};

void reclevels_init(struct reclevels *l, struct recfile *f);
void reclevels_free(struct reclevels *l);
/* A request that ended well, as event number. */
void reclevels_add(struct reclevels *l, const struct rec_open *o, uint64_t number);
/* The EVENTS chunk of these changes was written: events [first, end). */
void reclevels_end_chunk(struct reclevels *l, uint64_t first, uint64_t end);
/* It was not: the events' numbers are those of others now. */
void reclevels_forget(struct reclevels *l);
