/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include "expect/private.h"
#include "base/util.h"

enum { LOOK_MS = 5 }; /* between two looks where nothing can be polled */

/* The program stays to be reaped, so that its pid cannot become another's before mexp_close(). */
int mexp_wait(mexp_h *h, int ms, int *status)
{
	const struct mexp_state *s = h->state;
	uint64_t deadline = mx_in_ms(ms);
	bool eof = false, exited;
	int got, full;
	if (h->pid <= 0)
		return errno = ECHILD, MEXP_ERROR;
	while ((got = mx_wait_exit(s->pidfd, h->pid, 0)) == 0) {
		short revents = 0;
		uint64_t soon = s->pidfd < 0 || s->tty_eof ? mx_in_ms(LOOK_MS) : MX_NEVER;
		if (mx_over(deadline))
			return MEXP_TIMEOUT;
		if (eof) { /* nothing to watch but the exit */
			mx_wait_exit(s->pidfd, h->pid, deadline);
			continue;
		}
		if (mx_poll(h, POLLIN, MIN(soon, deadline), &revents, &exited) < 0)
			return MEXP_ERROR;
		if (revents & POLLIN && (full = mx_full(h)) != MEXP_AGAIN)
			return full;
		ssize_t n = revents ? mx_read(h, true) : 0;
		if (n == -1)
			return MEXP_ERROR;
		eof = n == MX_EOF;
	}
	if (got < 0)
		return MEXP_ERROR;
	siginfo_t info = { 0 };
	if (waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOWAIT) < 0)
		return MEXP_ERROR;
	if (status) /* as waitpid(2) says it */
		*status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
						     : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
	return 0;
}
