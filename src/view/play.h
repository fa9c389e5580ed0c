/* SPDX-License-Identifier: BSD-2-Clause */
/* play: a log or a recording, maybe still growing, and the model at any moment of it.
 *
 * Two cursors walk the file.  The scan runs ahead to the end: it finds the disk's size, the
 * timeline, and what could not be understood.  The model follows up to the moment that is
 * looked at; going back means walking again from the file's beginning, or from the last model
 * kept before that moment once somebody has gone back, so no event is kept in memory.  When it
 * is the end that is looked at, the model rides with the scan, and the file is walked once.
 * Picture at a moment = function of the file's bytes and the moment.
 *
 * A log that shrinks, changes at its head, or is replaced by another file is started over
 * (restarts counts that).  Work is bounded per call, so a window stays alive.
 * One thread. */
#pragma once
#include "view/cursor.h"
#include "view/flushes.h"
#include "view/heat.h"
#include "view/keep.h"
#include "view/model.h"
#include "view/names.h"
#include "view/steps.h"
#include "view/timeline.h"

#define PLAY_HEAD 256 /* bytes of the file's beginning that we remember */

struct play {
	const char *path; /* borrowed */
	struct tape tape;
	bool wait;        /* what is not there yet, or not whole at its beginning, may come */
	uint64_t dev, ino;
	char head[PLAY_HEAD];
	size_t head_len;
	unsigned restarts;

	struct cursor scan;
	uint64_t events;     /* found by the scan */
	uint64_t start, end; /* ns, first and last event found; start of a recording: when it was begun */
	uint64_t size;       /* of the disk; given, else the largest that a Connect line told */
	bool size_given, size_known;
	struct timeline timeline;
	struct heat heat;       /* with play_want_heat() */
	bool wants_heat;
	struct inflight asked;  /* what the scan has in flight, of a recording, whose answers do not name the operation, or for heat */
	bool has_asked;
	struct flushes flushes;
	struct steps marks;     /* of a recording, the first STEPS_MAX */
	struct names names;     /* of connections */

	bool ride;        /* set it when the end is looked at: what the scan finds, the model takes at once if it can */
	unsigned boarded; /* times the model was brought to where the scan is */
	struct cursor cur;
	struct model model; /* valid when has_model */
	bool has_model;
	struct event next; /* read, not yet applied, when has_next */
	bool has_next;
	uint64_t next_number; /* of a recording: its number there */
	/* Models on the way; it begins to fill when one goes back.  own_keep, or one that players of a file share. */
	struct keep *keep;
	struct keep own_keep;
	const struct filter *filter; /* play_filter(), borrowed */
	/* Set it before the first scan, borrowed: what timeline, heat and flushes count; NULL: all. */
	const struct filter *scan_filter;
	bool keep_early;   /* set it when it is to fill from the beginning on */

	/* When set: sees each event as the model takes it. */
	void (*watch)(void *arg, const struct event *ev, const struct outcome *out);
	void *watch_arg;
};

/* size NULL: find it in the log.  With wait, a file that is not there yet is no error.  p must stay where it is. */
int play_open(struct play *p, const char *path, const uint64_t *size, bool wait, struct err *e);
void play_close(struct play *p);
/* Keep p->heat from now on: before the first scan. */
int play_want_heat(struct play *p, struct err *e);

/* Show only the requests that f lets pass, NULL: all, from now on: the model is made anew by the next play_to().  f stays the caller's,
 * and as it is until the next call or play_close().  Players that share what they keep have the same filter. */
void play_filter(struct play *p, const struct filter *f);

/* Scan on for about max bytes.  1: there is more; 0: at the end for now; -1: e is set. */
int play_scan(struct play *p, uint64_t max, struct err *e);
int play_scan_all(struct play *p, struct err *e);
/* Was the file truncated or replaced?  Then start over and return 1; -1: e is set. */
int play_check(struct play *p, struct err *e);

/* In place of scanning: take over what another player of the same file has found, which may be gone afterwards.  Its timeline, marks
 * and flushes are left to it.  A file that was replaced starts over here, too. */
int play_take_over(struct play *p, const struct play *ahead, struct err *e);

/* Bring the model to time t (ns since 1970): exactly the events up to and at t.  Applies
 * about max events.  1: not there yet; 0: done, or no size is known; -1: e is set. */
int play_to(struct play *p, uint64_t t, uint64_t max, struct err *e);
/* The same, but exactly the first n events. */
int play_to_event(struct play *p, uint64_t n, uint64_t max, struct err *e);
/* The next play_to begins with the first event again, even where it need not. */
void play_rewind(struct play *p);
#define PLAY_ALL UINT64_MAX

/* While there is no model: what is waited for, in words. */
const char *play_missing(const struct play *p);
/* Does the file end in the midst of a line or a chunk? */
bool play_torn(const struct play *p);
/* Events of a recording that the model has taken, as they are numbered there; 0: of a log. */
uint64_t play_recorded(const struct play *p);
/* Bytes that the file has now and the model has not taken. */
uint64_t play_behind(const struct play *p);
