/* SPDX-License-Identifier: BSD-2-Clause */
/* A wait is a row of steps: read what is there, look at it, tell when to look again.  mexp_expect() sleeps between steps in
 * poll(2), mexp_try_expect() leaves that to its caller. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include "expect/private.h"
#include "base/util.h"

enum {
	READ_MIN = 4096,      /* bytes: as much as a terminal gives at once */
	READ_BURST = 64 << 10, /* and then it is looked at, and at the clock */
	QUIET_MS = 20,        /* of silence, until what was postponed is looked at all the same */
};

int mx_poll(mexp_h *h, short events, uint64_t until, short *revents, bool *exited)
{
	/* The exit first, and the kernel asks in this order: whatever the program wrote is there when its exit is seen. */
	struct pollfd fds[] = { { .fd = mexp_get_exit_fd(h), .events = POLLIN }, { .fd = h->fd, .events = events } };
	*revents = 0;
	*exited = false;
	if (mx_sleep(fds, ARRAY_LEN(fds), until) < 0)
		return errno == EINTR ? 0 : -1;
	*exited = fds[0].revents;
	*revents = fds[1].revents;
	return 0;
}

ssize_t mx_read(mexp_h *h, bool ready)
{
	struct mexp_state *s = h->state;
	bool exited;
	size_t room = s->max_buffer > h->len ? s->max_buffer - h->len : 0, want = MAX(h->read_size, (size_t)READ_MIN);
	short revents;
	if (!ready) {
		if (mx_poll(h, POLLIN, 0, &revents, &exited) < 0)
			return -1;
		if (!revents)
			return exited ? MX_EOF : 0;
	}
	want = MIN(want, room);
	if (!want)
		return 0;
	if (mx_room(h, want) < 0)
		return -1;
	ssize_t n = s->socket ? recv(h->fd, h->buffer + h->len, want, MSG_DONTWAIT) : read(h->fd, h->buffer + h->len, want);
	if (n > 0) {
		mx_arrived(h, (size_t)n);
		s->last_input = monotonic_ns();
		s->paused = false;
		return n;
	}
	if (n == 0 || errno == EIO) /* how a terminal says it */
		return MX_EOF;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

int mx_full(const mexp_h *h)
{
	const struct mexp_state *s = h->state;
	if (h->len < s->max_buffer)
		return MEXP_AGAIN;
	return s->max_is_set ? MEXP_FULL : (errno = ENOBUFS, MEXP_ERROR);
}

int mx_wait_begin(mexp_h *h, const mexp_regexp *list)
{
	if (mx_begin(h, list) < 0)
		return MEXP_ERROR;
	h->state->deadline = mx_in_ms(h->timeout);
	h->state->last_input = monotonic_ns();
	h->state->paused = false;
	return 0;
}

/* What there is, as far as a pause or the end of it settle something. */
static int judge(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md)
{
	struct mexp_state *s = h->state;
	uint64_t now = monotonic_ns(), settled = MX_NEVER, quiet;
	size_t bytes = 0;
	if (s->settle_ms >= 0 && !s->paused)
		settled = s->last_input + (uint64_t)s->settle_ms * NS_PER_MS;
	int r = MEXP_AGAIN;
	if (s->settle_ms > 0 || settled > now)
		r = mx_scan(h, list, md, MX_MORE, false);
	if (r == MEXP_AGAIN && settled <= now && (s->settle_ms == 0 || mx_pending(h))) {
		r = mx_scan(h, list, md, MX_PAUSE, true);
		s->paused = true;
	}
	if (r == MEXP_AGAIN && s->settle_ms == 0)
		r = mx_scan(h, list, md, MX_MORE, false);
	if (r == MEXP_AGAIN && mx_postponed(h, &bytes)) {
		quiet = s->last_input + (QUIET_MS + bytes / (256 << 10)) * NS_PER_MS;
		if (quiet > now)
			s->wake = MIN(s->wake, quiet);
		else
			r = mx_scan(h, list, md, MX_MORE, true);
	}
	if (r == MEXP_AGAIN && !s->paused && mx_pending(h))
		s->wake = MIN(s->wake, settled);
	return r;
}

int mx_wait_step(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, bool ready)
{
	struct mexp_state *s = h->state;
	ssize_t n;
	size_t burst = 0;
	s->wake = s->deadline;
	do {
		n = mx_read(h, ready);
		ready = false;
		if (n == -1)
			return MEXP_ERROR;
		if (n > 0)
			burst += (size_t)n;
	} while (n >= READ_MIN / 2 && burst < READ_BURST); /* after a short one there is most likely no more */
	int r;
	if (n == MX_EOF)
		return (r = mx_scan(h, list, md, MX_END, true)) == MEXP_AGAIN ? MEXP_EOF : r;
	if ((r = judge(h, list, md)) != MEXP_AGAIN)
		return r;
	if (mx_over(s->deadline))
		return (r = mx_scan(h, list, md, MX_PAUSE, true)) == MEXP_AGAIN ? MEXP_TIMEOUT : r;
	mx_forget(h);
	return mx_full(h);
}

int mexp_expect(mexp_h *h, const mexp_regexp *regexps, pcre2_match_data *md)
{
	short revents = 0;
	bool exited;
	h->state->waiting = false;
	if (mx_wait_begin(h, regexps) < 0)
		return MEXP_ERROR;
	int r;
	while ((r = mx_wait_step(h, regexps, md, revents & POLLIN)) == MEXP_AGAIN)
		if (mx_poll(h, POLLIN, h->state->wake, &revents, &exited) < 0)
			return MEXP_ERROR;
	return r;
}
