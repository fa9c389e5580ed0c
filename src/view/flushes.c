/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "view/flushes.h"

#define WORDS_MIN 64u

void flushes_add(struct flushes *f, uint64_t n)
{
	size_t at = n / 64;

	if (at >= f->words) {
		size_t most = MAX(2 * f->words, at + 1), words = MAX(most, (size_t)WORDS_MIN);
		uint64_t *more = reallocarray(f->word, words, sizeof *more);
		if (!more)
			return;
		memset(more + f->words, 0, (words - f->words) * sizeof *more);
		f->word = more;
		f->words = words;
	}
	f->word[at] |= 1ull << n % 64;
}

uint64_t flushes_next(const struct flushes *f, uint64_t n)
{
	for (size_t i = n / 64; i < f->words; i++) {
		uint64_t word = i == n / 64 ? f->word[i] & UINT64_MAX << n % 64 : f->word[i];
		if (word)
			return i * 64 + (uint64_t)__builtin_ctzll(word) + 1;
	}
	return 0;
}

uint64_t flushes_last(const struct flushes *f, uint64_t n)
{
	uint64_t end = n ? n - 1 : 0; /* the last event of the model does not count */

	for (size_t i = (size_t)MIN(end / 64 + 1, f->words); i-- > 0;) {
		uint64_t word = i == end / 64 ? f->word[i] & ((1ull << end % 64) - 1) : f->word[i];
		if (word)
			return i * 64 + 64 - (uint64_t)__builtin_clzll(word);
	}
	return 0;
}

void flushes_free(struct flushes *f)
{
	free(f->word);
	*f = (struct flushes){ 0 };
}
