/* SPDX-License-Identifier: BSD-2-Clause */
/* cut: where a session is cut into steps: at marks, at times that the caller gives, or at pauses.
 * Fed with all events in order; bounded.  No I/O.  One thread. */
#pragma once
#include "trace/rec.h"

enum { CUTS_MAX = 1000, CUT_PAUSES_MAX = 39 };

struct cut {
	uint64_t event;        /* number of the first event of the step */
	uint64_t time;         /* ns, the session's clock */
	uint64_t changes;      /* writes, zeroes and trims that began before */
	uint64_t pause;        /* ns that nothing happened before it */
	char *name;            /* ours; NULL: none */
};

struct cutter {
	uint64_t pause;        /* ns: the shortest that counts; set by the caller */
	struct cut mark[CUTS_MAX], gap[CUT_PAUSES_MAX]; /* gap: the longest, unsorted until cutter_end() */
	unsigned marks, gaps;
	bool more;             /* there are more marks; the last step has the rest */
	uint64_t events, changes, last; /* so far; ns: of the last event */
	bool no_memory;
};

void cutter_event(struct cutter *c, const struct rec_event *e, uint64_t number);
/* A cut at a time of the caller's, before the event that comes next.  Counts as a mark. */
void cutter_mark(struct cutter *c, uint64_t event, uint64_t time, const char *name, size_t len);
/* Gaps are in order now; those between two stretches in which nothing was changed are none. */
void cutter_end(struct cutter *c);
void cutter_free(struct cutter *c);
