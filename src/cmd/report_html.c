/* SPDX-License-Identifier: BSD-2-Clause */
/* One page that needs nothing else: no script, no address of another place. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "cmd/report_plots.h"
#include "view/fmt.h"
#include "view/palette.h"

enum { STEPS_WITH_PLOTS = 60, CONNS_SHOWN = 200, HOTTEST = 12, NAME_BYTES = 200 };

/* --- colours: those of the viewer; on white paper darker ones of the same hue where they would be too pale --- */

static const struct colour {
	const char *name;
	rgb light;
	rgb dark; /* 0: as light */
} colours[] = {
	{ "read", 0x0072b2, 0x56b4e9 }, { "write", 0xd55e00, 0xf07c28 }, { "trim", 0x009e73, 0x14b98a }, { "zero", 0x75757f, 0xf5f5f5 },
	{ "flush", 0xa88400, 0xf0e442 }, { "cache", 0x8c6bb1, 0xb79bd6 }, { "extents", 0xb5558b, 0xe08bbd },
	{ "mean", 0x0072b2, 0x56b4e9 }, { "most", 0x9a9aa5, 0x8a8a96 }, { "depth", 0x0072b2, 0x56b4e9 },
	{ "random", 0xdadae0, 0x3a3a42 }, { "error", 0xa01fd6, 0xd070ff },
};

static void put_colours(struct buf *b)
{
	buf_printf(b, ":root{");
	for (size_t i = 0; i < ARRAY_LEN(colours); i++)
		buf_printf(b, "--%s:#%06x;", colours[i].name, colours[i].light);
	buf_printf(b, "--paper:#fcfcfd;--card:#fff;--ink:#17171b;--faint:#5d5d68;--line:#e4e4ea;color-scheme:light dark}\n"
		      "@media(prefers-color-scheme:dark){:root{");
	for (size_t i = 0; i < ARRAY_LEN(colours); i++)
		buf_printf(b, "--%s:#%06x;", colours[i].name, colours[i].dark);
	const struct palette *p = &palette_default;
	buf_printf(b, "--paper:#%06x;--card:#16161a;--ink:#%06x;--faint:#%06x;--line:#2e2e36}}\n", p->paper, p->ink, p->faint);
	for (size_t i = 0; i < ARRAY_LEN(colours); i++) {
		const char *c = colours[i].name;
		buf_printf(b,
			   ".s-%s{stroke:var(--%s)}.a-%s,.b-%s{fill:var(--%s);background:var(--%s)}.l-%s::before{background:var(--%s)}\n",
			   c, c, c, c, c, c, c, c);
	}
}

