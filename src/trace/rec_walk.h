/* SPDX-License-Identifier: BSD-2-Clause */
/* rec_walk: the events of a recording one after the other, from any of them on.
 * One chunk is in memory at a time.  What cannot be read is passed over and counted.  One thread at a time. */
#pragma once
#include "trace/rec_read.h"

struct rec_walk {
	const struct rec_file *file;
	size_t chunk;          /* the next to be read */
	uint64_t number;       /* of the next event */
	uint8_t *body;         /* of the chunk that is being walked, ours; NULL: none */
	struct rec_decoder decoder;
	bool begun;            /* a chunk was read */
	bool carries;          /* this one comes first, or behind events that are missing */
	uint64_t bad;          /* chunks that could not be read to their end */
};

/* Begin with event number first, or the first one there is behind it; f is borrowed and may grow by rec_more(). */
void rec_walk_start(struct rec_walk *w, const struct rec_file *f, uint64_t first);
/* False: no more, now.  number (may be NULL): of the event.  What e points to is valid until the next call.  CARRY events are left
 * out, but in the chunk it begins with (when first is 0 or lies in no chunk), and behind events that are missing: there they tell what
 * was under way, and some may be known already. */
bool rec_walk_next(struct rec_walk *w, struct rec_event *e, uint64_t *number);
void rec_walk_end(struct rec_walk *w);
