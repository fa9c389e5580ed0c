/* SPDX-License-Identifier: BSD-2-Clause */
/* stats: what happened in a session, in numbers, from its events in their order; of the whole, of each step and of each
 * connection.  Bounded memory, however long the session and whatever its events say: of more steps than STATS_STEPS_MAX the last
 * one holds the rest, of more connections than STATS_CONNS_MAX the last row does.
 * Events come as those of a recording; a text log's are turned into them (stats_log_event).  No I/O; one thread at a time.
 *
 * What the words mean:
 *   sequential   a read or write that begins where one of the last STREAMS of its kind on its connection ended, in the order they began
 *   flushed      by a flush: what was answered before it began, on any connection.  A write with FUA is flushed by itself
 *   rewritten    a block that was written and not flushed when it is written again */
#pragma once
#include "stats/flight.h"
#include "stats/section.h"
#include "trace/event.h"

enum { STATS_STEPS_MAX = 256, STATS_CONNS_MAX = 4096, STATS_TEXT_MAX = 256, STREAMS = 8 };

struct conn_stats {
	uint64_t id;
	char *export, *client;   /* ours, cut to STATS_TEXT_MAX bytes; NULL: not told */
	uint64_t size;           /* of the disk; 0: not told */
	uint64_t begin, end;     /* ns; end 0: still connected */
	uint64_t ops[REC_OPS], bytes[REC_OPS], errors;
	uint64_t ends[2][STREAMS]; /* where the last reads and writes ended, 0: none */
	uint8_t at[2];
	uint32_t flying;         /* the first of its requests */
	uint32_t hash_next;
};

struct stats {
	struct section *whole;
	/* Steps of them: from each mark to the next.  What was before the first mark has no name. */
	struct section *step[STATS_STEPS_MAX];
	unsigned steps;
	uint64_t marks;
	struct conn_stats *conn; /* conns of them */
	unsigned conns;
	uint64_t connections;
	uint64_t events, lost;   /* lost: events that the writer says it dropped */
	uint64_t untracked;      /* requests that found no room among FLIGHT_MAX */
	uint64_t backwards;      /* times that ran backwards: taken as no time */
	uint64_t start, now;     /* ns */
	bool failed;             /* no memory: the numbers are not complete */
	/* how it goes on */
	struct flight flight;
	uint32_t *buckets;       /* of conn, ours */
	struct blocks dirty;     /* written since the last flush */
	uint64_t since_flush;    /* bytes */
	uint64_t last_flush;     /* ns, when it began */
	bool flushed;
};

/* start: ns, when the session began, or STATS_FIRST: with its first event.  NULL: no memory. */
#define STATS_FIRST UINT64_MAX
struct stats *stats_new(uint64_t start);
void stats_free(struct stats *s);
void stats_event(struct stats *s, const struct rec_event *e);
void stats_log_event(struct stats *s, const struct event *ev);
/* No more events come: sums up. */
void stats_end(struct stats *s);

extern const char *const stats_op_names[REC_OPS];
