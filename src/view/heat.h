/* SPDX-License-Identifier: BSD-2-Clause */
/* heat: how much happened when and where on the disk, and how long it took, over a whole session of any length.
 *
 * Bins of time join pairwise when the session outgrows them, as a timeline's do: one that is fed the same events has the same
 * bins.  Rows of the disk join when it turns out to be larger; a row is a power of two of bytes, so that the disk has
 * HEAT_ROWS / 2 to HEAT_ROWS of them (a smaller one has a row for each 4 KiB).  Counts requests that were answered with success, in
 * the bin of the answer, and a request in each row that it touched.
 * Whoever feeds it has paired the two ends of requests.  No I/O; one thread at a time. */
#pragma once
#include "base/err.h"
#include "trace/event.h"

#define HEAT_BINS 1024
#define HEAT_ROWS 128
#define HEAT_LATENCIES 40 /* row r: 2^r ns up to twice that; the last one has what took longer, too */
#define HEAT_ROW_MIN 4096u

enum heat_class { HEAT_READ, HEAT_WRITE, HEAT_TRIM, HEAT_ZERO, HEAT_FLUSH, HEAT_CLASSES };
#define HEAT_PLACES HEAT_FLUSH /* classes that have a place on the disk: those before */

struct heat_bin {
	uint32_t at[HEAT_PLACES][HEAT_ROWS];
	uint32_t took[HEAT_CLASSES][HEAT_LATENCIES];
	uint64_t bytes[HEAT_CLASSES];
	uint32_t ops[HEAT_CLASSES];
	uint32_t errors;   /* requests that failed; they are in nothing else */
	uint32_t deepest;  /* most requests that were in flight at once */
};

struct heat {
	uint64_t start;    /* ns, when the first bin begins */
	uint64_t bin;      /* ns in one bin; 0: no event yet */
	uint32_t bins;     /* so many may be other than zero */
	uint64_t size;     /* bytes of the disk; 0: not told yet */
	uint64_t row;      /* bytes in a row */
	uint32_t open;     /* requests in flight now */
	struct heat_bin *at; /* HEAT_BINS, ours */
};

int heat_init(struct heat *h, struct err *e);
void heat_free(struct heat *h); /* a zeroed one is fine */
void heat_forget(struct heat *h, uint64_t size); /* as new, of a disk of that size; 0: not told yet */
/* Let it begin before the first event does. */
void heat_start(struct heat *h, uint64_t time);
/* Of nothing but the time from from up to before to, later than from: in bins as fine as there are.  What is fed is within it. */
void heat_span(struct heat *h, uint64_t from, uint64_t to);
/* The disk has so many bytes, as far as is known; it may turn out to have more. */
void heat_size(struct heat *h, uint64_t size);
uint32_t heat_rows(const struct heat *h); /* that the disk has; 0: its size is not known */
/* One more; req: the request that an EV_END answers, as it began, NULL: nobody saw it begin; open: requests in flight from now on. */
void heat_event(struct heat *h, const struct event *ev, const struct event *req, uint32_t open);
