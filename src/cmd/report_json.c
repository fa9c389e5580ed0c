/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>
#include "base/json.h"
#include "cmd/report.h"

static void put_hist(struct buf *b, const char *name, const struct hist *h)
{
	buf_printf(b, "\"%s\": {\"count\": %" PRIu64 ", \"min\": %" PRIu64 ", \"mean\": %.1f", name, h->n, h->n ? h->min : 0, hist_mean(h));
	for (unsigned i = 0; i < REPORT_PERCENTILES; i++)
		buf_printf(b, ", \"%s\": %" PRIu64, report_percentiles[i].name, hist_percentile(h, report_percentiles[i].permyriad));
	buf_printf(b, ", \"max\": %" PRIu64 "}", h->max);
}

/* The pairs of a histogram of powers of two that are not 0. */
static void put_pairs(struct buf *b, const char *name, const uint64_t *n, unsigned count, uint64_t (*value)(unsigned))
{
	const char *comma = "";
	buf_printf(b, ", \"%s\": [", name);
	for (unsigned i = 0; i < count; i++)
		if (n[i]) {
			buf_printf(b, "%s[%" PRIu64 ", %" PRIu64 "]", comma, value(i), n[i]);
			comma = ", ";
		}
	buf_printf(b, "]");
}

static uint64_t align_value(unsigned i) { return section_align(i); }
static uint64_t size_value(unsigned i) { return 1ull << i; }

static void put_op(struct buf *b, const struct section *s, unsigned op)
{
	const struct op_stats *st = &s->op[op];

	buf_printf(b, "\"%s\": {\"ops\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"errors\": %" PRIu64, stats_op_names[op], st->ops, st->bytes,
		   st->errors);
	if (op == REC_READ || op == REC_WRITE)
		buf_printf(b, ", \"sequential_ops\": %" PRIu64 ", \"sequential_bytes\": %" PRIu64, st->seq_ops, st->seq_bytes);
	if (op != REC_FLUSH) {
		put_pairs(b, "sizes", st->size, SECTION_SIZES, size_value);
		put_pairs(b, "alignment", st->align, SECTION_ALIGNS, align_value);
	}
	buf_printf(b, ", ");
	put_hist(b, "latency_ns", &st->latency);
	buf_printf(b, "}");
}

static void put_series(struct buf *b, const struct section *s)
{
	unsigned n = section_bins(s);

	buf_printf(b, "\"series\": {\"bin_ns\": %" PRIu64, s->bin_ns);
	for (unsigned op = 0; op < REC_OPS; op++) {
		if (!s->op[op].ops)
			continue;
		buf_printf(b, ", \"%s_ops\": [", stats_op_names[op]);
		for (unsigned i = 0; i < n; i++)
			buf_printf(b, "%s%" PRIu64, i ? "," : "", s->bin[i].ops[op]);
		buf_printf(b, "]");
		if (op == REC_FLUSH)
			continue;
		buf_printf(b, ", \"%s_bytes\": [", stats_op_names[op]);
		for (unsigned i = 0; i < n; i++)
			buf_printf(b, "%s%" PRIu64, i ? "," : "", s->bin[i].bytes[op]);
		buf_printf(b, "]");
	}
	buf_printf(b, ", \"depth\": [");
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%.4g", i ? "," : "", s->bin[i].depth_area / (double)s->bin_ns);
	buf_printf(b, "]}");
}

static void put_regions(struct buf *b, const struct section *s)
{
	unsigned hot[16], n = report_hottest(s, hot, 16);
	buf_printf(b, "\"hottest_regions\": [");
	for (unsigned i = 0; i < n; i++) {
		const struct region *r = &s->region[hot[i]];
		buf_printf(b,
			   "%s{\"offset\": %" PRIu64 ", \"length\": %" PRIu64 ", \"read_ops\": %" PRIu64 ", \"read_bytes\": %" PRIu64
			   ", \"write_ops\": %" PRIu64 ", \"write_bytes\": %" PRIu64 "}",
			   i ? ", " : "", hot[i] * s->region_size, s->region_size, r->ops[0], r->bytes[0], r->ops[1], r->bytes[1]);
	}
	buf_printf(b, "]");
}

