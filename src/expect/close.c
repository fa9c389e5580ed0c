/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include "expect/private.h"
#include "base/util.h"

enum {
	KILL_MS = 2000,  /* between SIGTERM and SIGKILL, and after that for the kernel to let go */
	LOOK_MS = 5,     /* between two looks where there is no pidfd */
};

int mx_wait_exit(int pidfd, pid_t pid, uint64_t until)
{
	for (;;) {
		siginfo_t info = { 0 };
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno != EINTR)
			return -1;
		if (info.si_pid)
			return 1;
		if (mx_over(until))
			return 0;
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		uint64_t soon = mx_in_ms(pidfd < 0 ? LOOK_MS : 1000);
		mx_sleep(&p, 1, MIN(until, soon));
	}
}

/* The wait status of a program that has exited. */
static int reap(pid_t pid)
{
	int status;
	pid_t got;
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -1 : status;
}

int mexp_close_timeout(mexp_h *h, int ms)
{
	if (!h)
		return 0;
	if (h->fd >= 0)
		close(h->fd); /* SIGHUP */
	h->fd = -1;
	int status = 0;
	if (h->pid > 0) {
		int got = mx_wait_exit(h->state->pidfd, h->pid, mx_in_ms(ms));
		if (got == 0) {
			kill(h->pid, SIGTERM);
			kill(h->pid, SIGCONT); /* a stopped one would not notice */
			got = mx_wait_exit(h->state->pidfd, h->pid, mx_in_ms(KILL_MS));
		}
		if (got == 0) {
			kill(h->pid, SIGKILL);
			got = mx_wait_exit(h->state->pidfd, h->pid, mx_in_ms(KILL_MS));
		}
		if (got == 0)
			errno = ETIMEDOUT;
		status = got > 0 ? reap(h->pid) : -1;
	}
	int saved = errno;
	mx_free(h);
	errno = saved;
	return status;
}

int mexp_close(mexp_h *h)
{
	return h ? mexp_close_timeout(h, h->timeout) : 0;
}
