/* SPDX-License-Identifier: BSD-2-Clause */
/* timer: things to do at a time, in a heap.
 * A timer is embedded in what it wakes (a request's slot, a connection), so starting one
 * allocates nothing per timer; equal times fire in the order they were started.
 * Belongs to one loop; loop thread only. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	uint64_t due;                  /* ns, loop clock */
	uint64_t order;                /* breaks ties: first started, first fired */
	size_t pos;                    /* 1 + index in the heap; 0: not started, so zeroed memory is a valid timer */
	void (*fire)(struct timer *);  /* called once; may start the timer again, or free it */
};

struct timers {
	struct timer **heap; /* count entries, ours */
	size_t count, room;
	uint64_t order;
};

/* Start t, or move it when it is started already.  False: out of memory, t is not started. */
bool timers_start(struct timers *ts, struct timer *t, uint64_t due);
void timers_stop(struct timers *ts, struct timer *t); /* started or not, twice or not */
/* ns when the next one is due; UINT64_MAX when there is none. */
uint64_t timers_next(const struct timers *ts);
/* Fire what is due at now, and nothing that is started meanwhile. */
void timers_fire(struct timers *ts, uint64_t now);
void timers_free(struct timers *ts);
