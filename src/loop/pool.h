/* SPDX-License-Identifier: BSD-2-Clause */
/* pool: threads that may block, for what a loop must not do.
 *
 * A job runs once on some thread of the pool; then its done task is posted to the loop it came from.  Jobs
 * start in the order they were given; on a pool of one thread they also end in that order, and every one of
 * them runs on the same thread for the life of the pool.
 *
 * pool_run() and pool_take_back() from any thread; new and free from one.
 *
 * Handing a job to another thread and back takes longer than a quick job.  So a thread of a pool may drive the loop
 * that its jobs come from: it runs the loop's turns and all of the pool's jobs by turns, while the loop's own thread
 * waits.  Should a job take long, that thread takes its loop back, and other threads of the pool the other jobs: so
 * what blocks still holds up nobody. */
#pragma once
#include <pthread.h>
#include "loop/loop.h"

struct job {
	struct list link;              /* pool's while it waits */
	void (*work)(struct job *);    /* on a thread of the pool */
	struct task done;              /* then posted to home; task_init()ed by the caller */
	struct loop *home;
};

struct pool;
enum { POOL_THREADS = 4096 }; /* of a pool that must never run out: who uses it counts (bridge/models.c) */

/* One thread starts at once, so that every job is done; others when there is work for them, up to max.  NULL with e set. */
struct pool *pool_new(unsigned max, struct err *e);
/* Waits for the jobs that run; none may wait any more.  NULL is fine. */
void pool_free(struct pool *p);
/* The last thing a function does with the job's owner, as its done may run at once. */
void pool_run(struct pool *p, struct job *j);
/* True: the job had not begun, and never will.  False: it runs, or is done. */
bool pool_take_back(struct pool *p, struct job *j);
/* From a turn of l: whether a thread of the pool shall drive l from the end of this turn on.  It holds until the
 * next word, or until l had to be taken back.  A pool drives one loop at a time: the first. */
void pool_drive(struct pool *p, struct loop *l, bool yes);
/* Run fn(arg) on a thread of the pool and wait for it: for start-up, not for a loop's thread. */
void pool_call(struct pool *p, void (*fn)(void *), void *arg);
