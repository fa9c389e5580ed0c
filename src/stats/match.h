/* SPDX-License-Identifier: BSD-2-Clause */
/* match: the steps of two sessions of the same work, side by side.  Pure functions. */
#pragma once
#include "stats/stats.h"

/* Numbers of steps that belong together; -1: only the other session has it. */
struct step_pair {
	int a, b;
};

/* Steps with the same mark, in order, as many as can be (the longest common subsequence); those without a partner stand where they
 * happened.  out has room for a->steps + b->steps.  How many pairs; -1: no memory. */
int match_steps(const struct stats *a, const struct stats *b, struct step_pair *out);

/* What is compared of two sections: a row of numbers, the same for each section. */
struct value {
	const char *group, *name; /* "write", "bytes" */
	enum value_unit { VALUE_COUNT, VALUE_BYTES, VALUE_NS, VALUE_RATIO } unit;
	double v;
};
enum { VALUES_MAX = 96 };
unsigned match_values(const struct section *s, struct value out[VALUES_MAX]); /* s NULL: names only, all 0 */
