/* SPDX-License-Identifier: BSD-2-Clause */
/* worker: a thread with an interpreter, and the queue before it.
 *
 * worker_call blocks until the call is done.  The worker takes whatever has gathered at once, so under load there
 * is no wake-up per call.  A fork leaves a worker behind without its thread: make another in its place. */
#pragma once
#include <pthread.h>
#include "vm.h"

struct worker {
	struct vm vm;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct call *first, **last;
	atomic_uint load;          /* calls that wait or run */
	atomic_int waiting;        /* is there a first?  To look at without the lock */
	_Atomic int64_t call_ns;   /* what a call takes, a mean */
	int64_t arrived;           /* when the first came */
	bool asleep, stop;
	bool look_out;             /* the last call came soon; the worker's own */
};

/* 0, or an errno. */
int worker_start(struct worker *w, unsigned index);
void worker_stop(struct worker *w);

/* Any thread but the worker's. */
void worker_call(struct worker *w, struct call *c);

/* The worker's thread, during a call: have the thread that waits for the call run f, and wait for that.  What the
 * server knows of a request it only tells that thread.  Without a worker f simply runs. */
void on_asking_thread(struct vm *vm, void (*f)(void *), void *arg);
