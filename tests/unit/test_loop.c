/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "loop/loop.h"
#include "unit/test.h"

static unsigned fired[1000], fired_count;

struct numbered {
	struct timer timer;
	unsigned number;
};

static void note(struct timer *t)
{
	fired[fired_count++] = container_of(t, struct numbered, timer)->number;
}

TEST(timers_fire_in_order_of_time_and_ties_in_order_of_start)
{
	struct timers ts = { 0 };
	struct numbered n[300] = { 0 };
	for (unsigned i = 0; i < 300; i++) {
		n[i] = (struct numbered){ .timer.fire = note, .number = i };
		CHECK(timers_start(&ts, &n[i].timer, (i * 7919) % 100));
	}
	fired_count = 0;
	timers_fire(&ts, 1000);
	CHECK_EQ_U(fired_count, 300);
	for (unsigned i = 1; i < 300; i++) {
		unsigned a = fired[i - 1], b = fired[i];
		CHECK((a * 7919) % 100 < (b * 7919) % 100 || ((a * 7919) % 100 == (b * 7919) % 100 && a < b));
	}
	timers_free(&ts);
}

TEST(a_stopped_timer_does_not_fire_and_stopping_twice_is_fine)
{
	struct timers ts = { 0 };
	struct numbered n[50] = { 0 };
	for (unsigned i = 0; i < 50; i++) {
		n[i] = (struct numbered){ .timer.fire = note, .number = i };
		timers_start(&ts, &n[i].timer, i);
	}
	for (unsigned i = 0; i < 50; i += 2) {
		timers_stop(&ts, &n[i].timer);
		timers_stop(&ts, &n[i].timer);
	}
	fired_count = 0;
	timers_fire(&ts, 100);
	CHECK_EQ_U(fired_count, 25);
	for (unsigned i = 0; i < 25; i++)
		CHECK_EQ_U(fired[i], 2 * i + 1);
	CHECK_EQ_U(timers_next(&ts), UINT64_MAX);
	timers_free(&ts);
}

static struct timers again_timers;
static void start_again(struct timer *t)
{
	fired_count++;
	timers_start(&again_timers, t, 0);
}

TEST(a_timer_that_starts_itself_again_waits_for_the_next_turn)
{
	struct timer t = { .fire = start_again };
	timers_start(&again_timers, &t, 0);
	fired_count = 0;
	timers_fire(&again_timers, 5);
	CHECK_EQ_U(fired_count, 1);
	timers_fire(&again_timers, 5);
	CHECK_EQ_U(fired_count, 2);
	timers_stop(&again_timers, &t);
	timers_free(&again_timers);
}

struct counter {
	struct task task;
	struct loop *loop;
	unsigned runs, stop_at;
};

static void count_up(struct task *t)
{
	struct counter *c = container_of(t, struct counter, task);
	if (++c->runs == c->stop_at)
		loop_stop(c->loop);
}

TEST(a_task_asked_for_twice_runs_once_a_turn)
{
	struct loop l;
	struct err e;
	CHECK(loop_start(&l, &e) == 0);
	struct counter c = { .loop = &l };
	task_init(&c.task, count_up);
	loop_later(&l, &c.task);
	loop_later(&l, &c.task);
	loop_turn(&l, false);
	CHECK_EQ_U(c.runs, 1);
	loop_turn(&l, false);
	CHECK_EQ_U(c.runs, 1);
	loop_free(&l);
}

enum { POSTERS = 4, POSTS = 1000 };
struct poster {
	struct loop *to;
	struct counter posts[POSTS];
};
static unsigned posted_runs;
static struct loop *posted_loop;

static void count_post(struct task *t)
{
	(void)t;
	if (++posted_runs == POSTERS * POSTS)
		loop_stop(posted_loop);
}

static void *post_all(void *arg)
{
	struct poster *p = arg;
	for (unsigned i = 0; i < POSTS; i++) {
		task_init(&p->posts[i].task, count_post);
		loop_post(p->to, &p->posts[i].task);
	}
	return NULL;
}

TEST(every_message_from_other_threads_arrives_once)
{
	struct loop l;
	struct err e;
	pthread_t th[POSTERS];
	struct poster *p = calloc(POSTERS, sizeof *p);
	CHECK(p && loop_start(&l, &e) == 0);
	posted_runs = 0;
	posted_loop = &l;
	for (unsigned i = 0; i < POSTERS; i++) {
		p[i].to = &l;
		CHECK(pthread_create(&th[i], NULL, post_all, &p[i]) == 0);
	}
	loop_run(&l);
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(th[i], NULL);
	CHECK_EQ_U(posted_runs, POSTERS * POSTS);
	loop_free(&l);
	free(p);
}

enum { LONG_S = 60 }; /* longer than any test may take: who only looked out would be seen to hang */

TEST(a_loop_that_polls_busily_fires_its_timers_when_they_are_due)
{
	struct loop l;
	struct err e;
	struct numbered n = { .timer.fire = note, .number = 7 };
	CHECK(loop_start(&l, &e) == 0);
	l.busy_poll = LONG_S * NS_PER_S;
	uint64_t due = loop_clock(&l) + 3 * NS_PER_MS;
	CHECK(timer_start(&l, &n.timer, due));
	fired_count = 0;
	while (!fired_count && l.now < due + LONG_S / 2 * NS_PER_S)
		loop_turn(&l, true);
	CHECK_EQ_U(fired_count, 1);
	CHECK(l.now >= due && l.now < due + LONG_S / 2 * NS_PER_S);
	loop_free(&l);
}

