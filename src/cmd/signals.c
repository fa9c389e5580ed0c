/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/signals.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "base/say.h"

enum { PATIENCE_NS = 500000000 };

static sigset_t ours;
static uint64_t first_at;   /* ns, CLOCK_MONOTONIC; 0: no signal yet.  Main thread */

/* True for a signal that is really another one, not the first one told twice.  Also in a handler. */
static bool is_second(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
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

void signals_block(void)
{
	struct sigaction old;
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGQUIT);
	if (sigaction(SIGHUP, NULL, &old) < 0 || old.sa_handler != SIG_IGN)
		sigaddset(&ours, SIGHUP); /* else: nohup */
	pthread_sigmask(SIG_BLOCK, &ours, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Typed on the terminal, the command has it as well and decides what it means. */
static bool for_the_command(const struct signals *s, const struct signalfd_siginfo *si)
{
	return (si->ssi_signo == SIGINT || si->ssi_signo == SIGQUIT) && si->ssi_code == SI_KERNEL && run_alive(s->run);
}

/* The terminal is gone: the kernel says so, or the shell that leads our session, to its jobs.
 * Anybody else means "read your configuration again", and there is none. */
static bool is_hangup(const struct signals *s, const struct signalfd_siginfo *si)
{
	return !s->background && (si->ssi_code == SI_KERNEL || (pid_t)si->ssi_pid == getsid(0));
}

static void got(struct signals *s, const struct signalfd_siginfo *si)
{
	int n = (int)si->ssi_signo;
	say_debug("received signal %d (%s)", n, strsignal(n));
	if ((n == SIGHUP && !is_hangup(s, si)) || for_the_command(s, si))
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
	struct signalfd_siginfo si;
	while (read(w->fd, &si, sizeof si) == sizeof si)
		got(s, &si);
}

int signals_watch(struct signals *s, struct err *e)
{
	int fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_set(e, "signalfd: %s", strerror(errno));
	s->watch.ready = ready;
	if (watch_start(server_loop(s->server), &s->watch, fd, EPOLLIN) == 0)
		return 0;
	err_set(e, "cannot watch for signals: %s", strerror(errno));
	close(fd);
	s->watch.fd = -1;
	return -1;
}

void signals_unwatch(struct signals *s)
{
	int fd = s->watch.fd;
	if (fd < 0)
		return;
	watch_stop(server_loop(s->server), &s->watch);
	close(fd);
	for (int n = 1; n < SIGRTMIN; n++)
		if (sigismember(&ours, n) == 1)
			sigaction(n, &(struct sigaction){ .sa_handler = n == SIGHUP && s->background ? SIG_IGN : hurry,
							  .sa_flags = SA_RESTART }, NULL);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}
