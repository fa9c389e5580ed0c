/* SPDX-License-Identifier: BSD-2-Clause */
/* Radix sort from the lowest digit on.  Offsets are multiples of some block size and below the disk's, so most digits are the same in all
 * keys, and cost one look. */
#include <string.h>
#include "know/inside.h"

enum { DIGIT = 11, VALUES = 1 << DIGIT };

static size_t digit_of(uint64_t key, unsigned shift)
{
	return (size_t)(key >> shift) & (VALUES - 1);
}

void know_sort(struct know_key *k, struct know_key *tmp, size_t n)
{
	struct know_key *from = k, *to = tmp;
	uint64_t differ = 0;
	bool sorted = true;

	for (size_t i = 1; i < n; i++) {
		differ |= k[i].key ^ k[0].key;
		sorted &= k[i - 1].key <= k[i].key;
	}
	for (unsigned shift = 0; shift < 64 && !sorted; shift += DIGIT) {
		size_t place[VALUES] = { 0 }, sum = 0;
		if (!digit_of(differ, shift))
			continue;
		for (size_t i = 0; i < n; i++)
			place[digit_of(from[i].key, shift)]++;
		for (size_t v = 0; v < VALUES; v++) {
			size_t count = place[v];
			place[v] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[place[digit_of(from[i].key, shift)]++] = from[i];
		struct know_key *t = from;
		from = to;
		to = t;
	}
	if (from != k)
		memcpy(k, from, n * sizeof *k);
}
