/* SPDX-License-Identifier: BSD-2-Clause */
/* bench-load: load for an NBD server, and one line of what came of it.
 *
 * Connections are shared out to threads; a thread with one connection waits in recv, a
 * thread with several in epoll_wait.  A run is a row of phases (verify's fill, warm-up, the
 * measured part, verify's last sweep).  Each begins with nothing in flight and ends when every reply has
 * come, so requests, time and CPU are counted exactly, whatever the depth and the delay.
 * Main wakes at the borders of the phases only and reads the costs there. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "base/say.h"
#include "client.h"
#include "cost.h"
#include "dial.h"
#include "settings.h"

struct worker {
	pthread_t thread;
	struct client *clients; /* n of all, borrowed from main */
	unsigned n;
	int epoll;
	struct tally tally;
	struct err err;         /* "" while all is well */
};

/* Written by main before the barrier that starts a phase, read by workers behind it. */
static uint64_t deadline;       /* ns */
static bool finished;
static pthread_barrier_t border;
static atomic_bool failed;      /* some worker has an err: the others send no more */

static void stop_sending(struct worker *w)
{
	for (unsigned i = 0; i < w->n; i++)
		w->clients[i].phase.quota = 0;
}

/* Ask for EPOLLOUT exactly while something waits to be sent. */
static int watch(struct worker *w, struct client *c, int how, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN | (client_blocked(c) ? EPOLLOUT : 0), .data.ptr = c };
	return epoll_ctl(w->epoll, how, c->fd, &ev) < 0 ? err_set(e, "epoll_ctl: %s", strerror(errno)) : 0;
}

static int send_and_watch(struct worker *w, struct client *c, uint64_t now, struct err *e)
{
	bool was_blocked = client_blocked(c);
	if (client_send(c, now, e) < 0)
		return -1;
	return client_blocked(c) == was_blocked ? 0 : watch(w, c, EPOLL_CTL_MOD, e);
}

/* One turn with whatever is ready; *done counts the clients that have no more to do. */
static int turn(struct worker *w, unsigned *done, struct err *e)
{
	struct epoll_event ready[64];
	uint64_t now = 0;
	int n = 1;
	if (w->n == 1 && !client_blocked(w->clients))
		ready[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLHUP, .data.ptr = w->clients };
	else if ((n = epoll_wait(w->epoll, ready, ARRAY_LEN(ready), -1)) < 0)
		return errno == EINTR ? 0 : err_set(e, "epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		struct client *c = ready[i].data.ptr;
		if (ready[i].events & ~EPOLLOUT) {
			if (client_receive(c, ready[i].events & EPOLLHUP, &now, e) < 0)
				return -1;
		} else {
			now = clock_now();
		}
		if (now >= deadline || atomic_load_explicit(&failed, memory_order_relaxed))
			stop_sending(w);
		if (client_done(c))
			++*done;
		else if (send_and_watch(w, c, now, e) < 0)
			return -1;
	}
	return 0;
}

static int run_phase(struct worker *w, struct err *e)
{
	unsigned done = 0;
	uint64_t now = clock_now();
	for (unsigned i = 0; i < w->n; i++)
		if (client_done(w->clients + i))
			done++;
		else if (send_and_watch(w, w->clients + i, now, e) < 0)
			return -1;
	while (done < w->n)
		if (turn(w, &done, e) < 0)
			return -1;
	return 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	for (;;) {
		pthread_barrier_wait(&border);
		if (finished)
			return NULL;
		if (!w->err.msg[0] && run_phase(w, &w->err) < 0)
			atomic_store(&failed, true);
		pthread_barrier_wait(&border);
	}
}

struct measure {
	uint64_t wall, client; /* ns */
	struct cost server;
};

static int measure(const struct settings *s, struct measure *m, struct err *e)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	m->client = t.tv_sec * NS_PER_S + t.tv_nsec;
	if (cost_read((pid_t)s->server_pid, &m->server, e) < 0)
		return -1;
	m->wall = clock_now();
	return 0;
}

