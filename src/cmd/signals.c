/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/signals.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/say.h"

enum { PATIENCE_NS = 500000000 };

static const int numbers[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };
static int told_in = -1, told_fd = -1; /* a pipe: what the handler caught, on its way to loop 0 */
static uint64_t first_at;   /* ns, CLOCK_MONOTONIC; 0: no signal yet.  Main thread */

/* True for a signal that is really another one, not the first one told twice.  Also in a handler. */
static bool is_second(void)
{
	uint64_t now = monotonic_ns();
	if (!first_at)
		first_at = now;
	return now - first_at >= PATIENCE_NS;
}

static void hurry(int n)
{
	int saved = errno;
	if (is_second())
		_exit(128 + n);
	errno = saved;
}

struct caught {
	int number, code;
	pid_t sender;
};

/* Any thread.  A pipe that is full has enough of them. */
static void tell(int n, siginfo_t *si, void *context)
{
	int saved = errno;
	struct caught c = { n, si->si_code, si->si_pid };
	(void)context;
	if (write(told_fd, &c, sizeof c) < 0)
		errno = 0;
	errno = saved;
}

/* nohup(1) means it. */
static bool ignored(int n)
{
	struct sigaction old;
	return n == SIGHUP && sigaction(n, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

static void handle_all(const struct sigaction *how)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!ignored(numbers[i]))
			sigaction(numbers[i], how, NULL);
}

int signals_catch(struct err *e)
{
	struct sigaction how = { .sa_sigaction = tell, .sa_flags = SA_SIGINFO | SA_RESTART };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(e, "cannot make a pipe for signals: %s", strerror(errno));
	told_in = fds[0];
	told_fd = fds[1];
	handle_all(&how);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write beyond a limit is EFBIG, and no reason to end */
	return 0;
}

/* Typed on the terminal, the command has it as well and decides what it means. */
static bool for_the_command(const struct signals *s, const struct caught *c)
{
	return (c->number == SIGINT || c->number == SIGQUIT) && c->code == SI_KERNEL && run_alive(s->run);
}

/* The terminal is gone: the kernel says so, or the shell that leads our session, to its jobs.
 * Anybody else means "read your configuration again", and there is none. */
static bool is_hangup(const struct signals *s, const struct caught *c)
{
	return !s->background && (c->code == SI_KERNEL || c->sender == getsid(0));
}

static void got(struct signals *s, const struct caught *c)
{
	int n = c->number;
	say_debug("received signal %d (%s)", n, strsignal(n));
	if ((n == SIGHUP && !is_hangup(s, c)) || for_the_command(s, c))
		return;
	if (is_second()) {
		listen_close(s->listeners, false);
		_exit(128 + n);
	}
	server_stop(s->server); /* twice is fine */
}

static void ready(struct watch *w, uint32_t events)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct caught c;
	(void)events;
	while (read(w->fd, &c, sizeof c) == sizeof c)
		got(s, &c);
}

int signals_watch(struct signals *s, struct err *e)
{
	s->watch.ready = ready;
	if (watch_start(server_loop(s->server), &s->watch, told_in, EPOLLIN) == 0)
		return 0;
	return err_set(e, "cannot watch for signals: %s", strerror(errno));
}

void signals_unwatch(struct signals *s)
{
	struct sigaction how = { .sa_handler = hurry, .sa_flags = SA_RESTART };

	if (s->watch.fd < 0)
		return;
	watch_stop(server_loop(s->server), &s->watch);
	handle_all(&how);
	if (s->background)
		signal(SIGHUP, SIG_IGN);
}
