/* SPDX-License-Identifier: BSD-2-Clause */
/* recchunks: makes the chunks of a recording of its events, which come one by one, in their order.
 * One thread at a time. */
#pragma once
#include "filters/reclevels.h"
#include "filters/recstore.h"

struct recchunks {
	struct recfile *file;        /* borrowed */
	struct recstore store;
	struct reclevels levels;
	struct rec_flight flight;
	/* the EVENTS chunk being made */
	struct rec_encoder encoder;
	struct buf body, runs;
	uint64_t count, first_time;
	uint8_t has;                 /* REC_CUT and others */
	uint64_t events;             /* in chunks before it */
	uint64_t lost;               /* in chunks that the file gave up */
};

/* f has been begun.  -1 with e set; it is to be freed in any case, zeroed is fine. */
int recchunks_start(struct recchunks *c, struct recfile *f, struct err *e);
void recchunks_free(struct recchunks *c);
/* e with its text; data: of the BEGIN of a WRITE, as recstore_prepare() made it, or NULL.  False: this event is not in it. */
bool recchunks_add(struct recchunks *c, const struct rec_event *e, const uint8_t *data);
/* What was added goes to the file, now. */
void recchunks_end(struct recchunks *c);
