/* SPDX-License-Identifier: BSD-2-Clause */
/* The expect library's matching: regexps, text and pieces out of the input, against pcre2_match() on the text in one piece. */
/* Aims at src: expect/match expect/leftmost expect/text */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "fuzz/expect_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct dice d = { .bytes = p, .n = n, .stop = true };
	struct expect_case c;
	char why[2000] = "";
	enum expect_verdict v = expect_random_case(&d, &c) ? expect_case_run(&c, why, sizeof(why)) : EXPECT_UNKNOWN;
	if (v == EXPECT_DIFFERS) {
		printf("%s\n", why);
		expect_random_tell(&c);
		fflush(stdout);
		abort();
	}
	expect_random_free(&c);
	return 0;
}