static const char style[] =
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;max-width:1280px;padding:1.5rem clamp(.8rem,3vw,2rem) 4rem;background:var(--paper);color:var(--ink);"
	"font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
	"h1{font-size:1.7rem;line-height:1.2;margin:.2rem 0;overflow-wrap:anywhere}h2{font-size:1.25rem;"
	"margin:2.6rem 0 .8rem;overflow-wrap:anywhere}\n"
	"p{margin:.3rem 0;color:var(--faint)}.trouble{border-left:4px solid var(--error);padding:.5rem .9rem;"
	"margin:1rem 0;background:var(--card);"
	"color:var(--ink);overflow-wrap:anywhere}\n"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(108px,1fr));gap:.6rem;margin:1.1rem 0}\n"
	".cards div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.6rem .7rem;"
	"color:var(--faint);font-size:.84rem;"
	"line-height:1.35}"
	".cards b{display:block;font-size:1.22rem;color:var(--ink);font-weight:650;white-space:nowrap;"
	"font-variant-numeric:tabular-nums}\n"
	".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));gap:.9rem;margin:.9rem 0}\n"
	"figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.75rem .8rem .5rem;min-width:0}\n"
	"figcaption{font-size:.84rem;line-height:1.5;color:var(--faint)}figcaption b{color:var(--ink);font-size:.98rem;"
	"margin-right:.25rem}\n"
	"figcaption i{font-style:normal;margin-left:.8rem;white-space:nowrap;color:var(--ink)}"
	"figcaption i::before{content:\"\";display:inline-block;width:.75em;height:.75em;border-radius:2px;"
	"margin-right:.35em;vertical-align:-.03em}\n"
	"svg{display:block;width:100%;height:auto;margin-top:.3rem}text{font-size:11.5px;fill:var(--faint);"
	"font-variant-numeric:tabular-nums}\n"
	".tx{text-anchor:middle}.end{text-anchor:end}.ty{text-anchor:end}.tm{font-size:10px}\n"
	".grid{stroke:var(--line);fill:none}.mark{stroke:var(--faint);stroke-dasharray:2 3;opacity:.7;fill:none}\n"
	"[class^=s-]{fill:none;stroke-width:1.6;stroke-linejoin:round}[class^=a-]{fill-opacity:.16}.s-flush{stroke-dasharray:1.5 2}"
	".s-trim,.s-most{stroke-dasharray:5 2}.s-zero{stroke-dasharray:7 2 1.5 2}\n"
	".h0{opacity:.18}.h1{opacity:.32}.h2{opacity:.48}.h3{opacity:.65}.h4{opacity:.82}.h5{opacity:1}\n"
	".order{display:grid;grid-template-columns:auto 1fr auto;gap:.7rem .7rem;align-items:center;"
	"padding:1.2rem .3rem;font-size:.86rem}"
	".order div{background:var(--random);border-radius:4px;overflow:hidden;height:1.05rem}.order b{display:block;"
	"height:100%}.order em{font-style:normal;"
	"text-align:right;font-variant-numeric:tabular-nums}\n"
	".wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;margin:.9rem 0}\n"
	"table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}"
	"th,td{padding:.42rem .75rem;text-align:right;white-space:nowrap;border-top:1px solid var(--line)}"
	"tr:first-child th{border-top:0}\n"
	"th{font-weight:600;color:var(--faint)}th:first-child,td:first-child,.t{text-align:left}.t{max-width:26rem;"
	"overflow:hidden;text-overflow:ellipsis}\n"
	"td i{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin-right:.5em}"
	".bad{color:var(--error);font-weight:650}\n"
	"a{color:inherit}details{border-top:1px solid var(--line);margin-top:.6rem;padding-top:.5rem}"
	"summary{cursor:pointer;font-weight:650;font-size:1.08rem;padding:.35rem 0;overflow-wrap:anywhere}"
	"summary span{font-weight:400;color:var(--faint);"
	"font-size:.88rem;margin-left:.5rem}\n"
	"footer{margin-top:3rem;font-size:.84rem;color:var(--faint)}@media print{details{break-inside:avoid}}\n";

/* --- parts --- */

static void put_card(struct buf *b, const char *value, const char *what)
{
	buf_printf(b, "<div><b>%s</b>%s</div>\n", value, what);
}

static uint64_t sum_errors(const struct section *s)
{
	uint64_t n = 0;
	for (unsigned op = 0; op < REC_OPS; op++)
		n += s->op[op].errors;
	return n;
}

static void put_cards(struct buf *b, const struct section *s)
{
	char a[FMT_ROOM], c[96];
	const char *about = s->estimate ? "about " : "";

	buf_printf(b, "<div class=\"cards\">\n");
	put_card(b, fmt_count(a, section_sum_ops(s)), "requests");
	put_card(b, fmt_size(a, s->op[REC_READ].bytes), "read");
	put_card(b, fmt_size(a, s->op[REC_WRITE].bytes), "written");
	if (s->distinct) {
		snprintf(c, sizeof c, "%sof distinct blocks written", about);
		put_card(b, fmt_size(a, s->distinct > UINT64_MAX / BLOCKS_SIZE ? UINT64_MAX : s->distinct * BLOCKS_SIZE), c);
		snprintf(a, sizeof a, "%.2f ×", section_amplification(s));
		put_card(b, a, "write amplification");
		snprintf(a, sizeof a, "%.1f %%", 100.0 * (double)s->rewritten / (double)MAX(s->touched, (uint64_t)1));
		snprintf(c, sizeof c, "%soverwritten before a flush", about);
		put_card(b, a, c);
	}
	put_card(b, fmt_count(a, s->op[REC_FLUSH].ops), "flushes");
	if (s->fua)
		put_card(b, fmt_count(a, s->fua), "requests with FUA");
	snprintf(a, sizeof a, "%.3g", hist_mean(&s->depth));
	snprintf(c, sizeof c, "mean depth, %" PRIu64 " at most", s->depth.max);
	put_card(b, a, c);
	put_card(b, fmt_count(a, sum_errors(s)), "errors");
	if (s->abandoned)
		put_card(b, fmt_count(a, s->abandoned), "without an answer");
	buf_printf(b, "</div>\n");
}

