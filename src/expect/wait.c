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
	uint64_t deadline = mx_in_ms(ms);
	bool eof = false;
	if (h->pid <= 0)
		return errno = ECHILD, MEXP_ERROR;
	for (;;) {
		int got = mx_wait_exit(h->state->pidfd, h->pid, 0);
		if (got < 0)
			return MEXP_ERROR;
		if (got > 0)
			break;
		if (deadline != MX_NEVER && monotonic_ns() >= deadline)
			return MEXP_TIMEOUT;
		bool exited, reads = !eof && h->len < h->state->max_buffer;
		short revents = 0;
		uint64_t soon = h->state->pidfd < 0 || h->state->tty_eof || !reads ? mx_in_ms(LOOK_MS) : MX_NEVER;
		if (mx_poll(h, reads ? POLLIN : 0, MIN(soon, deadline), &revents, &exited) < 0)
			return MEXP_ERROR;
		if (reads && revents) {
			ssize_t n = mx_read(h, true);
			if (n == -1)
				return MEXP_ERROR;
			eof = n == MX_EOF;
		}
		if (eof || !reads) { /* nothing to watch but the exit */
			got = mx_wait_exit(h->state->pidfd, h->pid, eof ? deadline : mx_in_ms(0));
			if (got < 0)
				return MEXP_ERROR;
		}
	}
	siginfo_t info = { 0 };
	if (waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOWAIT) < 0)
		return MEXP_ERROR;
	if (status) /* as waitpid(2) says it */
		*status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
						     : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
	return 0;
}
