/* SPDX-License-Identifier: BSD-2-Clause */
/* read_log: bytes of nbdkit's log, of either age, become events.
 * No I/O and no copies: the caller has the bytes and keeps what is left over.
 * Nothing in a log is fatal.  A line that cannot be understood is counted in `bad`;
 * one longer than LOG_LINE_MAX is skipped and counted once in `overlong`, however long;
 * a last line without its newline is not looked at, since it may still grow.
 * Zeroed memory is a valid reader.  One thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "trace/event.h"

#define LOG_LINE_MAX 65536 /* bytes; a longer one cannot be a request */

struct log_reader {
	uint64_t lines;     /* whole lines seen, of every kind */
	uint64_t bad;       /* of these, not understood */
	uint64_t overlong;  /* of these, longer than LOG_LINE_MAX */
	uint64_t lost;      /* lines the writer says it dropped */
	uint64_t backwards; /* stamps older than the one before: threads overtake each other */
	uint64_t set_back;  /* of these, by a second or more: somebody set the clock */
	uint64_t time;      /* ns, of the last event */
	uint64_t shift;     /* ns added to stamps since the clock was set back */
	uint64_t day_ns;    /* what the date in `day` means */
	uint64_t second_ns; /* and the second in `second` */
	char day[10];       /* the last date seen, "2026-11-22" */
	char second[19];    /* the last second seen, "2026-11-22 10:58:51" */
	bool in_overlong;   /* skipping to the next newline */
	const char *line;   /* of the event that was given last, line_len bytes of the caller's */
	size_t line_len;
};

/* Take the next event out of [*p, end) and move *p behind its line.  False: no whole
 * line is left; come again with [*p, end) followed by more.  What is left is never
 * longer than LOG_LINE_MAX. */
bool log_next(struct log_reader *r, const char **p, const char *end, struct event *ev);

/* The name of the export in a Connect line, as a C string; cut when room does not hold it.  False: it tells none. */
bool log_export(const char *line, size_t n, char *to, size_t room);

/* One line without its newline; false when it says nothing we know.  ev->time is the
 * stamp as written. */
bool log_parse_line(struct log_reader *r, const char *p, size_t n, struct event *ev);