static void put_ops(struct buf *b, const struct section *s)
{
	char n[FMT_ROOM], bytes[FMT_ROOM];

	buf_printf(b, "<div class=\"wide\"><table><tr><th>Operation</th><th>answered</th><th>bytes</th><th>errors</th><th>fastest</th>");
	for (unsigned i = 0; i < REPORT_PERCENTILES; i++)
		buf_printf(b, "<th>%s</th>", report_percentiles[i].name);
	buf_printf(b, "<th>slowest</th></tr>\n");
	for (unsigned op = 0; op < REC_OPS; op++) {
		const struct op_stats *st = &s->op[op];
		if (!st->latency.n)
			continue;
		buf_printf(b, "<tr><td><i class=\"b-%s\"></i>%s</td><td>%s</td><td>%s</td><td%s>%" PRIu64 "</td>", stats_op_names[op],
			   stats_op_names[op], fmt_count(n, st->ops), op == REC_FLUSH ? "" : fmt_size(bytes, st->bytes),
			   st->errors ? " class=\"bad\"" : "", st->errors);
		buf_printf(b, "<td>%s</td>", report_ns(n, st->latency.min));
		for (unsigned i = 0; i < REPORT_PERCENTILES; i++)
			buf_printf(b, "<td>%s</td>", report_ns(n, hist_percentile(&st->latency, report_percentiles[i].permyriad)));
		buf_printf(b, "<td>%s</td></tr>\n", report_ns(n, st->latency.max));
	}
	buf_printf(b, "</table></div>\n");
}

static void put_hottest(struct buf *b, const struct section *s)
{
	unsigned hot[HOTTEST], n = report_hottest(s, hot, HOTTEST);
	char text[FMT_ROOM];

	if (!n)
		return;
	buf_printf(
		b,
		"<div class=\"wide\"><table><tr><th>Hottest regions of %s</th><th>reads</th><th>bytes</th>"
		"<th>writes</th><th>bytes</th></tr>\n",
		fmt_size(text, s->region_size));
	for (unsigned i = 0; i < n; i++) {
		const struct region *r = &s->region[hot[i]];
		buf_printf(b, "<tr><td>at %s</td>", fmt_size(text, hot[i] * s->region_size));
		for (unsigned k = 0; k < 2; k++) {
			buf_printf(b, "<td>%s</td>", fmt_count(text, r->ops[k]));
			buf_printf(b, "<td>%s</td>", fmt_size(text, r->bytes[k]));
		}
		buf_printf(b, "</tr>\n");
	}
	buf_printf(b, "</table></div>\n");
}

static void put_section(struct buf *b, const struct section *s, const struct stats *marks)
{
	put_cards(b, s);
	put_ops(b, s);
	buf_printf(b, "<div class=\"plots\">\n");
	plots_over_time(b, s, marks);
	plots_latency(b, s, marks);
	plots_depth(b, s);
	plots_shape(b, s);
	plots_disk(b, s);
	plots_flushes(b, s);
	buf_printf(b, "</div>\n");
	put_hottest(b, s);
}

/* --- steps --- */

