/* SPDX-License-Identifier: BSD-2-Clause */
/* What the forms of the report have in common. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "cmd/report.h"
#include "cmd/source.h"
#include "view/fmt.h"

const struct report_percentile report_percentiles[REPORT_PERCENTILES] = {
	{ "p50", 5000 }, { "p90", 9000 }, { "p99", 9900 }, { "p99.9", 9990 },
};


static bool see(void *arg, const struct rec_event *rec, const struct event *log)
{
	struct stats *s = arg;
	if (rec)
		stats_event(s, rec);
	else
		stats_log_event(s, log);
	return !s->failed;
}

int report_count(struct source *s, struct stats **out, struct err *e)
{
	struct stats *st = stats_new(s->recording ? s->start : STATS_FIRST);
	if (!st)
		return err_set(e, "out of memory");
	int rc = source_walk(s, see, st, e);
	stats_end(st);
	if (!rc && st->failed)
		rc = err_set(e, "%s: out of memory", s->path);
	if (rc < 0)
		stats_free(st);
	else
		*out = st;
	return rc;
}

static const char *escape(enum report_for what, unsigned char c)
{
	if (c < 0x20 || c == 0x7f)
		return "?";
	if (what == FOR_TERMINAL)
		return NULL;
	return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : c == '\'' ? "&#39;" : NULL;
}

bool report_put(struct buf *b, enum report_for what, const char *text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

	while (p < end) {
		unsigned len = utf8_len(p, (size_t)(end - p));
		if (MAX(len, 1u) > max)
			return buf_add(b, "…", 3);
		/* C1 controls steer terminals, too */
		bool control = len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
		const char *instead = !len || control ? "?" : len == 1 ? escape(what, *p) : NULL;
		if (!(instead ? buf_add(b, instead, strlen(instead)) : buf_add(b, p, len)))
			return false;
		p += MAX(len, 1u);
		max -= MAX(len, 1u);
	}
	return true;
}

const char *report_step_name(const struct section *s)
{
	return s->name ? s->name : "(before the first mark)";
}

unsigned report_hottest(const struct section *s, unsigned *out, unsigned n)
{
	unsigned found = 0;
	for (unsigned i = 0; i < SECTION_REGIONS; i++) {
		uint64_t bytes = sat_add(s->region[i].bytes[0], s->region[i].bytes[1]);
		unsigned k = found;
		if (!bytes)
			continue;
		for (; k && sat_add(s->region[out[k - 1]].bytes[0], s->region[out[k - 1]].bytes[1]) < bytes; k--)
			if (k < n)
				out[k] = out[k - 1];
		if (k < n)
			out[k] = i;
		found += found < n;
	}
	return found;
}

const char *report_ns(char *out, uint64_t ns)
{
	static const struct {
		uint64_t ns;
		const char *name;
	} units[] = { { NS_PER_S, "s" }, { NS_PER_MS, "ms" }, { NS_PER_US, "µs" } };
	for (unsigned i = 0; i < ARRAY_LEN(units); i++)
		if (ns >= units[i].ns) {
			double v = (double)ns / (double)units[i].ns;
			snprintf(out, FMT_ROOM, "%.*f %s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[i].name);
			return out;
		}
	snprintf(out, FMT_ROOM, "%" PRIu64 " ns", ns);
	return out;
}
