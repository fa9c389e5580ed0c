/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop/pool.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"

struct pool {
	pthread_mutex_t lock;      /* guards all that follows */
	pthread_cond_t work;       /* a job came, or the end */
	struct list waiting;       /* struct job */
	unsigned max, count, idle; /* threads */
	bool calling;              /* a thread was woken or started, and has not looked yet */
	bool ending;
	pthread_t *threads;        /* count of them */
};

static void call_one(struct pool *p);

static void *run_jobs(void *arg)
{
	struct pool *p = arg;
	struct list *link;

	pthread_mutex_lock(&p->lock);
	p->calling = false;
	for (;;) {
		while (!(link = list_pop(&p->waiting)) && !p->ending) {
			p->idle++;
			pthread_cond_wait(&p->work, &p->lock);
			p->idle--;
			p->calling = false;
		}
		if (!link)
			break;
		call_one(p); /* for what is left, should this one block */
		pthread_mutex_unlock(&p->lock);
		struct job *j = list_entry(link, struct job, link);
		struct loop *home = j->home;
		j->work(j);
		if (home)
			loop_post(home, &j->done);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Lock held. */
static void one_more_thread(struct pool *p)
{
	int err = pthread_create(&p->threads[p->count], NULL, run_jobs, p);
	if (!err)
		p->count++;
	else
		p->calling = false;
	if (err && !p->count)
		say_error("cannot start a thread: %s", strerror(err)); /* the job waits until one can be had */
}

/* Lock held.  Threads come one by one, each called by the one before when it leaves work behind: so a batch of
 * quick jobs is done by the first, and costs one wake-up. */
static void call_one(struct pool *p)
{
	if (p->calling || list_empty(&p->waiting))
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
	return p;
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
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}
