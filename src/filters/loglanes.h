/* SPDX-License-Identifier: BSD-2-Clause */
/* loglanes: where lines of a log wait until somebody writes them.
 *
 * Each thread adds to a lane of its own (when there are more threads than lanes, some share the last one), so that adding a line
 * costs a lock that nobody else wants, and a clock.  What comes out is in the order of its stamps, to the ns, whatever
 * thread a line came from: a line is stamped under its lane's lock, so once each lane was locked after some moment, every
 * line stamped before that moment is in our hands; those are sorted and handed out, the few later ones stay for the next time.
 *
 * That is the order of CLOCK_MONOTONIC: when somebody sets the clock of the day, stamps jump, and the order stays.
 *
 * Any thread, but init, free, and take: one thread at a time. */
#pragma once
#include <stdatomic.h>
#include "base/biased.h"
#include "base/buf.h"
#include "base/spin.h"
#include "trace/logline.h"

enum {
	LOGLANES = 16,
	LOGLANE_SOFT = 4 << 20, /* bytes: loglanes_full() from here on */
	LOGLANE_HARD = 64 << 20, /* bytes: what a lane holds at most */
	LOGLANE_EAGER = 512 << 10, /* bytes: worth writing without waiting for more */
	LOGLANES_MAX = LOGLANES * LOGLANE_HARD,
};

struct loglines {
	struct buf text;   /* whole lines, stamped */
	struct buf marks;  /* struct logmark, one a line */
};

/* The order of lines, better than by what they show. */
struct logmark {
	uint64_t ns;       /* CLOCK_MONOTONIC */
	uint32_t len;      /* bytes of the line, with its newline */
};

struct loglane {
	_Alignas(64) struct biased lock;   /* guards fill and stamp */
	struct spin shared;    /* whoever has it is the owner of that lock; only of the last lane */
	struct loglines fill;
	struct logstamp stamp;
	uint64_t ns;           /* stamp of the line that is open; 0: there is no room for it */
	atomic_bool full;
	struct loglines taken, kept; /* the taker's own: just taken; left over from the time before */
	char scrap[LOGLINE_MAX];
};

struct loglanes {
	bool text;             /* each line begins with its stamp and ends in a newline; else it is bytes as they come */
	struct loglane at[LOGLANES];
	_Atomic uint64_t ahead; /* ns: the time of day minus CLOCK_MONOTONIC */
};

enum loglane_news {
	LOGLANE_QUIET,
	LOGLANE_FIRST,  /* the lane was empty */
	LOGLANE_PLENTY, /* ... or has just become worth writing */
	LOGLANE_LOST,   /* no room, or no memory: the line was not added */
};

void loglanes_init(struct loglanes *, bool text);
void loglanes_free(struct loglanes *);
/* The calling thread's lane, with a line opened in it: at *p there is room for len bytes and LOGLINE_DIGITS more (in a scrap of
 * LOGLINE_MAX when the lane would hold more than limit bytes, or there is no memory; NULL when len is above that).  The lane is
 * locked until loglane_close(), which gets the end of the text. */
struct loglane *loglanes_open(struct loglanes *, size_t len, size_t limit, char **p);
enum loglane_news loglane_close(const struct loglanes *, struct loglane *, char *end);
/* The calling thread's lane holds more than LOGLANE_SOFT. */
bool loglanes_full(struct loglanes *);
/* The lines that were added before this call and maybe some that are added meanwhile, in the order of their stamps, to out,
 * which is empty and whose memory may be swapped for a lane's.  True: some that came meanwhile are kept, there is more to
 * take; never with all, which is for when nobody adds any more.  *lost lines are gone: there was no memory. */
bool loglanes_take(struct loglanes *, bool all, struct buf *out, uint64_t *lost);
