/* SPDX-License-Identifier: BSD-2-Clause */
/* expect_case: a text that arrives in pieces must give the matches that it gives in one piece.
 * The truth is pcre2_match() on all of the text, then on all that is left after the match, and so on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "miniexpect.h"

enum { EXPECT_PATTERNS_MAX = 4 };

struct expect_case {
	pcre2_code *re[EXPECT_PATTERNS_MAX]; /* borrowed */
	pcre2_code *truth[EXPECT_PATTERNS_MAX];
	/* the same, compiled with PCRE2_NO_START_OPTIMIZE, anchored if the match is, and without PCRE2_MATCH_INVALID_UTF */
	int options[EXPECT_PATTERNS_MAX];
	size_t n;                            /* of them, > 0; more than one: the leftmost wins */
	const char *text;
	size_t len;
	const unsigned char *pieces;         /* their lengths, again and again; 0 is 1 byte; n_pieces > 0 */
	size_t n_pieces;
	bool eager_forget;                   /* keep as little as the library may */
	bool by_start;                       /* the end is judged start by start, as for large texts */
	bool nested;                         /* a pattern has a lookaround inside of a lookbehind */
	bool large_scans;                    /* small growth is not looked at at once */
};

enum expect_verdict {
	EXPECT_SAME,
	EXPECT_UNKNOWN, /* PCRE2 gives up on the whole text (a limit), or itself does not know what holds of broken UTF-8 */
	EXPECT_OVERLOOKED, /* differs; but not with JIT: PCRE2's interpreter does not count all as partial that it should */
	EXPECT_DIFFERS,
};

/* why (len bytes): what differs. */
enum expect_verdict expect_case_run(const struct expect_case *c, char *why, size_t len);
