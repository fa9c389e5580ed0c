/* SPDX-License-Identifier: BSD-2-Clause */
/* feed: one file of a session: it is followed by a thread of its own, and the model of its disk at any moment is to be had.
 *
 * The thread scans to the end and then rides with what comes; of each moment of the past that somebody looks at there is a player more, at
 * most FEED_SEEKERS, of which the one used longest ago goes elsewhere when another moment is wanted.  All of them are
 * under one lock, which is given in the order of asking and held for some ms: so an answer is bounded, whatever the file is. */
#pragma once
#include <stdatomic.h>
#include "view/play.h"
#include "web/turn.h"

#define FEED_SEEKERS 4u

struct seeker {
	struct play play;
	bool open;
	uint64_t used;    /* the disk's count of uses when it was last used; 0: never */
	uint64_t time;    /* ns since 1970: what was asked of it last */
};

struct feed {
	const char *path; /* ours */
	const char *name; /* without folders */
	bool sized;       /* the command line told the size */
	uint64_t size;
	const struct filter *filter; /* borrowed; NULL: none */
	struct turn turn; /* guards the rest */
	struct play ahead;
	struct seeker seeker[FEED_SEEKERS];
	struct keep keep; /* what they have passed, of all of them */
	uint64_t uses;
	uint64_t changed; /* ns, monotonic: when the scan last found events */
	bool growing;     /* it did so after all that there was at first */
	bool recorded;    /* somebody is recording to it */
	bool whole;       /* the scan is at the end */
	char trouble[200]; /* what went wrong last with reading; "": nothing */
	pthread_t thread;
	bool has_thread;
	atomic_bool stopping;
};

/* path is copied; size NULL: the file tells it; filter: what is to be seen, borrowed, NULL: all.  A file that is not there
 * yet may come.  NULL with e set. */
struct feed *feed_open(const char *path, const uint64_t *size, const struct filter *filter, struct err *e);
void feed_close(struct feed *d); /* NULL is fine */

static inline void feed_lock(struct feed *d) { turn_take(&d->turn); }
static inline void feed_unlock(struct feed *d) { turn_give(&d->turn); }

/* ---- all below: with the lock ---- */

bool feed_live(const struct feed *d);
/* When the first event was, ns since 1970; 0: there is none. */
uint64_t feed_start(const struct feed *d);

enum moment_kind { MOMENT_LIVE, MOMENT_TIME, MOMENT_EVENT };
struct moment {
	enum moment_kind kind;
	uint64_t at;      /* ns since 1970; events */
};

struct sight {
	const struct model *model; /* until feed_unlock() */
	uint64_t now;     /* ns since 1970: of the picture */
	bool not_yet;     /* the model is not there yet; asked again, it comes nearer */
};
/* The model at a moment, or as near as it comes in some ms.  -1: e is set: nothing is to be seen. */
int feed_see(struct feed *d, const struct moment *m, struct sight *s, struct err *e);
