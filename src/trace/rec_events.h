/* SPDX-License-Identifier: BSD-2-Clause */
/* rec_events: a recording as a row of plain events, the same ones that read_log makes of the log of that session.
 *
 * Times are those of the wall clock when the recording began, and go on from there by its monotonic clock; they never run
 * backwards.  Where chunks are missing or cannot be read there is an EV_LOST with the number of events, an EV_START (what was
 * under way may have ended unseen), and again the beginning of each request that was still under way behind the gap.
 * One thread at a time. */
#pragma once
#include "trace/event.h"
#include "trace/rec_read.h"

/* Where a walk is.  A plain value: whoever copies it may go on from there with another reader of the same file. */
struct rec_place {
	size_t chunk;          /* the EVENTS chunk */
	uint64_t decoded;      /* events taken out of it, those carried into it as well */
	uint64_t number;       /* of the next event */
	uint64_t time;         /* ns since 1970, of the event before; 0: none */
	uint64_t gap;          /* events missing in front of this chunk */
	uint64_t events;       /* given so far */
	uint64_t lost;         /* of these the recording says that they are missing, or they are */
	uint64_t bad;          /* chunks that could not be read to their end */
	uint8_t stage;         /* what is to be told of the gap */
};

struct rec_events {
	const struct rec_file *file; /* borrowed; may grow by rec_more() */
	struct rec_place place;
	uint8_t *body;         /* of the chunk, ours; NULL: not read yet */
	struct rec_decoder decoder;
	uint64_t bytes;        /* of bodies read: how much work it was */
	/* Of the EV_MARK, or the EV_CONNECT (export, NUL, who asks), that was given last: text_len bytes, until the next call. */
	const uint8_t *text;
	uint32_t text_len;
};

/* ns since 1970 of the recording's own clock. */
uint64_t rec_wall(const struct rec_file *f, uint64_t time);

/* ns since 1970: when the recording was begun, or its first event if that is older. */
uint64_t rec_begin(const struct rec_file *f);

void rec_events_start(struct rec_events *r, const struct rec_file *f);
/* Go to where another reader of the file is or was. */
void rec_events_go(struct rec_events *r, const struct rec_place *to);
/* False: no more for now.  The operation of an EV_END is not told (EV_OPS). */
bool rec_events_next(struct rec_events *r, struct event *ev);
/* File offset of the chunk it is in; of where the next one will begin, when it has had all. */
uint64_t rec_events_offset(const struct rec_events *r);
void rec_events_end(struct rec_events *r);
