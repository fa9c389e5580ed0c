/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include "expect/private.h"
#include "base/util.h"

int mexp_expect_any(struct mexp_wait_for *w, size_t n, int timeout_ms)
{
	uint64_t deadline = mx_in_ms(timeout_ms);
	struct pollfd *fds = calloc(n * 2 + 1, sizeof(*fds)); /* the terminals, then the exits */
	if (!fds)
		return MEXP_ERROR;
	for (bool first = true;; first = false) {
		uint64_t wake = deadline, now = monotonic_ns();
		int answers = 0;
		for (size_t i = 0; i < n; i++) {
			mexp_h *h = w[i].h;
			if (!h) {
				fds[i].fd = fds[n + i].fd = -1;
				continue;
			}
			/* Of many sessions most have nothing to say most of the time. */
			if (first || fds[i].revents || fds[n + i].revents || h->state->wake <= now)
				w[i].result = mexp_try_expect(h, w[i].regexps, w[i].md);
			answers += w[i].result != MEXP_AGAIN;
			wake = MIN(wake, h->state->wake);
			fds[i] = (struct pollfd){ .fd = h->fd, .events = mexp_poll_events(h) };
			fds[n + i] = (struct pollfd){ .fd = mexp_get_exit_fd(h), .events = POLLIN };
		}
		if (answers || mx_over(deadline)) {
			free(fds);
			return answers ? answers : MEXP_TIMEOUT;
		}
		if (mx_sleep(fds, n * 2, wake) < 0 && errno != EINTR) {
			int saved = errno;
			free(fds);
			return errno = saved, MEXP_ERROR;
		}
	}
}
