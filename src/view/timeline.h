/* SPDX-License-Identifier: BSD-2-Clause */
/* timeline: how much of what happened when, over a whole recording of any length.
 * A fixed number of bins; when the recording outgrows them, neighbours are joined and
 * each bin stands for twice the time.  Counts answers, and requests that failed apart.
 * No I/O; one thread at a time. */
#pragma once
#include "trace/event.h"

#define TIMELINE_BINS 1024

enum { TL_READ, TL_WRITE, TL_TRIM, TL_ZERO, TL_FLUSH, TL_ERROR, TL_CLASSES };

struct timeline {
	uint64_t start; /* ns, when it begins: time of the first event, or timeline_start() */
	uint64_t bin;   /* ns in one bin; 0: no event yet */
	uint32_t n[TIMELINE_BINS][TL_CLASSES];
};

/* Let it begin before the first event does; zeroed, it begins with it. */
void timeline_start(struct timeline *t, uint64_t time);
void timeline_event(struct timeline *t, const struct event *ev);