/* Let the workers do one phase: at most requests of them (shared out) and at most ns of it. */
static void phase(const struct settings *s, struct client *clients, struct phase p, uint64_t requests, uint64_t ns)
{
	unsigned n = s->connections;
	for (unsigned i = 0; i < n; i++) {
		p.next = (uint64_t)((__uint128_t)s->work.blocks * i / n);
		p.quota = (uint64_t)((__uint128_t)requests * (i + 1) / n) - (uint64_t)((__uint128_t)requests * i / n);
		clients[i].phase = p;
	}
	uint64_t now = clock_now();
	deadline = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
	pthread_barrier_wait(&border);
	pthread_barrier_wait(&border);
}

static void report(const struct settings *s, const struct tally *t, const struct measure *a, const struct measure *b)
{
	const struct hist *h = &t->latency;
	double sec = (b->wall - a->wall) / 1e9, n = h->total ? h->total : 1;
	printf("requests=%" PRIu64 " seconds=%.6f iops=%.0f mb_s=%.1f p50_us=%.2f p99_us=%.2f max_us=%.1f client_cpu_us=%.3f",
	       h->total, sec, h->total / sec, t->bytes / sec / 1e6, hist_quantile(h, 0.5) / 1e3,
	       hist_quantile(h, 0.99) / 1e3, h->max / 1e3, (b->client - a->client) / 1e3 / n);
	if (s->server_pid)
		printf(" server_cpu_us=%.3f server_switches=%.4f server_threads=%" PRIu64 " server_rss_kib=%" PRIu64 " kernel_kib=%" PRIu64,
		       (b->server.cpu - a->server.cpu) / 1e3 / n,
		       b->server.switches < a->server.switches ? 0 : (b->server.switches - a->server.switches) / n,
		       b->server.threads, b->server.rss, b->server.kernel);
	putchar('\n');
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* Scattered: steps of some 0.618 of the range, which fill it evenly, and come to each block once before the first again. */
static uint64_t stride_of(const struct settings *s)
{
	uint64_t stride = s->work.blocks - (uint64_t)((__uint128_t)s->work.blocks * 382 / 1000);
	if (!s->scattered)
		return s->sequential;
	while (gcd(stride, s->work.blocks) != 1)
		stride--;
	return stride;
}

/* All phases; the tallies are cleared after the warm-up. */
static int run(const struct settings *s, struct worker *w, struct client *clients, struct err *e)
{
	struct measure before, after;
	struct tally all = { 0 };
	struct phase p = { .read_percent = s->read_percent, .stride = stride_of(s) };
	int bad = 0;
	if (s->verify)
		phase(s, clients, (struct phase){ .fill = true, .stride = 1 }, s->work.blocks, UINT64_MAX);
	if (s->warmup)
		phase(s, clients, p, UINT64_MAX, s->warmup);
	for (unsigned i = 0; i < s->threads; i++)
		w[i].tally = (struct tally){ 0 };
	bad |= measure(s, &before, e);
	phase(s, clients, p, s->requests ? s->requests : UINT64_MAX, s->requests ? UINT64_MAX : s->seconds);
	bad |= measure(s, &after, e);
	for (unsigned i = 0; i < s->threads; i++) {
		all.bytes += w[i].tally.bytes;
		hist_merge(&all.latency, &w[i].tally.latency);
	}
	if (s->verify)
		phase(s, clients, (struct phase){ .read_percent = 100, .stride = 1 }, s->work.blocks, UINT64_MAX);
	finished = true;
	pthread_barrier_wait(&border);
	for (unsigned i = 0; i < s->threads; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].err.msg[0]) {
			*e = w[i].err;
			bad = -1;
		}
	}
	if (!bad)
		report(s, &all, &before, &after);
	return bad;
}

