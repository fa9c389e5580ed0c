/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/server.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/say.h"
#include "server/conn.h"
#include "server/guests.h"

enum { ACCEPTS_A_TURN = 64 };
#define ACCEPT_RETRY_NS (100 * NS_PER_MS) /* after running out of descriptors */

/* One loop and the connections that live on it. */
struct serving {
	struct loop loop;
	struct server *server;
	struct list conns;         /* struct conn */
	struct conn_memory memory;
	struct task stop;          /* posted once, by server_stop() */
	struct task over;          /* ... and by whoever saw the last one go that the end waits for */
	bool stopping, ending;     /* each came */
	atomic_uint load;          /* connections dealt to it */
	pthread_t thread;
	bool has_thread;
};

struct listener {
	struct watch watch;
	struct timer retry;
	struct server *server;
	struct list link;
	int fd;
};

struct server {
	struct conn_config config;
	struct conn_total total;
	struct guests guests;
	struct serving *servings;  /* count of them, ours; [0] is the main thread's */
	unsigned count;
	unsigned working;          /* the first of them: the others have no thread yet */
	bool enough;               /* no more threads can be had */
	struct list listeners;
	uint64_t next_id;
	atomic_uint connections;   /* on all loops */
	atomic_uint awaited;       /* what the end waits for: loops that do not know of it yet, connections that were not only talking */
	bool stopping;
};

/* A new client on its way to its loop. */
struct arrival {
	struct task task;
	struct serving *serving;
	uint64_t id;
	int in, out;
	struct guest *guest;       /* unless single */
	bool single;
};

/* --- on the connection's loop --- */

static void stop_when_empty(struct serving *s)
{
	if (s->ending && list_empty(&s->conns))
		loop_stop(&s->loop);
}

/* One less to wait for; when it was the last, those who only talk are told to go. */
static void one_less(struct server *s)
{
	if (atomic_fetch_sub(&s->awaited, 1) != 1)
		return;
	for (unsigned i = 0; i < s->working; i++)
		loop_post(&s->servings[i].loop, &s->servings[i].over);
}

static void leave(struct conn *c)
{
	struct serving *s = c->owner;
	list_del(&c->link);
	atomic_fetch_sub(&s->load, 1);
	atomic_fetch_sub(&s->server->connections, 1);
	if (s->stopping && !c->ending)
		one_less(s->server);
	stop_when_empty(s);
}

static void conn_gone(struct conn *c)
{
	struct serving *s = c->owner;
	guests_leave(&s->server->guests, c->guest);
	leave(c);
}

/* The one that did not come by accept(). */
static void single_gone(struct conn *c)
{
	struct serving *s = c->owner;
	leave(c);
	server_stop(s->server); /* single: loop 0, this thread */
}

static void arrive(struct task *t)
{
	struct arrival *a = container_of(t, struct arrival, task);
	struct serving *s = a->serving;
	struct conn *c = NULL;

	if (s->stopping) {
		close(a->in);
		if (a->out != a->in)
			close(a->out);
	} else {
		c = conn_open(&s->server->config, &s->loop, &s->memory, a->id, a->in, a->out);
	}
	if (c) {
		c->owner = s;
		c->guest = a->guest;
		c->freed = a->single ? single_gone : conn_gone;
		list_add_tail(&s->conns, &c->link);
		atomic_fetch_add(&s->server->connections, 1);
		conn_start(c);
	} else {
		atomic_fetch_sub(&s->load, 1);
		if (a->single)
			server_stop(s->server);
		else
			guests_leave(&s->server->guests, a->guest);
	}
	free(a);
}

static void stop_serving(struct task *t)
{
	struct serving *s = container_of(t, struct serving, stop);
	s->stopping = true;
	list_for_each_safe(&s->conns, link, next) {
		struct conn *c = list_entry(link, struct conn, link);
		if (conn_refuse(c))
			continue;
		atomic_fetch_add(&s->server->awaited, 1);
		conn_shutdown(c);
	}
	one_less(s->server);
}

static void end_serving(struct task *t)
{
	struct serving *s = container_of(t, struct serving, over);
	s->ending = true;
	list_for_each_safe(&s->conns, link, next)
		conn_shutdown(list_entry(link, struct conn, link));
	stop_when_empty(s);
}

static void *serve(void *arg)
{
	struct serving *s = arg;
	loop_run(&s->loop);
	return NULL;
}

/* --- on loop 0 --- */

static int start_thread(struct serving *v, struct err *e)
{
	int err = pthread_create(&v->thread, NULL, serve, v);
	v->has_thread = err == 0;
	return err ? err_set(e, "cannot start a thread: %s (with --swap: RLIMIT_MEMLOCK must allow its stack)", strerror(err)) : 0;
}

static struct serving *least_loaded(struct server *s)
{
	struct serving *best = &s->servings[0];
	for (unsigned i = 1; i < s->working; i++)
		if (atomic_load(&s->servings[i].load) < atomic_load(&best->load))
			best = &s->servings[i];
	return best;
}

/* A loop that has nobody, set to work now if need be; else the one that has the fewest. */
static struct serving *choose(struct server *s)
{
	struct serving *best = least_loaded(s), *next = &s->servings[s->working];
	struct err e;

	if (!atomic_load(&best->load) || s->working == s->count || s->enough)
		return best;
	if (start_thread(next, &e) == 0) {
		s->working++;
		return next;
	}
	say_error("%s: going on with %u", e.msg, s->working);
	s->enough = true;
	return best;
}

