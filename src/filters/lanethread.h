/* SPDX-License-Identifier: BSD-2-Clause */
/* lanethread: the thread behind lanes of lines or records.
 * It sleeps until there is something, then a little longer for company, unless there is plenty; and requests wait for it when it
 * cannot keep up.  What a turn does with the lanes is the owner's. */
#pragma once
#include <pthread.h>
#include "base/err.h"
#include "filters/loglanes.h"
#include "loop/loop.h"

#define LANE_LAZY_NS (20 * NS_PER_MS) /* what came waits this long for company */

/* Where a request that has to wait leaves its address: zeroed, embedded in its slot. */
struct lanewait {
	struct task task;      /* posted to loop when there is room; set by the caller */
	struct loop *loop;
	struct list link;
};

struct lanethread {
	struct loglanes lanes;
	void (*turn)(struct lanethread *); /* take what there is; on the thread, or before it is started and after it is stopped */
	atomic_bool unbound;           /* nobody shall wait */
	pthread_mutex_t lock;          /* guards what follows; inside it no lane is locked */
	pthread_cond_t wake;           /* for the thread: something came, or the end */
	bool some, plenty;
	bool full;                     /* the owner's: wait, though the lanes are not full */
	uint64_t nap;                  /* ns: a turn after so long, though nothing comes; 0: never */
	bool stopping;
	struct list waiting;           /* struct lanewait */
	pthread_t thread;
	bool has_thread;
};

/* The lanes are to be initialised by the caller.  Main thread, like start and stop. */
void lanethread_init(struct lanethread *t, void (*turn)(struct lanethread *));
int lanethread_start(struct lanethread *t, struct err *e);
/* The thread ends after a last turn, if there is one. */
void lanethread_stop(struct lanethread *t);
void lanethread_free(struct lanethread *t);
bool lanethread_stopping(struct lanethread *t);

/* Something came.  Any thread. */
void lanethread_tell(struct lanethread *t, bool plenty);
/* The same for the news of loglane_close(), but LOGLANE_LOST. */
static inline void lanethread_news(struct lanethread *t, enum loglane_news news)
{
	if (unlikely(news == LOGLANE_FIRST || news == LOGLANE_PLENTY))
		lanethread_tell(t, news == LOGLANE_PLENTY);
}
/* True: w->task will be posted, when it is time to try again.  False: go on. */
bool lanethread_wait(struct lanethread *t, struct lanewait *w);
/* In a turn, when there is room again: those who waited go on. */
void lanethread_let_go(struct lanethread *t);
/* Nobody waits any more, or those who come now do again.  True: that is news. */
bool lanethread_unbind(struct lanethread *t, bool unbound);
