/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop/pool.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A loop that is driven gets its turn after this much work, and is taken back when it had none for so long. */
enum { WORK_NS = 200 * 1000, TURNLESS_NS = 5 * 1000 * 1000 };

struct pool {
	pthread_mutex_t lock;      /* guards all that follows */
	pthread_cond_t work;       /* a job came, or the end */
	struct list waiting;       /* struct job */
	unsigned max, count, idle; /* threads */
	bool calling;              /* a thread was woken or started, and has not looked yet */
	bool ending;
	pthread_t *threads;        /* count of them */
	/* of the loop that one thread drives: */
	struct loop *guest;        /* NULL: none */
	bool driven;               /* a thread has taken this upon itself; the others leave the work to it */
	pthread_cond_t home;       /* to its own thread: it is given back, or there is work again */
	unsigned turns;            /* that were run here, of any guest */
	bool turning;              /* just now */
	bool watched;              /* its own thread wakes up to see how it goes; false: when there is work again */
	bool stuck;                /* the guest was taken back because of the job that the driver still runs */
};

static void call_one(struct pool *p);
static void call_any(struct pool *p);

/* Lock held, as in the next three. */
static void run_job(struct pool *p, struct job *j)
{
	call_one(p); /* for what is left, should this one block */
	pthread_mutex_unlock(&p->lock);
	struct loop *home = j->home;
	j->work(j);
	if (home)
		loop_post(home, &j->done);
	pthread_mutex_lock(&p->lock);
}

static void wait_for_work(struct pool *p)
{
	p->idle++;
	pthread_cond_wait(&p->work, &p->lock);
	p->idle--;
	p->calling = false;
}

/* One turn of the guest, which waits for events when there is no work.  False: it went home. */
static bool drive(struct pool *p)
{
	struct loop *l = p->guest;
	if (!l->between || atomic_load(&l->stopping)) {
		p->guest = NULL;
		p->driven = false;
		pthread_cond_signal(&p->home);
		return false;
	}
	bool may_wait = list_empty(&p->waiting);
	p->turning = true;
	pthread_mutex_unlock(&p->lock);
	loop_turn(l, may_wait);
	pthread_mutex_lock(&p->lock);
	p->turning = false;
	p->turns++;
	if (!p->watched && !list_empty(&p->waiting)) {
		p->watched = true;
		pthread_cond_signal(&p->home);
	}
	return true;
}

static void *run_jobs(void *arg)
{
	struct pool *p = arg;
	bool driver = false;
	uint64_t turned = 0; /* ns: the end of the guest's last turn */

	pthread_mutex_lock(&p->lock);
	p->calling = false;
	for (;;) {
		if (p->guest && !p->driven)
			driver = p->driven = true;
		if (driver && (list_empty(&p->waiting) || !p->guest->between || monotonic_ns() - turned > WORK_NS)) {
			driver = drive(p);
			turned = monotonic_ns();
		} else if (!list_empty(&p->waiting) && (driver || !p->guest)) {
			run_job(p, list_entry(list_pop(&p->waiting), struct job, link));
			if (driver && p->stuck)
				driver = p->driven = p->stuck = false;
		} else if (p->ending) {
			break;
		} else {
			wait_for_work(p);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Lock held: until the guest is given back, or has to be taken. */
static void wait_for_guest(struct pool *p, struct loop *l)
{
	p->watched = true;
	while (p->guest == l) {
		unsigned before = p->turns;
		if (!p->watched) {
			pthread_cond_wait(&p->home, &p->lock);
			continue;
		}
		uint64_t end = monotonic_ns() + TURNLESS_NS;
		struct timespec until = { .tv_sec = (time_t)(end / NS_PER_S), .tv_nsec = (long)(end % NS_PER_S) };
		if (pthread_cond_timedwait(&p->home, &p->lock, &until) != ETIMEDOUT || p->guest != l || p->turns != before)
			continue;
		if (p->turning) {
			p->watched = false; /* it waits for events */
		} else {
			p->guest = NULL;
			p->stuck = p->driven;
			call_one(p);
		}
	}
}

/* On the loop's own thread, between two turns. */
static void lend(struct loop *l, void *arg)
{
	struct pool *p = arg;
	pthread_mutex_lock(&p->lock);
	if (!p->guest && !p->stuck) {
		p->guest = l;
		call_any(p);
		wait_for_guest(p, l);
	}
	pthread_mutex_unlock(&p->lock);
	l->between = NULL;
}

void pool_drive(struct pool *p, struct loop *l, bool yes)
{
	l->between = yes ? lend : NULL;
	l->between_arg = p;
}

/* Lock held. */
static int one_more_thread(struct pool *p)
{
	int err = pthread_create(&p->threads[p->count], NULL, run_jobs, p);
	if (!err)
		p->count++;
	else
		p->calling = false; /* those that are there do it all */
	return err;
}

/* Lock held.  Threads come one by one, each called by the one before when it leaves work behind: so a batch of
 * quick jobs is done by the first, and costs one wake-up. */
static void call_one(struct pool *p)
{
	if (!list_empty(&p->waiting) && !p->guest)
		call_any(p);
}

static void call_any(struct pool *p)
{
	if (p->calling)
		return;
	if (p->idle) {
		p->calling = true;
		pthread_cond_signal(&p->work);
	} else if (p->count < p->max) {
		p->calling = true;
		one_more_thread(p);
	}
}

void pool_run(struct pool *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	if (p->turning && j->home != p->guest && list_empty(&p->waiting))
		loop_wake(p->guest); /* our thread may be waiting there */
	list_add_tail(&p->waiting, &j->link);
	call_one(p);
	pthread_mutex_unlock(&p->lock);
}

bool pool_take_back(struct pool *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	bool waits = !list_empty(&j->link);
	list_del(&j->link);
	pthread_mutex_unlock(&p->lock);
	return waits;
}

struct call {
	struct job job;
	void (*fn)(void *);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool over;
};

static void run_call(struct job *j)
{
	struct call *c = container_of(j, struct call, job);
	c->fn(c->arg);
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
}

void pool_call(struct pool *p, void (*fn)(void *), void *arg)
{
	struct call c = { .job.work = run_call, .fn = fn, .arg = arg };
	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.ended, NULL);
	list_init(&c.job.link);
	pool_run(p, &c.job);
	pthread_mutex_lock(&c.lock);
	while (!c.over)
		pthread_cond_wait(&c.ended, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_cond_destroy(&c.ended);
	pthread_mutex_destroy(&c.lock);
}

struct pool *pool_new(unsigned max, struct err *e)
{
	struct pool *p = calloc(1, sizeof *p);
	if (!p || !(p->threads = calloc(max, sizeof *p->threads))) {
		err_set(e, "out of memory");
		free(p);
		return NULL;
	}
	p->max = max;
	list_init(&p->waiting);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->home, &monotonic);
	pthread_condattr_destroy(&monotonic);
	p->calling = true;
	int err = one_more_thread(p);
	if (!err)
		return p;
	err_set(e, "cannot start a thread: %s", strerror(err));
	pool_free(p);
	return NULL;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->home);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}
