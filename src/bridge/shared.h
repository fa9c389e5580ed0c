/* SPDX-License-Identifier: BSD-2-Clause */
/* shared: a loop that serves nobody in particular, for what a filter opens below for all connections (next.h).  It has a
 * thread of its own, started when it is first needed: while the server starts, and after its end. */
#pragma once
#include <pthread.h>
#include "loop/loop.h"

struct shared {
	pthread_mutex_t lock;        /* guards running */
	bool running;
	struct loop loop;
	pthread_t thread;
};

/* Any thread.  NULL: it cannot be had, which is said. */
struct loop *shared_loop(struct shared *s);
void shared_stop(struct shared *s); /* nothing may be below any more; not running is fine */
