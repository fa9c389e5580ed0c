/* SPDX-License-Identifier: BSD-2-Clause */
/* expect_random: random regexps, texts and pieces out of a number or out of a fuzzer's bytes. */
#pragma once
#include "fuzz/expect_case.h"

struct dice {
	const unsigned char *bytes; /* used up first; NULL: none */
	size_t n;
	uint64_t state;             /* then a generator */
	bool stop;                  /* no more than the bytes: then zeroes */
};

unsigned throw_dice(struct dice *d, unsigned sides); /* 0 to sides - 1 */

/* One case.  Its memory lasts until the next call in this thread.  False: the pattern does not compile. */
bool expect_random_case(struct dice *d, struct expect_case *c);
void expect_random_free(struct expect_case *c);
/* The case in words, for a person who wants to repeat it. */
void expect_random_tell(const struct expect_case *c);
