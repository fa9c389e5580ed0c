/* SPDX-License-Identifier: BSD-2-Clause */
/* hist: how often each duration was seen, in buckets about 3 % wide.
 * Fixed size, so adding never allocates; 32 buckets for each power of two.  Values are ns.
 * Each thread has its own and main adds them up when the threads have stopped. */
#pragma once
#include <stdint.h>
#include "base/util.h"

struct hist {
	uint64_t count[60 * 32];
	uint64_t total; /* values added */
	uint64_t max;   /* ns, exact */
};

static inline unsigned hist_bucket(uint64_t ns)
{
	if (ns < 32)
		return (unsigned)ns;
	unsigned shift = 58 - (unsigned)__builtin_clzll(ns); /* 5 bits remain behind the leading one */
	return (shift + 1) * 32 + (unsigned)(ns >> shift) - 32;
}

/* n times the same value, as for the replies of one recv. */
static inline void hist_add(struct hist *h, uint64_t ns, uint64_t n)
{
	h->count[hist_bucket(ns)] += n;
	h->total += n;
	if (ns > h->max)
		h->max = ns;
}

static inline void hist_merge(struct hist *to, const struct hist *from)
{
	for (size_t i = 0; i < ARRAY_LEN(to->count); i++)
		to->count[i] += from->count[i];
	to->total += from->total;
	to->max = MAX(to->max, from->max);
}

/* The middle of the bucket that holds the given share (0 to 1) of all values, ns; 0 when empty. */
static inline double hist_quantile(const struct hist *h, double share)
{
	uint64_t seen = 0;
	for (unsigned i = 0; h->total && i < ARRAY_LEN(h->count); i++) {
		seen += h->count[i];
		if (seen < share * h->total || !seen)
			continue;
		unsigned shift = i < 32 ? 0 : i / 32 - 1;
		uint64_t low = i < 32 ? i : (32ull + i % 32) << shift;
		return MIN(low + ((1ull << shift) - 1) / 2.0, (double)h->max);
	}
	return 0;
}
