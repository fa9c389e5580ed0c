/* SPDX-License-Identifier: BSD-2-Clause */
#include <semaphore.h>
#include <stdlib.h>
#include "loop/pool.h"
#include "unit/test.h"

enum { JOBS = 2000 };
struct numbered {
	struct job job;
	unsigned number;
};

static struct loop l;
static struct numbered jobs[JOBS];
static atomic_uint worked;
static unsigned finished, order[JOBS];
static sem_t gate;

static void work(struct job *j)
{
	struct numbered *n = container_of(j, struct numbered, job);
	order[atomic_fetch_add(&worked, 1)] = n->number;
}

static void blocking_work(struct job *j)
{
	(void)j;
	while (sem_wait(&gate) < 0)
		;
	atomic_fetch_add(&worked, 1);
}

static void done(struct task *t)
{
	(void)t;
	finished++;
}

static void give(struct pool *p, unsigned i, void (*what)(struct job *))
{
	jobs[i] = (struct numbered){ .job = { .work = what, .home = &l }, .number = i };
	list_init(&jobs[i].job.link);
	task_init(&jobs[i].job.done, done);
	pool_run(p, &jobs[i].job);
}

static bool start(void)
{
	struct err e;
	worked = finished = 0;
	return loop_start(&l, &e) == 0;
}

TEST(every_job_runs_once_and_comes_home)
{
	struct err e;
	struct pool *p = pool_new(4, &e);
	CHECK(p && start());
	for (unsigned i = 0; i < JOBS; i++)
		give(p, i, work);
	while (finished < JOBS)
		loop_turn(&l, true);
	CHECK_EQ_U(worked, JOBS);
	pool_free(p);
	loop_free(&l);
}

TEST(one_thread_keeps_the_order)
{
	struct err e;
	struct pool *p = pool_new(1, &e);
	CHECK(p && start());
	for (unsigned i = 0; i < JOBS; i++)
		give(p, i, work);
	while (finished < JOBS)
		loop_turn(&l, true);
	for (unsigned i = 0; i < JOBS; i++)
		CHECK_EQ_U(order[i], i);
	pool_free(p);
	loop_free(&l);
}

