/* SPDX-License-Identifier: BSD-2-Clause */
/* The form for event loops: the caller sleeps. */
#include <poll.h>
#include "expect/private.h"
#include "base/util.h"

int mexp_try_expect(mexp_h *h, const mexp_regexp *regexps, pcre2_match_data *md)
{
	struct mexp_state *s = h->state;
	if ((!s->waiting || !mx_same_list(h, regexps)) && mx_wait_begin(h, regexps) < 0)
		return MEXP_ERROR;
	int r = mx_wait_step(h, regexps, md, false);
	s->waiting = r == MEXP_AGAIN;
	return r;
}

short mexp_poll_events(const mexp_h *h)
{
	(void)h;
	return POLLIN;
}

int mexp_deadline_ms(const mexp_h *h)
{
	if (h->state->wake == MX_NEVER)
		return -1;
	uint64_t now = monotonic_ns(), left = h->state->wake > now ? h->state->wake - now : 0;
	uint64_t ms = (left + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}
