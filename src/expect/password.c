/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that asks for a password turns echo off just before or just after its prompt: who answers in between shows the
 * password to everyone, and who waits a while hopes.  The master side knows the other side's settings. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include "expect/private.h"
#include "base/util.h"

enum { LOOK_MS = 5 }; /* nothing can be polled for a change of the settings */

ssize_t mexp_send_password(mexp_h *h, const char *password, int ms)
{
	uint64_t deadline = mx_in_ms(ms < 0 ? h->timeout : ms);
	struct termios t;
	size_t len = strlen(password);
	while (tcgetattr(h->fd, &t) == 0 && t.c_lflag & ECHO) { /* what is no terminal has no echo */
		short revents;
		bool exited;
		if (mx_over(deadline))
			return errno = ETIMEDOUT, -1;
		if (mx_poll(h, 0, mx_in_ms(LOOK_MS), &revents, &exited) < 0)
			return -1;
		if (exited || revents & POLLHUP)
			return errno = EPIPE, -1;
	}
	ssize_t n = mx_send(h, password, len, true, deadline);
	if (n < 0 || mx_send(h, "\n", 1, false, deadline) < 0)
		return -1;
	return n + 1;
}
