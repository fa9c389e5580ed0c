/* SPDX-License-Identifier: BSD-2-Clause */
/* session: the disks that a page shows, on one clock.  Its answers are told in docs/web.md; none of them knows of HTTP.
 * Any number of threads may ask at once. */
#pragma once
#include "base/buf.h"
#include "view/palette.h"
#include "web/closeup.h"
#include "web/deeds.h"
#include "web/feed.h"
#include "web/marks.h"
#include "web/past.h"
#include "web/query.h"
#include "web/sieve.h"
#include "web/tale.h"

#define SESSION_DISKS_MAX 64u
#define ANSWER_MAX (64u << 20) /* bytes */

struct extras {
	struct past *past;
	struct deeds deeds;
	struct closeups closeups;
	struct tale tale;
};

struct session {
	struct feed *disk[SESSION_DISKS_MAX]; /* disks, ours */
	struct extras extra[SESSION_DISKS_MAX]; /* of each */
	size_t disks;
	struct marks marks;
	struct sieves sieves;
	struct tales tales;
	const char *disk_name; /* that the first disk is as it is now in; NULL: not known */
	pthread_mutex_t exporting;
	atomic_bool ending;    /* set it when answers that take long are to be given up */
	const struct palette *palette; /* that the page begins with */
	bool hilbert;
	unsigned cols;         /* 0: the map's choice */
};

/* s is zeroed.  steps: see marks_init(); story: the program that tells stories, NULL: none is told.  Both borrowed. */
int session_init(struct session *s, const char *steps, const char *story, struct err *e);
/* One more; see feed_open() and past_start(). */
int session_add(struct session *s, const char *path, const uint64_t *size, const struct know_disk *now, struct err *e);
void session_close(struct session *s);

struct ask {
	const char *name;      /* "frame" ... */
	bool post;
	const struct query *query;
	const char *body;      /* body_len bytes; NULL: none */
	size_t body_len;
	bool exporting;        /* for a page that is opened without a server */
	struct sieve *sieve;   /* session_answer()'s own */
};

struct answer {
	unsigned status;       /* of HTTP */
	const char *type;      /* static */
	struct buf body;       /* the asker's, to be freed */
};

/* Whatever is asked has an answer. */
void session_answer(struct session *s, const struct ask *q, struct answer *a);

/* ns since 1970: the earliest beginning of its disks; 0: nothing has begun.  Takes each disk's lock for a moment. */
uint64_t session_start(struct session *s);