static void put_section(struct buf *b, const struct section *s, const struct report *r)
{
	const char *comma = "";

	buf_printf(b, "{\"mark\": ");
	if (s->name)
		json_string(b, s->name);
	else
		buf_printf(b, "null");
	buf_printf(b, ", \"begin_ns\": %" PRIu64 ", \"end_ns\": %" PRIu64 ", \"events\": %" PRIu64 ",\n  \"operations\": {",
		   s->begin - r->stats->start, s->end - r->stats->start, s->events);
	for (unsigned op = 0; op < REC_OPS; op++)
		if (s->op[op].latency.n) {
			buf_printf(b, "%s\n    ", comma);
			put_op(b, s, op);
			comma = ",";
		}
	buf_printf(b, "},\n  \"fua\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", \"unmatched\": %" PRIu64 ", \"too_long\": %" PRIu64
		   ",\n  \"distinct_blocks\": %" PRIu64 ", \"block_bytes\": %u, \"touched_blocks\": %" PRIu64
		   ", \"rewritten_before_flush_blocks\": %" PRIu64 ", \"estimate\": %s, \"write_amplification\": %.6g,\n  ",
		   s->fua, s->abandoned, s->unmatched, s->too_long, s->distinct, (unsigned)BLOCKS_SIZE, s->touched, s->rewritten,
		   s->estimate ? "true" : "false", section_amplification(s));
	put_hist(b, "depth", &s->depth);
	buf_printf(b, ",\n  ");
	put_hist(b, "flush_interval_ns", &s->flush_gap);
	buf_printf(b, ",\n  ");
	put_hist(b, "flush_bytes", &s->flush_bytes);
	buf_printf(b, ",\n  ");
	put_regions(b, s);
	buf_printf(b, ",\n  ");
	put_series(b, s);
	buf_printf(b, "}");
}

static void put_conn(struct buf *b, const struct conn_stats *c, const struct report *r)
{
	buf_printf(b, "{\"connection\": %" PRIu64 ", \"export\": ", c->id);
	if (c->export)
		json_string(b, c->export);
	else
		buf_printf(b, "null");
	buf_printf(b, ", \"client\": ");
	if (c->client)
		json_string(b, c->client);
	else
		buf_printf(b, "null");
	buf_printf(b, ", \"size\": %" PRIu64 ", \"begin_ns\": %" PRIu64 ", \"end_ns\": %" PRIu64, c->size, c->begin - r->stats->start,
		   (c->end ? c->end : r->stats->now) - r->stats->start);
	for (unsigned op = 0; op < REC_OPS; op++)
		if (c->ops[op])
			buf_printf(b, ", \"%s_ops\": %" PRIu64 ", \"%s_bytes\": %" PRIu64, stats_op_names[op], c->ops[op],
				   stats_op_names[op], c->bytes[op]);
	buf_printf(b, ", \"errors\": %" PRIu64 "}", c->errors);
}

bool report_json(struct buf *b, const struct report *r)
{
	const struct stats *s = r->stats;

	buf_printf(b, "{\"file\": ");
	json_string(b, r->name);
	buf_printf(b, ", \"kind\": \"%s\", \"start_ns\": %" PRIu64 ", \"duration_ns\": %" PRIu64 ", \"events\": %" PRIu64
		   ", \"lost\": %" PRIu64 ", \"untracked\": %" PRIu64 ", \"backwards\": %" PRIu64 ",\n\"trouble\": [",
		   r->recording ? "recording" : "log", r->wall, s->now - s->start, s->events, s->lost, s->untracked, s->backwards);
	for (const char *p = r->notes, *end; (end = strchr(p, '\n')); p = end + 1) {
		char line[1024] = { 0 };
		memcpy(line, p, MIN((size_t)(end - p), sizeof line - 1));
		buf_printf(b, "%s", p == r->notes ? "" : ", ");
		json_string(b, line);
	}
	buf_printf(b, "],\n\"whole\": ");
	put_section(b, s->whole, r);
	buf_printf(b, ",\n\"marks\": %" PRIu64 ", \"steps\": [", s->marks);
	for (unsigned i = 0; i < s->steps; i++) {
		buf_printf(b, "%s\n", i ? "," : "");
		put_section(b, s->step[i], r);
	}
	buf_printf(b, "],\n\"connections\": [");
	for (unsigned i = 0; i < s->conns; i++) {
		buf_printf(b, "%s\n", i ? "," : "");
		put_conn(b, &s->conn[i], r);
	}
	return buf_printf(b, "]}\n");
}
