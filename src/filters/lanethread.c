/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/lanethread.h"
#include <string.h>

void lanethread_tell(struct lanethread *t, bool plenty)
{
	pthread_mutex_lock(&t->lock);
	t->some = true;
	t->plenty |= plenty;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

bool lanethread_wait(struct lanethread *t, struct lanewait *w)
{
	pthread_mutex_lock(&t->lock);
	/* What takes says so to the lanes first, then lets go those that wait: whoever sees a full lane here is let go. */
	bool must = !atomic_load(&t->unbound) && t->has_thread && (t->full || loglanes_full(&t->lanes));
	if (must)
		list_add_tail(&t->waiting, &w->link);
	pthread_mutex_unlock(&t->lock);
	return must;
}

/* The lock is not held: each request goes on as soon as it is posted. */
static void post(struct list *waits)
{
	list_for_each_safe(waits, link, next) {
		struct lanewait *w = list_entry(link, struct lanewait, link);
		list_del(link);
		loop_post(w->loop, &w->task);
	}
}

void lanethread_let_go(struct lanethread *t)
{
	struct list go;
	list_init(&go);
	pthread_mutex_lock(&t->lock);
	list_splice(&go, &t->waiting);
	pthread_mutex_unlock(&t->lock);
	post(&go);
}

bool lanethread_unbind(struct lanethread *t, bool unbound)
{
	struct list go;
	list_init(&go);
	pthread_mutex_lock(&t->lock);
	bool news = unbound != atomic_exchange(&t->unbound, unbound);
	if (unbound)
		list_splice(&go, &t->waiting);
	pthread_mutex_unlock(&t->lock);
	post(&go);
	return news;
}

bool lanethread_stopping(struct lanethread *t)
{
	pthread_mutex_lock(&t->lock);
	bool stop = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return stop;
}

static struct timespec after(uint64_t ns)
{
	uint64_t at = monotonic_ns() + ns;
	return (struct timespec){ .tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S) };
}

/* False: the end. */
static bool sleep_for_some(struct lanethread *t)
{
	pthread_mutex_lock(&t->lock);
	struct timespec until = after(t->nap);
	while (!t->stopping && !t->some && (t->nap ? pthread_cond_timedwait(&t->wake, &t->lock, &until)
						   : pthread_cond_wait(&t->wake, &t->lock)) == 0)
		;
	until = after(LANE_LAZY_NS);
	while (!t->stopping && t->some && !t->plenty && pthread_cond_timedwait(&t->wake, &t->lock, &until) == 0)
		;
	t->some = t->plenty = false;
	bool more = !t->stopping;
	pthread_mutex_unlock(&t->lock);
	return more;
}

static void *run(void *arg)
{
	struct lanethread *t = arg;
	bool more;
	do {
		more = sleep_for_some(t);
		t->turn(t);
	} while (more);
	return NULL;
}

int lanethread_start(struct lanethread *t, struct err *e)
{
	biased_start();
	t->has_thread = true; /* before it reads that itself */
	int err = pthread_create(&t->thread, NULL, run, t);
	if (err)
		t->has_thread = false;
	return err ? err_set(e, "cannot start a thread: %s", strerror(err)) : 0;
}

void lanethread_stop(struct lanethread *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	t->has_thread = false;
}

void lanethread_init(struct lanethread *t, void (*turn)(struct lanethread *))
{
	pthread_condattr_t attr;
	t->turn = turn;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&t->waiting);
}

void lanethread_free(struct lanethread *t)
{
	loglanes_free(&t->lanes);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
}
