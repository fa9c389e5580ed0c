/* SPDX-License-Identifier: BSD-2-Clause */
/* report: the numbers of a session as text, JSON, or one HTML page.
 * Each appends to a buffer whose limit the caller sets, and returns false when that is full or memory is out.  No I/O. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "stats/stats.h"

struct report {
	const char *name;      /* of the file */
	const char *notes;     /* lines: what was damaged; "" */
	bool recording;        /* else a log: microseconds, no FUA, no marks, no clients */
	uint64_t wall;         /* ns since 1970 when the stats' clock was at its start */
	const struct stats *stats;
};

/* stats out of a whole file; -1: e is set.  The caller frees *out. */
struct source;
int report_count(struct source *s, struct stats **out, struct err *e);

bool report_text(struct buf *b, const struct report *r);
bool report_json(struct buf *b, const struct report *r);
bool report_html(struct buf *b, const struct report *r);

/* Text of a stranger: for HTML, or for a terminal (control characters become '?'), cut to max bytes at a
 * character's end.  What is no UTF-8 becomes '?'. */
enum report_for { FOR_HTML, FOR_TERMINAL };
bool report_put(struct buf *b, enum report_for what, const char *text, size_t max);

/* What a person calls the section. */
const char *report_step_name(const struct section *s);

/* The busiest regions, by bytes read and written: n of them at most, the first the busiest; returns how many there are. */
unsigned report_hottest(const struct section *s, unsigned *out, unsigned n);

#define REPORT_PERCENTILES 4
extern const struct report_percentile {
	const char *name;
	unsigned permyriad;
} report_percentiles[REPORT_PERCENTILES]; /* p50 ... p99.9; max comes from the histogram */

const char *report_ns(char *out, uint64_t ns); /* "12.3 ms"; FMT_ROOM bytes */
