/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop/loop.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "loop/pool.h"

enum {
	EVENTS_A_TURN = 256,
	LOOK_OUT_NS = 50000,  /* how long a loop looks out before it sleeps */
	LUCK_MAX = 16,
	TRY_LUCK_EVERY = 32,  /* sleeps */
	LOOKS_ALONE = 32,     /* at one connection, then at all, */
	LOOKS_A_CLOCK = 4,    /* and at the clock */
};

static void read_clock(struct loop *l)
{
	if (!l->clock_by_hand)
		l->now = monotonic_ns();
}

uint64_t loop_clock(struct loop *l)
{
	read_clock(l);
	return l->now;
}

static void woken(struct watch *w, uint32_t events)
{
	uint64_t n;
	(void)events;
	while (read(w->fd, &n, sizeof n) < 0 && errno == EINTR)
		;
}

int loop_start(struct loop *l, struct err *e)
{
	*l = (struct loop){ .epoll_fd = -1, .wake_fd = -1, .wake.ready = woken };
	list_init(&l->late);
	list_init(&l->inbox);
	pthread_mutex_init(&l->inbox_lock, NULL);
	l->coarse_wait = UNDER_TSAN; /* it holds signals back until a call that it knows, and epoll_pwait2() is none */
	read_clock(l);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll_fd < 0 || l->wake_fd < 0 || watch_start(l, &l->wake, l->wake_fd, EPOLLIN) < 0) {
		err_set(e, "cannot start an event loop: %s", strerror(errno));
		loop_free(l);
		return -1;
	}
	return 0;
}

void loop_free(struct loop *l)
{
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	pool_free(l->pool);
	timers_free(&l->timers);
	pthread_mutex_destroy(&l->inbox_lock);
	l->epoll_fd = l->wake_fd = -1;
	l->pool = NULL;
}

struct pool *loop_pool(struct loop *l)
{
	struct err e;
	if (!l->pool)
		l->pool = pool_new(POOL_THREADS, &e);
	return l->pool;
}

int watch_start(struct loop *l, struct watch *w, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		w->fd = -1;
		return -1;
	}
	w->fd = fd;
	w->events = events;
	return 0;
}

void watch_change(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	if (w->fd < 0 || w->events == events)
		return;
	w->events = events;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);
}

void watch_stop(struct loop *l, struct watch *w)
{
	if (l->lively == w)
		l->lively = NULL;
	if (w->fd < 0)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
}

void loop_later(struct loop *l, struct task *t)
{
	if (list_empty(&t->link))
		list_add_tail(&l->late, &t->link);
}

