/* SPDX-License-Identifier: BSD-2-Clause */
/* common_loop: a loop that serves nobody in particular, for what a filter opens below for all connections (next.h).  It has a
 * thread of its own, started when it is first needed: while the server starts, and after its end. */
#pragma once
#include <pthread.h>
#include "loop/loop.h"

struct common_loop {
	pthread_mutex_t lock;        /* guards running */
	bool running;
	struct loop loop;
	pthread_t thread;
};

/* Any thread.  NULL: it cannot be had, which is said. */
struct loop *common_loop_get(struct common_loop *s);
void common_loop_stop(struct common_loop *s); /* nothing may be below any more; not running is fine */