/* Takes the descriptors.  guest: NULL when single.  False: out of memory. */
static bool deal(struct server *s, struct serving *to, int in, int out, struct guest *guest, bool single)
{
	struct arrival *a = malloc(sizeof *a);
	if (!a) {
		close(in);
		if (out != in)
			close(out);
		return false;
	}
	*a = (struct arrival){ .serving = to, .id = s->next_id++, .in = in, .out = out, .guest = guest, .single = single };
	task_init(&a->task, arrive);
	atomic_fetch_add(&to->load, 1);
	loop_post(&to->loop, &a->task);
	return true;
}

/* One too many is closed at once: left in the queue it would wait for what may never come, and keep others from being
 * looked at. */
static void welcome(struct server *s, int fd)
{
	struct guest *guest;

	if (!guests_enter(&s->guests, fd, &guest))
		close(fd);
	else if (!deal(s, choose(s), fd, fd, guest, false))
		guests_leave(&s->guests, guest);
}

static void accept_some(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);
	(void)events;

	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			welcome(l->server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			say_error("cannot accept a connection now: %s", strerror(errno));
			struct loop *loop = server_loop(l->server);
			if (timer_start(loop, &l->retry, loop->now + ACCEPT_RETRY_NS)) /* else busily, but not never again */
				watch_stop(loop, w);
		}
		return;
	}
}

static void accept_again(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, retry);
	struct loop *loop = server_loop(l->server);
	if (watch_start(loop, &l->watch, l->fd, EPOLLIN) == 0 || timer_start(loop, t, loop->now + ACCEPT_RETRY_NS))
		return;
	say_error("cannot accept connections any more: %s", strerror(errno));
}

int server_listen(struct server *s, int fd, struct err *e)
{
	struct listener *l = calloc(1, sizeof *l);
	int flags = fcntl(fd, F_GETFL);

	if (!l || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		goto fail;
	l->server = s;
	l->fd = fd;
	l->watch.ready = accept_some;
	l->retry.fire = accept_again;
	if (watch_start(server_loop(s), &l->watch, fd, EPOLLIN) < 0)
		goto fail;
	list_add_tail(&s->listeners, &l->link);
	return 0;
fail:
	err_set(e, "cannot serve a listening socket: %s", strerror(errno));
	free(l);
	close(fd);
	return -1;
}

int server_single(struct server *s, int in, int out, struct err *e)
{
	return deal(s, &s->servings[0], in, out, NULL, true) ? 0 : err_set(e, "out of memory");
}

struct loop *server_loop(struct server *s)
{
	return &s->servings[0].loop;
}

/* The listeners stay: an event of this turn may point at one. */
static void stop_listening(struct server *s)
{
	list_for_each_safe(&s->listeners, link, next) {
		struct listener *l = list_entry(link, struct listener, link);
		watch_stop(server_loop(s), &l->watch);
		timer_stop(server_loop(s), &l->retry);
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
}

void server_stop(struct server *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	stop_listening(s);
	atomic_store(&s->awaited, s->working);
	for (unsigned i = 0; i < s->working; i++)
		loop_post(&s->servings[i].loop, &s->servings[i].stop);
}

/* Each ends when it was told to stop and its last connection is gone. */
static void join_threads(struct server *s)
{
	for (unsigned i = 1; i < s->count; i++)
		if (s->servings[i].has_thread) {
			pthread_join(s->servings[i].thread, NULL);
			s->servings[i].has_thread = false;
		}
}

void server_run(struct server *s)
{
	loop_run(&s->servings[0].loop);
	join_threads(s);
}

unsigned server_cores(void)
{
	cpu_set_t cpus;
	return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

struct server *server_new(const struct server_options *o, struct err *e)
{
	/* Waves of requests come and go: memory given back after each would be asked for again by the next.  Whoever sets
	 * one of these stops malloc from learning the third, and then each block of 128 KiB is mapped, faulted in page by
	 * page and unmapped: that is what plug-ins in Tcl have 256 KiB reads in. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	struct server *s = aligned_alloc(_Alignof(struct server), sizeof *s);
	if (s)
		*s = (struct server){ 0 };
	if (!s || !(s->servings = calloc(o->loops, sizeof *s->servings))) {
		err_set(e, "out of memory");
		free(s);
		return NULL;
	}
	s->config = (struct conn_config){
		.stages = o->stages,
		.readonly = o->readonly,
		.oldstyle = o->oldstyle,
		.no_structured = o->no_structured,
		.handshake_mask = o->handshake_mask,
		.tls = o->tls,
		.tls_required = o->tls_required,
		.timeout = o->timeout,
		.idle_timeout = o->idle_timeout,
		.max_bytes = o->max_conn_bytes ? o->max_conn_bytes : UINT64_MAX,
		.total = o->max_bytes ? &s->total : NULL,
	};
	s->total.max = o->max_bytes;
	guests_init(&s->guests, o->max_connections, o->max_per_peer);
	s->next_id = 1;
	list_init(&s->listeners);
	for (unsigned i = 0; i < o->loops; i++) {
		struct serving *v = &s->servings[i];
		if (loop_start(&v->loop, e) < 0) {
			server_free(s);
			return NULL;
		}
		s->count++;
		v->server = s;
		v->loop.rivals = o->busy_polls ? NULL : &s->connections;
		v->loop.rivals_max = server_cores() / 2; /* one for the client, one for us */
		v->loop.busy_poll = o->busy_poll;
		list_init(&v->conns);
		task_init(&v->stop, stop_serving);
		task_init(&v->over, end_serving);
	}
	s->working = 1;
	return s;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	server_stop(s); /* when server_run() never was */
	join_threads(s);
	for (struct list *link; (link = list_pop(&s->listeners));)
		free(list_entry(link, struct listener, link));
	for (unsigned i = 0; i < s->count; i++) {
		conn_memory_free(&s->servings[i].memory);
		loop_free(&s->servings[i].loop);
	}
	guests_free(&s->guests);
	free(s->servings);
	free(s);
}
