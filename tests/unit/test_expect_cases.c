/* SPDX-License-Identifier: BSD-2-Clause */
/* Random regexps on random texts in random pieces, against the text in one piece.  EXPECT_CASES=N and EXPECT_SEED=S for more:
 * ten million were run before each release. */
#include <stdio.h>
#include <stdlib.h>
#include "fuzz/expect_random.h"
#include "unit/test.h"

TEST(pieces_make_no_difference)
{
	const char *cases = getenv("EXPECT_CASES"), *seed = getenv("EXPECT_SEED");
	unsigned long long n = cases ? strtoull(cases, NULL, 10) : 60000, first = seed ? strtoull(seed, NULL, 10) : 1;
	unsigned long long same = 0, unknown = 0, overlooked = 0, differ = 0;
	for (unsigned long long i = 0; i < n; i++) {
		struct dice d = { .state = (first + i) * 0x9e3779b97f4a7c15 };
		struct expect_case c;
		char why[2000];
		throw_dice(&d, 2);
		if (expect_random_case(&d, &c)) {
			enum expect_verdict v = expect_case_run(&c, why, sizeof(why));
			same += v == EXPECT_SAME;
			unknown += v == EXPECT_UNKNOWN;
			overlooked += v == EXPECT_OVERLOOKED;
			differ += v == EXPECT_DIFFERS;
			if (v == EXPECT_DIFFERS && differ <= 20) {
				printf("EXPECT_SEED=%llu EXPECT_CASES=1:%s\n", first + i, why);
				expect_random_tell(&c);
			}
		}
		expect_random_free(&c);
	}
	printf("%llu cases: %llu the same, %llu that PCRE2 cannot tell, %llu that its interpreter overlooks, %llu differ\n", n, same,
	       unknown, overlooked, differ);
	CHECK(differ == 0);
	CHECK(overlooked <= 1 + n / 10000);
	CHECK(same > n / 2);
}
