/* SPDX-License-Identifier: BSD-2-Clause */
/* history: which requests touched a range of the disk, up to a moment: how many, the last of them, who wrote it last, and what
 * comes next.
 *
 * It walks the log or recording from its beginning in steps (rewalk.h).  Only what touches the range is remembered: memory is bounded.
 * One thread at a time. */
#pragma once
#include "view/rewalk.h"

#define HISTORY_MAX 100

struct touch {
	uint64_t begun, time; /* ns since 1970: when it was asked for, and answered */
	uint64_t event;       /* a model has taken the answer when it has so many events */
	uint64_t conn, id;
	uint64_t off, len;    /* bytes, as they were asked for */
	uint8_t op, flags;    /* enum ev_op, EVF_... */
	int err;              /* 0 or a positive errno */
};

struct history {
	uint64_t off, len;      /* the range */
	uint64_t time, events;  /* the moment: what was answered up to and at time, within the first events */
	struct touch at[HISTORY_MAX]; /* the last ones: history_at() */
	uint64_t count;         /* requests that touched the range, all of them; the moment's */
	struct touch writer;    /* the last write, trim or zero that worked; when has_writer */
	struct touch next;      /* the first request that was answered after the moment; when has_next: the walk ends with it */
	bool has_writer, has_next;

	struct rewalk walk;     /* the rest is history.c's own */
	uint64_t taken;         /* events */
};

/* Of what fd has open, borrowed for the call: a log or a recording.  h must stay where it is.  -1: e is set, and nothing is open. */
int history_open(struct history *h, int fd, uint64_t off, uint64_t len, uint64_t time, uint64_t events, struct err *e);
/* Take about max events more.  1: there are more; 0: done, with what the file has now (calling it again goes on, if it has grown);
 * -1: e is set. */
int history_walk(struct history *h, uint64_t max, struct err *e);
void history_close(struct history *h); /* NULL is fine, and twice */

/* How many are kept; the i-th of them, the newest first. */
static inline unsigned history_kept(const struct history *h) { return (unsigned)MIN(h->count, (uint64_t)HISTORY_MAX); }
static inline const struct touch *history_at(const struct history *h, unsigned i) { return &h->at[(h->count - 1 - i) % HISTORY_MAX]; }