static void put_steps_table(struct buf *b, const struct stats *st)
{
	char t[FMT_ROOM];

	buf_printf(
		b,
		"<h2>Steps, from mark to mark</h2><div class=\"wide\"><table><tr><th></th><th class=\"t\">Step</th><th>at</th><th>took</th>"
		"<th>reads</th><th>bytes</th><th>writes</th><th>bytes</th><th>distinct</th><th>×</th><th>flushes</th><th>errors</th>"
		"<th>read p99</th><th>write p99</th></tr>\n");
	for (unsigned i = 0; i < st->steps; i++) {
		const struct section *s = st->step[i];
		buf_printf(b, "<tr><td>%u</td><td class=\"t\"><a href=\"#step%u\">", i + 1, i + 1);
		report_put(b, FOR_HTML, report_step_name(s), NAME_BYTES);
		buf_printf(b, "</a></td><td>%s</td>", fmt_clock(t, s->begin - st->start));
		buf_printf(b, "<td>%s</td>", report_ns(t, s->end - s->begin));
		for (unsigned k = 0; k < 2; k++) {
			buf_printf(b, "<td>%s</td>", fmt_count(t, s->op[k].ops));
			buf_printf(b, "<td>%s</td>", fmt_size(t, s->op[k].bytes));
		}
		buf_printf(b, "<td>%s%s</td><td>%.2f</td>", s->estimate ? "~" : "", fmt_count(t, s->distinct), section_amplification(s));
		buf_printf(b, "<td>%s</td><td>%" PRIu64 "</td>", fmt_count(t, s->op[REC_FLUSH].ops), sum_errors(s));
		for (unsigned k = 0; k < 2; k++)
			buf_printf(b, "<td>%s</td>", s->op[k].latency.n ? report_ns(t, hist_percentile(&s->op[k].latency, 9900)) : "");
		buf_printf(b, "</tr>\n");
	}
	buf_printf(b, "</table></div>\n");
}

static void put_steps(struct buf *b, const struct stats *st)
{
	char t[FMT_ROOM];

	for (unsigned i = 0; i < st->steps; i++) {
		const struct section *s = st->step[i];
		buf_printf(b, "<details id=\"step%u\"><summary>%u. ", i + 1, i + 1);
		report_put(b, FOR_HTML, report_step_name(s), NAME_BYTES);
		buf_printf(b, "<span>%s, ", report_ns(t, s->end - s->begin));
		buf_printf(b, "%s requests</span></summary>\n", fmt_count(t, section_sum_ops(s)));
		if (i < STEPS_WITH_PLOTS && section_sum_ops(s)) {
			put_section(b, s, NULL);
		} else {
			put_cards(b, s);
			put_ops(b, s);
		}
		buf_printf(b, "</details>\n");
	}
	if (st->steps > STEPS_WITH_PLOTS)
		buf_printf(b, "<p>Steps after the %uth are told without plots.</p>\n", (unsigned)STEPS_WITH_PLOTS);
	if (st->marks > STATS_STEPS_MAX)
		buf_printf(b, "<p>There are %" PRIu64 " marks: the last step has the rest.</p>\n", st->marks);
}

/* --- connections --- */

