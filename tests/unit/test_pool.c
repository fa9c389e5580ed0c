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
