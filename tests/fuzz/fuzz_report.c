/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as the events of a recording, or as a log: into the numbers, and these as text, JSON and a page.
 * The first byte says which: even a log, odd events. */
#include <stdlib.h>
#include "cmd/report.h"
#include "stats/match.h"
#include "trace/read_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stats *s = stats_new(STATS_FIRST);
	struct buf b = { .limit = 64 << 20 };
	struct value values[VALUES_MAX];
	uint64_t all = 0;

	if (!n || !s) {
		stats_free(s);
		return 0;
	}
	if (*data % 2) {
		struct rec_decoder d = { .p = data + 1, .end = data + n, .time = 1000 };
		struct rec_event e;
		while (rec_decode(&d, &e))
			stats_event(s, &e);
	} else {
		struct log_reader r = { 0 };
		const char *p = (const char *)data + 1, *end = (const char *)data + n;
		struct event ev;
		while (log_next(&r, &p, end, &ev))
			stats_log_event(s, &ev);
	}
	stats_end(s);
	/* what lies in a bin was counted, and only once */
	for (unsigned i = 0; i < SECTION_BINS; i++)
		for (unsigned op = 0; op < REC_OPS; op++)
			all += s->whole->bin[i].ops[op];
	if (all != section_sum_ops(s->whole) || match_values(s->whole, values) >= VALUES_MAX)
		abort();
	struct report r = { .name = "fuzz", .notes = "a\nb\n", .recording = *data % 2, .stats = s };
	if (!report_text(&b, &r) || !report_json(&b, &r) || !report_html(&b, &r))
		abort();
	buf_free(&b);
	stats_free(s);
	return 0;
}
