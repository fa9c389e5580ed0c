/* SPDX-License-Identifier: BSD-2-Clause */
/* hist: how often which value came, of any 64 bits, in 30 KiB.
 * Values below 64 are exact; above, 64 bins to each power of two: what is told of a value is within 0.8 % of it.
 * The zeroed struct is an empty one.  Counts and sums stop at their largest value.  One thread at a time. */
#pragma once
#include <stdint.h>

enum { HIST_SUB = 6, HIST_BINS = (64 - HIST_SUB + 1) << HIST_SUB };

struct hist {
	uint64_t n, sum;       /* weights; of value * weight */
	uint64_t min, max;     /* exact; meaningless while n is 0 */
	uint64_t at[HIST_BINS];
};

/* a + b, or the largest number there is. */
static inline uint64_t sat_add(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* weight 0: nothing. */
void hist_add(struct hist *h, uint64_t value, uint64_t weight);
/* The smallest value that at least permyriad of 10,000 are not above; permyriad 10000: the largest.  0 when empty. */
uint64_t hist_percentile(const struct hist *h, unsigned permyriad);
/* By powers of two: out[0] has those of 0, out[i] those from 2^(i-1) on, below 2^i. */
enum { HIST_OCTAVES = 65 };
void hist_octaves(const struct hist *h, uint64_t out[HIST_OCTAVES]);
static inline double hist_mean(const struct hist *h) { return h->n ? (double)h->sum / (double)h->n : 0; }