static void put_conns(struct buf *b, const struct stats *st)
{
	char t[FMT_ROOM];

	buf_printf(
		b,
		"<h2>Connections</h2><div class=\"wide\"><table><tr><th></th><th class=\"t\">client</th><th class=\"t\">export</th>"
		"<th>disk</th>"
		"<th>from</th><th>until</th><th>reads</th><th>bytes</th><th>writes</th><th>bytes</th>"
		"<th>flushes</th><th>errors</th></tr>\n");
	for (unsigned i = 0; i < st->conns && i < CONNS_SHOWN; i++) {
		const struct conn_stats *c = &st->conn[i];
		buf_printf(b, "<tr><td>%" PRIu64 "</td><td class=\"t\">", c->id);
		report_put(b, FOR_HTML, c->client ? c->client : "", NAME_BYTES);
		buf_printf(b, "</td><td class=\"t\">");
		if (c->export) {
			buf_printf(b, "“");
			report_put(b, FOR_HTML, c->export, NAME_BYTES);
			buf_printf(b, "”");
		}
		buf_printf(b, "</td><td>%s</td>", c->size ? fmt_size(t, c->size) : "");
		buf_printf(b, "<td>%s</td>", fmt_clock(t, c->begin - st->start));
		buf_printf(b, "<td>%s</td>", fmt_clock(t, (c->end ? c->end : st->now) - st->start));
		for (unsigned k = 0; k < 2; k++) {
			buf_printf(b, "<td>%s</td>", fmt_count(t, c->ops[k]));
			buf_printf(b, "<td>%s</td>", fmt_size(t, c->bytes[k]));
		}
		buf_printf(b, "<td>%s</td><td%s>%" PRIu64 "</td></tr>\n", fmt_count(t, c->ops[REC_FLUSH]),
			   c->errors ? " class=\"bad\"" : "", c->errors);
	}
	buf_printf(b, "</table></div>\n");
	if (st->conns > CONNS_SHOWN)
		buf_printf(b, "<p>And %u more.</p>\n", st->conns - CONNS_SHOWN);
}

/* --- the page --- */

static void put_trouble(struct buf *b, const struct report *r)
{
	const struct stats *st = r->stats;

	if (!*r->notes && !st->lost && !st->untracked)
		return;
	buf_printf(b, "<div class=\"trouble\"><b>Not everything could be read or was kept.</b> The numbers are of what is there.<br>\n");
	for (const char *p = r->notes, *end; (end = strchr(p, '\n')); p = end + 1) {
		char line[512] = { 0 };
		memcpy(line, p, MIN((size_t)(end - p), sizeof line - 1));
		report_put(b, FOR_HTML, line, sizeof line);
		buf_printf(b, "<br>\n");
	}
	if (st->lost)
		buf_printf(b, "the writer lost %" PRIu64 " events<br>\n", st->lost);
	if (st->untracked)
		buf_printf(b, "%" PRIu64 " requests beyond %u at once are not counted<br>\n", st->untracked, (unsigned)FLIGHT_MAX);
	buf_printf(b, "</div>\n");
}

bool report_html(struct buf *b, const struct report *r)
{
	const struct stats *st = r->stats;
	const char *slash = strrchr(r->name, '/'), *name = slash && slash[1] ? slash + 1 : r->name;
	time_t sec = (time_t)(r->wall / NS_PER_S);
	char when[64] = "", t[FMT_ROOM];
	struct tm tm;

	buf_printf(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
	report_put(b, FOR_HTML, name, NAME_BYTES);
	buf_printf(b, " – blkscope report</title>\n<style>\n");
	put_colours(b);
	buf_printf(b, "%s</style></head><body>\n<h1>", style);
	report_put(b, FOR_HTML, name, NAME_BYTES);
	if (r->wall && gmtime_r(&sec, &tm) && !strftime(when, sizeof when, ", from %Y-%m-%d %H:%M:%S UTC on", &tm))
		*when = '\0';
	buf_printf(b, "</h1>\n<p>A %s of %s events", r->recording ? "recording" : "log", fmt_count(t, st->events));
	buf_printf(b, " in %s%s.%s</p>\n", report_ns(t, st->now - st->start), when,
		   r->recording ? "" : " Times are in whole microseconds; there are no marks, clients and FUA as in a recording.");
	put_trouble(b, r);
	put_section(b, st->whole, st->steps ? st : NULL);
	if (st->steps) {
		put_steps_table(b, st);
		put_steps(b, st);
	}
	put_conns(b, st);
	return buf_printf(
		b,
		"<footer>Percentiles are within 0.8 %%.  A read or write is sequential when it begins where one of the last %u "
		"of its kind on "
		"its connection ended.  A block is overwritten before a flush when it was written since the last flush began.  "
		"Made by blkscope %s.</footer>\n"
		"</body></html>\n",
		(unsigned)STREAMS, VERSION);
}
