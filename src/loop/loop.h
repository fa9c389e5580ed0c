/* SPDX-License-Identifier: BSD-2-Clause */
/* loop: one thread's descriptors, timers and messages.
 *
 * A turn: wait; serve the descriptors that are ready; fire the timers that are due; run what
 * other threads posted; then the tasks that asked for the end of the turn.  Whatever frees memory
 * that an event of the same turn may point at does so in such a task.
 *
 * Everything here is for the thread that runs the loop's turns, but loop_post(), loop_wake() and loop_stop(),
 * which any thread may call.  That is the thread in loop_run(), but for the time that it lets another run them
 * (pool_drive(), loop/pool.h).  The clock is CLOCK_MONOTONIC in ns, read once or twice a turn; a test sets it by hand. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/list.h"
#include "loop/timer.h"

/* A function to call: at the end of a turn, or in another thread's loop.  Embedded in its owner. */
struct task {
	struct list link; /* list_init()ed by task_init() */
	void (*run)(struct task *);
};

/* A descriptor and what to do when it is ready. */
struct watch {
	int fd;             /* -1: stopped */
	uint32_t events;    /* EPOLLIN ... as asked for */
	void (*ready)(struct watch *, uint32_t events);
	bool (*look)(struct watch *); /* take what has come, if anything, without being told that it has; false: nothing.  Or NULL */
};

struct loop {
	uint64_t now;                /* ns, this turn's idea of the time */
	struct timers timers;
	struct list late;            /* struct task: end of this turn */
	int epoll_fd, wake_fd;
	struct watch wake;
	const atomic_uint *rivals;   /* connections of the whole process ... */
	unsigned rivals_max;         /* ... up to which a core can be spared to look out for events; 0: never */
	uint64_t busy_poll;          /* ns: look out for so long whenever there is nothing to do; 0: while it pays, see rivals */
	unsigned waits;              /* how often the loop went to sleep */
	int luck;                    /* of looking out; > 0: it pays */
	struct watch *lively;        /* looked at while the loop looks out; or NULL */
	unsigned looks;              /* at it */
	bool coarse_wait;            /* the kernel has no epoll_pwait2(): another way to wait */
	bool clock_by_hand;          /* a test: now changes only when the test says so */
	atomic_bool stopping;
	pthread_mutex_t inbox_lock;  /* guards inbox and asleep */
	struct list inbox;           /* struct task from other threads */
	bool asleep;                 /* who posts must wake it */
	atomic_bool mail;            /* something is in the inbox */
	void (*between)(struct loop *, void *arg); /* loop_run() calls it after a turn, while it is there */
	void *between_arg;
	struct pool *pool;           /* threads for what may block, from the first loop_pool() on */
	unsigned connections;        /* that live here */
};

int loop_start(struct loop *l, struct err *e);
void loop_free(struct loop *l); /* nothing may be watched or posted any more */
void loop_run(struct loop *l);  /* turns until loop_stop() */
void loop_turn(struct loop *l, bool may_wait);
void loop_stop(struct loop *l); /* any thread: loop_run() returns after its turn */
/* From one of l's turns: threads of its own for calls that may block (loop/pool.h).  NULL: out of memory. */
struct pool *loop_pool(struct loop *l);
void loop_wake(struct loop *l); /* any thread: the turn that waits, or the next that would, does not */

static inline void task_init(struct task *t, void (*run)(struct task *))
{
	list_init(&t->link);
	t->run = run;
}
/* The clock read again: for a time that must not lie behind the truth.  ns. */
uint64_t loop_clock(struct loop *l);
/* Run t once at the end of this turn, or of the next one when the end is now.  Again before it ran: no effect. */
void loop_later(struct loop *l, struct task *t);
/* Any thread: run t in l's thread.  The last thing a function does with t's owner. */
void loop_post(struct loop *l, struct task *t);

/* 0, or -1 with errno.  The watch stays where it is until watch_stop(). */
int watch_start(struct loop *l, struct watch *w, int fd, uint32_t events);
void watch_change(struct loop *l, struct watch *w, uint32_t events);
void watch_stop(struct loop *l, struct watch *w); /* does not close fd; twice is fine */

static inline bool timer_start(struct loop *l, struct timer *t, uint64_t due) { return timers_start(&l->timers, t, due); }
static inline void timer_stop(struct loop *l, struct timer *t) { timers_stop(&l->timers, t); }
