/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/signals.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/say.h"

static sigset_t ours;

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

static void got(struct signals *s, const struct signalfd_siginfo *si)
{
	int n = (int)si->ssi_signo;
	say_debug("received signal %d (%s)", n, strsignal(n));
	if ((n == SIGHUP && s->background) || for_the_command(s, si))
		return;
	if (s->ending) {
		listen_close(s->listeners, false);
		_exit(128 + n);
	}
	s->ending = true;
	server_stop(s->server);
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
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}