void loop_wake(struct loop *l)
{
	uint64_t one = 1;
	while (write(l->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void loop_post(struct loop *l, struct task *t)
{
	pthread_mutex_lock(&l->inbox_lock);
	list_add_tail(&l->inbox, &t->link);
	atomic_store(&l->mail, true);
	/* Inside the lock: once it is free, the loop may run t and be gone. */
	if (l->asleep)
		loop_wake(l);
	l->asleep = false;
	pthread_mutex_unlock(&l->inbox_lock);
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->stopping, true);
	loop_wake(l);
}

/* Only the tasks that are there now: those that they add wait for the next turn. */
static void run_tasks(struct list *from)
{
	struct list now, *link;
	list_init(&now);
	list_splice(&now, from);
	while ((link = list_pop(&now))) {
		struct task *t = list_entry(link, struct task, link);
		t->run(t);
	}
}

static void run_inbox(struct loop *l)
{
	struct list mail;
	list_init(&mail);
	pthread_mutex_lock(&l->inbox_lock);
	list_splice(&mail, &l->inbox);
	atomic_store(&l->mail, false);
	pthread_mutex_unlock(&l->inbox_lock);
	run_tasks(&mail);
}

/* epoll_wait() counts in milliseconds and would make a delay of 500 us a lie.  Where epoll_pwait2() is not to be
 * had (Linux before 5.11, valgrind), ppoll() on the epoll descriptor waits as exactly. */
static int wait_for_events(struct loop *l, struct epoll_event *events, const struct timespec *timeout)
{
	if (!l->coarse_wait) {
		int n = epoll_pwait2(l->epoll_fd, events, EVENTS_A_TURN, timeout, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		l->coarse_wait = true;
	}
	struct pollfd p = { .fd = l->epoll_fd, .events = POLLIN };
	ppoll(&p, 1, timeout, NULL);
	return epoll_wait(l->epoll_fd, events, EVENTS_A_TURN, 0);
}

/* A client that sends its next request when it has the last one's answer waits each time until this thread is
 * woken, and waking an idle core takes longer than all the rest.  So, while there are cores to spare, look out for
 * a moment before going to sleep; but only as long as that finds something. */
static bool look_out_pays(struct loop *l)
{
	if (!l->rivals || atomic_load_explicit(l->rivals, memory_order_relaxed) > l->rivals_max)
		return false;
	return l->luck > 0 || ++l->waits % TRY_LUCK_EVERY == 0;
}

/* A client with few requests in flight goes to sleep when it has sent them, and how soon their bytes are received decides how long
 * it takes to wake when the answers come.  Asking epoll takes two calls to come to the bytes; so the one client that there is, is
 * looked at: with one write in flight that is 19 us instead of 28 (docs/performance.md). */
static bool look_once(struct loop *l, struct epoll_event *events, int *n)
{
	if (l->lively && ++l->looks % LOOKS_ALONE)
		return l->lively->look(l->lively);
	*n = epoll_wait(l->epoll_fd, events, EVENTS_A_TURN, 0);
	return *n > 0;
}

/* For no longer than may_wait ns.  True: there is something to do in this turn, with n events or without. */
static bool look_out(struct loop *l, struct epoll_event *events, int *n, uint64_t may_wait)
{
	uint64_t ns = l->busy_poll ? MIN(l->busy_poll, may_wait) : LOOK_OUT_NS;
	unsigned looks = 0;

	if (!l->busy_poll && (may_wait <= LOOK_OUT_NS || !look_out_pays(l)))
		return false;
	read_clock(l);
	do {
		if (look_once(l, events, n) || atomic_load(&l->mail)) {
			l->luck = MIN(MAX(l->luck, 0) + 2, (int)LUCK_MAX);
			return true;
		}
	} while (++looks % LOOKS_A_CLOCK || monotonic_ns() - l->now < ns);
	l->luck -= 3;
	return false;
}

/* The one that had something, when there is only one. */
static void note_lively(struct loop *l, const struct epoll_event *events, int n)
{
	struct watch *w = n == 1 ? events[0].data.ptr : NULL;
	if (n > 0)
		l->lively = w && w->look && w->fd >= 0 && l->connections == 1 ? w : NULL;
}

/* From now on who posts wakes us; but not for what was posted before. */
static void fall_asleep(struct loop *l, struct timespec **timeout)
{
	static struct timespec now;
	pthread_mutex_lock(&l->inbox_lock);
	l->asleep = list_empty(&l->inbox);
	if (!l->asleep)
		*timeout = &now;
	pthread_mutex_unlock(&l->inbox_lock);
}

static void wake_up(struct loop *l)
{
	pthread_mutex_lock(&l->inbox_lock);
	l->asleep = false;
	pthread_mutex_unlock(&l->inbox_lock);
}

void loop_turn(struct loop *l, bool may_wait)
{
	struct epoll_event events[EVENTS_A_TURN];
	struct timespec wait = { 0 }, *timeout = &wait;
	uint64_t ns = 0; /* that the turn may wait */
	int n = 0;

	if (may_wait && list_empty(&l->late) && !l->clock_by_hand && !atomic_load(&l->mail)) {
		uint64_t next = timers_next(&l->timers);
		if (next == UINT64_MAX) {
			timeout = NULL;
			ns = UINT64_MAX;
		} else {
			read_clock(l);
			ns = next > l->now ? next - l->now : 0;
			wait.tv_sec = (time_t)(ns / NS_PER_S);
			wait.tv_nsec = (long)(ns % NS_PER_S);
		}
	}
	if (!ns || !look_out(l, events, &n, ns)) {
		bool sleeps = !timeout || wait.tv_sec || wait.tv_nsec;
		if (sleeps)
			fall_asleep(l, &timeout);
		n = wait_for_events(l, events, timeout);
		if (sleeps)
			wake_up(l);
	}
	read_clock(l);
	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;
		if (w->fd >= 0) /* not stopped by an earlier event of this turn */
			w->ready(w, events[i].events);
	}
	note_lively(l, events, n);
	timers_fire(&l->timers, l->now);
	if (atomic_load(&l->mail))
		run_inbox(l);
	run_tasks(&l->late);
}

void loop_run(struct loop *l)
{
	while (!atomic_load(&l->stopping)) {
		loop_turn(l, true);
		if (l->between)
			l->between(l, l->between_arg);
	}
	run_tasks(&l->late); /* what the last turn's tasks left for the end of another one */
}
