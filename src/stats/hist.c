/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats/hist.h"
#include "base/util.h"

static unsigned bin_of(uint64_t v)
{
	if (v < 1u << HIST_SUB)
		return (unsigned)v;
	unsigned shift = 63u - HIST_SUB - (unsigned)__builtin_clzll(v);
	return (shift << HIST_SUB) + (unsigned)(v >> shift);
}

/* The middle of a bin. */
static uint64_t value_of(unsigned bin)
{
	if (bin < 2u << HIST_SUB)
		return bin;
	unsigned shift = (bin >> HIST_SUB) - 1;
	return ((uint64_t)(bin - (shift << HIST_SUB)) << shift) + (1ull << (shift - 1));
}

void hist_add(struct hist *h, uint64_t value, uint64_t weight)
{
	uint64_t product;

	if (!weight)
		return;
	if (__builtin_mul_overflow(value, weight, &product))
		product = UINT64_MAX;
	h->min = h->n ? MIN(h->min, value) : value;
	h->max = h->n ? MAX(h->max, value) : value;
	h->n = sat_add(h->n, weight);
	h->sum = sat_add(h->sum, product);
	uint64_t *bin = &h->at[bin_of(value)];
	*bin = sat_add(*bin, weight);
}

uint64_t hist_percentile(const struct hist *h, unsigned permyriad)
{
	/* n * permyriad / 10000, rounded up, without overflow */
	uint64_t rank = h->n / 10000 * permyriad + (h->n % 10000 * permyriad + 9999) / 10000, seen = 0;

	if (!h->n || rank >= h->n)
		return h->n ? h->max : 0;
	for (unsigned i = 0; i < HIST_BINS; i++) {
		seen = sat_add(seen, h->at[i]);
		if (h->at[i] && seen >= rank)
			return MIN(MAX(value_of(i), h->min), h->max);
	}
	return h->max;
}

void hist_octaves(const struct hist *h, uint64_t out[HIST_OCTAVES])
{
	for (unsigned i = 0; i < HIST_OCTAVES; i++)
		out[i] = 0;
	for (unsigned i = 0; i < HIST_BINS; i++) {
		uint64_t v = value_of(i), *to = &out[v ? 64 - __builtin_clzll(v) : 0];
		*to = sat_add(*to, h->at[i]);
	}
}