TEST(jobs_that_block_do_not_hold_up_the_others)
{
	struct err e;
	struct pool *p = pool_new(4, &e);
	CHECK(p && start());
	sem_init(&gate, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		give(p, i, blocking_work);
	for (unsigned i = 3; i < 100; i++)
		give(p, i, work);
	while (finished < 97) /* with three of four threads stuck */
		loop_turn(&l, true);
	CHECK_EQ_U(worked, 97);
	for (unsigned i = 0; i < 3; i++)
		sem_post(&gate);
	while (finished < 100)
		loop_turn(&l, true);
	pool_free(p);
	loop_free(&l);
}

TEST(a_job_that_has_not_begun_can_be_taken_back)
{
	struct err e;
	struct pool *p = pool_new(1, &e);
	CHECK(p && start());
	sem_init(&gate, 0, 0);
	give(p, 0, blocking_work);
	give(p, 1, work);
	give(p, 2, work);
	CHECK(pool_take_back(p, &jobs[1].job));
	CHECK(!pool_take_back(p, &jobs[1].job));
	sem_post(&gate);
	while (finished < 2)
		loop_turn(&l, true);
	CHECK_EQ_U(worked, 2);
	CHECK(!pool_take_back(p, &jobs[2].job));
	pool_free(p);
	loop_free(&l);
}

/* --- a loop that the pool's thread drives: each done gives the next job, until it ran where we want it --- */

struct chain {
	struct pool *pool;
	struct job job;
	struct task start;
	bool drive;
	pthread_t wanted;      /* thread */
	bool elsewhere;        /* than wanted: there it ends */
	void (*then)(struct chain *);
};

static void no_work(struct job *j)
{
	(void)j;
}

static void next_job(struct chain *c, void (*what)(struct job *))
{
	c->job.work = what;
	c->job.home = &l;
	pool_drive(c->pool, &l, c->drive);
	pool_run(c->pool, &c->job);
}

static void chain_done(struct task *t)
{
	struct chain *c = container_of(t, struct chain, job.done);
	if (!pthread_equal(pthread_self(), c->wanted) == c->elsewhere)
		c->then(c);
	else
		next_job(c, no_work);
}

static void chain_start(struct task *t)
{
	next_job(container_of(t, struct chain, start), no_work);
}

/* Ready to post: it ends on another thread than this, which is the pool's. */
static void chain_init(struct chain *c, struct pool *p, void (*then)(struct chain *))
{
	*c = (struct chain){ .pool = p, .drive = true, .wanted = pthread_self(), .elsewhere = true, .then = then };
	list_init(&c->job.link);
	task_init(&c->job.done, chain_done);
	task_init(&c->start, chain_start);
}

static void stop_loop(struct chain *c)
{
	(void)c;
	loop_stop(&l);
}

static void go_home(struct chain *c)
{
	c->drive = false;
	c->elsewhere = false;
	c->then = stop_loop;
	next_job(c, no_work);
}

TEST(the_thread_of_a_pool_drives_a_loop_as_long_as_it_is_told)
{
	struct err e;
	struct pool *p = pool_new(1, &e);
	struct chain c;
	CHECK(p && start());
	chain_init(&c, p, go_home);
	loop_post(&l, &c.start);
	loop_run(&l); /* ends on this thread, after it was on the other */
	CHECK(!c.drive);
	pool_free(p);
	loop_free(&l);
}

static struct task opener;
static struct pool *blocked_pool;
static bool took_back;

static void open_gate(struct task *t)
{
	(void)t;
	took_back = pool_take_back(blocked_pool, &jobs[0].job);
	sem_post(&gate);
}

/* Until the loop that this thread drives has had a turn elsewhere. */
static void block_for_the_loop(struct job *j)
{
	loop_post(&l, &opener);
	blocking_work(j);
}

static void block(struct chain *c)
{
	c->drive = false;
	c->elsewhere = false;
	c->then = stop_loop;
	pool_drive(c->pool, &l, true);
	c->job.work = block_for_the_loop;
	pool_run(c->pool, &c->job);
	give(c->pool, 0, work);
}

TEST(a_job_that_blocks_does_not_hold_up_the_loop_that_its_thread_drives)
{
	struct err e;
	struct pool *p = pool_new(1, &e);
	struct chain c;
	CHECK(p && start());
	sem_init(&gate, 0, 0);
	took_back = false;
	blocked_pool = p;
	task_init(&opener, open_gate);
	chain_init(&c, p, block);
	loop_post(&l, &c.start);
	loop_run(&l);
	CHECK(took_back);
	CHECK_EQ_U(worked, 1); /* the one that blocked */
	pool_free(p);
	loop_free(&l);
}

static sem_t driven;

static void tell(struct chain *c)
{
	(void)c;
	sem_post(&driven);
}

static void *run_loop(void *arg)
{
	struct chain *c = arg;
	c->wanted = pthread_self();
	loop_post(&l, &c->start);
	loop_run(&l);
	return NULL;
}

TEST(jobs_of_other_loops_reach_a_thread_that_waits_in_a_loop_it_drives)
{
	struct err e;
	struct pool *p = pool_new(1, &e);
	struct loop mine;
	struct chain c;
	pthread_t own;
	CHECK(p && start() && loop_start(&mine, &e) == 0);
	sem_init(&driven, 0, 0);
	chain_init(&c, p, tell);
	CHECK(pthread_create(&own, NULL, run_loop, &c) == 0);
	while (sem_wait(&driven) < 0)
		;
	for (unsigned i = 0; i < 100; i++) {
		jobs[i] = (struct numbered){ .job = { .work = work, .home = &mine }, .number = i };
		list_init(&jobs[i].job.link);
		task_init(&jobs[i].job.done, done);
		pool_run(p, &jobs[i].job);
		while (finished <= i)
			loop_turn(&mine, true);
	}
	CHECK_EQ_U(worked, 100);
	loop_stop(&l); /* also while it is driven */
	pthread_join(own, NULL);
	pool_free(p);
	loop_free(&l);
	loop_free(&mine);
}

static void note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

TEST(a_call_waits_and_runs_on_the_pools_own_thread)
{
	struct err e;
	struct pool *p = pool_new(1, &e);
	pthread_t first, second;
	CHECK(p);
	pool_call(p, note_thread, &first);
	pool_call(p, note_thread, &second);
	CHECK(pthread_equal(first, second));
	CHECK(!pthread_equal(first, pthread_self()));
	pool_free(p);
	pool_free(NULL);
}