TEST(a_loop_that_polls_busily_gets_its_messages)
{
	struct loop l;
	struct err e;
	pthread_t th;
	struct poster *p = calloc(1, sizeof *p);
	CHECK(p && loop_start(&l, &e) == 0);
	l.busy_poll = LONG_S * NS_PER_S;
	uint64_t begin = loop_clock(&l);
	posted_runs = (POSTERS - 1) * POSTS; /* the last ones */
	posted_loop = &l;
	p->to = &l;
	CHECK(pthread_create(&th, NULL, post_all, p) == 0);
	loop_run(&l);
	pthread_join(th, NULL);
	CHECK_EQ_U(posted_runs, POSTERS * POSTS);
	CHECK(loop_clock(&l) - begin < LONG_S / 2 * NS_PER_S);
	loop_free(&l);
	free(p);
}

static unsigned told, looked, quiets;
static int give_to; /* -1: the last one; then the watch stops */
static struct loop *lively_loop;

static bool take_and_give(struct watch *w)
{
	char c;
	if (read(w->fd, &c, 1) != 1)
		return false;
	if (give_to < 0)
		watch_stop(lively_loop, w);
	return give_to < 0 || write(give_to, "x", 1) == 1;
}

static void be_told(struct watch *w, uint32_t events)
{
	(void)events;
	told += take_and_give(w);
}

static bool look(struct watch *w)
{
	bool some = take_and_give(w);
	looked += some;
	return some;
}

static void quiet(struct watch *w, uint32_t events)
{
	char c;
	(void)events;
	CHECK(read(w->fd, &c, 1) == 1);
	quiets++;
}

TEST(a_lively_client_is_looked_at_and_all_others_have_their_turn)
{
	struct loop l;
	struct err e;
	int a[2], b[2];
	struct watch lively = { .ready = be_told, .look = look }, other = { .ready = quiet };
	struct numbered n = { .timer.fire = note, .number = 7 };

	CHECK(loop_start(&l, &e) == 0 && pipe2(a, O_NONBLOCK) == 0 && pipe(b) == 0);
	CHECK(watch_start(&l, &lively, a[0], EPOLLIN) == 0 && watch_start(&l, &other, b[0], EPOLLIN) == 0);
	l.busy_poll = LONG_S * NS_PER_S;
	l.connections = 1;
	lively_loop = &l;
	told = looked = quiets = fired_count = 0;
	give_to = a[1];
	CHECK(write(a[1], "x", 1) == 1);
	for (unsigned i = 0; i < 100; i++)
		loop_turn(&l, true);
	CHECK_EQ_U(told + looked, 100); /* each turn once */
	CHECK(looked > 90);

	CHECK(write(b[1], "x", 1) == 1);
	for (unsigned i = 0; i < 100; i++)
		loop_turn(&l, true);
	CHECK_EQ_U(quiets, 1);
	CHECK(timer_start(&l, &n.timer, loop_clock(&l)));
	loop_turn(&l, true);
	CHECK_EQ_U(fired_count, 1);

	for (unsigned i = 0; i < 40; i++) { /* at whichever of the looks it ends, what comes next is seen */
		while (!l.lively) /* that the other one had come made it forget */
			loop_turn(&l, true);
		for (unsigned k = 0; k < i; k++)
			loop_turn(&l, true);
		give_to = -1;
		loop_turn(&l, true);
		CHECK(!l.lively && lively.fd < 0);
		CHECK(write(b[1], "x", 1) == 1);
		loop_turn(&l, true);
		CHECK_EQ_U(quiets, i + 2);
		give_to = a[1];
		CHECK(watch_start(&l, &lively, a[0], EPOLLIN) == 0 && write(a[1], "x", 1) == 1);
	}
	loop_free(&l);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static unsigned readies;
static struct loop *ready_loop;
static struct watch *other_watch;

static void ready_once(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	readies++;
	watch_stop(ready_loop, other_watch);
}

TEST(a_watch_stopped_in_the_same_turn_is_not_called_any_more)
{
	struct loop l;
	struct err e;
	int a[2], b[2];
	struct watch wa = { .ready = ready_once }, wb = { .ready = ready_once };
	CHECK(loop_start(&l, &e) == 0 && pipe(a) == 0 && pipe(b) == 0);
	CHECK(watch_start(&l, &wa, a[0], EPOLLIN) == 0 && watch_start(&l, &wb, b[0], EPOLLIN) == 0);
	CHECK(write(a[1], "x", 1) == 1 && write(b[1], "x", 1) == 1);
	ready_loop = &l;
	readies = 0;
	other_watch = &wb;
	/* Whichever comes first stops wb; when wb came first it stops itself, and wa is still called. */
	loop_turn(&l, false);
	CHECK(readies == 1 || readies == 2);
	CHECK(wb.fd == -1 && wa.fd >= 0);
	unsigned before = readies;
	loop_turn(&l, false);
	CHECK_EQ_U(readies, before + 1);
	loop_free(&l);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}
