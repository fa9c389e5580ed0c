/* SPDX-License-Identifier: BSD-2-Clause */
/* pace: how often a window shows a picture, what that costs, and how far behind the log each
 * one is: what `nbdview --stats` prints.  Only counts; it is told times and sizes.
 * Zeroed memory has counted nothing.  One thread at a time. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#define PACE_BINS 8192 /* of a size each tally is told; what is more counts in the last */

struct tally {
	uint64_t max;
	uint32_t n[PACE_BINS];
};

void tally_add(struct tally *t, uint64_t value, uint64_t bin);
/* The least bound of a bin that percent of the values are below, at most max; 0 when there is none. */
uint64_t tally_percentile(const struct tally *t, unsigned percent, uint64_t bin);

struct pace {
	uint64_t frames;       /* pictures shown */
	uint64_t first, last;  /* ns, when */
	struct tally interval; /* ns from one picture to the next */
	struct tally work;     /* ns of that not slept */
	struct tally paint;    /* ns, to paint and show one */
	struct tally bytes;    /* of the log that a picture lacks, once it is shown */
	struct tally age;      /* ns, wall clock, of a picture's newest line; when it has a new one */
};

struct frame {
	uint64_t shown;       /* ns, monotonic */
	uint64_t work, paint; /* ns */
	uint64_t bytes, age;  /* as above; age 0: nothing new */
};

void pace_frame(struct pace *p, const struct frame *f);
/* A line of key=value. */
void pace_print(const struct pace *p, FILE *to);
