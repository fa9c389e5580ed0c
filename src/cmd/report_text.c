/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "cmd/report.h"
#include "view/fmt.h"

enum { NAME_MAX_SHOWN = 80, HOTTEST = 5, CONNS_SHOWN = 50 };

static double percent(uint64_t part, uint64_t of) { return of ? 100.0 * (double)part / (double)of : 0; }

static void put_ops(struct buf *b, const struct section *s)
{
	char n[FMT_ROOM], bytes[FMT_ROOM], t[REPORT_PERCENTILES + 1][FMT_ROOM];

	buf_printf(b, "  %-8s %12s %10s %8s %9s %9s %9s %9s %9s\n", "", "requests", "bytes", "errors", "p50", "p90", "p99", "p99.9", "max");
	for (unsigned op = 0; op < REC_OPS; op++) {
		const struct op_stats *st = &s->op[op];
		if (!st->latency.n)
			continue;
		for (unsigned i = 0; i < REPORT_PERCENTILES; i++)
			report_ns(t[i], hist_percentile(&st->latency, report_percentiles[i].permyriad));
		report_ns(t[REPORT_PERCENTILES], st->latency.max);
		buf_printf(b, "  %-8s %12s %10s %8" PRIu64, stats_op_names[op], fmt_count(n, st->ops),
			   op == REC_FLUSH ? "-" : fmt_size(bytes, st->bytes), st->errors);
		for (unsigned i = 0; i <= REPORT_PERCENTILES; i++)
			/* µ is one column and two bytes */
			buf_printf(b, " %*s", strstr(t[i], "µ") ? 10 : 9, t[i]);
		buf_printf(b, "\n");
	}
}

static void put_sizes(struct buf *b, const struct section *s, unsigned op)
{
	const struct op_stats *st = &s->op[op];
	char size[FMT_ROOM];

	if (!st->ops)
		return;
	buf_printf(b, "  %-5s sizes    ", stats_op_names[op]);
	for (unsigned i = 0; i < SECTION_SIZES; i++)
		if (st->size[i])
			buf_printf(b, "  %s: %.3g%%", fmt_short(size, 1ull << i), percent(st->size[i], st->ops));
	uint64_t small = 0, page = 0;
	for (unsigned i = 0; i < SECTION_ALIGNS; i++) {
		small += section_align(i) < 512 ? st->align[i] : 0;
		page += section_align(i) >= 4096 ? st->align[i] : 0;
	}
	buf_printf(b,
		   "\n  %-5s order      %.3g%% sequential (%.3g%% of bytes), %.3g%% random; aligned to 4K: %.3g%%, not to 512: %.3g%%\n",
		   stats_op_names[op], percent(st->seq_ops, st->ops), percent(st->seq_bytes, st->bytes),
		   100 - percent(st->seq_ops, st->ops), percent(page, st->ops), percent(small, st->ops));
}

static void put_flushes(struct buf *b, const struct section *s)
{
	char a[FMT_ROOM], c[FMT_ROOM], d[FMT_ROOM], f[FMT_ROOM];

	if (s->flush_gap.n)
		buf_printf(b, "  between flushes  %s median, %s max; %s median, %s max written\n",
			   report_ns(a, hist_percentile(&s->flush_gap, 5000)), report_ns(c, s->flush_gap.max),
			   fmt_size(d, hist_percentile(&s->flush_bytes, 5000)), fmt_size(f, s->flush_bytes.max));
	if (!s->touched)
		return;
	const char *about = s->estimate ? "about " : "";
	buf_printf(b, "  blocks written   %s%s distinct of 4 KiB (%s); amplification %.3g; %s%s (%.3g%%) again before a flush\n", about,
		   fmt_count(a, s->distinct), fmt_size(c, s->distinct > UINT64_MAX / BLOCKS_SIZE ? UINT64_MAX : s->distinct * BLOCKS_SIZE),
		   section_amplification(s), about, fmt_count(d, s->rewritten), percent(s->rewritten, s->touched));
}

static void put_hottest(struct buf *b, const struct section *s)
{
	unsigned hot[HOTTEST], n = report_hottest(s, hot, HOTTEST);
	char off[FMT_ROOM], len[FMT_ROOM], in[FMT_ROOM], out[FMT_ROOM];

	for (unsigned i = 0; i < n; i++) {
		const struct region *r = &s->region[hot[i]];
		buf_printf(b, "  %-16s %s at %s: %s read, %s written\n", i ? "" : "hottest", fmt_size(len, s->region_size),
			   fmt_size(off, hot[i] * s->region_size), fmt_size(in, r->bytes[0]), fmt_size(out, r->bytes[1]));
	}
}