/* Share out the clients, watch their sockets, start the threads (which wait for main). */
static int start(const struct settings *s, struct worker *w, struct client *clients, struct err *e)
{
	unsigned at = 0;
	pthread_barrier_init(&border, NULL, s->threads + 1);
	for (unsigned i = 0; i < s->threads; i++) {
		w[i].n = s->connections / s->threads + (i < s->connections % s->threads);
		w[i].clients = clients + at;
		at += w[i].n;
		if ((w[i].epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
			return err_set(e, "epoll_create1: %s", strerror(errno));
		for (unsigned j = 0; j < w[i].n; j++) {
			w[i].clients[j].tally = &w[i].tally;
			if (watch(w + i, w[i].clients + j, EPOLL_CTL_ADD, e) < 0)
				return -1;
		}
	}
	for (unsigned i = 0; i < s->threads; i++)
		if (pthread_create(&w[i].thread, NULL, work, w + i))
			return err_set(e, "cannot start thread %u", i + 1);
	return 0;
}

/* The range in blocks, and what is written to them: known when the disk's size is. */
static int fit_range(struct settings *s, uint64_t disk, struct err *e)
{
	if (s->range > disk)
		return err_set(e, "--range: %" PRIu64 " bytes are more than the disk's %" PRIu64, s->range, disk);
	s->work.blocks = (s->range ? s->range : disk) / s->work.size;
	if (!s->work.blocks)
		return err_set(e, "--size: %" PRIu32 " bytes do not fit into the range", s->work.size);
	if (s->verify && s->work.blocks > UINT64_C(1) << 28)
		return err_set(e, "--verify: the range has too many blocks, use --range");
	s->work.payload = malloc(s->work.size);
	s->work.written = s->verify ? calloc(s->work.blocks, 1) : NULL;
	if (!s->work.payload || (s->verify && !s->work.written))
		return err_set(e, "out of memory");
	for (uint32_t i = 0; i < s->work.size; i++)
		s->work.payload[i] = (uint8_t)(i * 2654435761u >> 24) | 1;
	return 0;
}

static int open_idle(const struct settings *s, struct err *e)
{
	uint64_t disk;
	for (unsigned i = 0; i < s->idle; i++) {
		int fd = dial_connect(s->work.where, e);
		if (fd < 0 || dial_go(fd, s->work.export, s->work.structured, &disk, e) < 0)
			return -1; /* open sockets end with the process */
	}
	return 0;
}

static int load(struct settings *s, struct err *e)
{
	struct client *clients = calloc(s->connections, sizeof *clients);
	struct worker *w = calloc(s->threads, sizeof *w);
	uint64_t disk;
	int fd, bad = -1;
	if (!clients || !w) {
		err_set(e, "out of memory");
		goto out;
	}
	if ((fd = dial_connect(s->work.where, e)) < 0 || dial_go(fd, s->work.export, false, &disk, e) < 0)
		goto out;
	close(fd);
	if (fit_range(s, disk, e) < 0 || open_idle(s, e) < 0)
		goto out;
	for (unsigned i = 0; i < s->connections; i++)
		if (client_open(clients + i, &s->work, i, e) < 0)
			goto out;
	if (start(s, w, clients, e) == 0)
		bad = run(s, w, clients, e);
out:
	for (unsigned i = 0; clients && i < s->connections; i++)
		client_close(clients + i);
	free(clients);
	free(w);
	free(s->work.payload);
	free(s->work.written);
	return bad;
}

/* A server that hangs must not hang the bench. */
static void too_long(int sig)
{
	static const char text[] = "bench-load: error: the time limit (--timeout) has passed\n";
	if (write(2, text, sizeof text - 1) < 0) {}
	_exit(1);
}

int main(int argc, char **argv)
{
	struct settings s;
	struct rlimit files;
	struct err e = { "" };
	say_start("bench-load", SAY_STDERR, false);
	int bad = settings_read(&s, argc, argv, &e);
	if (bad > 0)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGALRM, too_long);
	alarm(s.timeout);
	if (bad || load(&s, &e) < 0) {
		say_error("%s", e.msg);
		return 1;
	}
	return 0;
}
