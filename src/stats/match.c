/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats/match.h"
#include <stdlib.h>
#include <string.h>

static bool same(const struct section *a, const struct section *b)
{
	return a->name && b->name ? strcmp(a->name, b->name) == 0 : a->name == b->name;
}

int match_steps(const struct stats *a, const struct stats *b, struct step_pair *out)
{
	unsigned n = a->steps, m = b->steps, i = 0, k = 0;
	/* longest[i][k]: of a's steps from i on and b's from k on */
	uint16_t *longest = calloc((size_t)(n + 1) * (m + 1), sizeof *longest);
	int pairs = 0;

	if (!longest)
		return -1;
#define AT(i, k) longest[(size_t)(i) * (m + 1) + (k)]
	for (i = n; i-- > 0;)
		for (k = m; k-- > 0;)
			AT(i, k) = same(a->step[i], b->step[k]) ? AT(i + 1, k + 1) + 1 : MAX(AT(i + 1, k), AT(i, k + 1));
	for (i = k = 0; i < n || k < m; pairs++) {
		if (i < n && k < m && same(a->step[i], b->step[k]))
			out[pairs] = (struct step_pair){ (int)i++, (int)k++ };
		else if (i < n && (k == m || AT(i + 1, k) >= AT(i, k + 1)))
			out[pairs] = (struct step_pair){ (int)i++, -1 };
		else
			out[pairs] = (struct step_pair){ -1, (int)k++ };
	}
#undef AT
	free(longest);
	return pairs;
}

struct row {
	struct value *out;
	unsigned n;
};

static void put(struct row *r, const char *group, const char *name, enum value_unit unit, double v)
{
	if (r->n < VALUES_MAX)
		r->out[r->n++] = (struct value){ group, name, unit, v };
}

static void put_op(struct row *r, const struct section *s, unsigned op)
{
	const struct op_stats *st = s ? &s->op[op] : NULL;
	const char *name = stats_op_names[op];

	put(r, name, "ops", VALUE_COUNT, st ? (double)st->ops : 0);
	if (op != REC_FLUSH)
		put(r, name, "bytes", VALUE_BYTES, st ? (double)st->bytes : 0);
	put(r, name, "errors", VALUE_COUNT, st ? (double)st->errors : 0);
	if (op == REC_READ || op == REC_WRITE)
		put(r, name, "sequential_ops", VALUE_COUNT, st ? (double)st->seq_ops : 0);
	if (op == REC_WRITE) {
		put(r, "write", "distinct_blocks", VALUE_COUNT, s ? (double)s->distinct : 0);
		put(r, "write", "amplification", VALUE_RATIO, s ? section_amplification(s) : 0);
		put(r, "write", "rewritten_before_flush_blocks", VALUE_COUNT, s ? (double)s->rewritten : 0);
		put(r, "write", "fua", VALUE_COUNT, s ? (double)s->fua : 0);
	}
	if (op == REC_FLUSH) {
		put(r, "flush", "interval_p50", VALUE_NS, s ? (double)hist_percentile(&s->flush_gap, 5000) : 0);
		put(r, "flush", "bytes_between_p50", VALUE_BYTES, s ? (double)hist_percentile(&s->flush_bytes, 5000) : 0);
	}
	put(r, name, "latency_p50", VALUE_NS, st ? (double)hist_percentile(&st->latency, 5000) : 0);
	put(r, name, "latency_p90", VALUE_NS, st ? (double)hist_percentile(&st->latency, 9000) : 0);
	put(r, name, "latency_p99", VALUE_NS, st ? (double)hist_percentile(&st->latency, 9900) : 0);
	put(r, name, "latency_p99.9", VALUE_NS, st ? (double)hist_percentile(&st->latency, 9990) : 0);
	put(r, name, "latency_max", VALUE_NS, st ? (double)st->latency.max : 0);
}

unsigned match_values(const struct section *s, struct value out[VALUES_MAX])
{
	struct row r = { .out = out };

	put(&r, "all", "duration", VALUE_NS, s ? (double)(s->end - s->begin) : 0);
	put(&r, "all", "ops", VALUE_COUNT, s ? (double)section_sum_ops(s) : 0);
	for (unsigned op = 0; op < REC_OPS; op++)
		put_op(&r, s, op);
	put(&r, "depth", "mean", VALUE_RATIO, s ? hist_mean(&s->depth) : 0);
	put(&r, "depth", "max", VALUE_COUNT, s ? (double)s->depth.max : 0);
	return r.n;
}