static void put_section(struct buf *b, const struct section *s)
{
	char a[FMT_ROOM];

	if (!s->events) {
		buf_printf(b, "  nothing happened\n");
		return;
	}
	put_ops(b, s);
	put_sizes(b, s, REC_READ);
	put_sizes(b, s, REC_WRITE);
	if (s->depth.n)
		buf_printf(b, "  queue depth      %.3g mean, %" PRIu64 " median, %" PRIu64 " p99, %" PRIu64 " max\n", hist_mean(&s->depth),
			   hist_percentile(&s->depth, 5000), hist_percentile(&s->depth, 9900), s->depth.max);
	put_flushes(b, s);
	put_hottest(b, s);
	if (s->fua)
		buf_printf(b, "  with FUA         %s requests\n", fmt_count(a, s->fua));
	if (s->abandoned || s->unmatched)
		buf_printf(b, "  odd              %" PRIu64 " requests without an answer, %" PRIu64 " answers without a request\n",
			   s->abandoned, s->unmatched);
	if (s->too_long)
		buf_printf(b, "  odd              %" PRIu64 " requests longer than 128 MiB: left out of blocks and regions\n", s->too_long);
}

static void put_conns(struct buf *b, const struct stats *s)
{
	char n[FMT_ROOM], in[FMT_ROOM], out[FMT_ROOM], size[FMT_ROOM];

	buf_printf(b, "\nConnections\n  %6s %9s %9s %10s %9s %10s %8s %6s  export, client\n", "", "size", "reads", "bytes", "writes",
		   "bytes", "flushes", "errors");
	for (unsigned i = 0; i < s->conns && i < CONNS_SHOWN; i++) {
		const struct conn_stats *c = &s->conn[i];
		char writes[FMT_ROOM];
		buf_printf(b, "  %6" PRIu64 " %9s %9s %10s %9s %10s %8" PRIu64 " %6" PRIu64, c->id, c->size ? fmt_size(size, c->size) : "?",
			   fmt_count(n, c->ops[REC_READ]), fmt_size(in, c->bytes[REC_READ]), fmt_count(writes, c->ops[REC_WRITE]),
			   fmt_size(out, c->bytes[REC_WRITE]), c->ops[REC_FLUSH], c->errors);
		if (c->export) {
			buf_printf(b, "  \"");
			report_put(b, FOR_TERMINAL, c->export, NAME_MAX_SHOWN);
			buf_printf(b, "\" ");
		}
		if (c->client)
			report_put(b, FOR_TERMINAL, c->client, NAME_MAX_SHOWN);
		buf_printf(b, "\n");
	}
	if (s->conns > CONNS_SHOWN)
		buf_printf(b, "  and %u more: --json lists them\n", s->conns - CONNS_SHOWN);
}

bool report_text(struct buf *b, const struct report *r)
{
	const struct stats *s = r->stats;
	char clock[FMT_ROOM], n[FMT_ROOM], when[64] = "";
	time_t sec = (time_t)(r->wall / NS_PER_S);
	struct tm tm;

	report_put(b, FOR_TERMINAL, r->name, SIZE_MAX);
	if (r->wall && gmtime_r(&sec, &tm) && strftime(when, sizeof when, ", from %Y-%m-%d %H:%M:%S UTC on", &tm) == 0)
		*when = '\0';
	buf_printf(b, ": %s events in %s%s\n", fmt_count(n, s->events), fmt_clock(clock, s->now - s->start), when);
	if (s->lost)
		buf_printf(b, "  the writer lost %" PRIu64 " events\n", s->lost);
	if (s->untracked)
		buf_printf(b, "  %" PRIu64 " requests beyond %u at once are not counted\n", s->untracked, (unsigned)FLIGHT_MAX);
	put_section(b, s->whole);
	for (unsigned i = 0; i < s->steps; i++) {
		buf_printf(b, "\n%u. ", i + 1);
		report_put(b, FOR_TERMINAL, report_step_name(s->step[i]), NAME_MAX_SHOWN);
		buf_printf(b, " (%s at %s)\n", report_ns(n, s->step[i]->end - s->step[i]->begin),
			   fmt_clock(clock, s->step[i]->begin - s->start));
		put_section(b, s->step[i]);
	}
	if (s->marks > STATS_STEPS_MAX)
		buf_printf(b, "  (there are %" PRIu64 " marks: the last step has the rest)\n", s->marks);
	put_conns(b, s);
	return buf_printf(b, "%s", "");
}
